//! What kona read and did, counted where it passes: agreement about histories in which nothing happens would mean nothing.

use crate::execute::Executed;
use alloy_primitives::Bytes;
use async_trait::async_trait;
use kona_derive::{
    ChannelReaderProvider, OriginAdvancer, OriginProvider, PipelineResult, Signal, SignalReceiver,
};
use kona_protocol::BlockInfo;
use std::{
    fmt,
    ops::AddAssign,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// First byte of a brotli channel; zlib's begins with another.
const BROTLI_VERSION: u8 = 0x01;

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What there is to count. A history counts at most once for each in the number of histories.
        #[derive(Clone, Copy, Debug, Default)]
        pub struct Counts { $($(#[$doc])* pub $name: Count,)* }

        impl AddAssign for Counts {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }

        /// Counters shared by the stages of one pipeline.
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[$doc])* pub $name: Counter,)* }

        impl Counters {
            /// The counts of this one history.
            pub fn counts(&self) -> Counts {
                Counts { $($name: self.$name.count(),)* }
            }
        }
    };
}

counts! {
    /// Frames in calldata.
    calldata,
    /// Commitments that were resolved.
    alt_da,
    /// Channels handed to the channel reader, compressed with brotli.
    brotli,
    /// The same with zlib.
    zlib,
    /// The same with anything else: garbage.
    unreadable,
    /// Span batches read out of channels.
    span,
    /// Singular batches read out of channels.
    singular,
    /// Frames that `FramesInOrder` dropped.
    frames_dropped,
    /// Spans that `SpansAgree` made kona refuse.
    spans_refused,
    /// Ends of the L1 block that `BatchesInOrder` took back.
    ends_taken_back,
    /// Batches that `BatchesInOrder` made kona refuse.
    batches_refused,
}

/// How often, and in how many histories.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// How often.
    pub times: u64,
    /// In how many histories.
    pub histories: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.times += other.times;
        self.histories += other.histories;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} (in {} histories)", self.times, self.histories)
    }
}

/// Counts in one history.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Once more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> Count {
        let times = self.0.load(Ordering::Relaxed);
        Count {
            times,
            histories: u64::from(times > 0),
        }
    }
}

/// What happened in all histories together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Coverage {
    /// What was read.
    pub counts: Counts,
    /// What was executed.
    pub executed: Executed,
}

impl fmt::Display for Coverage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (counts, executed) = (&self.counts, &self.executed);
        writeln!(
            out,
            "payloads: calldata {}, Alt-DA {}",
            counts.calldata, counts.alt_da
        )?;
        writeln!(
            out,
            "channels: brotli {}, zlib {}, neither {}",
            counts.brotli, counts.zlib, counts.unreadable
        )?;
        writeln!(out, "batches: span {}, singular {}", counts.span, counts.singular)?;
        writeln!(
            out,
            "executed: {} blocks, {} of them after their first attributes were refused; {} transactions",
            executed.blocks, executed.refused, executed.transactions
        )?;
        writeln!(
            out,
            "  user deposits {} ({} failed), type 4 {}, creations {} ({} succeeded), attribution calls {} ({} succeeded), \
             withdrawals {}",
            executed.deposits,
            executed.failed_deposits,
            executed.set_code,
            executed.creations,
            executed.created,
            executed.attribution_calls,
            executed.attribution_succeeded,
            executed.withdrawals
        )?;
        writeln!(
            out,
            "repairs: frames dropped {}, spans refused {}, ends taken back {}, batches refused {}",
            counts.frames_dropped, counts.spans_refused, counts.ends_taken_back, counts.batches_refused
        )
    }
}

/// Between channel assembler and channel reader: looks at how channels are compressed.
#[derive(Debug)]
pub struct ChannelsCounted<P> {
    prev: P,
    counters: Arc<Counters>,
}

impl<P> ChannelsCounted<P> {
    /// Stands after `prev`.
    pub const fn new(prev: P, counters: Arc<Counters>) -> Self {
        Self { prev, counters }
    }
}

#[async_trait]
impl<P: ChannelReaderProvider + Send> ChannelReaderProvider for ChannelsCounted<P> {
    async fn next_data(&mut self) -> PipelineResult<Option<Bytes>> {
        let channel = self.prev.next_data().await?;
        if let Some(first) = channel.as_ref().and_then(|channel| channel.first()) {
            match first {
                &BROTLI_VERSION => self.counters.brotli.add(),
                // Compression method 8 (deflate) or 15, as RFC 1950 has it.
                first if matches!(first & 0x0f, 8 | 15) => self.counters.zlib.add(),
                _ => self.counters.unreadable.add(),
            }
        }
        Ok(channel)
    }
}

crate::repairs::pass_through!(ChannelsCounted);
