//! What can be said of a transaction by itself and by the tip of the chain, before it takes a place in the queue. Order matters: cheap
//! first, and the signature only once everything that makes recovering it pointless is out of the way.

use super::{INIT_CODE_BYTES_MAX, PoolError, PoolLimits, head::HeadFacts};
use crate::builder::reserve::{ATTRIBUTION_CONTRACTS, ordinary_gas_max};
use alloy::{
    consensus::{
        Transaction, Typed2718,
        transaction::{Recovered, SignerRecoverable},
    },
    eips::eip2718::{Decodable2718, WithEncoded},
    primitives::{Bytes, U256},
};
use op_alloy_consensus::OpTxEnvelope;
use revm::{
    interpreter::gas::{InitialAndFloorGas, calculate_initial_tx_gas},
    primitives::hardfork::SpecId,
    state::AccountInfo,
};
use tributary_protocol::execute::estimated_da_bytes;

/// First byte of the RLP list every untyped transaction is.
const LEGACY_FIRST_BYTE: u8 = 0xc0;

/// Decodes, checks and recovers a transaction as a user sent it.
pub(super) fn recover_raw(
    raw: &Bytes,
    chain_id: u64,
    limits: &PoolLimits,
) -> Result<WithEncoded<Recovered<OpTxEnvelope>>, PoolError> {
    if raw.len() > limits.tx_bytes_max {
        return Err(PoolError::Oversized {
            size: raw.len(),
            limit: limits.tx_bytes_max,
        });
    }
    match raw.first() {
        None => return Err(PoolError::Malformed("typed transaction too short".into())),
        Some(1 | 2 | 4 | LEGACY_FIRST_BYTE..) => {}
        Some(other) => return Err(PoolError::UnsupportedType(*other)),
    }
    let transaction =
        OpTxEnvelope::decode_2718_exact(raw).map_err(|error| PoolError::Malformed(error.to_string()))?;
    match transaction.chain_id() {
        Some(found) if found == chain_id => {}
        Some(found) => {
            return Err(PoolError::ChainId {
                found,
                expected: chain_id,
            });
        }
        None => return Err(PoolError::NotReplayProtected),
    }
    let fee = transaction
        .max_fee_per_gas()
        .saturating_mul(transaction.gas_limit().into());
    if limits.fee_wei_max != 0 && fee > limits.fee_wei_max {
        let cap = limits.fee_wei_max;
        return Err(PoolError::FeeCap { fee, cap });
    }
    let sender = transaction.recover_signer().map_err(|_| PoolError::Signature)?;
    let recovered = Recovered::new_unchecked(transaction, sender);
    Ok(WithEncoded::new(raw.clone(), recovered))
}

/// The footprint in gas, if it may be more than a block has; what is obviously small enough costs nothing to find out.
fn check_footprint(encoded: &[u8], facts: &HeadFacts) -> Result<(), PoolError> {
    let scalar = u64::from(facts.footprint_scalar());
    // The estimate is never more than the bytes and a tenth.
    let bound = (encoded.len() as u64).saturating_mul(11) / 10 + 100;
    if bound.saturating_mul(scalar) <= facts.gas_limit {
        return Ok(());
    }
    let footprint = estimated_da_bytes(encoded).saturating_mul(scalar);
    if footprint > facts.gas_limit {
        return Err(PoolError::Footprint {
            footprint,
            block_gas_limit: facts.gas_limit,
        });
    }
    Ok(())
}

/// Checks that need nothing but the transaction and the tip's facts.
pub(super) fn check_alone(
    encoded: &WithEncoded<Recovered<OpTxEnvelope>>,
    facts: &HeadFacts,
) -> Result<(), PoolError> {
    let transaction = &encoded.1;
    check_gas(transaction, facts)?;
    check_footprint(encoded.encoded_bytes(), facts)?;
    let fee_cap = transaction.max_fee_per_gas();
    if let Some(tip) = transaction.max_priority_fee_per_gas()
        && tip > fee_cap
    {
        return Err(PoolError::TipAboveFeeCap { tip, fee_cap });
    }
    if fee_cap < u128::from(facts.base_fee) {
        return Err(PoolError::FeeCapBelowBaseFee {
            sender: transaction.signer(),
            fee_cap,
            base_fee: facts.base_fee,
        });
    }
    let size = transaction.input().len();
    if transaction.is_create() && size > INIT_CODE_BYTES_MAX {
        let limit = INIT_CODE_BYTES_MAX;
        return Err(PoolError::InitCode { size, limit });
    }
    if transaction.is_eip7702() && transaction.authorization_list().is_none_or(<[_]>::is_empty) {
        return Err(PoolError::EmptyAuthorizationList);
    }
    if transaction.nonce() == u64::MAX {
        return Err(PoolError::NonceMax(transaction.signer()));
    }
    Ok(())
}

fn check_gas(transaction: &Recovered<OpTxEnvelope>, facts: &HeadFacts) -> Result<(), PoolError> {
    let gas_limit = transaction.gas_limit();
    let to_attribution = transaction
        .to()
        .is_some_and(|to| ATTRIBUTION_CONTRACTS.contains(&to));
    let block_gas_limit = if to_attribution {
        facts.gas_limit
    } else {
        ordinary_gas_max(facts.gas_limit)
    };
    if gas_limit > block_gas_limit {
        return Err(PoolError::BlockGasLimit {
            gas_limit,
            block_gas_limit,
        });
    }
    let InitialAndFloorGas {
        initial_total_gas,
        floor_gas,
        ..
    } = least_gas(transaction);
    if gas_limit < initial_total_gas {
        return Err(PoolError::IntrinsicGas {
            gas_limit,
            needed: initial_total_gas,
        });
    }
    if gas_limit < floor_gas {
        return Err(PoolError::FloorGas {
            gas_limit,
            needed: floor_gas,
        });
    }
    Ok(())
}

/// Gas a transaction must bring before it runs. Every fork of this chain is on Prague's schedule.
fn least_gas(transaction: &OpTxEnvelope) -> InitialAndFloorGas {
    let slots = |items: &[alloy::eips::eip2930::AccessListItem]| {
        items.iter().map(|item| item.storage_keys.len()).sum::<usize>()
    };
    let (accounts, slots) = transaction
        .access_list()
        .map_or((0, 0), |list| (list.len(), slots(list)));
    let authorizations = transaction.authorization_list().map_or(0, <[_]>::len);
    calculate_initial_tx_gas(
        SpecId::PRAGUE,
        transaction.input(),
        transaction.is_create(),
        accounts as u64,
        slots as u64,
        authorizations as u64,
    )
}

/// The most a transaction can cost its sender, wei.
pub(super) fn cost_of(transaction: &WithEncoded<Recovered<OpTxEnvelope>>, facts: &HeadFacts) -> U256 {
    let tx = &transaction.1;
    let gas = U256::from(tx.gas_limit()).saturating_mul(U256::from(tx.max_fee_per_gas()));
    gas.saturating_add(tx.value())
        .saturating_add(facts.extra_cost(transaction.encoded_bytes(), tx.gas_limit()))
}

/// Contracts send no transactions (EIP-3607), unless their code only delegates (EIP-7702).
pub(super) fn is_contract(account: &AccountInfo, code: &[u8]) -> bool {
    const DELEGATION: [u8; 3] = [0xef, 0x01, 0x00];
    !account.is_empty_code_hash() && !code.starts_with(&DELEGATION)
}
