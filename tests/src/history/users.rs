//! People: they send L2 transactions of every type there is, deposit from L1, and change the system configuration.

use super::{chain::ChainBlock, contracts};
use alloy::{
    eips::{
        eip2718::Encodable2718,
        eip2930::{AccessList, AccessListItem},
        eip7702::Authorization,
    },
    signers::{SignerSync, local::PrivateKeySigner},
};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy};
use alloy_primitives::{Address, B64, B256, Bytes, Log, LogData, Signature, TxKind, U256, keccak256};
use op_alloy_consensus::TxDeposit;
use rand::{Rng, rngs::StdRng};
use std::sync::OnceLock;
use tributary_protocol::{
    config::{ConfigUpdate, RollupConfig},
    deposit::encode_transaction_deposited,
};

/// L2 accounts with a balance.
pub const USERS: u64 = 4;
/// Most wei anyone pays for gas.
pub(super) const GAS_PRICE: u128 = 100_000_000_000;
/// Init code of a contract whose code is one `STOP`: `PUSH1 1, PUSH1 0, RETURN`.
const INIT_CODE: [u8; 5] = [0x60, 0x01, 0x60, 0x00, 0xf3];

/// A key that depends on nothing but its name.
///
/// # Panics
/// Never, but for one hash in 2^128.
pub fn key(name: &str) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&keccak256(name)).expect("a hash is a valid key")
}

/// The key of an L2 account with a balance.
pub fn user(index: u64) -> PrivateKeySigner {
    // A signer is asked for at every transaction, and its public key takes longer than a signature.
    static KEYS: OnceLock<Vec<PrivateKeySigner>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| (0..USERS).map(|index| key(&format!("user {index}"))).collect());
    let index = usize::try_from(index % USERS).expect("few users");
    keys[index].clone()
}

/// Signs a transaction.
///
/// # Panics
/// Never: a local key signs.
pub fn sign<T>(signer: &PrivateKeySigner, transaction: T) -> TxEnvelope
where
    T: SignableTransaction<Signature>,
    TxEnvelope: From<alloy_consensus::Signed<T>>,
{
    let hash = transaction.signature_hash();
    let signature = signer.sign_hash_sync(&hash).expect("a local key signs");
    transaction.into_signed(signature).into()
}

fn address(rng: &mut StdRng) -> Address {
    Address::new(rng.random())
}

fn data(rng: &mut StdRng) -> Bytes {
    let length = if rng.random_bool(0.5) {
        0
    } else {
        rng.random_range(1..200)
    };
    (0..length)
        .map(|_| if rng.random_bool(0.5) { 0 } else { rng.random() })
        .collect::<Vec<u8>>()
        .into()
}

pub(super) fn access_list(rng: &mut StdRng) -> AccessList {
    let items = (0..rng.random_range(0..3)).map(|_| AccessListItem {
        address: address(rng),
        storage_keys: (0..rng.random_range(0..3))
            .map(|_| B256::new(rng.random()))
            .collect(),
    });
    AccessList(items.collect())
}

/// Valid transactions for the block after `head`, of distinct senders' next nonces, in order.
pub fn transactions(config: &RollupConfig, head: &ChainBlock, rng: &mut StdRng) -> Vec<Bytes> {
    let mut nonces: Vec<u64> = (0..USERS)
        .map(|index| head.nonce(user(index).address()))
        .collect();
    let count = if rng.random_bool(0.4) {
        0
    } else {
        rng.random_range(1..5)
    };
    (0..count)
        .map(|_| {
            // First comes what later transactions build on.
            let index = if contracts::is_founding(nonces[0]) {
                0
            } else {
                rng.random_range(0..USERS)
            };
            let next = &mut nonces[usize::try_from(index).expect("few users")];
            let nonce = *next;
            *next += 1;
            if contracts::is_founding(nonce) && index == 0 || rng.random_bool(0.6) {
                contracts::transaction(config.l2_chain_id, head, index, nonce, rng)
            } else {
                transaction(config.l2_chain_id, index, nonce, rng)
            }
        })
        .collect()
}

/// A signed L2 transaction of any type.
pub fn transaction(chain_id: u64, from: u64, nonce: u64, rng: &mut StdRng) -> Bytes {
    let signer = user(from);
    let creates = rng.random_bool(0.15);
    let to = if creates {
        TxKind::Create
    } else {
        TxKind::Call(address(rng))
    };
    let input = if creates {
        Bytes::from_static(&INIT_CODE)
    } else {
        data(rng)
    };
    let value = U256::from(rng.random_range(0..1_000_000_u64));
    let gas_limit = rng.random_range(150_000..300_000);
    let signed = match rng.random_range(0..6) {
        0 | 1 => {
            // Signed without a chain id, as before EIP-155.
            let chain_id = rng.random_bool(0.7).then_some(chain_id);
            sign(
                &signer,
                TxLegacy {
                    chain_id,
                    nonce,
                    gas_price: GAS_PRICE,
                    gas_limit,
                    to,
                    value,
                    input,
                },
            )
        }
        2 => {
            let access_list = access_list(rng);
            sign(
                &signer,
                TxEip2930 {
                    chain_id,
                    nonce,
                    gas_price: GAS_PRICE,
                    gas_limit,
                    to,
                    value,
                    access_list,
                    input,
                },
            )
        }
        3 => sign(&signer, set_code(chain_id, nonce, gas_limit, value, rng)),
        _ => sign(
            &signer,
            TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: GAS_PRICE,
                max_priority_fee_per_gas: rng.random_range(0..1_000_000_000),
                to,
                value,
                access_list: access_list(rng),
                input,
            },
        ),
    };
    signed.encoded_2718().into()
}

fn set_code(chain_id: u64, nonce: u64, gas_limit: u64, value: U256, rng: &mut StdRng) -> TxEip7702 {
    let authority = key(&format!("authority {}", rng.random_range(0..3)));
    let authorization = Authorization {
        chain_id: U256::from(if rng.random_bool(0.5) { chain_id } else { 0 }),
        address: address(rng),
        nonce: rng.random_range(0..2),
    };
    let signature = authority
        .sign_hash_sync(&authorization.signature_hash())
        .expect("a local key signs");
    TxEip7702 {
        chain_id,
        nonce,
        gas_limit,
        max_fee_per_gas: GAS_PRICE,
        max_priority_fee_per_gas: rng.random_range(0..1_000_000_000),
        to: address(rng),
        value,
        access_list: access_list(rng),
        authorization_list: vec![authorization.into_signed(signature)],
        input: data(rng),
    }
}

/// The log of a user deposit.
pub fn deposit(portal: Address, rng: &mut StdRng) -> Log {
    let creates = rng.random_bool(0.2);
    let deposit = TxDeposit {
        from: address(rng),
        to: if creates {
            TxKind::Create
        } else {
            TxKind::Call(address(rng))
        },
        mint: if rng.random_bool(0.5) {
            0
        } else {
            rng.random_range(0..1_000_000_000_000_000_000)
        },
        // More than is minted, at times: such a deposit fails on L2, and is included all the same.
        value: U256::from(rng.random_range(0..1_000_000_000_000_000_u64)),
        gas_limit: rng.random_range(21_000..300_000),
        is_system_transaction: false,
        input: if creates {
            Bytes::from_static(&INIT_CODE)
        } else {
            data(rng)
        },
        ..TxDeposit::default()
    };
    encode_transaction_deposited(portal, &deposit)
}

/// The log of an event of no concern to derivation.
pub fn unrelated(emitter: Address, rng: &mut StdRng) -> Log {
    Log {
        address: emitter,
        data: LogData::new_unchecked(vec![B256::new(rng.random())], data(rng)),
    }
}

/// A change of the system configuration other than of its batcher.
pub fn config_update(rng: &mut StdRng) -> ConfigUpdate {
    match rng.random_range(0..5) {
        0 => ConfigUpdate::GasLimit(rng.random_range(20_000_000..60_000_000)),
        1 => {
            let mut params = [0; 8];
            if rng.random_bool(0.9) {
                params[..4].copy_from_slice(&rng.random_range(1..1000_u32).to_be_bytes());
                params[4..].copy_from_slice(&rng.random_range(1..12_u32).to_be_bytes());
            }
            ConfigUpdate::Eip1559Params(B64::new(params))
        }
        2 => {
            let mut params = [0; 32];
            params[20..24].copy_from_slice(&rng.random::<u32>().to_be_bytes());
            params[24..].copy_from_slice(&rng.random::<u64>().to_be_bytes());
            ConfigUpdate::OperatorFee(B256::new(params))
        }
        3 => {
            let mut scalar = [0; 32];
            scalar[0] = 1;
            scalar[24..].copy_from_slice(&rng.random::<[u8; 8]>());
            ConfigUpdate::FeeScalars(B256::new(scalar))
        }
        _ => ConfigUpdate::UnsafeBlockSigner(address(rng)),
    }
}
