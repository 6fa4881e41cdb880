// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ISystemConfig} from "src/interfaces/ISystemConfig.sol";
import {ISemver} from "src/interfaces/ISemver.sol";

/// @title SystemConfig
/// @notice The chain's parameters that may change, behind the ABI and the events of the OP Stack.
contract SystemConfig is Ownable, ISystemConfig {
    /// @dev Version of the layout of `ConfigUpdate` data.
    uint256 private constant UPDATE_VERSION = 0;
    /// @dev Version byte of a fee scalar that holds both scalars.
    uint256 private constant SCALAR_VERSION_ECOTONE = 1 << 248;
    /// @dev Deposits' share of a block (the portal's cap) and the L1-attributes transaction must always fit.
    uint64 private constant GAS_LIMIT_MIN = 21_000_000;
    /// @dev Ten times Ethereum's limit of 2025: a bound against typing errors, not a target.
    uint64 private constant GAS_LIMIT_MAX = 500_000_000;

    /// @inheritdoc ISemver
    string public constant override version = "1.0.0";
    /// @inheritdoc ISystemConfig
    uint256 public constant override overhead = 0;
    /// @inheritdoc ISystemConfig
    uint64 public constant override minimumGasLimit = GAS_LIMIT_MIN;
    /// @inheritdoc ISystemConfig
    uint64 public constant override maximumGasLimit = GAS_LIMIT_MAX;

    /// @inheritdoc ISystemConfig
    address public immutable override batchInbox;
    /// @inheritdoc ISystemConfig
    address public immutable override optimismPortal;
    /// @inheritdoc ISystemConfig
    address public immutable override disputeGameFactory;
    /// @inheritdoc ISystemConfig
    uint256 public immutable override startBlock;

    /// @inheritdoc ISystemConfig
    bytes32 public override batcherHash;
    /// @inheritdoc ISystemConfig
    address public override unsafeBlockSigner;
    /// @inheritdoc ISystemConfig
    uint64 public override gasLimit;
    /// @inheritdoc ISystemConfig
    uint32 public override basefeeScalar;
    /// @inheritdoc ISystemConfig
    uint32 public override blobbasefeeScalar;
    /// @inheritdoc ISystemConfig
    uint32 public override eip1559Denominator;
    /// @inheritdoc ISystemConfig
    uint32 public override eip1559Elasticity;
    /// @inheritdoc ISystemConfig
    uint32 public override operatorFeeScalar;
    /// @inheritdoc ISystemConfig
    uint64 public override operatorFeeConstant;
    /// @inheritdoc ISystemConfig
    uint64 public override minBaseFee;
    /// @inheritdoc ISystemConfig
    uint16 public override daFootprintGasScalar;

    constructor(Config memory config) Ownable(config.owner) {
        batchInbox = config.batchInbox;
        optimismPortal = config.optimismPortal;
        disputeGameFactory = config.disputeGameFactory;
        startBlock = block.number;
        _setBatcherHash(bytes32(uint256(uint160(config.batcher))));
        _setGasConfig(config.basefeeScalar, config.blobbasefeeScalar);
        _setGasLimit(config.gasLimit);
        _setUnsafeBlockSigner(config.unsafeBlockSigner);
        _setEip1559Params(config.eip1559Denominator, config.eip1559Elasticity);
        _setOperatorFee(config.operatorFeeScalar, config.operatorFeeConstant);
        _setMinBaseFee(config.minBaseFee);
        _setDaFootprintGasScalar(config.daFootprintGasScalar);
    }

    /// @inheritdoc ISystemConfig
    function setBatcherHash(bytes32 newBatcherHash) external override onlyOwner {
        _setBatcherHash(newBatcherHash);
    }

    /// @inheritdoc ISystemConfig
    function setGasConfigEcotone(uint32 newBasefeeScalar, uint32 newBlobbasefeeScalar) external override onlyOwner {
        _setGasConfig(newBasefeeScalar, newBlobbasefeeScalar);
    }

    /// @inheritdoc ISystemConfig
    function setGasLimit(uint64 newGasLimit) external override onlyOwner {
        _setGasLimit(newGasLimit);
    }

    /// @inheritdoc ISystemConfig
    function setUnsafeBlockSigner(address newUnsafeBlockSigner) external override onlyOwner {
        _setUnsafeBlockSigner(newUnsafeBlockSigner);
    }

    /// @inheritdoc ISystemConfig
    function setEIP1559Params(uint32 denominator, uint32 elasticity) external override onlyOwner {
        _setEip1559Params(denominator, elasticity);
    }

    /// @inheritdoc ISystemConfig
    function setOperatorFeeScalars(uint32 newScalar, uint64 newConstant) external override onlyOwner {
        _setOperatorFee(newScalar, newConstant);
    }

    /// @inheritdoc ISystemConfig
    function setMinBaseFee(uint64 newMinBaseFee) external override onlyOwner {
        _setMinBaseFee(newMinBaseFee);
    }

    /// @inheritdoc ISystemConfig
    function setDAFootprintGasScalar(uint16 newScalar) external override onlyOwner {
        _setDaFootprintGasScalar(newScalar);
    }

    /// @inheritdoc ISystemConfig
    function scalar() public view override returns (uint256) {
        return SCALAR_VERSION_ECOTONE | (uint256(blobbasefeeScalar) << 32) | basefeeScalar;
    }

    function _setBatcherHash(bytes32 newBatcherHash) internal {
        if (uint256(newBatcherHash) >> 160 != 0) revert BatcherHashNotAnAddress(newBatcherHash);
        batcherHash = newBatcherHash;
        emit ConfigUpdate(UPDATE_VERSION, UpdateType.BATCHER, abi.encode(newBatcherHash));
    }

    function _setGasConfig(uint32 newBasefeeScalar, uint32 newBlobbasefeeScalar) internal {
        basefeeScalar = newBasefeeScalar;
        blobbasefeeScalar = newBlobbasefeeScalar;
        emit ConfigUpdate(UPDATE_VERSION, UpdateType.FEE_SCALARS, abi.encode(overhead, scalar()));
    }

    function _setGasLimit(uint64 newGasLimit) internal {
        if (newGasLimit < GAS_LIMIT_MIN || newGasLimit > GAS_LIMIT_MAX) {
            revert GasLimitOutOfRange(newGasLimit, GAS_LIMIT_MIN, GAS_LIMIT_MAX);
        }
        gasLimit = newGasLimit;
        emit ConfigUpdate(UPDATE_VERSION, UpdateType.GAS_LIMIT, abi.encode(newGasLimit));
    }

    function _setUnsafeBlockSigner(address newUnsafeBlockSigner) internal {
        unsafeBlockSigner = newUnsafeBlockSigner;
        emit ConfigUpdate(UPDATE_VERSION, UpdateType.UNSAFE_BLOCK_SIGNER, abi.encode(newUnsafeBlockSigner));
    }

    function _setEip1559Params(uint32 denominator, uint32 elasticity) internal {
        if (denominator == 0 || elasticity == 0) revert ZeroEip1559Parameter(denominator, elasticity);
        eip1559Denominator = denominator;
        eip1559Elasticity = elasticity;
        bytes memory data = abi.encode((uint256(denominator) << 32) | elasticity);
        emit ConfigUpdate(UPDATE_VERSION, UpdateType.EIP_1559_PARAMS, data);
    }

    function _setOperatorFee(uint32 newScalar, uint64 newConstant) internal {
        operatorFeeScalar = newScalar;
        operatorFeeConstant = newConstant;
        bytes memory data = abi.encode((uint256(newScalar) << 64) | newConstant);
        emit ConfigUpdate(UPDATE_VERSION, UpdateType.OPERATOR_FEE_PARAMS, data);
    }

    function _setMinBaseFee(uint64 newMinBaseFee) internal {
        minBaseFee = newMinBaseFee;
        emit ConfigUpdate(UPDATE_VERSION, UpdateType.MIN_BASE_FEE, abi.encode(newMinBaseFee));
    }

    function _setDaFootprintGasScalar(uint16 newScalar) internal {
        daFootprintGasScalar = newScalar;
        emit ConfigUpdate(UPDATE_VERSION, UpdateType.DA_FOOTPRINT_GAS_SCALAR, abi.encode(newScalar));
    }
}
