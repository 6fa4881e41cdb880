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

/// @dev What the parts of a policy sum to.
uint256 constant FEE_PARTS_TOTAL = 10_000;
