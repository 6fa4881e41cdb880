// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Up to five shares of a row in one word, as they stand in a bundle: for each, from the top, contribution u32 and weight u16.
///         What is beyond the row's count is zero.
type Shares is bytes32;

using {contribution, weight, totalWeight} for Shares global;

/// @dev Most shares of a row: as many as fit a word.
uint256 constant SHARES_MAX = 5;
/// @dev Bytes of one share.
uint256 constant SHARE_SIZE = 6;
/// @dev Bits of one share.
uint256 constant SHARE_BITS = 48;

/// @notice Index of the contribution of share `i`, which is below 5.
function contribution(Shares shares, uint256 i) pure returns (uint32) {
    unchecked {
        return uint32(uint256(Shares.unwrap(shares)) >> (224 - i * SHARE_BITS));
    }
}

/// @notice Weight of share `i`, which is below 5.
function weight(Shares shares, uint256 i) pure returns (uint16) {
    unchecked {
        return uint16(uint256(Shares.unwrap(shares)) >> (208 - i * SHARE_BITS));
    }
}

/// @notice Sum of all weights.
function totalWeight(Shares shares) pure returns (uint256 sum) {
    uint256 word = uint256(Shares.unwrap(shares));
    unchecked {
        // Five weights, each above what separates it from the next contribution.
        sum = uint16(word >> 208) + uint256(uint16(word >> 160)) + uint16(word >> 112) + uint16(word >> 64) + uint16(word >> 16);
    }
}

/// @title SharesLib
/// @notice Makes `Shares`.
library SharesLib {
    /// @notice The first `count` shares of a word whose other bytes mean something else. `count` is at most 5.
    function first(bytes32 word, uint256 count) internal pure returns (Shares) {
        return Shares.wrap(word & ~(bytes32(type(uint256).max) >> (count * SHARE_BITS)));
    }

    /// @notice With share `i` added, which was empty.
    function with(Shares shares, uint256 i, uint32 contribution_, uint16 weight_) internal pure returns (Shares) {
        bytes32 share = bytes32(bytes6((uint48(contribution_) << 16) | weight_));
        return Shares.wrap(Shares.unwrap(shares) | share >> (i * SHARE_BITS));
    }
}
