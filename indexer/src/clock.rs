//! The wall clock, as seconds.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix seconds now; 0 on a machine whose clock stands before 1970.
pub(crate) fn unix_now_secs() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}
