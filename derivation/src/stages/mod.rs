//! The stages, in the order data flows through them. Each owns one decision; none knows the next.

pub mod attributes_queue;
mod batch_check;
pub mod batch_stage;
pub mod channel_assembler;
pub mod channel_reader;
mod epochs;
#[cfg(test)]
mod fixture;
pub mod frame_queue;
pub mod l1_retrieval;
pub mod l1_traversal;
mod span_check;
