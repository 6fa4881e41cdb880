//! The engine: single writer of the chain, and the handles others hold on it.
//!
//! ```text
//!  builder - seal, commit_unsafe -+
//!                                 v
//!  derivation - apply, set_safe -> [ engine thread: ChainWriter ] -- publish --> Chain (rpc, builder, pool)
//! ```
//! Commands run one after the other on a thread of their own, so no two of them see the chain in between. A block is on disk
//! before anyone is told about it.

mod apply;
mod chain;
mod derivation;
mod ground;
mod import;
mod pending;
mod recovery;
mod seal;
mod writer;

pub use self::{
    chain::{Abandoned, Chain},
    ground::Ground,
    pending::{PendingBlock, PendingState, PendingTip, PendingTransaction},
    seal::Seal,
    writer::{Engine, EngineError},
};
pub(crate) use self::{pending::Touched, seal::Sealer, writer::Closed};
pub use crate::store::{Heads, StoreSettings};
