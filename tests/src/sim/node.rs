//! A node that derives: the real engine on a store that survives, the real driver, and faulty connections to L1 and DA.

use super::{
    da::{NodeDa, SimulatedDa},
    env::Env,
    l1::NodeL1,
    violation::Violation,
};
use std::{collections::BTreeMap, sync::Arc};
use tributary_derivation::{
    discard::DiscardReason,
    driver::{DerivationStatus, Driver, DriverSettings, DriverStep, memory::MemoryL1},
};
use tributary_protocol::block::{L2BlockNumber, L2BlockRef};
use tributary_sequencer::{
    engine::{Chain, Engine, StoreSettings},
    store::{MemoryStore, Store},
};

/// What a node's moves came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derived {
    /// There was more to do than steps to do it in.
    Moved,
    /// L1 has nothing more.
    CaughtUp,
    /// Something is not answered.
    Stalled,
    /// Its disk failed; it must be started again.
    Failed,
}

/// A follower, or what a sequencer is besides building.
#[derive(Debug)]
pub struct Node {
    /// For reports.
    pub name: &'static str,
    env: Env,
    store: MemoryStore,
    /// True while its disk is meant to fail.
    is_disk_failing: bool,
    /// The single writer of its chain.
    pub engine: Engine,
    driver: Driver,
    /// Its connection to L1.
    pub l1: NodeL1,
    /// Its connection to DA.
    pub da: NodeDa,
    /// What drivers before the current one threw away.
    earlier_discards: BTreeMap<DiscardReason, u64>,
    earlier_resets: u64,
    /// True once it has read all of L1 since it was started.
    pub has_caught_up: bool,
}

impl Node {
    /// A node with an empty store.
    ///
    /// # Errors
    /// If it does not start.
    pub fn new(name: &'static str, env: &Env, l1: &MemoryL1, da: &SimulatedDa) -> Result<Self, Violation> {
        let store = MemoryStore::default();
        let (l1, da) = (NodeL1::new(l1.clone()), NodeDa::new(da.clone()));
        let engine = start(env, &store)?;
        Ok(Self {
            driver: driver(env, &engine, &l1, &da),
            name,
            env: env.clone(),
            store,
            is_disk_failing: false,
            engine,
            l1,
            da,
            earlier_discards: BTreeMap::new(),
            earlier_resets: 0,
            has_caught_up: false,
        })
    }

    /// Its process ends, and another one starts on its store.
    ///
    /// # Errors
    /// If it does not start.
    pub fn restart(&mut self) -> Result<(), Violation> {
        self.earlier_discards = self.discards();
        self.earlier_resets = self.resets();
        self.store.heal();
        self.is_disk_failing = false;
        self.engine = start(&self.env, &self.store)?;
        self.driver = driver(&self.env, &self.engine, &self.l1, &self.da);
        self.has_caught_up = false;
        Ok(())
    }

    /// Its store is wiped, and a process starts on what is left.
    ///
    /// # Errors
    /// If it does not start.
    pub fn wipe(&mut self) -> Result<(), Violation> {
        self.store = MemoryStore::default();
        self.restart()
    }

    /// Its disk fails after `writes` more writes.
    pub fn fail_disk(&mut self, writes: u64) {
        self.store.fail_after(writes);
        self.is_disk_failing = true;
    }

    /// True while its disk is meant to fail.
    #[must_use]
    pub const fn is_disk_failing(&self) -> bool {
        self.is_disk_failing
    }

    /// Up to `steps` steps of its derivation.
    ///
    /// # Errors
    /// When it halts, or its heads are out of order.
    pub async fn derive(&mut self, steps: usize) -> Result<Derived, Violation> {
        let derived = self.drive(steps).await?;
        self.check_heads()?;
        Ok(derived)
    }

    async fn drive(&mut self, steps: usize) -> Result<Derived, Violation> {
        for _ in 0..steps {
            match self.driver.step().await {
                Ok(DriverStep::Moved | DriverStep::Reset) => {}
                Ok(DriverStep::CaughtUp) => {
                    self.has_caught_up = true;
                    return Ok(Derived::CaughtUp);
                }
                Ok(DriverStep::Stalled) => return Ok(Derived::Stalled),
                Err(_) if self.is_disk_failing => return Ok(Derived::Failed),
                Err(cause) => {
                    return Err(Violation::Halted {
                        node: self.name,
                        cause: cause.to_string(),
                    });
                }
            }
        }
        Ok(Derived::Moved)
    }

    /// Whether finalized <= safe <= unsafe.
    ///
    /// # Errors
    /// If not.
    pub fn check_heads(&self) -> Result<(), Violation> {
        let heads = self.chain().heads();
        let numbers = [heads.finalized_head, heads.safe_head, heads.unsafe_head].map(|head| head.number);
        if numbers.is_sorted() {
            return Ok(());
        }
        Err(Violation::HeadOrder {
            node: self.name,
            heads: Box::new(heads),
        })
    }

    /// Its chain.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        self.engine.chain()
    }

    /// Where its derivation stands.
    #[must_use]
    pub fn status(&self) -> DerivationStatus {
        self.driver.status().borrow().clone()
    }

    /// What it has thrown away since the world began.
    #[must_use]
    pub fn discards(&self) -> BTreeMap<DiscardReason, u64> {
        let mut discards = self.earlier_discards.clone();
        for (reason, count) in self.driver.status().borrow().discards.iter() {
            *discards.entry(reason).or_default() += count;
        }
        discards
    }

    /// How often it had to start again from what L1 still supports.
    #[must_use]
    pub fn resets(&self) -> u64 {
        self.earlier_resets + self.driver.status().borrow().resets
    }

    /// The canonical block at `number`.
    #[must_use]
    pub fn block(&self, number: u64) -> Option<L2BlockRef> {
        // A store in memory that cannot be read has lost its memory.
        self.chain()
            .block_ref(L2BlockNumber(number))
            .expect("the store can be read")
    }

    /// No more faults.
    pub fn heal(&mut self) {
        self.l1.heal();
        self.da.heal();
    }
}

fn start(env: &Env, store: &MemoryStore) -> Result<Engine, Violation> {
    let store: Arc<dyn Store> = Arc::new(store.clone());
    // Which write fails depends on the seed and not on threads, and an engine that has answered writes nothing any more: the one before may
    // not have ended yet.
    let settings = StoreSettings {
        flush_in_background: false,
        ..StoreSettings::default()
    };
    Engine::start(store, env.config.clone(), &env.genesis, settings)
        .map_err(|error| Violation::Restart(error.to_string()))
}

fn driver(env: &Env, engine: &Engine, l1: &NodeL1, da: &NodeDa) -> Driver {
    Driver::new(
        env.config.clone(),
        env.l1_config.clone(),
        Arc::new(l1.clone()),
        Arc::new(da.clone()),
        Arc::new(engine.clone()),
        DriverSettings::default(),
    )
    .with_blobs(Arc::new(da.clone()))
}
