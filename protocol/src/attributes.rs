//! The inputs of one L2 block: what derivation produces, what the sequencer starts from, what execution takes.

use crate::{
    block::L2BlockRef,
    config::{L1ChainConfig, RollupConfig, SystemConfig},
    l1_info::L1Info,
};
use alloc::vec::Vec;
use alloy_consensus::Header;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B64, B256, Bytes, U256, address};
use op_alloy_consensus::TxDeposit;

/// Receives the priority fees of every block: the `SequencerFeeVault` predeploy.
pub const SEQUENCER_FEE_VAULT: Address = address!("4200000000000000000000000000000000000011");

/// Inputs that fix an L2 block given its parent. Field by field what op-node's `PayloadAttributesV3` carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockAttributes {
    /// Unix seconds: the parent's plus the block time.
    pub timestamp: u64,
    /// `mixHash` of the L1 origin.
    pub prev_randao: B256,
    /// Always the sequencer fee vault.
    pub fee_recipient: Address,
    /// Beacon root in the L1 origin's header; zero where that header has none.
    pub parent_beacon_block_root: B256,
    /// Gas limit from the system configuration.
    pub gas_limit: u64,
    /// EIP-1559 parameters from the system configuration, `denominator u32 ‖ elasticity u32`; all zero means the chain's default.
    pub eip1559_params: B64,
    /// Minimum base fee in wei; `Some` from Jovian on.
    pub min_base_fee: Option<u64>,
    /// EIP-2718 bytes: the L1-attributes deposit, user deposits, then the batch's transactions.
    pub transactions: Vec<Bytes>,
    /// True when nothing may be added from a pool (always, for derived blocks).
    pub no_tx_pool: bool,
}

/// Attributes of the block after `parent`, on the L1 block `origin`: what every node adds to a batch, or builds on alone when a batch
/// is missing. The batch's transactions are for the caller to append.
///
/// The caller has checked that `origin` is the parent's L1 origin or the L1 block after it, that its time is not after the new
/// block's, and that `system_config` includes the logs of `origin`. `deposits` are the user deposits of `origin`, in log order; they
/// go in only if this block opens the epoch.
#[must_use]
pub fn build_attributes(
    config: &RollupConfig,
    l1_config: &L1ChainConfig,
    parent: &L2BlockRef,
    system_config: &SystemConfig,
    origin: &Header,
    origin_hash: B256,
    deposits: &[TxDeposit],
) -> BlockAttributes {
    let timestamp = parent.timestamp.saturating_add(config.block_time);
    let opens_epoch = parent.l1_origin.hash != origin_hash;
    let sequence_number = if opens_epoch {
        0
    } else {
        parent.sequence_number.saturating_add(1)
    };
    let info = build_l1_info(
        config,
        l1_config,
        system_config,
        origin,
        origin_hash,
        sequence_number,
        timestamp,
    );

    let forced = if opens_epoch { deposits } else { &[] };
    let mut transactions = Vec::with_capacity(1 + forced.len());
    transactions.push(info.to_deposit().encoded_2718().into());
    transactions.extend(forced.iter().map(|deposit| Bytes::from(deposit.encoded_2718())));

    BlockAttributes {
        timestamp,
        prev_randao: origin.mix_hash,
        fee_recipient: SEQUENCER_FEE_VAULT,
        parent_beacon_block_root: origin.parent_beacon_block_root.unwrap_or_default(),
        gas_limit: system_config.gas_limit,
        eip1559_params: system_config.eip1559_params,
        min_base_fee: config.is_jovian(timestamp).then_some(system_config.min_base_fee),
        transactions,
        no_tx_pool: true,
    }
}

/// What an L2 block of this timestamp says of L1. An L1 header without a base fee is from before London and says 0.
#[must_use]
pub fn build_l1_info(
    config: &RollupConfig,
    l1_config: &L1ChainConfig,
    system_config: &SystemConfig,
    origin: &Header,
    origin_hash: B256,
    sequence_number: u64,
    timestamp: u64,
) -> L1Info {
    let scalars = system_config.fee_scalars();
    let operator_fee = system_config.operator_fee();
    L1Info {
        number: origin.number,
        time: origin.timestamp,
        base_fee: U256::from(origin.base_fee_per_gas.unwrap_or_default()),
        blob_base_fee: U256::from(l1_config.blob_base_fee(origin.timestamp, origin.excess_blob_gas)),
        block_hash: origin_hash,
        sequence_number,
        batcher_address: system_config.batcher_address,
        base_fee_scalar: scalars.base_fee,
        blob_base_fee_scalar: scalars.blob_base_fee,
        operator_fee_scalar: operator_fee.scalar,
        operator_fee_constant: operator_fee.constant,
        da_footprint_gas_scalar: config
            .is_jovian(timestamp)
            .then(|| system_config.da_footprint_gas_scalar_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        block::{L1BlockId, L1BlockNumber, L2Block},
        config::{FeeScalars, OperatorFee},
    };
    use alloy_eips::eip2718::Decodable2718;
    use op_alloy_consensus::OpTxEnvelope;

    struct Fixture {
        config: RollupConfig,
        l1_config: L1ChainConfig,
        system_config: SystemConfig,
        parent: L2BlockRef,
        origin: Header,
    }

    fn fixture() -> Fixture {
        let config = RollupConfig::from_json(include_str!("../testdata/rollup.json")).unwrap();
        let system_config = SystemConfig {
            scalar: FeeScalars {
                base_fee: 11,
                blob_base_fee: 22,
            }
            .encode(),
            operator_fee_params: OperatorFee {
                scalar: 33,
                constant: 44,
            }
            .encode(),
            da_footprint_gas_scalar: 0,
            ..config.genesis.system_config
        };
        let origin = Header {
            number: 50,
            timestamp: 1_763_700_090,
            mix_hash: B256::repeat_byte(7),
            base_fee_per_gas: Some(1_000),
            // Three Prague update fractions: the fee is e^3, rounded down.
            excess_blob_gas: Some(3 * 5_007_716),
            parent_beacon_block_root: Some(B256::repeat_byte(8)),
            ..Header::default()
        };
        let parent = L2BlockRef {
            timestamp: 1_763_700_099,
            l1_origin: L1BlockId {
                hash: B256::repeat_byte(1),
                number: L1BlockNumber(49),
            },
            sequence_number: 4,
            ..L2BlockRef::default()
        };
        let l1_config = L1ChainConfig::preset(config.l1_chain_id).unwrap();
        Fixture {
            config,
            l1_config,
            system_config,
            parent,
            origin,
        }
    }

    impl Fixture {
        fn build(&self, origin_hash: B256) -> BlockAttributes {
            let deposits = [TxDeposit {
                gas_limit: 21_000,
                ..TxDeposit::default()
            }];
            build_attributes(
                &self.config,
                &self.l1_config,
                &self.parent,
                &self.system_config,
                &self.origin,
                origin_hash,
                &deposits,
            )
        }
    }

    fn deposit(bytes: &Bytes) -> TxDeposit {
        match OpTxEnvelope::decode_2718_exact(bytes).unwrap() {
            OpTxEnvelope::Deposit(deposit) => deposit.into_inner(),
            other => panic!("{other:?} is not a deposit"),
        }
    }

    #[test]
    fn new_origin_opens_the_epoch_with_its_deposits() {
        let attributes = fixture().build(B256::repeat_byte(2));
        assert_eq!(attributes.transactions.len(), 2);
        assert_eq!(
            L1Info::decode(&deposit(&attributes.transactions[0]).input).unwrap(),
            L1Info {
                number: 50,
                time: 1_763_700_090,
                base_fee: U256::from(1_000),
                blob_base_fee: U256::from(20),
                block_hash: B256::repeat_byte(2),
                sequence_number: 0,
                batcher_address: fixture().system_config.batcher_address,
                base_fee_scalar: 11,
                blob_base_fee_scalar: 22,
                operator_fee_scalar: 33,
                operator_fee_constant: 44,
                da_footprint_gas_scalar: Some(400),
            }
        );
        assert_eq!(deposit(&attributes.transactions[1]).gas_limit, 21_000);
    }

    #[test]
    fn same_origin_continues_the_epoch_without_deposits() {
        let attributes = fixture().build(B256::repeat_byte(1));
        assert_eq!(attributes.transactions.len(), 1);
        let info = L1Info::decode(&deposit(&attributes.transactions[0]).input).unwrap();
        assert_eq!(info.sequence_number, 5);
    }

    #[test]
    fn header_fields_come_from_origin_and_system_configuration() {
        let Fixture { system_config, .. } = fixture();
        let attributes = fixture().build(B256::repeat_byte(2));
        let expected = BlockAttributes {
            timestamp: 1_763_700_100,
            prev_randao: B256::repeat_byte(7),
            fee_recipient: SEQUENCER_FEE_VAULT,
            parent_beacon_block_root: B256::repeat_byte(8),
            gas_limit: system_config.gas_limit,
            eip1559_params: system_config.eip1559_params,
            min_base_fee: Some(1_000_000),
            transactions: attributes.transactions.clone(),
            no_tx_pool: true,
        };
        assert_eq!(attributes, expected);
    }

    #[test]
    fn isthmus_has_neither_minimum_base_fee_nor_footprint() {
        let mut fixture = fixture();
        fixture.config.jovian_time = None;
        let attributes = fixture.build(B256::repeat_byte(2));
        assert_eq!(attributes.min_base_fee, None);
        let info = L1Info::decode(&deposit(&attributes.transactions[0]).input).unwrap();
        assert_eq!(info.da_footprint_gas_scalar, None);
    }

    #[test]
    fn old_l1_header_gives_the_least_blob_fee_and_no_beacon_root() {
        let mut fixture = fixture();
        (
            fixture.origin.excess_blob_gas,
            fixture.origin.parent_beacon_block_root,
        ) = (None, None);
        let attributes = fixture.build(B256::repeat_byte(2));
        assert_eq!(attributes.parent_beacon_block_root, B256::ZERO);
        let info = L1Info::decode(&deposit(&attributes.transactions[0]).input).unwrap();
        assert_eq!(info.blob_base_fee, U256::from(1));
    }

    #[test]
    fn system_configuration_is_read_back_from_the_block_it_built() {
        for jovian_time in [Some(0), None] {
            let mut fixture = fixture();
            fixture.config.jovian_time = jovian_time;
            let attributes = fixture.build(B256::repeat_byte(2));
            let mut block = L2Block::default();
            block.header.number = 10;
            block.header.timestamp = attributes.timestamp;
            block.header.gas_limit = attributes.gas_limit;
            let version = [u8::from(jovian_time.is_some())];
            let min_base_fee = attributes.min_base_fee.map(u64::to_be_bytes);
            let tail = min_base_fee.as_ref().map_or(&[][..], |bytes| bytes);
            block.header.extra_data = [&version[..], attributes.eip1559_params.as_slice(), tail]
                .concat()
                .into();
            block.body.transactions = attributes
                .transactions
                .iter()
                .map(|bytes| OpTxEnvelope::decode_2718_exact(bytes).unwrap())
                .collect();
            let expected = SystemConfig {
                min_base_fee: attributes.min_base_fee.unwrap_or(0),
                da_footprint_gas_scalar: if jovian_time.is_some() { 400 } else { 0 },
                ..fixture.system_config
            };
            assert_eq!(SystemConfig::from_l2_block(&fixture.config, &block), Ok(expected));
        }
    }
}
