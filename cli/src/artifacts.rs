//! The compiled contracts, built into the binary so that neither Node nor a compiler is needed to run.

use alloy::{hex, primitives::Bytes};
use serde::Deserialize;

/// A compiled contract.
#[derive(Clone, Debug)]
pub(crate) struct Artifact {
    /// Code that deploys it; constructor arguments follow.
    pub(crate) creation_code: Bytes,
    /// Code it has once deployed.
    pub(crate) runtime_code: Bytes,
}

#[derive(Deserialize)]
struct File {
    bytecode: String,
    #[serde(rename = "deployedBytecode")]
    deployed_bytecode: String,
}

impl Artifact {
    fn parse(text: &str) -> Self {
        let file: File = serde_json::from_str(text).expect("a committed artifact is valid JSON");
        let code = |text: &str| Bytes::from(hex::decode(text).expect("a committed artifact holds hex"));
        Self {
            creation_code: code(&file.bytecode),
            runtime_code: code(&file.deployed_bytecode),
        }
    }
}

macro_rules! artifacts {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => {
        $($(#[$doc])* pub(crate) fn $name() -> Artifact {
            Artifact::parse(include_str!(concat!("../../contracts/artifacts/", $file, ".json")))
        })*

        #[cfg(test)]
        const ALL: &[(&str, fn() -> Artifact)] = &[$(($file, $name)),*];
    };
}

artifacts! {
    /// L1: makes every L1 contract of a chain.
    l1_deployment = "L1Deployment";
    /// L2: what L1 looks like.
    l1_block = "L1Block";
    /// L2: withdrawals.
    message_passer = "L2ToL1MessagePasser";
    /// L2: fees.
    gas_price_oracle = "GasPriceOracle";
    /// L2: where fees go.
    fee_vault = "FeeVault";
    /// L2: who stands behind models, adapters and data.
    attribution_registry = "AttributionRegistry";
    /// L2: what was used, what it cost, who earned it.
    attribution_ledger = "AttributionLedger";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_artifact_parses_and_has_code() {
        for (name, artifact) in ALL {
            let artifact = artifact();
            assert!(
                !artifact.creation_code.is_empty() && !artifact.runtime_code.is_empty(),
                "{name}"
            );
        }
    }
}
