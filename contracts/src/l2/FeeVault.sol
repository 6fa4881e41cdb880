// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IFeeVault} from "src/interfaces/IFeeVault.sol";
import {ISemver} from "src/interfaces/ISemver.sol";

/// @title FeeVault
/// @notice Predeploys 0x4200…0011 (tips), …0019 (base fees), …001A (L1 fees) and …001b (operator fees): the same code four times.
///         A predeploy has no constructor, so genesis writes slot 1 (recipient) and slot 2 (minimum).
contract FeeVault is IFeeVault {
    /// @inheritdoc ISemver
    string public constant override version = "1.0.0";
    /// @inheritdoc IFeeVault
    WithdrawalNetwork public constant override withdrawalNetwork = WithdrawalNetwork.L2;

    /// @inheritdoc IFeeVault
    uint256 public override totalProcessed;
    /// @inheritdoc IFeeVault
    address public override recipient;
    /// @inheritdoc IFeeVault
    uint256 public override minWithdrawalAmount;

    /// @inheritdoc IFeeVault
    receive() external payable override {}

    /// @inheritdoc IFeeVault
    function withdraw() external override returns (uint256 value) {
        value = address(this).balance;
        address to = recipient;
        if (to == address(0)) revert NoRecipient();
        if (value < minWithdrawalAmount) revert BalanceBelowMinimum(value, minWithdrawalAmount);
        totalProcessed += value;
        emit Withdrawal(value, to, msg.sender, withdrawalNetwork);
        (bool taken,) = to.call{value: value}("");
        if (!taken) revert TransferFailed(to, value);
    }
}
