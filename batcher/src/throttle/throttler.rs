//! Tells the sequencer its limits: one call at a time, beside the turn, until it has taken them.

use super::{BlockLimiter, DaSizes, LimitError, Throttle, ThrottlePolicy};
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinHandle, time::Instant};
use tracing::{debug, info, warn};

/// Pause after which limits that hold are told again.
const REPEAT_PAUSE: Duration = Duration::from_secs(5);

/// Pause after a call that failed.
const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// How long a call may take; the next one says what is right by then.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Keeps the sequencer's limits as they should be.
pub(crate) struct Throttler {
    throttle: Throttle,
    limiter: Arc<dyn BlockLimiter>,
    /// What the sequencer took last; nothing is known of it before, so that "no limit" is told at the start too.
    taken: Option<DaSizes>,
    /// When to speak next if nothing changes.
    next_call: Option<Instant>,
    running: Option<(DaSizes, JoinHandle<Result<(), LimitError>>)>,
    problem: Option<String>,
}

impl core::fmt::Debug for Throttler {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Throttler")
            .field("throttle", &self.throttle)
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

impl Throttler {
    pub(crate) const fn new(policy: ThrottlePolicy, limiter: Arc<dyn BlockLimiter>) -> Self {
        Self {
            throttle: Throttle::new(policy),
            limiter,
            taken: None,
            next_call: None,
            running: None,
            problem: None,
        }
    }

    /// What should hold now.
    pub(crate) fn sizes(&self) -> DaSizes {
        self.throttle.sizes()
    }

    /// Why the sequencer does not know it, if so.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Takes the backlog and what the last call came to, and makes the next one if there is something to say. Does not wait.
    pub(crate) async fn advance(&mut self, backlog_bytes: u64) {
        let before = self.throttle.sizes();
        let wanted = self.throttle.update(backlog_bytes);
        if before != wanted {
            tell(before, wanted, backlog_bytes);
        }
        self.take_answer().await;
        let is_due = self.next_call.is_some_and(|at| at <= Instant::now());
        // After a failure only time counts, whatever changes meanwhile.
        let is_news = self.problem.is_none() && self.taken != Some(wanted);
        if self.running.is_none() && (is_due || is_news) {
            let call = self.limiter.set_max_da_size(wanted);
            let call = async move {
                tokio::time::timeout(CALL_TIMEOUT, call)
                    .await
                    .unwrap_or_else(|_| {
                        Err(LimitError {
                            reason: format!("no answer within {CALL_TIMEOUT:?}"),
                        })
                    })
            };
            self.running = Some((wanted, tokio::spawn(call)));
        }
    }

    async fn take_answer(&mut self) {
        let Some((sizes, call)) = self.running.take_if(|(_, call)| call.is_finished()) else {
            return;
        };
        let answer = call.await.unwrap_or_else(|error| {
            Err(LimitError {
                reason: error.to_string(),
            })
        });
        match answer {
            Ok(()) => {
                if self.problem.take().is_some() {
                    info!("the sequencer takes limits again");
                }
                self.taken = Some(sizes);
                self.next_call = (sizes != DaSizes::default()).then(|| Instant::now() + REPEAT_PAUSE);
            }
            Err(error) => {
                metrics::counter!("op_batcher_default_throttle_failures_total").increment(1);
                if self.problem.is_none() {
                    warn!(%error, "limits are told again");
                } else {
                    debug!(%error, "limits are told again");
                }
                self.problem = Some(error.to_string());
                // Whether it took them is not known.
                self.taken = None;
                self.next_call = Some(Instant::now() + RETRY_PAUSE);
            }
        }
    }
}

fn tell(before: DaSizes, now: DaSizes, backlog_bytes: u64) {
    metrics::gauge!("op_batcher_default_throttle_max_tx_size").set(now.transaction_bytes_max as f64);
    metrics::gauge!("op_batcher_default_throttle_max_block_size").set(now.block_bytes_max as f64);
    let none = DaSizes::default();
    if before == none {
        metrics::counter!("op_batcher_default_throttle_engaged_total").increment(1);
        warn!(
            backlog_bytes,
            transaction_bytes_max = now.transaction_bytes_max,
            block_bytes_max = now.block_bytes_max,
            "slowing the sequencer down"
        );
    } else if now == none {
        info!(backlog_bytes, "the sequencer need not be slowed down any more");
    } else {
        debug!(
            backlog_bytes,
            block_bytes_max = now.block_bytes_max,
            "other limits for the sequencer"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            LimitFuture,
            tests::{NONE, POLICY},
        },
        *,
    };

    /// A sequencer that notes what it is told, and may be down.
    #[derive(Clone, Default)]
    struct Told(Arc<std::sync::Mutex<(Vec<DaSizes>, bool)>>);

    impl BlockLimiter for Told {
        fn set_max_da_size(&self, sizes: DaSizes) -> LimitFuture {
            let told = self.clone();
            Box::pin(async move {
                let mut inner = told.0.lock().unwrap();
                if inner.1 {
                    return Err(LimitError {
                        reason: "down".into(),
                    });
                }
                inner.0.push(sizes);
                Ok(())
            })
        }
    }

    async fn seconds(throttler: &mut Throttler, count: u32, backlog: u64) {
        for _ in 0..count {
            throttler.advance(backlog).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn limits_are_told_once_when_nothing_holds_and_again_and_again_while_they_hold() {
        let told = Told::default();
        let mut throttler = Throttler::new(POLICY, Arc::new(told.clone()));
        let count = || told.0.lock().unwrap().0.len();
        seconds(&mut throttler, 60, 0).await;
        assert_eq!(
            told.0.lock().unwrap().0,
            [NONE],
            "who started before us is set free"
        );
        seconds(&mut throttler, 60, 5_000).await;
        assert!((9..=14).contains(&count()), "{}", count());
        seconds(&mut throttler, 60, 0).await;
        assert_eq!(told.0.lock().unwrap().0.last(), Some(&NONE));
        let before = count();
        seconds(&mut throttler, 60, 0).await;
        assert_eq!(count(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sequencer_that_is_down_is_a_problem_until_it_takes_the_limits() {
        let told = Told::default();
        told.0.lock().unwrap().1 = true;
        let mut throttler = Throttler::new(POLICY, Arc::new(told.clone()));
        seconds(&mut throttler, 10, 5_000).await;
        assert!(throttler.problem().unwrap().contains("down"));
        told.0.lock().unwrap().1 = false;
        seconds(&mut throttler, 5, 5_000).await;
        assert_eq!(throttler.problem(), None);
        assert_eq!(told.0.lock().unwrap().0[0], throttler.sizes());
    }
}
