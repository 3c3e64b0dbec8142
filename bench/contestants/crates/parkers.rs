// SPDX-License-Identifier: MIT
//! The parkers of smol and of crossbeam.
use std::time::Duration;

use crate::contestant::{Contestant, ParkTimeout, Parker};

#[cfg(feature = "parking")]
impl Parker for parking::Parker {
    fn new() -> Self {
        parking::Parker::new()
    }

    fn park(&self) {
        self.park();
    }

    fn unpark(&self) {
        self.unpark();
    }
}

#[cfg(feature = "parking")]
impl ParkTimeout for parking::Parker {
    fn park_timeout(&self, timeout: Duration) -> bool {
        self.park_timeout(timeout)
    }
}

#[cfg(feature = "parking")]
#[no_mangle]
pub static contestant_parking: Contestant =
    Contestant::new::<parking::Parker>("parking\0", "smol's crate parking\0", 0)
        .timed::<parking::Parker>();

#[cfg(feature = "crossbeam-utils")]
impl Parker for crossbeam_utils::sync::Parker {
    fn new() -> Self {
        crossbeam_utils::sync::Parker::new()
    }

    fn park(&self) {
        self.park();
    }

    fn unpark(&self) {
        self.unparker().unpark();
    }
}

#[cfg(feature = "crossbeam-utils")]
impl ParkTimeout for crossbeam_utils::sync::Parker {
    fn park_timeout(&self, timeout: Duration) -> bool {
        self.park_timeout(timeout);
        false
    }
}

#[cfg(feature = "crossbeam-utils")]
#[no_mangle]
pub static contestant_crossbeam: Contestant = Contestant::new::<crossbeam_utils::sync::Parker>(
    "crossbeam\0",
    "Parker and Unparker of crossbeam-utils\0",
    0,
)
.timed::<crossbeam_utils::sync::Parker>();
