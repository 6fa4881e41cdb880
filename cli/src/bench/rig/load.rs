//! The load of a run: transfers that are signed, and requests that are rendered, before any clock runs.
//!
//! Transfer `k` is of sender `k mod senders` with nonce `k / senders`, so that what is under way at one time is of different senders and
//! no nonce waits for another. Everything follows from the seed; both sides get the same bytes.

use crate::devnet::L2_CHAIN_ID;
use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    eips::eip2718::Encodable2718,
    primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use secp256k1::{All, Message, Secp256k1, SecretKey};
use std::{fmt::Write, thread};

/// Wei a gas; far above any base fee of these runs.
const MAX_FEE_PER_GAS: u128 = 1_000_000_000;

/// What the transfers are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadPlan {
    pub(crate) chain_id: u64,
    pub(crate) transactions: usize,
    pub(crate) senders: usize,
    pub(crate) recipients: usize,
    pub(crate) seed: u64,
}

impl LoadPlan {
    /// The population every measurement of the node has unless it is about populations: 10,000 senders, 100,000 recipients.
    pub(crate) const fn usual(transactions: usize, seed: u64) -> Self {
        Self {
            chain_id: L2_CHAIN_ID,
            transactions,
            senders: 10_000,
            recipients: 100_000,
            seed,
        }
    }
}

/// Signed transfers, in the order they are sent.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) senders: Vec<Address>,
    pub(crate) transfers: Vec<Transfer>,
}

/// One signed transfer, and what recovering its sender needs.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub(crate) hash: B256,
    pub(crate) encoded: Bytes,
    pub(crate) signing_hash: B256,
    pub(crate) signature: Signature,
}

/// HTTP requests, each complete with its head, one after the other in memory.
#[derive(Debug)]
pub(crate) struct Requests {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// The senders' keys.
pub(crate) struct Signer {
    plan: LoadPlan,
    curve: Secp256k1<All>,
    keys: Vec<SecretKey>,
}

impl LoadPlan {
    /// Signs everything, on all cores.
    pub(crate) fn sign(&self) -> Load {
        let signer = Signer::new(*self);
        let mut random = StdRng::seed_from_u64(self.seed);
        let recipients: Vec<usize> = (0..self.transactions)
            .map(|_| random.random_range(0..self.recipients))
            .collect();
        let cores = thread::available_parallelism().map_or(1, core::num::NonZero::get);
        let share = self.transactions.div_ceil(cores).max(1);
        let transfer = |index: usize, recipient: usize| {
            let nonce = (index / self.senders) as u64;
            signer.transfer(
                index % self.senders,
                nonce,
                recipient_address(self.seed, recipient),
            )
        };
        let transfers = thread::scope(|scope| {
            let parts: Vec<_> = recipients
                .chunks(share)
                .enumerate()
                .map(|(part, chunk)| {
                    let transfer = &transfer;
                    scope.spawn(move || {
                        let numbered = (part * share..).zip(chunk);
                        numbered
                            .map(|(index, recipient)| transfer(index, *recipient))
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            let joined = parts
                .into_iter()
                .map(|part| part.join().expect("signing does not panic"));
            joined.flatten().collect()
        });
        Load {
            senders: signer.addresses(),
            transfers,
        }
    }

    /// Everyone who receives.
    pub(crate) fn recipients(&self) -> Vec<Address> {
        (0..self.recipients)
            .map(|index| recipient_address(self.seed, index))
            .collect()
    }
}

impl Signer {
    pub(crate) fn new(plan: LoadPlan) -> Self {
        Self {
            keys: (0..plan.senders).map(|index| key(plan.seed, index)).collect(),
            curve: Secp256k1::new(),
            plan,
        }
    }

    /// All senders.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.keys.iter().map(|key| address(&self.curve, key)).collect()
    }

    /// One wei from a sender to `to`.
    pub(crate) fn transfer(&self, sender: usize, nonce: u64, to: Address) -> Transfer {
        let transaction = TxEip1559 {
            chain_id: self.plan.chain_id,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: MAX_FEE_PER_GAS,
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(to),
            value: U256::ONE,
            ..Default::default()
        };
        let signing_hash = transaction.signature_hash();
        let signature = sign(&self.curve, &self.keys[sender], signing_hash);
        let signed = transaction.into_signed(signature);
        Transfer {
            hash: *signed.hash(),
            encoded: signed.encoded_2718().into(),
            signing_hash,
            signature,
        }
    }
}

fn key(seed: u64, index: usize) -> SecretKey {
    let digest = keccak256(format!("tributary bench sender {seed} {index}"));
    SecretKey::from_slice(digest.as_slice())
        .expect("a hash is below the order of the curve but for one in 2^128")
}

fn address(signer: &Secp256k1<All>, key: &SecretKey) -> Address {
    Address::from_raw_public_key(&key.public_key(signer).serialize_uncompressed()[1..])
}

fn recipient_address(seed: u64, index: usize) -> Address {
    Address::from_slice(&keccak256(format!("tributary bench recipient {seed} {index}"))[12..])
}

fn sign(signer: &Secp256k1<All>, key: &SecretKey, hash: B256) -> Signature {
    let signed = signer.sign_ecdsa_recoverable(&Message::from_digest(hash.0), key);
    let (recovery, bytes) = signed.serialize_compact();
    Signature::from_bytes_and_parity(&bytes, i32::from(recovery) & 1 == 1)
}

fn call_raw(body: &mut String, method: &str, transfer: &Transfer) -> core::fmt::Result {
    let raw = alloy::hex::encode(&transfer.encoded);
    write!(
        body,
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":["0x{raw}"]}}"#
    )
}

impl Requests {
    /// One call of `method` with each of `params`.
    pub(crate) fn calls<'a>(calls: impl IntoIterator<Item = (&'a str, serde_json::Value)>) -> Self {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for (method, params) in calls {
            let body = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
                .to_string();
            bytes.extend_from_slice((super::client::head(body.len()) + &body).as_bytes());
            ends.push(bytes.len());
        }
        Self { bytes, ends }
    }

    /// One `eth_sendRawTransaction` a transfer, `per_request` of them in a request; above one they are a JSON batch.
    pub(crate) fn send_raw(transfers: &[Transfer], per_request: usize) -> Self {
        Self::render(transfers, per_request, |body, transfer| {
            call_raw(body, "eth_sendRawTransaction", transfer)
        })
    }

    /// One `eth_sendRawTransactionSync` a transfer, which is answered with its receipt.
    pub(crate) fn send_raw_sync(transfers: &[Transfer]) -> Self {
        Self::render(transfers, 1, |body, transfer| {
            call_raw(body, "eth_sendRawTransactionSync", transfer)
        })
    }

    /// `eth_getTransactionReceipt` of every transfer, in batches.
    pub(crate) fn receipts(transfers: &[Transfer], per_request: usize) -> Self {
        Self::render(transfers, per_request, |body, transfer| {
            let hash = transfer.hash;
            write!(
                body,
                r#"{{"jsonrpc":"2.0","id":1,"method":"eth_getTransactionReceipt","params":["{hash}"]}}"#
            )
        })
    }

    fn render(
        transfers: &[Transfer],
        per_request: usize,
        one: impl Fn(&mut String, &Transfer) -> core::fmt::Result,
    ) -> Self {
        let (mut bytes, mut ends, mut body) = (Vec::new(), Vec::new(), String::new());
        for chunk in transfers.chunks(per_request.max(1)) {
            body.clear();
            for (index, transfer) in chunk.iter().enumerate() {
                body.push_str(match (index, per_request) {
                    (_, ..=1) => "",
                    (0, _) => "[",
                    _ => ",",
                });
                one(&mut body, transfer).expect("writing into memory does not fail");
            }
            if per_request > 1 {
                body.push(']');
            }
            bytes.extend_from_slice(super::client::head(body.len()).as_bytes());
            bytes.extend_from_slice(body.as_bytes());
            ends.push(bytes.len());
        }
        Self { bytes, ends }
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Request `index`, which must be below [`Self::len`].
    pub(crate) fn get(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[index]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::{
        consensus::{Transaction, TxEnvelope, transaction::SignerRecoverable},
        eips::eip2718::Decodable2718,
    };

    const PLAN: LoadPlan = LoadPlan {
        chain_id: 7,
        transactions: 10,
        senders: 4,
        recipients: 3,
        seed: 1,
    };

    #[test]
    fn every_transfer_is_of_its_sender_with_the_next_nonce() {
        let load = PLAN.sign();
        assert_eq!((load.senders.len(), load.transfers.len()), (4, 10));
        for (index, transfer) in load.transfers.iter().enumerate() {
            let decoded = TxEnvelope::decode_2718(&mut &transfer.encoded[..]).unwrap();
            assert_eq!(decoded.recover_signer().unwrap(), load.senders[index % 4]);
            assert_eq!(decoded.nonce(), (index / 4) as u64);
            assert_eq!(*decoded.tx_hash(), transfer.hash);
            assert_eq!(decoded.chain_id(), Some(7));
        }
    }

    #[test]
    fn requests_hold_all_transfers_in_order() {
        let load = PLAN.sign();
        for (per_request, requests, separators) in [(1, 10, 0), (4, 3, 3), (100, 1, 9)] {
            let rendered = Requests::send_raw(&load.transfers, per_request);
            assert_eq!(rendered.len(), requests);
            let text = std::str::from_utf8(rendered.get(0)).unwrap();
            let body = text.split("\r\n\r\n").nth(1).unwrap();
            assert!(text.contains(&format!("Content-Length: {}\r\n", body.len())));
            assert_eq!(body.matches("},{").count(), separators);
            let parsed: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(parsed.is_array(), per_request > 1);
            let last = std::str::from_utf8(rendered.get(requests - 1)).unwrap();
            assert!(last.contains(&alloy::hex::encode(&load.transfers[9].encoded)));
        }
    }
}
