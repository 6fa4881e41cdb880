// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IL2ToL1MessagePasser} from "src/interfaces/IL2ToL1MessagePasser.sol";
import {ISemver} from "src/interfaces/ISemver.sol";

/// @title L2ToL1MessagePasser
/// @notice Predeploy 0x4200…0016. Messages are proven on L1 against slot 0 of its storage, so the order of the fields is consensus.
///         On L1 nothing takes these messages yet: ether sent here waits until a later form of the portal does.
contract L2ToL1MessagePasser is IL2ToL1MessagePasser {
    /// @dev Gas on L1 that comes with plain ether.
    uint256 private constant RECEIVE_GAS_LIMIT = 100_000;

    /// @inheritdoc ISemver
    string public constant override version = "1.0.0";
    /// @inheritdoc IL2ToL1MessagePasser
    uint16 public constant override MESSAGE_VERSION = 1;

    /// @inheritdoc IL2ToL1MessagePasser
    mapping(bytes32 withdrawalHash => bool sent) public override sentMessages;
    /// @dev Messages sent so far, without the version.
    uint240 private _messageNonce;

    /// @inheritdoc IL2ToL1MessagePasser
    receive() external payable override {
        initiateWithdrawal(msg.sender, RECEIVE_GAS_LIMIT, "");
    }

    /// @inheritdoc IL2ToL1MessagePasser
    function burn() external override {
        uint256 amount = address(this).balance;
        new Burner{value: amount}();
        emit WithdrawerBalanceBurnt(amount);
    }

    /// @inheritdoc IL2ToL1MessagePasser
    function initiateWithdrawal(address target, uint256 gasLimit, bytes memory data) public payable override {
        uint256 nonce = messageNonce();
        bytes32 withdrawalHash = keccak256(abi.encode(nonce, msg.sender, target, msg.value, gasLimit, data));
        sentMessages[withdrawalHash] = true;
        emit MessagePassed(nonce, msg.sender, target, msg.value, gasLimit, data, withdrawalHash);
        _messageNonce++;
    }

    /// @inheritdoc IL2ToL1MessagePasser
    function messageNonce() public view override returns (uint256) {
        return (uint256(MESSAGE_VERSION) << 240) | _messageNonce;
    }
}

    /// @title Burner
    /// @notice Destroys the ether it is created with. EIP-6780 keeps this for a contract that ends in the transaction it began in.
    contract Burner {
        constructor() payable {
            selfdestruct(payable(address(this)));
        }
    }
