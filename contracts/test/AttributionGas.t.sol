// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAttributionRegistry} from "src/interfaces/IAttributionRegistry.sol";
import {AttributionSetup} from "test/support/AttributionSetup.sol";
import {vm} from "test/support/Vm.sol";

/// @notice What recording costs with the population the demo uses: 64 models, 256 adapters, 1,000 payers, 10,000 contributions with as
///         many payees, all drawn with about Zipf's law. The limits below are what the docs promise; the numbers are printed in the
///         logs (`./forge test --match-contract AttributionGas -vv`).
contract AttributionGasTest is AttributionSetup {
    event log_named_uint(string name, uint256 value);

    uint32 private constant MODELS = 64;
    uint32 private constant ADAPTERS = 256;
    uint32 private constant PAYERS = 1000;
    uint32 private constant CONTRIBUTIONS = 10_000;
    uint256 private constant SHARES = 5;
    /// @dev Gas limit of an L2 block.
    uint256 private constant BLOCK_GAS = 200_000_000;

    uint256 private _random = 1;

    function setUp() public {
        placeContracts();
        populate(CONTRIBUTIONS, 1 ether);
        for (uint32 i = 2; i <= MODELS; i++) {
            registry.registerModel(address(uint160(0xa0000000 + i)), bytes32(0), "");
        }
        for (uint32 i = 2; i <= ADAPTERS; i++) {
            registry.registerAdapter(address(uint160(0xb0000000 + i)), i % MODELS + 1, 1, 66_666_667, 266_666_667, "");
        }
        vm.deal(address(this), uint256(PAYERS) * 1 ether);
        for (uint32 i = 2; i <= PAYERS; i++) {
            ledger.depositFor{value: 1 ether}(address(uint160(0xd0000000 + i)));
        }
    }

    function test_recordBundle_whenThousandRows_fitsABlock() public {
        uint256 first = _measure("1,000 rows x 5 shares, no balance existed", 1000);
        assertTrue(first < BLOCK_GAS / 3, "first bundle");
        for (uint256 i; i < 4; i++) {
            _measure("1,000 rows x 5 shares, more and more balances exist", 1000);
        }
    }

    function test_recordBundle_whenFullBundle_fitsABlock() public {
        assertTrue(_measure("5,000 rows x 5 shares, no balance existed", 5000) < BLOCK_GAS, "first full bundle");
        _measure("5,000 rows x 5 shares, most balances exist", 5000);
    }

    function test_registerContributions_whenTwoThousand_fitsABlock() public {
        IAttributionRegistry.ContributionEntry[] memory entries = new IAttributionRegistry.ContributionEntry[](2000);
        for (uint256 i; i < entries.length; i++) {
            entries[i] = IAttributionRegistry.ContributionEntry(contributor(20_000 + i), keccak256(abi.encode(i)));
        }
        vm.prank(curator);
        uint256 before = gasleft();
        registry.registerContributions(1, entries);
        emit log_named_uint("gas per registered contribution", (before - gasleft()) / entries.length);
    }

    /// @dev Gas of the call and of its calldata (EIP-7623's floor is below it).
    function _measure(string memory name, uint256 rows) private returns (uint256 used) {
        bytes memory bundle = _bundle(rows);
        vm.cool(address(ledger));
        vm.cool(address(registry));
        vm.prank(gateway);
        uint256 before = gasleft();
        ledger.recordBundle(bundle);
        used = before - gasleft() + 21_000 + bundle.length * 16;
        emit log_named_uint(string.concat("gas per row, ", name), used / rows);
        checkBooks();
    }

    function _bundle(uint256 rows) private returns (bytes memory bundle) {
        bundle = abi.encodePacked(uint8(1), uint16(rows), new bytes(rows * (17 + 6 * SHARES)));
        uint256 offset = 3;
        for (uint256 i; i < rows; i++) {
            uint256 head = uint256(_zipf(PAYERS)) << 224 | uint256(_zipf(ADAPTERS)) << 192 | uint256(1434) << 160 | uint256(154)
                << 128 | SHARES << 120;
            offset = _put(bundle, offset, head, 17);
            for (uint256 k; k < SHARES; k++) {
                uint256 weight = 1 + _draw(16) % 65_535;
                offset = _put(bundle, offset, uint256(_zipf(CONTRIBUTIONS)) << 224 | weight << 208, 6);
            }
        }
    }

    function _put(bytes memory bundle, uint256 offset, uint256 word, uint256 size) private pure returns (uint256) {
        for (uint256 i; i < size; i++) {
            bundle[offset + i] = bytes32(word)[i];
        }
        return offset + size;
    }

    /// @dev Uniform on a logarithmic scale, which is Zipf's law with s = 1 up to rounding.
    function _zipf(uint32 n) private returns (uint32 index) {
        uint256 octaves = 1;
        while (1 << octaves <= n) octaves++;
        do {
            uint256 octave = _draw(32) % octaves;
            index = uint32((1 << octave) + _draw(octave));
        } while (index > n);
    }

    function _draw(uint256 bits) private returns (uint256) {
        _random = uint256(keccak256(abi.encode(_random)));
        return _random & ((1 << bits) - 1);
    }
}
