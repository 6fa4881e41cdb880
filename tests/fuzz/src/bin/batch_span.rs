//! Span batches: counts are paid for in bytes, blocks follow each other, and what decodes encodes to one form that decodes to the
//! same span again.
#![no_main]

use alloy_primitives::B256;
use std::hint::black_box;
use tributary_fuzz::{
    memory,
    seeds::{Seeds, add, of_vectors, vector},
    target,
};
use tributary_protocol::batch::{Batch, SingularBatch, SpanBatch, SpanBlock, SpanParameters};

target!(run, seeds);

/// Those of the golden vector.
const PARAMETERS: SpanParameters = SpanParameters {
    genesis_time: 1_700_000_000,
    block_time_secs: 2,
    chain_id: 901,
};

fn run(data: &[u8]) {
    // A transaction takes 66 bytes there at least and a few hundred here, a block one byte and four.
    let decoded = memory::within(1024 + 64 * data.len(), || SpanBatch::decode(data, &PARAMETERS));
    if data.first() == Some(&1) {
        let either = Batch::decode(data, &PARAMETERS);
        assert_eq!(either.ok(), decoded.as_ref().ok().cloned().map(Batch::Span));
    }
    let Ok(span) = decoded else { return };
    let blocks: Vec<SpanBlock> = span.blocks().collect();
    check_blocks(&span, &blocks);

    let canonical = span.encode().expect("what was decoded has a place in a span");
    assert!(
        canonical.len() <= data.len(),
        "our encoder uses the shortest form"
    );
    assert_eq!(SpanBatch::decode(&canonical, &PARAMETERS).as_ref(), Ok(&span));
    // Bytes behind the last field do not count, as in op-node.
    assert_eq!(
        SpanBatch::decode(&[data, &[0xff]].concat(), &PARAMETERS).as_ref(),
        Ok(&span)
    );
    check_join(&span, blocks, &canonical);
}

fn check_blocks(span: &SpanBatch, blocks: &[SpanBlock]) {
    assert_eq!(blocks.len(), span.block_count());
    assert!(!blocks.is_empty());
    assert_eq!(blocks[0].timestamp, span.first_timestamp());
    assert_eq!(blocks[0].epoch_number, span.first_epoch());
    let last = &blocks[blocks.len() - 1];
    assert_eq!(
        (last.timestamp, last.epoch_number),
        (span.last_timestamp(), span.last_epoch())
    );
    for pair in blocks.windows(2) {
        assert_eq!(pair[0].timestamp + PARAMETERS.block_time_secs, pair[1].timestamp);
        assert!(
            pair[1].epoch_number.0 - pair[0].epoch_number.0 <= 1,
            "epochs do not skip"
        );
    }
    for transaction in blocks.iter().flat_map(|block| &block.transactions) {
        assert!(
            matches!(transaction.first(), Some(1 | 2 | 4 | 0xc0..)),
            "only these types have a place"
        );
    }
}

/// The blocks as batches of their own make the same span again.
fn check_join(span: &SpanBatch, blocks: Vec<SpanBlock>, canonical: &[u8]) {
    let last = blocks.len() - 1;
    let last_epoch = span.last_epoch();
    // The starts of the two hashes stand at fixed places behind two numbers.
    let numbers = canonical[1..].iter().scan(0, |ended, byte| {
        let is_part = *ended < 2;
        *ended += u8::from(byte & 0x80 == 0);
        is_part.then_some(())
    });
    let checks = &canonical[1 + numbers.count()..];
    let hash = |start: &[u8]| B256::right_padding_from(&start[..20]);
    let (parent_hash, epoch_hash) = (hash(checks), hash(&checks[20..]));
    let batches: Vec<SingularBatch> = blocks
        .into_iter()
        .enumerate()
        .map(|(index, block)| {
            let of_last_epoch = index == last || block.epoch_number == last_epoch;
            let epoch_hash = if of_last_epoch { epoch_hash } else { B256::ZERO };
            block.into_singular(parent_hash, epoch_hash)
        })
        .collect();
    assert!(span.matches_parent(&parent_hash) && span.matches_l1_origin(&epoch_hash));
    let sequence_number = u64::from(!span.opens_epoch());
    let joined = SpanBatch::from_singular(&batches, sequence_number, PARAMETERS);
    assert_eq!(joined.as_ref(), Ok(span));
    black_box(joined.ok());
}

fn seeds() -> Seeds {
    let mut seeds = of_vectors(&["span-batch"]);
    // Ten million blocks that are not there, and as many transactions.
    let mut blocks = vector("span-batch");
    blocks.splice(45..46, [0x80, 0xad, 0xe2, 0x04]);
    seeds.push(("ten-million-blocks".into(), blocks));
    let mut transactions = vector("span-batch");
    transactions.splice(48..49, [0x80, 0xad, 0xe2, 0x04]);
    seeds.push(("ten-million-transactions".into(), transactions));
    add(&mut seeds, "empty", &empty_span());
    seeds
}

fn empty_span() -> Vec<u8> {
    let batches: Vec<SingularBatch> = (0..40)
        .map(|index| SingularBatch {
            timestamp: 1_700_000_000 + 2 * index,
            ..SingularBatch::default()
        })
        .collect();
    let span = SpanBatch::from_singular(&batches, 0, PARAMETERS).expect("they follow each other");
    span.encode().expect("there are no transactions")
}
