// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAttributionRegistry} from "src/interfaces/IAttributionRegistry.sol";
import {ISemver} from "src/interfaces/ISemver.sol";
import {FEE_PARTS_TOTAL, FeePolicy, PackedTerms, Terms, pack} from "src/libraries/FeePolicy.sol";

/// @title AttributionRegistry
/// @notice Predeploy 0x7a00…0001. It has no constructor, so genesis writes slot 0 (admin) and slot 1 (payee of the platform's part).
contract AttributionRegistry is IAttributionRegistry {
    /// @dev A base model.
    struct Model {
        address owner;
        bytes32 contentHash;
    }

    /// @dev An adapter. What a record needs comes first, in one slot; rates in wei per token.
    struct Adapter {
        uint64 rateIn;
        uint64 rateOut;
        uint32 model;
        uint32 feePolicy;
        address owner;
        bytes32 contentHash;
    }

    /// @dev A data collection.
    struct Datanet {
        address curator;
        bytes32 contentHash;
    }

    /// @dev A piece of a datanet.
    struct Contribution {
        address payee;
        uint32 datanet;
        bytes32 contentHash;
    }

    /// @dev Who serves and posts.
    struct Gateway {
        address signer;
        address payee;
    }

    /// @inheritdoc ISemver
    string public constant override version = "1.0.0";

    /// @inheritdoc IAttributionRegistry
    address public override admin;
    /// @inheritdoc IAttributionRegistry
    address public override platformPayee;
    /// @inheritdoc IAttributionRegistry
    uint32 public override modelCount;
    /// @inheritdoc IAttributionRegistry
    uint32 public override adapterCount;
    /// @inheritdoc IAttributionRegistry
    uint32 public override datanetCount;
    /// @inheritdoc IAttributionRegistry
    uint32 public override contributionCount;
    /// @inheritdoc IAttributionRegistry
    uint32 public override feePolicyCount;
    /// @inheritdoc IAttributionRegistry
    uint32 public override gatewayCount;
    mapping(uint32 model => Model) private _models;
    mapping(uint32 adapter => Adapter) private _adapters;
    mapping(uint32 datanet => Datanet) private _datanets;
    mapping(uint32 contribution => Contribution) private _contributions;
    mapping(uint32 feePolicy => FeePolicy) private _feePolicies;
    mapping(uint32 gateway => Gateway) private _gateways;
    /// @inheritdoc IAttributionRegistry
    mapping(address signer => uint32 gateway) public override gatewayIndex;

    modifier onlyAdmin() {
        if (msg.sender != admin) revert NotAdmin(msg.sender);
        _;
    }

    /// @inheritdoc IAttributionRegistry
    function registerModel(address owner, bytes32 contentHash, string calldata metaUri) external override returns (uint32 model) {
        return _registerModel(owner, contentHash, metaUri);
    }

    /// @inheritdoc IAttributionRegistry
    function registerModels(ModelEntry[] calldata entries) external override returns (uint32 first) {
        first = modelCount + 1;
        for (uint256 i; i < entries.length; i++) {
            _registerModel(entries[i].owner, entries[i].contentHash, entries[i].metaUri);
        }
    }

    /// @inheritdoc IAttributionRegistry
    function registerAdapter(address owner, uint32 model, uint32 feePolicy, uint64 rateIn, uint64 rateOut, bytes32 contentHash)
        external
        override
        returns (uint32 adapter)
    {
        return _registerAdapter(AdapterEntry(owner, model, feePolicy, rateIn, rateOut, contentHash));
    }

    /// @inheritdoc IAttributionRegistry
    function registerAdapters(AdapterEntry[] calldata entries) external override returns (uint32 first) {
        first = adapterCount + 1;
        for (uint256 i; i < entries.length; i++) {
            _registerAdapter(entries[i]);
        }
    }

    /// @inheritdoc IAttributionRegistry
    function createDatanet(bytes32 contentHash, string calldata metaUri) external override returns (uint32 datanet) {
        datanet = ++datanetCount;
        _datanets[datanet] = Datanet(msg.sender, contentHash);
        emit DatanetCreated(datanet, msg.sender, contentHash, metaUri);
    }

    /// @inheritdoc IAttributionRegistry
    function registerContribution(uint32 datanet, bytes32 contentHash, address payee)
        external
        override
        returns (uint32 contribution)
    {
        _checkCurator(datanet);
        contribution = ++contributionCount;
        _storeContribution(contribution, datanet, ContributionEntry(payee, contentHash));
    }

    /// @inheritdoc IAttributionRegistry
    function registerContributions(uint32 datanet, ContributionEntry[] calldata entries)
        external
        override
        returns (uint32 first)
    {
        _checkCurator(datanet);
        uint32 last = contributionCount;
        first = last + 1;
        for (uint256 i; i < entries.length; i++) {
            _storeContribution(++last, datanet, entries[i]);
        }
        contributionCount = last;
    }

    /// @inheritdoc IAttributionRegistry
    function setModelOwner(uint32 model, address owner) external override {
        address current = _models[model].owner;
        if (current == address(0)) revert UnknownModel(model);
        _checkHandover(current, owner);
        _models[model].owner = owner;
        emit ModelOwnerChanged(model, owner);
    }

    /// @inheritdoc IAttributionRegistry
    function setAdapterOwner(uint32 adapter, address owner) external override {
        address current = _adapters[adapter].owner;
        if (current == address(0)) revert UnknownAdapter(adapter);
        _checkHandover(current, owner);
        _adapters[adapter].owner = owner;
        emit AdapterOwnerChanged(adapter, owner);
    }

    /// @inheritdoc IAttributionRegistry
    function setContributionPayee(uint32 contribution, address payee) external override {
        address current = _contributions[contribution].payee;
        if (current == address(0)) revert UnknownContribution(contribution);
        _checkHandover(current, payee);
        _contributions[contribution].payee = payee;
        emit ContributionPayeeChanged(contribution, payee);
    }

    /// @inheritdoc IAttributionRegistry
    function createFeePolicy(FeePolicy calldata policy) external override onlyAdmin returns (uint32 feePolicy) {
        uint256 sum = uint256(policy.platform) + policy.gateway + policy.model + policy.adapter + policy.contributors;
        if (sum != FEE_PARTS_TOTAL) revert FeePartsSum(sum);
        feePolicy = ++feePolicyCount;
        _feePolicies[feePolicy] = policy;
        emit FeePolicyCreated(feePolicy, policy);
    }

    /// @inheritdoc IAttributionRegistry
    function registerGateway(address signer, address payee) external override onlyAdmin returns (uint32 gateway) {
        _checkAddress(signer);
        _checkAddress(payee);
        if (gatewayIndex[signer] != 0) revert SignerTaken(signer, gatewayIndex[signer]);
        gateway = ++gatewayCount;
        _gateways[gateway] = Gateway(signer, payee);
        gatewayIndex[signer] = gateway;
        emit GatewayRegistered(gateway, signer, payee);
    }

    /// @inheritdoc IAttributionRegistry
    function removeGateway(uint32 gateway) external override onlyAdmin {
        address signer = _gateways[gateway].signer;
        if (signer == address(0)) revert UnknownGateway(gateway);
        delete gatewayIndex[signer];
        delete _gateways[gateway];
        emit GatewayRemoved(gateway, signer);
    }

    /// @inheritdoc IAttributionRegistry
    function setAdmin(address newAdmin) external override onlyAdmin {
        _checkAddress(newAdmin);
        admin = newAdmin;
        emit AdminChanged(newAdmin);
    }

    /// @inheritdoc IAttributionRegistry
    function setPlatformPayee(address payee) external override onlyAdmin {
        _checkAddress(payee);
        platformPayee = payee;
        emit PlatformPayeeChanged(payee);
    }

    /// @inheritdoc IAttributionRegistry
    function recordingParties(address signer)
        external
        view
        override
        returns (uint32 gateway, address gatewayPayee, address platformPayee_, uint32 contributionCount_)
    {
        gateway = gatewayIndex[signer];
        return (gateway, _gateways[gateway].payee, platformPayee, contributionCount);
    }

    /// @inheritdoc IAttributionRegistry
    function recordingTerms(uint32 adapter)
        external
        view
        override
        returns (PackedTerms terms, address modelPayee, address adapterPayee)
    {
        Adapter storage stored = _adapters[adapter];
        uint32 feePolicy = stored.feePolicy;
        terms = pack(Terms(stored.rateIn, stored.rateOut, feePolicy, _feePolicies[feePolicy]));
        return (terms, _models[stored.model].owner, stored.owner);
    }

    /// @inheritdoc IAttributionRegistry
    function modelOf(uint32 model) external view override returns (address owner, bytes32 contentHash) {
        Model storage stored = _models[model];
        return (stored.owner, stored.contentHash);
    }

    /// @inheritdoc IAttributionRegistry
    function adapterOf(uint32 adapter) external view override returns (AdapterEntry memory) {
        Adapter memory stored = _adapters[adapter];
        return AdapterEntry(stored.owner, stored.model, stored.feePolicy, stored.rateIn, stored.rateOut, stored.contentHash);
    }

    /// @inheritdoc IAttributionRegistry
    function datanetOf(uint32 datanet) external view override returns (address curator, bytes32 contentHash) {
        Datanet storage stored = _datanets[datanet];
        return (stored.curator, stored.contentHash);
    }

    /// @inheritdoc IAttributionRegistry
    function contributionOf(uint32 contribution)
        external
        view
        override
        returns (address payee, uint32 datanet, bytes32 contentHash)
    {
        Contribution storage stored = _contributions[contribution];
        return (stored.payee, stored.datanet, stored.contentHash);
    }

    /// @inheritdoc IAttributionRegistry
    function feePolicyOf(uint32 feePolicy) external view override returns (FeePolicy memory) {
        return _feePolicies[feePolicy];
    }

    /// @inheritdoc IAttributionRegistry
    function gatewayOf(uint32 gateway) external view override returns (address signer, address payee) {
        Gateway storage stored = _gateways[gateway];
        return (stored.signer, stored.payee);
    }

    function _registerModel(address owner, bytes32 contentHash, string calldata metaUri) internal returns (uint32 model) {
        _checkAddress(owner);
        model = ++modelCount;
        _models[model] = Model(owner, contentHash);
        emit ModelRegistered(model, owner, contentHash, metaUri);
    }

    function _registerAdapter(AdapterEntry memory entry) internal returns (uint32 adapter) {
        _checkAddress(entry.owner);
        if (entry.model == 0 || entry.model > modelCount) revert UnknownModel(entry.model);
        if (entry.feePolicy == 0 || entry.feePolicy > feePolicyCount) revert UnknownFeePolicy(entry.feePolicy);
        adapter = ++adapterCount;
        _adapters[adapter] = Adapter(entry.rateIn, entry.rateOut, entry.model, entry.feePolicy, entry.owner, entry.contentHash);
        emit AdapterRegistered(adapter, entry.owner, entry.model, entry.feePolicy, entry.rateIn, entry.rateOut, entry.contentHash);
    }

    function _storeContribution(uint32 contribution, uint32 datanet, ContributionEntry memory entry) internal {
        _checkAddress(entry.payee);
        _contributions[contribution] = Contribution(entry.payee, datanet, entry.contentHash);
        emit ContributionRegistered(contribution, datanet, entry.payee, entry.contentHash);
    }

    function _checkCurator(uint32 datanet) internal view {
        address curator = _datanets[datanet].curator;
        if (curator == address(0)) revert UnknownDatanet(datanet);
        if (msg.sender != curator) revert NotOwner(msg.sender, curator);
    }

    function _checkHandover(address current, address next) internal view {
        if (msg.sender != current) revert NotOwner(msg.sender, current);
        _checkAddress(next);
    }

    function _checkAddress(address account) internal pure {
        if (account == address(0)) revert ZeroAddress();
    }
}
