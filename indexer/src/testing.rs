//! What tests of this crate share: a chain of two sides that can be reorganised, served over JSON-RPC on loopback.

use crate::{
    follow::{l1::L1Follower, l2::L2Follower, payloads::PayloadReader},
    health::Health,
    http::AppState,
    rpc::Rpc,
    store::Store,
};
use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol_types::SolEvent,
};
use axum::{Json, Router, extract::State, routing::post};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{path::Path, sync::Arc};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tributary_da_client::memory::MemoryLayer;
use tributary_protocol::{
    batch::{Batch, SingularBatch, SpanBatch, SpanParameters},
    batcher_tx::{BatcherTx, encode_payload},
    block::L1BlockNumber,
    channel::{Compression, append_batch, compress, split_into_frames},
    commitment::Commitment,
    config::RollupConfig,
    contracts::{ATTRIBUTION_LEDGER, ATTRIBUTION_REGISTRY, IAttributionLedger, IAttributionRegistry},
    frame::{ChannelId, Frame, encode_frames},
};

/// The rules of the test chain: the ones that stand as an example beside the protocol.
pub(crate) fn rollup() -> RollupConfig {
    serde_json::from_str(include_str!("../../protocol/testdata/rollup.json")).unwrap()
}

/// Frames of at most `max_frame_size` bytes of a channel with one span of empty blocks, and the span's size.
pub(crate) fn span_frames(first: u64, last: u64, max_frame_size: usize) -> (Vec<Frame>, usize) {
    let rollup = rollup();
    let batches: Vec<_> = (first..=last)
        .map(|number| SingularBatch {
            parent_hash: hash("l2", number - 1, 0),
            epoch_number: L1BlockNumber(rollup.genesis.l1.number.0),
            epoch_hash: rollup.genesis.l1.hash,
            timestamp: rollup.genesis.l2_time + number * rollup.block_time,
            transactions: Vec::new(),
        })
        .collect();
    let span = SpanBatch::from_singular(&batches, 1, SpanParameters::from(&rollup)).unwrap();
    let batch = Batch::Span(span).encode().unwrap();
    let mut stream = Vec::new();
    append_batch(&mut stream, &batch);
    let compressed = Bytes::from(compress(Compression::brotli(5), &stream));
    let id = ChannelId(first.to_be_bytes().repeat(2).try_into().unwrap());
    (
        split_into_frames(id, &compressed, max_frame_size).unwrap(),
        batch.len(),
    )
}

/// A payload with one whole channel.
pub(crate) fn span_payload(first: u64, last: u64) -> Bytes {
    encode_payload(&encode_frames(&span_frames(first, last, 100_000).0))
}

/// Hash of a block of one side; `fork` tells apart blocks of the same height.
pub(crate) fn hash(side: &str, number: u64, fork: u64) -> B256 {
    let rollup = rollup();
    match side {
        "l1" if number == rollup.genesis.l1.number.0 => rollup.genesis.l1.hash,
        "l2" if number == rollup.genesis.l2.number.0 => rollup.genesis.l2.hash,
        _ => keccak256(format!("{side} {number} {fork}")),
    }
}

/// One block of a simulated chain, as JSON-RPC shows it.
#[derive(Clone, Debug)]
struct SimBlock {
    header: Value,
    receipts: Value,
    hash: B256,
}

/// One side of the simulated chain.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimChain {
    side: &'static str,
    chain_id: u64,
    first: u64,
    timestamp: u64,
    block_time: u64,
    blocks: Vec<SimBlock>,
    safe: u64,
    finalized: u64,
    /// Answers every request with an error while set.
    pub(crate) is_down: bool,
}

/// A transaction with what its receipt says.
#[derive(Clone, Debug)]
pub(crate) struct SimTx {
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) input: Bytes,
    pub(crate) logs: Vec<(Address, alloy::primitives::LogData)>,
}

impl SimChain {
    fn new(side: &'static str, chain_id: u64, first: u64, timestamp: u64, block_time: u64) -> Self {
        let mut chain = Self {
            side,
            chain_id,
            first,
            timestamp,
            block_time,
            ..Self::default()
        };
        chain.push(0, &[]);
        chain
    }

    /// Adds a block.
    pub(crate) fn push(&mut self, fork: u64, transactions: &[SimTx]) {
        let number = self.first + self.blocks.len() as u64;
        let block_hash = hash(self.side, number, fork);
        let parent = self.blocks.last().map_or(B256::ZERO, |block| block.hash);
        let mut log_index = 0;
        let (mut shown, mut receipts) = (Vec::new(), Vec::new());
        for (index, transaction) in transactions.iter().enumerate() {
            // The same transaction can be in two forks.
            let tx_hash = keccak256(format!("{} {index} {}", self.side, transaction.input));
            shown.push(json!({
                "hash": tx_hash, "from": transaction.from, "to": transaction.to, "value": "0x0", "input": transaction.input, "type": "0x2",
            }));
            let logs = transaction.logs.iter().map(|(address, data)| {
                log_index += 1;
                json!({"address": address, "topics": data.topics(), "data": data.data, "logIndex": format!("0x{:x}", log_index - 1)})
            });
            receipts.push(json!({
                "transactionHash": tx_hash, "blockHash": block_hash, "status": "0x1", "gasUsed": "0x5208",
                "effectiveGasPrice": "0x3b9aca00", "logs": logs.collect::<Vec<_>>(),
            }));
        }
        let header = json!({
            "hash": block_hash, "number": format!("0x{number:x}"), "parentHash": parent,
            "timestamp": format!("0x{:x}", self.timestamp + self.block_time * self.blocks.len() as u64),
            "gasUsed": format!("0x{:x}", 21_000 * transactions.len()), "logsBloom": format!("0x{}", "ff".repeat(256)), "transactions": shown,
        });
        self.blocks.push(SimBlock {
            header,
            receipts: receipts.into(),
            hash: block_hash,
        });
    }

    /// Drops the blocks above `number`.
    pub(crate) fn truncate(&mut self, number: u64) {
        self.blocks
            .truncate(usize::try_from(number - self.first + 1).unwrap());
    }

    pub(crate) fn head(&self) -> u64 {
        self.first + self.blocks.len() as u64 - 1
    }

    pub(crate) fn set_heads(&mut self, safe: u64, finalized: u64) {
        (self.safe, self.finalized) = (safe, finalized);
    }

    fn at(&self, number: &str) -> Option<&SimBlock> {
        let number = u64::from_str_radix(number.trim_start_matches("0x"), 16).ok()?;
        self.blocks
            .get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn reference(&self, number: u64) -> Value {
        let block = self.at(&format!("0x{number:x}")).unwrap();
        let rollup = rollup();
        json!({
            "hash": block.hash, "number": number, "parentHash": block.header["parentHash"],
            "timestamp": self.timestamp + self.block_time * (number - self.first), "l1origin": rollup.genesis.l1, "sequenceNumber": 0,
        })
    }

    fn answer(&self, method: &str, params: &Value) -> Result<Value, String> {
        if self.is_down {
            return Err("the endpoint is down".to_owned());
        }
        let first = params[0].as_str().unwrap_or_default();
        Ok(match method {
            "eth_chainId" => json!(format!("0x{:x}", self.chain_id)),
            "eth_blockNumber" => json!(format!("0x{:x}", self.head())),
            "eth_getBlockByNumber" => json!(self.at(first).map(|block| &block.header)),
            "eth_getBlockReceipts" => {
                let block = self.blocks.iter().find(|block| block.hash.to_string() == first);
                json!(block.map(|block| &block.receipts))
            }
            "optimism_syncStatus" => json!({
                "unsafe_l2": self.reference(self.head()),
                "safe_l2": self.reference(self.safe.min(self.head())),
                "finalized_l2": self.reference(self.finalized.min(self.head())),
            }),
            _ => return Err(format!("{method} is not simulated")),
        })
    }
}

async fn serve_rpc(chain: Arc<Mutex<SimChain>>) -> (String, JoinHandle<()>) {
    async fn handle(State(chain): State<Arc<Mutex<SimChain>>>, Json(request): Json<Value>) -> Json<Value> {
        let method = request["method"].as_str().unwrap_or_default();
        let id = &request["id"];
        Json(match chain.lock().answer(method, &request["params"]) {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err(message) => {
                json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32000, "message": message}})
            }
        })
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/", post(handle)).with_state(chain);
    let server = async move { axum::serve(listener, router).await.unwrap() };
    (url, tokio::spawn(server))
}

/// A simulated world and an indexer moved by hand in it.
pub(crate) struct World {
    pub(crate) l1: Arc<Mutex<SimChain>>,
    pub(crate) l2: Arc<Mutex<SimChain>>,
    pub(crate) da: Arc<MemoryLayer>,
    pub(crate) rollup: Arc<RollupConfig>,
    pub(crate) node_url: String,
    pub(crate) l1_url: String,
    pub(crate) folder: TempDir,
    servers: [JoinHandle<()>; 2],
}

impl Drop for World {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

/// The parts of an indexer, ticked one by one.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) health: Health,
    pub(crate) l2: L2Follower,
    pub(crate) l1: L1Follower,
    pub(crate) payloads: PayloadReader,
    pub(crate) state: AppState,
}

impl World {
    pub(crate) async fn new() -> Self {
        let rollup = rollup();
        let time = rollup.genesis.l2_time;
        let l1 = SimChain::new("l1", rollup.l1_chain_id, rollup.genesis.l1.number.0, time, 2);
        let l2 = SimChain::new(
            "l2",
            rollup.l2_chain_id,
            rollup.genesis.l2.number.0,
            time,
            rollup.block_time,
        );
        let (l1, l2) = (Arc::new(Mutex::new(l1)), Arc::new(Mutex::new(l2)));
        let (l1_url, l1_server) = serve_rpc(Arc::clone(&l1)).await;
        let (node_url, l2_server) = serve_rpc(Arc::clone(&l2)).await;
        Self {
            l1,
            l2,
            da: Arc::new(MemoryLayer::new()),
            rollup: Arc::new(rollup),
            node_url,
            l1_url,
            folder: TempDir::new().unwrap(),
            servers: [l1_server, l2_server],
        }
    }

    /// Opens the database, as after a restart.
    pub(crate) async fn open(&self) -> Parts {
        let store = open_store(self.folder.path(), &self.rollup).await;
        let health = Health::default();
        Parts {
            l2: L2Follower {
                rpc: Rpc::new(self.node_url.parse().unwrap()),
                store: store.clone(),
                health: health.clone(),
                rollup: Arc::clone(&self.rollup),
                is_identified: false,
            },
            l1: L1Follower {
                rpc: Rpc::new(self.l1_url.parse().unwrap()),
                store: store.clone(),
                health: health.clone(),
                rollup: Arc::clone(&self.rollup),
                is_identified: false,
            },
            payloads: PayloadReader {
                da: self.da.clone(),
                store: store.clone(),
                health: health.clone(),
                rollup: Arc::clone(&self.rollup),
            },
            state: AppState {
                store: store.clone(),
                health: health.clone(),
                rollup: Arc::clone(&self.rollup),
                metrics: Arc::new(|| "tributary_up 1\n".to_owned()),
            },
            store,
            health,
        }
    }

    /// An inbox transaction of the batcher.
    pub(crate) fn inbox_tx(&self, input: Bytes) -> SimTx {
        SimTx {
            from: self.rollup.genesis.system_config.batcher_address,
            to: self.rollup.batch_inbox_address,
            input,
            logs: Vec::new(),
        }
    }

    /// An inbox transaction that commits to a payload on the DA layer.
    pub(crate) fn commitment_tx(&self, payload: &Bytes) -> SimTx {
        let commitment = Commitment::local(payload).unwrap();
        self.inbox_tx(BatcherTx::Commitment(commitment).encode())
    }
}

pub(crate) async fn open_store(folder: &Path, rollup: &RollupConfig) -> Store {
    Store::open(folder.join("indexer.sqlite"), rollup).await.unwrap()
}

impl Parts {
    /// Ticks everything until nothing moves.
    pub(crate) async fn settle(&mut self) {
        use crate::follow::Pace::Again;
        while self.l2.tick().await.unwrap() == Again {}
        while self.l1.tick().await.unwrap() == Again {}
        while self.payloads.tick().await.unwrap() == Again {}
        self.l2.tick().await.unwrap();
    }
}

/// A transaction that registers two contributions.
pub(crate) fn registering_tx(payee: Address) -> SimTx {
    let event = |contribution| IAttributionRegistry::ContributionRegistered {
        contribution,
        datanet: 1,
        payee,
        contentHash: B256::ZERO,
    };
    SimTx {
        from: Address::repeat_byte(9),
        to: ATTRIBUTION_REGISTRY,
        input: Bytes::from(payee.to_vec()),
        logs: [1, 2]
            .map(|index| (ATTRIBUTION_REGISTRY, event(index).encode_log_data()))
            .to_vec(),
    }
}

/// A transaction that records inferences of these ids, each with a fee of 1,000 gwei shared by contributions 1 and 2.
pub(crate) fn recording_tx(ids: core::ops::RangeInclusive<u64>) -> SimTx {
    let gwei = |amount: u128| amount * 1_000_000_000;
    let amount = |gweis| gwei(gweis).to_be_bytes()[4..].to_vec();
    let mut shares: Vec<u8> = [100, 150, 300, 150].into_iter().flat_map(amount).collect();
    for (contribution, weight, part) in [(1u32, 2u16, 200), (2, 1, 100)] {
        shares.extend(contribution.to_be_bytes());
        shares.extend(weight.to_be_bytes());
        shares.extend(amount(part));
    }
    let event = |id: u64| IAttributionLedger::InferenceRecorded {
        id,
        payer: 1,
        adapter: 2,
        gateway: 3,
        tokensIn: 1_434,
        tokensOut: 154,
        fee: U256::from(gwei(1_000)),
        shares: shares.clone().into(),
    };
    SimTx {
        from: Address::repeat_byte(9),
        to: ATTRIBUTION_LEDGER,
        input: Bytes::from(ids.start().to_be_bytes().to_vec()),
        logs: ids
            .map(|id| (ATTRIBUTION_LEDGER, event(id).encode_log_data()))
            .collect(),
    }
}
