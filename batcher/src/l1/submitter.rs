//! Sends one transaction at a time and waits until it is mined. For the proposer, which has no more to say than that.

use super::{
    account::Account,
    error::L1Error,
    fees::{FeeLimits, Fees},
    port::{Accepted, Call, Inclusion, L1Port, RpcL1},
};
use alloy::{
    primitives::{Address, B256},
    providers::RootProvider,
};
use std::time::{Duration, Instant};

/// Pause between two looks for a receipt; L1 blocks come every few seconds at most.
const RECEIPT_POLL: Duration = Duration::from_millis(400);

/// Extra gas on top of an estimate, per hundred: state may have moved between estimate and inclusion.
const GAS_MARGIN_PERCENT: u64 = 20;

/// Replacements of one transaction before we give up and ask L1 for the nonce anew.
const REPLACEMENTS_MAX: usize = 20;

/// Sends transactions of one account.
#[derive(Debug)]
pub struct Submitter {
    l1: RpcL1,
    account: Account,
    limits: FeeLimits,
    replace_after: Duration,
}

impl Submitter {
    /// A submitter for `account`; a transaction not mined within `replace_after` is replaced.
    #[must_use]
    pub const fn new(l1: RpcL1, account: Account, limits: FeeLimits, replace_after: Duration) -> Self {
        Self {
            l1,
            account,
            limits,
            replace_after,
        }
    }

    /// Our account.
    #[must_use]
    pub fn address(&self) -> Address {
        self.account.address()
    }

    /// The L1 we write to.
    #[must_use]
    pub const fn provider(&self) -> &RootProvider {
        self.l1.provider()
    }

    /// Sends `call` and returns where it is once it is mined.
    ///
    /// # Errors
    /// See [`L1Error`]. After any error the transaction may still be mined.
    pub async fn send(&self, call: &Call) -> Result<Inclusion, L1Error> {
        let nonce = self.l1.nonce(self.address(), false).await?;
        let gas = self.l1.estimate_gas(self.address(), call).await?;
        let gas_limit = gas + gas * GAS_MARGIN_PERCENT / 100;
        let mut fees = self.l1.market().await?.without_blobs().within(self.limits);
        let mut hashes = Vec::new();
        for _ in 0..REPLACEMENTS_MAX {
            hashes.extend(self.broadcast(call, nonce, gas_limit, fees).await?);
            if let Some(inclusion) = self.wait(&hashes, nonce).await? {
                return successful(inclusion, call);
            }
            fees = fees
                .bumped(self.l1.market().await?.without_blobs())
                .within(self.limits);
        }
        Err(L1Error::NotMined {
            account: self.address(),
            nonce,
            replacements: REPLACEMENTS_MAX,
        })
    }

    /// Sends one signed form of `call`; `None` if L1's pool holds one with this nonce that pays too much to be replaced yet.
    async fn broadcast(
        &self,
        call: &Call,
        nonce: u64,
        gas_limit: u64,
        fees: Fees,
    ) -> Result<Option<B256>, L1Error> {
        let signed = self.account.sign(call, nonce, gas_limit, fees)?;
        match self.l1.broadcast(&signed.raw).await? {
            // Mined in the meantime: the receipt, or its absence, tells by whom.
            Accepted::Held | Accepted::NonceUsed => Ok(Some(signed.hash)),
            Accepted::Underpriced => Ok(None),
        }
    }

    /// Where whichever of `hashes` was mined is, or `None` when it is time to replace.
    async fn wait(&self, hashes: &[B256], nonce: u64) -> Result<Option<Inclusion>, L1Error> {
        let started = Instant::now();
        while started.elapsed() < self.replace_after {
            // The nonce is read first: a receipt that appears in between must not look like somebody else's transaction.
            let used = self.l1.nonce(self.address(), false).await? > nonce;
            for hash in hashes {
                let inclusion = self.l1.inclusion(*hash).await?;
                if inclusion.is_some() {
                    return Ok(inclusion);
                }
            }
            if used {
                return Err(L1Error::NonceTaken {
                    account: self.address(),
                    nonce,
                });
            }
            tokio::time::sleep(RECEIPT_POLL).await;
        }
        Ok(None)
    }
}

fn successful(inclusion: Inclusion, call: &Call) -> Result<Inclusion, L1Error> {
    if inclusion.succeeded {
        return Ok(inclusion);
    }
    Err(L1Error::Reverted {
        to: call.to,
        hash: Some(inclusion.hash),
        reason: "the mined transaction failed".to_owned(),
    })
}
