//! The golden vectors in `docs/wire.md` are what the code reads and writes: the page cannot rot unnoticed.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use op_alloy_consensus::TxDeposit;
use tributary_protocol::{
    attribution::{RecordShares, decode_bundle, encode_bundle},
    batch::{Batch, SingularBatch, SpanBatch, SpanParameters},
    batcher_tx::BatcherTx,
    blob::Blob,
    block::L1BlockNumber,
    channel::{ChannelReader, Compression, compress},
    commitment::Commitment,
    config::ConfigUpdate,
    deposit::{decode_transaction_deposited, encode_transaction_deposited, user_source_hash},
    execute::FeeParameters,
    frame::{ChannelId, Frame, encode_frames, parse_frames},
    l1_info::L1Info,
    output::{output_root, output_v0},
};

const WIRE: &str = include_str!("../../docs/wire.md");

/// The bytes of the block that starts with "```vector `name`".
fn vector(name: &str) -> Bytes {
    let start = format!("```vector {name}\n");
    let (_, rest) = WIRE
        .split_once(&start)
        .unwrap_or_else(|| panic!("docs/wire.md has no vector {name}"));
    let (hex_lines, _) = rest.split_once("```").expect("the block ends");
    let digits: String = hex_lines.split_whitespace().collect();
    hex::decode(&digits)
        .unwrap_or_else(|error| panic!("vector {name}: {error}"))
        .into()
}

#[test]
fn deposit_log_is_as_documented() {
    let deposit = TxDeposit {
        source_hash: user_source_hash(B256::ZERO, 0),
        from: Address::repeat_byte(0xaa),
        to: TxKind::Call(Address::repeat_byte(0xbb)),
        mint: 3,
        value: U256::from(2),
        gas_limit: 21_000,
        is_system_transaction: false,
        input: Bytes::from_static(&[0xc0, 0xff, 0xee]),
    };
    let log = encode_transaction_deposited(Address::ZERO, &deposit);
    assert_eq!(log.data.data, vector("deposit-log-data"));
    assert_eq!(decode_transaction_deposited(&log, B256::ZERO, 0), Ok(deposit));
}

#[test]
fn l1_attributes_are_as_documented() {
    let bytes = vector("l1-attributes-jovian");
    let info = L1Info::decode(&bytes).unwrap();
    assert_eq!((info.base_fee_scalar, info.blob_base_fee_scalar), (5, 6));
    assert_eq!(
        (info.sequence_number, info.time, info.number),
        (3, 0x6553_f100, 0x0102)
    );
    assert_eq!((info.operator_fee_scalar, info.operator_fee_constant), (8, 9));
    assert_eq!(info.da_footprint_gas_scalar, Some(400));
    assert_eq!(info.encode(), bytes);
}

#[test]
fn config_update_is_as_documented() {
    let log = ConfigUpdate::GasLimit(30_000_000).encode(Address::ZERO);
    assert_eq!(log.data.data, vector("config-update-gas-limit"));
}

#[test]
fn blob_is_as_documented() {
    let content: Vec<u8> = (0..=0x7a).collect();
    let blob = Blob::encode(&content).unwrap();
    let first_round = vector("blob-first-round");
    assert_eq!(blob.bytes()[..128], first_round);
    assert!(blob.bytes()[128..].iter().all(|byte| *byte == 0));
    assert_eq!(blob.decode().unwrap(), content);
}

#[test]
fn commitment_is_as_documented() {
    let tx = BatcherTx::Commitment(Commitment::local(b"hello").unwrap());
    let bytes = vector("batcher-tx-commitment");
    assert_eq!(tx.encode(), bytes);
    assert_eq!(BatcherTx::decode(&bytes), Ok(tx));
}

#[test]
fn output_root_is_as_documented() {
    let [state, storage, block] = [0x11, 0x22, 0x33].map(B256::repeat_byte);
    assert_eq!(output_v0(state, storage, block)[..], vector("output-v0"));
    assert_eq!(output_root(state, storage, block)[..], vector("output-root"));
}

#[test]
fn extra_data_is_as_documented() {
    let parameters = FeeParameters {
        denominator: 250,
        elasticity: 6,
        min_base_fee: 1_000_000,
    };
    assert_eq!(
        FeeParameters::decode(true, &vector("extra-data-jovian")),
        Ok(parameters)
    );
}

#[test]
fn frame_is_as_documented() {
    let frame = Frame {
        id: ChannelId(std::array::from_fn(|index| u8::try_from(index).unwrap())),
        number: 258,
        data: Bytes::from_static(&[0xc0, 0xff, 0xee]),
        is_last: true,
    };
    let bytes = vector("frame");
    assert_eq!(encode_frames(std::slice::from_ref(&frame)), bytes);
    assert_eq!(parse_frames(&bytes), Ok(vec![frame]));
}

#[test]
fn channels_are_as_documented() {
    for name in ["channel-brotli", "channel-zlib"] {
        let mut reader = ChannelReader::new(vector(name));
        assert_eq!(
            reader.next_batch(),
            Ok(Some(Bytes::from_static(&[0xc0, 0xfe]))),
            "{name}"
        );
        assert_eq!(reader.next_batch(), Ok(None), "{name}");
    }
    assert_eq!(
        compress(Compression::Zlib, &[0x82, 0xc0, 0xfe]),
        vector("channel-zlib")
    );
}

const SPAN_PARAMETERS: SpanParameters = SpanParameters {
    genesis_time: 1_700_000_000,
    block_time_secs: 2,
    chain_id: 901,
};

#[test]
fn singular_batch_is_as_documented() {
    let batch = Batch::Singular(SingularBatch {
        parent_hash: B256::repeat_byte(0x11),
        epoch_number: L1BlockNumber(257),
        epoch_hash: B256::repeat_byte(0x22),
        timestamp: 1_700_000_000,
        transactions: vec![Bytes::from_static(&[1]), Bytes::from_static(&[0xc0, 0xfe])],
    });
    let bytes = vector("singular-batch");
    assert_eq!(batch.encode(), Ok(bytes.to_vec()));
    assert_eq!(Batch::decode(&bytes, &SPAN_PARAMETERS), Ok(batch));
}

#[test]
fn span_batch_is_as_documented() {
    let transaction = TxEip1559 {
        chain_id: 901,
        nonce: 300,
        gas_limit: 100,
        max_fee_per_gas: 9,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(Address::repeat_byte(0xcc)),
        value: U256::from(3),
        ..TxEip1559::default()
    };
    let signature = Signature::new(U256::from(1286), U256::from(1800), true);
    let transaction = Bytes::from(transaction.into_signed(signature).encoded_2718());
    let block = |timestamp, epoch, hash, transactions: &[Bytes]| SingularBatch {
        parent_hash: B256::repeat_byte(0xaa),
        epoch_number: L1BlockNumber(epoch),
        epoch_hash: B256::repeat_byte(hash),
        timestamp,
        transactions: transactions.to_vec(),
    };
    let blocks = [
        block(1_700_000_300, 1000, 0, &[]),
        block(1_700_000_302, 1000, 0, &[transaction]),
        block(1_700_000_304, 1001, 0xbb, &[]),
    ];
    let batch = Batch::Span(SpanBatch::from_singular(&blocks, 0, SPAN_PARAMETERS).unwrap());
    let bytes = vector("span-batch");
    assert_eq!(batch.encode().map(hex::encode), Ok(hex::encode(&bytes)));
    assert_eq!(Batch::decode(&bytes, &SPAN_PARAMETERS), Ok(batch));
}

#[test]
fn bundle_is_as_documented() {
    let bytes = vector("bundle");
    let rows = decode_bundle(&bytes, 2).unwrap();
    assert_eq!((rows[0].payer, rows[0].adapter), (1, 2));
    assert_eq!((rows[0].tokens_in, rows[0].tokens_out), (1434, 154));
    let last = rows[1].shares[1];
    assert_eq!((last.contribution, last.weight), (u32::MAX, 258));
    assert_eq!(encode_bundle(&rows).unwrap(), bytes);
}

#[test]
fn record_shares_are_as_documented() {
    let bytes = vector("record-shares");
    let shares = RecordShares::decode(&bytes).unwrap();
    assert_eq!(
        (shares.platform, shares.gateway, shares.model, shares.adapter),
        (1, 2, 768, 4)
    );
    assert_eq!(
        (shares.contributors[0].contribution, shares.contributors[0].amount),
        (7, 255)
    );
    assert_eq!(shares.encode().unwrap(), bytes);
}
