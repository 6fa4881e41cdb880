// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title AddressAliasing
/// @notice Who a caller on L1 is on L2.
library AddressAliasing {
    /// @dev Added to a contract's address: an L1 contract must not speak for another contract that has its address on L2.
    uint160 private constant OFFSET = uint160(0x1111000000000000000000000000000000001111);
    /// @dev Size of the code of an account that delegates by EIP-7702.
    uint256 private constant DELEGATION_SIZE = 23;
    /// @dev What that code starts with.
    bytes3 private constant DELEGATION_PREFIX = 0xef0100;

    /// @notice Sender on L2 of what `msg.sender` deposits: itself for an account with a key, its alias for a contract.
    function senderOnL2() internal view returns (address) {
        return isKeyed(msg.sender) ? msg.sender : alias_(msg.sender);
    }

    /// @notice The alias of an L1 contract.
    function alias_(address l1Address) internal pure returns (address) {
        unchecked {
            return address(uint160(l1Address) + OFFSET);
        }
    }

    /// @notice Whether somebody holds the key of this caller. A delegated account has code and a key.
    function isKeyed(address account) internal view returns (bool) {
        if (account == tx.origin) return true;
        return account.code.length == DELEGATION_SIZE && bytes3(account.code) == DELEGATION_PREFIX;
    }
}
