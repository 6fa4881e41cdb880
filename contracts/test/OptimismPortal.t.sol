// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IOptimismPortal} from "src/interfaces/IOptimismPortal.sol";
import {OptimismPortal} from "src/l1/OptimismPortal.sol";
import {Test} from "test/support/Test.sol";
import {vm} from "test/support/Vm.sol";

contract OptimismPortalTest is Test {
    OptimismPortal private _portal;
    address private _user = account("user");

    function setUp() public {
        _portal = new OptimismPortal(address(0x5c), address(0xdf));
        vm.deal(_user, 10 ether);
    }

    function test_views_whenDeployed_nameTheOthers() public view {
        assertEq(_portal.systemConfig(), address(0x5c), "config");
        assertEq(_portal.disputeGameFactory(), address(0xdf), "factory");
        assertEq(_portal.respectedGameType(), 1, "game type");
    }

    function test_depositTransaction_whenKeyedAccount_keepsItsAddress() public {
        vm.expectEmit(address(_portal));
        bytes memory opaque = abi.encodePacked(uint256(3), uint256(2), uint64(100_000), false, hex"c0ffee");
        emit IOptimismPortal.TransactionDeposited(_user, address(0xbb), 0, opaque);
        vm.prank(_user, _user);
        _portal.depositTransaction{value: 3}(address(0xbb), 2, 100_000, false, hex"c0ffee");
        assertEq(address(_portal).balance, 3, "held");
    }

    function test_depositTransaction_whenContract_isAliased() public {
        address contract_ = address(0x1);
        vm.expectEmit(address(_portal));
        bytes memory opaque = abi.encodePacked(uint256(0), uint256(0), uint64(21_000), false, "");
        emit IOptimismPortal.TransactionDeposited(address(0x1111000000000000000000000000000000001112), address(0xbb), 0, opaque);
        vm.prank(contract_, _user);
        _portal.depositTransaction(address(0xbb), 0, 21_000, false, "");
    }

    function test_depositTransaction_whenAliasOverflows_wraps() public {
        vm.expectEmit(address(_portal));
        bytes memory opaque = abi.encodePacked(uint256(0), uint256(0), uint64(21_000), false, "");
        emit IOptimismPortal.TransactionDeposited(address(0x1111000000000000000000000000000000001110), address(0xbb), 0, opaque);
        vm.prank(address(type(uint160).max), _user);
        _portal.depositTransaction(address(0xbb), 0, 21_000, false, "");
    }

    function test_depositTransaction_whenDelegatedAccount_keepsItsAddress() public {
        // EIP-7702: code that points elsewhere; somebody holds the key.
        vm.etch(_user, abi.encodePacked(hex"ef0100", address(0xd1)));
        vm.expectEmit(address(_portal));
        bytes memory opaque = abi.encodePacked(uint256(0), uint256(0), uint64(21_000), false, "");
        emit IOptimismPortal.TransactionDeposited(_user, address(0xbb), 0, opaque);
        vm.prank(_user, address(0x0123));
        _portal.depositTransaction(address(0xbb), 0, 21_000, false, "");
    }

    function test_receive_whenPlainEther_goesToTheSenderOnL2() public {
        vm.expectEmit(address(_portal));
        bytes memory opaque = abi.encodePacked(uint256(1 ether), uint256(1 ether), uint64(100_000), false, "");
        emit IOptimismPortal.TransactionDeposited(_user, _user, 0, opaque);
        vm.prank(_user, _user);
        (bool taken,) = address(_portal).call{value: 1 ether}("");
        assertTrue(taken, "taken");
    }

    function test_depositTransaction_whenCreation_hasNoTarget() public {
        vm.expectEmit(address(_portal));
        bytes memory opaque = abi.encodePacked(uint256(0), uint256(0), uint64(100_000), true, hex"00");
        emit IOptimismPortal.TransactionDeposited(_user, address(0), 0, opaque);
        vm.prank(_user, _user);
        _portal.depositTransaction(address(0), 0, 100_000, true, hex"00");
    }

    function test_depositTransaction_Revert_whenCreationNamesATarget() public {
        vm.expectRevert(abi.encodeWithSelector(IOptimismPortal.OptimismPortal_BadTarget.selector));
        _portal.depositTransaction(address(1), 0, 100_000, true, "");
    }

    function test_depositTransaction_Revert_whenCalldataTooLarge() public {
        vm.expectRevert(abi.encodeWithSelector(IOptimismPortal.OptimismPortal_CalldataTooLarge.selector));
        _portal.depositTransaction(address(1), 0, 10_000_000, false, new bytes(120_001));
        _portal.depositTransaction(address(1), 0, 10_000_000, false, new bytes(120_000));
    }

    function testFuzz_depositTransaction_Revert_whenGasLimitTooLow(uint16 size, uint64 short) public {
        uint64 least = _portal.minimumGasLimit(size);
        assertEq(least, 21_000 + 40 * uint256(size), "intrinsic gas, at the floor price of calldata");
        vm.expectRevert(abi.encodeWithSelector(IOptimismPortal.OptimismPortal_GasLimitTooLow.selector));
        _portal.depositTransaction(address(1), 0, uint64(bound(short, 0, least - 1)), false, new bytes(size));
        _portal.depositTransaction(address(1), 0, least, false, new bytes(size));
    }

    function test_depositTransaction_Revert_whenBlockIsFull() public {
        _portal.depositTransaction(address(1), 0, 19_950_000, false, "");
        vm.expectRevert(abi.encodeWithSelector(IOptimismPortal.OptimismPortal_DepositGasExhausted.selector, 50_001, 50_000));
        _portal.depositTransaction(address(1), 0, 50_001, false, "");
        _portal.depositTransaction(address(1), 0, 50_000, false, "");
        vm.roll(block.number + 1);
        _portal.depositTransaction(address(1), 0, 20_000_000, false, "");
    }
}
