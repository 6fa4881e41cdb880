//! What is around the batcher: L1 with its pool, the DA layer, the node, a disk; and how a story moves it.

use alloy::eips::eip2718::Decodable2718;
use alloy_consensus::{Signed, Transaction, TxEip4844Variant, TxEnvelope, transaction::SignerRecoverable};
use alloy_primitives::{Address, B256, Bytes};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Mutex;
use tributary_batcher::{
    channel_manager::ChannelPolicy,
    dispersal::{DaChoice, Dispersal, L1Destination},
    driver::{Batcher, BatcherConfig, BatcherError},
    journal::{Journal, JournalChain, testing::MemoryDisk},
    l1::{
        Accepted, Account, BlobProofs, Call, FeeLimits, Fees, Inclusion, L1Error, L1Port, Poster,
        PosterSettings,
    },
    node::{NodeError, NodePort, SyncStatus},
};
use tributary_derivation::testing::{INBOX, L1_CHAIN_ID, TestNet, TestNetOptions};
use tributary_protocol::{
    blob::Blob,
    block::{L1BlockId, L1BlockNumber, L2Block, L2BlockNumber},
};

/// Most turns a story may take until everything is safe.
pub(crate) const TURNS_MAX: usize = 400;

/// What L1's pool asks of a replacement, per hundred of what it holds.
pub(crate) const REPLACEMENT_PERCENT: u128 = 110;

/// Everything around the batcher. Clones share it.
#[derive(Clone)]
pub(crate) struct World(pub(crate) Arc<Mutex<Inner>>);

pub(crate) struct Inner {
    pub(crate) net: TestNet,
    /// L1's pool, by nonce of the batcher's account.
    pub(crate) pool: BTreeMap<u64, TxEnvelope>,
    /// The pool forgets everything it is given.
    pub(crate) pool_is_leaky: bool,
    pub(crate) market: Fees,
    pub(crate) l1_fails: bool,
    /// How often a transaction was looked for.
    pub(crate) receipts_asked: usize,
}

impl World {
    pub(crate) fn new() -> Self {
        let market = Fees {
            max_fee_per_gas: 2_000_000_000,
            max_priority_fee_per_gas: 1_000_000,
            max_fee_per_blob_gas: Some(10),
        };
        Self(Arc::new(Mutex::new(Inner {
            net: TestNet::new(TestNetOptions::default()),
            pool: BTreeMap::new(),
            pool_is_leaky: false,
            market,
            l1_fails: false,
            receipts_asked: 0,
        })))
    }

    /// The sequencer builds `count` blocks, with a transfer in every second one.
    pub(crate) async fn build(&self, count: u64) {
        let net = &mut self.0.lock().await.net;
        for index in 0..count {
            let transactions = if index % 2 == 0 {
                vec![net.transfer(index, 1 + index)]
            } else {
                Vec::new()
            };
            net.build_block(transactions);
        }
    }

    /// L1 mines a block with what its pool can give: transactions whose nonces follow the chain's.
    pub(crate) async fn mine(&self) {
        let inner = &mut *self.0.lock().await;
        let mut next = inner.on_chain().len() as u64;
        let mut transactions = Vec::new();
        while let Some(transaction) = inner.pool.remove(&next) {
            transactions.push(transaction.into());
            next += 1;
        }
        inner.net.l1.mine(transactions);
        inner.pool = inner.pool.split_off(&next);
        let head = inner.net.l1.head_block().reference().number;
        inner
            .net
            .l1
            .set_finalized(L1BlockNumber(head.0.saturating_sub(8)));
    }

    /// L1 takes back its last `depth` blocks and mines one more than that, without what was in them.
    pub(crate) async fn reorg(&self, depth: u64) {
        let net = &self.0.lock().await.net;
        let head = net.l1.head_block().reference().number.0;
        drop(net.l1.reorg_to(L1BlockNumber(head.saturating_sub(depth))));
        net.l1.mine_empty(depth + 1);
    }

    /// What every batcher transaction on L1 says, in order: its calldata, or the hashes of its blobs.
    pub(crate) async fn posted(&self) -> Vec<Bytes> {
        let inner = self.0.lock().await;
        let said = |(transaction, _): &(TxEnvelope, L1BlockId)| match transaction.blob_versioned_hashes() {
            Some(hashes) => hashes.concat().into(),
            None => transaction.input().clone(),
        };
        inner.on_chain().iter().map(said).collect()
    }

    pub(crate) async fn heads(&self) -> (u64, u64) {
        let heads = self.0.lock().await.net.sequencer.current_heads();
        (heads.unsafe_head.number.0, heads.safe_head.number.0)
    }

    /// A node that knows nothing derives what the sequencer has, as far as it is safe.
    pub(crate) async fn check_fresh_follower(&self) {
        let inner = self.0.lock().await;
        let follower = inner.net.follower();
        inner.net.derive(&follower).await.unwrap();
        let ours = inner.net.sequencer.chain();
        let theirs = follower.chain();
        assert_eq!(ours[..theirs.len()], theirs[..]);
        assert_eq!(
            theirs.len() as u64 - 1,
            inner.net.sequencer.current_heads().safe_head.number.0
        );
    }
}

impl Inner {
    /// The batcher's transactions on L1, in order, each with its block.
    pub(crate) fn on_chain(&self) -> Vec<(TxEnvelope, L1BlockId)> {
        let batcher = self.net.batcher.address();
        let head = self.net.l1.head_block().reference().number.0;
        let mut found = Vec::new();
        for number in 0..=head {
            let block = self.net.l1.block(L1BlockNumber(number)).unwrap();
            for transaction in block.transactions() {
                if transaction.recover_signer().unwrap() == batcher {
                    found.push((transaction.clone(), block.id()));
                }
            }
        }
        found
    }

    /// A transaction with blobs as the chain has it; the blobs go to the beacon node.
    pub(crate) fn keep_blobs(&self, transaction: TxEnvelope) -> TxEnvelope {
        let TxEnvelope::Eip4844(signed) = transaction else {
            return transaction;
        };
        let (variant, signature, hash) = signed.into_parts();
        if let TxEip4844Variant::TxEip4844WithSidecar(with_sidecar) = &variant {
            let hashes = &with_sidecar.tx.blob_versioned_hashes;
            for (hash, blob) in hashes.iter().zip(with_sidecar.sidecar.blobs()) {
                let blob = Blob::new(Bytes::copy_from_slice(blob.as_slice())).unwrap();
                self.net.blobs.put_as(*hash, blob);
            }
        }
        let bare = TxEip4844Variant::TxEip4844(variant.into());
        TxEnvelope::Eip4844(Signed::new_unchecked(bare, signature, hash))
    }

    pub(crate) fn check_up(&self) -> Result<(), L1Error> {
        if self.l1_fails {
            return Err(L1Error::Rpc {
                what: "anything",
                source: alloy::transports::TransportErrorKind::custom_str("down"),
            });
        }
        Ok(())
    }
}

impl L1Port for World {
    async fn nonce(&self, account: Address, pending: bool) -> Result<u64, L1Error> {
        let inner = self.0.lock().await;
        inner.check_up()?;
        assert_eq!(account, inner.net.batcher.address());
        let mut nonce = inner.on_chain().len() as u64;
        while pending && inner.pool.contains_key(&nonce) {
            nonce += 1;
        }
        Ok(nonce)
    }

    async fn head(&self) -> Result<Option<L1BlockId>, L1Error> {
        let inner = self.0.lock().await;
        inner.check_up()?;
        Ok(Some(inner.net.l1.head_block().id()))
    }

    async fn block_hash(&self, number: L1BlockNumber) -> Result<Option<B256>, L1Error> {
        let inner = self.0.lock().await;
        inner.check_up()?;
        Ok(inner.net.l1.block(number).map(|block| block.id().hash))
    }

    async fn inclusion(&self, hash: B256) -> Result<Option<Inclusion>, L1Error> {
        let mut inner = self.0.lock().await;
        inner.check_up()?;
        inner.receipts_asked += 1;
        let found = inner
            .on_chain()
            .into_iter()
            .find(|(transaction, _)| *transaction.tx_hash() == hash);
        Ok(found.map(|(_, block)| Inclusion {
            hash,
            block,
            succeeded: true,
            gas_used: 21_000,
        }))
    }

    async fn broadcast(&self, raw: &Bytes) -> Result<Accepted, L1Error> {
        let mut inner = self.0.lock().await;
        inner.check_up()?;
        let transaction = TxEnvelope::decode_2718_exact(raw).unwrap();
        let transaction = inner.keep_blobs(transaction);
        let nonce = transaction.nonce();
        let is_mixed = |held: &TxEnvelope| held.is_eip4844() != transaction.is_eip4844();
        assert!(
            !inner.pool.values().any(is_mixed),
            "L1's pools refuse both kinds at a time"
        );
        if nonce < inner.on_chain().len() as u64 {
            return Ok(Accepted::NonceUsed);
        }
        if let Some(held) = inner.pool.get(&nonce) {
            if held.tx_hash() == transaction.tx_hash() {
                return Ok(Accepted::Held);
            }
            assert_eq!(held.input(), transaction.input(), "one nonce, two effects");
            if transaction.max_fee_per_gas() * 100 < held.max_fee_per_gas() * REPLACEMENT_PERCENT {
                return Ok(Accepted::Underpriced);
            }
        }
        if !inner.pool_is_leaky {
            inner.pool.insert(nonce, transaction);
        }
        Ok(Accepted::Held)
    }

    async fn estimate_gas(&self, _: Address, _: &Call) -> Result<u64, L1Error> {
        Ok(21_000)
    }

    async fn market(&self) -> Result<Fees, L1Error> {
        let inner = self.0.lock().await;
        inner.check_up()?;
        Ok(inner.market)
    }
}

impl NodePort for World {
    async fn sync_status(&self) -> Result<SyncStatus, NodeError> {
        let inner = self.0.lock().await;
        let engine = inner.net.sequencer.clone();
        let status = inner.net.derive(&engine).await.unwrap();
        let heads = engine.current_heads();
        Ok(SyncStatus {
            // Caught up: the block after the head is the one that would be read.
            current_l1: status.current_l1.unwrap_or_default(),
            head_l1: inner.net.l1.head_block().reference(),
            unsafe_l2: heads.unsafe_head,
            cross_unsafe_l2: heads.unsafe_head,
            safe_l2: heads.safe_head,
            finalized_l2: heads.finalized_head,
        })
    }

    async fn block(&self, number: L2BlockNumber) -> Result<(L2Block, B256), NodeError> {
        let block = self.0.lock().await.net.sequencer.block(number).unwrap();
        let hash = block.header.hash_slow();
        Ok((block, hash))
    }
}

/// A batcher that starts on what `disk` holds.
pub(crate) async fn start(world: &World, disk: &MemoryDisk) -> Batcher<World, World> {
    let failover = Some(L1Destination::Calldata);
    start_with(world, disk, DaChoice::Layer { failover }).await
}

pub(crate) async fn start_with(world: &World, disk: &MemoryDisk, choice: DaChoice) -> Batcher<World, World> {
    start_on(world, disk, choice, |config, dispersal| (config, dispersal)).await
}

pub(crate) async fn start_on(
    world: &World,
    disk: &MemoryDisk,
    choice: DaChoice,
    adapt: impl FnOnce(BatcherConfig, Dispersal) -> (BatcherConfig, Dispersal),
) -> Batcher<World, World> {
    let inner = world.0.lock().await;
    let rollup = (*inner.net.config).clone();
    let account = Account::new(inner.net.batcher.clone(), L1_CHAIN_ID, BlobProofs::Blob);
    let chain = JournalChain {
        l1_chain_id: L1_CHAIN_ID,
        l2_chain_id: rollup.l2_chain_id,
        l2_genesis: rollup.genesis.l2.hash,
        batcher: account.address(),
    };
    let journal = Journal::open(Box::new(disk.clone()), chain).unwrap();
    let poster = Poster::new(
        world.clone(),
        account,
        PosterSettings {
            inbox: INBOX,
            limits: FeeLimits::default(),
            replace_after: Duration::from_secs(12),
            in_flight_max: 2,
        },
    );
    let config = BatcherConfig {
        poll_interval: Duration::from_secs(1),
        policy: ChannelPolicy {
            max_duration: Duration::from_secs(4),
            max_input_bytes: 1_000,
            safety_margin_l1_blocks: 5,
            seq_window_l1_blocks: rollup.seq_window_size,
        },
        brotli_quality: 5,
    };
    let (config, dispersal) = adapt(config, Dispersal::new(inner.net.da.clone(), choice));
    drop(inner);
    Batcher::new(config, rollup, world.clone(), journal, dispersal, poster)
}

/// One turn of the batcher and a second for what it started.
pub(crate) async fn turn(batcher: &mut Batcher<World, World>) -> Result<(), BatcherError> {
    let result = batcher.turn().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    result
}

/// Turns and blocks of L1 until everything built is safe.
pub(crate) async fn until_safe(world: &World, batcher: &mut Batcher<World, World>) {
    for count in 0..TURNS_MAX {
        turn(batcher).await.unwrap();
        if count % 2 == 1 {
            world.mine().await;
        }
        let (head, safe) = world.heads().await;
        if safe == head {
            return;
        }
    }
    panic!(
        "not safe after {TURNS_MAX} turns: {:?}, {:?}",
        world.heads().await,
        batcher.status().borrow()
    );
}

/// Fails if the same bytes are on L1 twice.
pub(crate) async fn check_nothing_twice(world: &World) {
    let mut seen = HashMap::new();
    for (index, calldata) in world.posted().await.into_iter().enumerate() {
        if let Some(earlier) = seen.insert(calldata, index) {
            panic!("transactions {earlier} and {index} of the batcher say the same");
        }
    }
}

pub(crate) fn story(story: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(story);
}
