//! From what was measured in each window to the curve C(N): cost per record, elasticity, steps, and how far above the floor.

use super::prices::{Prices, SYMBOL_BYTES, bytes_that_fit, symbols_needed};
use serde::Serialize;
use std::fmt;

/// What one posting window used. All of it is read from receipts, L1 and the DA layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Window {
    pub(crate) records: u64,
    /// Transactions that carried the records.
    pub(crate) bundles: u64,
    /// L2 blocks in the window's channels.
    pub(crate) l2_blocks: u64,
    /// Gas of the bundles.
    pub(crate) l2_gas: u64,
    pub(crate) l1_txs: u64,
    pub(crate) l1_gas: u64,
    /// Bytes of each payload on DA.
    pub(crate) payloads: Vec<u64>,
    /// How many of these bytes are zero.
    pub(crate) zero_bytes: u64,
    /// Seconds from when the first record was made to the L1 block that anchored the last of the window's data.
    pub(crate) oldest_age_secs: u64,
}

impl Window {
    fn bytes(&self) -> u64 {
        self.payloads.iter().sum()
    }

    fn billed(&self, prices: &Prices) -> u64 {
        self.payloads
            .iter()
            .map(|bytes| prices.symbols_billed(*bytes))
            .sum()
    }

    fn per_record(&self, amount: f64) -> f64 {
        amount / self.records as f64
    }
}

/// Gwei per record, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Cost {
    pub(crate) total: f64,
    pub(crate) l1: f64,
    pub(crate) da: f64,
    pub(crate) l2: f64,
}

/// One N of the curve.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Point {
    #[serde(flatten)]
    pub(crate) window: Window,
    pub(crate) records_per_bundle: f64,
    pub(crate) l2_gas_per_record: f64,
    pub(crate) l1_gas_per_record: f64,
    pub(crate) da_bytes_per_record: f64,
    pub(crate) symbols_needed: u64,
    pub(crate) symbols_billed: u64,
    /// Payload in the bytes that were billed, 0 to 1; 31/32 at most.
    pub(crate) fill: f64,
    pub(crate) gwei: Cost,
    /// The same bytes as blobs of L1 and as calldata of L1, with execution.
    pub(crate) gwei_as_blobs: f64,
    pub(crate) gwei_as_calldata: f64,
    /// d ln C / d ln N from the point before; none at the first.
    pub(crate) elasticity: Option<f64>,
    /// Times what one more record costs where everything is full.
    pub(crate) over_floor: f64,
}

/// The place where the DA layer's rounding makes a record dearest compared with the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Cliff {
    /// Records from which on another power of two is billed, by the bytes per record of the measured neighbours.
    pub(crate) records: u64,
    /// Symbols that are full there.
    pub(crate) symbols: u64,
    pub(crate) step_percent: f64,
}

/// The whole sweep.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Curve {
    pub(crate) prices: Prices,
    pub(crate) points: Vec<Point>,
    /// What one more record costs where everything is full: its bytes at the largest N, and its execution.
    pub(crate) floor_gwei: f64,
    /// Largest rise from a point to the next, 0 if there is none.
    pub(crate) worst_step_percent: f64,
    /// Calculated, since no measured point need lie next to a cliff.
    pub(crate) worst_cliff: Option<Cliff>,
}

impl Curve {
    /// The curve through `windows`, which are in ascending order of records.
    pub(crate) fn new(prices: Prices, windows: Vec<Window>) -> Self {
        let floor_gwei = windows.last().map_or(0.0, |largest| {
            largest.per_record(largest.bytes() as f64 * prices.da_per_byte() + prices.l2(largest.l2_gas))
        });
        let worst_cliff = worst_cliff(&prices, &windows);
        let mut points: Vec<Point> = Vec::with_capacity(windows.len());
        for window in windows {
            let mut point = point(&prices, window);
            point.over_floor = point.gwei.total / floor_gwei;
            point.elasticity = points.last().map(|before| {
                (point.gwei.total / before.gwei.total).ln()
                    / (point.window.records as f64 / before.window.records as f64).ln()
            });
            points.push(point);
        }
        let steps = points
            .windows(2)
            .map(|pair| (pair[1].gwei.total / pair[0].gwei.total - 1.0) * 100.0);
        Self {
            prices,
            worst_step_percent: steps.fold(0.0, f64::max),
            points,
            floor_gwei,
            worst_cliff,
        }
    }
}

fn point(prices: &Prices, window: Window) -> Point {
    let bytes = window.bytes();
    let symbols_billed = window.billed(prices);
    let l1 = window.per_record(prices.l1(window.l1_gas));
    let da = window.per_record(prices.da(symbols_billed));
    let l2 = window.per_record(prices.l2(window.l2_gas));
    Point {
        records_per_bundle: window.records as f64 / window.bundles as f64,
        l2_gas_per_record: window.per_record(window.l2_gas as f64),
        l1_gas_per_record: window.per_record(window.l1_gas as f64),
        da_bytes_per_record: window.per_record(bytes as f64),
        symbols_needed: window.payloads.iter().map(|bytes| symbols_needed(*bytes)).sum(),
        symbols_billed,
        fill: bytes as f64 / (symbols_billed * SYMBOL_BYTES) as f64,
        gwei: Cost {
            total: l1 + da + l2,
            l1,
            da,
            l2,
        },
        gwei_as_blobs: window.per_record(prices.as_blobs(bytes)) + l2,
        gwei_as_calldata: window.per_record(prices.as_calldata(bytes, window.zero_bytes)) + l2,
        elasticity: None,
        over_floor: 0.0,
        window,
    }
}

/// The worst of the places between two neighbouring windows of one payload each where the next power of two begins.
fn worst_cliff(prices: &Prices, windows: &[Window]) -> Option<Cliff> {
    let cliffs = windows
        .windows(2)
        .flat_map(|pair| cliffs_between(prices, &pair[0], &pair[1]));
    cliffs.max_by(|a, b| a.step_percent.total_cmp(&b.step_percent))
}

fn cliffs_between(prices: &Prices, before: &Window, after: &Window) -> Vec<Cliff> {
    let ([low], [high]) = (&before.payloads[..], &after.payloads[..]) else {
        return Vec::new();
    };
    let mut cliffs = Vec::new();
    let mut symbols = prices.symbols_billed(*low);
    while symbols < prices.symbols_billed(*high) {
        // Bytes grow evenly enough between neighbours for this to be right within a few records.
        let share = (bytes_that_fit(symbols) - low) as f64 / (high - low) as f64;
        let records = before.records as f64 + share * (after.records - before.records) as f64;
        let l2_gas = before.l2_gas as f64 + share * (after.l2_gas as f64 - before.l2_gas as f64);
        let base = prices.l1(after.l1_gas) + l2_gas * prices.l2_gwei_per_gas;
        let step = (base + prices.da(symbols * 2)) / (base + prices.da(symbols)) - 1.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between two counts of records"
        )]
        let records = records as u64;
        cliffs.push(Cliff {
            records,
            symbols,
            step_percent: step * 100.0,
        });
        symbols *= 2;
    }
    cliffs
}

impl fmt::Display for Curve {
    /// Two tables in Markdown: what was used, and what it costs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| N | bundles | records per bundle | L2 gas per record | DA bytes per record | symbols needed | billed | fill | L1 transactions | L1 gas per record | oldest, s |"
        )?;
        writeln!(
            f,
            "| --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |"
        )?;
        for point in &self.points {
            let window = &point.window;
            writeln!(
                f,
                "| {} | {} | {:.1} | {:.0} | {:.2} | {} | {} | {:.3} | {} | {:.3} | {} |",
                window.records,
                window.bundles,
                point.records_per_bundle,
                point.l2_gas_per_record,
                point.da_bytes_per_record,
                point.symbols_needed,
                point.symbols_billed,
                point.fill,
                window.l1_txs,
                point.l1_gas_per_record,
                window.oldest_age_secs,
            )?;
        }
        writeln!(
            f,
            "\n| N | C(N), gwei per record | L1 | DA | L2 | elasticity | C(N) / floor | as blobs | as calldata |"
        )?;
        writeln!(f, "| --: | --: | --: | --: | --: | --: | --: | --: | --: |")?;
        for point in &self.points {
            let elasticity = point
                .elasticity
                .map_or_else(String::new, |value| format!("{value:.3}"));
            writeln!(
                f,
                "| {} | {} | {} | {} | {:.4} | {elasticity} | {:.2} | {} | {} |",
                point.window.records,
                gwei(point.gwei.total),
                gwei(point.gwei.l1),
                gwei(point.gwei.da),
                point.gwei.l2,
                point.over_floor,
                gwei(point.gwei_as_blobs),
                gwei(point.gwei_as_calldata),
            )?;
        }
        writeln!(f, "\nfloor: {:.4} gwei per record", self.floor_gwei)?;
        write!(
            f,
            "worst upward step between neighbouring N: {:.1} %",
            self.worst_step_percent
        )?;
        if let Some(cliff) = self.worst_cliff {
            write!(
                f,
                "\nworst cliff between them (calculated): +{:.1} % after {} records, where {} symbols are full",
                cliff.step_percent, cliff.records, cliff.symbols
            )?;
        }
        Ok(())
    }
}

/// An amount with four significant digits or so.
fn gwei(amount: f64) -> String {
    let decimals = match amount {
        amount if amount >= 1_000.0 => 0,
        amount if amount >= 100.0 => 1,
        amount if amount >= 10.0 => 2,
        _ => 3,
    };
    format!("{amount:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::{super::prices::FROZEN, *};

    fn window(records: u64, bytes: u64) -> Window {
        Window {
            records,
            bundles: records.div_ceil(500),
            l2_blocks: 28,
            l2_gas: records * 40_000,
            l1_txs: 1,
            l1_gas: 22_500,
            payloads: vec![bytes],
            zero_bytes: 0,
            oldest_age_secs: 30,
        }
    }

    #[test]
    fn cost_is_what_the_prices_say_of_what_was_used() {
        let curve = Curve::new(FROZEN, vec![window(1_000, 20_000)]);
        let cost = curve.points[0].gwei;
        assert!((cost.l1 - 22.5).abs() < 1e-9);
        assert!((cost.da - 1.830_912).abs() < 1e-9);
        assert!((cost.l2 - 0.005_2).abs() < 1e-9);
        assert!((cost.total - (cost.l1 + cost.da + cost.l2)).abs() < 1e-12);
        assert_eq!(curve.points[0].symbols_needed, 647);
        assert!((curve.points[0].fill - 20_000.0 / 131_072.0).abs() < 1e-12);
        assert!((curve.floor_gwei - (20.0 * 0.447 / 31.0 + 0.005_2)).abs() < 1e-9);
    }

    #[test]
    fn a_fixed_cost_has_elasticity_minus_one_and_a_cost_per_record_has_none() {
        let free_execution = super::super::prices::Prices {
            l2_gwei_per_gas: 0.0,
            ..FROZEN
        };
        let fixed = Curve::new(free_execution, vec![window(10, 2_000), window(100, 3_000)]);
        assert!((fixed.points[1].elasticity.unwrap() + 1.0).abs() < 1e-9);
        let no_anchor = |records, bytes| Window {
            l1_gas: 0,
            ..window(records, bytes)
        };
        let full = [4_096, 8_192].map(bytes_that_fit);
        let linear = Curve::new(
            free_execution,
            vec![no_anchor(10_000, full[0]), no_anchor(20_000, full[1])],
        );
        assert!(linear.points[1].elasticity.unwrap().abs() < 1e-9);
        assert_eq!(linear.points[0].elasticity, None);
    }

    #[test]
    fn a_rise_between_neighbours_and_the_cliff_behind_it_are_named() {
        let falling = Curve::new(FROZEN, vec![window(1_000, 20_000), window(3_000, 60_000)]);
        assert!(falling.worst_step_percent.abs() < 1e-12);
        assert_eq!(falling.worst_cliff, None);
        let cliff_at = bytes_that_fit(32_768);
        let rising = Curve::new(
            FROZEN,
            vec![window(50_000, cliff_at), window(50_001, cliff_at + 20)],
        );
        assert!(
            (39.0..40.0).contains(&rising.worst_step_percent),
            "{}",
            rising.worst_step_percent
        );
        let cliff = rising.worst_cliff.unwrap();
        assert_eq!((cliff.records, cliff.symbols), (50_000, 32_768));
        assert!((cliff.step_percent - rising.worst_step_percent).abs() < 0.1);
    }

    #[test]
    fn every_power_of_two_between_neighbours_is_a_cliff() {
        let cliffs = cliffs_between(&FROZEN, &window(1_000, 20_000), &window(100_000, 2_000_000));
        let symbols: Vec<u64> = cliffs.iter().map(|cliff| cliff.symbols).collect();
        assert_eq!(symbols, [4_096, 8_192, 16_384, 32_768]);
        assert!(
            cliffs
                .windows(2)
                .all(|pair| pair[0].step_percent < pair[1].step_percent)
        );
    }
}
