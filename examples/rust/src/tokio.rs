// SPDX-License-Identifier: MIT
//! The API of Tokio's `runtime/park.rs`. What is not here is `ParkThread::shutdown`: a spurious
//! wakeup, which tpark does not have.
use std::future::Future;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::task::Waker;
use std::time::Duration;

use crate::{sys, timeout_ns, Parker, Unparker};

#[derive(Debug, Default)]
pub struct ParkThread {
    inner: Parker,
}

impl ParkThread {
    pub fn new() -> ParkThread {
        ParkThread::default()
    }

    pub fn unpark(&self) -> UnparkThread {
        UnparkThread { inner: self.inner.unparker().clone() }
    }

    pub fn park(&mut self) {
        self.inner.park();
    }

    pub fn park_timeout(&mut self, duration: Duration) {
        self.inner.park_timeout(duration);
    }
}

#[derive(Clone, Debug)]
pub struct UnparkThread {
    inner: Unparker,
}

impl UnparkThread {
    pub fn unpark(&self) {
        self.inner.unpark();
    }

    pub fn into_waker(self) -> Waker {
        self.inner.into()
    }
}

/// There is no memory for the thread's parker. (Tokio's says that the thread is being torn down;
/// tpark's parker can be used even then.)
#[derive(Debug, PartialEq, Eq)]
pub struct AccessError;

/// The calling thread's own parker; it is not sent to another.
#[derive(Debug)]
pub struct CachedParkThread {
    not_send: PhantomData<*const ()>,
}

impl CachedParkThread {
    #[allow(clippy::new_without_default)]
    pub fn new() -> CachedParkThread {
        CachedParkThread { not_send: PhantomData }
    }

    pub fn park(&mut self) {
        // SAFETY: any thread may call it.
        unsafe { sys::tpark_current_park() }
    }

    pub fn park_timeout(&mut self, duration: Duration) {
        // SAFETY: any thread may call it.
        unsafe { sys::tpark_current_park_timeout(timeout_ns(duration)) };
    }

    pub fn unpark(&self) -> Result<UnparkThread, AccessError> {
        // SAFETY: any thread may call it; the reference is the caller's.
        let raw = NonNull::new(unsafe { sys::tpark_current_unparker() }).ok_or(AccessError)?;
        Ok(UnparkThread { inner: Unparker(raw) })
    }

    pub fn waker(&self) -> Result<Waker, AccessError> {
        self.unpark().map(UnparkThread::into_waker)
    }

    pub fn block_on<F: Future>(&mut self, future: F) -> Result<F::Output, AccessError> {
        Ok(crate::block_on(future))
    }
}
