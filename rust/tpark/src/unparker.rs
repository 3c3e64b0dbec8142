// SPDX-License-Identifier: MIT
use std::borrow::Borrow;
use std::fmt;
use std::mem;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;

use crate::{sys, Parker};

/// What an unpark found, and replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No token.
    Empty,
    /// No token, and the owner slept, or was about to.
    Parked,
    /// A token, with which this one has merged.
    Notified,
}

impl State {
    fn of(raw: sys::tpark_state) -> State {
        match raw {
            sys::TPARK_EMPTY => State::Empty,
            sys::TPARK_PARKED => State::Parked,
            _ => State::Notified,
        }
    }
}

/// The right to unpark, from any thread, for as long as it lives; after the end of the parker it
/// unparks nobody.
pub struct Unparker(NonNull<sys::tpark_unparker>);

// SAFETY: every function that takes an unparker may be called from any thread.
unsafe impl Send for Unparker {}
unsafe impl Sync for Unparker {}
impl UnwindSafe for Unparker {}
impl RefUnwindSafe for Unparker {}

impl Unparker {
    /// SAFETY: the caller hands over a reference, and no NULL.
    pub(crate) unsafe fn own(raw: *mut sys::tpark_unparker) -> Unparker {
        Unparker(unsafe { NonNull::new_unchecked(raw) })
    }

    fn raw(&self) -> *mut sys::tpark_unparker {
        self.0.as_ptr()
    }

    /// Gives the token, and wakes the owner if it sleeps. [`notify`](Unparker::notify) tells what
    /// it found.
    pub fn unpark(&self) {
        self.give();
    }

    /// What the token replaced.
    pub(crate) fn give(&self) -> State {
        // SAFETY: the reference is alive.
        State::of(unsafe { sys::tpark_unparker_unpark(self.raw()) })
    }

    /// The first half of [`unpark`](Unparker::unpark): gives the token, and leaves the wake, if one
    /// is owed, to what it returns. So the system call can come after a critical section:
    ///
    /// ```
    /// # use std::sync::Mutex;
    /// # let parker = tpark::Parker::new();
    /// # let shared = Mutex::new((Vec::new(), parker.unparker().clone()));
    /// let guard = &mut *shared.lock().unwrap();
    /// guard.0.push("work");
    /// let owed = guard.1.clone().into_notify();
    /// # let guard = ();
    /// drop(guard);
    /// owed.wake();
    /// ```
    pub fn notify(&self) -> Owed<&Unparker> {
        Owed::new(self)
    }

    /// [`notify`](Unparker::notify), and keeps the unparker until the wake.
    pub fn into_notify(self) -> Owed<Unparker> {
        Owed::new(self)
    }

    /// Whether both unpark the same parker.
    #[must_use]
    pub fn same_parker(&self, other: &Unparker) -> bool {
        // SAFETY: both are alive.
        unsafe { sys::tpark_unparker_same_parker(self.raw(), other.raw()) }
    }

    /// Whether it unparks this parker.
    #[must_use]
    pub fn will_unpark(&self, parker: &Parker) -> bool {
        // SAFETY: both are alive.
        unsafe { sys::tpark_unparker_will_unpark(self.raw(), parker.thread()) }
    }

    /// The reference as one pointer, a `struct tpark_unparker *` of C, for
    /// [`from_raw`](Unparker::from_raw).
    #[must_use]
    pub fn into_raw(this: Unparker) -> *const () {
        let raw = this.raw().cast::<()>();
        mem::forget(this);
        raw
    }

    /// The unparker that went into [`into_raw`](Unparker::into_raw).
    ///
    /// # Safety
    ///
    /// `raw` comes from `into_raw`, or is an unparker that C has given away, and is used once.
    #[must_use]
    pub unsafe fn from_raw(raw: *const ()) -> Unparker {
        // SAFETY: the caller's word.
        unsafe { Unparker::own(raw as *mut sys::tpark_unparker) }
    }
}

impl Clone for Unparker {
    fn clone(&self) -> Unparker {
        // SAFETY: the reference is alive; a clone is never NULL.
        unsafe { Unparker::own(sys::tpark_unparker_clone(self.raw())) }
    }
}

impl Drop for Unparker {
    fn drop(&mut self) {
        // SAFETY: the reference is ours, and ends here.
        unsafe { sys::tpark_unparker_free(self.raw()) }
    }
}

impl fmt::Debug for Unparker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Unparker { .. }")
    }
}

/// What [`Unparker::notify`] did, and the wake that it left, if any. Dropped, it makes the wake;
/// `std::mem::forget` leaves it to the caller, who wakes the owner where it blocks.
#[must_use = "dropped, it wakes the owner at once"]
pub struct Owed<U: Borrow<Unparker>> {
    unparker: U,
    owed: sys::tpark_owed,
}

// SAFETY: a wake is owed by whoever holds this, in whatever thread.
unsafe impl<U: Borrow<Unparker> + Send> Send for Owed<U> {}
unsafe impl<U: Borrow<Unparker> + Sync> Sync for Owed<U> {}

impl<U: Borrow<Unparker>> Owed<U> {
    fn new(unparker: U) -> Owed<U> {
        // SAFETY: the reference is alive.
        let owed = unsafe { sys::tpark_unparker_notify(unparker.borrow().raw()) };
        Owed { unparker, owed }
    }

    /// What the token replaced.
    #[must_use]
    pub fn replaced(&self) -> State {
        State::of(self.owed.replaced)
    }

    /// Whether the owner is to be woken.
    #[must_use]
    pub fn is_owed(&self) -> bool {
        self.owed.wake != 0
    }

    /// The second half of [`Unparker::unpark`]: wakes the owner, if a wake is owed. Returns what
    /// the token replaced.
    ///
    /// ```
    /// let parker = tpark::Parker::new();
    /// assert_eq!(parker.unparker().notify().wake(), tpark::State::Empty);
    /// assert_eq!(parker.unparker().notify().wake(), tpark::State::Notified);
    /// parker.park();
    /// ```
    pub fn wake(self) -> State {
        self.replaced()
    }
}

impl<U: Borrow<Unparker>> Drop for Owed<U> {
    fn drop(&mut self) {
        // SAFETY: the reference is alive, and the one that left the wake.
        unsafe { sys::tpark_unparker_wake_owner(self.unparker.borrow().raw(), self.owed) }
    }
}

impl<U: Borrow<Unparker>> fmt::Debug for Owed<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owed").field("replaced", &self.replaced()).finish_non_exhaustive()
    }
}
