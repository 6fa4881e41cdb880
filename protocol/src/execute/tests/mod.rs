//! The state transition on a small chain in memory, in both profiles.

mod ahead;
mod blocks;
mod fees;
mod fixture;
mod recovery;
mod refusals;
