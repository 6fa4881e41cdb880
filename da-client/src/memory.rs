//! A layer in memory, with faults on demand: for tests and the simulator.

use crate::{
    cert::local_verdict,
    layer::{BoxFuture, Capabilities, DaLayer, PutError, Unavailable},
    verdict::{DropReason, Fetched},
};
use alloy_primitives::Bytes;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tributary_protocol::{block::L1BlockNumber, commitment::Commitment};

/// Name in errors.
const URL: &str = "memory";

/// Payloads in memory.
#[derive(Debug, Default)]
pub struct MemoryLayer {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    payloads: BTreeMap<Bytes, Bytes>,
    drops: BTreeMap<Bytes, DropReason>,
    puts_to_fail: usize,
    gets_to_fail: usize,
}

impl MemoryLayer {
    /// An empty layer without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next `count` puts fail.
    pub fn fail_puts(&self, count: usize) {
        self.lock().puts_to_fail = count;
    }

    /// The next `count` gets fail.
    pub fn fail_gets(&self, count: usize) {
        self.lock().gets_to_fail = count;
    }

    /// Gets of `commitment` are answered with a verdict from now on.
    pub fn drop_commitment(&self, commitment: &Commitment, reason: DropReason) {
        self.lock().drops.insert(commitment.encode(), reason);
    }

    /// Serves `payload` for `commitment` from now on, whether it matches or not.
    pub fn replace_payload(&self, commitment: &Commitment, payload: Bytes) {
        self.lock().payloads.insert(commitment.encode(), payload);
    }

    /// Payloads held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().payloads.len()
    }

    /// True without payloads.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_put(&self, payload: Bytes) -> Result<Commitment, PutError> {
        if payload.len() > crate::PAYLOAD_SIZE_MAX {
            return Err(PutError::TooLarge {
                size: payload.len(),
                max: crate::PAYLOAD_SIZE_MAX,
            });
        }
        let commitment = Commitment::local(&payload)?;
        let mut state = self.lock();
        if state.puts_to_fail > 0 {
            state.puts_to_fail -= 1;
            return Err(PutError::Transient {
                url: URL.to_owned(),
                reason: "a fault was asked for".to_owned(),
            });
        }
        state.payloads.insert(commitment.encode(), payload);
        Ok(commitment)
    }

    fn answer_get(&self, commitment: &Commitment) -> Result<Fetched, Unavailable> {
        let key = commitment.encode();
        let mut state = self.lock();
        let no_answer = |reason: &str| Unavailable::NoAnswer {
            commitment: key.clone(),
            url: URL.to_owned(),
            reason: reason.to_owned(),
        };
        if state.gets_to_fail > 0 {
            state.gets_to_fail -= 1;
            return Err(no_answer("a fault was asked for"));
        }
        if let Some(reason) = local_verdict(commitment) {
            return Ok(Fetched::Drop(reason));
        }
        if let Some(reason) = state.drops.get(&key) {
            return Ok(Fetched::Drop(*reason));
        }
        let payload = state.payloads.get(&key).ok_or_else(|| no_answer("not stored"))?;
        match commitment.verify(payload) {
            Ok(()) => Ok(Fetched::Data(payload.clone())),
            Err(mismatch) => Err(Unavailable::WrongPayload {
                commitment: key.clone(),
                url: URL.to_owned(),
                mismatch: Box::new(mismatch),
            }),
        }
    }
}

impl DaLayer for MemoryLayer {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "memory",
            payload_size_max: crate::PAYLOAD_SIZE_MAX,
        }
    }

    fn put(&self, payload: Bytes) -> BoxFuture<'_, Result<Commitment, PutError>> {
        Box::pin(async move { self.take_put(payload) })
    }

    fn get<'a>(
        &'a self,
        commitment: &'a Commitment,
        _: L1BlockNumber,
    ) -> BoxFuture<'a, Result<Fetched, Unavailable>> {
        Box::pin(async move { self.answer_get(commitment) })
    }

    fn health(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const L1: L1BlockNumber = L1BlockNumber(1);

    #[tokio::test]
    async fn faults_come_as_asked_for_and_end() {
        let layer = MemoryLayer::new();
        let payload = Bytes::from_static(b"payload");
        layer.fail_puts(1);
        assert!(layer.put(payload.clone()).await.unwrap_err().is_retryable());
        let commitment = layer.put(payload.clone()).await.unwrap();
        layer.fail_gets(2);
        for _ in 0..2 {
            let answer = layer.get(&commitment, L1).await;
            assert!(matches!(answer, Err(Unavailable::NoAnswer { .. })), "{answer:?}");
        }
        assert_eq!(
            layer.get(&commitment, L1).await,
            Ok(Fetched::Data(payload.clone()))
        );
        layer.replace_payload(&commitment, Bytes::from_static(b"pajload"));
        let answer = layer.get(&commitment, L1).await;
        assert!(
            matches!(answer, Err(Unavailable::WrongPayload { .. })),
            "{answer:?}"
        );
        layer.replace_payload(&commitment, payload.clone());
        assert_eq!(layer.get(&commitment, L1).await, Ok(Fetched::Data(payload)));
        layer.drop_commitment(&commitment, DropReason::BadEncoding);
        assert_eq!(
            layer.get(&commitment, L1).await,
            Ok(Fetched::Drop(DropReason::BadEncoding))
        );
    }

    #[tokio::test]
    async fn it_judges_as_every_layer_does() {
        let layer = MemoryLayer::new();
        let commitment = Commitment::Other {
            layer: 0,
            bytes: Bytes::from_static(&[0xff]),
        };
        assert_eq!(
            layer.get(&commitment, L1).await,
            Ok(Fetched::Drop(DropReason::Parse))
        );
        let size = crate::PAYLOAD_SIZE_MAX + 1;
        let error = layer.put(vec![0; size].into()).await.unwrap_err();
        assert_eq!(
            error,
            PutError::TooLarge {
                size,
                max: crate::PAYLOAD_SIZE_MAX
            }
        );
    }
}
