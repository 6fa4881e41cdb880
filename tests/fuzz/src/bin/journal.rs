//! The batcher's journal on disk: what is accepted continues block by block and nonce by nonce, and is the same when written and read
//! again. A disk lies at times, and a wrong journal could post twice.
//!
//! Input: the document.
#![no_main]

use alloy_primitives::{Address, B256, Bytes};
use tributary_batcher::{
    journal::{Attempt, Document, JournalChain, JournaledChannel, JournaledTransaction, Route},
    l1::Fees,
};
use tributary_fuzz::{
    memory,
    seeds::{Seeds, add},
    target,
};
use tributary_protocol::block::{L1BlockId, L1BlockNumber, L2BlockId, L2BlockNumber};

target!(run, seeds);

const CHAIN: JournalChain = JournalChain {
    l1_chain_id: 900,
    l2_chain_id: 901,
    l2_genesis: B256::repeat_byte(1),
    batcher: Address::repeat_byte(2),
};

fn run(data: &[u8]) {
    // The smallest channel in JSON is a few hundred bytes, and as many in memory; lists grow by doubling.
    memory::within(16_384 + 16 * data.len(), || check(data));
}

fn check(data: &[u8]) {
    let Ok(document) = Document::decode(data, CHAIN) else {
        return;
    };
    let written = document.encode().expect("what was read can be written");
    let again = Document::decode(&written, CHAIN).expect("what was written can be read");
    assert_eq!(again, document);
    let other = JournalChain {
        l1_chain_id: 1,
        ..CHAIN
    };
    assert!(
        Document::decode(data, other).is_err(),
        "a journal of another chain"
    );
    let channels = document.channels();
    for (earlier, later) in channels.iter().zip(channels.iter().skip(1)) {
        assert_eq!(later.first.number.0, earlier.last.number.0 + 1);
        assert!(!earlier.transactions.is_empty() || later.transactions.is_empty());
    }
    let nonces: Vec<u64> = channels
        .iter()
        .flat_map(|channel| &channel.transactions)
        .map(|transaction| transaction.nonce)
        .collect();
    for (earlier, later) in nonces.iter().zip(nonces.iter().skip(1)) {
        assert_eq!(earlier.checked_add(1), Some(*later));
    }
}

fn channel(first: u64, last: u64, route: Option<Route>, nonces: core::ops::Range<u64>) -> JournaledChannel {
    let id = |number: u64| L2BlockId {
        hash: B256::repeat_byte(3),
        number: L2BlockNumber(number),
    };
    let included = L1BlockId {
        hash: B256::repeat_byte(4),
        number: L1BlockNumber(first),
    };
    let attempt = Attempt {
        hash: B256::repeat_byte(5),
        fees: Fees {
            max_fee_per_gas: 2_000_000_000,
            max_priority_fee_per_gas: 1_000_000,
            max_fee_per_blob_gas: (first % 2 == 0).then_some(7),
        },
    };
    let transaction = |nonce| JournaledTransaction {
        nonce,
        attempts: vec![attempt; 2],
        included: (nonce % 2 == 0).then_some(included),
    };
    JournaledChannel {
        first: id(first),
        last: id(last),
        deadline: L1BlockNumber(first + 30),
        payload: B256::repeat_byte(6),
        payload_size: 100,
        route,
        transactions: nonces.map(transaction).collect(),
    }
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let calldata = Bytes::from_static(&[1, 1, 0x7a, 0]);
    let routes = [
        Some(Route::Da {
            calldata: calldata.clone(),
        }),
        Some(Route::DaParts {
            calldata: vec![calldata; 2],
        }),
        Some(Route::Calldata),
        Some(Route::Blobs),
        None,
    ];
    let mut seed = |name: &str, channels: &[JournaledChannel]| {
        let document = Document::new(CHAIN, channels.to_vec(), 0);
        add(
            &mut seeds,
            name,
            &document.encode().expect("a seed can be written"),
        );
    };
    seed("empty", &[]);
    for (index, route) in routes.iter().enumerate() {
        let nonces = if route.is_some() { 7..9 } else { 0..0 };
        seed(&format!("route{index}"), &[channel(1, 5, route.clone(), nonces)]);
    }
    let two = [
        channel(1, 5, routes[0].clone(), 7..8),
        channel(6, 6, routes[2].clone(), 8..11),
    ];
    seed("two", &two);
    seed(
        "gap",
        &[channel(1, 5, routes[0].clone(), 7..8), channel(7, 8, None, 0..0)],
    );
    seeds
}
