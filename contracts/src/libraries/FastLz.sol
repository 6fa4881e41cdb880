// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title FastLz
/// @notice Length of bytes after FastLZ compression, level 1: the measure of the L1 fee since Fjord. Only the length is computed.
/// @dev    Must agree with the execution client to the byte, quirks included; the tests carry its vectors.
library FastLz {
    /// @dev Farthest a match reaches back, exclusive; also the number of slots of the hash table.
    uint256 private constant WINDOW = 8192;
    /// @dev The last bytes are always literals.
    uint256 private constant TAIL = 13;
    /// @dev Longest match one instruction expresses.
    uint256 private constant MATCH_MAX = 262;
    /// @dev Longest run of literals one instruction expresses.
    uint256 private constant LITERALS_MAX = 32;

    /// @notice Length of `input` once compressed.
    function compressedLength(bytes memory input) internal pure returns (uint256 size) {
        uint256 limit = input.length < TAIL ? 0 : input.length - TAIL;
        uint256[] memory table = new uint256[](WINDOW);
        uint256 anchor;
        uint256 index = 2;
        while (index < limit) {
            uint256 earlier;
            (index, earlier) = _nextMatch(input, table, index, limit);
            if (index >= limit) break;
            size += _literals(index - anchor);
            uint256 length = _matchLength(input, earlier + 3, index + 3, limit + 9);
            size += _match(length);
            index += length;
            table[_hash(_three(input, index))] = index;
            index++;
            table[_hash(_three(input, index))] = index;
            index++;
            anchor = index;
        }
        size += _literals(input.length - anchor);
    }

    /// @dev First position from `index` on whose three bytes occurred within the window, and where; `limit` or more if none.
    function _nextMatch(bytes memory input, uint256[] memory table, uint256 index, uint256 limit)
        private
        pure
        returns (uint256, uint256)
    {
        while (true) {
            uint256 three = _three(input, index);
            uint256 slot = _hash(three);
            uint256 earlier = table[slot];
            table[slot] = index;
            if (index >= limit) return (index, earlier);
            if (index - earlier < WINDOW && three == _three(input, earlier)) {
                // The search has moved past the position when it looks at the limit.
                return (index + 1 >= limit ? limit : index, earlier);
            }
            index++;
        }
        assert(false);
        return (0, 0);
    }

    /// @dev Equal bytes from `earlier` and `later` on, up to `end`, counting the first unequal one.
    function _matchLength(bytes memory input, uint256 earlier, uint256 later, uint256 end) private pure returns (uint256 length) {
        uint256 most = end - later;
        while (length < most) {
            bool equal = input[earlier + length] == input[later + length];
            length++;
            if (!equal) break;
        }
    }

    function _literals(uint256 count) private pure returns (uint256) {
        uint256 rest = count % LITERALS_MAX;
        return (count / LITERALS_MAX) * (LITERALS_MAX + 1) + (rest == 0 ? 0 : rest + 1);
    }

    function _match(uint256 length) private pure returns (uint256) {
        uint256 beyond = length - 1;
        return (beyond / MATCH_MAX) * 3 + (beyond % MATCH_MAX >= 6 ? 3 : 2);
    }

    function _hash(uint256 three) private pure returns (uint256) {
        return ((three * 2654435769) >> 19) & (WINDOW - 1);
    }

    /// @dev Three bytes, the first one lowest.
    function _three(bytes memory input, uint256 index) private pure returns (uint256) {
        return uint256(uint8(input[index])) | (uint256(uint8(input[index + 1])) << 8) | (uint256(uint8(input[index + 2])) << 16);
    }
}
