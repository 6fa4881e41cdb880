//! Payloads to the DA layer: several at a time, and around it while it is down.
//!
//! ```text
//!  closed ---- puts fail, or it asks to fail over ----> open (channels go to L1 as calldata)
//!     ^------------- a probe finds it healthy --------------'
//! ```

use crate::journal::{Journal, JournalError, Route};
use alloy::primitives::{B256, Bytes};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    task::{JoinError, JoinSet},
    time::Instant,
};
use tracing::{info, warn};
use tributary_da_client::{DaLayer, PutError, Unavailable};
use tributary_protocol::{batcher_tx::BatcherTx, commitment::Commitment};

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
    Put(B256, Result<Commitment, PutError>),
    Probe(Result<(), Unavailable>),
}

/// Brings payloads to the DA layer.
pub struct Dispersal {
    da: Arc<dyn DaLayer>,
    /// Channels may go to L1 as calldata when the layer fails.
    may_fail_over: bool,
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
    pub fn new(da: Arc<dyn DaLayer>, may_fail_over: bool) -> Self {
        Self {
            da,
            may_fail_over,
            running: JoinSet::new(),
            answers: Vec::new(),
            waiting: HashMap::new(),
            failures: 0,
            next_probe: None,
            problem: None,
        }
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

    /// Takes the answers that are there, decides routes, and sends what is waiting.
    ///
    /// # Errors
    /// See [`JournalError`].
    pub fn advance(&mut self, journal: &mut Journal) -> Result<(), JournalError> {
        let mut answers = core::mem::take(&mut self.answers);
        answers.extend(core::iter::from_fn(|| self.running.try_join_next()));
        for answer in answers {
            match answer {
                Ok(Answer::Put(payload, Ok(commitment))) => self.stored(journal, payload, commitment)?,
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
            self.route_around(journal)?;
            self.probe();
        }
        self.send(journal)
    }

    fn stored(
        &mut self,
        journal: &mut Journal,
        payload: B256,
        commitment: Commitment,
    ) -> Result<(), JournalError> {
        self.failures = 0;
        self.problem = None;
        self.waiting.remove(&payload);
        set_route(
            journal,
            payload,
            Route::Da {
                calldata: BatcherTx::Commitment(commitment).encode(),
            },
        )
    }

    fn failed(&mut self, journal: &mut Journal, payload: B256, error: &PutError) -> Result<(), JournalError> {
        self.failures += 1;
        let failures = self.failures;
        warn!(%error, failures, %payload, "the DA layer did not take a payload");
        metrics::counter!("op_batcher_default_da_put_failures_total").increment(1);
        self.problem = Some(error.to_string());
        let pause = error.retry_after().unwrap_or(RETRY_PAUSE);
        self.waiting.insert(payload, Some(Instant::now() + pause));
        if !self.may_fail_over {
            return Ok(());
        }
        if matches!(error, PutError::Failover { .. }) || failures >= PUTS_BEFORE_FAILOVER {
            warn!("channels go to L1 as calldata until the DA layer is healthy again");
            metrics::counter!("op_batcher_default_failovers_total").increment(1);
            self.next_probe = Some(Instant::now() + PROBE_INTERVAL);
        } else if !error.is_retryable() {
            // The layer is fine and will never take this one.
            self.waiting.remove(&payload);
            set_route(journal, payload, Route::Calldata)?;
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
        journal.change(|channels| {
            for channel in channels {
                if channel.route.is_none() && !on_their_way.contains(&channel.payload) {
                    channel.route = Some(Route::Calldata);
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
        let da = self.da.clone();
        self.running
            .spawn(async move { Answer::Put(hash, da.put(payload).await) });
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
