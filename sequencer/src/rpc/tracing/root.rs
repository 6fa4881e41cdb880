//! The root frame of a transaction that never ran.
//!
//! A deposit whose gas does not cover what it costs before its first instruction is in its block all the same, failed. The EVM opens no
//! frame for it and tracers see nothing, so what they say about it is filled in from the transaction.

use alloy::primitives::TxKind;
use alloy_op_evm::OpTx;
use revm::{interpreter::InstructionResult, primitives::Address};
use revm_inspectors::{
    tracing::{DebugInspector, FourByteInspector, TracingInspector, types::CallKind},
    transfer::TransferInspector,
};

/// An inspector that may hold call frames.
pub(super) trait Root {
    /// The recorder of frames, if there is one that can be reached.
    fn recorder(&mut self) -> Option<&mut TracingInspector>;
}

impl Root for TracingInspector {
    fn recorder(&mut self) -> Option<&mut TracingInspector> {
        Some(self)
    }
}

impl Root for DebugInspector {
    fn recorder(&mut self) -> Option<&mut TracingInspector> {
        match self {
            Self::CallTracer(recorder, _)
            | Self::PreStateTracer(recorder, _)
            | Self::FlatCallTracer(recorder)
            | Self::Erc7562Tracer(recorder, _)
            | Self::Default(recorder, _) => Some(recorder),
            // The parts of a mux are out of reach; the others hold no frames.
            Self::Mux(..) | Self::FourByte(_) | Self::Noop(_) => None,
        }
    }
}

impl Root for TransferInspector {
    fn recorder(&mut self) -> Option<&mut TracingInspector> {
        None
    }
}

impl Root for FourByteInspector {
    fn recorder(&mut self) -> Option<&mut TracingInspector> {
        None
    }
}

/// Says of the root frame that it is `transaction` and ran out of gas.
pub(super) fn fill(inspector: &mut impl Root, transaction: &OpTx, gas_used: u64) {
    let Some(recorder) = inspector.recorder() else {
        return;
    };
    let transaction = &transaction.0.base;
    let Some(root) = recorder.traces_mut().nodes_mut().first_mut() else {
        return;
    };
    root.trace.caller = transaction.caller;
    (root.trace.kind, root.trace.address) = match transaction.kind {
        TxKind::Call(to) => (CallKind::Call, to),
        TxKind::Create => (CallKind::Create, Address::ZERO),
    };
    root.trace.value = transaction.value;
    root.trace.data = transaction.data.clone();
    root.trace.gas_limit = transaction.gas_limit;
    root.trace.gas_used = gas_used;
    root.trace.success = false;
    root.trace.status = Some(InstructionResult::OutOfGas);
}
