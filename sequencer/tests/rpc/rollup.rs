//! What batchers, proposers and bridges ask for.

use crate::{
    chain::transfer,
    server::{Server, story},
    signing::raw,
};
use alloy::{
    primitives::{B256, Bytes, keccak256},
    rlp::Decodable,
};
use serde_json::json;
use tributary_protocol::{block::L2Block, config::RollupConfig, output::output_root};

#[test]
fn rollup_tools_get_what_op_node_tells_them() {
    story(async {
        let server = Server::sequencer().await;
        server.send(&raw(&transfer(1, 0))).await;
        server.build().await;
        let status = server.ok("optimism_syncStatus", json!([])).await;
        assert_eq!(
            (&status["unsafe_l2"]["number"], &status["safe_l2"]["number"]),
            (&json!(1), &json!(0))
        );
        assert_eq!(status["unsafe_l2"]["l1origin"]["number"], 0);
        for key in [
            "current_l1",
            "head_l1",
            "safe_l1",
            "finalized_l1",
            "finalized_l2",
            "pending_safe_l2",
        ] {
            assert!(status[key]["hash"].is_string(), "{key}");
        }
        let config = server.ok("optimism_rollupConfig", json!([])).await;
        assert_eq!(
            RollupConfig::from_json(&config.to_string()).unwrap(),
            *server.world.config
        );

        let block = server.ok("eth_getBlockByNumber", json!(["0x1", false])).await;
        let get = |name: &str| -> B256 { block[name].as_str().unwrap().parse().unwrap() };
        let output = server.ok("optimism_outputAtBlock", json!(["0x1"])).await;
        let root = output_root(get("stateRoot"), get("withdrawalsRoot"), get("hash"));
        assert_eq!(
            (&output["outputRoot"], &output["blockRef"]["number"]),
            (&json!(root), &json!(1))
        );
        assert_eq!(output["version"], json!(B256::ZERO));
        let missing = server.error("optimism_safeHeadAtL1Block", json!(["0x0"])).await;
        assert!(missing["message"].as_str().unwrap().contains("not found"));

        let bytes: Bytes =
            serde_json::from_value(server.ok("debug_getRawBlock", json!(["0x1"])).await).unwrap();
        let decoded = L2Block::decode(&mut &bytes[..]).unwrap();
        assert_eq!(decoded.header.hash_slow(), get("hash"));
        let header: Bytes =
            serde_json::from_value(server.ok("debug_getRawHeader", json!(["latest"])).await).unwrap();
        assert_eq!(keccak256(&header), get("hash"));
        assert_eq!(
            server
                .ok("debug_getRawReceipts", json!(["0x1"]))
                .await
                .as_array()
                .unwrap()
                .len(),
            2
        );
        let hash = transfer(1, 0).1.inner().tx_hash();
        assert_eq!(
            server.ok("debug_getRawTransaction", json!([hash])).await,
            raw(&transfer(1, 0))
        );
        assert_eq!(
            server.ok("debug_getRawTransaction", json!([B256::ZERO])).await,
            "0x"
        );
    });
}
