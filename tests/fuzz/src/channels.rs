//! What must hold of any channel, whatever it is compressed with.

use crate::memory;
use alloy_primitives::Bytes;
use alloy_rlp::Encodable;
use tributary_protocol::channel::{ChannelError, ChannelReader};

/// Batches of a channel, and why there are no more.
pub type Contents = (Vec<Bytes>, Option<ChannelError>);

/// Reads a channel to its end, at most `limit` decoded bytes.
///
/// # Panics
/// If anything comes after the end.
#[must_use]
pub fn read(compressed: &[u8], limit: usize) -> Contents {
    let mut reader = ChannelReader::with_limit(Bytes::copy_from_slice(compressed), limit);
    let mut batches = Vec::new();
    let error = loop {
        match reader.next_batch() {
            Ok(Some(batch)) => batches.push(batch),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert_eq!(
        reader.next_batch(),
        Ok(None),
        "an error is given once, and the end stays"
    );
    (batches, error)
}

/// Reads a channel in several ways that must agree. `window` bounds what its compression may allocate besides the batches.
///
/// # Panics
/// If a limit is passed, or what is read depends on anything but the bytes.
pub fn check(compressed: &[u8], limit: usize, cut: usize, window: usize) {
    // A batch is collected in a vector that doubles, and nothing of the one before is kept.
    let _: usize = memory::within(window + 4 * limit, || {
        ChannelReader::with_limit(Bytes::copy_from_slice(compressed), limit).count()
    });
    let (batches, error) = read(compressed, limit);
    let decoded: usize = batches.iter().map(|batch| batch.length()).sum();
    assert!(decoded <= limit, "{decoded} decoded bytes, the limit is {limit}");
    assert_eq!(
        read(compressed, limit),
        (batches.clone(), error.clone()),
        "the same bytes, the same batches"
    );

    let (more, more_error) = read(compressed, limit.saturating_mul(2));
    assert!(more.starts_with(&batches), "a higher limit takes nothing away");
    let cut_off_by_limit = matches!(error, Some(ChannelError::OverLimit { .. }));
    if !cut_off_by_limit {
        assert_eq!(
            (&more, &more_error),
            (&batches, &error),
            "the limit was not what ended the channel"
        );
    }

    let (fewer, _) = read(&compressed[..cut.min(compressed.len())], limit);
    assert!(
        batches.starts_with(&fewer),
        "what the start of a stream determines, the rest cannot change"
    );
}

/// A stream of three batches: the golden ones and a long one.
#[must_use]
pub fn sample_stream() -> Vec<u8> {
    let mut stream = Vec::new();
    let long = (0..2000u32).flat_map(|n| (n / 3).to_be_bytes()).collect();
    for batch in [
        crate::seeds::vector("singular-batch"),
        crate::seeds::vector("span-batch"),
        long,
    ] {
        tributary_protocol::channel::append_batch(&mut stream, &batch);
    }
    stream
}
