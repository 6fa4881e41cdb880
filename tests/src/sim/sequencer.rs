//! The sequencing node: a [`Node`] that also builds, with the real builder, pool, origin selection and re-execution gate.

use super::{env::Env, node::Node, violation::Violation};
use crate::history::users;
use alloy::eips::eip2718::Encodable2718;
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, TxKind};
use rand::{Rng, rngs::StdRng};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tributary_derivation::testing::USERS;
use tributary_protocol::block::L2BlockRef;
use tributary_sequencer::{
    builder::{Builder, BuilderError, BuilderSettings, Step},
    clock::ManualClock,
    l1_view::L1View,
    pool::{Pool, PoolLimits},
    verifier::Verifier,
};

/// What building came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Built {
    /// Its number, and that of its L1 origin.
    Block(u64, u64),
    /// It is not time yet, or derivation has not read L1 yet.
    NotDue,
    /// No block can be built that would be accepted for certain.
    Waiting(&'static str),
    Abandoned,
    /// The disk failed; the node must be started again.
    Failed,
}

pub(super) struct Sequencer {
    pub(super) node: Node,
    env: Env,
    builder: Builder,
    view: L1View,
    pool: Pool,
    verifier: Verifier,
    clock: ManualClock,
    l1_confirmations: u64,
}

struct Parts(Builder, L1View, Pool, Verifier);

fn parts(env: &Env, node: &Node, clock: &ManualClock, l1_confirmations: u64) -> Parts {
    let pool = Pool::new(node.chain().clone(), PoolLimits::default());
    let view = L1View::new(env.config.clone(), Arc::new(node.l1.clone()));
    let builder = Builder::new(
        node.engine.clone(),
        view.clone(),
        env.l1_config.clone(),
        Arc::new(pool.clone()),
        Arc::new(clock.clone()),
        BuilderSettings { l1_confirmations },
        CancellationToken::new(),
    );
    let verifier = Verifier::new(node.chain().clone());
    Parts(builder, view, pool, verifier)
}

impl Sequencer {
    pub(super) fn new(env: &Env, node: Node, l1_confirmations: u64) -> Self {
        let clock = ManualClock::new(env.config.genesis.l2_time);
        let Parts(builder, view, pool, verifier) = parts(env, &node, &clock, l1_confirmations);
        Self {
            node,
            env: env.clone(),
            builder,
            view,
            pool,
            verifier,
            clock,
            l1_confirmations,
        }
    }

    /// Its process ends, and another one starts on its store: pool and view of L1 are gone.
    pub(super) fn restart(&mut self) -> Result<(), Violation> {
        self.node.restart()?;
        let Parts(builder, view, pool, verifier) =
            parts(&self.env, &self.node, &self.clock, self.l1_confirmations);
        (self.builder, self.view, self.pool, self.verifier) = (builder, view, pool, verifier);
        Ok(())
    }

    pub(super) fn head(&self) -> L2BlockRef {
        self.node.chain().heads().unsafe_head
    }

    /// Builds the next block if its time has come at `now` (Unix seconds).
    pub(super) async fn build(&mut self, now: u64) -> Result<Built, Violation> {
        let head = self.head();
        let due = head.timestamp + self.env.config.block_time;
        if due > now || !self.node.has_caught_up {
            return Ok(Built::NotDue);
        }
        // What is known stays known; a view that cannot be refreshed serves on.
        self.view.refresh(head.l1_origin.number).await.ok();
        // The clock shows the block's own time, so that nothing waits for real time to pass.
        self.clock.set(due);
        let step = match self.builder.step().await {
            Ok(step) => step,
            Err(BuilderError::Engine(_)) if self.node.is_disk_failing() => return Ok(Built::Failed),
            Err(error) => return Err(Violation::Builder(error.to_string())),
        };
        self.node.check_heads()?;
        Ok(match step {
            Step::Built(block) => Built::Block(block.number.0, block.l1_origin.number.0),
            Step::Waiting(reason) => Built::Waiting(reason.name()),
            Step::Abandoned => Built::Abandoned,
        })
    }

    /// Executes again what was built. Returns the head up to which that came out the same.
    pub(super) fn verify(&self) -> Result<L2BlockRef, Violation> {
        while self
            .verifier
            .step()
            .map_err(|error| Violation::Verifier(error.to_string()))?
        {}
        Ok(*self.verifier.verified_head().borrow())
    }

    /// A user sends a transaction. False if the pool does not take it.
    pub(super) fn send_transaction(&self, rng: &mut StdRng) -> bool {
        let from = rng.random_range(0..USERS);
        let sender = users::user(from).address();
        let nonce = self.pool.next_nonce(sender).unwrap_or_else(|| self.nonce(sender));
        let transaction = users::transaction(self.env.config.l2_chain_id, from, nonce, rng);
        self.pool.add_raw(&transaction).is_ok()
    }

    /// A user sends a transaction with so many random bytes. False if the pool does not take it.
    pub(super) fn send_bytes(&self, rng: &mut StdRng, bytes: usize) -> bool {
        let sender = users::user(0);
        let address = sender.address();
        let transaction = TxEip1559 {
            chain_id: self.env.config.l2_chain_id,
            nonce: self
                .pool
                .next_nonce(address)
                .unwrap_or_else(|| self.nonce(address)),
            gas_limit: 21_000 + 40 * bytes as u64,
            max_fee_per_gas: 100_000_000_000,
            to: TxKind::Call(Address::repeat_byte(0xb0)),
            input: (0..bytes).map(|_| rng.random()).collect::<Vec<u8>>().into(),
            ..TxEip1559::default()
        };
        let raw = users::sign(&sender, transaction).encoded_2718();
        self.pool.add_raw(&raw.into()).is_ok()
    }

    fn nonce(&self, account: Address) -> u64 {
        let chain = self.node.chain();
        let state = chain.state_at(chain.heads().unsafe_head.number).ok();
        let account = state.and_then(|state| state.account(account).ok().flatten());
        account.map_or(0, |account| account.nonce)
    }
}
