//! The async shell around the pure pipeline: it fetches what the pipeline asks for and hands the engine what comes out.
//!
//! ```text
//!  L1Source --blocks--> +----------+ --attributes--> Engine
//!  DaLayer --payloads-> | Pipeline | <--safe block-- (execute or consolidate)
//!                       +----------+
//! ```
//! Everything that can fail for a passing reason happens here and becomes a stall: the same question is asked again until it is
//! answered. Nothing that fails here can make the pipeline skip data.

use core::{future::Future, pin::Pin};

mod engine;
mod l1_source;

pub use self::{
    engine::{Applied, ApplyError, Cause, Engine, EngineError},
    l1_source::{L1Error, L1Source, L1Tag},
};

/// A future behind a pointer: the seams are traits whose implementations are chosen where the roles are put together.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
