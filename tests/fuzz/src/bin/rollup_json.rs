//! `rollup.json`: what is accepted obeys the rules of a checked configuration, and is the same after being written and read again.
#![no_main]

use tributary_fuzz::{
    memory,
    seeds::{Seeds, add},
    target,
};
use tributary_protocol::{
    block::L2BlockNumber,
    config::{L1ChainConfig, RollupConfig, is_valid_fee_scalar},
};

target!(run, seeds);

const ROLLUP: &str = include_str!("../../../../protocol/testdata/rollup.json");

fn run(data: &[u8]) {
    let Ok(json) = std::str::from_utf8(data) else {
        return;
    };
    // serde keeps unknown keys and numbers as text until it has judged them.
    if let Ok(config) = memory::within(16384 + 16 * data.len(), || RollupConfig::from_json(json)) {
        check(&config);
    }
    if let Ok(l1) = memory::within(65536 + 64 * data.len(), || L1ChainConfig::from_json(json)) {
        check_l1(&l1);
    }
}

fn check(config: &RollupConfig) {
    assert_eq!(config.validate(), Ok(()));
    assert!(config.block_time > 0 && config.seq_window_size >= 2);
    assert_ne!(config.l1_chain_id, config.l2_chain_id);
    assert!(is_valid_fee_scalar(&config.genesis.system_config.scalar));
    assert!(
        config.jovian_time.is_none_or(|time| time == 0),
        "Jovian from genesis or never"
    );
    assert!(
        config.timestamp_of(L2BlockNumber(u64::MAX)) >= config.genesis.l2_time,
        "time saturates"
    );
    let again = RollupConfig::from_json(&config.to_json()).expect("what was accepted is accepted again");
    assert_eq!(&again, config);
    assert_eq!(again.hash(), config.hash());
}

fn check_l1(l1: &L1ChainConfig) {
    let again = L1ChainConfig::from_json(&l1.to_json()).expect("what was accepted is accepted again");
    assert_eq!(&again, l1);
    for timestamp in [0, 1_700_000_000, u64::MAX] {
        for excess in [None, Some(0), Some(10_000_000), Some(u64::MAX)] {
            assert!(l1.blob_base_fee(timestamp, excess) >= 1, "a blob costs something");
        }
    }
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let config = RollupConfig::from_json(ROLLUP).expect("the test file is valid");
    add(&mut seeds, "rollup", ROLLUP.as_bytes());
    let plain = RollupConfig {
        alt_da: None,
        jovian_time: None,
        ..config
    };
    seeds.push(("without-alt-da".into(), plain.to_json().into()));
    for chain_id in [1, 900, 11_155_111] {
        if let Some(preset) = L1ChainConfig::preset(chain_id) {
            add(&mut seeds, &format!("l1-{chain_id}"), preset.to_json().as_bytes());
        }
    }
    seeds
}
