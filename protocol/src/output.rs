//! The output root, version 0: what the proposer posts on L1 and withdrawals and receipts are proven against.
//!
//! | bytes | field                    |
//! | ----- | ------------------------ |
//! | 32    | version: zero            |
//! | 32    | state root               |
//! | 32    | storage root of the L2ToL1MessagePasser, also the header's `withdrawalsRoot` |
//! | 32    | block hash               |
//!
//! Its keccak-256 is the output root. Spec: OP Stack, protocol/proposals.

use alloy_consensus::Header;
use alloy_primitives::{B256, keccak256};

/// Bytes of what is hashed.
pub const OUTPUT_V0_SIZE: usize = 128;

/// Output root of an L2 block.
#[must_use]
pub fn output_root(state_root: B256, withdrawals_storage_root: B256, block_hash: B256) -> B256 {
    keccak256(output_v0(state_root, withdrawals_storage_root, block_hash))
}

/// Output root of the L2 block with this header and hash; `None` before Isthmus, whose headers do not hold the message root.
#[must_use]
pub fn output_root_of(header: &Header, block_hash: B256) -> Option<B256> {
    let withdrawals_storage_root = header.withdrawals_root?;
    Some(output_root(
        header.state_root,
        withdrawals_storage_root,
        block_hash,
    ))
}

/// What [`output_root`] hashes; a dispute opens the root with it.
#[must_use]
pub fn output_v0(state_root: B256, withdrawals_storage_root: B256, block_hash: B256) -> [u8; OUTPUT_V0_SIZE] {
    let mut preimage = [0u8; OUTPUT_V0_SIZE];
    preimage[32..64].copy_from_slice(state_root.as_slice());
    preimage[64..96].copy_from_slice(withdrawals_storage_root.as_slice());
    preimage[96..].copy_from_slice(block_hash.as_slice());
    preimage
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{b256, hex};

    #[test]
    fn golden_preimage_and_root() {
        let preimage = hex!(
            "0000000000000000000000000000000000000000000000000000000000000000"
            "1111111111111111111111111111111111111111111111111111111111111111"
            "2222222222222222222222222222222222222222222222222222222222222222"
            "3333333333333333333333333333333333333333333333333333333333333333"
        );
        let [state, storage, block] = [0x11, 0x22, 0x33].map(B256::repeat_byte);
        assert_eq!(output_v0(state, storage, block), preimage);
        assert_eq!(
            output_root(state, storage, block),
            b256!("d50bf2ff34ced71be0d2f0be7c2433c6b39d9c3b16c95daf1ed6f24b7578a3b2")
        );
        assert_ne!(
            output_root(state, storage, block),
            output_root(storage, state, block)
        );
    }
}
