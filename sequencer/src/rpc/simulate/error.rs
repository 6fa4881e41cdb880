//! Codes of the errors that end a simulation, and of those that a call ends with; all as geth.

use crate::rpc::error::{INVALID_PARAMS, RpcError};
use alloy::primitives::U256;
use op_revm::{OpHaltReason, OpTransactionError};
use revm::context_interface::result::{HaltReason, InvalidTransaction};

const NONCE_TOO_LOW: i32 = -38010;
const NONCE_TOO_HIGH: i32 = -38011;
const BASE_FEE_TOO_LOW: i32 = -38012;
const INTRINSIC_GAS: i32 = -38013;
const INSUFFICIENT_FUNDS: i32 = -38014;
const BLOCK_GAS_LIMIT: i32 = -38015;
const BLOCK_NUMBER: i32 = -38020;
const BLOCK_TIMESTAMP: i32 = -38021;
const INITCODE_TOO_LONG: i32 = -38025;
const CLIENT_LIMIT: i32 = -38026;

pub(super) fn invalid(message: &str) -> RpcError {
    RpcError::new(INVALID_PARAMS, message)
}

fn clients_limit(message: &str) -> RpcError {
    RpcError::new(CLIENT_LIMIT, message)
}

/// As geth's, and how many there may be.
pub(super) fn too_many_blocks(blocks_max: u64) -> RpcError {
    clients_limit(&format!(
        "too many blocks: rpc-simulate-blocks-max is {blocks_max}"
    ))
}

pub(super) fn numbers_out_of_order(number: U256, previous: u64) -> RpcError {
    let message = format!("block numbers must be in order: {number} <= {previous}");
    RpcError::new(BLOCK_NUMBER, message)
}

pub(super) fn times_out_of_order(time: u64, previous: u64) -> RpcError {
    let message = format!("block timestamps must be in order: {time} <= {previous}");
    RpcError::new(BLOCK_TIMESTAMP, message)
}

pub(super) fn block_is_full(wanted: u64, limit: u64) -> RpcError {
    RpcError::new(
        BLOCK_GAS_LIMIT,
        format!("block gas limit reached: {wanted} >= {limit}"),
    )
}

pub(super) fn fee_below_base_fee(fee: u128, base_fee: u64) -> RpcError {
    let message =
        format!("max fee per gas less than block base fee: maxFeePerGas: {fee}, baseFee: {base_fee}");
    RpcError::new(BASE_FEE_TOO_LOW, message)
}

pub(super) fn tip_above_fee_cap(tip: u128, fee: u128) -> RpcError {
    let message = format!(
        "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {fee}"
    );
    RpcError::new(INVALID_PARAMS, message)
}

pub(super) fn insufficient_funds(have: U256, want: U256) -> RpcError {
    let message = format!("insufficient funds for gas * price + value: have {have} want {want}");
    RpcError::new(INSUFFICIENT_FUNDS, message)
}

/// A call that a block could not hold.
pub(super) fn refused(error: &OpTransactionError) -> RpcError {
    let OpTransactionError::Base(invalid) = error else {
        return RpcError::server(error.to_string());
    };
    let (code, message) = match invalid {
        InvalidTransaction::NonceTooLow { tx, state } => (
            NONCE_TOO_LOW,
            format!("nonce too low: next nonce {state}, tx nonce {tx}"),
        ),
        InvalidTransaction::NonceTooHigh { tx, state } => (
            NONCE_TOO_HIGH,
            format!("nonce too high: next nonce {state}, tx nonce {tx}"),
        ),
        InvalidTransaction::GasPriceLessThanBasefee => (
            BASE_FEE_TOO_LOW,
            "max fee per gas less than block base fee".into(),
        ),
        InvalidTransaction::CallGasCostMoreThanGasLimit {
            initial_gas,
            gas_limit,
        }
        | InvalidTransaction::GasFloorMoreThanGasLimit {
            gas_floor: initial_gas,
            gas_limit,
        } => (
            INTRINSIC_GAS,
            format!("intrinsic gas too low: have {gas_limit}, want {initial_gas}"),
        ),
        InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
            return insufficient_funds(**balance, **fee);
        }
        InvalidTransaction::CreateInitCodeSizeLimit => {
            (INITCODE_TOO_LONG, "max initcode size exceeded".into())
        }
        other => return RpcError::server(other.to_string()),
    };
    RpcError::new(code, message)
}

/// Why the EVM stopped a call, in the words of the Execution APIs.
pub(super) fn halted(reason: &OpHaltReason) -> String {
    let reason = match reason {
        OpHaltReason::Base(HaltReason::OutOfGas(_)) => "out of gas".to_owned(),
        OpHaltReason::Base(HaltReason::OpcodeNotFound | HaltReason::InvalidFEOpcode) => {
            "invalid opcode".into()
        }
        OpHaltReason::Base(HaltReason::InvalidJump) => "invalid jump destination".into(),
        OpHaltReason::Base(HaltReason::StackUnderflow) => "stack underflow".into(),
        OpHaltReason::Base(HaltReason::StackOverflow) => "stack limit reached".into(),
        other => format!("{other:?}"),
    };
    format!("vm execution error: {reason}")
}
