// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDisputeGame} from "src/interfaces/IDisputeGame.sol";
import {ISemver} from "src/interfaces/ISemver.sol";

/// @title IDisputeGameFactory
/// @notice Makes games and remembers all of them, in order.
interface IDisputeGameFactory is ISemver {
    /// @notice One find of `findLatestGames`.
    struct GameSearchResult {
        uint256 index;
        bytes32 metadata;
        uint64 timestamp;
        bytes32 rootClaim;
        bytes extraData;
    }

    /// @notice No implementation is set for the game type.
    error NoImplementation(uint32 gameType);
    /// @notice The bond is not the one asked for.
    error IncorrectBondAmount();
    /// @notice The same claim with the same extra data was made before.
    error GameAlreadyExists(bytes32 uuid);

    /// @notice A claim was made.
    event DisputeGameCreated(address indexed disputeProxy, uint32 indexed gameType, bytes32 indexed rootClaim);
    /// @notice Games of this type are from now on made of that implementation.
    event ImplementationSet(address indexed impl, uint32 indexed gameType);

    /// @notice Makes a claim.
    /// @param gameType  Kind of game.
    /// @param rootClaim Output root.
    /// @param extraData `abi.encode(l2BlockNumber)`.
    /// @return proxy_ The game.
    function create(uint32 gameType, bytes32 rootClaim, bytes calldata extraData) external payable returns (IDisputeGame proxy_);
    /// @notice Sets what games of a type are made of; zero stops new ones. Owner only.
    function setImplementation(uint32 gameType, IDisputeGame impl) external;

    /// @notice Games made so far.
    function gameCount() external view returns (uint256 gameCount_);
    /// @notice A claim by its content; zero if it was never made.
    function games(uint32 gameType, bytes32 rootClaim, bytes calldata extraData)
        external
        view
        returns (IDisputeGame proxy_, uint64 timestamp_);
    /// @notice A game by its index.
    function gameAtIndex(uint256 index) external view returns (uint32 gameType_, uint64 timestamp_, IDisputeGame proxy_);
    /// @notice What games of this type are made of.
    function gameImpls(uint32 gameType) external view returns (IDisputeGame);
    /// @notice Wei that `create` must bring: none, since a bond that nobody can win proves nothing.
    function initBonds(uint32 gameType) external view returns (uint256);
    /// @notice What tells two claims apart.
    function getGameUUID(uint32 gameType, bytes32 rootClaim, bytes calldata extraData) external pure returns (bytes32 uuid_);
    /// @notice Up to `n` games of a type, newest first, searching down from index `start`.
    function findLatestGames(uint32 gameType, uint256 start, uint256 n) external view returns (GameSearchResult[] memory games_);
}
