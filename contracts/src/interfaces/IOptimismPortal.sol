// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISemver} from "src/interfaces/ISemver.sol";

/// @title IOptimismPortal
/// @notice The way from L1 into the chain, behind OptimismPortal2's ABI.
/// @dev    This form has no way back: it neither proves nor finalizes withdrawals, and ether sent in stays here until a later form
///         does. Nobody, the owner included, can take it out.
interface IOptimismPortal is ISemver {
    /// @notice The gas limit does not cover the transaction's intrinsic cost.
    error OptimismPortal_GasLimitTooLow();
    /// @notice The calldata could not be propagated through L1's network.
    error OptimismPortal_CalldataTooLarge();
    /// @notice A contract creation must not name a target.
    error OptimismPortal_BadTarget();
    /// @notice Deposits of this L1 block already claim too much gas of L2. To be tried again in the next block.
    error OptimismPortal_DepositGasExhausted(uint64 requested, uint64 left);

    /// @notice A transaction that L2 must execute.
    /// @param from       Sender on L2: the caller, aliased if it is a contract.
    /// @param to         Target; ignored for a creation.
    /// @param version    0, the only layout of `opaqueData` there is.
    /// @param opaqueData `mint u256 ‖ value u256 ‖ gas limit u64 ‖ isCreation u8 ‖ data`, packed.
    event TransactionDeposited(address indexed from, address indexed to, uint256 indexed version, bytes opaqueData);

    /// @notice Takes ether in for the caller's account on L2, with 100,000 gas for what the receiver does there.
    receive() external payable;

    /// @notice Forces a transaction into L2. The ether that comes along is minted to the sender there.
    /// @param to         Target.
    /// @param value      Wei sent to the target on L2.
    /// @param gasLimit   Gas on L2, paid for by nothing but the gas this call costs on L1.
    /// @param isCreation Whether `data` is init code.
    /// @param data       Calldata or init code, at most 120,000 bytes.
    function depositTransaction(address to, uint256 value, uint64 gasLimit, bool isCreation, bytes memory data) external payable;

    /// @notice Lowest gas limit of a deposit with so many bytes of calldata.
    function minimumGasLimit(uint64 byteCount) external pure returns (uint64);
    /// @notice Gas of L2 that the deposits of one L1 block may claim in all.
    function maxDepositGasPerBlock() external view returns (uint64);
    /// @notice Parameters of the chain.
    function systemConfig() external view returns (address);
    /// @notice Where output roots are proposed.
    function disputeGameFactory() external view returns (address);
    /// @notice Game type whose outcome counts.
    function respectedGameType() external view returns (uint32);
}
