//! Payloads to the DA layer: several at a time, and around it while it is down.
//!
//! ```text
//!  closed ---- puts fail, or it asks to fail over ----> open (channels go to L1 as calldata)
//!     ^------------- a probe finds it healthy --------------'
//! ```

use crate::{
    cargo::{BLOBS_MAX, CALLDATA_SIZE_MAX, split_payload},
    journal::{Journal, JournalError, Route},
    l1::Fees,
};
use alloy::primitives::{B256, Bytes};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    task::{JoinError, JoinSet},
    time::Instant,
};
use tracing::{info, warn};
use tributary_da_client::{DaLayer, PutError, Unavailable};
use tributary_protocol::{batcher_tx::BatcherTx, blob::BLOB_CONTENT_SIZE_MAX, commitment::Commitment};

/// Payloads on their way at once.
const PUTS_MAX: usize = 4;

/// Failed puts in a row, of whatever payload, after which channels go around the layer: a DA layer that is down never stops posting.
const PUTS_BEFORE_FAILOVER: u32 = 5;

/// Pause between two looks at a layer that is down.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// Pause before a payload is offered again, unless the layer names another.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What came back of one put or probe.
enum Answer {
    Put(B256, Result<Vec<Commitment>, PutError>),
    Probe(Result<(), Unavailable>),
}

/// Where on L1 channels go that do not go to the DA layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum L1Destination {
    /// Calldata: every follower can read it.
    #[default]
    Calldata,
    /// Blobs: followers need a beacon node.
    Blobs,
    /// Whichever is cheaper at the time.
    Cheaper,
}

/// Where channels go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DaChoice {
    /// The DA layer; while it is down around it, or nowhere.
    Layer {
        /// Where channels go while the layer is down.
        failover: Option<L1Destination>,
    },
    /// L1 always.
    L1(L1Destination),
}

/// Brings payloads to the DA layer.
pub struct Dispersal {
    da: Arc<dyn DaLayer>,
    /// Longest payload to put; longer ones are put in several.
    payload_size_max: usize,
    choice: DaChoice,
    /// What L1 asked for when it was last needed.
    prices: Option<Fees>,
    running: JoinSet<Answer>,
    /// Answers that came while nobody looked.
    answers: Vec<Result<Answer, JoinError>>,
    /// Payloads on their way, and those that wait, until when.
    waiting: HashMap<B256, Option<Instant>>,
    failures: u32,
    /// Since the breaker opened: when to probe next.
    next_probe: Option<Instant>,
    problem: Option<String>,
}

impl core::fmt::Debug for Dispersal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Dispersal")
            .field("failures", &self.failures)
            .field("is_open", &self.is_open())
            .finish_non_exhaustive()
    }
}

impl Dispersal {
    /// Nothing on its way yet.
    #[must_use]
    pub fn new(da: Arc<dyn DaLayer>, choice: DaChoice) -> Self {
        Self {
            payload_size_max: da.capabilities().payload_size_max,
            da,
            choice,
            prices: None,
            running: JoinSet::new(),
            answers: Vec::new(),
            waiting: HashMap::new(),
            failures: 0,
            next_probe: None,
            problem: None,
        }
    }

    /// Puts payloads longer than `bytes`, or than the layer takes, in several: frames cut anew, in their order.
    #[must_use]
    pub fn with_payload_size_max(mut self, bytes: usize) -> Self {
        self.payload_size_max = self.payload_size_max.min(bytes);
        self
    }

    /// Why payloads do not get through, if they do not.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// True while channels go around the layer.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.next_probe.is_some()
    }

    /// True if the next [`Self::advance`] decides by price.
    #[must_use]
    pub fn needs_prices(&self) -> bool {
        self.l1_destination() == Some(L1Destination::Cheaper)
            && (self.is_open() || matches!(self.choice, DaChoice::L1(_)))
    }

    /// Tells what L1 asks for now.
    pub fn set_prices(&mut self, prices: Fees) {
        self.prices = Some(prices);
    }

    /// Where on L1 channels may go; `None` if only the layer will do.
    const fn l1_destination(&self) -> Option<L1Destination> {
        match self.choice {
            DaChoice::Layer { failover } => failover,
            DaChoice::L1(destination) => Some(destination),
        }
    }

    /// Takes the answers that are there, decides routes, and sends what is waiting.
    ///
    /// # Errors
    /// See [`JournalError`].
    pub fn advance(&mut self, journal: &mut Journal) -> Result<(), JournalError> {
        let mut answers = core::mem::take(&mut self.answers);
        answers.extend(core::iter::from_fn(|| self.running.try_join_next()));
        for answer in answers {
            match answer {
                Ok(Answer::Put(payload, Ok(commitments))) => self.stored(journal, payload, commitments)?,
                Ok(Answer::Put(payload, Err(error))) => self.failed(journal, payload, &error)?,
                Ok(Answer::Probe(result)) => self.probed(result),
                // A put that panicked is a put that failed; the payload is offered again.
                Err(error) => {
                    warn!(%error, "a put ended early");
                    self.waiting.retain(|_, until| until.is_some());
                }
            }
        }
        if self.is_open() {
            self.probe();
        }
        if self.is_open() || matches!(self.choice, DaChoice::L1(_)) {
            self.route_around(journal)?;
        }
        self.send(journal)
    }

    fn stored(
        &mut self,
        journal: &mut Journal,
        payload: B256,
        commitments: Vec<Commitment>,
    ) -> Result<(), JournalError> {
        self.failures = 0;
        self.problem = None;
        self.waiting.remove(&payload);
        let calldata = commitments
            .into_iter()
            .map(|commitment| BatcherTx::Commitment(commitment).encode());
        let mut calldata: Vec<Bytes> = calldata.collect();
        let route = match calldata.pop() {
            Some(only) if calldata.is_empty() => Route::Da { calldata: only },
            last => {
                calldata.extend(last);
                Route::DaParts { calldata }
            }
        };
        set_route(journal, payload, route)
    }

    fn failed(&mut self, journal: &mut Journal, payload: B256, error: &PutError) -> Result<(), JournalError> {
        self.failures += 1;
        let failures = self.failures;
        warn!(%error, failures, %payload, "the DA layer did not take a payload");
        metrics::counter!("op_batcher_default_da_put_failures_total").increment(1);
        self.problem = Some(error.to_string());
        let pause = error.retry_after().unwrap_or(RETRY_PAUSE);
        self.waiting.insert(payload, Some(Instant::now() + pause));
        let Some(destination) = self.l1_destination() else {
            return Ok(());
        };
        if matches!(error, PutError::Failover { .. }) || failures >= PUTS_BEFORE_FAILOVER {
            warn!("channels go to L1 until the DA layer is healthy again");
            metrics::counter!("op_batcher_default_failovers_total").increment(1);
            self.next_probe = Some(Instant::now() + PROBE_INTERVAL);
        } else if !error.is_retryable() {
            // The layer is fine and will never take this one.
            self.waiting.remove(&payload);
            let size = journal
                .channels()
                .iter()
                .find(|channel| channel.payload == payload);
            let size = size.map_or(0, |channel| channel.payload_size);
            set_route(journal, payload, route(destination, size, self.prices))?;
        }
        Ok(())
    }

    /// While the layer is down, channels that are not with it already go to L1.
    fn route_around(&mut self, journal: &mut Journal) -> Result<(), JournalError> {
        let on_their_way: Vec<B256> = self
            .waiting
            .iter()
            .filter(|(_, until)| until.is_none())
            .map(|(payload, _)| *payload)
            .collect();
        self.waiting.retain(|_, until| until.is_none());
        let Some(destination) = self.l1_destination() else {
            return Ok(());
        };
        let prices = self.prices;
        journal.change(|channels| {
            for channel in channels {
                if channel.route.is_none() && !on_their_way.contains(&channel.payload) {
                    channel.route = Some(route(destination, channel.payload_size, prices));
                }
            }
        })
    }

    fn probe(&mut self) {
        if self.next_probe.is_some_and(|at| at <= Instant::now()) {
            self.next_probe = Some(Instant::now() + PROBE_INTERVAL);
            let da = self.da.clone();
            self.running
                .spawn(async move { Answer::Probe(da.health().await) });
        }
    }

    fn probed(&mut self, result: Result<(), Unavailable>) {
        match result {
            Ok(()) => {
                info!("the DA layer is healthy again");
                self.failures = 0;
                self.problem = None;
                self.next_probe = None;
            }
            Err(error) => self.problem = Some(error.to_string()),
        }
    }

    fn send(&mut self, journal: &Journal) -> Result<(), JournalError> {
        let now = Instant::now();
        self.waiting
            .retain(|_, until| until.is_none_or(|until| until > now));
        for channel in journal
            .channels()
            .iter()
            .filter(|channel| channel.route.is_none())
        {
            if self.running.len() >= PUTS_MAX {
                break;
            }
            if self.waiting.contains_key(&channel.payload) {
                continue;
            }
            let payload = journal.payload(channel.payload)?;
            self.waiting.insert(channel.payload, None);
            self.put(channel.payload, payload);
        }
        Ok(())
    }

    fn put(&mut self, hash: B256, payload: Bytes) {
        let (da, size_max) = (self.da.clone(), self.payload_size_max);
        self.running
            .spawn(async move { Answer::Put(hash, put_all(&*da, payload, size_max).await) });
    }

    /// Waits until the layer answers something, or for `patience`. What it answered is taken by the next [`Self::advance`].
    pub async fn wait(&mut self, patience: Duration) {
        let answer = async {
            match self.running.join_next().await {
                Some(answer) => answer,
                None => core::future::pending().await,
            }
        };
        if let Ok(answer) = tokio::time::timeout(patience, answer).await {
            self.answers.push(answer);
        }
    }
}

/// Puts a payload, in parts if it is too long for the layer. After a failure all of them are put again, which a layer that has them
/// answers with the same commitments.
async fn put_all(da: &dyn DaLayer, payload: Bytes, size_max: usize) -> Result<Vec<Commitment>, PutError> {
    if payload.len() <= size_max {
        return Ok(Vec::from([da.put(payload).await?]));
    }
    let parts = split_payload(&payload, size_max).map_err(|error| {
        warn!(%error, "a payload does not split");
        PutError::TooLarge {
            size: payload.len(),
            max: size_max,
        }
    })?;
    let mut commitments = Vec::with_capacity(parts.len());
    for part in parts {
        commitments.push(da.put(part).await?);
    }
    Ok(commitments)
}

/// The route of a payload of `size` bytes that goes to L1.
fn route(destination: L1Destination, size: u32, prices: Option<Fees>) -> Route {
    match destination {
        L1Destination::Calldata => Route::Calldata,
        L1Destination::Blobs => Route::Blobs,
        L1Destination::Cheaper if prices.is_some_and(|prices| blobs_are_cheaper(size, prices)) => {
            Route::Blobs
        }
        L1Destination::Cheaper => Route::Calldata,
    }
}

/// Compares what `size` bytes cost at these prices: compressed data has next to no zeros, so each byte of calldata is four tokens.
fn blobs_are_cheaper(size: u32, prices: Fees) -> bool {
    const GAS_BASE: u128 = 21_000;
    const GAS_PER_CALLDATA_BYTE: u128 = 40;
    const GAS_PER_BLOB: u128 = 131_072;
    let Some(per_blob_gas) = prices.max_fee_per_blob_gas else {
        return false;
    };
    let size = u128::from(size);
    let (per_gas, content) = (prices.max_fee_per_gas, BLOB_CONTENT_SIZE_MAX as u128);
    let blobs = size.div_ceil(content);
    let transactions = blobs.div_ceil(BLOBS_MAX as u128);
    let as_blobs = transactions * GAS_BASE * per_gas + blobs * GAS_PER_BLOB * per_blob_gas;
    let transactions = size.div_ceil(CALLDATA_SIZE_MAX as u128);
    as_blobs < (transactions * GAS_BASE + size * GAS_PER_CALLDATA_BYTE) * per_gas
}

fn set_route(journal: &mut Journal, payload: B256, route: Route) -> Result<(), JournalError> {
    journal.change(|channels| {
        let channel = channels
            .iter_mut()
            .find(|channel| channel.payload == payload && channel.route.is_none());
        if let Some(channel) = channel {
            channel.route = Some(route);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_are_chosen_when_they_cost_less() {
        let prices = |gas, blob| Fees {
            max_fee_per_gas: gas,
            max_priority_fee_per_gas: 0,
            max_fee_per_blob_gas: blob,
        };
        let cheaper = |size, prices| route(L1Destination::Cheaper, size, Some(prices)) == Route::Blobs;
        assert!(cheaper(100_000, prices(1_000_000_000, Some(1))));
        assert!(!cheaper(100, prices(1_000_000_000, Some(1_000_000_000))));
        assert!(!cheaper(100_000, prices(1_000_000_000, None)));
        // 40 gas a byte against 131,072 blob gas: a full blob breaks even at about 40 times the price.
        assert!(cheaper(130_000, prices(100, Some(3_900))));
        assert!(!cheaper(130_000, prices(100, Some(4_100))));
    }
}
