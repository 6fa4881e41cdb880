// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Predeploys
/// @notice Contracts that are in genesis at fixed addresses, without proxies.
library Predeploys {
    /// @notice Fees as wallets and tools ask for them.
    address internal constant GAS_PRICE_ORACLE = 0x420000000000000000000000000000000000000F;
    /// @notice Takes the tips.
    address internal constant SEQUENCER_FEE_VAULT = 0x4200000000000000000000000000000000000011;
    /// @notice What L2 knows of L1.
    address internal constant L1_BLOCK = 0x4200000000000000000000000000000000000015;
    /// @notice Messages to L1.
    address internal constant L2_TO_L1_MESSAGE_PASSER = 0x4200000000000000000000000000000000000016;
    /// @notice Takes the base fees.
    address internal constant BASE_FEE_VAULT = 0x4200000000000000000000000000000000000019;
    /// @notice Takes the L1 fees.
    address internal constant L1_FEE_VAULT = 0x420000000000000000000000000000000000001A;
    /// @notice Takes the operator fees.
    address internal constant OPERATOR_FEE_VAULT = 0x420000000000000000000000000000000000001b;
    /// @notice Who and what can stand behind an inference.
    address internal constant ATTRIBUTION_REGISTRY = 0x7a00000000000000000000000000000000000001;
    /// @notice Inferences, and who is owed what for them.
    address internal constant ATTRIBUTION_LEDGER = 0x7A00000000000000000000000000000000000002;
}
