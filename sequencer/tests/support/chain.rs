//! A chain on a simulated L1: genesis with funded accounts, an engine on a store in memory, L1 blocks made by hand, and a list of
//! transactions in place of the pool.
#![allow(dead_code, reason = "each test binary uses the part of this module it needs")]

use alloy::{
    consensus::{
        EMPTY_ROOT_HASH, Eip658Value, Header, Receipt, ReceiptEnvelope, ReceiptWithBloom,
        SignableTransaction, Signed, TxEip1559, TxEnvelope, TxLegacy,
        proofs::{calculate_receipt_root, calculate_transaction_root},
        transaction::Recovered,
    },
    eips::{
        eip2718::{Encodable2718, WithEncoded},
        eip7685::EMPTY_REQUESTS_HASH,
    },
    genesis::GenesisAccount,
    primitives::{Address, B256, Bloom, Bytes, Log, Signature, TxKind, U256, address},
    signers::{SignerSync, local::PrivateKeySigner},
    sol_types::SolCall,
};
use op_alloy_consensus::{OpTxEnvelope, TxDeposit};
use parking_lot::{Mutex, RwLock};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tributary_derivation::{
    driver::{BoxFuture, L1Error, L1Source, L1Tag},
    l1_block::L1Block,
};
use tributary_protocol::{
    block::{L1BlockId, L1BlockNumber, L1BlockRef, L2BlockId, L2BlockNumber, L2BlockRef},
    config::{AltDaConfig, ChainGenesis, ChainOpConfig, L1ChainConfig, RollupConfig, SystemConfig},
    contracts::ISystemConfig,
    deposit::encode_transaction_deposited,
    execute::InvalidTransaction,
    genesis::{Genesis, GenesisBlock, GenesisParts},
};
use tributary_sequencer::{
    builder::{BlockTransactions, Builder, BuilderSettings, PoolTransaction, TransactionSource},
    clock::ManualClock,
    engine::{Chain, Engine, StoreSettings},
    l1_view::L1View,
    store::{MemoryStore, Store},
};

/// Unix seconds of both genesis blocks.
pub(crate) const GENESIS_TIME: u64 = 1_800_000_000;
pub(crate) const L1_BLOCK_TIME: u64 = 2;
pub(crate) const GAS_LIMIT: u64 = 30_000_000;
pub(crate) const PORTAL: Address = address!("00000000000000000000000000000000000000b1");
const SYSTEM_CONFIG: Address = address!("00000000000000000000000000000000000000b2");

/// L1 in memory. Mined, reorged and switched off by hand.
#[derive(Debug, Default)]
pub(crate) struct SimulatedL1 {
    chain: RwLock<Vec<L1Block>>,
    down: RwLock<bool>,
    unsafe_block_signer: RwLock<Address>,
}

impl SimulatedL1 {
    pub(crate) fn new() -> Self {
        let l1 = Self::default();
        l1.mine_with(0, Vec::new());
        l1
    }

    /// Mines an empty block.
    pub(crate) fn mine(&self) -> L1BlockRef {
        self.mine_with(0, Vec::new())
    }

    /// Mines a block whose one transaction emits `logs`. `salt` makes blocks of the same height differ.
    pub(crate) fn mine_with(&self, salt: u64, logs: Vec<Log>) -> L1BlockRef {
        let mut chain = self.chain.write();
        let number = chain.len() as u64;
        let transactions = vec![TxEnvelope::Legacy(Signed::new_unhashed(
            TxLegacy {
                nonce: number,
                ..TxLegacy::default()
            },
            Signature::test_signature(),
        ))];
        let receipts = vec![ReceiptEnvelope::Legacy(ReceiptWithBloom {
            receipt: Receipt {
                status: Eip658Value::Eip658(true),
                cumulative_gas_used: 21_000,
                logs,
            },
            logs_bloom: Bloom::ZERO,
        })];
        let header = Header {
            parent_hash: chain.last().map(L1Block::hash).unwrap_or_default(),
            number,
            timestamp: GENESIS_TIME + number * L1_BLOCK_TIME,
            transactions_root: calculate_transaction_root(&transactions),
            receipts_root: calculate_receipt_root(&receipts),
            mix_hash: B256::from(U256::from(number + (salt << 32))),
            base_fee_per_gas: Some(1_000_000_000),
            withdrawals_root: Some(EMPTY_ROOT_HASH),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::repeat_byte(1)),
            requests_hash: Some(EMPTY_REQUESTS_HASH),
            ..Header::default()
        };
        let block = L1Block::new(header.hash_slow(), header, transactions, receipts).unwrap();
        let reference = block.reference();
        chain.push(block);
        reference
    }

    /// Drops blocks from `number` on.
    pub(crate) fn reorg_from(&self, number: u64) {
        self.chain.write().truncate(usize::try_from(number).unwrap());
    }

    pub(crate) fn set_down(&self, down: bool) {
        *self.down.write() = down;
    }

    /// Whom SystemConfig names.
    pub(crate) fn set_unsafe_block_signer(&self, signer: Address) {
        *self.unsafe_block_signer.write() = signer;
    }

    fn up(&self) -> Result<(), L1Error> {
        if *self.down.read() {
            Err(L1Error::Down)
        } else {
            Ok(())
        }
    }

    pub(crate) fn get(&self, number: u64) -> Option<L1Block> {
        self.chain.read().get(usize::try_from(number).unwrap()).cloned()
    }
}

impl L1Source for SimulatedL1 {
    fn chain_id(&self) -> BoxFuture<'_, Result<u64, L1Error>> {
        Box::pin(async { self.up().map(|()| 900) })
    }

    fn head(&self, _: L1Tag) -> BoxFuture<'_, Result<Option<L1BlockRef>, L1Error>> {
        Box::pin(async {
            self.up()?;
            Ok(self.chain.read().last().map(L1Block::reference))
        })
    }

    fn block_ref(&self, number: L1BlockNumber) -> BoxFuture<'_, Result<Option<L1BlockRef>, L1Error>> {
        Box::pin(async move {
            self.up()?;
            Ok(self.get(number.0).map(|block| block.reference()))
        })
    }

    fn block_by_number(&self, number: L1BlockNumber) -> BoxFuture<'_, Result<Option<L1Block>, L1Error>> {
        Box::pin(async move {
            self.up()?;
            Ok(self.get(number.0))
        })
    }

    fn block_by_hash(&self, hash: B256) -> BoxFuture<'_, Result<Option<L1Block>, L1Error>> {
        Box::pin(async move {
            self.up()?;
            Ok(self
                .chain
                .read()
                .iter()
                .find(|block| block.hash() == hash)
                .cloned())
        })
    }

    /// Knows one question: who signs.
    fn call(&self, to: Address, input: Bytes) -> BoxFuture<'_, Result<Option<Bytes>, L1Error>> {
        Box::pin(async move {
            self.up()?;
            let asks = ISystemConfig::unsafeBlockSignerCall {}.abi_encode();
            let is_it = to == SYSTEM_CONFIG && input[..] == asks[..];
            let signer = *self.unsafe_block_signer.read();
            Ok(is_it.then(|| signer.into_word().to_vec().into()))
        })
    }
}

/// Transactions in the order they were pushed.
#[derive(Clone, Debug)]
pub(crate) struct TransactionList {
    waiting: Arc<Mutex<VecDeque<PoolTransaction>>>,
    pub(crate) rejected: Arc<Mutex<Vec<String>>>,
    arrivals: watch::Sender<u64>,
}

impl TransactionList {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Arc::default(),
            rejected: Arc::default(),
            arrivals: watch::Sender::new(0),
        }
    }

    pub(crate) fn push(&self, transaction: PoolTransaction) {
        self.waiting.lock().push_back(transaction);
        self.arrivals.send_modify(|count| *count += 1);
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.lock().len()
    }
}

impl TransactionSource for TransactionList {
    fn open(&self, _: &L2BlockRef, _: u64) -> Box<dyn BlockTransactions> {
        Box::new(ListQueue {
            list: self.clone(),
            deferred: Vec::new(),
        })
    }

    fn open_ahead(&self, base_fee: u64) -> Box<dyn BlockTransactions> {
        self.open(&L2BlockRef::default(), base_fee)
    }

    fn arrivals(&self) -> watch::Receiver<u64> {
        self.arrivals.subscribe()
    }
}

struct ListQueue {
    list: TransactionList,
    deferred: Vec<PoolTransaction>,
}

impl BlockTransactions for ListQueue {
    fn next(&mut self) -> Option<PoolTransaction> {
        self.list.waiting.lock().pop_front()
    }

    fn defer(&mut self, transaction: &PoolTransaction) {
        self.deferred.push(transaction.clone());
    }

    fn reject(&mut self, _: &PoolTransaction, reason: &InvalidTransaction) {
        self.list.rejected.lock().push(reason.to_string());
    }
}

impl Drop for ListQueue {
    fn drop(&mut self) {
        let mut waiting = self.list.waiting.lock();
        for transaction in self.deferred.drain(..).rev() {
            waiting.push_front(transaction);
        }
    }
}

/// Everything a story needs.
pub(crate) struct World {
    pub(crate) config: Arc<RollupConfig>,
    pub(crate) l1_config: Arc<L1ChainConfig>,
    pub(crate) genesis: GenesisBlock,
    pub(crate) l1: Arc<SimulatedL1>,
    pub(crate) engine: Engine,
    pub(crate) view: L1View,
    pub(crate) clock: ManualClock,
    pub(crate) list: TransactionList,
    pub(crate) stop: CancellationToken,
}

pub(crate) fn key(seed: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(seed)).unwrap()
}

impl World {
    pub(crate) fn new() -> Self {
        Self::on(Arc::new(MemoryStore::default()))
    }

    pub(crate) fn on(store: Arc<dyn Store>) -> Self {
        Self::with(store, StoreSettings::default())
    }

    pub(crate) fn with(store: Arc<dyn Store>, settings: StoreSettings) -> Self {
        let l1 = Arc::new(SimulatedL1::new());
        let (config, genesis) = genesis_of(&l1);
        let genesis = genesis.seal();
        let config = Arc::new(config);
        let engine = Engine::start(store, config.clone(), &genesis, settings).unwrap();
        Self {
            view: L1View::new(config.clone(), l1.clone()),
            config,
            l1_config: Arc::new(L1ChainConfig::preset(900).unwrap()),
            genesis,
            l1,
            engine,
            clock: ManualClock::new(GENESIS_TIME),
            list: TransactionList::new(),
            stop: CancellationToken::new(),
        }
    }

    pub(crate) fn chain(&self) -> &Chain {
        self.engine.chain()
    }

    pub(crate) fn builder(&self, l1_confirmations: u64) -> Builder {
        Builder::new(
            self.engine.clone(),
            self.view.clone(),
            self.l1_config.clone(),
            Arc::new(self.list.clone()),
            Arc::new(self.clock.clone()),
            BuilderSettings { l1_confirmations },
            self.stop.clone(),
        )
    }

    /// One poll of L1 by the view.
    pub(crate) async fn poll_l1(&self) {
        let origin = self.chain().heads().unsafe_head.l1_origin.number;
        self.view.refresh(origin).await.unwrap();
    }

    pub(crate) fn head(&self) -> L2BlockRef {
        self.chain().heads().unsafe_head
    }

    pub(crate) fn transaction_count(&self, number: u64) -> usize {
        let block = self
            .chain()
            .block_by_number(L2BlockNumber(number))
            .unwrap()
            .unwrap();
        block.block.body.transactions.len()
    }
}

/// Rules and genesis of a chain that starts on the first block of `l1`.
pub(crate) fn genesis_of(l1: &SimulatedL1) -> (RollupConfig, Genesis) {
    let fees = ChainOpConfig {
        eip1559_elasticity: 6,
        eip1559_denominator: 50,
        eip1559_denominator_canyon: 250,
    };
    let rich = GenesisAccount::default().with_balance(U256::from(10).pow(U256::from(20)));
    let genesis = GenesisParts {
        chain_id: 901,
        timestamp: GENESIS_TIME,
        gas_limit: GAS_LIMIT,
        base_fee: 1_000_000,
        fees,
        min_base_fee: 1_000_000,
        jovian_time: Some(0),
        alloc: (1..10)
            .map(|seed| (key(seed).address(), rich.clone()))
            .collect::<BTreeMap<_, _>>(),
    };
    let genesis = genesis.build().unwrap();
    let config = RollupConfig {
        genesis: ChainGenesis {
            l1: l1.get(0).unwrap().id(),
            l2: L2BlockId {
                hash: genesis.seal().hash,
                number: L2BlockNumber(0),
            },
            l2_time: GENESIS_TIME,
            system_config: SystemConfig {
                batcher_address: address!("00000000000000000000000000000000000000ba"),
                overhead: B256::ZERO,
                scalar: B256::with_last_byte(0),
                gas_limit: GAS_LIMIT,
                eip1559_params: Default::default(),
                operator_fee_params: B256::ZERO,
                min_base_fee: 1_000_000,
                da_footprint_gas_scalar: 400,
            },
        },
        block_time: 1,
        max_sequencer_drift: 1_800,
        seq_window_size: 30,
        channel_timeout: 50,
        l1_chain_id: 900,
        l2_chain_id: 901,
        regolith_time: Some(0),
        canyon_time: Some(0),
        delta_time: Some(0),
        ecotone_time: Some(0),
        fjord_time: Some(0),
        granite_time: Some(0),
        holocene_time: Some(0),
        isthmus_time: Some(0),
        jovian_time: Some(0),
        batch_inbox_address: address!("00000000000000000000000000000000000000b0"),
        deposit_contract_address: PORTAL,
        l1_system_config_address: SYSTEM_CONFIG,
        protocol_versions_address: Address::ZERO,
        chain_op_config: fees,
        alt_da: Some(AltDaConfig {
            da_challenge_contract_address: Address::ZERO,
            da_commitment_type: "GenericCommitment".into(),
            da_challenge_window: 1,
            da_resolve_window: 1,
        }),
    };
    (config, genesis)
}

/// A signed transfer of one wei.
pub(crate) fn transfer(seed: u8, nonce: u64) -> PoolTransaction {
    call(
        seed,
        nonce,
        address!("00000000000000000000000000000000000000aa"),
        21_000,
    )
}

/// A signed call with one wei and no data.
pub(crate) fn call(seed: u8, nonce: u64, to: Address, gas_limit: u64) -> PoolTransaction {
    call_with(seed, nonce, to, gas_limit, Bytes::new())
}

/// A signed call with one wei and `input`.
pub(crate) fn call_with(seed: u8, nonce: u64, to: Address, gas_limit: u64, input: Bytes) -> PoolTransaction {
    let signer = key(seed);
    let transaction = TxEip1559 {
        chain_id: 901,
        nonce,
        gas_limit,
        max_fee_per_gas: 1_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(to),
        value: U256::from(1),
        input,
        ..TxEip1559::default()
    };
    let signature = signer.sign_hash_sync(&transaction.signature_hash()).unwrap();
    let envelope = OpTxEnvelope::Eip1559(transaction.into_signed(signature));
    let encoded = envelope.encoded_2718().into();
    Arc::new(WithEncoded::new(
        encoded,
        Recovered::new_unchecked(envelope, signer.address()),
    ))
}

/// The log of a deposit that mints `wei` to `to`.
pub(crate) fn deposit_log(to: Address, wei: u64) -> Log {
    encode_transaction_deposited(
        PORTAL,
        &TxDeposit {
            from: to,
            to: TxKind::Call(to),
            mint: wei.into(),
            value: U256::ZERO,
            gas_limit: 100_000,
            ..TxDeposit::default()
        },
    )
}

/// An L1 block by number and hash.
pub(crate) fn l1_id(block: &L1BlockRef) -> L1BlockId {
    block.id()
}
