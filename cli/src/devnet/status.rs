//! What a devnet tells its terminal: a banner once, then one calm line.

use super::Devnet;
use crate::keys::DEV_ACCOUNTS;
use alloy::primitives::Address;
use std::{fmt::Write as _, io::IsTerminal, time::Duration};
use tributary_batcher::node::NodeClient;
use tributary_protocol::contracts::{ATTRIBUTION_LEDGER, ATTRIBUTION_REGISTRY};

/// Pause between two updates of the line.
pub(crate) const UPDATE_INTERVAL: Duration = Duration::from_secs(1);

/// Accounts shown in the banner; the rest follow from the same mnemonic.
const ACCOUNTS_SHOWN: usize = 3;

/// The banner: all that a person needs to use the devnet.
pub(crate) fn banner(devnet: &Devnet) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        writeln!(text, "  {name:<20} {value}").expect("writing to a string cannot fail");
    };
    line("RPC", &devnet.urls.sequencer);
    line("page", &devnet.urls.indexer);
    line("chain id", &devnet.network.rollup.l2_chain_id);
    line("follower RPC", &devnet.urls.follower);
    line(
        "L1 RPC",
        &format!(
            "{} (chain id {})",
            devnet.urls.l1, devnet.network.rollup.l1_chain_id
        ),
    );
    line("DA", &devnet.urls.da);
    line("attribution registry", &ATTRIBUTION_REGISTRY);
    line("attribution ledger", &ATTRIBUTION_LEDGER);
    line("portal (L1)", &devnet.network.deployment.optimism_portal);
    line("system config (L1)", &devnet.network.deployment.system_config);
    line(
        "game factory (L1)",
        &devnet.network.deployment.dispute_game_factory,
    );
    line("files", &devnet.folder.display());
    let keys = (0..ACCOUNTS_SHOWN).map(|index| key_line(index, DEV_ACCOUNTS[index]));
    let keys: String = keys.collect();
    format!(
        "\nTributary devnet\n\n{text}\n  funded accounts (development keys, known to everybody)\n{keys}    … 10 in all, mnemonic \"{}\"\n\n  \
         Ctrl-C stops everything.\n",
        crate::keys::DEV_MNEMONIC
    )
}

fn key_line(index: usize, account: Address) -> String {
    let index = u32::try_from(index).expect("a handful of accounts");
    format!("    {account}  {}\n", crate::keys::dev_signer(index).to_bytes())
}

/// Follows the heads and keeps one line up to date: rewritten in place on a terminal, logged once a minute elsewhere.
pub(crate) struct StatusLine {
    node: NodeClient,
    on_terminal: bool,
    updates: u64,
}

impl StatusLine {
    pub(crate) fn new(node: NodeClient) -> Self {
        Self {
            node,
            on_terminal: std::io::stderr().is_terminal(),
            updates: 0,
        }
    }

    pub(crate) async fn update(&mut self) {
        let text = match self.node.sync_status().await {
            Ok(sync) => format!(
                "unsafe {}  safe {}  finalized {}  L1 {}",
                sync.unsafe_l2.number, sync.safe_l2.number, sync.finalized_l2.number, sync.head_l1.number
            ),
            Err(error) => error.to_string(),
        };
        if self.on_terminal {
            eprint!("\r\x1b[2K  {text}");
        } else if self.updates.is_multiple_of(60) {
            eprintln!("  {text}");
        }
        self.updates += 1;
    }
}
