//! The engine: single writer of the chain, and the handles others hold on it.
//!
//! ```text
//!  builder ---- commit_unsafe ----+
//!                                 v
//!  derivation - apply, set_safe -> [ engine thread: ChainWriter ] -- publish --> Chain (rpc, builder, pool)
//! ```
//! Commands run one after the other on a thread of their own, so no two of them see the chain in between. A block is on disk
//! before anyone is told about it.

mod apply;
mod chain;
mod derivation;
mod import;
mod pending;
mod recovery;
mod writer;

pub(crate) use self::pending::Touched;
pub use self::{
    chain::{Abandoned, Chain},
    pending::{PendingBlock, PendingState, PendingTip, PendingTransaction},
    writer::{Engine, EngineError},
};
pub use crate::store::{Heads, StoreSettings};
