//! Remembers what was signed about the last heights, and keeps what contradicts itself.

use alloy::primitives::B256;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    fs, io,
    path::PathBuf,
    sync::Arc,
};
use tributary_protocol::preconfirmation::{
    Evidence, SignedStatement, Subject, TransactionsDigest, Verdict, Witnessed,
};

/// Pieces of evidence kept. One is enough to accuse; the first ones are the ones kept.
pub const EVIDENCE_MAX: usize = 256;

/// Heights remembered.
const HEIGHTS_MAX: usize = 64;

/// Transactions remembered of all heights together; about a hundred bytes each.
const TRANSACTIONS_MAX: usize = 200_000;

/// Evidence, in a folder. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct EvidenceBook {
    folder: PathBuf,
    kept: Arc<Mutex<Vec<(Evidence, Verdict)>>>,
}

impl EvidenceBook {
    /// Reads back what `folder` holds; the folder is made when there is something to keep. A file that holds no evidence is left alone.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        let mut names = match fs::read_dir(&folder) {
            Ok(entries) => entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<Vec<_>, _>>()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        names.sort();
        let is_json = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
        let mut kept = Vec::new();
        for path in names.into_iter().filter(is_json).take(EVIDENCE_MAX) {
            let evidence = serde_json::from_slice::<Evidence>(&fs::read(&path)?).ok();
            let verified = evidence.and_then(|evidence| evidence.verify().ok().map(|it| (evidence, it)));
            match verified {
                Some(pair) => kept.push(pair),
                None => tracing::warn!(target: "sequencer", file = %path.display(), "holds no evidence"),
            }
        }
        Ok(Self {
            folder,
            kept: Arc::new(Mutex::new(kept)),
        })
    }

    /// Pieces from `first` on, at most `count`.
    #[must_use]
    pub fn list(&self, first: usize, count: usize) -> Vec<(Evidence, Verdict)> {
        let kept = self.kept.lock();
        kept.iter().skip(first).take(count).cloned().collect()
    }

    /// Keeps and tells of a contradiction.
    pub(super) fn add(&self, evidence: Evidence, verdict: Verdict) {
        metrics::counter!("preconfirmation_equivocations_total").increment(1);
        tracing::error!(
            target: "sequencer",
            number = verdict.number.0,
            conflict = ?verdict.conflict,
            signers = ?verdict.signers,
            epochs = ?verdict.epochs,
            l1_origins = ?verdict.l1_origins.map(|origin| origin.hash),
            "the unsafe-block signer has signed two things that cannot both be"
        );
        let mut kept = self.kept.lock();
        if kept.len() >= EVIDENCE_MAX {
            return;
        }
        let name = format!("{:08}-block-{}.json", kept.len(), verdict.number.0);
        if let Err(error) = self.write(&name, &evidence) {
            tracing::error!(target: "sequencer", %error, name, "evidence cannot be written; it is in memory");
        }
        kept.push((evidence, verdict));
    }

    fn write(&self, name: &str, evidence: &Evidence) -> io::Result<()> {
        use std::io::Write;
        fs::create_dir_all(&self.folder)?;
        let unfinished = self.folder.join("unfinished");
        let mut file = fs::File::create(&unfinished)?;
        file.write_all(&serde_json::to_vec_pretty(evidence)?)?;
        file.sync_all()?;
        fs::rename(&unfinished, self.folder.join(name))?;
        fs::File::open(&self.folder)?.sync_all()
    }
}

/// What was signed about one height.
#[derive(Debug, Default)]
struct Height {
    parent: Option<(B256, usize)>,
    /// Hash, number of transactions, and the statement that says so.
    block: Option<(B256, u32, usize)>,
    /// The digest at each position, and the statement that says so.
    digests: BTreeMap<u32, (TransactionsDigest, usize)>,
    statements: Vec<Witnessed>,
}

/// The transactions are not those that were signed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotSigned;

/// Remembers statements whose signatures were checked.
#[derive(Debug)]
pub struct Witness {
    chain_id: u64,
    book: EvidenceBook,
    heights: BTreeMap<u64, Height>,
    /// Heights in the order they were heard of.
    order: VecDeque<u64>,
    transactions: usize,
}

impl Witness {
    /// Keeps what contradicts itself in `book`.
    #[must_use]
    pub const fn new(chain_id: u64, book: EvidenceBook) -> Self {
        Self {
            chain_id,
            book,
            heights: BTreeMap::new(),
            order: VecDeque::new(),
            transactions: 0,
        }
    }

    /// Remembers a preconfirmation.
    ///
    /// # Errors
    /// When these are not its transactions.
    pub fn delta(&mut self, signed: &SignedStatement, hashes: Vec<B256>) -> Result<(), NotSigned> {
        let Subject::Preconfirmation(delta) = signed.statement.subject else {
            return Err(NotSigned);
        };
        let mut digests = Vec::with_capacity(hashes.len() + 1);
        digests.push((delta.first, delta.before));
        for hash in &hashes {
            let (position, digest) = digests[digests.len() - 1];
            digests.push((position.checked_add(1).ok_or(NotSigned)?, digest.then(*hash)));
        }
        let reached = digests[digests.len() - 1];
        if reached != (delta.first.saturating_add(delta.count), delta.after) {
            return Err(NotSigned);
        }
        self.remember(signed, Witnessed::new(signed, delta.before, hashes), &digests);
        Ok(())
    }

    /// Remembers a block.
    pub fn block(&mut self, signed: &SignedStatement) {
        let Subject::Block(block) = signed.statement.subject else {
            return;
        };
        // If its deltas were heard, its transactions are known, and a different order can be shown.
        let known = self.heights.get(&signed.statement.number.0);
        let (opening, hashes) = known
            .and_then(|height| height.transactions(block.count, block.digest))
            .unwrap_or_default();
        let witnessed = Witnessed::new(signed, opening, hashes);
        self.remember(signed, witnessed, &[(block.count, block.digest)]);
    }

    fn remember(
        &mut self,
        signed: &SignedStatement,
        witnessed: Witnessed,
        digests: &[(u32, TransactionsDigest)],
    ) {
        let number = signed.statement.number.0;
        let before = self
            .heights
            .get(&number)
            .and_then(|height| height.contradicted(signed, digests))
            .and_then(|index| self.heights.get(&number)?.statements.get(index).cloned());
        if let Some(first) = before {
            let evidence = Evidence {
                chain_id: self.chain_id,
                first,
                second: witnessed.clone(),
            };
            match evidence.verify() {
                Ok(verdict) => self.book.add(evidence, verdict),
                Err(error) => {
                    tracing::warn!(target: "sequencer", number, %error, "two statements differ and it cannot be shown");
                }
            }
            // One piece of evidence for each time the signer changes its mind.
            self.forget(number);
        }
        let height = self.heights.get(&number);
        if height.is_some_and(|height| height.knows(signed, digests)) {
            return;
        }
        if !self.heights.contains_key(&number) {
            self.order.push_back(number);
        }
        let height = self.heights.entry(number).or_default();
        let index = height.statements.len();
        self.transactions += witnessed.transactions.len();
        height.statements.push(witnessed);
        height.parent.get_or_insert((signed.statement.parent_hash, index));
        if let Subject::Block(block) = signed.statement.subject {
            height.block.get_or_insert((block.hash, block.count, index));
        }
        for (position, digest) in digests {
            height.digests.entry(*position).or_insert((*digest, index));
        }
        while self.order.len() > HEIGHTS_MAX || self.transactions > TRANSACTIONS_MAX && self.order.len() > 1 {
            if let Some(oldest) = self.order.front().copied() {
                self.forget(oldest);
            }
        }
    }

    fn forget(&mut self, number: u64) {
        self.order.retain(|known| *known != number);
        if let Some(height) = self.heights.remove(&number) {
            let kept = height.statements.iter();
            self.transactions -= kept.map(|statement| statement.transactions.len()).sum::<usize>();
        }
    }
}

impl Height {
    /// True if a statement adds nothing: a feed that is opened again repeats the open block.
    fn knows(&self, signed: &SignedStatement, digests: &[(u32, TransactionsDigest)]) -> bool {
        match signed.statement.subject {
            Subject::Block(_) => self.block.is_some(),
            Subject::Preconfirmation(_) => digests
                .iter()
                .all(|(position, _)| self.digests.contains_key(position)),
        }
    }

    /// The statement that cannot be true together with this one.
    fn contradicted(&self, signed: &SignedStatement, digests: &[(u32, TransactionsDigest)]) -> Option<usize> {
        if let (Some((held, _, index)), Subject::Block(block)) = (self.block, signed.statement.subject) {
            return (held != block.hash).then_some(index);
        }
        if let Some((parent, index)) = self.parent
            && parent != signed.statement.parent_hash
        {
            return Some(index);
        }
        let differs = digests.iter().find_map(|(position, digest)| {
            let (held, index) = self.digests.get(position)?;
            (held != digest).then_some(*index)
        });
        differs.or_else(|| self.left_out(signed))
    }

    /// A block that ends before what was promised, or a promise behind the end of the block.
    fn left_out(&self, signed: &SignedStatement) -> Option<usize> {
        let last = self.digests.last_key_value();
        match signed.statement.subject {
            Subject::Block(block) => last
                .filter(|(position, _)| **position > block.count)
                .map(|(_, (_, index))| *index),
            Subject::Preconfirmation(delta) => {
                let (_, count, index) = self.block?;
                (delta.first.saturating_add(delta.count) > count).then_some(index)
            }
        }
    }

    /// Opening digest and all transactions, if the deltas of a block of `count` transactions are all here.
    fn transactions(
        &self,
        count: u32,
        digest: TransactionsDigest,
    ) -> Option<(TransactionsDigest, Vec<B256>)> {
        let (opening, _) = self.digests.get(&0)?;
        let mut hashes = Vec::new();
        for statement in &self.statements {
            hashes.extend_from_slice(&statement.transactions);
        }
        let reached = hashes.iter().fold(*opening, |digest, hash| digest.then(*hash));
        (u32::try_from(hashes.len()) == Ok(count) && reached == digest).then_some((*opening, hashes))
    }
}
