//! `tributary record`: one inference from the command line.

use crate::{
    demo::{Reader, Sender},
    keys,
};
use alloy::{primitives::U256, sol_types::SolCall};
use clap::Args;
use eyre::{OptionExt, bail};
use std::{path::PathBuf, str::FromStr};
use tributary_protocol::contracts::{ATTRIBUTION_LEDGER, IAttributionLedger};

/// A contribution and its weight, written `contribution:weight`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShareArg {
    contribution: u32,
    weight: u16,
}

impl FromStr for ShareArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hint = || format!("`{text}` must be CONTRIBUTION:WEIGHT, for example 17:300");
        let (contribution, weight) = text.split_once(':').ok_or_else(hint)?;
        let contribution = contribution.parse().map_err(|_| hint())?;
        let weight = weight
            .parse()
            .ok()
            .filter(|weight| *weight > 0)
            .ok_or_else(hint)?;
        Ok(Self { contribution, weight })
    }
}

/// Record one inference on chain.
///
/// The sender must be a registered gateway. The fee follows from the adapter's prices and is taken from what the payer has prepaid;
/// what it is divided into is printed with the record's id.
#[derive(Args, Debug)]
pub(crate) struct RecordArgs {
    /// JSON-RPC endpoint of the chain.
    #[arg(
        long,
        env = "TRIBUTARY_NODE_RPC",
        value_name = "URL",
        default_value = "http://127.0.0.1:8545"
    )]
    pub(crate) node_rpc: String,
    /// File with the gateway's private key (64 hex digits, mode 600).
    #[arg(long, env = "TRIBUTARY_GATEWAY_KEY_FILE", value_name = "FILE")]
    pub(crate) gateway_key_file: PathBuf,
    /// Index of the payer.
    #[arg(long)]
    pub(crate) payer: u32,
    /// Index of the adapter that answered.
    #[arg(long)]
    pub(crate) adapter: u32,
    /// Tokens of the prompt.
    #[arg(long)]
    pub(crate) tokens_in: u32,
    /// Tokens of the answer.
    #[arg(long)]
    pub(crate) tokens_out: u32,
    /// A contribution behind the answer and its weight; up to five.
    #[arg(long = "share", required = true, value_name = "CONTRIBUTION:WEIGHT")]
    pub(crate) shares: Vec<ShareArg>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Records and prints what became of it.
pub(crate) async fn run(args: RecordArgs) -> eyre::Result<()> {
    let reader = Reader::new(&args.node_rpc)?;
    let chain_id = alloy::providers::Provider::get_chain_id(reader.provider()).await?;
    let signer = keys::load(&args.gateway_key_file, "gateway-key-file", chain_id)?;
    let shares = args.shares.iter().map(|share| IAttributionLedger::Share {
        contribution: share.contribution,
        weight: share.weight,
    });
    let call = IAttributionLedger::recordInferenceCall {
        payer: args.payer,
        adapter: args.adapter,
        tokensIn: args.tokens_in,
        tokensOut: args.tokens_out,
        shares: shares.collect(),
    };
    let data = alloy::primitives::Bytes::from(call.abi_encode());
    let mut sender = Sender::new(reader.clone(), signer).await?;
    let gas = sender.estimate(ATTRIBUTION_LEDGER, &data, U256::ZERO).await?;
    sender.send(ATTRIBUTION_LEDGER, data, U256::ZERO, gas).await?;
    let mined = sender.drain().await?;
    let mined = mined.first().ok_or_eyre("the transaction has no receipt")?;
    let id = record_id(&reader, mined.receipt.transaction_hash).await?;
    if args.json {
        println!(
            "{}",
            serde_json::json!({
                "id": id,
                "transaction": mined.receipt.transaction_hash,
                "block": mined.receipt.block(),
                "gas": mined.receipt.gas(),
                "milliseconds": mined.waited.as_secs_f64() * 1_000.0,
            })
        );
    } else {
        println!(
            "record {id} in block {}, transaction {}",
            mined.receipt.block(),
            mined.receipt.transaction_hash
        );
    }
    Ok(())
}

/// The id the ledger gave the record, from its event.
async fn record_id(reader: &Reader, transaction: alloy::primitives::B256) -> eyre::Result<u64> {
    use alloy::{rpc::types::Log, sol_types::SolEvent};
    #[derive(Debug, serde::Deserialize)]
    struct Logs {
        logs: Vec<Log>,
    }
    let receipt: Logs = alloy::providers::Provider::raw_request(
        reader.provider(),
        "eth_getTransactionReceipt".into(),
        (transaction,),
    )
    .await?;
    for log in receipt
        .logs
        .iter()
        .filter(|log| log.address() == ATTRIBUTION_LEDGER)
    {
        if let Ok(event) = IAttributionLedger::InferenceRecorded::decode_log(&log.inner) {
            return Ok(event.id);
        }
    }
    bail!("transaction {transaction} recorded nothing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_contribution_and_weight() {
        assert_eq!(
            "17:300".parse(),
            Ok(ShareArg {
                contribution: 17,
                weight: 300
            })
        );
        for wrong in ["17", "17:", ":3", "17:0", "17:65536", "a:1", "1:2:3"] {
            let error = wrong.parse::<ShareArg>().unwrap_err();
            assert!(
                error.contains(wrong) && error.contains("CONTRIBUTION:WEIGHT"),
                "{error}"
            );
        }
    }
}
