// SPDX-License-Identifier: MIT
//! The API of smol's crate `parking`.
//!
//! ```
//! let (parker, unparker) = tpark::parking::pair();
//! assert!(unparker.unpark());
//! assert!(!unparker.unpark());
//! parker.park();
//! ```
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::State;

/// A parker, and an unparker for it.
#[must_use]
pub fn pair() -> (Parker, Unparker) {
    let parker = Parker::new();
    let unparker = parker.unparker();
    (parker, unparker)
}

/// The right to park.
#[derive(Debug, Default)]
pub struct Parker {
    inner: crate::Parker,
}

impl Parker {
    /// A parker of the default kind.
    #[must_use]
    pub fn new() -> Parker {
        Parker::default()
    }

    /// As [`Parker::park`](crate::Parker::park).
    pub fn park(&self) {
        self.inner.park();
    }

    /// Whether it was unparked, and did not time out.
    pub fn park_timeout(&self, duration: Duration) -> bool {
        self.inner.park_timeout(duration)
    }

    /// Whether it was unparked before that time.
    pub fn park_deadline(&self, instant: Instant) -> bool {
        self.inner.park_deadline(instant)
    }

    /// As [`Unparker::unpark`].
    pub fn unpark(&self) -> bool {
        self.inner.unparker().give() != State::Notified
    }

    /// A new unparker for this parker.
    #[must_use]
    pub fn unparker(&self) -> Unparker {
        Unparker { inner: self.inner.unparker().clone() }
    }
}

/// The right to unpark.
#[derive(Clone, Debug)]
pub struct Unparker {
    inner: crate::Unparker,
}

impl Unparker {
    /// Unparks, and returns whether this call was the first to do so since the last park.
    pub fn unpark(&self) -> bool {
        self.inner.give() != State::Notified
    }

    /// Whether it unparks this parker.
    #[must_use]
    pub fn will_unpark(&self, parker: &Parker) -> bool {
        self.inner.will_unpark(&parker.inner)
    }

    /// Whether both unpark the same parker.
    #[must_use]
    pub fn same_parker(&self, other: &Unparker) -> bool {
        self.inner.same_parker(&other.inner)
    }
}

impl From<Unparker> for Waker {
    fn from(unparker: Unparker) -> Waker {
        unparker.inner.into()
    }
}
