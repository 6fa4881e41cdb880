//! A channel is decoded again before it is posted: what derivation would read must be what went in.

use crate::channel_builder::BatchKind;
use alloy::primitives::{B256, Bytes};
use tributary_protocol::{
    batch::{Batch, BatchError, SingularBatch, SpanBatch, SpanParameters},
    channel::{ChannelError, ChannelReader},
    config::RollupConfig,
    frame::{Frame, FrameError, encode_frames, parse_frames},
};

/// What a channel decodes to instead of what went in.
#[derive(Debug, thiserror::Error)]
pub enum SelfCheckError {
    /// Its frames do not parse.
    #[error(transparent)]
    Frames(#[from] FrameError),
    /// Its stream does not read.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// Its batch does not decode.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// It holds another number of batches than went in.
    #[error("it holds {found} {kind} batches instead of {expected}")]
    Batches {
        /// Which kind went in.
        kind: &'static str,
        /// How many of it are there.
        found: usize,
        /// How many went in.
        expected: usize,
    },
    /// A block differs.
    #[error("block {index} differs: {found:?} instead of {expected:?}")]
    Block {
        /// Position in the channel, from 0.
        index: usize,
        /// What it decodes to.
        found: Option<Box<SingularBatch>>,
        /// What went in.
        expected: Option<Box<SingularBatch>>,
    },
    /// The bytes that link the span to the chain differ.
    #[error("the span does not match its parent {parent} and L1 origin {l1_origin}")]
    Checks {
        /// Block before the span.
        parent: B256,
        /// L1 origin of the last block.
        l1_origin: B256,
    },
}

/// Decodes `frames` and compares with the batches that went in, as one span batch or as singular batches.
///
/// # Errors
/// [`SelfCheckError`] naming the first difference.
pub fn check_channel(
    frames: &[Frame],
    batches: &[SingularBatch],
    kind: BatchKind,
    rollup: &RollupConfig,
) -> Result<(), SelfCheckError> {
    let parsed = parse_frames(&encode_frames(frames))?;
    let compressed: Vec<u8> = parsed.iter().flat_map(|frame| frame.data.to_vec()).collect();
    let mut reader = ChannelReader::new(Bytes::from(compressed));
    let (mut spans, mut singulars) = (Vec::new(), Vec::new());
    while let Some(bytes) = reader.next_batch()? {
        match Batch::decode(&bytes, &SpanParameters::from(rollup))? {
            Batch::Span(span) => spans.push(span),
            Batch::Singular(singular) => singulars.push(singular),
        }
    }
    let wrong = |found, expected| SelfCheckError::Batches {
        kind: kind.name(),
        found,
        expected,
    };
    match kind {
        BatchKind::Span => match &spans[..] {
            [span] if singulars.is_empty() => check_span(span, batches),
            _ => Err(wrong(spans.len(), 1)),
        },
        BatchKind::Singular if spans.is_empty() && singulars.len() == batches.len() => {
            check_singular(singulars, batches)
        }
        BatchKind::Singular => Err(wrong(singulars.len(), batches.len())),
    }
}

fn check_singular(found: Vec<SingularBatch>, batches: &[SingularBatch]) -> Result<(), SelfCheckError> {
    let pairs = found.into_iter().zip(batches).enumerate();
    for (index, (found, expected)) in pairs {
        if found != *expected {
            return Err(SelfCheckError::Block {
                index,
                found: Some(Box::new(found)),
                expected: Some(Box::new(expected.clone())),
            });
        }
    }
    Ok(())
}

fn check_span(span: &SpanBatch, batches: &[SingularBatch]) -> Result<(), SelfCheckError> {
    let Some((first, last)) = batches.first().zip(batches.last()) else {
        return Err(SelfCheckError::Batches {
            kind: BatchKind::Span.name(),
            found: 1,
            expected: 0,
        });
    };
    if !span.matches_parent(&first.parent_hash) || !span.matches_l1_origin(&last.epoch_hash) {
        return Err(SelfCheckError::Checks {
            parent: first.parent_hash,
            l1_origin: last.epoch_hash,
        });
    }
    let mut blocks = span.blocks();
    for index in 0..batches.len().max(span.block_count()) {
        let expected = batches.get(index);
        // Hashes of parents and epochs are not in a span; they are compared through its checks.
        let found = blocks.next().map(|block| {
            let (parent, epoch) = expected
                .map(|batch| (batch.parent_hash, batch.epoch_hash))
                .unwrap_or_default();
            block.into_singular(parent, epoch)
        });
        if found.as_ref() != expected {
            let expected = expected.cloned().map(Box::new);
            return Err(SelfCheckError::Block {
                index,
                found: found.map(Box::new),
                expected,
            });
        }
    }
    Ok(())
}
