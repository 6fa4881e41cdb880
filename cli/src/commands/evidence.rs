//! `tributary evidence`: whether a file shows that the unsafe-block signer has contradicted itself. Needs nothing but the file.

use alloy::primitives::Address;
use clap::{Args, Subcommand};
use eyre::{Context, bail};
use std::path::{Path, PathBuf};
use tributary_protocol::preconfirmation::{Conflict, Evidence, Verdict};

/// Larger than any evidence: two lists of as many transactions as are looked at.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Check evidence that the unsafe-block signer has signed two things that cannot both be.
#[derive(Args, Debug)]
pub(crate) struct EvidenceArgs {
    #[command(subcommand)]
    command: EvidenceCommand,
}

#[derive(Debug, Subcommand)]
enum EvidenceCommand {
    /// Verify a file of a node's `evidence` folder, or the `evidence` of an entry of rollup_evidence. Works offline.
    Verify {
        /// The file.
        file: PathBuf,
        /// The account both statements must be signed by: unsafeBlockSigner of SystemConfig on L1.
        #[arg(long)]
        signer: Option<Address>,
        /// Print one line of JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Verifies; an error if the file shows nothing.
pub(crate) fn run(args: EvidenceArgs) -> eyre::Result<()> {
    let EvidenceCommand::Verify { file, signer, json } = args.command;
    let verdict = verify(&file, signer)?;
    if json {
        println!("{}", serde_json::to_string(&verdict)?);
    } else {
        print(&verdict);
    }
    Ok(())
}

fn verify(file: &Path, signer: Option<Address>) -> eyre::Result<Verdict> {
    let shown = || file.display().to_string();
    let bytes = std::fs::metadata(file).with_context(shown)?.len();
    if bytes > FILE_BYTES_MAX {
        bail!(
            "{} has {bytes} bytes, evidence has at most {FILE_BYTES_MAX}",
            shown()
        );
    }
    let evidence: Evidence =
        serde_json::from_slice(&std::fs::read(file).with_context(shown)?).with_context(shown)?;
    let verdict = evidence.verify().with_context(shown)?;
    if let Some(expected) = signer
        && let Some(found) = verdict.signers.iter().find(|found| **found != expected)
    {
        bail!("{}: signed by {found}, expected {expected}", shown());
    }
    Ok(verdict)
}

fn print(verdict: &Verdict) {
    let what = match verdict.conflict {
        Conflict::TwoBlocks { first, second } => format!("two blocks, {first} and {second}"),
        Conflict::TwoParents { first, second } => format!("two parents, {first} and {second}"),
        Conflict::TwoOrders { position } => format!("different contents before position {position}"),
        Conflict::LeftOut { position } => {
            format!("a transaction promised at position {position} that the block leaves out")
        }
    };
    println!("contradiction at block {}: {what}", verdict.number);
    for (index, name) in ["first", "second"].into_iter().enumerate() {
        println!(
            "  {name}: signed by {} in epoch {}, on L1 block {} ({})",
            verdict.signers[index],
            verdict.epochs[index],
            verdict.l1_origins[index].number,
            verdict.l1_origins[index].hash
        );
    }
    if verdict.l1_origins[0] != verdict.l1_origins[1] {
        println!("  if L1 has abandoned one of these L1 blocks, the signer could not have kept both");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::B256;
    use tributary_protocol::{
        block::{L1BlockId, L2BlockNumber},
        preconfirmation::{Block, Statement, Subject, TransactionsDigest, Witnessed},
    };
    use tributary_sequencer::preconfirmation::Signing;

    fn witnessed(signing: &Signing, hash: u8) -> Witnessed {
        let statement = Statement {
            epoch: signing.epoch(),
            number: L2BlockNumber(7),
            parent_hash: B256::ZERO,
            l1_origin: L1BlockId::default(),
            subject: Subject::Block(Block {
                hash: B256::repeat_byte(hash),
                count: 1,
                digest: TransactionsDigest::default(),
            }),
        };
        let signed = signing.sign(901, statement);
        Witnessed::new(&signed, TransactionsDigest::default(), Vec::new())
    }

    #[test]
    fn two_signed_blocks_are_shown_and_a_changed_file_is_not() {
        let signing = Signing::new(&B256::repeat_byte(1), 3).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("evidence.json");
        let mut evidence = Evidence {
            chain_id: 901,
            first: witnessed(&signing, 1),
            second: witnessed(&signing, 2),
        };
        let write = |evidence: &Evidence| std::fs::write(&file, serde_json::to_vec(evidence).unwrap());
        write(&evidence).unwrap();
        let verdict = verify(&file, Some(signing.address())).unwrap();
        assert_eq!(verdict.signers, [signing.address(); 2]);
        assert!(matches!(verdict.conflict, Conflict::TwoBlocks { .. }));
        assert!(verify(&file, Some(Address::ZERO)).is_err(), "another signer");

        evidence.chain_id = 902;
        write(&evidence).unwrap();
        assert!(
            verify(&file, Some(signing.address())).is_err(),
            "signed for another chain"
        );
        evidence.chain_id = 901;
        evidence.second = evidence.first.clone();
        write(&evidence).unwrap();
        let nothing = format!("{:#}", verify(&file, None).unwrap_err());
        assert!(nothing.contains("do not contradict"), "{nothing}");
        std::fs::write(&file, "{}").unwrap();
        assert!(verify(&file, None).is_err());
    }
}
