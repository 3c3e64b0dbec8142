// SPDX-License-Identifier: MIT
//! The C library tpark: the functions of `tpark.h`, where it stands what each does. The crate
//! `tpark` is the safe face.
//!
//! # Where the library comes from
//!
//! | what is set | the library |
//! |---|---|
//! | nothing | compiled from its sources, which are in this crate, and linked statically; by `CC` (or `CC_<target>`), `CFLAGS` and `AR`, else `cc` and `ar` |
//! | feature `system` | an installed one, found by `pkg-config` |
//! | `TPARK_LIB_DIR=directory` | the one in that directory, whatever the features; a relative path is meant from where cargo was started |
//!
//! Of an installed library the shared one is taken, or the static one if there is no other, or if
//! the feature `static` asks for it. Cargo looks again when one of the variables changes,
//! `PKG_CONFIG_PATH` too, or the library, or a source. `TPARK_BACKEND`, `futex` or `pthread`,
//! chooses the backend of the sources, as meson's option of that name.
//!
//! # Shared libraries that are not installed
//!
//! What cargo runs finds a shared library wherever it is; a program that is run by itself needs
//! to be told, if the loader does not look there. A crate that depends on this one can do that in
//! its `build.rs`:
//!
//! ```no_run
//! let directory = std::env::var("DEP_TPARK_LIB_DIR").unwrap();
//! println!("cargo:rustc-link-arg=-Wl,-rpath,{directory}");
//! ```
//!
//! `DEP_TPARK_BACKEND` is the backend, and `DEP_TPARK_INCLUDE` where the headers are, if the
//! library comes from the sources.
#![allow(non_camel_case_types, unknown_lints, unexpected_cfgs)]

use std::cell::UnsafeCell;
use std::marker::{PhantomData, PhantomPinned};
use std::os::raw::{c_char, c_int, c_uint, c_void};

macro_rules! opaque {
    ($($(#[$attribute:meta])* $name:ident)*) => {$(
        $(#[$attribute])*
        #[repr(C)]
        pub struct $name {
            inside: UnsafeCell<[u8; 0]>,
            marker: PhantomData<(*mut u8, PhantomPinned)>,
        }
    )*};
}

opaque! {
    /// The owner's handle.
    tpark_thread
    /// A reference that unparks.
    tpark_unparker
    /// C's, as in the crate libc: cast a pointer to that.
    timespec
    /// A parker of this backend has another size on each machine: only a handle can make one.
    #[cfg(not(tpark_futex))]
    tpark
}

/// A parker, to be embedded anywhere, and never moved while it is in use.
#[cfg(tpark_futex)]
#[repr(C)]
pub struct tpark {
    inside: UnsafeCell<tpark_inside>,
    marker: PhantomData<(*mut u8, PhantomPinned)>,
}

#[cfg(tpark_futex)]
#[repr(C)]
struct tpark_inside {
    state: u32,
    flags: u8,
    armed: u8,
    spin: u16,
}

#[cfg(tpark_futex)]
impl tpark {
    /// `TPARK_INIT_FLAGS(flags)`.
    #[must_use]
    pub const fn new(flags: c_uint) -> tpark {
        let (low, high) = (flags as u8, (flags >> 16) as u16);
        let inside = tpark_inside { state: 0, flags: low, armed: 0, spin: high };
        tpark { inside: UnsafeCell::new(inside), marker: PhantomData }
    }
}

pub type tpark_state = c_uint;
pub const TPARK_EMPTY: tpark_state = 0;
pub const TPARK_PARKED: tpark_state = 1;
pub const TPARK_NOTIFIED: tpark_state = 2;

pub const TPARK_SHARED: c_uint = 1 << 0;
pub const TPARK_PRECISE: c_uint = 1 << 1;
pub const TPARK_SPIN_NEVER: c_uint = 1 << 2;
pub const TPARK_SPIN_ADAPTIVE: c_uint = 1 << 3;
pub const TPARK_SPIN_FIXED: c_uint = 1 << 4;
pub const TPARK_SLACK: c_uint = 1 << 5;

/// `TPARK_SPIN_PRICE(price)`.
#[must_use]
pub const fn tpark_spin_price(price: u8) -> c_uint {
    TPARK_SPIN_ADAPTIVE | ((price as c_uint) << 6)
}

/// `TPARK_SPIN_FIXED_US(us)`.
#[must_use]
pub const fn tpark_spin_fixed_us(us: u64) -> c_uint {
    let us = if us < 65535 { us as c_uint } else { 65535 };
    TPARK_SPIN_FIXED | (us << 16)
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct tpark_owed {
    pub replaced: tpark_state,
    pub wake: u32,
    pub parker: *mut tpark,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct tpark_any {
    pub parker: *mut tpark,
    pub has_token: bool,
    pub reserved: [u8; 7],
}

pub const TPARK_ANY_MAX: usize = 128;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct tpark_hook {
    pub wake: Option<unsafe extern "C" fn(context: *mut c_void) -> bool>,
    pub release: Option<unsafe extern "C" fn(context: *mut c_void)>,
    pub context: *mut c_void,
    pub reserved: [*mut c_void; 2],
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct tpark_waker {
    pub data: *mut c_void,
    pub vtable: *const tpark_waker_vtable,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct tpark_waker_vtable {
    pub clone: unsafe extern "C" fn(data: *mut c_void) -> tpark_waker,
    pub wake: unsafe extern "C" fn(data: *mut c_void),
    pub wake_by_ref: unsafe extern "C" fn(data: *mut c_void),
    pub drop: unsafe extern "C" fn(data: *mut c_void),
}

/// What `tpark_block_on` polls.
pub type tpark_poll = unsafe extern "C" fn(future: *mut c_void, waker: *const tpark_waker) -> bool;

extern "C" {
    pub fn tpark_init(p: *mut tpark, flags: c_uint) -> c_int;
    pub fn tpark_destroy(p: *mut tpark);
    pub fn tpark_park(p: *mut tpark);
    pub fn tpark_park_timeout(p: *mut tpark, timeout_ns: u64) -> c_int;
    pub fn tpark_park_until(p: *mut tpark, deadline: *const timespec) -> c_int;
    pub fn tpark_try_park(p: *mut tpark) -> bool;
    pub fn tpark_spin(p: *mut tpark, deadline: *const timespec) -> bool;
    pub fn tpark_unpark(p: *mut tpark) -> tpark_state;

    pub fn tpark_notify(p: *mut tpark) -> tpark_owed;
    pub fn tpark_wake_owner(owed: tpark_owed);
    pub fn tpark_arm(p: *mut tpark) -> bool;
    pub fn tpark_disarm(p: *mut tpark) -> bool;
    pub fn tpark_grow_futex_hash(slots: c_uint) -> c_int;
    pub fn tpark_adopt(p: *mut tpark) -> tpark_state;
    pub fn tpark_version() -> *const c_char;
    pub fn tpark_park_any(set: *mut tpark_any, count: usize, deadline: *const timespec) -> c_int;

    pub fn tpark_thread_new(flags: c_uint) -> *mut tpark_thread;
    pub fn tpark_thread_new_hooked(flags: c_uint, hook: *const tpark_hook) -> *mut tpark_thread;
    pub fn tpark_thread_free(t: *mut tpark_thread);
    pub fn tpark_thread_try_free(t: *mut tpark_thread) -> bool;
    pub fn tpark_thread_parker(t: *mut tpark_thread) -> *mut tpark;
    pub fn tpark_thread_unparker(t: *mut tpark_thread) -> *mut tpark_unparker;
    pub fn tpark_thread_park(t: *mut tpark_thread);
    pub fn tpark_thread_park_timeout(t: *mut tpark_thread, timeout_ns: u64) -> c_int;
    pub fn tpark_thread_park_until(t: *mut tpark_thread, deadline: *const timespec) -> c_int;

    pub fn tpark_unparker_clone(u: *const tpark_unparker) -> *mut tpark_unparker;
    pub fn tpark_unparker_free(u: *mut tpark_unparker);
    pub fn tpark_unparker_unpark(u: *mut tpark_unparker) -> tpark_state;
    pub fn tpark_unparker_unpark_and_free(u: *mut tpark_unparker) -> tpark_state;
    pub fn tpark_unparker_parker(u: *mut tpark_unparker) -> *mut tpark;
    pub fn tpark_unparker_notify(u: *mut tpark_unparker) -> tpark_owed;
    pub fn tpark_unparker_wake_owner(u: *mut tpark_unparker, owed: tpark_owed);
    pub fn tpark_unparker_same_parker(a: *const tpark_unparker, b: *const tpark_unparker) -> bool;
    pub fn tpark_unparker_will_unpark(u: *const tpark_unparker, t: *const tpark_thread) -> bool;

    pub static tpark_unparker_waker_vtable: tpark_waker_vtable;
    pub fn tpark_unparker_into_waker(u: *mut tpark_unparker) -> tpark_waker;
    pub fn tpark_waker_clone(w: *const tpark_waker) -> tpark_waker;
    pub fn tpark_waker_wake(w: tpark_waker);
    pub fn tpark_waker_wake_by_ref(w: *const tpark_waker);
    pub fn tpark_waker_drop(w: tpark_waker);
    pub fn tpark_waker_will_wake(a: *const tpark_waker, b: *const tpark_waker) -> bool;

    pub fn tpark_current_park();
    pub fn tpark_current_park_timeout(timeout_ns: u64) -> c_int;
    pub fn tpark_current_park_until(deadline: *const timespec) -> c_int;
    pub fn tpark_current_unparker() -> *mut tpark_unparker;
    pub fn tpark_current_waker() -> tpark_waker;
    pub fn tpark_current_borrow() -> *mut tpark_thread;
    pub fn tpark_current_give_back(t: *mut tpark_thread);
    pub fn tpark_block_on(poll: tpark_poll, future: *mut c_void) -> c_int;
}

#[cfg(tpark_futex)]
extern "C" {
    pub fn tpark_futex_word(p: *mut tpark) -> *mut u32;
}

#[cfg(all(test, tpark_futex))]
mod tests {
    use super::*;

    #[test]
    fn an_embedded_parker_is_what_the_library_makes() {
        let flags = TPARK_PRECISE | tpark_spin_fixed_us(1000);
        let one = Box::into_raw(Box::new(tpark::new(flags)));
        let other = Box::into_raw(Box::new(tpark::new(0)));
        unsafe {
            assert_eq!(tpark_init(other, flags), 0);
            assert_eq!(std::mem::size_of::<tpark>(), 8);
            assert_eq!(one.cast::<u64>().read(), other.cast::<u64>().read());
            for p in [one, other] {
                assert_eq!(tpark_unpark(p), TPARK_EMPTY);
                assert_eq!(tpark_park_timeout(p, 0), 0);
                assert_ne!(tpark_park_timeout(p, 1000), 0);
                tpark_destroy(p);
                drop(Box::from_raw(p));
            }
        }
    }
}
