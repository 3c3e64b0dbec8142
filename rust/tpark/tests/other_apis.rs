// SPDX-License-Identifier: MIT
//! No sleeps: times are lower bounds, and what must not hang, hangs.
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use tpark::{parking, tokio};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn tokio_parks_and_unparks() {
    let mut park = tokio::ParkThread::new();
    let unpark = park.unpark();
    let other = thread::spawn({
        let unpark = unpark.clone();
        move || unpark.unpark()
    });
    park.park();
    other.join().unwrap();
    unpark.clone().into_waker().wake();
    park.park_timeout(HOUR);
    park.park_timeout(Duration::ZERO);
    drop(park);
    unpark.unpark();

    let mut cached = tokio::CachedParkThread::new();
    cached.waker().unwrap().wake();
    cached.park();
    cached.unpark().unwrap().unpark();
    cached.park_timeout(HOUR);
    assert_eq!(cached.block_on(async { 5 }), Ok(5));
}

#[test]
fn parking_tells_what_happened() {
    let (parker, unparker) = parking::pair();
    assert!(unparker.unpark());
    assert!(!unparker.unpark());
    assert!(!parker.unpark());
    assert!(parker.park_timeout(HOUR));
    assert!(!parker.park_timeout(Duration::from_micros(10)));
    assert!(parker.unpark());
    assert!(parker.park_deadline(Instant::now()));
    assert!(!parker.park_deadline(Instant::now()));
    assert!(unparker.will_unpark(&parker));
    assert!(unparker.same_parker(&parker.unparker()));
    let (other, other_unparker) = parking::pair();
    assert!(!unparker.will_unpark(&other));
    assert!(!unparker.same_parker(&other_unparker));
    Waker::from(unparker.clone()).wake();
    parker.park();
    let thread = thread::spawn(move || unparker.unpark());
    parker.park();
    assert!(thread.join().unwrap());
}
