//! A network in one process for tests: a simulated L1, a sequencer that builds on it, a batcher that posts what it built, and
//! followers that derive it again. Time and keys are fixed, so a test is repeated by its seed.
//!
//! ```text
//!  TestNet::build_block -> sequencer (MemoryEngine) -> channel -> frames -> batcher transaction -> l1 (MemoryL1)
//!                                                                                                    |
//!  compare chains <------- follower (MemoryEngine) <------- derive (Driver) <------------------------+
//! ```

use crate::{
    driver::{
        DerivationStatus, Driver, DriverSettings, HaltCause,
        memory::{MemoryBlobs, MemoryEngine, MemoryL1},
    },
    epoch::Epoch,
};
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use alloy::signers::{SignerSync, local::PrivateKeySigner};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip4844, TxEip4844Variant, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, keccak256};
use core::ops::RangeInclusive;
use op_alloy_consensus::OpTxEnvelope;
use tokio_util::sync::CancellationToken;
use tributary_da_client::{DaLayer, memory::MemoryLayer};
use tributary_protocol::{
    batch::{Batch, SingularBatch, SpanBatch, SpanParameters},
    batcher_tx::{BatcherTx, encode_payload},
    blob::Blob,
    block::{L1BlockNumber, L2BlockId, L2BlockNumber, L2BlockRef},
    channel::{Compression, append_batch, compress, split_into_frames},
    commitment::Commitment,
    config::{
        AltDaConfig, ChainGenesis, ChainOpConfig, GENERIC_COMMITMENT, L1ChainConfig, RollupConfig,
        SystemConfig,
    },
    frame::{ChannelId, Frame, encode_frames},
    genesis::{GenesisBlock, GenesisParts},
};

/// Chain id of the simulated L1.
pub const L1_CHAIN_ID: u64 = 900;
/// Chain id of the L2.
pub const L2_CHAIN_ID: u64 = 901;
/// Where batcher transactions go.
pub const INBOX: Address = address!("00a4b2d5c6e7f8091a2b3c4d5e6f708192a3b4c5");
/// The portal.
pub const PORTAL: Address = address!("e7f1725e7734ce288f8367e1bb143e90bb3f0512");
/// The system configuration contract.
pub const SYSTEM_CONFIG: Address = address!("5fbdb2315678afecb367f032d93f642f64180aa3");
/// Unix seconds of both first blocks.
pub const GENESIS_TIME: u64 = 1_763_700_000;
/// L2 accounts with a balance.
pub const USERS: u64 = 4;

/// What tests choose.
#[derive(Clone, Copy, Debug)]
pub struct TestNetOptions {
    /// False for the Isthmus profile.
    pub is_jovian: bool,
    /// L1 blocks.
    pub seq_window_size: u64,
    /// Seconds between L2 blocks.
    pub block_time: u64,
}

impl Default for TestNetOptions {
    /// Jovian, 30 L1 blocks, 1 second: the devnet.
    fn default() -> Self {
        Self {
            is_jovian: true,
            seq_window_size: 30,
            block_time: 1,
        }
    }
}

/// How blocks are put into batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchKind {
    /// One batch for each block.
    Singular,
    /// One batch for all.
    Span,
}

/// The network.
#[derive(Debug)]
pub struct TestNet {
    /// Rules of the chain.
    pub config: Arc<RollupConfig>,
    /// L1's forks.
    pub l1_config: Arc<L1ChainConfig>,
    /// Block 0.
    pub genesis: GenesisBlock,
    /// The simulated L1.
    pub l1: MemoryL1,
    /// What the sequencer has built.
    pub sequencer: MemoryEngine,
    /// The DA layer.
    pub da: Arc<MemoryLayer>,
    /// The beacon node's blobs.
    pub blobs: MemoryBlobs,
    /// Signs batcher transactions.
    pub batcher: PrivateKeySigner,
    nonces: BTreeMap<Address, u64>,
}

/// A key that depends on nothing but its name.
///
/// # Panics
/// Never: a hash is a valid key but for one case in 2^128.
#[must_use]
pub fn key(name: &str) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&keccak256(name)).expect("a hash is a valid key")
}

/// The key of an L2 account with a balance.
#[must_use]
pub fn user(index: u64) -> PrivateKeySigner {
    key(&alloc::format!("user {}", index % USERS))
}

/// Signs an EIP-1559 transaction.
///
/// # Panics
/// Never: signing with a local key cannot fail.
#[must_use]
pub fn sign(signer: &PrivateKeySigner, transaction: TxEip1559) -> TxEnvelope {
    let signature = signer
        .sign_hash_sync(&transaction.signature_hash())
        .expect("a local key signs");
    transaction.into_signed(signature).into()
}

impl TestNet {
    /// Both chains with their first blocks.
    ///
    /// # Panics
    /// If the genesis the options describe is refused.
    #[must_use]
    pub fn new(options: TestNetOptions) -> Self {
        let l1 = MemoryL1::new(L1_CHAIN_ID, GENESIS_TIME);
        let jovian_time = options.is_jovian.then_some(0);
        let fees = ChainOpConfig {
            eip1559_elasticity: 6,
            eip1559_denominator: 50,
            eip1559_denominator_canyon: 250,
        };
        let batcher = key("batcher");
        let system_config = system_config(batcher.address(), options.is_jovian);
        let genesis = genesis(jovian_time, fees, &system_config);
        let config = Arc::new(rollup_config(
            options,
            fees,
            ChainGenesis {
                l1: l1.head_block().id(),
                l2: L2BlockId {
                    hash: genesis.hash,
                    number: L2BlockNumber(0),
                },
                l2_time: GENESIS_TIME,
                system_config,
            },
        ));
        let sequencer =
            MemoryEngine::new(config.clone(), &genesis).expect("the configuration is of this genesis");
        Self {
            l1_config: Arc::new(
                L1ChainConfig::preset(L1_CHAIN_ID).expect("a development chain has a preset"),
            ),
            config,
            genesis,
            l1,
            sequencer,
            da: Arc::new(MemoryLayer::new()),
            blobs: MemoryBlobs::default(),
            batcher,
            nonces: BTreeMap::new(),
        }
    }

    /// A node with nothing but the genesis block.
    ///
    /// # Panics
    /// Never: the sequencer was made of the same genesis.
    #[must_use]
    pub fn follower(&self) -> MemoryEngine {
        MemoryEngine::new(self.config.clone(), &self.genesis).expect("the sequencer has the same genesis")
    }

    /// The L1 origin of the next L2 block: the one after the head's as soon as the block is late enough for it.
    fn next_origin(&self, head: &L2BlockRef) -> L1BlockNumber {
        let timestamp = head.timestamp + self.config.block_time;
        let next = head.l1_origin.number.next();
        match self.l1.block(next) {
            Some(block) if block.header().timestamp <= timestamp => next,
            _ => head.l1_origin.number,
        }
    }

    /// The sequencer builds a block with these transactions.
    ///
    /// # Panics
    /// If a transaction is invalid.
    pub fn build_block(&self, transactions: Vec<Bytes>) -> L2BlockRef {
        let head = self.sequencer.current_heads().unsafe_head;
        self.build_block_at(self.next_origin(&head), transactions)
    }

    /// The same, with an L1 origin of the test's choice.
    ///
    /// # Panics
    /// If L1 has no such block, or a transaction is invalid.
    pub fn build_block_at(&self, origin: L1BlockNumber, transactions: Vec<Bytes>) -> L2BlockRef {
        let head = self.sequencer.current_heads().unsafe_head;
        let origin = self.l1.block(origin).expect("L1 has the origin");
        let epoch = Epoch::of(&origin, &self.config).expect("deposits decode");
        let system_config = self.sequencer.head_system_config();
        let mut attributes = epoch.attributes(&self.config, &self.l1_config, &head, &system_config);
        attributes.transactions.extend(transactions);
        self.sequencer.build(&attributes).expect("the block is valid")
    }

    /// A signed L2 transaction that sends `value` wei to nobody in particular.
    pub fn transfer(&mut self, from: u64, value: u64) -> Bytes {
        let signer = user(from);
        let nonce = self.next_nonce(signer.address());
        let transaction = TxEip1559 {
            chain_id: L2_CHAIN_ID,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 10_000_000_000,
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(Address::repeat_byte(0xbe)),
            value: U256::from(value),
            ..TxEip1559::default()
        };
        sign(&signer, transaction).encoded_2718().into()
    }

    fn next_nonce(&mut self, address: Address) -> u64 {
        let nonce = self.nonces.entry(address).or_default();
        *nonce += 1;
        *nonce - 1
    }

    /// Forgets how many transactions an L2 account has sent beyond `nonce`.
    pub fn set_nonce(&mut self, from: u64, nonce: u64) {
        self.nonces.insert(user(from).address(), nonce);
    }

    /// The batch that says what the sequencer's block `number` says.
    ///
    /// # Panics
    /// If there is no such block.
    #[must_use]
    pub fn batch(&self, number: u64) -> SingularBatch {
        let block = self
            .sequencer
            .block(L2BlockNumber(number))
            .expect("the sequencer has the block");
        let reference = self.sequencer.chain()[usize::try_from(number).expect("a small number")];
        SingularBatch {
            parent_hash: reference.parent_hash,
            epoch_number: reference.l1_origin.number,
            epoch_hash: reference.l1_origin.hash,
            timestamp: reference.timestamp,
            transactions: block
                .body
                .transactions
                .iter()
                .filter(|tx| !matches!(tx, OpTxEnvelope::Deposit(_)))
                .map(|tx| tx.encoded_2718().into())
                .collect(),
        }
    }

    /// A closed channel with the sequencer's blocks in `range`.
    ///
    /// # Panics
    /// If there are no such blocks.
    #[must_use]
    pub fn channel(&self, range: RangeInclusive<u64>, kind: BatchKind) -> Bytes {
        let batches: Vec<_> = range.map(|number| self.batch(number)).collect();
        channel_with(&self.batches_of(&batches, kind))
    }

    /// Batches that say what `batches` say.
    ///
    /// # Panics
    /// If they do not make a span.
    #[must_use]
    pub fn batches_of(&self, batches: &[SingularBatch], kind: BatchKind) -> Vec<Batch> {
        match kind {
            BatchKind::Singular => batches.iter().cloned().map(Batch::Singular).collect(),
            BatchKind::Span => {
                let parameters = SpanParameters::from(&*self.config);
                // The first origin bit says nothing a deriver uses.
                let span = SpanBatch::from_singular(batches, 1, parameters).expect("they make a span");
                Vec::from([Batch::Span(span)])
            }
        }
    }

    /// A transaction to the inbox, signed by the batcher.
    pub fn batcher_transaction(&mut self, input: Bytes) -> TxEnvelope {
        let batcher = self.batcher.clone();
        self.inbox_transaction(&batcher, input)
    }

    /// A transaction to the inbox, signed by anyone.
    pub fn inbox_transaction(&mut self, signer: &PrivateKeySigner, input: Bytes) -> TxEnvelope {
        let nonce = self.next_nonce(signer.address());
        let transaction = TxEip1559 {
            chain_id: L1_CHAIN_ID,
            nonce,
            gas_limit: 1_000_000,
            max_fee_per_gas: 10_000_000_000,
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(INBOX),
            input,
            ..TxEip1559::default()
        };
        sign(signer, transaction)
    }

    /// A batcher transaction with frames in its calldata.
    pub fn post_calldata(&mut self, frames: &[Frame]) -> TxEnvelope {
        self.batcher_transaction(encode_payload(&encode_frames(frames)))
    }

    /// A batcher transaction with one blob for each content, which starts with its version byte.
    ///
    /// # Panics
    /// If a content does not fit into a blob.
    pub fn post_blobs(&mut self, contents: &[Bytes]) -> TxEnvelope {
        let batcher = self.batcher.clone();
        let put = |content: &Bytes| self.blobs.put(Blob::encode(content).expect("the content fits"));
        let transaction: TxEip4844Variant = TxEip4844Variant::TxEip4844(TxEip4844 {
            chain_id: L1_CHAIN_ID,
            blob_versioned_hashes: contents.iter().map(put).collect(),
            nonce: self.next_nonce(batcher.address()),
            gas_limit: 1_000_000,
            max_fee_per_gas: 10_000_000_000,
            max_priority_fee_per_gas: 1,
            max_fee_per_blob_gas: 10_000_000_000,
            to: INBOX,
            ..TxEip4844::default()
        });
        let signature = batcher
            .sign_hash_sync(&transaction.signature_hash())
            .expect("a local key signs");
        transaction.into_signed(signature).into()
    }

    /// Puts frames on the DA layer. Returns a batcher transaction with the commitment, and the commitment.
    ///
    /// # Panics
    /// If the layer refuses.
    pub async fn post_commitment(&mut self, frames: &[Frame]) -> (TxEnvelope, Commitment) {
        let payload = encode_payload(&encode_frames(frames));
        let commitment = self.da.put(payload).await.expect("the layer takes the payload");
        let transaction = self.batcher_transaction(BatcherTx::Commitment(commitment.clone()).encode());
        (transaction, commitment)
    }

    /// A driver that derives into `engine`.
    #[must_use]
    pub fn driver(&self, engine: &MemoryEngine) -> Driver {
        self.driver_with(engine, DriverSettings::default())
    }

    /// A driver that derives into `engine` at another pace.
    #[must_use]
    pub fn driver_with(&self, engine: &MemoryEngine, settings: DriverSettings) -> Driver {
        Driver::new(
            self.config.clone(),
            self.l1_config.clone(),
            Arc::new(self.l1.clone()),
            self.da.clone(),
            Arc::new(engine.clone()),
            settings,
        )
        .with_blobs(Arc::new(self.blobs.clone()))
    }

    /// Derives into `engine` until L1 has nothing more, starting a driver and stopping it again.
    ///
    /// # Errors
    /// When derivation halts.
    ///
    /// # Panics
    /// If the driver's task does.
    pub async fn derive(&self, engine: &MemoryEngine) -> Result<DerivationStatus, HaltCause> {
        self.run_until_caught_up(self.driver(engine)).await
    }

    /// Runs a driver until L1 has nothing more, and stops it.
    ///
    /// # Errors
    /// When derivation halts.
    ///
    /// # Panics
    /// If the driver's task does.
    pub async fn run_until_caught_up(&self, driver: Driver) -> Result<DerivationStatus, HaltCause> {
        let mut status = driver.status();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(driver.run(shutdown.clone()));
        let reached = status
            .wait_for(|status| status.is_caught_up || status.halted.is_some())
            .await
            .map(|status| status.clone());
        shutdown.cancel();
        task.await.expect("the driver does not panic")?;
        Ok(reached.expect("a driver that has not halted has reached L1's head"))
    }
}

/// A closed channel with these batches.
///
/// # Panics
/// If a span cannot be encoded.
#[must_use]
pub fn channel_with(batches: &[Batch]) -> Bytes {
    let mut stream = Vec::new();
    for batch in batches {
        append_batch(&mut stream, &batch.encode().expect("the batch encodes"));
    }
    compress(Compression::brotli(5), &stream).into()
}

/// Cuts a channel into frames of at most `frame_size` bytes each.
///
/// # Panics
/// If the size leaves no room for data.
#[must_use]
pub fn frames(id: u8, channel: &Bytes, frame_size: usize) -> Vec<Frame> {
    split_into_frames(ChannelId([id; 16]), channel, frame_size).expect("frames have room for data")
}

fn system_config(batcher_address: Address, is_jovian: bool) -> SystemConfig {
    SystemConfig {
        batcher_address,
        overhead: B256::ZERO,
        scalar: B256::with_last_byte(0),
        gas_limit: 30_000_000,
        eip1559_params: Default::default(),
        operator_fee_params: B256::ZERO,
        min_base_fee: if is_jovian { 1_000_000 } else { 0 },
        da_footprint_gas_scalar: if is_jovian { 400 } else { 0 },
    }
}

fn genesis(jovian_time: Option<u64>, fees: ChainOpConfig, system_config: &SystemConfig) -> GenesisBlock {
    let balance = U256::from(10).pow(U256::from(21));
    let alloc = (0..USERS)
        .map(|index| {
            let account = alloy::genesis::GenesisAccount::default().with_balance(balance);
            (user(index).address(), account)
        })
        .collect();
    let parts = GenesisParts {
        chain_id: L2_CHAIN_ID,
        timestamp: GENESIS_TIME,
        gas_limit: system_config.gas_limit,
        base_fee: 1_000_000_000,
        fees,
        min_base_fee: system_config.min_base_fee,
        jovian_time,
        alloc,
    };
    parts.build().expect("the parts make a genesis").seal()
}

fn rollup_config(options: TestNetOptions, fees: ChainOpConfig, genesis: ChainGenesis) -> RollupConfig {
    RollupConfig {
        genesis,
        block_time: options.block_time,
        max_sequencer_drift: 1800,
        seq_window_size: options.seq_window_size,
        channel_timeout: 50,
        l1_chain_id: L1_CHAIN_ID,
        l2_chain_id: L2_CHAIN_ID,
        regolith_time: Some(0),
        canyon_time: Some(0),
        delta_time: Some(0),
        ecotone_time: Some(0),
        fjord_time: Some(0),
        granite_time: Some(0),
        holocene_time: Some(0),
        isthmus_time: Some(0),
        jovian_time: options.is_jovian.then_some(0),
        batch_inbox_address: INBOX,
        deposit_contract_address: PORTAL,
        l1_system_config_address: SYSTEM_CONFIG,
        protocol_versions_address: Address::ZERO,
        chain_op_config: fees,
        alt_da: Some(AltDaConfig {
            da_challenge_contract_address: Address::ZERO,
            da_commitment_type: GENERIC_COMMITMENT.into(),
            da_challenge_window: 160,
            da_resolve_window: 160,
        }),
    }
}
