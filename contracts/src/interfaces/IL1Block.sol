// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISemver} from "src/interfaces/ISemver.sol";

/// @title IL1Block
/// @notice What L2 knows of L1: the attributes of the L1 origin, set by the first transaction of every block.
interface IL1Block is ISemver {
    /// @notice Only the depositor account, which nobody has the key of, sets the values.
    error NotDepositor();
    /// @notice The packed calldata has one exact length.
    error BadCalldataLength(uint256 found, uint256 expected);

    /// @notice Sets everything; arguments are packed behind the selector (176 bytes in all).
    function setL1BlockValuesIsthmus() external;
    /// @notice The same with the DA footprint gas scalar (178 bytes in all).
    function setL1BlockValuesJovian() external;

    /// @notice Account that sends the L1-attributes transaction.
    function DEPOSITOR_ACCOUNT() external pure returns (address);
    /// @notice Height of the L1 origin.
    function number() external view returns (uint64);
    /// @notice Timestamp of the L1 origin, unix seconds.
    function timestamp() external view returns (uint64);
    /// @notice Base fee of the L1 origin, wei.
    function basefee() external view returns (uint256);
    /// @notice Hash of the L1 origin.
    function hash() external view returns (bytes32);
    /// @notice How many L2 blocks of the same epoch come before this one.
    function sequenceNumber() external view returns (uint64);
    /// @notice Scales the blob base fee in the L1 fee, millionths.
    function blobBaseFeeScalar() external view returns (uint32);
    /// @notice Scales the base fee in the L1 fee, millionths.
    function baseFeeScalar() external view returns (uint32);
    /// @notice Batcher's address behind twelve zero bytes.
    function batcherHash() external view returns (bytes32);
    /// @notice Pre-Ecotone; always 0.
    function l1FeeOverhead() external view returns (uint256);
    /// @notice Pre-Ecotone; always 0.
    function l1FeeScalar() external view returns (uint256);
    /// @notice Blob base fee of the L1 origin, wei.
    function blobBaseFee() external view returns (uint256);
    /// @notice Operator fee per transaction, wei.
    function operatorFeeConstant() external view returns (uint64);
    /// @notice Operator fee per gas: hundreds of wei (Jovian), millionths of a wei (Isthmus).
    function operatorFeeScalar() external view returns (uint32);
    /// @notice Gas of DA footprint per estimated byte.
    function daFootprintGasScalar() external view returns (uint16);
}
