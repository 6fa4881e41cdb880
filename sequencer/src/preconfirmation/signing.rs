//! The key of the unsafe-block signer, and the epoch it signs in.
//!
//! The epoch says which holder of the right to build speaks: a standby that takes over signs in a higher one, and followers refuse what
//! comes in a lower one than they have seen. It is kept beside the chain, so that a node never signs in a lower epoch than before.

use alloy::primitives::{Address, B256, Signature, U256, keccak256};
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use tributary_protocol::preconfirmation::{SignedStatement, Statement};

/// Name of the file the epoch is kept in.
const EPOCH_FILE: &str = "signer-epoch";

/// The epoch of a node that was never told one.
const FIRST_EPOCH: u64 = 1;

/// A key and an epoch.
#[derive(Clone)]
pub struct Signing {
    key: SecretKey,
    address: Address,
    epoch: u64,
}

impl core::fmt::Debug for Signing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Signing")
            .field("address", &self.address)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

impl Signing {
    /// Signs with this key; `None` if it is none (zero, or not below the curve's order).
    #[must_use]
    pub fn new(key: &B256, epoch: u64) -> Option<Self> {
        let key = SecretKey::from_slice(key.as_slice()).ok()?;
        let public = PublicKey::from_secret_key(SECP256K1, &key).serialize_uncompressed();
        Some(Self {
            key,
            address: Address::from_slice(&keccak256(&public[1..])[12..]),
            epoch,
        })
    }

    /// Whose signatures these are.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// The epoch signed in.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Signs for the L2 chain `chain_id`. The same statement gives the same signature (RFC 6979).
    #[must_use]
    pub fn sign(&self, chain_id: u64, statement: Statement) -> SignedStatement {
        let message = Message::from_digest(statement.signing_hash(chain_id).0);
        let (id, bytes) = SECP256K1
            .sign_ecdsa_recoverable(&message, &self.key)
            .serialize_compact();
        let (r, s) = bytes.split_at(32);
        SignedStatement {
            statement,
            // Bit 1 says that r was reduced, which takes a nonce that nobody has ever met.
            signature: Signature::new(
                U256::from_be_slice(r),
                U256::from_be_slice(s),
                i32::from(id) & 1 == 1,
            ),
        }
    }
}

/// Why a node must not sign.
#[derive(Debug, thiserror::Error)]
pub enum EpochError {
    /// A later epoch has begun here before.
    #[error("--signer-epoch {wanted} is lower than {kept}, in which this node has signed ({})", .file.display())]
    Lower {
        /// What the operator wants.
        wanted: u64,
        /// The highest so far.
        kept: u64,
        /// Where it is kept.
        file: PathBuf,
    },
    /// The file holds something else.
    #[error("{} does not hold a number", .file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("cannot use {}: {source}", .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// The epoch to sign in: `wanted`, or the one that is kept in `data_dir`, or 1. Kept, durably, when this returns.
///
/// # Errors
/// When a higher one is kept, or the file cannot be used.
pub fn raise_epoch(data_dir: &Path, wanted: Option<u64>) -> Result<u64, EpochError> {
    let file = data_dir.join(EPOCH_FILE);
    let failed = |source| EpochError::Io {
        file: file.clone(),
        source,
    };
    let kept = match fs::read_to_string(&file) {
        Ok(text) => {
            let number = text.trim().parse().ok();
            Some(number.ok_or_else(|| EpochError::Malformed { file: file.clone() })?)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let epoch = wanted.or(kept).unwrap_or(FIRST_EPOCH);
    match kept {
        Some(kept) if epoch < kept => Err(EpochError::Lower {
            wanted: epoch,
            kept,
            file: file.clone(),
        }),
        // Written again even if it is there: a process may have died before it was synced.
        _ => {
            keep_number(data_dir, EPOCH_FILE, epoch).map_err(failed)?;
            Ok(epoch)
        }
    }
}

/// Writes a number into a file of `folder`; a crash leaves the old one or the new.
pub(crate) fn keep_number(folder: &Path, name: &str, number: u64) -> io::Result<()> {
    use std::io::Write;
    fs::create_dir_all(folder)?;
    let file = folder.join(name);
    let unfinished = file.with_extension("new");
    let mut written = fs::File::create(&unfinished)?;
    writeln!(written, "{number}")?;
    written.sync_all()?;
    fs::rename(&unfinished, file)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::address;
    use tributary_protocol::{
        block::{L1BlockId, L2BlockNumber},
        preconfirmation::{Block, Subject, TransactionsDigest},
    };

    #[test]
    fn what_is_signed_is_recovered_to_the_address_of_the_key() {
        let key = B256::repeat_byte(1);
        let signing = Signing::new(&key, 7).unwrap();
        assert_eq!(
            signing.address(),
            address!("1a642f0E3c3aF545E7AcBD38b07251B3990914F1")
        );
        for number in 0..32 {
            let statement = Statement {
                epoch: 7,
                number: L2BlockNumber(number),
                parent_hash: B256::ZERO,
                l1_origin: L1BlockId::default(),
                subject: Subject::Block(Block {
                    hash: B256::ZERO,
                    count: 1,
                    digest: TransactionsDigest::default(),
                }),
            };
            let signed = signing.sign(901, statement);
            assert_eq!(signed.verify(901, signing.address()), Ok(()));
            assert_eq!(SignedStatement::decode(&signed.encode()), Ok(signed));
        }
        assert!(Signing::new(&B256::ZERO, 1).is_none());
        let shown = format!("{signing:?}");
        assert!(!shown.contains("0101"), "{shown}");
    }

    #[test]
    fn the_epoch_never_goes_down() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        assert_eq!(raise_epoch(&data, None).unwrap(), 1);
        assert_eq!(raise_epoch(&data, Some(5)).unwrap(), 5);
        assert_eq!(raise_epoch(&data, None).unwrap(), 5, "it is kept");
        assert_eq!(raise_epoch(&data, Some(5)).unwrap(), 5);
        let refused = raise_epoch(&data, Some(4)).unwrap_err().to_string();
        assert!(refused.contains("--signer-epoch 4 is lower than 5"), "{refused}");
        fs::write(data.join(EPOCH_FILE), "many").unwrap();
        assert!(matches!(
            raise_epoch(&data, Some(6)),
            Err(EpochError::Malformed { .. })
        ));
    }
}
