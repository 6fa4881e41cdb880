//! Random EVM programs: where two executors read a rule differently, sooner or later one of these comes out differently.
//!
//! ```text
//!  init code:  snippet snippet ... | CODECOPY, RETURN | runtime code: snippet ... end
//! ```
//! Every snippet leaves the stack as it found it, so snippets can stand in any order. Results go into storage, above all the remaining gas:
//! a difference of one unit anywhere changes the state root.

use alloy_primitives::{Address, Bytes, U256, hex};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

const STOP: u8 = 0x00;
const SUB: u8 = 0x03;
const BALANCE: u8 = 0x31;
const ORIGIN: u8 = 0x32;
const CALLDATACOPY: u8 = 0x37;
const CODECOPY: u8 = 0x39;
const EXTCODESIZE: u8 = 0x3b;
const EXTCODEHASH: u8 = 0x3f;
const BLOCKHASH: u8 = 0x40;
const NUMBER: u8 = 0x43;
const POP: u8 = 0x50;
const MSTORE: u8 = 0x52;
const SLOAD: u8 = 0x54;
const SSTORE: u8 = 0x55;
const GAS: u8 = 0x5a;
const TLOAD: u8 = 0x5c;
const TSTORE: u8 = 0x5d;
const MCOPY: u8 = 0x5e;
const PUSH0: u8 = 0x5f;
const DUP6: u8 = 0x85;
const LOG0: u8 = 0xa0;
const CREATE: u8 = 0xf0;
const CALL: u8 = 0xf1;
const RETURN: u8 = 0xf3;
const DELEGATECALL: u8 = 0xf4;
const CREATE2: u8 = 0xf5;
const STATICCALL: u8 = 0xfa;
const REVERT: u8 = 0xfd;
const INVALID: u8 = 0xfe;
const SELFDESTRUCT: u8 = 0xff;

/// Opcodes that push one word about the transaction, the block or the frame.
const ENVIRONMENT: [u8; 20] = [
    0x30, ORIGIN, 0x33, 0x34, 0x36, 0x38, 0x3a, 0x3d, 0x41, 0x42, NUMBER, 0x44, 0x45, 0x46, 0x47, 0x48, 0x4a,
    0x58, 0x59, GAS,
];

/// Sizes of input that precompiles accept, and some they do not.
const INPUT_SIZES: [u16; 12] = [0, 32, 64, 96, 128, 160, 192, 213, 256, 288, 384, 768];

/// Init code of children: they leave one `STOP`, destroy themselves at once, fail, revert, or leave code that destroys itself when called.
const CHILDREN: [&[u8]; 5] = [
    &[0x60, 0x01, PUSH0, RETURN],
    &[ORIGIN, SELFDESTRUCT],
    &[INVALID],
    &[PUSH0, PUSH0, REVERT],
    &hex!("60075f556132ff5f526002601ef3"),
];

/// Storage slots in use: few, so that values are overwritten and cleared.
const SLOTS: u8 = 6;
/// Most snippets in one program.
const SNIPPETS_MAX: usize = 10;

/// Init code that does a few things and leaves a contract that does a few more when called. `targets` are addresses it may call.
pub(super) fn init_code(targets: &[Address], rng: &mut StdRng) -> Bytes {
    let mut code = Code(Vec::new());
    code.snippets(targets, rng);
    let mut runtime = Code(Vec::new());
    runtime.snippets(targets, rng);
    runtime.end(rng);
    if rng.random_bool(0.1) {
        // Nothing is left behind.
        code.end(rng);
    }
    code.leave(&runtime.0);
    code.0.into()
}

struct Code(Vec<u8>);

impl Code {
    fn op(&mut self, opcode: u8) -> &mut Self {
        self.0.push(opcode);
        self
    }

    /// `PUSHn` of these bytes, at most 32.
    fn push(&mut self, bytes: &[u8]) -> &mut Self {
        let count = u8::try_from(bytes.len()).expect("at most 32 bytes");
        self.0.push(PUSH0 + count);
        self.0.extend_from_slice(bytes);
        self
    }

    fn slot(&mut self, rng: &mut StdRng) -> &mut Self {
        self.push(&[rng.random_range(0..SLOTS)])
    }

    /// The top of the stack goes into a slot.
    fn keep(&mut self, rng: &mut StdRng) {
        self.slot(rng).op(SSTORE);
    }

    fn snippets(&mut self, targets: &[Address], rng: &mut StdRng) {
        for _ in 0..rng.random_range(1..=SNIPPETS_MAX) {
            self.snippet(targets, rng);
        }
    }

    fn snippet(&mut self, targets: &[Address], rng: &mut StdRng) {
        match rng.random_range(0..12) {
            0 => self.push(&word(rng)).keep(rng),
            1 | 2 => {
                let opcode = ENVIRONMENT.choose(rng).copied().unwrap_or(GAS);
                self.op(opcode).keep(rng);
            }
            3 => self.log(rng),
            4 => self.slot(rng).op(SLOAD).keep(rng),
            5 => {
                let age = [1, 2, 30, 255, 0][rng.random_range(0..5)];
                self.push(&[age]).op(NUMBER).op(SUB).op(BLOCKHASH).keep(rng);
            }
            6 => {
                let opcode = [BALANCE, EXTCODESIZE, EXTCODEHASH][rng.random_range(0..3)];
                self.push(target(targets, rng).as_slice()).op(opcode).keep(rng);
            }
            7 => self.memory(rng),
            8 => {
                self.push(&word(rng)).slot(rng).op(TSTORE);
                self.slot(rng).op(TLOAD).keep(rng);
            }
            9 => self.create(rng),
            _ => self.call(targets, rng),
        }
    }

    fn log(&mut self, rng: &mut StdRng) {
        let topics = rng.random_range(0..5);
        for _ in 0..topics {
            self.push(&word(rng));
        }
        self.push(&[rng.random_range(0..100)]).push(&[rng.random()]);
        self.op(LOG0 + topics);
    }

    fn memory(&mut self, rng: &mut StdRng) {
        let (size, from, to) = (rng.random_range(0..100), rng.random(), rng.random());
        match rng.random_range(0..3) {
            0 => self.push(&word(rng)).push(&[to]).op(MSTORE),
            1 => self.push(&[size]).push(&[from]).push(&[to]).op(MCOPY),
            _ => self.push(&[size]).push(&[from]).push(&[to]).op(CALLDATACOPY),
        };
    }

    /// Creates a child and perhaps calls it.
    fn create(&mut self, rng: &mut StdRng) {
        let child = CHILDREN.choose(rng).copied().unwrap_or_default();
        let size = u8::try_from(child.len()).expect("children are short");
        self.push(child).op(PUSH0).op(MSTORE);
        let value = [rng.random_range(0..2)];
        if rng.random_bool(0.5) {
            // The second of the same kind collides with the first.
            self.push(&[rng.random_range(0..2)]);
            self.push(&[size]).push(&[32 - size]).push(&value).op(CREATE2);
        } else {
            self.push(&[size]).push(&[32 - size]).push(&value).op(CREATE);
        }
        if rng.random_bool(0.5) {
            for _ in 0..5 {
                self.op(PUSH0);
            }
            self.op(DUP6).op(GAS).op(CALL).op(POP);
        }
        self.keep(rng);
    }

    fn call(&mut self, targets: &[Address], rng: &mut StdRng) {
        let opcode = [CALL, CALL, DELEGATECALL, STATICCALL][rng.random_range(0..4)];
        let input_size = INPUT_SIZES.choose(rng).copied().unwrap_or_default();
        self.push(&[rng.random_range(0..64)]).push(&[rng.random()]);
        self.push(&input_size.to_be_bytes()).push(&[rng.random()]);
        if opcode == CALL {
            let value = if rng.random_bool(0.7) { 0 } else { 1 };
            self.push(&[value]);
        }
        self.push(target(targets, rng).as_slice());
        match rng.random_bool(0.3) {
            true => self.op(GAS),
            false => self.push(&rng.random_range(0..60_000_u16).to_be_bytes()),
        };
        self.op(opcode).keep(rng);
    }

    fn end(&mut self, rng: &mut StdRng) {
        match rng.random_range(0..12) {
            0 => self.op(ORIGIN).op(SELFDESTRUCT),
            1 => self.op(INVALID),
            2 => self.push(&[rng.random_range(0..64)]).op(PUSH0).op(REVERT),
            3..6 => self.push(&[rng.random_range(0..64)]).op(PUSH0).op(RETURN),
            _ => self.op(STOP),
        };
    }

    /// Returns `runtime`, which follows.
    fn leave(&mut self, runtime: &[u8]) {
        const TAIL_SIZE: usize = 13;
        let size = u16::try_from(runtime.len())
            .expect("programs are short")
            .to_be_bytes();
        let offset = u16::try_from(self.0.len() + TAIL_SIZE).expect("programs are short");
        self.push(&size)
            .push(&offset.to_be_bytes())
            .op(PUSH0)
            .op(CODECOPY);
        self.push(&size).op(PUSH0).op(RETURN);
        self.0.extend_from_slice(runtime);
    }
}

/// Often 0, which clears a slot, or small.
fn word(rng: &mut StdRng) -> [u8; 32] {
    let word = match rng.random_range(0..4) {
        0 => U256::ZERO,
        1 => U256::from(rng.random::<u8>()),
        2 => U256::MAX,
        _ => U256::from_be_bytes(rng.random::<[u8; 32]>()),
    };
    word.to_be_bytes()
}

/// One of `targets`, a precompile, or nobody.
fn target(targets: &[Address], rng: &mut StdRng) -> Address {
    match rng.random_range(0..10) {
        0..6 => targets.choose(rng).copied().unwrap_or_default(),
        // 0x01 to 0x11, and two behind them.
        6..8 => Address::with_last_byte(rng.random_range(1..20)),
        // P256VERIFY.
        8 => Address::left_padding_from(&[0x01, 0x00]),
        _ => Address::new(rng.random()),
    }
}
