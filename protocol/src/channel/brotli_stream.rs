//! Takes a brotli stream apart, without std and in bounded memory.
//!
//! What a broken stream yields is a rule: every byte that the input before the break determines. The decoder of the brotli crate
//! holds decoded bytes back until its window is full or its input is used up, and loses them on an error, so how much of a broken
//! stream it yields depends on how the input is cut. This one starts again on an error, gives the decoder one byte at a time, and
//! passes over what it has yielded before. Intact streams pay nothing for that.
//!
//! The window is at most 16 MiB: streams with RFC 9841's large window (up to 1 GiB) are refused, as op-node refuses them.

use super::DecompressionError;
use alloc::{boxed::Box, vec, vec::Vec};
use alloy_primitives::Bytes;
use brotli::{
    Allocator, BrotliDecompressStream, BrotliResult, BrotliState, HuffmanCode, SliceWrapper, SliceWrapperMut,
};

/// Gives the decoder plain vectors. What it asks for is bounded by the format: the window and a few MiB of code tables.
#[derive(Default)]
struct Heap;

struct HeapCell<T>(Vec<T>);

impl<T> Default for HeapCell<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> SliceWrapper<T> for HeapCell<T> {
    fn slice(&self) -> &[T] {
        &self.0
    }
}

impl<T> SliceWrapperMut<T> for HeapCell<T> {
    fn slice_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: Clone + Default> Allocator<T> for Heap {
    type AllocatedMemory = HeapCell<T>;

    fn alloc_cell(&mut self, len: usize) -> HeapCell<T> {
        HeapCell(vec![T::default(); len])
    }

    fn free_cell(&mut self, _: HeapCell<T>) {}
}

type State = BrotliState<Heap, Heap, Heap>;

fn new_state() -> Box<State> {
    const { assert!(size_of::<HuffmanCode>() <= 8) };
    Box::new(State::new_strict(Heap, Heap, Heap))
}

/// A brotli stream being read.
pub(super) struct BrotliStream {
    input: Bytes,
    offset: usize,
    state: Box<State>,
    /// Bytes yielded to the reader.
    yielded: usize,
    /// The stream has an error: go byte by byte, and tell the reader when it is reached.
    broken: bool,
    /// Decoded bytes to pass over after starting again.
    skip: usize,
    /// The decoder may hold decoded bytes back: take them before giving it more input.
    holding: bool,
    ended: bool,
}

impl BrotliStream {
    /// Reads `input`, which starts behind the version byte.
    pub(super) fn new(input: Bytes) -> Self {
        Self {
            input,
            offset: 0,
            state: new_state(),
            yielded: 0,
            broken: false,
            skip: 0,
            holding: false,
            ended: false,
        }
    }

    /// Fills the start of `out` and says how much of it; 0 at the end of the stream. `out` is not empty.
    pub(super) fn read(&mut self, out: &mut [u8]) -> Result<usize, DecompressionError> {
        while !self.ended {
            let (result, written) = self.step(out);
            let failed = match result {
                BrotliResult::ResultSuccess => {
                    self.ended = true;
                    false
                }
                BrotliResult::NeedsMoreOutput => false,
                BrotliResult::NeedsMoreInput if written == 0 && self.offset == self.input.len() => {
                    return Err(DecompressionError::Truncated);
                }
                BrotliResult::NeedsMoreInput => false,
                BrotliResult::ResultFailure if self.broken => return Err(DecompressionError::Brotli),
                BrotliResult::ResultFailure => true,
            };
            let passed_over = written.min(self.skip);
            self.skip -= passed_over;
            out.copy_within(passed_over..written, 0);
            let fresh = written - passed_over;
            self.yielded += fresh;
            if failed {
                self.start_again();
            }
            if fresh > 0 {
                return Ok(fresh);
            }
        }
        Ok(0)
    }

    /// One call of the decoder: what it says, and how many bytes it has written to `out`.
    fn step(&mut self, out: &mut [u8]) -> (BrotliResult, usize) {
        let left = self.input.len() - self.offset;
        let mut available_in = match (self.broken, self.holding) {
            (false, _) => left,
            (true, true) => 0,
            (true, false) => left.min(1),
        };
        let mut available_out = out.len();
        let mut written = 0;
        let mut total_out = 0;
        let result = BrotliDecompressStream(
            &mut available_in,
            &mut self.offset,
            &self.input,
            &mut available_out,
            &mut written,
            out,
            &mut total_out,
            &mut self.state,
        );
        self.holding = available_out == 0;
        (result, written)
    }

    fn start_again(&mut self) {
        self.state = new_state();
        self.offset = 0;
        self.skip = self.yielded;
        self.broken = true;
        self.holding = false;
    }
}
