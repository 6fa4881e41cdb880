// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {vm} from "test/support/Vm.sol";

/// @notice The few assertions these tests use.
abstract contract Test {
    error NotEqual(string what, bytes32 found, bytes32 expected);

    function assertEq(uint256 found, uint256 expected, string memory what) internal pure {
        if (found != expected) revert NotEqual(what, bytes32(found), bytes32(expected));
    }

    function assertEq(address found, address expected, string memory what) internal pure {
        assertEq(uint160(found), uint160(expected), what);
    }

    function assertEq(bytes32 found, bytes32 expected, string memory what) internal pure {
        assertEq(uint256(found), uint256(expected), what);
    }

    function assertEq(bytes memory found, bytes memory expected, string memory what) internal pure {
        assertEq(keccak256(found), keccak256(expected), what);
    }

    function assertTrue(bool condition, string memory what) internal pure {
        assertEq(condition ? 1 : 0, 1, what);
    }

    function bound(uint256 value, uint256 least, uint256 most) internal pure returns (uint256) {
        return least + value % (most - least + 1);
    }

    function account(string memory name) internal pure returns (address) {
        return address(uint160(uint256(keccak256(bytes(name)))));
    }
}

/// @notice Takes no ether.
contract Refuser {}

/// @notice Calls back into whoever pays it, once.
contract Reenterer {
    bytes private _call;
    /// @notice What the call back was answered with.
    bytes public answer;
    bool public entered;

    constructor(bytes memory call_) {
        _call = call_;
    }

    function run(address target, bytes memory call_, uint256 value) external payable returns (bool done, bytes memory result) {
        return target.call{value: value}(call_);
    }

    receive() external payable {
        if (entered) return;
        entered = true;
        (, answer) = msg.sender.call(_call);
    }
}
