//! Stories across crates, and what they are told with.

pub mod history;
