//! First come, first served, whoever is ready first.
//!
//! ```text
//!  enter --> Place --complete--> served at once, or kept until everyone before has been
//!                 \--dropped---> skipped
//! ```
//! A place that is dropped without an outcome is left, so nobody behind it waits in vain: neither a request that is cancelled nor a panic
//! leaves a hole.

use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// The line.
pub(super) struct Turns<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    order: Mutex<Order<T>>,
    serve: fn(T),
}

struct Order<T> {
    /// Places handed out, and places served or left; both count without gaps, from 0.
    entered: u64,
    served: u64,
    /// Outcomes that came before their turn; `None` of who has left.
    early: BTreeMap<u64, Option<T>>,
}

/// A place in line.
pub(super) struct Place<T> {
    shared: Arc<Shared<T>>,
    number: u64,
    outcome: Option<T>,
}

impl<T> Turns<T> {
    /// An empty line. `serve` is called with one outcome at a time, by whoever makes it due.
    pub(super) fn new(serve: fn(T)) -> Self {
        let order = Mutex::new(Order {
            entered: 0,
            served: 0,
            early: BTreeMap::new(),
        });
        Self {
            shared: Arc::new(Shared { order, serve }),
        }
    }

    /// Gets in line.
    pub(super) fn enter(&self) -> Place<T> {
        let mut order = self.shared.order.lock();
        let number = order.entered;
        order.entered += 1;
        Place {
            shared: self.shared.clone(),
            number,
            outcome: None,
        }
    }
}

impl<T> Place<T> {
    /// Serves the outcome once it is its turn: now, or by whoever is in front.
    pub(super) fn complete(mut self, outcome: T) {
        // Dropping the place does the rest.
        self.outcome = Some(outcome);
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        let mut order = self.shared.order.lock();
        let mut due = Some(self.outcome.take());
        if self.number != order.served {
            order.early.extend(due.map(|outcome| (self.number, outcome)));
            due = order.take_next();
        }
        while let Some(outcome) = due {
            // Before it is served: whatever happens there, the line goes on.
            order.served += 1;
            if let Some(outcome) = outcome {
                (self.shared.serve)(outcome);
            }
            due = order.take_next();
        }
    }
}

impl<T> Order<T> {
    fn take_next(&mut self) -> Option<Option<T>> {
        self.early.remove(&self.served)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{self, AssertUnwindSafe};

    type Served = Arc<Mutex<Vec<u64>>>;

    fn line() -> (Turns<(u64, Served)>, Served) {
        let turns = Turns::new(|(number, served): (u64, Served)| {
            served.lock().push(number);
            assert!(number != 13, "unlucky");
        });
        (turns, Served::default())
    }

    #[test]
    fn whoever_is_ready_first_waits_for_who_came_first() {
        let (turns, served) = line();
        let [first, second, third] = [turns.enter(), turns.enter(), turns.enter()];
        third.complete((3, served.clone()));
        second.complete((2, served.clone()));
        assert!(served.lock().is_empty(), "the first is not ready");
        first.complete((1, served.clone()));
        assert_eq!(*served.lock(), [1, 2, 3]);
    }

    #[test]
    fn whoever_leaves_holds_nobody_up() {
        let (turns, served) = line();
        let [first, second, third, fourth] = [turns.enter(), turns.enter(), turns.enter(), turns.enter()];
        drop(second);
        third.complete((3, served.clone()));
        first.complete((1, served.clone()));
        assert_eq!(*served.lock(), [1, 3]);
        drop(fourth);
        turns.enter().complete((5, served.clone()));
        assert_eq!(*served.lock(), [1, 3, 5]);
    }

    #[test]
    fn a_panic_while_serving_costs_nobody_else_the_turn() {
        let (turns, served) = line();
        let [first, second] = [turns.enter(), turns.enter()];
        second.complete((2, served.clone()));
        let unlucky = panic::catch_unwind(AssertUnwindSafe(|| first.complete((13, served.clone()))));
        assert!(unlucky.is_err());
        turns.enter().complete((3, served.clone()));
        assert_eq!(*served.lock(), [13, 2, 3]);
    }
}
