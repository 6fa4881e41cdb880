//! `syncing`: as `eth_syncing` it says once that there is nobody to be behind of, and never anything else.

use super::{Subscriber, Task};
use crate::rpc::{Rpc, args::Args, error::RpcError};

pub(super) fn start(_: &Rpc, args: Args, subscriber: Subscriber) -> Result<Task, RpcError> {
    args.end()?;
    Ok(Box::pin(async move {
        subscriber.send(&false)?;
        core::future::pending().await
    }))
}
