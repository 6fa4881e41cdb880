//! What Rust declares of the contracts is in the committed artifacts, signature by signature. A declaration that drifts from the sources
//! fails here, without a Solidity compiler.

use alloy_sol_types::{SolCall, SolEvent, SolStruct};
use serde_json::Value;
use std::collections::BTreeSet;
use tributary_protocol::{
    config::CONFIG_UPDATE_TOPIC,
    contracts::{
        IAttributionLedger, IAttributionRegistry, IDisputeGame, IDisputeGameFactory, IFeeVault,
        IGasPriceOracle, IL1Block, IL2ToL1MessagePasser, IOptimismPortal, ISystemConfig, L1Deployment,
    },
    deposit::TRANSACTION_DEPOSITED_TOPIC,
    l1_info::{ISTHMUS_SELECTOR, JOVIAN_SELECTOR},
};

fn artifact(contract: &str) -> Value {
    let path = format!(
        "{}/../contracts/artifacts/{contract}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).expect("artifacts are JSON")
}

/// `name(type,type,…)` of each entry of a kind.
fn signatures(contract: &str, kind: &str) -> BTreeSet<String> {
    let artifact = artifact(contract);
    let entries = artifact["abi"].as_array().expect("an artifact has an ABI");
    let of_kind = entries.iter().filter(|entry| entry["type"] == kind);
    of_kind
        .map(|entry| entry["name"].as_str().unwrap_or_default().to_owned() + &tuple(&entry["inputs"]))
        .collect()
}

/// Types of parameters, structs spelled out.
fn tuple(parameters: &Value) -> String {
    let types: Vec<String> = parameters
        .as_array()
        .into_iter()
        .flatten()
        .map(type_name)
        .collect();
    format!("({})", types.join(","))
}

fn type_name(parameter: &Value) -> String {
    let name = parameter["type"].as_str().expect("a parameter has a type");
    match name.strip_prefix("tuple") {
        Some(array) => tuple(&parameter["components"]) + array,
        None => name.to_owned(),
    }
}

#[track_caller]
fn check(contract: &str, kind: &str, declared: &[&str]) {
    let offered = signatures(contract, kind);
    let absent: Vec<_> = declared
        .iter()
        .filter(|signature| !offered.contains(**signature))
        .collect();
    assert!(absent.is_empty(), "{contract} has no {kind} {absent:?}");
    assert!(!declared.is_empty());
}

#[test]
fn declared_functions_exist() {
    check(
        "SystemConfig",
        "function",
        ISystemConfig::ISystemConfigCalls::SIGNATURES,
    );
    check(
        "OptimismPortal",
        "function",
        IOptimismPortal::IOptimismPortalCalls::SIGNATURES,
    );
    check(
        "DisputeGameFactory",
        "function",
        IDisputeGameFactory::IDisputeGameFactoryCalls::SIGNATURES,
    );
    check(
        "OutputProposal",
        "function",
        IDisputeGame::IDisputeGameCalls::SIGNATURES,
    );
    check(
        "L1Deployment",
        "function",
        L1Deployment::L1DeploymentCalls::SIGNATURES,
    );
    check("L1Block", "function", IL1Block::IL1BlockCalls::SIGNATURES);
    check(
        "L2ToL1MessagePasser",
        "function",
        IL2ToL1MessagePasser::IL2ToL1MessagePasserCalls::SIGNATURES,
    );
    check(
        "GasPriceOracle",
        "function",
        IGasPriceOracle::IGasPriceOracleCalls::SIGNATURES,
    );
    check("FeeVault", "function", IFeeVault::IFeeVaultCalls::SIGNATURES);
    check(
        "AttributionRegistry",
        "function",
        IAttributionRegistry::IAttributionRegistryCalls::SIGNATURES,
    );
    check(
        "AttributionLedger",
        "function",
        IAttributionLedger::IAttributionLedgerCalls::SIGNATURES,
    );
}

#[test]
fn declared_events_exist() {
    check(
        "SystemConfig",
        "event",
        ISystemConfig::ISystemConfigEvents::SIGNATURES,
    );
    check(
        "OptimismPortal",
        "event",
        IOptimismPortal::IOptimismPortalEvents::SIGNATURES,
    );
    check(
        "DisputeGameFactory",
        "event",
        IDisputeGameFactory::IDisputeGameFactoryEvents::SIGNATURES,
    );
    check(
        "OutputProposal",
        "event",
        IDisputeGame::IDisputeGameEvents::SIGNATURES,
    );
    check(
        "L2ToL1MessagePasser",
        "event",
        IL2ToL1MessagePasser::IL2ToL1MessagePasserEvents::SIGNATURES,
    );
    check("FeeVault", "event", IFeeVault::IFeeVaultEvents::SIGNATURES);
    check(
        "AttributionRegistry",
        "event",
        IAttributionRegistry::IAttributionRegistryEvents::SIGNATURES,
    );
    check(
        "AttributionLedger",
        "event",
        IAttributionLedger::IAttributionLedgerEvents::SIGNATURES,
    );
}

#[test]
fn declared_errors_exist() {
    check(
        "SystemConfig",
        "error",
        ISystemConfig::ISystemConfigErrors::SIGNATURES,
    );
    check(
        "OptimismPortal",
        "error",
        IOptimismPortal::IOptimismPortalErrors::SIGNATURES,
    );
    check(
        "DisputeGameFactory",
        "error",
        IDisputeGameFactory::IDisputeGameFactoryErrors::SIGNATURES,
    );
    check(
        "OutputProposal",
        "error",
        IDisputeGame::IDisputeGameErrors::SIGNATURES,
    );
    check("L1Block", "error", IL1Block::IL1BlockErrors::SIGNATURES);
    check("FeeVault", "error", IFeeVault::IFeeVaultErrors::SIGNATURES);
    check(
        "AttributionRegistry",
        "error",
        IAttributionRegistry::IAttributionRegistryErrors::SIGNATURES,
    );
    check(
        "AttributionLedger",
        "error",
        IAttributionLedger::IAttributionLedgerErrors::SIGNATURES,
    );
}

/// Events are told apart by what is indexed too, which a topic does not say.
#[test]
fn indexed_parameters_agree() {
    let indexed = |contract: &str, event: &str| -> usize {
        let artifact = artifact(contract);
        let entries = artifact["abi"].as_array().expect("an artifact has an ABI");
        let entry = entries
            .iter()
            .find(|entry| entry["type"] == "event" && entry["name"] == event);
        let inputs = entry.expect("the event exists")["inputs"]
            .as_array()
            .expect("it has parameters")
            .clone();
        inputs.iter().filter(|input| input["indexed"] == true).count()
    };
    macro_rules! check_indexed {
        ($($contract:literal $interface:ident :: $event:ident),+ $(,)?) => {$(
            let declared = <<$interface::$event as SolEvent>::TopicList as alloy_sol_types::TopicList>::COUNT - 1;
            assert_eq!(declared, indexed($contract, stringify!($event)), stringify!($event));
        )+};
    }
    check_indexed!(
        "SystemConfig" ISystemConfig::ConfigUpdate,
        "OptimismPortal" IOptimismPortal::TransactionDeposited,
        "DisputeGameFactory" IDisputeGameFactory::DisputeGameCreated,
        "L2ToL1MessagePasser" IL2ToL1MessagePasser::MessagePassed,
        "AttributionRegistry" IAttributionRegistry::ModelRegistered,
        "AttributionRegistry" IAttributionRegistry::AdapterRegistered,
        "AttributionRegistry" IAttributionRegistry::ContributionRegistered,
        "AttributionRegistry" IAttributionRegistry::FeePolicyCreated,
        "AttributionRegistry" IAttributionRegistry::GatewayRegistered,
        "AttributionLedger" IAttributionLedger::PayerRegistered,
        "AttributionLedger" IAttributionLedger::InferenceRecorded,
        "AttributionLedger" IAttributionLedger::Claimed,
        "AttributionLedger" IAttributionLedger::ContributionClaimed,
    );
}

/// What the wire formats know by number is what the contracts use.
#[test]
fn selectors_and_topics_are_the_wire_formats() {
    assert_eq!(IL1Block::setL1BlockValuesIsthmusCall::SELECTOR, ISTHMUS_SELECTOR);
    assert_eq!(IL1Block::setL1BlockValuesJovianCall::SELECTOR, JOVIAN_SELECTOR);
    assert_eq!(
        IOptimismPortal::TransactionDeposited::SIGNATURE_HASH,
        TRANSACTION_DEPOSITED_TOPIC
    );
    assert_eq!(ISystemConfig::ConfigUpdate::SIGNATURE_HASH, CONFIG_UPDATE_TOPIC);
}

/// Field by field, names included: fifteen numbers and addresses in a row are easily swapped.
#[test]
fn deployment_takes_the_declared_arguments() {
    let artifact = artifact("L1Deployment");
    let entries = artifact["abi"].as_array().expect("an artifact has an ABI");
    let constructor = entries
        .iter()
        .find(|entry| entry["type"] == "constructor")
        .expect("it has a constructor");
    let offered = |index: usize| -> Vec<String> {
        let fields = constructor["inputs"][index]["components"]
            .as_array()
            .expect("a struct")
            .iter();
        fields
            .map(|field| {
                format!(
                    "{} {}",
                    type_name(field),
                    field["name"].as_str().unwrap_or_default()
                )
            })
            .collect()
    };
    // EIP-712 spells a struct as `Name(type name,type name,…)`.
    let declared = |spelled: &str| -> Vec<String> {
        let (_, fields) = spelled.split_once('(').expect("a struct has fields");
        fields
            .trim_end_matches(')')
            .split(',')
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(declared(&ISystemConfig::Config::eip712_root_type()), offered(0));
    assert_eq!(declared(&L1Deployment::Proposals::eip712_root_type()), offered(1));
}

#[test]
fn code_is_linked_and_fits_the_limits_of_the_evm() {
    let size = |contract: &str, key: &str| {
        let artifact = artifact(contract);
        let code = artifact[key]
            .as_str()
            .expect("an artifact has code")
            .trim_start_matches("0x")
            .to_owned();
        hex::decode(code).expect("code is linked").len()
    };
    let predeploys = [
        "L1Block",
        "L2ToL1MessagePasser",
        "GasPriceOracle",
        "FeeVault",
        "AttributionRegistry",
        "AttributionLedger",
    ];
    for contract in predeploys {
        assert!(
            (1..=24_576).contains(&size(contract, "deployedBytecode")),
            "{contract}"
        );
    }
    assert!((1..=49_152).contains(&size("L1Deployment", "bytecode")));
}
