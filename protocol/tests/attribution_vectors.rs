//! Vectors that Rust and Solidity both check: `contracts/testdata/bundle-vectors.json`, read here and by
//! `contracts/test/BundleVectors.t.sol`. Each side has its own codec and its own arithmetic; this file is where they meet.
//!
//! To write the file anew: `REGENERATE=1 cargo test -p tributary-protocol --test attribution_vectors`.

// Helpers of a test fail it by panicking.
#![allow(clippy::unwrap_used)]

use alloy_primitives::{Bytes, U256};
use alloy_sol_types::SolError;
use serde::{Deserialize, Serialize};
use tributary_protocol::{
    attribution::{
        BundleError, Carry, ContributorShare, FeePolicy, Rates, RecordShares, Row, Share, Split,
        bundle::BUNDLE_ROWS_MAX, decode_bundle, encode_bundle,
    },
    contracts::IAttributionLedger,
};

const PATH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../contracts/testdata/bundle-vectors.json"
);

/// The file. Lists of numbers are flat where forge reads flat lists best.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Vectors {
    /// Five parts for each policy; policies count from 1.
    policies: Vec<u16>,
    /// Policy, rate in and rate out of each adapter; adapters count from 1.
    adapters: Vec<u64>,
    payers: u32,
    contributions: u32,
    /// Recorded one after the other.
    bundles: Vec<Bytes>,
    /// `InferenceRecorded.shares` of each row of each bundle.
    shares: Vec<Vec<Bytes>>,
    /// Fee of each row of each bundle, wei.
    fees: Vec<Vec<U256>>,
    /// Left over under each policy after all bundles, wei.
    carried: Vec<U256>,
    /// Bytes that are no bundle.
    rejected: Vec<Bytes>,
    /// What the contract reverts with.
    reverts: Vec<Bytes>,
}

#[test]
fn contracts_and_model_agree_on_the_vectors() {
    if std::env::var_os("REGENERATE").is_some() {
        let text = serde_json::to_string_pretty(&generate()).unwrap();
        std::fs::write(PATH, text + "\n").unwrap();
    }
    let vectors: Vectors = serde_json::from_str(&std::fs::read_to_string(PATH).unwrap()).unwrap();
    assert_eq!(vectors, generate(), "the file is not what this test generates");
    assert!(vectors.bundles.len() >= 3 && vectors.rejected.len() >= 10);

    let rows: Vec<Vec<Row>> = vectors
        .bundles
        .iter()
        .map(|bundle| decode_bundle(bundle, BUNDLE_ROWS_MAX).unwrap())
        .collect();
    let model = Model::new(&vectors);
    let (shares, fees, carried) = model.run(&rows);
    assert_eq!(shares, vectors.shares);
    assert_eq!(fees, vectors.fees);
    assert_eq!(carried, vectors.carried);
    for (rejected, revert) in vectors.rejected.iter().zip(&vectors.reverts) {
        let error = decode_bundle(rejected, BUNDLE_ROWS_MAX).unwrap_err();
        assert_eq!(&revert_data(error), revert, "{error}");
    }
}

/// Terms of the vectors' adapters, as the model takes them.
struct Model {
    policies: Vec<FeePolicy>,
    adapters: Vec<(u32, Rates)>,
}

impl Model {
    fn new(vectors: &Vectors) -> Self {
        let policy =
            |parts: &[u16; 5]| FeePolicy::new(parts[0], parts[1], parts[2], parts[3], parts[4]).unwrap();
        let adapter = |terms: &[u64; 3]| {
            (
                u32::try_from(terms[0]).unwrap(),
                Rates {
                    tokens_in: terms[1],
                    tokens_out: terms[2],
                },
            )
        };
        Self {
            policies: vectors.policies.as_chunks().0.iter().map(policy).collect(),
            adapters: vectors.adapters.as_chunks().0.iter().map(adapter).collect(),
        }
    }

    fn run(&self, bundles: &[Vec<Row>]) -> (Vec<Vec<Bytes>>, Vec<Vec<U256>>, Vec<U256>) {
        let mut carry = Carry::default();
        let (mut shares, mut fees) = (Vec::new(), Vec::new());
        for rows in bundles {
            let (mut bundle_shares, mut bundle_fees) = (Vec::new(), Vec::new());
            for row in rows {
                let (index, rates) = self.adapters[row.adapter as usize - 1];
                let split = carry.divide(index, &self.policies[index as usize - 1], &rates, row);
                bundle_shares.push(packed(row, &split));
                bundle_fees.push(rates.fee(row.tokens_in, row.tokens_out));
            }
            shares.push(bundle_shares);
            fees.push(bundle_fees);
        }
        let carried = (1..)
            .take(self.policies.len())
            .map(|index| carry.remainder(index))
            .collect();
        (shares, fees, carried)
    }
}

fn packed(row: &Row, split: &Split) -> Bytes {
    let contributor = |(share, amount): (&Share, &U256)| ContributorShare {
        contribution: share.contribution,
        weight: share.weight,
        amount: amount.to(),
    };
    let shares = RecordShares {
        platform: split.platform.to(),
        gateway: split.gateway.to(),
        model: split.model.to(),
        adapter: split.adapter.to(),
        contributors: row
            .shares
            .iter()
            .zip(&split.contributors)
            .map(contributor)
            .collect(),
    };
    shares.encode().unwrap()
}

/// What `recordBundle` reverts with on bytes the decoder refuses.
fn revert_data(error: BundleError) -> Bytes {
    let number = |value: usize| U256::from(value);
    let data = match error {
        BundleError::Empty => IAttributionLedger::BundleEmpty {}.abi_encode(),
        BundleError::Version { found } => IAttributionLedger::BundleVersion { version: found }.abi_encode(),
        BundleError::Truncated { row, expected, found } => IAttributionLedger::BundleTruncated {
            row: number(row),
            expected: number(expected),
            found: number(found),
        }
        .abi_encode(),
        BundleError::TrailingBytes { expected, found } => IAttributionLedger::BundleTrailingBytes {
            expected: number(expected),
            found: number(found),
        }
        .abi_encode(),
        BundleError::ShareCount { row, found } => IAttributionLedger::ShareCountOutOfRange {
            row: number(row),
            count: number(found),
        }
        .abi_encode(),
        BundleError::ZeroWeight { row, contribution } => IAttributionLedger::ZeroWeight {
            row: number(row),
            contribution,
        }
        .abi_encode(),
        BundleError::TooManyRows { .. } => unreachable!("the contract has no limit of its own"),
    };
    data.into()
}

/// The vectors, from a fixed seed.
fn generate() -> Vectors {
    let mut vectors = Vectors {
        policies: vec![
            500, 1_500, 2_500, 2_500, 3_000, 0, 0, 0, 0, 10_000, 3_333, 3_333, 1, 3_332, 1, 10_000, 0, 0, 0,
            0,
        ],
        adapters: vec![
            1,
            66_666_667,
            266_666_667,
            1,
            1,
            3,
            2,
            7,
            0,
            3,
            999_999_999_999,
            1,
            4,
            1,
            1,
            1,
            0,
            0,
            3,
            1 << 48,
            1 << 48,
        ],
        payers: 3,
        contributions: 40,
        bundles: Vec::new(),
        shares: Vec::new(),
        fees: Vec::new(),
        carried: Vec::new(),
        rejected: rejected(),
        reverts: Vec::new(),
    };
    let mut random = Random(0x7a);
    let bundles: Vec<Vec<Row>> = [1, 2, 60]
        .iter()
        .map(|count| random.rows(*count, &vectors))
        .collect();
    vectors.bundles = bundles.iter().map(|rows| encode_bundle(rows).unwrap()).collect();
    (vectors.shares, vectors.fees, vectors.carried) = Model::new(&vectors).run(&bundles);
    let revert = |bytes: &Bytes| revert_data(decode_bundle(bytes, BUNDLE_ROWS_MAX).unwrap_err());
    vectors.reverts = vectors.rejected.iter().map(revert).collect();
    vectors
}

/// The first fault in each is in the bundle's shape, or in a row whose payer, adapter and contributions exist.
fn rejected() -> Vec<Bytes> {
    let one = |shares: &[(u32, u16)]| {
        let shares = shares
            .iter()
            .map(|&(contribution, weight)| Share { contribution, weight })
            .collect();
        Row {
            payer: 1,
            adapter: 1,
            tokens_in: 1,
            tokens_out: 1,
            shares,
        }
    };
    let good = encode_bundle(&[one(&[(1, 1)]), one(&[(2, 1), (3, 65_535)])])
        .unwrap()
        .to_vec();
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        Bytes::from(bytes)
    };
    let cut = |length: usize| Bytes::copy_from_slice(&good[..length]);
    let longer = [good.as_slice(), &[0]].concat();
    let last_weight = good.len() - 2;
    let mut zero_weight = good.clone();
    zero_weight[last_weight..].fill(0);
    vec![
        cut(0),
        cut(2),
        cut(3),
        with(0, 0),
        with(0, 2),
        with(2, 0),
        with(2, 1),
        with(2, 3),
        cut(19),
        cut(20),
        cut(good.len() - 1),
        longer.into(),
        with(19, 0),
        with(19, 6),
        with(19, 255),
        zero_weight.into(),
    ]
}

/// A splitmix64 generator: small, seeded and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 1 to `most`.
    fn index(&mut self, most: u32) -> u32 {
        u32::try_from(self.next() % u64::from(most)).unwrap() + 1
    }

    /// Mostly ordinary, sometimes zero or the highest.
    fn tokens(&mut self) -> u32 {
        match self.next() % 8 {
            0 => 0,
            1 => u32::MAX,
            _ => self.index(8_000),
        }
    }

    fn rows(&mut self, count: usize, vectors: &Vectors) -> Vec<Row> {
        let adapters = u32::try_from(vectors.adapters.len() / 3).unwrap();
        let row = |random: &mut Self| Row {
            payer: random.index(vectors.payers),
            adapter: random.index(adapters),
            tokens_in: random.tokens(),
            tokens_out: random.tokens(),
            shares: (0..random.index(5))
                .map(|_| Share {
                    contribution: random.index(vectors.contributions),
                    weight: u16::try_from(random.index(65_535)).unwrap(),
                })
                .collect(),
        };
        (0..count).map(|_| row(self)).collect()
    }
}
