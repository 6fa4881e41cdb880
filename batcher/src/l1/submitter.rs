//! Sends one transaction at a time and waits for its receipt.

use super::fees::{FeeLimits, Fees};
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::{BlockNumberOrTag, eip2718::Encodable2718},
    network::TxSignerSync,
    primitives::{Address, B256, Bytes, TxKind, U256},
    providers::{Provider, RootProvider},
    rpc::types::{TransactionReceipt, TransactionRequest},
    signers::local::PrivateKeySigner,
    transports::{RpcError, TransportErrorKind},
};
use std::time::{Duration, Instant};

/// Pause between two looks for a receipt; L1 blocks come every few seconds at most.
const RECEIPT_POLL: Duration = Duration::from_millis(400);

/// Extra gas on top of an estimate, per hundred: state may have moved between estimate and inclusion.
const GAS_MARGIN_PERCENT: u64 = 20;

/// Replacements of one transaction before we give up and ask L1 for the nonce anew.
const REPLACEMENTS_MAX: usize = 20;

/// Why a transaction did not get its receipt. None of them says that it will not be mined after all.
#[derive(Debug, thiserror::Error)]
pub enum L1Error {
    /// No answer, or an error for an answer.
    #[error("{what} at L1 failed: {source}")]
    Rpc {
        /// What was asked.
        what: &'static str,
        /// What the transport said.
        source: RpcError<TransportErrorKind>,
    },
    /// The transaction would revert or did.
    #[error("{to} refuses the transaction{hash}: {reason}", hash = .hash.map(|hash| format!(" {hash}")).unwrap_or_default())]
    Reverted {
        /// Called contract.
        to: Address,
        /// Hash, if it was mined.
        hash: Option<B256>,
        /// Revert reason, as far as L1 tells.
        reason: String,
    },
    /// Somebody else sent a transaction with our key.
    #[error(
        "nonce {nonce} of {account} was used by a transaction that is not ours; is a second process using this key?"
    )]
    NonceTaken {
        /// Our account.
        account: Address,
        /// The nonce.
        nonce: u64,
    },
    /// Still not mined after every allowed replacement.
    #[error(
        "nonce {nonce} of {account} is not mined after {replacements} replacements; is the fee ceiling below the market?"
    )]
    NotMined {
        /// Our account.
        account: Address,
        /// The nonce.
        nonce: u64,
        /// How often it was replaced.
        replacements: usize,
    },
    /// The key could not sign.
    #[error("signing failed: {0}")]
    Signer(#[from] alloy::signers::Error),
    /// L1 is another chain than the one we were made for.
    #[error("L1 has chain id {found}, {expected} was expected")]
    WrongChain {
        /// From the rollup config.
        expected: u64,
        /// From L1.
        found: u64,
    },
}

/// What a transaction does.
#[derive(Clone, Debug)]
pub struct Call {
    /// Called account.
    pub to: Address,
    /// Calldata.
    pub data: Bytes,
    /// Wei sent along.
    pub value: U256,
}

/// Sends transactions of one account.
#[derive(Debug)]
pub struct Submitter {
    provider: RootProvider,
    signer: PrivateKeySigner,
    chain_id: u64,
    limits: FeeLimits,
    replace_after: Duration,
}

impl Submitter {
    /// A submitter for `signer` on L1 `chain_id`; a transaction not mined within `replace_after` is replaced.
    ///
    /// # Errors
    /// [`L1Error::WrongChain`], [`L1Error::Rpc`].
    pub async fn new(
        provider: RootProvider,
        signer: PrivateKeySigner,
        chain_id: u64,
        limits: FeeLimits,
        replace_after: Duration,
    ) -> Result<Self, L1Error> {
        let found = provider.get_chain_id().await.map_err(rpc("eth_chainId"))?;
        if found != chain_id {
            return Err(L1Error::WrongChain {
                expected: chain_id,
                found,
            });
        }
        Ok(Self {
            provider,
            signer,
            chain_id,
            limits,
            replace_after,
        })
    }

    /// Our account.
    #[must_use]
    pub fn account(&self) -> Address {
        self.signer.address()
    }

    /// The L1 we write to.
    #[must_use]
    pub const fn provider(&self) -> &RootProvider {
        &self.provider
    }

    /// Waits until L1 has no transaction of ours in its pool, so that what the chain shows is all there is.
    ///
    /// Returns false if some are still there after `patience`; the next transaction then replaces the first of them.
    ///
    /// # Errors
    /// [`L1Error::Rpc`].
    pub async fn wait_for_quiet(&self, patience: Duration) -> Result<bool, L1Error> {
        let started = Instant::now();
        loop {
            let (latest, pending) = (self.nonce(false).await?, self.nonce(true).await?);
            if latest >= pending {
                return Ok(true);
            }
            if started.elapsed() > patience {
                return Ok(false);
            }
            tokio::time::sleep(RECEIPT_POLL).await;
        }
    }

    /// Sends `call` and returns its receipt once it is mined.
    ///
    /// # Errors
    /// See [`L1Error`]. After any error the transaction may still be mined.
    pub async fn send(&self, call: &Call) -> Result<TransactionReceipt, L1Error> {
        let nonce = self.nonce(false).await?;
        let gas_limit = self.gas_limit(call).await?;
        let mut fees = self.market().await?.within(self.limits);
        let mut hashes = Vec::new();
        for _ in 0..REPLACEMENTS_MAX {
            hashes.extend(self.broadcast(call, nonce, gas_limit, fees).await?);
            if let Some(receipt) = self.wait_for_receipt(&hashes, nonce).await? {
                return successful(receipt, call);
            }
            fees = fees.bumped(self.market().await?).within(self.limits);
        }
        Err(L1Error::NotMined {
            account: self.account(),
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
        let mut transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: fees.max_fee_per_gas,
            max_priority_fee_per_gas: fees.max_priority_fee_per_gas,
            to: TxKind::Call(call.to),
            value: call.value,
            access_list: Default::default(),
            input: call.data.clone(),
        };
        let signature = self.signer.sign_transaction_sync(&mut transaction)?;
        let signed = TxEnvelope::from(transaction.into_signed(signature));
        let hash = *signed.tx_hash();
        match self.provider.send_raw_transaction(&signed.encoded_2718()).await {
            Ok(_) => Ok(Some(hash)),
            Err(RpcError::ErrorResp(error)) if is_known(&error.message) => Ok(Some(hash)),
            Err(RpcError::ErrorResp(error)) if is_underpriced(&error.message) => Ok(None),
            // Mined in the meantime: the receipt, or its absence, tells by whom.
            Err(RpcError::ErrorResp(error)) if error.message.contains("nonce too low") => Ok(Some(hash)),
            Err(source) => Err(L1Error::Rpc {
                what: "eth_sendRawTransaction",
                source,
            }),
        }
    }

    /// The receipt of whichever of `hashes` was mined, or `None` when it is time to replace.
    async fn wait_for_receipt(
        &self,
        hashes: &[B256],
        nonce: u64,
    ) -> Result<Option<TransactionReceipt>, L1Error> {
        let started = Instant::now();
        while started.elapsed() < self.replace_after {
            // The nonce is read first: a receipt that appears in between must not look like somebody else's transaction.
            let used = self.nonce(false).await? > nonce;
            for hash in hashes {
                let receipt = self
                    .provider
                    .get_transaction_receipt(*hash)
                    .await
                    .map_err(rpc("eth_getTransactionReceipt"))?;
                if receipt.is_some() {
                    return Ok(receipt);
                }
            }
            if used {
                return Err(L1Error::NonceTaken {
                    account: self.account(),
                    nonce,
                });
            }
            tokio::time::sleep(RECEIPT_POLL).await;
        }
        Ok(None)
    }

    async fn nonce(&self, pending: bool) -> Result<u64, L1Error> {
        let request = self.provider.get_transaction_count(self.account());
        let tag = if pending {
            BlockNumberOrTag::Pending
        } else {
            BlockNumberOrTag::Latest
        };
        request
            .block_id(tag.into())
            .await
            .map_err(rpc("eth_getTransactionCount"))
    }

    async fn gas_limit(&self, call: &Call) -> Result<u64, L1Error> {
        let request = TransactionRequest::default()
            .from(self.account())
            .to(call.to)
            .value(call.value)
            .input(call.data.clone().into());
        match self.provider.estimate_gas(request).await {
            Ok(gas) => Ok(gas + gas * GAS_MARGIN_PERCENT / 100),
            Err(RpcError::ErrorResp(error)) => Err(L1Error::Reverted {
                to: call.to,
                hash: None,
                reason: error.message.to_string(),
            }),
            Err(source) => Err(L1Error::Rpc {
                what: "eth_estimateGas",
                source,
            }),
        }
    }

    /// What L1 asks for now.
    async fn market(&self) -> Result<Fees, L1Error> {
        let estimate = self
            .provider
            .estimate_eip1559_fees()
            .await
            .map_err(rpc("eth_feeHistory"))?;
        Ok(Fees {
            max_fee_per_gas: estimate.max_fee_per_gas,
            max_priority_fee_per_gas: estimate.max_priority_fee_per_gas,
        })
    }
}

fn successful(receipt: TransactionReceipt, call: &Call) -> Result<TransactionReceipt, L1Error> {
    if receipt.status() {
        return Ok(receipt);
    }
    Err(L1Error::Reverted {
        to: call.to,
        hash: Some(receipt.transaction_hash),
        reason: "the mined transaction failed".to_owned(),
    })
}

fn rpc(what: &'static str) -> impl Fn(RpcError<TransportErrorKind>) -> L1Error {
    move |source| L1Error::Rpc { what, source }
}

/// L1 clients word it differently; all of these mean that this very transaction is in the pool.
fn is_known(message: &str) -> bool {
    ["already known", "already imported", "known transaction"]
        .iter()
        .any(|text| message.contains(text))
}

/// L1 clients word it differently; all of these mean that the pool keeps the earlier transaction with this nonce.
fn is_underpriced(message: &str) -> bool {
    message.contains("underpriced")
}
