//! What `readyz` answers from: facts about this node, set by whoever learns them, read by the RPC server.

use crate::{engine::Chain, quarantine::Quarantine, sequencing::Sequencing};
use alloy::primitives::B256;
use parking_lot::RwLock;
use serde::Serialize;
use std::sync::Arc;

/// Whether something this node depends on works.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "cause", rename_all = "snake_case")]
pub enum Check {
    /// Not asked yet.
    #[default]
    Unknown,
    /// The last attempt worked.
    Working,
    /// The last attempt failed, and why.
    Failing(String),
}

impl Check {
    /// From the outcome of an attempt.
    pub fn of<T, E: core::fmt::Display>(result: &Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Working,
            Err(cause) => Self::Failing(cause.to_string()),
        }
    }
}

/// Facts about the node at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HealthReport {
    /// True when nothing below is failing or unknown.
    pub ready: bool,
    /// The L1 endpoint.
    pub l1: Check,
    /// The DA layer. A failing one stalls the safe head, nothing else.
    pub da: Check,
    /// Derivation: failing while it waits for an answer it was refused several times.
    pub derivation: Check,
    /// The store and the engine on it.
    pub store: Check,
    /// Set when this node has stopped for good, and why.
    pub halted: Option<String>,
    /// True on a sequencer whose operator has stopped it: it builds nothing and takes no transactions.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub sequencer_stopped: bool,
    /// Transactions that are not let in again because of what they did to a block.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<B256>,
    /// Number of the unsafe head.
    pub unsafe_head: u64,
    /// Number of the safe head.
    pub safe_head: u64,
    /// Number of the finalized head.
    pub finalized_head: u64,
    /// Seconds between the unsafe head's timestamp and now; zero if it lies in the future.
    pub head_age_secs: u64,
}

impl HealthReport {
    /// What keeps the node from being ready, one sentence each.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        let checks = [
            ("l1", &self.l1),
            ("da", &self.da),
            ("derivation", &self.derivation),
            ("store", &self.store),
        ];
        let failing = checks.into_iter().filter_map(|(name, check)| match check {
            Check::Working => None,
            Check::Unknown => Some(format!("{name}: nothing known yet")),
            Check::Failing(cause) => Some(format!("{name}: {cause}")),
        });
        let halted = self.halted.iter().map(|cause| format!("halted: {cause}"));
        failing.chain(halted).collect()
    }
}

/// Shared facts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Health {
    chain: Chain,
    quarantine: Quarantine,
    sequencing: Sequencing,
    facts: Arc<RwLock<Facts>>,
}

#[derive(Debug, Default)]
struct Facts {
    l1: Check,
    da: Check,
    derivation: Check,
    store: Check,
    halted: Option<String>,
}

impl Health {
    /// Nothing known yet, except that the store has opened.
    #[must_use]
    pub fn new(chain: Chain) -> Self {
        let facts = Facts {
            store: Check::Working,
            ..Facts::default()
        };
        Self {
            chain,
            quarantine: Quarantine::default(),
            sequencing: Sequencing::default(),
            facts: Arc::new(RwLock::new(facts)),
        }
    }

    /// Shows this list.
    #[must_use]
    pub fn with_quarantine(mut self, quarantine: Quarantine) -> Self {
        self.quarantine = quarantine;
        self
    }

    /// Shows whether this sequencer is stopped.
    #[must_use]
    pub fn with_sequencing(mut self, sequencing: Sequencing) -> Self {
        self.sequencing = sequencing;
        self
    }

    /// Why the node has stopped for good, if it has.
    #[must_use]
    pub fn halted(&self) -> Option<String> {
        self.facts.read().halted.clone()
    }

    /// Records what talking to L1 showed.
    pub fn set_l1(&self, check: Check) {
        self.facts.write().l1 = check;
    }

    /// Records what talking to the DA layer showed.
    pub fn set_da(&self, check: Check) {
        self.facts.write().da = check;
    }

    /// Records whether derivation gets on.
    pub fn set_derivation(&self, check: Check) {
        self.facts.write().derivation = check;
    }

    /// Records what the store did.
    pub fn set_store(&self, check: Check) {
        self.facts.write().store = check;
    }

    /// Records that the node has stopped for good. The first cause stays; true if this is it.
    pub fn halt(&self, cause: String) -> bool {
        metrics::gauge!("node_halted").set(1.0);
        let mut facts = self.facts.write();
        let is_first = facts.halted.is_none();
        facts.halted.get_or_insert(cause);
        is_first
    }

    /// The facts now; `unix_now_secs` is the wall clock.
    #[must_use]
    pub fn report(&self, unix_now_secs: u64) -> HealthReport {
        let heads = self.chain.heads();
        let facts = self.facts.read();
        let mut report = HealthReport {
            ready: false,
            l1: facts.l1.clone(),
            da: facts.da.clone(),
            derivation: facts.derivation.clone(),
            store: facts.store.clone(),
            halted: facts.halted.clone(),
            sequencer_stopped: !self.sequencing.is_active(),
            quarantined: self.quarantine.hashes(),
            unsafe_head: heads.unsafe_head.number.0,
            safe_head: heads.safe_head.number.0,
            finalized_head: heads.finalized_head.number.0,
            head_age_secs: unix_now_secs.saturating_sub(heads.unsafe_head.timestamp),
        };
        report.ready = report.causes().is_empty();
        report
    }
}
