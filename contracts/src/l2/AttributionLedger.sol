// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAttributionLedger} from "src/interfaces/IAttributionLedger.sol";
import {IAttributionRegistry} from "src/interfaces/IAttributionRegistry.sol";
import {ISemver} from "src/interfaces/ISemver.sol";
import {Bundle, Row} from "src/libraries/Bundle.sol";
import {FeeSplit, Split} from "src/libraries/FeeSplit.sol";
import {PackedTerms, Terms} from "src/libraries/FeePolicy.sol";
import {PackedShares} from "src/libraries/PackedShares.sol";
import {Predeploys} from "src/libraries/Predeploys.sol";
import {SHARES_MAX, Shares, SharesLib} from "src/libraries/Shares.sol";

/// @title AttributionLedger
/// @notice Predeploy 0x7a00…0002. It starts from empty storage.
contract AttributionLedger is IAttributionLedger {
    /// @dev Who pays, and what is left of what they brought. One slot: every record reads and writes it.
    struct Payer {
        address account;
        uint96 balance;
    }

    /// @dev One transaction's recording: what all its rows share, kept in memory and written to storage once at the end.
    struct Recording {
        uint32 gateway;
        address gatewayPayee;
        address platformPayee;
        uint32 contributionCount;
        uint64 lastId;
        uint256 fees;
        uint256 shares;
        uint256 gatewayShares;
        uint256 platformShares;
    }

    /// @dev Registry of the same genesis.
    IAttributionRegistry private constant REGISTRY = IAttributionRegistry(Predeploys.ATTRIBUTION_REGISTRY);

    /// @inheritdoc ISemver
    string public constant override version = "1.0.0";
    /// @inheritdoc IAttributionLedger
    address public constant override registry = Predeploys.ATTRIBUTION_REGISTRY;
    /// @inheritdoc IAttributionLedger
    uint256 public constant override sharesMax = SHARES_MAX;

    /// @dev Wei; all ether there is fits 96 bits.
    uint128 private _totalFees;
    uint128 private _totalShares;
    uint128 private _totalClaimed;
    uint128 private _totalPrepaid;
    /// @inheritdoc IAttributionLedger
    uint64 public override recordCount;
    /// @inheritdoc IAttributionLedger
    uint32 public override payerCount;
    mapping(uint32 payer => Payer) private _payers;
    /// @inheritdoc IAttributionLedger
    mapping(address account => uint32 payer) public override payerIndex;
    /// @inheritdoc IAttributionLedger
    mapping(address payee => uint256 amount) public override accrued;
    /// @inheritdoc IAttributionLedger
    mapping(uint32 feePolicy => uint256 amount) public override carriedRemainder;
    /// @dev Wei by contribution. An array, and of halves of a slot, because most of what a record costs is touching these: neighbours
    ///      share a slot. It is the last field, since it reserves a slot for every second index there can be.
    uint128[1 << 32] private _contributionAccrued;

    /// @inheritdoc IAttributionLedger
    function deposit() external payable override returns (uint32 payer) {
        return _deposit(msg.sender, msg.value);
    }

    /// @inheritdoc IAttributionLedger
    function depositFor(address account) external payable override returns (uint32 payer) {
        return _deposit(account, msg.value);
    }

    /// @inheritdoc IAttributionLedger
    function registerPayers(address[] calldata accounts, uint256[] calldata amounts)
        external
        payable
        override
        returns (uint32 first)
    {
        if (accounts.length != amounts.length) revert LengthMismatch(accounts.length, amounts.length);
        first = payerCount + 1;
        uint256 sum;
        for (uint256 i; i < accounts.length; i++) {
            sum += amounts[i];
            _deposit(accounts[i], amounts[i]);
        }
        if (sum != msg.value) revert AmountsSum(sum, msg.value);
    }

    /// @inheritdoc IAttributionLedger
    function withdraw(uint256 amount) external override {
        uint32 payer = payerIndex[msg.sender];
        uint96 balance = _payers[payer].balance;
        if (amount > balance) revert InsufficientBalance(balance, amount);
        _payers[payer].balance = balance - uint96(amount);
        _totalPrepaid -= uint128(amount);
        emit Withdrawn(payer, amount);
        _send(msg.sender, amount);
    }

    /// @inheritdoc IAttributionLedger
    function recordInference(uint32 payer, uint32 adapter, uint32 tokensIn, uint32 tokensOut, Share[] calldata shares)
        external
        override
        returns (uint64 id)
    {
        Recording memory recording = _begin();
        Bundle.checkCount(shares.length, 0);
        Row memory row = Row(payer, adapter, tokensIn, tokensOut, shares.length, Shares.wrap(0));
        for (uint256 i; i < shares.length; i++) {
            row.shares = SharesLib.with(row.shares, i, shares[i].contribution, shares[i].weight);
        }
        _record(recording, row, 0);
        _end(recording);
        return recording.lastId;
    }

    /// @inheritdoc IAttributionLedger
    function recordBundle(bytes calldata bundle) external override returns (uint64 firstId) {
        Recording memory recording = _begin();
        firstId = recording.lastId + 1;
        (uint256 count, uint256 offset) = Bundle.header(bundle);
        for (uint256 index; index < count; index++) {
            // Nothing a row allocates outlives it. Without giving the memory back, its cost would grow with the square of the rows.
            uint256 free = _freeMemory();
            Row memory row;
            (row, offset) = Bundle.rowAt(bundle, offset, index);
            _record(recording, row, index);
            _setFreeMemory(free);
        }
        Bundle.finish(bundle, offset);
        _end(recording);
    }

    /// @inheritdoc IAttributionLedger
    function claim() external override returns (uint256 amount) {
        return claimFor(msg.sender);
    }

    /// @inheritdoc IAttributionLedger
    function claimContributions(uint32[] calldata contributions) external override returns (uint256 amount) {
        for (uint256 i; i < contributions.length; i++) {
            amount += _claimContribution(contributions[i]);
        }
    }

    /// @inheritdoc IAttributionLedger
    function contributionAccrued(uint32 contribution) external view override returns (uint256) {
        return _contributionAccrued[contribution];
    }

    /// @inheritdoc IAttributionLedger
    function payerAccount(uint32 payer) external view override returns (address account) {
        return _payers[payer].account;
    }

    /// @inheritdoc IAttributionLedger
    function prepaid(uint32 payer) external view override returns (uint256) {
        return _payers[payer].balance;
    }

    /// @inheritdoc IAttributionLedger
    function totalFees() external view override returns (uint256) {
        return _totalFees;
    }

    /// @inheritdoc IAttributionLedger
    function totalShares() external view override returns (uint256) {
        return _totalShares;
    }

    /// @inheritdoc IAttributionLedger
    function totalClaimed() external view override returns (uint256) {
        return _totalClaimed;
    }

    /// @inheritdoc IAttributionLedger
    function totalPrepaid() external view override returns (uint256) {
        return _totalPrepaid;
    }

    /// @inheritdoc IAttributionLedger
    function owed() external view override returns (uint256) {
        return uint256(_totalPrepaid) + (_totalShares - _totalClaimed) + totalCarried();
    }

    /// @inheritdoc IAttributionLedger
    function claimFor(address payee) public override returns (uint256 amount) {
        amount = accrued[payee];
        if (amount == 0) revert NothingToClaim(payee);
        accrued[payee] = 0;
        _totalClaimed += uint128(amount);
        emit Claimed(payee, amount);
        _send(payee, amount);
    }

    /// @inheritdoc IAttributionLedger
    function totalCarried() public view override returns (uint256 sum) {
        uint32 count = REGISTRY.feePolicyCount();
        for (uint32 feePolicy = 1; feePolicy <= count; feePolicy++) {
            sum += carriedRemainder[feePolicy];
        }
    }

    function _deposit(address account, uint256 amount) internal returns (uint32 payer) {
        if (account == address(0)) revert ZeroAddress();
        payer = payerIndex[account];
        if (payer == 0) {
            payer = ++payerCount;
            payerIndex[account] = payer;
            _payers[payer].account = account;
            emit PayerRegistered(payer, account);
        }
        // Both sums stay below all ether there is, which is below 2^87 wei.
        _payers[payer].balance += uint96(amount);
        _totalPrepaid += uint128(amount);
        emit Deposited(payer, amount);
    }

    function _claimContribution(uint32 contribution) internal returns (uint256 amount) {
        amount = _contributionAccrued[contribution];
        if (amount == 0) return 0;
        (address payee,,) = REGISTRY.contributionOf(contribution);
        _contributionAccrued[contribution] = 0;
        _totalClaimed += uint128(amount);
        emit ContributionClaimed(contribution, payee, amount);
        _send(payee, amount);
    }

    function _begin() internal view returns (Recording memory recording) {
        (recording.gateway, recording.gatewayPayee, recording.platformPayee, recording.contributionCount) =
            REGISTRY.recordingParties(msg.sender);
        if (recording.gateway == 0) revert NotAGateway(msg.sender);
        recording.lastId = recordCount;
    }

    /// @dev Takes the row's fee from its payer, together with what was left over under the policy gives it to whom it is owed, and
    ///      keeps what is left over now.
    function _record(Recording memory recording, Row memory row, uint256 index) internal {
        (Terms memory terms, address modelPayee, address adapterPayee) = _terms(row.adapter, index);
        uint256 fee = _debit(row, terms, index);
        uint256 carried = carriedRemainder[terms.feePolicy];
        Split memory split;
        unchecked {
            // The fee was prepaid, so it is below 2^96; what was left over is below 10.
            split = FeeSplit.divide(fee + carried, terms.policy);
        }
        _credit(modelPayee, split.model);
        _credit(adapterPayee, split.adapter);
        bytes memory packed = _share(row, split, recording.contributionCount, index);
        if (split.remainder != carried) carriedRemainder[terms.feePolicy] = split.remainder;
        _sum(recording, split, fee, carried);
        emit InferenceRecorded(
            recording.lastId, row.payer, row.adapter, recording.gateway, row.tokensIn, row.tokensOut, fee, packed
        );
    }

    function _terms(uint32 adapter, uint256 index)
        internal
        view
        returns (Terms memory terms, address modelPayee, address adapterPayee)
    {
        PackedTerms packed;
        (packed, modelPayee, adapterPayee) = REGISTRY.recordingTerms(adapter);
        if (adapterPayee == address(0)) revert UnknownAdapter(index, adapter);
        terms = packed.unpack();
    }

    function _debit(Row memory row, Terms memory terms, uint256 index) internal returns (uint256 fee) {
        unchecked {
            // Two products of 32 and 64 bits.
            fee = uint256(row.tokensIn) * terms.rateIn + uint256(row.tokensOut) * terms.rateOut;
        }
        Payer storage stored = _payers[row.payer];
        uint96 balance = stored.balance;
        if (stored.account == address(0)) revert UnknownPayer(index, row.payer);
        if (fee > balance) revert InsufficientPrepaid(index, row.payer, balance, fee);
        unchecked {
            stored.balance = balance - uint96(fee);
        }
    }

    /// @dev Credits each contribution its share, and packs the shares for the event.
    function _share(Row memory row, Split memory split, uint32 contributionCount, uint256 index)
        internal
        returns (bytes memory packed)
    {
        uint256 totalWeight = row.shares.totalWeight();
        packed = PackedShares.begin(split, row.count);
        for (uint256 i; i < row.count; i++) {
            uint32 contribution = row.shares.contribution(i);
            if (contribution == 0 || contribution > contributionCount) revert UnknownContribution(index, contribution);
            uint256 weight = row.shares.weight(i);
            if (weight == 0) revert ZeroWeight(index, contribution);
            uint256 amount = FeeSplit.share(split, weight, totalWeight);
            PackedShares.put(packed, i, row.shares, amount);
            unchecked {
                // Touching a balance costs more than anything else here.
                if (amount != 0) _contributionAccrued[contribution] += uint128(amount);
            }
        }
    }

    function _credit(address payee, uint256 amount) internal {
        if (amount == 0) return;
        unchecked {
            accrued[payee] += amount;
        }
    }

    /// @dev Adds a row to what is written once at the end.
    function _sum(Recording memory recording, Split memory split, uint256 fee, uint256 carried) internal pure {
        recording.lastId++;
        unchecked {
            // Sums of fees that were prepaid, so of ether there is.
            recording.fees += fee;
            recording.shares += fee + carried - split.remainder;
            recording.gatewayShares += split.gateway;
            recording.platformShares += split.platform;
        }
    }

    function _end(Recording memory recording) internal {
        recordCount = recording.lastId;
        _totalFees += uint128(recording.fees);
        _totalShares += uint128(recording.shares);
        _totalPrepaid -= uint128(recording.fees);
        _credit(recording.gatewayPayee, recording.gatewayShares);
        _credit(recording.platformPayee, recording.platformShares);
    }

    function _send(address receiver, uint256 amount) internal {
        (bool taken,) = receiver.call{value: amount}("");
        if (!taken) revert TransferFailed(receiver, amount);
    }

    function _freeMemory() internal pure returns (uint256 free) {
        assembly ("memory-safe") {
            free := mload(0x40)
        }
    }

    function _setFreeMemory(uint256 free) internal pure {
        assembly ("memory-safe") {
            mstore(0x40, free)
        }
    }
}
