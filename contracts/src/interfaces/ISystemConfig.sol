// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISemver} from "src/interfaces/ISemver.sol";

/// @title ISystemConfig
/// @notice What the owner may change about the chain while it runs. Derivation follows the events, not the storage: a change is in
///         force for every L2 block whose L1 origin is the block of the event, or later.
interface ISystemConfig is ISemver {
    /// @notice What a `ConfigUpdate` changes. The numbers are the OP Stack's and never change.
    enum UpdateType {
        BATCHER,
        FEE_SCALARS,
        GAS_LIMIT,
        UNSAFE_BLOCK_SIGNER,
        EIP_1559_PARAMS,
        OPERATOR_FEE_PARAMS,
        MIN_BASE_FEE,
        DA_FOOTPRINT_GAS_SCALAR
    }

    /// @notice Everything the constructor sets. The events of the constructor are not derived from: genesis carries the same values.
    struct Config {
        address owner;
        address batcher;
        address unsafeBlockSigner;
        address batchInbox;
        address optimismPortal;
        address disputeGameFactory;
        uint64 gasLimit;
        uint32 basefeeScalar;
        uint32 blobbasefeeScalar;
        uint32 eip1559Denominator;
        uint32 eip1559Elasticity;
        uint32 operatorFeeScalar;
        uint64 operatorFeeConstant;
        uint64 minBaseFee;
        uint16 daFootprintGasScalar;
    }

    /// @notice The gas limit is outside what the chain can be derived with.
    error GasLimitOutOfRange(uint64 gasLimit, uint64 minimum, uint64 maximum);
    /// @notice A denominator or elasticity of zero would divide by zero in the base-fee rule.
    error ZeroEip1559Parameter(uint32 denominator, uint32 elasticity);
    /// @notice The batcher hash is not an address behind zeros.
    error BatcherHashNotAnAddress(bytes32 batcherHash);

    /// @notice One change.
    /// @param version    0, the only layout of `data` there is.
    /// @param updateType What changes.
    /// @param data       ABI encoding of the new value: one word, two for the fee scalars.
    event ConfigUpdate(uint256 indexed version, UpdateType indexed updateType, bytes data);

    /// @notice Names who may post batches. Emits type 0, `abi.encode(batcherHash)`.
    function setBatcherHash(bytes32 batcherHash) external;
    /// @notice Sets the L1 fee scalars, millionths. Emits type 1, `abi.encode(overhead = 0, scalar)`.
    function setGasConfigEcotone(uint32 basefeeScalar, uint32 blobbasefeeScalar) external;
    /// @notice Sets the gas limit of L2 blocks. Emits type 2, `abi.encode(gasLimit)`.
    function setGasLimit(uint64 gasLimit) external;
    /// @notice Names who signs unsafe blocks. Emits type 3, `abi.encode(signer)`.
    function setUnsafeBlockSigner(address unsafeBlockSigner) external;
    /// @notice Sets the numbers of the base-fee rule. Emits type 4, `abi.encode(uint256(denominator) << 32 | elasticity)`.
    function setEIP1559Params(uint32 denominator, uint32 elasticity) external;
    /// @notice Sets the operator fee. Emits type 5, `abi.encode(uint256(scalar) << 64 | constant)`.
    function setOperatorFeeScalars(uint32 operatorFeeScalar, uint64 operatorFeeConstant) external;
    /// @notice Sets the floor of the base fee, wei. Emits type 6, `abi.encode(minBaseFee)`.
    function setMinBaseFee(uint64 minBaseFee) external;
    /// @notice Sets the gas of DA footprint per estimated byte; 0 selects the protocol's default. Emits type 7.
    function setDAFootprintGasScalar(uint16 daFootprintGasScalar) external;

    /// @notice Batcher's address behind twelve zero bytes.
    function batcherHash() external view returns (bytes32);
    /// @notice Pre-Ecotone fee overhead; always 0.
    function overhead() external view returns (uint256);
    /// @notice Fee scalars in one word: version byte 1, bytes 24..28 blob base fee scalar, 28..32 base fee scalar.
    function scalar() external view returns (uint256);
    /// @notice Scales L1's base fee in the L1 fee, millionths.
    function basefeeScalar() external view returns (uint32);
    /// @notice Scales L1's blob base fee in the L1 fee, millionths.
    function blobbasefeeScalar() external view returns (uint32);
    /// @notice Gas limit of L2 blocks.
    function gasLimit() external view returns (uint64);
    /// @notice Who signs unsafe blocks.
    function unsafeBlockSigner() external view returns (address);
    /// @notice Base-fee change denominator.
    function eip1559Denominator() external view returns (uint32);
    /// @notice Gas limit divided by gas target.
    function eip1559Elasticity() external view returns (uint32);
    /// @notice Operator fee per gas: hundreds of wei (Jovian), millionths of a wei (Isthmus).
    function operatorFeeScalar() external view returns (uint32);
    /// @notice Operator fee per transaction, wei.
    function operatorFeeConstant() external view returns (uint64);
    /// @notice Floor of the base fee, wei.
    function minBaseFee() external view returns (uint64);
    /// @notice Gas of DA footprint per estimated byte; 0 selects the protocol's default.
    function daFootprintGasScalar() external view returns (uint16);
    /// @notice Lowest gas limit: what deposits and the L1-attributes transaction of one block may use.
    function minimumGasLimit() external view returns (uint64);
    /// @notice Highest gas limit.
    function maximumGasLimit() external view returns (uint64);
    /// @notice Address batches are sent to.
    function batchInbox() external view returns (address);
    /// @notice Portal whose deposits are derived.
    function optimismPortal() external view returns (address);
    /// @notice Where output roots are proposed.
    function disputeGameFactory() external view returns (address);
    /// @notice L1 block this contract was created in: nothing before it concerns this chain.
    function startBlock() external view returns (uint256);
}
