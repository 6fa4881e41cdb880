//! `newPendingTransactions`: hashes of the transactions this node takes, or whole transactions for `true`. A follower takes none.

use super::{Subscriber, Task};
use crate::rpc::{Rpc, args::Args, error::RpcError, eth::transactions};

pub(super) fn start(rpc: &Rpc, mut args: Args, subscriber: Subscriber) -> Result<Task, RpcError> {
    let full = args.optional()?.unwrap_or(false);
    args.end()?;
    let Some(pool) = rpc.pool() else {
        return Ok(Box::pin(core::future::pending()));
    };
    let (pool, mut accepted, rpc) = (pool.clone(), pool.subscribe_accepted(), rpc.clone());
    Ok(Box::pin(async move {
        loop {
            let hash = subscriber.next(&mut accepted).await?;
            // Nobody hears of what a crash could still take back; a journal that failed halts the node.
            if pool.durable().await.is_err() {
                continue;
            }
            if !full {
                subscriber.send(&hash)?;
                continue;
            }
            // What was replaced or dropped since is of no interest any more; a failed read is logged where it fails.
            if let Ok(Some(transaction)) = transactions::known(&rpc, hash) {
                subscriber.send(&transaction)?;
            }
        }
    }))
}
