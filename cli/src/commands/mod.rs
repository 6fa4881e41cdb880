//! One file per subcommand.

pub(crate) mod admin;
pub(crate) mod batcher;
pub(crate) mod bench;
pub(crate) mod da;
pub(crate) mod demo;
pub(crate) mod deploy;
pub(crate) mod devnet;
pub(crate) mod evidence;
pub(crate) mod genesis;
pub(crate) mod indexer;
pub(crate) mod node;
pub(crate) mod proposer;
pub(crate) mod record;
pub(crate) mod rpc;
mod shared;
