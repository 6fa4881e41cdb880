// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISemver} from "src/interfaces/ISemver.sol";

/// @title IAttributionLedger
/// @notice Inferences, and who is owed what for them. A fee is computed from the tokens and the adapter's rates, never posted. It is
///         taken from the payer's prepaid balance and divided at once among the platform, the gateway, the model, the adapter and the
///         contributors; what rounding leaves over waits, per fee policy, for the next fee. Nothing is pushed while recording, so no
///         payee can stop a record: the first four parts accrue to addresses, the contributors' shares to the contributions, whose
///         payee gets them when they are claimed.
/// @dev    Always: `totalFees == totalShares + totalCarried`, and the contract holds at least `owed()`; it holds more only if ether was
///         forced on it.
interface IAttributionLedger is ISemver {
    /// @notice A contribution's share of one record, relative to the sum of the record's weights.
    struct Share {
        uint32 contribution;
        uint16 weight;
    }

    /// @notice The caller signs for no gateway.
    error NotAGateway(address caller);
    /// @notice Row `row` names a payer nobody deposited for.
    error UnknownPayer(uint256 row, uint32 payer);
    /// @notice Row `row` names an adapter that is not registered.
    error UnknownAdapter(uint256 row, uint32 adapter);
    /// @notice Row `row` names a contribution that is not registered.
    error UnknownContribution(uint256 row, uint32 contribution);
    /// @notice A share of row `row` has weight 0.
    error ZeroWeight(uint256 row, uint32 contribution);
    /// @notice The payer of row `row` has less than the fee.
    error InsufficientPrepaid(uint256 row, uint32 payer, uint256 balance, uint256 fee);
    /// @notice The caller has less prepaid than it asks for.
    error InsufficientBalance(uint256 balance, uint256 requested);
    /// @notice The amounts do not sum to the ether that came along.
    error AmountsSum(uint256 sum, uint256 value);
    /// @notice Two lists belong together and differ in length.
    error LengthMismatch(uint256 accounts, uint256 amounts);
    /// @notice The zero address cannot pay.
    error ZeroAddress();
    /// @notice Nothing has accrued.
    error NothingToClaim(address payee);
    /// @notice The receiver did not take the ether. It stays accrued, or prepaid.
    error TransferFailed(address receiver, uint256 amount);

    /// @notice An account may be named as payer by this index.
    event PayerRegistered(uint32 indexed payer, address indexed account);
    /// @notice Ether was added to a prepaid balance.
    event Deposited(uint32 indexed payer, uint256 amount);
    /// @notice Ether was taken out of a prepaid balance.
    event Withdrawn(uint32 indexed payer, uint256 amount);
    /// @notice An inference was recorded and its fee divided.
    /// @param id        Records are numbered from 1.
    /// @param payer     Who paid.
    /// @param adapter   What answered.
    /// @param gateway   Who served and recorded.
    /// @param tokensIn  Tokens of the prompt.
    /// @param tokensOut Tokens of the answer.
    /// @param fee       Wei taken from the payer.
    /// @param shares    Who got what, packed: platform, gateway, model, adapter as u96 wei each, then for each share contribution u32,
    ///                  weight u16, u96 wei.
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
    /// @notice What had accrued to an address was paid out.
    event Claimed(address indexed payee, uint256 amount);
    /// @notice What had accrued to a contribution was paid out.
    event ContributionClaimed(uint32 indexed contribution, address indexed payee, uint256 amount);

    /// @notice Adds to the caller's prepaid balance, and makes it a payer at the first time.
    function deposit() external payable returns (uint32 payer);
    /// @notice Adds to somebody's prepaid balance, and makes them a payer at the first time.
    function depositFor(address account) external payable returns (uint32 payer);
    /// @notice Adds to many balances at once; the amounts sum to the ether that comes along.
    /// @return first Index of the first account if all of them are new: the others follow it.
    function registerPayers(address[] calldata accounts, uint256[] calldata amounts) external payable returns (uint32 first);
    /// @notice Takes out of the caller's prepaid balance, at any time. A gateway that served on credit bears the risk.
    function withdraw(uint256 amount) external;

    /// @notice Records one inference. Gateways only.
    function recordInference(uint32 payer, uint32 adapter, uint32 tokensIn, uint32 tokensOut, Share[] calldata shares)
        external
        returns (uint64 id);
    /// @notice Records many inferences, all or none. Gateways only. The bytes are described in `Bundle`.
    /// @return firstId Record of the first row: the others follow it.
    function recordBundle(bytes calldata bundle) external returns (uint64 firstId);

    /// @notice Pays the caller what has accrued to it.
    function claim() external returns (uint256 amount);
    /// @notice Pays a payee what has accrued to it. Anyone may call.
    function claimFor(address payee) external returns (uint256 amount);
    /// @notice Pays what has accrued to each contribution to its payee. Anyone may call. Contributions with nothing are passed over.
    function claimContributions(uint32[] calldata contributions) external returns (uint256 amount);

    /// @notice Where adapters, contributions and gateways are looked up.
    function registry() external view returns (address);
    /// @notice Most shares of one record.
    function sharesMax() external view returns (uint256);
    /// @notice Records so far; also the highest id.
    function recordCount() external view returns (uint64);
    /// @notice Payers so far; also the highest index.
    function payerCount() external view returns (uint32);
    /// @notice Index of a payer; 0 if the account never deposited.
    function payerIndex(address account) external view returns (uint32 payer);
    /// @notice Account of a payer; zero if unknown.
    function payerAccount(uint32 payer) external view returns (address account);
    /// @notice Prepaid balance, wei.
    function prepaid(uint32 payer) external view returns (uint256);
    /// @notice What has accrued to an address as platform, gateway, model or adapter, and can be claimed, wei.
    function accrued(address payee) external view returns (uint256);
    /// @notice What has accrued to a contribution and can be claimed for its payee, wei.
    function contributionAccrued(uint32 contribution) external view returns (uint256);
    /// @notice What rounding left over under a fee policy, wei; part of the next fee divided under it.
    function carriedRemainder(uint32 feePolicy) external view returns (uint256);
    /// @notice Fees taken so far, wei.
    function totalFees() external view returns (uint256);
    /// @notice What has accrued so far, wei, claimed or not.
    function totalShares() external view returns (uint256);
    /// @notice What was claimed so far, wei.
    function totalClaimed() external view returns (uint256);
    /// @notice Sum of all prepaid balances, wei.
    function totalPrepaid() external view returns (uint256);
    /// @notice Sum of all carried remainders, wei; added up from each policy's.
    function totalCarried() external view returns (uint256);
    /// @notice What this contract owes to payers, payees and future fees, wei.
    function owed() external view returns (uint256);
}
