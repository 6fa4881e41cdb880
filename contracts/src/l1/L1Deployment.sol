// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISystemConfig} from "src/interfaces/ISystemConfig.sol";
import {DisputeGameFactory} from "src/l1/DisputeGameFactory.sol";
import {OptimismPortal} from "src/l1/OptimismPortal.sol";
import {OutputProposal} from "src/l1/OutputProposal.sol";
import {SystemConfig} from "src/l1/SystemConfig.sol";

/// @title L1Deployment
/// @notice Creates everything a chain needs on L1 in one transaction, so that there is no half-made deployment, and remembers where
///         it is. It has no power over what it created: all of it belongs to the configured owner from the start.
contract L1Deployment {
    /// @notice Who proposes and who may refuse.
    struct Proposals {
        address proposer;
        address guardian;
        uint64 challengePeriod;
    }

    /// @dev Game type of outputs that only the proposer may propose.
    uint32 private constant GAME_TYPE_PERMISSIONED = 1;
    /// @dev Creations of a contract are numbered from 1; the portal is the fourth one here.
    uint256 private constant PORTAL_NONCE = 4;

    /// @notice Where output roots are proposed.
    DisputeGameFactory public immutable disputeGameFactory;
    /// @notice What output proposals are clones of.
    OutputProposal public immutable outputProposal;
    /// @notice Parameters of the chain.
    SystemConfig public immutable systemConfig;
    /// @notice Portal whose deposits are derived.
    OptimismPortal public immutable optimismPortal;

    /// @param config    Parameters; `optimismPortal` and `disputeGameFactory` are filled in here.
    /// @param proposals Who proposes and who may refuse.
    constructor(ISystemConfig.Config memory config, Proposals memory proposals) {
        disputeGameFactory = new DisputeGameFactory(address(this));
        outputProposal = new OutputProposal(proposals.proposer, proposals.guardian, proposals.challengePeriod);
        config.disputeGameFactory = address(disputeGameFactory);
        config.optimismPortal = _creation(PORTAL_NONCE);
        systemConfig = new SystemConfig(config);
        optimismPortal = new OptimismPortal(address(systemConfig), address(disputeGameFactory));
        assert(address(optimismPortal) == config.optimismPortal);

        disputeGameFactory.setImplementation(GAME_TYPE_PERMISSIONED, outputProposal);
        disputeGameFactory.transferOwnership(config.owner);
    }

    /// @dev Address of this contract's creation with a nonce below 128: keccak256(rlp([creator, nonce])).
    function _creation(uint256 nonce) internal view returns (address) {
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"d694", address(this), uint8(nonce))))));
    }
}
