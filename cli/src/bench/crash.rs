//! Kill -9 under load, again and again: what was acknowledged must be in the chain, where the receipt said, and the node back soon.
//!
//! Senders send one transfer after the other with `eth_sendRawTransactionSync` until the node is killed at a random moment. It starts again
//! on its files, and once its head has passed the promised blocks every receipt that was given is compared with the one it gives now; those of
//! the kills before last as well, so that what one restart kept the next ones keep.

use super::{
    rig::{
        Genesis,
        client::Connection,
        load::{LoadPlan, Requests, Signer},
        side::{Running, Side},
    },
    sample,
    target::{self, Target},
};
use crate::devnet::L2_CHAIN_ID;
use alloy::primitives::{Address, B256, U64};
use eyre::{WrapErr, ensure};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::VecDeque,
    fmt, thread,
    time::{Duration, Instant},
};

/// Accounts that send at the same time.
const SENDERS: usize = 16;
/// The node lives this long under load, in milliseconds.
const LIFE_MS: std::ops::Range<u64> = 30..1_500;
/// Longest a restart may take until the node answers.
const RESTART_MAX: Duration = Duration::from_secs(5);
/// Seconds a kill takes in all, about.
const KILL_SECS: f64 = 2.0;
/// Kills after which receipts are looked at once more.
const LOOKED_AT: usize = 3;

/// What is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) kills: u32,
    pub(crate) seed: u64,
}

/// What was kept and how long restarts took.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) kills: u32,
    /// Transfers whose receipt was given.
    pub(crate) acknowledged: usize,
    /// Of these, those without a receipt of status 1 after the restart.
    pub(crate) lost: usize,
    /// Of these, those in another block or at another index than the receipt said.
    pub(crate) moved: usize,
    /// From starting the process until it answered.
    pub(crate) restart_p50_ms: f64,
    pub(crate) restart_max_ms: f64,
    /// Receipts compared, those of earlier kills included.
    pub(crate) compared: usize,
    pub(crate) targets: Vec<Target>,
    pub(crate) seed: u64,
    pub(crate) load_average: f64,
}

/// Where a receipt says its transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    transaction_hash: B256,
    block_number: U64,
    transaction_index: U64,
    status: U64,
}

/// Runs the plan.
///
/// # Errors
/// Also if something acknowledged was lost or moved, or a restart took too long.
pub(crate) async fn run(plan: &Plan, tell: &dyn Fn(&str)) -> eyre::Result<Report> {
    let load_average = sample::begin(
        tell,
        Duration::from_secs_f64(5.0 + KILL_SECS * f64::from(plan.kills)),
    );
    let signer = Signer::new(LoadPlan {
        chain_id: L2_CHAIN_ID,
        transactions: 0,
        senders: SENDERS,
        recipients: 1,
        seed: plan.seed,
    });
    let accounts = signer.addresses();
    let folder = tempfile::Builder::new().prefix("tributary-bench-").tempdir()?;
    let genesis = Genesis::unlimited(0);
    let mut running = Running::start(Side::Ours, &genesis, &accounts, folder.path(), &[]).await?;
    let mut random = StdRng::seed_from_u64(plan.seed);
    let mut report = Report {
        kills: 0,
        acknowledged: 0,
        lost: 0,
        moved: 0,
        restart_p50_ms: 0.0,
        restart_max_ms: 0.0,
        compared: 0,
        targets: Vec::new(),
        seed: plan.seed,
        load_average,
    };
    let mut restarts = Vec::new();
    let mut remembered: VecDeque<Vec<Place>> = VecDeque::new();
    let outcome = async {
        for _ in 0..plan.kills {
            let life = Duration::from_millis(random.random_range(LIFE_MS));
            let promised = live_and_die(&mut running, &signer, &accounts, life).await?;
            let started = Instant::now();
            running.start_node().await.wrap_err("after a kill")?;
            restarts.push(started.elapsed().as_secs_f64() * 1e3);
            let last = promised.iter().map(|place| place.block_number.to()).max();
            running.wait_for_block(last.unwrap_or_default()).await?;
            let mut asking = Connection::open(running.address)?;
            report.acknowledged += promised.len();
            remembered.push_back(promised);
            if remembered.len() > LOOKED_AT {
                remembered.pop_front();
            }
            for place in remembered.iter().flatten() {
                report.compared += 1;
                let found: Option<Place> =
                    asking.call("eth_getTransactionReceipt", &json!([place.transaction_hash]))?;
                match found {
                    Some(found) if found == *place => {}
                    Some(found) if found.status == U64::ONE => {
                        report.moved += 1;
                        tell(&format!(
                            "kill {}: promised {place:?}, is {found:?}",
                            report.kills + 1
                        ));
                    }
                    found => {
                        report.lost += 1;
                        tell(&format!(
                            "kill {}: promised {place:?}, is {found:?}",
                            report.kills + 1
                        ));
                    }
                }
            }
            report.kills += 1;
            if report.kills.is_multiple_of(25) {
                tell(&format!(
                    "{} kills, {} acknowledged",
                    report.kills, report.acknowledged
                ));
            }
        }
        Ok::<_, eyre::Report>(())
    }
    .await;
    running.stop().await;
    outcome?;
    report.restart_max_ms = restarts.iter().copied().fold(0.0, f64::max);
    report.restart_p50_ms = sample::middle(restarts);
    report.targets = vec![
        Target::at_most("acknowledged transfers lost", report.lost as f64, 0.0),
        Target::at_most("acknowledged transfers moved", report.moved as f64, 0.0),
        Target::at_most(
            "longest restart (s)",
            report.restart_max_ms / 1e3,
            RESTART_MAX.as_secs_f64(),
        ),
    ];
    ensure!(report.targets.iter().all(|target| target.holds), "{report}");
    Ok(report)
}

/// Sends from all accounts for `life`, kills the node, and returns the places of what was acknowledged.
async fn live_and_die(
    running: &mut Running,
    signer: &Signer,
    accounts: &[Address],
    life: Duration,
) -> eyre::Result<Vec<Place>> {
    let address = running.address;
    let mut asking = Connection::open(address)?;
    let mut nonces = Vec::new();
    for account in accounts {
        let nonce: U64 = asking.call("eth_getTransactionCount", &json!([account, "pending"]))?;
        nonces.push(nonce.to::<u64>());
    }
    drop(asking);
    let kill = async {
        tokio::time::sleep(life).await;
        running.kill_node().await;
    };
    let senders = accounts
        .iter()
        .zip(nonces)
        .enumerate()
        .map(|(index, (account, nonce))| {
            move || {
                let mut places = Vec::new();
                let Ok(mut connection) = Connection::open(address) else {
                    return places;
                };
                for nonce in nonce.. {
                    let transfer = signer.transfer(index, nonce, *account);
                    match send_one(&mut connection, &Requests::send_raw_sync(&[transfer])) {
                        Ok(place) => places.push(place),
                        // Only the kill ends a sender; whatever else goes wrong shows as a promise that is not made.
                        Err(_) => break,
                    }
                }
                places
            }
        });
    let senders: Vec<_> = senders.collect();
    let places = thread::scope(|scope| {
        let handles: Vec<_> = senders.into_iter().map(|send| scope.spawn(send)).collect();
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(kill));
        let joined = handles
            .into_iter()
            .map(|handle| handle.join().expect("a sender does not panic"));
        joined.flatten().collect()
    });
    Ok(places)
}

fn send_one(connection: &mut Connection, request: &Requests) -> eyre::Result<Place> {
    #[derive(Deserialize)]
    struct Answer {
        result: Place,
    }
    connection.send(request.get(0))?;
    let answer: Answer = serde_json::from_slice(connection.receive()?)?;
    Ok(answer.result)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills, {} transfers acknowledged, {} receipts compared: {} lost, {} moved; restart p50 {:.0} ms, max {:.0} ms (seed {})\n\n{}",
            self.kills,
            self.acknowledged,
            self.compared,
            self.lost,
            self.moved,
            self.restart_p50_ms,
            self.restart_max_ms,
            self.seed,
            target::lines(&self.targets)
        )
    }
}
