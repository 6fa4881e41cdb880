// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAttributionLedger} from "src/interfaces/IAttributionLedger.sol";
import {FeePolicy} from "src/libraries/FeePolicy.sol";
import {AttributionSetup} from "test/support/AttributionSetup.sol";
import {Vm, vm} from "test/support/Vm.sol";

/// @notice The vectors shared with the Rust model: `testdata/bundle-vectors.json`.
contract BundleVectorsTest is AttributionSetup {
    string private _json;
    uint256 private _policies;

    function setUp() public {
        placeContracts();
        _json = vm.readFile("testdata/bundle-vectors.json");
        uint256[] memory parts = vm.parseJsonUintArray(_json, ".policies");
        uint256[] memory adapters = vm.parseJsonUintArray(_json, ".adapters");
        _policies = parts.length / 5;

        vm.startPrank(admin);
        registry.registerGateway(gateway, gatewayPayee);
        for (uint256 i; i < parts.length; i += 5) {
            registry.createFeePolicy(
                FeePolicy(
                    uint16(parts[i]), uint16(parts[i + 1]), uint16(parts[i + 2]), uint16(parts[i + 3]), uint16(parts[i + 4])
                )
            );
        }
        registry.registerModel(modelOwner, "model", "");
        for (uint256 i; i < adapters.length; i += 3) {
            registry.registerAdapter(
                adapterOwner, 1, uint32(adapters[i]), uint64(adapters[i + 1]), uint64(adapters[i + 2]), "adapter"
            );
        }
        registry.createDatanet("datanet", "");
        for (uint256 i = vm.parseJsonUint(_json, ".contributions"); i > 0; i--) {
            registry.registerContribution(1, bytes32(i), contributor(i));
        }
        vm.stopPrank();
        vm.deal(address(this), 1 << 95);
        for (uint256 i = vm.parseJsonUint(_json, ".payers"); i > 0; i--) {
            ledger.depositFor{value: 1 << 90}(address(uint160(0xd0000000 + i)));
        }
    }

    function test_recordBundle_whenVector_givesWhatTheModelGives() public {
        bytes[] memory bundles = vm.parseJsonBytesArray(_json, ".bundles");
        for (uint256 i; i < bundles.length; i++) {
            string memory key = string.concat("[", vm.toString(i), "]");
            bytes[] memory expected = vm.parseJsonBytesArray(_json, string.concat(".shares", key));
            uint256[] memory fees = vm.parseJsonUintArray(_json, string.concat(".fees", key));
            vm.recordLogs();
            vm.prank(gateway);
            ledger.recordBundle(bundles[i]);
            Vm.Log[] memory logs = vm.getRecordedLogs();
            assertEq(logs.length, expected.length, "one event for each row");
            for (uint256 row; row < logs.length; row++) {
                (,,, uint256 fee, bytes memory packed) = abi.decode(logs[row].data, (uint32, uint32, uint32, uint256, bytes));
                assertEq(fee, fees[row], "fee");
                assertEq(packed, expected[row], "shares");
            }
            checkBooks();
        }
        uint256[] memory carried = vm.parseJsonUintArray(_json, ".carried");
        assertEq(carried.length, _policies, "policies");
        for (uint256 i; i < carried.length; i++) {
            assertEq(ledger.carriedRemainder(uint32(i + 1)), carried[i], "carried");
        }
    }

    function test_recordBundle_Revert_whenVectorIsNoBundle() public {
        bytes[] memory rejected = vm.parseJsonBytesArray(_json, ".rejected");
        bytes[] memory reverts = vm.parseJsonBytesArray(_json, ".reverts");
        assertEq(rejected.length, reverts.length, "a reason for each");
        for (uint256 i; i < rejected.length; i++) {
            vm.prank(gateway);
            (bool done, bytes memory reason) =
                address(ledger).call(abi.encodeCall(IAttributionLedger.recordBundle, (rejected[i])));
            assertTrue(!done, "refused");
            assertEq(reason, reverts[i], string.concat("reason ", vm.toString(i)));
        }
    }
}
