//! The filter family: a client names what it waits for and asks again and again what is new. What it asked last is remembered here,
//! in bounds.

use super::{Rpc, args::Args, error::RpcError, eth::logs};
use alloy::{
    primitives::{B256, U128},
    rpc::types::{Filter, FilterBlockOption, Log},
};
use parking_lot::Mutex;
use serde::Serialize;
use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::broadcast;
use tributary_protocol::block::L2BlockNumber;

/// A filter nobody asked about for this long is forgotten; as geth.
const IDLE_MAX: Duration = Duration::from_secs(5 * 60);

/// Block hashes told at once: half an hour of blocks, six times what a filter lives unasked.
const BLOCKS_TOLD_MAX: u64 = 1_800;

/// Filters that clients have made.
#[derive(Debug)]
pub(super) struct Filters {
    max: usize,
    installed: Mutex<HashMap<U128, Installed>>,
}

#[derive(Clone, Debug)]
struct Installed {
    kind: Kind,
    /// First block not told yet.
    next: u64,
    asked: Instant,
}

#[derive(Clone, Debug)]
enum Kind {
    Blocks,
    Logs(Box<Filter>),
    /// What the pool has taken since; nothing on a follower, which takes none.
    Transactions(Option<Arc<Mutex<broadcast::Receiver<B256>>>>),
}

/// What `eth_getFilterChanges` answers.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Changes {
    Hashes(Vec<B256>),
    Logs(Vec<Log>),
}

impl Filters {
    /// None yet, at most `max`.
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            installed: Mutex::default(),
        }
    }

    fn install(&self, kind: Kind, next: u64) -> Result<U128, RpcError> {
        let asked = Instant::now();
        let mut installed = self.installed.lock();
        installed.retain(|_, filter| filter.asked.elapsed() < IDLE_MAX);
        if installed.len() >= self.max {
            return Err(RpcError::limit("rpc-filters-max", self.max));
        }
        let id = unguessable_id();
        installed.insert(id, Installed { kind, next, asked });
        Ok(id)
    }

    /// The filter, noted as used.
    fn get(&self, id: U128) -> Result<Installed, RpcError> {
        let mut installed = self.installed.lock();
        let filter = installed
            .get_mut(&id)
            .ok_or_else(|| RpcError::server("filter not found"))?;
        filter.asked = Instant::now();
        Ok(filter.clone())
    }

    fn told_until(&self, id: U128, next: u64) {
        if let Some(filter) = self.installed.lock().get_mut(&id) {
            filter.next = next;
        }
    }
}

/// Two hashes under keys the system drew: nobody reads another's filter by counting.
pub(super) fn unguessable_id() -> U128 {
    let half = || u128::from(RandomState::new().build_hasher().finish());
    U128::from(half() << 64 | half())
}

fn head(rpc: &Rpc) -> u64 {
    rpc.chain().heads().unsafe_head.number.0
}

pub(super) fn new_log_filter(rpc: &Rpc, mut args: Args) -> Result<U128, RpcError> {
    let filter: Filter = args.required()?;
    args.end()?;
    logs::check(rpc, &filter)?;
    if matches!(filter.block_option, FilterBlockOption::AtBlockHash(_)) {
        return Err(RpcError::params(
            "a filter that waits cannot be for one block hash: use eth_getLogs",
        ));
    }
    rpc.shared
        .filters
        .install(Kind::Logs(Box::new(filter)), head(rpc) + 1)
}

pub(super) fn new_block_filter(rpc: &Rpc, args: Args) -> Result<U128, RpcError> {
    args.end()?;
    rpc.shared.filters.install(Kind::Blocks, head(rpc) + 1)
}

pub(super) fn new_pending_transaction_filter(rpc: &Rpc, args: Args) -> Result<U128, RpcError> {
    args.end()?;
    let accepted = rpc
        .pool()
        .map(|pool| Arc::new(Mutex::new(pool.subscribe_accepted())));
    rpc.shared
        .filters
        .install(Kind::Transactions(accepted), head(rpc) + 1)
}

/// Everything heard by now; what was lost because it was not asked for in time is lost.
fn heard(accepted: &Mutex<broadcast::Receiver<B256>>) -> Vec<B256> {
    let mut accepted = accepted.lock();
    let mut hashes = Vec::new();
    loop {
        match accepted.try_recv() {
            Ok(hash) => hashes.push(hash),
            Err(broadcast::error::TryRecvError::Lagged(_)) => {}
            Err(_) => return hashes,
        }
    }
}

/// What is new since the last time.
pub(super) fn changes(rpc: &Rpc, mut args: Args) -> Result<Changes, RpcError> {
    let id = args.required()?;
    args.end()?;
    let filters = &rpc.shared.filters;
    let filter = filters.get(id)?;
    let head = head(rpc);
    let from = filter.next.max((head + 1).saturating_sub(BLOCKS_TOLD_MAX));
    let changes = match filter.kind {
        Kind::Blocks => {
            let hashes = (from..=head).map(|number| rpc.chain().block_ref(L2BlockNumber(number)));
            let hashes = hashes.filter_map(Result::transpose).map(|block| Ok(block?.hash));
            Changes::Hashes(hashes.collect::<Result<_, RpcError>>()?)
        }
        Kind::Transactions(accepted) => Changes::Hashes(accepted.as_deref().map(heard).unwrap_or_default()),
        Kind::Logs(_) if from > head => Changes::Logs(Vec::new()),
        Kind::Logs(filter) => {
            let (first, last) = filter.extract_block_range();
            let (from, to) = (
                from.max(first.unwrap_or_default()),
                head.min(last.unwrap_or(u64::MAX)),
            );
            Changes::Logs(if from > to {
                Vec::new()
            } else {
                logs::in_range(rpc, &filter, from, to)?
            })
        }
    };
    filters.told_until(id, head + 1);
    Ok(changes)
}

/// Everything a log filter matches, whenever it was asked last.
pub(super) fn logs(rpc: &Rpc, mut args: Args) -> Result<Vec<Log>, RpcError> {
    let id = args.required()?;
    args.end()?;
    match rpc.shared.filters.get(id)?.kind {
        Kind::Logs(filter) => logs::matching(rpc, &filter),
        Kind::Blocks | Kind::Transactions(_) => Err(RpcError::server("filter not found")),
    }
}

pub(super) fn uninstall(rpc: &Rpc, mut args: Args) -> Result<bool, RpcError> {
    let id: U128 = args.required()?;
    args.end()?;
    Ok(rpc.shared.filters.installed.lock().remove(&id).is_some())
}
