//! `--chaos`: what goes wrong while the demo records. Every fault is real (SIGKILL, an L1 that takes blocks back, a DA server that is
//! gone), happens while records are being sent, and counts only once the log of a process it hit speaks of it.

use crate::devnet::{Devnet, Role, l1};
use alloy::providers::Provider;
use eyre::{Context, bail};
use indicatif::ProgressBar;
use serde::Serialize;
use std::time::{Duration, Instant};
use tributary_batcher::node::NodeClient;

/// How long a process may take to notice what happened to it.
const NOTICE_PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two looks at a log.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A process is killed and started again.
    Kill(Role),
    /// The DA server is killed, and started again once the batcher has missed it.
    DaDown,
    /// L1 takes back this many blocks and mines others.
    L1Reorg(u64),
}

impl Fault {
    /// One after the other, each with its own share of the records.
    pub(crate) const ALL: [Self; 6] = [
        Self::Kill(Role::Sequencer),
        Self::Kill(Role::Batcher),
        Self::DaDown,
        Self::L1Reorg(1),
        Self::Kill(Role::Follower),
        Self::L1Reorg(3),
    ];
}

/// What went wrong, as the processes themselves saw it.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct ChaosReport {
    /// Depth of each reorg of L1, in blocks.
    pub(crate) l1_reorgs: Vec<u64>,
    /// Seconds without a DA server.
    pub(crate) da_down_s: f64,
    pub(crate) kills: Kills,
}

/// How often each role was killed.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Kills {
    pub(crate) batcher: u64,
    pub(crate) sequencer: u64,
    pub(crate) follower: u64,
}

/// Lets `fault` happen and waits until it is over: the process answers again, and what it hit has noticed.
pub(crate) async fn strike(
    devnet: &mut Devnet,
    fault: Fault,
    report: &mut ChaosReport,
    bar: &ProgressBar,
) -> eyre::Result<()> {
    match fault {
        Fault::Kill(role) => {
            kill(devnet, role).await?;
            let count = match role {
                Role::Batcher => &mut report.kills.batcher,
                Role::Sequencer => &mut report.kills.sequencer,
                _ => &mut report.kills.follower,
            };
            *count += 1;
        }
        Fault::DaDown => report.da_down_s += da_down(devnet).await?.as_secs_f64(),
        Fault::L1Reorg(depth) => {
            l1_reorg(devnet, depth).await?;
            report.l1_reorgs.push(depth);
        }
    }
    bar.inc(1);
    Ok(())
}

/// What a role writes into its log when it starts.
const fn start_mark(role: Role) -> &'static str {
    match role {
        Role::Batcher => "batcher started",
        _ => "node started",
    }
}

async fn kill(devnet: &mut Devnet, role: Role) -> eyre::Result<()> {
    let mark = Mark::set(devnet, role, start_mark(role))?;
    devnet.kill(role).await;
    devnet.start(role)?;
    devnet.wait_until_live(role).await?;
    mark.wait(devnet).await
}

/// Kills the DA server until the batcher has asked for it in vain; returns for how long.
async fn da_down(devnet: &mut Devnet) -> eyre::Result<Duration> {
    let mark = Mark::set(devnet, Role::Batcher, "the DA layer did not take a payload")?;
    devnet.kill(Role::Da).await;
    let began = Instant::now();
    let missed = mark.wait(devnet).await;
    devnet.start(Role::Da)?;
    devnet.wait_until_live(Role::Da).await?;
    missed?;
    Ok(began.elapsed())
}

/// Takes back L1's last `depth` blocks, with everything in them, and waits until the sequencer has started over from the new ones.
async fn l1_reorg(devnet: &mut Devnet, depth: u64) -> eyre::Result<()> {
    wait_until_read(devnet).await?;
    let mark = Mark::set(devnet, Role::Sequencer, "deriving l1_start")?;
    // No transaction is given to go into the new blocks: what was posted in the old ones is lost.
    let nothing: [(); 0] = [];
    let _: serde_json::Value = l1::provider(&devnet.urls.l1)?
        .raw_request("anvil_reorg".into(), (depth, nothing))
        .await
        .with_context(|| format!("the L1 at {} cannot reorganise", devnet.urls.l1))?;
    mark.wait(devnet).await
}

/// Waits until the sequencer has read L1 to its head: it cannot notice that a block it has not read was taken back.
async fn wait_until_read(devnet: &mut Devnet) -> eyre::Result<()> {
    let node = NodeClient::new(&devnet.urls.sequencer)?;
    let head = l1::provider(&devnet.urls.l1)?.get_block_number().await?;
    let started = Instant::now();
    loop {
        if let Ok(sync) = node.sync_status().await
            && sync.current_l1.number.0 >= head
        {
            return Ok(());
        }
        if started.elapsed() > NOTICE_PATIENCE {
            bail!("the sequencer has not read L1 block {head} after {NOTICE_PATIENCE:?}");
        }
        devnet.check_running()?;
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// A line to look for in a role's log, and how often it stood there already.
struct Mark {
    role: Role,
    text: &'static str,
    before: usize,
}

impl Mark {
    fn set(devnet: &Devnet, role: Role, text: &'static str) -> eyre::Result<Self> {
        let before = count(devnet, role, text)?;
        Ok(Self { role, text, before })
    }

    async fn wait(self, devnet: &mut Devnet) -> eyre::Result<()> {
        let started = Instant::now();
        while count(devnet, self.role, self.text)? <= self.before {
            if started.elapsed() > NOTICE_PATIENCE {
                bail!(
                    "{} has not written `{}` into {} after {NOTICE_PATIENCE:?}",
                    self.role.name(),
                    self.text,
                    devnet.log(self.role).display()
                );
            }
            devnet.check_running()?;
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Ok(())
    }
}

fn count(devnet: &Devnet, role: Role, text: &str) -> eyre::Result<usize> {
    let path = devnet.log(role);
    let log = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(log.lines().filter(|line| line.contains(text)).count())
}
