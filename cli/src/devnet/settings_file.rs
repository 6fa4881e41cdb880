//! The devnet's `tributary.toml`: what an operator would write by hand, and what each role is started with.

use super::{
    Options, Urls,
    ports::{loopback, url},
};
use crate::{
    keys,
    network::{GENESIS_FILE, Network, ROLLUP_FILE},
};
use alloy::primitives::Address;
use eyre::Context;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The proposer's key, in the devnet's folder.
const PROPOSER_KEY_FILE: &str = "keys/proposer";

/// Where the key of the admin RPCs is, inside the devnet's folder.
pub(super) const ADMIN_KEY_FILE: &str = "keys/admin-jwt";

/// Where the key of the unsafe-block signer is, inside the devnet's folder.
pub(super) const SIGNER_KEY_FILE: &str = "keys/unsafe-block-signer";

/// Where the file is.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("tributary.toml")
}

/// Writes the file.
pub(super) fn write(options: &Options, urls: &Urls, network: &Network) -> eyre::Result<()> {
    let file = path(&options.folder);
    let proposer_key = options.folder.join(PROPOSER_KEY_FILE);
    let proposer = keys::load(&proposer_key, "proposer-key-file", network.rollup.l1_chain_id)?.address();
    let mut settings = settings(options, urls, network, proposer);
    if options.l1_rpc.is_none() {
        // Our own anvil serves its blobs itself.
        settings.insert("l1-beacon".to_owned(), urls.l1.clone().into());
    }
    let text = toml::to_string_pretty(&settings)?;
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn settings(options: &Options, urls: &Urls, network: &Network, proposer: Address) -> Table {
    let folder = |name: &str| options.folder.join(name).display().to_string();
    let address = |port: u16| loopback(port).to_string();
    let channel = humantime::format_duration(options.max_channel_duration).to_string();
    table([
        ("l1-rpc", urls.l1.clone().into()),
        ("node-rpc", urls.sequencer.clone().into()),
        ("da-url", urls.da.clone().into()),
        ("rollup-config", folder(ROLLUP_FILE).into()),
        ("log-level", options.log_level.clone().into()),
        // Nodes and the proposer: a root of our own proposer that differs from the derived one halts a node.
        (
            "dispute-game-factory",
            network.deployment.dispute_game_factory.to_string().into(),
        ),
        ("proposer-address", proposer.to_string().into()),
        (
            "da",
            section([("addr", address(options.ports.da)), ("data-dir", folder("da"))]),
        ),
        (
            "sequencer",
            section([
                ("http-addr", address(options.ports.sequencer)),
                ("data-dir", folder("sequencer")),
                ("genesis", folder(GENESIS_FILE)),
                ("signer-key-file", folder(SIGNER_KEY_FILE)),
                ("admin-jwt-file", folder(ADMIN_KEY_FILE)),
                ("admin-addr", address(options.ports.sequencer_admin)),
            ]),
        ),
        (
            "follower",
            section([
                ("http-addr", address(options.ports.follower)),
                ("data-dir", folder("follower")),
                ("sequencer-rpc", urls.sequencer.clone()),
            ]),
        ),
        (
            "batcher",
            section([
                ("batcher-key-file", folder("keys/batcher")),
                ("data-dir", folder("batcher")),
                ("poll-interval", "500ms".to_owned()),
                ("max-channel-duration", channel),
                ("resubmission-timeout", "12s".to_owned()),
                ("metrics-addr", address(options.ports.batcher)),
                ("admin-jwt-file", folder(ADMIN_KEY_FILE)),
                ("admin-addr", address(options.ports.batcher_admin)),
                ("sequencer-admin-rpc", url(options.ports.sequencer_admin)),
            ]),
        ),
        (
            "proposer",
            section([
                ("proposer-key-file", folder(PROPOSER_KEY_FILE)),
                ("proposal-interval", "30s".to_owned()),
                ("resubmission-timeout", "12s".to_owned()),
                ("metrics-addr", address(options.ports.proposer)),
            ]),
        ),
        (
            "indexer",
            section([
                ("http-addr", address(options.ports.indexer)),
                ("database", folder("indexer.sqlite")),
            ]),
        ),
    ])
}

fn section<const N: usize>(pairs: [(&str, String); N]) -> Value {
    Value::Table(table(pairs.map(|(key, value)| (key, value.into()))))
}

fn table<const N: usize>(pairs: [(&str, Value); N]) -> Table {
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}
