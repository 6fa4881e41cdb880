//! An L2 block and its receipts into rows: transactions, records, and who stands behind an index.
//!
//! A log that does not decode is counted and left out: the contracts emit none such, and one odd log must not stop the rest.

use crate::rpc::{RpcBlock, RpcLog, RpcReceipt, RpcTransaction};
use alloy::{
    primitives::{Address, B256, U256},
    sol_types::SolEvent,
};
use tributary_protocol::{
    attribution::RecordShares,
    contracts::{
        ATTRIBUTION_LEDGER, ATTRIBUTION_REGISTRY, IAttributionLedger as Ledger,
        IAttributionRegistry as Registry,
    },
    l1_info::L1Info,
};

/// A block with everything it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockRow {
    pub(crate) number: u64,
    pub(crate) hash: B256,
    pub(crate) parent_hash: B256,
    pub(crate) timestamp: u64,
    pub(crate) gas_used: u64,
    /// Number of the L1 origin; 0 if the block does not say.
    pub(crate) l1_origin: u64,
    pub(crate) transactions: Vec<TransactionRow>,
    pub(crate) records: Vec<RecordRow>,
    pub(crate) parties: Vec<PartyRow>,
    /// Logs of the attribution contracts that could not be read.
    pub(crate) unreadable_logs: usize,
}

/// A transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TransactionRow {
    pub(crate) hash: B256,
    pub(crate) tx_type: u64,
    pub(crate) sender: Address,
    pub(crate) recipient: Option<Address>,
    pub(crate) value: U256,
    pub(crate) input_bytes: usize,
    pub(crate) gas_used: u64,
    pub(crate) succeeded: bool,
}

/// One inference with who got what of its fee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordRow {
    pub(crate) id: u64,
    pub(crate) tx_hash: B256,
    pub(crate) log_index: u64,
    pub(crate) payer: u32,
    pub(crate) adapter: u32,
    pub(crate) gateway: u32,
    pub(crate) tokens_in: u32,
    pub(crate) tokens_out: u32,
    pub(crate) fee: U256,
    pub(crate) platform: u128,
    pub(crate) gateway_part: u128,
    pub(crate) model: u128,
    pub(crate) adapter_part: u128,
    pub(crate) shares: Vec<ShareRow>,
}

/// One contributor's share of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShareRow {
    pub(crate) contribution: u32,
    pub(crate) weight: u16,
    pub(crate) amount: u128,
}

/// Who stands behind an index from this log on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartyRow {
    pub(crate) kind: &'static str,
    pub(crate) id: u32,
    pub(crate) log_index: u64,
    pub(crate) address: Address,
    /// An adapter's model or a contribution's datanet, where the log says so.
    pub(crate) parent: Option<u32>,
}

enum Said {
    Record(Box<RecordRow>),
    Party(PartyRow),
    Unreadable,
}

/// Reads a block. `receipts` belong to it, one for each transaction.
pub(crate) fn block_row(block: &RpcBlock, receipts: &[RpcReceipt]) -> BlockRow {
    let mut row = BlockRow {
        number: block.number.to(),
        hash: block.hash,
        parent_hash: block.parent_hash,
        timestamp: block.timestamp.to(),
        gas_used: block.gas_used.to(),
        l1_origin: l1_origin(block),
        transactions: Vec::with_capacity(block.transactions.len()),
        records: Vec::new(),
        parties: Vec::new(),
        unreadable_logs: 0,
    };
    for (transaction, receipt) in block.transactions.iter().zip(receipts) {
        row.transactions.push(transaction_row(transaction, receipt));
        for log in &receipt.logs {
            match read_log(log, transaction.hash) {
                None => {}
                Some(Said::Record(record)) => row.records.push(*record),
                Some(Said::Party(party)) => row.parties.push(party),
                Some(Said::Unreadable) => row.unreadable_logs += 1,
            }
        }
    }
    row
}

/// The first transaction of every block says on which L1 block it builds.
fn l1_origin(block: &RpcBlock) -> u64 {
    let attributes = block.transactions.first();
    attributes
        .and_then(|transaction| L1Info::decode(&transaction.input).ok())
        .map_or(0, |info| info.number)
}

fn transaction_row(transaction: &RpcTransaction, receipt: &RpcReceipt) -> TransactionRow {
    TransactionRow {
        hash: transaction.hash,
        tx_type: transaction.tx_type.to(),
        sender: transaction.from,
        recipient: transaction.to,
        value: transaction.value,
        input_bytes: transaction.input.len(),
        gas_used: receipt.gas_used.to(),
        succeeded: !receipt.status.is_zero(),
    }
}

/// What a log says, if it is one of the attribution contracts'.
fn read_log(log: &RpcLog, tx_hash: B256) -> Option<Said> {
    let topic = *log.topics.first()?;
    match log.address {
        ATTRIBUTION_LEDGER if topic == Ledger::InferenceRecorded::SIGNATURE_HASH => {
            let record = record(log, tx_hash).map(Box::new).map(Said::Record);
            Some(record.unwrap_or(Said::Unreadable))
        }
        ATTRIBUTION_LEDGER | ATTRIBUTION_REGISTRY => {
            let party = party(log, topic)?.map(Said::Party);
            Some(party.unwrap_or(Said::Unreadable))
        }
        _ => None,
    }
}

fn record(log: &RpcLog, tx_hash: B256) -> Option<RecordRow> {
    let event: Ledger::InferenceRecorded = decode(log)?;
    let shares = RecordShares::decode(&event.shares).ok()?;
    let contributors = shares.contributors.iter().map(|share| ShareRow {
        contribution: share.contribution,
        weight: share.weight,
        amount: share.amount,
    });
    Some(RecordRow {
        id: event.id,
        tx_hash,
        log_index: log.log_index.to(),
        payer: event.payer,
        adapter: event.adapter,
        gateway: event.gateway,
        tokens_in: event.tokensIn,
        tokens_out: event.tokensOut,
        fee: event.fee,
        platform: shares.platform,
        gateway_part: shares.gateway,
        model: shares.model,
        adapter_part: shares.adapter,
        shares: contributors.collect(),
    })
}

/// Outer `None`: no event that names somebody. Inner `None`: one that does not decode.
fn party(log: &RpcLog, topic: B256) -> Option<Option<PartyRow>> {
    let row = |kind, id, address, parent| PartyRow {
        kind,
        id,
        log_index: log.log_index.to(),
        address,
        parent,
    };
    let ledger = log.address == ATTRIBUTION_LEDGER;
    Some(match topic {
        Ledger::PayerRegistered::SIGNATURE_HASH if ledger => {
            decode::<Ledger::PayerRegistered>(log).map(|event| row("payer", event.payer, event.account, None))
        }
        _ if ledger => return None,
        Registry::ModelRegistered::SIGNATURE_HASH => {
            decode::<Registry::ModelRegistered>(log).map(|event| row("model", event.model, event.owner, None))
        }
        Registry::ModelOwnerChanged::SIGNATURE_HASH => decode::<Registry::ModelOwnerChanged>(log)
            .map(|event| row("model", event.model, event.owner, None)),
        Registry::AdapterRegistered::SIGNATURE_HASH => decode::<Registry::AdapterRegistered>(log)
            .map(|event| row("adapter", event.adapter, event.owner, Some(event.model))),
        Registry::AdapterOwnerChanged::SIGNATURE_HASH => decode::<Registry::AdapterOwnerChanged>(log)
            .map(|event| row("adapter", event.adapter, event.owner, None)),
        Registry::ContributionRegistered::SIGNATURE_HASH => decode::<Registry::ContributionRegistered>(log)
            .map(|event| {
                row(
                    "contribution",
                    event.contribution,
                    event.payee,
                    Some(event.datanet),
                )
            }),
        Registry::ContributionPayeeChanged::SIGNATURE_HASH => {
            decode::<Registry::ContributionPayeeChanged>(log)
                .map(|event| row("contribution", event.contribution, event.payee, None))
        }
        Registry::GatewayRegistered::SIGNATURE_HASH => decode::<Registry::GatewayRegistered>(log)
            .map(|event| row("gateway", event.gateway, event.payee, None)),
        Registry::PlatformPayeeChanged::SIGNATURE_HASH => {
            decode::<Registry::PlatformPayeeChanged>(log).map(|event| row("platform", 0, event.payee, None))
        }
        _ => return None,
    })
}

fn decode<E: SolEvent>(log: &RpcLog) -> Option<E> {
    E::decode_raw_log(log.topics.iter().copied(), &log.data).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::{Bytes, U64};

    fn log(address: Address, event: &impl SolEvent, log_index: u64) -> RpcLog {
        let data = event.encode_log_data();
        RpcLog {
            address,
            topics: data.topics().to_vec(),
            data: data.data,
            log_index: U64::from(log_index),
        }
    }

    fn inference(shares: Bytes) -> Ledger::InferenceRecorded {
        Ledger::InferenceRecorded {
            id: 7,
            payer: 1,
            adapter: 2,
            gateway: 3,
            tokensIn: 1434,
            tokensOut: 154,
            fee: U256::from(1_000),
            shares,
        }
    }

    fn packed_shares() -> Vec<u8> {
        let amount = |wei: u128| wei.to_be_bytes()[4..].to_vec();
        let mut bytes: Vec<u8> = [100, 200, 300, 150].into_iter().flat_map(amount).collect();
        bytes.extend(9u32.to_be_bytes());
        bytes.extend(5u16.to_be_bytes());
        bytes.extend(amount(250));
        bytes
    }

    #[test]
    fn a_record_says_who_got_what() {
        let log = log(ATTRIBUTION_LEDGER, &inference(packed_shares().into()), 4);
        let Some(Said::Record(record)) = read_log(&log, B256::repeat_byte(1)) else {
            panic!("not a record");
        };
        assert_eq!(
            (record.id, record.log_index, record.fee),
            (7, 4, U256::from(1_000))
        );
        let parts = (
            record.platform,
            record.gateway_part,
            record.model,
            record.adapter_part,
        );
        assert_eq!(parts, (100, 200, 300, 150));
        let share = ShareRow {
            contribution: 9,
            weight: 5,
            amount: 250,
        };
        assert_eq!(record.shares, [share]);
    }

    #[test]
    fn unreadable_shares_are_counted_not_believed() {
        let log = log(ATTRIBUTION_LEDGER, &inference(vec![0; 49].into()), 0);
        assert!(matches!(read_log(&log, B256::ZERO), Some(Said::Unreadable)));
    }

    #[test]
    fn the_same_event_of_another_contract_is_nothing() {
        let elsewhere = Address::repeat_byte(7);
        let log = log(elsewhere, &inference(packed_shares().into()), 0);
        assert!(read_log(&log, B256::ZERO).is_none());
    }

    #[test]
    fn a_new_payee_replaces_the_old() {
        let payee = Address::repeat_byte(3);
        let event = Registry::ContributionPayeeChanged {
            contribution: 5,
            payee,
        };
        let log = log(ATTRIBUTION_REGISTRY, &event, 2);
        let Some(Said::Party(party)) = read_log(&log, B256::ZERO) else {
            panic!("not a party");
        };
        assert_eq!(
            party,
            PartyRow {
                kind: "contribution",
                id: 5,
                log_index: 2,
                address: payee,
                parent: None
            }
        );
    }
}
