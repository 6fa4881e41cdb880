//! What recovering a sender costs on this machine now: the unit the node's CPU time is read in.

use super::load::Transfer;
use crate::bench::sample::{self, Clock};
use alloy::primitives::Address;
use eyre::ensure;
use secp256k1::{
    Message, SECP256K1,
    ecdsa::{RecoverableSignature, RecoveryId},
};
use std::{hint::black_box, time::Duration};

/// Transfers of one lap: 0.4 s of recovering.
const SAMPLE: usize = 10_000;

/// Microseconds of CPU to get from a transfer's signing hash and signature to its sender's address with libsecp256k1, on one core.
pub(crate) fn cost_us(transfers: &[Transfer]) -> eyre::Result<f64> {
    let transfers = &transfers[..transfers.len().min(SAMPLE)];
    ensure!(
        !transfers.is_empty(),
        "there is no transfer to recover the sender of"
    );
    let took = sample::median(Duration::from_secs(10), || {
        let clock = Clock::start();
        for transfer in transfers {
            black_box(sender(transfer)?);
        }
        Ok::<_, secp256k1::Error>(clock.stop())
    })?;
    Ok(took.cpu_seconds * 1e6 / transfers.len() as f64)
}

fn sender(transfer: &Transfer) -> Result<Address, secp256k1::Error> {
    let parity = if transfer.signature.v() {
        RecoveryId::One
    } else {
        RecoveryId::Zero
    };
    let signature = RecoverableSignature::from_compact(&transfer.signature.as_rsy()[..64], parity)?;
    let key = SECP256K1.recover_ecdsa(&Message::from_digest(transfer.signing_hash.0), &signature)?;
    Ok(Address::from_raw_public_key(&key.serialize_uncompressed()[1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::rig::load::LoadPlan;

    #[test]
    fn what_is_timed_finds_the_sender() {
        let plan = LoadPlan {
            chain_id: 1,
            transactions: 20,
            senders: 20,
            recipients: 1,
            seed: 3,
        };
        let load = plan.sign();
        for (transfer, expected) in load.transfers.iter().zip(&load.senders) {
            assert_eq!(sender(transfer).unwrap(), *expected);
        }
        assert!(cost_us(&load.transfers).unwrap() > 1.0);
        assert!(cost_us(&[]).is_err());
    }
}
