//! Keys: always a path, never a value, and never a well-known key on a public chain.

use alloy::{
    primitives::{Address, address},
    signers::local::PrivateKeySigner,
};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Chains with money on them, or that look like one that has: a key everybody knows is refused there.
const PUBLIC_CHAINS: [u64; 8] = [1, 10, 8453, 42161, 17000, 560_048, 11_155_111, 11_155_420];

/// First ten accounts of the mnemonic every Ethereum development tool ships ("test test … junk").
pub(crate) const DEV_ACCOUNTS: [Address; 10] = [
    address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
    address!("70997970C51812dc3A010C7d01b50e0d17dc79C8"),
    address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
    address!("90F79bf6EB2c4f870365E785982E1f101E93b906"),
    address!("15d34AAf54267DB7D7c367839AAf71A00a2C6A65"),
    address!("9965507D1a55bcC2695C58ba16FB37d819B0A4dc"),
    address!("976EA74026E726554dB657fA54763abd0C3a0aa9"),
    address!("14dC79964da2C08b23698B3D3cc7Ca32193d9955"),
    address!("23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"),
    address!("a0Ee7A142d267C1f36714E4a8F75612F20a79720"),
];

/// The mnemonic behind [`DEV_ACCOUNTS`].
pub(crate) const DEV_MNEMONIC: &str = "test test test test test test test test test test test junk";

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("cannot read the key file {path} (--{flag}): {source}")]
    Read {
        path: PathBuf,
        flag: &'static str,
        source: std::io::Error,
    },
    #[error("the key file {path} (--{flag}) must hold one key as 64 hex digits")]
    Malformed { path: PathBuf, flag: &'static str },
    #[error("the key file {path} (--{flag}) can be read by others (mode {mode:o}); run: chmod 600 {path}")]
    Exposed {
        path: PathBuf,
        flag: &'static str,
        mode: u32,
    },
    #[error(
        "{address} (--{flag}) is a development key that everybody knows; chain {chain_id} is public, use a key of your own"
    )]
    DevKey {
        address: Address,
        flag: &'static str,
        chain_id: u64,
    },
    #[error("cannot write the key file {path}: {source}")]
    Write { path: PathBuf, source: std::io::Error },
}

/// Reads the key file given to `--flag` for use on L1 `chain_id`.
pub(crate) fn load(path: &Path, flag: &'static str, chain_id: u64) -> Result<PrivateKeySigner, KeyError> {
    let text = read_private(path, flag)?;
    let signer: PrivateKeySigner = text.trim().parse().map_err(|_| KeyError::Malformed {
        path: path.into(),
        flag,
    })?;
    refuse_dev_key(signer.address(), flag, chain_id)?;
    Ok(signer)
}

/// Reads a file given to `--flag` that only its owner may read.
pub(crate) fn read_private(path: &Path, flag: &'static str) -> Result<String, KeyError> {
    let read = |source| KeyError::Read {
        path: path.into(),
        flag,
        source,
    };
    let mode = std::fs::metadata(path).map_err(read)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed {
            path: path.into(),
            flag,
            mode,
        });
    }
    std::fs::read_to_string(path).map_err(read)
}

/// Refuses a key everybody knows on a chain with money on it.
pub(crate) fn refuse_dev_key(address: Address, flag: &'static str, chain_id: u64) -> Result<(), KeyError> {
    if PUBLIC_CHAINS.contains(&chain_id) && DEV_ACCOUNTS.contains(&address) {
        return Err(KeyError::DevKey {
            address,
            flag,
            chain_id,
        });
    }
    Ok(())
}

/// The development key number `index` (0..10).
pub(crate) fn dev_signer(index: u32) -> PrivateKeySigner {
    alloy::signers::local::MnemonicBuilder::<alloy::signers::local::coins_bip39::English>::default()
        .phrase(DEV_MNEMONIC)
        .index(index)
        .and_then(|builder| builder.build())
        .expect("a fixed, valid mnemonic and a small index")
}

/// Writes `signer` where only its owner can read it.
pub(crate) fn store(path: &Path, signer: &PrivateKeySigner) -> Result<(), KeyError> {
    write_private(path, &signer.to_bytes().to_string())
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), KeyError> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let write = |source| KeyError::Write {
        path: path.into(),
        source,
    };
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(write)?;
    writeln!(file, "{text}").map_err(write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mnemonic_gives_the_listed_accounts() {
        for (index, account) in DEV_ACCOUNTS.iter().enumerate() {
            assert_eq!(dev_signer(u32::try_from(index).unwrap()).address(), *account);
        }
    }

    #[test]
    fn a_stored_key_loads_again_and_a_dev_key_is_refused_on_a_public_chain() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        store(&path, &dev_signer(0)).unwrap();
        assert_eq!(load(&path, "key-file", 900).unwrap().address(), DEV_ACCOUNTS[0]);
        let error = load(&path, "key-file", 1).unwrap_err().to_string();
        assert!(error.contains("chain 1") && error.contains("key-file"), "{error}");
    }

    #[test]
    fn a_key_others_can_read_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        store(&path, &dev_signer(1)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(
            load(&path, "key-file", 900)
                .unwrap_err()
                .to_string()
                .contains("chmod 600")
        );
    }

    #[test]
    fn a_missing_or_malformed_key_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent");
        assert!(
            load(&path, "batcher-key-file", 900)
                .unwrap_err()
                .to_string()
                .contains("batcher-key-file")
        );
        std::fs::write(&path, "zz").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(
            load(&path, "batcher-key-file", 900)
                .unwrap_err()
                .to_string()
                .contains("64 hex")
        );
    }
}
