//! Logs out of bytes.

use crate::input::Input;
use alloy_primitives::{Address, B256, Bytes, Log, LogData};

/// A log: how many topics u8 (its top bit: topic 0 is also arbitrary, else `topic`), topics, data. At most four topics, as the EVM has it.
#[must_use]
pub fn arbitrary(data: &[u8], topic: B256) -> Log {
    let mut input = Input::new(data);
    let head = input.byte();
    let mut topics: Vec<B256> = (0..head % 5).map(|_| B256::from(input.array::<32>())).collect();
    if head < 0x80
        && let Some(first) = topics.first_mut()
    {
        *first = topic;
    }
    Log {
        address: Address::ZERO,
        data: LogData::new_unchecked(topics, Bytes::copy_from_slice(input.rest())),
    }
}

/// The input from which [`arbitrary`] makes this log.
#[must_use]
pub fn input_of(log: &Log) -> Vec<u8> {
    let count = u8::try_from(log.topics().len()).expect("at most four topics");
    let mut out = vec![count];
    for topic in log.topics() {
        out.extend_from_slice(topic.as_slice());
    }
    out.extend_from_slice(&log.data.data);
    out
}
