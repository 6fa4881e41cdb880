//! Who signs, as SystemConfig on L1 says. Asked again and again, since its owner may name another account at any time.

use alloy::{
    primitives::{Address, Bytes},
    sol_types::SolCall,
};
use core::time::Duration;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tributary_derivation::driver::L1Source;
use tributary_protocol::contracts::ISystemConfig;

/// How often L1 is asked: a fraction of its block time.
const INTERVAL: Duration = Duration::from_secs(4);

/// Pause after L1 did not answer.
const RETRY: Duration = Duration::from_secs(1);

/// Asks L1 who signs.
#[derive(Clone)]
pub struct SignerWatch {
    l1: Arc<dyn L1Source>,
    system_config: Address,
    signer: watch::Sender<Option<Address>>,
}

impl core::fmt::Debug for SignerWatch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SignerWatch")
            .field("signer", &self.signer())
            .finish_non_exhaustive()
    }
}

impl SignerWatch {
    /// Knows nobody yet.
    #[must_use]
    pub fn new(l1: Arc<dyn L1Source>, system_config: Address) -> Self {
        Self {
            l1,
            system_config,
            signer: watch::Sender::new(None),
        }
    }

    /// Who signs; `None` until L1 has answered.
    #[must_use]
    pub fn signer(&self) -> Option<Address> {
        *self.signer.borrow()
    }

    /// Asks until stopped. An L1 that does not answer changes nothing.
    pub async fn run(self, stopped: CancellationToken) {
        loop {
            let pause = tokio::select! {
                () = stopped.cancelled() => return,
                asked = self.ask() => if asked { INTERVAL } else { RETRY },
            };
            tokio::select! {
                () = stopped.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Asks once; false if there was no answer.
    pub async fn ask(&self) -> bool {
        let input = Bytes::from(ISystemConfig::unsafeBlockSignerCall {}.abi_encode());
        let answer = self.l1.call(self.system_config, input).await;
        let Ok(Some(answer)) = answer else {
            tracing::debug!(target: "sequencer", ?answer, "L1 does not say who signs");
            return false;
        };
        let Ok(signer) = ISystemConfig::unsafeBlockSignerCall::abi_decode_returns(&answer) else {
            return false;
        };
        let changed = self.signer.send_if_modified(|known| {
            let changed = *known != Some(signer);
            *known = Some(signer);
            changed
        });
        if changed {
            tracing::info!(target: "sequencer", %signer, "L1 names the unsafe-block signer");
        }
        true
    }
}
