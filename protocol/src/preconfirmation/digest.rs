//! The chain of digests over a block's transactions, and the hash over receipts.

use crate::attributes::BlockAttributes;
use alloy_consensus::Header;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Keccak256, keccak256};
use op_alloy_consensus::OpReceiptEnvelope;

/// What is fixed about a block before its first transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningFields {
    /// Hash of the parent.
    pub parent_hash: B256,
    /// Unix seconds.
    pub timestamp: u64,
    /// `mixHash`.
    pub prev_randao: B256,
    /// Who gets the priority fees.
    pub fee_recipient: Address,
    /// Beacon root in the L1 origin's header.
    pub parent_beacon_block_root: B256,
    /// Gas.
    pub gas_limit: u64,
    /// Wei per gas.
    pub base_fee: u64,
    /// EIP-1559 parameters and the minimum base fee.
    pub extra_data: Bytes,
}

impl OpeningFields {
    /// Of an open block: its attributes, and what its header has beside them.
    #[must_use]
    pub fn new(parent_hash: B256, attributes: &BlockAttributes, base_fee: u64, extra_data: Bytes) -> Self {
        Self {
            parent_hash,
            timestamp: attributes.timestamp,
            prev_randao: attributes.prev_randao,
            fee_recipient: attributes.fee_recipient,
            parent_beacon_block_root: attributes.parent_beacon_block_root,
            gas_limit: attributes.gas_limit,
            base_fee,
            extra_data,
        }
    }

    /// Of a sealed block. Fields that a header of this chain always has count as zero where they are missing.
    #[must_use]
    pub fn of_header(header: &Header) -> Self {
        Self {
            parent_hash: header.parent_hash,
            timestamp: header.timestamp,
            prev_randao: header.mix_hash,
            fee_recipient: header.beneficiary,
            parent_beacon_block_root: header.parent_beacon_block_root.unwrap_or_default(),
            gas_limit: header.gas_limit,
            base_fee: header.base_fee_per_gas.unwrap_or_default(),
            extra_data: header.extra_data.clone(),
        }
    }

    /// The digest before the first transaction: keccak-256 of the fields in their order, numbers as 8 bytes big-endian.
    #[must_use]
    pub fn digest(&self) -> TransactionsDigest {
        let mut hasher = Keccak256::new();
        hasher.update(self.parent_hash);
        hasher.update(self.timestamp.to_be_bytes());
        hasher.update(self.prev_randao);
        hasher.update(self.fee_recipient);
        hasher.update(self.parent_beacon_block_root);
        hasher.update(self.gas_limit.to_be_bytes());
        hasher.update(self.base_fee.to_be_bytes());
        hasher.update(&self.extra_data);
        TransactionsDigest(hasher.finalize())
    }
}

/// Stands for a block's opening fields and its first transactions, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct TransactionsDigest(pub B256);

impl TransactionsDigest {
    /// The digest after one more transaction: `keccak256(this ‖ transaction hash)`.
    #[must_use]
    pub fn then(self, transaction_hash: B256) -> Self {
        let mut both = [0; 64];
        both[..32].copy_from_slice(self.0.as_slice());
        both[32..].copy_from_slice(transaction_hash.as_slice());
        Self(keccak256(both))
    }
}

/// Keccak-256 over the EIP-2718 bytes of receipts, one after the other. They delimit themselves, so nothing stands between them.
#[derive(Debug, Default)]
pub struct ReceiptsHasher {
    hasher: Keccak256,
    buffer: alloc::vec::Vec<u8>,
}

impl ReceiptsHasher {
    /// Adds the next receipt.
    pub fn add(&mut self, receipt: &OpReceiptEnvelope) {
        self.buffer.clear();
        receipt.encode_2718(&mut self.buffer);
        self.hasher.update(&self.buffer);
    }

    /// The hash over what was added.
    #[must_use]
    pub fn finish(self) -> B256 {
        self.hasher.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            parent_hash: B256::repeat_byte(1),
            timestamp: 2,
            mix_hash: B256::repeat_byte(3),
            beneficiary: Address::repeat_byte(4),
            parent_beacon_block_root: Some(B256::repeat_byte(5)),
            gas_limit: 6,
            base_fee_per_gas: Some(7),
            extra_data: Bytes::from_static(&[8]),
            ..Header::default()
        }
    }

    #[test]
    fn an_open_block_and_its_header_have_one_opening_digest() {
        let header = header();
        let attributes = BlockAttributes {
            timestamp: 2,
            prev_randao: header.mix_hash,
            fee_recipient: header.beneficiary,
            parent_beacon_block_root: B256::repeat_byte(5),
            gas_limit: 6,
            ..BlockAttributes::default()
        };
        let open = OpeningFields::new(header.parent_hash, &attributes, 7, header.extra_data.clone());
        assert_eq!(open, OpeningFields::of_header(&header));
        assert_eq!(open.digest(), OpeningFields::of_header(&header).digest());
    }

    #[test]
    fn every_opening_field_counts() {
        let digest = |change: fn(&mut Header)| {
            let mut header = header();
            change(&mut header);
            OpeningFields::of_header(&header).digest()
        };
        let digests = [
            digest(|_| {}),
            digest(|header| header.parent_hash = B256::ZERO),
            digest(|header| header.timestamp = 0),
            digest(|header| header.mix_hash = B256::ZERO),
            digest(|header| header.beneficiary = Address::ZERO),
            digest(|header| header.parent_beacon_block_root = None),
            digest(|header| header.gas_limit = 0),
            digest(|header| header.base_fee_per_gas = None),
            digest(|header| header.extra_data = Bytes::new()),
        ];
        for (index, digest) in digests.iter().enumerate() {
            assert!(!digests[..index].contains(digest), "{index}");
        }
    }

    #[test]
    fn the_order_of_transactions_counts() {
        let start = OpeningFields::of_header(&header()).digest();
        let (a, b) = (B256::repeat_byte(1), B256::repeat_byte(2));
        assert_ne!(start.then(a).then(b), start.then(b).then(a));
    }
}
