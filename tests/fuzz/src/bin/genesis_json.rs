//! `genesis.json`: what is accepted seals to one block, and the same block after being written and read again.
#![no_main]

use alloy_primitives::{Address, U256};
use std::sync::LazyLock;
use tributary_derivation::testing::{TestNet, TestNetOptions};
use tributary_fuzz::{
    seeds::{Seeds, add},
    target,
};
use tributary_protocol::{
    config::{ChainOpConfig, RollupConfig},
    genesis::{Genesis, GenesisParts},
};

target!(run, seeds);

static CONFIG: LazyLock<RollupConfig> =
    LazyLock::new(|| (*TestNet::new(TestNetOptions::default()).config).clone());

fn run(data: &[u8]) {
    let Ok(genesis) = Genesis::from_json(data) else {
        return;
    };
    let block = genesis.seal();
    assert_eq!(block.header.hash_slow(), block.hash);
    assert_eq!(block.block().header, block.header);
    let again =
        Genesis::from_json(genesis.to_json().as_bytes()).expect("what was accepted is accepted again");
    assert_eq!(again.seal().hash, block.hash);
    if genesis.check(&CONFIG, &block).is_ok() {
        assert_eq!(genesis.chain_id(), CONFIG.l2_chain_id);
        assert_eq!(block.hash, CONFIG.genesis.l2.hash);
    }
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    for (name, jovian_time) in [("isthmus", None), ("jovian", Some(0))] {
        let account = alloy::genesis::GenesisAccount::default()
            .with_balance(U256::from(7))
            .with_nonce(Some(1))
            .with_code(Some(vec![0x60, 0, 0x60, 0].into()))
            .with_storage(Some([(U256::from(1).into(), U256::from(2).into())].into()));
        let parts = GenesisParts {
            chain_id: 901,
            timestamp: 1_763_700_000,
            gas_limit: 30_000_000,
            base_fee: 1_000_000_000,
            fees: ChainOpConfig {
                eip1559_elasticity: 6,
                eip1559_denominator: 50,
                eip1559_denominator_canyon: 250,
            },
            min_base_fee: if jovian_time.is_some() { 1_000_000 } else { 0 },
            jovian_time,
            alloc: [(Address::repeat_byte(1), account)].into(),
        };
        let genesis = parts.build().expect("the parts make a genesis");
        let compact = serde_json::to_vec(genesis.as_json()).expect("a genesis has only string keys");
        add(&mut seeds, name, &compact);
    }
    seeds
}
