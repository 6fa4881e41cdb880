//! Sending and following transactions, blocks, pending reads, fees.

use crate::{
    PAYEE,
    chain::{GAS_LIMIT, call, key, transfer},
    quantity,
    server::{Server, story},
    signing::{high_s, raw, signed, unprotected},
};
use alloy::primitives::{B256, Bytes, TxKind, U256};
use serde_json::{Value, json};
use tributary_sequencer::rpc::TransactionTarget;

#[test]
fn transactions_that_cannot_be_taken_are_refused_in_geths_words() {
    story(async {
        let server = Server::sequencer().await;
        server.send(&signed(|tx| tx.nonce = 0)).await;
        server.build().await;
        server
            .send(&signed(|tx| (tx.nonce, tx.max_priority_fee_per_gas) = (1, 1_000)))
            .await;

        let too_long = Bytes::from([&[2][..], &vec![0; 512 * 1024]].concat()).to_string();
        let table = [
            ("0x".into(), "rlp: typed transaction too short"),
            ("0x02c0".into(), "rlp: "),
            (format!("{}00", signed(|tx| tx.nonce = 9)), "rlp: "),
            ("0x03c0".into(), "transaction type not supported"),
            ("0x7ec0".into(), "transaction type not supported"),
            ("0x7dc0".into(), "transaction type not supported"),
            (too_long, "oversized data: transaction size 524289, limit 524288"),
            (
                signed(|tx| tx.chain_id = 1),
                "invalid sender: invalid chain id for signer: have 1 want 901",
            ),
            (high_s(), "invalid sender: invalid transaction v, r, s values"),
            (
                unprotected(),
                "only replay-protected (EIP-155) transactions allowed over RPC",
            ),
            (signed(|tx| tx.gas_limit = GAS_LIMIT), "exceeds block gas limit"),
            (
                signed(|tx| tx.gas_limit = 20_999),
                "intrinsic gas too low: gas 20999, minimum needed 21000",
            ),
            (
                signed(|tx| (tx.input, tx.gas_limit) = (vec![1; 100].into(), 24_000)),
                "insufficient gas for floor data gas cost",
            ),
            (
                signed(|tx| tx.max_priority_fee_per_gas = 1 << 40),
                "max priority fee per gas higher than max fee per gas",
            ),
            (
                signed(|tx| (tx.max_fee_per_gas, tx.max_priority_fee_per_gas) = (999, 0)),
                "max fee per gas less than block base fee",
            ),
            (
                signed(|tx| {
                    (tx.to, tx.input, tx.gas_limit) = (TxKind::Create, vec![0; 49_153].into(), 9_000_000);
                }),
                "max initcode size exceeded: code size 49153, limit 49152",
            ),
            (
                signed(|tx| tx.nonce = 0),
                "nonce too low: next nonce 1, tx nonce 0",
            ),
            (
                signed(|tx| (tx.nonce, tx.max_priority_fee_per_gas) = (1, 1_000)),
                "already known",
            ),
            (
                signed(|tx| (tx.nonce, tx.max_priority_fee_per_gas) = (1, 1_050)),
                "replacement transaction underpriced",
            ),
            (
                signed(|tx| (tx.nonce, tx.value) = (2, U256::MAX >> 1)),
                "insufficient funds for gas * price + value: balance ",
            ),
        ];
        for (raw, text) in table {
            let error = server.error("eth_sendRawTransaction", json!([raw])).await;
            assert_eq!(error["code"], -32000, "{text}: {error}");
            let message = error["message"].as_str().unwrap();
            assert!(message.starts_with(text), "{message} is not {text}");
        }
        // A gap is no error: it waits.
        server.send(&signed(|tx| tx.nonce = 5)).await;
        assert_eq!(
            server.ok("txpool_status", json!([])).await,
            json!({"pending": "0x1", "queued": "0x1"})
        );
    });
}

#[test]
fn a_transaction_can_be_followed_from_the_pool_into_its_block() {
    story(async {
        let server = Server::sequencer().await;
        let sent = transfer(1, 0);
        let from = json!(key(1).address());
        let hash = server.send(&raw(&sent)).await;
        assert_eq!(hash, json!(sent.1.inner().tx_hash()));
        let waiting = server.ok("eth_getTransactionByHash", json!([hash])).await;
        assert_eq!(
            (&waiting["from"], &waiting["blockNumber"], &waiting["type"]),
            (&from, &Value::Null, &json!("0x2"))
        );
        assert_eq!(
            server.ok("eth_getTransactionReceipt", json!([hash])).await,
            Value::Null
        );
        assert_eq!(
            server
                .ok("eth_getTransactionCount", json!([from, "pending"]))
                .await,
            "0x1"
        );
        assert_eq!(
            server
                .ok("eth_getTransactionCount", json!([from, "latest"]))
                .await,
            "0x0"
        );

        server.build().await;
        let block = server.ok("eth_getBlockByNumber", json!(["latest", false])).await;
        assert_eq!(
            (&block["number"], &block["transactions"][1]),
            (&json!("0x1"), &hash)
        );
        let receipt = server.ok("eth_getTransactionReceipt", json!([hash])).await;
        for (key, value) in [
            ("blockHash", block["hash"].clone()),
            ("blockNumber", json!("0x1")),
            ("status", json!("0x1")),
            ("gasUsed", json!("0x5208")),
            ("transactionIndex", json!("0x1")),
            ("type", json!("0x2")),
            ("to", json!(PAYEE)),
            ("contractAddress", Value::Null),
            ("l1Fee", json!("0x0")),
            ("l1BaseFeeScalar", json!("0x0")),
            ("daFootprintGasScalar", json!("0x190")),
            ("blobGasUsed", json!("0x9c40")),
        ] {
            assert_eq!(receipt[key], value, "{key} of {receipt}");
        }
        let base_fee = quantity(&block["baseFeePerGas"]);
        assert_eq!(quantity(&receipt["effectiveGasPrice"]), base_fee + 1);
        let found = server.ok("eth_getTransactionByHash", json!([hash])).await;
        assert_eq!(
            (&found["blockHash"], &found["transactionIndex"]),
            (&block["hash"], &json!("0x1"))
        );
        let again = [
            ("eth_getTransactionByBlockNumberAndIndex", json!(["0x1", "0x1"])),
            (
                "eth_getTransactionByBlockHashAndIndex",
                json!([block["hash"], "0x1"]),
            ),
        ];
        for (method, params) in again {
            assert_eq!(server.ok(method, params).await, found, "{method}");
        }
        let full = server
            .ok("eth_getBlockByHash", json!([block["hash"], true]))
            .await;
        assert_eq!(full["transactions"][1], found);
        assert_eq!(
            server.ok("eth_getBlockReceipts", json!(["0x1"])).await[1],
            receipt
        );

        let deposit = &full["transactions"][0];
        let nonces = (
            &deposit["type"],
            &deposit["nonce"],
            &deposit["depositReceiptVersion"],
            &deposit["gasPrice"],
        );
        assert_eq!(
            nonces,
            (&json!("0x7e"), &json!("0x0"), &json!("0x1"), &json!("0x0"))
        );
        let first = server
            .ok("eth_getTransactionReceipt", json!([deposit["hash"]]))
            .await;
        assert_eq!(
            (&first["depositNonce"], &first["l1Fee"]),
            (&json!("0x0"), &Value::Null)
        );

        assert_eq!(
            server
                .ok("eth_getTransactionCount", json!([from, "latest"]))
                .await,
            "0x1"
        );
        assert_eq!(server.ok("eth_getBalance", json!([PAYEE, "latest"])).await, "0x1");
        assert_eq!(
            server
                .ok("eth_getBalance", json!([PAYEE, {"blockHash": block["hash"]}]))
                .await,
            "0x1"
        );
        assert_eq!(
            server.ok("eth_getBalance", json!([PAYEE, "earliest"])).await,
            "0x0"
        );
        assert_eq!(
            server
                .ok("eth_getBlockTransactionCountByNumber", json!(["0x1"]))
                .await,
            "0x2"
        );
        assert_eq!(
            server.ok("eth_getUncleCountByBlockNumber", json!(["0x1"])).await,
            "0x0"
        );
        assert_eq!(
            server
                .ok("eth_getUncleByBlockHashAndIndex", json!([block["hash"], "0x0"]))
                .await,
            Value::Null
        );
        assert_eq!(
            server.ok("eth_getBlockByNumber", json!(["0x9", false])).await,
            Value::Null
        );
        let unknown = server.error("eth_getBalance", json!([PAYEE, "0x9"])).await;
        assert_eq!(unknown["message"], "header not found");
    });
}

#[test]
fn sending_synchronously_returns_the_receipt_or_error_four() {
    story(async {
        let server = Server::sequencer().await;
        let sent = raw(&transfer(1, 0));
        let (receipt, ()) = tokio::join!(
            server.ok("eth_sendRawTransactionSync", json!([sent])),
            server.build_once_pooled(1)
        );
        assert_eq!(
            (&receipt["status"], &receipt["blockNumber"]),
            (&json!("0x1"), &json!("0x1"))
        );

        let sent = transfer(1, 1);
        let error = server
            .error("eth_sendRawTransactionSync", json!([raw(&sent), 1]))
            .await;
        assert_eq!(
            (&error["code"], &error["data"]),
            (&json!(4), &json!(sent.1.inner().tx_hash()))
        );
        let text = "The transaction was added to the transaction pool but wasn't processed in 1ms.";
        assert_eq!(error["message"], text);
        // Asked again, it waits for the one that is there.
        let (receipt, ()) = tokio::join!(
            server.ok("eth_sendRawTransactionSync", json!([raw(&sent), "0x2710"])),
            server.build_once_pooled(1)
        );
        assert_eq!(receipt["blockNumber"], "0x2");
    });
}

#[test]
fn what_is_pending_can_be_read_while_the_block_is_open() {
    story(async {
        let server = Server::sequencer().await;
        let hash = server.send(&raw(&call(1, 0, PAYEE, 21_000))).await;
        let look = async {
            let mut tips = server.world.chain().subscribe_pending();
            tips.wait_for(|tip| tip.transactions == 2).await.unwrap();
            let block = server.ok("eth_getBlockByNumber", json!(["pending", false])).await;
            assert_eq!(
                (&block["number"], &block["hash"], &block["transactions"][1]),
                (&json!("0x1"), &Value::Null, &hash)
            );
            assert_eq!(
                server.ok("eth_getBalance", json!([PAYEE, "pending"])).await,
                "0x1"
            );
            assert_eq!(server.ok("eth_getBalance", json!([PAYEE, "latest"])).await, "0x0");
            let pending = server.ok("eth_getTransactionByHash", json!([hash])).await;
            assert_eq!(pending["blockHash"], Value::Null);
            let from = key(1).address();
            assert_eq!(
                server
                    .ok("eth_getTransactionCount", json!([from, "pending"]))
                    .await,
                "0x1"
            );
            let number = json!({PAYEE.to_string(): {"code": "0x435f5260205ff3"}});
            let answer = server
                .ok("eth_call", json!([{"to": PAYEE}, "pending", number]))
                .await;
            assert_eq!(answer, json!(B256::with_last_byte(1)));
            // The nonce after what is executing is the next one to send.
            server.send(&signed(|tx| tx.nonce = 1)).await;
            tips.wait_for(|tip| tip.transactions == 3).await.unwrap();
        };
        server.build_while(look).await;
        assert_eq!(server.world.transaction_count(1), 3);
    });
}

#[test]
fn a_follower_forwards_or_says_that_it_cannot() {
    story(async {
        let sequencer = Server::sequencer().await;
        let follower = Server::follower(TransactionTarget::sequencer(sequencer.url())).await;
        let sent = transfer(1, 0);
        assert_eq!(follower.send(&raw(&sent)).await, json!(sent.1.inner().tx_hash()));
        assert_eq!(sequencer.ok("txpool_status", json!([])).await["pending"], "0x1");
        let error = follower
            .error("eth_sendRawTransaction", json!([raw(&sent)]))
            .await;
        assert_eq!(
            error["message"], "already known",
            "the sequencer's answer comes back as it is"
        );
        let (receipt, ()) = tokio::join!(
            follower.ok("eth_sendRawTransactionSync", json!([raw(&sent)])),
            sequencer.build_once_pooled(1)
        );
        assert_eq!(receipt["status"], "0x1");

        let alone = Server::follower(TransactionTarget::Nowhere).await;
        let error = alone.error("eth_sendRawTransaction", json!([raw(&sent)])).await;
        assert_eq!(
            error["message"],
            "this node is a follower and knows no sequencer: send transactions to the sequencer"
        );
        let nobody = Server::follower(TransactionTarget::sequencer("http://127.0.0.1:1".into())).await;
        let error = nobody.error("eth_sendRawTransaction", json!([raw(&sent)])).await;
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .starts_with("the sequencer did not answer"),
            "{error}"
        );
    });
}

#[test]
fn fees_are_what_the_next_block_takes() {
    story(async {
        let server = Server::sequencer().await;
        server.build().await;
        assert_eq!(server.ok("eth_maxPriorityFeePerGas", json!([])).await, "0x1");
        let base_fee = quantity(&server.ok("eth_baseFee", json!([])).await);
        assert_eq!(
            quantity(&server.ok("eth_gasPrice", json!([])).await),
            base_fee + 1
        );
        let price = base_fee + 1;
        server
            .send(&signed(|tx| {
                (tx.max_fee_per_gas, tx.max_priority_fee_per_gas) = (price, 1);
            }))
            .await;
        server.build().await;
        let history = server
            .ok("eth_feeHistory", json!(["0x5", "latest", [0, 50, 100]]))
            .await;
        assert_eq!(
            (
                &history["oldestBlock"],
                history["baseFeePerGas"].as_array().unwrap().len()
            ),
            (&json!("0x0"), 4)
        );
        assert_eq!(
            history["reward"],
            json!([
                ["0x0", "0x0", "0x0"],
                ["0x0", "0x0", "0x0"],
                ["0x1", "0x1", "0x1"]
            ])
        );
        assert_eq!(history["gasUsedRatio"].as_array().unwrap().len(), 3);
        let number = server.ok("eth_feeHistory", json!([1, "latest"])).await;
        assert_eq!(number["baseFeePerGas"].as_array().unwrap().len(), 2);
        let wrong = server
            .error("eth_feeHistory", json!(["0x1", "latest", [60, 50]]))
            .await;
        assert_eq!(wrong["message"], "invalid reward percentile: #0:60 >= #1:50");
        let wrong = server.error("eth_feeHistory", json!(["0x1", "0x99"])).await;
        assert_eq!(
            wrong["message"],
            "request beyond head block: requested 153, head 2"
        );
    });
}
