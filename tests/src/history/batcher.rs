//! A batcher with accidents: it turns L2 blocks into L1 transactions, and at each step something may go wrong.
//!
//! ```text
//!  blocks -> batches -> channel -> frames -> transactions -> L1
//!            forged     damaged    lost,     by strangers,
//!            batches    content    repeated  malformed, late
//! ```
//! What kona 0.4.5 is known to judge differently is not made here; `docs/oracle.md` lists it.

use super::{
    chain::Chain,
    l1::{L1Transaction, SimulatedL1},
    mutate,
    shape::Shape,
    users::{key, sign},
};
use alloy::signers::local::PrivateKeySigner;
use alloy_consensus::{TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy};
use alloy_primitives::{Address, Bytes, TxKind};
use rand::{Rng, rngs::StdRng};
use std::collections::{BTreeMap, VecDeque};
use tributary_protocol::{
    batch::{Batch, SingularBatch, SpanBatch, SpanParameters},
    batcher_tx::{BatcherTx, encode_payload},
    channel::{Compression, append_batch, compress, split_into_frames},
    commitment::Commitment,
    config::RollupConfig,
    frame::{ChannelId, Frame, encode_frames},
};

/// Most L2 blocks in one channel.
const CHANNEL_BLOCKS_MAX: u64 = 24;

/// Calldata on its way to the inbox.
#[derive(Clone, Debug)]
struct Outgoing {
    /// L1 block it is meant for, at the earliest.
    not_before: u64,
    calldata: Bytes,
}

/// The batcher.
#[derive(Debug)]
pub struct Batcher {
    /// How often something goes wrong, from 0 to 1.
    accidents: f64,
    /// Next L2 block to be batched.
    next: u64,
    /// L1 block until which the batcher is away.
    away_until: u64,
    /// How long it goes away at most.
    away_l1_blocks_max: u64,
    /// How often a transaction is far too late, if there are accidents at all.
    late: f64,
    /// Whether commitments count.
    has_alt_da: bool,
    outgoing: VecDeque<Outgoing>,
    /// Payloads on the DA layer, by the calldata that commits to them.
    payloads: BTreeMap<Bytes, Bytes>,
    nonces: BTreeMap<Address, u64>,
}

impl Batcher {
    /// A batcher that has posted nothing yet.
    pub fn new(shape: &Shape) -> Self {
        Self {
            accidents: shape.accidents,
            late: shape.late,
            has_alt_da: shape.has_alt_da,
            next: 1,
            away_until: 0,
            away_l1_blocks_max: shape.away_l1_blocks_max,
            outgoing: VecDeque::new(),
            payloads: BTreeMap::new(),
            nonces: BTreeMap::new(),
        }
    }

    /// Payloads on the DA layer, by the calldata that commits to them.
    pub const fn payloads(&self) -> &BTreeMap<Bytes, Bytes> {
        &self.payloads
    }

    /// The safe chain went another way, or something got lost: batch from after `safe_head` again.
    pub fn start_over(&mut self, safe_head: u64, rng: &mut StdRng) {
        self.next = safe_head + 1;
        if rng.random_bool(0.5) {
            self.outgoing.clear();
        }
    }

    /// Whether everything batched has been handed to L1.
    pub fn is_idle(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// Batches what is new on `chain` and returns what goes into the next L1 block.
    pub fn work(
        &mut self,
        config: &RollupConfig,
        chain: &Chain,
        l1: &SimulatedL1,
        batcher: &PrivateKeySigner,
        rng: &mut StdRng,
    ) -> Vec<L1Transaction> {
        let l1_number = l1.head().number().0 + 1;
        if l1_number >= self.away_until && rng.random_bool(self.accidents * 0.1) {
            self.away_until = l1_number + rng.random_range(2..=self.away_l1_blocks_max);
        }
        let head = chain.head().reference.number.0;
        if l1_number >= self.away_until && head >= self.next && rng.random_bool(0.8) {
            self.batch(config, chain, l1, rng);
        }
        let mut posted = Vec::new();
        while self
            .outgoing
            .front()
            .is_some_and(|next| next.not_before <= l1_number)
        {
            let Some(next) = self.outgoing.pop_front() else {
                break;
            };
            let stranger = rng.random_bool(self.accidents * 0.03).then(|| key("stranger"));
            let signer = stranger.as_ref().unwrap_or(batcher);
            posted.push(self.transaction(config, signer, next.calldata, rng));
        }
        posted
    }

    /// Puts the next blocks into a channel, and the channel on its way.
    fn batch(&mut self, config: &RollupConfig, chain: &Chain, l1: &SimulatedL1, rng: &mut StdRng) {
        let head = chain.head().reference.number.0;
        let last = head.min(self.next + rng.random_range(0..CHANNEL_BLOCKS_MAX));
        let mut first = self.next;
        if rng.random_bool(0.25) {
            // An overlap with what was posted before.
            first = first.saturating_sub(rng.random_range(1..4)).max(1);
        }
        self.next = last + 1;
        let mut batches: Vec<_> = (first..=last)
            .filter_map(|number| chain.at(number))
            .map(|block| block.batch())
            .collect();
        if rng.random_bool(self.accidents * 0.7) {
            mutate::forge(config, l1, &mut batches, rng);
        }
        let opens_epoch = chain
            .at(first)
            .is_some_and(|block| block.reference.sequence_number == 0);
        let channel = self.channel(config, &batches, opens_epoch, rng);
        let id = ChannelId(rng.random());
        let frames_min = rng.random_range(1..5);
        let frame_size = rng.random_range(60..channel.len() / frames_min + 200);
        let Ok(mut frames) = split_into_frames(id, &channel, frame_size) else {
            return;
        };
        if rng.random_bool(self.accidents * 0.5) {
            mutate::disorder(&mut frames, rng);
        }
        self.send(frames, l1.head().number().0 + 1, rng);
    }

    /// A channel of these batches: singular, span, or some of each.
    fn channel(
        &self,
        config: &RollupConfig,
        batches: &[SingularBatch],
        opens_epoch: bool,
        rng: &mut StdRng,
    ) -> Bytes {
        let parameters = SpanParameters::from(config);
        let mut stream = Vec::new();
        let mut rest = batches;
        let mut first_sequence_number = u64::from(!opens_epoch);
        let prefers_span = rng.random_bool(0.6);
        while !rest.is_empty() {
            let take = if prefers_span {
                rng.random_range(1..=rest.len())
            } else {
                1
            };
            let (part, others) = rest.split_at(take);
            append_batches(&mut stream, part, first_sequence_number, parameters, prefers_span);
            // Only the first of the channel needs to be exact; nothing follows from the bit.
            first_sequence_number = 1;
            rest = others;
        }
        if rng.random_bool(self.accidents * 0.2) {
            mutate::append_garbage(&mut stream, rng);
        }
        let compression = match rng.random_range(0..3) {
            0 => Compression::Zlib,
            _ => Compression::brotli(rng.random_range(1..=9)),
        };
        let channel = compress(compression, &stream);
        if rng.random_bool(self.accidents * 0.1) {
            return mutate::garbage_channel(rng);
        }
        channel.into()
    }

    /// Packs frames into calldata, directly or behind commitments.
    fn send(&mut self, frames: Vec<Frame>, l1_number: u64, rng: &mut StdRng) {
        let mut not_before = l1_number;
        for group in mutate::group(frames, rng) {
            if rng.random_bool(0.3) {
                not_before += rng.random_range(0..3);
            }
            if rng.random_bool(self.accidents * self.late) {
                // Around the time channels time out.
                not_before += rng.random_range(48..54);
            }
            let mut payload = encode_payload(&encode_frames(&group));
            if rng.random_bool(self.accidents * 0.05) {
                payload = mutate::malformed_payload(&payload, rng);
            }
            // Where commitments do not count, one is posted by mistake now and then.
            let committed = if self.has_alt_da {
                0.6
            } else {
                self.accidents * 0.3
            };
            let calldata = match Commitment::local(&payload) {
                Ok(commitment) if rng.random_bool(committed) => {
                    let calldata = BatcherTx::Commitment(commitment).encode();
                    self.payloads.insert(calldata.clone(), payload);
                    calldata
                }
                _ => payload,
            };
            self.outgoing.push_back(Outgoing { not_before, calldata });
        }
        if rng.random_bool(self.accidents * 0.1) {
            let calldata = mutate::malformed_calldata(rng);
            self.outgoing.push_back(Outgoing { not_before, calldata });
        }
        let count = self.outgoing.len();
        if count > 0 && rng.random_bool(self.accidents * 0.3) {
            // Channels mix, transactions overtake each other.
            self.outgoing
                .swap(rng.random_range(0..count), rng.random_range(0..count));
        }
    }

    fn transaction(
        &mut self,
        config: &RollupConfig,
        signer: &PrivateKeySigner,
        input: Bytes,
        rng: &mut StdRng,
    ) -> L1Transaction {
        let nonce = self.nonces.entry(signer.address()).or_default();
        *nonce += 1;
        L1Transaction {
            transaction: inbox_transaction(config, signer, *nonce - 1, input, self.accidents, rng),
            logs: Vec::new(),
            // Whether it succeeds does not matter.
            succeeds: rng.random_bool(0.9),
        }
    }
}

fn append_batches(
    stream: &mut Vec<u8>,
    batches: &[SingularBatch],
    first_sequence_number: u64,
    parameters: SpanParameters,
    as_span: bool,
) {
    let span = SpanBatch::from_singular(batches, first_sequence_number, parameters)
        .and_then(|span| Batch::Span(span).encode());
    match span {
        Ok(span) if as_span => append_batch(stream, &span),
        // What a span cannot represent, such as a forged transaction, goes alone.
        _ => batches
            .iter()
            .for_each(|batch| append_batch(stream, &batch.encode())),
    }
}

fn inbox_transaction(
    config: &RollupConfig,
    signer: &PrivateKeySigner,
    nonce: u64,
    input: Bytes,
    accidents: f64,
    rng: &mut StdRng,
) -> TxEnvelope {
    let chain_id = config.l1_chain_id;
    let is_misdirected = rng.random_bool(accidents * 0.02);
    let inbox = if is_misdirected {
        Address::ZERO
    } else {
        config.batch_inbox_address
    };
    let to = TxKind::Call(inbox);
    let gas_limit = 1_000_000;
    match rng.random_range(0..20) {
        0..3 => {
            let chain_id = Some(chain_id);
            sign(
                signer,
                TxLegacy {
                    chain_id,
                    nonce,
                    gas_price: 1,
                    gas_limit,
                    to,
                    input,
                    ..TxLegacy::default()
                },
            )
        }
        3..5 => sign(
            signer,
            TxEip2930 {
                chain_id,
                nonce,
                gas_price: 1,
                gas_limit,
                to,
                input,
                ..TxEip2930::default()
            },
        ),
        // A type whose calldata does not count.
        5 if rng.random_bool(accidents * 0.3) => sign(
            signer,
            TxEip7702 {
                chain_id,
                nonce,
                gas_limit,
                to: inbox,
                input,
                ..TxEip7702::default()
            },
        ),
        _ => sign(
            signer,
            TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                to,
                input,
                ..TxEip1559::default()
            },
        ),
    }
}
