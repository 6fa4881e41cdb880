//! Flags for how channels are encoded, and how long payloads should be.

use crate::commands::shared::duration;
use clap::{Args, ValueEnum};
use std::time::Duration;
use tributary_batcher::{
    channel_builder::BatchKind,
    encoding::{EncodingPolicy, KindChoice, QualityChoice},
    payload_size::{Billing, PayloadSizer},
};
use tributary_da_client::PAYLOAD_SIZE_MAX;

/// How channels are encoded and cut.
#[derive(Args, Clone, Debug)]
pub(crate) struct EncodingArgs {
    /// Span batches (all blocks of a channel as one, smaller where blocks hold little), singular ones (each block for itself), or
    /// whichever is smaller for the traffic of the moment.
    #[arg(long, env = "TRIBUTARY_BATCH_TYPE", value_enum, default_value = "span")]
    pub(crate) batch_type: BatchType,
    /// Brotli quality, 0 to 11: 10 saves a few per cent over 5 and costs over ten times the CPU. `auto` measures what each is worth.
    #[arg(long, env = "TRIBUTARY_BROTLI_QUALITY", default_value = "5", value_parser = quality)]
    pub(crate) brotli_quality: Quality,
    /// CPU time that a saved byte is worth, for `--brotli-quality auto`. At EigenDA's list price and that of a rented core a byte is worth
    /// milliseconds; the default is far below, since the batcher shares its cores.
    #[arg(long, env = "TRIBUTARY_CPU_PER_BYTE", value_parser = duration, default_value = "100us")]
    pub(crate) cpu_per_byte: Duration,
    /// How the DA layer bills payloads: by the byte, or as EigenDA padded to a power of two of 32-byte symbols, 4,096 at least. Then
    /// channels are cut where they fill what is billed, while more blocks wait.
    #[arg(long, env = "TRIBUTARY_DA_BILLING", value_enum, default_value = "exact")]
    pub(crate) da_billing: DaBilling,
    /// Payload size to aim at under load where the DA layer bills powers of two, in bytes; the power that fits into it counts.
    #[arg(long, env = "TRIBUTARY_TARGET_PAYLOAD_BYTES", default_value_t = 1_015_777)]
    pub(crate) target_payload_bytes: usize,
    /// Longest payload the DA layer takes, in bytes; longer channels go in several.
    #[arg(long, env = "TRIBUTARY_DA_PAYLOAD_BYTES_MAX", default_value_t = PAYLOAD_SIZE_MAX, value_parser = payload_bytes)]
    pub(crate) da_payload_bytes_max: usize,
}

/// Which batches a channel holds.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum BatchType {
    /// Whichever is smaller.
    Auto,
    /// All blocks as one.
    Span,
    /// Each block for itself.
    Singular,
}

/// How the DA layer bills.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DaBilling {
    /// By the byte.
    Exact,
    /// Padded to a power of two of symbols: EigenDA.
    PowersOfTwo,
}

/// `auto`, or a quality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quality {
    Auto,
    Fixed(u8),
}

fn quality(text: &str) -> Result<Quality, String> {
    if text == "auto" {
        return Ok(Quality::Auto);
    }
    let parsed = text.parse().ok().filter(|quality| *quality <= 11);
    parsed
        .map(Quality::Fixed)
        .ok_or_else(|| "0 to 11, or auto".to_owned())
}

/// A payload needs room for its version byte, a frame's envelope and some data.
fn payload_bytes(text: &str) -> Result<usize, String> {
    const LEAST: usize = 1_000;
    let parsed = text
        .parse()
        .ok()
        .filter(|bytes| (LEAST..=PAYLOAD_SIZE_MAX).contains(bytes));
    parsed.ok_or_else(|| format!("a number of bytes from {LEAST} to {PAYLOAD_SIZE_MAX}"))
}

impl EncodingArgs {
    /// The quality that is fixed, or that `auto` begins with.
    pub(crate) const fn first_quality(&self) -> u8 {
        match self.brotli_quality {
            Quality::Auto => 5,
            Quality::Fixed(quality) => quality,
        }
    }

    pub(crate) const fn policy(&self) -> EncodingPolicy {
        EncodingPolicy {
            kind: match self.batch_type {
                BatchType::Auto => KindChoice::Auto,
                BatchType::Span => KindChoice::Fixed(BatchKind::Span),
                BatchType::Singular => KindChoice::Fixed(BatchKind::Singular),
            },
            quality: match self.brotli_quality {
                Quality::Auto => QualityChoice::Auto {
                    per_byte: self.cpu_per_byte,
                },
                Quality::Fixed(quality) => QualityChoice::Fixed(quality),
            },
        }
    }

    pub(crate) const fn sizer(&self) -> PayloadSizer {
        let billing = match self.da_billing {
            DaBilling::Exact => Billing::Exact,
            DaBilling::PowersOfTwo => Billing::PowersOfTwo,
        };
        PayloadSizer::new(billing, self.target_payload_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quality_is_a_number_to_11_or_auto() {
        assert_eq!(quality("auto"), Ok(Quality::Auto));
        assert_eq!(quality("11"), Ok(Quality::Fixed(11)));
        for text in ["12", "-1", "", "Auto"] {
            assert!(quality(text).unwrap_err().contains("auto"), "{text}");
        }
        assert!(payload_bytes("999").unwrap_err().contains("1000"));
        assert_eq!(payload_bytes("16252897"), Ok(PAYLOAD_SIZE_MAX));
        assert!(payload_bytes("16252898").is_err());
    }
}
