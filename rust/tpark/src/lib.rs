// SPDX-License-Identifier: MIT
//! Parks a thread until another thread unparks it: the C library tpark in the habits of Rust.
//!
//! A parker holds at most one token. [`Unparker::unpark`] gives it, or merges with one that is
//! there; [`Parker::park`] consumes it, and sleeps until there is one. No unpark is lost, and no
//! park ends early: not for a signal, a spurious wakeup or a wake that was meant for another.
//!
//! ```
//! use std::thread;
//! use tpark::Parker;
//!
//! let parker = Parker::new();
//! let unparker = parker.unparker().clone();
//! let worker = thread::spawn(move || parker.park());
//! unparker.unpark(); // before or after the worker parks: it makes no difference
//! worker.join().unwrap();
//! ```
//!
//! [`Parker`] and [`Unparker`] have the methods of crossbeam-utils' and more: what a park does
//! before it sleeps ([`Builder`]), whether it consumed a token, the halves of unpark
//! ([`Unparker::notify`]) and of park ([`Parker::arm`]) for runtimes that block in a place of their
//! own, wakers, and [`block_on`]. [`current`] is the calling thread's own parker. The modules
//! [`parking`] and [`tokio`] have the APIs of smol's parker and of Tokio's.
//!
//! Where the C library comes from, and how it is linked, stands in the documentation of
//! `tpark-sys`; by default it is compiled, and nothing is to be installed but a C compiler.
//!
//! # Misuse
//!
//! What the types cannot rule out aborts with one line on stderr: a parker that is dropped or
//! parked on while it is armed, after its [`Armed`] was forgotten.
#![warn(missing_docs, unsafe_op_in_unsafe_fn)]
#![allow(unknown_lints, unexpected_cfgs)]

mod builder;
pub mod current;
mod parker;
pub mod parking;
pub mod tokio;
mod unparker;
mod waker;

use std::time::Duration;

pub use builder::{Builder, Spin};
pub use parker::{Armed, Parker};
pub use tpark_sys as sys;
pub use unparker::{Owed, State, Unparker};
pub use waker::block_on;

/// What does not fit into 64 bits, 584 years, is no timeout.
fn timeout_ns(timeout: Duration) -> u64 {
    u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX)
}
