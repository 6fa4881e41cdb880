//! What transactions did inside: geth's `debug_trace*`, Parity's `trace_*`, Otterscan's `ots_*`.
//!
//! ```text
//!  hash or number -> StoredBlock + state of its parent -> replay (the executor that sealed it) -> inspector -> JSON
//!  call           -> Simulation                        -> one run                              -> inspector -> JSON
//! ```
//! A block is executed again as it was sealed, deposits included, and every receipt must come out as it was stored, so a trace never
//! says something else than the receipt. What a trace may cost is bounded three ways: how many run at once ([`super::heavy`]), how much one may
//! record ([`budget`]), and how many blocks a filter may span; each refusal names its limit.

mod budget;
pub(super) mod debug;
pub(super) mod otterscan;
pub(super) mod parity;
mod replay;
mod root;
mod search;
