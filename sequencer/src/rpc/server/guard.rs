//! Whom a browser may ask for. A page of anybody's can make a browser send requests to this machine; the server's answer to that is to
//! look at the names the browser has to put into them.

use crate::rpc::settings::RpcSettings;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use std::net::IpAddr;
use tower_http::cors::{Any, CorsLayer};

/// True if the request was meant for this server. A name that is not ours and resolves to our address is how a page of a stranger gets
/// past the browser's same-origin rule (DNS rebinding). Who asks for an address, or names no host, is no such page.
pub(super) fn is_for_us(settings: &RpcSettings, headers: &HeaderMap, uri: &Uri) -> bool {
    let named = headers.get(header::HOST).map(HeaderValue::to_str);
    let host = match (named, uri.authority()) {
        (Some(Ok(host)), _) => host,
        (Some(Err(_)), _) => return false,
        (None, Some(authority)) => authority.as_str(),
        (None, None) => return true,
    };
    let name = without_port(host);
    name.is_empty()
        || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
        || settings
            .hosts
            .iter()
            .any(|ours| ours == "*" || ours.eq_ignore_ascii_case(name))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') && !name.is_empty() => name,
        _ => host,
    }
}

/// True if a page of the request's origin may open a WebSocket, which browsers do not ask about first.
pub(super) fn is_from_allowed_origin(settings: &RpcSettings, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    settings
        .cors_origins
        .iter()
        .any(|allowed| allowed == "*" || allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
}

/// What pages of other origins may read.
pub(super) fn cors(settings: &RpcSettings) -> CorsLayer {
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE]);
    if settings.cors_origins.iter().any(|origin| origin == "*") {
        return layer.allow_origin(Any);
    }
    let origins = settings.cors_origins.iter();
    let origins: Vec<_> = origins
        .filter_map(|origin| HeaderValue::from_str(origin).ok())
        .collect();
    layer.allow_origin(origins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_our_names_are_asked_for_and_nobody_elses() {
        let settings = RpcSettings {
            hosts: vec!["localhost".into(), "rpc.example.org".into()],
            ..RpcSettings::default()
        };
        let asked = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            is_for_us(&settings, &headers, &Uri::from_static("/"))
        };
        for ours in [
            "127.0.0.1:8545",
            "[::1]:8545",
            "[::1]",
            "localhost",
            "LocalHost:1",
            "rpc.example.org:443",
        ] {
            assert!(asked(ours), "{ours}");
        }
        for other in [
            "evil.example",
            "localhost.evil.example:8545",
            "rpc.example.org.",
            "a:b:c",
        ] {
            assert!(!asked(other), "{other}");
        }
        assert!(is_for_us(&settings, &HeaderMap::new(), &Uri::from_static("/")));
    }
}
