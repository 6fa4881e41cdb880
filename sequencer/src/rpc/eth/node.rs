//! What the node is and has: the configuration of the chain's forks (EIP-7910), and how far back it can answer.

use crate::rpc::{Rpc, args::Args, error::RpcError};
use alloy::primitives::{Address, B256, Bytes, FixedBytes, U64, address};
use serde::Serialize;
use std::collections::BTreeMap;

/// EIP-7910's answer.
#[derive(Serialize)]
pub(in crate::rpc) struct Configuration {
    current: ForkConfiguration,
    next: Option<ForkConfiguration>,
    last: Option<ForkConfiguration>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct ForkConfiguration {
    activation_time: u64,
    blob_schedule: BlobSchedule,
    chain_id: U64,
    fork_id: FixedBytes<4>,
    precompiles: BTreeMap<&'static str, Address>,
    system_contracts: BTreeMap<&'static str, Address>,
}

/// There are no blobs on this chain; the update fraction is Prague's.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlobSchedule {
    base_fee_update_fraction: u64,
    max: u64,
    target: u64,
}

/// Of Prague, as EIP-7910 names them, and P256VERIFY, which OP chains have had since Fjord.
const PRECOMPILES: [(&str, u16); 18] = [
    ("ECREC", 0x01),
    ("SHA256", 0x02),
    ("RIPEMD160", 0x03),
    ("ID", 0x04),
    ("MODEXP", 0x05),
    ("BN254_ADD", 0x06),
    ("BN254_MUL", 0x07),
    ("BN254_PAIRING", 0x08),
    ("BLAKE2F", 0x09),
    ("KZG_POINT_EVALUATION", 0x0a),
    ("BLS12_G1ADD", 0x0b),
    ("BLS12_G1MSM", 0x0c),
    ("BLS12_G2ADD", 0x0d),
    ("BLS12_G2MSM", 0x0e),
    ("BLS12_PAIRING_CHECK", 0x0f),
    ("BLS12_MAP_FP_TO_G1", 0x10),
    ("BLS12_MAP_FP2_TO_G2", 0x11),
    ("P256VERIFY", 0x0100),
];

const SYSTEM_CONTRACTS: [(&str, Address); 2] = [
    (
        "BEACON_ROOTS_ADDRESS",
        address!("000f3df6d732807ef1319fb7b8bb8522d0beac02"),
    ),
    (
        "HISTORY_STORAGE_ADDRESS",
        address!("0000f90827f1c53a10cb7a02335b175320002935"),
    ),
];

pub(in crate::rpc) fn config(rpc: &Rpc, args: Args) -> Result<Configuration, RpcError> {
    args.end()?;
    let rules = rpc.chain().config();
    let genesis_time = rules.genesis.l2_time;
    let times = [
        rules.regolith_time,
        rules.canyon_time,
        rules.delta_time,
        rules.ecotone_time,
        rules.fjord_time,
        rules.granite_time,
        rules.holocene_time,
        rules.isthmus_time,
        rules.jovian_time,
    ];
    // What was active in block 0 is one configuration, and has time zero there.
    let mut times: Vec<u64> = times
        .into_iter()
        .flatten()
        .filter(|time| *time > genesis_time)
        .collect();
    times.sort_unstable();
    times.dedup();
    let head_time = rpc.chain().heads().unsafe_head.timestamp;
    let passed = times.partition_point(|time| *time <= head_time);
    let at = |count: usize| ForkConfiguration {
        activation_time: count
            .checked_sub(1)
            .and_then(|last| times.get(last))
            .copied()
            .unwrap_or_default(),
        blob_schedule: BlobSchedule {
            base_fee_update_fraction: 5_007_716,
            max: 0,
            target: 0,
        },
        chain_id: U64::from(rules.l2_chain_id),
        fork_id: fork_id(rules.genesis.l2.hash, &times[..count]),
        precompiles: PRECOMPILES
            .map(|(name, number)| (name, Address::left_padding_from(&number.to_be_bytes())))
            .into(),
        system_contracts: SYSTEM_CONTRACTS.into(),
    };
    let is_last = passed == times.len();
    Ok(Configuration {
        current: at(passed),
        next: (!is_last).then(|| at(passed + 1)),
        last: (!is_last).then(|| at(times.len())),
    })
}

/// EIP-6122: a checksum over the genesis hash and the times of the forks that have passed.
fn fork_id(genesis: B256, passed: &[u64]) -> FixedBytes<4> {
    let mut bytes = genesis.to_vec();
    for time in passed {
        bytes.extend(time.to_be_bytes());
    }
    crc32(&bytes).to_be_bytes().into()
}

/// CRC-32 as in IEEE 802.3.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}

/// How far back each kind of question can be answered.
#[derive(Serialize)]
pub(in crate::rpc) struct Capabilities {
    head: Head,
    state: Resource,
    tx: Resource,
    logs: Resource,
    receipts: Resource,
    blocks: Resource,
    stateproofs: Resource,
}

#[derive(Serialize)]
struct Head {
    number: U64,
    hash: B256,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    disabled: bool,
    oldest_block: U64,
}

impl Resource {
    fn since(block: u64) -> Self {
        Self {
            disabled: false,
            oldest_block: U64::from(block),
        }
    }
}

pub(in crate::rpc) fn capabilities(rpc: &Rpc, args: Args) -> Result<Capabilities, RpcError> {
    args.end()?;
    let reader = rpc.chain().reader();
    let head = reader.heads().unsafe_head;
    let genesis = rpc.chain().config().genesis.l2.number.0;
    let state = reader.history_from().0;
    Ok(Capabilities {
        head: Head {
            number: U64::from(head.number.0),
            hash: head.hash,
        },
        state: Resource::since(state),
        tx: Resource::since(genesis),
        logs: Resource::since(genesis),
        receipts: Resource::since(genesis),
        blocks: Resource::since(genesis),
        stateproofs: Resource::since(state),
    })
}

/// reth's `eth_getAccountInfo`, which forge asks for.
#[derive(Serialize)]
pub(in crate::rpc) struct AccountSummary {
    pub(super) balance: alloy::primitives::U256,
    pub(super) nonce: U64,
    pub(super) code: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_everybody_has() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    /// The first fork ids of mainnet, from EIP-2124.
    #[test]
    fn fork_ids_are_those_of_the_eip() {
        let genesis = "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3";
        let genesis: B256 = genesis.parse().unwrap();
        assert_eq!(fork_id(genesis, &[]), FixedBytes::from([0xfc, 0x64, 0xec, 0x04]));
        assert_eq!(
            fork_id(genesis, &[1_150_000]),
            FixedBytes::from([0x97, 0xc2, 0xc3, 0x4c])
        );
    }
}
