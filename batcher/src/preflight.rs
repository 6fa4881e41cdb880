//! What is checked before the first transaction: that node, L1, key and rollup.json belong together. A batcher that starts on a wrong
//! one would pay for batches that nobody counts.

use crate::node::NodeClient;
use alloy::{
    primitives::{Address, Bytes},
    providers::{Provider, RootProvider},
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};
use std::{collections::BTreeSet, time::Duration};
use tracing::warn;
use tributary_protocol::{config::RollupConfig, contracts::ISystemConfig};

/// Pause before a node that does not answer is asked again.
const NODE_RETRY: Duration = Duration::from_secs(2);

/// Checks that `account` is the batcher the chain listens to now, which SystemConfig on L1 says.
///
/// # Errors
/// A sentence naming both accounts, or why L1 does not say.
pub async fn check_account(l1: &RootProvider, rollup: &RollupConfig, account: Address) -> Result<(), String> {
    let contract = rollup.l1_system_config_address;
    let call = ISystemConfig::batcherHashCall {};
    let request = TransactionRequest::default()
        .to(contract)
        .input(Bytes::from(call.abi_encode()).into());
    let answer = l1
        .call(request)
        .await
        .map_err(|error| format!("SystemConfig {contract} does not tell the batcher: {error}"))?;
    let hash = ISystemConfig::batcherHashCall::abi_decode_returns(&answer)
        .map_err(|error| format!("{contract} does not answer as a SystemConfig: {error}"))?;
    let expected = Address::from_word(hash);
    if account == expected {
        return Ok(());
    }
    Err(format!(
        "the key is of {account}, the batcher in SystemConfig {contract} is {expected}: nothing this batcher posts would count"
    ))
}

/// Checks at the start that the node's chain is the one of `rollup`. Waits for a node that does not answer yet.
///
/// # Errors
/// A sentence naming what differs.
pub async fn check_node(node: &NodeClient, rollup: &RollupConfig) -> Result<(), String> {
    let theirs = loop {
        match node.rollup_config().await {
            Ok(theirs) => break theirs,
            Err(error) => {
                warn!(%error, "waiting for the node");
                tokio::time::sleep(NODE_RETRY).await;
            }
        }
    };
    if theirs == *rollup {
        return Ok(());
    }
    if theirs.genesis.l2 != rollup.genesis.l2 {
        return Err(format!(
            "rollup.json has L2 genesis {}, the node's is {}: they are different chains",
            rollup.genesis.l2.hash, theirs.genesis.l2.hash
        ));
    }
    let differing = differing_keys(&theirs, rollup);
    Err(format!(
        "rollup.json and the node's rollup config differ in {differing}"
    ))
}

/// Top-level keys in which two configs differ, with both values: theirs first.
fn differing_keys(theirs: &RollupConfig, ours: &RollupConfig) -> String {
    let object = |config: &RollupConfig| match serde_json::to_value(config) {
        Ok(serde_json::Value::Object(object)) => object,
        _ => serde_json::Map::new(),
    };
    let (theirs, ours) = (object(theirs), object(ours));
    let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let differing = names
        .into_iter()
        .filter(|name| theirs.get(*name) != ours.get(*name));
    let value =
        |value: Option<&serde_json::Value>| value.map_or_else(|| "absent".to_owned(), ToString::to_string);
    differing
        .map(|name| {
            format!(
                "{name} (node {}, file {})",
                value(theirs.get(name)),
                value(ours.get(name))
            )
        })
        .collect::<Vec<_>>()
        .join(", ")
}
