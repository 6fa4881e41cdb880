//! The attribution contracts on L2.

// `sol!` writes a constructor with one argument for each parameter of an event.
#![allow(clippy::too_many_arguments)]

use alloy_sol_types::sol;

sol! {
    /// Who and what can stand behind an inference. Indexes count from 1; 0 is never assigned.
    #[derive(Debug, PartialEq, Eq)]
    interface IAttributionRegistry {
        /// How a fee is divided, in 1/10,000; the parts sum to 10,000.
        struct FeePolicy {
            uint16 platform;
            uint16 gateway;
            uint16 model;
            uint16 adapter;
            uint16 contributors;
        }

        /// A model to be registered.
        struct ModelEntry {
            address owner;
            bytes32 contentHash;
            string metaUri;
        }

        /// An adapter to be registered; rates in wei per token.
        struct AdapterEntry {
            address owner;
            uint32 model;
            uint32 feePolicy;
            uint64 rateIn;
            uint64 rateOut;
            bytes32 contentHash;
        }

        /// A contribution to be registered.
        struct ContributionEntry {
            address payee;
            bytes32 contentHash;
        }

        error NotAdmin(address caller);
        error NotOwner(address caller, address owner);
        error ZeroAddress();
        error UnknownModel(uint32 model);
        error UnknownAdapter(uint32 adapter);
        error UnknownDatanet(uint32 datanet);
        error UnknownContribution(uint32 contribution);
        error UnknownFeePolicy(uint32 feePolicy);
        error UnknownGateway(uint32 gateway);
        error FeePartsSum(uint256 sum);
        error SignerTaken(address signer, uint32 gateway);

        event ModelRegistered(uint32 indexed model, address indexed owner, bytes32 contentHash, string metaUri);
        event AdapterRegistered(
            uint32 indexed adapter,
            address indexed owner,
            uint32 indexed model,
            uint32 feePolicy,
            uint64 rateIn,
            uint64 rateOut,
            bytes32 contentHash
        );
        event DatanetCreated(uint32 indexed datanet, address indexed curator, bytes32 contentHash, string metaUri);
        event ContributionRegistered(uint32 indexed contribution, uint32 indexed datanet, address indexed payee, bytes32 contentHash);
        event FeePolicyCreated(uint32 indexed feePolicy, FeePolicy policy);
        event GatewayRegistered(uint32 indexed gateway, address indexed signer, address payee);
        event GatewayRemoved(uint32 indexed gateway, address indexed signer);
        event ModelOwnerChanged(uint32 indexed model, address indexed owner);
        event AdapterOwnerChanged(uint32 indexed adapter, address indexed owner);
        event ContributionPayeeChanged(uint32 indexed contribution, address indexed payee);
        event AdminChanged(address indexed admin);
        event PlatformPayeeChanged(address indexed payee);

        function registerModel(address owner, bytes32 contentHash, string calldata metaUri) external returns (uint32 model);
        function registerModels(ModelEntry[] calldata entries) external returns (uint32 first);
        function registerAdapter(address owner, uint32 model, uint32 feePolicy, uint64 rateIn, uint64 rateOut, bytes32 contentHash) external returns (uint32 adapter);
        function registerAdapters(AdapterEntry[] calldata entries) external returns (uint32 first);
        function createDatanet(bytes32 contentHash, string calldata metaUri) external returns (uint32 datanet);
        function registerContribution(uint32 datanet, bytes32 contentHash, address payee) external returns (uint32 contribution);
        function registerContributions(uint32 datanet, ContributionEntry[] calldata entries) external returns (uint32 first);
        function setModelOwner(uint32 model, address owner) external;
        function setAdapterOwner(uint32 adapter, address owner) external;
        function setContributionPayee(uint32 contribution, address payee) external;
        function createFeePolicy(FeePolicy calldata policy) external returns (uint32 feePolicy);
        function registerGateway(address signer, address payee) external returns (uint32 gateway);
        function removeGateway(uint32 gateway) external;
        function setAdmin(address admin) external;
        function setPlatformPayee(address payee) external;

        function admin() external view returns (address);
        function platformPayee() external view returns (address);
        function modelCount() external view returns (uint32);
        function adapterCount() external view returns (uint32);
        function datanetCount() external view returns (uint32);
        function contributionCount() external view returns (uint32);
        function feePolicyCount() external view returns (uint32);
        function gatewayCount() external view returns (uint32);
        function modelOf(uint32 model) external view returns (address owner, bytes32 contentHash);
        function adapterOf(uint32 adapter) external view returns (AdapterEntry memory);
        function datanetOf(uint32 datanet) external view returns (address curator, bytes32 contentHash);
        function contributionOf(uint32 contribution) external view returns (address payee, uint32 datanet, bytes32 contentHash);
        function feePolicyOf(uint32 feePolicy) external view returns (FeePolicy memory);
        function gatewayOf(uint32 gateway) external view returns (address signer, address payee);
        function gatewayIndex(address signer) external view returns (uint32 gateway);
    }
}

sol! {
    /// Inferences, and who is owed what for them. Amounts in wei; payers and records count from 1.
    #[derive(Debug, PartialEq, Eq)]
    interface IAttributionLedger {
        /// A contribution's share of one record.
        struct Share {
            uint32 contribution;
            uint16 weight;
        }

        error NotAGateway(address caller);
        error UnknownPayer(uint256 row, uint32 payer);
        error UnknownAdapter(uint256 row, uint32 adapter);
        error UnknownContribution(uint256 row, uint32 contribution);
        error ShareCountOutOfRange(uint256 row, uint256 count);
        error ZeroWeight(uint256 row, uint32 contribution);
        error InsufficientPrepaid(uint256 row, uint32 payer, uint256 balance, uint256 fee);
        error InsufficientBalance(uint256 balance, uint256 requested);
        error AmountsSum(uint256 sum, uint256 value);
        error LengthMismatch(uint256 accounts, uint256 amounts);
        error ZeroAddress();
        error NothingToClaim(address payee);
        error TransferFailed(address receiver, uint256 amount);
        error BundleVersion(uint8 version);
        error BundleEmpty();
        error BundleTruncated(uint256 row, uint256 expected, uint256 found);
        error BundleTrailingBytes(uint256 expected, uint256 found);

        event PayerRegistered(uint32 indexed payer, address indexed account);
        event Deposited(uint32 indexed payer, uint256 amount);
        event Withdrawn(uint32 indexed payer, uint256 amount);
        event InferenceRecorded(
            uint64 indexed id,
            uint32 indexed payer,
            uint32 indexed adapter,
            uint32 gateway,
            uint32 tokensIn,
            uint32 tokensOut,
            uint256 fee,
            bytes shares
        );
        event Claimed(address indexed payee, uint256 amount);
        event ContributionClaimed(uint32 indexed contribution, address indexed payee, uint256 amount);

        function deposit() external payable returns (uint32 payer);
        function depositFor(address account) external payable returns (uint32 payer);
        function registerPayers(address[] calldata accounts, uint256[] calldata amounts) external payable returns (uint32 first);
        function withdraw(uint256 amount) external;
        function recordInference(uint32 payer, uint32 adapter, uint32 tokensIn, uint32 tokensOut, Share[] calldata shares) external returns (uint64 id);
        function recordBundle(bytes calldata bundle) external returns (uint64 firstId);
        function claim() external returns (uint256 amount);
        function claimFor(address payee) external returns (uint256 amount);
        function claimContributions(uint32[] calldata contributions) external returns (uint256 amount);

        function registry() external view returns (address);
        function sharesMax() external view returns (uint256);
        function recordCount() external view returns (uint64);
        function payerCount() external view returns (uint32);
        function payerIndex(address account) external view returns (uint32 payer);
        function payerAccount(uint32 payer) external view returns (address account);
        function prepaid(uint32 payer) external view returns (uint256);
        function accrued(address payee) external view returns (uint256);
        function contributionAccrued(uint32 contribution) external view returns (uint256);
        function carriedRemainder(uint32 feePolicy) external view returns (uint256);
        function totalFees() external view returns (uint256);
        function totalShares() external view returns (uint256);
        function totalClaimed() external view returns (uint256);
        function totalPrepaid() external view returns (uint256);
        function totalCarried() external view returns (uint256);
        function owed() external view returns (uint256);
    }
}
