//! Six tools as their documentation uses them, with no flag and no middleware, against one fresh devnet.
//!
//! Five are programs in `tests/clients`, at the versions its lockfiles pin; alloy is used from here. Each has a development account of its
//! own, so that they can run at the same time. `make clients` installs what they need and counts them.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

use alloy::{
    network::{AnyNetwork, EthereumWallet, TransactionBuilder},
    primitives::{B256, U256, address, bytes},
    providers::{Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
    signers::local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English},
};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{LazyLock, mpsc},
    thread,
};

/// Where the devnet's sequencer answers. The devnet is tied to the thread that starts it, which waits for ever: it ends with this process.
static DEVNET: LazyLock<String> = LazyLock::new(|| {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let tributary = env!("CARGO_BIN_EXE_tributary");
        let mut devnet = Command::new(tributary)
            .args(["supervised", "--", tributary, "devnet", "--free-ports"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for line in BufReader::new(devnet.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(url) = line
                .split_whitespace()
                .find(|word| word.starts_with("http"))
                .filter(|_| line.contains("RPC"))
            {
                tell.send(url.to_owned()).ok();
            }
        }
        panic!("the devnet has ended: {:?}", devnet.wait());
    });
    told.recv().unwrap()
});

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clients")
}

/// The key of a development account that no role of the devnet uses.
fn signer(account: u32) -> PrivateKeySigner {
    MnemonicBuilder::<English>::default()
        .phrase("test test test test test test test test test test test junk")
        .index(account)
        .unwrap()
        .build()
        .unwrap()
}

/// Whether what the test needs is installed. If not it is skipped by name, or fails where nothing may be skipped.
fn has(test: &str, needed: &[&str]) -> bool {
    let Some(missing) = needed.iter().find(|path| !folder().join(path).exists()) else {
        return true;
    };
    assert!(
        std::env::var_os("TRIBUTARY_NO_SKIP").is_none(),
        "{test} needs tests/clients/{missing}: run `make clients-setup`"
    );
    eprintln!("skipped: {test} needs tests/clients/{missing}: run `make clients-setup`");
    false
}

/// anvil, which the devnet's L1 is, and with it forge and cast.
const FOUNDRY: &str = "../../contracts/node_modules/@foundry-rs";

/// Runs a program of `tests/clients`, which must end well.
fn run(account: u32, program: &str, args: &[&str]) {
    let key = B256::from_slice(&signer(account).to_bytes()[..]);
    let output = Command::new(program)
        .args(args)
        .current_dir(folder())
        .env("RPC_URL", &*DEVNET)
        .env("PRIVATE_KEY", key.to_string())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program} {args:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    print!("{}", text(&output.stdout));
}

#[test]
fn cast() {
    if has("cast", &[FOUNDRY]) {
        run(4, "./cast", &[]);
    }
}

#[test]
fn forge_script() {
    if has("forge_script", &[FOUNDRY]) {
        run(5, "./forge_script", &[]);
    }
}

#[test]
fn viem() {
    if has("viem", &[FOUNDRY, "node_modules/viem"]) {
        run(6, "node", &["viem.mjs"]);
    }
}

#[test]
fn ethers() {
    if has("ethers", &[FOUNDRY, "node_modules/ethers"]) {
        run(7, "node", &["ethers.mjs"]);
    }
}

#[test]
fn web3_py() {
    if has("web3_py", &[FOUNDRY, ".venv/bin/python3"]) {
        run(8, ".venv/bin/python3", &["web3_py.py"]);
    }
}

#[tokio::test]
async fn alloy() {
    if !has("alloy", &[FOUNDRY]) {
        return;
    }
    let wallet = EthereumWallet::from(signer(9));
    let url = tokio::task::spawn_blocking(|| DEVNET.clone()).await.unwrap();
    let provider = ProviderBuilder::new()
        .wallet(wallet)
        .connect_http(url.parse().unwrap());
    let to = address!("0x00000000000000000000000000000000000071e5");
    let before = provider.get_balance(to).await.unwrap();

    let transfer = TransactionRequest::default().with_to(to).with_value(U256::ONE);
    let receipt = provider
        .send_transaction(transfer)
        .await
        .unwrap()
        .get_receipt()
        .await
        .unwrap();
    assert!(receipt.status() && receipt.gas_used == 21_000);
    assert_eq!(provider.get_balance(to).await.unwrap(), before + U256::ONE);
    let number = receipt.block_number.unwrap().into();
    let block = provider.get_block(number).await.unwrap().unwrap();
    assert!(
        block
            .transactions
            .hashes()
            .any(|hash| hash == receipt.transaction_hash)
    );
    // Whole transactions of a block need a network that has deposits, as on every OP chain.
    let reader = ProviderBuilder::new()
        .network::<AnyNetwork>()
        .connect_http(url.parse().unwrap());
    let block = reader.get_block(number).full().await.unwrap().unwrap();
    assert!(
        block
            .transactions
            .hashes()
            .any(|hash| hash == receipt.transaction_hash)
    );

    // The runtime code returns 42.
    let creation = TransactionRequest::default()
        .with_deploy_code(bytes!("600a600c600039600a6000f3602a60005260206000f3"));
    let created = provider
        .send_transaction(creation)
        .await
        .unwrap()
        .get_receipt()
        .await
        .unwrap();
    let call = TransactionRequest::default().with_to(created.contract_address.unwrap());
    assert_eq!(
        U256::from_be_slice(&provider.call(call).await.unwrap()),
        U256::from(42)
    );

    let too_much = TransactionRequest::default()
        .with_to(to)
        .with_value(U256::MAX >> 100);
    let error = provider.send_transaction(too_much).await.unwrap_err().to_string();
    assert!(error.contains("insufficient funds"), "{error}");
}
