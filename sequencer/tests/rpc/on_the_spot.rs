//! What is answered where the request is read, and that what takes longer is answered all the same, from a thread that may take its time.

use crate::{PAYEE, chain::World, server::story};
use alloy::primitives::{B256, U256, b256, keccak256};
use futures::FutureExt;
use serde_json::{Value, json};
use std::sync::Arc;
use tributary_sequencer::{
    health::Health,
    rpc::{NodeStatus, Rpc, RpcSettings, TransactionTarget},
};

fn rpc(world: &World) -> Rpc {
    Rpc::new(
        world.chain().clone(),
        TransactionTarget::Nowhere,
        Health::new(world.chain().clone()),
        Arc::new(NodeStatus::default),
        Arc::new(String::new),
        RpcSettings::default(),
    )
}

fn request(method: &str, params: &Value) -> Vec<u8> {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        .to_string()
        .into_bytes()
}

/// A call of `code` on the tip.
fn call(code: &str) -> Vec<u8> {
    let overrides = json!({PAYEE.to_string(): {"code": code}});
    request("eth_call", &json!([{"to": PAYEE}, "latest", overrides]))
}

async fn result(rpc: &Rpc, body: &[u8]) -> Value {
    let answer: Value = serde_json::from_str(&rpc.handle(body).await.unwrap()).unwrap();
    answer["result"].clone()
}

#[test]
fn a_block_in_memory_is_looked_into_on_the_spot_and_another_is_read_on_a_thread() {
    story(async {
        let world = World::new();
        let rpc = rpc(&world);
        let header = request("eth_getHeaderByNumber", &json!(["0x0"]));
        assert!(rpc.handle(&header).now_or_never().is_none(), "nobody has read it");
        assert_eq!(result(&rpc, &header).await["number"], "0x0");
        let now = rpc.handle(&header).now_or_never();
        assert!(now.flatten().unwrap().contains(r#""number":"0x0""#));
    });
}

#[test]
fn a_brief_call_is_carried_out_on_the_spot_and_a_long_one_on_a_thread() {
    story(async {
        let world = World::new();
        let rpc = rpc(&world);
        let brief = call("0x60075f5260205ff3");
        let seven = json!(B256::from(U256::from(7)));
        assert_eq!(result(&rpc, &brief).await, seven);
        assert!(rpc.handle(&brief).now_or_never().is_some());
        // Counts down from a million.
        let long = call("0x620f42405b600190038060045760075f5260205ff3");
        assert!(rpc.handle(&long).now_or_never().is_none());
        assert_eq!(result(&rpc, &long).await, seven);
    });
}

/// Each is given up on the spot for another reason, and none of that is seen in its answer.
#[test]
fn what_was_given_up_on_the_spot_is_answered_as_if_it_had_not_been_tried() {
    story(async {
        let world = World::new();
        let rpc = rpc(&world);
        let seven = B256::from(U256::from(7));
        let sha256_of_nothing = b256!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let slots = format!("0x{}60075f5260205ff3", "5f5450".repeat(30));
        for (what, code, expected) in [
            ("many slots", slots.as_str(), seven),
            ("much memory", "0x6001620200005260075f5260205ff3", seven),
            ("a contract made", "0x5f5f5ff05060075f5260205ff3", seven),
            (
                "a precompile",
                "0x60205f5f5f60025afa5060205ff3",
                sha256_of_nothing,
            ),
            (
                "much to hash",
                "0x621000005f205f5260205ff3",
                keccak256(vec![0; 1 << 20]),
            ),
        ] {
            assert_eq!(result(&rpc, &call(code)).await, json!(expected), "{what}");
        }
    });
}
