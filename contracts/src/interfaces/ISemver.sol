// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title ISemver
/// @notice Contracts that tools of the OP Stack ask for their version.
interface ISemver {
    /// @notice Semantic version of this contract.
    function version() external view returns (string memory);
}
