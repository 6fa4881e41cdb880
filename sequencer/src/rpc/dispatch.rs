//! Carries out one request: finds its method, and runs it where work of its kind belongs.

use super::{
    Rpc,
    args::Args,
    caller::Caller,
    error::{Answer, RpcError},
    methods::{self, Found, Method, Run},
};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;

/// A method that only computes or reads, its answer written as JSON.
pub(super) type Read = fn(&Rpc, Args) -> Answer;

/// Carries out one request, and counts it.
pub(super) async fn call(rpc: &Rpc, caller: &Caller, method: &str, params: Option<&RawValue>) -> Answer {
    let Some(Found { method, counted }) = methods::find(method).filter(|found| rpc.serves(found.method))
    else {
        // Whatever strangers make up must not become label values.
        metrics::counter!("rpc_requests_total", "method" => "unknown", "outcome" => "error").increment(1);
        // Looked up for the price of the cheapest that exists.
        caller.take(1)?;
        return Err(RpcError::unknown_method(method));
    };
    let started = Instant::now();
    let answer = match caller.take(method.cost) {
        Ok(()) => carry_out(rpc, caller, method, params).await,
        Err(error) => Err(error),
    };
    counted.count(method.name, method.cost, answer.is_ok(), started);
    answer
}

async fn carry_out(rpc: &Rpc, caller: &Caller, method: &'static Method, params: Option<&RawValue>) -> Answer {
    match method.run {
        // What there is most of reads its parameters itself, without the copies that the others make.
        Run::Send(run) => run(rpc, method.name, params).await,
        Run::Quick(run) => run(rpc, Args::parse(params)?),
        Run::Item(run) => match on_the_spot(rpc, params, run) {
            Some(answer) => answer,
            None => read(rpc, Args::parse(params)?, run).await,
        },
        Run::Brief(run) => match briefly(rpc, params, run) {
            Some(answer) => answer,
            None => heavy(rpc, Args::parse(params)?, run).await,
        },
        Run::Read(run) => read(rpc, Args::parse(params)?, run).await,
        Run::Heavy(run) => heavy(rpc, Args::parse(params)?, run).await,
        Run::Trace(run) => trace(rpc, Args::parse(params)?, run).await,
        Run::Subscription(run) => run(rpc, caller.subscriptions.as_ref(), Args::parse(params)?),
    }
}

/// Parameters longer than this are no small request.
const BRIEF_BYTES_MAX: usize = 16 << 10;

/// Tries it here: two switches of threads cost more than most look-ups. `None` if it needs a thread.
fn on_the_spot(rpc: &Rpc, params: Option<&RawValue>, method: Read) -> Option<Answer> {
    let answer = Args::parse(params).and_then(|args| method(&rpc.on_the_spot(), args));
    let needs_thread = matches!(&answer, Err(error) if error.needs_thread);
    (!needs_thread).then_some(answer)
}

/// As [`on_the_spot`], for what counts among the heavy ones: not while those take all the cores they may.
fn briefly(rpc: &Rpc, params: Option<&RawValue>, method: Read) -> Option<Answer> {
    let is_short = params.is_none_or(|params| params.get().len() <= BRIEF_BYTES_MAX);
    let _permit = rpc.shared.heavy.try_enter().filter(|_| is_short)?;
    on_the_spot(rpc, params, method)
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
