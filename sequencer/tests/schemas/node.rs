//! A whole sequencer on a simulated L1, served over HTTP, with traffic of every kind the chain takes.

use crate::{
    calls::{Call, SUBSCRIPTION},
    chain::{GENESIS_TIME, SimulatedL1, deposit_log, key},
    story, whole_node,
};
use alloy::{
    consensus::{SignableTransaction, Signed, TxEip1559, TxEip2930, TxEip7702, TxLegacy},
    eips::{
        eip2718::Encodable2718,
        eip2930::{AccessList, AccessListItem},
        eip7702::Authorization,
    },
    primitives::{Address, B256, Bytes, Signature, TxKind, U256, hex},
    signers::SignerSync,
};
use core::future::Future;
use futures::{SinkExt, StreamExt};
use op_alloy_consensus::OpTxEnvelope;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpStream, sync::Mutex};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};
use tokio_util::sync::CancellationToken;
use tributary_derivation::driver::DriverSettings;
use tributary_sequencer::{
    clock::ManualClock, config::NodeConfig, node::Node, preconfirmation::Signing, store::MemoryStore,
};

pub(crate) fn story(story: impl Future<Output = ()>) {
    story::on_threads(120, story);
}

/// What calls speak of.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) sender: Address,
    /// An account that does not exist.
    pub(crate) nobody: Address,
    pub(crate) contract: Value,
    /// What the contract was called with: one word.
    pub(crate) word: B256,
    /// The block with the transactions of users.
    pub(crate) block_number: Value,
    pub(crate) block_hash: Value,
    /// Transactions of every type in blocks; the first is a deposit's.
    pub(crate) included: Vec<Value>,
    /// A transaction that waits behind a nonce gap.
    pub(crate) queued_hash: Value,
    /// Who sent it.
    pub(crate) queued_sender: Address,
    pub(crate) zero_hash: B256,
    /// Signed transactions that nobody has sent.
    pub(crate) unsent: Vec<String>,
    pub(crate) log_filter: Value,
    pub(crate) block_filter: Value,
}

pub(crate) struct RunningNode {
    node: Node,
    clock: ManualClock,
    client: reqwest::Client,
    /// The WebSocket, once there is one, and the subscription that was made last.
    socket: Mutex<Option<(WebSocketStream<TcpStream>, Value)>>,
    stop: CancellationToken,
}

impl RunningNode {
    pub(crate) async fn start() -> Self {
        let l1 = Arc::new(SimulatedL1::new());
        let clock = ManualClock::new(GENESIS_TIME);
        let stop = CancellationToken::new();
        let config = NodeConfig {
            sequencing: true,
            derivation: DriverSettings {
                poll_interval: Duration::from_millis(10),
                ..DriverSettings::default()
            },
            signing: Signing::new(&key(200).to_bytes(), 1),
            ..whole_node::config(&l1)
        };
        let parts = whole_node::parts(&l1, &clock, MemoryStore::default());
        // Without a batch in the window the first epochs are empty blocks that L1 forces: a safe head, and a deposit below it.
        for number in 1..=config.rollup.seq_window_size + 5 {
            let deposit = (number == 2).then(|| deposit_log(key(7).address(), 1_000));
            l1.mine_with(0, deposit.into_iter().collect());
        }
        let node = Node::start(config, parts, stop.clone()).await.unwrap();
        let mut derivation = node.derivation().clone();
        derivation.wait_for(|status| status.is_caught_up).await.unwrap();
        Self {
            node,
            clock,
            client: reqwest::Client::new(),
            socket: Mutex::default(),
            stop,
        }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.node.join().await.unwrap();
    }

    /// Sends transactions of every type, and waits until blocks hold them.
    pub(crate) async fn traffic(&self) -> Facts {
        let log_filter = self.ok("eth_newFilter", json!([{}])).await;
        let block_filter = self.ok("eth_newBlockFilter", json!([])).await;
        let contract = key(1).address().create(0);
        let word = B256::with_last_byte(7);
        let mut included = Vec::new();
        for raw in transactions(contract, word) {
            included.push(self.ok("eth_sendRawTransaction", json!([raw])).await);
        }
        for hash in included.clone() {
            while self.receipt(&hash).await.is_null() {
                self.build_block().await;
            }
        }
        let last = self.receipt(included.last().unwrap()).await;
        let deposit = self.first_deposit().await;
        included.insert(0, deposit);
        let queued_hash = self.ok("eth_sendRawTransaction", json!([transfer(2, 7)])).await;
        Facts {
            sender: key(1).address(),
            nobody: Address::repeat_byte(0xdd),
            contract: json!(contract),
            word,
            block_number: last["blockNumber"].clone(),
            block_hash: last["blockHash"].clone(),
            included,
            queued_hash,
            queued_sender: key(2).address(),
            zero_hash: B256::ZERO,
            unsent: vec![transfer(3, 0), transfer(3, 1)],
            log_filter,
            block_filter,
        }
    }

    /// Hash of the first deposit a user made.
    async fn first_deposit(&self) -> Value {
        for number in 1..=self.head() {
            let block = self
                .ok("eth_getBlockByNumber", json!([format!("{number:#x}"), true]))
                .await;
            let minted = |tx: &&Value| tx["mint"].is_string() && tx["mint"] != "0x0";
            if let Some(found) = block["transactions"].as_array().unwrap().iter().find(minted) {
                return found["hash"].clone();
            }
        }
        panic!("L1 holds a deposit")
    }

    fn head(&self) -> u64 {
        self.node.chain().heads().unsafe_head.number.0
    }

    /// Lets the next block be sealed.
    async fn build_block(&self) {
        let number = self.head() + 1;
        self.clock.set(GENESIS_TIME + number);
        let mut heads = self.node.chain().subscribe();
        heads
            .wait_for(|heads| heads.unsafe_head.number.0 >= number)
            .await
            .unwrap();
    }

    async fn receipt(&self, hash: &Value) -> Value {
        self.ok("eth_getTransactionReceipt", json!([hash])).await
    }

    /// The answer to one of the calls; time goes on meanwhile, for those that wait for a block.
    pub(crate) async fn answer(&self, call: &Call) -> Value {
        let waits = call.method == "eth_sendRawTransactionSync";
        let time_goes_on = async {
            if waits {
                loop {
                    self.build_block().await;
                }
            }
            core::future::pending::<core::convert::Infallible>().await
        };
        tokio::select! {
            answer = self.call(call.method, &call.params) => match answer.get("error") {
                // No schema of a result lets an object with this member through.
                Some(error) => json!({ "error": error }),
                None => answer["result"].clone(),
            },
            never = time_goes_on => match never {},
        }
    }

    async fn ok(&self, method: &str, params: Value) -> Value {
        let answer = self.call(method, &params).await;
        assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
        answer["result"].clone()
    }

    async fn call(&self, method: &str, params: &Value) -> Value {
        if method.ends_with("subscribe") {
            return self.call_over_websocket(method, params).await;
        }
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let url = format!("http://{}", self.node.http_address());
        let response = self.client.post(url).json(&body).send().await.unwrap();
        response.json().await.unwrap()
    }
}

impl RunningNode {
    /// Subscriptions end with their connection, so it is opened once.
    async fn call_over_websocket(&self, method: &str, params: &Value) -> Value {
        let mut socket = self.socket.lock().await;
        let (stream, last) = match &mut *socket {
            Some(open) => open,
            closed => {
                let address = self.node.http_address();
                let stream = TcpStream::connect(address).await.unwrap();
                let stream = tokio_tungstenite::client_async(format!("ws://{address}/"), stream).await;
                closed.insert((stream.unwrap().0, Value::Null))
            }
        };
        let mut params = params.clone();
        if params[0] == SUBSCRIPTION {
            params[0] = last.clone();
        }
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        stream.send(Message::Text(body.into())).await.unwrap();
        loop {
            let Message::Text(text) = stream.next().await.unwrap().unwrap() else {
                continue;
            };
            let told: Value = serde_json::from_str(&text).unwrap();
            if told["id"] == 1 {
                *last = told["result"].clone();
                return told;
            }
        }
    }
}

/// Init code of a contract that keeps the first word of its input in slot 0, logs it under the topic 1 and returns it.
fn contract_code() -> Bytes {
    let runtime = hex!("5f35805f555f52600160205fa160205ff3");
    [&hex!("6011600a5f3960115ff3")[..], &runtime].concat().into()
}

/// One transaction of every type, of the senders 1 and 4.
fn transactions(contract: Address, word: B256) -> Vec<String> {
    let price = 1_000_000_000;
    let creates = TxEip1559 {
        chain_id: 901,
        gas_limit: 200_000,
        max_fee_per_gas: price,
        max_priority_fee_per_gas: 1,
        to: TxKind::Create,
        input: contract_code(),
        ..TxEip1559::default()
    };
    let legacy = TxLegacy {
        chain_id: Some(901),
        nonce: 1,
        gas_price: price,
        gas_limit: 100_000,
        to: TxKind::Call(contract),
        input: word.to_vec().into(),
        ..TxLegacy::default()
    };
    let access_list = AccessList(vec![AccessListItem {
        address: contract,
        storage_keys: vec![B256::ZERO],
    }]);
    let listed = TxEip2930 {
        chain_id: 901,
        nonce: 2,
        gas_price: price,
        gas_limit: 100_000,
        to: TxKind::Call(contract),
        input: word.to_vec().into(),
        access_list,
        ..TxEip2930::default()
    };
    let authorization = Authorization {
        chain_id: U256::from(901),
        address: contract,
        nonce: 0,
    };
    let signature = key(5).sign_hash_sync(&authorization.signature_hash()).unwrap();
    let delegates = TxEip7702 {
        chain_id: 901,
        gas_limit: 200_000,
        max_fee_per_gas: price,
        max_priority_fee_per_gas: 1,
        to: contract,
        authorization_list: vec![authorization.into_signed(signature)],
        ..TxEip7702::default()
    };
    vec![
        sign(1, creates),
        sign(1, legacy),
        sign(1, listed),
        sign(4, delegates),
    ]
}

fn transfer(seed: u8, nonce: u64) -> String {
    crate::chain::transfer(seed, nonce).encoded_bytes().to_string()
}

fn sign<T: SignableTransaction<Signature>>(seed: u8, transaction: T) -> String
where
    OpTxEnvelope: From<Signed<T>>,
{
    let signature = key(seed).sign_hash_sync(&transaction.signature_hash()).unwrap();
    let envelope = OpTxEnvelope::from(transaction.into_signed(signature));
    Bytes::from(envelope.encoded_2718()).to_string()
}
