// SPDX-License-Identifier: MIT
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::{self, NonNull};
use std::time::{Duration, Instant};

use crate::{sys, timeout_ns, Builder, Unparker};

/// The right to park. `Send`, since ownership may move to another thread; not `Sync`, since one
/// thread at a time may park.
pub struct Parker {
    thread: NonNull<sys::tpark_thread>,
    unparker: Unparker,
    not_sync: PhantomData<Cell<()>>,
}

// SAFETY: the library allows any thread to be the owner, one after the other.
unsafe impl Send for Parker {}
impl UnwindSafe for Parker {}
impl RefUnwindSafe for Parker {}

impl Parker {
    /// A parker of the default kind, without a token; [`Builder`] makes others.
    ///
    /// # Panics
    ///
    /// If there is no memory.
    #[must_use]
    pub fn new() -> Parker {
        Builder::new().build().expect("no memory for a parker")
    }

    /// SAFETY: the caller hands over the only owner's handle of a parker.
    pub(crate) unsafe fn own(thread: NonNull<sys::tpark_thread>) -> Parker {
        // SAFETY: thread is alive; a new unparker is never NULL.
        let unparker = unsafe { Unparker::own(sys::tpark_thread_unparker(thread.as_ptr())) };
        Parker { thread, unparker, not_sync: PhantomData }
    }

    pub(crate) fn thread(&self) -> *mut sys::tpark_thread {
        self.thread.as_ptr()
    }

    fn parker(&self) -> *mut sys::tpark {
        // SAFETY: thread is alive.
        unsafe { sys::tpark_thread_parker(self.thread()) }
    }

    /// Sleeps until there is a token, and consumes it. Returns at once if there is one.
    pub fn park(&self) {
        // SAFETY: thread is alive, and no other thread parks: Parker is not Sync.
        unsafe { sys::tpark_thread_park(self.thread()) }
    }

    /// Like [`park`](Parker::park), but gives up when the timeout has passed, and never earlier. A
    /// token that is there is taken whatever the timeout; a timeout of zero never sleeps.
    ///
    /// Returns whether it consumed a token.
    pub fn park_timeout(&self, timeout: Duration) -> bool {
        // SAFETY: as in park().
        unsafe { sys::tpark_thread_park_timeout(self.thread(), timeout_ns(timeout)) == 0 }
    }

    /// Like [`park_timeout`](Parker::park_timeout), until a point in time.
    pub fn park_deadline(&self, deadline: Instant) -> bool {
        self.park_timeout(deadline.saturating_duration_since(Instant::now()))
    }

    /// Consumes the token if there is one, and returns whether there was. Never sleeps.
    ///
    /// ```
    /// let parker = tpark::Parker::new();
    /// assert!(!parker.try_park());
    /// parker.unparker().unpark();
    /// assert!(parker.try_park());
    /// assert!(!parker.try_park());
    /// ```
    pub fn try_park(&self) -> bool {
        // SAFETY: as in park().
        unsafe { sys::tpark_try_park(self.parker()) }
    }

    /// What a park does before it sleeps, for an owner that then arms and blocks in a place of its
    /// own: tries for the token as long as [`Spin`](crate::Spin) has it. Returns whether it
    /// consumed a token.
    pub fn spin(&self) -> bool {
        // SAFETY: as in park(); no deadline.
        unsafe { sys::tpark_spin(self.parker(), ptr::null()) }
    }

    /// The first half of a park, for an owner that blocks in a place of its own: announces that it
    /// is about to, so that the next unpark wakes it, as [`Builder::wake_hook`] says. `None` if a
    /// token was there, which is consumed: then do not block.
    pub fn arm(&mut self) -> Option<Armed<'_>> {
        // SAFETY: as in park(); what is not armed yet is not parked on, since this is the owner.
        unsafe { sys::tpark_arm(self.parker()) }.then(|| Armed { parker: self })
    }

    /// What unparks this parker; clone it for another thread.
    #[must_use]
    pub fn unparker(&self) -> &Unparker {
        &self.unparker
    }

    /// The parker as one pointer, a `struct tpark_thread *` of C, for
    /// [`from_raw`](Parker::from_raw).
    #[must_use]
    pub fn into_raw(this: Parker) -> *const () {
        let this = ManuallyDrop::new(this);
        // SAFETY: this is not used again but for its address.
        drop(unsafe { ptr::read(&this.unparker) });
        this.thread().cast::<()>()
    }

    /// The parker that went into [`into_raw`](Parker::into_raw).
    ///
    /// ```
    /// use tpark::Parker;
    ///
    /// let raw = Parker::into_raw(Parker::new());
    /// let parker = unsafe { Parker::from_raw(raw) };
    /// assert!(!parker.try_park());
    /// ```
    ///
    /// # Safety
    ///
    /// `raw` comes from `into_raw`, or is an owner's handle that C has given away, and is used
    /// once.
    #[must_use]
    pub unsafe fn from_raw(raw: *const ()) -> Parker {
        // SAFETY: the caller's word.
        unsafe { Parker::own(NonNull::new_unchecked(raw as *mut sys::tpark_thread)) }
    }
}

impl Drop for Parker {
    fn drop(&mut self) {
        // SAFETY: the only owner's handle; unparkers keep what they need alive.
        unsafe { sys::tpark_thread_free(self.thread()) }
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

/// An owner that has announced that it is about to block: [`Parker::arm`]. Dropped, it takes that
/// back, and leaves a token where it is.
#[must_use = "dropped, it is as if the owner had not armed"]
pub struct Armed<'a> {
    parker: &'a Parker,
}

impl Armed<'_> {
    /// The second half of a park: takes back what [`Parker::arm`] announced. Returns whether it
    /// consumed a token.
    pub fn disarm(self) -> bool {
        let has_token = self.end();
        mem::forget(self);
        has_token
    }

    fn end(&self) -> bool {
        // SAFETY: the parker is armed, and this is its owner.
        unsafe { sys::tpark_disarm(self.parker.parker()) }
    }

    /// What unparks the parker.
    #[must_use]
    pub fn unparker(&self) -> &Unparker {
        self.parker.unparker()
    }

    /// The state word, for an owner that waits on it in io_uring or by `futex_waitv` (private) while
    /// it is `sys::TPARK_PARKED`. It is never to be written, and no wait may be queued on it any
    /// more when this ends. With the futex backend.
    #[cfg(tpark_futex)]
    #[must_use]
    pub fn futex_word(&self) -> *const u32 {
        // SAFETY: the parker is alive.
        unsafe { sys::tpark_futex_word(self.parker.parker()) }
    }
}

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        if self.end() {
            self.unparker().unpark();
        }
    }
}

impl fmt::Debug for Armed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Armed { .. }")
    }
}
