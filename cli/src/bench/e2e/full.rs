//! The same transfers under the rollup.json that ships, with every role running: how many a second are committed, and how many are safe.
//!
//! Here the chain's own limits decide, not the machine alone: a plain transfer has 40,000 gas of DA footprint in a block of 200 million. What is
//! under way is kept below the pool's size, so that nothing is refused.

use crate::{
    bench::rig::{
        client::{Connection, drive},
        load::{LoadPlan, Requests, Signer, Transfer},
    },
    devnet::{Devnet, L2_CHAIN_ID, Options, ports::Ports},
    keys,
};
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718,
    network::TxSignerSync,
    primitives::{Address, B256, Signature, TxKind, U64, U256},
};
use eyre::ensure;
use memchr::memmem;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    fmt,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

/// Accounts that send; the devnet's development accounts fund them.
const SENDERS: usize = 2_000;
/// Development accounts that no role uses.
const FUNDERS: std::ops::Range<u32> = 4..10;
/// Wei for each sender.
const FUNDS: u128 = 100_000_000_000_000_000;
/// Transfers sent before the node is asked how many are in blocks.
const PORTION: usize = 2_000;
/// Transfers that may wait; the pool holds 20,000.
const WAITING_MAX: usize = 10_000;
/// Connections that write.
const CONNECTIONS: usize = 64;
/// How long nothing may happen before the measurement fails.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often the heads are read.
const POLL: Duration = Duration::from_millis(20);

/// Rates with everything on.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Full {
    pub(crate) transactions: usize,
    /// Until the last was in a committed block.
    pub(crate) tx_per_second: f64,
    /// Until L1 and DA alone gave the block with the last.
    pub(crate) safe_tx_per_second: f64,
    /// From commitment of the last transfer until it was safe.
    pub(crate) safe_after_seconds: f64,
    pub(crate) gas_limit: u64,
    pub(crate) da_footprint_gas_scalar: u16,
    pub(crate) max_channel_duration_secs: u64,
}

/// Brings a devnet up on free ports and sends `transactions` transfers through it.
pub(super) async fn run(transactions: usize, seed: u64, tell: &dyn Fn(&str)) -> eyre::Result<Full> {
    let folder = tempfile::Builder::new().prefix("tributary-bench-").tempdir()?;
    let options = Options {
        folder: folder.path().to_owned(),
        ports: Ports::free()?,
        l1_rpc: None,
        jovian: true,
        block_time: 1,
        max_channel_duration: Duration::from_secs(6),
        log_level: "warn".to_owned(),
    };
    tell("all roles, with the rollup.json that ships");
    let plan = LoadPlan {
        chain_id: L2_CHAIN_ID,
        transactions,
        senders: SENDERS,
        recipients: 100_000,
        seed,
    };
    let transfers = plan.sign().transfers;
    let mut devnet = Devnet::prepare(&options, &|_| ()).await?;
    let outcome = async {
        devnet.start_all(&|_| ()).await?;
        let system = &devnet.network.rollup.genesis.system_config;
        let limits = (system.gas_limit, system.da_footprint_gas_scalar);
        let address = SocketAddr::from(([127, 0, 0, 1], options.ports.sequencer));
        let measured = tokio::task::block_in_place(|| {
            let mut chain = Watched::new(address)?;
            chain.send(&funding(&Signer::new(plan).addresses())?)?;
            chain.measure(&transfers, limits, options.max_channel_duration)
        });
        devnet.check_running()?;
        measured
    }
    .await;
    devnet.stop_all().await;
    let full = outcome?;
    tell(&full.to_string());
    Ok(full)
}

/// Transfers from the development accounts to each sender.
fn funding(senders: &[Address]) -> eyre::Result<Vec<Transfer>> {
    let funders: Vec<_> = FUNDERS.map(keys::dev_signer).collect();
    let mut transfers = Vec::new();
    for (index, sender) in senders.iter().enumerate() {
        let mut transaction = TxEip1559 {
            chain_id: L2_CHAIN_ID,
            nonce: (index / funders.len()) as u64,
            gas_limit: 21_000,
            max_fee_per_gas: 1_000_000_000,
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(*sender),
            value: U256::from(FUNDS),
            ..Default::default()
        };
        let signing_hash = transaction.signature_hash();
        let signature: Signature = funders[index % funders.len()].sign_transaction_sync(&mut transaction)?;
        let signed = TxEnvelope::from(transaction.into_signed(signature));
        transfers.push(Transfer {
            hash: *signed.tx_hash(),
            encoded: signed.encoded_2718().into(),
            signing_hash,
            signature,
        });
    }
    Ok(transfers)
}

/// A chain whose blocks are counted.
struct Watched {
    address: SocketAddr,
    asking: Connection,
    /// Last block counted, and the transactions of users up to it.
    number: u64,
    transactions: usize,
}

impl Watched {
    fn new(address: SocketAddr) -> eyre::Result<Self> {
        Ok(Self {
            address,
            asking: Connection::open(address)?,
            number: 0,
            transactions: 0,
        })
    }

    /// Counts the blocks that are new.
    fn count(&mut self) -> eyre::Result<()> {
        #[derive(Deserialize)]
        struct Block {
            transactions: Vec<B256>,
        }
        let head: U64 = self.asking.call("eth_blockNumber", &json!([]))?;
        while self.number < head.to() {
            self.number += 1;
            let block = json!([U64::from(self.number), false]);
            let block: Block = self.asking.call("eth_getBlockByNumber", &block)?;
            // The first is the L1-attributes deposit.
            self.transactions += block.transactions.len().saturating_sub(1);
        }
        Ok(())
    }

    fn wait_for(&mut self, transactions: usize) -> eyre::Result<()> {
        let started = Instant::now();
        loop {
            self.count()?;
            if self.transactions >= transactions {
                return Ok(());
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "{} of {transactions} transactions are in blocks after {PATIENCE:?}",
                self.transactions
            );
            thread::sleep(POLL);
        }
    }

    /// Sends all of `transfers`, in order, and waits until they are in blocks.
    fn send(&mut self, transfers: &[Transfer]) -> eyre::Result<()> {
        self.count()?;
        let (before, mut sent) = (self.transactions, 0);
        for portion in transfers.chunks(PORTION) {
            self.wait_for((before + sent).saturating_sub(WAITING_MAX))?;
            let mut refused = None;
            drive(
                self.address,
                CONNECTIONS,
                &Requests::send_raw(portion, 1),
                |body| {
                    if memmem::find(body, b"\"error\"").is_some() {
                        refused.get_or_insert_with(|| String::from_utf8_lossy(body).into_owned());
                    }
                },
            )?;
            if let Some(body) = refused {
                eyre::bail!("a transfer was refused: {body}");
            }
            sent += portion.len();
        }
        self.wait_for(before + sent)
    }

    fn measure(
        &mut self,
        transfers: &[Transfer],
        limits: (u64, u16),
        channel: Duration,
    ) -> eyre::Result<Full> {
        let started = Instant::now();
        self.send(transfers)?;
        let (committed, last) = (started.elapsed(), self.number);
        self.wait_until_safe(last)?;
        let safe = started.elapsed();
        let count = transfers.len() as f64;
        Ok(Full {
            transactions: transfers.len(),
            tx_per_second: count / committed.as_secs_f64(),
            safe_tx_per_second: count / safe.as_secs_f64(),
            safe_after_seconds: (safe - committed).as_secs_f64(),
            gas_limit: limits.0,
            da_footprint_gas_scalar: limits.1,
            max_channel_duration_secs: channel.as_secs(),
        })
    }

    fn wait_until_safe(&mut self, number: u64) -> eyre::Result<()> {
        #[derive(Deserialize)]
        struct SyncStatus {
            safe_l2: Block,
        }
        #[derive(Deserialize)]
        struct Block {
            number: u64,
        }
        let started = Instant::now();
        loop {
            let status: SyncStatus = self.asking.call("optimism_syncStatus", &json!([]))?;
            if status.safe_l2.number >= number {
                return Ok(());
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "block {number} is not safe after {PATIENCE:?}, block {} is",
                status.safe_l2.number
            );
            thread::sleep(POLL);
        }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "all roles, shipped rollup.json (gas limit {}, DA footprint scalar {}): {} transfers, {:.0} tx/s committed; {:.0} tx/s until \
             safe, {:.1} s after the last was committed",
            self.gas_limit,
            self.da_footprint_gas_scalar,
            self.transactions,
            self.tx_per_second,
            self.safe_tx_per_second,
            self.safe_after_seconds
        )
    }
}
