//! Serves the admin RPC of a role: JSON-RPC 2.0, one request a body, for callers with a token.

use super::token::Secret;
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use futures::{
    FutureExt,
    future::{self, BoxFuture},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Bytes of a request: a method and a few numbers.
const BODY_BYTES_MAX: usize = 16 << 10;

/// Why a method was not carried out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MethodError {
    /// There is none of this name.
    Unknown,
    /// Its parameters are wrong, and how.
    Params(String),
    /// It makes no sense now, and why.
    Refused(String),
}

/// Carries out a method with its parameters.
pub(crate) type Methods =
    Arc<dyn Fn(String, Vec<Value>) -> BoxFuture<'static, Result<Value, MethodError>> + Send + Sync>;

/// Methods that only note what they are told, or look at what is noted.
pub(crate) fn quick(
    methods: impl Fn(&str, &[Value]) -> Result<Value, MethodError> + Send + Sync + 'static,
) -> Methods {
    Arc::new(move |method, params| future::ready(methods(&method, &params)).boxed())
}

#[derive(Clone)]
struct Admin {
    secret: Secret,
    methods: Methods,
}

/// Serves `methods` on `address` until `shutdown`; `address` must be on the loopback interface.
pub(crate) async fn serve(
    address: SocketAddr,
    secret: Secret,
    methods: Methods,
    shutdown: CancellationToken,
) -> eyre::Result<SocketAddr> {
    if !address.ip().is_loopback() {
        eyre::bail!(
            "--admin-addr {address} is not on the loopback interface: use 127.0.0.1 and a tunnel to reach it from afar"
        );
    }
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| eyre::eyre!("cannot listen on {address} (--admin-addr): {error}"))?;
    let bound = listener.local_addr()?;
    let router = router(secret, methods);
    tokio::spawn(async move {
        let served = axum::serve(listener, router)
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await;
        if let Err(error) = served {
            tracing::error!(%error, "the admin server ended");
        }
    });
    tracing::info!(address = %bound, "admin RPC");
    Ok(bound)
}

fn router(secret: Secret, methods: Methods) -> Router {
    Router::new()
        .route("/", post(call))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Admin { secret, methods })
}

async fn call(State(admin): State<Admin>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(reason) = authorize(&admin.secret, &headers) {
        tracing::warn!(%reason, "refused an admin request");
        return (StatusCode::UNAUTHORIZED, format!("{reason}\n")).into_response();
    }
    let answer = answer(&admin.methods, &body).await.to_string();
    ([(header::CONTENT_TYPE, "application/json")], answer).into_response()
}

fn authorize(secret: &Secret, headers: &HeaderMap) -> Result<(), String> {
    let value = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = value
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or("no token: send `Authorization: Bearer <JWT>`, signed with the key of --admin-jwt-file")?;
    secret.check(token.trim()).map_err(|error| error.to_string())
}

#[derive(Deserialize)]
struct Request {
    method: String,
    #[serde(default)]
    params: Vec<Value>,
    #[serde(default)]
    id: Value,
}

async fn answer(methods: &Methods, body: &[u8]) -> Value {
    let failed = |id: Value, code: i32, message: String| json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } });
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return failed(Value::Null, -32_700, "parse error".to_owned());
    };
    let Ok(request) = serde_json::from_value::<Request>(value) else {
        return failed(Value::Null, -32_600, "invalid request".to_owned());
    };
    let logged = request.params.clone();
    match methods(request.method.clone(), request.params).await {
        Ok(result) => {
            tracing::info!(method = request.method, params = ?logged, "carried out an admin request");
            json!({ "jsonrpc": "2.0", "id": request.id, "result": result })
        }
        Err(MethodError::Unknown) => {
            let method: String = request.method.chars().take(100).collect();
            failed(
                request.id,
                -32_601,
                format!("the method {method} does not exist/is not available"),
            )
        }
        Err(MethodError::Params(reason)) => failed(request.id, -32_602, reason),
        Err(MethodError::Refused(reason)) => failed(request.id, -32_000, reason),
    }
}

/// Parameter `index` as a number: `0x…`, as Ethereum's JSON-RPC has them, or plain.
pub(crate) fn number(params: &[Value], index: usize) -> Result<u64, MethodError> {
    let value = params.get(index);
    let parsed = match value {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text
            .strip_prefix("0x")
            .and_then(|digits| u64::from_str_radix(digits, 16).ok()),
        _ => None,
    };
    parsed.ok_or_else(|| {
        let found = value.map_or_else(|| "nothing".to_owned(), Value::to_string);
        MethodError::Params(format!("argument {index} must be a number, found {found}"))
    })
}

#[cfg(test)]
mod tests {
    use super::{super::client::AdminClient, *};

    fn methods() -> Methods {
        quick(|method, params| match method {
            "double" => Ok(json!(2 * number(params, 0)?)),
            "never" => Err(MethodError::Refused("not today".to_owned())),
            _ => Err(MethodError::Unknown),
        })
    }

    fn secret(folder: &tempfile::TempDir, name: &str) -> Secret {
        let path = folder.path().join(name);
        Secret::create(&path).unwrap();
        Secret::load(&path, "admin-jwt-file").unwrap()
    }

    #[tokio::test]
    async fn who_has_the_key_is_served_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, other) = (secret(&folder, "ours"), secret(&folder, "other"));
        let stop = CancellationToken::new();
        let address = serve(([127, 0, 0, 1], 0).into(), ours.clone(), methods(), stop.clone())
            .await
            .unwrap();
        let url = format!("http://{address}");
        let client = AdminClient::new(&url, ours).unwrap();
        assert_eq!(client.call("double", &[json!("0x15")]).await.unwrap(), json!(42));
        let told =
            async |method: &str, params: &[Value]| client.call(method, params).await.unwrap_err().to_string();
        assert!(told("never", &[]).await.contains("not today"));
        assert!(told("eth_chainId", &[]).await.contains("does not exist"));
        assert!(told("double", &[json!("15")]).await.contains("argument 0"));
        let stranger = AdminClient::new(&url, other).unwrap();
        let refused = stranger
            .call("double", &[json!(1)])
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("another key"), "{refused}");
        let bare = reqwest::Client::new().post(&url).body("{}").send().await.unwrap();
        assert_eq!(bare.status(), 401);
        assert!(bare.text().await.unwrap().contains("--admin-jwt-file"));
        stop.cancel();
    }

    /// The other half of F59, that the public port serves nothing of operators, is beside the public port's tests.
    #[tokio::test]
    async fn f59_without_a_fresh_token_of_the_right_key_nothing_is_carried_out() {
        let folder = tempfile::tempdir().unwrap();
        let ours = secret(&folder, "ours");
        let stop = CancellationToken::new();
        let carried_out = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counter = carried_out.clone();
        let counting = quick(move |_, _| {
            counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Ok(Value::Null)
        });
        let address = serve(([127, 0, 0, 1], 0).into(), ours.clone(), counting, stop.clone())
            .await
            .unwrap();
        let ask = async |authorization: Option<String>| {
            let request = reqwest::Client::new().post(format!("http://{address}"));
            let request = match authorization {
                Some(value) => request.header("authorization", value),
                None => request,
            };
            let body = r#"{"jsonrpc":"2.0","id":1,"method":"admin_stopSequencer"}"#;
            request.body(body).send().await.unwrap().status().as_u16()
        };
        let token = ours.token();
        let refused = [
            None,
            Some(token.clone()),
            Some(format!("Basic {token}")),
            Some("Bearer ".to_owned()),
            Some(format!("Bearer {}", secret(&folder, "other").token())),
            Some(format!("Bearer {}", ours.token_at(1_000_000_000))),
            Some(format!("Bearer {}", ours.token_at(u64::MAX))),
            Some(format!("Bearer {token}A")),
        ];
        for authorization in refused {
            assert_eq!(ask(authorization.clone()).await, 401, "{authorization:?}");
        }
        assert_eq!(carried_out.load(std::sync::atomic::Ordering::SeqCst), 0);
        assert_eq!(ask(Some(format!("Bearer {token}"))).await, 200);
        assert_eq!(carried_out.load(std::sync::atomic::Ordering::SeqCst), 1);
        stop.cancel();
    }

    #[tokio::test]
    async fn an_address_others_can_reach_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for address in ["0.0.0.0:0", "[::]:0", "10.0.0.1:7310"] {
            let served = serve(
                address.parse().unwrap(),
                secret(&folder, "key"),
                methods(),
                CancellationToken::new(),
            );
            let error = served.await.unwrap_err().to_string();
            assert!(
                error.contains("loopback") && error.contains("--admin-addr"),
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_no_request_is_answered_by_its_code() {
        let code = async |body: &str| answer(&methods(), body.as_bytes()).await["error"]["code"].as_i64();
        assert_eq!(code("{").await, Some(-32_700));
        assert_eq!(code("[]").await, Some(-32_600));
        assert_eq!(code(r#"{"method":1}"#).await, Some(-32_600));
        assert_eq!(code(r#"{"method":"x"}"#).await, Some(-32_601));
        assert_eq!(code(r#"{"method":"double"}"#).await, Some(-32_602));
    }
}
