// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.0;

interface Vm {
    function startBroadcast() external;
    function stopBroadcast() external;
}

contract Counter {
    uint256 public count;

    constructor(uint256 start) {
        count = start;
    }

    function add(uint256 amount) external {
        count += amount;
    }
}

/// What `forge script --broadcast` does to a chain: a creation, one at a CREATE2 address through the deterministic proxy, and two calls.
contract Clients {
    /// Where forge looks for a script.
    bool public constant IS_SCRIPT = true;

    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function run() external {
        VM.startBroadcast();
        Counter plain = new Counter(1);
        // The salt makes the address new on a chain on which this ran before.
        Counter salted = new Counter{salt: bytes32(block.number)}(2);
        plain.add(1);
        salted.add(1);
        VM.stopBroadcast();
        require(plain.count() == 2 && salted.count() == 3, "the counters are wrong");
    }
}
