//! The batcher's nonce machine: every transaction of the journal gets a nonce once, in the order of the channels, and is offered,
//! replaced and looked for until L1 holds it; and again if L1 takes it back.
//!
//! ```text
//!  channel with a route --assign--> nonce in the journal --attempt in the journal--> L1's pool --> included <--reorg--> pool
//! ```
//! Since calldata and nonce belong together for good, a nonce has one effect whatever crashes in between; and since nonces follow
//! the channels, L1 holds the channels in their order, which derivation requires.

use super::{
    account::Account,
    error::L1Error,
    fees::{FeeLimits, Fees, Urgency},
    gap::Gap,
    port::{Accepted, Call, L1Port},
    sight::{self, Since},
};
use crate::journal::{Attempt, Journal, JournalError, JournaledChannel, JournaledTransaction, Route};
use crate::{
    cargo::{CALLDATA_SIZE_MAX, Cargo, channel_cargo},
    channel_builder::BuildError,
};
use alloy::primitives::{Address, Bytes};
use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;
use tracing::{info, warn};
use tributary_protocol::block::L1BlockId;

/// Gas of a transaction before its data.
pub(super) const GAS_BASE: u64 = 21_000;

/// Gas of a token of calldata under EIP-7623, where a zero byte is one token and another byte four: the floor, which data that no
/// code reads always pays.
const GAS_PER_TOKEN: u64 = 10;

/// How long a nonce may be used by no transaction of ours before that counts as another process with our key.
const FOREIGN_NONCE_PATIENCE: Duration = Duration::from_secs(30);

/// Why posting cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// See [`L1Error`].
    #[error(transparent)]
    L1(#[from] L1Error),
    /// See [`JournalError`].
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A payload of the journal does not split again.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// How transactions are offered.
#[derive(Clone, Copy, Debug)]
pub struct PosterSettings {
    /// The inbox.
    pub inbox: Address,
    /// Ceilings.
    pub limits: FeeLimits,
    /// Time after which a transaction that was not mined is replaced by one that pays more.
    pub replace_after: Duration,
    /// Transactions offered and not yet mined; more wait for their nonces.
    pub in_flight_max: usize,
}

/// Posts what the journal holds.
#[derive(Debug)]
pub struct Poster<L> {
    pub(super) l1: L,
    pub(super) account: Account,
    pub(super) settings: PosterSettings,
    /// When a nonce was last offered by this process; empty after a start, so that everything is offered again.
    offered: HashMap<u64, Instant>,
    /// A nonce that L1 says is used, by none of our transactions, and since when it says so.
    unexplained: Option<(u64, Instant)>,
    calldata_size_max: usize,
    /// L1's next nonce when we last looked.
    on_chain: u64,
    /// L1's head when we last looked, if it was the same before and after.
    seen: Option<L1BlockId>,
    pub(super) gap: Option<Gap>,
}

impl<L: L1Port> Poster<L> {
    /// A poster that has offered nothing yet.
    #[must_use]
    pub fn new(l1: L, account: Account, settings: PosterSettings) -> Self {
        Self {
            l1,
            account,
            settings,
            offered: HashMap::new(),
            unexplained: None,
            calldata_size_max: CALLDATA_SIZE_MAX,
            on_chain: u64::MAX,
            seen: None,
            gap: None,
        }
    }

    /// Cuts calldata at `size_max` bytes, so that small channels take several transactions too. The journal must have been written
    /// under the same size.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn with_calldata_size_max(mut self, size_max: usize) -> Self {
        self.calldata_size_max = size_max;
        self
    }

    /// Account the transactions come from.
    #[must_use]
    pub fn address(&self) -> Address {
        self.account.address()
    }

    /// True if L1's pool holds no transaction of ours.
    ///
    /// # Errors
    /// [`L1Error::Rpc`].
    pub async fn is_quiet(&self) -> Result<bool, L1Error> {
        let on_chain = self.l1.nonce(self.address(), false).await?;
        Ok(self.l1.nonce(self.address(), true).await? <= on_chain)
    }

    /// Looks for every transaction on L1 as it is now, also for those that were there before, unless their block is known to be there
    /// still; and for none while L1 has no new block.
    ///
    /// # Errors
    /// [`L1Error::NonceTaken`] if a nonce of ours was used by somebody else: two processes use the key, and this one must stop.
    pub async fn look(&mut self, journal: &mut Journal) -> Result<(), PostError> {
        let head = self.l1.head().await?;
        let since = sight::since(&self.l1, self.seen, head).await?;
        // What cannot be explained is asked again until it can.
        if since == Since::Unchanged && self.unexplained.is_none() {
            return Ok(());
        }
        // The nonce is read first: what is mined in between must not look like somebody else's transaction.
        let on_chain = self.l1.nonce(self.address(), false).await?;
        self.on_chain = on_chain;
        let mut found = HashMap::new();
        let mut unexplained = None;
        for transaction in transactions(journal) {
            if transaction.included.is_some_and(|block| since.holds(block)) {
                continue;
            }
            let inclusion = self.inclusion(transaction).await?;
            if inclusion.is_none() && transaction.nonce < on_chain {
                unexplained = unexplained.or(Some(transaction.nonce));
                continue;
            }
            let block = inclusion.map(|inclusion| inclusion.block);
            if block != transaction.included {
                match inclusion {
                    Some(inclusion) => info!(
                        nonce = transaction.nonce, l1_tx = %inclusion.hash, l1_block = inclusion.block.number.0, "posted"
                    ),
                    None => {
                        warn!(
                            nonce = transaction.nonce,
                            "L1 took a transaction back; it is offered again"
                        );
                        metrics::counter!("op_batcher_default_txs_reorged_total").increment(1);
                        self.offered.remove(&transaction.nonce);
                    }
                }
                if let Some(inclusion) = inclusion {
                    metrics::counter!("op_batcher_default_l1_gas_total").increment(inclusion.gas_used);
                }
                found.insert(transaction.nonce, block);
            }
        }
        journal.change(|channels| {
            for transaction in channels.iter_mut().flat_map(|channel| &mut channel.transactions) {
                if let Some(block) = found.get(&transaction.nonce) {
                    transaction.included = *block;
                }
            }
        })?;
        self.offered
            .retain(|nonce, _| transactions(journal).any(|transaction| transaction.nonce == *nonce));
        // A block that came in between may have moved what was read before it.
        let is_steady = self.l1.head().await? == head;
        self.seen = head.filter(|_| is_steady);
        Ok(self.judge(unexplained)?)
    }

    /// A nonce that is used by no transaction of ours was used by somebody else, if it stays so: a reorg between two questions, or an
    /// endpoint whose backends differ, looks the same for a moment.
    fn judge(&mut self, unexplained: Option<u64>) -> Result<(), L1Error> {
        let Some(nonce) = unexplained else {
            self.unexplained = None;
            return Ok(());
        };
        let (_, since) = *self.unexplained.get_or_insert_with(|| (nonce, Instant::now()));
        if since.elapsed() < FOREIGN_NONCE_PATIENCE {
            return Ok(());
        }
        Err(L1Error::NonceTaken {
            account: self.address(),
            nonce,
        })
    }

    async fn inclusion(
        &self,
        transaction: &JournaledTransaction,
    ) -> Result<Option<super::port::Inclusion>, L1Error> {
        // The newest form is the likeliest.
        for attempt in transaction.attempts.iter().rev() {
            let inclusion = self.l1.inclusion(attempt.hash).await?;
            if inclusion.is_some() {
                return Ok(inclusion);
            }
        }
        Ok(None)
    }

    /// The nonce that L1 says is used, by none of our transactions. While there is one, nothing may be sent.
    #[must_use]
    pub fn foreign_nonce(&self) -> Option<u64> {
        self.unexplained.map(|(nonce, _)| nonce)
    }

    /// Gives nonces to channels whose turn it is: those before them have theirs, and not too many are under way.
    ///
    /// # Errors
    /// See [`PostError`].
    pub async fn assign(&mut self, journal: &mut Journal) -> Result<(), PostError> {
        loop {
            let in_flight = transactions(journal)
                .filter(|transaction| transaction.included.is_none())
                .count();
            if in_flight >= self.settings.in_flight_max {
                return Ok(());
            }
            let next = journal
                .channels()
                .iter()
                .position(|channel| channel.transactions.is_empty());
            let Some((index, channel)) = next.and_then(|index| Some((index, journal.channels().get(index)?)))
            else {
                return Ok(());
            };
            let Some(route) = &channel.route else {
                return Ok(());
            };
            // L1's pools keep transactions with blobs apart and refuse both kinds from one account at a time: the one drains first.
            if in_flight > 0 && is_mixed(journal, route) {
                return Ok(());
            }
            let count = channel_cargo(journal, channel, route, self.calldata_size_max)?.len();
            let first = self.next_nonce(journal).await?;
            journal.change(|channels| {
                let transactions = (first..).take(count).map(|nonce| JournaledTransaction {
                    nonce,
                    attempts: Vec::new(),
                    included: None,
                });
                if let Some(channel) = channels.get_mut(index) {
                    channel.transactions = transactions.collect();
                }
            })?;
        }
    }

    /// A channel's transaction number `index`.
    fn call(&self, journal: &Journal, channel: &JournaledChannel, index: usize) -> Result<Call, PostError> {
        let cargo = match &channel.route {
            Some(route) => channel_cargo(journal, channel, route, self.calldata_size_max)?
                .into_iter()
                .nth(index),
            None => None,
        };
        let empty = Call::new(self.settings.inbox, Bytes::new());
        Ok(match cargo {
            Some(Cargo::Calldata(data)) => Call { data, ..empty },
            Some(Cargo::Blobs(blobs)) => Call { blobs, ..empty },
            // A journal that gives more nonces than there is to carry was not written by us.
            None => return Err(BuildError::NoBlocks.into()),
        })
    }

    /// The prices of gas and of gas of blobs now.
    ///
    /// # Errors
    /// [`L1Error::Rpc`].
    pub async fn market(&self) -> Result<Fees, L1Error> {
        self.l1.market().await
    }

    /// The nonce after the last one taken, also of channels that were given up: a reorg must not lead to their nonces being used again.
    async fn next_nonce(&self, journal: &Journal) -> Result<u64, L1Error> {
        if transactions(journal).next().is_some() {
            return Ok(journal.next_nonce());
        }
        let on_chain = self.l1.nonce(self.address(), false).await?;
        Ok(on_chain.max(journal.next_nonce()))
    }

    /// Offers what L1 does not hold: what this process has not offered yet as it was, what waited too long for more.
    ///
    /// # Errors
    /// See [`PostError`].
    pub async fn offer(&mut self, journal: &mut Journal, urgency: Urgency) -> Result<(), PostError> {
        if let Some(first) = transactions(journal).next() {
            self.fill_gap(self.on_chain, first.nonce).await?;
        }
        let mut due = Vec::new();
        for (channel_index, channel) in journal.channels().iter().enumerate() {
            let waiting = channel.transactions.iter().enumerate();
            for (index, transaction) in waiting.filter(|(_, transaction)| transaction.included.is_none()) {
                let offered = self.offered.get(&transaction.nonce);
                if offered.is_none_or(|at| at.elapsed() >= self.patience(urgency)) {
                    due.push((channel_index, index, offered.is_some()));
                }
            }
        }
        for (channel, index, is_late) in due {
            self.offer_one(journal, channel, index, is_late, urgency).await?;
        }
        Ok(())
    }

    /// The nearer the deadline, the sooner a transaction is replaced.
    fn patience(&self, urgency: Urgency) -> Duration {
        match urgency {
            Urgency::None => self.settings.replace_after,
            Urgency::Raised => self.settings.replace_after / 2,
            Urgency::Deadline => self.settings.replace_after / 4,
        }
    }

    async fn offer_one(
        &mut self,
        journal: &mut Journal,
        channel_index: usize,
        index: usize,
        is_late: bool,
        urgency: Urgency,
    ) -> Result<(), PostError> {
        let Some(channel) = journal.channels().get(channel_index) else {
            return Ok(());
        };
        let Some(transaction) = channel.transactions.get(index) else {
            return Ok(());
        };
        let nonce = transaction.nonce;
        let call = self.call(journal, channel, index)?;
        let last = transaction.attempts.last().copied();
        let attempt = match last {
            Some(last) if !is_late => last,
            last => {
                let market = self.l1.market().await?.urgent(urgency);
                let market = if call.blobs.is_empty() {
                    market.without_blobs()
                } else {
                    market
                };
                let fees = last.map_or(market, |last| last.fees.bumped(market));
                let fees = fees.within(self.settings.limits);
                let signed = self.account.sign(&call, nonce, gas_limit(&call.data), fees)?;
                let attempt = Attempt {
                    hash: signed.hash,
                    fees,
                };
                if last.is_some_and(|last| last.hash != attempt.hash) {
                    info!(
                        nonce,
                        fee = fees.max_fee_per_gas,
                        tip = fees.max_priority_fee_per_gas,
                        "replacing"
                    );
                    metrics::counter!("op_batcher_default_txs_replaced_total").increment(1);
                }
                journal.change(|channels| {
                    let transaction = channels
                        .get_mut(channel_index)
                        .and_then(|channel| channel.transactions.get_mut(index));
                    if let Some(transaction) = transaction
                        && transaction.attempts.last() != Some(&attempt)
                    {
                        transaction.attempts.push(attempt);
                    }
                })?;
                attempt
            }
        };
        let signed = self
            .account
            .sign(&call, nonce, gas_limit(&call.data), attempt.fees)?;
        let accepted = self.l1.broadcast(&signed.raw).await?;
        // Underpriced: another form of ours is held; it gets its time. Used: the next look tells by whom.
        self.offered.insert(nonce, Instant::now());
        if accepted == Accepted::Underpriced {
            info!(nonce, "L1's pool keeps the form it has");
        }
        Ok(())
    }
}

/// Every transaction of the journal, in order.
fn transactions(journal: &Journal) -> impl Iterator<Item = &JournaledTransaction> {
    journal
        .channels()
        .iter()
        .flat_map(|channel| &channel.transactions)
}

/// True if transactions are under way that are of another kind than those of `route`.
fn is_mixed(journal: &Journal, route: &Route) -> bool {
    let under_way = journal.channels().iter().filter(|channel| {
        let mut transactions = channel.transactions.iter();
        transactions.any(|transaction| transaction.included.is_none())
    });
    let has_blobs = |route: &Route| *route == Route::Blobs;
    under_way
        .filter_map(|channel| channel.route.as_ref())
        .any(|other| has_blobs(other) != has_blobs(route))
}

/// Gas of a transaction whose data no code reads. The inbox is an account without code.
fn gas_limit(data: &Bytes) -> u64 {
    let zeros = data.iter().filter(|byte| **byte == 0).count() as u64;
    let tokens = zeros + 4 * (data.len() as u64 - zeros);
    GAS_BASE + GAS_PER_TOKEN * tokens
}
