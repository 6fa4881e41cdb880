//! Who may connect: so many in all, and so many from one address.

use crate::rpc::settings::RpcSettings;
use parking_lot::Mutex;
use std::{collections::HashMap, net::IpAddr, sync::Arc};

/// Counts of open connections.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    max: usize,
    per_ip_max: usize,
    limit_loopback: bool,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The place of one open connection.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.shared.open.lock();
        open.all -= 1;
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

impl Admission {
    pub(super) fn new(settings: &RpcSettings) -> Self {
        Self {
            shared: Arc::new(Shared {
                max: settings.connections_max,
                per_ip_max: settings.connections_per_ip_max,
                limit_loopback: settings.limit_loopback,
                open: Mutex::default(),
            }),
        }
    }

    /// A place for a connection from `address`, or the limit that leaves none.
    pub(super) fn enter(&self, address: IpAddr) -> Result<Place, String> {
        let address = address.to_canonical();
        let shared = &self.shared;
        let mut open = shared.open.lock();
        if open.all >= shared.max {
            return Err(format!(
                "too many connections: rpc-connections-max is {}",
                shared.max
            ));
        }
        let is_limited = shared.limit_loopback || !address.is_loopback();
        let count = open.by_address.entry(address).or_default();
        if is_limited && *count >= shared.per_ip_max {
            let max = shared.per_ip_max;
            return Err(format!(
                "too many connections: rpc-connections-per-ip-max is {max}"
            ));
        }
        *count += 1;
        open.all += 1;
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, exact up to 2^53")]
        metrics::gauge!("rpc_connections").set(open.all as f64);
        Ok(Place {
            shared: shared.clone(),
            address,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_in_all_and_by_address_and_are_given_back() {
        let admission = Admission::new(&RpcSettings {
            connections_max: 4,
            connections_per_ip_max: 2,
            ..RpcSettings::default()
        });
        let [a, b] = [[203, 0, 113, 1], [203, 0, 113, 2]].map(IpAddr::from);
        let first = admission.enter(a).unwrap();
        let _second = admission.enter(a).unwrap();
        assert!(
            admission
                .enter(a)
                .unwrap_err()
                .contains("rpc-connections-per-ip-max is 2")
        );
        let _third = admission.enter(b).unwrap();
        let _fourth = admission.enter([127, 0, 0, 1].into()).unwrap();
        assert!(
            admission
                .enter(b)
                .unwrap_err()
                .contains("rpc-connections-max is 4")
        );
        drop(first);
        let _fifth = admission.enter(a).unwrap();
    }
}
