//! `newHeads`: the header of every block that becomes the head. After a reorg the new blocks come, lowest first, as from geth.

use super::{Subscriber, Task};
use crate::rpc::{Rpc, args::Args, convert, error::RpcError, feed::ChainEvent};

pub(super) fn start(rpc: &Rpc, args: Args, subscriber: Subscriber) -> Result<Task, RpcError> {
    args.end()?;
    let mut events = rpc.shared.feed.listen(rpc.chain());
    Ok(Box::pin(async move {
        loop {
            if let ChainEvent::Added(block) = subscriber.next(&mut events).await? {
                subscriber.send(&convert::header(&block))?;
            }
        }
    }))
}
