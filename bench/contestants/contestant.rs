// SPDX-License-Identifier: MIT
//! contestant.h for contestants in Rust.
use std::ffi::c_void;
use std::os::raw::{c_char, c_int, c_uint};
use std::ptr;
use std::time::Duration;

/// What a contestant is.
pub trait Parker: Sized {
    fn new() -> Self;
    /// By the owner, before any unpark.
    fn bind(&mut self) {}
    fn park(&self);
    fn unpark(&self);
}

pub trait ParkTimeout: Parker {
    /// Whether it consumed a token; false if nobody says.
    fn park_timeout(&self, timeout: Duration) -> bool;
}

#[allow(dead_code)]
pub const OWN_THREAD: c_uint = 1 << 6;
#[allow(dead_code)]
pub const BLOCKS_ON: c_uint = 1 << 14;

#[repr(C)]
pub struct Contestant {
    name: *const c_char,
    what: *const c_char,
    traits: c_uint,
    size: usize,
    init: extern "C" fn(*mut c_void) -> c_int,
    bind: extern "C" fn(*mut c_void),
    destroy: extern "C" fn(*mut c_void),
    park: extern "C" fn(*mut c_void),
    unpark: extern "C" fn(*mut c_void),
    park_timeout: Option<extern "C" fn(*mut c_void, u64) -> bool>,
    repeat_pair: extern "C" fn(*mut c_void, u64),
    repeat_unpark: extern "C" fn(*mut c_void, u64),
    repeat_poll: Option<extern "C" fn(*mut c_void, u64)>,
    post: *const c_void,
    idle: *const c_void,
}

// SAFETY: nobody writes to it.
unsafe impl Sync for Contestant {}

impl Contestant {
    /// The strings end with a zero byte.
    pub const fn new<P: Parker>(name: &str, what: &str, traits: c_uint) -> Contestant {
        Contestant {
            name: name.as_ptr().cast(),
            what: what.as_ptr().cast(),
            traits,
            size: std::mem::size_of::<P>(),
            init: init::<P>,
            bind: bind::<P>,
            destroy: destroy::<P>,
            park: park::<P>,
            unpark: unpark::<P>,
            park_timeout: None,
            repeat_pair: repeat_pair::<P>,
            repeat_unpark: repeat_unpark::<P>,
            repeat_poll: None,
            post: ptr::null(),
            idle: ptr::null(),
        }
    }

    #[allow(dead_code)]
    pub const fn timed<P: ParkTimeout>(mut self) -> Contestant {
        self.park_timeout = Some(park_timeout::<P>);
        self.repeat_poll = Some(repeat_poll::<P>);
        self
    }
}

extern "C" fn init<P: Parker>(p: *mut c_void) -> c_int {
    unsafe { p.cast::<P>().write(P::new()) };
    0
}

extern "C" fn bind<P: Parker>(p: *mut c_void) {
    unsafe { (*p.cast::<P>()).bind() };
}

extern "C" fn destroy<P: Parker>(p: *mut c_void) {
    unsafe { p.cast::<P>().drop_in_place() };
}

extern "C" fn park<P: Parker>(p: *mut c_void) {
    unsafe { (*p.cast::<P>()).park() };
}

extern "C" fn unpark<P: Parker>(p: *mut c_void) {
    unsafe { (*p.cast::<P>()).unpark() };
}

extern "C" fn park_timeout<P: ParkTimeout>(p: *mut c_void, timeout_ns: u64) -> bool {
    unsafe { (*p.cast::<P>()).park_timeout(Duration::from_nanos(timeout_ns)) }
}

extern "C" fn repeat_pair<P: Parker>(p: *mut c_void, n: u64) {
    let p = unsafe { &*p.cast::<P>() };
    for _ in 0..n {
        p.unpark();
        p.park();
    }
}

extern "C" fn repeat_unpark<P: Parker>(p: *mut c_void, n: u64) {
    let p = unsafe { &*p.cast::<P>() };
    for _ in 0..n {
        p.unpark();
    }
}

extern "C" fn repeat_poll<P: ParkTimeout>(p: *mut c_void, n: u64) {
    let p = unsafe { &*p.cast::<P>() };
    for _ in 0..n {
        p.park_timeout(Duration::ZERO);
    }
}
