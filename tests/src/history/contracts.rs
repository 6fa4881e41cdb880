//! The contracts of a history's chain, as on a chain of ours, and people who use them: attribution, withdrawals, delegations and
//! whatever they deploy themselves.

use super::{
    chain::ChainBlock,
    programs,
    users::{GAS_PRICE, USERS, access_list, key, sign, user},
};
use alloy::{
    eips::{eip2718::Encodable2718, eip7702::Authorization},
    genesis::GenesisAccount,
    hex,
    signers::SignerSync,
    sol_types::SolCall,
};
use alloy_consensus::{TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, Log, TxKind, U256};
use op_alloy_consensus::TxDeposit;
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use std::collections::BTreeMap;
use tributary_protocol::{
    attribution::bundle::{Row, Share, encode_bundle},
    contracts::{
        ATTRIBUTION_LEDGER, ATTRIBUTION_REGISTRY, FEE_VAULTS, GAS_PRICE_ORACLE, IAttributionLedger as Ledger,
        IAttributionRegistry as Registry, IFeeVault, IL2ToL1MessagePasser as MessagePasser, L1_BLOCK,
        L2_TO_L1_MESSAGE_PASSER, attribution_registry_storage, fee_vault_storage, gas_price_oracle_storage,
    },
    deposit::encode_transaction_deposited,
};

/// Keys that delegate their accounts to contracts.
const AUTHORITIES: u64 = 3;
/// Senders of deposits that come back, so that they have nonces and balances.
const DEPOSITORS: u64 = 4;

/// Runtime code of a committed artifact.
macro_rules! runtime_code {
    ($name:literal) => {
        runtime_code(include_str!(concat!(
            "../../../contracts/artifacts/",
            $name,
            ".json"
        )))
    };
}

fn runtime_code(artifact: &str) -> Bytes {
    let artifact: serde_json::Value = serde_json::from_str(artifact).expect("committed artifacts are JSON");
    let code = artifact["deployedBytecode"].as_str().unwrap_or_default();
    hex::decode(code).expect("committed artifacts hold hex").into()
}

/// The contracts of block 0.
///
/// # Panics
/// If a committed artifact is damaged.
pub fn genesis_accounts() -> BTreeMap<Address, GenesisAccount> {
    let contract = |code: Bytes, storage: BTreeMap<B256, B256>| {
        GenesisAccount::default()
            .with_nonce(Some(1))
            .with_code(Some(code))
            .with_storage(Some(storage))
    };
    let owner = user(0).address();
    let vault = contract(runtime_code!("FeeVault"), fee_vault_storage(owner, U256::ZERO));
    let mut accounts = BTreeMap::from([
        (L1_BLOCK, contract(runtime_code!("L1Block"), BTreeMap::new())),
        (
            L2_TO_L1_MESSAGE_PASSER,
            contract(runtime_code!("L2ToL1MessagePasser"), BTreeMap::new()),
        ),
        (
            GAS_PRICE_ORACLE,
            contract(runtime_code!("GasPriceOracle"), gas_price_oracle_storage(false)),
        ),
        (
            ATTRIBUTION_REGISTRY,
            contract(
                runtime_code!("AttributionRegistry"),
                attribution_registry_storage(owner, owner),
            ),
        ),
        (
            ATTRIBUTION_LEDGER,
            contract(runtime_code!("AttributionLedger"), BTreeMap::new()),
        ),
    ]);
    accounts.extend(FEE_VAULTS.map(|address| (address, vault.clone())));
    accounts
}

/// What someone does on L2.
struct Action {
    to: TxKind,
    value: u64,
    input: Bytes,
}

impl Action {
    fn call(to: Address, call: &impl SolCall) -> Self {
        Self::paying(to, 0, call)
    }

    fn paying(to: Address, value: u64, call: &impl SolCall) -> Self {
        Self {
            to: TxKind::Call(to),
            value,
            input: call.abi_encode().into(),
        }
    }
}

/// The first transactions of user 0, who administers the registry: they register one of each thing that a record names.
fn founding(nonce: u64) -> Option<Action> {
    let owner = user(0).address();
    let content_hash = B256::repeat_byte(7);
    let registry = ATTRIBUTION_REGISTRY;
    Some(match nonce {
        0 => Action::call(
            registry,
            &Registry::registerModelCall {
                owner,
                contentHash: content_hash,
                metaUri: "ipfs://model".into(),
            },
        ),
        1 => Action::call(
            registry,
            &Registry::createFeePolicyCall {
                policy: Registry::FeePolicy {
                    platform: 500,
                    gateway: 1_000,
                    model: 3_000,
                    adapter: 2_500,
                    contributors: 3_000,
                },
            },
        ),
        2 => Action::call(registry, &adapter(owner)),
        3 => Action::call(
            registry,
            &Registry::createDatanetCall {
                contentHash: content_hash,
                metaUri: "ipfs://datanet".into(),
            },
        ),
        4 => Action::call(
            registry,
            &Registry::registerContributionCall {
                datanet: 1,
                contentHash: content_hash,
                payee: user(1).address(),
            },
        ),
        5 => Action::call(
            registry,
            &Registry::registerGatewayCall {
                signer: owner,
                payee: user(2).address(),
            },
        ),
        6 => Action::paying(ATTRIBUTION_LEDGER, 1_000_000_000, &Ledger::depositCall {}),
        _ => return None,
    })
}

fn adapter(owner: Address) -> Registry::registerAdapterCall {
    Registry::registerAdapterCall {
        owner,
        model: 1,
        feePolicy: 1,
        rateIn: 3,
        rateOut: 7,
        contentHash: B256::repeat_byte(8),
    }
}

/// Whether user 0 still has something to register.
pub fn is_founding(nonce: u64) -> bool {
    founding(nonce).is_some()
}

/// A valid transaction of user `from` that uses a contract, as the one with `nonce` in a block on `head`.
pub fn transaction(chain_id: u64, head: &ChainBlock, from: u64, nonce: u64, rng: &mut StdRng) -> Bytes {
    let founding = if from.is_multiple_of(USERS) {
        founding(nonce)
    } else {
        None
    };
    let signed = match founding {
        Some(action) => send(chain_id, from, nonce, action, rng),
        None => match rng.random_range(0..10) {
            0..3 => send(chain_id, from, nonce, attribution(rng), rng),
            3..6 => send(chain_id, from, nonce, deployment(head, rng), rng),
            6..8 => send(chain_id, from, nonce, call(head, rng), rng),
            8 => send(chain_id, from, nonce, withdrawal(rng), rng),
            _ => delegation(chain_id, head, from, nonce, rng),
        },
    };
    signed.encoded_2718().into()
}

/// Mostly what the contracts allow by now; some of it reverts.
fn attribution(rng: &mut StdRng) -> Action {
    let someone = user(rng.random_range(0..USERS)).address();
    let ledger = ATTRIBUTION_LEDGER;
    match rng.random_range(0..10) {
        0 => Action::call(ATTRIBUTION_REGISTRY, &adapter(someone)),
        1 => Action::call(
            ATTRIBUTION_REGISTRY,
            &Registry::registerContributionCall {
                datanet: rng.random_range(1..3),
                contentHash: B256::new(rng.random()),
                payee: someone,
            },
        ),
        2 => Action::paying(ledger, rng.random_range(0..1_000_000), &Ledger::depositCall {}),
        3 => Action::call(
            ledger,
            &Ledger::withdrawCall {
                amount: U256::from(rng.random_range(0..1_000)),
            },
        ),
        4 => Action::call(ledger, &Ledger::claimForCall { payee: someone }),
        5 => Action::call(
            ledger,
            &Ledger::claimContributionsCall {
                contributions: vec![1],
            },
        ),
        _ => {
            let bundle = bundle(rng);
            Action::call(ledger, &Ledger::recordBundleCall { bundle })
        }
    }
}

fn bundle(rng: &mut StdRng) -> Bytes {
    let rows: Vec<Row> = (0..rng.random_range(1..12))
        .map(|_| Row {
            payer: 1,
            adapter: 1,
            tokens_in: rng.random_range(0..10_000),
            tokens_out: rng.random_range(0..1_000),
            shares: vec![Share {
                contribution: 1,
                weight: rng.random_range(1..100),
            }],
        })
        .collect();
    encode_bundle(&rows).expect("a few rows with one share each make a bundle")
}

fn deployment(head: &ChainBlock, rng: &mut StdRng) -> Action {
    Action {
        to: TxKind::Create,
        value: rng.random_range(0..10),
        input: programs::init_code(&somebodies(head), rng),
    }
}

fn call(head: &ChainBlock, rng: &mut StdRng) -> Action {
    let vault = FEE_VAULTS[rng.random_range(0..FEE_VAULTS.len())];
    if rng.random_bool(0.1) {
        return Action::call(vault, &IFeeVault::withdrawCall {});
    }
    Action {
        to: TxKind::Call(somebodies(head).choose(rng).copied().unwrap_or_default()),
        value: rng.random_range(0..3),
        input: Bytes::copy_from_slice(&rng.random::<[u8; 36]>()),
    }
}

fn withdrawal(rng: &mut StdRng) -> Action {
    let value = rng.random_range(0..1_000);
    if rng.random_bool(0.2) {
        return Action::call(L2_TO_L1_MESSAGE_PASSER, &MessagePasser::burnCall {});
    }
    let call = MessagePasser::initiateWithdrawalCall {
        target: Address::new(rng.random()),
        gasLimit: U256::from(100_000),
        data: Bytes::copy_from_slice(&rng.random::<[u8; 24]>()),
    };
    Action::paying(L2_TO_L1_MESSAGE_PASSER, value, &call)
}

/// Contracts, and accounts that delegate or could.
fn somebodies(head: &ChainBlock) -> Vec<Address> {
    let accounts = head.state.accounts().iter();
    let contracts = accounts.filter(|(_, account)| account.code_hash != KECCAK256_EMPTY);
    contracts
        .map(|(address, _)| *address)
        .chain((0..AUTHORITIES).map(|index| authority(index).address()))
        .collect()
}

fn authority(index: u64) -> alloy::signers::local::PrivateKeySigner {
    key(&format!("authority {}", index % AUTHORITIES))
}

/// An account delegates to a contract, or to nobody again, and is called.
fn delegation(chain_id: u64, head: &ChainBlock, from: u64, nonce: u64, rng: &mut StdRng) -> TxEnvelope {
    let signer = authority(rng.random_range(0..AUTHORITIES));
    let delegate = match rng.random_bool(0.2) {
        true => Address::ZERO,
        false => somebodies(head).choose(rng).copied().unwrap_or_default(),
    };
    let authorization = Authorization {
        chain_id: U256::from(if rng.random_bool(0.5) { chain_id } else { 0 }),
        address: delegate,
        // Another of the same account in the same block makes it wrong, and then it is skipped.
        nonce: head.nonce(signer.address()),
    };
    let signature = signer
        .sign_hash_sync(&authorization.signature_hash())
        .expect("a local key signs");
    let transaction = TxEip7702 {
        chain_id,
        nonce,
        gas_limit: rng.random_range(200_000..1_000_000),
        max_fee_per_gas: GAS_PRICE,
        max_priority_fee_per_gas: rng.random_range(0..1_000_000_000),
        to: signer.address(),
        value: U256::from(rng.random_range(0..3)),
        access_list: access_list(rng),
        authorization_list: vec![authorization.into_signed(signature)],
        input: Bytes::copy_from_slice(&rng.random::<[u8; 8]>()),
    };
    sign(&user(from), transaction)
}

/// Signs an action as a transaction of type 0, 1 or 2.
fn send(chain_id: u64, from: u64, nonce: u64, action: Action, rng: &mut StdRng) -> TxEnvelope {
    let Action { to, value, input } = action;
    let (signer, value) = (user(from), U256::from(value));
    let gas_limit = rng.random_range(600_000..2_000_000);
    match rng.random_range(0..4) {
        0 => sign(
            &signer,
            TxLegacy {
                chain_id: Some(chain_id),
                nonce,
                gas_price: GAS_PRICE,
                gas_limit,
                to,
                value,
                input,
            },
        ),
        1 => sign(
            &signer,
            TxEip2930 {
                chain_id,
                nonce,
                gas_price: GAS_PRICE,
                gas_limit,
                to,
                value,
                access_list: access_list(rng),
                input,
            },
        ),
        _ => sign(
            &signer,
            TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: GAS_PRICE,
                max_priority_fee_per_gas: rng.random_range(0..1_000_000_000),
                to,
                value,
                access_list: access_list(rng),
                input,
            },
        ),
    }
}

/// The log of a deposit that uses a contract. Some lack gas, some revert, some spend more than they bring: all are included.
pub fn deposit(portal: Address, head: &ChainBlock, rng: &mut StdRng) -> Log {
    let action = match rng.random_range(0..6) {
        0 | 1 => deployment(head, rng),
        2 => attribution(rng),
        3 => withdrawal(rng),
        _ => call(head, rng),
    };
    let deposit = TxDeposit {
        from: key(&format!("depositor {}", rng.random_range(0..DEPOSITORS))).address(),
        to: action.to,
        mint: if rng.random_bool(0.3) {
            0
        } else {
            rng.random_range(0..1_000)
        },
        value: U256::from(action.value),
        gas_limit: rng.random_range(21_000..1_000_000),
        is_system_transaction: false,
        input: action.input,
        ..TxDeposit::default()
    };
    encode_transaction_deposited(portal, &deposit)
}
