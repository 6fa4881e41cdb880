// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAttributionRegistry} from "src/interfaces/IAttributionRegistry.sol";
import {FeePolicy, PackedTerms, Terms} from "src/libraries/FeePolicy.sol";
import {AttributionSetup} from "test/support/AttributionSetup.sol";
import {vm} from "test/support/Vm.sol";

contract AttributionRegistryTest is AttributionSetup {
    function setUp() public {
        placeContracts();
        populate(2, 0);
    }

    function test_genesisStorage_whenWritten_isReadBack() public view {
        assertEq(registry.admin(), admin, "slot 0");
        assertEq(registry.platformPayee(), platform, "slot 1");
    }

    function test_registerModel_whenValid_getsTheNextIndex() public {
        vm.expectEmit(address(registry));
        emit IAttributionRegistry.ModelRegistered(2, payer, "content", "ipfs://m");
        assertEq(registry.registerModel(payer, "content", "ipfs://m"), 2, "index");
        (address owner, bytes32 contentHash) = registry.modelOf(2);
        assertEq(owner, payer, "owner");
        assertEq(contentHash, "content", "content");
        assertEq(registry.modelCount(), 2, "count");
    }

    function test_registerModel_Revert_whenOwnerZero() public {
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.ZeroAddress.selector));
        registry.registerModel(address(0), "content", "");
    }

    function test_registerModels_whenMany_indexesFollowEachOther() public {
        IAttributionRegistry.ModelEntry[] memory entries = new IAttributionRegistry.ModelEntry[](3);
        for (uint256 i; i < 3; i++) {
            entries[i] = IAttributionRegistry.ModelEntry(account("owner"), bytes32(i + 1), "");
        }
        assertEq(registry.registerModels(entries), 2, "first");
        (, bytes32 contentHash) = registry.modelOf(4);
        assertEq(contentHash, bytes32(uint256(3)), "last");
    }

    function test_registerAdapter_whenValid_keepsItsTerms() public {
        vm.expectEmit(address(registry));
        emit IAttributionRegistry.AdapterRegistered(2, payer, 1, 1, 5, 6, "content");
        assertEq(registry.registerAdapter(payer, 1, 1, 5, 6, "content"), 2, "index");
        IAttributionRegistry.AdapterEntry memory entry = registry.adapterOf(2);
        assertEq(entry.owner, payer, "owner");
        assertEq(entry.rateOut, 6, "rate");
        (PackedTerms packed, address modelPayee, address adapterPayee) = registry.recordingTerms(2);
        assertEq(modelPayee, modelOwner, "model's payee");
        assertEq(adapterPayee, payer, "adapter's payee");
        assertEq(abi.encode(packed.unpack()), abi.encode(Terms(5, 6, 1, FeePolicy(500, 1500, 2500, 2500, 3000))), "terms");
    }

    function test_registerAdapter_Revert_whenModelUnknown() public {
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.UnknownModel.selector, 2));
        registry.registerAdapter(payer, 2, 1, 0, 0, "");
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.UnknownModel.selector, 0));
        registry.registerAdapter(payer, 0, 1, 0, 0, "");
    }

    function test_registerAdapter_Revert_whenFeePolicyUnknown() public {
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.UnknownFeePolicy.selector, 2));
        registry.registerAdapter(payer, 1, 2, 0, 0, "");
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.UnknownFeePolicy.selector, 0));
        registry.registerAdapter(payer, 1, 0, 0, 0, "");
    }

    function test_registerAdapters_whenMany_indexesFollowEachOther() public {
        IAttributionRegistry.AdapterEntry[] memory entries = new IAttributionRegistry.AdapterEntry[](2);
        entries[0] = IAttributionRegistry.AdapterEntry(payer, 1, 1, 1, 2, "a");
        entries[1] = IAttributionRegistry.AdapterEntry(payer, 1, 1, 3, 4, "b");
        assertEq(registry.registerAdapters(entries), 2, "first");
        assertEq(abi.encode(registry.adapterOf(3)), abi.encode(entries[1]), "last");
    }

    function testFuzz_recordingTerms_whenPacked_unpackToTheSame(uint64 rateIn, uint64 rateOut, uint16 platformPart) public {
        platformPart = uint16(bound(platformPart, 0, 10_000));
        FeePolicy memory policy = FeePolicy(platformPart, 0, 0, 0, 10_000 - platformPart);
        vm.prank(admin);
        registry.createFeePolicy(policy);
        registry.registerAdapter(payer, 1, 2, rateIn, rateOut, "");
        (PackedTerms packed,,) = registry.recordingTerms(2);
        assertEq(abi.encode(packed.unpack()), abi.encode(Terms(rateIn, rateOut, 2, policy)), "terms");
    }

    function test_recordingTerms_whenAdapterUnknown_hasNoPayees() public view {
        (, address modelPayee, address adapterPayee) = registry.recordingTerms(9);
        assertEq(modelPayee, address(0), "model's payee");
        assertEq(adapterPayee, address(0), "adapter's payee");
    }

    function test_registerContribution_whenCurator_getsTheNextIndex() public {
        vm.expectEmit(address(registry));
        emit IAttributionRegistry.ContributionRegistered(3, 1, payer, "content");
        vm.prank(curator);
        assertEq(registry.registerContribution(1, "content", payer), 3, "index");
        (address payee, uint32 datanet, bytes32 contentHash) = registry.contributionOf(3);
        assertEq(payee, payer, "payee");
        assertEq(datanet, 1, "datanet");
        assertEq(contentHash, "content", "content");
    }

    function test_registerContribution_Revert_whenNotCurator() public {
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.NotOwner.selector, payer, curator));
        vm.prank(payer);
        registry.registerContribution(1, "content", payer);
    }

    function test_registerContribution_Revert_whenDatanetUnknown() public {
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.UnknownDatanet.selector, 2));
        registry.registerContribution(2, "content", payer);
    }

    function test_registerContributions_Revert_whenAPayeeIsZero_registersNone() public {
        IAttributionRegistry.ContributionEntry[] memory entries = new IAttributionRegistry.ContributionEntry[](2);
        entries[0].payee = payer;
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.ZeroAddress.selector));
        vm.prank(curator);
        registry.registerContributions(1, entries);
        assertEq(registry.contributionCount(), 2, "count");
    }

    function test_createDatanet_whenAnyone_makesTheCallerCurator() public {
        vm.expectEmit(address(registry));
        emit IAttributionRegistry.DatanetCreated(2, payer, "content", "ipfs://d");
        vm.prank(payer);
        assertEq(registry.createDatanet("content", "ipfs://d"), 2, "index");
        (address owner, bytes32 contentHash) = registry.datanetOf(2);
        assertEq(owner, payer, "curator");
        assertEq(contentHash, "content", "content");
    }

    function test_createFeePolicy_Revert_whenSumDiffers() public {
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.FeePartsSum.selector, 10_001));
        vm.prank(admin);
        registry.createFeePolicy(FeePolicy(1, 2, 3, 4, 9991));
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.FeePartsSum.selector, 327_675));
        vm.prank(admin);
        registry.createFeePolicy(FeePolicy(65_535, 65_535, 65_535, 65_535, 65_535));
    }

    function test_adminFunctions_Revert_whenNotAdmin() public {
        bytes memory reason = abi.encodeWithSelector(IAttributionRegistry.NotAdmin.selector, payer);
        vm.startPrank(payer);
        vm.expectRevert(reason);
        registry.createFeePolicy(FeePolicy(0, 0, 0, 0, 10_000));
        vm.expectRevert(reason);
        registry.registerGateway(payer, payer);
        vm.expectRevert(reason);
        registry.removeGateway(1);
        vm.expectRevert(reason);
        registry.setAdmin(payer);
        vm.expectRevert(reason);
        registry.setPlatformPayee(payer);
    }

    function test_registerGateway_whenValid_maySign() public {
        vm.prank(admin);
        assertEq(registry.registerGateway(payer, account("till")), 2, "index");
        assertEq(registry.gatewayIndex(payer), 2, "index of signer");
        (address signer, address payee) = registry.gatewayOf(2);
        assertEq(signer, payer, "signer");
        assertEq(payee, account("till"), "payee");
        (uint32 index, address till, address platformPayee, uint32 contributions) = registry.recordingParties(payer);
        assertEq(index, 2, "gateway");
        assertEq(till, account("till"), "gateway's payee");
        assertEq(platformPayee, platform, "platform's payee");
        assertEq(contributions, 2, "contributions");
    }

    function test_registerGateway_Revert_whenSignerTaken() public {
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.SignerTaken.selector, gateway, 1));
        vm.prank(admin);
        registry.registerGateway(gateway, payer);
    }

    function test_removeGateway_whenKnown_freesItsSigner() public {
        vm.startPrank(admin);
        registry.removeGateway(1);
        assertEq(registry.gatewayIndex(gateway), 0, "signer");
        assertEq(registry.registerGateway(gateway, payer), 2, "indexes are not used again");
    }

    function test_removeGateway_Revert_whenUnknown() public {
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.UnknownGateway.selector, 2));
        vm.prank(admin);
        registry.removeGateway(2);
    }

    function test_setAdmin_whenAdmin_handsOn() public {
        vm.prank(admin);
        registry.setAdmin(payer);
        vm.prank(payer);
        registry.setPlatformPayee(account("new"));
        assertEq(registry.admin(), payer, "admin");
        assertEq(registry.platformPayee(), account("new"), "platform");
    }

    function test_setAdmin_Revert_whenZero() public {
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.ZeroAddress.selector));
        vm.prank(admin);
        registry.setAdmin(address(0));
    }

    function test_handovers_whenOwner_handOn() public {
        vm.prank(modelOwner);
        registry.setModelOwner(1, payer);
        vm.prank(adapterOwner);
        registry.setAdapterOwner(1, payer);
        vm.prank(contributor(1));
        registry.setContributionPayee(1, payer);
        (address owner,) = registry.modelOf(1);
        assertEq(owner, payer, "model");
        assertEq(registry.adapterOf(1).owner, payer, "adapter");
        (address payee,,) = registry.contributionOf(1);
        assertEq(payee, payer, "contribution");
    }

    function test_handovers_Revert_whenNotOwner() public {
        vm.startPrank(payer);
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.NotOwner.selector, payer, modelOwner));
        registry.setModelOwner(1, payer);
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.NotOwner.selector, payer, adapterOwner));
        registry.setAdapterOwner(1, payer);
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.NotOwner.selector, payer, contributor(1)));
        registry.setContributionPayee(1, payer);
    }

    function test_handovers_Revert_whenUnknown() public {
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.UnknownModel.selector, 9));
        registry.setModelOwner(9, payer);
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.UnknownAdapter.selector, 9));
        registry.setAdapterOwner(9, payer);
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.UnknownContribution.selector, 9));
        registry.setContributionPayee(9, payer);
    }

    function test_handovers_Revert_whenNewOwnerZero() public {
        vm.expectRevert(abi.encodeWithSelector(IAttributionRegistry.ZeroAddress.selector));
        vm.prank(modelOwner);
        registry.setModelOwner(1, address(0));
    }
}
