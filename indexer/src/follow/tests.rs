//! Stories of two chains that move, and of an indexer that is stopped anywhere.

use super::{FollowError, Pace};
use crate::{
    clock::unix_now_secs,
    error::{IndexerError, Side},
    health::Check,
    store::{BatchRow, Store},
    testing::{World, hash, recording_tx, registering_tx, rollup, span_frames, span_payload},
};
use alloy::primitives::{Address, B256};
use core::{pin::pin, task::Poll};
use tributary_da_client::DaLayer;
use tributary_protocol::{batcher_tx::encode_payload, frame::encode_frames};

/// Later than any pause between two attempts.
fn much_later() -> i64 {
    unix_now_secs() + 1_000
}

async fn only_batch(store: &Store) -> BatchRow {
    let mut batches = store.latest_batches(10).await.unwrap();
    assert_eq!(batches.len(), 1, "{batches:?}");
    batches.pop().unwrap()
}

#[tokio::test]
async fn an_abandoned_block_takes_its_records_with_it() {
    let world = World::new().await;
    {
        let mut l2 = world.l2.lock();
        l2.push(0, &[registering_tx(Address::repeat_byte(1))]);
        l2.push(0, &[recording_tx(1..=3)]);
        l2.push(0, &[registering_tx(Address::repeat_byte(2)), recording_tx(4..=5)]);
        l2.push(0, &[]);
    }
    let mut parts = world.open().await;
    parts.settle().await;
    let payee = |number| Some(Address::repeat_byte(number).to_string().to_lowercase());
    let first = parts.store.record(1).await.unwrap().unwrap();
    assert_eq!(first.summary.shares[0].payee, payee(1));
    // The payee changed in the same block, before the record.
    let fourth = parts.store.record(4).await.unwrap().unwrap();
    assert_eq!(fourth.summary.shares[1].payee, payee(2));

    {
        let mut l2 = world.l2.lock();
        l2.truncate(2);
        l2.push(1, &[]);
        l2.push(1, &[recording_tx(4..=4)]);
        l2.push(1, &[]);
    }
    parts.settle().await;
    let tip = parts.store.tip(Side::L2).await.unwrap();
    assert_eq!((tip.number, tip.hash), (5, hash("l2", 5, 1)));
    let ids: Vec<_> = parts
        .store
        .records(0, 10)
        .await
        .unwrap()
        .iter()
        .map(|record| record.record.id)
        .collect();
    assert_eq!(ids, [1, 2, 3, 4]);
    let fourth = parts.store.record(4).await.unwrap().unwrap();
    assert_eq!(
        fourth.summary.shares[1].payee,
        payee(1),
        "the later registration was abandoned"
    );
    assert_eq!(parts.store.counts().await.unwrap().transactions, 3);
}

#[tokio::test]
async fn a_deep_reorg_goes_back_to_the_common_ancestor_and_no_further() {
    let world = World::new().await;
    (0..200).for_each(|_| world.l2.lock().push(0, &[]));
    let mut parts = world.open().await;
    parts.settle().await;
    world.l2.lock().truncate(37);
    (0..170).for_each(|_| world.l2.lock().push(1, &[]));
    assert_eq!(parts.l2.tick().await.unwrap(), Pace::Again);
    let tip = parts.store.tip(Side::L2).await.unwrap();
    assert_eq!((tip.number, tip.hash), (37, hash("l2", 37, 0)));
    parts.settle().await;
    assert_eq!(parts.store.tip(Side::L2).await.unwrap().number, 207);
}

#[tokio::test]
async fn a_node_that_is_behind_abandons_nothing() {
    let world = World::new().await;
    world.l2.lock().push(0, &[recording_tx(1..=1)]);
    world.l2.lock().push(0, &[recording_tx(2..=2)]);
    let mut parts = world.open().await;
    parts.settle().await;
    world.l2.lock().truncate(1);
    parts.settle().await;
    assert_eq!(parts.store.tip(Side::L2).await.unwrap().number, 2);
    assert!(parts.store.record(2).await.unwrap().is_some());
}

#[tokio::test]
async fn a_posted_batch_goes_from_submitted_to_finalized() {
    let world = World::new().await;
    (0..8).for_each(|_| world.l2.lock().push(0, &[]));
    let payload = span_payload(1, 5);
    world.da.put(payload.clone()).await.unwrap();
    world.l1.lock().push(0, &[world.commitment_tx(&payload)]);
    let mut parts = world.open().await;
    for (safe, finalized, status) in [
        (0, 0, "submitted"),
        (4, 0, "submitted"),
        (5, 4, "safe"),
        (8, 5, "finalized"),
        (5, 4, "finalized"),
        (4, 4, "submitted"),
    ] {
        world.l2.lock().set_heads(safe, finalized);
        parts.settle().await;
        let batch = only_batch(&parts.store).await;
        assert_eq!(batch.status, status, "safe {safe}, finalized {finalized}");
        assert_eq!((batch.first_l2_block, batch.last_l2_block), (Some(1), Some(5)));
        assert_eq!(batch.payload_bytes, Some(i64::try_from(payload.len()).unwrap()));
    }
    let batch = only_batch(&parts.store).await;
    assert_eq!((batch.da_kind.as_str(), batch.layer), ("in_alt_da", Some(0x7a)));
    assert_eq!(batch.l1_fee_wei, (21_000 * 1_000_000_000u64).to_string());
    assert_eq!(parts.store.payload(1).await.unwrap(), Some(payload.to_vec()));
    assert_eq!(
        parts
            .store
            .batch_of_block(5)
            .await
            .unwrap()
            .map(|batch| batch.number),
        Some(1)
    );
    assert_eq!(parts.store.batch_of_block(6).await.unwrap(), None);
}

#[tokio::test]
async fn only_the_batcher_posts_batches() {
    let world = World::new().await;
    let mut stranger = world.inbox_tx(span_payload(1, 2));
    stranger.from = Address::repeat_byte(0x55);
    let mut elsewhere = world.inbox_tx(span_payload(1, 3));
    elsewhere.to = Address::repeat_byte(0x66);
    let garbage = world.inbox_tx(vec![0xff, 1, 2].into());
    world.l1.lock().push(
        0,
        &[stranger, elsewhere, garbage, world.inbox_tx(span_payload(1, 4))],
    );
    let mut parts = world.open().await;
    parts.settle().await;
    let batches = parts.store.latest_batches(10).await.unwrap();
    let found = batches.iter().map(|batch| {
        (
            batch.l1_tx_index,
            batch.payload_state.as_str(),
            batch.last_l2_block,
        )
    });
    assert_eq!(
        found.collect::<Vec<_>>(),
        [(3, "read", Some(4)), (2, "invalid", None)]
    );
}

#[tokio::test]
async fn an_l1_reorg_orphans_and_brings_back() {
    let world = World::new().await;
    let post = world.inbox_tx(span_payload(1, 2));
    world.l1.lock().push(0, &[]);
    world.l1.lock().push(0, std::slice::from_ref(&post));
    let mut parts = world.open().await;
    parts.settle().await;
    assert_eq!(only_batch(&parts.store).await.status, "submitted");

    // Another block takes its place, and carries the same transaction one block later.
    let first = world.rollup.genesis.l1.number.0;
    world.l1.lock().truncate(first + 1);
    world.l1.lock().push(1, &[]);
    world.l1.lock().push(1, std::slice::from_ref(&post));
    parts.settle().await;
    let batches = parts.store.latest_batches(10).await.unwrap();
    let found: Vec<_> = batches
        .iter()
        .map(|batch| (batch.number, batch.status.as_str()))
        .collect();
    assert_eq!(found, [(2, "submitted"), (1, "orphaned")]);
    assert_eq!(parts.store.batch_of_block(1).await.unwrap().unwrap().number, 2);

    // And the first chain wins after all.
    world.l1.lock().truncate(first + 1);
    world.l1.lock().push(0, &[post]);
    world.l1.lock().push(0, &[]);
    parts.settle().await;
    let batches = parts.store.latest_batches(10).await.unwrap();
    let found: Vec<_> = batches
        .iter()
        .map(|batch| (batch.number, batch.status.as_str()))
        .collect();
    assert_eq!(found, [(2, "orphaned"), (1, "submitted")]);
}

#[tokio::test]
async fn a_missing_payload_delays_nothing_but_itself() {
    let world = World::new().await;
    let (missing, present) = (span_payload(1, 2), span_payload(3, 4));
    world.da.put(present.clone()).await.unwrap();
    world
        .l1
        .lock()
        .push(0, &[world.commitment_tx(&missing), world.commitment_tx(&present)]);
    let mut parts = world.open().await;
    parts.settle().await;
    let batches = parts.store.latest_batches(10).await.unwrap();
    assert_eq!(
        (batches[0].payload_state.as_str(), batches[0].last_l2_block),
        ("read", Some(4))
    );
    assert_eq!(batches[1].payload_state, "pending");
    assert!(batches[1].payload_cause.is_some());

    world.da.put(missing).await.unwrap();
    parts.payloads.tick_at(much_later()).await.unwrap();
    let batch = parts.store.batch(1).await.unwrap().unwrap();
    assert_eq!(
        (
            batch.payload_state.as_str(),
            batch.last_l2_block,
            batch.payload_cause
        ),
        ("read", Some(2), None)
    );
    assert_eq!(parts.health.facts().da, Check::Working);
}

#[tokio::test]
async fn a_channel_in_two_batches_is_read_with_the_second() {
    let world = World::new().await;
    let (frames, raw_bytes) = span_frames(1, 6, 40);
    assert!(frames.len() > 1);
    let (late, early) = frames.split_at(1);
    let post = |frames| world.inbox_tx(encode_payload(&encode_frames(frames)));
    world.l1.lock().push(0, &[post(early)]);
    let mut parts = world.open().await;
    parts.settle().await;
    assert_eq!(only_batch(&parts.store).await.payload_state, "partial");

    world.l1.lock().push(0, &[post(late)]);
    parts.settle().await;
    for batch in parts.store.latest_batches(10).await.unwrap() {
        assert_eq!((batch.first_l2_block, batch.last_l2_block), (Some(1), Some(6)));
        let expected = (batch.number == 2).then(|| i64::try_from(raw_bytes).unwrap());
        assert_eq!(batch.raw_bytes, expected, "batch {}", batch.number);
    }
}

#[tokio::test]
async fn a_restart_goes_on_where_the_database_stands() {
    let world = World::new().await;
    (0..70).for_each(|_| world.l2.lock().push(0, &[]));
    world.l2.lock().push(0, &[recording_tx(1..=2)]);
    let mut parts = world.open().await;
    assert_eq!(parts.l2.tick().await.unwrap(), Pace::Again);
    let before = parts.store.tip(Side::L2).await.unwrap();
    assert!(before.number > 0 && before.number < 71);
    drop(parts);

    let mut parts = world.open().await;
    assert_eq!(parts.store.tip(Side::L2).await.unwrap(), before);
    parts.settle().await;
    assert_eq!(parts.store.tip(Side::L2).await.unwrap().number, 71);
    assert_eq!(parts.store.counts().await.unwrap().records, 2);
}

/// What a kill leaves behind is what a tick that is dropped leaves behind: the database after some of its writes.
#[tokio::test]
async fn a_tick_dropped_anywhere_leaves_whole_blocks() {
    let world = World::new().await;
    for number in 0..40u64 {
        let transactions = [
            registering_tx(Address::ZERO),
            recording_tx(number * 2 + 1..=number * 2 + 2),
        ];
        world.l2.lock().push(0, &transactions);
    }
    let mut polls_allowed = 0;
    loop {
        polls_allowed += 1;
        let mut parts = world.open().await;
        let mut polls = 0;
        let finished = {
            let mut tick = pin!(parts.l2.tick());
            std::future::poll_fn(|context| {
                polls += 1;
                match tick.as_mut().poll(context) {
                    Poll::Ready(result) => Poll::Ready(Some(result.unwrap())),
                    Poll::Pending if polls >= polls_allowed => Poll::Ready(None),
                    Poll::Pending => Poll::Pending,
                }
            })
            .await
        };
        parts.store.close().await;
        let store = world.open().await.store;
        let tip = store.tip(Side::L2).await.unwrap().number;
        let counts = store.counts().await.unwrap();
        let records = store.records(0, 1_000).await.unwrap();
        assert_eq!(records.len() as u64, 2 * tip, "after {polls_allowed} polls");
        assert!(records.iter().all(|record| record.shares.len() == 2));
        assert_eq!(counts.transactions.unsigned_abs(), 2 * tip);
        store.close().await;
        if finished == Some(Pace::Wait) {
            break;
        }
    }
    assert!(polls_allowed > 5, "the tick was never dropped");
}

#[tokio::test]
async fn an_endpoint_of_another_chain_is_named() {
    let world = World::new().await;
    let mut parts = world.open().await;
    std::mem::swap(&mut parts.l2.rpc, &mut parts.l1.rpc);
    let Err(FollowError::OtherEndpoint { expected, found }) = parts.l2.tick().await else {
        panic!("accepted");
    };
    assert_eq!((expected.chain_id, found.chain_id), (901, 900));
}

#[tokio::test]
async fn the_database_of_another_chain_is_refused() {
    let world = World::new().await;
    drop(world.open().await);
    let mut other = rollup();
    other.genesis.l2.hash = B256::repeat_byte(0xab);
    let path = world.folder.path().join("indexer.sqlite");
    let error = Store::open(path, &other).await.unwrap_err();
    assert!(matches!(error, IndexerError::OtherChain { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains(&other.genesis.l2.hash.to_string()), "{message}");
    assert!(
        message.contains(&rollup().genesis.l2.hash.to_string()),
        "{message}"
    );
}

#[tokio::test]
async fn an_endpoint_that_is_down_stops_nothing() {
    let world = World::new().await;
    world.l2.lock().is_down = true;
    let mut parts = world.open().await;
    assert!(matches!(parts.l2.tick().await, Err(FollowError::Rpc(_))));
    world.l2.lock().is_down = false;
    world.l2.lock().push(0, &[]);
    parts.settle().await;
    assert_eq!(parts.store.tip(Side::L2).await.unwrap().number, 1);
}
