//! A chain in memory: a genesis with a few rich accounts and tiny contracts, and a hand that signs for them.

use crate::{
    attributes::BlockAttributes,
    config::{ChainOpConfig, RollupConfig},
    execute::{BlockBuilder, BlockOutcome, TxError, TxResult, attributes_of, execute_block, recover},
    genesis::GenesisParts,
    l1_info::{L1_BLOCK_PREDEPLOY, L1Info},
    state::memory::MemoryState,
};
use alloc::{collections::BTreeMap, format, vec::Vec};
use alloy_consensus::{
    Header, Sealed, SignableTransaction, TxEip1559, TxEip7702, crypto::secp256k1::sign_message,
    transaction::Recovered,
};
use alloy_eips::{eip2718::Encodable2718, eip7702::Authorization};
use alloy_genesis::GenesisAccount;
use alloy_primitives::{Address, B64, B256, Bytes, TxKind, U256, address, bytes, hex};
use alloy_trie::{TrieAccount, root};
use op_alloy_consensus::{OpTxEnvelope, TxDeposit};

pub(super) const CHAIN_ID: u64 = 901;
pub(super) const GENESIS_TIME: u64 = 1_700_000_000;
pub(super) const GAS_LIMIT: u64 = 30_000_000;
pub(super) const MIN_BASE_FEE: u64 = 1_000_000;
pub(super) const ETHER: u128 = 1_000_000_000_000_000_000;
pub(super) const FEE_VAULT: Address = address!("4200000000000000000000000000000000000011");
pub(super) const BASE_FEE_VAULT: Address = address!("4200000000000000000000000000000000000019");
pub(super) const OPERATOR_FEE_VAULT: Address = address!("420000000000000000000000000000000000001b");

/// `sstore(calldata[0..32], calldata[32..64])` and a log.
pub(super) const STORE: Address = address!("00000000000000000000000000000000000c0001");
/// Reverts with one byte.
pub(super) const REVERT: Address = address!("00000000000000000000000000000000000c0002");
/// `balance(calldata[0..32])`: its gas tells whether that account was warm.
pub(super) const BALANCE: Address = address!("00000000000000000000000000000000000c0003");
/// `create2` with the calldata as init code and salt 0.
pub(super) const FACTORY: Address = address!("00000000000000000000000000000000000c0004");
/// Returns the hash of the block whose number is the calldata.
pub(super) const BLOCKHASH: Address = address!("00000000000000000000000000000000000c0005");

/// Writes what op-revm reads of L1-attributes calldata into slots 1, 3, 7 and 8, as OP's `L1Block` does.
const L1_BLOCK_CODE: &[u8] =
    &hex!("60243560015560443560075560043560801c60035560a43560a01c60b03560f01c60601b1760085500");

/// Everything through Isthmus, or through Jovian as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Profile {
    Isthmus,
    Jovian,
}

pub(super) const PROFILES: [Profile; 2] = [Profile::Isthmus, Profile::Jovian];

impl Profile {
    pub(super) const fn jovian_time(self) -> Option<u64> {
        match self {
            Self::Isthmus => None,
            Self::Jovian => Some(0),
        }
    }
}

pub(super) fn parts(profile: Profile) -> GenesisParts {
    let contract = |code: &[u8]| {
        GenesisAccount::default()
            .with_nonce(Some(1))
            .with_code(Some(Bytes::copy_from_slice(code)))
    };
    let mut alloc = BTreeMap::from([
        (L1_BLOCK_PREDEPLOY, contract(L1_BLOCK_CODE)),
        (STORE, contract(&hex!("6020355f35555f5fa000"))),
        (REVERT, contract(&hex!("602a5f5360015ffd"))),
        (BALANCE, contract(&hex!("5f35315000"))),
        (FACTORY, contract(&hex!("365f5f375f365f34f55f5260205ff3"))),
        (BLOCKHASH, contract(&hex!("5f35405f5260205ff3"))),
    ]);
    for who in 0..4 {
        let account = GenesisAccount::default().with_balance(U256::from(100 * ETHER));
        alloc.insert(sender(who), account);
    }
    GenesisParts {
        chain_id: CHAIN_ID,
        timestamp: GENESIS_TIME,
        gas_limit: GAS_LIMIT,
        base_fee: 1_000_000_000,
        fees: ChainOpConfig {
            eip1559_elasticity: 6,
            eip1559_denominator: 50,
            eip1559_denominator_canyon: 250,
        },
        min_base_fee: MIN_BASE_FEE,
        jovian_time: profile.jovian_time(),
        alloc,
    }
}

fn rollup_config(profile: Profile, hash: B256) -> RollupConfig {
    let jovian = match profile {
        Profile::Isthmus => "",
        Profile::Jovian => r#""jovian_time": 0,"#,
    };
    let zero = Address::ZERO;
    let json = format!(
        r#"{{
        "genesis": {{
            "l1": {{"hash": "{0}", "number": 0}}, "l2": {{"hash": "{hash}", "number": 0}}, "l2_time": {GENESIS_TIME},
            "system_config": {{
                "batcherAddr": "{zero}", "overhead": "{0}", "scalar": "{0}", "gasLimit": {GAS_LIMIT},
                "eip1559Params": "0x0000000000000000", "operatorFeeParams": "{0}"
            }}
        }},
        "block_time": 1, "max_sequencer_drift": 1800, "seq_window_size": 30, "channel_timeout": 50,
        "l1_chain_id": 900, "l2_chain_id": {CHAIN_ID},
        "regolith_time": 0, "canyon_time": 0, "delta_time": 0, "ecotone_time": 0, "fjord_time": 0, "granite_time": 0,
        "holocene_time": 0, "isthmus_time": 0, {jovian}
        "batch_inbox_address": "{zero}", "deposit_contract_address": "{zero}", "l1_system_config_address": "{zero}",
        "chain_op_config": {{"eip1559Elasticity": 6, "eip1559Denominator": 50, "eip1559DenominatorCanyon": 250}}
        }}"#,
        B256::ZERO,
    );
    serde_json::from_str(&json).unwrap()
}

/// A chain and its tip.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) config: RollupConfig,
    pub(super) tip: Sealed<Header>,
    pub(super) state: MemoryState,
    /// What each block's L1-attributes deposit says.
    pub(super) l1_info: L1Info,
}

impl Chain {
    pub(super) fn new(profile: Profile) -> Self {
        let genesis = parts(profile).build().unwrap();
        let block = genesis.seal();
        let config = rollup_config(profile, block.hash);
        genesis.check(&config, &block).unwrap();
        Self {
            config,
            tip: block.sealed_header(),
            state: block.memory_state(),
            l1_info: L1Info {
                base_fee: U256::from(7),
                da_footprint_gas_scalar: (profile == Profile::Jovian).then_some(400),
                ..L1Info::default()
            },
        }
    }

    /// Attributes of the next block: the L1-attributes deposit, then `deposits`.
    pub(super) fn attributes(&self, deposits: &[TxDeposit]) -> BlockAttributes {
        let info = self.l1_info.to_deposit();
        let transactions = core::iter::once(&info).chain(deposits);
        let timestamp = self.tip.timestamp + 1;
        BlockAttributes {
            timestamp,
            prev_randao: B256::repeat_byte(0x5a),
            fee_recipient: FEE_VAULT,
            parent_beacon_block_root: B256::repeat_byte(0xbe),
            gas_limit: GAS_LIMIT,
            eip1559_params: B64::ZERO,
            min_base_fee: self.config.is_jovian(timestamp).then_some(MIN_BASE_FEE),
            transactions: transactions.map(|tx| tx.encoded_2718().into()).collect(),
            no_tx_pool: true,
        }
    }

    /// A builder that has executed the deposits.
    pub(super) fn open(&self, attributes: &BlockAttributes) -> BlockBuilder<&MemoryState> {
        let mut builder = BlockBuilder::new(&self.config, &self.tip, attributes, &self.state).unwrap();
        for tx in crate::execute::forced_transactions(attributes) {
            builder.execute_encoded(tx.unwrap()).unwrap();
        }
        builder
    }

    /// Builds a block of deposits and `txs`, and says how each of `txs` fared. Does not move the tip.
    pub(super) fn build(
        &self,
        deposits: &[TxDeposit],
        txs: &[Recovered<OpTxEnvelope>],
    ) -> (BlockOutcome, Vec<Result<TxResult, TxError>>) {
        let attributes = self.attributes(deposits);
        let mut builder = self.open(&attributes);
        let results = txs.iter().map(|tx| builder.execute(tx.clone())).collect();
        (builder.finish(&self.state).unwrap(), results)
    }

    /// As [`Self::build`], then moves the tip. All of `txs` must be valid.
    pub(super) fn extend(&mut self, deposits: &[TxDeposit], txs: &[Recovered<OpTxEnvelope>]) -> BlockOutcome {
        let (outcome, results) = self.build(deposits, txs);
        for result in results {
            result.unwrap();
        }
        self.accept(&outcome);
        outcome
    }

    pub(super) fn accept(&mut self, outcome: &BlockOutcome) {
        self.state.apply(outcome);
        self.tip = Sealed::new_unchecked(outcome.block.header.clone(), outcome.hash);
    }

    /// Executes a block built on this tip from nothing but its contents.
    pub(super) fn execute_again(&self, outcome: &BlockOutcome) -> BlockOutcome {
        let attributes = attributes_of(&self.config, &outcome.block).unwrap();
        execute_block(&self.config, &self.tip, &attributes, &self.state).unwrap()
    }

    pub(super) fn balance(&self, address: Address) -> U256 {
        self.state
            .accounts()
            .get(&address)
            .map(|account| account.balance)
            .unwrap_or_default()
    }

    pub(super) fn slot(&self, address: Address, slot: u64) -> U256 {
        let slots = self.state.storage().get(&address);
        slots
            .and_then(|slots| slots.get(&U256::from(slot)))
            .copied()
            .unwrap_or_default()
    }
}

/// Root of the whole state, by alloy and from all leaves.
pub(super) fn rebuilt_root(state: &MemoryState) -> B256 {
    root::state_root_unhashed(state.accounts().iter().map(|(address, account)| {
        let slots = state.storage().get(address).into_iter().flatten();
        let storage_root =
            root::storage_root_unhashed(slots.map(|(slot, value)| (B256::from(*slot), *value)));
        let account = TrieAccount {
            nonce: account.nonce,
            balance: account.balance,
            storage_root,
            code_hash: account.code_hash,
        };
        (*address, account)
    }))
}

fn secret(who: u8) -> B256 {
    B256::with_last_byte(who + 1)
}

pub(super) fn sender(who: u8) -> Address {
    sign(who, tx(0)).signer()
}

/// A transfer of nothing to nobody, at a price any block takes, to be changed as wanted.
pub(super) fn tx(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 200_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(address!("00000000000000000000000000000000000000aa")),
        ..TxEip1559::default()
    }
}

pub(super) fn call(nonce: u64, to: Address, input: impl Into<Bytes>) -> TxEip1559 {
    TxEip1559 {
        to: TxKind::Call(to),
        input: input.into(),
        ..tx(nonce)
    }
}

/// Calldata for [`STORE`].
pub(super) fn store(slot: u64, value: u64) -> Vec<u8> {
    [
        U256::from(slot).to_be_bytes::<32>(),
        U256::from(value).to_be_bytes(),
    ]
    .concat()
}

pub(super) fn sign(who: u8, tx: TxEip1559) -> Recovered<OpTxEnvelope> {
    let signature = sign_message(secret(who), tx.signature_hash()).unwrap();
    let envelope = OpTxEnvelope::Eip1559(tx.into_signed(signature));
    recover(&envelope.encoded_2718().into()).unwrap().1
}

/// A transaction by which `authority` delegates to `target` (EIP-7702): each account with the nonce it has by then.
pub(super) fn delegate(
    (who, nonce): (u8, u64),
    (authority, authority_nonce): (u8, u64),
    target: Address,
) -> Recovered<OpTxEnvelope> {
    let authorization = Authorization {
        chain_id: U256::from(CHAIN_ID),
        address: target,
        nonce: authority_nonce,
    };
    let signature = sign_message(secret(authority), authorization.signature_hash()).unwrap();
    let like = tx(nonce);
    let tx = TxEip7702 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: like.gas_limit,
        max_fee_per_gas: like.max_fee_per_gas,
        to: sender(3),
        authorization_list: [authorization.into_signed(signature)].into(),
        ..TxEip7702::default()
    };
    let signature = sign_message(secret(who), tx.signature_hash()).unwrap();
    let envelope = OpTxEnvelope::Eip7702(tx.into_signed(signature));
    recover(&envelope.encoded_2718().into()).unwrap().1
}

pub(super) fn deposit(to: Address, mint: u128, value: u128) -> TxDeposit {
    TxDeposit {
        source_hash: B256::repeat_byte(0xd0),
        from: address!("00000000000000000000000000000000000d0001"),
        to: TxKind::Call(to),
        mint,
        value: U256::from(value),
        gas_limit: 100_000,
        is_system_transaction: false,
        input: bytes!(""),
    }
}
