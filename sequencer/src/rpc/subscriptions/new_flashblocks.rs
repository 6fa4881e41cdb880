//! `newFlashblocks`: what the sequencer promises while it builds, as it does. Begins with what the open block has so far, so that the
//! deltas of every block that is told add up to it. A follower, which builds nothing, tells of blocks as it takes them.

use super::{Subscriber, Task};
use crate::rpc::{Rpc, args::Args, error::RpcError};

pub(super) fn start(rpc: &Rpc, args: Args, subscriber: Subscriber) -> Result<Task, RpcError> {
    args.end()?;
    let feed = &rpc.shared.preconfirmations;
    let signer = feed.signing().map(crate::preconfirmation::Signing::address);
    let (told, mut deltas) = feed.listen();
    Ok(Box::pin(async move {
        for delta in told {
            subscriber.send(&delta.json(signer))?;
        }
        loop {
            let delta = subscriber.next(&mut deltas).await?;
            subscriber.send(&delta.json(signer))?;
        }
    }))
}
