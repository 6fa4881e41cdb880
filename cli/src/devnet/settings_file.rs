//! The devnet's `tributary.toml`: what an operator would write by hand, and what each role is started with.

use super::{Options, Urls, ports::loopback};
use crate::network::{GENESIS_FILE, Network, ROLLUP_FILE};
use eyre::Context;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Where the file is.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("tributary.toml")
}

/// Writes the file.
pub(super) fn write(options: &Options, urls: &Urls, network: &Network) -> eyre::Result<()> {
    let file = path(&options.folder);
    let text = toml::to_string_pretty(&settings(options, urls, network))?;
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn settings(options: &Options, urls: &Urls, network: &Network) -> Table {
    let folder = |name: &str| options.folder.join(name).display().to_string();
    let address = |port: u16| loopback(port).to_string();
    let channel = humantime::format_duration(options.max_channel_duration).to_string();
    table([
        ("l1-rpc", urls.l1.clone().into()),
        ("node-rpc", urls.sequencer.clone().into()),
        ("da-url", urls.da.clone().into()),
        ("rollup-config", folder(ROLLUP_FILE).into()),
        ("log-level", options.log_level.clone().into()),
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
            ]),
        ),
        (
            "proposer",
            section([
                ("proposer-key-file", folder("keys/proposer")),
                (
                    "dispute-game-factory",
                    network.deployment.dispute_game_factory.to_string(),
                ),
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
