// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IOptimismPortal} from "src/interfaces/IOptimismPortal.sol";
import {ISemver} from "src/interfaces/ISemver.sol";
import {AddressAliasing} from "src/libraries/AddressAliasing.sol";

/// @title OptimismPortal
/// @notice Deposits. What protects L2 from a flood of them is a cap per L1 block, and that each costs its sender gas on L1; the cap
///         has no price of its own, so whoever pays for the L1 gas can use it up for a block.
contract OptimismPortal is IOptimismPortal {
    /// @dev Version of the layout of `opaqueData`.
    uint256 private constant DEPOSIT_VERSION = 0;
    /// @dev Gas on L2 that comes with plain ether.
    uint64 private constant RECEIVE_GAS_LIMIT = 100_000;
    /// @dev Nodes drop larger transactions from their pools.
    uint256 private constant CALLDATA_SIZE_MAX = 120_000;
    /// @dev Game type of outputs that only the proposer may propose.
    uint32 private constant GAME_TYPE_PERMISSIONED = 1;

    /// @inheritdoc ISemver
    string public constant override version = "1.0.0";
    /// @inheritdoc IOptimismPortal
    uint64 public constant override maxDepositGasPerBlock = 20_000_000;
    /// @inheritdoc IOptimismPortal
    uint32 public constant override respectedGameType = GAME_TYPE_PERMISSIONED;

    /// @inheritdoc IOptimismPortal
    address public immutable override systemConfig;
    /// @inheritdoc IOptimismPortal
    address public immutable override disputeGameFactory;

    /// @dev L1 block of the last deposit.
    uint64 private _depositBlock;
    /// @dev Gas that the deposits of `_depositBlock` claim.
    uint64 private _depositGas;

    constructor(address systemConfig_, address disputeGameFactory_) {
        systemConfig = systemConfig_;
        disputeGameFactory = disputeGameFactory_;
    }

    /// @inheritdoc IOptimismPortal
    receive() external payable override {
        depositTransaction(msg.sender, msg.value, RECEIVE_GAS_LIMIT, false, "");
    }

    /// @inheritdoc IOptimismPortal
    function depositTransaction(address to, uint256 value, uint64 gasLimit, bool isCreation, bytes memory data)
        public
        payable
        override
    {
        if (isCreation && to != address(0)) revert OptimismPortal_BadTarget();
        if (data.length > CALLDATA_SIZE_MAX) revert OptimismPortal_CalldataTooLarge();
        if (gasLimit < minimumGasLimit(uint64(data.length))) revert OptimismPortal_GasLimitTooLow();
        _claimDepositGas(gasLimit);
        bytes memory opaqueData = abi.encodePacked(msg.value, value, gasLimit, isCreation, data);
        emit TransactionDeposited(AddressAliasing.senderOnL2(), to, DEPOSIT_VERSION, opaqueData);
    }

    /// @inheritdoc IOptimismPortal
    function minimumGasLimit(uint64 byteCount) public pure override returns (uint64) {
        return byteCount * 40 + 21_000;
    }

    function _claimDepositGas(uint64 gasLimit) internal {
        uint64 used = _depositBlock == block.number ? _depositGas : 0;
        uint64 left = maxDepositGasPerBlock - used;
        if (gasLimit > left) revert OptimismPortal_DepositGasExhausted(gasLimit, left);
        _depositBlock = uint64(block.number);
        _depositGas = used + gasLimit;
    }
}
