//! Positional parameters of a request, taken one after the other. Texts as geth's.

use super::error::RpcError;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// Parameters not taken yet.
#[derive(Debug)]
pub(super) struct Args {
    rest: std::vec::IntoIter<Box<RawValue>>,
    taken: usize,
}

impl Args {
    /// Splits `params`; absent and `null` mean none.
    pub(super) fn parse(params: Option<&RawValue>) -> Result<Self, RpcError> {
        let values: Vec<Box<RawValue>> = match params.map(RawValue::get) {
            None | Some("null") => Vec::new(),
            Some(json) => serde_json::from_str(json).map_err(|_| RpcError::params("non-array args"))?,
        };
        Ok(Self {
            rest: values.into_iter(),
            taken: 0,
        })
    }

    /// The next parameter, which must be there.
    pub(super) fn required<T: DeserializeOwned>(&mut self) -> Result<T, RpcError> {
        let index = self.taken;
        self.optional()?
            .ok_or_else(|| RpcError::params(format!("missing value for required argument {index}")))
    }

    /// The next parameter; absent and `null` are `None`.
    pub(super) fn optional<T: DeserializeOwned>(&mut self) -> Result<Option<T>, RpcError> {
        let index = self.taken;
        self.taken += 1;
        let Some(json) = self.rest.next() else {
            return Ok(None);
        };
        serde_json::from_str(json.get())
            .map_err(|error| RpcError::params(format!("invalid argument {index}: {error}")))
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), RpcError> {
        match self.rest.len() {
            0 => Ok(()),
            _ => Err(RpcError::params(format!(
                "too many arguments, want at most {}",
                self.taken
            ))),
        }
    }
}
