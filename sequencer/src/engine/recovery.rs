//! Senders of a derived block, recovered on all cores before it executes: nobody has recovered them here before, and one after the other
//! they would cost many times what executing costs.

use alloy::primitives::Bytes;
use std::{num::NonZero, thread};
use tributary_protocol::execute::{InvalidTransaction, RecoveredTx, recover};

/// Fewer than this are recovered where we stand: starting a thread costs about as much as recovering one sender.
const TRANSACTIONS_PER_THREAD_MIN: usize = 8;

/// A transaction with its sender, or why it is none.
pub(super) type Recovery = Result<RecoveredTx, InvalidTransaction>;

/// Decodes and recovers `transactions`, in order.
pub(super) fn recover_all(transactions: &[Bytes]) -> Vec<Recovery> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = (transactions.len() / TRANSACTIONS_PER_THREAD_MIN).clamp(1, cores);
    let (here, elsewhere) = transactions.split_at(transactions.len() / threads);
    let share = elsewhere.len().div_ceil((threads - 1).max(1)).max(1);
    let one_after_the_other = |part: &[Bytes]| part.iter().map(recover).collect::<Vec<_>>();
    thread::scope(|scope| {
        let others: Vec<_> = elsewhere
            .chunks(share)
            .map(|part| {
                let thread = thread::Builder::new().name("recover".into());
                (
                    part,
                    thread.spawn_scoped(scope, move || one_after_the_other(part)),
                )
            })
            .collect();
        let mut recovered = one_after_the_other(here);
        for (part, thread) in others {
            recovered.extend(match thread {
                Ok(thread) => thread.join().expect("recovering outside bytes does not panic"),
                // The system has no thread for us now; it takes longer, nothing else.
                Err(_) => one_after_the_other(part),
            });
        }
        recovered
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::{
        consensus::{SignableTransaction, TxEip1559},
        eips::eip2718::Encodable2718,
        signers::{SignerSync, local::PrivateKeySigner},
    };
    use op_alloy_consensus::OpTxEnvelope;

    #[test]
    fn senders_come_in_the_order_of_their_transactions_whatever_the_number_of_threads() {
        let signers: Vec<_> = (1..=5)
            .map(|seed| PrivateKeySigner::from_bytes(&[seed; 32].into()).expect("a small number is a key"))
            .collect();
        for count in [0, 1, 7, 8, 15, 16, 17, 33, 100] {
            let mut transactions: Vec<Bytes> = (0..count)
                .map(|nonce: usize| {
                    let transaction = TxEip1559 {
                        nonce: nonce as u64,
                        ..TxEip1559::default()
                    };
                    let signature = signers[nonce % 5].sign_hash_sync(&transaction.signature_hash());
                    let signed = transaction.into_signed(signature.expect("a local key signs"));
                    OpTxEnvelope::Eip1559(signed).encoded_2718().into()
                })
                .collect();
            if let Some(last) = transactions.last_mut() {
                *last = Bytes::from_static(b"no transaction");
            }
            let recovered = recover_all(&transactions);
            assert_eq!(recovered.len(), count);
            for (index, found) in recovered.iter().enumerate() {
                match found {
                    Ok(found) => {
                        assert_eq!(found.encoded_bytes(), &transactions[index]);
                        assert_eq!(found.1.signer(), signers[index % 5].address());
                    }
                    Err(_) => assert_eq!(index, count - 1),
                }
            }
        }
    }
}
