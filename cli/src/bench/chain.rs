//! A chain in memory: the devnet's genesis and contracts, a simulated L1, and blocks of attribution records, executed and batched.
//!
//! ```text
//!  set-up transactions, then records -> attributes -> execute_block -> batch -> channel -> payload, commitment -> L1 block
//! ```
//! The same transactions as in a demo, without processes and clocks: the same arguments give the same chain.

use super::encode::{ChannelBlocks, Encoding};
use crate::{
    demo::{
        ADMIN, GATEWAY, Inference,
        model::row,
        population::{self, AttributedInference},
        replay::single_record,
        setup,
    },
    devnet::{L2_CHAIN_ID, l1::L1_CHAIN_ID},
    keys,
    network::{ChainSpec, Deployment, Network, batch_inbox},
};
use alloy::{
    consensus::{Sealed, SignableTransaction, TxEip1559, TxEnvelope, TxReceipt},
    eips::eip2718::Encodable2718,
    network::TxSignerSync,
    primitives::{Address, B256, Bytes, TxKind, U256, keccak256},
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};
use eyre::{OptionExt, ensure};
use std::{collections::HashMap, ops::Range, sync::Arc};
use tributary_batcher::channel_manager::PendingBlock;
use tributary_derivation::{driver::memory::MemoryL1, epoch::Epoch, l1_block::L1Block};
use tributary_protocol::{
    attributes::BlockAttributes,
    attribution::encode_bundle,
    batch::{SingularBatch, SpanParameters},
    batcher_tx::{BatcherTx, encode_payload},
    block::{L1BlockNumber, L2Block, L2BlockRef},
    channel::split_into_frames,
    commitment::Commitment,
    config::{L1ChainConfig, RollupConfig, SystemConfig},
    contracts::{ATTRIBUTION_LEDGER, IAttributionLedger},
    execute::execute_block,
    frame::{ChannelId, FRAME_DATA_SIZE_MAX, encode_frames},
    state::memory::MemoryState,
};

/// Unix seconds of both first blocks.
const GENESIS_TIME: u64 = 1_763_700_000;
/// Seconds between L1 blocks: Ethereum's.
const L1_BLOCK_TIME: u64 = 12;
/// Gas of a transaction of the set-up, of a record on its own, and of each record in a bundle.
const SETUP_GAS: u64 = 60_000_000;
const SINGLE_GAS: u64 = 400_000;
const TRANSFER_GAS: u64 = 21_000;
const BUNDLED_GAS: u64 = 250_000;
/// Wei per gas: room for the base fee to rise a thousandfold.
const MAX_FEE: u128 = 1_000_000_000;
/// Development account of the batcher.
const BATCHER: u32 = 1;

/// What the chain is made of.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) inferences: Vec<Inference>,
    pub(crate) seed: u64,
    /// Records in a transaction; 1 makes each a call of its own.
    pub(crate) bundle_rows: usize,
    /// Plain transfers instead of records, one for each inference.
    pub(crate) transfers: bool,
    /// Transactions in a block.
    pub(crate) block_transactions: usize,
    /// Bytes of transactions after which a channel closes.
    pub(crate) channel_bytes: usize,
}

/// A block and what it was made in.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    pub(crate) reference: L2BlockRef,
    pub(crate) system_config: SystemConfig,
    pub(crate) batch: SingularBatch,
    /// What it was executed from.
    pub(crate) attributes: BlockAttributes,
}

/// The chain, and L1 with all of it.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) rollup: Arc<RollupConfig>,
    pub(crate) l1_config: Arc<L1ChainConfig>,
    pub(crate) genesis: L2Block,
    pub(crate) genesis_state: MemoryState,
    pub(crate) genesis_reference: L2BlockRef,
    /// L1 from its first block on.
    pub(crate) l1_blocks: Vec<L1Block>,
    /// Block 1 first.
    pub(crate) blocks: Vec<Built>,
    /// Index of the first block with records.
    pub(crate) first_record: usize,
    /// Blocks of each channel, by index, and the bytes of its payload.
    channels: Vec<(Range<usize>, usize)>,
    /// By hash.
    pub(crate) payloads: HashMap<B256, Bytes>,
}

impl Chain {
    /// Builds it.
    pub(crate) fn new(content: &Content) -> eyre::Result<Self> {
        let mut builder = Builder::new()?;
        let mut admin = Account::new(ADMIN);
        let mut gateway = Account::new(GATEWAY);
        for (to, data, value) in setup::groups(gateway.signer.address()).into_iter().flatten() {
            let transaction = admin.sign(to, data, value, SETUP_GAS)?;
            builder.build_block(vec![transaction])?;
        }
        builder.close_channel()?;
        builder.chain.first_record = builder.chain.blocks.len();
        let records = population::attribute(content.seed, &content.inferences, None);
        let transactions = if content.transfers {
            let all = (0..records.len()).map(|index| transfer(&mut gateway, index));
            all.collect::<eyre::Result<Vec<_>>>()?
        } else {
            let bundles = records.chunks(content.bundle_rows);
            let all = bundles.map(|rows| record_transaction(&mut gateway, rows));
            all.collect::<eyre::Result<Vec<_>>>()?
        };
        for block in transactions.chunks(content.block_transactions) {
            builder.build_block(block.to_vec())?;
            if builder.open_bytes >= content.channel_bytes {
                builder.close_channel()?;
            }
        }
        builder.close_channel()?;
        builder.finish()
    }

    /// Channels of the blocks with records.
    pub(crate) fn record_channels(&self) -> Vec<ChannelBlocks> {
        let channels = self.with_records();
        channels
            .map(|(range, _)| self.channel_blocks(range.clone()))
            .collect()
    }

    /// Bytes of their payloads, as the batcher encodes them.
    pub(crate) fn record_payload_bytes(&self) -> usize {
        self.with_records().map(|(_, bytes)| bytes).sum()
    }

    fn with_records(&self) -> impl Iterator<Item = &(Range<usize>, usize)> {
        self.channels
            .iter()
            .filter(|(range, _)| range.start >= self.first_record)
    }

    fn channel_blocks(&self, range: Range<usize>) -> ChannelBlocks {
        let blocks = &self.blocks[range];
        ChannelBlocks {
            first_sequence_number: blocks.first().map_or(0, |block| block.reference.sequence_number),
            batches: blocks.iter().map(|block| block.batch.clone()).collect(),
        }
    }
}

/// A key and the nonce it comes to.
struct Account {
    signer: PrivateKeySigner,
    nonce: u64,
}

impl Account {
    fn new(index: u32) -> Self {
        Self {
            signer: keys::dev_signer(index),
            nonce: 0,
        }
    }

    fn sign(&mut self, to: Address, input: Bytes, value: U256, gas_limit: u64) -> eyre::Result<Bytes> {
        let transaction = self.envelope(L2_CHAIN_ID, to, input, value, gas_limit)?;
        Ok(transaction.encoded_2718().into())
    }

    fn envelope(
        &mut self,
        chain_id: u64,
        to: Address,
        input: Bytes,
        value: U256,
        gas_limit: u64,
    ) -> eyre::Result<TxEnvelope> {
        let mut transaction = TxEip1559 {
            chain_id,
            nonce: self.nonce,
            gas_limit,
            max_fee_per_gas: MAX_FEE,
            max_priority_fee_per_gas: 1_000,
            to: TxKind::Call(to),
            value,
            input,
            access_list: Default::default(),
        };
        self.nonce += 1;
        let signature = self.signer.sign_transaction_sync(&mut transaction)?;
        Ok(transaction.into_signed(signature).into())
    }
}

/// One wei to an account nobody else pays, so that state grows as it does where everybody pays somebody.
fn transfer(gateway: &mut Account, index: usize) -> eyre::Result<Bytes> {
    let to = Address::from_slice(&keccak256(index.to_be_bytes())[12..]);
    gateway.sign(to, Bytes::new(), U256::ONE, TRANSFER_GAS)
}

fn record_transaction(gateway: &mut Account, rows: &[AttributedInference]) -> eyre::Result<Bytes> {
    let (data, gas) = match rows {
        [single] => (single_record(row(single)), SINGLE_GAS),
        _ => {
            let bundle = encode_bundle(&rows.iter().map(row).collect::<Vec<_>>())?;
            let data = IAttributionLedger::recordBundleCall { bundle }.abi_encode();
            (data.into(), SINGLE_GAS + BUNDLED_GAS * rows.len() as u64)
        }
    };
    gateway.sign(ATTRIBUTION_LEDGER, data, U256::ZERO, gas)
}

/// Builds block after block, as sequencer, executor, batcher and L1.
struct Builder {
    chain: Chain,
    l1: MemoryL1,
    batcher: Account,
    head: L2Block,
    head_hash: B256,
    state: MemoryState,
    epoch: Epoch,
    /// First block of the open channel, and the bytes of transactions in it.
    open_from: usize,
    open_bytes: usize,
    /// Batcher transactions for the next L1 block.
    to_l1: Vec<TxEnvelope>,
}

impl Builder {
    fn new() -> eyre::Result<Self> {
        let l1 = MemoryL1::new(L1_CHAIN_ID, GENESIS_TIME);
        let network = Network::new(&spec(), deployment(&l1.head_block()))?;
        let rollup = Arc::new(network.rollup);
        let genesis = network.genesis.seal();
        let head = genesis.block();
        let state = genesis.memory_state();
        let reference = L2BlockRef::from_block(&head, genesis.hash, &rollup.genesis)?;
        let chain = Chain {
            l1_config: Arc::new(
                L1ChainConfig::preset(L1_CHAIN_ID).ok_or_eyre("a development chain has a preset")?,
            ),
            genesis: head.clone(),
            genesis_state: state.clone(),
            genesis_reference: reference,
            l1_blocks: Vec::new(),
            blocks: Vec::new(),
            first_record: 0,
            channels: Vec::new(),
            payloads: HashMap::new(),
            rollup,
        };
        Ok(Self {
            epoch: Epoch::of(&l1.head_block(), &chain.rollup)?,
            batcher: Account::new(BATCHER),
            head_hash: genesis.hash,
            head,
            state,
            open_from: 0,
            open_bytes: 0,
            to_l1: Vec::new(),
            l1,
            chain,
        })
    }

    fn build_block(&mut self, transactions: Vec<Bytes>) -> eyre::Result<()> {
        let rollup = self.chain.rollup.clone();
        let (parent, system_config) = match self.chain.blocks.last() {
            Some(built) => (built.reference, built.system_config),
            None => (self.chain.genesis_reference, rollup.genesis.system_config),
        };
        let timestamp = parent.timestamp + rollup.block_time;
        self.move_epoch(parent.l1_origin.number, timestamp)?;
        let mut attributes = self
            .epoch
            .attributes(&rollup, &self.chain.l1_config, &parent, &system_config);
        let forced = attributes.transactions.len();
        self.open_bytes += transactions
            .iter()
            .map(|transaction| transaction.len())
            .sum::<usize>();
        attributes.transactions.extend(transactions);
        let header = Sealed::new_unchecked(self.head.header.clone(), self.head_hash);
        let outcome = execute_block(&rollup, &header, &attributes, &self.state)?;
        ensure!(
            outcome.receipts[forced..].iter().all(TxReceipt::status),
            "a transaction of block {} failed",
            outcome.block.header.number
        );
        self.state.apply(&outcome);
        let pending = PendingBlock::from_block(&outcome.block, outcome.hash, &rollup)
            .map_err(|reason| eyre::eyre!(reason))?;
        self.chain.blocks.push(Built {
            reference: pending.block,
            system_config: SystemConfig::from_l2_block(&rollup, &outcome.block)?,
            batch: pending.batch,
            attributes,
        });
        (self.head, self.head_hash) = (outcome.block, outcome.hash);
        Ok(())
    }

    /// L1 goes on until `timestamp`, and the origin follows it.
    fn move_epoch(&mut self, origin: L1BlockNumber, timestamp: u64) -> eyre::Result<()> {
        while self.l1.head_block().header().timestamp + L1_BLOCK_TIME <= timestamp {
            self.mine();
        }
        if let Some(next) = self
            .l1
            .block(origin.next())
            .filter(|next| next.header().timestamp <= timestamp)
        {
            self.epoch = Epoch::of(&next, &self.chain.rollup)?;
        }
        Ok(())
    }

    fn mine(&mut self) {
        let transactions = std::mem::take(&mut self.to_l1);
        let timestamp = self.l1.head_block().header().timestamp + L1_BLOCK_TIME;
        self.l1
            .mine_at(timestamp, transactions.into_iter().map(Into::into).collect());
    }

    /// What is in the open channel goes to DA, and its commitment into the next L1 block.
    fn close_channel(&mut self) -> eyre::Result<()> {
        let range = self.open_from..self.chain.blocks.len();
        if range.is_empty() {
            return Ok(());
        }
        let rollup = self.chain.rollup.clone();
        let blocks = self.chain.channel_blocks(range.clone());
        let channel = Encoding::BATCHER.encode(&blocks, SpanParameters::from(&*rollup))?;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(self.chain.channels.len() as u64).to_be_bytes());
        let frames = split_into_frames(ChannelId(id), &channel.into(), FRAME_DATA_SIZE_MAX)?;
        let payload = encode_payload(&encode_frames(&frames));
        let payload_bytes = payload.len();
        let commitment = Commitment::local(&payload)?;
        if let Commitment::Local(local) = &commitment {
            self.chain.payloads.insert(local.payload_hash, payload);
        }
        let calldata = BatcherTx::Commitment(commitment).encode();
        let inbox = rollup.batch_inbox_address;
        let transaction = self
            .batcher
            .envelope(L1_CHAIN_ID, inbox, calldata, U256::ZERO, 100_000)?;
        self.to_l1.push(transaction);
        self.open_from = range.end;
        self.open_bytes = 0;
        self.chain.channels.push((range, payload_bytes));
        Ok(())
    }

    fn finish(mut self) -> eyre::Result<Chain> {
        self.mine();
        let last = self.l1.head_block().header().number;
        let block = |number| self.l1.block(L1BlockNumber(number)).ok_or_eyre("L1 lost a block");
        self.chain.l1_blocks = (0..=last).map(block).collect::<eyre::Result<_>>()?;
        Ok(self.chain)
    }
}

/// The devnet's parameters, with the OP Stack's usual sequencing window.
fn spec() -> ChainSpec {
    let address = |index| keys::dev_signer(index).address();
    ChainSpec {
        l1_chain_id: L1_CHAIN_ID,
        l2_chain_id: L2_CHAIN_ID,
        block_time: 1,
        seq_window_size: 3_600,
        jovian: true,
        gas_limit: 200_000_000,
        min_base_fee: 1_000_000,
        da_footprint_gas_scalar: 400,
        batcher: address(BATCHER),
        proposer: address(2),
        unsafe_block_signer: address(3),
        owner: address(ADMIN),
    }
}

/// Contracts that nobody deployed: no log of theirs is on this L1.
fn deployment(l1_start: &L1Block) -> Deployment {
    Deployment {
        l1_chain_id: L1_CHAIN_ID,
        l1_start: l1_start.id(),
        l1_start_time: GENESIS_TIME,
        system_config: Address::repeat_byte(0x51),
        optimism_portal: Address::repeat_byte(0x52),
        dispute_game_factory: Address::repeat_byte(0x53),
        batch_inbox: batch_inbox(L2_CHAIN_ID),
        l2_genesis_hash: B256::ZERO,
    }
}
