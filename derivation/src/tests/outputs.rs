//! Output roots posted on L1 against the derived ones: which difference halts, and which only alarms.

use super::*;
use crate::{
    driver::{Engine, OutputWatchSettings, memory::MinedTransaction},
    testing::key,
};
use alloy_consensus::{TxEip1559, TxEnvelope};
use alloy_primitives::{Address, B256, Log, TxKind, U256};
use alloy_sol_types::{SolCall, SolEvent, SolValue};
use tributary_protocol::{
    block::L2BlockNumber,
    contracts::{IDisputeGame, IDisputeGameFactory},
};

const FACTORY: Address = Address::repeat_byte(0xfa);
const WRONG: B256 = B256::repeat_byte(0x66);

/// How a root comes to be posted.
#[derive(Clone, Copy, Debug)]
enum Way {
    Direct,
    /// Through a contract, so that the transaction does not say what it is about.
    Indirect,
}

/// Someone posts a root for `block` in game `game`.
fn propose(net: &TestNet, who: &str, game: u8, block: u64, root: B256, way: Way) {
    let extra_data: Bytes = U256::from(block).abi_encode().into();
    let game = Address::repeat_byte(game);
    let call = IDisputeGameFactory::createCall {
        gameType: 1,
        rootClaim: root,
        extraData: extra_data.clone(),
    };
    let (to, input) = match way {
        Way::Direct => (FACTORY, call.abi_encode()),
        Way::Indirect => (Address::repeat_byte(0xcc), Vec::new()),
    };
    let data = IDisputeGame::gameDataReturn {
        gameType_: 1,
        rootClaim_: root,
        extraData_: extra_data.clone(),
    };
    let answer = |to, input: Vec<u8>, output: Vec<u8>| net.l1.set_answer(to, input.into(), output.into());
    answer(
        game,
        IDisputeGame::gameDataCall {}.abi_encode(),
        (data.gameType_, data.rootClaim_, data.extraData_).abi_encode_params(),
    );
    answer(
        game,
        IDisputeGame::gameCreatorCall {}.abi_encode(),
        key(who).address().abi_encode(),
    );
    let asked = IDisputeGameFactory::gamesCall {
        gameType: 1,
        rootClaim: root,
        extraData: extra_data,
    };
    answer(FACTORY, asked.abi_encode(), (game, 7_u64).abi_encode_params());
    let event = IDisputeGameFactory::DisputeGameCreated {
        disputeProxy: game,
        gameType: 1,
        rootClaim: root,
    };
    mine(net, who, to, input, FACTORY, event.encode_log_data());
}

/// A game resolves with this status.
fn resolve(net: &TestNet, game: u8, status: u8) {
    let game = Address::repeat_byte(game);
    let event = IDisputeGame::Resolved { status };
    mine(net, "anyone", game, Vec::new(), game, event.encode_log_data());
}

fn mine(
    net: &TestNet,
    who: &str,
    to: Address,
    input: Vec<u8>,
    emitter: Address,
    data: alloy_primitives::LogData,
) {
    let transaction: TxEnvelope = crate::testing::sign(
        &key(who),
        TxEip1559 {
            chain_id: crate::testing::L1_CHAIN_ID,
            to: TxKind::Call(to),
            input: input.into(),
            ..TxEip1559::default()
        },
    );
    net.l1.mine(Vec::from([MinedTransaction {
        transaction,
        logs: Vec::from([Log {
            address: emitter,
            data,
        }]),
        succeeds: true,
    }]));
}

/// Six blocks, all posted.
fn posted_net() -> TestNet {
    let mut net = net_with_blocks(TestNetOptions::default(), 6);
    post(&mut net, 1, 1..=6, BatchKind::Span);
    net
}

async fn derived_root(net: &TestNet, block: u64) -> B256 {
    let root = net.sequencer.output_root(L2BlockNumber(block)).await.unwrap();
    root.unwrap()
}

/// Derives everything into a new node that watches; the cause if it halts.
async fn watch(net: &TestNet) -> Result<DerivationStatus, alloc::string::String> {
    let engine = net.follower();
    watch_with(net, &engine).await
}

async fn watch_with(net: &TestNet, engine: &MemoryEngine) -> Result<DerivationStatus, alloc::string::String> {
    let driver = net.driver(engine).with_outputs(OutputWatchSettings {
        factory: FACTORY,
        proposer: Some(key("proposer").address()),
    });
    let result = net.run_until_caught_up(driver).await;
    result.map_err(|halted| alloc::string::ToString::to_string(&halted))
}

#[tokio::test(start_paused = true)]
async fn f28_wrong_root_of_our_own_proposer_halts_and_names_both() {
    for way in [Way::Direct, Way::Indirect] {
        let net = posted_net();
        propose(&net, "proposer", 1, 3, derived_root(&net, 3).await, way);
        let status = watch(&net).await.unwrap();
        assert_eq!(status.contradicting_games, 0);
        propose(&net, "proposer", 2, 4, WRONG, way);
        let halted = watch(&net).await.unwrap_err();
        let derived = derived_root(&net, 4).await;
        for part in [
            "block 4",
            "our own proposer",
            &WRONG.to_string(),
            &derived.to_string(),
        ] {
            assert!(halted.contains(part), "{way:?}: {halted}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn open_game_of_anyone_else_only_alarms() {
    let net = posted_net();
    propose(&net, "stranger", 1, 4, WRONG, Way::Direct);
    propose(&net, "stranger", 2, 5, WRONG, Way::Indirect);
    propose(&net, "stranger", 3, 6, derived_root(&net, 6).await, Way::Direct);
    // Refused games say nothing, whatever they claimed.
    resolve(&net, 1, 1);
    let status = watch(&net).await.unwrap();
    assert_eq!(status.contradicting_games, 2);
    assert_eq!(status.heads.safe_head.number.0, 6);
}

#[tokio::test(start_paused = true)]
async fn wrong_root_whose_game_resolved_for_its_proposer_halts() {
    for way in [Way::Direct, Way::Indirect] {
        let net = posted_net();
        propose(&net, "stranger", 1, 4, WRONG, way);
        watch(&net).await.unwrap();
        resolve(&net, 1, 2);
        let halted = watch(&net).await.unwrap_err();
        assert!(halted.contains("game has resolved"), "{halted}");
    }
}

/// The game may be older than anything a node reads again when it starts.
#[tokio::test(start_paused = true)]
async fn game_created_long_before_a_restart_still_halts_when_it_resolves() {
    let net = posted_net();
    propose(&net, "stranger", 1, 4, WRONG, Way::Direct);
    net.l1.mine_empty(70);
    let engine = net.follower();
    watch_with(&net, &engine).await.unwrap();
    net.l1.mine_empty(70);
    watch_with(&net, &engine).await.unwrap();
    resolve(&net, 1, 2);
    let halted = watch_with(&net, &engine).await.unwrap_err();
    assert!(halted.contains("game has resolved"), "{halted}");
}

#[tokio::test(start_paused = true)]
async fn whoever_calls_itself_a_game_is_not_believed() {
    let net = posted_net();
    propose(&net, "stranger", 1, 4, WRONG, Way::Indirect);
    // The same answers from another address, which the factory does not know.
    let data = (1_u32, WRONG, Bytes::from(U256::from(4).abi_encode())).abi_encode_params();
    let impostor = Address::repeat_byte(9);
    net.l1.set_answer(
        impostor,
        IDisputeGame::gameDataCall {}.abi_encode().into(),
        data.into(),
    );
    resolve(&net, 9, 2);
    resolve(&net, 8, 2);
    assert_eq!(watch(&net).await.unwrap().contradicting_games, 1);
}

#[tokio::test(start_paused = true)]
async fn root_of_a_block_not_derived_yet_is_compared_once_it_is() {
    let mut net = net_with_blocks(TestNetOptions::default(), 6);
    propose(&net, "proposer", 1, 6, WRONG, Way::Direct);
    let engine = net.follower();
    watch_with(&net, &engine).await.unwrap();
    post(&mut net, 1, 1..=6, BatchKind::Span);
    assert!(watch_with(&net, &engine).await.unwrap_err().contains("block 6"));
}
