// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ISystemConfig} from "src/interfaces/ISystemConfig.sol";
import {SystemConfig} from "src/l1/SystemConfig.sol";
import {Test} from "test/support/Test.sol";
import {Vm, vm} from "test/support/Vm.sol";

contract SystemConfigTest is Test {
    /// @dev keccak256("ConfigUpdate(uint256,uint8,bytes)"), as derivation knows it.
    bytes32 private constant TOPIC = 0x1d2b0bda21d56b8bd12d4f94ebacffdfb35f5e226f84b461103bb8beab6353be;

    SystemConfig private _config;

    function setUp() public {
        vm.roll(77);
        _config = new SystemConfig(_initial());
        vm.recordLogs();
    }

    function test_constructor_whenValid_setsEverything() public view {
        assertEq(_config.owner(), address(this), "owner");
        assertEq(_config.batcherHash(), bytes32(uint256(0xba)), "batcher");
        assertEq(_config.unsafeBlockSigner(), address(0x51), "signer");
        assertEq(_config.batchInbox(), address(0x1b), "inbox");
        assertEq(_config.optimismPortal(), address(0x90), "portal");
        assertEq(_config.disputeGameFactory(), address(0xdf), "factory");
        assertEq(_config.gasLimit(), 200_000_000, "gas limit");
        assertEq(_config.eip1559Denominator(), 250, "denominator");
        assertEq(_config.eip1559Elasticity(), 6, "elasticity");
        assertEq(_config.minBaseFee(), 1_000_000, "min base fee");
        assertEq(_config.daFootprintGasScalar(), 400, "footprint");
        assertEq(_config.startBlock(), 77, "start block");
        assertEq(_config.overhead(), 0, "overhead");
        assertEq(_config.scalar(), 1 << 248, "scalar");
    }

    function test_setBatcherHash_whenOwner_emitsType0() public {
        _config.setBatcherHash(bytes32(uint256(0xcc)));
        _checkUpdate(0, abi.encode(address(0xcc)));
        assertEq(_config.batcherHash(), bytes32(uint256(0xcc)), "stored");
    }

    function test_setBatcherHash_Revert_whenNotAnAddress() public {
        bytes32 wide = bytes32(uint256(1) << 160);
        vm.expectRevert(abi.encodeWithSelector(ISystemConfig.BatcherHashNotAnAddress.selector, wide));
        _config.setBatcherHash(wide);
    }

    function test_setGasConfigEcotone_whenOwner_emitsType1() public {
        _config.setGasConfigEcotone(0x11111111, 0x22222222);
        _checkUpdate(1, abi.encode(uint256(0), (uint256(1) << 248) | 0x2222222211111111));
        assertEq(_config.basefeeScalar(), 0x11111111, "base fee scalar");
        assertEq(_config.blobbasefeeScalar(), 0x22222222, "blob base fee scalar");
    }

    function test_setGasLimit_whenInRange_emitsType2() public {
        _config.setGasLimit(30_000_000);
        _checkUpdate(2, abi.encode(uint256(30_000_000)));
        _config.setGasLimit(_config.minimumGasLimit());
        _config.setGasLimit(_config.maximumGasLimit());
    }

    function test_setGasLimit_Revert_whenOutOfRange() public {
        uint64[2] memory limits = [_config.minimumGasLimit() - 1, _config.maximumGasLimit() + 1];
        for (uint256 i; i < 2; i++) {
            vm.expectRevert(abi.encodeWithSelector(ISystemConfig.GasLimitOutOfRange.selector, limits[i], 21_000_000, 500_000_000));
            _config.setGasLimit(limits[i]);
        }
    }

    function test_setUnsafeBlockSigner_whenOwner_emitsType3() public {
        _config.setUnsafeBlockSigner(address(0x99));
        _checkUpdate(3, abi.encode(address(0x99)));
    }

    function test_setEIP1559Params_whenPositive_emitsType4() public {
        _config.setEIP1559Params(50, 10);
        _checkUpdate(4, abi.encode(uint256(0x320000000a)));
    }

    function test_setEIP1559Params_Revert_whenZero() public {
        vm.expectRevert(abi.encodeWithSelector(ISystemConfig.ZeroEip1559Parameter.selector, 0, 1));
        _config.setEIP1559Params(0, 1);
        vm.expectRevert(abi.encodeWithSelector(ISystemConfig.ZeroEip1559Parameter.selector, 1, 0));
        _config.setEIP1559Params(1, 0);
    }

    function test_setOperatorFeeScalars_whenOwner_emitsType5() public {
        _config.setOperatorFeeScalars(3, 4);
        _checkUpdate(5, abi.encode((uint256(3) << 64) | 4));
        assertEq(_config.operatorFeeScalar(), 3, "scalar");
        assertEq(_config.operatorFeeConstant(), 4, "constant");
    }

    function test_setMinBaseFee_whenOwner_emitsType6() public {
        _config.setMinBaseFee(type(uint64).max);
        _checkUpdate(6, abi.encode(uint256(type(uint64).max)));
    }

    function test_setDAFootprintGasScalar_whenOwner_emitsType7() public {
        _config.setDAFootprintGasScalar(800);
        _checkUpdate(7, abi.encode(uint256(800)));
    }

    function test_setters_Revert_whenNotOwner() public {
        bytes[8] memory calls = [
            abi.encodeCall(ISystemConfig.setBatcherHash, (0)),
            abi.encodeCall(ISystemConfig.setGasConfigEcotone, (1, 1)),
            abi.encodeCall(ISystemConfig.setGasLimit, (30_000_000)),
            abi.encodeCall(ISystemConfig.setUnsafeBlockSigner, (address(1))),
            abi.encodeCall(ISystemConfig.setEIP1559Params, (1, 1)),
            abi.encodeCall(ISystemConfig.setOperatorFeeScalars, (1, 1)),
            abi.encodeCall(ISystemConfig.setMinBaseFee, (1)),
            abi.encodeCall(ISystemConfig.setDAFootprintGasScalar, (1))
        ];
        address stranger = account("stranger");
        for (uint256 i; i < calls.length; i++) {
            vm.prank(stranger);
            (bool done, bytes memory reason) = address(_config).call(calls[i]);
            assertTrue(!done, "refused");
            assertEq(reason, abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, stranger), "names the caller");
        }
    }

    function _initial() private view returns (ISystemConfig.Config memory) {
        return ISystemConfig.Config({
            owner: address(this),
            batcher: address(0xba),
            unsafeBlockSigner: address(0x51),
            batchInbox: address(0x1b),
            optimismPortal: address(0x90),
            disputeGameFactory: address(0xdf),
            gasLimit: 200_000_000,
            basefeeScalar: 0,
            blobbasefeeScalar: 0,
            eip1559Denominator: 250,
            eip1559Elasticity: 6,
            operatorFeeScalar: 0,
            operatorFeeConstant: 0,
            minBaseFee: 1_000_000,
            daFootprintGasScalar: 400
        });
    }

    /// @dev The last log is the event as the OP Stack's derivation reads it.
    function _checkUpdate(uint256 updateType, bytes memory value) private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 1, "one event");
        assertEq(logs[0].topics.length, 3, "topics");
        assertEq(logs[0].topics[0], TOPIC, "topic");
        assertEq(logs[0].topics[1], bytes32(0), "version");
        assertEq(logs[0].topics[2], bytes32(updateType), "type");
        assertEq(logs[0].data, abi.encode(value), "data");
    }
}
