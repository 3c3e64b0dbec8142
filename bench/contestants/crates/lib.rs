// SPDX-License-Identifier: MIT
//! Contestants out of crates that Debian packages, each if its crate is there.
#![allow(non_upper_case_globals, unknown_lints, unexpected_cfgs)]
#[path = "../contestant.rs"]
mod contestant;

mod block_on;
mod parkers;
#[cfg(feature = "parking_lot_core")]
mod parking_lot;
