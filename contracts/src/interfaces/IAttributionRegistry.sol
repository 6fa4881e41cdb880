// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FeePolicy, PackedTerms} from "src/libraries/FeePolicy.sol";
import {ISemver} from "src/interfaces/ISemver.sol";

/// @title IAttributionRegistry
/// @notice Who and what can stand behind an inference. Each entry gets the next index of its kind, counted from 1, so that a row can
///         name it in four bytes; 0 is never assigned. Entries are never removed: past records refer to them.
interface IAttributionRegistry is ISemver {
    /// @notice A model to be registered.
    struct ModelEntry {
        address owner;
        bytes32 contentHash;
        string metaUri;
    }

    /// @notice An adapter to be registered; rates in wei per token.
    struct AdapterEntry {
        address owner;
        uint32 model;
        uint32 feePolicy;
        uint64 rateIn;
        uint64 rateOut;
        bytes32 contentHash;
    }

    /// @notice A contribution to be registered.
    struct ContributionEntry {
        address payee;
        bytes32 contentHash;
    }

    /// @notice Only the admin does this.
    error NotAdmin(address caller);
    /// @notice Only the owner of the entry does this.
    error NotOwner(address caller, address owner);
    /// @notice An owner, payee or signer is the zero address.
    error ZeroAddress();
    /// @notice There is no model with this index.
    error UnknownModel(uint32 model);
    /// @notice There is no adapter with this index.
    error UnknownAdapter(uint32 adapter);
    /// @notice There is no datanet with this index.
    error UnknownDatanet(uint32 datanet);
    /// @notice There is no contribution with this index.
    error UnknownContribution(uint32 contribution);
    /// @notice There is no fee policy with this index.
    error UnknownFeePolicy(uint32 feePolicy);
    /// @notice There is no gateway with this index.
    error UnknownGateway(uint32 gateway);
    /// @notice The parts of a fee policy must sum to 10,000.
    error FeePartsSum(uint256 sum);
    /// @notice The address signs for a gateway already.
    error SignerTaken(address signer, uint32 gateway);

    /// @notice A base model was registered.
    event ModelRegistered(uint32 indexed model, address indexed owner, bytes32 contentHash, string metaUri);
    /// @notice An adapter was registered.
    event AdapterRegistered(
        uint32 indexed adapter,
        address indexed owner,
        uint32 indexed model,
        uint32 feePolicy,
        uint64 rateIn,
        uint64 rateOut,
        bytes32 contentHash
    );
    /// @notice A datanet was created.
    event DatanetCreated(uint32 indexed datanet, address indexed curator, bytes32 contentHash, string metaUri);
    /// @notice A contribution was registered.
    event ContributionRegistered(uint32 indexed contribution, uint32 indexed datanet, address indexed payee, bytes32 contentHash);
    /// @notice A fee policy was created.
    event FeePolicyCreated(uint32 indexed feePolicy, FeePolicy policy);
    /// @notice A gateway may record.
    event GatewayRegistered(uint32 indexed gateway, address indexed signer, address payee);
    /// @notice A gateway may no longer record.
    event GatewayRemoved(uint32 indexed gateway, address indexed signer);
    /// @notice A model's later fees go to somebody else.
    event ModelOwnerChanged(uint32 indexed model, address indexed owner);
    /// @notice An adapter's later fees go to somebody else.
    event AdapterOwnerChanged(uint32 indexed adapter, address indexed owner);
    /// @notice A contribution's shares go to somebody else.
    event ContributionPayeeChanged(uint32 indexed contribution, address indexed payee);
    /// @notice The registry has another admin.
    event AdminChanged(address indexed admin);
    /// @notice The platform's later parts go to somebody else.
    event PlatformPayeeChanged(address indexed payee);

    /// @notice Registers a base model. Anyone may, for any owner: being owner only ever pays.
    function registerModel(address owner, bytes32 contentHash, string calldata metaUri) external returns (uint32 model);
    /// @notice Registers many models; their indexes follow each other.
    function registerModels(ModelEntry[] calldata entries) external returns (uint32 first);
    /// @notice Registers an adapter of a model. Its rates and its policy never change: a new price is a new adapter.
    function registerAdapter(address owner, uint32 model, uint32 feePolicy, uint64 rateIn, uint64 rateOut, bytes32 contentHash)
        external
        returns (uint32 adapter);
    /// @notice Registers many adapters; their indexes follow each other.
    function registerAdapters(AdapterEntry[] calldata entries) external returns (uint32 first);
    /// @notice Creates a data collection with the caller as its curator.
    function createDatanet(bytes32 contentHash, string calldata metaUri) external returns (uint32 datanet);
    /// @notice Registers a piece of a datanet. Curator only.
    function registerContribution(uint32 datanet, bytes32 contentHash, address payee) external returns (uint32 contribution);
    /// @notice Registers many contributions; their indexes follow each other. Curator only.
    function registerContributions(uint32 datanet, ContributionEntry[] calldata entries) external returns (uint32 first);

    /// @notice Hands a model on. Owner only. What has accrued stays with the previous owner.
    function setModelOwner(uint32 model, address owner) external;
    /// @notice Hands an adapter on. Owner only. What has accrued stays with the previous owner.
    function setAdapterOwner(uint32 adapter, address owner) external;
    /// @notice Redirects a contribution. Its payee only. What has accrued to the contribution goes to the new payee.
    function setContributionPayee(uint32 contribution, address payee) external;

    /// @notice Creates a fee policy. Admin only, since the platform's part is in it.
    function createFeePolicy(FeePolicy calldata policy) external returns (uint32 feePolicy);
    /// @notice Lets a gateway record. Admin only: a gateway debits payers, who must be able to trust the list.
    function registerGateway(address signer, address payee) external returns (uint32 gateway);
    /// @notice Stops a gateway from recording. Admin only.
    function removeGateway(uint32 gateway) external;
    /// @notice Hands the registry on. Admin only.
    function setAdmin(address admin) external;
    /// @notice Redirects the platform's part. Admin only.
    function setPlatformPayee(address payee) external;

    /// @notice Who keeps the policies and the list of gateways.
    function admin() external view returns (address);
    /// @notice Who gets the platform's part.
    function platformPayee() external view returns (address);
    /// @notice Models so far; also the highest index.
    function modelCount() external view returns (uint32);
    /// @notice Adapters so far; also the highest index.
    function adapterCount() external view returns (uint32);
    /// @notice Datanets so far; also the highest index.
    function datanetCount() external view returns (uint32);
    /// @notice Contributions so far; also the highest index.
    function contributionCount() external view returns (uint32);
    /// @notice Fee policies so far; also the highest index.
    function feePolicyCount() external view returns (uint32);
    /// @notice Gateways so far, removed ones included; also the highest index.
    function gatewayCount() external view returns (uint32);
    /// @notice A model; zeros if unknown.
    function modelOf(uint32 model) external view returns (address owner, bytes32 contentHash);
    /// @notice An adapter; zeros if unknown.
    function adapterOf(uint32 adapter) external view returns (AdapterEntry memory);
    /// @notice A datanet; zeros if unknown.
    function datanetOf(uint32 datanet) external view returns (address curator, bytes32 contentHash);
    /// @notice A contribution; zeros if unknown.
    function contributionOf(uint32 contribution) external view returns (address payee, uint32 datanet, bytes32 contentHash);
    /// @notice A fee policy; zeros if unknown.
    function feePolicyOf(uint32 feePolicy) external view returns (FeePolicy memory);
    /// @notice A gateway; the signer is zero if unknown or removed.
    function gatewayOf(uint32 gateway) external view returns (address signer, address payee);
    /// @notice The gateway an address signs for; 0 if none.
    function gatewayIndex(address signer) external view returns (uint32 gateway);

    /// @notice What the ledger needs once per transaction. `gateway` is 0 if the signer may not record.
    function recordingParties(address signer)
        external
        view
        returns (uint32 gateway, address gatewayPayee, address platformPayee_, uint32 contributionCount_);
    /// @notice What the ledger needs once per row. Both payees are zero if the adapter is unknown: the ledger reverts, and names the
    ///         row.
    function recordingTerms(uint32 adapter) external view returns (PackedTerms terms, address modelPayee, address adapterPayee);
}
