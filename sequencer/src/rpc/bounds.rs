//! How long a call may run and how much memory it may take, watched from inside the EVM: gas alone bounds neither well.

use super::error::RpcError;
use core::time::Duration;
use revm::{
    Inspector,
    context_interface::ContextTr,
    interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome, InstructionResult, Interpreter},
};
use std::time::Instant;

/// Instructions between two looks at the clock: a few microseconds' worth.
const STEPS_BETWEEN_LOOKS: u32 = 1_024;

/// What the calls of one request may take together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    deadline: Instant,
    timeout: Duration,
    memory_bytes_max: u64,
}

/// Why a call was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exceeded {
    Time(Duration),
    Memory(u64),
}

impl From<Exceeded> for RpcError {
    fn from(exceeded: Exceeded) -> Self {
        match exceeded {
            // The first words are geth's.
            Exceeded::Time(timeout) => Self::server(format!(
                "execution aborted (timeout = {timeout:?}), rpc-call-timeout"
            )),
            Exceeded::Memory(max) => Self::server(format!(
                "out of gas: memory of more than {max} bytes, rpc-call-memory-max"
            )),
        }
    }
}

impl Bounds {
    /// From now on.
    pub(super) fn new(timeout: Duration, memory_bytes_max: u64) -> Self {
        Self {
            deadline: Instant::now() + timeout,
            timeout,
            memory_bytes_max,
        }
    }

    /// Watches one call.
    pub(super) const fn watch(self) -> Watch {
        Watch {
            bounds: self,
            steps: 0,
            memory: 0,
            outer: Vec::new(),
            outer_sum: 0,
            exceeded: None,
        }
    }
}

/// An inspector that stops what exceeds the bounds.
#[derive(Debug)]
pub(super) struct Watch {
    bounds: Bounds,
    steps: u32,
    /// Of the running frame, bytes.
    memory: u64,
    /// Of the frames that wait for it.
    outer: Vec<u64>,
    outer_sum: u64,
    exceeded: Option<Exceeded>,
}

impl Watch {
    /// Why the call was stopped, if it was.
    pub(super) const fn exceeded(&self) -> Option<Exceeded> {
        self.exceeded
    }

    fn look(&mut self) {
        if Instant::now() >= self.bounds.deadline {
            self.exceeded = Some(Exceeded::Time(self.bounds.timeout));
        }
    }

    fn enter(&mut self) {
        self.outer.push(self.memory);
        self.outer_sum += self.memory;
        self.memory = 0;
        // A frame may be a precompile, which has no steps.
        self.look();
    }

    fn leave(&mut self) {
        self.memory = self.outer.pop().unwrap_or_default();
        self.outer_sum -= self.memory;
    }
}

impl<C: ContextTr> Inspector<C> for Watch {
    fn step(&mut self, interpreter: &mut Interpreter, _: &mut C) {
        self.memory = interpreter.memory.len() as u64;
        if self.outer_sum + self.memory > self.bounds.memory_bytes_max {
            self.exceeded
                .get_or_insert(Exceeded::Memory(self.bounds.memory_bytes_max));
        }
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_BETWEEN_LOOKS) {
            self.look();
        }
        if self.exceeded.is_some() {
            // Ends this frame, and its callers at their next step.
            interpreter.halt(InstructionResult::OutOfGas);
        }
    }

    fn call(&mut self, _: &mut C, _: &mut CallInputs) -> Option<CallOutcome> {
        self.enter();
        None
    }

    fn call_end(&mut self, _: &mut C, _: &CallInputs, _: &mut CallOutcome) {
        self.leave();
    }

    fn create(&mut self, _: &mut C, _: &mut CreateInputs) -> Option<CreateOutcome> {
        self.enter();
        None
    }

    fn create_end(&mut self, _: &mut C, _: &CreateInputs, _: &mut CreateOutcome) {
        self.leave();
    }
}
