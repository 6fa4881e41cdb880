//! Output roots posted on L1, compared with what is derived: a chain whose posted roots are not its own must not go on as if nothing
//! had happened.
//!
//! ```text
//!  L1 block --DisputeGameCreated--> game: L2 block, root, creator --once that block is safe--> equal: fine
//!           --Resolved(defender)--> the same game again                                        different:
//!                                             our own proposer's, or resolved for its proposer -> halt
//!                                             anybody else's, still open                       -> alarm
//! ```
//! The event names neither block nor creator. Both stand in the transaction if it calls the factory itself; otherwise, and for games
//! created before this node started, the contracts are asked. A question they do not answer is asked again later and holds nothing up.

use super::{BoxFuture, HaltCause, L1Error, L1Source, error::Interrupt, run::Driver};
use crate::l1_block::L1Block;
use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use alloy_consensus::{Transaction, TxEnvelope, transaction::SignerRecoverable};
use alloy_primitives::{Address, B256, Bytes, Log, U256};
use alloy_sol_types::{SolCall, SolEvent};
use tributary_protocol::{
    block::L2BlockNumber,
    contracts::{IDisputeGame, IDisputeGameFactory},
};

/// Games and questions kept. Anyone may create games on a permissionless factory; what is forgotten is asked for when it resolves.
const KEPT_MAX: usize = 1024;

/// Status of a game that was resolved for its proposer.
const DEFENDER_WINS: u8 = 2;

/// Which output roots to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputWatchSettings {
    /// The dispute game factory on L1.
    pub factory: Address,
    /// Our own proposer, whose word we answer for; `None` if others propose.
    pub proposer: Option<Address>,
}

/// A root somebody posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The game about it.
    pub game: Address,
    /// The L2 block.
    pub block: L2BlockNumber,
    /// Its output root, as claimed.
    pub root: B256,
    /// Who says so.
    pub proposer: Address,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Open,
    Agrees,
    Contradicts,
}

#[derive(Clone, Copy, Debug)]
struct Game {
    proposal: Proposal,
    is_resolved: bool,
    verdict: Verdict,
}

/// A game of which only the address is known.
#[derive(Clone, Copy, Debug)]
struct Question {
    game: Address,
    is_resolved: bool,
}

/// What has been posted, as far as it is not settled.
#[derive(Debug)]
pub(super) struct OutputWatch {
    settings: OutputWatchSettings,
    games: BTreeMap<Address, Game>,
    /// Games by age, for forgetting.
    order: VecDeque<Address>,
    questions: VecDeque<Question>,
}

impl OutputWatch {
    pub(super) const fn new(settings: OutputWatchSettings) -> Self {
        Self {
            settings,
            games: BTreeMap::new(),
            order: VecDeque::new(),
            questions: VecDeque::new(),
        }
    }

    /// Forgets everything: L1 has another chain. What still holds is read again.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.settings);
    }

    pub(super) fn read(&mut self, block: &L1Block) {
        for (transaction, receipt) in block.transactions().iter().zip(block.receipts()) {
            for log in receipt.logs() {
                self.read_log(transaction, log);
            }
        }
    }

    fn read_log(&mut self, transaction: &TxEnvelope, log: &Log) {
        if log.address == self.settings.factory
            && let Ok(event) = IDisputeGameFactory::DisputeGameCreated::decode_log(log)
        {
            match self.proposal_of(transaction, &event) {
                Some(proposal) => self.add(proposal, false),
                None => self.ask(event.disputeProxy, false),
            }
        } else if let Ok(event) = IDisputeGame::Resolved::decode_log(log)
            && event.status == DEFENDER_WINS
        {
            match self.games.get_mut(&log.address) {
                Some(game) => game.is_resolved = true,
                None => self.ask(log.address, true),
            }
        }
    }

    /// The proposal in a transaction that calls the factory itself.
    fn proposal_of(
        &self,
        transaction: &TxEnvelope,
        event: &IDisputeGameFactory::DisputeGameCreated,
    ) -> Option<Proposal> {
        if transaction.to() != Some(self.settings.factory) {
            return None;
        }
        let call = IDisputeGameFactory::createCall::abi_decode(transaction.input()).ok()?;
        let proposer = transaction.recover_signer().ok()?;
        proposal(event.disputeProxy, call.rootClaim, &call.extraData, proposer)
            .filter(|proposal| proposal.root == event.rootClaim)
    }

    fn add(&mut self, proposal: Proposal, is_resolved: bool) {
        let game = Game {
            proposal,
            is_resolved,
            verdict: Verdict::Open,
        };
        if self.games.insert(proposal.game, game).is_none() {
            self.order.push_back(proposal.game);
        }
        if self.order.len() > KEPT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.games.remove(&oldest);
        }
    }

    fn ask(&mut self, game: Address, is_resolved: bool) {
        if self.questions.len() == KEPT_MAX {
            self.questions.pop_front();
        }
        self.questions.push_back(Question { game, is_resolved });
    }

    /// Proposals about safe blocks that are to be compared, now or once more.
    fn due(&self, safe_head: L2BlockNumber) -> Vec<Proposal> {
        let is_due = |game: &&Game| {
            let settled = match game.verdict {
                Verdict::Open => false,
                Verdict::Agrees => true,
                Verdict::Contradicts => !game.is_resolved,
            };
            !settled && game.proposal.block <= safe_head
        };
        self.games
            .values()
            .filter(is_due)
            .map(|game| game.proposal)
            .collect()
    }

    /// Compares a proposal with the derived root.
    ///
    /// # Errors
    /// When it is one that counts.
    fn judge(&mut self, proposal: &Proposal, derived: B256) -> Result<Verdict, HaltCause> {
        let Some(game) = self.games.get_mut(&proposal.game) else {
            return Ok(Verdict::Open);
        };
        if proposal.root == derived {
            game.verdict = Verdict::Agrees;
            return Ok(Verdict::Agrees);
        }
        game.verdict = Verdict::Contradicts;
        let is_own = self.settings.proposer == Some(proposal.proposer);
        if is_own || game.is_resolved {
            return Err(HaltCause::OutputRoot {
                proposal: *proposal,
                derived,
                is_own,
            });
        }
        Ok(Verdict::Contradicts)
    }
}

fn proposal(game: Address, root: B256, extra_data: &[u8], proposer: Address) -> Option<Proposal> {
    let number = U256::try_from_be_slice(extra_data)?;
    Some(Proposal {
        game,
        block: L2BlockNumber(number.try_into().ok()?),
        root,
        proposer,
    })
}

/// Asks the contracts about a game; `None` if the factory did not create it, or its claim is about no block.
fn look_up<'a>(
    l1: &'a dyn L1Source,
    factory: Address,
    game: Address,
) -> BoxFuture<'a, Result<Option<Proposal>, L1Error>> {
    Box::pin(async move {
        let Some(data) = call(l1, game, IDisputeGame::gameDataCall {}).await? else {
            return Ok(None);
        };
        let asked = IDisputeGameFactory::gamesCall {
            gameType: data.gameType_,
            rootClaim: data.rootClaim_,
            extraData: data.extraData_.clone(),
        };
        // Anything may call itself a game: the factory knows.
        match call(l1, factory, asked).await? {
            Some(found) if found.proxy_ == game => {}
            _ => return Ok(None),
        }
        let Some(creator) = call(l1, game, IDisputeGame::gameCreatorCall {}).await? else {
            return Ok(None);
        };
        Ok(proposal(game, data.rootClaim_, &data.extraData_, creator))
    })
}

async fn call<C: SolCall + Send>(
    l1: &dyn L1Source,
    to: Address,
    call: C,
) -> Result<Option<C::Return>, L1Error> {
    let answer = l1.call(to, Bytes::from(call.abi_encode())).await?;
    Ok(answer.and_then(|answer| C::abi_decode_returns(&answer).ok()))
}

impl Driver {
    /// Compares what was posted about safe blocks. Called when everything L1 yielded so far has become safe.
    pub(super) async fn check_outputs(&mut self) -> Result<(), Interrupt> {
        self.answer_questions().await;
        let Some(watch) = &self.outputs else {
            return Ok(());
        };
        let safe_head = self.engine.heads().await?.safe_head.number;
        for proposal in watch.due(safe_head) {
            let derived = self.engine.output_root(proposal.block).await?;
            let derived = derived.ok_or(HaltCause::MissingBlock(proposal.block))?;
            let Some(watch) = &mut self.outputs else {
                return Ok(());
            };
            if watch.judge(&proposal, derived)? == Verdict::Contradicts {
                tracing::warn!(
                    target: "derivation",
                    game = %proposal.game,
                    proposer = %proposal.proposer,
                    block = proposal.block.0,
                    posted = %proposal.root,
                    %derived,
                    "somebody proposes another output root than is derived; challenge it before it resolves"
                );
                self.status.send_modify(|status| status.contradicting_games += 1);
            }
        }
        Ok(())
    }

    /// Finds out about games of which only the address is known, as far as L1 answers.
    async fn answer_questions(&mut self) {
        let Some(watch) = &mut self.outputs else { return };
        while let Some(question) = watch.questions.front().copied() {
            match look_up(&*self.l1, watch.settings.factory, question.game).await {
                Ok(found) => {
                    watch.questions.pop_front();
                    if let Some(proposal) = found {
                        watch.add(proposal, question.is_resolved);
                    }
                }
                Err(error) => {
                    tracing::debug!(target: "derivation", game = %question.game, %error, "L1 does not say what the game is about");
                    return;
                }
            }
        }
    }
}
