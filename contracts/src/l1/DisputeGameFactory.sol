// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IDisputeGame} from "src/interfaces/IDisputeGame.sol";
import {IDisputeGameFactory} from "src/interfaces/IDisputeGameFactory.sol";
import {ISemver} from "src/interfaces/ISemver.sol";

/// @title DisputeGameFactory
/// @notice Where output roots are proposed, behind the OP Stack's ABI.
contract DisputeGameFactory is Ownable, IDisputeGameFactory {
    /// @notice A game in one word, packed as the OP Stack's `GameId`: type in the top 32 bits, then time (64), then address (160).
    type GameId is bytes32;

    /// @inheritdoc ISemver
    string public constant override version = "1.0.0";

    /// @inheritdoc IDisputeGameFactory
    mapping(uint32 gameType => IDisputeGame impl) public override gameImpls;
    /// @dev Claims by their content.
    mapping(bytes32 uuid => GameId id) private _games;
    /// @dev Claims in the order they were made.
    GameId[] private _gameList;

    constructor(address owner) Ownable(owner) {}

    /// @inheritdoc IDisputeGameFactory
    function create(uint32 gameType, bytes32 rootClaim, bytes calldata extraData)
        external
        payable
        override
        returns (IDisputeGame proxy_)
    {
        IDisputeGame impl = gameImpls[gameType];
        if (address(impl) == address(0)) revert NoImplementation(gameType);
        if (msg.value != initBonds(gameType)) revert IncorrectBondAmount();
        bytes32 uuid = getGameUUID(gameType, rootClaim, extraData);
        if (GameId.unwrap(_games[uuid]) != 0) revert GameAlreadyExists(uuid);

        bytes memory claim = abi.encode(msg.sender, rootClaim, blockhash(block.number - 1), extraData);
        proxy_ = IDisputeGame(Clones.cloneWithImmutableArgs(address(impl), claim));
        GameId id = _pack(gameType, uint64(block.timestamp), proxy_);
        _games[uuid] = id;
        _gameList.push(id);
        emit DisputeGameCreated(address(proxy_), gameType, rootClaim);
        proxy_.initialize{value: msg.value}();
    }

    /// @inheritdoc IDisputeGameFactory
    function setImplementation(uint32 gameType, IDisputeGame impl) external override onlyOwner {
        gameImpls[gameType] = impl;
        emit ImplementationSet(address(impl), gameType);
    }

    /// @inheritdoc IDisputeGameFactory
    function gameCount() external view override returns (uint256 gameCount_) {
        return _gameList.length;
    }

    /// @inheritdoc IDisputeGameFactory
    function games(uint32 gameType, bytes32 rootClaim, bytes calldata extraData)
        external
        view
        override
        returns (IDisputeGame proxy_, uint64 timestamp_)
    {
        (, timestamp_, proxy_) = _unpack(_games[getGameUUID(gameType, rootClaim, extraData)]);
    }

    /// @inheritdoc IDisputeGameFactory
    function gameAtIndex(uint256 index)
        external
        view
        override
        returns (uint32 gameType_, uint64 timestamp_, IDisputeGame proxy_)
    {
        return _unpack(_gameList[index]);
    }

    /// @inheritdoc IDisputeGameFactory
    function findLatestGames(uint32 gameType, uint256 start, uint256 n)
        external
        view
        override
        returns (GameSearchResult[] memory games_)
    {
        if (start >= _gameList.length || n == 0) return games_;
        uint256 capacity = n <= start ? n : start + 1;
        games_ = new GameSearchResult[](capacity);
        uint256 found;
        for (uint256 index = start + 1; index > 0 && found < capacity; index--) {
            GameId id = _gameList[index - 1];
            (uint32 foundType, uint64 timestamp, IDisputeGame proxy) = _unpack(id);
            if (foundType != gameType) continue;
            games_[found++] = GameSearchResult(index - 1, GameId.unwrap(id), timestamp, proxy.rootClaim(), proxy.extraData());
        }
        // Fewer were found than there was room for: the length word is cut to what was found.
        assembly ("memory-safe") {
            mstore(games_, found)
        }
    }

    /// @inheritdoc IDisputeGameFactory
    function initBonds(uint32) public pure override returns (uint256) {
        return 0;
    }

    /// @inheritdoc IDisputeGameFactory
    function getGameUUID(uint32 gameType, bytes32 rootClaim, bytes calldata extraData)
        public
        pure
        override
        returns (bytes32 uuid_)
    {
        return keccak256(abi.encode(gameType, rootClaim, extraData));
    }

    function _pack(uint32 gameType, uint64 timestamp, IDisputeGame proxy) internal pure returns (GameId) {
        return GameId.wrap(bytes32((uint256(gameType) << 224) | (uint256(timestamp) << 160) | uint160(address(proxy))));
    }

    function _unpack(GameId id) internal pure returns (uint32 gameType, uint64 timestamp, IDisputeGame proxy) {
        uint256 word = uint256(GameId.unwrap(id));
        return (uint32(word >> 224), uint64(word >> 160), IDisputeGame(address(uint160(word))));
    }
}
