// SPDX-License-Identifier: MIT
//! The API of Tokio's `runtime/park.rs`. What is not here is `ParkThread::shutdown`: a spurious
//! wakeup, which tpark does not have.
use std::future::Future;
use std::marker::PhantomData;
use std::task::Waker;
use std::time::Duration;

use crate::{current, Parker, Unparker};

/// The right to park.
#[derive(Debug, Default)]
pub struct ParkThread {
    inner: Parker,
}

impl ParkThread {
    /// A parker of the default kind.
    #[must_use]
    pub fn new() -> ParkThread {
        ParkThread::default()
    }

    /// A new unparker for this parker.
    #[must_use]
    pub fn unpark(&self) -> UnparkThread {
        UnparkThread { inner: self.inner.unparker().clone() }
    }

    /// As [`Parker::park`].
    pub fn park(&mut self) {
        self.inner.park();
    }

    /// As [`Parker::park_timeout`].
    pub fn park_timeout(&mut self, duration: Duration) {
        self.inner.park_timeout(duration);
    }
}

/// The right to unpark.
#[derive(Clone, Debug)]
pub struct UnparkThread {
    inner: Unparker,
}

impl UnparkThread {
    /// As [`Unparker::unpark`].
    pub fn unpark(&self) {
        self.inner.unpark();
    }

    /// A waker that unparks, without an allocation.
    #[must_use]
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
    /// The same parker each time.
    #[allow(clippy::new_without_default)]
    #[must_use]
    pub fn new() -> CachedParkThread {
        CachedParkThread { not_send: PhantomData }
    }

    /// As [`current::park`].
    pub fn park(&mut self) {
        current::park();
    }

    /// As [`current::park_timeout`].
    pub fn park_timeout(&mut self, duration: Duration) {
        current::park_timeout(duration);
    }

    /// As [`current::try_unparker`].
    ///
    /// # Errors
    ///
    /// If there is no memory.
    pub fn unpark(&self) -> Result<UnparkThread, AccessError> {
        let inner = current::try_unparker().map_err(|_| AccessError)?;
        Ok(UnparkThread { inner })
    }

    /// The same as a waker.
    ///
    /// # Errors
    ///
    /// If there is no memory.
    pub fn waker(&self) -> Result<Waker, AccessError> {
        self.unpark().map(UnparkThread::into_waker)
    }

    /// As [`block_on`](crate::block_on).
    ///
    /// # Errors
    ///
    /// None; `block_on` panics if there is no memory.
    pub fn block_on<F: Future>(&mut self, future: F) -> Result<F::Output, AccessError> {
        Ok(crate::block_on(future))
    }
}
