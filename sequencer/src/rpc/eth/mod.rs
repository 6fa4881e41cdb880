//! The `eth` namespace, by subject.

pub(super) mod blocks;
pub(super) mod call;
pub(super) mod estimate;
pub(super) mod fees;
pub(super) mod fill;
pub(super) mod logs;
pub(super) mod node;
pub(super) mod proof;
pub(super) mod send;
pub(super) mod state;
pub(super) mod transactions;
