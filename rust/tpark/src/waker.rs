// SPDX-License-Identifier: MIT
//! A `std::task::Waker` out of an unparker, and `block_on`.
//!
//! The data of a waker that tpark makes is the unparker, in Rust as in C, where all such wakers
//! share one vtable: so the pointer alone goes from one language to the other.
use std::any::Any;
use std::future::Future;
use std::mem::{self, ManuallyDrop};
use std::os::raw::c_void;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use crate::{sys, Unparker};

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop);

// SAFETY of the slots: data is an unparker, by the only functions that make such a waker.
unsafe fn clone(data: *const ()) -> RawWaker {
    let unparker = ManuallyDrop::new(unsafe { Unparker::from_raw(data) });
    RawWaker::new(Unparker::into_raw(Unparker::clone(&unparker)), &VTABLE)
}

unsafe fn wake(data: *const ()) {
    unsafe { Unparker::from_raw(data) }.unpark();
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

/// A future on its way through C, and what became of it.
struct Call<'a, F: Future> {
    future: Pin<&'a mut F>,
    result: Option<Result<F::Output, Box<dyn Any + Send>>>,
}

/// SAFETY: future is a Call<F>, and waker one that tpark made, lent for this call.
unsafe extern "C" fn poll<F: Future>(future: *mut c_void, waker: *const sys::tpark_waker) -> bool {
    let call = unsafe { &mut *future.cast::<Call<'_, F>>() };
    let waker = RawWaker::new(unsafe { (*waker).data as *const () }, &VTABLE);
    let waker = ManuallyDrop::new(unsafe { Waker::from_raw(waker) });
    let poll = || call.future.as_mut().poll(&mut Context::from_waker(&waker));
    // A panic does not unwind through C.
    call.result = match panic::catch_unwind(AssertUnwindSafe(poll)) {
        Ok(Poll::Pending) => None,
        Ok(Poll::Ready(output)) => Some(Ok(output)),
        Err(payload) => Some(Err(payload)),
    };
    call.result.is_some()
}

/// Runs a future to its end on the calling thread. Calls may nest: each has a parker of its own.
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
    let future = unsafe { Pin::new_unchecked(&mut future) };
    let mut call = Call { future, result: None };
    // SAFETY: poll gets what it expects.
    let error = unsafe { sys::tpark_block_on(poll::<F>, std::ptr::addr_of_mut!(call).cast()) };
    assert_eq!(error, 0, "no memory for a parker");
    match call.result.expect("poll returned true") {
        Ok(output) => output,
        Err(payload) => panic::resume_unwind(payload),
    }
}
