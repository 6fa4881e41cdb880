//! The demo's population on chain: who is registered, at what prices, with how much prepaid.

use super::{
    chain::{Mined, Sender},
    population::{ADAPTERS, CONTRIBUTIONS, MODELS, PAYERS},
};
use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol_types::SolCall,
};
use indicatif::ProgressBar;
use tributary_protocol::{
    attribution::{FeePolicy, Rates},
    contracts::{ATTRIBUTION_LEDGER, ATTRIBUTION_REGISTRY, IAttributionLedger, IAttributionRegistry},
};

/// Contributions registered by one transaction; the gas of 250 stays far below a block's.
const CONTRIBUTIONS_PER_TRANSACTION: u32 = 250;

/// Payers registered by one transaction.
const PAYERS_PER_TRANSACTION: u32 = 250;

/// Wei each payer prepays, 0.1 ETH: the whole Azure trace costs all payers together less than that.
const PREPAID_WEI: u128 = 100_000_000_000_000_000;

/// Parts of each policy in 1/10,000: platform, gateway, model, adapter, contributors. Odd numbers make remainders show.
const POLICIES: [[u16; 5]; 3] = [
    [500, 1_500, 2_500, 2_500, 3_000],
    [333, 1_667, 3_001, 1_999, 3_000],
    [0, 2_000, 0, 3_500, 4_500],
];

/// The terms under which an adapter's inferences are paid; what the fee model needs to know of the set-up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) policy_index: u32,
    pub(crate) policy: FeePolicy,
    pub(crate) rates: Rates,
    pub(crate) model_owner: Address,
    pub(crate) adapter_owner: Address,
}

/// The terms of adapter `adapter`, counted from 0.
pub(crate) fn terms(adapter: u32) -> Terms {
    let index = adapter as usize % POLICIES.len();
    let [platform, gateway, model, adapter_part, contributors] = POLICIES[index];
    Terms {
        policy_index: u32::try_from(index).expect("a handful of policies") + 1,
        policy: FeePolicy::new(platform, gateway, model, adapter_part, contributors)
            .expect("the parts of POLICIES sum to 10,000"),
        rates: Rates {
            // Around 0.1 and 0.3 gwei a token, different for each adapter and not round.
            tokens_in: 100_000_007 + u64::from(adapter) * 1_000_003,
            tokens_out: 300_000_007 + u64::from(adapter) * 3_000_017,
        },
        model_owner: account("model", adapter % MODELS),
        adapter_owner: account("adapter", adapter),
    }
}

/// An account of the population; nobody holds its key, nothing of it is ever spent.
pub(crate) fn account(kind: &str, index: u32) -> Address {
    Address::from_word(keccak256(format!("tributary demo {kind} {index}")))
}

fn content(kind: &str, index: u32) -> B256 {
    keccak256(format!("tributary demo content {kind} {index}"))
}

/// Registers everything; `admin` is the registry's admin and pays, `gateway` is the account that will record.
pub(crate) async fn register(
    admin: &mut Sender,
    gateway: Address,
    bar: &ProgressBar,
) -> eyre::Result<Vec<Mined>> {
    let groups = groups(gateway);
    bar.set_length(groups.iter().map(Vec::len).sum::<usize>() as u64);
    let mut mined = Vec::new();
    for group in groups {
        for (to, data, value) in group {
            let gas = admin.estimate(to, &data, value).await?;
            mined.extend(admin.send(to, data, value, gas).await?);
            bar.inc(1);
        }
        mined.extend(admin.drain().await?);
    }
    Ok(mined)
}

/// A call and the wei that go with it.
pub(crate) type Transaction = (Address, Bytes, U256);

/// The registry admin's transactions, in groups each of which needs the ones before it to be mined.
pub(crate) fn groups(gateway: Address) -> [Vec<Transaction>; 3] {
    [first_transactions(gateway), second_transactions(), entries()]
}

fn registry(data: Vec<u8>) -> Transaction {
    (ATTRIBUTION_REGISTRY, data.into(), U256::ZERO)
}

/// What refers to nothing: policies, the gateway, models, the datanet.
fn first_transactions(gateway: Address) -> Vec<Transaction> {
    let policies = POLICIES
        .iter()
        .map(|[platform, gateway, model, adapter, contributors]| {
            let policy = IAttributionRegistry::FeePolicy {
                platform: *platform,
                gateway: *gateway,
                model: *model,
                adapter: *adapter,
                contributors: *contributors,
            };
            registry(IAttributionRegistry::createFeePolicyCall { policy }.abi_encode())
        });
    let mut list: Vec<_> = policies.collect();
    let payee = account("gateway", 0);
    list.push(registry(
        IAttributionRegistry::registerGatewayCall {
            signer: gateway,
            payee,
        }
        .abi_encode(),
    ));
    list.push(registry(
        IAttributionRegistry::registerModelsCall { entries: models() }.abi_encode(),
    ));
    let datanet = IAttributionRegistry::createDatanetCall {
        contentHash: content("datanet", 0),
        metaUri: "demo".into(),
    };
    list.push(registry(datanet.abi_encode()));
    list
}

/// What refers to models and policies.
fn second_transactions() -> Vec<Transaction> {
    vec![registry(
        IAttributionRegistry::registerAdaptersCall { entries: adapters() }.abi_encode(),
    )]
}

/// Contributions and payers.
fn entries() -> Vec<Transaction> {
    let mut list = Vec::new();
    for first in (0..CONTRIBUTIONS).step_by(CONTRIBUTIONS_PER_TRANSACTION as usize) {
        let entries = (first..(first + CONTRIBUTIONS_PER_TRANSACTION).min(CONTRIBUTIONS))
            .map(contribution)
            .collect();
        list.push(registry(
            IAttributionRegistry::registerContributionsCall { datanet: 1, entries }.abi_encode(),
        ));
    }
    for first in (0..PAYERS).step_by(PAYERS_PER_TRANSACTION as usize) {
        list.push(payers(first, (first + PAYERS_PER_TRANSACTION).min(PAYERS)));
    }
    list
}

fn models() -> Vec<IAttributionRegistry::ModelEntry> {
    let model = |index| IAttributionRegistry::ModelEntry {
        owner: account("model", index),
        contentHash: content("model", index),
        metaUri: String::new(),
    };
    (0..MODELS).map(model).collect()
}

fn adapters() -> Vec<IAttributionRegistry::AdapterEntry> {
    let adapter = |index| {
        let terms = terms(index);
        IAttributionRegistry::AdapterEntry {
            owner: terms.adapter_owner,
            model: index % MODELS + 1,
            feePolicy: terms.policy_index,
            rateIn: terms.rates.tokens_in,
            rateOut: terms.rates.tokens_out,
            contentHash: content("adapter", index),
        }
    };
    (0..ADAPTERS).map(adapter).collect()
}

fn contribution(index: u32) -> IAttributionRegistry::ContributionEntry {
    IAttributionRegistry::ContributionEntry {
        payee: account("contributor", index),
        contentHash: content("contribution", index),
    }
}

fn payers(first: u32, end: u32) -> Transaction {
    let accounts: Vec<Address> = (first..end).map(|index| account("payer", index)).collect();
    let amounts = vec![U256::from(PREPAID_WEI); accounts.len()];
    let value = U256::from(PREPAID_WEI) * U256::from(accounts.len());
    let data = IAttributionLedger::registerPayersCall { accounts, amounts }.abi_encode();
    (ATTRIBUTION_LEDGER, data.into(), value)
}
