//! One port for JSON-RPC over HTTP and WebSocket, health and metrics.
//!
//! ```text
//!  accept --admission (how many)--> Watched (how long) --> guard (for whom) --> router --> jsonrpc | ws | health, metrics
//! ```

mod admission;
mod guard;
mod watched;

use self::{
    admission::{Admission, Place},
    watched::{Patience, Phase, PhaseCell, Watched},
};
use super::{Rpc, caller::Caller, jsonrpc, ws};
use axum::{
    Json, Router,
    body::{Body, HttpBody as _, to_bytes},
    extract::{Extension, FromRequestParts, Request, State, WebSocketUpgrade},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use core::time::Duration;
use futures::StreamExt;
use hyper::service::Service as _;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutLayer;

/// Pause when the system gives no more sockets; there is nothing to do but wait until some are closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Of a body that is too long, up to this many times the limit are read and dropped before the answer: most clients look for one only once
/// they have sent everything, and would find the connection broken.
const DRAINED_TIMES_MAX: u64 = 4;

/// How long a client that cannot be served has to take the reason.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);

/// Connections the system may hold for us until they are accepted; it may have a smaller limit of its own. When there is no room left the
/// client is let believe that it is connected, and if it says nothing it stays so for ever.
const BACKLOG: u32 = 4096;

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
struct Peer(IpAddr);

/// What handlers need.
#[derive(Clone)]
struct Served {
    rpc: Rpc,
    ws_places: Arc<Semaphore>,
    stopped: CancellationToken,
}

/// Listens at `address`, with room for many who connect at once.
///
/// # Errors
/// When the address is taken or not ours.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A node that is started again gets its port back at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `stopped` is cancelled; requests that are under way are finished.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, rpc: Rpc, stopped: CancellationToken) -> io::Result<()> {
    let admission = Admission::new(rpc.settings());
    let router = router(rpc.clone(), stopped.clone());
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stopped.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok((stream, address)) => (stream, address.ip()),
            Err(error) => {
                tracing::debug!(target: "sequencer", %error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Small answers, one at a time: waiting to fill a packet would only add latency.
        stream.set_nodelay(true).ok();
        match admission.enter(address) {
            Ok(place) => {
                let connection = connection(
                    stream,
                    address,
                    place,
                    rpc.clone(),
                    router.clone(),
                    stopped.clone(),
                );
                connections.spawn(connection);
            }
            Err(reason) => {
                connections.spawn(refuse(stream, reason));
            }
        }
    }
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Serves one connection to its end.
async fn connection(
    stream: TcpStream,
    address: IpAddr,
    place: Place,
    rpc: Rpc,
    router: Router,
    stopped: CancellationToken,
) {
    let settings = rpc.settings();
    let patience = Patience {
        header: settings.header_timeout,
        idle: settings.idle_timeout,
        write: settings.write_timeout,
    };
    let phase = PhaseCell::new();
    let stream = Watched::new(stream, phase.clone(), patience);
    let inner = TowerToHyperService::new(router);
    let served = rpc.clone();
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        phase.set(Phase::Serving);
        let (served, inner, phase) = (served.clone(), inner.clone(), phase.clone());
        async move {
            let answer = if is_plain_call(&served, &request) {
                Ok(call(served, address, Body::new(request.into_body())).await)
            } else {
                request.extensions_mut().insert(Peer(address));
                inner.call(request).await
            };
            let is_upgrade =
                matches!(&answer, Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS);
            phase.set(if is_upgrade { Phase::Upgraded } else { Phase::Idle });
            answer
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        // `Watched` tells a slow header from a connection that is kept for later; this would not.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = core::pin::pin!(connection);
    // How a connection ends is its client's business.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stopped.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await.ok();
        }
    }
    drop(place);
}

/// True for what nearly all requests are: a call that no browser sends on behalf of a page. It goes past the router, whose layers have
/// nothing to say about it.
fn is_plain_call<B>(rpc: &Rpc, request: &hyper::Request<B>) -> bool {
    request.method() == Method::POST
        && request.uri().path() == "/"
        && !request.headers().contains_key(header::ORIGIN)
        && guard::is_for_us(rpc.settings(), request.headers(), request.uri())
}

/// Says why there is no place for this connection, without reading anything of it.
async fn refuse(mut stream: TcpStream, reason: String) {
    metrics::counter!("rpc_connections_refused_total").increment(1);
    let body = format!("{reason}\n");
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let told = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    tokio::time::timeout(REFUSAL_PATIENCE, told).await.ok();
}

fn router(rpc: Rpc, stopped: CancellationToken) -> Router {
    let settings = rpc.settings();
    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, settings.request_timeout);
    let cors = guard::cors(settings);
    let served = Served {
        ws_places: Arc::new(Semaphore::new(settings.ws_connections_max)),
        rpc,
        stopped,
    };
    Router::new()
        .route("/", post(routed).get(upgrade))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .layer(timeout)
        .layer(cors)
        .layer(middleware::from_fn_with_state(served.clone(), for_us))
        .with_state(served)
}

async fn for_us(
    State(served): State<Served>,
    headers: HeaderMap,
    uri: Uri,
    request: Request,
    next: Next,
) -> Response {
    if guard::is_for_us(served.rpc.settings(), &headers, &uri) {
        return next.run(request).await;
    }
    let reason = "invalid host specified\nThe name asked for is not in rpc-hosts of this node.\n";
    (StatusCode::FORBIDDEN, reason).into_response()
}

/// Reads a body to its end, for nothing.
async fn drain(body: Body, patience: Duration) {
    let mut chunks = body.into_data_stream();
    let end = async { while let Some(Ok(_)) = chunks.next().await {} };
    tokio::time::timeout(patience, end).await.ok();
}

/// A call of a page, which [`TimeoutLayer`] gives up on as well.
async fn routed(
    State(Served { rpc, .. }): State<Served>,
    Extension(Peer(address)): Extension<Peer>,
    body: Body,
) -> Response {
    call(rpc, address, body).await
}

async fn call(rpc: Rpc, address: IpAddr, body: Body) -> Response {
    let patience = rpc.settings().request_timeout;
    let answered = tokio::time::timeout(patience, answer(&rpc, address, body)).await;
    answered.unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response())
}

async fn answer(rpc: &Rpc, address: IpAddr, body: Body) -> Response {
    let settings = rpc.settings();
    let max = settings.body_bytes_max;
    let too_large = || {
        let reason = format!("request body too large: rpc-body-bytes-max is {max}\n");
        (StatusCode::PAYLOAD_TOO_LARGE, reason).into_response()
    };
    // What says that it is too long is not kept.
    let announced = body.size_hint().lower();
    if announced > max as u64 {
        if announced <= (max as u64).saturating_mul(DRAINED_TIMES_MAX) {
            drain(body, settings.body_timeout).await;
        }
        return too_large();
    }
    let body = match tokio::time::timeout(settings.body_timeout, to_bytes(body, max)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return too_large(),
        Err(_) => {
            let reason = format!(
                "the body did not come within rpc-body-timeout, {:?}\n",
                settings.body_timeout
            );
            return (StatusCode::REQUEST_TIMEOUT, reason).into_response();
        }
    };
    let caller = Caller {
        meter: Some(rpc.shared.meters.of(address)),
        subscriptions: None,
    };
    let reply = jsonrpc::handle(rpc, &caller, &body).await;
    let status = if reply.is_over_limit {
        StatusCode::TOO_MANY_REQUESTS
    } else {
        StatusCode::OK
    };
    match reply.json {
        Some(json) => (status, [(header::CONTENT_TYPE, "application/json")], json).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

/// A WebSocket for who asks for one, a hint for who looks with a browser.
async fn upgrade(
    State(served): State<Served>,
    Extension(Peer(address)): Extension<Peer>,
    request: Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await else {
        return "JSON-RPC: POST to /, or a WebSocket. Health: /livez, /readyz. Metrics: /metrics.\n"
            .into_response();
    };
    let Served {
        rpc,
        ws_places,
        stopped,
    } = served;
    let settings = rpc.settings();
    if !guard::is_from_allowed_origin(settings, &parts.headers) {
        return (
            StatusCode::FORBIDDEN,
            "origin not allowed: it is not in rpc-cors-origins\n",
        )
            .into_response();
    }
    let Ok(place) = ws_places.try_acquire_owned() else {
        let reason = format!(
            "too many WebSockets: rpc-ws-connections-max is {}\n",
            settings.ws_connections_max
        );
        return (StatusCode::SERVICE_UNAVAILABLE, reason).into_response();
    };
    let meter = rpc.shared.meters.of(address);
    upgrade
        .max_message_size(settings.body_bytes_max)
        .max_frame_size(settings.body_bytes_max)
        .on_upgrade(move |socket| async move {
            ws::run(socket, rpc, meter, stopped).await;
            drop(place);
        })
}

/// 200 when ready, 503 when not; the body names every failing cause either way.
async fn ready(State(Served { rpc, .. }): State<Served>) -> Response {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let report = rpc.shared.health.report(now.map_or(0, |now| now.as_secs()));
    let status = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let causes = report.causes();
    let body = serde_json::json!({ "ready": report.ready, "causes": causes, "report": report });
    (status, Json(body)).into_response()
}

async fn metrics(State(Served { rpc, .. }): State<Served>) -> Response {
    let text = (rpc.shared.metrics_text)();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
