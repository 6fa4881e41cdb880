//! On whose behalf a request is carried out: whose allowance it uses, and where subscriptions of it are told.

use super::{error::RpcError, meter::Meter, subscriptions::Subscriptions};

/// Who asks. The default is the node itself: no limits, no subscriptions.
#[derive(Clone, Debug, Default)]
pub(super) struct Caller {
    /// The allowance requests are taken from.
    pub(super) meter: Option<Meter>,
    /// Of a connection on which the server can speak first.
    pub(super) subscriptions: Option<Subscriptions>,
}

impl Caller {
    /// Takes the cost of a request from the caller's allowance.
    pub(super) fn take(&self, cost: u32) -> Result<(), RpcError> {
        self.meter.as_ref().map_or(Ok(()), |meter| meter.take(cost))
    }
}
