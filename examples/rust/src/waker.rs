// SPDX-License-Identifier: MIT
//! A `std::task::Waker` out of an unparker, and `block_on`.
//!
//! All wakers that tpark makes share one vtable, and a clone has the same data pointer. So the data
//! pointer is the whole waker: Rust's carries it alone, and its own vtable calls the C one's slots.
use std::any::Any;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::os::raw::c_void;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use crate::{sys, Unparker};

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop);

// SAFETY of the slots: data is a tpark_unparker, by the only function that makes such a waker.
unsafe fn clone(data: *const ()) -> RawWaker {
    raw_waker((sys::tpark_unparker_waker_vtable.clone)(data as *mut c_void).data)
}

unsafe fn wake(data: *const ()) {
    (sys::tpark_unparker_waker_vtable.wake)(data as *mut c_void)
}

unsafe fn wake_by_ref(data: *const ()) {
    (sys::tpark_unparker_waker_vtable.wake_by_ref)(data as *mut c_void)
}

unsafe fn drop(data: *const ()) {
    (sys::tpark_unparker_waker_vtable.drop)(data as *mut c_void)
}

fn raw_waker(data: *mut c_void) -> RawWaker {
    RawWaker::new(data as *const (), &VTABLE)
}

impl From<Unparker> for Waker {
    fn from(unparker: Unparker) -> Waker {
        // SAFETY: the waker takes over the reference.
        unsafe { Waker::from_raw(raw_waker(Unparker::into_raw(unparker) as *mut c_void)) }
    }
}

/// A future on its way through C, and what became of it.
struct Call<'a, F: Future> {
    future: Pin<&'a mut F>,
    result: Option<Result<F::Output, Box<dyn Any + Send>>>,
}

/// SAFETY: future is a Call<F>, and waker one that tpark made, lent for this call.
unsafe extern "C" fn poll<F: Future>(future: *mut c_void, waker: *const sys::Waker) -> bool {
    let call = &mut *future.cast::<Call<'_, F>>();
    debug_assert!(std::ptr::eq((*waker).vtable, &sys::tpark_unparker_waker_vtable));
    let waker = ManuallyDrop::new(Waker::from_raw(raw_waker((*waker).data)));
    let poll = || call.future.as_mut().poll(&mut Context::from_waker(&waker));
    // A panic does not unwind through C.
    call.result = match panic::catch_unwind(AssertUnwindSafe(poll)) {
        Ok(Poll::Pending) => None,
        Ok(Poll::Ready(output)) => Some(Ok(output)),
        Err(payload) => Some(Err(payload)),
    };
    call.result.is_some()
}

/// Runs a future to its end on the calling thread. Calls may nest.
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
