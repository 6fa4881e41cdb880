//! Old states: a window of blocks keeps theirs, an archive keeps all of them, and what is kept is what executing the blocks again comes to.

use crate::{
    PAYEE,
    chain::{World, key, transfer},
    quantity,
    server::{Server, story},
};
use alloy::{
    eips::eip2935::HISTORY_STORAGE_ADDRESS,
    primitives::{Address, B256, Bytes, U256, keccak256},
};
use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof};
use serde_json::{Value, json};
use std::sync::Arc;
use tributary_protocol::{
    block::{L1BlockId, L2BlockNumber},
    execute::attributes_of,
};
use tributary_sequencer::{
    builder::Step,
    engine::{Engine, StoreSettings},
    store::{MemoryStore, Store},
};

const BLOCKS: u64 = 40;
const WINDOW: u64 = 8;

/// Slots of the contract that keeps block hashes.
const SLOTS: [u64; 3] = [4, 20, 36];

/// The middle one of them.
const SLOT: B256 = B256::with_last_byte(20);

/// Small flushes, so that the chain has many, and blocks between them.
fn settings(archive: bool) -> StoreSettings {
    StoreSettings {
        history_blocks: WINDOW,
        archive,
        flush_blocks: 3,
        // What is forgotten is forgotten when a block is there.
        flush_in_background: false,
        ..StoreSettings::default()
    }
}

/// What a state has to answer.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    balances: Vec<U256>,
    nonce: u64,
    /// Hashes of a few blocks, each there once the block after it is.
    slots: Vec<U256>,
}

fn accounts() -> Vec<Address> {
    (1..4)
        .map(|seed| key(seed).address())
        .chain([PAYEE, HISTORY_STORAGE_ADDRESS])
        .collect()
}

/// Of the newest state of a world that has nothing older.
fn facts(world: &World) -> Facts {
    let state = world.chain().state_at(world.head().number).unwrap();
    let account = |address| state.account(address).unwrap();
    Facts {
        balances: accounts()
            .into_iter()
            .map(|address| account(address).map_or(U256::ZERO, |account| account.balance))
            .collect(),
        nonce: account(key(1).address()).unwrap().nonce,
        slots: SLOTS
            .iter()
            .map(|slot| state.slot(HISTORY_STORAGE_ADDRESS, U256::from(*slot)).unwrap())
            .collect(),
    }
}

/// The same over JSON-RPC, of block `number`, with every proof checked against the state root in its header.
async fn asked(server: &Server, number: u64) -> Facts {
    let at = json!(format!("{number:#x}"));
    let header = server.ok("eth_getHeaderByNumber", json!([at])).await;
    let root: B256 = serde_json::from_value(header["stateRoot"].clone()).unwrap();
    let mut balances = Vec::new();
    for address in accounts() {
        let balance = server.ok("eth_getBalance", json!([address, at])).await;
        let balance: U256 = serde_json::from_value(balance).unwrap();
        let proof = server.ok("eth_getProof", json!([address, [SLOT], at])).await;
        assert_eq!(proof["balance"], json!(balance));
        check_account(root, address, &proof);
        check_slot(&proof);
        balances.push(balance);
    }
    let sender = key(1).address();
    let nonce = server.ok("eth_getTransactionCount", json!([sender, at])).await;
    let mut slots = Vec::new();
    for slot in SLOTS {
        let slot = json!(format!("{slot:#x}"));
        let value = server
            .ok("eth_getStorageAt", json!([HISTORY_STORAGE_ADDRESS, slot, at]))
            .await;
        slots.push(serde_json::from_value(value).unwrap());
    }
    // The same through the EVM: it answers with what the account holds.
    let code = json!({PAYEE.to_string(): {"code": "0x30315f5260205ff3"}});
    let held = server.ok("eth_call", json!([{"to": PAYEE}, at, code])).await;
    assert_eq!(held, json!(B256::from(balances[3])));
    Facts {
        balances,
        nonce: u64::try_from(quantity(&nonce)).unwrap(),
        slots,
    }
}

fn nodes(proof: &Value) -> Vec<Bytes> {
    serde_json::from_value(proof.clone()).unwrap()
}

fn check_account(root: B256, address: Address, proof: &Value) {
    let of = |name: &str| proof[name].clone();
    let account = TrieAccount {
        nonce: u64::try_from(quantity(&of("nonce"))).unwrap(),
        balance: serde_json::from_value(of("balance")).unwrap(),
        storage_root: serde_json::from_value(of("storageHash")).unwrap(),
        code_hash: serde_json::from_value(of("codeHash")).unwrap(),
    };
    let is_there = account.nonce > 0 || account.balance > U256::ZERO;
    let value = is_there.then(|| alloy::rlp::encode(account));
    verify_proof(
        root,
        Nibbles::unpack(keccak256(address)),
        value,
        &nodes(&of("accountProof")),
    )
    .unwrap();
}

fn check_slot(proof: &Value) {
    let root: B256 = serde_json::from_value(proof["storageHash"].clone()).unwrap();
    let slot = &proof["storageProof"][0];
    let value: U256 = serde_json::from_value(slot["value"].clone()).unwrap();
    let value = (value > U256::ZERO).then(|| alloy::rlp::encode(value));
    verify_proof(
        root,
        Nibbles::unpack(keccak256(SLOT)),
        value,
        &nodes(&slot["proof"]),
    )
    .unwrap();
}

/// Makes everything but the newest two blocks final, since what is not final is never forgotten.
pub(crate) async fn finalize(world: &World) {
    let number = L2BlockNumber(world.head().number.0.saturating_sub(2));
    let block = world.chain().block_ref(number).unwrap().unwrap();
    let derived_from = L1BlockId {
        hash: block.l1_origin.hash,
        number: block.l1_origin.number,
    };
    world.engine.set_safe(block, derived_from).await.unwrap();
    world.engine.set_finalized(block).await.unwrap();
}

#[test]
fn an_archive_answers_for_every_block_and_a_window_for_its_own() {
    story(async {
        let pruned_store = MemoryStore::default();
        let shared: Arc<dyn Store> = Arc::new(pruned_store.clone());
        let archive = World::with(Arc::new(MemoryStore::default()), settings(true));
        let pruned = World::with(shared.clone(), settings(false));
        // Executes every block again, and is only ever asked for its newest state.
        let again = World::new();
        let mut expected = vec![facts(&again)];
        let mut nonces = [0; 4];
        for number in 1..=BLOCKS {
            let seed = 1 + number % 3;
            let nonce = &mut nonces[usize::try_from(seed).unwrap()];
            archive.list.push(transfer(u8::try_from(seed).unwrap(), *nonce));
            *nonce += 1;
            if number % 5 == 0 {
                archive.l1.mine();
            }
            archive.poll_l1().await;
            archive.clock.set(archive.head().timestamp + 1);
            let step = archive.builder(0).step().await.unwrap();
            assert!(matches!(step, Step::Built(_)), "{step:?}");
            let block = archive
                .chain()
                .block_by_number(L2BlockNumber(number))
                .unwrap()
                .unwrap();
            for world in [&pruned, &again] {
                let attributes = attributes_of(&archive.config, &block.block).unwrap();
                let applied = world.engine.apply(attributes, world.head()).await.unwrap();
                assert_eq!(applied.block, block.reference);
            }
            finalize(&pruned).await;
            finalize(&archive).await;
            expected.push(facts(&again));
        }
        assert!(expected.windows(2).all(|pair| pair[0] != pair[1]));

        let archive = Server::on(archive).await;
        let pruned = Server::on(pruned).await;
        let oldest = pruned.ok("eth_capabilities", json!([])).await;
        let oldest = u64::try_from(quantity(&oldest["state"]["oldestBlock"])).unwrap();
        // It forgets with each flush.
        assert!(
            (BLOCKS - WINDOW - 3..=BLOCKS - WINDOW).contains(&oldest),
            "{oldest}"
        );
        let all = archive.ok("eth_capabilities", json!([])).await;
        assert_eq!(all["stateproofs"]["oldestBlock"], "0x0");
        for (number, expected) in (0..).zip(&expected) {
            assert_eq!(
                asked(&archive, number).await,
                *expected,
                "archive, block {number}"
            );
            if number >= oldest {
                assert_eq!(asked(&pruned, number).await, *expected, "window, block {number}");
                continue;
            }
            let at = format!("{number:#x}");
            for (method, params) in [
                ("eth_getBalance", json!([PAYEE, at])),
                ("eth_getProof", json!([PAYEE, [], at])),
                ("eth_call", json!([{"to": PAYEE}, at])),
            ] {
                let error = pruned.error(method, params).await;
                let text = format!(
                    "pruned history unavailable: state of block {number} is not available: blocks {oldest} to {BLOCKS} are kept (history-blocks)"
                );
                assert_eq!((&error["code"], &error["message"]), (&json!(4444), &json!(text)));
            }
            // Blocks, receipts and logs are never forgotten.
            let block = pruned.ok("eth_getBlockByNumber", json!([at, true])).await;
            assert_eq!(block, archive.ok("eth_getBlockByNumber", json!([at, true])).await);
            assert!(!block.is_null());
        }

        let world = &pruned.world;
        let opened = Engine::start(shared, world.config.clone(), &world.genesis, settings(true));
        let refused = opened.unwrap_err().to_string();
        assert_eq!(
            refused,
            format!(
                "the data folder is no archive: states below block {oldest} were pruned; start without --archive, or derive into an empty folder with it"
            )
        );
    });
}
