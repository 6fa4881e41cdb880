// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FEE_PARTS_TOTAL, FeePolicy} from "src/libraries/FeePolicy.sol";

/// @notice Who gets how much of one fee, wei.
struct Split {
    uint256 platform;
    uint256 gateway;
    uint256 model;
    uint256 adapter;
    /// @dev One for each share, in the row's order.
    uint256[] contributors;
    /// @dev What rounding left over.
    uint256 remainder;
}

/// @title FeeSplit
/// @notice Divides an amount exactly: every division rounds down, and what that leaves over is the remainder, which the caller adds to
///         the next amount. The sum of all parts and the remainder is the amount. `protocol/src/attribution/split.rs` is the model.
library FeeSplit {
    /// @notice Divides `amount` by `policy`, and the contributors' part of it by `weights`.
    /// @dev    Weights are positive and there is at least one. The remainder is below 5 + the number of weights.
    function divide(uint256 amount, FeePolicy memory policy, uint16[] memory weights) internal pure returns (Split memory split) {
        split.platform = _part(amount, policy.platform);
        split.gateway = _part(amount, policy.gateway);
        split.model = _part(amount, policy.model);
        split.adapter = _part(amount, policy.adapter);
        uint256 given = split.platform + split.gateway + split.model + split.adapter;

        uint256 pool = _part(amount, policy.contributors);
        uint256 totalWeight;
        for (uint256 i; i < weights.length; i++) {
            totalWeight += weights[i];
        }
        split.contributors = new uint256[](weights.length);
        for (uint256 i; i < weights.length; i++) {
            uint256 share = (pool * weights[i]) / totalWeight;
            split.contributors[i] = share;
            given += share;
        }
        split.remainder = amount - given;
    }

    function _part(uint256 amount, uint16 part) private pure returns (uint256) {
        return (amount * part) / FEE_PARTS_TOTAL;
    }
}
