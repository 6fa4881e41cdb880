//! Bytes of a span batch, field by field in the order of the table in [`super`].

use super::{
    BlockTransactionError, Check, SPAN_BATCH_TYPE, SpanBatch, SpanEncodeError, SpanError, SpanParameters,
    bits::Bits,
    cursor::{Cursor, checked_count, put_uvarint},
    epochs_opened_after_first,
    transaction::{Columns, Kind, Template},
};
use crate::block::L1BlockNumber;
use alloc::vec::Vec;
use alloy_primitives::Bytes;

pub(super) fn decode(bytes: &[u8], parameters: &SpanParameters) -> Result<SpanBatch, SpanError> {
    let Some((&SPAN_BATCH_TYPE, rest)) = bytes.split_first() else {
        return Err(SpanError::Type {
            found: bytes.first().copied(),
        });
    };
    let mut cursor = Cursor { rest };
    let relative_timestamp = cursor.uvarint("relative timestamp")?;
    let last_epoch = L1BlockNumber(cursor.uvarint("L1 origin number")?);
    let parent_check = Check::from(cursor.array("parent check")?);
    let l1_origin_check = Check::from(cursor.array("L1 origin check")?);
    let blocks = cursor.count("block count")?;
    if blocks == 0 {
        return Err(SpanError::NoBlocks);
    }
    let origin_bits = cursor.bits(blocks, "origin bits")?;
    let first_timestamp =
        first_timestamp(relative_timestamp, blocks, parameters).ok_or(SpanError::Timestamp {
            relative_timestamp,
            blocks,
        })?;
    let opened = epochs_opened_after_first(&origin_bits);
    if opened > last_epoch.0 {
        return Err(SpanError::Epoch { last_epoch, opened });
    }
    let (transaction_counts, total) = decode_transaction_counts(&mut cursor, blocks)?;
    let transactions = decode_transactions(&mut cursor, total, parameters.chain_id)?;
    // What is left does not matter: op-node does not look at it either.
    Ok(SpanBatch {
        parameters: *parameters,
        first_timestamp,
        last_epoch,
        parent_check,
        l1_origin_check,
        origin_bits,
        transaction_counts,
        transactions,
    })
}

/// Time of the first block, if that of the last is a time too.
fn first_timestamp(relative: u64, blocks: usize, parameters: &SpanParameters) -> Option<u64> {
    let first = parameters.genesis_time.checked_add(relative)?;
    let span = parameters.block_time_secs.checked_mul(blocks as u64 - 1)?;
    first.checked_add(span).map(|_| first)
}

/// Transactions of each block, and of all.
fn decode_transaction_counts(cursor: &mut Cursor<'_>, blocks: usize) -> Result<(Vec<u32>, usize), SpanError> {
    const FIELD: &str = "transaction count";
    // A count takes a byte at least.
    let mut counts = Vec::with_capacity(blocks.min(cursor.rest.len()));
    let mut total = 0u64;
    for _ in 0..blocks {
        let count = cursor.count(FIELD)?;
        total += count as u64;
        counts.push(u32::try_from(count).expect("at most MAX_SPAN_BATCH_ELEMENT_COUNT"));
    }
    Ok((counts, checked_count(total, "transactions")?))
}

fn decode_transactions(
    cursor: &mut Cursor<'_>,
    total: usize,
    chain_id: u64,
) -> Result<Vec<Bytes>, SpanError> {
    let creations = cursor.bits(total, "contract creation bits")?;
    let y_parities = cursor.bits(total, "y parity bits")?;
    // From here on `total` is paid for by the signatures, 64 bytes each.
    let signatures = cursor.bytes(64 * total, "signatures")?.as_chunks::<64>().0;
    let recipients = cursor
        .bytes(20 * (total - creations.count_ones()), "recipients")?
        .as_chunks::<20>()
        .0;
    let templates = decode_templates(cursor, total)?;
    let nonces = decode_numbers(cursor, total, "nonces")?;
    let gas_limits = decode_numbers(cursor, total, "gas limits")?;
    let legacy = templates
        .iter()
        .filter(|template| template.kind == Kind::Legacy)
        .count();
    let protected_bits = cursor.bits(legacy, "protected bits")?;

    let mut recipients = recipients.iter();
    let mut protected_bits = protected_bits.iter();
    let mut transactions = Vec::with_capacity(total);
    for (index, template) in templates.into_iter().enumerate() {
        let is_legacy = template.kind == Kind::Legacy;
        let columns = Columns {
            template,
            nonce: nonces[index],
            gas_limit: gas_limits[index],
            to: if creations.get(index) {
                None
            } else {
                recipients.next()
            },
            y_parity: y_parities.get(index),
            protected: !is_legacy || protected_bits.next().expect("one for each legacy transaction"),
            signature: signatures[index],
        };
        let transaction = columns.join(chain_id);
        transactions.push(transaction.map_err(|error| BlockTransactionError { index, error })?);
    }
    Ok(transactions)
}

fn decode_templates<'a>(cursor: &mut Cursor<'a>, total: usize) -> Result<Vec<Template<'a>>, SpanError> {
    let mut templates = Vec::with_capacity(total);
    for index in 0..total {
        let template = Template::decode(&mut cursor.rest);
        templates.push(template.map_err(|error| BlockTransactionError { index, error })?);
    }
    Ok(templates)
}

fn decode_numbers(cursor: &mut Cursor<'_>, total: usize, field: &'static str) -> Result<Vec<u64>, SpanError> {
    let mut numbers = Vec::with_capacity(total);
    for _ in 0..total {
        numbers.push(cursor.uvarint(field)?);
    }
    Ok(numbers)
}

pub(super) fn encode(span: &SpanBatch) -> Result<Vec<u8>, SpanEncodeError> {
    let mut columns = Vec::with_capacity(span.transactions.len());
    for (index, transaction) in span.transactions.iter().enumerate() {
        let split = Columns::split(transaction, span.parameters.chain_id);
        columns.push(split.map_err(|error| BlockTransactionError { index, error })?);
    }

    let mut out = Vec::with_capacity(64 + span.transactions.iter().map(|bytes| bytes.len()).sum::<usize>());
    out.push(SPAN_BATCH_TYPE);
    put_uvarint(&mut out, span.first_timestamp - span.parameters.genesis_time);
    put_uvarint(&mut out, span.last_epoch.0);
    out.extend_from_slice(span.parent_check.as_slice());
    out.extend_from_slice(span.l1_origin_check.as_slice());
    put_uvarint(&mut out, span.block_count() as u64);
    out.extend_from_slice(span.origin_bits.as_bytes());
    for count in &span.transaction_counts {
        put_uvarint(&mut out, u64::from(*count));
    }
    encode_columns(&columns, &mut out);
    Ok(out)
}

fn encode_columns(columns: &[Columns<'_>], out: &mut Vec<u8>) {
    put_bits(out, columns.iter().map(|columns| columns.to.is_none()));
    put_bits(out, columns.iter().map(|columns| columns.y_parity));
    for columns in columns {
        out.extend_from_slice(&columns.signature);
    }
    for to in columns.iter().filter_map(|columns| columns.to) {
        out.extend_from_slice(to);
    }
    for columns in columns {
        columns.template.encode(out);
    }
    for columns in columns {
        put_uvarint(out, columns.nonce);
    }
    for columns in columns {
        put_uvarint(out, columns.gas_limit);
    }
    let legacy = columns
        .iter()
        .filter(|columns| columns.template.kind == Kind::Legacy);
    put_bits(out, legacy.map(|columns| columns.protected));
}

fn put_bits(out: &mut Vec<u8>, bits: impl Iterator<Item = bool>) {
    out.extend_from_slice(bits.collect::<Bits>().as_bytes());
}
