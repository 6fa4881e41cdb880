//! The block being built, readable while it grows: what `pending` means to the RPC, and what a preconfirmation refers to.
//!
//! The builder appends; readers see a prefix of the transactions, each with its receipt and the state after the last of them. The
//! system calls that open a block (EIP-2935, EIP-4788) are not in that state: they touch only what contracts look up about the past.

use crate::store::{StateView, StoreError};
use alloy::{
    consensus::transaction::{Recovered, TxHashRef},
    primitives::{Address, B256, U256},
};
use op_alloy_consensus::{OpReceiptEnvelope, OpTxEnvelope};
use parking_lot::RwLock;
use revm::{
    bytecode::Bytecode,
    database_interface::DatabaseRef,
    state::{AccountInfo, EvmState},
};
use std::collections::HashMap;
use tributary_protocol::{
    attributes::BlockAttributes,
    block::{L2BlockNumber, L2BlockRef},
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
    base_fee: u64,
    base: StateView,
    contents: RwLock<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    transactions: Vec<PendingTransaction>,
    positions: HashMap<B256, usize>,
    accounts: HashMap<Address, Option<AccountInfo>>,
    storage: HashMap<(Address, U256), U256>,
    codes: HashMap<B256, Bytecode>,
}

impl PendingBlock {
    /// An open block without transactions on top of `parent`, whose state is `base`.
    #[must_use]
    pub fn new(parent: L2BlockRef, attributes: BlockAttributes, base_fee: u64, base: StateView) -> Self {
        Self {
            parent,
            attributes,
            base_fee,
            base,
            contents: RwLock::default(),
        }
    }

    /// Number this block will have.
    #[must_use]
    pub const fn number(&self) -> L2BlockNumber {
        self.parent.number.next()
    }

    /// The block it builds on.
    #[must_use]
    pub const fn parent(&self) -> &L2BlockRef {
        &self.parent
    }

    /// Its inputs: timestamp, gas limit, fee recipient and so on; `transactions` holds only the deposits.
    #[must_use]
    pub const fn attributes(&self) -> &BlockAttributes {
        &self.attributes
    }

    /// Wei per gas.
    #[must_use]
    pub const fn base_fee(&self) -> u64 {
        self.base_fee
    }

    /// How far it has come.
    #[must_use]
    pub fn tip(&self) -> PendingTip {
        PendingTip {
            number: self.number(),
            transactions: self.contents.read().transactions.len(),
        }
    }

    /// The executed transaction with this hash.
    #[must_use]
    pub fn transaction(&self, hash: B256) -> Option<PendingTransaction> {
        let contents = self.contents.read();
        let index = *contents.positions.get(&hash)?;
        contents.transactions.get(index).cloned()
    }

    /// Executed transactions from position `start` on.
    #[must_use]
    pub fn transactions_from(&self, start: usize) -> Vec<PendingTransaction> {
        let contents = self.contents.read();
        contents
            .transactions
            .get(start..)
            .map(<[_]>::to_vec)
            .unwrap_or_default()
    }

    /// Adds an executed transaction and what it changed. Called by the builder alone, in execution order.
    pub fn append(
        &self,
        transaction: Recovered<OpTxEnvelope>,
        receipt: OpReceiptEnvelope,
        gas_used: u64,
        state: &EvmState,
    ) {
        let mut contents = self.contents.write();
        contents.apply(state);
        let index = contents.transactions.len();
        contents.positions.insert(*transaction.tx_hash(), index);
        contents.transactions.push(PendingTransaction {
            index,
            transaction,
            receipt,
            gas_used,
        });
    }
}

impl Contents {
    fn apply(&mut self, state: &EvmState) {
        for (address, account) in state {
            if !account.is_touched() {
                continue;
            }
            let gone = account.is_selfdestructed() || account.is_empty();
            if let Some(code) = &account.info.code {
                self.codes.insert(account.info.code_hash, code.clone());
            }
            self.accounts
                .insert(*address, (!gone).then(|| account.info.clone()));
            for (slot, value) in &account.storage {
                let value = if gone { U256::ZERO } else { value.present_value };
                self.storage.insert((*address, *slot), value);
            }
        }
    }
}

impl DatabaseRef for PendingBlock {
    type Error = StoreError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StoreError> {
        if let Some(account) = self.contents.read().accounts.get(&address) {
            return Ok(account.clone());
        }
        self.base.basic_ref(address)
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, StoreError> {
        if let Some(code) = self.contents.read().codes.get(&code_hash) {
            return Ok(code.clone());
        }
        self.base.code_by_hash_ref(code_hash)
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, StoreError> {
        if let Some(value) = self.contents.read().storage.get(&(address, index)) {
            return Ok(*value);
        }
        self.base.storage_ref(address, index)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StoreError> {
        self.base.block_hash_ref(number)
    }
}
