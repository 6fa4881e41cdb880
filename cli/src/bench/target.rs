//! What a measurement is held against: a number, its bound, and whether it holds, said in the output of the same run.

use serde::Serialize;
use std::fmt;

/// A number and the bound it should keep.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) found: f64,
    pub(crate) bound: f64,
    pub(crate) is_ceiling: bool,
    pub(crate) holds: bool,
}

impl Target {
    /// `found` must not be above `bound`.
    pub(crate) fn at_most(what: impl Into<String>, found: f64, bound: f64) -> Self {
        Self {
            what: what.into(),
            found,
            bound,
            is_ceiling: true,
            holds: found <= bound,
        }
    }

    /// `found` must not be below `bound`.
    pub(crate) fn at_least(what: impl Into<String>, found: f64, bound: f64) -> Self {
        Self {
            what: what.into(),
            found,
            bound,
            is_ceiling: false,
            holds: found >= bound,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.holds { "pass" } else { "FAIL" };
        let bound = if self.is_ceiling { "at most" } else { "at least" };
        write!(
            f,
            "{verdict}: {} is {:.3}, wanted {bound} {:.3}",
            self.what, self.found, self.bound
        )
    }
}

/// One line each.
pub(crate) fn lines(targets: &[Target]) -> String {
    let lines: Vec<_> = targets.iter().map(Target::to_string).collect();
    lines.join("  \n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_that_is_met_exactly_holds_and_a_number_that_is_none_does_not() {
        assert!(Target::at_most("x", 2.0, 2.0).holds && Target::at_least("x", 2.0, 2.0).holds);
        assert!(!Target::at_most("x", 2.1, 2.0).holds && !Target::at_least("x", 1.9, 2.0).holds);
        assert!(!Target::at_most("x", f64::NAN, 2.0).holds && !Target::at_least("x", f64::NAN, 2.0).holds);
        let said = lines(&[
            Target::at_most("p50", 3.0, 2.0),
            Target::at_least("speed", 3.0, 2.0),
        ]);
        assert_eq!(
            said,
            "FAIL: p50 is 3.000, wanted at most 2.000  \npass: speed is 3.000, wanted at least 2.000"
        );
    }
}
