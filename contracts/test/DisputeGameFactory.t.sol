// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {GameStatus, IDisputeGame} from "src/interfaces/IDisputeGame.sol";
import {IDisputeGameFactory} from "src/interfaces/IDisputeGameFactory.sol";
import {DisputeGameFactory} from "src/l1/DisputeGameFactory.sol";
import {OutputProposal} from "src/l1/OutputProposal.sol";
import {Test} from "test/support/Test.sol";
import {vm} from "test/support/Vm.sol";

contract DisputeGameFactoryTest is Test {
    uint64 private constant PERIOD = 3600;
    bytes32 private constant ROOT = keccak256("output root");

    DisputeGameFactory private _factory;
    address private _proposer = account("proposer");
    address private _guardian = account("guardian");

    function setUp() public {
        vm.roll(10);
        vm.warp(1_700_000_000);
        _factory = new DisputeGameFactory(address(this));
        _factory.setImplementation(1, new OutputProposal(_proposer, _guardian, PERIOD));
    }

    function test_create_whenProposer_remembersTheClaim() public {
        IDisputeGame game = _propose(ROOT, 42);
        assertEq(game.rootClaim(), ROOT, "root");
        assertEq(game.extraData(), abi.encode(uint256(42)), "extra data");
        assertEq(game.l2BlockNumber(), 42, "block");
        assertEq(game.l2SequenceNumber(), 42, "block under its newer name");
        assertEq(game.l1Head(), blockhash(9), "L1 head");
        assertEq(game.gameCreator(), _proposer, "creator");
        assertEq(game.createdAt(), 1_700_000_000, "created");
        assertEq(game.resolvedAt(), 0, "not resolved");
        assertEq(uint256(game.status()), uint256(GameStatus.IN_PROGRESS), "status");
        assertEq(game.gameType(), 1, "type");
        (uint32 gameType, bytes32 root, bytes memory extra) = game.gameData();
        assertEq(abi.encode(gameType, root, extra), abi.encode(uint32(1), ROOT, abi.encode(uint256(42))), "data");

        assertEq(_factory.gameCount(), 1, "count");
        (uint32 storedType, uint64 time, IDisputeGame stored) = _factory.gameAtIndex(0);
        assertEq(storedType, 1, "type in the list");
        assertEq(time, 1_700_000_000, "time in the list");
        assertEq(address(stored), address(game), "game in the list");
        (stored, time) = _factory.games(1, ROOT, abi.encode(uint256(42)));
        assertEq(address(stored), address(game), "game by content");
        assertEq(time, 1_700_000_000, "time by content");
    }

    function test_create_whenUnknownClaim_isNotFound() public view {
        (IDisputeGame game, uint64 time) = _factory.games(1, ROOT, "");
        assertEq(address(game), address(0), "game");
        assertEq(time, 0, "time");
    }

    function test_create_Revert_whenClaimedBefore() public {
        _propose(ROOT, 42);
        bytes32 uuid = _factory.getGameUUID(1, ROOT, abi.encode(uint256(42)));
        vm.expectRevert(abi.encodeWithSelector(IDisputeGameFactory.GameAlreadyExists.selector, uuid));
        _propose(ROOT, 42);
    }

    function test_create_Revert_whenNotTheProposer() public {
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.BadAuth.selector));
        _factory.create(1, ROOT, abi.encode(uint256(42)));
    }

    function test_create_Revert_whenTypeUnknown() public {
        vm.expectRevert(abi.encodeWithSelector(IDisputeGameFactory.NoImplementation.selector, 0));
        vm.prank(_proposer);
        _factory.create(0, ROOT, abi.encode(uint256(42)));
    }

    function test_create_Revert_whenBondIsSent() public {
        assertEq(_factory.initBonds(1), 0, "none is asked");
        vm.deal(_proposer, 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGameFactory.IncorrectBondAmount.selector));
        vm.prank(_proposer);
        _factory.create{value: 1}(1, ROOT, abi.encode(uint256(42)));
    }

    function test_create_Revert_whenExtraDataIsNotAWord() public {
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.BadExtraData.selector));
        vm.prank(_proposer);
        _factory.create(1, ROOT, abi.encode(uint256(42), uint256(43)));
    }

    function test_setImplementation_Revert_whenNotOwner() public {
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, _proposer));
        vm.prank(_proposer);
        _factory.setImplementation(1, IDisputeGame(address(0)));
    }

    function test_initialize_Revert_whenCalledAgain() public {
        IDisputeGame game = _propose(ROOT, 42);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.AlreadyInitialized.selector));
        game.initialize();
        IDisputeGame impl = _factory.gameImpls(1);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.AlreadyInitialized.selector));
        impl.initialize();
    }

    function test_resolve_whenPeriodIsOver_claimStands() public {
        IDisputeGame game = _propose(ROOT, 42);
        vm.warp(1_700_000_000 + PERIOD);
        vm.expectEmit(address(game));
        emit IDisputeGame.Resolved(GameStatus.DEFENDER_WINS);
        assertEq(uint256(game.resolve()), uint256(GameStatus.DEFENDER_WINS), "result");
        assertEq(uint256(game.status()), uint256(GameStatus.DEFENDER_WINS), "status");
        assertEq(game.resolvedAt(), 1_700_000_000 + PERIOD, "resolved");
    }

    function test_resolve_Revert_whenPeriodIsNotOver() public {
        IDisputeGame game = _propose(ROOT, 42);
        uint256 endsAt = 1_700_000_000 + PERIOD;
        vm.warp(endsAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ChallengePeriodNotOver.selector, endsAt, endsAt - 1));
        game.resolve();
    }

    function test_resolve_Revert_whenResolved() public {
        IDisputeGame game = _propose(ROOT, 42);
        vm.warp(1_700_000_000 + PERIOD);
        game.resolve();
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.GameNotInProgress.selector));
        game.resolve();
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.GameNotInProgress.selector));
        vm.prank(_guardian);
        game.blacklist();
    }

    function test_blacklist_whenGuardian_refusesTheClaim() public {
        IDisputeGame game = _propose(ROOT, 42);
        vm.expectEmit(address(game));
        emit IDisputeGame.Blacklisted(_guardian);
        vm.prank(_guardian);
        game.blacklist();
        vm.warp(1_700_000_000 + PERIOD);
        assertEq(uint256(game.resolve()), uint256(GameStatus.CHALLENGER_WINS), "refused");
    }

    function test_blacklist_Revert_whenNotGuardian() public {
        IDisputeGame game = _propose(ROOT, 42);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.BadAuth.selector));
        vm.prank(_proposer);
        game.blacklist();
    }

    function test_findLatestGames_whenMany_newestFirst() public {
        _factory.setImplementation(2, new OutputProposal(_proposer, _guardian, PERIOD));
        for (uint256 i; i < 6; i++) {
            vm.prank(_proposer);
            _factory.create(i == 4 ? 2 : 1, bytes32(i), abi.encode(i));
        }
        IDisputeGameFactory.GameSearchResult[] memory found = _factory.findLatestGames(1, 5, 3);
        assertEq(found.length, 3, "as many as asked");
        assertEq(found[0].index, 5, "newest");
        assertEq(found[1].index, 3, "other types are passed over");
        assertEq(found[2].rootClaim, bytes32(uint256(2)), "root");
        assertEq(found[2].extraData, abi.encode(uint256(2)), "extra data");
        (, uint64 time, IDisputeGame game) = _factory.gameAtIndex(2);
        uint256 id = (uint256(1) << 224) | (uint256(time) << 160) | uint160(address(game));
        assertEq(found[2].metadata, bytes32(id), "packed as the OP Stack packs it");

        assertEq(_factory.findLatestGames(1, 5, 9).length, 5, "no more than there are");
        assertEq(_factory.findLatestGames(2, 3, 9).length, 0, "none below");
        assertEq(_factory.findLatestGames(1, 6, 1).length, 0, "start beyond the end");
        assertEq(_factory.findLatestGames(1, 5, 0).length, 0, "none asked");
        assertEq(_factory.findLatestGames(1, 5, type(uint256).max).length, 5, "all asked");
    }

    function _propose(bytes32 root, uint256 l2Block) private returns (IDisputeGame) {
        vm.prank(_proposer);
        return _factory.create(1, root, abi.encode(l2Block));
    }
}
