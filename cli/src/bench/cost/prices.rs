//! The frozen price vector, and what an anchored window costs under it.
//!
//! Prices are constants so that two runs, and two versions, differ only in what was measured: gas, bytes, symbols, all integers.

use serde::Serialize;
use tributary_protocol::blob::BLOB_CONTENT_SIZE_MAX;

/// Bytes of payload in one 32-byte symbol: the first byte of each stays 0, so that it is a field element.
const PAYLOAD_BYTES_PER_SYMBOL: u64 = 31;
/// Symbols of a blob's header.
const HEADER_SYMBOLS: u64 = 1;
/// Bytes of a symbol.
pub(crate) const SYMBOL_BYTES: u64 = 32;
/// Gas of a transaction before its data.
const L1_GAS_BASE: u64 = 21_000;
/// Gas of a byte of calldata that is not zero, by the floor of EIP-7623; a zero byte costs a quarter.
const L1_GAS_PER_CALLDATA_BYTE: u64 = 40;
/// Longest calldata of a batcher transaction, and most blobs of one, as the batcher cuts them.
const CALLDATA_BYTES_MAX: u64 = 120_000;
const BLOBS_MAX: u64 = 6;
/// Gas of a blob.
const GAS_PER_BLOB: f64 = 131_072.0;
/// EIP-7918: gas of a blob never costs less than the base fee over this (2^17 / 2^13).
const BLOB_RESERVE_DIVISOR: f64 = 16.0;

/// What things cost, in gwei.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Prices {
    /// Base fee of L1, per gas.
    pub(crate) l1_gwei_per_gas: f64,
    /// EigenDA's list price on demand, per symbol of 32 bytes: 0.015 ETH a GB.
    pub(crate) da_gwei_per_symbol: f64,
    /// What a payload is billed at least, in symbols: 128 KiB.
    pub(crate) da_symbols_min: u64,
    /// Executing one L2 gas: a machine of 100 dollars a month at 3,000 dollars an ETH, half of whose 200 million gas a second are used.
    pub(crate) l2_gwei_per_gas: f64,
}

/// The price vector of every published number.
pub(crate) const FROZEN: Prices = Prices {
    l1_gwei_per_gas: 1.0,
    da_gwei_per_symbol: 0.447,
    da_symbols_min: 4_096,
    l2_gwei_per_gas: 1.3e-7,
};

/// Symbols that hold a payload of `bytes`.
pub(crate) const fn symbols_needed(bytes: u64) -> u64 {
    HEADER_SYMBOLS + bytes.div_ceil(PAYLOAD_BYTES_PER_SYMBOL)
}

/// Most bytes of payload that `symbols` hold.
pub(crate) const fn bytes_that_fit(symbols: u64) -> u64 {
    symbols.saturating_sub(HEADER_SYMBOLS) * PAYLOAD_BYTES_PER_SYMBOL
}

impl Prices {
    /// Symbols billed for a payload of `bytes`: the next power of two, and the least there is.
    pub(crate) const fn symbols_billed(&self, bytes: u64) -> u64 {
        let needed = symbols_needed(bytes).next_power_of_two();
        if needed < self.da_symbols_min {
            self.da_symbols_min
        } else {
            needed
        }
    }

    /// Gwei of `symbols`.
    pub(crate) fn da(&self, symbols: u64) -> f64 {
        symbols as f64 * self.da_gwei_per_symbol
    }

    /// Gwei of `gas` on L1.
    pub(crate) fn l1(&self, gas: u64) -> f64 {
        gas as f64 * self.l1_gwei_per_gas
    }

    /// Gwei of executing `gas` on L2.
    pub(crate) fn l2(&self, gas: u64) -> f64 {
        gas as f64 * self.l2_gwei_per_gas
    }

    /// Gwei of one byte of payload where nothing is rounded.
    pub(crate) fn da_per_byte(&self) -> f64 {
        self.da_gwei_per_symbol / PAYLOAD_BYTES_PER_SYMBOL as f64
    }

    /// Gwei of the same payload in blobs of L1, at the lowest price a blob can have.
    pub(crate) fn as_blobs(&self, bytes: u64) -> f64 {
        let blobs = bytes.div_ceil(BLOB_CONTENT_SIZE_MAX as u64);
        let gas = L1_GAS_BASE * blobs.div_ceil(BLOBS_MAX);
        self.l1(gas) + blobs as f64 * GAS_PER_BLOB * self.l1_gwei_per_gas / BLOB_RESERVE_DIVISOR
    }

    /// Gwei of the same payload in calldata of L1; `zeros` of its bytes are zero.
    pub(crate) fn as_calldata(&self, bytes: u64, zeros: u64) -> f64 {
        let transactions = bytes.div_ceil(CALLDATA_BYTES_MAX);
        let data = (bytes - zeros) * L1_GAS_PER_CALLDATA_BYTE + zeros * L1_GAS_PER_CALLDATA_BYTE / 4;
        self.l1(transactions * L1_GAS_BASE + data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_rounded_up_to_a_power_of_two_and_to_the_least_there_is() {
        for (bytes, needed, billed) in [
            (0, 1, 4_096),
            (1, 2, 4_096),
            (31, 2, 4_096),
            (32, 3, 4_096),
            (4_095 * 31, 4_096, 4_096),
            (4_095 * 31 + 1, 4_097, 8_192),
            (65_535 * 31, 65_536, 65_536),
            (65_535 * 31 + 1, 65_537, 131_072),
        ] {
            assert_eq!(symbols_needed(bytes), needed, "{bytes}");
            assert_eq!(FROZEN.symbols_billed(bytes), billed, "{bytes}");
        }
        assert_eq!(bytes_that_fit(4_096), 4_095 * 31);
    }

    #[test]
    fn the_largest_payload_is_the_largest_blob() {
        let largest = tributary_da_client::PAYLOAD_SIZE_MAX as u64;
        assert_eq!(symbols_needed(largest) * SYMBOL_BYTES, 16 << 20);
    }

    #[test]
    fn the_frozen_prices_are_those_the_documentation_names() {
        assert!((FROZEN.da(4_096) - 1_830.912).abs() < 1e-9);
        assert!((FROZEN.l1(22_510) - 22_510.0).abs() < 1e-9);
        assert!((FROZEN.l2(40_000) - 0.005_2).abs() < 1e-12);
        assert!((FROZEN.da_per_byte() * 31.0 - 0.447).abs() < 1e-12);
    }

    #[test]
    fn blobs_and_calldata_are_cut_as_the_batcher_cuts_them() {
        let blob = 8_192.0;
        assert!((FROZEN.as_blobs(1) - (21_000.0 + blob)).abs() < 1e-6);
        assert!((FROZEN.as_blobs(130_044 * 6) - (21_000.0 + 6.0 * blob)).abs() < 1e-6);
        assert!((FROZEN.as_blobs(130_044 * 6 + 1) - (42_000.0 + 7.0 * blob)).abs() < 1e-6);
        assert!((FROZEN.as_calldata(100, 4) - (21_000.0 + 96.0 * 40.0 + 40.0)).abs() < 1e-6);
        assert!((FROZEN.as_calldata(240_000, 0) - (42_000.0 + 9_600_000.0)).abs() < 1e-6);
    }
}
