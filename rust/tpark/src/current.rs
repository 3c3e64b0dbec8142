// SPDX-License-Identifier: MIT
//! The calling thread's own parker, made when it is first used. It can be used as long as the
//! thread runs, also in destructors of thread-local data.
//!
//! ```
//! use tpark::current;
//!
//! let unparker = current::unparker();
//! let other = std::thread::spawn(move || unparker.unpark());
//! current::park();
//! other.join().unwrap();
//! ```
use std::io;
use std::time::{Duration, Instant};

use crate::{sys, timeout_ns, Unparker};

/// As [`Parker::park`](crate::Parker::park). Aborts if there is no memory.
pub fn park() {
    // SAFETY: any thread may call it.
    unsafe { sys::tpark_current_park() }
}

/// As [`Parker::park_timeout`](crate::Parker::park_timeout). Aborts if there is no memory.
pub fn park_timeout(timeout: Duration) -> bool {
    // SAFETY: any thread may call it.
    unsafe { sys::tpark_current_park_timeout(timeout_ns(timeout)) == 0 }
}

/// As [`Parker::park_deadline`](crate::Parker::park_deadline). Aborts if there is no memory.
pub fn park_deadline(deadline: Instant) -> bool {
    park_timeout(deadline.saturating_duration_since(Instant::now()))
}

/// A new unparker for the calling thread, which it may outlive.
///
/// # Errors
///
/// If there is no memory.
pub fn try_unparker() -> io::Result<Unparker> {
    // SAFETY: any thread may call it; the reference is the caller's, if it is one.
    unsafe {
        let raw = sys::tpark_current_unparker();
        if raw.is_null() {
            return Err(io::Error::last_os_error());
        }
        Ok(Unparker::own(raw))
    }
}

/// [`try_unparker`].
///
/// # Panics
///
/// If there is no memory.
#[must_use]
pub fn unparker() -> Unparker {
    try_unparker().expect("no memory for a parker")
}
