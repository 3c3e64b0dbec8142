// SPDX-License-Identifier: MIT
//! The C library tpark in the habits of Rust: `Parker` and `Unparker` with the API of
//! crossbeam-utils, a `std::task::Waker`, and `block_on`.
//!
//! The modules `tokio` and `parking` put two more APIs on the same functions, those of Tokio's
//! parker and of smol's, to show that the C API is enough for either: nothing is lost but
//! `ParkThread::shutdown`.
//!
//! Run the tests: `TPARK_LIB_DIR=build cargo test --offline`, or `meson test rust`.
pub mod parking;
mod sys;
#[cfg(test)]
mod tests;
pub mod tokio;
mod waker;

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

pub use waker::block_on;

/// What does not fit into 64 bits, 584 years, is no timeout.
fn timeout_ns(timeout: Duration) -> u64 {
    u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX)
}

/// The right to park. `Send`, since ownership may move to another thread; not `Sync`, since one
/// thread at a time may park.
pub struct Parker {
    thread: NonNull<sys::Thread>,
    unparker: Unparker,
    not_sync: PhantomData<Cell<()>>,
}

// SAFETY: the library allows any thread to be the owner, one after the other.
unsafe impl Send for Parker {}

impl Parker {
    /// Panics if there is no memory.
    pub fn new() -> Parker {
        // SAFETY: no arguments to get wrong; thread is alive when its unparker is made.
        unsafe {
            let thread = NonNull::new(sys::tpark_thread_new(0)).expect("no memory for a parker");
            let unparker =
                Unparker(NonNull::new_unchecked(sys::tpark_thread_unparker(thread.as_ptr())));
            Parker { thread, unparker, not_sync: PhantomData }
        }
    }

    pub fn park(&self) {
        // SAFETY: thread is alive, and no other thread parks: Parker is not Sync.
        unsafe { sys::tpark_thread_park(self.thread.as_ptr()) }
    }

    /// Whether a token was consumed.
    fn has_parked_for(&self, timeout: Duration) -> bool {
        // SAFETY: as in park().
        unsafe { sys::tpark_thread_park_timeout(self.thread.as_ptr(), timeout_ns(timeout)) == 0 }
    }

    pub fn park_timeout(&self, timeout: Duration) {
        self.has_parked_for(timeout);
    }

    pub fn park_deadline(&self, deadline: Instant) {
        self.park_timeout(deadline.saturating_duration_since(Instant::now()));
    }

    pub fn unparker(&self) -> &Unparker {
        &self.unparker
    }
}

impl Drop for Parker {
    fn drop(&mut self) {
        // SAFETY: the only owner's handle; unparkers keep what they need alive.
        unsafe { sys::tpark_thread_free(self.thread.as_ptr()) }
    }
}

impl Default for Parker {
    fn default() -> Parker {
        Parker::new()
    }
}

impl fmt::Debug for Parker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Parker { .. }")
    }
}

/// The right to unpark, from any thread, for as long as it lives.
pub struct Unparker(NonNull<sys::Unparker>);

// SAFETY: every function that takes an unparker may be called from any thread.
unsafe impl Send for Unparker {}
unsafe impl Sync for Unparker {}

impl Unparker {
    pub fn unpark(&self) {
        self.has_notified();
    }

    /// Whether there was no token before.
    fn has_notified(&self) -> bool {
        // SAFETY: the reference is alive.
        unsafe { sys::tpark_unparker_unpark(self.0.as_ptr()) != sys::NOTIFIED }
    }

    /// The reference as one pointer, for `from_raw`.
    pub fn into_raw(this: Unparker) -> *const () {
        let raw = this.0.as_ptr();
        std::mem::forget(this);
        raw.cast()
    }

    /// # Safety
    /// `raw` comes from `into_raw`, once.
    pub unsafe fn from_raw(raw: *const ()) -> Unparker {
        Unparker(NonNull::new_unchecked(raw as *mut sys::Unparker))
    }
}

impl Clone for Unparker {
    fn clone(&self) -> Unparker {
        // SAFETY: the reference is alive; a clone is never NULL.
        unsafe { Unparker(NonNull::new_unchecked(sys::tpark_unparker_clone(self.0.as_ptr()))) }
    }
}

impl Drop for Unparker {
    fn drop(&mut self) {
        // SAFETY: the reference is ours, and ends here.
        unsafe { sys::tpark_unparker_free(self.0.as_ptr()) }
    }
}

impl fmt::Debug for Unparker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Unparker { .. }")
    }
}
