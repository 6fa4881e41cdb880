//! Nonces before the journal's first one that nobody fills.
//!
//! ```text
//!  on L1: .. 4    lost in a reorg: 5 6    journal: 7 8 9
//! ```
//! What an earlier journal posted, or another process with our key, this journal does not know; and of channels that were given up it
//! only knows that their nonces are taken. If L1 takes that back and no pool offers
//! it again, our transactions wait behind the gap for ever. It is filled with transactions that do nothing; should what was lost come
//! back after all, one of the two is mined, and neither changes what our own nonces are for.

use super::{
    error::L1Error,
    fees::Fees,
    port::{Accepted, Call, L1Port},
    poster::{GAS_BASE, Poster},
};
use alloy::primitives::Bytes;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;
use tracing::warn;

/// How long a nonce may be in no block and no pool before it counts as lost: a pool takes back what a reorg dropped within seconds.
const GAP_PATIENCE: Duration = Duration::from_secs(30);

/// What is known of a gap.
#[derive(Debug)]
pub(super) struct Gap {
    since: Instant,
    /// What was offered into it, by nonce, and when.
    fillers: BTreeMap<u64, (Fees, Instant)>,
}

impl<L: L1Port> Poster<L> {
    /// Fills what is missing between L1's next nonce and `first`, the journal's first.
    pub(super) async fn fill_gap(&mut self, on_chain: u64, first: u64) -> Result<(), L1Error> {
        if on_chain >= first {
            self.gap = None;
            return Ok(());
        }
        let missing = self.l1.nonce(self.address(), true).await?;
        let gap = self.gap.get_or_insert_with(|| Gap {
            since: Instant::now(),
            fillers: BTreeMap::new(),
        });
        gap.fillers = gap.fillers.split_off(&on_chain);
        let is_due = |(nonce, (_, at)): (&u64, &(Fees, Instant))| {
            let is_late = at.elapsed() >= self.settings.replace_after;
            (is_late || *nonce == missing).then_some((*nonce, is_late))
        };
        let mut due: Vec<(u64, bool)> = gap.fillers.iter().filter_map(is_due).collect();
        if missing >= first && due.is_empty() {
            // Somebody has what comes before ours; L1 will mine it.
            gap.since = Instant::now();
            return Ok(());
        }
        if gap.since.elapsed() < GAP_PATIENCE && gap.fillers.is_empty() {
            return Ok(());
        }
        if missing < first && !gap.fillers.contains_key(&missing) {
            due.push((missing, false));
        }
        for (nonce, is_late) in due {
            self.fill(nonce, is_late).await?;
        }
        Ok(())
    }

    async fn fill(&mut self, nonce: u64, is_late: bool) -> Result<(), L1Error> {
        let market = self.l1.market().await?.without_blobs();
        let Some(gap) = &mut self.gap else {
            return Ok(());
        };
        let fees = match gap.fillers.get(&nonce) {
            Some((fees, _)) if is_late => fees.bumped(market),
            Some((fees, _)) => *fees,
            None => market,
        };
        let fees = fees.within(self.settings.limits);
        gap.fillers.insert(nonce, (fees, Instant::now()));
        warn!(
            nonce,
            "nobody has the transaction with this nonce any more; one that does nothing takes its place"
        );
        let nothing = Call::new(self.account.address(), Bytes::new());
        let signed = self.account.sign(&nothing, nonce, GAS_BASE, fees)?;
        // Underpriced or used: somebody has one after all.
        let _: Accepted = self.l1.broadcast(&signed.raw).await?;
        metrics::counter!("op_batcher_default_nonce_gaps_filled_total").increment(1);
        Ok(())
    }
}
