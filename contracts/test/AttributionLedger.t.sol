// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAttributionLedger} from "src/interfaces/IAttributionLedger.sol";
import {Bundle} from "src/libraries/Bundle.sol";
import {FeePolicy} from "src/libraries/FeePolicy.sol";
import {AttributionSetup} from "test/support/AttributionSetup.sol";
import {Reenterer, Refuser} from "test/support/Test.sol";
import {Vm, vm} from "test/support/Vm.sol";

contract AttributionLedgerTest is AttributionSetup {
    uint256 private constant BALANCE = 1 ether;

    function setUp() public {
        placeContracts();
        populate(10, BALANCE);
    }

    // ---- prepaid balances

    function test_deposit_whenFirst_makesAPayer() public {
        address other = account("other");
        vm.deal(other, 5);
        vm.expectEmit(address(ledger));
        emit IAttributionLedger.PayerRegistered(2, other);
        vm.expectEmit(address(ledger));
        emit IAttributionLedger.Deposited(2, 5);
        vm.prank(other);
        assertEq(ledger.deposit{value: 5}(), 2, "index");
        assertEq(ledger.payerIndex(other), 2, "index of account");
        assertEq(ledger.payerAccount(2), other, "account of index");
        assertEq(ledger.payerCount(), 2, "payers");
        assertEq(ledger.prepaid(2), 5, "prepaid");
        checkBooks();
    }

    function test_depositFor_whenKnown_addsToTheBalance() public {
        vm.deal(address(this), 3);
        assertEq(ledger.depositFor{value: 3}(payer), 1, "index");
        assertEq(ledger.prepaid(1), BALANCE + 3, "prepaid");
        assertEq(ledger.totalPrepaid(), BALANCE + 3, "total");
        assertEq(ledger.payerCount(), 1, "payers");
        checkBooks();
    }

    function test_depositFor_Revert_whenZeroAddress() public {
        vm.expectRevert(abi.encodeWithSelector(IAttributionLedger.ZeroAddress.selector));
        ledger.depositFor(address(0));
    }

    function test_registerPayers_whenNew_indexesFollowEachOther() public {
        (address[] memory accounts, uint256[] memory amounts) = _threePayers();
        vm.deal(address(this), 60);
        assertEq(ledger.registerPayers{value: 60}(accounts, amounts), 2, "first");
        assertEq(ledger.prepaid(2), 10, "second payer");
        assertEq(ledger.prepaid(4), 30, "fourth payer");
        assertEq(ledger.payerCount(), 4, "payers");
        checkBooks();
    }

    function test_registerPayers_Revert_whenSumDiffers() public {
        (address[] memory accounts, uint256[] memory amounts) = _threePayers();
        vm.deal(address(this), 59);
        vm.expectRevert(abi.encodeWithSelector(IAttributionLedger.AmountsSum.selector, 60, 59));
        ledger.registerPayers{value: 59}(accounts, amounts);
    }

    function test_registerPayers_Revert_whenLengthsDiffer() public {
        (address[] memory accounts,) = _threePayers();
        vm.expectRevert(abi.encodeWithSelector(IAttributionLedger.LengthMismatch.selector, 3, 2));
        ledger.registerPayers(accounts, new uint256[](2));
    }

    function test_registerPayers_Revert_whenAmountIsBeyondAllEther() public {
        address[] memory accounts = new address[](1);
        uint256[] memory amounts = new uint256[](1);
        (accounts[0], amounts[0]) = (account("a"), 1 << 96);
        vm.expectRevert(abi.encodeWithSelector(IAttributionLedger.AmountsSum.selector, uint256(1) << 96, 0));
        ledger.registerPayers(accounts, amounts);
    }

    function test_withdraw_whenCovered_paysTheCaller() public {
        vm.expectEmit(address(ledger));
        emit IAttributionLedger.Withdrawn(1, 0.4 ether);
        vm.prank(payer);
        ledger.withdraw(0.4 ether);
        assertEq(payer.balance, 0.4 ether, "paid out");
        assertEq(ledger.prepaid(1), 0.6 ether, "left");
        checkBooks();
    }

    function test_withdraw_Revert_whenNotCovered() public {
        bytes memory reason = abi.encodeWithSelector(IAttributionLedger.InsufficientBalance.selector, BALANCE, BALANCE + 1);
        vm.expectRevert(reason);
        vm.prank(payer);
        ledger.withdraw(BALANCE + 1);
    }

    function test_withdraw_Revert_whenNotAPayer() public {
        vm.expectRevert(abi.encodeWithSelector(IAttributionLedger.InsufficientBalance.selector, 0, 1));
        vm.prank(account("stranger"));
        ledger.withdraw(1);
    }

    function test_withdraw_Revert_whenReceiverRefuses() public {
        address refuser = address(new Refuser());
        ledger.depositFor{value: 5}(refuser);
        vm.expectRevert(abi.encodeWithSelector(IAttributionLedger.TransferFailed.selector, refuser, 5));
        vm.prank(refuser);
        ledger.withdraw(5);
        assertEq(ledger.prepaid(2), 5, "still prepaid");
    }

    function test_withdraw_whenReentered_paysOnce() public {
        Reenterer thief = new Reenterer(abi.encodeCall(IAttributionLedger.withdraw, (5)));
        ledger.depositFor{value: 5}(address(thief));
        thief.run(address(ledger), abi.encodeCall(IAttributionLedger.withdraw, (5)), 0);
        assertTrue(thief.entered(), "entered");
        assertEq(address(thief).balance, 5, "paid once");
        checkBooks();
    }

    function test_receive_Revert_whenPlainEther() public {
        (bool taken,) = address(ledger).call{value: 1}("");
        assertTrue(!taken, "plain ether has no owner here");
    }

    // ---- recording

    function test_recordInference_whenValid_dividesTheFee() public {
        // 1,434 × 7 + 154 × 31 = 14,812 wei: 740.6, 2221.8, 3703, 3703, 4443.6 → floors, 2 left over.
        vm.expectEmit(address(ledger));
        bytes memory packed =
            abi.encodePacked(uint96(740), uint96(2221), uint96(3703), uint96(3703), uint32(3), uint16(9), uint96(4443));
        emit IAttributionLedger.InferenceRecorded(1, 1, 1, 1, 1434, 154, 14_812, packed);
        vm.prank(gateway);
        assertEq(ledger.recordInference(1, 1, 1434, 154, shares(3, 9)), 1, "id");

        assertEq(ledger.prepaid(1), BALANCE - 14_812, "prepaid");
        assertEq(ledger.accrued(platform), 740, "platform");
        assertEq(ledger.accrued(gatewayPayee), 2221, "gateway");
        assertEq(ledger.accrued(modelOwner), 3703, "model");
        assertEq(ledger.accrued(adapterOwner), 3703, "adapter");
        assertEq(ledger.contributionAccrued(3), 4443, "contributor");
        assertEq(ledger.carriedRemainder(1), 2, "carried");
        assertEq(ledger.totalFees(), 14_812, "fees");
        assertEq(ledger.totalShares(), 14_810, "shares");
        assertEq(ledger.recordCount(), 1, "records");
        checkBooks();
    }

    function test_recordInference_whenRemainderCarried_givesItNextTime() public {
        vm.prank(admin);
        registry.createFeePolicy(FeePolicy(5000, 0, 0, 0, 5000));
        registry.registerAdapter(adapterOwner, 1, 2, 1, 0, "halves");
        vm.startPrank(gateway);
        ledger.recordInference(1, 2, 1, 0, shares(1, 1));
        assertEq(ledger.carriedRemainder(2), 1, "one wei cannot be halved");
        assertEq(ledger.totalShares(), 0, "nothing given");
        ledger.recordInference(1, 2, 1, 0, shares(1, 1));
        assertEq(ledger.carriedRemainder(2), 0, "two can");
        assertEq(ledger.contributionAccrued(1), 1, "contributor");
        assertEq(ledger.accrued(platform), 1, "platform");
        checkBooks();
    }

    function test_recordInference_whenPayeeTwiceInARow_sumsUp() public {
        IAttributionLedger.Share[] memory list = new IAttributionLedger.Share[](2);
        list[0] = IAttributionLedger.Share(4, 1);
        list[1] = IAttributionLedger.Share(4, 3);
        vm.prank(gateway);
        ledger.recordInference(1, 1, 1000, 0, list);
        assertEq(ledger.contributionAccrued(4), 525 + 1575, "both shares");
        checkBooks();
    }

    function test_recordInference_whenOwnerChanged_creditsTheNewOne() public {
        _recordThousandTokens();
        vm.prank(modelOwner);
        registry.setModelOwner(1, account("heir"));
        _recordThousandTokens();
        assertEq(ledger.accrued(account("heir")), 1750, "heir");
        assertEq(ledger.accrued(modelOwner), 1750, "what accrued before stays");
    }

    function test_recordInference_whenFree_recordsAll() public {
        vm.prank(gateway);
        ledger.recordInference(1, 1, 0, 0, shares(1, 1));
        assertEq(ledger.recordCount(), 1, "records");
        checkBooks();
    }

    function test_recordInference_Revert_whenNotAGateway() public {
        vm.expectRevert(abi.encodeWithSelector(IAttributionLedger.NotAGateway.selector, payer));
        vm.prank(payer);
        ledger.recordInference(1, 1, 1, 1, shares(1, 1));
    }

    function test_recordInference_Revert_whenGatewayRemoved() public {
        vm.prank(admin);
        registry.removeGateway(1);
        vm.expectRevert(abi.encodeWithSelector(IAttributionLedger.NotAGateway.selector, gateway));
        vm.prank(gateway);
        ledger.recordInference(1, 1, 1, 1, shares(1, 1));
    }

    function test_recordInference_Revert_whenPayerUnknown() public {
        _expectRecordRevert(abi.encodeWithSelector(IAttributionLedger.UnknownPayer.selector, 0, 2));
        ledger.recordInference(2, 1, 1, 1, shares(1, 1));
    }

    function test_recordInference_Revert_whenAdapterUnknown() public {
        _expectRecordRevert(abi.encodeWithSelector(IAttributionLedger.UnknownAdapter.selector, 0, 2));
        ledger.recordInference(1, 2, 1, 1, shares(1, 1));
    }

    function test_recordInference_Revert_whenContributionUnknown() public {
        _expectRecordRevert(abi.encodeWithSelector(IAttributionLedger.UnknownContribution.selector, 0, 11));
        ledger.recordInference(1, 1, 1, 1, shares(11, 1));
    }

    function test_recordInference_Revert_whenIndexZero() public {
        _expectRecordRevert(abi.encodeWithSelector(IAttributionLedger.UnknownContribution.selector, 0, 0));
        ledger.recordInference(1, 1, 1, 1, shares(0, 1));
    }

    function test_recordInference_Revert_whenNoShares() public {
        _expectRecordRevert(abi.encodeWithSelector(Bundle.ShareCountOutOfRange.selector, 0, 0));
        ledger.recordInference(1, 1, 1, 1, new IAttributionLedger.Share[](0));
    }

    function test_recordInference_Revert_whenSixShares() public {
        _expectRecordRevert(abi.encodeWithSelector(Bundle.ShareCountOutOfRange.selector, 0, 6));
        ledger.recordInference(1, 1, 1, 1, new IAttributionLedger.Share[](6));
    }

    function test_recordInference_Revert_whenWeightZero() public {
        _expectRecordRevert(abi.encodeWithSelector(IAttributionLedger.ZeroWeight.selector, 0, 5));
        ledger.recordInference(1, 1, 1, 1, shares(5, 0));
    }

    function test_recordInference_Revert_whenPrepaidShort() public {
        registry.registerAdapter(adapterOwner, 1, 1, type(uint64).max, 0, "dear");
        uint256 fee = uint256(type(uint64).max) * 2;
        _expectRecordRevert(abi.encodeWithSelector(IAttributionLedger.InsufficientPrepaid.selector, 0, 1, BALANCE, fee));
        ledger.recordInference(1, 2, 2, 0, shares(1, 1));
    }

    // ---- bundles

    function test_recordBundle_whenTwoRows_isTheSameAsTwoRecords() public {
        bytes memory bundle = abi.encodePacked(bytes3(0x010002), _row(1, 1, 1434, 154, 3, 9), _row(1, 1, 10, 20, 4, 1));
        uint256 before = vm.snapshotState();
        vm.recordLogs();
        vm.prank(gateway);
        assertEq(ledger.recordBundle(bundle), 1, "first id");
        Vm.Log[] memory bundled = vm.getRecordedLogs();
        bytes32 books = _books();

        vm.revertToState(before);
        vm.startPrank(gateway);
        ledger.recordInference(1, 1, 1434, 154, shares(3, 9));
        ledger.recordInference(1, 1, 10, 20, shares(4, 1));
        vm.stopPrank();
        Vm.Log[] memory single = vm.getRecordedLogs();
        assertEq(bundled.length, 2, "events of the bundle");
        for (uint256 i; i < 2; i++) {
            assertEq(abi.encode(bundled[i].topics), abi.encode(single[i].topics), "topics");
            assertEq(bundled[i].data, single[i].data, "data");
        }
        assertEq(_books(), books, "books");
        checkBooks();
    }

    function test_recordBundle_Revert_whenVersionUnknown() public {
        _expectRecordRevert(abi.encodeWithSelector(Bundle.BundleVersion.selector, 2));
        ledger.recordBundle(abi.encodePacked(bytes3(0x020001), _row(1, 1, 1, 1, 1, 1)));
    }

    function test_recordBundle_Revert_whenEmpty() public {
        _expectRecordRevert(abi.encodeWithSelector(Bundle.BundleEmpty.selector));
        ledger.recordBundle("");
    }

    function test_recordBundle_Revert_whenHeaderShort() public {
        _expectRecordRevert(abi.encodeWithSelector(Bundle.BundleEmpty.selector));
        ledger.recordBundle(hex"0100");
    }

    function test_recordBundle_Revert_whenNoRows() public {
        _expectRecordRevert(abi.encodeWithSelector(Bundle.BundleEmpty.selector));
        ledger.recordBundle(hex"010000");
    }

    function test_recordBundle_Revert_whenTruncatedInHead() public {
        _expectRecordRevert(abi.encodeWithSelector(Bundle.BundleTruncated.selector, 0, 20, 19));
        ledger.recordBundle(abi.encodePacked(bytes3(0x010001), bytes16(0)));
    }

    function test_recordBundle_Revert_whenTruncatedInShares() public {
        bytes memory bundle = abi.encodePacked(bytes3(0x010002), _row(1, 1, 1, 1, 1, 1), bytes16(0), uint8(5), bytes6(0));
        _expectRecordRevert(abi.encodeWithSelector(Bundle.BundleTruncated.selector, 1, 26 + 17 + 30, bundle.length));
        ledger.recordBundle(bundle);
    }

    function test_recordBundle_Revert_whenTrailingBytes() public {
        _expectRecordRevert(abi.encodeWithSelector(Bundle.BundleTrailingBytes.selector, 26, 27));
        ledger.recordBundle(abi.encodePacked(bytes3(0x010001), _row(1, 1, 1, 1, 1, 1), uint8(0)));
    }

    function test_recordBundle_Revert_whenShareCountOutOfRange() public {
        bytes memory none = abi.encodePacked(bytes3(0x010001), bytes16(0), uint8(0));
        _expectRecordRevert(abi.encodeWithSelector(Bundle.ShareCountOutOfRange.selector, 0, 0));
        ledger.recordBundle(none);
        bytes memory six = abi.encodePacked(bytes3(0x010001), bytes16(0), uint8(6), new bytes(36));
        _expectRecordRevert(abi.encodeWithSelector(Bundle.ShareCountOutOfRange.selector, 0, 6));
        ledger.recordBundle(six);
    }

    function test_recordBundle_Revert_whenOneRowIsWrong_recordsNone() public {
        bytes memory bundle = abi.encodePacked(bytes3(0x010002), _row(1, 1, 1, 1, 1, 1), _row(9, 1, 1, 1, 1, 1));
        _expectRecordRevert(abi.encodeWithSelector(IAttributionLedger.UnknownPayer.selector, 1, 9));
        ledger.recordBundle(bundle);
        assertEq(ledger.recordCount(), 0, "records");
        assertEq(ledger.prepaid(1), BALANCE, "prepaid");
    }

    function testFuzz_recordBundle_whenGarbage_neverBreaksTheBooks(bytes calldata garbage) public {
        vm.prank(gateway);
        try ledger.recordBundle(garbage) {} catch {}
        checkBooks();
    }

    function testFuzz_recordInference_whenAnyNumbers_losesNothing(
        uint32 tokensIn,
        uint32 tokensOut,
        uint64 rateIn,
        uint64 rateOut,
        uint16[5] calldata cuts,
        uint16[5] calldata weights,
        uint8 count
    ) public {
        vm.deal(payer, 1 << 97);
        vm.prank(payer);
        ledger.deposit{value: (1 << 96) - 1 - BALANCE}();
        vm.prank(admin);
        registry.createFeePolicy(_policy(cuts));
        registry.registerAdapter(adapterOwner, 1, 2, rateIn, rateOut, "");
        IAttributionLedger.Share[] memory list = new IAttributionLedger.Share[](bound(count, 1, 5));
        for (uint32 i; i < list.length; i++) {
            list[i] = IAttributionLedger.Share(i + 1, uint16(bound(weights[i], 1, type(uint16).max)));
        }
        uint256 fee = uint256(tokensIn) * rateIn + uint256(tokensOut) * rateOut;
        vm.assume(fee < 1 << 96);
        vm.startPrank(gateway);
        ledger.recordInference(1, 2, tokensIn, tokensOut, list);
        assertEq(ledger.totalFees(), fee, "fee");
        assertTrue(ledger.carriedRemainder(2) < 10, "carried is dust");
        checkBooks();
    }

    // ---- claims

    function test_claim_whenAccrued_paysTheCaller() public {
        _recordThousandTokens();
        vm.expectEmit(address(ledger));
        emit IAttributionLedger.Claimed(modelOwner, 1750);
        vm.prank(modelOwner);
        assertEq(ledger.claim(), 1750, "claimed");
        assertEq(modelOwner.balance, 1750, "paid");
        assertEq(ledger.accrued(modelOwner), 0, "nothing left");
        assertEq(ledger.totalClaimed(), 1750, "total");
        checkBooks();
    }

    function test_claimContributions_whenAccrued_paysEachPayeeOnce() public {
        _recordThousandTokens();
        uint32[] memory list = new uint32[](3);
        (list[0], list[1], list[2]) = (1, 2, 2);
        vm.expectEmit(address(ledger));
        emit IAttributionLedger.ContributionClaimed(2, contributor(2), 2100);
        vm.prank(account("stranger"));
        assertEq(ledger.claimContributions(list), 2100, "claimed");
        assertEq(contributor(2).balance, 2100, "paid");
        assertEq(contributor(1).balance, 0, "nothing had accrued");
        assertEq(ledger.contributionAccrued(2), 0, "nothing left");
        assertEq(ledger.totalClaimed(), 2100, "total");
        checkBooks();
    }

    function test_claimContributions_whenPayeeChanged_paysTheNewOne() public {
        _recordThousandTokens();
        vm.prank(contributor(2));
        registry.setContributionPayee(2, account("heir"));
        ledger.claimContributions(_only(2));
        assertEq(account("heir").balance, 2100, "heir");
        assertEq(contributor(2).balance, 0, "previous payee");
    }

    function test_claimContributions_whenUnknown_paysNothing() public {
        assertEq(ledger.claimContributions(_only(11)), 0, "unknown");
        assertEq(ledger.claimContributions(_only(type(uint32).max)), 0, "highest");
    }

    function test_claimContributions_Revert_whenPayeeRefuses() public {
        address refuser = address(new Refuser());
        vm.prank(contributor(2));
        registry.setContributionPayee(2, refuser);
        _recordThousandTokens();
        vm.expectRevert(abi.encodeWithSelector(IAttributionLedger.TransferFailed.selector, refuser, 2100));
        ledger.claimContributions(_only(2));
        assertEq(ledger.contributionAccrued(2), 2100, "still accrued");
        checkBooks();
    }

    function test_claimContributions_whenReentered_paysOnce() public {
        Reenterer thief = new Reenterer(abi.encodeCall(IAttributionLedger.claimContributions, (_only(2))));
        vm.prank(contributor(2));
        registry.setContributionPayee(2, address(thief));
        _recordThousandTokens();
        ledger.claimContributions(_only(2));
        assertTrue(thief.entered(), "entered");
        assertEq(address(thief).balance, 2100, "paid once");
        checkBooks();
    }

    function test_claimFor_whenAnyoneCalls_paysThePayee() public {
        _recordThousandTokens();
        vm.prank(account("stranger"));
        ledger.claimFor(adapterOwner);
        assertEq(adapterOwner.balance, 1750, "paid");
        checkBooks();
    }

    function test_claim_Revert_whenNothingAccrued() public {
        vm.expectRevert(abi.encodeWithSelector(IAttributionLedger.NothingToClaim.selector, payer));
        vm.prank(payer);
        ledger.claim();
    }

    function test_claimFor_Revert_whenPayeeRefuses() public {
        address refuser = address(new Refuser());
        vm.prank(modelOwner);
        registry.setModelOwner(1, refuser);
        _recordThousandTokens();
        vm.expectRevert(abi.encodeWithSelector(IAttributionLedger.TransferFailed.selector, refuser, 1750));
        ledger.claimFor(refuser);
        assertEq(ledger.accrued(refuser), 1750, "still accrued");
        checkBooks();
    }

    function test_claim_whenReentered_paysOnce() public {
        Reenterer thief = new Reenterer(abi.encodeCall(IAttributionLedger.claim, ()));
        vm.prank(modelOwner);
        registry.setModelOwner(1, address(thief));
        _recordThousandTokens();
        ledger.claimFor(address(thief));
        assertTrue(thief.entered(), "entered");
        assertEq(thief.answer(), abi.encodeWithSelector(IAttributionLedger.NothingToClaim.selector, address(thief)), "refused");
        assertEq(address(thief).balance, 1750, "paid once");
        checkBooks();
    }

    function test_owed_whenEtherIsForced_isBelowTheBalance() public {
        vm.deal(address(ledger), address(ledger).balance + 7);
        assertEq(ledger.owed() + 7, address(ledger).balance, "forced ether belongs to nobody");
    }

    // ---- helpers

    /// @dev 7,000 wei: model and adapter get 1,750 each, contribution 2 gets 2,100.
    function _recordThousandTokens() private {
        vm.prank(gateway);
        ledger.recordInference(1, 1, 1000, 0, shares(2, 1));
    }

    function _only(uint32 contribution) private pure returns (uint32[] memory list) {
        list = new uint32[](1);
        list[0] = contribution;
    }

    function _threePayers() private pure returns (address[] memory accounts, uint256[] memory amounts) {
        (accounts, amounts) = (new address[](3), new uint256[](3));
        (accounts[0], accounts[1], accounts[2]) = (account("a"), account("b"), account("c"));
        (amounts[0], amounts[1], amounts[2]) = (10, 20, 30);
    }

    function _row(uint32 payer_, uint32 adapter, uint32 tokensIn, uint32 tokensOut, uint32 contribution, uint16 weight)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(payer_, adapter, tokensIn, tokensOut, uint8(1), contribution, weight);
    }

    /// @dev Five parts between four cuts of 10,000.
    function _policy(uint16[5] calldata cuts) private pure returns (FeePolicy memory) {
        uint256 left = 10_000;
        uint256[4] memory parts;
        for (uint256 i; i < 4; i++) {
            parts[i] = bound(cuts[i], 0, left);
            left -= parts[i];
        }
        return FeePolicy(uint16(parts[0]), uint16(parts[1]), uint16(parts[2]), uint16(parts[3]), uint16(left));
    }

    /// @dev Everything recording changes.
    function _books() private view returns (bytes32) {
        return keccak256(
            abi.encode(
                ledger.prepaid(1),
                ledger.accrued(platform),
                ledger.accrued(gatewayPayee),
                ledger.accrued(modelOwner),
                ledger.accrued(adapterOwner),
                ledger.contributionAccrued(3),
                ledger.contributionAccrued(4),
                ledger.carriedRemainder(1),
                ledger.totalFees(),
                ledger.totalShares(),
                ledger.totalPrepaid(),
                ledger.recordCount()
            )
        );
    }

    function _expectRecordRevert(bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(gateway);
    }
}
