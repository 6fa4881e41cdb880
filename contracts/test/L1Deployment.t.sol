// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISystemConfig} from "src/interfaces/ISystemConfig.sol";
import {L1Deployment} from "src/l1/L1Deployment.sol";
import {Test} from "test/support/Test.sol";

contract L1DeploymentTest is Test {
    function test_constructor_whenDeployed_everythingPointsAtEachOther() public {
        ISystemConfig.Config memory config;
        config.owner = account("owner");
        config.gasLimit = 200_000_000;
        (config.eip1559Denominator, config.eip1559Elasticity) = (250, 6);
        L1Deployment deployed = new L1Deployment(config, L1Deployment.Proposals(account("proposer"), account("guardian"), 60));

        address portal = address(deployed.optimismPortal());
        address factory = address(deployed.disputeGameFactory());
        assertEq(deployed.systemConfig().optimismPortal(), portal, "config knows the portal");
        assertEq(deployed.systemConfig().disputeGameFactory(), factory, "config knows the factory");
        assertEq(deployed.optimismPortal().systemConfig(), address(deployed.systemConfig()), "portal knows the config");
        assertEq(deployed.optimismPortal().disputeGameFactory(), factory, "portal knows the factory");
        uint32 respected = deployed.optimismPortal().respectedGameType();
        address impl = address(deployed.disputeGameFactory().gameImpls(respected));
        assertEq(impl, address(deployed.outputProposal()), "the respected game exists");
        assertEq(deployed.outputProposal().proposer(), account("proposer"), "proposer");
        assertEq(deployed.outputProposal().guardian(), account("guardian"), "guardian");
        assertEq(deployed.outputProposal().challengePeriod(), 60, "period");
        assertEq(deployed.systemConfig().owner(), config.owner, "config's owner");
        assertEq(deployed.disputeGameFactory().owner(), config.owner, "factory's owner");
    }
}
