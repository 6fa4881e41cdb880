//! The loop: listen, check, import; begin again after a pause when the sequencer is gone or is not believed.

use super::{
    client::{Feed, FeedError, SequencerRpc, SignedBlock},
    gate::{Gate, Refusal},
    signer::SignerWatch,
    witness::{EvidenceBook, Witness},
};
use crate::{
    engine::{Engine, EngineError},
    preconfirmation::FlashblockMessage,
};
use alloy::primitives::{B256, keccak256};
use core::time::Duration;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;
use tributary_protocol::{
    block::L2BlockNumber,
    execute::attributes_of,
    preconfirmation::{SignedStatement, Subject},
};

/// Pause after the first failure; doubles with each one in a row.
const PAUSE_MIN: Duration = Duration::from_millis(500);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Blocks that may be missing between the unsafe head and what the sequencer has sealed. A follower that is further behind derives until it
/// is not: what L1 holds is read faster from there.
const MISSING_MAX: usize = 1_024;

/// Name of the file that the highest epoch is kept in.
const SEEN_EPOCH_FILE: &str = "seen-epoch";

/// Everything the loop needs.
pub(crate) struct UnsafeFeed {
    url: String,
    rpc: SequencerRpc,
    engine: Engine,
    signer: SignerWatch,
    gate: Gate,
    witness: Witness,
    data_dir: PathBuf,
}

impl UnsafeFeed {
    /// Listens to the sequencer at `url`. What is seen of epochs is kept in `data_dir`, what contradicts itself in `evidence`.
    pub(crate) fn new(
        url: String,
        engine: Engine,
        signer: SignerWatch,
        evidence: EvidenceBook,
        data_dir: PathBuf,
    ) -> Self {
        let chain_id = engine.chain().config().l2_chain_id;
        let file = data_dir.join(SEEN_EPOCH_FILE);
        let seen = std::fs::read_to_string(file).ok();
        let seen = seen.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        Self {
            rpc: SequencerRpc::new(url.clone()),
            url,
            engine,
            signer,
            gate: Gate::new(chain_id, seen),
            witness: Witness::new(chain_id, evidence),
            data_dir,
        }
    }

    /// Listens until stopped.
    pub(crate) async fn run(mut self, stopped: CancellationToken) {
        let mut pause = PAUSE_MIN;
        loop {
            let before = self.engine.chain().heads().unsafe_head;
            let ended = tokio::select! {
                () = stopped.cancelled() => return,
                ended = self.listen() => ended,
            };
            metrics::gauge!("unsafe_feed_connected").set(0.0);
            match ended {
                FeedError::Refused(refusal) => {
                    metrics::counter!("unsafe_feed_refused_total", "reason" => refusal.label()).increment(1);
                    tracing::warn!(target: "sequencer", reason = refusal.label(), %refusal, "the sequencer is not believed");
                    // It may have changed a moment ago.
                    self.signer.ask().await;
                }
                error => {
                    tracing::info!(target: "sequencer", %error, "the sequencer's feed ended");
                }
            }
            if self.engine.chain().heads().unsafe_head != before {
                pause = PAUSE_MIN;
            }
            tokio::select! {
                () = stopped.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Listens until something is wrong.
    async fn listen(&mut self) -> FeedError {
        let mut feed = match Feed::open(&self.url).await {
            Ok(feed) => feed,
            Err(error) => return error,
        };
        metrics::gauge!("unsafe_feed_connected").set(1.0);
        // What was sealed before we came is not on the feed.
        if let Err(error) = self.take_head().await {
            return error;
        }
        loop {
            let heard = match feed.next().await {
                Ok(message) => self.hear(&message).await,
                Err(error) => return error,
            };
            if let Err(error) = heard {
                return error;
            }
        }
    }

    /// Takes the sequencer's newest block, if it is signed: if not, L1 has decided on it, or the feed will show that nothing is signed.
    async fn take_head(&mut self) -> Result<(), FeedError> {
        let head = self.rpc.block_signature(None).await?;
        let Some(head) = head.filter(|head| head.signature.signed) else {
            return Ok(());
        };
        let signed = self.believe_block(&head)?;
        self.import_up_to(&signed, head.hash).await
    }

    /// The statement under a block, if it is signed as it must be and says what the answer says.
    fn believe_block(&mut self, block: &SignedBlock) -> Result<SignedStatement, Refusal> {
        let signed = self.believe(&block.signature)?;
        let statement = &signed.statement;
        let is_it = matches!(statement.subject, Subject::Block(said) if said.hash == block.hash);
        if !is_it || statement.number != block.number || statement.parent_hash != block.parent_hash {
            return Err(Refusal::OtherContent { number: block.number });
        }
        self.witness.block(&signed);
        Ok(signed)
    }

    async fn hear(&mut self, message: &FlashblockMessage) -> Result<(), FeedError> {
        let number = L2BlockNumber(message.payload.metadata.block_number);
        if message.event == "reverted" {
            // Nothing is believed of it, and nothing has to be: what comes instead is signed.
            return Ok(());
        }
        let signed = self.believe(&message.signature)?;
        let other = Refusal::OtherContent { number };
        if signed.statement.number != number {
            return Err(other.into());
        }
        match signed.statement.subject {
            Subject::Preconfirmation(_) => {
                let transactions = &message.payload.diff.transactions;
                let hashes = transactions.iter().map(keccak256).collect();
                self.witness.delta(&signed, hashes).map_err(|_| other)?;
                Ok(())
            }
            Subject::Block(block) if block.hash == message.payload.diff.block_hash => {
                self.witness.block(&signed);
                self.import_up_to(&signed, block.hash).await
            }
            Subject::Block(_) => Err(other.into()),
        }
    }

    /// What is signed, if it is signed as it must be. A higher epoch is remembered.
    fn believe(
        &mut self,
        signature: &crate::preconfirmation::SignatureJson,
    ) -> Result<SignedStatement, Refusal> {
        let highest = self.gate.highest_epoch();
        let signed = self.gate.check(signature, self.signer.signer())?;
        if self.gate.highest_epoch() > highest {
            let epoch = self.gate.highest_epoch();
            let kept = crate::preconfirmation::keep_number(&self.data_dir, SEEN_EPOCH_FILE, epoch);
            if let Err(error) = kept {
                tracing::error!(target: "sequencer", %error, epoch, "the highest epoch seen cannot be kept");
            }
        }
        Ok(signed)
    }

    /// Imports a block that was signed, and before it what is missing below it.
    async fn import_up_to(&mut self, signed: &SignedStatement, hash: B256) -> Result<(), FeedError> {
        let mut missing = vec![(signed.statement.number, hash)];
        let mut parent = signed.statement.parent_hash;
        let mut number = signed.statement.number;
        while !self.is_ours(parent)? {
            let safe = self.engine.chain().heads().safe_head.number;
            number = number.saturating_sub(1);
            if number <= safe || missing.len() >= MISSING_MAX {
                // Derivation comes first.
                return Ok(());
            }
            let Some(below) = self.rpc.block_signature(Some(number)).await? else {
                return Ok(());
            };
            if below.hash != parent {
                // The sequencer has moved on meanwhile; it says so on its feed.
                return Ok(());
            }
            if !below.signature.signed {
                // L1 has decided on it: derivation comes to it.
                return Ok(());
            }
            self.believe_block(&below)?;
            missing.push((number, below.hash));
            parent = below.parent_hash;
        }
        for (number, hash) in missing.into_iter().rev() {
            self.import(number, hash).await?;
        }
        Ok(())
    }

    fn is_ours(&self, hash: B256) -> Result<bool, FeedError> {
        let found = self.engine.chain().block_by_hash(hash);
        let found = found.map_err(|error| FeedError::Connection(error.to_string()))?;
        Ok(found.is_some())
    }

    async fn import(&self, number: L2BlockNumber, hash: B256) -> Result<(), FeedError> {
        if self.is_ours(hash)? {
            return Ok(());
        }
        let block = self.rpc.block(hash).await?;
        let refused = |cause: String| Refusal::Block { number, hash, cause };
        let attributes = attributes_of(self.engine.chain().config(), &block)
            .map_err(|error| refused(error.to_string()))?;
        match self
            .engine
            .import_unsafe(attributes, block.header.parent_hash, hash)
            .await
        {
            Ok(_) => {
                metrics::counter!("unsafe_feed_blocks_total").increment(1);
                Ok(())
            }
            // The chain has moved: derivation has replaced the parent, or has come past it.
            Err(EngineError::UnknownParent { .. } | EngineError::BelowSafe { .. }) => Ok(()),
            Err(error) if error.is_refusal() => Err(refused(error.to_string()).into()),
            Err(error) => Err(FeedError::Connection(error.to_string())),
        }
    }
}
