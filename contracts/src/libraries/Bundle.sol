// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SHARES_MAX, SHARE_SIZE, Shares, SharesLib} from "src/libraries/Shares.sol";

/// @notice One inference: who paid for which tokens, and whose contributions stood behind the answer.
struct Row {
    uint32 payer;
    uint32 adapter;
    uint32 tokensIn;
    uint32 tokensOut;
    /// @dev Number of shares.
    uint256 count;
    Shares shares;
}

/// @title Bundle
/// @notice Many rows in one byte string, integers big-endian. `protocol/src/attribution/bundle.rs` is the same codec.
/// @dev    Header: version u8 = 1, row count u16 >= 1.
///         Row: payer u32, adapter u32, tokens in u32, tokens out u32, n u8 (1..5), then n times contribution u32, weight u16 > 0.
///         This library checks the shape. Whom a row names, and that no weight is zero, is for the ledger to check, which gets rows by
///         another way too.
library Bundle {
    /// @notice The header names another layout.
    error BundleVersion(uint8 version);
    /// @notice There are no rows, or not even a header.
    error BundleEmpty();
    /// @notice The bytes end within a row.
    error BundleTruncated(uint256 row, uint256 expected, uint256 found);
    /// @notice Row `row` has no shares, or more than five.
    error ShareCountOutOfRange(uint256 row, uint256 count);
    /// @notice Bytes follow the last row.
    error BundleTrailingBytes(uint256 expected, uint256 found);

    /// @dev Version byte.
    uint8 private constant VERSION = 1;
    /// @dev Bytes of the header.
    uint256 private constant HEADER_SIZE = 3;
    /// @dev Bytes of a row up to and with n.
    uint256 private constant ROW_HEAD_SIZE = 17;

    /// @notice Reads the header.
    /// @return count Rows that follow.
    /// @return offset Where they start.
    function header(bytes calldata bundle) internal pure returns (uint256 count, uint256 offset) {
        if (bundle.length < HEADER_SIZE) revert BundleEmpty();
        uint256 word = _word(bundle, 0);
        if (word >> 248 != VERSION) revert BundleVersion(uint8(word >> 248));
        count = uint16(word >> 232);
        if (count == 0) revert BundleEmpty();
        return (count, HEADER_SIZE);
    }

    /// @notice Reads the row at `offset`. `index` is for the error alone.
    /// @return row The row.
    /// @return next Where the next one starts.
    function rowAt(bytes calldata bundle, uint256 offset, uint256 index) internal pure returns (Row memory row, uint256 next) {
        next = offset + ROW_HEAD_SIZE;
        if (next > bundle.length) revert BundleTruncated(index, next, bundle.length);
        uint256 word = _word(bundle, offset);
        row.payer = uint32(word >> 224);
        row.adapter = uint32(word >> 192);
        row.tokensIn = uint32(word >> 160);
        row.tokensOut = uint32(word >> 128);
        row.count = uint8(word >> 120);
        checkCount(row.count, index);

        uint256 start = next;
        next += row.count * SHARE_SIZE;
        if (next > bundle.length) revert BundleTruncated(index, next, bundle.length);
        row.shares = SharesLib.first(bytes32(_word(bundle, start)), row.count);
    }

    /// @notice Checks the number of shares of a row.
    function checkCount(uint256 count, uint256 index) internal pure {
        if (count == 0 || count > SHARES_MAX) revert ShareCountOutOfRange(index, count);
    }

    /// @notice Checks that nothing follows the last row.
    function finish(bytes calldata bundle, uint256 offset) internal pure {
        if (offset != bundle.length) revert BundleTrailingBytes(offset, bundle.length);
    }

    /// @dev 32 bytes from `offset` on, zeros behind the end. One load instead of a bounds-checked slice for each field; the callers
    ///      check the bounds of what they use.
    function _word(bytes calldata bundle, uint256 offset) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(bundle.offset, offset))
        }
    }
}
