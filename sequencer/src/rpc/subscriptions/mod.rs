//! `eth_subscribe`: what a WebSocket's client is told without asking. One file per kind.
//!
//! ```text
//!  ChainFeed, Pool --> a task per subscription --Subscriber::send--> Outbox of the connection --> client
//! ```
//! A kind is a function that starts listening at once, so that nothing after the answer is missed, and returns the task. The task
//! runs once the client has the answer with its id. It ends with the connection, or when it is unsubscribed.

mod logs;
mod new_flashblocks;
mod new_heads;
mod new_pending_transactions;
mod pending_logs;
mod syncing;

use super::{
    Rpc,
    args::Args,
    dispatch::encode,
    error::{Answer, METHOD_NOT_FOUND, RpcError},
    filters::unguessable_id,
    ws::outbox::{HungUp, Outbox},
};
use alloy::primitives::U128;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde::Serialize;
use std::{collections::HashMap, sync::Arc};
use tokio::{
    sync::{broadcast, oneshot},
    task::AbortHandle,
};

/// What tells one subscriber.
type Task = BoxFuture<'static, Result<(), HungUp>>;

/// Starts listening for one subscriber; the parameters are what follows the name.
type Start = fn(&Rpc, Args, Subscriber) -> Result<Task, RpcError>;

/// The kinds of subscriptions, by the name clients ask for.
fn kind(name: &str) -> Option<Start> {
    Some(match name {
        "newFlashblocks" => new_flashblocks::start,
        "newHeads" => new_heads::start,
        "logs" => logs::start,
        "newPendingTransactions" => new_pending_transactions::start,
        "pendingLogs" => pending_logs::start,
        "syncing" => syncing::start,
        _ => return None,
    })
}

/// The subscriptions of one connection. Cheap to clone; they end when the last clone is dropped.
#[derive(Clone, Debug)]
pub(super) struct Subscriptions {
    shared: Arc<Shared>,
    /// Tasks that wait for the client to have their id.
    unannounced: Arc<Mutex<Vec<oneshot::Sender<()>>>>,
}

#[derive(Debug)]
struct Shared {
    max: usize,
    outbox: Outbox,
    open: Mutex<HashMap<U128, AbortHandle>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        for task in self.open.get_mut().values() {
            task.abort();
        }
    }
}

impl Subscriptions {
    /// None yet, at most `max`, told through `outbox`.
    pub(super) fn new(outbox: Outbox, max: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                max,
                outbox,
                open: Mutex::default(),
            }),
            unannounced: Arc::default(),
        }
    }

    /// The same subscriptions, for one request: those it makes are announced by its answer.
    pub(super) fn for_request(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            unannounced: Arc::default(),
        }
    }

    /// The answer is on its way: what it announces may follow.
    pub(super) fn announce(&self) {
        for task in self.unannounced.lock().drain(..) {
            // A task that was unsubscribed meanwhile waits no more.
            task.send(()).ok();
        }
    }
}

pub(super) fn subscribe(rpc: &Rpc, subscriptions: Option<&Subscriptions>, mut args: Args) -> Answer {
    let subscriptions = subscriptions.ok_or_else(no_notifications)?;
    let name: String = args.required()?;
    let start = kind(&name).ok_or_else(|| {
        let name: String = name.chars().take(100).collect();
        RpcError::new(
            METHOD_NOT_FOUND,
            format!("no {name:?} subscription in eth namespace"),
        )
    })?;
    let Shared { max, outbox, open } = &*subscriptions.shared;
    let mut open = open.lock();
    if open.len() >= *max {
        return Err(RpcError::limit("rpc-ws-subscriptions-max", max));
    }
    let id = unguessable_id();
    let outbox = outbox.clone();
    let task = start(rpc, args, Subscriber { id, outbox })?;
    let (announce, announced) = oneshot::channel();
    subscriptions.unannounced.lock().push(announce);
    let running = tokio::spawn(async move {
        if announced.await.is_ok() {
            // Hung up: nobody to tell.
            task.await.ok();
        }
    });
    open.insert(id, running.abort_handle());
    encode(&id)
}

pub(super) fn unsubscribe(_: &Rpc, subscriptions: Option<&Subscriptions>, mut args: Args) -> Answer {
    let subscriptions = subscriptions.ok_or_else(no_notifications)?;
    let id: U128 = args.required()?;
    args.end()?;
    let found = subscriptions.shared.open.lock().remove(&id);
    found
        .ok_or_else(|| RpcError::server("subscription not found"))?
        .abort();
    encode(&true)
}

/// As geth over HTTP.
fn no_notifications() -> RpcError {
    RpcError::new(METHOD_NOT_FOUND, "notifications not supported")
}

/// The client of one subscription.
#[derive(Debug)]
struct Subscriber {
    id: U128,
    outbox: Outbox,
}

#[derive(Serialize)]
struct Notification<'a, T> {
    jsonrpc: &'static str,
    method: &'static str,
    params: NotificationParams<'a, T>,
}

#[derive(Serialize)]
struct NotificationParams<'a, T> {
    subscription: U128,
    result: &'a T,
}

impl Subscriber {
    /// Tells the client. An error, and the end of the connection, if it does not read what it was told before.
    fn send(&self, result: &impl Serialize) -> Result<(), HungUp> {
        let notification = Notification {
            jsonrpc: "2.0",
            method: "eth_subscription",
            params: NotificationParams {
                subscription: self.id,
                result,
            },
        };
        let json = serde_json::to_string(&notification).expect("what methods answer can be written as JSON");
        self.outbox.notify(json)
    }

    /// The next event. An error, and the end of the connection, if events were lost since this client is told too slowly.
    async fn next<T: Clone>(&self, events: &mut broadcast::Receiver<T>) -> Result<T, HungUp> {
        events.recv().await.map_err(|_| self.outbox.hang_up())
    }
}
