//! Made-up blocks for tests of the store: valid in shape, never executed, and a plain model of what the store must answer.
#![allow(dead_code, reason = "each test binary uses the part of this module it needs")]

use alloy::{
    consensus::Header,
    primitives::{Address, B256, Sealable, U256, keccak256},
};
use alloy_trie::EMPTY_ROOT_HASH;
use op_alloy_consensus::{
    OpDepositReceipt, OpDepositReceiptWithBloom, OpReceiptEnvelope, OpTxEnvelope, TxDeposit,
};
use tributary_protocol::{
    block::{L2Block, L2BlockNumber, L2BlockRef},
    execute::BlockOutcome,
    state::{Account, StateChanges, memory::MemoryState, trie::StateTrie},
};

/// What one made-up block changes: (address seed, nonce or gone), (address seed, slot, value). Slots of accounts that do not exist, and the
/// removal of accounts that have slots, cannot come out of execution and are left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    pub(crate) accounts: Vec<(u8, Option<u64>)>,
    pub(crate) slots: Vec<(u8, u8, u64)>,
}

/// State as the store must answer it, and the block it is the state of.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelState {
    pub(crate) reference: L2BlockRef,
    pub(crate) memory: MemoryState,
    pub(crate) root: B256,
}

impl ModelState {
    /// The state before genesis.
    fn empty() -> Self {
        Self {
            root: EMPTY_ROOT_HASH,
            ..Self::default()
        }
    }

    pub(crate) fn account(&self, address: Address) -> Option<Account> {
        self.memory.accounts().get(&address).copied()
    }

    pub(crate) fn slot(&self, address: Address, slot: U256) -> U256 {
        let slots = self.memory.storage().get(&address);
        slots
            .and_then(|slots| slots.get(&slot))
            .copied()
            .unwrap_or_default()
    }

    /// The next block and the state after it. `salt` makes blocks of the same height differ.
    pub(crate) fn next(&self, salt: u64, changes: &Changes) -> (BlockOutcome, Self) {
        let (outcome, reference) = make_block(self, salt, changes);
        let mut memory = self.memory.clone();
        memory.apply(&outcome);
        let root = outcome.trie.after.root();
        let next = Self {
            reference,
            memory,
            root,
        };
        (outcome, next)
    }

    fn changes(&self, salt: u64, changes: &Changes) -> StateChanges {
        let mut state = StateChanges::default();
        for (seed, nonce) in &changes.accounts {
            let has_slots = self.memory.storage().contains_key(&address(*seed))
                || changes.slots.iter().any(|(owner, ..)| owner == seed);
            if nonce.is_none() && has_slots {
                continue;
            }
            let account = nonce.map(|nonce| Account {
                nonce,
                balance: U256::from(salt),
                code_hash: B256::repeat_byte(*seed),
            });
            state.accounts.insert(address(*seed), account);
        }
        for (seed, slot, value) in &changes.slots {
            let written = state.accounts.get(&address(*seed)).copied().flatten();
            if written.or_else(|| self.account(address(*seed))).is_some() {
                let slots = state.storage.entry(address(*seed)).or_default();
                slots.insert(U256::from(*slot), U256::from(*value));
            }
        }
        state
    }
}

pub(crate) fn address(seed: u8) -> Address {
    Address::repeat_byte(seed)
}

fn make_block(parent: &ModelState, salt: u64, changes: &Changes) -> (BlockOutcome, L2BlockRef) {
    let state = parent.changes(salt, changes);
    let trie = StateTrie::at(parent.root).update(&parent.memory, &state);
    let trie = trie.expect("the model has all its nodes and the changes fit it");
    let parent = parent.reference;
    let number = L2BlockNumber(if parent.hash.is_zero() {
        0
    } else {
        parent.number.0 + 1
    });
    let header = Header {
        parent_hash: parent.hash,
        number: number.0,
        timestamp: number.0,
        state_root: trie.after.root(),
        ..Header::default()
    };
    let transaction = TxDeposit {
        source_hash: keccak256([number.0.to_be_bytes(), salt.to_be_bytes()].concat()),
        ..TxDeposit::default()
    };
    let block = L2Block {
        header,
        body: alloy::consensus::BlockBody {
            transactions: vec![OpTxEnvelope::Deposit(transaction.seal_slow())],
            ommers: Vec::new(),
            withdrawals: Some(Vec::new().into()),
        },
    };
    let hash = block.header.hash_slow();
    let receipt = OpReceiptEnvelope::Deposit(OpDepositReceiptWithBloom {
        receipt: OpDepositReceipt::default(),
        logs_bloom: alloy::primitives::Bloom::ZERO,
    });
    let reference = L2BlockRef {
        hash,
        number,
        parent_hash: parent.hash,
        timestamp: number.0,
        sequence_number: salt,
        ..L2BlockRef::default()
    };
    let outcome = BlockOutcome {
        block,
        hash,
        senders: vec![Address::ZERO],
        receipts: vec![receipt],
        changes: state,
        trie,
    };
    (outcome, reference)
}

/// Block 0 and its state.
pub(crate) fn genesis() -> (BlockOutcome, ModelState) {
    let changes = Changes {
        accounts: vec![(1, Some(1)), (2, Some(2))],
        slots: vec![(1, 1, 7)],
    };
    ModelState::empty().next(0, &changes)
}
