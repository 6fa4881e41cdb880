//! Arbitrary bytes become L1 blocks with batcher transactions, DA payloads, blobs, deposits and configuration updates; the derivation
//! pipeline derives them.
//!
//! Whatever is posted: it does not panic, no block comes before its time, none that is due is missing, a second node and a node
//! that starts anew between any two L1 blocks derive the same chain.
//!
//! Input: sequencing window, block time and place of a restart, a byte each; then L1 blocks:
//!
//! | bytes | field |
//! | ----- | ----- |
//! | 1     | low three bits: seconds since the last block, less 1; the others: transactions 0 to 3, or more empty blocks |
//! | …     | of each transaction: what it is, see [`Program::transaction`] |
#![no_main]

use alloy_consensus::TxEnvelope;
use alloy_primitives::{Address, B256, Bytes, Log, keccak256};
use op_alloy_consensus::TxDeposit;
use std::{
    collections::VecDeque,
    sync::{Arc, LazyLock},
};
use tributary_derivation::{
    driver::memory::{MemoryL1, MinedTransaction},
    testing::{GENESIS_TIME, L1_CHAIN_ID, PORTAL, SYSTEM_CONFIG, TestNet, TestNetOptions},
};
use tributary_fuzz::{
    input::Input,
    l1::Signer,
    logs,
    node::{Node, World},
    seeds::Seeds,
    target,
};
use tributary_protocol::{
    batch::{Batch, SingularBatch, SpanBatch, SpanParameters},
    batcher_tx::{BatcherTx, encode_payload},
    blob::Blob,
    block::L1BlockNumber,
    channel::{Compression, append_batch, compress, split_into_frames},
    commitment::Commitment,
    config::{CONFIG_UPDATE_TOPIC, ConfigUpdate, RollupConfig},
    deposit::encode_transaction_deposited,
    frame::{ChannelId, Frame, encode_frames},
};

target!(run, seeds);

/// L1 blocks of one program: more than a channel lives, few enough to run a thousand programs in some seconds.
const L1_BLOCKS_MAX: u64 = 90;
/// Frames that wait to be posted.
const FRAMES_MAX: usize = 64;

static NET: LazyLock<TestNet> = LazyLock::new(|| TestNet::new(TestNetOptions::default()));
/// The batcher at genesis, and one that an update can name.
static BATCHERS: LazyLock<[Signer; 2]> =
    LazyLock::new(|| [Signer::new("batcher"), Signer::new("another batcher")]);

struct Program<'a> {
    input: Input<'a>,
    world: World,
    node: Node,
    /// Made and not posted.
    frames: VecDeque<Frame>,
    channels: u8,
    nonce: u64,
}

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let config = Arc::new(RollupConfig {
        seq_window_size: 3 + u64::from(input.byte() % 8),
        block_time: 1 + u64::from(input.byte() % 3),
        ..(*NET.config).clone()
    });
    let restart_at = u64::from(input.byte());
    let world = World {
        config,
        l1_config: NET.l1_config.clone(),
        l1: MemoryL1::new(L1_CHAIN_ID, GENESIS_TIME),
        payloads: [].into(),
        blobs: [].into(),
        has_batches: false,
    };
    let node = Node::new(&world);
    let mut program = Program {
        input,
        world,
        node,
        frames: VecDeque::new(),
        channels: 0,
        nonce: 0,
    };
    program.run();
    let Program { world, node, .. } = program;
    compare(&world, &node, restart_at);
}

/// Two more nodes derive what is now on L1: one from genesis, one from where `node` stood before some L1 block.
fn compare(world: &World, node: &Node, restart_at: u64) {
    let mut second = Node::new(world);
    second.catch_up(world);
    assert_eq!(second.chain(), node.chain(), "the same L1, the same chain");
    assert_eq!(
        second.discards(),
        node.discards(),
        "thrown away for the same reasons"
    );

    let tip = world.l1.head_block().number().0;
    let mut restarted = Node::restarted(world, node, L1BlockNumber(1 + restart_at % (tip + 1)));
    restarted.catch_up(world);
    assert_eq!(restarted.chain(), node.chain(), "a restart changes nothing");
}

impl Program<'_> {
    fn run(&mut self) {
        while !self.input.is_empty() && self.height() < L1_BLOCKS_MAX {
            let head = self.input.byte();
            let seconds = 1 + u64::from(head & 7);
            let mut mined = Vec::new();
            match head >> 3 {
                count @ 0..24 => mined.extend((0..count % 4).map(|_| self.transaction())),
                count => (24..count).for_each(|_| self.mine(seconds, Vec::new())),
            }
            self.mine(seconds, mined);
            // What is posted next may build on what has been derived.
            self.node.catch_up(&self.world);
        }
        for _ in 0..=self.world.config.seq_window_size {
            self.mine(1, Vec::new());
        }
        self.node.catch_up(&self.world);
    }

    fn height(&self) -> u64 {
        self.world.l1.head_block().number().0
    }

    fn mine(&self, seconds: u64, mined: Vec<MinedTransaction>) {
        let timestamp = self.world.l1.head_block().header().timestamp + seconds;
        self.world.l1.mine_at(timestamp, mined);
    }

    /// One transaction, by its first byte.
    fn transaction(&mut self) -> MinedTransaction {
        let kind = self.input.byte();
        match kind % 8 {
            0 => {
                let calldata = Bytes::copy_from_slice(self.input.bytes());
                self.world.has_batches = true;
                self.post(calldata).into()
            }
            1 => {
                let log = logs::arbitrary(self.input.bytes(), CONFIG_UPDATE_TOPIC);
                self.with_logs(
                    vec![Log {
                        address: SYSTEM_CONFIG,
                        ..log
                    }],
                    kind,
                )
            }
            2 => {
                let batcher = BATCHERS[usize::from(self.input.byte() & 1)].address();
                self.with_logs(vec![ConfigUpdate::Batcher(batcher).encode(SYSTEM_CONFIG)], kind)
            }
            3 => {
                let deposits = (0..=self.input.byte() % 3).map(|_| self.deposit()).collect();
                self.with_logs(deposits, kind)
            }
            4 => self.post_frames(kind),
            _ => {
                self.make_channel(kind);
                self.post_frames(kind)
            }
        }
    }

    /// A transaction of nobody in particular that emits logs, or fails.
    fn with_logs(&mut self, logs: Vec<Log>, kind: u8) -> MinedTransaction {
        self.nonce += 1;
        let transaction = Signer::new("somebody").calldata(self.nonce, Bytes::new());
        MinedTransaction {
            transaction,
            logs,
            succeeds: kind < 0xf8,
        }
    }

    fn deposit(&mut self) -> Log {
        let input = Bytes::copy_from_slice(self.input.bytes());
        let deposit = TxDeposit {
            from: Address::repeat_byte(self.input.byte()),
            gas_limit: 100_000,
            input,
            ..TxDeposit::default()
        };
        encode_transaction_deposited(PORTAL, &deposit)
    }

    fn signer(&self, choice: u8) -> Signer {
        let batcher = self.node.head().system_config.batcher_address;
        let known = BATCHERS
            .iter()
            .find(|signer| signer.address() == batcher)
            .copied();
        match choice {
            0..0xf0 => known.unwrap_or(BATCHERS[0]),
            0xf0..0xf8 => BATCHERS[1],
            _ => Signer::new("somebody"),
        }
    }

    fn post(&mut self, calldata: Bytes) -> TxEnvelope {
        self.nonce += 1;
        let choice = self.input.byte();
        self.signer(choice).calldata(self.nonce, calldata)
    }

    /// Posts some of the waiting frames: in calldata, behind a commitment or in a blob; in order or not, some not at all.
    fn post_frames(&mut self, kind: u8) -> MinedTransaction {
        let order = self.input.byte();
        let count = 1 + usize::from(order >> 4);
        let mut frames: Vec<Frame> = self.frames.drain(..count.min(self.frames.len())).collect();
        match order & 0x0f {
            1 => frames.reverse(),
            2 => frames.truncate(frames.len().saturating_sub(1)),
            3 => frames.extend(frames.clone()),
            4 => frames.iter_mut().for_each(|frame| frame.is_last = !frame.is_last),
            5 => frames
                .iter_mut()
                .for_each(|frame| frame.number = frame.number.wrapping_add(1)),
            6 => self.frames.extend(frames.clone()),
            _ => {}
        }
        let payload = encode_payload(&encode_frames(&frames));
        match kind >> 6 {
            0 => self.post(payload).into(),
            1 => self.post_blob(&payload, order & 0x0f == 7).into(),
            2 => {
                let calldata = self.commit(payload);
                self.post(calldata).into()
            }
            _ => {
                let content = self.commit(payload);
                self.post_blob(&content, order & 0x0f == 7).into()
            }
        }
    }

    /// Puts a payload on the DA layer; gives the calldata with its commitment.
    fn commit(&mut self, payload: Bytes) -> Bytes {
        let commitment = Commitment::local(&payload).expect("a small payload");
        self.world.payloads.insert(commitment.encode(), payload);
        BatcherTx::Commitment(commitment).encode()
    }

    fn post_blob(&mut self, content: &[u8], is_broken: bool) -> TxEnvelope {
        let mut blob = Blob::encode(content).expect("frames that wait fit into a blob");
        if is_broken {
            let mut bytes = blob.bytes().to_vec();
            bytes[1] ^= 7;
            blob = Blob::new(bytes.into()).expect("of the same size");
        }
        let hash = keccak256(blob.bytes());
        self.world.blobs.insert(hash, blob);
        self.nonce += 1;
        let choice = self.input.byte();
        self.signer(choice).blob(self.nonce, hash)
    }

    /// Makes a channel and puts its frames behind those that wait.
    fn make_channel(&mut self, kind: u8) {
        self.world.has_batches = true;
        let shape = self.input.byte();
        let mut stream = Vec::new();
        match kind % 8 {
            5 => stream.extend_from_slice(self.input.bytes()),
            6 => append_batch(&mut stream, self.input.bytes()),
            _ => {
                for batch in self.batches(shape) {
                    if let Ok(bytes) = batch.encode() {
                        append_batch(&mut stream, &bytes);
                    }
                }
            }
        }
        let channel: Bytes = match shape & 3 {
            0 => stream.into(),
            1 => compress(
                Compression::Brotli {
                    quality: 1,
                    window_log: 16,
                },
                &stream,
            )
            .into(),
            _ => compress(Compression::Zlib, &stream).into(),
        };
        let frame_size = 24 + 8 * usize::from(self.input.byte());
        let id = ChannelId([self.channels; 16]);
        self.channels = self.channels.wrapping_add(u8::from(shape & 0x80 == 0));
        let frames = split_into_frames(id, &channel, frame_size).expect("inputs are small");
        self.frames.extend(frames);
        self.frames.truncate(FRAMES_MAX);
    }

    /// Batches that follow the safe head, with as many departures from that as the input asks for.
    fn batches(&mut self, shape: u8) -> Vec<Batch> {
        let head = self.node.head().reference;
        let departure = self.input.byte();
        let block_time = self.world.config.block_time;
        let overlap = u64::from(departure & 3).min(head.number.0);
        let parent_at = usize::try_from(head.number.0 - overlap).expect("a short chain");
        let parent = self.node.chain()[parent_at].reference;
        let mut origin = parent.l1_origin.number;
        let mut timestamp = parent.timestamp + block_time * u64::from(departure >> 6 == 3);
        let mut parent_hash = parent.hash;
        let mut batches = Vec::new();
        for _ in 0..=self.input.byte() % 12 {
            timestamp += block_time;
            let next = self.world.l1.block(origin.next());
            let may_advance =
                next.is_some_and(|next| next.header().timestamp <= timestamp || departure & 4 != 0);
            if may_advance {
                origin = origin.next();
            }
            let epoch_hash = self
                .world
                .l1
                .block(origin)
                .map_or(B256::ZERO, |block| block.hash());
            let transactions = self.transactions(&batches);
            batches.push(SingularBatch {
                parent_hash,
                epoch_number: origin,
                epoch_hash,
                timestamp,
                transactions,
            });
            // Only the node knows the next parent; a span does not need it.
            parent_hash = B256::ZERO;
        }
        if departure & 8 != 0 {
            let last = batches.len() - 1;
            batches[last].epoch_hash = B256::repeat_byte(departure);
        }
        if shape & 4 != 0 {
            return batches.into_iter().map(Batch::Singular).collect();
        }
        let parameters = SpanParameters::from(&*self.world.config);
        SpanBatch::from_singular(&batches, 1, parameters)
            .map(Batch::Span)
            .into_iter()
            .collect()
    }

    /// Transactions of the block after `batches`: of those the chain has there, in an overlap, or what the input says.
    fn transactions(&mut self, batches: &[SingularBatch]) -> Vec<Bytes> {
        match self.input.byte() {
            0..0x80 => Vec::new(),
            // A signed transfer, as a span can carry it.
            0x80..0xf0 => vec![TRANSFER.clone(); 1 + batches.len() % 2],
            _ => vec![Bytes::copy_from_slice(self.input.bytes())],
        }
    }
}

static TRANSFER: LazyLock<Bytes> = LazyLock::new(|| TestNet::new(TestNetOptions::default()).transfer(0, 1));

/// Programs by hand: each is a header and L1 blocks.
fn seeds() -> Seeds {
    let header = [3, 0, 4];
    let empty = [0b1111_1001];
    // A block of 2 s with one transaction.
    let one = 0b0000_1001;
    let program = |parts: &[&[u8]]| [&[&header[..], &empty], parts].concat().concat();
    // Kind, shape, departure, blocks - 1, transactions of each block, frame size, order, signer.
    let span: &[u8] = &[one, 7, 0b01, 0, 3, 0, 0x80, 0, 0x80, 255, 0xf0, 0];
    let singular: &[u8] = &[one, 7, 0b110, 0, 0, 0x80, 255, 0xf0, 0];
    let small_frames: &[u8] = &[
        one, 7, 0b01, 0, 3, 0, 0x80, 0, 0x80, 2, 0x10, 0, one, 4, 0x10, 0, one, 4, 0xf0, 0,
    ];
    let commitment: &[u8] = &[one, 0x87, 0b01, 0, 1, 0, 0x80, 255, 0xf0, 0];
    let blob: &[u8] = &[one, 0x47, 0b10, 0, 1, 0, 0x80, 255, 0xf0, 0];
    let blob_commitment: &[u8] = &[one, 0xc7, 0b10, 0, 1, 0, 0x80, 255, 0xf0, 0];
    let broken_blob: &[u8] = &[one, 0x47, 0b10, 0, 1, 0, 0x80, 255, 0xf7, 0];
    let overlap: &[u8] = &[one, 7, 0b01, 2, 3, 0, 0, 0, 0, 255, 0xf0, 0];
    let refused: &[u8] = &[one, 7, 0b110, 0, 0, 0xf0, 0, 1, 0xbd, 255, 0xf0, 0];
    let deposit: &[u8] = &[one, 3, 1, 0, 2, 1, 2, 9, 0, 0, 8];
    let batcher: &[u8] = &[one, 2, 1, one];
    let garbage: &[u8] = &[one, 0, 0, 5, 0, 1, 2, 3, 4, 0];
    let raw_batch: &[u8] = &[one, 6, 0b10, 0, 4, 0, 0xf8, 0x4f, 0xa0, 255, 0xf0, 0];
    let raw_stream: &[u8] = &[one, 5, 0b00, 0, 4, 0x78, 0xda, 1, 2, 255, 0xf0, 0];
    let all = [
        span,
        singular,
        small_frames,
        commitment,
        blob,
        blob_commitment,
        broken_blob,
        overlap,
        refused,
        deposit,
        batcher,
        garbage,
        raw_batch,
        raw_stream,
    ];
    let names = [
        "span",
        "singular",
        "small-frames",
        "commitment",
        "blob",
        "blob-commitment",
        "broken-blob",
        "overlap",
        "refused",
        "deposit",
        "batcher",
        "garbage",
        "raw-batch",
        "raw-stream",
    ];
    let mut seeds: Seeds = names
        .iter()
        .zip(all)
        .map(|(name, part)| ((*name).to_owned(), program(&[part])))
        .collect();
    seeds.push(("nothing".to_owned(), program(&[])));
    seeds.push(("all".to_owned(), program(&all)));
    seeds.push((
        "twice".to_owned(),
        program(&[span, &empty, span, overlap, span, overlap]),
    ));
    seeds
}
