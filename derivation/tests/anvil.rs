//! L1 as the devnet has it: every block anvil makes must hold together under our checks. Skipped where anvil is not installed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use alloy::{
    consensus::Transaction,
    network::TransactionBuilder,
    primitives::{Address, U256},
    providers::{Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
};
use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};
use tributary_derivation::driver::{L1Source, L1Tag, RpcL1Source};
use tributary_protocol::block::L1BlockNumber;

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
