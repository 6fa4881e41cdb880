//! Loopback ports for the roles of a devnet: the well-known ones, or any that are free.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// One port for each thing a devnet serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    /// L1 (anvil).
    pub(crate) l1: u16,
    /// JSON-RPC of the sequencer: what wallets use.
    pub(crate) sequencer: u16,
    /// JSON-RPC of the follower.
    pub(crate) follower: u16,
    /// DA server.
    pub(crate) da: u16,
    /// REST and status page.
    pub(crate) indexer: u16,
    /// Health and metrics of the batcher.
    pub(crate) batcher: u16,
    /// Health and metrics of the proposer.
    pub(crate) proposer: u16,
    /// Admin RPC of the sequencer.
    pub(crate) sequencer_admin: u16,
    /// Admin RPC of the batcher.
    pub(crate) batcher_admin: u16,
}

/// A port that is taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PortError {
    #[error("port {port} for {role} is taken ({source}); stop what listens there, or use --free-ports")]
    Taken {
        port: u16,
        role: &'static str,
        source: std::io::Error,
    },
    #[error("the system has no free loopback port: {0}")]
    NoneFree(std::io::Error),
}

impl Ports {
    /// The ports the documentation names.
    pub(crate) const WELL_KNOWN: Self = Self {
        l1: 8555,
        sequencer: 8545,
        follower: 8546,
        da: 3100,
        indexer: 8080,
        batcher: 7301,
        proposer: 7302,
        sequencer_admin: 7310,
        batcher_admin: 7311,
    };

    /// The well-known ports, if nobody has them.
    pub(crate) fn well_known() -> Result<Self, PortError> {
        let ports = Self::WELL_KNOWN;
        for (port, role) in ports.named() {
            TcpListener::bind(loopback(port)).map_err(|source| PortError::Taken { port, role, source })?;
        }
        Ok(ports)
    }

    /// Ports nobody has now. All are held at once while choosing, so they differ.
    pub(crate) fn free() -> Result<Self, PortError> {
        let mut held = Vec::new();
        let mut next = || {
            let listener = TcpListener::bind(loopback(0)).map_err(PortError::NoneFree)?;
            let port = listener.local_addr().map_err(PortError::NoneFree)?.port();
            held.push(listener);
            Ok(port)
        };
        Ok(Self {
            l1: next()?,
            sequencer: next()?,
            follower: next()?,
            da: next()?,
            indexer: next()?,
            batcher: next()?,
            proposer: next()?,
            sequencer_admin: next()?,
            batcher_admin: next()?,
        })
    }

    const fn named(&self) -> [(u16, &'static str); 9] {
        [
            (self.l1, "L1"),
            (self.sequencer, "the sequencer"),
            (self.follower, "the follower"),
            (self.da, "the DA server"),
            (self.indexer, "the indexer"),
            (self.batcher, "the batcher"),
            (self.proposer, "the proposer"),
            (self.sequencer_admin, "the sequencer's admin RPC"),
            (self.batcher_admin, "the batcher's admin RPC"),
        ]
    }
}

/// `port` on the loopback interface.
pub(crate) const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// `http://127.0.0.1:port`.
pub(crate) fn url(port: u16) -> String {
    format!("http://{}", loopback(port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn free_ports_differ_from_each_other() {
        let ports: BTreeSet<u16> = Ports::free()
            .unwrap()
            .named()
            .iter()
            .map(|(port, _)| *port)
            .collect();
        assert_eq!(ports.len(), 9);
    }

    #[test]
    fn a_taken_port_is_named_with_its_role() {
        let holder = TcpListener::bind(loopback(0)).unwrap();
        let port = holder.local_addr().unwrap().port();
        let source = TcpListener::bind(loopback(port)).unwrap_err();
        let error = PortError::Taken {
            port,
            role: "the indexer",
            source,
        }
        .to_string();
        assert!(error.contains(&port.to_string()) && error.contains("the indexer"));
    }
}
