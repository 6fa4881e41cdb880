//! Deposits: transactions forced in through L1, and the hashes that make each of them unique.
//!
//! ```text
//!  portal on L1 --TransactionDeposited--> decode_transaction_deposited --> TxDeposit (0x7E), first in its epoch's first block
//!  L1 header ----------------------------> l1_info::L1Info::to_deposit ---> TxDeposit (0x7E), first in every block
//! ```
//!
//! `event TransactionDeposited(address indexed from, address indexed to, uint256 indexed version, bytes opaqueData)`, where
//! `opaqueData` of version 0 is packed:
//!
//! | bytes | field      | meaning                                                       |
//! | ----- | ---------- | ------------------------------------------------------------- |
//! | 32    | mint       | wei minted to `from` on L2                                    |
//! | 32    | value      | wei sent to `to`                                              |
//! | 8     | gas limit  | gas of the L2 transaction                                     |
//! | 1     | isCreation | 1: creates a contract and `to` is ignored; 0: calls `to`      |
//! | rest  | data       | calldata or init code                                         |
//!
//! around it stands Solidity's encoding of one `bytes`: offset 32, length, content, zeros up to the next full word.
//! Spec: OP Stack, protocol/deposits. The event comes from a contract named in the rollup configuration, so one that does not
//! decode means that the portal is not the contract we believe it to be: derivation must stop there. Skipping it would leave out a
//! transaction that somebody forced in.

use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, Log, LogData, TxKind, U256, address, b256, keccak256};
use op_alloy_consensus::TxDeposit;

/// Topic 0 of `TransactionDeposited(address,address,uint256,bytes)`.
pub const TRANSACTION_DEPOSITED_TOPIC: B256 =
    b256!("b3813568d9991fc951961fcb4c784893574240a28925604d09fc577c55bb7c32");

/// Added to the address of an L1 contract (never to that of a plain account) to give its sender address on L2, so that a contract
/// on L1 cannot speak for a different contract that has the same address on L2.
pub const L1_ALIAS_OFFSET: Address = address!("1111000000000000000000000000000000001111");

/// Source-hash domain of user deposits.
const DOMAIN_USER: u8 = 0;
/// Source-hash domain of L1-attributes deposits.
const DOMAIN_L1_INFO: u8 = 1;
/// Bytes of one ABI word.
const WORD: usize = 32;
/// Offset word and length word in front of `opaqueData`.
const ABI_HEAD_SIZE: usize = 2 * WORD;
/// `mint ‖ value ‖ gas limit ‖ isCreation`: the shortest `opaqueData`.
const OPAQUE_DATA_SIZE_MIN: usize = 32 + 32 + 8 + 1;

/// Why a log is not a deposit. What to do: halt, see the module's notes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DepositError {
    /// The event has exactly four topics.
    #[error("deposit event has {found} topics, expected 4")]
    TopicCount {
        /// Topics of the log.
        found: usize,
    },
    /// A different event.
    #[error("deposit event starts with topic {found}, expected {TRANSACTION_DEPOSITED_TOPIC}")]
    Topic {
        /// Topic 0 of the log.
        found: B256,
    },
    /// Only version 0 is defined.
    #[error("deposit event has version {found}, expected 0")]
    Version {
        /// Topic 3 of the log.
        found: B256,
    },
    /// Log data is not whole words, or not even the offset and length.
    #[error("deposit event has {found} bytes of data, expected a multiple of 32 and at least 64")]
    DataSize {
        /// Bytes of log data.
        found: usize,
    },
    /// `opaqueData` must stand at offset 32.
    #[error("deposit event places its data at offset {found}, expected 32")]
    Offset {
        /// The offset word.
        found: U256,
    },
    /// The length does not fit the log, or leaves a whole word unused.
    #[error("deposit event claims {found} bytes of opaque data in {available}")]
    Length {
        /// The length word.
        found: U256,
        /// Bytes after the length word.
        available: usize,
    },
    /// The bytes after `opaqueData` must be zero.
    #[error("deposit event pads its data with bytes other than zero")]
    Padding,
    /// `opaqueData` is shorter than its fixed part.
    #[error("deposit has {found} bytes of opaque data, expected at least {OPAQUE_DATA_SIZE_MIN}")]
    OpaqueDataShort {
        /// Bytes of `opaqueData`.
        found: usize,
    },
    /// More wei than a deposit can mint; more than exists.
    #[error("deposit mints {found} wei, more than 128 bits")]
    MintOverflow {
        /// The mint word.
        found: U256,
    },
    /// Solidity writes a boolean as 0 or 1.
    #[error("deposit has isCreation {found}, expected 0 or 1")]
    IsCreation {
        /// The byte.
        found: u8,
    },
}

/// Hash that names a user deposit: domain 0 over the L1 block and the position of the log in that block.
#[must_use]
pub fn user_source_hash(l1_block_hash: B256, log_index: u64) -> B256 {
    source_hash(DOMAIN_USER, l1_block_hash, log_index)
}

/// Hash that names an L1-attributes deposit: domain 1 over the L1 origin and the block's place in its epoch.
#[must_use]
pub fn l1_info_source_hash(l1_block_hash: B256, sequence_number: u64) -> B256 {
    source_hash(DOMAIN_L1_INFO, l1_block_hash, sequence_number)
}

/// `keccak(bytes32(domain) ‖ keccak(l1_block_hash ‖ bytes32(index)))`.
fn source_hash(domain: u8, l1_block_hash: B256, index: u64) -> B256 {
    let mut id = [0u8; 2 * WORD];
    id[..WORD].copy_from_slice(l1_block_hash.as_slice());
    id[2 * WORD - 8..].copy_from_slice(&index.to_be_bytes());
    let mut tagged = [0u8; 2 * WORD];
    tagged[WORD - 1] = domain;
    tagged[WORD..].copy_from_slice(keccak256(id).as_slice());
    keccak256(tagged)
}

/// Reads one `TransactionDeposited` log. `log_index` counts logs through the whole L1 block, not within its transaction.
///
/// The caller has checked that the portal emitted the log in a successful transaction. Nothing beyond the log's own bytes is allocated.
pub fn decode_transaction_deposited(
    log: &Log,
    l1_block_hash: B256,
    log_index: u64,
) -> Result<TxDeposit, DepositError> {
    let [topic, from, to, version] = log.topics() else {
        return Err(DepositError::TopicCount {
            found: log.topics().len(),
        });
    };
    if *topic != TRANSACTION_DEPOSITED_TOPIC {
        return Err(DepositError::Topic { found: *topic });
    }
    if !version.is_zero() {
        return Err(DepositError::Version { found: *version });
    }
    let opaque = opaque_data(&log.data.data)?;
    decode_opaque_data_v0(
        opaque,
        Address::from_word(*from),
        Address::from_word(*to),
        user_source_hash(l1_block_hash, log_index),
    )
}

/// Takes the single `bytes` out of the log's data, in the only encoding Solidity gives it.
fn opaque_data(data: &[u8]) -> Result<&[u8], DepositError> {
    if data.len() < ABI_HEAD_SIZE || !data.len().is_multiple_of(WORD) {
        return Err(DepositError::DataSize { found: data.len() });
    }
    let (head, content) = data.split_at(ABI_HEAD_SIZE);
    let offset = U256::from_be_slice(&head[..WORD]);
    if offset != U256::from(WORD) {
        return Err(DepositError::Offset { found: offset });
    }
    let claimed = U256::from_be_slice(&head[WORD..]);
    let too_long = || DepositError::Length {
        found: claimed,
        available: content.len(),
    };
    let length = usize::try_from(claimed).map_err(|_| too_long())?;
    if length > content.len() || content.len() - length >= WORD {
        return Err(too_long());
    }
    let (opaque, padding) = content.split_at(length);
    if padding.iter().any(|byte| *byte != 0) {
        return Err(DepositError::Padding);
    }
    Ok(opaque)
}

fn decode_opaque_data_v0(
    opaque: &[u8],
    from: Address,
    to: Address,
    source_hash: B256,
) -> Result<TxDeposit, DepositError> {
    let Some((fixed, input)) = opaque.split_first_chunk::<OPAQUE_DATA_SIZE_MIN>() else {
        return Err(DepositError::OpaqueDataShort { found: opaque.len() });
    };
    let mint = U256::from_be_slice(&fixed[..32]);
    let mut gas_limit = [0u8; 8];
    gas_limit.copy_from_slice(&fixed[64..72]);
    Ok(TxDeposit {
        source_hash,
        from,
        to: match fixed[72] {
            0 => TxKind::Call(to),
            1 => TxKind::Create,
            found => return Err(DepositError::IsCreation { found }),
        },
        mint: u128::try_from(mint).map_err(|_| DepositError::MintOverflow { found: mint })?,
        value: U256::from_be_slice(&fixed[32..64]),
        gas_limit: u64::from_be_bytes(gas_limit),
        is_system_transaction: false,
        input: Bytes::copy_from_slice(input),
    })
}

/// The log the portal would emit for this deposit: the inverse of [`decode_transaction_deposited`] up to the source hash, which
/// comes from where the log lands. A creation is written with a zero `to`.
#[must_use]
pub fn encode_transaction_deposited(portal: Address, deposit: &TxDeposit) -> Log {
    let (to, is_creation) = match deposit.to {
        TxKind::Call(to) => (to, 0),
        TxKind::Create => (Address::ZERO, 1),
    };
    let length = OPAQUE_DATA_SIZE_MIN + deposit.input.len();
    let mut data = Vec::with_capacity(ABI_HEAD_SIZE + length.next_multiple_of(WORD));
    data.extend_from_slice(&U256::from(WORD).to_be_bytes::<WORD>());
    data.extend_from_slice(&U256::from(length).to_be_bytes::<WORD>());
    data.extend_from_slice(&U256::from(deposit.mint).to_be_bytes::<WORD>());
    data.extend_from_slice(&deposit.value.to_be_bytes::<WORD>());
    data.extend_from_slice(&deposit.gas_limit.to_be_bytes());
    data.push(is_creation);
    data.extend_from_slice(&deposit.input);
    data.resize(ABI_HEAD_SIZE + length.next_multiple_of(WORD), 0);
    let topics = [
        TRANSACTION_DEPOSITED_TOPIC,
        deposit.from.into_word(),
        to.into_word(),
        B256::ZERO,
    ]
    .to_vec();
    Log {
        address: portal,
        data: LogData::new_unchecked(topics, data.into()),
    }
}

/// Sender address on L2 of an L1 contract: its own plus [`L1_ALIAS_OFFSET`], modulo 2^160.
#[must_use]
pub fn alias_l1_address(l1_address: Address) -> Address {
    wrapping_address(address_value(l1_address).wrapping_add(address_value(L1_ALIAS_OFFSET)))
}

/// The L1 contract behind an aliased sender: the inverse of [`alias_l1_address`].
#[must_use]
pub fn unalias_l1_address(l2_sender: Address) -> Address {
    wrapping_address(address_value(l2_sender).wrapping_sub(address_value(L1_ALIAS_OFFSET)))
}

fn address_value(address: Address) -> U256 {
    U256::from_be_slice(address.as_slice())
}

/// The low 20 bytes; the carry out of them is what "modulo 2^160" drops.
fn wrapping_address(value: U256) -> Address {
    Address::from_word(B256::from(value))
}

#[cfg(test)]
mod tests;
