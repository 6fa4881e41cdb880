//! Random contracts: what tracers have to follow, in bytecode small enough to read.

use alloy::primitives::{Address, Bytes, U256, address};
use proptest::prelude::*;

/// SHA-256, a precompile.
const SHA256: Address = address!("0000000000000000000000000000000000000002");

/// What a program does next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Writes a slot.
    Store { slot: u8, value: u8 },
    /// Reads a slot.
    Load { slot: u8 },
    /// Emits a log of so many bytes under a topic.
    Log { topic: u8, bytes: u8 },
    /// Calls program number `target` (counted modulo those before it), with wei.
    Call { target: u8, value: u8, kind: CallKind },
    /// Hashes with a precompile.
    Hash,
    /// Creates a contract whose code is one STOP, or a creation that reverts.
    Create { fails: bool },
    /// Goes round a loop.
    Loop { times: u8 },
    /// Ends the program.
    End(End),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum CallKind {
    Call,
    Delegate,
    Static,
    Code,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Return,
    Revert,
    Invalid,
    /// Runs out of gas.
    Forever,
    SelfDestruct,
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        3 => Just(CallKind::Call),
        1 => Just(CallKind::Delegate),
        1 => Just(CallKind::Static),
        1 => Just(CallKind::Code),
    ];
    let end = prop_oneof![
        2 => Just(End::Return),
        2 => Just(End::Revert),
        1 => Just(End::Invalid),
        1 => Just(End::Forever),
        1 => Just(End::SelfDestruct),
    ];
    prop_oneof![
        3 => (0..4_u8, 0..3_u8).prop_map(|(slot, value)| Step::Store { slot, value }),
        1 => (0..4_u8).prop_map(|slot| Step::Load { slot }),
        3 => (any::<u8>(), 0..70_u8).prop_map(|(topic, bytes)| Step::Log { topic, bytes }),
        5 => (any::<u8>(), 0..3_u8, kind).prop_map(|(target, value, kind)| Step::Call { target, value, kind }),
        1 => Just(Step::Hash),
        1 => any::<bool>().prop_map(|fails| Step::Create { fails }),
        1 => (1..20_u8).prop_map(|times| Step::Loop { times }),
        1 => end.prop_map(Step::End),
    ]
}

/// Bytecode of a program that may call those at `before`.
pub(crate) fn assemble(steps: &[Step], before: &[Address]) -> Bytes {
    let mut code = Vec::new();
    for step in steps {
        emit(&mut code, step, before);
    }
    code.push(0x00);
    code.into()
}

fn emit(code: &mut Vec<u8>, step: &Step, before: &[Address]) {
    match *step {
        Step::Store { slot, value } => code.extend([0x60, value, 0x60, slot, 0x55]),
        Step::Load { slot } => code.extend([0x60, slot, 0x54, 0x50]),
        Step::Log { topic, bytes } => code.extend([0x60, topic, 0x60, bytes, 0x5f, 0xa1]),
        Step::Call { target, value, kind } => {
            let target = match before.len() {
                0 => address!("00000000000000000000000000000000000000aa"),
                count => before[usize::from(target) % count],
            };
            call(code, target, value, kind);
        }
        Step::Hash => call(code, SHA256, 0, CallKind::Static),
        Step::Create { fails } => {
            // Init code in the last bytes of word 0: return one zero byte, or revert.
            let init: u64 = if fails { 0x5f5ffd } else { 0x60015ff3 };
            code.push(0x67);
            code.extend(init.to_be_bytes());
            code.extend([0x5f, 0x52]);
            let length = if fails { 3 } else { 4 };
            code.extend([0x60, length, 0x60, 32 - length, 0x5f, 0xf0, 0x50]);
        }
        Step::Loop { times } => {
            code.extend([0x60, times]);
            let start = u16::try_from(code.len()).unwrap();
            // JUMPDEST, subtract one, jump back while it is not zero.
            code.extend([0x5b, 0x60, 0x01, 0x90, 0x03, 0x80, 0x61]);
            code.extend(start.to_be_bytes());
            code.extend([0x57, 0x50]);
        }
        Step::End(End::Return) => code.extend([0x60, 0x20, 0x5f, 0xf3]),
        Step::End(End::Revert) => code.extend([0x60, 0x07, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xfd]),
        Step::End(End::Invalid) => code.push(0xfe),
        Step::End(End::Forever) => {
            let start = u16::try_from(code.len()).unwrap();
            code.extend([0x5b, 0x61]);
            code.extend(start.to_be_bytes());
            code.push(0x56);
        }
        Step::End(End::SelfDestruct) => code.extend([0x60, 0xaa, 0xff]),
    }
}

/// A call that forwards 50,000 gas, passes one word on, and forgets the answer.
fn call(code: &mut Vec<u8>, target: Address, value: u8, kind: CallKind) {
    let (opcode, takes_value) = match kind {
        CallKind::Call => (0xf1, true),
        CallKind::Code => (0xf2, true),
        CallKind::Delegate => (0xf4, false),
        CallKind::Static => (0xfa, false),
    };
    // Out 32 bytes at 0, in 32 bytes at 0.
    code.extend([0x60, 0x20, 0x5f, 0x60, 0x20, 0x5f]);
    if takes_value {
        code.extend([0x60, value]);
    }
    code.push(0x73);
    code.extend(target);
    code.extend([0x62]);
    code.extend(&U256::from(50_000).to_be_bytes::<32>()[29..]);
    code.extend([opcode, 0x50]);
}

/// Init code that leaves `runtime` on the chain.
pub(crate) fn deployer(runtime: &Bytes) -> Bytes {
    let length = u16::try_from(runtime.len()).unwrap().to_be_bytes();
    let mut code = vec![
        0x61, length[0], length[1], 0x60, 0x0d, 0x5f, 0x39, 0x61, length[0], length[1], 0x5f, 0xf3, 0x00,
    ];
    code.extend(runtime);
    code.into()
}
