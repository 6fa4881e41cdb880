// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IL1Block} from "src/interfaces/IL1Block.sol";
import {ISemver} from "src/interfaces/ISemver.sol";

/// @title L1Block
/// @notice Predeploy 0x4200…0015. The execution client reads slots 1, 3, 7 and 8 directly to charge fees, so the order of the
///         fields below is consensus.
/// @dev    Calldata, integers big-endian: 0 selector, 4 base fee scalar u32, 8 blob base fee scalar u32, 12 sequence number u64,
///         20 timestamp u64, 28 number u64, 36 base fee, 68 blob base fee, 100 hash, 132 batcher hash, 164 operator fee scalar u32,
///         168 operator fee constant u64, and for Jovian 176 DA footprint gas scalar u16.
contract L1Block is IL1Block {
    uint256 private constant ISTHMUS_SIZE = 176;
    uint256 private constant JOVIAN_SIZE = 178;

    /// @inheritdoc ISemver
    string public constant override version = "1.0.0";
    /// @inheritdoc IL1Block
    address public constant override DEPOSITOR_ACCOUNT = 0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001;

    /// @inheritdoc IL1Block
    uint64 public override number;
    /// @inheritdoc IL1Block
    uint64 public override timestamp;
    /// @inheritdoc IL1Block
    uint256 public override basefee;
    /// @inheritdoc IL1Block
    bytes32 public override hash;
    /// @inheritdoc IL1Block
    uint64 public override sequenceNumber;
    /// @inheritdoc IL1Block
    uint32 public override blobBaseFeeScalar;
    /// @inheritdoc IL1Block
    uint32 public override baseFeeScalar;
    /// @inheritdoc IL1Block
    bytes32 public override batcherHash;
    /// @inheritdoc IL1Block
    uint256 public override l1FeeOverhead;
    /// @inheritdoc IL1Block
    uint256 public override l1FeeScalar;
    /// @inheritdoc IL1Block
    uint256 public override blobBaseFee;
    /// @inheritdoc IL1Block
    uint64 public override operatorFeeConstant;
    /// @inheritdoc IL1Block
    uint32 public override operatorFeeScalar;
    /// @inheritdoc IL1Block
    uint16 public override daFootprintGasScalar;

    /// @inheritdoc IL1Block
    function setL1BlockValuesIsthmus() external override {
        _setIsthmusValues(ISTHMUS_SIZE);
    }

    /// @inheritdoc IL1Block
    function setL1BlockValuesJovian() external override {
        _setIsthmusValues(JOVIAN_SIZE);
        daFootprintGasScalar = uint16(bytes2(msg.data[176:178]));
    }

    function _setIsthmusValues(uint256 size) internal {
        if (msg.sender != DEPOSITOR_ACCOUNT) revert NotDepositor();
        if (msg.data.length != size) revert BadCalldataLength(msg.data.length, size);
        baseFeeScalar = uint32(bytes4(msg.data[4:8]));
        blobBaseFeeScalar = uint32(bytes4(msg.data[8:12]));
        sequenceNumber = uint64(bytes8(msg.data[12:20]));
        timestamp = uint64(bytes8(msg.data[20:28]));
        number = uint64(bytes8(msg.data[28:36]));
        basefee = uint256(bytes32(msg.data[36:68]));
        blobBaseFee = uint256(bytes32(msg.data[68:100]));
        hash = bytes32(msg.data[100:132]);
        batcherHash = bytes32(msg.data[132:164]);
        operatorFeeScalar = uint32(bytes4(msg.data[164:168]));
        operatorFeeConstant = uint64(bytes8(msg.data[168:176]));
    }
}
