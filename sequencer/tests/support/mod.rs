//! Made-up blocks for tests of the store: valid in shape, never executed, and a plain model of what the store must answer.
#![allow(dead_code, reason = "each test binary uses the part of this module it needs")]

use alloy::{
    consensus::Header,
    primitives::{Address, B256, Bytes, Sealable, U256, keccak256},
};
use alloy_trie::Nibbles;
use op_alloy_consensus::{
    OpDepositReceipt, OpDepositReceiptWithBloom, OpReceiptEnvelope, OpTxEnvelope, TxDeposit,
};
use std::collections::BTreeMap;
use tributary_protocol::{
    block::{L2Block, L2BlockNumber, L2BlockRef},
    execute::BlockOutcome,
    state::{Account, StateChanges, TrieChanges},
};

/// What one made-up block changes: (address seed, nonce or gone), (address seed, slot, value), (path, node or gone).
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    pub(crate) accounts: Vec<(u8, Option<u64>)>,
    pub(crate) slots: Vec<(u8, u8, u64)>,
    pub(crate) nodes: Vec<(Option<u8>, Vec<u8>, Option<u8>)>,
}

/// Flat state as the store must answer it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ModelState {
    pub(crate) accounts: BTreeMap<Address, Account>,
    pub(crate) slots: BTreeMap<(Address, U256), U256>,
    pub(crate) nodes: BTreeMap<(Option<B256>, Nibbles), Bytes>,
}

impl ModelState {
    pub(crate) fn apply(&mut self, outcome: &BlockOutcome) {
        for (address, account) in &outcome.changes.accounts {
            match account {
                Some(account) => self.accounts.insert(*address, *account),
                None => self.accounts.remove(address),
            };
        }
        for (address, slots) in &outcome.changes.storage {
            for (slot, value) in slots {
                self.slots.insert((*address, *slot), *value);
            }
        }
        let storage = outcome.trie.storage.iter();
        let owned = storage.flat_map(|(owner, nodes)| nodes.iter().map(|(p, n)| (Some(*owner), p, n)));
        let plain = outcome.trie.accounts.iter().map(|(p, n)| (None, p, n));
        for (owner, path, node) in plain.chain(owned) {
            match node {
                Some(node) => self.nodes.insert((owner, *path), node.clone()),
                None => self.nodes.remove(&(owner, *path)),
            };
        }
    }
}

pub(crate) fn address(seed: u8) -> Address {
    Address::repeat_byte(seed)
}

/// Long enough to be a node of its own, different for each seed and salt.
pub(crate) fn node(seed: u8, salt: u64) -> Bytes {
    [&[seed; 33][..], &salt.to_be_bytes()].concat().into()
}

/// A block on top of `parent`. `salt` makes blocks of the same height differ.
pub(crate) fn make_block(parent: &L2BlockRef, salt: u64, changes: &Changes) -> (BlockOutcome, L2BlockRef) {
    let number = L2BlockNumber(if parent.hash.is_zero() {
        0
    } else {
        parent.number.0 + 1
    });
    let root_node = node(0xee, salt ^ (number.0 << 32));
    let mut trie = TrieChanges::default();
    trie.accounts.insert(Nibbles::default(), Some(root_node.clone()));
    for (owner, path, value) in &changes.nodes {
        let nibbles = Nibbles::from_nibbles(path.iter().map(|nibble| nibble & 0xf).collect::<Vec<_>>());
        let value = value.map(|seed| node(seed, salt));
        match owner {
            // The root stays what the header promises.
            None if nibbles.is_empty() => {}
            None => drop(trie.accounts.insert(nibbles, value)),
            Some(owner) => {
                let owner = B256::repeat_byte(*owner);
                trie.storage.entry(owner).or_default().insert(nibbles, value);
            }
        }
    }
    let mut state = StateChanges::default();
    for (seed, nonce) in &changes.accounts {
        let account = nonce.map(|nonce| Account {
            nonce,
            balance: U256::from(salt),
            code_hash: B256::repeat_byte(*seed),
        });
        state.accounts.insert(address(*seed), account);
    }
    for (seed, slot, value) in &changes.slots {
        let slots = state.storage.entry(address(*seed)).or_default();
        slots.insert(U256::from(*slot), U256::from(*value));
    }
    let header = Header {
        parent_hash: parent.hash,
        number: number.0,
        timestamp: number.0,
        state_root: keccak256(&root_node),
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

/// Block 0.
pub(crate) fn genesis() -> (BlockOutcome, L2BlockRef) {
    let changes = Changes {
        accounts: vec![(1, Some(1)), (2, Some(2))],
        slots: vec![(1, 1, 7)],
        nodes: vec![(None, vec![1], Some(3)), (Some(4), vec![], Some(5))],
    };
    make_block(&L2BlockRef::default(), 0, &changes)
}
