// SPDX-License-Identifier: MIT
//! Rust's std::thread::park and Thread::unpark. The parker holds the handle of the thread that
//! parks; the layout of the contestant is that of contestant.h.
use std::ffi::c_void;
use std::os::raw::{c_char, c_int, c_uint};
use std::thread::{self, Thread};
use std::time::Duration;

struct Parker(Option<Thread>);

#[repr(C)]
pub struct Contestant {
    name: *const c_char,
    what: *const c_char,
    traits: c_uint,
    size: usize,
    init: extern "C" fn(*mut Parker) -> c_int,
    bind: Option<extern "C" fn(*mut Parker)>,
    destroy: extern "C" fn(*mut Parker),
    park: extern "C" fn(*mut Parker),
    unpark: extern "C" fn(*mut Parker),
    park_timeout: Option<extern "C" fn(*mut Parker, u64) -> bool>,
    repeat_pair: extern "C" fn(*mut Parker, u64),
    repeat_unpark: extern "C" fn(*mut Parker, u64),
    repeat_poll: Option<extern "C" fn(*mut Parker, u64)>,
    post: *const c_void,
}
unsafe impl Sync for Contestant {}

const OWN_THREAD: c_uint = 1 << 6;

extern "C" fn init(p: *mut Parker) -> c_int {
    unsafe { p.write(Parker(None)) };
    0
}

extern "C" fn bind(p: *mut Parker) {
    unsafe { (*p).0 = Some(thread::current()) };
}

extern "C" fn destroy(p: *mut Parker) {
    unsafe { p.drop_in_place() };
}

extern "C" fn park(_: *mut Parker) {
    thread::park();
}

extern "C" fn unpark(p: *mut Parker) {
    if let Some(thread) = unsafe { &(*p).0 } {
        thread.unpark();
    }
}

/// Rust does not say whether there was a token.
extern "C" fn park_timeout(_: *mut Parker, timeout_ns: u64) -> bool {
    thread::park_timeout(Duration::from_nanos(timeout_ns));
    false
}

extern "C" fn repeat_pair(p: *mut Parker, n: u64) {
    for _ in 0..n {
        unpark(p);
        thread::park();
    }
}

extern "C" fn repeat_unpark(p: *mut Parker, n: u64) {
    for _ in 0..n {
        unpark(p);
    }
}

extern "C" fn repeat_poll(_: *mut Parker, n: u64) {
    for _ in 0..n {
        thread::park_timeout(Duration::ZERO);
    }
}

#[no_mangle]
pub static contestant_rust_park: Contestant = Contestant {
    name: b"rust-park\0".as_ptr() as *const c_char,
    what: b"std::thread::park and Thread::unpark of Rust\0".as_ptr() as *const c_char,
    traits: OWN_THREAD,
    size: std::mem::size_of::<Parker>(),
    init,
    bind: Some(bind),
    destroy,
    park,
    unpark,
    park_timeout: Some(park_timeout),
    repeat_pair,
    repeat_unpark,
    repeat_poll: Some(repeat_poll),
    post: std::ptr::null(),
};
