//! Values on the node's disk: what decodes encodes to the same bytes. A disk lies at times.
//!
//! Input: which decoder u8, the value.
#![no_main]

use alloy_primitives::{Address, B256, Log, U256};
use op_alloy_consensus::{OpReceiptEnvelope, OpTxEnvelope};
use tributary_derivation::testing::{TestNet, TestNetOptions};
use tributary_fuzz::{
    input::Input,
    memory,
    seeds::{Seeds, add},
    target,
};
use tributary_protocol::{
    block::{L2BlockNumber, L2BlockRef},
    state::Account,
};
use tributary_sequencer::store::{BlockChanges, Change, codec};

target!(run, seeds);

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let decoder = input.byte();
    let value = input.rest();
    // The smallest items of a block or a list of receipts are a byte or two there and hundreds here.
    memory::within(4096 + 1024 * value.len(), || check(decoder % 11, value));
}

fn check(decoder: u8, value: &[u8]) {
    let again = match decoder {
        0 => codec::decode_header(value).ok().map(|(reference, header)| {
            assert_eq!(header.hash_slow(), reference.hash);
            assert_eq!(codec::decode_header_reference(value), Ok(reference));
            codec::encode_header(&reference, &header)
        }),
        1 => codec::decode_receipts(value)
            .ok()
            .map(|receipts| codec::encode_receipts(&receipts)),
        2 => codec::decode_account(value)
            .ok()
            .map(|account| codec::encode_account(&account)),
        3 => codec::decode_slot(value)
            .ok()
            .map(|slot| codec::encode_slot(slot).expect("zero is not stored")),
        4 => codec::decode_position(value)
            .ok()
            .map(|(number, index)| codec::encode_position(number, index)),
        5 => codec::decode_safe_derivation(value)
            .ok()
            .map(|(l1, safe)| codec::encode_safe_derivation(l1, &safe)),
        6 => codec::decode_changes(value)
            .ok()
            .map(|changes| codec::encode_changes(&changes)),
        7 => codec::decode_previous(value).ok().map(codec::encode_previous),
        8 => codec::decode_number(value)
            .ok()
            .map(|number| codec::number_key(number).to_vec()),
        9 => codec::decode_keys(value)
            .ok()
            .map(|prefixes| codec::encode_keys(&prefixes)),
        _ => codec::decode_body(value)
            .ok()
            .map(|(senders, body)| codec::encode_body(&senders, &body)),
    };
    if let Some(again) = again {
        assert_eq!(again, value, "decoder {decoder}");
    }
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let mut seed =
        |decoder: u8, name: &str, value: &[u8]| add(&mut seeds, name, &[&[decoder], value].concat());
    let mut net = TestNet::new(TestNetOptions::default());
    let transfer = net.transfer(0, 5);
    let reference = net.build_block(vec![transfer]);
    let block = net.sequencer.block(reference.number).expect("it was just built");
    let senders = vec![Address::repeat_byte(1); block.body.transactions.len()];
    seed(0, "header", &codec::encode_header(&reference, &block.header));
    seed(10, "body", &codec::encode_body(&senders, &block.body));
    seed(
        1,
        "receipts",
        &codec::encode_receipts(&receipts(&block.body.transactions)),
    );
    seed(2, "account", &codec::encode_account(&Account::default()));
    let contract = Account {
        nonce: 1,
        balance: U256::MAX,
        code_hash: B256::repeat_byte(4),
    };
    seed(2, "contract", &codec::encode_account(&contract));
    seed(3, "slot", &[1, 2, 3]);
    seed(4, "position", &codec::encode_position(L2BlockNumber(9), 3));
    seed(
        5,
        "safe-derivation",
        &codec::encode_safe_derivation(B256::repeat_byte(2), &L2BlockRef::default()),
    );
    seed(6, "changes", &codec::encode_changes(&changes()));
    seed(7, "previous", &codec::encode_previous(Some(&[1, 2])));
    seed(8, "number", &[0, 0, 0, 0, 0, 0, 1, 0]);
    seed(9, "keys", &codec::encode_keys(&[vec![2; 21], vec![1; 53]]));
    seeds
}

fn changes() -> BlockChanges {
    let address = Address::repeat_byte(3);
    let account = Change {
        before: None,
        after: Some(Account::default()),
    };
    let slot = Change {
        before: U256::ONE,
        after: U256::ZERO,
    };
    BlockChanges {
        accounts: [(address, account)].into(),
        slots: [((address, U256::ONE), slot)].into(),
    }
}

fn receipts(transactions: &[OpTxEnvelope]) -> Vec<OpReceiptEnvelope> {
    use alloy_consensus::{Receipt, ReceiptWithBloom, TxReceipt};
    use op_alloy_consensus::{OpDepositReceipt, OpDepositReceiptWithBloom};
    let receipt = Receipt {
        status: true.into(),
        cumulative_gas_used: 21_000,
        logs: vec![Log::new_unchecked(
            Address::repeat_byte(9),
            vec![B256::repeat_byte(8)],
            vec![1, 2].into(),
        )],
    };
    let logs_bloom = receipt.bloom();
    let of = |transaction: &OpTxEnvelope| match transaction {
        OpTxEnvelope::Deposit(_) => OpReceiptEnvelope::Deposit(OpDepositReceiptWithBloom {
            receipt: OpDepositReceipt {
                inner: receipt.clone(),
                deposit_nonce: Some(1),
                deposit_receipt_version: Some(1),
            },
            logs_bloom,
        }),
        _ => OpReceiptEnvelope::Eip1559(ReceiptWithBloom {
            receipt: receipt.clone(),
            logs_bloom,
        }),
    };
    transactions.iter().map(of).collect()
}
