//! A stranger's node: a fresh follower with nothing but rollup.json, the L1 RPC and the DA endpoint, and what it makes of the chain.

use super::{chain::Reader, model::Model};
use crate::{
    devnet::{Devnet, ports::url, processes::Process},
    network::ROLLUP_FILE,
};
use alloy::{
    primitives::{B256, U256},
    providers::Provider,
};
use eyre::{Context, bail};
use indicatif::ProgressBar;
use serde::Deserialize;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tributary_batcher::node::NodeClient;
use tributary_protocol::contracts::{ATTRIBUTION_LEDGER, IAttributionLedger};

/// How long the follower may stand still before it counts as stuck.
const STALL_PATIENCE: Duration = Duration::from_secs(30);

/// The ledger's books, as the follower holds them; wei.
#[derive(Clone, Debug)]
pub(crate) struct Books {
    pub(crate) records: u64,
    pub(crate) fees: U256,
    pub(crate) shares: U256,
    pub(crate) carried: U256,
    pub(crate) owed: U256,
    pub(crate) balance: U256,
}

/// A follower that has only what anyone can have.
pub(crate) struct Verifier {
    process: Process,
    reader: Reader,
    node: NodeClient,
    url: String,
}

impl Verifier {
    /// Starts it in an empty folder.
    pub(crate) async fn start(devnet: &Devnet, port: u16) -> eyre::Result<Self> {
        let folder = devnet.folder.join("verifier");
        std::fs::create_dir(&folder).with_context(|| format!("{} must not exist yet", folder.display()))?;
        let rollup = folder.join(ROLLUP_FILE);
        std::fs::copy(devnet.folder.join(ROLLUP_FILE), &rollup)?;
        let args = arguments(&folder, &rollup, &devnet.urls.l1, &devnet.urls.da, port);
        let process = Process::start(
            "verifier",
            &std::env::current_exe()?,
            &args,
            &devnet.folder.join("logs"),
        )?;
        let url = url(port);
        Ok(Self {
            process,
            reader: Reader::new(&url)?,
            node: NodeClient::new(&url)?,
            url,
        })
    }

    /// Waits until it has derived block `target`; fails when it stands still, telling why.
    pub(crate) async fn derive_up_to(&mut self, target: u64, bar: &ProgressBar) -> eyre::Result<u64> {
        bar.set_length(target);
        let (mut safe, mut moved) = (0, Instant::now());
        loop {
            self.process.check_running()?;
            if let Ok(sync) = self.node.sync_status().await {
                if sync.safe_l2.number.0 > safe {
                    (safe, moved) = (sync.safe_l2.number.0, Instant::now());
                    bar.set_position(safe.min(target));
                }
                if safe >= target {
                    return Ok(safe);
                }
            }
            if moved.elapsed() > STALL_PATIENCE {
                let cause = self.stall_cause().await;
                bail!("the follower stands still at L2 block {safe} of {target}: {cause}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What the follower says it is waiting for.
    async fn stall_cause(&self) -> String {
        let answer = async { reqwest::get(format!("{}/readyz", self.url)).await?.text().await };
        answer.await.unwrap_or_else(|error| error.to_string())
    }

    /// How many of `expected` (hashes from block 0 on) differ here.
    pub(crate) async fn mismatches(&self, expected: &[B256]) -> eyre::Result<u64> {
        let mut mismatches = 0;
        for (number, hash) in expected.iter().enumerate() {
            let found = self.reader.block_hash(number as u64).await?;
            if found != *hash {
                tracing::error!(number, expected = %hash, %found, "the follower derived another block");
                mismatches += 1;
            }
        }
        Ok(mismatches)
    }

    /// The ledger's books.
    pub(crate) async fn books(&self) -> eyre::Result<Books> {
        use IAttributionLedger as Ledger;
        let reader = &self.reader;
        Ok(Books {
            records: reader
                .view(ATTRIBUTION_LEDGER, &Ledger::recordCountCall {})
                .await?,
            fees: reader.view(ATTRIBUTION_LEDGER, &Ledger::totalFeesCall {}).await?,
            shares: reader
                .view(ATTRIBUTION_LEDGER, &Ledger::totalSharesCall {})
                .await?,
            carried: reader
                .view(ATTRIBUTION_LEDGER, &Ledger::totalCarriedCall {})
                .await?,
            owed: reader.view(ATTRIBUTION_LEDGER, &Ledger::owedCall {}).await?,
            balance: reader.provider().get_balance(ATTRIBUTION_LEDGER).await?,
        })
    }

    /// Who has accrued something else than the model says, with what the model and what the chain say.
    pub(crate) async fn wrong_shares(&self, model: &Model) -> eyre::Result<Vec<(String, U256, U256)>> {
        let mut wrong = Vec::new();
        let mut compare = |who: String, expected: U256, found: U256| {
            if found != expected {
                wrong.push((who, expected, found));
            }
        };
        for (payee, expected) in &model.earned {
            let call = IAttributionLedger::accruedCall { payee: *payee };
            compare(
                payee.to_string(),
                *expected,
                self.reader.view(ATTRIBUTION_LEDGER, &call).await?,
            );
        }
        for (index, expected) in &model.contributed {
            let call = IAttributionLedger::contributionAccruedCall {
                contribution: index + 1,
            };
            let found = self.reader.view(ATTRIBUTION_LEDGER, &call).await?;
            compare(format!("contribution {}", index + 1), *expected, found);
        }
        Ok(wrong)
    }

    pub(crate) async fn stop(self) {
        self.process.stop().await;
    }
}

fn arguments(folder: &Path, rollup: &Path, l1_rpc: &str, da_url: &str, port: u16) -> Vec<OsString> {
    let address = crate::devnet::ports::loopback(port).to_string();
    let flag = |name: &str, value: OsString| [OsString::from(name), value];
    let flags = [
        flag("--rollup-config", rollup.into()),
        flag("--l1-rpc", l1_rpc.into()),
        flag("--da-url", da_url.into()),
        flag("--data-dir", folder.join("data").into()),
        flag("--http-addr", address.into()),
    ];
    std::iter::once(OsString::from("follower"))
        .chain(flags.into_iter().flatten())
        .collect()
}

/// A payload that was changed on the DA server's disk.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Tampered {
    pub(crate) payload: B256,
    pub(crate) file: PathBuf,
    pub(crate) offset: usize,
}

/// Flips one byte in the middle of the file that holds `payload`, somewhere below `folder`.
pub(crate) fn tamper(folder: &Path, payload: B256) -> eyre::Result<Tampered> {
    let name = alloy::hex::encode(payload);
    let Some(file) = find(folder, &name)? else {
        bail!(
            "no file below {} is named after payload {payload}",
            folder.display()
        );
    };
    let mut bytes = std::fs::read(&file)?;
    let offset = bytes.len() / 2;
    let Some(byte) = bytes.get_mut(offset) else {
        bail!("{} is empty", file.display())
    };
    *byte ^= 0x01;
    std::fs::write(&file, bytes)?;
    Ok(Tampered {
        payload,
        file,
        offset,
    })
}

fn find(folder: &Path, name: &str) -> eyre::Result<Option<PathBuf>> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            if let Some(found) = find(&path, name)? {
                return Ok(Some(found));
            }
        } else if path
            .file_name()
            .is_some_and(|file| file.to_string_lossy().contains(name))
        {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
