// SPDX-License-Identifier: MIT
//! The crate `parking`, of tpark's parkers.
pub use tpark::parking::{pair, Parker, Unparker};
