//! What taking a transaction costs before it executes: recovering its sender with both libraries, admission on one thread, and admission
//! of many at once, as the server does it.
//!
//! `cargo run --release -p tributary-sequencer --example ingest_speed -- [transactions]`: transfers signed by nine accounts in turn.
//! Prints microseconds per transaction.

use std::time::Instant;

#[path = "../tests/support/chain.rs"]
#[expect(clippy::unwrap_used, reason = "shared with tests, where a panic is a failure")]
mod chain;

use alloy::primitives::Bytes;
use chain::{World, transfer};
use futures::{StreamExt, stream};
use k256::ecdsa::{RecoveryId, VerifyingKey};
use tributary_protocol::execute::recover;
use tributary_sequencer::pool::{Pool, PoolLimits};

/// Requests under way at the same time.
const CONCURRENT: usize = 64;

/// Recoveries by the slow library: enough to know.
const K256_SAMPLE: usize = 2_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let argument = std::env::args().nth(1).map(|argument| argument.parse::<u64>());
    let count = argument.transpose()?.unwrap_or(20_000);
    let raw: Vec<Bytes> = (0..count)
        .map(|index| {
            let seed = u8::try_from(index % 9 + 1).expect("a digit");
            transfer(seed, index / 9).encoded_bytes().clone()
        })
        .collect();
    let report = |what: &str, started: Instant| {
        let micros = started.elapsed().as_secs_f64() * 1e6 / raw.len() as f64;
        println!("{what:44} {micros:8.2} us");
    };

    let recovered: Vec<_> = raw.iter().map(recover).collect::<Result<_, _>>()?;
    let started = Instant::now();
    for transaction in recovered.iter().take(K256_SAMPLE) {
        let signed = transaction
            .1
            .inner()
            .as_eip1559()
            .ok_or("a transfer is of type 2")?;
        let signature = signed.signature().to_k256()?;
        let recovery = RecoveryId::new(signed.signature().v(), false);
        VerifyingKey::recover_from_prehash(signed.signature_hash().as_slice(), &signature, recovery)?;
    }
    let micros = started.elapsed().as_secs_f64() * 1e6 / raw.len().min(K256_SAMPLE) as f64;
    println!("{:44} {micros:8.2} us", "recover, k256");
    let started = Instant::now();
    for transaction in &raw {
        recover(transaction)?;
    }
    report("decode and recover, libsecp256k1", started);

    let limits = PoolLimits {
        transactions_max: raw.len(),
        sender_transactions_max: raw.len(),
        bytes_max: usize::MAX,
        sender_bytes_max: usize::MAX,
        ..PoolLimits::default()
    };
    let world = World::new();
    let pool = Pool::new(world.chain().clone(), limits);
    let started = Instant::now();
    for transaction in &raw {
        pool.add_raw(transaction)?;
    }
    report("admit, one thread", started);

    let pool = Pool::new(world.chain().clone(), limits);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let started = Instant::now();
    let taken = runtime.block_on(async {
        let submissions = raw.iter().map(|transaction| pool.submit(transaction.clone()));
        let answers = stream::iter(submissions).buffered(CONCURRENT);
        answers
            .filter(|answer| core::future::ready(answer.is_ok()))
            .count()
            .await
    });
    report("admit, many at once", started);
    assert_eq!(taken, raw.len(), "every transaction is taken");
    Ok(())
}
