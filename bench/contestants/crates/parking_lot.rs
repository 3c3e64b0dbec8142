// SPDX-License-Identifier: MIT
//! What parking_lot builds on: threads wait for an address, in a table of the process. The token, in
//! the three states that all such parkers have, is the program's.
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use parking_lot_core::{park, unpark_one, DEFAULT_PARK_TOKEN, DEFAULT_UNPARK_TOKEN};

use crate::contestant::{Contestant, ParkTimeout, Parker};

const EMPTY: u8 = 0;
const PARKED: u8 = 1;
const NOTIFIED: u8 = 2;

struct ParkingLot(AtomicU8);

impl ParkingLot {
    fn key(&self) -> usize {
        self as *const ParkingLot as usize
    }

    fn consume(&self) -> bool {
        self.0.compare_exchange(NOTIFIED, EMPTY, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn park_until(&self, deadline: Option<Instant>) -> bool {
        if self.consume() {
            return true;
        }
        if self.0.compare_exchange(EMPTY, PARKED, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            return self.consume();
        }
        let is_parked = || self.0.load(Ordering::SeqCst) == PARKED;
        // SAFETY: the key is the address of what is waited for, and the closures park nowhere.
        unsafe { park(self.key(), is_parked, || {}, |_, _| {}, DEFAULT_PARK_TOKEN, deadline) };
        self.0.swap(EMPTY, Ordering::SeqCst) == NOTIFIED
    }
}

impl Parker for ParkingLot {
    fn new() -> Self {
        ParkingLot(AtomicU8::new(EMPTY))
    }

    fn park(&self) {
        while !self.park_until(None) {}
    }

    fn unpark(&self) {
        if self.0.swap(NOTIFIED, Ordering::SeqCst) == PARKED {
            // SAFETY: as above.
            unsafe { unpark_one(self.key(), |_| DEFAULT_UNPARK_TOKEN) };
        }
    }
}

impl ParkTimeout for ParkingLot {
    fn park_timeout(&self, timeout: Duration) -> bool {
        if timeout.is_zero() {
            return self.consume();
        }
        self.park_until(Some(Instant::now() + timeout))
    }
}

#[no_mangle]
pub static contestant_parking_lot: Contestant = Contestant::new::<ParkingLot>(
    "parking-lot\0",
    "three states, and park() and unpark_one() of parking_lot_core\0",
    0,
)
.timed::<ParkingLot>();
