//! What must be known of L1's own forks: from when on which blob parameters hold, since the blob base fee in every L1-attributes
//! transaction follows from them (EIP-4844, EIP-7691, EIP-7840, EIP-7892).
//!
//! It is not part of `rollup.json`, where op-node refuses unknown keys. Known chains have presets; any other comes as geth's chain
//! configuration (`cancunTime`, `pragueTime`, `osakaTime`, `bpo1Time`, … and `blobSchedule`), as op-node's `--rollup.l1-chain-config`.
//! Two nodes that disagree about it derive different chains, so a preset never guesses: a fork without known parameters is left out.

use alloc::{collections::BTreeMap, string::String, vec, vec::Vec};
use alloy_eips::{eip4844::BLOB_TX_MIN_BLOB_GASPRICE, eip7840::BlobParams};
use alloy_genesis::ChainConfig;
use alloy_primitives::U256;

/// L1 forks that can change blob parameters, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum L1BlobForkName {
    /// Blobs exist.
    Cancun,
    /// Target 6, maximum 9.
    Prague,
    /// Fusaka.
    Osaka,
    /// First blob-parameter-only fork.
    Bpo1,
    /// Second.
    Bpo2,
    /// Third.
    Bpo3,
    /// Fourth.
    Bpo4,
    /// Fifth.
    Bpo5,
    /// Glamsterdam.
    Amsterdam,
}

/// One entry of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1BlobFork {
    /// Which fork.
    pub name: L1BlobForkName,
    /// Unix seconds of L1 time it is active from.
    pub activation_time: u64,
    /// Parameters from then on.
    pub params: BlobParams,
}

/// The forks of one L1 chain. Invariant: entries are in fork order and activation times never decrease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L1ChainConfig {
    chain_id: u64,
    blob_forks: Vec<L1BlobFork>,
}

/// An L1 chain configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum L1ChainConfigError {
    /// Not JSON of this shape.
    #[error("L1 chain configuration is not readable: {0}")]
    Json(serde_json::Error),
    /// Later forks cannot be active before earlier ones.
    #[error(
        "L1 chain configuration activates {later:?} at {later_time}, before {earlier:?} at {earlier_time}"
    )]
    Order {
        /// The fork that comes first by name.
        earlier: L1BlobForkName,
        /// Its activation, unix seconds.
        earlier_time: u64,
        /// The fork that comes second by name.
        later: L1BlobForkName,
        /// Its activation, unix seconds.
        later_time: u64,
    },
    /// A blob fork of the base line has a time but no parameters: its blob base fee would be a guess.
    #[error("L1 chain configuration activates {fork:?} at {time} without blobSchedule.{}", .fork.key())]
    MissingParams {
        /// The fork.
        fork: L1BlobForkName,
        /// Its activation, unix seconds.
        time: u64,
    },
    /// The blob base fee divides by it.
    #[error("blobSchedule.{}.baseFeeUpdateFraction is 0", .fork.key())]
    UpdateFraction {
        /// The fork.
        fork: L1BlobForkName,
    },
}

impl L1BlobForkName {
    const ALL: [Self; 9] = [
        Self::Cancun,
        Self::Prague,
        Self::Osaka,
        Self::Bpo1,
        Self::Bpo2,
        Self::Bpo3,
        Self::Bpo4,
        Self::Bpo5,
        Self::Amsterdam,
    ];

    /// Key in geth's `blobSchedule`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Cancun => "cancun",
            Self::Prague => "prague",
            Self::Osaka => "osaka",
            Self::Bpo1 => "bpo1",
            Self::Bpo2 => "bpo2",
            Self::Bpo3 => "bpo3",
            Self::Bpo4 => "bpo4",
            Self::Bpo5 => "bpo5",
            Self::Amsterdam => "amsterdam",
        }
    }

    /// Where geth's chain configuration keeps the activation time.
    const fn time_mut(self, config: &mut ChainConfig) -> &mut Option<u64> {
        match self {
            Self::Cancun => &mut config.cancun_time,
            Self::Prague => &mut config.prague_time,
            Self::Osaka => &mut config.osaka_time,
            Self::Bpo1 => &mut config.bpo1_time,
            Self::Bpo2 => &mut config.bpo2_time,
            Self::Bpo3 => &mut config.bpo3_time,
            Self::Bpo4 => &mut config.bpo4_time,
            Self::Bpo5 => &mut config.bpo5_time,
            Self::Amsterdam => &mut config.amsterdam_time,
        }
    }

    /// A fork that may keep its predecessor's parameters: geth then looks further back in the schedule.
    const fn may_omit_params(self) -> bool {
        !matches!(self, Self::Cancun | Self::Prague)
    }
}

impl L1ChainConfig {
    /// The configuration of a chain we know: Ethereum, Sepolia, Hoodi, and development chains (900, 1337, 31337) with Prague from
    /// genesis, as `anvil --hardfork prague`. `None` for any other: it has to be given explicitly.
    #[must_use]
    pub fn preset(chain_id: u64) -> Option<Self> {
        use L1BlobForkName as Fork;
        let times: &[(Fork, u64)] = match chain_id {
            1 => &[
                (Fork::Cancun, 1_710_338_135),
                (Fork::Prague, 1_746_612_311),
                (Fork::Osaka, 1_764_798_551),
                (Fork::Bpo1, 1_765_290_071),
                (Fork::Bpo2, 1_767_747_671),
            ],
            11_155_111 => &[
                (Fork::Cancun, 1_706_655_072),
                (Fork::Prague, 1_741_159_776),
                (Fork::Osaka, 1_760_427_360),
                (Fork::Bpo1, 1_761_017_184),
                (Fork::Bpo2, 1_761_607_008),
            ],
            560_048 => &[
                (Fork::Cancun, 0),
                (Fork::Prague, 1_742_999_832),
                (Fork::Osaka, 1_761_677_592),
                (Fork::Bpo1, 1_762_365_720),
                (Fork::Bpo2, 1_762_955_544),
            ],
            900 | 1337 | 31_337 => &[(Fork::Cancun, 0), (Fork::Prague, 0)],
            _ => return None,
        };
        let params = |fork| match fork {
            Fork::Cancun => BlobParams::cancun(),
            Fork::Prague => BlobParams::prague(),
            Fork::Osaka => BlobParams::osaka(),
            Fork::Bpo1 => BlobParams::bpo1(),
            _ => BlobParams::bpo2(),
        };
        let blob_forks = times
            .iter()
            .map(|(name, activation_time)| L1BlobFork {
                name: *name,
                activation_time: *activation_time,
                params: params(*name),
            })
            .collect();
        Some(Self { chain_id, blob_forks })
    }

    /// Reads geth's chain configuration. Keys that have nothing to do with blobs are allowed and ignored.
    pub fn from_json(json: &str) -> Result<Self, L1ChainConfigError> {
        let mut config: ChainConfig = serde_json::from_str(json).map_err(L1ChainConfigError::Json)?;
        let mut blob_forks = vec![];
        for name in L1BlobForkName::ALL {
            let Some(activation_time) = *name.time_mut(&mut config) else {
                continue;
            };
            match config.blob_schedule.get(name.key()) {
                Some(params) if params.update_fraction == 0 => {
                    return Err(L1ChainConfigError::UpdateFraction { fork: name });
                }
                Some(params) => blob_forks.push(L1BlobFork {
                    name,
                    activation_time,
                    params: *params,
                }),
                None if name.may_omit_params() => {}
                None => {
                    return Err(L1ChainConfigError::MissingParams {
                        fork: name,
                        time: activation_time,
                    });
                }
            }
        }
        check_order(&blob_forks)?;
        Ok(Self {
            chain_id: config.chain_id,
            blob_forks,
        })
    }

    /// Geth's chain configuration with these blob forks and every earlier fork at genesis: right for development chains, which are
    /// the ones op-node has no preset for.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut config = ChainConfig {
            chain_id: self.chain_id,
            homestead_block: Some(0),
            eip150_block: Some(0),
            eip155_block: Some(0),
            eip158_block: Some(0),
            byzantium_block: Some(0),
            constantinople_block: Some(0),
            petersburg_block: Some(0),
            istanbul_block: Some(0),
            muir_glacier_block: Some(0),
            berlin_block: Some(0),
            london_block: Some(0),
            arrow_glacier_block: Some(0),
            gray_glacier_block: Some(0),
            merge_netsplit_block: Some(0),
            shanghai_time: Some(0),
            terminal_total_difficulty: Some(U256::ZERO),
            terminal_total_difficulty_passed: true,
            blob_schedule: self
                .blob_forks
                .iter()
                .map(|fork| (fork.name.key().into(), fork.params))
                .collect::<BTreeMap<_, _>>(),
            ..ChainConfig::default()
        };
        for fork in &self.blob_forks {
            *fork.name.time_mut(&mut config) = Some(fork.activation_time);
        }
        let mut json = serde_json::to_string_pretty(&config).expect("geth's configuration serialises");
        json.push('\n');
        json
    }

    /// Chain id of L1.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The schedule, oldest fork first.
    #[must_use]
    pub fn blob_forks(&self) -> &[L1BlobFork] {
        &self.blob_forks
    }

    /// Wei per blob gas in an L1 block of this timestamp (unix seconds) and excess blob gas.
    ///
    /// A header without excess blob gas is from before Cancun and costs EIP-4844's minimum of 1 wei, as the OP Stack prescribes; so
    /// does one that this configuration places before Cancun. Saturates at 2^128 - 1, far beyond what a chain can reach.
    #[must_use]
    pub fn blob_base_fee(&self, timestamp: u64, excess_blob_gas: Option<u64>) -> u128 {
        let active = self
            .blob_forks
            .iter()
            .rev()
            .find(|fork| timestamp >= fork.activation_time);
        match (active, excess_blob_gas) {
            (Some(fork), Some(excess)) => fork.params.calc_blob_fee(excess),
            _ => BLOB_TX_MIN_BLOB_GASPRICE,
        }
    }
}

fn check_order(blob_forks: &[L1BlobFork]) -> Result<(), L1ChainConfigError> {
    for pair in blob_forks.windows(2) {
        let [earlier, later] = pair else { continue };
        if later.activation_time < earlier.activation_time {
            return Err(L1ChainConfigError::Order {
                earlier: earlier.name,
                earlier_time: earlier.activation_time,
                later: later.name,
                later_time: later.activation_time,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The blob keys of geth's mainnet configuration, and two others.
    const MAINNET_JSON: &str = r#"{
        "chainId": 1, "londonBlock": 12965000, "terminalTotalDifficulty": 58750000000000000000000,
        "cancunTime": 1710338135, "pragueTime": 1746612311, "osakaTime": 1764798551,
        "bpo1Time": 1765290071, "bpo2Time": 1767747671,
        "blobSchedule": {
            "cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3338477},
            "prague": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5007716},
            "osaka": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5007716},
            "bpo1": {"target": 10, "max": 15, "baseFeeUpdateFraction": 8346193},
            "bpo2": {"target": 14, "max": 21, "baseFeeUpdateFraction": 11684671}
        }
    }"#;

    #[test]
    fn preset_and_geths_file_give_the_same_fees() {
        let (preset, file) = (
            L1ChainConfig::preset(1).unwrap(),
            L1ChainConfig::from_json(MAINNET_JSON).unwrap(),
        );
        assert_eq!(preset.chain_id(), file.chain_id());
        for fork in preset.blob_forks() {
            for time in [fork.activation_time - 1, fork.activation_time] {
                for excess in [0, 10_000_000, 150_000_000] {
                    let fees = [&preset, &file].map(|config| config.blob_base_fee(time, Some(excess)));
                    assert_eq!(fees[0], fees[1], "{:?} {time} {excess}", fork.name);
                }
            }
        }
    }

    #[test]
    fn each_fork_prices_by_its_own_fraction_from_its_first_second() {
        let config = L1ChainConfig::preset(1).unwrap();
        // e^10 is 22026.4…: ten update fractions of excess cost 22026 wei, under whatever fork the fraction belongs to.
        for (time, fraction) in [
            (1_746_612_310, 3_338_477),
            (1_746_612_311, 5_007_716),
            (1_765_290_070, 5_007_716),
            (1_765_290_071, 8_346_193),
            (1_767_747_671, 11_684_671),
        ] {
            assert_eq!(config.blob_base_fee(time, Some(10 * fraction)), 22_026, "{time}");
        }
    }

    #[test]
    fn no_excess_and_no_fork_cost_the_minimum() {
        let config = L1ChainConfig::preset(1).unwrap();
        assert_eq!(config.blob_base_fee(1_800_000_000, None), 1);
        assert_eq!(config.blob_base_fee(1_700_000_000, Some(u64::MAX)), 1);
        assert_eq!(config.blob_base_fee(1_800_000_000, Some(0)), 1);
    }

    #[test]
    fn absurd_excess_saturates() {
        let config = L1ChainConfig::preset(31_337).unwrap();
        assert_eq!(config.blob_base_fee(0, Some(u64::MAX)), u128::MAX);
    }

    #[test]
    fn development_chains_are_prague_from_genesis() {
        for chain_id in [900, 1337, 31_337] {
            let config = L1ChainConfig::preset(chain_id).unwrap();
            assert_eq!(config.blob_base_fee(0, Some(10 * 5_007_716)), 22_026);
        }
        assert_eq!(L1ChainConfig::preset(902), None);
    }

    #[test]
    fn written_file_reads_back() {
        let config = L1ChainConfig::preset(900).unwrap();
        let read = L1ChainConfig::from_json(&config.to_json()).unwrap();
        assert_eq!(read.to_json(), config.to_json());
        assert!(config.to_json().contains("\"pragueTime\": 0"));
    }

    #[test]
    fn fork_without_its_own_parameters_keeps_the_ones_before() {
        let json = MAINNET_JSON.replace(
            "\"bpo1\": {\"target\": 10, \"max\": 15, \"baseFeeUpdateFraction\": 8346193},",
            "",
        );
        let config = L1ChainConfig::from_json(&json).unwrap();
        assert_eq!(config.blob_base_fee(1_765_290_071, Some(10 * 5_007_716)), 22_026);
    }

    #[test]
    fn unusable_files_are_rejected() {
        let error = |from: &str, to: &str| {
            let json = MAINNET_JSON.replace(from, to);
            assert_ne!(json, MAINNET_JSON);
            L1ChainConfig::from_json(&json).unwrap_err()
        };
        assert!(matches!(
            error("\"chainId\"", "chainId"),
            L1ChainConfigError::Json(_)
        ));
        assert!(matches!(
            error("\"prague\":", "\"praguE\":"),
            L1ChainConfigError::MissingParams {
                fork: L1BlobForkName::Prague,
                time: 1_746_612_311
            }
        ));
        assert!(matches!(
            error("11684671", "0"),
            L1ChainConfigError::UpdateFraction {
                fork: L1BlobForkName::Bpo2
            }
        ));
        assert!(matches!(
            error("\"osakaTime\": 1764798551", "\"osakaTime\": 5"),
            L1ChainConfigError::Order {
                earlier: L1BlobForkName::Prague,
                later: L1BlobForkName::Osaka,
                later_time: 5,
                ..
            }
        ));
    }
}
