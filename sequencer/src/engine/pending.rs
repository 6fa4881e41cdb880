//! The block being built, readable while it grows: what `pending` means to the RPC, and what a preconfirmation refers to.
//!
//! The builder appends while others read; what it appends is shown once the journal has it on disk, so that nobody is told of what a
//! crash could take back. A reader holds a [`PendingState`], the state after a prefix of the transactions that no later
//! transaction changes: an `eth_call` that saw a counter of before and the entries of after would answer what was never true.
//!
//! The next block may be opened on this one before it has a hash, see [`Ground`].

use super::{Ground, seal::Seal};
use crate::store::StoreError;
use alloy::{
    consensus::{
        Header,
        transaction::{Recovered, TxHashRef},
    },
    primitives::{Address, B256, U256, map::HashMap},
};
use op_alloy_consensus::{OpReceiptEnvelope, OpTxEnvelope};
use parking_lot::RwLock;
use revm::{
    bytecode::Bytecode,
    database::CacheState,
    database_interface::DatabaseRef,
    state::{AccountInfo, EvmState},
};
use smallvec::SmallVec;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tributary_protocol::{
    attributes::BlockAttributes,
    block::{L2BlockNumber, L2BlockRef},
    l1_info::L1Info,
    state::Account,
};

/// A transaction in the block being built.
#[derive(Clone, Debug)]
pub struct PendingTransaction {
    /// Position in the block.
    pub index: usize,
    /// The transaction and who sent it.
    pub transaction: Recovered<OpTxEnvelope>,
    /// Its receipt; `cumulative_gas_used` counts from the start of the block.
    pub receipt: OpReceiptEnvelope,
    /// Gas this transaction used.
    pub gas_used: u64,
    /// Logs in the block before its own.
    pub logs_before: u64,
}

/// How far the block being built has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PendingTip {
    /// Number of the block; zero when none is open.
    pub number: L2BlockNumber,
    /// Transactions executed so far, deposits included.
    pub transactions: usize,
}

/// The block being built.
#[derive(Debug)]
pub struct PendingBlock {
    parent: L2BlockRef,
    attributes: BlockAttributes,
    header: Header,
    ground: Ground,
    seal: Arc<Seal>,
    contents: RwLock<Contents>,
    /// How many transactions readers see: those that are durable.
    shown: AtomicUsize,
}

#[derive(Debug, Default)]
struct Contents {
    transactions: Vec<PendingTransaction>,
    /// In all of them.
    logs: u64,
    positions: HashMap<B256, usize>,
    accounts: HashMap<Address, Versions<Option<Account>>>,
    storage: HashMap<(Address, U256), Versions<U256>>,
    codes: HashMap<B256, Bytecode>,
}

/// Values of one account or slot, each with how many transactions must be looked at to see it, ascending. Most have one.
#[derive(Debug)]
struct Versions<T>(SmallVec<[(usize, T); 1]>);

impl<T> Default for Versions<T> {
    fn default() -> Self {
        Self(SmallVec::new())
    }
}

impl<T: PartialEq> Versions<T> {
    fn push(&mut self, transactions: usize, value: T) {
        if self.0.last().is_none_or(|(_, last)| *last != value) {
            self.0.push((transactions, value));
        }
    }

    /// The value after `transactions` transactions; `None` if they did not touch it.
    fn after(&self, transactions: usize) -> Option<&T> {
        let end = self
            .0
            .partition_point(|(seen_from, _)| *seen_from <= transactions);
        self.0[..end].last().map(|(_, value)| value)
    }
}

/// The state after a prefix of a pending block's transactions. Cheap to make and to clone; what is appended later does not show.
#[derive(Clone, Debug)]
pub struct PendingState {
    block: Arc<PendingBlock>,
    transactions: usize,
}

impl PendingState {
    /// The state after every transaction that `block` shows by now.
    #[must_use]
    pub fn of(block: Arc<PendingBlock>) -> Self {
        let transactions = block.tip().transactions;
        Self { block, transactions }
    }

    /// The state after every transaction that `block` has executed, shown or not: for deciding what may follow, not for telling anyone.
    #[must_use]
    pub(crate) fn latest(block: Arc<PendingBlock>) -> Self {
        let transactions = block.contents.read().transactions.len();
        Self { block, transactions }
    }

    /// The block it belongs to.
    #[must_use]
    pub fn block(&self) -> &PendingBlock {
        &self.block
    }
}

impl PendingBlock {
    /// An open block without transactions on top of `parent`, the state after which is `ground`. `header` is what is known of its header.
    /// The parent's hash is zero while that is being sealed.
    #[must_use]
    pub fn new(parent: L2BlockRef, attributes: BlockAttributes, header: Header, ground: Ground) -> Self {
        Self {
            parent,
            attributes,
            header,
            ground,
            seal: Arc::default(),
            contents: RwLock::default(),
            shown: AtomicUsize::new(0),
        }
    }

    /// Number this block will have.
    #[must_use]
    pub const fn number(&self) -> L2BlockNumber {
        self.parent.number.next()
    }

    /// The block it builds on. Its hash is zero while it is being sealed.
    #[must_use]
    pub fn parent(&self) -> L2BlockRef {
        self.ground.sealed_parent().unwrap_or(self.parent)
    }

    /// What is known of its header from its opening on. The parent's hash may be missing.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The state it builds on.
    #[must_use]
    pub const fn ground(&self) -> &Ground {
        &self.ground
    }

    /// What it is sealed as, once it is.
    #[must_use]
    pub const fn seal(&self) -> &Arc<Seal> {
        &self.seal
    }

    /// Its inputs: timestamp, gas limit, fee recipient and so on; `transactions` holds only the deposits.
    #[must_use]
    pub const fn attributes(&self) -> &BlockAttributes {
        &self.attributes
    }

    /// What its first transaction says of L1 and of fees.
    #[must_use]
    pub fn l1_info(&self) -> Option<L1Info> {
        let contents = self.contents.read();
        let first = contents.transactions.first()?.transaction.inner();
        L1Info::decode(&first.as_deposit()?.inner().input).ok()
    }

    /// Wei per gas.
    #[must_use]
    pub fn base_fee(&self) -> u64 {
        self.header.base_fee_per_gas.unwrap_or_default()
    }

    /// How far it has come, as far as it is shown.
    #[must_use]
    pub fn tip(&self) -> PendingTip {
        PendingTip {
            number: self.number(),
            transactions: self.shown.load(Ordering::Acquire),
        }
    }

    /// Shows the first `transactions` transactions to readers. Called in order.
    pub(crate) fn show(&self, transactions: usize) {
        self.shown.fetch_max(transactions, Ordering::AcqRel);
    }

    /// The executed transaction with this hash.
    #[must_use]
    pub fn transaction(&self, hash: B256) -> Option<PendingTransaction> {
        let contents = self.contents.read();
        let index = *contents.positions.get(&hash)?;
        let is_shown = index < self.shown.load(Ordering::Acquire);
        contents.transactions.get(index).filter(|_| is_shown).cloned()
    }

    /// Executed transactions from position `start` on.
    #[must_use]
    pub fn transactions_from(&self, start: usize) -> Vec<PendingTransaction> {
        let contents = self.contents.read();
        contents
            .transactions
            .get(start..self.shown.load(Ordering::Acquire))
            .map(<[_]>::to_vec)
            .unwrap_or_default()
    }

    /// Adds what the block changed before its first transaction. Called by the builder alone, before anything else.
    pub(crate) fn begin(&self, touched: Touched) {
        self.contents.write().apply(0, touched);
    }

    /// Adds an executed transaction and what it changed, and returns how many there are. Readers see it once it is shown. Called by the
    /// builder alone, in execution order.
    pub(crate) fn append(
        &self,
        transaction: Recovered<OpTxEnvelope>,
        receipt: OpReceiptEnvelope,
        gas_used: u64,
        touched: Touched,
    ) -> usize {
        let mut contents = self.contents.write();
        let index = contents.transactions.len();
        contents.apply(index + 1, touched);
        contents.positions.insert(*transaction.tx_hash(), index);
        let logs_before = contents.logs;
        contents.logs += receipt.logs().len() as u64;
        contents.transactions.push(PendingTransaction {
            index,
            transaction,
            receipt,
            gas_used,
            logs_before,
        });
        index + 1
    }
}

impl Contents {
    /// The account after `transactions` transactions, if one of them touched it.
    fn account(&self, address: Address, transactions: usize) -> Option<Option<Account>> {
        self.accounts.get(&address)?.after(transactions).copied()
    }

    /// The slot after `transactions` transactions, if one of them touched it.
    fn slot(&self, address: Address, slot: U256, transactions: usize) -> Option<U256> {
        self.storage.get(&(address, slot))?.after(transactions).copied()
    }

    /// Adds what a transaction changed, seen by whoever looks at the first `transactions` ones or more.
    fn apply(&mut self, transactions: usize, touched: Touched) {
        for (address, account) in touched.accounts {
            self.accounts
                .entry(address)
                .or_default()
                .push(transactions, account);
        }
        for (key, value) in touched.slots {
            self.storage.entry(key).or_default().push(transactions, value);
        }
        self.codes.extend(touched.codes);
    }
}

/// What one transaction left behind, of everything it touched.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// `None` where there is no account.
    accounts: Vec<(Address, Option<Account>)>,
    slots: Vec<((Address, U256), U256)>,
    codes: Vec<(B256, Bytecode)>,
}

impl Touched {
    /// What `state` holds after the system calls that open a block, and nothing else.
    pub(crate) fn by_system_calls(state: &CacheState) -> Self {
        let mut all = Self::default();
        for (address, account) in &state.accounts {
            let Some(left) = &account.account else { continue };
            all.accounts
                .push((*address, Some(Account::from_info(&left.info))));
            let slots = left.storage.iter();
            all.slots
                .extend(slots.map(|(slot, value)| ((*address, *slot), *value)));
            all.codes.extend(
                left.info
                    .code
                    .iter()
                    .map(|code| (left.info.code_hash, code.clone())),
            );
        }
        all
    }

    pub(crate) fn of(state: &EvmState) -> Self {
        let mut all = Self {
            accounts: Vec::with_capacity(state.len()),
            ..Self::default()
        };
        for (address, account) in state.iter().filter(|(_, account)| account.is_touched()) {
            let gone = account.is_selfdestructed() || account.is_empty();
            if let Some(code) = account.info.code.as_ref().filter(|code| !code.is_empty()) {
                all.codes.push((account.info.code_hash, code.clone()));
            }
            let left = (!gone).then(|| Account::from_info(&account.info));
            all.accounts.push((*address, left));
            all.slots.extend(account.storage.iter().map(|(slot, value)| {
                let value = if gone { U256::ZERO } else { value.present_value };
                ((*address, *slot), value)
            }));
        }
        all
    }
}

impl DatabaseRef for PendingState {
    type Error = StoreError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StoreError> {
        // The lock is not held while the store is read: the builder would wait for it.
        let changed = self.block.contents.read().account(address, self.transactions);
        match changed {
            Some(account) => Ok(account.map(Account::to_info)),
            None => self.block.ground.basic_ref(address),
        }
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, StoreError> {
        let deployed = self.block.contents.read().codes.get(&code_hash).cloned();
        match deployed {
            Some(code) => Ok(code),
            None => self.block.ground.code_by_hash_ref(code_hash),
        }
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, StoreError> {
        let changed = self.block.contents.read().slot(address, index, self.transactions);
        match changed {
            Some(value) => Ok(value),
            None => self.block.ground.storage_ref(address, index),
        }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StoreError> {
        self.block.ground.block_hash_ref(number)
    }
}
