//! Both seams of the driver in memory: a simulated L1 and an engine without a store, for tests here and in other crates.

mod blobs;
mod engine;
mod l1;

pub use self::{
    blobs::MemoryBlobs,
    engine::{MemoryEngine, MemoryEngineError},
    l1::{MemoryL1, MinedTransaction},
};
