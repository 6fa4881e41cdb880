//! What the operator chooses about the driver; none of it can change what is derived.

use core::time::Duration;

/// Pace of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriverSettings {
    /// How often L1 is asked for something new once all is derived.
    pub poll_interval: Duration,
    /// First pause after a failure; doubles with each one that follows.
    pub retry_min: Duration,
    /// Longest pause after a failure.
    pub retry_max: Duration,
    /// L1 blocks below the head that are not read yet: 0 reads the head, more see fewer reorgs.
    pub l1_confirmations: u64,
}

impl Default for DriverSettings {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_millis(500),
            retry_min: Duration::from_millis(100),
            retry_max: Duration::from_secs(5),
            l1_confirmations: 0,
        }
    }
}

impl DriverSettings {
    /// Pause after the `attempts`-th failure in a row.
    #[must_use]
    pub fn retry_pause(&self, attempts: u32) -> Duration {
        // 2^20 times the shortest pause is beyond any longest one; the bound keeps the power in range.
        let factor = 1 << attempts.saturating_sub(1).min(20);
        self.retry_min.saturating_mul(factor).min(self.retry_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_doubles_up_to_its_bound() {
        let settings = DriverSettings::default();
        let pauses: Vec<_> = [1, 2, 3, 7, u32::MAX]
            .map(|attempts| settings.retry_pause(attempts).as_millis())
            .into();
        assert_eq!(pauses, [100, 200, 400, 5_000, 5_000]);
    }
}
