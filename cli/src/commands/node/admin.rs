//! What a node lets its operator, its batcher and op-stack tools ask on the admin port: op-node's `admin_*` of a sequencer, and
//! op-geth's `miner_setMaxDASize`.

use crate::admin::server::{MethodError, Methods, number};
use alloy::primitives::B256;
use futures::FutureExt;
use serde_json::{Value, json};
use std::sync::Arc;
use tributary_sequencer::{
    builder::DaSizes,
    node::{AdminError, NodeAdmin},
};

/// What is served.
pub(crate) const METHODS: [&str; 7] = [
    "admin_sequencerActive",
    "admin_stopSequencer",
    "admin_startSequencer",
    "admin_resetDerivationPipeline",
    "admin_overrideLeader",
    "admin_conductorEnabled",
    "miner_setMaxDASize",
];

impl From<AdminError> for MethodError {
    fn from(error: AdminError) -> Self {
        Self::Refused(error.to_string())
    }
}

/// The methods of `node`.
pub(super) fn methods(node: NodeAdmin) -> Methods {
    Arc::new(move |method, params| answer(node.clone(), method, params).boxed())
}

async fn answer(node: NodeAdmin, method: String, params: Vec<Value>) -> Result<Value, MethodError> {
    let takes = |count: usize| {
        if params.len() > count {
            let text = format!("too many arguments, want at most {count}");
            return Err(MethodError::Params(text));
        }
        Ok(())
    };
    if !METHODS.contains(&method.as_str()) {
        return Err(MethodError::Unknown);
    }
    match method.as_str() {
        "admin_sequencerActive" => {
            takes(0)?;
            Ok(node.is_sequencing().into())
        }
        "admin_stopSequencer" => {
            takes(0)?;
            Ok(json!(node.stop_sequencer().await?))
        }
        "admin_startSequencer" => {
            takes(1)?;
            node.start_sequencer(hash(&params)?).await?;
            Ok(Value::Null)
        }
        "admin_resetDerivationPipeline" => {
            takes(0)?;
            node.reset_derivation_pipeline().await?;
            Ok(Value::Null)
        }
        "admin_overrideLeader" => {
            takes(0)?;
            node.override_leader()?;
            Ok(Value::Null)
        }
        "admin_conductorEnabled" => {
            takes(0)?;
            Ok(node.is_conductor_enabled().into())
        }
        "miner_setMaxDASize" => {
            takes(2)?;
            node.da_limits().set(DaSizes {
                transaction_bytes_max: number(&params, 0)?,
                block_bytes_max: number(&params, 1)?,
            });
            Ok(true.into())
        }
        _ => Err(MethodError::Unknown),
    }
}

/// The one parameter, a block's hash.
fn hash(params: &[Value]) -> Result<B256, MethodError> {
    let value = params.first().unwrap_or(&Value::Null);
    serde_json::from_value(value.clone())
        .map_err(|_| MethodError::Params(format!("argument 0 must be a block hash, found {value}")))
}
