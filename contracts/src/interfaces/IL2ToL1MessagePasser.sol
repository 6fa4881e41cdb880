// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISemver} from "src/interfaces/ISemver.sol";

/// @title IL2ToL1MessagePasser
/// @notice Messages from L2 to L1. The storage root of this contract is part of every output root.
interface IL2ToL1MessagePasser is ISemver {
    /// @notice A message was sent.
    event MessagePassed(
        uint256 indexed nonce,
        address indexed sender,
        address indexed target,
        uint256 value,
        uint256 gasLimit,
        bytes data,
        bytes32 withdrawalHash
    );
    /// @notice The ether of sent messages left L2's supply.
    event WithdrawerBalanceBurnt(uint256 indexed amount);

    /// @notice Sends ether to the caller's account on L1.
    receive() external payable;
    /// @notice Sends a message, with ether if any comes along.
    function initiateWithdrawal(address target, uint256 gasLimit, bytes memory data) external payable;
    /// @notice Takes the ether held here out of L2's supply; L1 holds its counterpart.
    function burn() external;

    /// @notice Version of messages; the top 16 bits of a nonce.
    function MESSAGE_VERSION() external view returns (uint16);
    /// @notice Nonce of the next message.
    function messageNonce() external view returns (uint256);
    /// @notice Whether a message was sent.
    function sentMessages(bytes32 withdrawalHash) external view returns (bool);
}
