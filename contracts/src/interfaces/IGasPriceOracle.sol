// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISemver} from "src/interfaces/ISemver.sol";

/// @title IGasPriceOracle
/// @notice What a transaction costs beside its gas, as wallets and tools ask for it. Nothing is charged from here: the execution
///         client computes the same numbers itself.
interface IGasPriceOracle is ISemver {
    /// @notice L1 fee of a transaction, wei, by the Fjord rule. Takes the unsigned transaction; 68 bytes are added for its signature.
    function getL1Fee(bytes memory unsignedTransaction) external view returns (uint256);
    /// @notice L1 fee of an incompressible unsigned transaction of this size, wei.
    function getL1FeeUpperBound(uint256 unsignedTransactionSize) external view returns (uint256);
    /// @notice Gas on L1 that the transaction is estimated to take as calldata.
    function getL1GasUsed(bytes memory unsignedTransaction) external view returns (uint256);
    /// @notice Operator fee of a transaction that used so much gas, wei.
    function getOperatorFee(uint256 gasUsed) external view returns (uint256);

    /// @notice Decimals of the scalars.
    function DECIMALS() external view returns (uint256);
    /// @notice The same under its older name.
    function decimals() external pure returns (uint256);
    /// @notice Base fee of this block, wei.
    function gasPrice() external view returns (uint256);
    /// @notice Base fee of this block, wei.
    function baseFee() external view returns (uint256);
    /// @notice Base fee of the L1 origin, wei.
    function l1BaseFee() external view returns (uint256);
    /// @notice Blob base fee of the L1 origin, wei.
    function blobBaseFee() external view returns (uint256);
    /// @notice Scales the base fee in the L1 fee, millionths.
    function baseFeeScalar() external view returns (uint32);
    /// @notice Scales the blob base fee in the L1 fee, millionths.
    function blobBaseFeeScalar() external view returns (uint32);
    /// @notice Whether the Ecotone rules hold.
    function isEcotone() external view returns (bool);
    /// @notice Whether the Fjord rules hold.
    function isFjord() external view returns (bool);
    /// @notice Whether the Isthmus rules hold.
    function isIsthmus() external view returns (bool);
    /// @notice Whether the Jovian rules hold.
    function isJovian() external view returns (bool);
}
