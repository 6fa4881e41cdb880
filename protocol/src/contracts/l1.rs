//! Contracts on L1, behind the OP Stack's ABI.

use alloy_sol_types::sol;

sol! {
    /// Parameters of the chain that may change. Derivation follows the events, which [`crate::config::ConfigUpdate`] reads.
    #[derive(Debug, PartialEq, Eq)]
    interface ISystemConfig {
        /// Everything the constructor sets.
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

        error GasLimitOutOfRange(uint64 gasLimit, uint64 minimum, uint64 maximum);
        error ZeroEip1559Parameter(uint32 denominator, uint32 elasticity);
        error BatcherHashNotAnAddress(bytes32 batcherHash);
        error OwnableUnauthorizedAccount(address account);

        event ConfigUpdate(uint256 indexed version, uint8 indexed updateType, bytes data);

        function setBatcherHash(bytes32 batcherHash) external;
        function setGasConfigEcotone(uint32 basefeeScalar, uint32 blobbasefeeScalar) external;
        function setGasLimit(uint64 gasLimit) external;
        function setUnsafeBlockSigner(address unsafeBlockSigner) external;
        function setEIP1559Params(uint32 denominator, uint32 elasticity) external;
        function setOperatorFeeScalars(uint32 operatorFeeScalar, uint64 operatorFeeConstant) external;
        function setMinBaseFee(uint64 minBaseFee) external;
        function setDAFootprintGasScalar(uint16 daFootprintGasScalar) external;
        function transferOwnership(address newOwner) external;

        function owner() external view returns (address);
        function batcherHash() external view returns (bytes32);
        function overhead() external view returns (uint256);
        function scalar() external view returns (uint256);
        function basefeeScalar() external view returns (uint32);
        function blobbasefeeScalar() external view returns (uint32);
        function gasLimit() external view returns (uint64);
        function unsafeBlockSigner() external view returns (address);
        function eip1559Denominator() external view returns (uint32);
        function eip1559Elasticity() external view returns (uint32);
        function operatorFeeScalar() external view returns (uint32);
        function operatorFeeConstant() external view returns (uint64);
        function minBaseFee() external view returns (uint64);
        function daFootprintGasScalar() external view returns (uint16);
        function batchInbox() external view returns (address);
        function optimismPortal() external view returns (address);
        function disputeGameFactory() external view returns (address);
        function startBlock() external view returns (uint256);
        function version() external view returns (string);
    }
}

sol! {
    /// The way from L1 into the chain.
    #[derive(Debug, PartialEq, Eq)]
    interface IOptimismPortal {
        error OptimismPortal_GasLimitTooLow();
        error OptimismPortal_CalldataTooLarge();
        error OptimismPortal_BadTarget();
        error OptimismPortal_DepositGasExhausted(uint64 requested, uint64 left);

        event TransactionDeposited(address indexed from, address indexed to, uint256 indexed version, bytes opaqueData);

        function depositTransaction(address to, uint256 value, uint64 gasLimit, bool isCreation, bytes memory data) external payable;
        function minimumGasLimit(uint64 byteCount) external pure returns (uint64);
        function maxDepositGasPerBlock() external view returns (uint64);
        function systemConfig() external view returns (address);
        function disputeGameFactory() external view returns (address);
        function respectedGameType() external view returns (uint32);
    }
}

sol! {
    /// Where output roots are proposed.
    #[derive(Debug, PartialEq, Eq)]
    interface IDisputeGameFactory {
        /// One find of `findLatestGames`.
        struct GameSearchResult {
            uint256 index;
            bytes32 metadata;
            uint64 timestamp;
            bytes32 rootClaim;
            bytes extraData;
        }

        error NoImplementation(uint32 gameType);
        error IncorrectBondAmount();
        error GameAlreadyExists(bytes32 uuid);

        event DisputeGameCreated(address indexed disputeProxy, uint32 indexed gameType, bytes32 indexed rootClaim);

        function create(uint32 gameType, bytes32 rootClaim, bytes calldata extraData) external payable returns (address proxy_);
        function setImplementation(uint32 gameType, address impl) external;
        function gameCount() external view returns (uint256 gameCount_);
        function games(uint32 gameType, bytes32 rootClaim, bytes calldata extraData) external view returns (address proxy_, uint64 timestamp_);
        function gameAtIndex(uint256 index) external view returns (uint32 gameType_, uint64 timestamp_, address proxy_);
        function gameImpls(uint32 gameType) external view returns (address);
        function initBonds(uint32 gameType) external view returns (uint256);
        function findLatestGames(uint32 gameType, uint256 start, uint256 n) external view returns (GameSearchResult[] memory games_);
    }
}

sol! {
    /// A claim about an L2 block, and what became of it. `status`: 0 in progress, 1 refused, 2 stands.
    #[derive(Debug, PartialEq, Eq)]
    interface IDisputeGame {
        error AlreadyInitialized();
        error BadAuth();
        error BadExtraData();
        error GameNotInProgress();
        error ChallengePeriodNotOver(uint256 endsAt, uint256 timeNow);

        event Resolved(uint8 indexed status);
        event Blacklisted(address indexed guardian);

        function resolve() external returns (uint8);
        function blacklist() external;
        function createdAt() external view returns (uint64);
        function resolvedAt() external view returns (uint64);
        function status() external view returns (uint8);
        function blacklisted() external view returns (bool);
        function gameType() external view returns (uint32);
        function gameData() external view returns (uint32 gameType_, bytes32 rootClaim_, bytes memory extraData_);
        function gameCreator() external view returns (address);
        function rootClaim() external view returns (bytes32);
        function l1Head() external view returns (bytes32);
        function l2BlockNumber() external view returns (uint256);
        function l2SequenceNumber() external view returns (uint256);
        function extraData() external view returns (bytes memory);
        function proposer() external view returns (address);
        function guardian() external view returns (address);
        function challengePeriod() external view returns (uint64);
    }
}

sol! {
    /// Creates everything a chain needs on L1 in one transaction. `optimismPortal` and `disputeGameFactory` of the configuration are
    /// filled in by the contract.
    #[derive(Debug, PartialEq, Eq)]
    contract L1Deployment {
        /// Who proposes and who may refuse; the period in seconds.
        struct Proposals {
            address proposer;
            address guardian;
            uint64 challengePeriod;
        }

        constructor(ISystemConfig.Config memory config, Proposals memory proposals);

        function disputeGameFactory() external view returns (address);
        function outputProposal() external view returns (address);
        function systemConfig() external view returns (address);
        function optimismPortal() external view returns (address);
    }
}
