//! Why a transaction was not taken. The texts are geth's, word for word: wallets and libraries tell errors apart by them.

use super::WEI_PER_ETHER;
use alloy::primitives::{Address, B256, U256};

/// Why the pool did not take a transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The bytes are no transaction.
    #[error("rlp: {0}")]
    Malformed(String),
    /// A type this chain does not take from users.
    #[error("transaction type not supported: type {0:#04x} cannot be sent to this chain")]
    UnsupportedType(u8),
    /// Longer than the limit.
    #[error("oversized data: transaction size {size}, limit {limit} (tx-bytes-max)")]
    Oversized {
        /// Encoded bytes.
        size: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// More in fees than anybody means to pay.
    #[error("tx fee ({} ether) exceeds the configured cap ({} ether) (tx-fee-max)", ether(*.fee), ether(*.cap))]
    FeeCap {
        /// At most, wei.
        fee: u128,
        /// Wei.
        cap: u128,
    },
    /// Valid on every chain, so replayable.
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    NotReplayProtected,
    /// Signed for another chain.
    #[error("invalid sender: invalid chain id for signer: have {found} want {expected}")]
    ChainId {
        /// Chain id of the transaction.
        found: u64,
        /// Ours.
        expected: u64,
    },
    /// Nobody's signature.
    #[error("invalid sender: invalid transaction v, r, s values")]
    Signature,
    /// No block could hold it.
    #[error("exceeds block gas limit: transaction gas limit {gas_limit}, block gas limit {block_gas_limit}")]
    BlockGasLimit {
        /// Of the transaction.
        gas_limit: u64,
        /// Of the current block.
        block_gas_limit: u64,
    },
    /// No block could hold its bytes.
    #[error(
        "exceeds block gas limit: transaction DA footprint {footprint}, block gas limit {block_gas_limit}"
    )]
    Footprint {
        /// Of the transaction, gas.
        footprint: u64,
        /// Of the current block.
        block_gas_limit: u64,
    },
    /// Its gas limit does not even pay for its bytes.
    #[error("intrinsic gas too low: gas {gas_limit}, minimum needed {needed}")]
    IntrinsicGas {
        /// Of the transaction.
        gas_limit: u64,
        /// Least that would do.
        needed: u64,
    },
    /// Its gas limit is below what its calldata costs at least (EIP-7623).
    #[error("insufficient gas for floor data gas cost: gas {gas_limit}, minimum needed {needed}")]
    FloorGas {
        /// Of the transaction.
        gas_limit: u64,
        /// Least that would do.
        needed: u64,
    },
    /// The tip is larger than the whole fee.
    #[error(
        "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {fee_cap}"
    )]
    TipAboveFeeCap {
        /// Wei per gas.
        tip: u128,
        /// Wei per gas.
        fee_cap: u128,
    },
    /// The next block would not take it.
    #[error(
        "max fee per gas less than block base fee: address {sender}, maxFeePerGas: {fee_cap}, baseFee: {base_fee}"
    )]
    FeeCapBelowBaseFee {
        /// Who sent it.
        sender: Address,
        /// Wei per gas.
        fee_cap: u128,
        /// Of the next block, wei per gas.
        base_fee: u64,
    },
    /// Creates a contract with too much init code.
    #[error("max initcode size exceeded: code size {size}, limit {limit}")]
    InitCode {
        /// Bytes.
        size: usize,
        /// Bytes.
        limit: usize,
    },
    /// A type-4 transaction that delegates nothing.
    #[error("set code tx must have at least one authorization tuple")]
    EmptyAuthorizationList,
    /// The account can never send again.
    #[error("nonce has max value: address {0}, nonce: 18446744073709551615")]
    NonceMax(Address),
    /// The sender is a contract.
    #[error("sender not an eoa: address {sender}, codehash: {code_hash}")]
    SenderNotEoa {
        /// Who sent it.
        sender: Address,
        /// Of the code found there.
        code_hash: B256,
    },
    /// Another transaction with this nonce is in the chain or in the block being built.
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow {
        /// The sender's next nonce.
        next: u64,
        /// Of the transaction.
        nonce: u64,
    },
    /// Too far ahead of the sender's next nonce to wait here.
    #[error(
        "nonce too high: next nonce {next}, tx nonce {nonce}, {queued} transactions already wait behind the gap (pool-sender-queued-max, pool-queued-max)"
    )]
    QueueFull {
        /// The nonce that is missing.
        next: u64,
        /// Of the transaction.
        nonce: u64,
        /// Already waiting behind a gap.
        queued: usize,
    },
    /// The sender cannot pay for it.
    #[error(transparent)]
    InsufficientFunds(Box<InsufficientFunds>),
    /// It is here already.
    #[error("already known")]
    AlreadyKnown,
    /// It does not pay enough more than the transaction it would replace.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    /// The one it would replace is being executed.
    #[error(
        "replacement transaction underpriced: the transaction with nonce {nonce} is already being executed"
    )]
    ReplacementTooLate {
        /// The nonce of both.
        nonce: u64,
    },
    /// It made a block that did not execute to itself.
    #[error("transaction {0} is in quarantine: a block with it did not execute to itself")]
    Quarantined(B256),
    /// No room.
    #[error("txpool is full (pool-transactions-max, pool-bytes-max)")]
    Full,
    /// No room, while the batcher cannot post as fast as blocks could be built.
    #[error(
        "txpool is full: blocks are held to {block_bytes_max} bytes until the batcher has caught up with L1"
    )]
    Throttled {
        /// Bytes for DA that a block may hold now.
        block_bytes_max: u64,
    },
    /// This sender has used its part of the room.
    #[error(
        "txpool is full: {sender} has {transactions} transactions of {bytes} bytes waiting (pool-sender-transactions-max, pool-sender-bytes-max)"
    )]
    SenderFull {
        /// Who sent it.
        sender: Address,
        /// Waiting already.
        transactions: usize,
        /// Of those.
        bytes: usize,
    },
    /// Its sender is delegated (EIP-7702) or about to be, and has one waiting.
    #[error("in-flight transaction limit reached for delegated accounts")]
    DelegatedInFlight,
    /// Its sender is delegated or about to be, and this is not its next one.
    #[error("gapped-nonce tx from delegated accounts")]
    DelegatedGap,
    /// It delegates an account that has more than one waiting.
    #[error("authority already reserved")]
    AuthorityReserved,
    /// Its operator has stopped the sequencer: nothing would execute it.
    #[error("the sequencer is stopped and takes no transactions: admin_startSequencer starts it")]
    SequencerStopped,
    /// What is taken could not be kept.
    #[error("the node takes no transactions: {0}")]
    NotWritable(String),
    /// The node is ending.
    #[error("the node is stopping and takes no transactions")]
    Stopped,
    /// The head state could not be read.
    #[error("the chain cannot be read: {0}")]
    Chain(String),
}

/// Rounded to hundredths, as geth writes it.
fn ether(wei: u128) -> String {
    let hundredths = wei.saturating_add(WEI_PER_ETHER / 200) / (WEI_PER_ETHER / 100);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// What the sender has and what it would need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, tx cost {cost}, overshot {overshot}"
)]
pub struct InsufficientFunds {
    /// Wei.
    pub balance: U256,
    /// What the sender's other waiting transactions may cost, wei.
    pub queued: U256,
    /// What this one may cost, wei.
    pub cost: U256,
    /// How much is missing, wei.
    pub overshot: U256,
}
