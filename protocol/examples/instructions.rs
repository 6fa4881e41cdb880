//! One stage of a transfer's way, on a fixed corpus, a given number of times: for counting instructions (`benches/instructions`).
//!
//! Everything but the stage runs the same whatever the number is, so the difference between two runs under callgrind is the stage alone. No clock,
//! no randomness, no threads.

use alloy_consensus::{SignableTransaction, TxEip1559, crypto::secp256k1::sign_message};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_genesis::GenesisAccount;
use alloy_primitives::{Address, B64, B256, Bytes, TxKind, U256, keccak256};
use op_alloy_consensus::OpTxEnvelope;
use std::{collections::BTreeMap, hint::black_box, process::ExitCode};
use tributary_protocol::{
    attributes::BlockAttributes,
    config::{ChainOpConfig, RollupConfig},
    execute::{BlockBuilder, BlockOutcome, RecoveredTx, recover},
    genesis::{GenesisBlock, GenesisParts},
    state::memory::MemoryState,
};

/// Transfers of the corpus: one a sender, each to somebody else.
const TRANSFERS: u64 = 200;
/// Accounts in the state, so that the trie has some depth.
const ACCOUNTS: u64 = 20_000;
const CHAIN_ID: u64 = 901;
const GENESIS_TIME: u64 = 1_700_000_000;

/// A chain with its corpus.
struct Corpus {
    config: RollupConfig,
    genesis: GenesisBlock,
    state: MemoryState,
    attributes: BlockAttributes,
    encoded: Vec<Bytes>,
    recovered: Vec<RecoveredTx>,
}

fn key(who: u64) -> B256 {
    keccak256(who.to_be_bytes())
}

fn holder(who: u64) -> Address {
    Address::from_slice(&keccak256(key(who))[12..])
}

fn transfer(who: u64) -> Bytes {
    let transaction = TxEip1559 {
        chain_id: CHAIN_ID,
        gas_limit: 21_000,
        max_fee_per_gas: 1_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(holder(TRANSFERS + who)),
        value: U256::ONE,
        ..Default::default()
    };
    let signature = sign_message(key(who), transaction.signature_hash()).expect("a hash is a key");
    OpTxEnvelope::from(transaction.into_signed(signature))
        .encoded_2718()
        .into()
}

impl Corpus {
    fn new() -> Self {
        let encoded: Vec<Bytes> = (0..TRANSFERS).map(transfer).collect();
        let recovered: Vec<RecoveredTx> = encoded
            .iter()
            .map(|bytes| recover(bytes).expect("it was just signed"))
            .collect();
        let rich = GenesisAccount::default().with_balance(U256::from(1_000_000_000_000_000_000_u128));
        let mut alloc: BTreeMap<Address, GenesisAccount> =
            (0..ACCOUNTS).map(|who| (holder(who), rich.clone())).collect();
        alloc.extend(
            recovered
                .iter()
                .map(|transaction| (transaction.1.signer(), rich.clone())),
        );
        let fees = ChainOpConfig {
            eip1559_elasticity: 6,
            eip1559_denominator: 50,
            eip1559_denominator_canyon: 250,
        };
        let parts = GenesisParts {
            chain_id: CHAIN_ID,
            timestamp: GENESIS_TIME,
            gas_limit: 200_000_000,
            base_fee: 1_000_000,
            fees,
            min_base_fee: 0,
            jovian_time: None,
            alloc,
        };
        let genesis = parts.build().expect("the parts are right").seal();
        Self {
            config: config(genesis.hash),
            state: genesis.memory_state(),
            genesis,
            attributes: BlockAttributes {
                timestamp: GENESIS_TIME + 1,
                prev_randao: B256::ZERO,
                fee_recipient: Address::ZERO,
                parent_beacon_block_root: B256::ZERO,
                gas_limit: 200_000_000,
                eip1559_params: B64::ZERO,
                min_base_fee: None,
                transactions: Vec::new(),
                no_tx_pool: false,
            },
            encoded,
            recovered,
        }
    }

    fn open(&self) -> BlockBuilder<&MemoryState> {
        let parent = self.genesis.sealed_header();
        BlockBuilder::new(&self.config, &parent, &self.attributes, &self.state)
            .expect("the attributes are right")
    }

    fn execute(&self) -> BlockBuilder<&MemoryState> {
        let mut block = self.open();
        for transaction in &self.recovered {
            block
                .execute_encoded(transaction.clone())
                .expect("every transfer is valid");
        }
        block
    }

    fn seal(&self) -> BlockOutcome {
        self.execute().finish(&self.state).expect("the state is whole")
    }

    fn run(&self, stage: &str) -> Option<()> {
        match stage {
            "decode" => self.encoded.iter().for_each(|bytes| {
                black_box(OpTxEnvelope::decode_2718_exact(bytes)).expect("it was just encoded");
            }),
            "recover" => self.encoded.iter().for_each(|bytes| {
                black_box(recover(bytes)).expect("it was just signed");
            }),
            "execute" => drop(black_box(self.execute())),
            "seal" => drop(black_box(self.seal())),
            "encode" => self.recovered.iter().for_each(|transaction| {
                black_box(transaction.1.inner().encoded_2718());
            }),
            _ => return None,
        }
        Some(())
    }
}

fn config(genesis_hash: B256) -> RollupConfig {
    let (zero, none) = (Address::ZERO, B256::ZERO);
    let json = format!(
        r#"{{
        "genesis": {{
            "l1": {{"hash": "{none}", "number": 0}}, "l2": {{"hash": "{genesis_hash}", "number": 0}}, "l2_time": {GENESIS_TIME},
            "system_config": {{
                "batcherAddr": "{zero}", "overhead": "{none}", "scalar": "{none}", "gasLimit": 200000000,
                "eip1559Params": "0x0000000000000000", "operatorFeeParams": "{none}"
            }}
        }},
        "block_time": 1, "max_sequencer_drift": 1800, "seq_window_size": 30, "channel_timeout": 50,
        "l1_chain_id": 900, "l2_chain_id": {CHAIN_ID},
        "regolith_time": 0, "canyon_time": 0, "delta_time": 0, "ecotone_time": 0, "fjord_time": 0, "granite_time": 0,
        "holocene_time": 0, "isthmus_time": 0,
        "batch_inbox_address": "{zero}", "deposit_contract_address": "{zero}", "l1_system_config_address": "{zero}",
        "chain_op_config": {{"eip1559Elasticity": 6, "eip1559Denominator": 50, "eip1559DenominatorCanyon": 250}}
        }}"#
    );
    serde_json::from_str(&json).expect("the text above is a rollup configuration")
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let [_, stage, times] = &args[..] else {
        eprintln!("usage: instructions decode|recover|execute|seal|encode TIMES");
        return ExitCode::FAILURE;
    };
    let Ok(times) = times.parse::<u32>() else {
        eprintln!("`{times}` is not a number");
        return ExitCode::FAILURE;
    };
    let corpus = Corpus::new();
    for _ in 0..times {
        if corpus.run(stage).is_none() {
            eprintln!("there is no stage `{stage}`");
            return ExitCode::FAILURE;
        }
    }
    println!("{}", corpus.encoded.len());
    ExitCode::SUCCESS
}
