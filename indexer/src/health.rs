//! What `/readyz` answers from: what the last attempt to reach each neighbour showed.

use parking_lot::RwLock;
use serde::Serialize;
use std::sync::Arc;

/// How far the indexer may stand behind the node before it is not ready, in L2 blocks: a minute of one-second blocks.
const L2_LAG_BLOCKS_MAX: u64 = 60;
/// The same for L1, in L1 blocks: a minute of a public chain, ten seconds of a local one.
const L1_LAG_BLOCKS_MAX: u64 = 5;

/// Whether something works.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "cause", rename_all = "snake_case")]
pub(crate) enum Check {
    /// Not tried yet.
    #[default]
    Unknown,
    /// The last attempt worked.
    Working,
    /// The last attempt failed, and why.
    Failing(String),
}

impl Check {
    pub(crate) fn of<T, E: core::fmt::Display>(result: &Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Working,
            Err(cause) => Self::Failing(cause.to_string()),
        }
    }

    fn cause(&self, name: &str) -> Option<String> {
        match self {
            Self::Working => None,
            Self::Unknown => Some(format!("{name}: not reached yet")),
            Self::Failing(cause) => Some(format!("{name}: {cause}")),
        }
    }
}

/// How far one chain has been read, in block numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Progress {
    /// Highest block in the database.
    pub(crate) indexed: u64,
    /// Highest block the endpoint has.
    pub(crate) head: u64,
}

impl Progress {
    pub(crate) const fn lag_blocks(self) -> u64 {
        self.head.saturating_sub(self.indexed)
    }
}

/// The facts of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) node: Check,
    pub(crate) l1: Check,
    /// Unknown until a posted batch with a commitment has been seen, which is nothing wrong.
    pub(crate) da: Check,
    pub(crate) database: Check,
    pub(crate) l2_progress: Progress,
    pub(crate) l1_progress: Progress,
}

impl Facts {
    /// What keeps the indexer from being ready, one sentence each.
    pub(crate) fn causes(&self) -> Vec<String> {
        let da = (self.da != Check::Unknown).then(|| self.da.cause("da")).flatten();
        let checks = [
            self.node.cause("node"),
            self.l1.cause("l1"),
            da,
            self.database.cause("database"),
        ];
        let lags = [
            ("l2", self.l2_progress, L2_LAG_BLOCKS_MAX),
            ("l1", self.l1_progress, L1_LAG_BLOCKS_MAX),
        ];
        let lags = lags
            .into_iter()
            .filter(|(_, progress, max)| progress.lag_blocks() > *max);
        let lags = lags.map(|(side, progress, max)| {
            let Progress { indexed, head } = progress;
            format!("lag: {side} is indexed to block {indexed} of {head}, at most {max} behind is ready")
        });
        checks.into_iter().flatten().chain(lags).collect()
    }
}

/// Shared facts. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health(Arc<RwLock<Facts>>);

impl Health {
    pub(crate) fn update(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.0.write());
    }

    pub(crate) fn facts(&self) -> Facts {
        self.0.read().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_fails_is_named() {
        let facts = Facts {
            node: Check::Failing("connection refused".to_owned()),
            l1: Check::Working,
            da: Check::Unknown,
            database: Check::Working,
            l2_progress: Progress {
                indexed: 1,
                head: 1 + L2_LAG_BLOCKS_MAX + 1,
            },
            l1_progress: Progress {
                indexed: 1,
                head: 1 + L1_LAG_BLOCKS_MAX,
            },
        };
        let causes = facts.causes();
        assert_eq!(causes.len(), 2, "{causes:?}");
        assert_eq!(causes[0], "node: connection refused");
        assert!(
            causes[1].starts_with("lag: l2 is indexed to block 1 of 62"),
            "{causes:?}"
        );
    }

    #[test]
    fn nothing_asked_yet_is_not_ready() {
        assert_eq!(Facts::default().causes().len(), 3);
    }
}
