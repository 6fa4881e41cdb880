// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISemver} from "src/interfaces/ISemver.sol";

/// @title IFeeVault
/// @notice Holds one kind of fee until somebody sends it on to the recipient that genesis names.
interface IFeeVault is ISemver {
    /// @notice Where a recipient is. The numbers are the OP Stack's.
    enum WithdrawalNetwork {
        L1,
        L2
    }

    /// @notice The balance is not worth a withdrawal yet.
    error BalanceBelowMinimum(uint256 balance, uint256 minimum);
    /// @notice Genesis names no recipient.
    error NoRecipient();
    /// @notice The recipient did not take the ether. It stays here.
    error TransferFailed(address recipient, uint256 value);

    /// @notice Fees were sent on.
    event Withdrawal(uint256 value, address to, address from, WithdrawalNetwork withdrawalNetwork);

    /// @notice Anyone may give.
    receive() external payable;
    /// @notice Sends the whole balance to the recipient. Anyone may call.
    function withdraw() external returns (uint256 value);

    /// @notice Wei sent on so far.
    function totalProcessed() external view returns (uint256);
    /// @notice Who gets the fees.
    function recipient() external view returns (address);
    /// @notice Wei below which nothing is sent on.
    function minWithdrawalAmount() external view returns (uint256);
    /// @notice Where the recipient is: on L2.
    function withdrawalNetwork() external view returns (WithdrawalNetwork);
}
