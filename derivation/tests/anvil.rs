//! L1 as the devnet has it: every block anvil makes must hold together under our checks. Skipped where anvil is not installed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use alloy::{
    consensus::{
        SignableTransaction, Transaction, TxEip4844, TxEip4844Variant, TxEip4844WithSidecar, TxEnvelope,
    },
    eips::{eip2718::Encodable2718, eip4844::BlobTransactionSidecar},
    network::TransactionBuilder,
    primitives::{Address, FixedBytes, U256},
    providers::{Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
    signers::{SignerSync, local::PrivateKeySigner},
};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};
use tributary_derivation::driver::{
    BeaconBlobs, BlobFetchError, BlobSource, L1Source, L1Tag, RpcL1Source, versioned_hash,
};
use tributary_protocol::{blob::Blob, block::L1BlockNumber};

/// Ends its process when it goes.
struct Anvil {
    process: Child,
    url: String,
}

impl Anvil {
    fn start() -> Option<Self> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let program = std::env::var_os("TRIBUTARY_ANVIL").map_or_else(
            || root.join("../contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"),
            PathBuf::from,
        );
        if !program.exists() {
            eprintln!("skipped: no anvil at {}", program.display());
            return None;
        }
        let mut process = Command::new(program)
            .args([
                "--port",
                "0",
                "--hardfork",
                "prague",
                "--chain-id",
                "900",
                "--no-mining",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("Listening on ").map(str::to_owned))
            .unwrap();
        Some(Self {
            process,
            url: format!("http://{address}"),
        })
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[tokio::test]
async fn blocks_of_anvil_hold_together() {
    let Some(anvil) = Anvil::start() else { return };
    let provider = ProviderBuilder::new().connect_http(anvil.url.parse().unwrap());
    let sender = provider.get_accounts().await.unwrap()[0];
    // Init code that emits a log with one topic and returns nothing, and plain transfers.
    let emitting = TransactionRequest::default()
        .with_from(sender)
        .with_deploy_code(alloy::hex!("602a5f5260205f206020 5fa1 00"));
    for round in 0..3_u64 {
        for value in 0..round {
            let transfer = TransactionRequest::default()
                .with_from(sender)
                .with_to(Address::repeat_byte(1))
                .with_value(U256::from(value));
            let _ = provider.send_transaction(transfer).await.unwrap();
        }
        let _ = provider.send_transaction(emitting.clone()).await.unwrap();
        let _: String = provider.raw_request("evm_mine".into(), ()).await.unwrap();
    }

    let l1 = RpcL1Source::new(anvil.url.parse().unwrap());
    assert_eq!(l1.chain_id().await.unwrap(), 900);
    let head = l1.head(L1Tag::Latest).await.unwrap().unwrap();
    assert_eq!(head.number, L1BlockNumber(3));
    assert!(l1.head(L1Tag::Finalized).await.unwrap().is_some());
    for number in 0..=3 {
        let block = l1.block_by_number(L1BlockNumber(number)).await.unwrap().unwrap();
        assert_eq!(block.transactions().len() as u64, number);
        assert_eq!(block.logs().count() as u64, u64::from(number > 0));
        assert!(block.transactions().iter().all(|tx| tx.chain_id() == Some(900)));
        assert_eq!(
            l1.block_by_hash(block.hash()).await.unwrap().as_ref(),
            Some(&block)
        );
        assert_eq!(
            l1.block_ref(block.number()).await.unwrap(),
            Some(block.reference())
        );
    }
    assert_eq!(l1.block_by_number(L1BlockNumber(4)).await.unwrap(), None);
    assert_eq!(
        l1.block_by_hash(head.parent_hash)
            .await
            .unwrap()
            .unwrap()
            .number(),
        L1BlockNumber(2)
    );
}

/// A transaction with one blob, in the form in which it is sent.
fn blob_transaction(signer: &PrivateKeySigner, nonce: u64, blob: &Blob) -> TxEnvelope {
    let settings = c_kzg::ethereum_kzg_settings(0);
    let bytes = Box::new(c_kzg::Blob::from_bytes(blob.bytes()).unwrap());
    let commitment = settings.blob_to_kzg_commitment(&bytes).unwrap().to_bytes();
    let proof = settings
        .compute_blob_kzg_proof(&bytes, &commitment)
        .unwrap()
        .to_bytes();
    let sidecar = BlobTransactionSidecar {
        blobs: Vec::from([FixedBytes::from_slice(blob.bytes())]),
        commitments: Vec::from([FixedBytes::from_slice(commitment.as_slice())]),
        proofs: Vec::from([FixedBytes::from_slice(proof.as_slice())]),
    };
    let tx = TxEip4844 {
        chain_id: 900,
        nonce,
        gas_limit: 100_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        max_fee_per_blob_gas: 10_000_000_000,
        to: Address::repeat_byte(7),
        blob_versioned_hashes: Vec::from([versioned_hash(blob).unwrap()]),
        ..TxEip4844::default()
    };
    let tx: TxEip4844Variant = TxEip4844Variant::TxEip4844WithSidecar(TxEip4844WithSidecar {
        tx,
        sidecar: sidecar.into(),
    });
    let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
    tx.into_signed(signature).into()
}

/// An anvil is its own beacon node, and keeps blobs by execution block however irregular the times of its blocks are.
#[tokio::test]
async fn blobs_come_from_anvil_itself() {
    let Some(anvil) = Anvil::start() else { return };
    let provider = ProviderBuilder::new().connect_http(anvil.url.parse().unwrap());
    let signer: PrivateKeySigner = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
        .parse()
        .unwrap();
    let (l1, beacon) = (
        RpcL1Source::new(anvil.url.parse().unwrap()),
        BeaconBlobs::new(&anvil.url.parse().unwrap()),
    );
    let blobs = [b"\0first", b"\0other"].map(|content| Blob::encode(content).unwrap());
    for (nonce, blob) in (0..).zip(&blobs) {
        let raw = blob_transaction(&signer, nonce, blob).encoded_2718();
        let _ = provider.send_raw_transaction(&raw).await.unwrap();
        let _: Value = provider
            .raw_request("evm_increaseTime".into(), (17 * (nonce + 1),))
            .await
            .unwrap();
        let _: String = provider.raw_request("evm_mine".into(), ()).await.unwrap();
    }
    for (number, blob) in (1..).zip(&blobs) {
        let block = l1.block_by_number(L1BlockNumber(number)).await.unwrap().unwrap();
        let hashes = block.transactions()[0].blob_versioned_hashes().unwrap().to_vec();
        let found = beacon.blobs(&hashes, block.reference()).await.unwrap();
        assert_eq!(found, core::slice::from_ref(blob));
    }
    // Another block's blob is not there.
    let first = l1.block_by_number(L1BlockNumber(1)).await.unwrap().unwrap();
    let other = versioned_hash(&blobs[1]).unwrap();
    let error = beacon.blobs(&[other], first.reference()).await.unwrap_err();
    assert!(
        matches!(
            error,
            BlobFetchError::Missing { .. } | BlobFetchError::Status { .. }
        ),
        "{error}"
    );
}
