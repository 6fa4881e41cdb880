//! A server on a loopback port, a client that speaks plain JSON, and a chain behind it that builds when told to.

use crate::chain::World;
use core::future::Future;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{collections::VecDeque, sync::Arc};
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};
use tokio_util::sync::CancellationToken;
use tributary_sequencer::{
    builder::{Builder, BuilderSettings, Step},
    health::{Check, Health},
    pool::{Pool, PoolLimits},
    preconfirmation::{Preconfirmations, Signing},
    rpc::{NodeStatus, Rpc, RpcSettings, TransactionTarget, bind, serve},
    sequencing::Sequencing,
};

/// Runs a story. Real time only bounds it, so that a story that hangs fails.
pub(crate) fn story(story: impl Future<Output = ()>) {
    crate::story::on_threads(60, story);
}

pub(crate) struct Server {
    pub(crate) world: World,
    pool: Pool,
    health: Health,
    url: String,
    client: reqwest::Client,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Server {
    pub(crate) async fn sequencer() -> Self {
        Self::start(None, |_| {}, None).await
    }

    pub(crate) async fn on(world: World) -> Self {
        Self::start_on(world, None, PoolLimits::default(), |_| {}, None).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut RpcSettings)) -> Self {
        Self::start(None, change, None).await
    }

    pub(crate) async fn with_pool(limits: PoolLimits) -> Self {
        Self::start_on(World::new(), None, limits, |_| {}, None).await
    }

    pub(crate) async fn follower(target: TransactionTarget) -> Self {
        Self::start(Some(target), |_| {}, None).await
    }

    /// A sequencer that signs.
    pub(crate) async fn signing(signing: Signing) -> Self {
        Self::start(None, |_| {}, Some(signing)).await
    }

    async fn start(
        target: Option<TransactionTarget>,
        change: impl FnOnce(&mut RpcSettings),
        signing: Option<Signing>,
    ) -> Self {
        Self::start_on(World::new(), target, PoolLimits::default(), change, signing).await
    }

    async fn start_on(
        world: World,
        target: Option<TransactionTarget>,
        limits: PoolLimits,
        change: impl FnOnce(&mut RpcSettings),
        signing: Option<Signing>,
    ) -> Self {
        world.poll_l1().await;
        let pool = Pool::new(world.chain().clone(), limits);
        let health = Health::new(world.chain().clone());
        let mut settings = RpcSettings::default();
        change(&mut settings);
        let rpc = Rpc::new(
            world.chain().clone(),
            target.unwrap_or_else(|| TransactionTarget::Pool(pool.clone())),
            health.clone(),
            Arc::new(NodeStatus::default),
            Arc::new(|| "up 1\n".into()),
            settings,
        );
        let feed = Preconfirmations::new(world.chain().clone(), signing, CancellationToken::new());
        if feed.signing().is_some() {
            let feed = feed.clone();
            tokio::spawn(async move { feed.run().await });
        }
        let rpc = rpc.with_preconfirmations(feed);
        let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, rpc, stop.clone()));
        Self {
            world,
            pool,
            health,
            url,
            client: reqwest::Client::new(),
            stop,
        }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Takes no more transactions, as when an operator has stopped the sequencer.
    pub(crate) fn stop_sequencing(&self) {
        let stopped = Sequencing::remembered_in(None, true).unwrap();
        self.pool.take_while(stopped);
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Ends serving, as when the node ends.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// A WebSocket to the server.
    pub(crate) async fn socket(&self) -> Socket {
        let stream = TcpStream::connect(self.address()).await.unwrap();
        let url = format!("ws://{}/", self.address());
        let (stream, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        Socket {
            stream,
            notifications: VecDeque::new(),
        }
    }

    pub(crate) fn everything_works(&self) {
        self.health.set_l1(Check::Working);
        self.health.set_da(Check::Working);
        self.health.set_derivation(Check::Working);
    }

    fn builder(&self) -> Builder {
        Builder::new(
            self.world.engine.clone(),
            self.world.view.clone(),
            self.world.l1_config.clone(),
            Arc::new(self.pool.clone()),
            Arc::new(self.world.clock.clone()),
            BuilderSettings { l1_confirmations: 0 },
            self.world.stop.clone(),
        )
    }

    /// Builds one block of what the pool has.
    pub(crate) async fn build(&self) {
        // Late, so that it takes what is there and seals at once.
        self.world.clock.set(self.world.head().timestamp + 1);
        let step = self.builder().step().await.unwrap();
        assert!(matches!(step, Step::Built(_)), "{step:?}");
    }

    /// Builds one block once the pool has `count` transactions.
    pub(crate) async fn build_once_pooled(&self, count: usize) {
        while self.pool.status().pending < count {
            tokio::task::yield_now().await;
        }
        self.build().await;
    }

    /// Keeps a block open while `story` runs, and seals it after.
    pub(crate) async fn build_while(&self, story: impl Future<Output = ()>) {
        let builder = self.builder();
        let timestamp = self.world.head().timestamp;
        self.world.clock.set(timestamp);
        let told = async {
            story.await;
            self.world.clock.set(timestamp + 1);
        };
        let (step, ()) = tokio::join!(builder.step(), told);
        assert!(matches!(step.unwrap(), Step::Built(_)));
    }

    /// Opens a block, lets `story` pull the chain from under it, and sees it abandoned.
    pub(crate) async fn abandon_after(&self, story: impl Future<Output = ()>) {
        let builder = self.builder();
        self.world.clock.set(self.world.head().timestamp);
        let (step, ()) = tokio::join!(builder.step(), story);
        assert_eq!(step.unwrap(), Step::Abandoned);
    }

    /// Status and body of a POST, as JSON.
    pub(crate) async fn post(&self, body: &str) -> (u16, Value) {
        let (status, text) = self.post_text(body).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Status and body of a POST.
    pub(crate) async fn post_text(&self, body: &str) -> (u16, String) {
        let request = self
            .client
            .post(&self.url)
            .header("content-type", "application/json");
        let response = request.body(body.to_owned()).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let response = self
            .client
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn call(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let (status, answer) = self.post(&body.to_string()).await;
        assert_eq!((status, &answer["id"]), (200, &json!(1)), "{method}: {answer}");
        answer
    }

    /// The result of a request that must succeed.
    pub(crate) async fn ok(&self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The error of a request that must fail.
    pub(crate) async fn error(&self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params).await;
        assert!(answer.get("result").is_none(), "{method}: {answer}");
        answer["error"].clone()
    }

    /// Sends a transaction that must be accepted; its hash.
    pub(crate) async fn send(&self, raw: &str) -> Value {
        self.ok("eth_sendRawTransaction", json!([raw])).await
    }
}

/// A client that speaks JSON over a WebSocket.
pub(crate) struct Socket {
    pub(crate) stream: WebSocketStream<TcpStream>,
    /// Came while an answer was waited for.
    notifications: VecDeque<Value>,
}

impl Socket {
    pub(crate) async fn tell(&mut self, text: &str) {
        self.stream.send(Message::Text(text.into())).await.unwrap();
    }

    /// The next message of the server.
    pub(crate) async fn told(&mut self) -> Value {
        loop {
            match self.stream.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.tell(&body.to_string()).await;
        loop {
            let told = self.told().await;
            if told["id"] == 1 {
                return told;
            }
            self.notifications.push_back(told);
        }
    }

    /// The result of a request that must succeed.
    pub(crate) async fn ok(&mut self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The error of a request that must fail.
    pub(crate) async fn error(&mut self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params).await;
        assert!(answer.get("result").is_none(), "{method}: {answer}");
        answer["error"].clone()
    }

    /// What the server says next about this subscription.
    pub(crate) async fn notified(&mut self, id: &Value) -> Value {
        let is_of = |told: &Value| told["params"]["subscription"] == *id;
        if let Some(index) = self.notifications.iter().position(is_of) {
            return self.notifications.remove(index).unwrap()["params"]["result"].clone();
        }
        loop {
            let told = self.told().await;
            assert_eq!(told["method"], "eth_subscription", "{told}");
            if is_of(&told) {
                return told["params"]["result"].clone();
            }
            self.notifications.push_back(told);
        }
    }

    /// Reads until the server hangs up.
    pub(crate) async fn is_closed(&mut self) -> bool {
        loop {
            match self.stream.next().await {
                None | Some(Ok(Message::Close(_)) | Err(_)) => return true,
                Some(Ok(_)) => {}
            }
        }
    }
}
