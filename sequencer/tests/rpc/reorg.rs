//! What was acknowledged survives blocks that do not.

use crate::{
    PAYEE,
    chain::{call, transfer},
    server::{Server, story},
    signing::raw,
};
use alloy::primitives::B256;
use serde_json::json;
use tributary_protocol::block::L2BlockNumber;

async fn hashes_of(server: &Server, number: &str) -> Vec<B256> {
    let block = server.ok("eth_getBlockByNumber", json!([number, false])).await;
    serde_json::from_value(block["transactions"].clone()).unwrap()
}

#[test]
fn transactions_of_abandoned_blocks_come_again_first_and_in_their_order() {
    story(async {
        let server = Server::sequencer().await;
        for (sender, nonce) in [(3, 0), (1, 0), (3, 1), (2, 0)] {
            server.send(&raw(&transfer(sender, nonce))).await;
        }
        server.build().await;
        server.send(&raw(&transfer(1, 1))).await;
        server.build().await;
        let (first, second) = (hashes_of(&server, "0x1").await, hashes_of(&server, "0x2").await);
        server.send(&raw(&transfer(4, 0))).await;

        server
            .world
            .engine
            .revert_unsafe_to(L2BlockNumber(0))
            .await
            .unwrap();
        let gone = server.ok("eth_getTransactionReceipt", json!([first[1]])).await;
        assert!(gone.is_null());
        server.build().await;
        let again = hashes_of(&server, "0x1").await;
        let newcomer = transfer(4, 0).1.inner().tx_hash();
        assert_eq!(again[1..], [&first[1..], &second[1..], &[newcomer]].concat());
        assert_eq!(
            server.ok("txpool_status", json!([])).await,
            json!({"pending": "0x0", "queued": "0x0"})
        );
    });
}

#[test]
fn what_an_open_block_had_executed_comes_again_when_it_is_abandoned() {
    story(async {
        let server = Server::sequencer().await;
        server.build().await;
        for sender in [2, 1] {
            server.send(&raw(&transfer(sender, 0))).await;
        }
        let mut tips = server.world.chain().subscribe_pending();
        server
            .abandon_after(async {
                tips.wait_for(|tip| tip.transactions == 3).await.unwrap();
                server
                    .world
                    .engine
                    .revert_unsafe_to(L2BlockNumber(0))
                    .await
                    .unwrap();
            })
            .await;
        server.build().await;
        let hashes = hashes_of(&server, "0x1").await;
        assert_eq!(
            hashes[1..],
            [2, 1].map(|sender| transfer(sender, 0).1.inner().tx_hash())
        );
        // The account is in step with the chain again.
        server.send(&raw(&transfer(2, 1))).await;
        server.build().await;
        assert_eq!(hashes_of(&server, "0x2").await.len(), 2);
    });
}

/// The derived block spends the nonce of an acknowledged transaction otherwise: it cannot come again, and that is said.
#[test]
fn an_acknowledged_transaction_that_became_invalid_is_reported_and_the_others_come_again() {
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new()
        .install_recorder()
        .unwrap();
    story(async {
        let server = Server::sequencer().await;
        for sender in [1, 2] {
            server.send(&raw(&transfer(sender, 0))).await;
        }
        server.build().await;
        let acknowledged = hashes_of(&server, "0x1").await;
        assert_eq!(acknowledged.len(), 3);

        let world = &server.world;
        let genesis = world.chain().block_ref(L2BlockNumber(0)).unwrap().unwrap();
        let block = world.chain().block_ref(L2BlockNumber(1)).unwrap().unwrap();
        let epoch = world.view.epoch(block.l1_origin).unwrap();
        let system_config = world.config.genesis.system_config;
        let mut attributes = epoch.attributes(&world.config, &world.l1_config, &genesis, &system_config);
        let instead = call(1, 0, PAYEE, 30_000);
        attributes.transactions.push(instead.encoded_bytes().clone());
        let applied = world.engine.apply(attributes, genesis).await.unwrap();
        assert!(!applied.consolidated);

        server.build().await;
        assert_eq!(
            hashes_of(&server, "0x2").await[1..],
            acknowledged[2..],
            "sender 2's"
        );
        let lost = server
            .ok("eth_getTransactionByHash", json!([acknowledged[1]]))
            .await;
        assert!(lost.is_null(), "{lost}");
    });
    let text = metrics.render();
    assert!(
        text.contains("pool_acknowledged_transactions_lost_total 1"),
        "{text}"
    );
}
