//! The admin RPC of a role: what only its operator may ask, on a port of its own.
//!
//! ```text
//!  tributary batcher admin, the batcher's throttle --client--> Authorization: Bearer <token> --server--> methods of the role
//! ```
//! It listens on the loopback interface or not at all, and asks for a token of the engine API's kind: HS256, signed with a key both
//! sides read from a file, a minute young. Without the key file there is no admin RPC.

pub(crate) mod client;
pub(crate) mod server;
pub(crate) mod token;
