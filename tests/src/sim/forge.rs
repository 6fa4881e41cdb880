//! What a batcher gone wrong, or anybody else, puts into the inbox: made to order, so that every reason to throw something away occurs.
//!
//! Most forgeries are made of the block that would be safe next, with one thing changed; they are mined before anything else of their L1
//! block, so that the change is what they are judged by.

use super::{da::SimulatedDa, kinds::Forgery, mempool::L1World};
use crate::history::users;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip4844, TxEip4844Variant, TxEip7702, TxEnvelope};
use alloy_primitives::{Address, B256, Bytes, TxKind};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use std::sync::{Arc, OnceLock};
use tributary_da_client::DropReason;
use tributary_derivation::l1_block::L1Block;
use tributary_protocol::{
    batch::{Batch, SingularBatch, SpanBatch, SpanParameters},
    batcher_tx::{BatcherTx, decode_payload, encode_payload},
    blob::{BLOB_SIZE, Blob},
    block::{L1BlockNumber, L2BlockNumber, L2BlockRef},
    channel::{Compression, append_batch, compress, split_into_frames},
    commitment::Commitment,
    config::{MAX_SEQUENCER_DRIFT_SECS, RollupConfig},
    frame::{ChannelId, Frame, encode_frames, parse_frames},
};
use tributary_sequencer::engine::Chain;

/// Frames of the channel that is too large: the limit of 100 MB is crossed by the last.
const OVERSIZE_FRAMES: u16 = 100;

/// Bytes of data in each of them.
const OVERSIZE_FRAME_BYTES: usize = 999_900;

/// What a forger sees.
pub(super) struct Sight<'a> {
    pub(super) config: &'a Arc<RollupConfig>,
    /// The sequencer's chain.
    pub(super) chain: &'a Chain,
    pub(super) safe_head: L2BlockRef,
    pub(super) l1: &'a L1World,
    pub(super) da: &'a SimulatedDa,
    /// Payloads of the real batcher.
    pub(super) sent: &'a [Bytes],
    pub(super) key: &'a PrivateKeySigner,
}

/// Calldata or a payload, and who sends it how.
enum Post {
    Payload(Bytes),
    Calldata(Bytes),
    Blobs(Vec<Blob>),
}

impl Sight<'_> {
    /// The transactions of a forgery; none if there is nothing to make it of.
    pub(super) fn forge(&self, kind: Forgery, rng: &mut StdRng) -> Vec<TxEnvelope> {
        match kind {
            Forgery::TransactionType => {
                let input = self.sent.choose(rng).cloned().unwrap_or_else(|| noise(rng));
                vec![self.set_code_transaction(input)]
            }
            Forgery::Stranger => self
                .posts(Forgery::Usurped, rng)
                .into_iter()
                .map(|post| self.transaction(&users::key("stranger"), post, rng))
                .collect(),
            _ => self
                .posts(kind, rng)
                .into_iter()
                .map(|post| self.transaction(self.key, post, rng))
                .collect(),
        }
    }

    /// Another process with the batcher's key would not ask what nonces are free.
    fn transaction(&self, key: &PrivateKeySigner, post: Post, rng: &mut StdRng) -> TxEnvelope {
        let input = match post {
            Post::Calldata(calldata) => calldata,
            Post::Payload(payload) if self.config.alt_da.is_some() && rng.random_bool(0.5) => {
                let commitment = self.da.store(payload);
                if rng.random_bool(0.2) {
                    self.da.hide(&commitment, rng.random_range(1..6));
                }
                BatcherTx::Commitment(commitment).encode()
            }
            Post::Payload(payload) if rng.random_bool(0.1) => match Blob::encode(&payload) {
                Ok(blob) => return self.blob_transaction(key, vec![blob], rng),
                Err(_) => payload,
            },
            Post::Payload(payload) => payload,
            Post::Blobs(blobs) => return self.blob_transaction(key, blobs, rng),
        };
        let transaction = TxEip1559 {
            chain_id: self.config.l1_chain_id,
            nonce: rng.random_range(1 << 40..1 << 41),
            gas_limit: 1_000_000,
            max_fee_per_gas: 10_000_000_000,
            to: TxKind::Call(self.config.batch_inbox_address),
            input,
            ..TxEip1559::default()
        };
        users::sign(key, transaction)
    }

    fn blob_transaction(&self, key: &PrivateKeySigner, blobs: Vec<Blob>, rng: &mut StdRng) -> TxEnvelope {
        let hashes = blobs.into_iter().map(|blob| self.da.blobs.put(blob)).collect();
        let transaction: TxEip4844Variant = TxEip4844Variant::TxEip4844(TxEip4844 {
            chain_id: self.config.l1_chain_id,
            nonce: rng.random_range(1 << 40..1 << 41),
            gas_limit: 1_000_000,
            to: self.config.batch_inbox_address,
            blob_versioned_hashes: hashes,
            ..TxEip4844::default()
        });
        let signature = key
            .sign_hash_sync(&transaction.signature_hash())
            .expect("a local key signs");
        transaction.into_signed(signature).into()
    }

    fn set_code_transaction(&self, input: Bytes) -> TxEnvelope {
        let transaction = TxEip7702 {
            chain_id: self.config.l1_chain_id,
            nonce: 1 << 40,
            gas_limit: 1_000_000,
            to: self.config.batch_inbox_address,
            input,
            ..TxEip7702::default()
        };
        users::sign(self.key, transaction)
    }

    fn posts(&self, kind: Forgery, rng: &mut StdRng) -> Vec<Post> {
        let payload = |payload: Option<Bytes>| payload.map(Post::Payload).into_iter().collect();
        let calldata = |calldata: Bytes| vec![Post::Calldata(calldata)];
        match kind {
            Forgery::Noise => {
                let mut bytes = noise(rng).to_vec();
                bytes[0] = 0;
                payload(Some(bytes.into()))
            }
            Forgery::Calldata => calldata(Bytes::copy_from_slice(
                [&[][..], &[0x02, 0], &[0x01], &[0x01, 0x01, 0x7a, 0]]
                    .choose(rng)
                    .unwrap_or(&&[][..]),
            )),
            Forgery::Commitment => {
                let commitment = Commitment::Other {
                    layer: 0,
                    bytes: Bytes::from_static(&[0xff]),
                };
                calldata(BatcherTx::Commitment(commitment).encode())
            }
            Forgery::RefusedPayload => {
                let Some(payload) = self.sent.choose(rng) else {
                    return Vec::new();
                };
                // Other bytes of the same meaning would do; the commitment must be another than the batcher's own.
                let commitment = self.da.store([payload, &noise(rng)[..]].concat().into());
                self.da.refuse(&commitment, DropReason::Recency);
                calldata(BatcherTx::Commitment(commitment).encode())
            }
            Forgery::Payload => {
                let commitment = self.da.store([&[0x05][..], &noise(rng)].concat().into());
                calldata(BatcherTx::Commitment(commitment).encode())
            }
            Forgery::Truncated => payload(self.sent.choose(rng).map(|payload| {
                let kept = rng.random_range(1..payload.len());
                payload.slice(..kept)
            })),
            Forgery::Repeated => payload(self.sent.choose(rng).cloned()),
            Forgery::Reordered => payload(self.sent.choose(rng).and_then(reversed)),
            Forgery::OversizeChannel => self.oversize(),
            Forgery::Blob => vec![Post::Blobs(self.bad_blobs(rng))],
            _ => payload(
                self.frames(kind, rng)
                    .map(|frames| encode_payload(&encode_frames(&frames))),
            ),
        }
    }

    /// A blob that holds nothing, and at times a good one after it.
    fn bad_blobs(&self, rng: &mut StdRng) -> Vec<Blob> {
        let mut bytes = vec![0; BLOB_SIZE];
        match rng.random_range(0..3) {
            // Another version of the encoding.
            0 => bytes[1] = rng.random_range(1..=255),
            // A bit that no field element has.
            1 => bytes[32] = 0x40,
            // Something after the content, which is empty.
            _ => bytes[BLOB_SIZE - 1] = 1,
        }
        let mut blobs: Vec<Blob> = Blob::new(bytes.into()).into_iter().collect();
        if rng.random_bool(0.5) {
            blobs.extend(
                self.sent
                    .choose(rng)
                    .and_then(|payload| Blob::encode(payload).ok()),
            );
        }
        blobs
    }

    /// A channel that never fits. Its payloads are the same for all worlds.
    fn oversize(&self) -> Vec<Post> {
        if self.config.alt_da.is_none() {
            // 100 MB of calldata is beyond any L1.
            return Vec::new();
        }
        oversize_payloads()
            .iter()
            .map(|(commitment, payload)| {
                self.da.store_trusted(commitment, payload.clone());
                Post::Calldata(BatcherTx::Commitment(commitment.clone()).encode())
            })
            .collect()
    }

    fn frames(&self, kind: Forgery, rng: &mut StdRng) -> Option<Vec<Frame>> {
        let id = ChannelId(rng.random());
        let whole = |data: Bytes| Frame {
            id,
            number: 0,
            data,
            is_last: true,
        };
        match kind {
            Forgery::FrameAlone => Some(vec![Frame {
                number: rng.random_range(1..5),
                ..whole(noise(rng))
            }]),
            Forgery::OpenChannel => Some(vec![Frame {
                is_last: false,
                ..whole(noise(rng))
            }]),
            Forgery::FrameAfterLast => Some(vec![
                whole(noise(rng)),
                Frame {
                    number: 1,
                    ..whole(noise(rng))
                },
            ]),
            Forgery::FrameGap => {
                let channel = channel(&[Batch::Singular(self.next()?)])?;
                let size = channel.len() / 3 + 24;
                let mut frames = split_into_frames(id, &channel, size).ok()?;
                if frames.len() > 2 {
                    frames.remove(1);
                }
                Some(frames)
            }
            Forgery::Compression => {
                let mut bytes = noise(rng).to_vec();
                bytes[0] = [0x01, 0x78, 0x55][rng.random_range(0..3)];
                Some(vec![whole(bytes.into())])
            }
            Forgery::Content => {
                let mut stream = Vec::new();
                let mut content = noise(rng).to_vec();
                content[0] = rng.random_range(0..4);
                append_batch(&mut stream, &content);
                Some(vec![whole(compress(Compression::Zlib, &stream).into())])
            }
            _ => {
                let batches = self.batches(kind, rng)?;
                Some(vec![whole(channel(&batches)?)])
            }
        }
    }

    /// Batches with one thing wrong.
    fn batches(&self, kind: Forgery, rng: &mut StdRng) -> Option<Vec<Batch>> {
        let mut batch = self.next()?;
        let block_time = self.config.block_time;
        match kind {
            Forgery::Past => batch = self.batch_at(self.safe_head.number.0)?,
            Forgery::Future => batch.timestamp += block_time * rng.random_range(1..3),
            Forgery::Parent => batch.parent_hash = B256::new(rng.random()),
            Forgery::EpochHash => batch.epoch_hash = B256::new(rng.random()),
            Forgery::TooLate => batch.epoch_number = L1BlockNumber(0),
            Forgery::OldEpoch => {
                batch.epoch_number = self.safe_head.l1_origin.number.saturating_sub(1);
            }
            Forgery::NewEpoch => batch.epoch_number = L1BlockNumber(self.safe_head.l1_origin.number.0 + 2),
            Forgery::EpochTime => {
                let next = self.l1_block(self.safe_head.l1_origin.number.next())?;
                (next.header().timestamp > batch.timestamp).then_some(())?;
                batch.epoch_number = next.number();
                batch.epoch_hash = next.hash();
            }
            Forgery::Drift => {
                let origin = self.l1_block(self.safe_head.l1_origin.number)?;
                let latest = origin.header().timestamp + MAX_SEQUENCER_DRIFT_SECS;
                (batch.timestamp > latest).then_some(())?;
                batch.epoch_number = origin.number();
                batch.epoch_hash = origin.hash();
                batch.transactions.push(Bytes::from_static(&[0x02, 0]));
            }
            Forgery::EmptyTransaction => batch.transactions.push(Bytes::new()),
            Forgery::Deposit => batch.transactions.push(Bytes::from_static(&[0x7e, 0])),
            Forgery::Invalid => {
                let nonce = rng.random_range(1_000_000..2_000_000);
                let transaction = users::transaction(self.config.l2_chain_id, 0, nonce, rng);
                batch.transactions.push(transaction);
            }
            Forgery::Usurped => batch.transactions.clear(),
            Forgery::Flushed => {
                let good = batch.clone();
                batch.parent_hash = B256::new(rng.random());
                return Some(vec![Batch::Singular(batch), Batch::Singular(good)]);
            }
            Forgery::Misaligned => return self.misaligned(batch),
            Forgery::SpanEpoch => return self.span_beyond_l1(batch),
            Forgery::Contradiction => return self.contradiction(batch, rng),
            _ => return None,
        }
        let as_span = rng.random_bool(0.5) && !matches!(kind, Forgery::EmptyTransaction | Forgery::Deposit);
        Some(vec![self.one(batch, as_span)])
    }

    fn one(&self, batch: SingularBatch, as_span: bool) -> Batch {
        // What a span cannot represent goes alone.
        match self.span(core::slice::from_ref(&batch)) {
            Some(span) if as_span => span,
            _ => Batch::Singular(batch),
        }
    }

    fn span(&self, batches: &[SingularBatch]) -> Option<Batch> {
        let span = SpanBatch::from_singular(batches, 1, SpanParameters::from(&**self.config)).ok()?;
        // A forged transaction may be none that a span can hold.
        span.encode().ok()?;
        Some(Batch::Span(span))
    }

    fn misaligned(&self, batch: SingularBatch) -> Option<Vec<Batch>> {
        let mut batches = [self.batch_at(self.safe_head.number.0)?, batch];
        batches.iter_mut().for_each(|batch| batch.timestamp += 1);
        Some(vec![self.span(&batches)?])
    }

    /// One epoch a block, until L1 has no more.
    fn span_beyond_l1(&self, batch: SingularBatch) -> Option<Vec<Batch>> {
        let first = batch.epoch_number.0;
        let count = self.l1.head().number.0.saturating_sub(first) + 4;
        let batches: Vec<_> = (0..count)
            .map(|index| SingularBatch {
                epoch_number: L1BlockNumber(first + index),
                epoch_hash: B256::repeat_byte(1),
                timestamp: batch.timestamp + index * self.config.block_time,
                ..batch.clone()
            })
            .collect();
        Some(vec![self.span(&batches)?])
    }

    fn contradiction(&self, batch: SingularBatch, rng: &mut StdRng) -> Option<Vec<Batch>> {
        let mut safe = self.batch_at(self.safe_head.number.0)?;
        let transaction = users::transaction(self.config.l2_chain_id, 0, 1_000_000, rng);
        safe.transactions.push(transaction);
        Some(vec![self.span(&[safe, batch])?])
    }

    /// The batch that would come next: the sequencer's if it agrees with what is safe, else an empty one.
    fn next(&self) -> Option<SingularBatch> {
        let safe = self.safe_head;
        let built = self
            .batch_at(safe.number.0 + 1)
            .filter(|batch| batch.parent_hash == safe.hash);
        if built.is_some() {
            return built;
        }
        let timestamp = safe.timestamp + self.config.block_time;
        let next = self
            .l1_block(safe.l1_origin.number.next())
            .filter(|next| next.header().timestamp <= timestamp);
        let (epoch_number, epoch_hash) = match next {
            Some(next) => (next.number(), next.hash()),
            None => (safe.l1_origin.number, safe.l1_origin.hash),
        };
        Some(SingularBatch {
            parent_hash: safe.hash,
            epoch_number,
            epoch_hash,
            timestamp,
            transactions: Vec::new(),
        })
    }

    fn batch_at(&self, number: u64) -> Option<SingularBatch> {
        let pending = super::batcher::pending_block(self.chain, L2BlockNumber(number), self.config)?;
        Some(pending.batch)
    }

    fn l1_block(&self, number: L1BlockNumber) -> Option<L1Block> {
        self.l1.chain.block(number)
    }
}

fn channel(batches: &[Batch]) -> Option<Bytes> {
    let mut stream = Vec::new();
    for batch in batches {
        append_batch(&mut stream, &batch.encode().ok()?);
    }
    Some(compress(Compression::Zlib, &stream).into())
}

fn noise(rng: &mut StdRng) -> Bytes {
    let length = rng.random_range(1..100);
    (0..length).map(|_| rng.random()).collect::<Vec<u8>>().into()
}

fn reversed(payload: &Bytes) -> Option<Bytes> {
    let mut frames = parse_frames(&decode_payload(payload).ok()?).ok()?;
    frames.reverse();
    Some(encode_payload(&encode_frames(&frames)))
}

/// Made once: 100 MB that every world shares.
fn oversize_payloads() -> &'static [(Commitment, Bytes)] {
    static PAYLOADS: OnceLock<Vec<(Commitment, Bytes)>> = OnceLock::new();
    PAYLOADS.get_or_init(|| {
        let data = Bytes::from(vec![0x55; OVERSIZE_FRAME_BYTES]);
        let frames: Vec<Frame> = (0..=OVERSIZE_FRAMES)
            .map(|number| Frame {
                id: ChannelId(*b"a channel too lo"),
                number,
                data: data.clone(),
                is_last: number == OVERSIZE_FRAMES,
            })
            .collect();
        frames
            .chunks(16)
            .map(|frames| {
                let payload = encode_payload(&encode_frames(frames));
                let commitment = Commitment::local(&payload).expect("the payload is not too large");
                (commitment, payload)
            })
            .collect()
    })
}

/// Somebody else's address, for what must not count.
pub(super) const STRANGER: Address = Address::repeat_byte(0xdd);
