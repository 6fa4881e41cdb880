//! A follower's way to the unsafe head: what the sequencer says it has sealed, believed only so far as it is signed and executes.
//!
//! ```text
//!  L1 SystemConfig --unsafeBlockSigner--> SignerWatch --\
//!  sequencer --newFlashblocks (WebSocket)--> Gate: signature, signer, epoch --> Witness: contradicts nothing seen before
//!                                                        |                         \--> evidence
//!  sequencer <--rollup_blockSignature, debug_getRawBlock-+--> engine: executes to the hash that was signed --> unsafe head
//! ```
//! Invariants: nothing is imported that the signer named on L1 has not signed, in an epoch not lower than the highest seen; nothing
//! becomes more than unsafe by it, since derivation decides; a sequencer that lies or is silent costs nothing but the unsafe head.

mod client;
mod follow;
mod gate;
mod signer;
mod witness;

pub use self::{
    gate::{Gate, Refusal},
    signer::SignerWatch,
    witness::{EVIDENCE_MAX, EvidenceBook, Witness},
};

pub(crate) use self::follow::UnsafeFeed;
