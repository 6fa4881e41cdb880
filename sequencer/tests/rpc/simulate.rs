//! `eth_simulateV1`: blocks that never were.

use crate::{
    PAYEE,
    chain::{GAS_LIMIT, GENESIS_TIME, key, transfer},
    quantity,
    server::{Server, story},
    signing::raw,
};
use alloy::primitives::{Address, B256, U256, address, keccak256};
use serde_json::{Value, json};

/// Where transfers are said to be logged.
const TRANSFERS: Address = address!("eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
const POOR: Address = address!("00000000000000000000000000000000000000f0");

async fn simulate(server: &Server, blocks: Value, more: Value) -> Value {
    server
        .ok("eth_simulateV1", json!([payload(blocks, more), "latest"]))
        .await
}

fn payload(blocks: Value, more: Value) -> Value {
    let mut payload = json!({"blockStateCalls": blocks});
    for (name, value) in more.as_object().unwrap() {
        payload[name] = value.clone();
    }
    payload
}

#[test]
fn blocks_follow_each_other_and_calls_find_what_came_before() {
    story(async {
        let server = Server::sequencer().await;
        server.build().await;
        let head = server.ok("eth_getBlockByNumber", json!(["latest", false])).await;
        let (from, counts) = (key(2).address(), "0x5f54600101805f555f5260205ff3");
        let call = json!({"from": from, "to": PAYEE});
        let code = json!({PAYEE.to_string(): {"code": counts}});
        let blocks = json!([
            {"stateOverrides": code, "calls": [call, call]},
            {"blockOverrides": {"number": "0x4", "time": format!("{:#x}", GENESIS_TIME + 100)}, "calls": [call]},
        ]);
        let answer = simulate(&server, blocks, json!({})).await;
        let answer = answer.as_array().unwrap();
        let numbers: Vec<u128> = answer.iter().map(|block| quantity(&block["number"])).collect();
        assert_eq!(numbers, [2, 3, 4], "the gap is filled");
        let times: Vec<u128> = answer.iter().map(|block| quantity(&block["timestamp"])).collect();
        let time = u128::from(GENESIS_TIME);
        assert_eq!(times, [time + 2, time + 3, time + 100]);
        assert_eq!(answer[0]["parentHash"], head["hash"]);
        for pair in answer.windows(2) {
            assert_eq!(pair[1]["parentHash"], pair[0]["hash"]);
            assert_ne!(pair[1]["stateRoot"], pair[0]["stateRoot"]);
        }
        let returned: Vec<&Value> = answer
            .iter()
            .flat_map(|block| block["calls"].as_array().unwrap())
            .map(|call| &call["returnData"])
            .collect();
        assert_eq!(
            returned,
            [1, 2, 3]
                .map(|count| json!(B256::with_last_byte(count)))
                .iter()
                .collect::<Vec<_>>()
        );
        let used: u128 = answer[0]["calls"]
            .as_array()
            .unwrap()
            .iter()
            .map(|call| quantity(&call["gasUsed"]))
            .sum();
        assert_eq!(quantity(&answer[0]["gasUsed"]), used);
        assert_eq!(answer[0]["transactions"].as_array().unwrap().len(), 2);
        assert_eq!(answer[0]["baseFeePerGas"], "0x0");
        assert_ne!(answer[0]["stateRoot"], json!(B256::ZERO));
        // Nothing of it happened.
        assert_eq!(server.ok("eth_getCode", json!([PAYEE, "latest"])).await, "0x");
        assert_eq!(server.ok("eth_blockNumber", json!([])).await, "0x1");
    });
}

#[test]
fn contracts_see_the_simulated_chain() {
    story(async {
        let server = Server::sequencer().await;
        server.build().await;
        let head = server.ok("eth_getBlockByNumber", json!(["latest", false])).await;
        // BLOCKHASH of the block before, and of the one before that.
        let code =
            json!({PAYEE.to_string(): {"code": "0x60014303405f526002430340602052" .to_owned() + "60405ff3"}});
        let call = json!({"to": PAYEE});
        let blocks = json!([{}, {"stateOverrides": code, "calls": [call]}]);
        let answer = simulate(&server, blocks, json!({})).await;
        let words = answer[1]["calls"][0]["returnData"].as_str().unwrap();
        let text = |hash: &Value| hash.as_str().unwrap()[2..].to_owned();
        assert_eq!(
            words,
            format!("0x{}{}", text(&answer[0]["hash"]), text(&head["hash"]))
        );
        // EIP-2935 knows the same.
        let history = address!("0000F90827F1C53a10cb7A02335B175320002935");
        let ask = json!({"to": history, "input": B256::with_last_byte(1)});
        let answer = simulate(&server, json!([{"calls": [ask]}]), json!({})).await;
        assert_eq!(answer[0]["calls"][0]["returnData"], head["hash"]);
    });
}

#[test]
fn transfers_are_shown_as_logs_and_kept_out_of_receipts() {
    story(async {
        let server = Server::sequencer().await;
        // Passes on what it gets, then emits a log of its own.
        let code = json!({PAYEE.to_string(): {"code": "0x5f5f5f5f3460bb5af15f5fa0"}});
        let call = json!({"from": key(2).address(), "to": PAYEE, "value": "0x7"});
        let blocks = json!([{"stateOverrides": code, "calls": [call]}]);
        let plain = simulate(&server, blocks.clone(), json!({})).await;
        assert_eq!(plain[0]["calls"][0]["logs"].as_array().unwrap().len(), 1);
        let traced = simulate(&server, blocks, json!({"traceTransfers": true})).await;
        let logs = traced[0]["calls"][0]["logs"].as_array().unwrap();
        assert_eq!(logs.len(), 3);
        let topic = keccak256("Transfer(address,address,uint256)");
        let payee: B256 = PAYEE.into_word();
        let third = address!("00000000000000000000000000000000000000bb").into_word();
        assert_eq!(logs[0]["address"], json!(TRANSFERS));
        assert_eq!(
            logs[0]["topics"],
            json!([topic, key(2).address().into_word(), payee])
        );
        assert_eq!(logs[1]["topics"], json!([topic, payee, third]));
        assert_eq!(logs[1]["data"], json!(B256::with_last_byte(7)));
        assert_eq!(logs[2]["address"], json!(PAYEE));
        for (index, log) in logs.iter().enumerate() {
            assert_eq!(quantity(&log["logIndex"]), index as u128);
            assert_eq!(log["blockHash"], traced[0]["hash"]);
        }
        assert_eq!(traced[0]["receiptsRoot"], plain[0]["receiptsRoot"]);
        assert_eq!(traced[0]["hash"], plain[0]["hash"]);
    });
}

#[test]
fn calls_that_fail_say_how_and_the_block_goes_on() {
    story(async {
        let server = Server::sequencer().await;
        let account = |last: u8| Address::with_last_byte(last).to_string();
        let code = json!({
            account(0xc1): {"code": "0x5f5ffd"},
            account(0xc2): {"code": "0x5b5f56"},
            account(0xc3): {"code": "0xfe"},
        });
        let calls = [0xc1_u8, 0xc2, 0xc3, 0xaa].map(|last| json!({"to": account(last), "gas": "0xc350"}));
        let answer = simulate(
            &server,
            json!([{"stateOverrides": code, "calls": calls}]),
            json!({}),
        )
        .await;
        let errors: Vec<&Value> = answer[0]["calls"]
            .as_array()
            .unwrap()
            .iter()
            .map(|call| &call["error"])
            .collect();
        assert_eq!(
            *errors[0],
            json!({"code": 3, "message": "execution reverted", "data": "0x"})
        );
        assert_eq!(
            *errors[1],
            json!({"code": -32015, "message": "vm execution error: out of gas"})
        );
        assert_eq!(
            *errors[2],
            json!({"code": -32015, "message": "vm execution error: invalid opcode"})
        );
        assert!(errors[3].is_null());
        let status: Vec<&Value> = answer[0]["calls"]
            .as_array()
            .unwrap()
            .iter()
            .map(|call| &call["status"])
            .collect();
        assert_eq!(status, ["0x0", "0x0", "0x0", "0x1"]);
    });
}

#[test]
fn what_no_block_could_hold_ends_the_simulation_with_geths_code() {
    story(async {
        let server = Server::sequencer().await;
        server.send(&raw(&transfer(2, 0))).await;
        server.build().await;
        let rich = key(2).address();
        let one = |call: Value| json!([{"calls": [call]}]);
        let strict = json!({"validation": true});
        let fee = "0x3b9aca00";
        let funded = json!([{"stateOverrides": {POOR.to_string(): {"balance": "0x1"}}, "calls": [{"from": POOR, "to": PAYEE, "maxFeePerGas": fee}]}]);
        let full = json!([{"blockOverrides": {"gasLimit": "0x5208"}, "calls": [{"to": PAYEE, "gas": "0x5208"}, {"to": PAYEE, "gas": "0x5208"}]}]);
        for (blocks, options, code, text) in [
            (json!([]), json!({}), -32602, "empty input"),
            (
                json!(vec![json!({}); 257]),
                json!({}),
                -38026,
                "too many blocks: rpc-simulate-blocks-max is 256",
            ),
            (
                json!([{"blockOverrides": {"number": "0xffff"}}]),
                json!({}),
                -38026,
                "too many blocks: rpc-simulate-blocks-max is 256",
            ),
            (
                json!([{"blockOverrides": {"number": "0x1"}}]),
                json!({}),
                -38020,
                "block numbers must be in order: 1 <= 1",
            ),
            (
                json!([{"blockOverrides": {"time": "0x1"}}]),
                json!({}),
                -38021,
                "block timestamps must be in order: 1 <= ",
            ),
            (
                one(json!({"from": rich, "to": PAYEE, "nonce": "0x0", "maxFeePerGas": fee})),
                strict.clone(),
                -38010,
                "nonce too low: next nonce 1, tx nonce 0",
            ),
            (
                one(json!({"from": rich, "to": PAYEE, "nonce": "0x9", "maxFeePerGas": fee})),
                strict.clone(),
                -38011,
                "nonce too high: next nonce 1, tx nonce 9",
            ),
            (
                one(json!({"from": rich, "to": PAYEE})),
                strict.clone(),
                -38012,
                "max fee per gas less than block base fee",
            ),
            (
                one(json!({"from": rich, "to": PAYEE, "gas": "0x5207"})),
                json!({}),
                -38013,
                "intrinsic gas too low: have 20999, want 21000",
            ),
            (
                one(json!({"from": POOR, "to": PAYEE, "value": "0x1"})),
                json!({}),
                -38014,
                "insufficient funds for gas * price + value: have 0 want 1",
            ),
            (
                funded,
                strict.clone(),
                -38014,
                "insufficient funds for gas * price + value: have 1 want ",
            ),
            (full, json!({}), -38015, "block gas limit reached: 42000 >= 21000"),
            (
                one(json!({"from": rich, "input": format!("0x{}", "00".repeat(49_153))})),
                json!({}),
                -38025,
                "max initcode size exceeded",
            ),
            (
                one(json!({"from": rich, "to": PAYEE, "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x2"})),
                json!({}),
                -32602,
                "max priority fee per gas higher than max fee per gas",
            ),
            (
                json!([{"stateOverrides": {POOR.to_string(): {"state": {}, "stateDiff": {}}}}]),
                json!({}),
                -32602,
                "account 0x00000000000000000000000000000000000000F0 has both 'state' and 'stateDiff'",
            ),
        ] {
            let params = json!([payload(blocks, options), "latest"]);
            let error = server.error("eth_simulateV1", params).await;
            let message = error["message"].as_str().unwrap();
            assert!(
                error["code"] == code && message.starts_with(text),
                "{error} is not {code} {text}"
            );
        }
        let error = server
            .error("eth_simulateV1", json!([payload(json!([{}]), json!({})), "0x63"]))
            .await;
        assert_eq!(error["message"], "header not found");
    });
}

#[test]
fn validation_charges_what_a_block_would() {
    story(async {
        let server = Server::sequencer().await;
        server.build().await;
        let from = key(3).address();
        let ordinary = json!({"from": from, "to": PAYEE, "value": "0x1", "maxFeePerGas": "0x3b9aca00"});
        let answer = simulate(
            &server,
            json!([{"calls": [ordinary]}, {"calls": [{"to": PAYEE, "input": "0x", "from": from, "maxFeePerGas": "0x3b9aca00", "nonce": "0x1"}]}]),
            json!({"validation": true, "returnFullTransactions": true}),
        )
        .await;
        let pending = server.ok("eth_gasPrice", json!([])).await;
        assert!(
            quantity(&answer[0]["baseFeePerGas"]) > 0
                && quantity(&answer[0]["baseFeePerGas"]) <= quantity(&pending)
        );
        let sent = &answer[0]["transactions"][0];
        assert_eq!(
            [
                &sent["from"],
                &sent["to"],
                &sent["value"],
                &sent["nonce"],
                &sent["type"],
                &sent["gas"]
            ],
            [
                &json!(from),
                &json!(PAYEE),
                &json!("0x1"),
                &json!("0x0"),
                &json!("0x2"),
                &json!(format!("{GAS_LIMIT:#x}"))
            ]
        );
        assert_eq!(sent["blockHash"], answer[0]["hash"]);
        assert_eq!(answer[0]["calls"][0]["gasUsed"], "0x5208");
    });
}

#[test]
fn all_calls_share_the_gas_of_one() {
    story(async {
        let server = Server::with(|settings| settings.call_gas_max = 60_000).await;
        let forever = json!({PAYEE.to_string(): {"code": "0x5b5f56"}});
        let call = json!({"to": PAYEE});
        let blocks = json!([{"stateOverrides": forever, "calls": [call]}, {"calls": [call]}]);
        let error = server
            .error("eth_simulateV1", json!([payload(blocks, json!({}))]))
            .await;
        assert_eq!(error["code"], -38013, "nothing is left for the second: {error}");
    });
}

#[test]
fn what_is_overridden_is_the_state_from_then_on() {
    story(async {
        let server = Server::sequencer().await;
        let slot = B256::with_last_byte(1);
        let reads = json!({"code": "0x60015460405260206040f3", "stateDiff": {slot.to_string(): B256::with_last_byte(9)}});
        let moved = json!({Address::with_last_byte(2).to_string(): {"movePrecompileToAddress": POOR}});
        let blocks = json!([
            {"stateOverrides": {PAYEE.to_string(): reads}},
            {"calls": [{"to": PAYEE}]},
            {"stateOverrides": moved, "calls": [{"to": POOR, "input": "0x"}]},
            {"calls": [{"to": POOR, "input": "0x"}]},
        ]);
        let answer = simulate(&server, blocks, json!({})).await;
        assert_eq!(
            answer[1]["calls"][0]["returnData"],
            json!(B256::with_last_byte(9))
        );
        // SHA-256 of nothing, where the precompile went; in the next block it is back.
        assert_eq!(
            answer[2]["calls"][0]["returnData"],
            "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(answer[3]["calls"][0]["returnData"], "0x");
        // Which slots a whole new storage takes away is not known, so neither is the root.
        let replaced = json!([{"stateOverrides": {PAYEE.to_string(): {"state": {}}}}, {}]);
        let answer = simulate(&server, replaced, json!({})).await;
        assert_eq!(answer[1]["stateRoot"], json!(B256::ZERO));
        assert_eq!(U256::from(quantity(&answer[1]["gasUsed"])), U256::ZERO);
    });
}

#[test]
fn a_simulation_on_what_is_pending_sees_it() {
    story(async {
        let server = Server::sequencer().await;
        server.send(&raw(&transfer(4, 0))).await;
        server
            .build_while(async {
                let mut tips = server.world.chain().subscribe_pending();
                tips.wait_for(|tip| tip.transactions == 2).await.unwrap();
                let code = json!({POOR.to_string(): {"code": "0x60aa315f5260205ff3"}});
                let blocks =
                    json!([{"stateOverrides": code, "calls": [{"from": key(4).address(), "to": POOR}]}]);
                let options = json!({"returnFullTransactions": true});
                let answer = server
                    .ok("eth_simulateV1", json!([payload(blocks, options), "pending"]))
                    .await;
                assert_eq!(
                    answer[0]["calls"][0]["returnData"],
                    json!(B256::with_last_byte(1))
                );
                assert_eq!(answer[0]["transactions"][0]["nonce"], "0x1");
                assert_eq!(answer[0]["number"], "0x1");
            })
            .await;
    });
}
