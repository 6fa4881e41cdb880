//! The same transactions on anvil, and what it says of their insides. Skipped by name where anvil is not installed.

use super::{deploy, programs::step, receipts, send};
use crate::{
    chain::{call_with, key},
    server::{Server, story},
    signing::{raw, signed},
    tracing::programs::{Step, assemble, deployer},
};
use alloy::primitives::{Bytes, TxKind, U256};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// Ends its process when it goes.
struct Anvil {
    process: Child,
    url: String,
    client: reqwest::Client,
}

impl Anvil {
    fn start(test: &str) -> Option<Self> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let pinned = root.join("../contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");
        let program = std::env::var_os("TRIBUTARY_ANVIL").map_or(pinned, PathBuf::from);
        if !program.exists() {
            assert!(
                std::env::var_os("TRIBUTARY_NO_SKIP").is_none(),
                "{test} needs anvil: run `make setup`"
            );
            eprintln!("skipped: {test} needs anvil: run `make setup`");
            return None;
        }
        let mut process = Command::new(program)
            .args(["--port", "0", "--hardfork", "prague", "--chain-id", "901"])
            .args([
                "--steps-tracing",
                "--no-mining",
                "--base-fee",
                "1000",
                "--order",
                "fifo",
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
            client: reqwest::Client::new(),
        })
    }

    async fn ok(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = self.client.post(&self.url).json(&body).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Where a transaction is, which differs: our blocks begin with the L1 attributes.
fn without_place(mut traces: Value) -> Value {
    for trace in traces.as_array_mut().unwrap() {
        for field in ["blockHash", "blockNumber", "transactionPosition"] {
            trace.as_object_mut().unwrap().remove(field);
        }
    }
    traces
}

#[test]
fn anvil_says_the_same_of_the_same_transactions() {
    let Some(anvil) = Anvil::start("anvil_says_the_same_of_the_same_transactions") else {
        return;
    };
    // The same programs in every run.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let programs = prop::collection::vec(prop::collection::vec(step(), 1..8), 20);
    let mut programs: Vec<Vec<Step>> = programs.new_tree(&mut runner).unwrap().current();
    for program in &mut programs {
        // anvil counts calls to precompiles among the subtraces and does not list them.
        program.retain(|step| !matches!(step, Step::Hash));
    }
    story(async {
        let server = Server::sequencer().await;
        for seed in 1..3 {
            let balance = U256::from(10).pow(U256::from(20));
            anvil
                .ok("anvil_setBalance", json!([key(seed).address(), balance]))
                .await;
        }
        let addresses = deploy(&server, &programs).await;
        for (index, program) in programs.iter().enumerate() {
            let code = deployer(&assemble(program, &addresses[..index]));
            let creation = signed(|tx| {
                (tx.nonce, tx.to, tx.input, tx.value, tx.gas_limit) =
                    (index as u64, TxKind::Create, code, U256::ZERO, 1_000_000);
            });
            anvil.ok("eth_sendRawTransaction", json!([creation])).await;
        }
        anvil.ok("evm_mine", json!([])).await;
        for (nonce, address) in (0..).zip(&addresses) {
            send(&server, 2, nonce, *address, 400_000).await;
            let input = Bytes::from(vec![2; 32]);
            let call = call_with(2, nonce, *address, 400_000, input);
            anvil.ok("eth_sendRawTransaction", json!([raw(&call)])).await;
        }
        server.build().await;
        anvil.ok("evm_mine", json!([])).await;
        let options = json!({"tracer": "callTracer"});
        let (mut compared, mut frames) = (0, 0);
        for number in 1..=2 {
            // Not the L1 attributes, which anvil does not have.
            for receipt in &receipts(&server, number).await[1..] {
                let hash = &receipt["transactionHash"];
                let theirs = anvil.ok("eth_getTransactionReceipt", json!([hash])).await;
                assert_eq!(
                    (&receipt["status"], &receipt["gasUsed"]),
                    (&theirs["status"], &theirs["gasUsed"])
                );
                let ours = server.ok("debug_traceTransaction", json!([hash, options])).await;
                let mut theirs = anvil.ok("debug_traceTransaction", json!([hash, options])).await;
                // In geth, and here, the root has all of the transaction's gas; in anvil what was left when it began to run.
                theirs["gas"] = ours["gas"].clone();
                // anvil 1.7.1 says what the block had used by then.
                theirs["gasUsed"] = receipt["gasUsed"].clone();
                assert_eq!(ours, theirs, "callTracer of {hash}");
                let ours = server.ok("trace_transaction", json!([hash])).await;
                let theirs = anvil.ok("trace_transaction", json!([hash])).await;
                frames += ours.as_array().unwrap().len();
                assert_eq!(
                    without_place(ours),
                    without_place(theirs),
                    "trace_transaction of {hash}"
                );
                let ours = server.ok("debug_traceTransaction", json!([hash])).await;
                let theirs = anvil.ok("debug_traceTransaction", json!([hash])).await;
                let steps = |trace: &Value| -> Vec<Value> {
                    let logs = trace["structLogs"].as_array().unwrap();
                    logs.iter()
                        .map(|log| {
                            json!([
                                log["pc"],
                                log["op"],
                                log["gas"],
                                log["gasCost"],
                                log["depth"],
                                log["stack"]
                            ])
                        })
                        .collect()
                };
                assert_eq!(steps(&ours), steps(&theirs), "struct logs of {hash}");
                compared += 1;
            }
        }
        println!("{compared} transactions, {frames} frames compared with anvil");
        assert!(compared == 40 && frames > 60, "{compared} {frames}");
    });
}
