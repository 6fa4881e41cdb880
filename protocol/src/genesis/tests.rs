//! The genesis file, its checks, and the hash everyone has to agree on.

use super::*;
use crate::config::ChainOpConfig;
use alloc::{collections::BTreeMap, format, string::ToString};
use alloy_consensus::EMPTY_OMMER_ROOT_HASH;
use alloy_primitives::{address, b256, bytes, hex};
use alloy_trie::root;
use proptest::prelude::*;
use serde_json::{Value, json};

const TIME: u64 = 1_700_000_000;

fn parts(jovian_time: Option<u64>) -> GenesisParts {
    let slots = BTreeMap::from([
        (B256::with_last_byte(1), B256::with_last_byte(2)),
        (B256::ZERO, B256::ZERO),
    ]);
    let message_passer = GenesisAccount::default()
        .with_code(Some(bytes!("60016001")))
        .with_storage(Some(slots));
    let rich = GenesisAccount::default().with_balance(U256::from(5));
    GenesisParts {
        chain_id: 901,
        timestamp: TIME,
        gas_limit: 200_000_000,
        base_fee: 1_000_000_000,
        fees: ChainOpConfig {
            eip1559_elasticity: 6,
            eip1559_denominator: 50,
            eip1559_denominator_canyon: 250,
        },
        min_base_fee: 1_000_000,
        jovian_time,
        alloc: BTreeMap::from([
            (L2_TO_L1_MESSAGE_PASSER_ADDRESS, message_passer),
            (address!("00000000000000000000000000000000000000aa"), rich),
        ]),
    }
}

#[test]
fn header_follows_the_rules_of_the_fork() {
    for (jovian_time, extra_data) in [
        (None, &hex!("00 000000fa 00000006")[..]),
        (Some(0), &hex!("01 000000fa 00000006 00000000000f4240")[..]),
        (Some(TIME), &hex!("01 000000fa 00000006 00000000000f4240")[..]),
        (Some(TIME + 1), &hex!("00 000000fa 00000006")[..]),
    ] {
        let header = parts(jovian_time).build().unwrap().seal().header;
        assert_eq!(header.extra_data, Bytes::copy_from_slice(extra_data));
        assert_eq!((header.number, header.parent_hash), (0, B256::ZERO));
        assert_eq!((header.gas_limit, header.gas_used), (200_000_000, 0));
        assert_eq!(header.base_fee_per_gas, Some(1_000_000_000));
        assert_eq!(header.ommers_hash, EMPTY_OMMER_ROOT_HASH);
        assert_eq!(header.transactions_root, EMPTY_ROOT_HASH);
        assert_eq!(header.receipts_root, EMPTY_ROOT_HASH);
        assert_eq!((header.blob_gas_used, header.excess_blob_gas), (Some(0), Some(0)));
        assert_eq!(header.parent_beacon_block_root, Some(B256::ZERO));
        assert_eq!(header.requests_hash, Some(EMPTY_REQUESTS_HASH));
        let slots = [(B256::with_last_byte(1), U256::from(2))];
        assert_eq!(header.withdrawals_root, Some(root::storage_root_unhashed(slots)));
    }
}

#[test]
fn state_holds_the_allocation_and_the_system_contracts() {
    let genesis = parts(Some(0)).build().unwrap();
    let block = genesis.seal();
    let state = block.memory_state();
    for (address, hash) in [
        // Code hashes of the two contracts on Ethereum mainnet.
        (
            address!("0000F90827F1C53a10cb7A02335B175320002935"),
            b256!("6e49e66782037c0555897870e29fa5e552daf4719552131a0abce779daec0a5d"),
        ),
        (
            address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02"),
            b256!("f57acd40259872606d76197ef052f3d35588dadf919ee1f0e3cb9b62d3f4b02c"),
        ),
    ] {
        assert_eq!(
            (
                state.accounts()[&address].nonce,
                state.accounts()[&address].code_hash
            ),
            (1, hash)
        );
        assert!(state.codes().contains_key(&hash));
    }
    assert_eq!(state.accounts().len(), 4);
    assert_eq!(state.storage().len(), 1);
    // alloy computes the root of an allocation on its own.
    assert_eq!(
        block.header.state_root,
        root::state_root_ref_unhashed(&genesis.as_json().alloc)
    );
}

#[test]
fn two_profiles_have_the_hashes_they_always_had() {
    for (jovian_time, hash) in [
        (
            None,
            b256!("c7b5e71ded6934c71fed633ae3c5991aba38b44d239dfce4084bf5c56f14a565"),
        ),
        (
            Some(0),
            b256!("c972acc4962c3f0d840535e7f3cba78059a5f9c6151b9ed540d2877153c33ac8"),
        ),
    ] {
        assert_eq!(
            parts(jovian_time).build().unwrap().seal().hash,
            hash,
            "{jovian_time:?}"
        );
    }
}

#[test]
fn written_file_reads_back_and_has_the_keys_op_geth_wants() {
    for jovian_time in [None, Some(0)] {
        let genesis = parts(jovian_time).build().unwrap();
        let text = genesis.to_json();
        assert_eq!(Genesis::from_json(text.as_bytes()).unwrap(), genesis);

        let json: Value = serde_json::from_str(&text).unwrap();
        let config = &json["config"];
        for key in [
            "bedrockBlock",
            "londonBlock",
            "mergeNetsplitBlock",
            "shanghaiTime",
            "cancunTime",
            "pragueTime",
        ]
        .iter()
        .chain(&ACTIVE_FORKS)
        {
            assert_eq!(config[*key], 0, "{key}");
        }
        assert_eq!(config.get("jovianTime"), jovian_time.map(Value::from).as_ref());
        assert_eq!(config["chainId"], 901);
        assert_eq!(
            config["optimism"],
            json!({"eip1559Elasticity": 6, "eip1559Denominator": 50, "eip1559DenominatorCanyon": 250})
        );
        assert_eq!(config["terminalTotalDifficulty"], 0);
        // op-geth refuses a blob schedule on an OP chain.
        assert_eq!(config.get("blobSchedule"), None);
    }
}

/// The file with one thing changed: a path of keys and the new value, or none to remove it.
fn changed(path: &[&str], value: Option<Value>) -> Result<Genesis, GenesisError> {
    let mut json: Value = serde_json::from_str(&parts(Some(0)).build().unwrap().to_json()).unwrap();
    let (last, above) = path.split_last().unwrap();
    let place = above
        .iter()
        .fold(&mut json, |json, key| &mut json[*key])
        .as_object_mut()
        .unwrap();
    match value {
        Some(value) => place.insert((*last).to_string(), value),
        None => place.remove(*last),
    };
    Genesis::from_json(json.to_string().as_bytes())
}

#[test]
fn file_of_a_chain_we_do_not_know_is_refused_by_name() {
    for (path, value, expected) in [
        (&["config", "isthmusTime"][..], None, "isthmusTime is None"),
        (
            &["config", "graniteTime"],
            Some(json!(TIME + 1)),
            "graniteTime is Some(1700000001)",
        ),
        (&["config", "pragueTime"], None, "pragueTime is None"),
        (&["config", "karstTime"], Some(json!(0)), "karstTime is set to 0"),
        (
            &["config", "interopTime"],
            Some(json!(9)),
            "interopTime is set to 9",
        ),
        (&["config", "osakaTime"], Some(json!(9)), "osakaTime is set to 9"),
        (&["config", "jovianTime"], None, "extraData 0x01000000fa"),
        (&["config", "jovianTime"], Some(json!("soon")), "genesis.json: "),
        (&["config", "optimism"], None, "config.optimism is absent"),
        (
            &["config", "optimism"],
            Some(json!({"eip1559Elasticity": 6})),
            "missing field `eip1559Denominator`",
        ),
        (&["extraData"], Some(json!("0x")), "extraData 0x: "),
        (
            &["extraData"],
            Some(json!("0x0100000000000000060000000000000000")),
            "must not be zero",
        ),
        (&["gasLimit"], Some(json!("0x0")), "gasLimit is 0"),
        (&["baseFeePerGas"], None, "baseFeePerGas is None"),
        (
            &["baseFeePerGas"],
            Some(json!("0x10000000000000000")),
            "baseFeePerGas is Some(18446744073709551616)",
        ),
        (&["number"], Some(json!("0x1")), "number is Some(1)"),
        (&["difficulty"], Some(json!("0x1")), "difficulty is 1"),
        (
            &["parentHash"],
            Some(json!(B256::repeat_byte(1))),
            "parentHash is Some(0x0101",
        ),
        (&["blobGasUsed"], Some(json!("0x1")), "blobGasUsed is Some(1)"),
        (&["excessBlobGas"], Some(json!("0x1")), "excessBlobGas is Some(1)"),
        (&["alloc"], Some(json!(3)), "genesis.json: "),
    ] {
        let error = changed(path, value).unwrap_err().to_string();
        assert!(error.contains(expected), "{path:?}: {error}");
    }
    assert!(matches!(Genesis::from_json(b"{} x"), Err(GenesisError::Json(_))));
    assert!(changed(&["config", "jovianTime"], Some(json!(TIME))).is_ok());
}

#[test]
fn code_no_evm_can_load_is_refused() {
    let mut parts = parts(None);
    let address = Address::repeat_byte(9);
    let account = GenesisAccount::default().with_code(Some(bytes!("ef0100aa")));
    parts.alloc.insert(address, account);
    let error = parts.build().unwrap_err();
    assert!(matches!(error, GenesisError::Code { address: at } if at == address));
}

#[test]
fn account_in_the_way_of_a_system_contract_is_refused() {
    let mut parts = parts(None);
    let address = address!("0000F90827F1C53a10cb7A02335B175320002935");
    parts.alloc.insert(address, GenesisAccount::default());
    let error = parts.build().unwrap_err();
    assert!(matches!(error, GenesisError::Occupied { address: at } if at == address));
}

#[test]
fn rollup_configuration_of_another_chain_is_named() {
    let genesis = parts(Some(0)).build().unwrap();
    let block = genesis.seal();
    let rollup = |id: u64, hash: B256, time: u64, jovian: &str| -> RollupConfig {
        let zero = Address::ZERO;
        serde_json::from_str(&format!(
            r#"{{"genesis": {{"l1": {{"hash": "{0}", "number": 0}}, "l2": {{"hash": "{hash}", "number": 0}}, "l2_time": {time},
            "system_config": {{"batcherAddr": "{zero}", "overhead": "{0}", "scalar": "{0}", "gasLimit": 200000000,
            "eip1559Params": "0x0000000000000000", "operatorFeeParams": "{0}"}}}},
            "block_time": 1, "max_sequencer_drift": 1800, "seq_window_size": 30, "channel_timeout": 50,
            "l1_chain_id": 900, "l2_chain_id": {id}, {jovian}
            "batch_inbox_address": "{zero}", "deposit_contract_address": "{zero}", "l1_system_config_address": "{zero}",
            "chain_op_config": {{"eip1559Elasticity": 6, "eip1559Denominator": 50, "eip1559DenominatorCanyon": 250}}}}"#,
            B256::ZERO,
        ))
        .unwrap()
    };
    let jovian = r#""jovian_time": 0,"#;
    let check = |config| genesis.check(&config, &block).map_err(|mismatch| mismatch.field);
    assert_eq!(check(rollup(901, block.hash, TIME, jovian)), Ok(()));
    assert_eq!(check(rollup(902, block.hash, TIME, jovian)), Err("chain id"));
    assert_eq!(
        check(rollup(901, block.hash, TIME + 1, jovian)),
        Err("genesis time")
    );
    assert_eq!(check(rollup(901, block.hash, TIME, "")), Err("Jovian time"));
    assert_eq!(check(rollup(901, B256::ZERO, TIME, jovian)), Err("genesis hash"));
    let mismatch = genesis
        .check(&rollup(7, block.hash, TIME, jovian), &block)
        .unwrap_err();
    assert_eq!(
        mismatch.to_string(),
        "chain id is 7 in rollup.json and 901 in genesis.json"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_allocation_survives_the_file_and_has_one_hash(
        accounts in proptest::collection::btree_map(
            any::<[u8; 20]>(),
            (any::<u64>(), any::<u64>(), proptest::collection::vec(any::<u8>(), 0..3),
             proptest::collection::btree_map(any::<u8>(), 0u8..3, 0..4)),
            0..8,
        )
    ) {
        let mut parts = parts(Some(0));
        for (address, (nonce, balance, code, slots)) in accounts {
            let word = |byte: u8| B256::with_last_byte(byte);
            let account = GenesisAccount::default()
                .with_nonce(Some(nonce))
                .with_balance(U256::from(balance))
                .with_code(Some(code.into()))
                .with_storage(Some(slots.into_iter().map(|(slot, value)| (word(slot), word(value))).collect()));
            parts.alloc.insert(address.into(), account);
        }
        let genesis = parts.build().unwrap();
        let block = genesis.seal();
        let again = Genesis::from_json(genesis.to_json().as_bytes()).unwrap().seal();
        prop_assert_eq!(again, block.clone());
        prop_assert_eq!(block.header.state_root, root::state_root_ref_unhashed(&genesis.as_json().alloc));
    }
}
