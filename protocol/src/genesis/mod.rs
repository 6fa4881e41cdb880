//! Block 0: from `genesis.json`, in the shape op-geth and op-reth read, to state, tries, header and hash.
//!
//! ```text
//!  GenesisParts --build--> Genesis <--JSON--> genesis.json
//!                             |
//!                           seal --> GenesisBlock { header, hash, changes, trie } --check--> rollup.json agrees
//! ```
//!
//! The header follows op-geth's rules for a chain on which everything through Isthmus is active from the start:
//! `withdrawalsRoot` is the storage root of the message passer, `requestsHash` is sha256(''), and `extraData` carries the EIP-1559
//! parameters in the form of the newest active fork. The same JSON gives the same hash everywhere.

mod parts;
#[cfg(test)]
mod tests;

pub use parts::GenesisParts;

use crate::{
    block::L2Block,
    config::{ChainOpConfig, RollupConfig},
    execute::{BlockOutcome, FeeParameters, FeeParametersError},
    state::{
        Account, NoNodes, StateChanges,
        memory::MemoryState,
        trie::{StateTrie, TrieError, TrieUpdate},
    },
};
use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};
use alloy_consensus::{BlockBody, Header, Sealed};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_genesis::GenesisAccount;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, KECCAK_EMPTY};
use op_alloy_consensus::L2_TO_L1_MESSAGE_PASSER_ADDRESS;
use revm::bytecode::Bytecode;

/// Keys of the chain configuration whose forks must be active at genesis; op-geth's spelling.
const ACTIVE_FORKS: [&str; 7] = [
    "regolithTime",
    "canyonTime",
    "ecotoneTime",
    "fjordTime",
    "graniteTime",
    "holoceneTime",
    "isthmusTime",
];

/// Keys whose forks this node does not know the rules of.
const UNKNOWN_FORKS: [&str; 2] = ["karstTime", "interopTime"];

/// A checked `genesis.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    json: alloy_genesis::Genesis,
    jovian_time: Option<u64>,
    fees: ChainOpConfig,
    base_fee: u64,
}

/// Block 0 and everything that must be committed with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisBlock {
    /// The header.
    pub header: Header,
    /// Hash of the header.
    pub hash: B256,
    /// The whole state.
    pub changes: StateChanges,
    /// The tries: nothing before, everything after.
    pub trie: TrieUpdate,
}

/// Why a `genesis.json` describes no chain this node can run.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// Not JSON, or not of the shape of a genesis file.
    #[error("genesis.json: {0}")]
    Json(#[from] serde_json::Error),
    /// A fork that must be active from the start is not.
    #[error("{fork} is {found:?}, it must not be after the genesis time {timestamp}")]
    ForkNotActive {
        /// Key in the chain configuration.
        fork: &'static str,
        /// Its value.
        found: Option<u64>,
        /// Unix seconds of the genesis block.
        timestamp: u64,
    },
    /// A fork is scheduled whose rules this node does not know.
    #[error("{fork} is set to {time}, this node does not know that fork")]
    UnknownFork {
        /// Key in the chain configuration.
        fork: &'static str,
        /// Its value.
        time: u64,
    },
    /// A field has a value block 0 of this chain cannot have.
    #[error("{field} is {found}, expected {expected}")]
    Field {
        /// Key in the file.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// `extraData` does not hold the parameters the fork demands.
    #[error("extraData {found}: {error}")]
    ExtraData {
        /// The bytes in the file.
        found: Bytes,
        /// What is wrong.
        error: FeeParametersError,
    },
    /// Code that could never have been deployed, and that no EVM can load.
    #[error("the code at {address} starts with 0xef01 but is no EIP-7702 delegation")]
    Code {
        /// Whose code.
        address: Address,
    },
    /// The allocation puts something else where a system contract belongs.
    #[error("the allocation already has an account at {address}, where a system contract belongs")]
    Occupied {
        /// Address of the system contract.
        address: Address,
    },
}

/// How `rollup.json` and `genesis.json` disagree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {rollup} in rollup.json and {genesis} in genesis.json")]
pub struct GenesisMismatch {
    /// What they disagree on.
    pub field: &'static str,
    /// Its value in `rollup.json`.
    pub rollup: String,
    /// Its value in, or following from, `genesis.json`.
    pub genesis: String,
}

impl Genesis {
    /// Reads and checks `genesis.json`.
    ///
    /// # Errors
    /// If it is not a genesis file, or describes a chain this node does not know the rules of.
    pub fn from_json(json: &[u8]) -> Result<Self, GenesisError> {
        Self::new(serde_json::from_slice(json)?)
    }

    /// Checks a genesis that is already in memory.
    ///
    /// # Errors
    /// If it describes a chain this node does not know the rules of.
    pub fn new(json: alloy_genesis::Genesis) -> Result<Self, GenesisError> {
        let timestamp = json.timestamp;
        let config = &json.config;
        let extra = |fork: &str| -> Result<Option<u64>, GenesisError> {
            Ok(config.extra_fields.get_deserialized(fork).transpose()?)
        };
        let geth = [
            ("shanghaiTime", config.shanghai_time),
            ("cancunTime", config.cancun_time),
            ("pragueTime", config.prague_time),
        ];
        let op = ACTIVE_FORKS.map(|fork| extra(fork).map(|time| (fork, time)));
        for fork in geth.into_iter().map(Ok).chain(op) {
            let (fork, found) = fork?;
            if found.is_none_or(|time| time > timestamp) {
                return Err(GenesisError::ForkNotActive {
                    fork,
                    found,
                    timestamp,
                });
            }
        }
        let unknown = UNKNOWN_FORKS.map(|fork| extra(fork).map(|time| (fork, time)));
        for fork in unknown.into_iter().chain([Ok(("osakaTime", config.osaka_time))]) {
            if let (fork, Some(time)) = fork? {
                return Err(GenesisError::UnknownFork { fork, time });
            }
        }
        let jovian_time = extra("jovianTime")?;
        let fees = config.extra_fields.get_deserialized("optimism");
        let fees = fees.transpose()?.ok_or(GenesisError::Field {
            field: "config.optimism",
            expected: "the EIP-1559 parameters",
            found: "absent".into(),
        })?;
        let base_fee = check_fields(&json)?;
        for (&address, account) in &json.alloc {
            if let Some(code) = &account.code {
                Bytecode::new_raw_checked(code.clone()).map_err(|_| GenesisError::Code { address })?;
            }
        }
        let jovian = jovian_time.is_some_and(|time| time <= timestamp);
        FeeParameters::decode(jovian, &json.extra_data).map_err(|error| GenesisError::ExtraData {
            found: json.extra_data.clone(),
            error,
        })?;
        Ok(Self {
            json,
            jovian_time,
            fees,
            base_fee,
        })
    }

    /// The file's contents.
    #[must_use]
    pub const fn as_json(&self) -> &alloy_genesis::Genesis {
        &self.json
    }

    /// The file, for people to read and op-geth or op-reth to load.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&self.json).expect("a genesis has only string keys")
    }

    /// Chain id of the L2.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.json.config.chain_id
    }

    /// Unix seconds Jovian is active from; `None` for the Isthmus profile.
    #[must_use]
    pub const fn jovian_time(&self) -> Option<u64> {
        self.jovian_time
    }

    /// Computes state, tries and header of block 0.
    #[must_use]
    pub fn seal(&self) -> GenesisBlock {
        let changes = state(&self.json.alloc);
        let trie = StateTrie::default()
            .update(&NoNodes, &changes)
            .unwrap_or_else(|error: TrieError| unreachable!("nothing is read: {error}"));
        let message_passer = trie.storage_roots.get(&L2_TO_L1_MESSAGE_PASSER_ADDRESS);
        let header = Header {
            beneficiary: self.json.coinbase,
            state_root: trie.after.root(),
            difficulty: self.json.difficulty,
            gas_limit: self.json.gas_limit,
            timestamp: self.json.timestamp,
            extra_data: self.json.extra_data.clone(),
            mix_hash: self.json.mix_hash,
            nonce: self.json.nonce.into(),
            base_fee_per_gas: Some(self.base_fee),
            withdrawals_root: Some(message_passer.copied().unwrap_or(EMPTY_ROOT_HASH)),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(EMPTY_REQUESTS_HASH),
            ..Header::default()
        };
        GenesisBlock {
            hash: header.hash_slow(),
            header,
            changes,
            trie,
        }
    }

    /// Checks that `rollup.json` speaks of this chain and of no other.
    ///
    /// # Errors
    /// Names the first thing they disagree on, with both values.
    pub fn check(&self, config: &RollupConfig, block: &GenesisBlock) -> Result<(), GenesisMismatch> {
        let agree = |field, rollup: String, genesis: String| {
            let mismatch = GenesisMismatch {
                field,
                rollup,
                genesis,
            };
            (mismatch.rollup == mismatch.genesis)
                .then_some(())
                .ok_or(mismatch)
        };
        agree(
            "chain id",
            config.l2_chain_id.to_string(),
            self.chain_id().to_string(),
        )?;
        agree(
            "genesis time",
            config.genesis.l2_time.to_string(),
            block.header.timestamp.to_string(),
        )?;
        agree(
            "Jovian time",
            format!("{:?}", config.jovian_time),
            format!("{:?}", self.jovian_time),
        )?;
        agree(
            "EIP-1559 defaults",
            format!("{:?}", config.chain_op_config),
            format!("{:?}", self.fees),
        )?;
        agree(
            "genesis number",
            config.genesis.l2.number.to_string(),
            "0".to_string(),
        )?;
        agree(
            "genesis hash",
            config.genesis.l2.hash.to_string(),
            block.hash.to_string(),
        )
    }
}

impl GenesisBlock {
    /// The header with its hash: the parent of block 1.
    #[must_use]
    pub fn sealed_header(&self) -> Sealed<Header> {
        Sealed::new_unchecked(self.header.clone(), self.hash)
    }

    /// Block 0 in the form every block is committed in.
    #[must_use]
    pub fn outcome(&self) -> BlockOutcome {
        BlockOutcome {
            block: self.block(),
            hash: self.hash,
            senders: Vec::new(),
            receipts: Vec::new(),
            changes: self.changes.clone(),
            trie: self.trie.clone(),
        }
    }

    /// The block, which holds no transactions.
    #[must_use]
    pub fn block(&self) -> L2Block {
        L2Block {
            header: self.header.clone(),
            body: BlockBody {
                transactions: Vec::new(),
                ommers: Vec::new(),
                withdrawals: Some(Default::default()),
            },
        }
    }

    /// The state, in memory.
    #[must_use]
    pub fn memory_state(&self) -> MemoryState {
        let mut state = MemoryState::default();
        let trie = self.trie.changes(&NoNodes);
        state.apply_changes(&self.changes, &trie.expect("nothing is read"));
        state.insert_block_hash(self.header.number, self.hash);
        state
    }
}

/// Checks the fields that block 0 leaves no choice about; returns the base fee in wei.
fn check_fields(json: &alloy_genesis::Genesis) -> Result<u64, GenesisError> {
    let field = |field, expected, found| {
        Err(GenesisError::Field {
            field,
            expected,
            found,
        })
    };
    if json.number.unwrap_or_default() != 0 {
        return field("number", "0", format!("{:?}", json.number));
    }
    if json.parent_hash.unwrap_or_default() != B256::ZERO {
        return field("parentHash", "zero", format!("{:?}", json.parent_hash));
    }
    if json.excess_blob_gas.unwrap_or_default() != 0 {
        return field("excessBlobGas", "0", format!("{:?}", json.excess_blob_gas));
    }
    if json.blob_gas_used.unwrap_or_default() != 0 {
        return field("blobGasUsed", "0", format!("{:?}", json.blob_gas_used));
    }
    if !json.difficulty.is_zero() {
        return field("difficulty", "0", format!("{}", json.difficulty));
    }
    if json.gas_limit == 0 {
        return field("gasLimit", "more than 0", "0".into());
    }
    let base_fee = json.base_fee_per_gas.and_then(|fee| u64::try_from(fee).ok());
    match base_fee {
        Some(base_fee) => Ok(base_fee),
        None => field(
            "baseFeePerGas",
            "a number below 2^64",
            format!("{:?}", json.base_fee_per_gas),
        ),
    }
}

/// As op-geth reads an allocation: an empty account exists, an empty slot does not.
fn state(alloc: &BTreeMap<Address, GenesisAccount>) -> StateChanges {
    let mut changes = StateChanges::default();
    for (&address, account) in alloc {
        let code = account.code.as_ref().filter(|code| !code.is_empty());
        let code_hash = code.map_or(KECCAK_EMPTY, keccak256);
        changes.codes.extend(code.map(|code| (code_hash, code.clone())));
        changes.accounts.insert(
            address,
            Some(Account {
                nonce: account.nonce.unwrap_or_default(),
                balance: account.balance,
                code_hash,
            }),
        );
        let slots = account
            .storage
            .iter()
            .flatten()
            .filter(|(_, value)| !value.is_zero());
        let slots: BTreeMap<U256, U256> = slots
            .map(|(slot, value)| ((*slot).into(), (*value).into()))
            .collect();
        if !slots.is_empty() {
            changes.storage.insert(address, slots);
        }
    }
    changes
}
