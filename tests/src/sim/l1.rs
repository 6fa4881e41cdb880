//! L1 as one node sees it: the simulated chain behind a server that fails, lags, forgets, or follows another fork.

use super::kinds::FaultKind;
use alloy::transports::{TransportError, TransportErrorKind};
use alloy_primitives::B256;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tributary_derivation::{
    driver::{BoxFuture, L1Error, L1Source, L1Tag, memory::MemoryL1},
    l1_block::L1Block,
};
use tributary_protocol::block::{L1BlockNumber, L1BlockRef};

/// What happens to one request.
#[derive(Clone, Debug)]
pub enum L1Fault {
    /// No usable answer, in one of many ways.
    Error(FaultKind),
    /// "Not there", whatever was asked.
    Null,
    /// The answer of so many blocks ago.
    Stale(u64),
    /// The answer of another fork, given by the hashes of its blocks by height.
    OtherFork(Arc<Vec<B256>>),
}

impl L1Fault {
    /// What it counts as.
    #[must_use]
    pub const fn kind(&self) -> FaultKind {
        match self {
            Self::Error(kind) => *kind,
            Self::Null => FaultKind::L1Null,
            Self::Stale(_) => FaultKind::L1Stale,
            Self::OtherFork(_) => FaultKind::L1OtherFork,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// One for each of the next requests.
    faults: VecDeque<L1Fault>,
    hits: BTreeMap<FaultKind, u64>,
}

/// A node's connection to L1; clones share it.
#[derive(Clone, Debug)]
pub struct NodeL1 {
    chain: MemoryL1,
    state: Arc<Mutex<State>>,
}

impl NodeL1 {
    /// A connection without faults.
    #[must_use]
    pub fn new(chain: MemoryL1) -> Self {
        Self {
            chain,
            state: Arc::default(),
        }
    }

    /// The next `count` requests meet `fault`.
    pub fn fail(&self, fault: &L1Fault, count: usize) {
        let faults = std::iter::repeat_n(fault.clone(), count);
        self.lock().faults.extend(faults);
    }

    /// No more faults.
    pub fn heal(&self) {
        self.lock().faults.clear();
    }

    /// How many requests met which fault since this was last asked.
    #[must_use]
    pub fn take_hits(&self) -> BTreeMap<FaultKind, u64> {
        core::mem::take(&mut self.lock().hits)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change below is complete or not made.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault of this request, if it has one; an error if it is one.
    fn meet(&self, request: &'static str) -> Result<Option<L1Fault>, L1Error> {
        let mut state = self.lock();
        let Some(fault) = state.faults.pop_front() else {
            return Ok(None);
        };
        *state.hits.entry(fault.kind()).or_default() += 1;
        match fault {
            L1Fault::Error(kind) => Err(error(kind, request)),
            other => Ok(Some(other)),
        }
    }

    fn head_behind(&self, blocks: u64) -> u64 {
        self.chain.head_block().number().0.saturating_sub(blocks)
    }

    async fn by_number(
        &self,
        number: L1BlockNumber,
        fault: Option<L1Fault>,
    ) -> Result<Option<L1Block>, L1Error> {
        match fault {
            Some(L1Fault::Null) => Ok(None),
            Some(L1Fault::Stale(blocks)) if number.0 > self.head_behind(blocks) => Ok(None),
            Some(L1Fault::OtherFork(fork)) => {
                let hash = usize::try_from(number.0).ok().and_then(|number| fork.get(number));
                match hash {
                    Some(hash) => self.chain.block_by_hash(*hash).await,
                    None => Ok(None),
                }
            }
            _ => Ok(self.chain.block(number)),
        }
    }
}

/// What the driver is told when a request fails in this way.
fn error(kind: FaultKind, request: &'static str) -> L1Error {
    let transport = |source: TransportError| L1Error::Transport { request, source };
    match kind {
        FaultKind::L1Timeout => L1Error::Timeout {
            request,
            after: Duration::from_secs(30),
        },
        FaultKind::L1RateLimited => transport(TransportErrorKind::http_error(
            429,
            "too many requests".to_owned(),
        )),
        FaultKind::L1Html => transport(TransportErrorKind::http_error(200, "<html></html>".to_owned())),
        FaultKind::L1Pruned => transport(TransportErrorKind::custom_str("missing trie node")),
        FaultKind::L1WrongNumber => L1Error::WrongNumber {
            expected: L1BlockNumber(1),
            found: L1BlockNumber(2),
        },
        FaultKind::L1NoReceipts => L1Error::NoReceipts { block: B256::ZERO },
        _ => L1Error::Down,
    }
}

impl L1Source for NodeL1 {
    fn chain_id(&self) -> BoxFuture<'_, Result<u64, L1Error>> {
        Box::pin(async {
            self.meet("eth_chainId")?;
            self.chain.chain_id().await
        })
    }

    fn head(&self, tag: L1Tag) -> BoxFuture<'_, Result<Option<L1BlockRef>, L1Error>> {
        Box::pin(async move {
            match self.meet("eth_getBlockByNumber")? {
                Some(L1Fault::Null) => Ok(None),
                Some(fault @ L1Fault::Stale(blocks)) if tag == L1Tag::Latest => {
                    let number = L1BlockNumber(self.head_behind(blocks));
                    let block = self.by_number(number, Some(fault)).await?;
                    Ok(block.map(|block| block.reference()))
                }
                Some(L1Fault::OtherFork(fork)) if tag == L1Tag::Latest => {
                    let Some(hash) = fork.last() else {
                        return Ok(None);
                    };
                    let block = self.chain.block_by_hash(*hash).await?;
                    Ok(block.map(|block| block.reference()))
                }
                _ => self.chain.head(tag).await,
            }
        })
    }

    fn block_ref(&self, number: L1BlockNumber) -> BoxFuture<'_, Result<Option<L1BlockRef>, L1Error>> {
        Box::pin(async move {
            let fault = self.meet("eth_getBlockByNumber")?;
            let block = self.by_number(number, fault).await?;
            Ok(block.map(|block| block.reference()))
        })
    }

    fn block_by_number(&self, number: L1BlockNumber) -> BoxFuture<'_, Result<Option<L1Block>, L1Error>> {
        Box::pin(async move {
            let fault = self.meet("eth_getBlockByNumber")?;
            self.by_number(number, fault).await
        })
    }

    fn block_by_hash(&self, hash: B256) -> BoxFuture<'_, Result<Option<L1Block>, L1Error>> {
        Box::pin(async move {
            match self.meet("eth_getBlockByHash")? {
                Some(L1Fault::Null) => Ok(None),
                _ => self.chain.block_by_hash(hash).await,
            }
        })
    }
}
