// SPDX-License-Identifier: MIT
//! tpark.h, as far as this crate needs it, written by hand.
use std::marker::{PhantomData, PhantomPinned};
use std::os::raw::{c_int, c_uint, c_void};

/// Only C knows the inside of these.
#[repr(C)]
pub struct Parker {
    inside: [u8; 0],
    pinned: PhantomData<(*mut u8, PhantomPinned)>,
}

#[repr(C)]
pub struct Thread {
    inside: [u8; 0],
    pinned: PhantomData<(*mut u8, PhantomPinned)>,
}

#[repr(C)]
pub struct Unparker {
    inside: [u8; 0],
    pinned: PhantomData<(*mut u8, PhantomPinned)>,
}

#[repr(C)]
pub struct Waker {
    pub data: *mut c_void,
    pub vtable: *const WakerVtable,
}

#[repr(C)]
pub struct WakerVtable {
    pub clone: unsafe extern "C" fn(data: *mut c_void) -> Waker,
    pub wake: unsafe extern "C" fn(data: *mut c_void),
    pub wake_by_ref: unsafe extern "C" fn(data: *mut c_void),
    pub drop: unsafe extern "C" fn(data: *mut c_void),
}

/// `enum tpark_state`: what an unpark replaced.
pub type State = c_uint;
pub const NOTIFIED: State = 2;

#[link(name = "tpark")]
extern "C" {
    pub fn tpark_unpark(p: *mut Parker) -> State;

    pub fn tpark_thread_new(flags: c_uint) -> *mut Thread;
    pub fn tpark_thread_free(t: *mut Thread);
    pub fn tpark_thread_parker(t: *mut Thread) -> *mut Parker;
    pub fn tpark_thread_unparker(t: *mut Thread) -> *mut Unparker;
    pub fn tpark_thread_park(t: *mut Thread);
    pub fn tpark_thread_park_timeout(t: *mut Thread, timeout_ns: u64) -> c_int;

    pub fn tpark_unparker_clone(u: *const Unparker) -> *mut Unparker;
    pub fn tpark_unparker_free(u: *mut Unparker);
    pub fn tpark_unparker_unpark(u: *mut Unparker) -> State;
    pub fn tpark_unparker_same_parker(a: *const Unparker, b: *const Unparker) -> bool;
    pub fn tpark_unparker_will_unpark(u: *const Unparker, t: *const Thread) -> bool;

    pub static tpark_unparker_waker_vtable: WakerVtable;

    pub fn tpark_current_park();
    pub fn tpark_current_park_timeout(timeout_ns: u64) -> c_int;
    pub fn tpark_current_unparker() -> *mut Unparker;

    pub fn tpark_block_on(
        poll: unsafe extern "C" fn(future: *mut c_void, waker: *const Waker) -> bool,
        future: *mut c_void,
    ) -> c_int;
}
