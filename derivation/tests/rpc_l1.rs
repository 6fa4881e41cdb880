//! L1 servers as they are: honest, confused, slow, broken. Whatever they answer, it is the right block or an error.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use alloy::{
    consensus::{SignableTransaction, TxEip1559, transaction::SignerRecoverable},
    primitives::{Address, B256, Bytes, Log, TxKind},
    rpc::types,
    signers::{SignerSync, local::PrivateKeySigner},
};
use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tributary_derivation::{
    driver::{
        L1Error, L1Source, L1Tag, RpcL1Source,
        memory::{MemoryL1, MinedTransaction},
    },
    l1_block::{L1Block, L1BlockError},
};
use tributary_protocol::block::L1BlockNumber;

/// How the server misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Honest,
    /// Receipts of the block before.
    OtherReceipts,
    NoReceipts,
    /// The block before the one asked for.
    OtherBlock,
    /// A transaction is missing.
    OtherTransactions,
    Html,
    RateLimited,
    Silent,
    /// Fails this often, then is honest.
    Hiccup(u32),
}

#[derive(Clone)]
struct Server {
    l1: MemoryL1,
    mood: Arc<Mutex<Mood>>,
}

impl Server {
    async fn start() -> (Self, RpcL1Source) {
        let server = Self {
            l1: MemoryL1::new(900, 1_000),
            mood: Arc::new(Mutex::new(Mood::Honest)),
        };
        let router = Router::new().route("/", post(answer)).with_state(server.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let source = RpcL1Source::new(url.parse().unwrap()).with_timeout(Duration::from_millis(300));
        (server, source)
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn mood(&self) -> Mood {
        let mut mood = self.mood.lock().unwrap();
        let now = *mood;
        if let Mood::Hiccup(left) = now {
            *mood = if left > 1 {
                Mood::Hiccup(left - 1)
            } else {
                Mood::Honest
            };
        }
        now
    }

    fn block(&self, parameter: &Value) -> Option<L1Block> {
        match parameter.as_str().unwrap() {
            "latest" => Some(self.l1.head_block()),
            "safe" | "finalized" => None,
            hash if hash.len() == 66 => {
                let hash: B256 = hash.parse().unwrap();
                let mut numbers = 0..=self.l1.head_block().number().0;
                numbers.find_map(|number| {
                    let block = self.l1.block(L1BlockNumber(number));
                    block.filter(|block| block.hash() == hash)
                })
            }
            number => {
                let number = u64::from_str_radix(number.trim_start_matches("0x"), 16).unwrap();
                self.l1.block(L1BlockNumber(number))
            }
        }
    }

    fn before(&self, block: &L1Block) -> L1Block {
        let number = block.number().saturating_sub(1);
        self.l1.block(number).unwrap()
    }

    fn result(&self, method: &str, parameters: &Value, mood: Mood) -> Value {
        match method {
            "eth_chainId" => json!("0x384"),
            "eth_getBlockByNumber" | "eth_getBlockByHash" => {
                let block = self.block(&parameters[0]).map(|block| match mood {
                    Mood::OtherBlock => self.before(&block),
                    _ => block,
                });
                block.map_or(Value::Null, |block| {
                    let full = parameters[1].as_bool().unwrap();
                    block_json(&block, full, mood == Mood::OtherTransactions)
                })
            }
            "eth_getBlockReceipts" => match (self.block(&parameters[0]), mood) {
                (None, _) | (_, Mood::NoReceipts) => Value::Null,
                (Some(block), Mood::OtherReceipts) => receipts_json(&self.before(&block)),
                (Some(block), _) => receipts_json(&block),
            },
            other => panic!("unexpected request {other}"),
        }
    }
}

async fn answer(State(server): State<Server>, request: String) -> axum::response::Response {
    let request: Value = serde_json::from_str(&request).unwrap();
    match server.mood() {
        Mood::Html => "<html>Bad gateway</html>".into_response(),
        Mood::RateLimited => StatusCode::TOO_MANY_REQUESTS.into_response(),
        Mood::Hiccup(_) => StatusCode::BAD_GATEWAY.into_response(),
        Mood::Silent => core::future::pending().await,
        mood => {
            let method = request["method"].as_str().unwrap();
            let result = server.result(method, &request["params"], mood);
            json!({ "jsonrpc": "2.0", "id": request["id"], "result": result })
                .to_string()
                .into_response()
        }
    }
}

fn block_json(block: &L1Block, full: bool, drop_last: bool) -> Value {
    let mut transactions: Vec<_> = block
        .transactions()
        .iter()
        .map(|tx| types::Transaction {
            inner: tx.clone().try_into_recovered().unwrap(),
            block_hash: Some(block.hash()),
            block_number: Some(block.number().0),
            transaction_index: Some(0),
            effective_gas_price: Some(1),
            block_timestamp: None,
        })
        .collect();
    if drop_last {
        transactions.pop();
    }
    let transactions = if full {
        types::BlockTransactions::Full(transactions)
    } else {
        types::BlockTransactions::Hashes(transactions.iter().map(|tx| *tx.inner.tx_hash()).collect())
    };
    let header = types::Header {
        hash: block.hash(),
        inner: block.header().clone(),
        total_difficulty: None,
        size: None,
    };
    serde_json::to_value(types::Block::new(header, transactions)).unwrap()
}

fn receipts_json(block: &L1Block) -> Value {
    let receipts = block.transactions().iter().zip(block.receipts());
    let receipts: Vec<_> = receipts
        .map(|(tx, receipt)| types::TransactionReceipt {
            inner: receipt.clone().map_logs(|log| types::Log {
                inner: log,
                ..types::Log::default()
            }),
            transaction_hash: *tx.tx_hash(),
            transaction_index: Some(0),
            block_hash: Some(block.hash()),
            block_number: Some(block.number().0),
            gas_used: 21_000,
            effective_gas_price: 1,
            blob_gas_used: None,
            blob_gas_price: None,
            from: tx.recover_signer().unwrap(),
            to: None,
            contract_address: None,
        })
        .collect();
    serde_json::to_value(receipts).unwrap()
}

/// Two blocks, each with a transaction of its own that emits a log.
fn mine(server: &Server) {
    let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap();
    for nonce in 0..2 {
        let transaction = TxEip1559 {
            chain_id: 900,
            nonce,
            to: TxKind::Call(Address::repeat_byte(1)),
            ..TxEip1559::default()
        };
        let signature = signer.sign_hash_sync(&transaction.signature_hash()).unwrap();
        let topics = vec![B256::with_last_byte(u8::try_from(nonce).unwrap())];
        server.l1.mine(vec![MinedTransaction {
            transaction: transaction.into_signed(signature).into(),
            logs: vec![Log::new_unchecked(
                Address::repeat_byte(2),
                topics,
                Bytes::from_static(b"log"),
            )],
            succeeds: true,
        }]);
    }
}

#[tokio::test]
async fn honest_server_gives_the_blocks_as_they_are() {
    let (server, source) = Server::start().await;
    mine(&server);
    assert_eq!(source.chain_id().await.unwrap(), 900);
    let head = server.l1.head_block();
    assert_eq!(source.head(L1Tag::Latest).await.unwrap(), Some(head.reference()));
    assert_eq!(source.head(L1Tag::Finalized).await.unwrap(), None);
    for number in 0..=2 {
        let number = L1BlockNumber(number);
        let block = server.l1.block(number).unwrap();
        assert_eq!(
            source.block_by_number(number).await.unwrap().as_ref(),
            Some(&block)
        );
        assert_eq!(
            source.block_by_hash(block.hash()).await.unwrap().as_ref(),
            Some(&block)
        );
        assert_eq!(source.block_ref(number).await.unwrap(), Some(block.reference()));
    }
    assert_eq!(source.block_by_number(L1BlockNumber(3)).await.unwrap(), None);
    assert_eq!(source.block_by_hash(B256::repeat_byte(9)).await.unwrap(), None);
}

#[tokio::test]
async fn confused_server_is_an_error_and_never_a_block() {
    let (server, source) = Server::start().await;
    mine(&server);
    let head = server.l1.head_block();
    let by_number = || source.block_by_number(head.number());
    let by_hash = || source.block_by_hash(head.hash());

    server.set(Mood::OtherReceipts);
    for result in [by_number().await, by_hash().await] {
        assert!(matches!(
            result,
            Err(L1Error::Block(L1BlockError::Receipts { block: 2, .. }))
        ));
    }
    server.set(Mood::NoReceipts);
    assert!(matches!(by_number().await, Err(L1Error::NoReceipts { block }) if block == head.hash()));
    server.set(Mood::OtherTransactions);
    assert!(matches!(
        by_number().await,
        Err(L1Error::Block(L1BlockError::Transactions { block: 2, .. }))
    ));
    server.set(Mood::OtherBlock);
    assert!(matches!(
        by_number().await,
        Err(L1Error::WrongNumber {
            expected: L1BlockNumber(2),
            found: L1BlockNumber(1)
        })
    ));
    assert!(matches!(
        source.block_ref(head.number()).await,
        Err(L1Error::WrongNumber { .. })
    ));
    assert!(matches!(
        by_hash().await,
        Err(L1Error::Block(L1BlockError::Header { expected, .. })) if expected == head.hash()
    ));
}

#[tokio::test]
async fn broken_server_is_an_error_and_a_hiccup_is_not() {
    let (server, source) = Server::start().await;
    mine(&server);
    for mood in [Mood::Html, Mood::RateLimited] {
        server.set(mood);
        let result = source.block_by_number(L1BlockNumber(1)).await;
        assert!(
            matches!(result, Err(L1Error::Transport { .. })),
            "{mood:?}: {result:?}"
        );
    }
    server.set(Mood::Silent);
    assert!(matches!(
        source.head(L1Tag::Latest).await,
        Err(L1Error::Timeout {
            request: "eth_getBlockByNumber",
            ..
        })
    ));
    server.set(Mood::Hiccup(2));
    assert!(source.block_by_number(L1BlockNumber(1)).await.unwrap().is_some());
}
