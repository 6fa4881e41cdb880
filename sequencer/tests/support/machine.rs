//! A sequencer that can die: what outlives a crash, and one life of what does not.
#![allow(dead_code, reason = "each test binary uses the part of this module it needs")]

use crate::chain::{self, SimulatedL1, World};
use alloy::primitives::Address;
use parking_lot::Mutex;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tributary_sequencer::{
    builder::{Builder, BuilderSettings, Step},
    journal::{Journal, Settings, testing::MemoryDisk},
    l1_view::L1View,
    pool::{Pool, PoolLimits},
    store::{ChainIdentity, MemoryStore, Store},
};

/// A small generator of our own, so that a seed means the same everywhere.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % limit.max(1) as u64).unwrap()
    }
}

/// What outlives a crash.
pub(crate) struct Machine {
    pub(crate) store: MemoryStore,
    pub(crate) disk: MemoryDisk,
    pub(crate) l1: Arc<SimulatedL1>,
    /// The store of the life before.
    opened: Mutex<Option<Weak<dyn Store>>>,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.journal.close();
    }
}

/// One life of the node.
pub(crate) struct Life {
    pub(crate) world: World,
    pub(crate) pool: Pool,
    pub(crate) journal: Journal,
    pub(crate) builder: Builder,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self {
            store: MemoryStore::default(),
            disk: MemoryDisk::default(),
            l1: Arc::new(SimulatedL1::new()),
            opened: Mutex::default(),
        }
    }

    /// The store as a new process opens it. A process that died writes no more, and neither may the engine of an earlier life.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        self.open(Arc::new(self.store.clone()))
    }

    /// As [`Self::store`], through a store of the caller's.
    pub(crate) fn open(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        let mut opened = self.opened.lock();
        while opened.as_ref().is_some_and(|store| store.strong_count() > 0) {
            std::thread::yield_now();
        }
        *opened = Some(Arc::downgrade(&store));
        store
    }

    pub(crate) async fn boot(&self) -> Life {
        let (world, pool, journal, builder) = self.boot_on(self.store()).await;
        Life {
            world,
            pool,
            journal,
            builder,
        }
    }

    /// The parts of a life on a store that was opened.
    pub(crate) async fn boot_on(&self, store: Arc<dyn Store>) -> (World, Pool, Journal, Builder) {
        let mut world = World::on(store);
        world.l1 = self.l1.clone();
        world.view = L1View::new(world.config.clone(), self.l1.clone());
        world.poll_l1().await;
        world.clock.set(world.head().timestamp);
        let identity = ChainIdentity {
            chain_id: 901,
            genesis_hash: world.genesis.hash,
        };
        let settings = Settings {
            segment_bytes: 20_000,
            segments_max: 3,
            linger: Duration::ZERO,
            pace: Duration::ZERO,
            free_bytes_min: 0,
            ..Settings::default()
        };
        let (journal, recovered) = Journal::open(Box::new(self.disk.clone()), identity, settings).unwrap();
        let pool = Pool::new(world.chain().clone(), PoolLimits::default());
        let interrupted = pool.keep_promises(journal.clone(), recovered).unwrap();
        let builder = Builder::new(
            world.engine.clone(),
            world.view.clone(),
            world.l1_config.clone(),
            Arc::new(pool.clone()),
            Arc::new(world.clock.clone()),
            BuilderSettings { l1_confirmations: 0 },
            world.stop.clone(),
        )
        .with_journal(journal.clone(), interrupted);
        (world, pool, journal, builder)
    }
}

impl Life {
    pub(crate) fn next_nonce(&self, sender: u8) -> u64 {
        let address = chain::key(sender).address();
        let pooled = self.pool.next_nonce(address).unwrap_or_default();
        pooled.max(self.sealed_nonce(address))
    }

    pub(crate) fn sealed_nonce(&self, sender: Address) -> u64 {
        let state = self.world.chain().state_at(self.world.head().number).unwrap();
        state.account(sender).unwrap().map_or(0, |account| account.nonce)
    }

    /// Builds one block while `story` runs.
    pub(crate) async fn build_while(&self, story: impl Future<Output = bool>) -> bool {
        let timestamp = self.world.head().timestamp;
        self.world.clock.set(timestamp);
        let told = async {
            let lives = story.await;
            if lives {
                self.world.clock.set(timestamp + 1);
            } else {
                self.world.stop.cancel();
            }
            lives
        };
        let (step, lives) = tokio::join!(self.builder.step(), told);
        assert_eq!(matches!(step.unwrap(), Step::Built(_)), lives);
        lives
    }
}

pub(crate) fn story(story: impl Future<Output = ()>) {
    crate::story::on_one_thread(120, story);
}
