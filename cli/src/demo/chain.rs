//! The L2 as the demo uses it: transactions of one account in order, receipts, views.

use crate::devnet::l1;
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::{BlockNumberOrTag, eip2718::Encodable2718},
    network::TxSignerSync,
    primitives::{Address, B256, Bytes, TxKind, U256},
    providers::{Provider, RootProvider},
    rpc::json_rpc::ErrorPayload,
    rpc::types::{TransactionInput, TransactionRequest},
    signers::local::PrivateKeySigner,
    sol_types::{SolCall, SolInterface},
    transports::{RpcError, TransportErrorKind},
};
use eyre::{Context, OptionExt, bail, ensure};
use serde::Deserialize;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};
use tributary_protocol::contracts::{IAttributionLedger, IAttributionRegistry};

/// Transactions sent before the first of them has its receipt. The pool takes more from one account; this keeps latency honest.
const IN_FLIGHT_MAX: usize = 16;

/// Pause between two looks for a receipt.
const RECEIPT_POLL: Duration = Duration::from_millis(10);

/// Pause before a node that does not answer is asked again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// How long a transaction may wait for its receipt.
const RECEIPT_PATIENCE: Duration = Duration::from_secs(60);

/// Gas left on top of an estimate, per hundred: transactions sent before it may change what it costs.
const GAS_MARGIN_PERCENT: u64 = 100;

/// Wei per gas to the sequencer.
const TIP: u128 = 1_000;

/// What the demo needs of a receipt; read without the fields that only deposits have.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    pub(crate) status: U256,
    pub(crate) block_number: U256,
    pub(crate) gas_used: U256,
    pub(crate) transaction_hash: B256,
}

impl Receipt {
    pub(crate) fn block(&self) -> u64 {
        self.block_number.saturating_to()
    }

    pub(crate) fn gas(&self) -> u64 {
        self.gas_used.saturating_to()
    }
}

/// A mined transaction, and how long its sender waited to know.
#[derive(Clone, Debug)]
pub(crate) struct Mined {
    pub(crate) receipt: Receipt,
    pub(crate) waited: Duration,
}

/// A reader of the chain at one RPC endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    provider: RootProvider,
    url: String,
}

impl Reader {
    pub(crate) fn new(url: &str) -> eyre::Result<Self> {
        Ok(Self {
            provider: l1::provider(url)?,
            url: url.to_owned(),
        })
    }

    pub(crate) const fn provider(&self) -> &RootProvider {
        &self.provider
    }

    /// Calls a view of the contract at `to` on the latest block.
    pub(crate) async fn view<C: SolCall>(&self, to: Address, call: &C) -> eyre::Result<C::Return> {
        let request = TransactionRequest::default()
            .to(to)
            .input(TransactionInput::new(call.abi_encode().into()));
        let answer = self
            .provider
            .call(request)
            .await
            .with_context(|| format!("{} of {to} at {}", C::SIGNATURE, self.url))?;
        Ok(C::abi_decode_returns(&answer)?)
    }

    pub(crate) async fn receipt(&self, hash: B256) -> eyre::Result<Option<Receipt>> {
        Ok(self
            .provider
            .raw_request("eth_getTransactionReceipt".into(), (hash,))
            .await?)
    }

    /// True if the node has the transaction, waiting, executed or in a block: after a connection was lost with an answer, it may be
    /// refused as known, or as one whose nonce is used up.
    async fn has(&self, hash: B256) -> eyre::Result<bool> {
        let request = || {
            self.provider
                .raw_request("eth_getTransactionByHash".into(), (hash,))
        };
        Ok(patiently::<serde_json::Value, _>(request)
            .await
            .map(|found| !found.is_null())?)
    }

    /// Hash of block `number`.
    pub(crate) async fn block_hash(&self, number: u64) -> eyre::Result<B256> {
        #[derive(Debug, Deserialize)]
        struct Block {
            hash: B256,
        }
        let number = BlockNumberOrTag::Number(number);
        let block: Option<Block> = self
            .provider
            .raw_request("eth_getBlockByNumber".into(), (number, false))
            .await?;
        Ok(block
            .ok_or_eyre(format!("{} has no block {number}", self.url))?
            .hash)
    }
}

/// Sends the transactions of one account, in order, a few at a time.
pub(crate) struct Sender {
    reader: Reader,
    signer: PrivateKeySigner,
    chain_id: u64,
    next_nonce: u64,
    in_flight: VecDeque<(B256, Bytes, Instant)>,
}

impl Sender {
    pub(crate) async fn new(reader: Reader, signer: PrivateKeySigner) -> eyre::Result<Self> {
        let chain_id = reader.provider.get_chain_id().await?;
        let next_nonce = reader.provider.get_transaction_count(signer.address()).await?;
        Ok(Self {
            reader,
            signer,
            chain_id,
            next_nonce,
            in_flight: VecDeque::new(),
        })
    }

    /// Sends a call; returns the receipts that were waited for to make room.
    pub(crate) async fn send(
        &mut self,
        to: Address,
        data: Bytes,
        value: U256,
        gas_limit: u64,
    ) -> eyre::Result<Option<Mined>> {
        let mined = if self.in_flight.len() >= IN_FLIGHT_MAX {
            self.wait_for_oldest().await?
        } else {
            None
        };
        let (raw, hash) = self.sign(to, data, value, gas_limit).await?;
        let sent = patiently(|| self.reader.provider.send_raw_transaction(&raw)).await;
        if let Err(error) = sent
            && !self.reader.has(hash).await?
        {
            let nonce = self.next_nonce;
            return Err(error)
                .with_context(|| format!("the node refuses transaction {hash} (nonce {nonce})"));
        }
        self.next_nonce += 1;
        self.in_flight.push_back((hash, raw, Instant::now()));
        Ok(mined)
    }

    /// Gas that `data` to `to` takes now, with a margin.
    pub(crate) async fn estimate(&self, to: Address, data: &Bytes, value: U256) -> eyre::Result<u64> {
        let request = TransactionRequest::default()
            .from(self.signer.address())
            .to(to)
            .value(value)
            .input(TransactionInput::new(data.clone()));
        let gas = self
            .reader
            .provider
            .estimate_gas(request)
            .await
            .map_err(|error| refusal(&error))?;
        Ok(gas + gas * GAS_MARGIN_PERCENT / 100)
    }

    /// Waits for every transaction sent.
    pub(crate) async fn drain(&mut self) -> eyre::Result<Vec<Mined>> {
        let mut mined = Vec::new();
        while let Some(one) = self.wait_for_oldest().await? {
            mined.push(one);
        }
        Ok(mined)
    }

    async fn wait_for_oldest(&mut self) -> eyre::Result<Option<Mined>> {
        let Some((hash, raw, sent)) = self.in_flight.pop_front() else {
            return Ok(None);
        };
        let mut asked_again = Instant::now();
        loop {
            // A node that is being restarted is waited for, and told again what it may have forgotten.
            match self.reader.receipt(hash).await {
                Ok(Some(receipt)) => {
                    ensure!(
                        receipt.status == U256::from(1),
                        "transaction {} failed in L2 block {}: status {}, {} gas used",
                        receipt.transaction_hash,
                        receipt.block(),
                        receipt.status,
                        receipt.gas(),
                    );
                    return Ok(Some(Mined {
                        receipt,
                        waited: sent.elapsed(),
                    }));
                }
                Ok(None) | Err(_) if sent.elapsed() < RECEIPT_PATIENCE => {}
                Ok(None) => bail!("transaction {hash} has no receipt after {RECEIPT_PATIENCE:?}"),
                Err(error) => {
                    return Err(error.wrap_err(format!("no receipt of {hash} after {RECEIPT_PATIENCE:?}")));
                }
            }
            if asked_again.elapsed() > Duration::from_secs(5) {
                asked_again = Instant::now();
                self.send_again(&raw).await;
            }
            tokio::time::sleep(RECEIPT_POLL).await;
        }
    }

    /// The receipt of a transaction that had one before a reorg.
    pub(crate) async fn receipt_again(&self, hash: B256) -> eyre::Result<Receipt> {
        let started = Instant::now();
        loop {
            if let Some(receipt) = self.reader.receipt(hash).await? {
                return Ok(receipt);
            }
            ensure!(
                started.elapsed() < RECEIPT_PATIENCE,
                "transaction {hash} was in a block that L1 took back and is in none {RECEIPT_PATIENCE:?} later"
            );
            tokio::time::sleep(RECEIPT_POLL).await;
        }
    }

    /// Sends what is still waiting once more; a node that knows it says so, and that is fine.
    async fn send_again(&self, oldest: &Bytes) {
        for raw in std::iter::once(oldest).chain(self.in_flight.iter().map(|(_, raw, _)| raw)) {
            if let Err(error) = self.reader.provider.send_raw_transaction(raw).await {
                tracing::debug!(%error, "sending again");
            }
        }
    }

    async fn sign(
        &self,
        to: Address,
        data: Bytes,
        value: U256,
        gas_limit: u64,
    ) -> eyre::Result<(Bytes, B256)> {
        let base_fee: U256 =
            patiently(|| self.reader.provider.raw_request("eth_gasPrice".into(), ())).await?;
        let mut transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce: self.next_nonce,
            gas_limit,
            // Room for the base fee to rise while the transaction waits.
            max_fee_per_gas: base_fee.saturating_to::<u128>() * 4 + TIP,
            max_priority_fee_per_gas: TIP,
            to: TxKind::Call(to),
            value,
            input: data,
            access_list: Default::default(),
        };
        let signature = self.signer.sign_transaction_sync(&mut transaction)?;
        let signed = TxEnvelope::from(transaction.into_signed(signature));
        Ok((signed.encoded_2718().into(), *signed.tx_hash()))
    }
}

/// Asks until the node answers: one that is being restarted is waited for.
async fn patiently<T, F>(request: impl Fn() -> F) -> Result<T, RpcError<TransportErrorKind>>
where
    F: IntoFuture<Output = Result<T, RpcError<TransportErrorKind>>>,
{
    let started = Instant::now();
    loop {
        match request().await {
            Err(RpcError::Transport(error)) if started.elapsed() < RECEIPT_PATIENCE => {
                tracing::debug!(%error, "asking again");
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
            answer => return answer,
        }
    }
}

/// Why a call is refused, with the contract's own error where it is one of ours.
fn refusal(error: &RpcError<TransportErrorKind>) -> eyre::Report {
    let data = error.as_error_resp().and_then(ErrorPayload::as_revert_data);
    let reason = data.and_then(|data| {
        let ledger =
            IAttributionLedger::IAttributionLedgerErrors::abi_decode(&data).map(|error| format!("{error:?}"));
        ledger
            .or_else(|_| {
                IAttributionRegistry::IAttributionRegistryErrors::abi_decode(&data)
                    .map(|error| format!("{error:?}"))
            })
            .ok()
    });
    match reason {
        Some(reason) => eyre::eyre!("the contract refuses the call: {reason}"),
        None => eyre::eyre!("the node refuses the call: {error}"),
    }
}
