// SPDX-License-Identifier: MIT
//! The API of smol's crate `parking`.
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::sys;

pub fn pair() -> (Parker, Unparker) {
    let parker = Parker::new();
    let unparker = parker.unparker();
    (parker, unparker)
}

#[derive(Debug, Default)]
pub struct Parker {
    inner: crate::Parker,
}

impl Parker {
    pub fn new() -> Parker {
        Parker::default()
    }

    pub fn park(&self) {
        self.inner.park();
    }

    /// Whether it was unparked, and did not time out.
    pub fn park_timeout(&self, duration: Duration) -> bool {
        self.inner.has_parked_for(duration)
    }

    pub fn park_deadline(&self, instant: Instant) -> bool {
        self.park_timeout(instant.saturating_duration_since(Instant::now()))
    }

    /// Whether this call was the first to notify since the last park.
    pub fn unpark(&self) -> bool {
        // SAFETY: the parker inside lives as long as the owner's handle.
        unsafe {
            let parker = sys::tpark_thread_parker(self.inner.thread.as_ptr());
            sys::tpark_unpark(parker) != sys::NOTIFIED
        }
    }

    pub fn unparker(&self) -> Unparker {
        Unparker { inner: self.inner.unparker().clone() }
    }
}

#[derive(Clone, Debug)]
pub struct Unparker {
    inner: crate::Unparker,
}

impl Unparker {
    pub fn unpark(&self) -> bool {
        self.inner.has_notified()
    }

    pub fn will_unpark(&self, parker: &Parker) -> bool {
        let (u, t) = (self.inner.0.as_ptr(), parker.inner.thread.as_ptr());
        // SAFETY: both are alive.
        unsafe { sys::tpark_unparker_will_unpark(u, t) }
    }

    pub fn same_parker(&self, other: &Unparker) -> bool {
        // SAFETY: both are alive.
        unsafe { sys::tpark_unparker_same_parker(self.inner.0.as_ptr(), other.inner.0.as_ptr()) }
    }
}

impl From<Unparker> for Waker {
    fn from(unparker: Unparker) -> Waker {
        unparker.inner.into()
    }
}
