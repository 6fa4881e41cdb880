// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice How a fee is divided, in 1/10,000. The parts sum to 10,000. Immutable once created.
struct FeePolicy {
    uint16 platform;
    uint16 gateway;
    uint16 model;
    uint16 adapter;
    uint16 contributors;
}

/// @notice An adapter's prices (wei per token) and its fee policy.
struct Terms {
    uint64 rateIn;
    uint64 rateOut;
    uint32 feePolicy;
    FeePolicy policy;
}

/// @notice `Terms` in one word, so that asking for them costs one word: from the top rateIn u64, rateOut u64, feePolicy u32, then the
///         parts of platform, gateway, model, adapter and contributors, u16 each.
type PackedTerms is uint256;

using {unpack} for PackedTerms global;

/// @dev What the parts of a policy sum to.
uint256 constant FEE_PARTS_TOTAL = 10_000;

/// @notice Packs terms.
function pack(Terms memory terms) pure returns (PackedTerms) {
    uint256 prices = (uint256(terms.rateIn) << 192) | (uint256(terms.rateOut) << 128) | (uint256(terms.feePolicy) << 96);
    FeePolicy memory policy = terms.policy;
    uint256 parts = (uint256(policy.platform) << 80) | (uint256(policy.gateway) << 64) | (uint256(policy.model) << 48)
        | (uint256(policy.adapter) << 32) | (uint256(policy.contributors) << 16);
    return PackedTerms.wrap(prices | parts);
}

/// @notice Unpacks terms.
function unpack(PackedTerms packed) pure returns (Terms memory terms) {
    uint256 word = PackedTerms.unwrap(packed);
    terms.rateIn = uint64(word >> 192);
    terms.rateOut = uint64(word >> 128);
    terms.feePolicy = uint32(word >> 96);
    terms.policy = FeePolicy(uint16(word >> 80), uint16(word >> 64), uint16(word >> 48), uint16(word >> 32), uint16(word >> 16));
}
