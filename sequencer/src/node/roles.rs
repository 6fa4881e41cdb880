//! The tasks and threads of a node: how each is started, what each waits for, and what its failure means.

use super::{NodeError, derivation_metrics, l1_check::L1Check, on_halt};
use crate::{
    builder::Builder,
    engine::{Chain, Engine},
    health::{Check, Health},
    journal::{Journal, JournalError},
    l1_view::L1View,
    preconfirmation::Preconfirmations,
    rpc::{Rpc, serve},
    unsafe_feed::{SignerWatch, UnsafeFeed},
    verifier::Verifier,
};
use core::{fmt::Display, future::Future, pin::Pin, time::Duration};
use std::{sync::Arc, thread};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tributary_da_client::DaLayer;
use tributary_derivation::driver::{DerivationStatus, Driver};

/// How often L1 is read ahead. A fraction of the shortest L1 block time (2 s on a devnet), so that origins stay fresh.
const L1_POLL: Duration = Duration::from_millis(500);

/// How often L1 is asked whether it is there, and whether it is the one we were configured for.
const L1_PROBE: Duration = Duration::from_secs(2);

/// How often the DA layer is asked whether it is there. Rarely: nothing waits for the answer but `readyz`.
const DA_PROBE: Duration = Duration::from_secs(5);

/// How long requests under way may take to finish once the node ends.
const RPC_PATIENCE: Duration = Duration::from_secs(3);

/// Failures in a row after which a stall shows in `readyz`; fewer are the ordinary hiccups of a network.
const STALL_ATTEMPTS_SHOWN: u32 = 3;

type LocalFuture<E> = Pin<Box<dyn Future<Output = Result<(), E>>>>;

/// Everything that runs.
#[derive(Debug)]
pub(super) struct Roles {
    health: Health,
    /// Ends the whole node.
    stop: CancellationToken,
    /// Ends building, deriving and verifying: with the node, or before it when one of them halts.
    work: CancellationToken,
    /// What the operator wants run when the node halts.
    on_halt: Option<Arc<str>>,
    tasks: JoinSet<()>,
}

impl Roles {
    pub(super) fn new(health: Health, stop: CancellationToken, on_halt: Option<String>) -> Self {
        Self {
            health,
            work: stop.child_token(),
            stop,
            on_halt: on_halt.map(Into::into),
            tasks: JoinSet::new(),
        }
    }

    pub(super) const fn work(&self) -> &CancellationToken {
        &self.work
    }

    /// Resolves when everything has ended.
    pub(super) async fn join(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// Derives, once L1 is known to be the right one.
    pub(super) fn derive(&mut self, driver: Driver, l1_checked: watch::Receiver<bool>) {
        let stopped = self.work.clone();
        self.spawn("derivation", async move {
            if became(l1_checked, |checked| *checked, &stopped).await {
                driver.run(stopped).await?;
            }
            Ok::<_, tributary_derivation::driver::HaltCause>(())
        });
    }

    /// Builds, once derivation has read L1 to its end: what L1 holds already decides the first blocks.
    pub(super) fn build(
        &mut self,
        builder: Builder,
        derivation: watch::Receiver<DerivationStatus>,
    ) -> Result<(), NodeError> {
        let stopped = self.work.clone();
        self.spawn_thread("builder", move || {
            Box::pin(async move {
                if became(derivation, |status| status.is_caught_up, &stopped).await {
                    builder.run().await?;
                }
                Ok::<_, crate::builder::BuilderError>(())
            })
        })
    }

    /// Executes again what was built.
    pub(super) fn verify(&mut self, verifier: Verifier) -> Result<(), NodeError> {
        let stopped = self.work.clone();
        self.spawn_thread("verifier", move || Box::pin(verifier.run(stopped)))
    }

    /// Tells of what is built, signed, on a thread of its own: hashing and signing must not wait for whoever asks, nor they for it.
    pub(super) fn preconfirm(&mut self, preconfirmations: Preconfirmations) -> Result<(), NodeError> {
        self.spawn_thread("preconfirmations", move || {
            Box::pin(async move {
                preconfirmations.run().await;
                Ok::<_, core::convert::Infallible>(())
            })
        })
    }

    /// Takes the unsafe head from the sequencer, as far as it is signed by whom L1 names.
    pub(super) fn listen(&mut self, signer: SignerWatch, feed: UnsafeFeed) {
        self.tasks.spawn(signer.run(self.work.clone()));
        self.tasks.spawn(feed.run(self.work.clone()));
    }

    /// Halts when the journal fails: what cannot be kept must not be promised.
    pub(super) fn journal(&mut self, journal: Journal) {
        let (stop, health) = (self.stop.clone(), self.health.clone());
        self.spawn("journal", async move {
            let result: Result<(), Arc<JournalError>> = tokio::select! {
                () = stop.cancelled() => Ok(()),
                cause = journal.failed() => {
                    health.set_store(Check::Failing(cause.to_string()));
                    Err(cause)
                }
            };
            journal.close();
            result
        });
    }

    /// Keeps the builder's view of L1 fresh.
    pub(super) fn read_l1_ahead(&mut self, view: L1View, chain: Chain) {
        let stopped = self.work.clone();
        self.tasks.spawn(async move {
            loop {
                let origin = chain.heads().unsafe_head.l1_origin.number;
                if let Err(error) = view.refresh(origin).await {
                    tracing::debug!(target: "sequencer", %error, "L1 could not be read ahead");
                }
                if sleep_or_stop(L1_POLL, &stopped).await {
                    return;
                }
            }
        });
    }

    /// Probes L1, and checks it again whenever it comes back. The receiver becomes true once it has passed.
    pub(super) fn probe_l1(&mut self, check: L1Check, passed: bool) -> watch::Receiver<bool> {
        let (sender, receiver) = watch::channel(passed);
        let (health, stopped) = (self.health.clone(), self.work.clone());
        self.spawn("L1", async move {
            let mut passed = passed;
            loop {
                let answer = tokio::select! {
                    () = stopped.cancelled() => return Ok(()),
                    answer = check.probe(passed) => answer,
                };
                health.set_l1(Check::of(&answer));
                passed = match answer {
                    Ok(verdict) => verdict.map(|()| true)?,
                    Err(_) => false,
                };
                if passed {
                    sender.send_replace(true);
                }
                if sleep_or_stop(L1_PROBE, &stopped).await {
                    return Ok::<_, NodeError>(());
                }
            }
        });
        receiver
    }

    /// Probes the DA layer.
    pub(super) fn probe_da(&mut self, da: Arc<dyn DaLayer>) {
        let (health, stopped) = (self.health.clone(), self.work.clone());
        self.tasks.spawn(async move {
            loop {
                let answer = tokio::select! {
                    () = stopped.cancelled() => return,
                    answer = da.health() => answer,
                };
                health.set_da(Check::of(&answer));
                if sleep_or_stop(DA_PROBE, &stopped).await {
                    return;
                }
            }
        });
    }

    /// Serves JSON-RPC, health and metrics until the node ends; a node that has halted still answers. On a runtime of its own, so that
    /// however much is asked, blocks are built and derived by threads that wait for nobody's answer.
    pub(super) fn serve(&mut self, listener: TcpListener, rpc: Rpc) -> Result<(), NodeError> {
        let failed = |source| NodeError::Thread { role: "rpc", source };
        let listener = listener.into_std().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(rpc.threads())
            .thread_name("rpc")
            .enable_all()
            .build()
            .map_err(failed)?;
        let (ended, end) = oneshot::channel();
        let stop = self.stop.clone();
        thread::Builder::new()
            .name("rpc".into())
            .spawn(move || {
                let served = runtime.block_on(async {
                    let listener = TcpListener::from_std(listener)?;
                    let patience = async {
                        stop.cancelled().await;
                        tokio::time::sleep(RPC_PATIENCE).await;
                    };
                    tokio::select! {
                        served = serve(listener, rpc, stop.clone()) => served,
                        () = patience => Ok(()),
                    }
                });
                // What still computes is not waited for.
                runtime.shutdown_background();
                ended.send(served).ok();
            })
            .map_err(failed)?;
        self.spawn("rpc", async move {
            // The sender is dropped unused only by a panic, whose message is in the log.
            end.await
                .unwrap_or_else(|_| Err(std::io::Error::other("it has panicked")))
        });
        Ok(())
    }

    /// Shows in `readyz` and in the metrics what derivation waits for and has seen.
    pub(super) fn show_stalls(&mut self, mut derivation: watch::Receiver<DerivationStatus>) {
        let (health, stopped) = (self.health.clone(), self.work.clone());
        self.tasks.spawn(async move {
            loop {
                let shown = derivation.borrow_and_update().clone();
                derivation_metrics::show(&shown);
                match shown.stall {
                    Some(stall) if stall.attempts >= STALL_ATTEMPTS_SHOWN => {
                        health.set_derivation(Check::Failing(stall.cause));
                    }
                    None if shown.current_l1.is_some() => health.set_derivation(Check::Working),
                    _ => {}
                }
                tokio::select! {
                    () = stopped.cancelled() => return,
                    changed = derivation.changed() => if changed.is_err() {
                        return;
                    },
                }
            }
        });
    }

    /// Ends the node when the engine does: with a failed store nothing can be answered for.
    pub(super) fn end_with(&mut self, engine: Engine) {
        let (health, stop) = (self.health.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = engine.stopped() => {
                    health.set_store(Check::Failing("the engine has stopped".into()));
                    stop.cancel();
                }
            }
        });
    }

    /// Runs a role as a task; if it fails the node halts.
    fn spawn<E: Display>(
        &mut self,
        role: &'static str,
        future: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let halt = self.halt_on(role);
        self.tasks.spawn(async move {
            if let Err(cause) = future.await {
                halt(&cause);
            }
        });
    }

    /// Runs a role on a thread of its own, with a runtime of its own: it executes blocks, which would hold up tasks.
    fn spawn_thread<E: Display + 'static>(
        &mut self,
        role: &'static str,
        future: impl FnOnce() -> LocalFuture<E> + Send + 'static,
    ) -> Result<(), NodeError> {
        let failed = |source| NodeError::Thread { role, source };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let (ended, end) = oneshot::channel();
        thread::Builder::new()
            .name(role.into())
            .spawn(move || {
                let result = runtime.block_on(future());
                ended.send(result.map_err(|cause| cause.to_string())).ok();
            })
            .map_err(failed)?;
        self.spawn(role, async move {
            // The sender is dropped unused only by a panic, whose message is in the log.
            end.await.unwrap_or_else(|_| Err("it has panicked".into()))
        });
        Ok(())
    }

    fn halt_on(&self, role: &'static str) -> impl FnOnce(&dyn Display) + Send + 'static {
        let (health, work, on_halt) = (self.health.clone(), self.work.clone(), self.on_halt.clone());
        move |cause| {
            tracing::error!(target: "sequencer", role, %cause, "halted");
            let cause = format!("{role}: {cause}");
            let is_first = health.halt(cause.clone());
            work.cancel();
            if let (true, Some(command)) = (is_first, on_halt) {
                on_halt::run(&command, &cause);
            }
        }
    }
}

/// True once the value satisfies `wanted`; false if stopped before.
async fn became<T>(
    mut value: watch::Receiver<T>,
    wanted: impl FnMut(&T) -> bool,
    stopped: &CancellationToken,
) -> bool {
    tokio::select! {
        () = stopped.cancelled() => false,
        result = value.wait_for(wanted) => result.is_ok(),
    }
}

/// True if stopped.
async fn sleep_or_stop(pause: Duration, stopped: &CancellationToken) -> bool {
    tokio::select! {
        () = stopped.cancelled() => true,
        () = tokio::time::sleep(pause) => false,
    }
}
