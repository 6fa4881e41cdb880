// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAttributionLedger} from "src/interfaces/IAttributionLedger.sol";
import {IAttributionRegistry} from "src/interfaces/IAttributionRegistry.sol";
import {FeePolicy} from "src/libraries/FeePolicy.sol";
import {Predeploys} from "src/libraries/Predeploys.sol";
import {Test} from "test/support/Test.sol";
import {vm} from "test/support/Vm.sol";

/// @notice The attribution contracts as genesis has them, with a small population.
abstract contract AttributionSetup is Test {
    IAttributionRegistry internal constant registry = IAttributionRegistry(Predeploys.ATTRIBUTION_REGISTRY);
    IAttributionLedger internal constant ledger = IAttributionLedger(Predeploys.ATTRIBUTION_LEDGER);

    address internal admin = account("admin");
    address internal platform = account("platform");
    address internal gateway = account("gateway");
    address internal gatewayPayee = account("gateway payee");
    address internal modelOwner = account("model owner");
    address internal adapterOwner = account("adapter owner");
    address internal curator = account("curator");
    address internal payer = account("payer");

    uint64 internal constant RATE_IN = 7;
    uint64 internal constant RATE_OUT = 31;

    /// @dev Code at the fixed addresses, and the storage genesis writes.
    function placeContracts() internal {
        vm.etch(address(registry), vm.getDeployedCode("AttributionRegistry.sol"));
        vm.etch(address(ledger), vm.getDeployedCode("AttributionLedger.sol"));
        vm.store(address(registry), bytes32(uint256(0)), bytes32(uint256(uint160(admin))));
        vm.store(address(registry), bytes32(uint256(1)), bytes32(uint256(uint160(platform))));
    }

    /// @dev Policy 1, gateway 1, model 1, adapter 1, datanet 1, contributions 1 to `contributions`, payer 1 with `balance`.
    function populate(uint256 contributions, uint256 balance) internal {
        vm.startPrank(admin);
        registry.createFeePolicy(FeePolicy(500, 1500, 2500, 2500, 3000));
        registry.registerGateway(gateway, gatewayPayee);
        vm.stopPrank();
        registry.registerModel(modelOwner, "model", "ipfs://model");
        registry.registerAdapter(adapterOwner, 1, 1, RATE_IN, RATE_OUT, "adapter");

        IAttributionRegistry.ContributionEntry[] memory entries = new IAttributionRegistry.ContributionEntry[](contributions);
        for (uint256 i; i < contributions; i++) {
            entries[i] = IAttributionRegistry.ContributionEntry(contributor(i + 1), bytes32(i));
        }
        vm.startPrank(curator);
        registry.createDatanet("datanet", "ipfs://datanet");
        registry.registerContributions(1, entries);
        vm.stopPrank();

        vm.deal(payer, balance);
        vm.prank(payer);
        ledger.deposit{value: balance}();
    }

    function contributor(uint256 contribution) internal pure returns (address) {
        return address(uint160(0xc0000000 + contribution));
    }

    function shares(uint32 contribution, uint16 weight) internal pure returns (IAttributionLedger.Share[] memory list) {
        list = new IAttributionLedger.Share[](1);
        list[0] = IAttributionLedger.Share(contribution, weight);
    }

    /// @dev The identities that always hold.
    function checkBooks() internal view {
        assertEq(ledger.totalFees(), ledger.totalShares() + ledger.totalCarried(), "fees = shares + carried");
        assertEq(ledger.owed(), address(ledger).balance, "owed = balance");
    }
}
