//! What the rollup costs and how fast it is, measured with the code that runs in production.
//!
//! Each measurement prints a table that docs/benchmarks.md quotes, and with `--json` one object for machines.

pub(crate) mod batch;
pub(crate) mod chain;
mod chart;
pub(crate) mod cost;
mod cpu;
pub(crate) mod derive;
pub(crate) mod e2e;
mod encode;
mod sample;
