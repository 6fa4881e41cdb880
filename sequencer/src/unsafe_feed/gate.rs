//! Who is believed: the signer that L1 names, in an epoch not lower than the highest seen.

use crate::preconfirmation::SignatureJson;
use alloy::primitives::{Address, B256};
use tributary_protocol::{
    block::L2BlockNumber,
    preconfirmation::{SignedStatement, SignerError},
};

/// Why something the sequencer said is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has no key, or leaves signatures out.
    #[error("it is not signed")]
    Unsigned,
    /// Bytes that are no signed statement, or no message.
    #[error("it cannot be read: {0}")]
    Malformed(String),
    /// L1 has not said yet who signs.
    #[error("L1 has not been asked yet who signs")]
    UnknownSigner,
    /// Somebody else has signed, or nobody.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// Somebody speaks whose time is over.
    #[error("signed in epoch {found}, epoch {highest} has been seen")]
    StaleEpoch {
        /// The highest so far.
        highest: u64,
        /// This one.
        found: u64,
    },
    /// What is signed is not what is said.
    #[error("what is signed of block {number} is not what is said of it")]
    OtherContent {
        /// The block.
        number: L2BlockNumber,
    },
    /// The block does not execute to what was signed, or not at all.
    #[error("block {number}, signed as {hash}: {cause}")]
    Block {
        /// Its number.
        number: L2BlockNumber,
        /// The hash that was signed.
        hash: B256,
        /// What is wrong with it.
        cause: String,
    },
}

impl Refusal {
    /// For metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::Malformed(_) => "malformed",
            Self::UnknownSigner => "unknown_signer",
            Self::Signer(_) => "wrong_signer",
            Self::StaleEpoch { .. } => "stale_epoch",
            Self::OtherContent { .. } => "other_content",
            Self::Block { .. } => "bad_block",
        }
    }
}

/// Lets through what is signed as it must be.
#[derive(Debug)]
pub struct Gate {
    chain_id: u64,
    highest_epoch: u64,
}

impl Gate {
    /// For the L2 chain `chain_id`; `highest_epoch` has been seen before.
    #[must_use]
    pub const fn new(chain_id: u64, highest_epoch: u64) -> Self {
        Self {
            chain_id,
            highest_epoch,
        }
    }

    /// The highest epoch seen in a good signature.
    #[must_use]
    pub const fn highest_epoch(&self) -> u64 {
        self.highest_epoch
    }

    /// The statement under a message, if `signer` has signed it and is not out of date.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn check(
        &mut self,
        signature: &SignatureJson,
        signer: Option<Address>,
    ) -> Result<SignedStatement, Refusal> {
        if !signature.signed {
            return Err(Refusal::Unsigned);
        }
        let signed = signature
            .read()
            .ok_or_else(|| Refusal::Malformed("no signed statement".to_owned()))?;
        let signer = signer.ok_or(Refusal::UnknownSigner)?;
        signed.verify(self.chain_id, signer)?;
        let found = signed.statement.epoch;
        if found < self.highest_epoch {
            return Err(Refusal::StaleEpoch {
                highest: self.highest_epoch,
                found,
            });
        }
        self.highest_epoch = found;
        Ok(signed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preconfirmation::Signing;
    use tributary_protocol::{
        block::L1BlockId,
        preconfirmation::{Block, Statement, Subject, TransactionsDigest},
    };

    fn signed(key: u8, epoch: u64) -> (SignatureJson, Address) {
        let signing = Signing::new(&B256::repeat_byte(key), epoch).unwrap();
        let statement = Statement {
            epoch,
            number: L2BlockNumber(7),
            parent_hash: B256::ZERO,
            l1_origin: L1BlockId::default(),
            subject: Subject::Block(Block {
                hash: B256::repeat_byte(7),
                count: 1,
                digest: TransactionsDigest::default(),
            }),
        };
        let address = signing.address();
        (
            SignatureJson::new(Some(&signing.sign(901, statement)), Some(address)),
            address,
        )
    }

    #[test]
    fn only_the_signer_of_l1_in_a_current_epoch_is_let_through() {
        let (good, signer) = signed(1, 5);
        let mut gate = Gate::new(901, 0);
        assert_eq!(gate.check(&good, None), Err(Refusal::UnknownSigner));
        assert!(gate.check(&good, Some(signer)).is_ok());
        let (other, stranger) = signed(2, 5);
        let wrong = SignerError::Other {
            expected: signer,
            found: stranger,
        };
        assert_eq!(gate.check(&other, Some(signer)), Err(Refusal::Signer(wrong)));
        let (stale, _) = signed(1, 4);
        let refused = Refusal::StaleEpoch { highest: 5, found: 4 };
        assert_eq!(gate.check(&stale, Some(signer)), Err(refused));
        assert!(gate.check(&other, Some(stranger)).is_ok(), "after a rotation");
        assert!(
            Gate::new(902, 0).check(&good, Some(signer)).is_err(),
            "another chain"
        );
    }

    #[test]
    fn a_stranger_raises_no_epoch() {
        let (good, signer) = signed(1, 5);
        let mut gate = Gate::new(901, 0);
        assert!(gate.check(&signed(2, u64::MAX).0, Some(signer)).is_err());
        assert_eq!(gate.highest_epoch(), 0);
        assert!(gate.check(&good, Some(signer)).is_ok());
    }

    #[test]
    fn what_is_unsigned_or_damaged_is_named_so() {
        let (good, signer) = signed(1, 5);
        let mut gate = Gate::new(901, 0);
        let nothing = SignatureJson::new(None, None);
        assert_eq!(gate.check(&nothing, Some(signer)), Err(Refusal::Unsigned));
        let mut cut = good;
        cut.signature = None;
        assert!(matches!(
            gate.check(&cut, Some(signer)),
            Err(Refusal::Malformed(_))
        ));
    }
}
