//! What callers may use: units a second, for each address and in all. A unit is about ten microseconds of a core; the table of methods
//! says how many a call costs.
//!
//! Token buckets that hold [`BURST_SECS`] worth: a page that opens may ask much at once, a flood may not go on.

use super::{error::RpcError, settings::RpcSettings};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Instant,
};

/// Seconds' worth of units that can be saved up.
const BURST_SECS: f64 = 5.0;

/// Addresses remembered; beyond that those who are owed nothing are forgotten. About 100 bytes each.
const ADDRESSES_MAX: usize = 100_000;

/// The allowances of all callers.
#[derive(Debug)]
pub(super) struct Meters {
    per_address: f64,
    in_all: f64,
    limit_loopback: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    all: Bucket,
    addresses: HashMap<IpAddr, Bucket>,
}

/// Units left, as of a moment.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    units: f64,
    at: Instant,
}

impl Bucket {
    fn full(rate: f64, now: Instant) -> Self {
        let units = rate * BURST_SECS;
        Self { units, at: now }
    }

    fn refill(&mut self, rate: f64, now: Instant) {
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * rate;
        self.units = (self.units + earned).min(rate * BURST_SECS);
        self.at = now;
    }
}

/// Who asks: the allowance its requests are taken from.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    meters: Arc<Meters>,
    /// `None` for whom no limit holds.
    address: Option<IpAddr>,
}

impl Meters {
    pub(super) fn new(settings: &RpcSettings) -> Arc<Self> {
        let in_all = settings.units_per_second.into();
        Arc::new(Self {
            per_address: settings.units_per_second_per_ip.into(),
            in_all,
            limit_loopback: settings.limit_loopback,
            state: Mutex::new(State {
                all: Bucket::full(in_all, Instant::now()),
                addresses: HashMap::new(),
            }),
        })
    }

    /// The meter of a client at `address`.
    pub(super) fn of(self: &Arc<Self>, address: IpAddr) -> Meter {
        let is_exempt = address.to_canonical().is_loopback() && !self.limit_loopback;
        Meter {
            meters: self.clone(),
            address: (!is_exempt).then(|| subject(address)),
        }
    }
}

impl Meter {
    /// Takes the cost of a request, or says which limit it is over; nothing is taken then.
    pub(super) fn take(&self, cost: u32) -> Result<(), RpcError> {
        match self.address {
            Some(address) => self.take_at(address, cost.into(), Instant::now()),
            None => Ok(()),
        }
    }

    fn take_at(&self, address: IpAddr, cost: f64, now: Instant) -> Result<(), RpcError> {
        let Meters {
            per_address, in_all, ..
        } = *self.meters;
        let mut state = self.meters.state.lock();
        let State { all, addresses } = &mut *state;
        if in_all > 0.0 {
            all.refill(in_all, now);
            if all.units < cost {
                return Err(over("rpc-units-per-second", in_all, all.units, cost));
            }
        }
        if per_address > 0.0 {
            if addresses.len() >= ADDRESSES_MAX && !addresses.contains_key(&address) {
                forget_full(addresses, per_address, now);
            }
            let bucket = addresses
                .entry(address)
                .or_insert_with(|| Bucket::full(per_address, now));
            bucket.refill(per_address, now);
            if bucket.units < cost {
                return Err(over(
                    "rpc-units-per-second-per-ip",
                    per_address,
                    bucket.units,
                    cost,
                ));
            }
            bucket.units -= cost;
        }
        if in_all > 0.0 {
            all.units -= cost;
        }
        Ok(())
    }
}

/// A whole IPv6 network of 64 bits is one caller: its addresses cost nothing.
fn subject(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

/// A full bucket says no more than none. If all are in use a fresh start is owed to everybody.
fn forget_full(addresses: &mut HashMap<IpAddr, Bucket>, rate: f64, now: Instant) {
    addresses.retain(|_, bucket| {
        bucket.refill(rate, now);
        bucket.units < rate * BURST_SECS
    });
    if addresses.len() >= ADDRESSES_MAX {
        addresses.clear();
    }
}

fn over(limit: &str, rate: f64, left: f64, cost: f64) -> RpcError {
    let wait = ((cost - left) / rate * 1_000.0).ceil();
    RpcError::limit(limit, format!("{rate} units a second, try again in {wait} ms"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn meters(per_ip: u32, in_all: u32) -> Arc<Meters> {
        Meters::new(&RpcSettings {
            units_per_second_per_ip: per_ip,
            units_per_second: in_all,
            ..RpcSettings::default()
        })
    }

    fn ip(last: u8) -> IpAddr {
        [203, 0, 113, last].into()
    }

    #[test]
    fn an_address_may_use_its_burst_and_then_its_rate() {
        let meters = meters(10, 0);
        let (meter, now) = (meters.of(ip(1)), Instant::now());
        let take = |cost: f64, after: u64| meter.take_at(ip(1), cost, now + Duration::from_millis(after));
        take(50.0, 0).unwrap();
        let refused = take(10.0, 500).unwrap_err();
        assert!(
            refused.message.contains("rpc-units-per-second-per-ip") && refused.message.contains("500 ms"),
            "{}",
            refused.message
        );
        take(10.0, 1_000).unwrap();
        meters.of(ip(2)).take(50).unwrap();
    }

    #[test]
    fn all_together_are_limited_and_a_refusal_costs_nothing() {
        let meters = meters(0, 2);
        meters.of(ip(1)).take(6).unwrap();
        let refused = meters.of(ip(2)).take(6).unwrap_err();
        assert!(
            refused.message.contains("rpc-units-per-second "),
            "{}",
            refused.message
        );
        meters.of(ip(2)).take(4).unwrap();
    }

    #[test]
    fn loopback_is_exempt_and_an_ipv6_network_is_one_caller() {
        let meters = meters(1, 0);
        meters.of([127, 0, 0, 1].into()).take(1_000).unwrap();
        meters
            .of("::ffff:127.0.0.1".parse().unwrap())
            .take(1_000)
            .unwrap();
        meters.of("2001:db8::1".parse().unwrap()).take(5).unwrap();
        assert!(meters.of("2001:db8::2".parse().unwrap()).take(5).is_err());
    }
}
