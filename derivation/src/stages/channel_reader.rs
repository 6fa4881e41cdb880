//! Takes batches out of a channel, one at a time, decompressing no further than it has to.
//!
//! Batches before a defect count; the defect and everything after it in the channel do not. When a batch is refused later on, the rest
//! of its channel is flushed from here.

use crate::discard::{DiscardReason, Discards};
use alloy_primitives::Bytes;
use tributary_protocol::{
    batch::{Batch, SpanParameters},
    channel::{ChannelError, ChannelReader},
};

/// The channel being read, if any. Its memory is bounded by the limits of a channel, compressed and decompressed.
#[derive(Debug)]
pub struct ChannelReaderStage {
    parameters: SpanParameters,
    channel: Option<ChannelReader>,
}

impl ChannelReaderStage {
    /// Starts without a channel.
    #[must_use]
    pub const fn new(parameters: SpanParameters) -> Self {
        Self {
            parameters,
            channel: None,
        }
    }

    /// Takes in a closed channel; the one before has been read to its end.
    pub fn load(&mut self, compressed: Bytes) {
        self.channel = Some(ChannelReader::new(compressed));
    }

    /// The next batch; `None` if there is no channel or it has ended.
    pub fn pull(&mut self, discards: &mut Discards) -> Option<Batch> {
        let bytes = match self.channel.as_mut()?.next_batch() {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                self.channel = None;
                return None;
            }
            Err(error) => return self.give_up(reason_of(&error), discards),
        };
        match Batch::decode(&bytes, &self.parameters) {
            Ok(batch) => Some(batch),
            Err(_) => self.give_up(DiscardReason::BatchMalformed, discards),
        }
    }

    fn give_up(&mut self, reason: DiscardReason, discards: &mut Discards) -> Option<Batch> {
        self.channel = None;
        discards.add(reason);
        None
    }

    /// Drops the rest of the channel.
    pub fn flush(&mut self, discards: &mut Discards) {
        if self.channel.take().is_some() {
            discards.add(DiscardReason::ChannelFlushed);
        }
    }
}

const fn reason_of(error: &ChannelError) -> DiscardReason {
    match error {
        ChannelError::Empty | ChannelError::UnknownCompression { .. } | ChannelError::Decompression(_) => {
            DiscardReason::ChannelUnreadable
        }
        ChannelError::NotAString { .. }
        | ChannelError::NonCanonicalLength
        | ChannelError::BatchTruncated { .. }
        | ChannelError::OverLimit { .. } => DiscardReason::BatchMalformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::fixture::Fixture;
    use alloc::vec::Vec;
    use tributary_protocol::channel::{Compression, append_batch, compress};

    #[test]
    fn a_malformed_batch_costs_the_rest_of_its_channel_and_nothing_before_it() {
        let fixture = Fixture::new();
        let good = fixture.next(10);
        let mut stream = Vec::new();
        append_batch(&mut stream, &good.encode());
        append_batch(&mut stream, b"\x07 is no kind of batch");
        append_batch(&mut stream, &good.encode());
        let mut stage = ChannelReaderStage::new(SpanParameters::from(&*fixture.config));
        let mut discards = Discards::default();
        stage.load(compress(Compression::brotli(5), &stream).into());
        assert_eq!(stage.pull(&mut discards), Some(Batch::Singular(good)));
        assert_eq!(stage.pull(&mut discards), None);
        assert_eq!(stage.pull(&mut discards), None);
        assert_eq!(discards.counts().get(DiscardReason::BatchMalformed), 1);
    }
}
