//! The client against the server over loopback: routes, status codes, faults.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod gets;
mod puts;
mod routes;

use alloy_primitives::{Bytes, hex};
use std::{net::SocketAddr, path::Path, time::Duration};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use tributary_da_client::{
    proxy::{Proxy, ProxySettings, SettingsError},
    server::{Faults, Server, ServerError},
};
use tributary_protocol::{
    block::L1BlockNumber,
    commitment::{Commitment, EIGENDA_LAYER},
};

const L1: L1BlockNumber = L1BlockNumber(7);

/// A server of its own folder, stopped when dropped.
struct Running {
    url: String,
    faults: Faults,
    folder: TempDir,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), ServerError>>,
}

impl Running {
    async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    async fn start_in(folder: TempDir) -> Self {
        let faults = Faults::default();
        let server = bind(folder.path(), faults.clone()).await;
        let url = format!("http://{}", server.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(server.serve(async {
            let _ = stopped.await;
        }));
        Self {
            url,
            faults,
            folder,
            stop,
            served,
        }
    }

    /// Stops it as its operator does, and starts another over the same folder.
    async fn restart(self) -> Self {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
        Self::start_in(self.folder).await
    }

    fn client(&self) -> Proxy {
        client(&[&self.url])
    }
}

async fn bind(folder: &Path, faults: Faults) -> Server {
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    Server::bind_with_faults(folder, address, axum::Router::new(), faults)
        .await
        .unwrap()
}

fn client(urls: &[&str]) -> Proxy {
    client_with_timeout(urls, Duration::from_secs(30))
}

fn client_with_timeout(urls: &[&str], timeout: Duration) -> Proxy {
    let urls = urls.iter().map(|url| (*url).to_owned()).collect();
    Proxy::new(ProxySettings {
        get_timeout: timeout,
        put_timeout: timeout,
        ..ProxySettings::new(urls)
    })
    .unwrap()
}

fn payload() -> Bytes {
    Bytes::from_static(b"frames of a channel")
}

/// A commitment of EigenDA's form, which is as far as anyone can tell without EigenDA: the vector of `docs/wire.md`.
fn eigenda_commitment() -> Commitment {
    let page = include_str!("../../../docs/wire.md");
    let (_, rest) = page.split_once("```vector eigenda-certificate\n").unwrap();
    let digits: String = rest.split_once("```").unwrap().0.split_whitespace().collect();
    Commitment::Other {
        layer: EIGENDA_LAYER,
        bytes: hex::decode(digits).unwrap().into(),
    }
}

/// celo-org/optimism #372: a node that was never told its DA server asked an empty URL for ever.
#[test]
fn celo_372_a_client_without_a_usable_url_is_refused() {
    assert!(matches!(
        Proxy::new(ProxySettings::new(vec![])),
        Err(SettingsError::NoUrl)
    ));
    for url in ["", "127.0.0.1:3100", "ftp://x", "http://x/?key=1", "http://x/#y"] {
        let error = Proxy::new(ProxySettings::new(vec![url.to_owned()])).unwrap_err();
        assert!(
            matches!(&error, SettingsError::BadUrl { url: named } if named == url),
            "{error}"
        );
    }
}

#[test]
fn settings_and_clients_do_not_print_secrets() {
    let settings = ProxySettings::new(vec!["https://user:hush@da.example/hush".to_owned()]);
    assert!(!format!("{settings:?}").contains("hush"));
    assert!(!format!("{:?}", Proxy::new(settings).unwrap()).contains("hush"));
}
