// SPDX-License-Identifier: MIT
use std::fmt;
use std::io;
use std::os::raw::{c_uint, c_void};
use std::panic::{self, AssertUnwindSafe};
use std::process;
use std::ptr::{self, NonNull};
use std::time::Duration;

use crate::{sys, Parker};

/// What a park does when there is no token yet, before it sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Spin {
    /// It sleeps at once.
    Never,
    /// It spins, for at most 100 us, where that is expected to cost no more CPU time than sleeping;
    /// it learns from its last waits and sleeps.
    Adaptive,
    /// Adaptive, with latency at a price: 0 is `Adaptive`; with 1 a microsecond of latency is worth
    /// a microsecond of CPU time, with 2 four, and with 3 or more sixteen.
    Price(u8),
    /// It spins for so long, in whole microseconds up to 65535. An owner that may use one CPU only
    /// sleeps at once if its waker used that too.
    Fixed(Duration),
}

type Hook = Box<dyn Fn() -> bool + Send + Sync>;

/// Makes a [`Parker`] that is not the default one.
///
/// ```
/// use std::time::Duration;
/// use tpark::{Builder, Spin};
///
/// let parker = Builder::new().spin(Spin::Fixed(Duration::from_micros(20))).precise().build()?;
/// assert!(!parker.park_timeout(Duration::from_micros(100)));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Default)]
#[must_use]
pub struct Builder {
    spin: c_uint,
    flags: c_uint,
    hook: Option<Hook>,
}

impl Builder {
    /// The default parker, so far.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Chooses what a park does before it sleeps. Else it is the library's default, adaptive unless
    /// the library was built otherwise.
    pub fn spin(mut self, spin: Spin) -> Builder {
        self.spin = match spin {
            Spin::Never => sys::TPARK_SPIN_NEVER,
            Spin::Adaptive => sys::tpark_spin_price(0),
            Spin::Price(price) => sys::tpark_spin_price(price.min(3)),
            Spin::Fixed(time) => {
                sys::tpark_spin_fixed_us(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
            }
        };
        self
    }

    /// Deadlines are met to a few microseconds: a park with a deadline sleeps until shortly before
    /// it, and spins the rest.
    pub fn precise(mut self) -> Builder {
        self.flags |= sys::TPARK_PRECISE;
        self
    }

    /// Sleeps with a deadline keep the thread's timer slack, to save power. Not together with
    /// [`precise`](Builder::precise).
    pub fn slack(mut self) -> Builder {
        self.flags |= sys::TPARK_SLACK;
        self
    }

    /// For an owner that blocks where no futex wake reaches it, in epoll say: whatever unparks it
    /// first calls `hook` where it would wake the owner. The hook returns whether it has woken the
    /// owner where it blocks; if not, the library's own wake follows.
    ///
    /// It runs in whatever thread unparks, in several at once, and also after the owner was woken.
    /// What the owner did before [`Parker::arm`] happens before it. A panic in it aborts.
    ///
    /// ```
    /// use std::sync::mpsc::sync_channel;
    /// use tpark::Builder;
    ///
    /// let (bell, ring) = sync_channel(1);
    /// let mut parker = Builder::new().wake_hook(move || bell.try_send(()).is_ok()).build()?;
    /// let unparker = parker.unparker().clone();
    /// if let Some(armed) = parker.arm() {
    ///     let other = std::thread::spawn(move || unparker.unpark());
    ///     ring.recv().unwrap(); // the place where this owner blocks
    ///     assert!(armed.disarm());
    ///     other.join().unwrap();
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wake_hook(mut self, hook: impl Fn() -> bool + Send + Sync + 'static) -> Builder {
        self.hook = Some(Box::new(hook));
        self
    }

    /// Makes the parker.
    ///
    /// # Errors
    ///
    /// If there is no memory, or if it is to be both precise and slack.
    pub fn build(self) -> io::Result<Parker> {
        let flags = self.spin | self.flags;
        let thread = match self.hook {
            // SAFETY: no arguments to get wrong.
            None => unsafe { sys::tpark_thread_new(flags) },
            Some(hook) => {
                let context = Box::into_raw(Box::new(hook));
                let hook = sys::tpark_hook {
                    wake: Some(wake),
                    release: Some(release),
                    context: context.cast(),
                    reserved: [ptr::null_mut(); 2],
                };
                // SAFETY: the functions get the context that they expect.
                let thread = unsafe { sys::tpark_thread_new_hooked(flags, &hook) };
                if thread.is_null() {
                    // SAFETY: without a parker nobody calls release().
                    drop(unsafe { Box::from_raw(context) });
                }
                thread
            }
        };
        let thread = NonNull::new(thread).ok_or_else(io::Error::last_os_error)?;
        // SAFETY: the owner's handle is new.
        Ok(unsafe { Parker::own(thread) })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Builder { .. }")
    }
}

/// SAFETY: context is a Hook, and lives until release().
unsafe extern "C" fn wake(context: *mut c_void) -> bool {
    let hook = unsafe { &*context.cast::<Hook>() };
    // A panic does not unwind through C.
    panic::catch_unwind(AssertUnwindSafe(hook)).unwrap_or_else(|_| process::abort())
}

/// SAFETY: context is a Hook, and this its end.
unsafe extern "C" fn release(context: *mut c_void) {
    let hook = unsafe { Box::from_raw(context.cast::<Hook>()) };
    panic::catch_unwind(AssertUnwindSafe(|| drop(hook))).unwrap_or_else(|_| process::abort());
}
