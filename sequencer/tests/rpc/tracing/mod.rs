//! Traces: what they say agrees with the receipts and the state of the chain, whatever the contracts do; and their limits.

mod agreement;
mod anvil;
mod limits;
mod methods;
pub(crate) mod programs;

use crate::{
    chain::{PORTAL, call_with, key},
    server::Server,
    signing::{raw, signed},
};
use alloy::primitives::{Address, Bytes, Log, TxKind, U256, address};
use op_alloy_consensus::TxDeposit;
use programs::{Step, assemble, deployer};
use serde_json::{Value, json};
use tributary_protocol::deposit::encode_transaction_deposited;

/// Somebody on L1.
const DEPOSITOR: Address = address!("00000000000000000000000000000000000000d0");

/// Address of the `index`th program.
pub(crate) fn program_address(index: usize) -> Address {
    key(1).address().create(index as u64)
}

/// Deploys the programs, each of which may call those before it, in one block.
pub(crate) async fn deploy(server: &Server, programs: &[Vec<Step>]) -> Vec<Address> {
    let mut addresses = Vec::new();
    for (index, program) in programs.iter().enumerate() {
        let code = deployer(&assemble(program, &addresses));
        server
            .send(&signed(|tx| {
                (tx.nonce, tx.to, tx.input, tx.value, tx.gas_limit) =
                    (index as u64, TxKind::Create, code, U256::ZERO, 1_000_000);
            }))
            .await;
        addresses.push(program_address(index));
    }
    server.build().await;
    addresses
}

/// Sends a call with one wei and a word of input to a program.
pub(crate) async fn send(server: &Server, sender: u8, nonce: u64, to: Address, gas: u64) {
    let input = Bytes::from(vec![sender; 32]);
    server.send(&raw(&call_with(sender, nonce, to, gas, input))).await;
}

/// A deposit as the portal on L1 logs it.
pub(crate) fn deposit(to: TxKind, mint: u128, value: u64, gas_limit: u64, input: Bytes) -> Log {
    let deposit = TxDeposit {
        from: DEPOSITOR,
        to,
        mint,
        value: U256::from(value),
        gas_limit,
        input,
        ..TxDeposit::default()
    };
    encode_transaction_deposited(PORTAL, &deposit)
}

/// Hashes and receipts of a block.
pub(crate) async fn receipts(server: &Server, number: u64) -> Vec<Value> {
    let receipts = server
        .ok("eth_getBlockReceipts", json!([format!("{number:#x}")]))
        .await;
    receipts.as_array().unwrap().clone()
}
