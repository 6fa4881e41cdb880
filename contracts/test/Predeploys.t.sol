// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IFeeVault} from "src/interfaces/IFeeVault.sol";
import {IGasPriceOracle} from "src/interfaces/IGasPriceOracle.sol";
import {IL1Block} from "src/interfaces/IL1Block.sol";
import {IL2ToL1MessagePasser} from "src/interfaces/IL2ToL1MessagePasser.sol";
import {FastLz} from "src/libraries/FastLz.sol";
import {Predeploys} from "src/libraries/Predeploys.sol";
import {Refuser, Test} from "test/support/Test.sol";
import {vm} from "test/support/Vm.sol";

contract PredeploysTest is Test {
    IL1Block private constant L1_BLOCK = IL1Block(Predeploys.L1_BLOCK);
    IL2ToL1MessagePasser private constant PASSER = IL2ToL1MessagePasser(payable(Predeploys.L2_TO_L1_MESSAGE_PASSER));
    IGasPriceOracle private constant ORACLE = IGasPriceOracle(Predeploys.GAS_PRICE_ORACLE);
    IFeeVault private constant VAULT = IFeeVault(payable(Predeploys.SEQUENCER_FEE_VAULT));

    address private constant DEPOSITOR = 0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001;

    function setUp() public {
        vm.etch(address(L1_BLOCK), vm.getDeployedCode("L1Block.sol"));
        vm.etch(address(PASSER), vm.getDeployedCode("L2ToL1MessagePasser.sol:L2ToL1MessagePasser"));
        vm.etch(address(ORACLE), vm.getDeployedCode("GasPriceOracle.sol"));
        vm.etch(address(VAULT), vm.getDeployedCode("FeeVault.sol"));
        vm.store(address(ORACLE), 0, bytes32(uint256(0x01010101)));
        vm.store(address(VAULT), bytes32(uint256(1)), bytes32(uint256(uint160(account("recipient")))));
        vm.store(address(VAULT), bytes32(uint256(2)), bytes32(uint256(100)));
    }

    // ---- L1Block

    function test_setL1BlockValuesJovian_whenDepositor_setsEverything() public {
        _set(_jovian(5, 6, 8, 9));
        assertEq(L1_BLOCK.baseFeeScalar(), 5, "base fee scalar");
        assertEq(L1_BLOCK.blobBaseFeeScalar(), 6, "blob base fee scalar");
        assertEq(L1_BLOCK.sequenceNumber(), 3, "sequence number");
        assertEq(L1_BLOCK.timestamp(), 0x6553f100, "timestamp");
        assertEq(L1_BLOCK.number(), 0x0102, "number");
        assertEq(L1_BLOCK.basefee(), 7, "base fee");
        assertEq(L1_BLOCK.blobBaseFee(), 11, "blob base fee");
        assertEq(L1_BLOCK.hash(), bytes32(uint256(0xab)), "hash");
        assertEq(L1_BLOCK.batcherHash(), bytes32(uint256(0xbc)), "batcher");
        assertEq(L1_BLOCK.operatorFeeScalar(), 8, "operator fee scalar");
        assertEq(L1_BLOCK.operatorFeeConstant(), 9, "operator fee constant");
        assertEq(L1_BLOCK.daFootprintGasScalar(), 400, "footprint");
        assertEq(L1_BLOCK.DEPOSITOR_ACCOUNT(), DEPOSITOR, "depositor");
    }

    /// @dev The execution client reads these words, big-endian: slot 1 the base fee; slot 3 at 16 and 20 the scalars; slot 7 the blob
    ///      base fee; slot 8 at 18 the footprint scalar, at 20 and 24 the operator fee.
    function test_storage_whenSet_isWhereTheExecutionClientReads() public {
        _set(_jovian(0x11111111, 0x22222222, 0x33333333, 0x4444444444444444));
        assertEq(_slot(L1_BLOCK, 0), 0x6553f1000000000000000102, "number and timestamp");
        assertEq(_slot(L1_BLOCK, 1), 7, "base fee");
        assertEq(_slot(L1_BLOCK, 3), 0x11111111222222220000000000000003, "scalars and sequence number");
        assertEq(_slot(L1_BLOCK, 5), 0, "overhead");
        assertEq(_slot(L1_BLOCK, 6), 0, "scalar");
        assertEq(_slot(L1_BLOCK, 7), 11, "blob base fee");
        assertEq(_slot(L1_BLOCK, 8), 0x0190333333334444444444444444, "footprint and operator fee");
    }

    function test_setL1BlockValuesIsthmus_whenDepositor_leavesTheFootprint() public {
        bytes memory data = _attributes(0x098999be, 5, 6, 8, 9);
        assertEq(data.length, 176, "size");
        _set(data);
        assertEq(L1_BLOCK.operatorFeeConstant(), 9, "operator fee constant");
        assertEq(L1_BLOCK.daFootprintGasScalar(), 0, "footprint");
    }

    function test_setL1BlockValues_Revert_whenNotDepositor() public {
        (bool done, bytes memory reason) = address(L1_BLOCK).call(_jovian(1, 2, 3, 4));
        assertTrue(!done, "refused");
        assertEq(reason, abi.encodeWithSelector(IL1Block.NotDepositor.selector), "reason");
        assertEq(bytes32(IL1Block.NotDepositor.selector), bytes32(bytes4(0x3cc50b45)), "selector tools know");
    }

    function test_setL1BlockValues_Revert_whenLengthDiffers() public {
        vm.prank(DEPOSITOR);
        (, bytes memory reason) = address(L1_BLOCK).call(abi.encodePacked(_jovian(1, 2, 3, 4), uint8(0)));
        assertEq(reason, abi.encodeWithSelector(IL1Block.BadCalldataLength.selector, 179, 178), "long");
        vm.prank(DEPOSITOR);
        (, reason) = address(L1_BLOCK).call(abi.encodePacked(bytes4(0x098999be)));
        assertEq(reason, abi.encodeWithSelector(IL1Block.BadCalldataLength.selector, 4, 176), "short");
    }

    function test_setL1BlockValuesJovian_whenCalled_staysWithinItsGas() public {
        bytes memory data = _jovian(5, 6, 8, 9);
        vm.prank(DEPOSITOR);
        (bool done,) = address(L1_BLOCK).call{gas: 900_000}(data);
        assertTrue(done, "the deposit has 1,000,000 in all");
    }

    // ---- L2ToL1MessagePasser

    function test_initiateWithdrawal_whenCalled_remembersTheMessage() public {
        address sender = account("sender");
        vm.deal(sender, 5);
        uint256 nonce = 1 << 240;
        assertEq(PASSER.messageNonce(), nonce, "version 1, number 0");
        bytes32 hash = keccak256(abi.encode(nonce, sender, address(0xbb), uint256(5), uint256(77_777), bytes(hex"c0ffee")));
        vm.expectEmit(address(PASSER));
        emit IL2ToL1MessagePasser.MessagePassed(nonce, sender, address(0xbb), 5, 77_777, hex"c0ffee", hash);
        vm.prank(sender);
        PASSER.initiateWithdrawal{value: 5}(address(0xbb), 77_777, hex"c0ffee");
        assertTrue(PASSER.sentMessages(hash), "sent");
        assertEq(PASSER.messageNonce(), nonce + 1, "next");
        bytes32 slot = keccak256(abi.encode(hash, uint256(0)));
        assertEq(vm.load(address(PASSER), slot), bytes32(uint256(1)), "slot that withdrawals are proven against");
        assertEq(vm.load(address(PASSER), bytes32(uint256(1))), bytes32(uint256(1)), "nonce in slot 1");
    }

    function test_receive_whenPlainEther_goesToTheSenderOnL1() public {
        address sender = account("sender");
        vm.deal(sender, 5);
        bytes32 hash = keccak256(abi.encode(uint256(1) << 240, sender, sender, uint256(5), uint256(100_000), bytes("")));
        vm.prank(sender);
        (bool taken,) = address(PASSER).call{value: 5}("");
        assertTrue(taken, "taken");
        assertTrue(PASSER.sentMessages(hash), "sent");
    }

    function test_burn_whenEtherIsHeld_destroysIt() public {
        vm.deal(address(PASSER), 7);
        vm.expectEmit(address(PASSER));
        emit IL2ToL1MessagePasser.WithdrawerBalanceBurnt(7);
        PASSER.burn();
        assertEq(address(PASSER).balance, 0, "nothing left");
    }

    // ---- GasPriceOracle

    function test_forks_whenGenesisWritten_areActive() public {
        assertTrue(ORACLE.isEcotone() && ORACLE.isFjord() && ORACLE.isIsthmus() && ORACLE.isJovian(), "all four");
        vm.store(address(ORACLE), 0, bytes32(uint256(0x010101)));
        assertTrue(ORACLE.isIsthmus() && !ORACLE.isJovian(), "without Jovian");
    }

    function test_getL1Fee_whenNoScalars_isZero() public {
        _set(_jovian(0, 0, 0, 0));
        assertEq(ORACLE.getL1Fee(new bytes(100_000)), 0, "fee");
    }

    function test_getL1Fee_whenScalars_followsFjord() public {
        _set(_jovian(1_000_000, 2_000_000, 0, 0));
        // 1,000 equal bytes compress to 21, with a signature 89: 89 × 836,500 − 42,585,600 is below the least size of 100 bytes.
        uint256 scaled = 16 * 1_000_000 * 7 + 2_000_000 * 11;
        assertEq(ORACLE.getL1Fee(new bytes(1000)), 100_000_000 * scaled / 1e12, "least size");
        bytes memory random = _random(1000);
        uint256 size = (FastLz.compressedLength(random) + 68) * 836_500 - 42_585_600;
        assertEq(ORACLE.getL1Fee(random), size * scaled / 1e12, "by size");
        assertEq(ORACLE.getL1GasUsed(random), size * 16 / 1e6, "gas");
    }

    function testFuzz_getL1FeeUpperBound_whenAnyBytes_isAnUpperBound(bytes calldata data) public {
        _set(_jovian(1_000_000, 2_000_000, 0, 0));
        assertTrue(ORACLE.getL1Fee(data) <= ORACLE.getL1FeeUpperBound(data.length), "bound");
    }

    function test_getOperatorFee_whenEitherFork_followsIt() public {
        _set(_jovian(0, 0, 3, 10));
        assertEq(ORACLE.getOperatorFee(21_000), 21_000 * 3 * 100 + 10, "Jovian");
        vm.store(address(ORACLE), 0, bytes32(uint256(0x010101)));
        assertEq(ORACLE.getOperatorFee(1_000_000), 3 + 10, "Isthmus");
    }

    function test_prices_whenAsked_areTheBlocks() public {
        _set(_jovian(5, 6, 0, 0));
        vm.fee(1234);
        assertEq(ORACLE.gasPrice(), 1234, "gas price");
        assertEq(ORACLE.baseFee(), 1234, "base fee");
        assertEq(ORACLE.l1BaseFee(), 7, "L1 base fee");
        assertEq(ORACLE.blobBaseFee(), 11, "blob base fee");
        assertEq(ORACLE.baseFeeScalar(), 5, "base fee scalar");
        assertEq(ORACLE.blobBaseFeeScalar(), 6, "blob base fee scalar");
        assertEq(ORACLE.decimals(), 6, "decimals");
    }

    /// @dev Lengths the execution client computes (op-revm's own vectors).
    function test_compressedLength_whenVector_isTheExecutionClients() public pure {
        assertEq(FastLz.compressedLength(""), 0, "empty");
        assertEq(FastLz.compressedLength(new bytes(1000)), 21, "zeros");
        assertEq(FastLz.compressedLength(hex"facade"), 4, "three bytes");
        bytes memory call =
            hex"02f901550a758302df1483be21b88304743f94f80e51afb613d764fa61751affd3313c190a86bb870151bd62fd12adb8e41ef24f3f000000000000000000000000000000000000000000000000000000000000006e000000000000000000000000af88d065e77c8cc2239327c5edb3a432268e5831000000000000000000000000000000000000000000000000000000000003c1e5000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000a000000000000000000000000000000000000000000000000000000000000000148c89ed219d02f1a5be012c689b4f5b731827bebe000000000000000000000000c001a033fd89cb37c31b2cba46b6466e040c61fc9b2a3675a7f5f493ebd5ad77c497f8a07cdf65680e238392693019b4092f610222e71b7cec06449cb922b93b6a12744e";
        assertEq(FastLz.compressedLength(call), 202, "a contract call");
    }

    // ---- fee vaults

    function test_withdraw_whenEnough_paysTheRecipient() public {
        vm.deal(address(VAULT), 100);
        vm.expectEmit(address(VAULT));
        emit IFeeVault.Withdrawal(100, account("recipient"), address(this), IFeeVault.WithdrawalNetwork.L2);
        assertEq(VAULT.withdraw(), 100, "value");
        assertEq(account("recipient").balance, 100, "paid");
        assertEq(VAULT.totalProcessed(), 100, "processed");
    }

    function test_withdraw_Revert_whenBelowMinimum() public {
        (bool taken,) = address(VAULT).call{value: 99}("");
        assertTrue(taken, "anyone may give");
        vm.expectRevert(abi.encodeWithSelector(IFeeVault.BalanceBelowMinimum.selector, 99, 100));
        VAULT.withdraw();
    }

    function test_withdraw_Revert_whenNoRecipient() public {
        vm.store(address(VAULT), bytes32(uint256(1)), 0);
        vm.expectRevert(abi.encodeWithSelector(IFeeVault.NoRecipient.selector));
        VAULT.withdraw();
    }

    function test_withdraw_Revert_whenRecipientRefuses() public {
        address refuser = address(new Refuser());
        vm.store(address(VAULT), bytes32(uint256(1)), bytes32(uint256(uint160(refuser))));
        vm.deal(address(VAULT), 100);
        vm.expectRevert(abi.encodeWithSelector(IFeeVault.TransferFailed.selector, refuser, 100));
        VAULT.withdraw();
        assertEq(VAULT.totalProcessed(), 0, "nothing processed");
    }

    // ---- helpers

    function _jovian(uint32 baseFee, uint32 blobBaseFee, uint32 operatorScalar, uint64 operatorConstant)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(_attributes(0x3db6be2b, baseFee, blobBaseFee, operatorScalar, operatorConstant), uint16(400));
    }

    function _attributes(bytes4 selector, uint32 baseFee, uint32 blobBaseFee, uint32 operatorScalar, uint64 operatorConstant)
        private
        pure
        returns (bytes memory)
    {
        bytes memory prices = abi.encodePacked(uint256(7), uint256(11), uint256(0xab), uint256(0xbc));
        bytes memory origin = abi.encodePacked(uint64(3), uint64(0x6553f100), uint64(0x0102));
        return abi.encodePacked(selector, baseFee, blobBaseFee, origin, prices, operatorScalar, operatorConstant);
    }

    function _set(bytes memory data) private {
        vm.prank(DEPOSITOR);
        (bool done,) = address(L1_BLOCK).call(data);
        assertTrue(done, "L1 attributes are set");
    }

    function _slot(IL1Block target, uint256 slot) private view returns (uint256) {
        return uint256(vm.load(address(target), bytes32(slot)));
    }

    function _random(uint256 size) private pure returns (bytes memory data) {
        data = new bytes(size);
        for (uint256 i; i < size; i++) {
            data[i] = bytes1(keccak256(abi.encode(i)));
        }
    }
}
