// SPDX-License-Identifier: MIT
//! No sleeps: times are lower bounds, and what must not hang, hangs.
#![allow(unknown_lints, unexpected_cfgs)]
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::{Duration, Instant};

use tpark::{current, Builder, Parker, Spin, State, Unparker};

const ROUNDS: usize = 1000;

#[test]
fn a_token_given_before_the_park_ends_it() {
    let parker = Parker::new();
    parker.unparker().unpark();
    parker.unparker().unpark();
    parker.park();
    assert!(!parker.park_timeout(Duration::ZERO));
    parker.unparker().unpark();
    parker.park_timeout(Duration::MAX);
    parker.unparker().unpark();
    parker.park_deadline(Instant::now());
    assert!(!parker.park_timeout(Duration::ZERO));
}

#[test]
fn a_park_that_times_out_lasts_at_least_its_timeout() {
    let (parker, timeout) = (Parker::new(), Duration::from_micros(1500));
    let before = Instant::now();
    parker.park_timeout(timeout);
    assert!(before.elapsed() >= timeout);
    let deadline = Instant::now() + timeout;
    parker.park_deadline(deadline);
    assert!(Instant::now() >= deadline);
}

#[test]
fn two_threads_play_ping_pong() {
    let (ping, pong) = (Parker::new(), Parker::new());
    let unpark_ping = ping.unparker().clone();
    let unpark_pong = pong.unparker().clone();
    let other = thread::spawn(move || {
        for _ in 0..ROUNDS {
            pong.park();
            unpark_ping.unpark();
        }
    });
    for _ in 0..ROUNDS {
        unpark_pong.unpark();
        ping.park();
    }
    other.join().unwrap();
}

#[test]
fn an_unparker_outlives_its_parker_and_travels_as_a_pointer() {
    let parker = Parker::default();
    let raw = Unparker::into_raw(parker.unparker().clone()) as usize;
    let unparker = thread::spawn(move || unsafe {
        let unparker = Unparker::from_raw(raw as *const ());
        unparker.unpark();
        unparker
    });
    parker.park();
    let unparker = unparker.join().unwrap();
    drop(parker);
    unparker.unpark();
    unparker.clone().unpark();
}

#[test]
fn a_parker_travels_as_a_pointer_with_its_token() {
    let parker = Parker::new();
    let unparker = parker.unparker().clone();
    unparker.unpark();
    let raw = Parker::into_raw(parker) as usize;
    let parker = thread::spawn(move || unsafe {
        let parker = Parker::from_raw(raw as *const ());
        assert!(parker.try_park());
        parker
    });
    let parker = parker.join().unwrap();
    assert!(unparker.will_unpark(&parker));
    assert!(unparker.same_parker(parker.unparker()));
    assert!(!unparker.will_unpark(&Parker::new()));
}

#[test]
fn an_end_of_time_is_no_timeout() {
    let parker = Parker::new();
    let unparker = parker.unparker().clone();
    let other = thread::spawn(move || unparker.unpark());
    assert!(parker.park_timeout(Duration::MAX));
    other.join().unwrap();
}

#[test]
fn every_kind_of_parker_parks() {
    let spins = [Spin::Never, Spin::Adaptive]
        .into_iter()
        .chain([0, 1, 2, 3, u8::MAX].map(Spin::Price))
        .chain([0, 20, u64::MAX].map(|us| Spin::Fixed(Duration::from_micros(us))));
    for spin in spins {
        for make in [Builder::new, || Builder::new().precise(), || Builder::new().slack()] {
            let parker = make().spin(spin).build().unwrap();
            let timeout = Duration::from_micros(50);
            let before = Instant::now();
            assert!(!parker.park_timeout(timeout));
            assert!(before.elapsed() >= timeout);
            let unparker = parker.unparker().clone();
            let other = thread::spawn(move || unparker.unpark());
            parker.park();
            other.join().unwrap();
        }
    }
    assert!(Builder::new().precise().slack().build().is_err());
    // The last of several counts.
    Builder::new().spin(Spin::Never).spin(Spin::Adaptive).build().unwrap();
}

#[test]
fn the_halves_of_an_unpark_are_an_unpark() {
    let parker = Parker::new();
    let unparker = parker.unparker().clone();
    assert_eq!(unparker.notify().wake(), State::Empty);
    let owed = unparker.notify();
    assert_eq!(owed.replaced(), State::Notified);
    assert!(!owed.is_owed());
    drop(owed);
    assert!(parker.try_park());
    for _ in 0..ROUNDS {
        let owed = unparker.clone();
        let other = thread::spawn(move || drop(owed.into_notify()));
        parker.park();
        other.join().unwrap();
    }
}

#[test]
fn an_owner_can_spin_without_a_park() {
    let spin = Spin::Fixed(Duration::from_micros(10));
    let parker = Builder::new().spin(spin).build().unwrap();
    assert!(!parker.spin());
    parker.unparker().unpark();
    assert!(parker.spin());
    assert!(!parker.try_park());
}

#[test]
fn an_armed_owner_is_owed_a_wake() {
    let mut parker = Parker::new();
    let unparker = parker.unparker().clone();
    let armed = parker.arm().unwrap();
    let owed = unparker.notify();
    assert!(owed.is_owed());
    assert_eq!(owed.wake(), State::Parked);
    assert!(armed.disarm());
    assert!(!parker.arm().unwrap().disarm());
    unparker.unpark();
    assert!(parker.arm().is_none());
    assert!(!parker.try_park());
}

#[test]
fn an_armed_owner_that_is_dropped_leaves_the_token() {
    let mut parker = Parker::new();
    let armed = parker.arm().unwrap();
    armed.unparker().unpark();
    drop(armed);
    assert!(parker.try_park());
    drop(parker.arm());
    assert!(!parker.try_park());
}

#[cfg(tpark_futex)]
#[test]
fn the_futex_word_tells_whether_the_owner_is_armed() {
    let mut parker = Parker::new();
    let armed = parker.arm().unwrap();
    assert_eq!(unsafe { armed.futex_word().read_volatile() }, tpark::sys::TPARK_PARKED);
    armed.unparker().unpark();
    assert_eq!(unsafe { armed.futex_word().read_volatile() }, tpark::sys::TPARK_NOTIFIED);
    assert!(armed.disarm());
}

/// Counts its own end.
struct Tomb(Arc<AtomicUsize>);

impl Drop for Tomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn a_wake_hook_is_called_where_a_wake_is_owed_and_dropped_with_the_last_handle() {
    let (wakes, ends) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, tomb) = (wakes.clone(), Tomb(ends.clone()));
    let hook = move || {
        let _whole = &tomb;
        count.fetch_add(1, Relaxed);
        true
    };
    let mut parker = Builder::new().wake_hook(hook).build().unwrap();
    let unparker = parker.unparker().clone();
    unparker.unpark();
    assert!(parker.try_park());
    assert_eq!(wakes.load(Relaxed), 0);
    let armed = parker.arm().unwrap();
    unparker.unpark();
    assert!(armed.disarm());
    assert_eq!(wakes.load(Relaxed), 1);
    let armed = parker.arm().unwrap();
    std::mem::forget(unparker.notify()); // the wake is the caller's
    assert!(armed.disarm());
    assert_eq!(wakes.load(Relaxed), 1);
    drop(parker);
    assert_eq!(ends.load(Relaxed), 0);
    drop(unparker);
    assert_eq!(ends.load(Relaxed), 1);
}

#[test]
fn a_wake_hook_that_woke_nobody_leaves_it_to_the_library() {
    let parker = Builder::new().spin(Spin::Never).wake_hook(|| false).build().unwrap();
    let unparker = parker.unparker().clone();
    let other = thread::spawn(move || unparker.unpark());
    parker.park();
    other.join().unwrap();
}

/// Parks when the thread is torn down.
struct Late(mpsc::Sender<bool>);

impl Drop for Late {
    fn drop(&mut self) {
        current::unparker().unpark();
        let is_first = current::park_timeout(Duration::ZERO);
        self.0.send(is_first && !current::park_deadline(Instant::now())).unwrap();
    }
}

#[test]
fn a_thread_can_park_when_it_is_torn_down() {
    thread_local! {
        static LATE: std::cell::RefCell<Option<Late>> = const { std::cell::RefCell::new(None) };
    }
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || LATE.with(|late| *late.borrow_mut() = Some(Late(sender))));
    assert!(receiver.recv().unwrap());
}
