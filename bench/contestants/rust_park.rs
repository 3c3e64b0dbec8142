// SPDX-License-Identifier: MIT
//! Rust's std::thread::park and Thread::unpark. The parker holds the handle of the thread that
//! parks.
mod contestant;

use std::thread::{self, Thread};
use std::time::Duration;

use contestant::{Contestant, ParkTimeout, Parker, OWN_THREAD};

struct ThreadParker(Option<Thread>);

impl Parker for ThreadParker {
    fn new() -> ThreadParker {
        ThreadParker(None)
    }

    fn bind(&mut self) {
        self.0 = Some(thread::current());
    }

    fn park(&self) {
        thread::park();
    }

    fn unpark(&self) {
        if let Some(thread) = &self.0 {
            thread.unpark();
        }
    }
}

impl ParkTimeout for ThreadParker {
    fn park_timeout(&self, timeout: Duration) -> bool {
        thread::park_timeout(timeout);
        false
    }
}

#[no_mangle]
pub static contestant_rust_park: Contestant = Contestant::new::<ThreadParker>(
    "rust-park\0",
    "std::thread::park and Thread::unpark of Rust\0",
    OWN_THREAD,
)
.timed::<ThreadParker>();
