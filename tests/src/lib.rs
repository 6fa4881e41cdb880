//! Stories across crates, and what they are told with.

pub mod history;
#[cfg(feature = "simulation")]
pub mod sim;
