//! `logs`: logs that match, block by block. When a reorg takes a block off, its logs come again with `removed: true`, last block first.

use super::{Subscriber, Task};
use crate::rpc::{Rpc, args::Args, error::RpcError, eth::logs, feed::ChainEvent};
use alloy::rpc::types::Filter;

pub(super) fn start(rpc: &Rpc, mut args: Args, subscriber: Subscriber) -> Result<Task, RpcError> {
    let filter: Filter = args.optional()?.unwrap_or_default();
    args.end()?;
    logs::check(rpc, &filter)?;
    let mut events = rpc.shared.feed.listen(rpc.chain());
    Ok(Box::pin(async move {
        loop {
            let (block, removed) = match subscriber.next(&mut events).await? {
                ChainEvent::Added(block) => (block, false),
                ChainEvent::Removed(block) => (block, true),
            };
            let mut found = Vec::new();
            logs::collect(&block, &filter, &mut found);
            for mut log in found {
                log.removed = removed;
                subscriber.send(&log)?;
            }
        }
    }))
}
