//! How long a call may run and how much memory it may take, watched from inside the EVM: gas alone bounds neither well.
//!
//! A brief call may do so little that it is carried out where the request is read. What a step costs is known only roughly, so what can cost
//! much in one step counts for many.

use super::{error::RpcError, eth::call::is_precompile};
use core::time::Duration;
use revm::{
    Inspector,
    bytecode::opcode,
    context_interface::ContextTr,
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, Gas, InstructionResult, Interpreter,
        InterpreterResult, interpreter_types::Jumps,
    },
    primitives::Bytes,
};
use std::time::Instant;

/// Instructions between two looks at the clock: a few microseconds' worth.
const STEPS_BETWEEN_LOOKS: u32 = 1_024;

/// Steps of a brief call: some tens of microseconds.
const BRIEF_STEPS_MAX: u64 = 4_000;

/// Steps that one read of the state counts for: it may go to the disk.
const STATE_STEPS: u64 = 200;

/// Bytes hashed in the time of one step.
const HASHED_BYTES_PER_STEP: u64 = 16;

/// Memory of a brief call, bytes.
const BRIEF_MEMORY_BYTES_MAX: u64 = 64 << 10;

/// What the calls of one request may take together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    deadline: Instant,
    timeout: Duration,
    memory_bytes_max: u64,
    is_brief: bool,
}

/// Why a call was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exceeded {
    Time(Duration),
    Memory(u64),
    /// It is not brief.
    Brief,
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
            Exceeded::Brief => Self::needs_thread(),
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
            is_brief: false,
        }
    }

    /// From now on, and only for a brief call.
    pub(super) fn brief(timeout: Duration, memory_bytes_max: u64) -> Self {
        Self {
            is_brief: true,
            ..Self::new(timeout, memory_bytes_max)
        }
    }

    /// Watches one call.
    pub(super) const fn watch(self) -> Watch {
        Watch {
            bounds: self,
            steps: 0,
            brief_steps: 0,
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
    /// Counted for a brief call only, each for what it may cost.
    brief_steps: u64,
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

    /// Gives up on a call that is not brief, before it takes the next step.
    fn stay_brief(&mut self, interpreter: &Interpreter) {
        self.brief_steps = self.brief_steps.saturating_add(steps_of(interpreter));
        if self.brief_steps > BRIEF_STEPS_MAX || self.outer_sum + self.memory > BRIEF_MEMORY_BYTES_MAX {
            self.exceeded.get_or_insert(Exceeded::Brief);
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

/// How many ordinary steps the next one may cost.
fn steps_of(interpreter: &Interpreter) -> u64 {
    match interpreter.bytecode.opcode() {
        opcode::BALANCE
        | opcode::EXTCODESIZE
        | opcode::EXTCODECOPY
        | opcode::EXTCODEHASH
        | opcode::BLOCKHASH
        | opcode::SLOAD
        | opcode::SSTORE
        | opcode::CALL
        | opcode::CALLCODE
        | opcode::DELEGATECALL
        | opcode::STATICCALL => STATE_STEPS,
        opcode::KECCAK256 => {
            let size = interpreter.stack.peek(1).unwrap_or_default();
            size.saturating_to::<u64>() / HASHED_BYTES_PER_STEP
        }
        opcode::CREATE | opcode::CREATE2 => BRIEF_STEPS_MAX + 1,
        _ => 1,
    }
}

impl<C: ContextTr> Inspector<C> for Watch {
    fn step(&mut self, interpreter: &mut Interpreter, _: &mut C) {
        self.memory = interpreter.memory.len() as u64;
        if self.outer_sum + self.memory > self.bounds.memory_bytes_max {
            self.exceeded
                .get_or_insert(Exceeded::Memory(self.bounds.memory_bytes_max));
        }
        if self.bounds.is_brief {
            self.stay_brief(interpreter);
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

    fn call(&mut self, _: &mut C, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.enter();
        let may_take_long = self.bounds.is_brief && is_precompile(inputs.bytecode_address);
        may_take_long.then(|| {
            self.exceeded.get_or_insert(Exceeded::Brief);
            let stopped = InterpreterResult {
                result: InstructionResult::OutOfGas,
                output: Bytes::new(),
                gas: Gas::new(inputs.gas_limit),
            };
            CallOutcome::new(stopped, inputs.return_memory_offset.clone())
        })
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
