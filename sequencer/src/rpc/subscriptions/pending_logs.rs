//! `pendingLogs`: logs that match of the block being built, as the sequencer promises their transactions. If the block is taken back
//! before it is sealed they come again with `removed: true`, last one first; of a block that was sealed, `logs` tells that.

use super::{Subscriber, Task};
use crate::{
    preconfirmation::{Delta, DeltaKind},
    rpc::{Rpc, args::Args, convert::LogPlace, error::RpcError, eth::logs},
};
use alloy::{
    primitives::B256,
    rpc::types::{Filter, Log},
};

pub(super) fn start(rpc: &Rpc, mut args: Args, subscriber: Subscriber) -> Result<Task, RpcError> {
    let filter: Filter = args.optional()?.unwrap_or_default();
    args.end()?;
    logs::check(rpc, &filter)?;
    let (told, mut deltas) = rpc.shared.preconfirmations.listen();
    Ok(Box::pin(async move {
        let mut open = Open::default();
        for delta in told {
            open.take(&delta, &filter, &subscriber)?;
        }
        loop {
            let delta = subscriber.next(&mut deltas).await?;
            open.take(&delta, &filter, &subscriber)?;
        }
    }))
}

/// What was told of the block being built.
#[derive(Default)]
struct Open {
    timestamp: u64,
    told: Vec<Log>,
}

impl Open {
    fn take(&mut self, delta: &Delta, filter: &Filter, to: &Subscriber) -> Result<(), super::HungUp> {
        if let Some(base) = &delta.base {
            self.timestamp = base.timestamp;
        }
        match &delta.kind {
            DeltaKind::Transactions => {
                let from = self.told.len();
                self.collect(delta, filter);
                self.told[from..].iter().try_for_each(|log| to.send(log))
            }
            DeltaKind::Sealed(_) => {
                self.told.clear();
                Ok(())
            }
            DeltaKind::Reverted => self
                .told
                .drain(..)
                .rev()
                .try_for_each(|log| to.send(&Log { removed: true, ..log })),
        }
    }

    fn collect(&mut self, delta: &Delta, filter: &Filter) {
        for told in &delta.transactions {
            let place = LogPlace {
                number: delta.number.0,
                timestamp: self.timestamp,
                // Known once the block is sealed.
                block_hash: B256::ZERO,
                hash: told.transaction.inner().tx_hash(),
                index: told.index as u64,
            };
            let logs = told.receipt.logs().iter().zip(told.logs_before..);
            let matching = logs.filter(|(log, _)| filter.matches(log));
            self.told
                .extend(matching.map(|(log, number)| place.log(log.clone(), number)));
        }
    }
}
