//! What one request may record.
//!
//! A block full of loops, each step with its stack and memory, is gigabytes; so is a block of calls that pass a megabyte on each. The
//! budget counts what the inspector will keep and what will be written about it, stops the EVM when it is used up, and from then on every
//! answer is the error that names the limit.

use crate::rpc::{
    error::{LIMIT_EXCEEDED, RpcError},
    settings::RpcSettings,
};
use alloy::{
    primitives::{Address, Log, U256},
    rpc::types::trace::geth::GethDefaultTracingOptions,
};
use revm::{
    bytecode::opcode,
    context_interface::ContextTr,
    inspector::Inspector,
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, InstructionResult, Interpreter,
        interpreter_types::{Jumps, MemoryTr, ReturnData},
    },
};

/// Bytes of a step besides its stack and memory, and of one word in it, as JSON.
const STEP_BYTES: u64 = 200;
const WORD_BYTES: u64 = 66;
/// Bytes of a call frame besides its input and output; finding the place of a frame among its siblings takes time as well.
const FRAME_BYTES: u64 = 2_048;
/// Bytes of a log besides its data; each is numbered by counting those of all frames before it.
const LOG_BYTES: u64 = 2_048;

/// What is recorded at each step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Steps {
    /// Anything at all.
    pub(super) recorded: bool,
    /// The stack.
    pub(super) stack: bool,
    /// The memory.
    pub(super) memory: bool,
    /// What the last call returned.
    pub(super) return_data: bool,
    /// The slots seen so far, at each access.
    pub(super) storage: bool,
    /// Steps of a transaction the caller wants; the rest go unrecorded. `None` for all.
    pub(super) wanted: Option<u64>,
}

impl Steps {
    /// Everything.
    pub(super) const ALL: Self = Self {
        recorded: true,
        stack: true,
        memory: true,
        return_data: true,
        storage: true,
        wanted: None,
    };

    /// What geth's struct logger records with these options.
    pub(super) fn of_struct_logs(options: &GethDefaultTracingOptions) -> Self {
        Self {
            recorded: true,
            stack: !options.disable_stack.unwrap_or_default(),
            memory: options.is_memory_enabled(),
            return_data: options.is_return_data_enabled(),
            storage: options.is_storage_enabled(),
            wanted: options.limit.filter(|limit| *limit > 0),
        }
    }
}

/// An inspector that may record so much.
#[derive(Debug)]
pub(super) struct Budgeted<I> {
    inner: I,
    steps: Steps,
    /// Steps recorded in this transaction, and slots accessed in it.
    steps_here: u64,
    slots_here: u64,
    /// The step that runs is being recorded, and so is its end.
    in_step: bool,
    /// Calls and creations of this transaction.
    frames_here: u64,
    steps_left: u64,
    bytes_left: u64,
    exceeded: Option<Limit>,
    limits: (u64, u64),
}

#[derive(Clone, Copy, Debug)]
enum Limit {
    Steps,
    Bytes,
}

impl<I> Budgeted<I> {
    pub(super) const fn new(inner: I, steps: Steps, settings: &RpcSettings) -> Self {
        let limits = (settings.trace_steps_max, settings.trace_bytes_max);
        Self {
            inner,
            steps,
            steps_here: 0,
            slots_here: 0,
            in_step: false,
            frames_here: 0,
            steps_left: limits.0,
            bytes_left: limits.1,
            exceeded: None,
            limits,
        }
    }

    /// The inspector within.
    pub(super) const fn inner(&mut self) -> &mut I {
        &mut self.inner
    }

    /// The inspector within, for good.
    pub(super) fn into_inner(self) -> I {
        self.inner
    }

    /// True if the transaction came as far as a call or a creation.
    pub(super) const fn has_run(&self) -> bool {
        self.frames_here > 0
    }

    /// To be called between transactions: what was recorded for one is counted on for the next.
    pub(super) const fn next_transaction(&mut self) {
        self.steps_here = 0;
        self.slots_here = 0;
        self.frames_here = 0;
        self.in_step = false;
    }

    /// Errors if more would have been recorded than may be; what was recorded is then cut, and so is the run.
    pub(super) fn check(&self) -> Result<(), RpcError> {
        let message = match self.exceeded {
            None => return Ok(()),
            Some(Limit::Steps) => format!(
                "trace exceeds max struct logs {} (rpc-trace-steps-max)",
                self.limits.0
            ),
            Some(Limit::Bytes) => format!(
                "trace exceeds max size {} bytes (rpc-trace-bytes-max)",
                self.limits.1
            ),
        };
        Err(RpcError::new(LIMIT_EXCEEDED, message))
    }

    fn take(&mut self, bytes: u64) {
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => self.bytes_left = left,
            None => {
                self.bytes_left = 0;
                self.exceeded.get_or_insert(Limit::Bytes);
            }
        }
    }

    /// Counts the step about to run; false if it is not recorded.
    fn take_step(&mut self, interpreter: &Interpreter) -> bool {
        if !self.steps.recorded || self.steps.wanted.is_some_and(|wanted| self.steps_here >= wanted) {
            return false;
        }
        self.steps_here += 1;
        match self.steps_left.checked_sub(1) {
            Some(left) => self.steps_left = left,
            None => {
                self.exceeded.get_or_insert(Limit::Steps);
            }
        }
        let mut bytes = STEP_BYTES;
        if self.steps.stack {
            bytes += WORD_BYTES * interpreter.stack.len() as u64;
        }
        if self.steps.memory {
            bytes += 2 * interpreter.memory.size() as u64;
        }
        if self.steps.return_data {
            bytes += 2 * interpreter.return_data.buffer().len() as u64;
        }
        if self.steps.storage && matches!(interpreter.bytecode.opcode(), opcode::SLOAD | opcode::SSTORE) {
            self.slots_here += 1;
            bytes += 2 * WORD_BYTES * self.slots_here;
        }
        self.take(bytes);
        true
    }

    fn take_frame(&mut self, input: usize) {
        self.frames_here += 1;
        self.take(FRAME_BYTES + 2 * input as u64);
    }
}

impl<C: ContextTr, I: Inspector<C>> Inspector<C> for Budgeted<I> {
    fn initialize_interp(&mut self, interpreter: &mut Interpreter, context: &mut C) {
        self.inner.initialize_interp(interpreter, context);
    }

    fn step(&mut self, interpreter: &mut Interpreter, context: &mut C) {
        self.in_step = !self.steps.recorded || self.take_step(interpreter);
        if self.exceeded.is_some() {
            self.in_step = false;
            // Ends this frame, and its callers at their next step.
            interpreter.halt(InstructionResult::OutOfGas);
        } else if self.in_step {
            self.inner.step(interpreter, context);
        }
    }

    fn step_end(&mut self, interpreter: &mut Interpreter, context: &mut C) {
        if core::mem::take(&mut self.in_step) {
            self.inner.step_end(interpreter, context);
        }
    }

    fn log(&mut self, context: &mut C, log: Log) {
        self.take(LOG_BYTES + 2 * log.data.data.len() as u64);
        self.inner.log(context, log);
    }

    fn log_full(&mut self, interpreter: &mut Interpreter, context: &mut C, log: Log) {
        self.take(LOG_BYTES + 2 * log.data.data.len() as u64);
        self.inner.log_full(interpreter, context, log);
    }

    fn call(&mut self, context: &mut C, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.take_frame(inputs.input.len());
        self.inner.call(context, inputs)
    }

    fn call_end(&mut self, context: &mut C, inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.take(2 * outcome.output().len() as u64);
        self.inner.call_end(context, inputs, outcome);
    }

    fn create(&mut self, context: &mut C, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.take_frame(inputs.init_code().len());
        self.inner.create(context, inputs)
    }

    fn create_end(&mut self, context: &mut C, inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        self.take(2 * outcome.output().len() as u64);
        self.inner.create_end(context, inputs, outcome);
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.take(FRAME_BYTES);
        self.inner.selfdestruct(contract, target, value);
    }
}
