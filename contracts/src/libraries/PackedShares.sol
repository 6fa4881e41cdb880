// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Row} from "src/libraries/Bundle.sol";
import {Split} from "src/libraries/FeeSplit.sol";

/// @title PackedShares
/// @notice Who got what of one record, as the event carries it: four amounts of 12 bytes (platform, gateway, model, adapter), then for
///         each share contribution u32, weight u16 and an amount of 12 bytes. Amounts are wei and below 2^96, as all ether there is.
library PackedShares {
    /// @dev Bytes of the four amounts.
    uint256 private constant POOLS_SIZE = 48;
    /// @dev Bytes of one share.
    uint256 private constant SHARE_SIZE = 18;

    /// @notice Packs the split of a row.
    function encode(Row memory row, Split memory split) internal pure returns (bytes memory packed) {
        uint256 n = split.contributors.length;
        // Every store below writes a whole word; the slack takes what the last one writes beyond the end.
        packed = new bytes(POOLS_SIZE + n * SHARE_SIZE + 32);
        _store(packed, 0, split.platform << 160 | split.gateway << 64);
        _store(packed, 24, split.model << 160 | split.adapter << 64);
        for (uint256 i; i < n; i++) {
            uint256 share = uint256(row.contributions[i]) << 224 | uint256(row.weights[i]) << 208 | split.contributors[i] << 112;
            _store(packed, POOLS_SIZE + i * SHARE_SIZE, share);
        }
        assembly ("memory-safe") {
            mstore(packed, sub(mload(packed), 32))
        }
    }

    function _store(bytes memory packed, uint256 offset, uint256 word) private pure {
        assembly ("memory-safe") {
            mstore(add(add(packed, 32), offset), word)
        }
    }
}
