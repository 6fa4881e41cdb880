//! The async shell around the pure pipeline: it fetches what the pipeline asks for and hands the engine what comes out.
//!
//! ```text
//!  L1Source --blocks--> +----------+ --attributes--> Engine
//!  DaLayer --payloads-> | Pipeline | <--safe block-- (execute or consolidate)
//!  BlobSource --blobs-> +----------+
//! ```
//! Everything that can fail for a passing reason happens here and becomes a stall: the same question is asked again until it is
//! answered. Nothing that fails here can make the pipeline skip data.

use core::{future::Future, pin::Pin};

mod blobs;
mod data;
mod engine;
mod error;
mod follow_l1;
mod l1_source;
pub mod memory;
mod outputs;
mod restart;
mod rpc_l1;
mod run;
mod settings;
mod status;

pub use self::{
    blobs::{BeaconBlobs, BlobFetchError, BlobSource, versioned_hash},
    engine::{Applied, ApplyError, Cause, Engine, EngineError},
    error::{HaltCause, StallCause},
    l1_source::{L1Error, L1Source, L1Tag},
    outputs::{OutputWatchSettings, Proposal},
    restart::{Restart, RestartError, find_restart},
    rpc_l1::RpcL1Source,
    run::{Driver, DriverStep, ResetRequest},
    settings::DriverSettings,
    status::{DerivationStatus, Stall, StallKind},
};

/// A future behind a pointer: the seams are traits whose implementations are chosen where the roles are put together.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
