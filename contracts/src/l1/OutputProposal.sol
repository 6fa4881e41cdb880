// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {GameStatus, IDisputeGame} from "src/interfaces/IDisputeGame.sol";
import {ISemver} from "src/interfaces/ISemver.sol";

/// @title OutputProposal
/// @notice The simplest honest thing behind the dispute-game ABI: the proposer claims an output root, and after the challenge period
///         the claim stands unless the guardian refused it.
/// @dev    There is no dispute: nobody but the guardian can stop a wrong claim, and nobody can stop the guardian. Whoever relies on a
///         resolved claim trusts those two. A permissionless game will take its place behind the same factory.
///
///         Each proposal is an EIP-1167 clone of one implementation. What never changes about it is appended to the clone's code by
///         the factory: `abi.encode(creator, rootClaim, l1Head, extraData)`.
contract OutputProposal is IDisputeGame {
    /// @inheritdoc ISemver
    string public constant override version = "1.0.0";
    /// @inheritdoc IDisputeGame
    uint32 public constant override gameType = 1;
    /// @inheritdoc IDisputeGame
    bool public constant override wasRespectedGameTypeWhenCreated = true;

    /// @inheritdoc IDisputeGame
    address public immutable override proposer;
    /// @inheritdoc IDisputeGame
    address public immutable override guardian;
    /// @inheritdoc IDisputeGame
    uint64 public immutable override challengePeriod;

    /// @inheritdoc IDisputeGame
    uint64 public override createdAt;
    /// @inheritdoc IDisputeGame
    uint64 public override resolvedAt;
    /// @inheritdoc IDisputeGame
    GameStatus public override status;
    /// @inheritdoc IDisputeGame
    bool public override blacklisted;

    constructor(address proposer_, address guardian_, uint64 challengePeriod_) {
        proposer = proposer_;
        guardian = guardian_;
        challengePeriod = challengePeriod_;
        // The implementation itself is not a claim.
        createdAt = uint64(block.timestamp);
    }

    /// @inheritdoc IDisputeGame
    function initialize() external payable override {
        if (createdAt != 0) revert AlreadyInitialized();
        (address creator,,, bytes memory extra) = _claim();
        if (creator != proposer) revert BadAuth();
        if (extra.length != 32) revert BadExtraData();
        createdAt = uint64(block.timestamp);
    }

    /// @inheritdoc IDisputeGame
    function resolve() external override returns (GameStatus result) {
        if (status != GameStatus.IN_PROGRESS) revert GameNotInProgress();
        uint256 endsAt = uint256(createdAt) + challengePeriod;
        if (block.timestamp < endsAt) revert ChallengePeriodNotOver(endsAt, block.timestamp);
        result = blacklisted ? GameStatus.CHALLENGER_WINS : GameStatus.DEFENDER_WINS;
        status = result;
        resolvedAt = uint64(block.timestamp);
        emit Resolved(result);
    }

    /// @inheritdoc IDisputeGame
    function blacklist() external override {
        if (msg.sender != guardian) revert BadAuth();
        if (status != GameStatus.IN_PROGRESS) revert GameNotInProgress();
        blacklisted = true;
        emit Blacklisted(msg.sender);
    }

    /// @inheritdoc IDisputeGame
    function gameCreator() external view override returns (address creator) {
        (creator,,,) = _claim();
    }

    /// @inheritdoc IDisputeGame
    function l1Head() external view override returns (bytes32 head) {
        (,, head,) = _claim();
    }

    /// @inheritdoc IDisputeGame
    function l2BlockNumber() external view override returns (uint256) {
        return l2SequenceNumber();
    }

    /// @inheritdoc IDisputeGame
    function gameData() external view override returns (uint32 gameType_, bytes32 rootClaim_, bytes memory extraData_) {
        return (gameType, rootClaim(), extraData());
    }

    /// @inheritdoc IDisputeGame
    function rootClaim() public view override returns (bytes32 root) {
        (, root,,) = _claim();
    }

    /// @inheritdoc IDisputeGame
    function l2SequenceNumber() public view override returns (uint256) {
        return abi.decode(extraData(), (uint256));
    }

    /// @inheritdoc IDisputeGame
    function extraData() public view override returns (bytes memory extra) {
        (,,, extra) = _claim();
    }

    function _claim() internal view returns (address creator, bytes32 root, bytes32 head, bytes memory extra) {
        return abi.decode(Clones.fetchCloneArgs(address(this)), (address, bytes32, bytes32, bytes));
    }
}
