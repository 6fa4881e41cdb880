//! The table of bad input in `docs/rpc.md`: every row is a case here, every case a row there, and what is answered is what is written.

use crate::{
    PAYEE,
    chain::GAS_LIMIT,
    limited,
    server::{Server, story},
    signing::{high_s, signed},
};
use alloy::primitives::{Address, Bytes, TxKind, U256};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A row: what is answered.
struct Row {
    status: String,
    code: String,
    text: String,
    limit: String,
}

fn table() -> BTreeMap<String, Row> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/rpc.md");
    let text = std::fs::read_to_string(path).unwrap();
    let section = text
        .split("## Bad input")
        .nth(1)
        .expect("docs/rpc.md has the table");
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(2);
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [input, status, code, text, limit] = cells[..] else {
            panic!("a row has five cells: {line}");
        };
        let row = Row {
            status: status.into(),
            code: code.into(),
            text: text.trim_matches('`').into(),
            limit: limit.into(),
        };
        (input.to_owned(), row)
    })
    .collect()
}

pub(crate) fn request(method: &str, params: Value) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
}

pub(crate) fn send(raw: impl ToString) -> String {
    request("eth_sendRawTransaction", json!([raw.to_string()]))
}

pub(crate) fn with_code(code: &str) -> String {
    let overrides = json!({PAYEE.to_string(): {"code": code}});
    request("eth_call", json!([{"to": PAYEE}, "latest", overrides]))
}

/// Bodies by the name of their row. The server has taken a transaction of sender 1 into a block and holds the next one.
fn cases() -> BTreeMap<&'static str, String> {
    let one = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"});
    let addresses: Vec<Address> = (0..1_001_u64)
        .map(|seed| Address::left_padding_from(&seed.to_be_bytes()))
        .collect();
    let too_long = Bytes::from([&[2][..], &vec![0; 512 * 1024]].concat());
    [
        ("no JSON", "nonsense".to_owned()),
        ("a body that is too long", " ".repeat((2 << 20) + 1)),
        ("an empty batch", "[]".into()),
        ("a batch of 1,001", json!(vec![one; 1_001]).to_string()),
        ("JSON that is no request", "{}".into()),
        ("a method that is not served", request("eth_foo", json!([]))),
        (
            "a subscription over HTTP",
            request("eth_subscribe", json!(["newHeads"])),
        ),
        ("parameters by name", request("eth_chainId", json!({"a": 1}))),
        ("a parameter missing", request("eth_getBalance", json!([]))),
        ("a parameter too many", request("eth_chainId", json!([1]))),
        (
            "a parameter of the wrong shape",
            request("eth_getBalance", json!(["0x12"])),
        ),
        (
            "a block that is not there",
            request("eth_getBalance", json!([PAYEE, "0xffff"])),
        ),
        (
            "a filter that is not there",
            request("eth_getFilterChanges", json!(["0x1"])),
        ),
        (
            "logs of too many addresses",
            request("eth_getLogs", json!([{"address": addresses}])),
        ),
        (
            "a proof of too many slots",
            request("eth_getProof", json!([PAYEE, vec!["0x0"; 1_025], "latest"])),
        ),
        (
            "values of too many slots",
            request(
                "eth_getStorageValues",
                json!([{PAYEE.to_string(): vec!["0x0"; 1_025]}, "latest"]),
            ),
        ),
        ("a call that reverts", with_code("0x5f5ffd")),
        ("a call that does not end", with_code("0x5b5f56")),
        (
            "a call that cannot pay",
            request(
                "eth_call",
                json!([{"from": PAYEE, "to": PAYEE, "value": "0xffffffffffffffffffff"}]),
            ),
        ),
        ("a transaction in bytes that are none", send("0x02c0")),
        ("a blob transaction", send("0x03c0")),
        ("a deposit", send("0x7ec0")),
        ("a transaction that is too long", send(too_long)),
        (
            "fees nobody means to pay",
            send(signed(|tx| tx.max_fee_per_gas = 1_000_000_000_000_000)),
        ),
        (
            "more init code than a contract may have",
            send(signed(|tx| {
                tx.to = TxKind::Create;
                tx.gas_limit = 4_000_000;
                tx.input = vec![0; 49_153].into();
            })),
        ),
        (
            "a transaction for another chain",
            send(signed(|tx| tx.chain_id = 1)),
        ),
        ("a signature with high s", send(high_s())),
        ("a nonce that is used", send(signed(|tx| tx.nonce = 0))),
        (
            "a transaction sent twice",
            send(signed(|tx| (tx.nonce, tx.max_priority_fee_per_gas) = (1, 1_000))),
        ),
        (
            "a replacement that pays too little",
            send(signed(|tx| (tx.nonce, tx.max_priority_fee_per_gas) = (1, 1_050))),
        ),
        (
            "more value than there is",
            send(signed(|tx| (tx.nonce, tx.value) = (2, U256::MAX >> 1))),
        ),
        (
            "too little gas to begin",
            send(signed(|tx| tx.gas_limit = 20_999)),
        ),
        (
            "more gas than a block has",
            send(signed(|tx| tx.gas_limit = GAS_LIMIT)),
        ),
        (
            "a tip above the fee cap",
            send(signed(|tx| tx.max_priority_fee_per_gas = 1 << 40)),
        ),
        (
            "a fee cap below the base fee",
            send(signed(|tx| {
                (tx.max_fee_per_gas, tx.max_priority_fee_per_gas) = (999, 0);
            })),
        ),
    ]
    .into()
}

/// Whether what was said for a row is what is written in it.
fn compare(rows: &BTreeMap<String, Row>, input: &str, (status, text): &(u16, String)) -> Result<(), String> {
    let row = rows
        .get(input)
        .ok_or_else(|| format!("`{input}` has no row in docs/rpc.md"))?;
    let answer: Value = serde_json::from_str(text).unwrap_or_default();
    // Of a batch, what came last.
    let answer = answer.as_array().and_then(|all| all.last()).unwrap_or(&answer);
    let code = answer["error"]["code"].as_i64();
    let code = code.map_or("none".into(), |code| code.to_string());
    let message = answer["error"]["message"].as_str().unwrap_or(text);
    // A limit that is a setting is named, so that whoever reads the error knows what to change; of several, the one that was met.
    let settings = row.limit.split('`').skip(1).step_by(2);
    let is_named = row.limit.contains(" or ") || settings.clone().all(|setting| text.contains(setting));
    if (status.to_string(), &code) == (row.status.clone(), &row.code)
        && message.starts_with(&row.text)
        && is_named
    {
        return Ok(());
    }
    Err(format!("{input}: {status} {code} {message:.300}"))
}

#[test]
fn every_row_of_the_table_is_what_is_answered() {
    story(async {
        let server = Server::sequencer().await;
        server.send(&signed(|tx| tx.nonce = 0)).await;
        server.build().await;
        server
            .send(&signed(|tx| (tx.nonce, tx.max_priority_fee_per_gas) = (1, 1_000)))
            .await;
        let rows = table();
        let mut answers = limited::answers().await;
        for (input, body) in cases() {
            let earlier = answers.insert(input, server.post_text(&body).await);
            assert!(earlier.is_none(), "{input} is there twice");
        }
        let untested: BTreeSet<&str> = rows
            .keys()
            .map(String::as_str)
            .filter(|row| !answers.contains_key(row))
            .collect();
        assert!(untested.is_empty(), "rows without a case: {untested:?}");
        let wrong: Vec<String> = answers
            .iter()
            .filter_map(|(input, said)| compare(&rows, input, said).err())
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn an_address_that_asks_too_much_is_told_when_to_come_again() {
    story(async {
        let server = Server::with(|settings| {
            settings.limit_loopback = true;
            settings.units_per_second_per_ip = 1;
        })
        .await;
        let body = request("eth_chainId", json!([]));
        for _ in 0..5 {
            assert_eq!(server.post(&body).await.0, 200);
        }
        let (status, answer) = server.post(&request("eth_getLogs", json!([{}]))).await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert_eq!((status, &answer["error"]["code"]), (429, &json!(-32005)));
        assert!(
            message.starts_with("limit exceeded: rpc-units-per-second-per-ip is 1"),
            "{message}"
        );
        assert_eq!(server.get("/livez").await.0, 200);
    });
}
