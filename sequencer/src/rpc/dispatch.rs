//! Carries out one request: finds its method, and runs it where work of its kind belongs.

use super::{
    Rpc,
    args::Args,
    caller::Caller,
    error::{Answer, RpcError},
    methods::{self, Run},
};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::OwnedSemaphorePermit;

/// A method that only computes or reads, its answer written as JSON.
pub(super) type Read = fn(&Rpc, Args) -> Answer;

/// Carries out one request.
pub(super) async fn call(rpc: &Rpc, caller: &Caller, method: &str, params: Option<&RawValue>) -> Answer {
    let found = methods::find(method).filter(|method| rpc.serves(method));
    // What does not exist is looked up for the price of the cheapest that does.
    caller.take(found.map_or(1, |method| method.cost))?;
    let found = found.ok_or_else(|| RpcError::unknown_method(method))?;
    metrics::counter!("rpc_units_total").increment(found.cost.into());
    match found.run {
        // What there is most of reads its parameters itself, without the copies that the others make.
        Run::Send(run) => run(rpc, found.name, params).await,
        Run::Quick(run) => run(rpc, Args::parse(params)?),
        Run::Read(run) => read(rpc, Args::parse(params)?, run).await,
        Run::Heavy(run) => heavy(rpc, Args::parse(params)?, run).await,
        Run::Trace(run) => trace(rpc, Args::parse(params)?, run).await,
        Run::Subscription(run) => run(rpc, caller.subscriptions.as_ref(), Args::parse(params)?),
    }
}

/// May read a whole block from disk: on a thread that may block.
async fn read(rpc: &Rpc, args: Args, method: Read) -> Answer {
    let rpc = rpc.clone();
    tokio::task::spawn_blocking(move || method(&rpc, args))
        .await
        .map_err(RpcError::internal)?
}

/// May take a core for a while: as [`read`], and only so many at a time.
async fn heavy(rpc: &Rpc, args: Args, method: Read) -> Answer {
    let permit = rpc.shared.heavy.enter().await?;
    on_a_core(rpc, args, method, permit).await
}

/// As [`heavy`], for what executes whole blocks and writes down what they did.
async fn trace(rpc: &Rpc, args: Args, method: Read) -> Answer {
    let permit = rpc.shared.traces.enter().await?;
    on_a_core(rpc, args, method, permit).await
}

async fn on_a_core(
    rpc: &Rpc,
    args: Args,
    method: Read,
    // Held by the work itself: a client that hangs up does not free the core.
    permit: OwnedSemaphorePermit,
) -> Answer {
    let rpc = rpc.clone();
    tokio::task::spawn_blocking(move || {
        let answer = method(&rpc, args);
        // Held by the work itself: a client that hangs up does not free the core.
        drop(permit);
        answer
    })
    .await
    .map_err(RpcError::internal)?
}

pub(super) fn encode<T: Serialize>(value: &T) -> Answer {
    to_raw_value(value).map_err(RpcError::internal)
}
