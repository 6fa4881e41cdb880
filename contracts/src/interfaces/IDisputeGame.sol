// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISemver} from "src/interfaces/ISemver.sol";

/// @notice How a game stands. The numbers are the OP Stack's.
enum GameStatus {
    IN_PROGRESS,
    CHALLENGER_WINS,
    DEFENDER_WINS
}

/// @title IDisputeGame
/// @notice A claim about an L2 block, and what became of it.
interface IDisputeGame is ISemver {
    /// @notice `initialize` was called a second time.
    error AlreadyInitialized();
    /// @notice Only the proposer's claims are taken.
    error BadAuth();
    /// @notice The extra data is not one word holding a block number.
    error BadExtraData();
    /// @notice The game has its result.
    error GameNotInProgress();
    /// @notice The challenge period has not passed.
    error ChallengePeriodNotOver(uint256 endsAt, uint256 timeNow);

    /// @notice The result is in.
    event Resolved(GameStatus indexed status);
    /// @notice The guardian refused the claim.
    event Blacklisted(address indexed guardian);

    /// @notice Called once by the factory.
    function initialize() external payable;
    /// @notice Gives the result once the challenge period is over. Anyone may call.
    function resolve() external returns (GameStatus);
    /// @notice Refuses the claim. Only the guardian, and only before the result.
    function blacklist() external;

    /// @notice Unix seconds.
    function createdAt() external view returns (uint64);
    /// @notice Unix seconds; 0 while in progress.
    function resolvedAt() external view returns (uint64);
    /// @notice How the game stands.
    function status() external view returns (GameStatus);
    /// @notice Whether the guardian refused the claim.
    function blacklisted() external view returns (bool);
    /// @notice Kind of game.
    function gameType() external view returns (uint32);
    /// @notice Who made the claim.
    function gameCreator() external view returns (address);
    /// @notice The claim: an output root.
    function rootClaim() external view returns (bytes32);
    /// @notice Hash of the L1 block before the claim: what the claim may rest on.
    function l1Head() external view returns (bytes32);
    /// @notice L2 block the output root is of.
    function l2BlockNumber() external view returns (uint256);
    /// @notice The same under its newer name.
    function l2SequenceNumber() external view returns (uint256);
    /// @notice `abi.encode(l2BlockNumber)`.
    function extraData() external view returns (bytes memory);
    /// @notice Kind, claim and extra data in one call.
    function gameData() external view returns (uint32 gameType_, bytes32 rootClaim_, bytes memory extraData_);
    /// @notice The portal has respected this one game type from the start.
    function wasRespectedGameTypeWhenCreated() external view returns (bool);
    /// @notice Who may claim.
    function proposer() external view returns (address);
    /// @notice Who may refuse a claim.
    function guardian() external view returns (address);
    /// @notice Seconds between a claim and its result.
    function challengePeriod() external view returns (uint64);
}
