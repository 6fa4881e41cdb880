// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IGasPriceOracle} from "src/interfaces/IGasPriceOracle.sol";
import {IL1Block} from "src/interfaces/IL1Block.sol";
import {ISemver} from "src/interfaces/ISemver.sol";
import {FastLz} from "src/libraries/FastLz.sol";
import {Predeploys} from "src/libraries/Predeploys.sol";

/// @title GasPriceOracle
/// @notice Predeploy 0x4200…000F. A predeploy has no constructor, so genesis writes slot 0: one byte per fork, lowest first,
///         0x01010101 with Jovian, 0x00010101 without.
contract GasPriceOracle is IGasPriceOracle {
    /// @dev Fjord's line from compressed length to estimated size, and the least size; all in millionths of a byte.
    uint256 private constant FJORD_SIZE_MIN = 100_000_000;
    uint256 private constant FJORD_INTERCEPT = 42_585_600;
    uint256 private constant FJORD_SLOPE = 836_500;
    /// @dev What a signature adds to an unsigned transaction.
    uint256 private constant SIGNATURE_SIZE = 68;
    /// @dev Gas of a non-zero byte of calldata.
    uint256 private constant BYTE_GAS = 16;

    /// @inheritdoc ISemver
    string public constant override version = "1.0.0";
    /// @inheritdoc IGasPriceOracle
    uint256 public constant override DECIMALS = 6;
    /// @dev What the execution client reads.
    IL1Block private constant L1_BLOCK = IL1Block(Predeploys.L1_BLOCK);

    /// @inheritdoc IGasPriceOracle
    bool public override isEcotone;
    /// @inheritdoc IGasPriceOracle
    bool public override isFjord;
    /// @inheritdoc IGasPriceOracle
    bool public override isIsthmus;
    /// @inheritdoc IGasPriceOracle
    bool public override isJovian;

    /// @inheritdoc IGasPriceOracle
    function getL1Fee(bytes memory unsignedTransaction) external view override returns (uint256) {
        // Without scalars the fee is zero whatever the size; computing that size is the expensive part.
        if (_l1FeeScaled() == 0) return 0;
        return _l1Fee(FastLz.compressedLength(unsignedTransaction) + SIGNATURE_SIZE);
    }

    /// @inheritdoc IGasPriceOracle
    function getL1FeeUpperBound(uint256 unsignedTransactionSize) external view override returns (uint256) {
        // Bytes that do not compress become runs of literals: one byte more for each 32 begun.
        return _l1Fee(unsignedTransactionSize + (unsignedTransactionSize + 31) / 32 + SIGNATURE_SIZE);
    }

    /// @inheritdoc IGasPriceOracle
    function getL1GasUsed(bytes memory unsignedTransaction) external pure override returns (uint256) {
        return (_estimatedSize(FastLz.compressedLength(unsignedTransaction) + SIGNATURE_SIZE) * BYTE_GAS) / 10 ** DECIMALS;
    }

    /// @inheritdoc IGasPriceOracle
    function getOperatorFee(uint256 gasUsed) external view override returns (uint256) {
        uint256 perGas = L1_BLOCK.operatorFeeScalar();
        uint256 constantPart = L1_BLOCK.operatorFeeConstant();
        if (isJovian) return gasUsed * perGas * 100 + constantPart;
        return (gasUsed * perGas) / 10 ** DECIMALS + constantPart;
    }

    /// @inheritdoc IGasPriceOracle
    function gasPrice() external view override returns (uint256) {
        return block.basefee;
    }

    /// @inheritdoc IGasPriceOracle
    function baseFee() external view override returns (uint256) {
        return block.basefee;
    }

    /// @inheritdoc IGasPriceOracle
    function l1BaseFee() external view override returns (uint256) {
        return L1_BLOCK.basefee();
    }

    /// @inheritdoc IGasPriceOracle
    function blobBaseFee() external view override returns (uint256) {
        return L1_BLOCK.blobBaseFee();
    }

    /// @inheritdoc IGasPriceOracle
    function baseFeeScalar() external view override returns (uint32) {
        return L1_BLOCK.baseFeeScalar();
    }

    /// @inheritdoc IGasPriceOracle
    function blobBaseFeeScalar() external view override returns (uint32) {
        return L1_BLOCK.blobBaseFeeScalar();
    }

    /// @inheritdoc IGasPriceOracle
    function decimals() external pure override returns (uint256) {
        return DECIMALS;
    }

    /// @dev Fee of a transaction with this compressed length, signature included.
    function _l1Fee(uint256 compressedLength) internal view returns (uint256) {
        return (_estimatedSize(compressedLength) * _l1FeeScaled()) / 10 ** (2 * DECIMALS);
    }

    /// @dev Millionths of a wei per byte.
    function _l1FeeScaled() internal view returns (uint256) {
        return BYTE_GAS * L1_BLOCK.baseFeeScalar() * L1_BLOCK.basefee() + L1_BLOCK.blobBaseFeeScalar() * L1_BLOCK.blobBaseFee();
    }

    /// @dev Millionths of a byte.
    function _estimatedSize(uint256 compressedLength) internal pure returns (uint256) {
        uint256 scaled = FJORD_SLOPE * compressedLength;
        uint256 estimate = scaled > FJORD_INTERCEPT ? scaled - FJORD_INTERCEPT : 0;
        return estimate < FJORD_SIZE_MIN ? FJORD_SIZE_MIN : estimate;
    }
}
