//! L1 back into L2: the only definition of the safe chain.
//!
//! The pipeline is a rule: synchronous, `no_std`, asking for data and never fetching it. Its driver (feature `std`) fetches.
//!
//! ```text
//!  L1 blocks -> l1_traversal -> l1_retrieval -> frame_queue -> channel_assembler -> channel_reader -> batch_stage
//!               (links)         (inbox, DA)     (frames)       (one channel)        (batches)         (order, validity)
//!                                                                                         attributes_queue <--+
//!  engine <---- attributes of the next block <---- (epoch's deposits, system configuration) <----+
//! ```
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod discard;
#[cfg(feature = "std")]
pub mod driver;
pub mod epoch;
pub mod fork_choice;
pub mod l1_block;
pub mod pipeline;
pub mod reset;
pub mod stages;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
