//! The L1-attributes transaction: the first transaction of every L2 block, which tells L2 where on L1 it stands and at what price.
//!
//! It is calldata for the `L1Block` predeploy in a packed layout of its own, all integers big-endian:
//!
//! | offset | bytes | field                       |
//! | ------ | ----- | --------------------------- |
//! | 0      | 4     | selector                    |
//! | 4      | 4     | base fee scalar             |
//! | 8      | 4     | blob base fee scalar        |
//! | 12     | 8     | sequence number             |
//! | 20     | 8     | L1 timestamp                |
//! | 28     | 8     | L1 block number             |
//! | 36     | 32    | L1 base fee                 |
//! | 68     | 32    | L1 blob base fee            |
//! | 100    | 32    | L1 block hash               |
//! | 132    | 32    | batcher hash: 12 zeros, then the batcher's address |
//! | 164    | 4     | operator fee scalar         |
//! | 168    | 8     | operator fee constant       |
//! | 176    | 2     | DA footprint gas scalar, Jovian only |
//!
//! Spec: OP Stack, protocol/isthmus/l1-attributes and protocol/jovian/l1-attributes. A block that activates a fork uses the format
//! before it, except at genesis: with Jovian active from genesis, block 1 already carries the Jovian format.

use crate::deposit::l1_info_source_hash;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address};
use op_alloy_consensus::TxDeposit;

/// Selector of `setL1BlockValuesIsthmus()`.
pub const ISTHMUS_SELECTOR: [u8; 4] = [0x09, 0x89, 0x99, 0xbe];
/// Selector of `setL1BlockValuesJovian()`.
pub const JOVIAN_SELECTOR: [u8; 4] = [0x3d, 0xb6, 0xbe, 0x2b];
/// Bytes of the Isthmus format, selector included.
pub const ISTHMUS_SIZE: usize = 176;
/// Bytes of the Jovian format, selector included.
pub const JOVIAN_SIZE: usize = 178;
/// Sender of the L1-attributes transaction: an account nobody has the key of.
pub const L1_INFO_DEPOSITOR: Address = address!("deaddeaddeaddeaddeaddeaddeaddeaddead0001");
/// The `L1Block` predeploy that receives it.
pub const L1_BLOCK_PREDEPLOY: Address = address!("4200000000000000000000000000000000000015");
/// Its gas limit, since Regolith.
pub const L1_INFO_GAS_LIMIT: u64 = 1_000_000;

/// What an L2 block knows of L1 and of the fees in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct L1Info {
    /// Height of the L1 origin.
    pub number: u64,
    /// Timestamp of the L1 origin, unix seconds.
    pub time: u64,
    /// Base fee of the L1 origin, wei.
    pub base_fee: U256,
    /// Blob base fee of the L1 origin, wei.
    pub blob_base_fee: U256,
    /// Hash of the L1 origin.
    pub block_hash: B256,
    /// How many L2 blocks of the same epoch come before this one.
    pub sequence_number: u64,
    /// Account whose transactions to the inbox count, from this L1 origin on.
    pub batcher_address: Address,
    /// Scales [`Self::base_fee`] in the L1 fee, millionths.
    pub base_fee_scalar: u32,
    /// Scales [`Self::blob_base_fee`] in the L1 fee, millionths.
    pub blob_base_fee_scalar: u32,
    /// Operator fee per gas: millionths of a wei (Isthmus), hundreds of wei (Jovian).
    pub operator_fee_scalar: u32,
    /// Operator fee per transaction, wei.
    pub operator_fee_constant: u64,
    /// Gas of DA footprint per estimated byte. `Some` selects the Jovian format, `None` the Isthmus one.
    pub da_footprint_gas_scalar: Option<u16>,
}

/// Why calldata is not an L1-attributes transaction we know. A block of ours that gives this was not built by these rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum L1InfoError {
    /// Not even a selector.
    #[error("L1 attributes have {found} bytes, too short for a selector")]
    NoSelector {
        /// Bytes of calldata.
        found: usize,
    },
    /// Neither Isthmus nor Jovian.
    #[error("L1 attributes have selector {found:02x?}, expected Isthmus 098999be or Jovian 3db6be2b")]
    Selector {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// Each format has one exact length.
    #[error("L1 attributes have {found} bytes, expected {expected}")]
    Size {
        /// Bytes the selector asks for.
        expected: usize,
        /// Bytes of calldata.
        found: usize,
    },
    /// Only batcher hashes of version 0 exist: an address behind zeros.
    #[error("batcher hash {found} is not an address")]
    BatcherHash {
        /// The batcher hash.
        found: B256,
    },
}

impl L1Info {
    /// The calldata. Total: any value has an encoding.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(JOVIAN_SIZE);
        out.extend_from_slice(match self.da_footprint_gas_scalar {
            None => &ISTHMUS_SELECTOR,
            Some(_) => &JOVIAN_SELECTOR,
        });
        out.extend_from_slice(&self.base_fee_scalar.to_be_bytes());
        out.extend_from_slice(&self.blob_base_fee_scalar.to_be_bytes());
        out.extend_from_slice(&self.sequence_number.to_be_bytes());
        out.extend_from_slice(&self.time.to_be_bytes());
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&self.base_fee.to_be_bytes::<32>());
        out.extend_from_slice(&self.blob_base_fee.to_be_bytes::<32>());
        out.extend_from_slice(self.block_hash.as_slice());
        out.extend_from_slice(self.batcher_address.into_word().as_slice());
        out.extend_from_slice(&self.operator_fee_scalar.to_be_bytes());
        out.extend_from_slice(&self.operator_fee_constant.to_be_bytes());
        if let Some(scalar) = self.da_footprint_gas_scalar {
            out.extend_from_slice(&scalar.to_be_bytes());
        }
        out.into()
    }

    /// Reads calldata of either format, told apart by the selector.
    pub fn decode(calldata: &[u8]) -> Result<Self, L1InfoError> {
        let Some(selector) = calldata.first_chunk::<4>() else {
            return Err(L1InfoError::NoSelector {
                found: calldata.len(),
            });
        };
        let expected = match *selector {
            ISTHMUS_SELECTOR => ISTHMUS_SIZE,
            JOVIAN_SELECTOR => JOVIAN_SIZE,
            found => return Err(L1InfoError::Selector { found }),
        };
        if calldata.len() != expected {
            return Err(L1InfoError::Size {
                expected,
                found: calldata.len(),
            });
        }
        let batcher_hash = B256::from(field::<32>(calldata, 132));
        if batcher_hash[..12].iter().any(|byte| *byte != 0) {
            return Err(L1InfoError::BatcherHash { found: batcher_hash });
        }
        Ok(Self {
            base_fee_scalar: u32::from_be_bytes(field(calldata, 4)),
            blob_base_fee_scalar: u32::from_be_bytes(field(calldata, 8)),
            sequence_number: u64::from_be_bytes(field(calldata, 12)),
            time: u64::from_be_bytes(field(calldata, 20)),
            number: u64::from_be_bytes(field(calldata, 28)),
            base_fee: U256::from_be_bytes(field::<32>(calldata, 36)),
            blob_base_fee: U256::from_be_bytes(field::<32>(calldata, 68)),
            block_hash: B256::from(field::<32>(calldata, 100)),
            batcher_address: Address::from_word(batcher_hash),
            operator_fee_scalar: u32::from_be_bytes(field(calldata, 164)),
            operator_fee_constant: u64::from_be_bytes(field(calldata, 168)),
            da_footprint_gas_scalar: (expected == JOVIAN_SIZE)
                .then(|| u16::from_be_bytes(field(calldata, 176))),
        })
    }

    /// The transaction that stands first in the block.
    #[must_use]
    pub fn to_deposit(&self) -> TxDeposit {
        TxDeposit {
            source_hash: l1_info_source_hash(self.block_hash, self.sequence_number),
            from: L1_INFO_DEPOSITOR,
            to: TxKind::Call(L1_BLOCK_PREDEPLOY),
            mint: 0,
            value: U256::ZERO,
            gas_limit: L1_INFO_GAS_LIMIT,
            is_system_transaction: false,
            input: self.encode(),
        }
    }
}

/// `N` bytes at a fixed offset of calldata whose length has been checked.
fn field<const N: usize>(calldata: &[u8], offset: usize) -> [u8; N] {
    calldata[offset..offset + N]
        .try_into()
        .expect("the slice is N long")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_eips::eip2718::{Decodable2718, Encodable2718};
    use alloy_primitives::{b256, hex, keccak256};
    use proptest::prelude::*;

    /// The L1-attributes transaction of a block of Base mainnet (Isthmus): a third party's bytes, hashed on a real chain.
    const BASE_MAINNET: &[u8] = &hex!(
        "7ef90104a06c0c775b6b492bab9d7e81abdf27f77cafb698551226455a82f559e0f93fea3794deaddeaddeaddeaddeaddeaddeaddeaddead000194"
        "42000000000000000000000000000000000000158080830f424080b8b0098999be000008dd00101c1200000000000000020000000068869d63"
        "00000000015f277f000000000000000000000000000000000000000000000000000000000d42ac29000000000000000000000000000000000000"
        "0000000000000000000000000001abf52777e63959936b1bf633a2a643f0da38d63deffe49452fed1bf8a44975d5000000000000000000000000"
        "5050f69a9786f081509234f1a7f4684b5e5b76c9000000000000000000000000"
    );

    fn sample() -> L1Info {
        L1Info {
            number: 0x0102,
            time: 0x6553_f100,
            base_fee: U256::from(7),
            blob_base_fee: U256::from(1),
            block_hash: B256::repeat_byte(0xab),
            sequence_number: 3,
            batcher_address: Address::repeat_byte(0xbc),
            base_fee_scalar: 5,
            blob_base_fee_scalar: 6,
            operator_fee_scalar: 8,
            operator_fee_constant: 9,
            da_footprint_gas_scalar: Some(400),
        }
    }

    #[test]
    fn selectors_are_the_hashes_of_their_signatures() {
        assert_eq!(keccak256("setL1BlockValuesIsthmus()")[..4], ISTHMUS_SELECTOR);
        assert_eq!(keccak256("setL1BlockValuesJovian()")[..4], JOVIAN_SELECTOR);
    }

    #[test]
    fn transaction_of_base_mainnet_is_rebuilt_byte_for_byte() {
        let theirs = TxDeposit::decode_2718(&mut &BASE_MAINNET[..]).unwrap();
        let info = L1Info::decode(&theirs.input).unwrap();
        assert_eq!(
            (info.number, info.sequence_number, info.base_fee_scalar),
            (0x15f_277f, 2, 0x8dd)
        );
        assert_eq!(info.to_deposit().encoded_2718(), BASE_MAINNET);
        assert_eq!(
            keccak256(BASE_MAINNET),
            b256!("ba56c8b0deb460ff070f8fca8e2ee01e51a3db27841cc862fdd94cc1a47662b6")
        );
    }

    #[test]
    fn golden_jovian_calldata() {
        let calldata = hex!(
            "3db6be2b" "00000005" "00000006" "0000000000000003" "000000006553f100" "0000000000000102"
            "0000000000000000000000000000000000000000000000000000000000000007"
            "0000000000000000000000000000000000000000000000000000000000000001"
            "abababababababababababababababababababababababababababababababab"
            "000000000000000000000000bcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbc"
            "00000008" "0000000000000009" "0190"
        );
        assert_eq!(sample().encode().as_ref(), calldata);
        assert_eq!(L1Info::decode(&calldata), Ok(sample()));
    }

    #[test]
    fn malformed_calldata_is_rejected() {
        let jovian = sample().encode().to_vec();
        let isthmus = L1Info {
            da_footprint_gas_scalar: None,
            ..sample()
        }
        .encode()
        .to_vec();
        assert_eq!((jovian.len(), isthmus.len()), (JOVIAN_SIZE, ISTHMUS_SIZE));
        let with = |base: &[u8], change: fn(&mut Vec<u8>)| {
            let mut bytes = base.to_vec();
            change(&mut bytes);
            bytes
        };
        let cases = [
            ("empty", Vec::new(), L1InfoError::NoSelector { found: 0 }),
            (
                "half a selector",
                jovian[..3].to_vec(),
                L1InfoError::NoSelector { found: 3 },
            ),
            (
                "Ecotone",
                with(&isthmus, |b| b[..4].copy_from_slice(&hex!("440a5e20"))),
                L1InfoError::Selector {
                    found: hex!("440a5e20"),
                },
            ),
            (
                "short",
                jovian[..177].to_vec(),
                L1InfoError::Size {
                    expected: 178,
                    found: 177,
                },
            ),
            (
                "trailing",
                with(&jovian, |b| b.push(0)),
                L1InfoError::Size {
                    expected: 178,
                    found: 179,
                },
            ),
            (
                "Isthmus short",
                isthmus[..175].to_vec(),
                L1InfoError::Size {
                    expected: 176,
                    found: 175,
                },
            ),
            (
                "Isthmus as long as Jovian",
                with(&isthmus, |b| b.extend([1, 2])),
                L1InfoError::Size {
                    expected: 176,
                    found: 178,
                },
            ),
            (
                "batcher hash of version 1",
                with(&jovian, |b| b[132] = 1),
                L1InfoError::BatcherHash {
                    found: b256!("010000000000000000000000bcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbc"),
                },
            ),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(L1Info::decode(&bytes), Err(expected), "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_value_survives_the_round_trip(
            numbers: [u64; 4],
            fees: [[u8; 32]; 2],
            block_hash: [u8; 32],
            batcher: [u8; 20],
            scalars: [u32; 3],
            da_footprint_gas_scalar: Option<u16>,
        ) {
            let info = L1Info {
                number: numbers[0],
                time: numbers[1],
                sequence_number: numbers[2],
                operator_fee_constant: numbers[3],
                base_fee: U256::from_be_bytes(fees[0]),
                blob_base_fee: U256::from_be_bytes(fees[1]),
                block_hash: block_hash.into(),
                batcher_address: batcher.into(),
                base_fee_scalar: scalars[0],
                blob_base_fee_scalar: scalars[1],
                operator_fee_scalar: scalars[2],
                da_footprint_gas_scalar,
            };
            prop_assert_eq!(L1Info::decode(&info.encode()), Ok(info));
        }
    }
}
