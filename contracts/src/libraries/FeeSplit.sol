// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FEE_PARTS_TOTAL, FeePolicy} from "src/libraries/FeePolicy.sol";

/// @notice One amount divided, wei.
struct Split {
    uint256 platform;
    uint256 gateway;
    uint256 model;
    uint256 adapter;
    /// @dev The contributors' part, to be divided among them by `FeeSplit.share`.
    uint256 pool;
    /// @dev What is not given yet; once every share is taken out of it, what rounding left over.
    uint256 remainder;
}

/// @title FeeSplit
/// @notice Divides an amount exactly: every division rounds down, and what that leaves over is the remainder, which the caller adds to
///         the next amount. The sum of all parts, all shares and the remainder is the amount. The remainder stays below 10 wei: five
///         parts lose less than 5 together, five shares less than 5. `protocol/src/attribution/split.rs` is the model.
/// @dev    Amounts are below 2^128 and the parts of a policy sum to the whole, so nothing here over- or underflows.
library FeeSplit {
    /// @notice Divides `amount` by `policy`. The contributors' part is still in the remainder.
    function divide(uint256 amount, FeePolicy memory policy) internal pure returns (Split memory split) {
        unchecked {
            split.platform = _part(amount, policy.platform);
            split.gateway = _part(amount, policy.gateway);
            split.model = _part(amount, policy.model);
            split.adapter = _part(amount, policy.adapter);
            split.pool = _part(amount, policy.contributors);
            split.remainder = amount - split.platform - split.gateway - split.model - split.adapter;
        }
    }

    /// @notice Takes one contributor's share out of the remainder. Neither weight is zero.
    function share(Split memory split, uint256 weight, uint256 totalWeight) internal pure returns (uint256 amount) {
        unchecked {
            amount = (split.pool * weight) / totalWeight;
            split.remainder -= amount;
        }
    }

    function _part(uint256 amount, uint16 part) private pure returns (uint256) {
        unchecked {
            return (amount * part) / FEE_PARTS_TOTAL;
        }
    }
}
