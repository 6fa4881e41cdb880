//! `newFlashblocks`, and the signatures that are shown on request.

use crate::{
    chain::{key, transfer},
    server::{Server, Socket, story},
    signing::raw,
};
use alloy::primitives::{B256, Bytes, keccak256};
use serde_json::{Value, json};
use tributary_protocol::preconfirmation::{Subject, TransactionsDigest};
use tributary_sequencer::preconfirmation::{FlashblockMessage, SignatureJson, Signing};

const CHAIN_ID: u64 = 901;

async fn signing_server() -> Server {
    Server::signing(Signing::new(&key(200).to_bytes(), 3).unwrap()).await
}

async fn message(socket: &mut Socket, id: &Value) -> FlashblockMessage {
    serde_json::from_value(socket.notified(id).await).unwrap()
}

/// Everything told of a block from its first message to its seal.
async fn block(socket: &mut Socket, id: &Value) -> Vec<FlashblockMessage> {
    let mut told = Vec::new();
    loop {
        let next = message(socket, id).await;
        assert_eq!(next.payload.index, told.len() as u64);
        let sealed = next.event == "sealed";
        told.push(next);
        if sealed {
            return told;
        }
    }
}

#[test]
fn flashblocks_add_up_to_the_block_in_the_form_op_alloy_reads() {
    story(async {
        let server = signing_server().await;
        let mut socket = server.socket().await;
        let id = socket.ok("eth_subscribe", json!(["newFlashblocks"])).await;
        let mut first = None;
        server
            .build_while(async {
                let mut tips = server.world.chain().subscribe_pending();
                for sender in [1, 2] {
                    let seen = usize::from(sender) + 1;
                    server.send(&raw(&transfer(sender, 0))).await;
                    tips.wait_for(|tip| tip.transactions == seen).await.unwrap();
                }
                first = Some(message(&mut socket, &id).await);
            })
            .await;
        let first = first.unwrap();
        assert_eq!((first.payload.index, &*first.event), (0, "transactions"));
        let base = first.payload.base.clone().unwrap();
        let block_told = server.ok("eth_getBlockByNumber", json!(["0x1", true])).await;
        assert_eq!(json!(base.parent_hash), block_told["parentHash"]);
        assert_eq!(json!(base.extra_data), block_told["extraData"]);

        let mut told = vec![first];
        while told.last().unwrap().event != "sealed" {
            told.push(message(&mut socket, &id).await);
        }
        let transactions: Vec<Bytes> = told
            .iter()
            .flat_map(|message| message.payload.diff.transactions.clone())
            .collect();
        let hashes: Vec<B256> = transactions.iter().map(keccak256).collect();
        let expected = block_told["transactions"].as_array().unwrap();
        assert_eq!(
            json!(hashes),
            Value::from_iter(expected.iter().map(|it| it["hash"].clone()))
        );
        let receipts: usize = told
            .iter()
            .map(|message| message.payload.metadata.receipts.len())
            .sum();
        assert_eq!(receipts, 3);
        let sealed = told.last().unwrap();
        assert_eq!(json!(sealed.payload.diff.block_hash), block_told["hash"]);
        assert_eq!(json!(sealed.payload.diff.state_root), block_told["stateRoot"]);
        assert!(sealed.payload.diff.transactions.is_empty());
        for message in &told {
            assert_eq!(message.payload.payload_id, told[0].payload.payload_id);
            let signed = message.signature.read().unwrap();
            assert_eq!(signed.verify(CHAIN_ID, key(200).address()), Ok(()));
            assert_eq!(
                (message.signature.signer, signed.statement.epoch),
                (Some(key(200).address()), 3)
            );
        }
    });
}

#[test]
fn a_block_that_is_taken_back_is_said_to_be() {
    story(async {
        let server = Server::sequencer().await;
        let mut socket = server.socket().await;
        let id = socket.ok("eth_subscribe", json!(["newFlashblocks"])).await;
        server.build().await;
        let told = block(&mut socket, &id).await;
        assert!(told.iter().all(|message| !message.signature.signed));
        let genesis = tributary_protocol::block::L2BlockNumber(0);
        server.world.engine.revert_unsafe_to(genesis).await.unwrap();
        let reverted = message(&mut socket, &id).await;
        assert_eq!(
            (&*reverted.event, reverted.payload.payload_id),
            ("reverted", told[0].payload.payload_id)
        );
        assert_eq!(reverted.payload.metadata.block_number, 1);
        server.build().await;
        assert_eq!(
            block(&mut socket, &id).await[0].payload.index,
            0,
            "it begins anew"
        );
    });
}

#[test]
fn a_promise_and_a_block_are_shown_with_what_was_signed() {
    story(async {
        let server = signing_server().await;
        let hash = server.send(&raw(&transfer(1, 0))).await;
        server.build().await;
        let mut shown = Value::Null;
        while shown.is_null() {
            shown = server.ok("rollup_preconfirmation", json!([hash])).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(shown["blockNumber"], "0x1");
        let signature: SignatureJson = serde_json::from_value(shown.clone()).unwrap();
        let signed = signature.read().unwrap();
        assert_eq!(signed.verify(CHAIN_ID, key(200).address()), Ok(()));
        let Subject::Preconfirmation(delta) = signed.statement.subject else {
            panic!("{signed:?}");
        };
        let hashes: Vec<B256> = serde_json::from_value(shown["transactionHashes"].clone()).unwrap();
        assert!(hashes.iter().any(|found| json!(found) == hash));
        assert_eq!(
            hashes.into_iter().fold(delta.before, TransactionsDigest::then),
            delta.after,
            "the promise can be checked by whoever holds it"
        );

        let head = server.ok("eth_getBlockByNumber", json!(["latest", false])).await;
        for id in [json!("latest"), json!("0x1"), head["hash"].clone()] {
            let shown = server.ok("rollup_blockSignature", json!([id])).await;
            assert_eq!(shown["blockHash"], head["hash"]);
            let signature: SignatureJson = serde_json::from_value(shown).unwrap();
            let signed = signature.read().unwrap();
            assert_eq!(signed.verify(CHAIN_ID, key(200).address()), Ok(()));
            let Subject::Block(block) = signed.statement.subject else {
                panic!("{signed:?}");
            };
            assert_eq!(json!(block.hash), head["hash"]);
        }
        let safe = server.ok("rollup_blockSignature", json!(["0x0"])).await;
        assert_eq!(
            (&safe["signed"], &safe["signature"]),
            (&json!(false), &Value::Null)
        );
        assert!(server.ok("rollup_blockSignature", json!(["0x9"])).await.is_null());
        let unknown = json!([B256::repeat_byte(9)]);
        assert!(server.ok("rollup_preconfirmation", unknown).await.is_null());
    });
}

#[test]
fn without_a_key_answers_say_that_nothing_is_signed() {
    story(async {
        let server = Server::sequencer().await;
        let hash = server.send(&raw(&transfer(1, 0))).await;
        server.build().await;
        let shown = server.ok("rollup_preconfirmation", json!([hash])).await;
        assert_eq!(
            (&shown["signed"], &shown["signer"]),
            (&json!(false), &Value::Null)
        );
        assert_eq!(shown["transactionHashes"], json!([hash]));
        let shown = server.ok("rollup_blockSignature", json!(["latest"])).await;
        assert_eq!(shown["signed"], false);
    });
}
