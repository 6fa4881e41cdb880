//! What the batcher anchored, read back from L1 and the DA layer as any follower would: payloads, channels, the blocks in them and
//! the records in those.

use crate::demo::costs::PostedTx;
use alloy::{
    consensus::{Transaction, TxEnvelope},
    eips::eip2718::Decodable2718,
    primitives::Bytes,
    sol_types::SolCall,
};
use eyre::{Context, bail, ensure};
use std::collections::BTreeMap;
use tributary_da_client::{DaLayer, Fetched};
use tributary_protocol::{
    attribution::decode_bundle,
    batch::{Batch, SpanParameters},
    batcher_tx::{BatcherTx, decode_payload},
    block::L1BlockNumber,
    channel::ChannelReader,
    config::RollupConfig,
    contracts::{ATTRIBUTION_LEDGER, IAttributionLedger},
    frame::{ChannelId, Frame, parse_frames},
};

/// A channel, and what bringing it to L1 took.
#[derive(Clone, Debug, Default)]
pub(super) struct Anchored {
    pub(super) first_block: u64,
    pub(super) last_block: u64,
    /// Records in its blocks.
    pub(super) records: u64,
    pub(super) l1_txs: u64,
    pub(super) l1_gas: u64,
    /// Bytes of each payload, and how many of all are zero.
    pub(super) payloads: Vec<u64>,
    pub(super) zero_bytes: u64,
    /// Unix seconds of the L1 block that made it complete.
    pub(super) anchored_at: u64,
}

/// The channels that `posted` make up, in the order in which they became complete.
pub(super) async fn read(
    posted: &[PostedTx],
    da: &dyn DaLayer,
    rollup: &RollupConfig,
) -> eyre::Result<Vec<Anchored>> {
    let mut open: BTreeMap<[u8; 16], (Anchored, Vec<Frame>)> = BTreeMap::new();
    let mut complete = Vec::new();
    for transaction in posted {
        let payload = payload_of(transaction, da).await?;
        let frames = parse_frames(&decode_payload(&payload)?)?;
        let Some(first) = frames.first() else {
            bail!("a payload without frames");
        };
        let ChannelId(id) = first.id;
        ensure!(
            frames.iter().all(|frame| frame.id == first.id),
            "a payload with frames of several channels cannot be charged to one"
        );
        let (anchored, collected) = open.entry(id).or_default();
        anchored.l1_txs += 1;
        anchored.l1_gas += transaction.gas;
        anchored.payloads.push(payload.len() as u64);
        anchored.zero_bytes += payload.iter().filter(|byte| **byte == 0).count() as u64;
        anchored.anchored_at = transaction.timestamp;
        collected.extend(frames);
        if collected.iter().any(|frame| frame.is_last) {
            let (mut anchored, collected) = open.remove(&id).unwrap_or_default();
            read_channel(&mut anchored, &collected, rollup)?;
            complete.push(anchored);
        }
    }
    Ok(complete)
}

async fn payload_of(transaction: &PostedTx, da: &dyn DaLayer) -> eyre::Result<Bytes> {
    let BatcherTx::Commitment(commitment) = &transaction.content else {
        bail!("the batcher went around the DA layer");
    };
    // The block of inclusion matters to certificates that expire; the local layer's do not.
    match da.get(commitment, L1BlockNumber(0)).await? {
        Fetched::Data(payload) => Ok(payload),
        Fetched::Drop(reason) => bail!("a commitment of our batcher does not count: {reason}"),
    }
}

fn read_channel(anchored: &mut Anchored, frames: &[Frame], rollup: &RollupConfig) -> eyre::Result<()> {
    let data: Vec<u8> = frames.iter().flat_map(|frame| frame.data.to_vec()).collect();
    let mut reader = ChannelReader::new(data.into());
    let mut blocks = Vec::new();
    while let Some(bytes) = reader.next_batch()? {
        match Batch::decode(&bytes, &SpanParameters::from(rollup))? {
            Batch::Singular(batch) => blocks.push((batch.timestamp, batch.transactions)),
            Batch::Span(span) => {
                blocks.extend(span.blocks().map(|block| (block.timestamp, block.transactions)));
            }
        }
    }
    let number = |timestamp: u64| timestamp.saturating_sub(rollup.genesis.l2_time) / rollup.block_time;
    anchored.first_block = blocks.first().map_or(0, |(timestamp, _)| number(*timestamp));
    anchored.last_block = blocks.last().map_or(0, |(timestamp, _)| number(*timestamp));
    for transaction in blocks.iter().flat_map(|(_, transactions)| transactions) {
        anchored.records += records_in(transaction)?;
    }
    Ok(())
}

/// How many records a transaction's bytes make.
fn records_in(transaction: &[u8]) -> eyre::Result<u64> {
    let envelope = TxEnvelope::decode_2718_exact(transaction).context("a transaction in a batch")?;
    if envelope.to() != Some(ATTRIBUTION_LEDGER) {
        return Ok(0);
    }
    match IAttributionLedger::recordBundleCall::abi_decode(envelope.input()) {
        Ok(call) => Ok(decode_bundle(&call.bundle, super::offer::BUNDLE_ROWS_MAX)?.len() as u64),
        Err(_) => Ok(0),
    }
}
