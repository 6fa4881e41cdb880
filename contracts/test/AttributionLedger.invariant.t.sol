// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAttributionLedger} from "src/interfaces/IAttributionLedger.sol";
import {FeePolicy} from "src/libraries/FeePolicy.sol";
import {AttributionSetup} from "test/support/AttributionSetup.sol";
import {Reenterer, Refuser} from "test/support/Test.sol";
import {vm} from "test/support/Vm.sol";

/// @notice Does what payers, gateways, payees and passers-by can do, in any order, with accounts that refuse ether and that call back.
contract LedgerHandler is AttributionSetup {
    uint32 private constant CONTRIBUTIONS = 12;

    /// @notice Everyone who can hold an accrued balance.
    address[] public payees;
    /// @notice Fees the handler expects, computed here.
    uint256 public fees;
    /// @notice Records the handler made.
    uint256 public records;
    /// @notice Ether forced on the ledger.
    uint256 public forced;

    uint64[2][4] private _rates;

    constructor() {
        vm.deal(address(this), 300 ether);
        placeContracts();
        populate(CONTRIBUTIONS, 1000 ether);
        vm.startPrank(admin);
        registry.createFeePolicy(FeePolicy(3333, 3333, 1, 3332, 1));
        registry.createFeePolicy(FeePolicy(0, 0, 0, 0, 10_000));
        vm.stopPrank();

        address refuser = address(new Refuser());
        address thief = address(new Reenterer(abi.encodeCall(IAttributionLedger.claim, ())));
        registry.registerModel(refuser, "model 2", "");
        registry.registerAdapter(thief, 2, 2, 1, 3, "adapter 2");
        registry.registerAdapter(adapterOwner, 1, 3, 66_666_667, 266_666_667, "adapter 3");
        registry.registerAdapter(adapterOwner, 2, 1, type(uint32).max, 0, "adapter 4");
        _rates = [[RATE_IN, RATE_OUT], [uint64(1), 3], [uint64(66_666_667), 266_666_667], [uint64(type(uint32).max), 0]];
        vm.prank(contributor(1));
        registry.setContributionPayee(1, refuser);
        vm.prank(contributor(2));
        registry.setContributionPayee(2, thief);
        for (uint256 i; i < 3; i++) {
            ledger.depositFor{value: 100 ether}(address(uint160(0xd0000000 + i)));
        }
        payees = [platform, gatewayPayee, modelOwner, adapterOwner, refuser, thief];
    }

    function deposit(uint256 who, uint256 amount) external {
        amount = bound(amount, 0, 1 ether);
        vm.deal(address(this), amount);
        ledger.depositFor{value: amount}(ledger.payerAccount(_payer(who)));
    }

    function withdraw(uint256 who, uint256 amount) external {
        uint32 payer_ = _payer(who);
        amount = bound(amount, 0, ledger.prepaid(payer_));
        vm.prank(ledger.payerAccount(payer_));
        ledger.withdraw(amount);
    }

    function record(uint256 who, uint256 adapter, uint32 tokensIn, uint32 tokensOut, uint256 seed, uint256 count) external {
        (bytes memory row, uint256 fee) = _row(who, adapter, tokensIn, tokensOut, seed, count);
        if (fee > ledger.prepaid(_payer(who))) return;
        _recorded(abi.encodePacked(uint8(1), uint16(1), row), 1, fee);
    }

    function recordMany(uint256 who, uint128 adapter, uint16 tokensIn, uint16 tokensOut, uint128 seed, uint256 rows) external {
        rows = bound(rows, 1, 8);
        bytes memory bundle = abi.encodePacked(uint8(1), uint16(rows));
        uint256 sum;
        for (uint256 i; i < rows; i++) {
            (bytes memory row, uint256 fee) = _row(who, adapter + i, tokensIn, tokensOut, seed + i, seed >> i);
            bundle = abi.encodePacked(bundle, row);
            sum += fee;
        }
        if (sum > ledger.prepaid(_payer(who))) return;
        _recorded(bundle, rows, sum);
    }

    /// @dev Nearly always refused, but forge hands out bytes it saw in earlier calls, whole bundles among them: what the ledger takes counts.
    function recordGarbage(bytes calldata garbage) external {
        uint256 feesBefore = ledger.totalFees();
        uint256 recordsBefore = ledger.recordCount();
        vm.prank(gateway);
        (bool done,) = address(ledger).call(abi.encodeCall(IAttributionLedger.recordBundle, (garbage)));
        uint256 recorded = ledger.recordCount() - recordsBefore;
        assertTrue(done == (recorded > 0), "refused bytes leave no record");
        fees += ledger.totalFees() - feesBefore;
        records += recorded;
    }

    function claim(uint256 who) external {
        address payee = payees[who % payees.length];
        uint256 accrued = ledger.accrued(payee);
        (bool done,) = address(ledger).call(abi.encodeCall(IAttributionLedger.claimFor, (payee)));
        assertEq(ledger.accrued(payee), done ? 0 : accrued, "all or nothing");
    }

    function claimContributions(uint128 from, uint256 count) external {
        count = bound(count, 0, 4);
        uint32[] memory list = new uint32[](count);
        for (uint256 i; i < count; i++) {
            list[i] = uint32(bound(from + i, 1, CONTRIBUTIONS));
        }
        // One that refuses fails the whole call, and nothing else.
        (bool done,) = address(ledger).call(abi.encodeCall(IAttributionLedger.claimContributions, (list)));
        if (done) {
            for (uint256 i; i < count; i++) {
                assertEq(ledger.contributionAccrued(list[i]), 0, "claimed");
            }
        }
    }

    function forceEther(uint256 amount) external {
        amount = bound(amount, 0, 1 ether);
        forced += amount;
        vm.deal(address(ledger), address(ledger).balance + amount);
    }

    function payeeCount() external view returns (uint256) {
        return payees.length;
    }

    function _recorded(bytes memory bundle, uint256 rows, uint256 fee) private {
        vm.prank(gateway);
        ledger.recordBundle(bundle);
        fees += fee;
        records += rows;
    }

    function _payer(uint256 who) private pure returns (uint32) {
        return uint32(bound(who, 1, 4));
    }

    function _row(uint256 who, uint256 adapter, uint32 tokensIn, uint32 tokensOut, uint256 seed, uint256 count)
        private
        view
        returns (bytes memory row, uint256 fee)
    {
        uint32 index = uint32(adapter % 4 + 1);
        count = bound(count, 1, 5);
        row = abi.encodePacked(_payer(who), index, tokensIn, tokensOut, uint8(count));
        for (uint256 i; i < count; i++) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            row = abi.encodePacked(row, uint32(word % CONTRIBUTIONS + 1), uint16(bound(word >> 64, 1, type(uint16).max)));
        }
        fee = uint256(tokensIn) * _rates[index - 1][0] + uint256(tokensOut) * _rates[index - 1][1];
    }
}

contract AttributionLedgerInvariantTest is AttributionSetup {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    LedgerHandler private _handler;

    function setUp() public {
        _handler = new LedgerHandler();
    }

    function invariant_feesAreSharesAndRemainders() public view {
        assertEq(ledger.totalFees(), _handler.fees(), "fees are tokens times rates");
        assertEq(ledger.totalFees(), ledger.totalShares() + ledger.totalCarried(), "fees = shares + carried");
        assertEq(ledger.recordCount(), _handler.records(), "records");
    }

    function invariant_sharesAreAccruedOrClaimed() public view {
        uint256 sum = ledger.totalClaimed();
        for (uint256 i = _handler.payeeCount(); i > 0; i--) {
            sum += ledger.accrued(_handler.payees(i - 1));
        }
        for (uint32 i = 1; i <= registry.contributionCount(); i++) {
            sum += ledger.contributionAccrued(i);
        }
        assertEq(sum, ledger.totalShares(), "shares = accrued + claimed");
    }

    function invariant_balanceIsWhatIsOwed() public view {
        assertEq(ledger.owed() + _handler.forced(), address(ledger).balance, "owed and forced = balance");
        uint256 sum;
        for (uint32 i = 1; i <= ledger.payerCount(); i++) {
            sum += ledger.prepaid(i);
        }
        assertEq(sum, ledger.totalPrepaid(), "prepaid");
    }

    function invariant_remaindersAreDust() public view {
        for (uint32 i = 1; i <= registry.feePolicyCount(); i++) {
            assertTrue(ledger.carriedRemainder(i) < 10, "below 10 wei");
        }
    }

    /// @dev forge calls only these.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](8);
        selectors[0] = LedgerHandler.deposit.selector;
        selectors[1] = LedgerHandler.withdraw.selector;
        selectors[2] = LedgerHandler.record.selector;
        selectors[3] = LedgerHandler.recordMany.selector;
        selectors[4] = LedgerHandler.recordGarbage.selector;
        selectors[5] = LedgerHandler.claim.selector;
        selectors[6] = LedgerHandler.claimContributions.selector;
        selectors[7] = LedgerHandler.forceEther.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(_handler), selectors);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }
}
