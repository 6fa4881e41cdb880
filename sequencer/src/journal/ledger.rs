//! What the records add up to: who waits, who is owed, what the open block holds and the one before it that is being sealed. The same fold while running and when reading back.

use super::record::{Admission, Opened, Record, State};
use alloy::primitives::{Address, B256, Bytes, keccak256, map::HashMap};
use std::collections::{BTreeMap, VecDeque};
use tributary_protocol::block::L2BlockNumber;

/// Transactions of sealed blocks whose place in line can still be shown. About a hundred bytes each.
const ORDER_KEPT_MAX: usize = 200_000;

/// Transactions of sealed blocks that a record lets go of besides what it says. A full block has thousands, and whoever seals it holds the
/// lock that everyone needs.
const LET_GO_EACH: usize = 8;

/// A transaction that was taken and is not in a committed block.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) hash: B256,
    pub(super) sender: Address,
    pub(super) arrival_micros: u64,
    pub(super) raw: Bytes,
    /// Segment that holds its bytes.
    pub(super) segment: u64,
}

/// Where a transaction came in line, and where it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderEntry {
    /// Place in line.
    pub sequence: u64,
    /// Wall clock when it came, microseconds since 1970.
    pub arrival_micros: u64,
    /// The block and the index it has there; `None` while it waits.
    pub place: Option<(L2BlockNumber, u32)>,
}

/// Why a record cannot follow those before it.
pub(super) type Contradiction = &'static str;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    next_sequence: u64,
    live: BTreeMap<u64, Live>,
    sequences: HashMap<B256, u64>,
    owed: VecDeque<u64>,
    /// Where the next returned transaction goes in `owed`.
    returning: usize,
    /// Takes no more transactions, and is not in the store.
    closed: Option<OpenLedger>,
    open: Option<OpenLedger>,
    /// In sealed blocks, with their places: still to be let go of.
    sealed: VecDeque<(u64, (L2BlockNumber, u32))>,
    order: HashMap<B256, OrderEntry>,
    /// Keys of `order`, oldest first.
    ordered: VecDeque<B256>,
    per_segment: BTreeMap<u64, usize>,
}

#[derive(Debug)]
struct OpenLedger {
    opened: Opened,
    executed: Vec<u64>,
}

impl OpenLedger {
    fn of((opened, executed): (Opened, Vec<u64>)) -> Self {
        Self { opened, executed }
    }

    fn to_state(&self) -> (Opened, Vec<u64>) {
        (self.opened.clone(), self.executed.clone())
    }

    fn index_of(&self, position: usize) -> u32 {
        let index = self.opened.attributes.transactions.len() + position;
        u32::try_from(index).expect("a block holds far fewer transactions")
    }
}

impl Ledger {
    /// Takes a record that stands in segment `segment`.
    pub(super) fn apply(&mut self, record: &Record, segment: u64) -> Result<(), Contradiction> {
        self.let_go(LET_GO_EACH);
        match record {
            Record::Admitted(admission) => self.admit(admission, keccak256(&admission.raw), segment),
            Record::Dropped(sequence, _) => {
                self.forget(*sequence);
                self.owed.retain(|owed| owed != sequence);
            }
            Record::Opened(opened) => {
                if self.open.is_some() {
                    self.give_back();
                }
                self.open = Some(OpenLedger {
                    opened: opened.clone(),
                    executed: Vec::new(),
                });
            }
            Record::Executed {
                number,
                index,
                sequence,
            } => self.execute(*number, *index, *sequence)?,
            Record::Closed(number) => self.close(*number)?,
            Record::Sealed { number, hash } => self.seal(*number, *hash)?,
            Record::Abandoned(_) => self.give_back(),
            Record::Reverted(_) => {
                self.give_back();
                self.returning = 0;
            }
            Record::Returned(admission) => {
                // It may be known from the block that was open when the one before it was taken back.
                let hash = keccak256(&admission.raw);
                if let Some(known) = self.sequence_of(hash) {
                    self.forget(known);
                    self.owed.retain(|owed| *owed != known);
                }
                self.admit(admission, hash, segment);
                self.owed
                    .insert(self.returning.min(self.owed.len()), admission.sequence);
                self.returning += 1;
            }
            Record::State(state) => self.continue_from(state)?,
        }
        Ok(())
    }

    /// Takes a transaction with this hash whose bytes stand in segment `segment`.
    pub(super) fn admit(&mut self, admission: &Admission, hash: B256, segment: u64) {
        self.let_go(LET_GO_EACH);
        self.next_sequence = self.next_sequence.max(admission.sequence.saturating_add(1));
        self.forget(admission.sequence);
        self.sequences.insert(hash, admission.sequence);
        *self.per_segment.entry(segment).or_default() += 1;
        let live = Live {
            hash,
            sender: admission.sender,
            arrival_micros: admission.arrival_micros,
            raw: admission.raw.clone(),
            segment,
        };
        self.live.insert(admission.sequence, live);
    }

    fn forget(&mut self, sequence: u64) -> Option<Live> {
        let live = self.live.remove(&sequence)?;
        if self.sequences.get(&live.hash) == Some(&sequence) {
            self.sequences.remove(&live.hash);
        }
        if let Some(count) = self.per_segment.get_mut(&live.segment) {
            *count -= 1;
            if *count == 0 {
                self.per_segment.remove(&live.segment);
            }
        }
        Some(live)
    }

    fn execute(&mut self, number: L2BlockNumber, index: u32, sequence: u64) -> Result<(), Contradiction> {
        let open = self
            .open
            .as_mut()
            .ok_or("a transaction was executed with no block open")?;
        if open.opened.number != number || open.index_of(open.executed.len()) != index {
            return Err("a transaction was executed at a place that was not the next");
        }
        // It may have been taken in a segment that was dropped, if the block is sealed further on; `check` sees to the rest.
        open.executed.push(sequence);
        if let Some(position) = self.owed.iter().position(|owed| *owed == sequence) {
            self.owed.remove(position);
        }
        Ok(())
    }

    fn close(&mut self, number: L2BlockNumber) -> Result<(), Contradiction> {
        if self.closed.is_some() {
            return Err("a block was closed before the one below it was sealed");
        }
        let open = self.open.take().filter(|open| open.opened.number == number);
        self.closed = Some(open.ok_or("a block was closed that was not open")?);
        Ok(())
    }

    fn seal(&mut self, number: L2BlockNumber, hash: B256) -> Result<(), Contradiction> {
        let first = if self.closed.is_some() {
            &mut self.closed
        } else {
            &mut self.open
        };
        let open = first.take().filter(|open| open.opened.number == number);
        let open = open.ok_or("a block was sealed that was not open")?;
        if let Some(next) = &mut self.open
            && next.opened.parent.is_zero()
        {
            next.opened.parent = hash;
        }
        let places = (0..).map(|position| (number, open.index_of(position)));
        self.sealed.extend(open.executed.iter().copied().zip(places));
        Ok(())
    }

    /// Lets go of up to `count` transactions of sealed blocks.
    fn let_go(&mut self, count: usize) {
        for _ in 0..count.min(self.sealed.len()) {
            let Some((sequence, place)) = self.sealed.pop_front() else {
                return;
            };
            if let Some(live) = self.forget(sequence) {
                self.keep_order(sequence, &live, Some(place));
            }
        }
    }

    /// Lets go of all that is in sealed blocks, for who asks what is left.
    pub(super) fn let_go_of_sealed(&mut self) {
        self.let_go(usize::MAX);
    }

    fn keep_order(&mut self, sequence: u64, live: &Live, place: Option<(L2BlockNumber, u32)>) {
        let entry = OrderEntry {
            sequence,
            arrival_micros: live.arrival_micros,
            place,
        };
        if self.order.insert(live.hash, entry).is_none() {
            self.ordered.push_back(live.hash);
        }
        while self.ordered.len() > ORDER_KEPT_MAX {
            if let Some(oldest) = self.ordered.pop_front() {
                self.order.remove(&oldest);
            }
        }
    }

    /// What the open block had executed goes first from now on, and before it what the closed one had.
    fn give_back(&mut self) {
        self.let_go_of_sealed();
        for block in self.open.take().into_iter().chain(self.closed.take()) {
            for sequence in block.executed.into_iter().rev() {
                self.owed.push_front(sequence);
            }
        }
    }

    fn blocks(&self) -> impl Iterator<Item = &OpenLedger> {
        self.closed.iter().chain(&self.open)
    }

    /// The first record of a segment repeats what the segments before it add up to, so that the oldest can be dropped.
    fn continue_from(&mut self, state: &State) -> Result<(), Contradiction> {
        if self.next_sequence == 0 {
            self.owed = state.owed.iter().copied().collect();
            self.closed = state.closed.clone().map(OpenLedger::of);
            self.open = state.open.clone().map(OpenLedger::of);
            self.next_sequence = state.next_sequence;
        } else if self.state() != *state {
            return Err("a segment does not begin where the one before it ends");
        }
        Ok(())
    }

    /// Everything but the transactions themselves.
    pub(super) fn state(&self) -> State {
        State {
            next_sequence: self.next_sequence.max(1),
            owed: self.owed.iter().copied().collect(),
            closed: self.closed.as_ref().map(OpenLedger::to_state),
            open: self.open.as_ref().map(OpenLedger::to_state),
        }
    }

    /// After everything has been read: what the state speaks of must be there.
    pub(super) fn check(&mut self) -> Result<(), Contradiction> {
        self.let_go_of_sealed();
        let executed = self.blocks().flat_map(|block| &block.executed);
        if self
            .owed
            .iter()
            .chain(executed)
            .all(|sequence| self.live.contains_key(sequence))
        {
            Ok(())
        } else {
            Err("a transaction that is owed is not there")
        }
    }

    pub(super) fn next_sequence(&self) -> u64 {
        self.next_sequence.max(1)
    }

    pub(super) fn sequence_of(&self, hash: B256) -> Option<u64> {
        self.sequences.get(&hash).copied()
    }

    pub(super) fn live(&self, sequence: u64) -> Option<&Live> {
        self.live.get(&sequence)
    }

    pub(super) fn all_live(&self) -> impl Iterator<Item = (u64, &Live)> {
        self.live.iter().map(|(sequence, live)| (*sequence, live))
    }

    pub(super) fn owed(&self) -> impl Iterator<Item = u64> + '_ {
        self.owed.iter().copied()
    }

    /// The open block.
    pub(super) fn open_block(&self) -> Option<(&Opened, &[u64])> {
        self.open.as_ref().map(|open| (&open.opened, &open.executed[..]))
    }

    /// The closed block that is not in the store.
    pub(super) fn closed_block(&self) -> Option<(&Opened, &[u64])> {
        self.closed
            .as_ref()
            .map(|open| (&open.opened, &open.executed[..]))
    }

    /// Place the next executed transaction will have.
    pub(super) fn next_place(&self) -> Option<(L2BlockNumber, u32)> {
        let open = self.open.as_ref()?;
        Some((open.opened.number, open.index_of(open.executed.len())))
    }

    /// Whether a segment holds transactions that are still needed.
    pub(super) fn needs_segment(&self, segment: u64) -> bool {
        self.per_segment.contains_key(&segment)
    }

    /// Transactions still needed of which the bytes are in `segment`, as they came.
    pub(super) fn admissions_in(&self, segment: u64) -> Vec<Admission> {
        let inside = self.live.iter().filter(|(_, live)| live.segment == segment);
        inside
            .map(|(sequence, live)| Admission {
                sequence: *sequence,
                arrival_micros: live.arrival_micros,
                sender: live.sender,
                raw: live.raw.clone(),
            })
            .collect()
    }

    /// Where a transaction stands, as far back as is known.
    pub(super) fn order(&mut self, hash: B256) -> Option<OrderEntry> {
        self.let_go_of_sealed();
        let Some(sequence) = self.sequence_of(hash) else {
            return self.order.get(&hash).copied();
        };
        let executed = self.blocks().flat_map(|open| {
            let places = (0..).map(|position| (open.opened.number, open.index_of(position)));
            open.executed.iter().zip(places)
        });
        let place = executed
            .filter(|(executed, _)| **executed == sequence)
            .map(|(_, place)| place)
            .next();
        Some(OrderEntry {
            sequence,
            arrival_micros: self.live.get(&sequence)?.arrival_micros,
            place,
        })
    }
}
