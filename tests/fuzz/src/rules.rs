//! What must hold of every block a pipeline offers, said without the pipeline's own words.

use crate::node::{Derived, World};
use alloy_eips::eip2718::Decodable2718;
use op_alloy_consensus::{DEPOSIT_TX_TYPE_ID, OpTxEnvelope};
use tributary_derivation::{epoch::Epoch, stages::attributes_queue::DerivedAttributes};
use tributary_protocol::{
    attributes::BlockAttributes,
    block::{L1BlockNumber, L2BlockRef},
    config::SystemConfig,
    l1_info::L1Info,
};

/// What the first transaction says of L1.
///
/// # Panics
/// If it is no L1-attributes transaction.
#[must_use]
pub fn l1_info(attributes: &BlockAttributes) -> L1Info {
    let first = attributes
        .transactions
        .first()
        .expect("a block has L1 attributes");
    let OpTxEnvelope::Deposit(deposit) =
        OpTxEnvelope::decode_2718(&mut &first[..]).expect("L1 attributes decode")
    else {
        panic!("the first transaction is no deposit");
    };
    let info = L1Info::decode(&deposit.input).expect("L1 attributes decode");
    assert_eq!(*deposit.inner(), info.to_deposit());
    info
}

/// The block follows its parent, its L1 origin is one of two on the L1 that was read, and it comes neither too early nor too late.
///
/// # Panics
/// If not.
pub fn is_due(world: &World, parent: &Derived, offered: &DerivedAttributes) {
    let (attributes, parent) = (&offered.attributes, &parent.reference);
    assert_eq!(offered.parent, *parent);
    assert_eq!(attributes.timestamp, parent.timestamp + world.config.block_time);
    assert!(attributes.no_tx_pool);

    let info = l1_info(attributes);
    let epoch = world
        .l1
        .block(L1BlockNumber(info.number))
        .expect("L1 has the epoch");
    assert_eq!(
        (info.block_hash, info.time),
        (epoch.hash(), epoch.header().timestamp)
    );
    assert!(
        info.time <= attributes.timestamp,
        "a block is not earlier than its epoch"
    );
    let opens_epoch = info.number == parent.l1_origin.number.0 + 1;
    assert!(
        opens_epoch || info.block_hash == parent.l1_origin.hash,
        "epochs do not skip"
    );
    let sequence_number = if opens_epoch {
        0
    } else {
        parent.sequence_number + 1
    };
    assert_eq!(info.sequence_number, sequence_number);

    let deposits = if opens_epoch {
        Epoch::of(&epoch, &world.config)
            .expect("deposits decode")
            .deposits()
            .len()
    } else {
        0
    };
    let is_deposit = |tx: &&alloy_primitives::Bytes| tx.first() == Some(&DEPOSIT_TX_TYPE_ID);
    let forced = attributes.transactions.iter().take_while(is_deposit).count();
    assert_eq!(
        forced,
        1 + deposits,
        "a deposit for each of the epoch's, when it opens"
    );
    let rest = &attributes.transactions[forced..];
    assert!(
        rest.iter().all(|tx| !tx.is_empty() && !is_deposit(&tx)),
        "only L1 forces transactions"
    );

    let read = offered.derived_from.number.0;
    let window = world.config.seq_window_size;
    assert!(info.number <= read, "an epoch that has not been read");
    if !rest.is_empty() {
        assert!(
            read <= info.number + window,
            "a batch after its sequencing window"
        );
        assert!(
            attributes.timestamp <= info.time + 1800,
            "transactions beyond the sequencer's drift"
        );
    }
    if !world.has_batches {
        assert!(rest.is_empty(), "nobody posted transactions");
        assert!(
            read >= info.number + window,
            "an empty block before the window has passed"
        );
    }
}

/// The block tells L2 the configuration that L1 has set.
///
/// # Panics
/// If not.
pub fn says_the_configuration(info: &L1Info, attributes: &BlockAttributes, system_config: &SystemConfig) {
    assert_eq!(info.batcher_address, system_config.batcher_address);
    assert_eq!(attributes.gas_limit, system_config.gas_limit);
    assert_eq!(attributes.eip1559_params, system_config.eip1559_params);
    assert_eq!(attributes.min_base_fee, Some(system_config.min_base_fee));
    let operator_fee = system_config.operator_fee();
    assert_eq!(
        (info.operator_fee_scalar, info.operator_fee_constant),
        (operator_fee.scalar, operator_fee.constant)
    );
}

/// Once all of L1 is read, no epoch whose window has passed lacks a block.
///
/// # Panics
/// If one does.
pub fn nothing_due_is_missing(world: &World, head: &L2BlockRef) {
    let tip = world.l1.head_block().number().0;
    let next_time = head.timestamp + world.config.block_time;
    let Some(next_epoch) = world.l1.block(head.l1_origin.number.next()) else {
        return;
    };
    let epoch = if next_time < next_epoch.header().timestamp {
        head.l1_origin.number.0
    } else {
        next_epoch.number().0
    };
    assert!(
        epoch + world.config.seq_window_size > tip,
        "the window of epoch {epoch} has passed at {tip}, and a block is missing"
    );
}
