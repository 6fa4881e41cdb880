// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Split} from "src/libraries/FeeSplit.sol";
import {Shares} from "src/libraries/Shares.sol";

/// @title PackedShares
/// @notice Who got what of one record, as the event carries it: four amounts of 12 bytes (platform, gateway, model, adapter), then for
///         each share contribution u32, weight u16 and an amount of 12 bytes. Amounts are wei and below 2^96, as all ether there is.
library PackedShares {
    /// @dev Bytes of the four amounts.
    uint256 private constant POOLS_SIZE = 48;
    /// @dev Bytes of one share.
    uint256 private constant SHARE_SIZE = 18;

    /// @notice Room for `count` shares, at most 5, with the four amounts in place.
    function begin(Split memory split, uint256 count) internal pure returns (bytes memory packed) {
        uint256 pools = (split.platform << 160) | (split.gateway << 64) | (split.model >> 32);
        uint256 rest = (split.model << 224) | (split.adapter << 128);
        assembly ("memory-safe") {
            packed := mload(0x40)
            // Words are stored whole: the slack takes what the last share's word writes beyond the end.
            mstore(0x40, add(packed, 224))
            mstore(packed, add(POOLS_SIZE, mul(count, SHARE_SIZE)))
            mstore(add(packed, 32), pools)
            mstore(add(packed, 64), rest)
        }
    }

    /// @notice Puts share `i`, which is below the count, in place. Shares are put in order.
    function put(bytes memory packed, uint256 i, Shares shares, uint256 amount) internal pure {
        // The top 6 bytes of the shifted word are contribution and weight as they stand in the row.
        uint256 word = (uint256(Shares.unwrap(shares) << (i * 48)) & ~uint256(type(uint208).max)) | (amount << 112);
        assembly ("memory-safe") {
            mstore(add(add(packed, add(32, POOLS_SIZE)), mul(i, SHARE_SIZE)), word)
        }
    }
}
