//! The keystone property: whatever blocks a sequencer builds and whatever happens to them on the way, what is derived is what was
//! built, or what the rules put in its place, and never anything else.

use super::*;
use alloy_consensus::TxEnvelope;
use proptest::{prelude::*, test_runner::Config};
use tributary_protocol::{
    channel::{Compression, append_batch, compress},
    frame::Frame,
};

/// Runs a future that only waits for paused time and for itself.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

/// How a sequencer works between two blocks.
#[derive(Clone, Debug)]
struct History {
    is_jovian: bool,
    /// Transactions of each block.
    blocks: Vec<usize>,
    /// L1 blocks mined before each block.
    mined: Vec<u64>,
    /// Where channels end.
    cuts: Vec<usize>,
    kinds: Vec<bool>,
    brotli: Vec<bool>,
    frame_size: usize,
}

fn history() -> impl Strategy<Value = History> {
    let size = 1..14_usize;
    size.prop_flat_map(|size| {
        (
            any::<bool>(),
            prop::collection::vec(0..3_usize, size),
            prop::collection::vec(0..2_u64, size),
            prop::collection::vec(1..6_usize, size),
            prop::collection::vec(any::<bool>(), size),
            prop::collection::vec(any::<bool>(), size),
            30..400_usize,
        )
    })
    .prop_map(
        |(is_jovian, blocks, mined, cuts, kinds, brotli, frame_size)| History {
            is_jovian,
            blocks,
            mined,
            cuts,
            kinds,
            brotli,
            frame_size,
        },
    )
}

/// Builds the history's blocks.
fn build_history(history: &History) -> TestNet {
    let mut net = TestNet::new(TestNetOptions {
        is_jovian: history.is_jovian,
        seq_window_size: 200,
        block_time: 1,
    });
    let mut sender = 0;
    for (transactions, mined) in history.blocks.iter().zip(&history.mined) {
        net.l1.mine_empty(*mined);
        let transactions = (0..*transactions)
            .map(|_| {
                sender += 1;
                net.transfer(sender, sender)
            })
            .collect();
        net.build_block(transactions);
    }
    // No batch may be read in the L1 origin of its own blocks.
    net.l1.mine_empty(1);
    net
}

/// Cuts the built chain into channels and those into frames, in order.
fn frames_of(net: &TestNet, history: &History) -> Vec<Frame> {
    let mut next = 1;
    let last = history.blocks.len() as u64;
    let mut all = Vec::new();
    for (id, cut) in history.cuts.iter().enumerate() {
        if next > last {
            break;
        }
        let end = last.min(next + *cut as u64 - 1);
        let kind = if history.kinds[id] {
            BatchKind::Span
        } else {
            BatchKind::Singular
        };
        let batches: Vec<_> = (next..=end).map(|number| net.batch(number)).collect();
        let mut stream = Vec::new();
        for batch in net.batches_of(&batches, kind) {
            append_batch(&mut stream, &batch.encode().unwrap());
        }
        let compression = if history.brotli[id] {
            Compression::brotli(4)
        } else {
            Compression::Zlib
        };
        let channel = Bytes::from(compress(compression, &stream));
        all.extend(frames(u8::try_from(id).unwrap(), &channel, history.frame_size));
        next = end + 1;
    }
    all
}

/// Something that happens to a batcher transaction on its way.
#[derive(Clone, Debug)]
enum Mishap {
    Lost(prop::sample::Index),
    Repeated(prop::sample::Index, prop::sample::Index),
    Swapped(prop::sample::Index, prop::sample::Index),
    Garbage(prop::sample::Index, u64, usize),
}

fn mishap() -> impl Strategy<Value = Mishap> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        index().prop_map(Mishap::Lost),
        (index(), index()).prop_map(|(from, to)| Mishap::Repeated(from, to)),
        (index(), index()).prop_map(|(a, b)| Mishap::Swapped(a, b)),
        (index(), any::<u64>(), 0..200_usize).prop_map(|(at, seed, size)| Mishap::Garbage(at, seed, size)),
    ]
}

fn suffer(inputs: &mut Vec<Bytes>, mishap: &Mishap) {
    if inputs.is_empty() {
        return;
    }
    let size = inputs.len();
    match mishap {
        Mishap::Lost(at) => {
            inputs.remove(at.index(size));
        }
        Mishap::Repeated(from, to) => {
            let input = inputs[from.index(size)].clone();
            inputs.insert(to.index(size + 1), input);
        }
        Mishap::Swapped(a, b) => inputs.swap(a.index(size), b.index(size)),
        Mishap::Garbage(at, seed, bytes) => {
            let mut bytes = garbage(*seed, *bytes).to_vec();
            // A commitment that parses by chance would be looked up.
            if let Some(version @ 1) = bytes.first_mut() {
                *version = 0;
            }
            inputs.insert(at.index(size + 1), bytes.into());
        }
    }
}

/// Mines the inputs in no more L1 blocks than a channel may take.
fn mine(net: &mut TestNet, inputs: Vec<Bytes>, per_block: usize) {
    let per_block = per_block.max(inputs.len().div_ceil(40));
    for inputs in inputs.chunks(per_block) {
        let transactions: Vec<TxEnvelope> = inputs
            .iter()
            .map(|input| net.batcher_transaction(input.clone()))
            .collect();
        net.l1.mine(transactions.into_iter().map(Into::into).collect());
    }
}

fn payload(frames: &[Frame]) -> Bytes {
    use tributary_protocol::{batcher_tx::encode_payload, frame::encode_frames};
    encode_payload(&encode_frames(frames))
}

proptest! {
    #![proptest_config(Config { cases: 40, ..Config::default() })]

    #[test]
    fn derive_of_batch_is_the_chain_that_was_built(
        history in history(),
        frames_per_transaction in 1..5_usize,
        transactions_per_block in 1..5_usize,
    ) {
        let mut net = build_history(&history);
        let frames = frames_of(&net, &history);
        let inputs = frames.chunks(frames_per_transaction).map(payload).collect();
        mine(&mut net, inputs, transactions_per_block);
        let (chain, status) = block_on(derive_anew(&net));
        prop_assert_eq!(chain, net.sequencer.chain());
        prop_assert_eq!(status.discards.iter().count(), 0);
    }

    #[test]
    fn mishaps_never_make_a_wrong_block(
        history in history(),
        mishaps in prop::collection::vec(mishap(), 1..6),
        frames_per_transaction in 1..5_usize,
        transactions_per_block in 1..5_usize,
        stop_after in 1..10_u64,
    ) {
        let mut net = build_history(&history);
        let frames = frames_of(&net, &history);
        let mut inputs: Vec<_> = frames.chunks(frames_per_transaction).map(payload).collect();
        for mishap in &mishaps {
            suffer(&mut inputs, mishap);
        }
        mine(&mut net, inputs, transactions_per_block);
        let (chain, _) = block_on(derive_anew(&net));
        let built = net.sequencer.chain();
        // Within the window nothing is made up: what is derived is a beginning of what was built.
        prop_assert_eq!(&chain[..], &built[..chain.len()]);

        // A node that was stopped on the way agrees.
        let stopped = net.follower();
        block_on(async {
            super::restarts::derive_blocks(&net, &stopped, stop_after).await;
            derive(&net, &stopped).await;
        });
        prop_assert_eq!(stopped.chain(), chain);

        // What was lost is posted again: nothing is lost for good.
        let frames = frames_of(&net, &history);
        let inputs = frames.chunks(frames_per_transaction).map(payload).collect();
        mine(&mut net, inputs, transactions_per_block);
        let (chain, _) = block_on(derive_anew(&net));
        prop_assert_eq!(chain, built);
    }

    /// The batcher signs what it posts and DA payloads are checked against their hash, so nobody but the batcher can do this; it may
    /// then replace blocks by ones of deposits alone. But every node sees the same.
    #[test]
    fn corrupted_data_gives_every_node_the_same_chain(
        history in history(),
        corruptions in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1..=255_u8), 1..4),
        frames_per_transaction in 1..5_usize,
        transactions_per_block in 1..5_usize,
        stop_after in 1..10_u64,
    ) {
        let mut net = build_history(&history);
        let frames = frames_of(&net, &history);
        let mut inputs: Vec<_> = frames.chunks(frames_per_transaction).map(payload).collect();
        for (which, at, flip) in corruptions {
            let which = which.index(inputs.len());
            let mut bytes = inputs[which].to_vec();
            // Not the version byte: a commitment that parses by chance would be looked up.
            let at = 1 + at.index(bytes.len() - 1);
            bytes[at] ^= flip;
            inputs[which] = bytes.into();
        }
        mine(&mut net, inputs, transactions_per_block);
        let (chain, _) = block_on(derive_anew(&net));
        let stopped = net.follower();
        block_on(async {
            super::restarts::derive_blocks(&net, &stopped, stop_after).await;
            derive(&net, &stopped).await;
        });
        prop_assert_eq!(stopped.chain(), chain);
    }

    #[test]
    fn any_bytes_in_the_inbox_leave_the_chain_alone(inputs in prop::collection::vec((any::<u64>(), 0..300_usize, 0..3_u8), 1..20)) {
        let mut net = TestNet::new(TestNetOptions::default());
        net.l1.mine_empty(2);
        let inputs = inputs
            .into_iter()
            .map(|(seed, size, version)| {
                let mut bytes = garbage(seed, size).to_vec();
                bytes.insert(0, version);
                bytes.into()
            })
            // A commitment that parses by chance would be looked up.
            .filter(|input: &Bytes| !matches!(
                tributary_protocol::batcher_tx::BatcherTx::decode(input),
                Ok(tributary_protocol::batcher_tx::BatcherTx::Commitment(_))
            ))
            .collect();
        mine(&mut net, inputs, 3);
        let (chain, _) = block_on(derive_anew(&net));
        prop_assert_eq!(chain.len(), 1);
    }
}
