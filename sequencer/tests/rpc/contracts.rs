//! Calls, estimates, logs, filters and proofs against a contract.

use crate::{
    PAYEE,
    chain::key,
    quantity,
    server::{Server, story},
    signing::signed,
};
use alloy::primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof};
use serde_json::{Value, json};

/// Init code of a contract that keeps the first word of its input in slot 0, logs it under the topic 1 and returns it; it reverts
/// with `Error("no")` if the word is zero.
fn contract() -> Bytes {
    let error = hex!("08c379a0");
    let text = b"no";
    let push32 = |bytes: &[u8]| [&[0x7f][..], bytes, &vec![0; 32 - bytes.len()]].concat();
    let keep = hex!("5f35" "8015601657" "805f55" "5f52" "600160205fa1" "60205ff3");
    let refuse = [
        &hex!("5b")[..],
        &push32(&error),
        &hex!("5f52" "6020600452" "6002602452"),
        &push32(text),
        &hex!("604452" "60645ffd"),
    ];
    let runtime = [&keep[..], &refuse.concat()].concat();
    let length = u8::try_from(runtime.len()).unwrap();
    [
        &[0x60, length][..],
        &hex!("600a5f39"),
        &[0x60, length],
        &hex!("5ff3"),
        &runtime,
    ]
    .concat()
    .into()
}

async fn deploy(server: &Server) -> Value {
    let from = key(1).address();
    let gas = server
        .ok("eth_estimateGas", json!([{"from": from, "data": contract()}]))
        .await;
    let gas = u64::try_from(quantity(&gas)).unwrap();
    server
        .send(&signed(|tx| {
            (tx.to, tx.input, tx.value, tx.gas_limit) = (TxKind::Create, contract(), U256::ZERO, gas);
        }))
        .await;
    server.build().await;
    let receipts = server.ok("eth_getBlockReceipts", json!(["latest"])).await;
    assert_eq!(receipts[1]["status"], "0x1", "{receipts}");
    assert!(quantity(&receipts[1]["gasUsed"]) <= gas.into());
    receipts[1]["contractAddress"].clone()
}

#[test]
fn calls_estimates_and_logs_show_what_contracts_do() {
    story(async {
        let server = Server::sequencer().await;
        let address = deploy(&server).await;
        assert_eq!(address, json!(key(1).address().create(0)));
        assert!(
            server
                .ok("eth_getCode", json!([address, "latest"]))
                .await
                .as_str()
                .unwrap()
                .starts_with("0x5f35")
        );
        let word = B256::with_last_byte(7);
        let data = json!({"to": address, "input": word});
        assert_eq!(server.ok("eth_call", json!([data, "latest"])).await, json!(word));
        let error = server.error("eth_call", json!([{"to": address}, "latest"])).await;
        assert_eq!(
            (&error["code"], &error["message"]),
            (&json!(3), &json!("execution reverted: no"))
        );
        assert!(error["data"].as_str().unwrap().starts_with("0x08c379a0"));
        let error = server.error("eth_estimateGas", json!([{"to": address}])).await;
        assert_eq!(
            (&error["code"], &error["message"]),
            (&json!(3), &json!("execution reverted: no"))
        );
        let loops = json!({PAYEE.to_string(): {"code": "0x5b5f56"}});
        let error = server
            .error("eth_call", json!([{"to": PAYEE}, "latest", loops]))
            .await;
        assert_eq!(error["message"], "out of gas (rpc-gas-cap)");
        let returns_balance = json!({PAYEE.to_string(): {"code": "0x33315f5260205ff3"}, Address::ZERO.to_string(): {"balance": "0x5"}});
        let answer = server
            .ok("eth_call", json!([{"to": PAYEE}, "latest", returns_balance]))
            .await;
        assert_eq!(answer, json!(B256::with_last_byte(5)));
        let number = json!({PAYEE.to_string(): {"code": "0x435f5260205ff3"}});
        let answer = server
            .ok(
                "eth_call",
                json!([{"to": PAYEE}, "latest", number, {"number": "0x63"}]),
            )
            .await;
        assert_eq!(answer, json!(B256::with_last_byte(0x63)));

        let transfer_gas = server
            .ok(
                "eth_estimateGas",
                json!([{"from": key(1).address(), "to": PAYEE, "value": "0x1"}]),
            )
            .await;
        assert_eq!(transfer_gas, "0x5208");
        let poor = server
            .error(
                "eth_estimateGas",
                json!([{"from": PAYEE, "to": PAYEE, "value": "0x1"}]),
            )
            .await;
        assert!(
            poor["message"]
                .as_str()
                .unwrap()
                .starts_with("insufficient funds for gas * price + value"),
            "{poor}"
        );
        let poor = server
            .error(
                "eth_estimateGas",
                json!([{"to": address, "input": word, "gas": "0x5300"}]),
            )
            .await;
        assert_eq!(poor["message"], "gas required exceeds allowance (21248)");

        let gas = quantity(
            &server
                .ok(
                    "eth_estimateGas",
                    json!([{"from": key(1).address(), "to": address, "input": word}]),
                )
                .await,
        );
        let list = server
            .ok(
                "eth_createAccessList",
                json!([{"from": key(1).address(), "to": address, "input": word}]),
            )
            .await;
        assert_eq!(
            list["accessList"],
            json!([{"address": address, "storageKeys": [B256::ZERO]}]),
            "{list}"
        );
        let to = address.as_str().unwrap().parse().unwrap();
        let gas_limit = u64::try_from(gas).unwrap();
        server
            .send(&signed(|tx| {
                (tx.nonce, tx.to, tx.input, tx.value, tx.gas_limit) =
                    (1, TxKind::Call(to), word.into(), U256::ZERO, gas_limit);
            }))
            .await;
        let watched = server.ok("eth_newFilter", json!([{"address": address}])).await;
        let blocks = server.ok("eth_newBlockFilter", json!([])).await;
        server.build().await;
        let receipts = server.ok("eth_getBlockReceipts", json!(["latest"])).await;
        let receipt = &receipts[1];
        assert_eq!(receipt["status"], "0x1");
        let used = quantity(&receipt["gasUsed"]);
        assert!(
            used <= gas && gas * 985 <= used * 1_000,
            "estimated {gas}, used {used}"
        );
        assert_eq!(
            server
                .ok("eth_getStorageAt", json!([address, "0x0", "latest"]))
                .await,
            json!(word)
        );

        let logs = server
            .ok(
                "eth_getLogs",
                json!([{"fromBlock": "earliest", "topics": [B256::with_last_byte(1)]}]),
            )
            .await;
        assert_eq!(logs, receipt["logs"]);
        assert_eq!(
            (&logs[0]["data"], &logs[0]["logIndex"]),
            (&json!(word), &json!("0x0"))
        );
        assert_eq!(server.ok("eth_getFilterChanges", json!([watched])).await, logs);
        assert_eq!(
            server.ok("eth_getFilterChanges", json!([watched])).await,
            json!([])
        );
        assert_eq!(
            server.ok("eth_getFilterChanges", json!([blocks])).await,
            json!([receipt["blockHash"]])
        );
        assert_eq!(server.ok("eth_uninstallFilter", json!([blocks])).await, true);
        let gone = server.error("eth_getFilterChanges", json!([blocks])).await;
        assert_eq!(gone["message"], "filter not found");
        let none = server
            .ok(
                "eth_getLogs",
                json!([{"blockHash": receipt["blockHash"], "address": PAYEE}]),
            )
            .await;
        assert_eq!(none, json!([]));
        let backwards = server
            .error("eth_getLogs", json!([{"fromBlock": "0x2", "toBlock": "0x1"}]))
            .await;
        assert_eq!(backwards["message"], "invalid block range params");
    });
}

#[test]
fn the_log_range_is_bounded_and_the_error_names_the_bound() {
    story(async {
        let server = Server::with(|settings| (settings.logs_blocks_max, settings.logs_max) = (2, 1)).await;
        for _ in 0..3 {
            server.build().await;
        }
        let error = server
            .error("eth_getLogs", json!([{"fromBlock": "0x0", "toBlock": "latest"}]))
            .await;
        assert_eq!(
            error["message"],
            "query exceeds max block range 2 (rpc-logs-blocks-max)"
        );
        assert_eq!(
            server
                .ok("eth_getLogs", json!([{"fromBlock": "0x2", "toBlock": "0xffff"}]))
                .await,
            json!([])
        );
    });
}

#[test]
fn proofs_verify_against_the_state_root() {
    story(async {
        let server = Server::sequencer().await;
        let address = deploy(&server).await;
        let to: Address = address.as_str().unwrap().parse().unwrap();
        let word = B256::with_last_byte(9);
        server
            .send(&signed(|tx| {
                (tx.nonce, tx.to, tx.input, tx.value, tx.gas_limit) =
                    (1, TxKind::Call(to), word.into(), U256::ZERO, 100_000);
            }))
            .await;
        server.build().await;
        let block = server.ok("eth_getBlockByNumber", json!(["latest", false])).await;
        let root: B256 = block["stateRoot"].as_str().unwrap().parse().unwrap();
        let proof = server
            .ok("eth_getProof", json!([address, ["0x0"], "latest"]))
            .await;
        let nodes = |value: &Value| -> Vec<Bytes> { serde_json::from_value(value.clone()).unwrap() };
        let account = TrieAccount {
            nonce: 1,
            balance: U256::ZERO,
            storage_root: serde_json::from_value(proof["storageHash"].clone()).unwrap(),
            code_hash: serde_json::from_value(proof["codeHash"].clone()).unwrap(),
        };
        let key = Nibbles::unpack(keccak256(to));
        let value = Some(alloy::rlp::encode(account));
        verify_proof(root, key, value, &nodes(&proof["accountProof"])).unwrap();
        let slot = &proof["storageProof"][0];
        assert_eq!((&slot["key"], &slot["value"]), (&json!("0x0"), &json!("0x9")));
        let key = Nibbles::unpack(keccak256(B256::ZERO));
        verify_proof(account.storage_root, key, Some(vec![9]), &nodes(&slot["proof"])).unwrap();
        let absent = server.ok("eth_getProof", json!([PAYEE, [], "latest"])).await;
        verify_proof(
            root,
            Nibbles::unpack(keccak256(PAYEE)),
            None,
            &nodes(&absent["accountProof"]),
        )
        .unwrap();
    });
}
