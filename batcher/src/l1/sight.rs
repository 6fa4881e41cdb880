//! What has become of L1 since we last looked, so that a look costs no more than it must.
//!
//! ```text
//!  the same head               nothing can have changed
//!  a head on top of the last   what was included up to the last head still is
//!  anything else               everything is looked for again
//! ```

use super::{error::L1Error, port::L1Port};
use tributary_protocol::block::{L1BlockId, L1BlockNumber};

/// L1 compared with what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// It is as it was.
    Unchanged,
    /// It has grown on top of this block.
    Grown(L1BlockNumber),
    /// It may be another one.
    Unknown,
}

impl Since {
    /// True if what `block` includes is included still.
    pub(super) fn holds(self, block: L1BlockId) -> bool {
        match self {
            Self::Unchanged => true,
            Self::Grown(last) => block.number <= last,
            Self::Unknown => false,
        }
    }
}

/// Compares L1, whose head is `head` now, with what it was when its head was `last`.
pub(super) async fn since<L: L1Port>(
    l1: &L,
    last: Option<L1BlockId>,
    head: Option<L1BlockId>,
) -> Result<Since, L1Error> {
    let Some((last, head)) = last.zip(head) else {
        return Ok(Since::Unknown);
    };
    if last == head {
        return Ok(Since::Unchanged);
    }
    if head.number <= last.number {
        return Ok(Since::Unknown);
    }
    let is_below = l1.block_hash(last.number).await? == Some(last.hash);
    Ok(if is_below {
        Since::Grown(last.number)
    } else {
        Since::Unknown
    })
}
