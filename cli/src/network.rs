//! What makes one chain: its parameters, its contracts on both sides, and the files that say so.
//!
//! ```text
//!  ChainSpec --deploy--> L1 contracts --start block--> genesis.json, rollup.json, l1-deployment.json
//! ```
//!
//! On a development L1 the genesis follows from `rollup.json` alone ([`genesis_of`]), so a follower needs no other file.

use crate::{
    artifacts::{self, Artifact},
    keys::DEV_ACCOUNTS,
    preinstalls::preinstalls,
};
use alloy::{
    genesis::GenesisAccount,
    primitives::{Address, B256, Bytes, U256, keccak256},
};
use eyre::{Context, bail};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};
use tributary_protocol::{
    block::{L1BlockId, L2BlockId},
    config::{
        AltDaConfig, ChainGenesis, ChainOpConfig, Eip1559Params, FeeScalars, RollupConfig, SystemConfig,
    },
    contracts,
    genesis::{Genesis, GenesisBlock, GenesisParts},
};

/// Name of the rollup's rules in a network's folder.
pub(crate) const ROLLUP_FILE: &str = "rollup.json";
/// Name of the genesis in a network's folder.
pub(crate) const GENESIS_FILE: &str = "genesis.json";
/// Name of the L1 addresses in a network's folder.
pub(crate) const DEPLOYMENT_FILE: &str = "l1-deployment.json";

/// Chain ids of L1s that hold no value: their L2s start with funded development accounts.
const DEVELOPMENT_L1S: [u64; 3] = [900, 1337, 31337];

/// Wei each development account starts with: 10,000 ETH.
const DEVELOPMENT_FUNDS: u128 = 10_000 * 1_000_000_000_000_000_000;

/// EIP-1559 of the OP Stack: a sixth of the limit is the target, and the base fee moves by 1/250 a block.
const FEES: ChainOpConfig = ChainOpConfig {
    eip1559_elasticity: 6,
    eip1559_denominator: 50,
    eip1559_denominator_canyon: 250,
};

/// [`FEES`] as `SystemConfig` holds them; they are spelled out there because the contract refuses zeros.
pub(crate) const EIP1559_PARAMS: Eip1559Params = Eip1559Params {
    denominator: 250,
    elasticity: 6,
};

/// Parameters of a new chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChainSpec {
    pub(crate) l1_chain_id: u64,
    pub(crate) l2_chain_id: u64,
    /// Seconds between L2 blocks.
    pub(crate) block_time: u64,
    /// L1 blocks.
    pub(crate) seq_window_size: u64,
    /// False stops at Isthmus, as far as independent derivers on crates.io go.
    pub(crate) jovian: bool,
    pub(crate) gas_limit: u64,
    /// Wei.
    pub(crate) min_base_fee: u64,
    pub(crate) da_footprint_gas_scalar: u16,
    pub(crate) batcher: Address,
    pub(crate) proposer: Address,
    pub(crate) unsafe_block_signer: Address,
    pub(crate) owner: Address,
}

/// Where the contracts of a chain are on L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deployment {
    pub(crate) l1_chain_id: u64,
    /// Derivation starts after this block.
    pub(crate) l1_start: L1BlockId,
    /// Unix seconds of that block; also of L2's block 0.
    pub(crate) l1_start_time: u64,
    pub(crate) system_config: Address,
    pub(crate) optimism_portal: Address,
    pub(crate) dispute_game_factory: Address,
    pub(crate) batch_inbox: Address,
    /// L2's block 0.
    #[serde(default)]
    pub(crate) l2_genesis_hash: B256,
}

/// A chain: rules, block 0 and L1 addresses, which agree on the genesis hash.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) rollup: RollupConfig,
    pub(crate) genesis: Genesis,
    pub(crate) deployment: Deployment,
}

impl Network {
    /// The chain of `spec` on the contracts of `deployment`.
    pub(crate) fn new(spec: &ChainSpec, mut deployment: Deployment) -> eyre::Result<Self> {
        let mut rollup = rollup(spec, &deployment);
        let genesis = genesis_of(&rollup, spec.owner)?;
        let block = genesis.seal();
        rollup.genesis.l2.hash = block.hash;
        deployment.l2_genesis_hash = block.hash;
        rollup.validate()?;
        Ok(Self {
            rollup,
            genesis,
            deployment,
        })
    }

    /// The same chain with more accounts in block 0; one that is there already is replaced.
    pub(crate) fn with_accounts(
        mut self,
        accounts: impl IntoIterator<Item = (Address, GenesisAccount)>,
    ) -> eyre::Result<Self> {
        let json = self.genesis.as_json().clone().extend_accounts(accounts);
        self.genesis = Genesis::new(json)?;
        let block = self.genesis.seal();
        self.rollup.genesis.l2.hash = block.hash;
        self.deployment.l2_genesis_hash = block.hash;
        Ok(self)
    }

    /// Writes the three files into `folder`.
    pub(crate) fn write(&self, folder: &Path) -> eyre::Result<()> {
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        write(GENESIS_FILE, self.genesis.to_json())?;
        write(ROLLUP_FILE, self.rollup.to_json())?;
        write(DEPLOYMENT_FILE, serde_json::to_string_pretty(&self.deployment)?)
    }
}

/// The genesis `rollup` was made with: from `file` if given, else composed, which works on development L1s alone.
pub(crate) fn genesis_for(
    rollup: &RollupConfig,
    file: Option<&Path>,
) -> eyre::Result<(Genesis, GenesisBlock)> {
    let genesis = match file {
        Some(path) => {
            let json =
                std::fs::read(path).with_context(|| format!("cannot read {} (--genesis)", path.display()))?;
            Genesis::from_json(&json).with_context(|| format!("{}", path.display()))?
        }
        None if DEVELOPMENT_L1S.contains(&rollup.l1_chain_id) => genesis_of(rollup, DEV_ACCOUNTS[0])?,
        None => bail!(
            "the genesis of chain {} is not built in; give it with --genesis",
            rollup.l2_chain_id
        ),
    };
    let block = genesis.seal();
    genesis.check(rollup, &block)?;
    Ok((genesis, block))
}

/// The genesis that follows from `rollup` and the chain's owner; the hash in `rollup` is not looked at.
fn genesis_of(rollup: &RollupConfig, owner: Address) -> eyre::Result<Genesis> {
    let system = &rollup.genesis.system_config;
    let parts = GenesisParts {
        chain_id: rollup.l2_chain_id,
        timestamp: rollup.genesis.l2_time,
        gas_limit: system.gas_limit,
        base_fee: system.min_base_fee.max(1),
        fees: rollup.chain_op_config,
        min_base_fee: system.min_base_fee,
        jovian_time: rollup.jovian_time,
        alloc: alloc(
            rollup.l2_chain_id,
            owner,
            rollup.jovian_time == Some(0),
            DEVELOPMENT_L1S.contains(&rollup.l1_chain_id),
        ),
    };
    Ok(parts.build()?)
}

fn rollup(spec: &ChainSpec, deployment: &Deployment) -> RollupConfig {
    RollupConfig {
        genesis: ChainGenesis {
            l1: deployment.l1_start,
            l2: L2BlockId::default(),
            l2_time: deployment.l1_start_time,
            system_config: SystemConfig {
                batcher_address: spec.batcher,
                overhead: B256::ZERO,
                scalar: FeeScalars {
                    base_fee: 0,
                    blob_base_fee: 0,
                }
                .encode(),
                gas_limit: spec.gas_limit,
                eip1559_params: EIP1559_PARAMS.to_bytes(),
                operator_fee_params: B256::ZERO,
                min_base_fee: spec.min_base_fee,
                da_footprint_gas_scalar: spec.da_footprint_gas_scalar,
            },
        },
        block_time: spec.block_time,
        max_sequencer_drift: tributary_protocol::config::MAX_SEQUENCER_DRIFT_SECS,
        seq_window_size: spec.seq_window_size,
        channel_timeout: tributary_protocol::config::CHANNEL_TIMEOUT_L1_BLOCKS,
        l1_chain_id: spec.l1_chain_id,
        l2_chain_id: spec.l2_chain_id,
        regolith_time: Some(0),
        canyon_time: Some(0),
        delta_time: Some(0),
        ecotone_time: Some(0),
        fjord_time: Some(0),
        granite_time: Some(0),
        holocene_time: Some(0),
        isthmus_time: Some(0),
        jovian_time: spec.jovian.then_some(0),
        batch_inbox_address: deployment.batch_inbox,
        deposit_contract_address: deployment.optimism_portal,
        l1_system_config_address: deployment.system_config,
        protocol_versions_address: Address::ZERO,
        chain_op_config: FEES,
        alt_da: Some(AltDaConfig {
            da_challenge_contract_address: Address::ZERO,
            da_commitment_type: "GenericCommitment".to_owned(),
            da_challenge_window: 1,
            da_resolve_window: 1,
        }),
    }
}

/// The OP Stack's convention: `0x00 ‖ keccak256(bytes32(chain id))[..19]`.
pub(crate) fn batch_inbox(l2_chain_id: u64) -> Address {
    let hash = keccak256(B256::from(U256::from(l2_chain_id)));
    let mut inbox = [0; 20];
    inbox[1..].copy_from_slice(&hash[..19]);
    Address::from(inbox)
}

/// Contracts of block 0, and funded accounts on a development chain. `owner` administers the attribution registry and takes fees.
fn alloc(
    chain_id: u64,
    owner: Address,
    jovian: bool,
    development: bool,
) -> BTreeMap<Address, GenesisAccount> {
    let contract = |code: Bytes| {
        GenesisAccount::default()
            .with_nonce(Some(1))
            .with_code(Some(code))
    };
    let predeploy = |artifact: Artifact| contract(artifact.runtime_code);
    let registry = predeploy(artifacts::attribution_registry())
        .with_storage(Some(contracts::attribution_registry_storage(owner, owner)));
    let oracle = predeploy(artifacts::gas_price_oracle())
        .with_storage(Some(contracts::gas_price_oracle_storage(jovian)));
    let vault =
        predeploy(artifacts::fee_vault()).with_storage(Some(contracts::fee_vault_storage(owner, U256::ZERO)));
    let mut alloc = BTreeMap::from([
        (contracts::L1_BLOCK, predeploy(artifacts::l1_block())),
        (
            contracts::L2_TO_L1_MESSAGE_PASSER,
            predeploy(artifacts::message_passer()).with_storage(Some(contracts::message_passer_storage())),
        ),
        (contracts::GAS_PRICE_ORACLE, oracle),
        (contracts::ATTRIBUTION_REGISTRY, registry),
        (
            contracts::ATTRIBUTION_LEDGER,
            predeploy(artifacts::attribution_ledger()),
        ),
    ]);
    alloc.extend(preinstalls(chain_id).map(|(address, code)| (address, contract(code))));
    alloc.extend(contracts::FEE_VAULTS.map(|address| (address, vault.clone())));
    if development {
        let funded = GenesisAccount::default().with_balance(U256::from(DEVELOPMENT_FUNDS));
        alloc.extend(DEV_ACCOUNTS.map(|account| (account, funded.clone())));
    }
    alloc
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::consensus::EMPTY_ROOT_HASH;
    use tributary_protocol::block::L1BlockNumber;

    fn spec(jovian: bool) -> ChainSpec {
        ChainSpec {
            l1_chain_id: 900,
            l2_chain_id: 901,
            block_time: 1,
            seq_window_size: 30,
            jovian,
            gas_limit: 200_000_000,
            min_base_fee: if jovian { 1_000_000 } else { 0 },
            da_footprint_gas_scalar: if jovian { 400 } else { 0 },
            batcher: DEV_ACCOUNTS[1],
            proposer: DEV_ACCOUNTS[2],
            unsafe_block_signer: DEV_ACCOUNTS[3],
            owner: DEV_ACCOUNTS[0],
        }
    }

    fn deployment() -> Deployment {
        Deployment {
            l1_chain_id: 900,
            l1_start: L1BlockId {
                number: L1BlockNumber(3),
                hash: B256::repeat_byte(3),
            },
            l1_start_time: 1_800_000_000,
            system_config: Address::repeat_byte(1),
            optimism_portal: Address::repeat_byte(2),
            dispute_game_factory: Address::repeat_byte(4),
            batch_inbox: batch_inbox(901),
            l2_genesis_hash: B256::ZERO,
        }
    }

    #[test]
    fn the_genesis_hash_is_the_same_in_every_file_and_for_a_follower_with_rollup_json_alone() {
        for jovian in [true, false] {
            let network = Network::new(&spec(jovian), deployment()).unwrap();
            let folder = tempfile::tempdir().unwrap();
            network.write(folder.path()).unwrap();
            let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
            let rollup = RollupConfig::from_json(&read(ROLLUP_FILE)).unwrap();
            let (_, alone) = genesis_for(&rollup, None).unwrap();
            let (_, from_file) = genesis_for(&rollup, Some(&folder.path().join(GENESIS_FILE))).unwrap();
            let deployment: Deployment = serde_json::from_str(&read(DEPLOYMENT_FILE)).unwrap();
            assert_eq!(alone.hash, from_file.hash);
            assert_eq!(alone.hash, rollup.genesis.l2.hash);
            assert_eq!(alone.hash, deployment.l2_genesis_hash);
        }
    }

    #[test]
    fn op_geth_finds_a_withdrawals_root_that_is_not_an_empty_tries() {
        for jovian in [true, false] {
            let header = Network::new(&spec(jovian), deployment())
                .unwrap()
                .genesis
                .seal()
                .header;
            assert_ne!(header.withdrawals_root, Some(EMPTY_ROOT_HASH));
        }
    }

    #[test]
    fn a_genesis_of_another_chain_is_refused_with_both_hashes() {
        let network = Network::new(&spec(true), deployment()).unwrap();
        let mut other = network.rollup.clone();
        other.genesis.l2.hash = B256::repeat_byte(9);
        let error = genesis_for(&other, None).unwrap_err().to_string();
        assert!(error.contains(&B256::repeat_byte(9).to_string()), "{error}");
        assert!(
            error.contains(&network.rollup.genesis.l2.hash.to_string()),
            "{error}"
        );
    }

    #[test]
    fn the_inbox_follows_the_convention() {
        let hash = keccak256(B256::from(U256::from(901)));
        assert_eq!(batch_inbox(901).as_slice()[0], 0);
        assert_eq!(batch_inbox(901).as_slice()[1..], hash[..19]);
    }
}
