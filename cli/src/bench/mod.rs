//! What the rollup costs and how fast it is, measured with the code that runs in production.
//!
//! Each measurement prints a table that docs/benchmarks.md quotes, and with `--json` one object for machines.

pub(crate) mod batch;
pub(crate) mod chain;
mod chart;
pub(crate) mod cost;
pub(crate) mod crash;
pub(crate) mod derive;
pub(crate) mod e2e;
mod encode;
pub(crate) mod exec;
pub(crate) mod latency;
pub(crate) mod memory;
pub(crate) mod reads;
pub(crate) mod rig;
pub(crate) mod root;
mod sample;
pub(crate) mod soak;
pub(crate) mod state;
mod target;
