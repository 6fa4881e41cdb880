//! Counts what is allocated, so that a target can hold a decoder to its bound.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

fn add(size: usize) {
    let allocated = ALLOCATED.fetch_add(size, Relaxed) + size;
    PEAK.fetch_max(allocated, Relaxed);
}

fn subtract(size: usize) {
    ALLOCATED.fetch_sub(size, Relaxed);
}

#[allow(
    unsafe_code,
    reason = "an allocator cannot be written without; every call goes to the system's as it is"
)]
// SAFETY: each method passes its arguments on to `System` unchanged and returns what it returns.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        subtract(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new may exist side by side.
        add(size);
        let moved = unsafe { System.realloc(pointer, layout, size) };
        subtract(layout.size());
        moved
    }
}

/// What `work` gives, and the most bytes it had allocated at any time.
pub fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATED.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = work();
    (result, PEAK.load(Relaxed).saturating_sub(before))
}

/// Does `work` and holds it to `bytes` of memory.
///
/// # Panics
/// If it takes more.
pub fn within<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let (result, peak) = peak_of(work);
    assert!(peak <= bytes, "{peak} bytes were allocated, {bytes} are allowed");
    result
}
