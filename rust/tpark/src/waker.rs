// SPDX-License-Identifier: MIT
//! A `std::task::Waker` out of an unparker, and `block_on`.
//!
//! The data of a waker that tpark makes is the unparker, in Rust as in C, where all such wakers
//! share one vtable: so the pointer alone goes from one language to the other.
use std::future::Future;
use std::mem::{self, ManuallyDrop};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use crate::{sys, Unparker};

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop);

// SAFETY of the slots: data is an unparker, by the only functions that make such a waker.
unsafe fn clone(data: *const ()) -> RawWaker {
    let unparker = ManuallyDrop::new(unsafe { Unparker::from_raw(data) });
    RawWaker::new(Unparker::into_raw(Unparker::clone(&unparker)), &VTABLE)
}

unsafe fn wake(data: *const ()) {
    unsafe { sys::tpark_unparker_unpark_and_free(data as *mut sys::tpark_unparker) };
}

unsafe fn wake_by_ref(data: *const ()) {
    ManuallyDrop::new(unsafe { Unparker::from_raw(data) }).unpark();
}

unsafe fn drop(data: *const ()) {
    mem::drop(unsafe { Unparker::from_raw(data) });
}

/// Allocates nothing: the waker is the unparker.
///
/// ```
/// use std::task::Waker;
///
/// let parker = tpark::Parker::new();
/// let waker = Waker::from(parker.unparker().clone());
/// waker.wake();
/// parker.park();
/// ```
impl From<Unparker> for Waker {
    fn from(unparker: Unparker) -> Waker {
        // SAFETY: the waker takes over the reference.
        unsafe { Waker::from_raw(RawWaker::new(Unparker::into_raw(unparker), &VTABLE)) }
    }
}

/// A parker of the calling thread's, lent to it.
struct Borrowed(NonNull<sys::tpark_thread>);

impl Drop for Borrowed {
    fn drop(&mut self) {
        // SAFETY: it was borrowed in this thread: it is not Send.
        unsafe { sys::tpark_current_give_back(self.0.as_ptr()) }
    }
}

/// Runs a future to its end on the calling thread. Calls may nest: each has a parker of its own,
/// which the thread keeps for the next.
///
/// ```
/// assert_eq!(tpark::block_on(async { 6 * 7 }), 42);
/// ```
///
/// # Panics
///
/// If the future does, or if there is no memory.
pub fn block_on<F: Future>(mut future: F) -> F::Output {
    // SAFETY: it stays where it is until it is dropped here.
    let mut future = unsafe { Pin::new_unchecked(&mut future) };
    // SAFETY: any thread may call it.
    let thread = NonNull::new(unsafe { sys::tpark_current_borrow() });
    let thread = Borrowed(thread.expect("no memory for a parker"));
    // SAFETY: thread is alive; a new unparker is never NULL.
    let unparker = unsafe { Unparker::own(sys::tpark_thread_unparker(thread.0.as_ptr())) };
    let waker = Waker::from(unparker);
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        // SAFETY: thread is alive, and nobody else parks on it.
        unsafe { sys::tpark_thread_park(thread.0.as_ptr()) }
    }
}
