//! The seal of a block: it has one, will have one, or never will. Whoever executes on a block that is being sealed may have to wait for it.

use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use tributary_protocol::block::L2BlockRef;

/// Shared between a block, whoever seals it, and the block after it.
#[derive(Debug, Default)]
pub struct Seal {
    state: Mutex<State>,
    decided: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Awaited,
    Set(L2BlockRef),
    Lost,
}

impl Seal {
    /// Where the block stands; `None` while it is not sealed.
    #[must_use]
    pub fn known(&self) -> Option<L2BlockRef> {
        match *self.state.lock() {
            State::Set(reference) => Some(reference),
            State::Awaited | State::Lost => None,
        }
    }

    /// True once it is certain that the block will not be on the chain.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(*self.state.lock(), State::Lost)
    }

    /// Waits until it is decided; `None` if the block will not be. Blocks the thread for as long as the roots of a block take.
    #[must_use]
    pub fn wait(&self) -> Option<L2BlockRef> {
        let mut state = self.state.lock();
        loop {
            match *state {
                State::Awaited => self.decided.wait(&mut state),
                State::Set(reference) => return Some(reference),
                State::Lost => return None,
            }
        }
    }

    fn decide(&self, as_what: State) {
        let mut state = self.state.lock();
        if matches!(*state, State::Awaited) {
            *state = as_what;
            self.decided.notify_all();
        }
    }
}

/// The one who seals. Dropping it without sealing says that the block will not be.
#[derive(Debug)]
pub(crate) struct Sealer(Arc<Seal>);

impl Sealer {
    pub(crate) const fn new(seal: Arc<Seal>) -> Self {
        Self(seal)
    }

    pub(super) fn set(&self, reference: L2BlockRef) {
        self.0.decide(State::Set(reference));
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        self.0.decide(State::Lost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_protocol::block::L2BlockNumber;

    #[test]
    fn who_waits_is_told_whichever_way_it_goes() {
        let reference = L2BlockRef {
            number: L2BlockNumber(7),
            ..L2BlockRef::default()
        };
        for sealed in [Some(reference), None] {
            let seal = Arc::new(Seal::default());
            let sealer = Sealer::new(seal.clone());
            assert!(seal.known().is_none() && !seal.is_lost());
            let waiting = seal.clone();
            let waiter = std::thread::spawn(move || waiting.wait());
            if let Some(reference) = sealed {
                sealer.set(reference);
            }
            drop(sealer);
            assert_eq!(waiter.join().unwrap(), sealed);
            assert_eq!((seal.known(), seal.is_lost()), (sealed, sealed.is_none()));
        }
    }
}
