// SPDX-License-Identifier: MIT
//! No sleeps: times are lower bounds, and what must not hang, hangs.
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::{block_on, parking, timeout_ns, tokio, Parker, Unparker};

const HOUR: Duration = Duration::from_secs(3600);
const ROUNDS: usize = 1000;

#[test]
fn a_token_given_before_the_park_ends_it() {
    let parker = Parker::new();
    parker.unparker().unpark();
    parker.unparker().unpark();
    parker.park();
    assert!(!parker.has_parked_for(Duration::ZERO));
    parker.unparker().unpark();
    parker.park_timeout(Duration::MAX);
    parker.unparker().unpark();
    parker.park_deadline(Instant::now());
    assert!(!parker.has_parked_for(Duration::ZERO));
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
fn a_timeout_that_overflows_is_none() {
    assert_eq!(timeout_ns(Duration::from_nanos(7)), 7);
    assert_eq!(timeout_ns(Duration::from_nanos(u64::MAX)), u64::MAX);
    assert_eq!(timeout_ns(Duration::MAX), u64::MAX);
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
fn wakers_unpark_and_know_each_other() {
    let parker = Parker::new();
    let waker = Waker::from(parker.unparker().clone());
    assert!(waker.will_wake(&waker.clone()));
    assert!(waker.will_wake(&Waker::from(parker.unparker().clone())));
    assert!(!waker.will_wake(&Waker::from(Parker::new().unparker().clone())));
    waker.wake_by_ref();
    parker.park();
    waker.clone().wake();
    parker.park();
    waker.wake();
    parker.park();
    assert!(!parker.has_parked_for(Duration::ZERO));
}

/// Pending until another thread says that it is done; keeps the waker of the last poll.
#[derive(Default)]
struct Signal {
    state: Mutex<(bool, Option<Waker>)>,
    polls: AtomicUsize,
}

impl Signal {
    fn send(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 = true;
        let waker = state.1.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Future for &Signal {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        let polls = self.polls.fetch_add(1, Relaxed) + 1;
        let mut state = self.state.lock().unwrap();
        if state.0 {
            return Poll::Ready(polls);
        }
        state.1 = Some(context.waker().clone());
        Poll::Pending
    }
}

#[test]
fn block_on_polls_once_for_each_wake() {
    for _ in 0..ROUNDS {
        let signal = Arc::new(Signal::default());
        let sender = signal.clone();
        let other = thread::spawn(move || sender.send());
        assert!(block_on(&*signal) <= 2);
        other.join().unwrap();
    }
}

/// Wakes itself in each poll, which the park that follows must not miss.
struct Countdown(usize);

impl Future for Countdown {
    type Output = &'static str;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<&'static str> {
        if self.0 == 0 {
            return Poll::Ready("done");
        }
        self.0 -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[test]
fn a_future_may_wake_itself() {
    assert_eq!(block_on(Countdown(ROUNDS)), "done");
}

#[test]
fn block_on_nests_and_leaves_other_tokens_alone() {
    let mut current = tokio::CachedParkThread::new();
    current.unpark().unwrap().unpark();
    let output = block_on(async {
        let inner = block_on(async { 1 });
        inner + block_on(async { 2 })
    });
    assert_eq!(output, 3);
    current.park();
}

#[test]
fn a_panic_passes_through_block_on() {
    let caught =
        std::panic::catch_unwind(|| block_on(async { std::panic::resume_unwind(Box::new(7)) }));
    assert_eq!(*caught.unwrap_err().downcast::<i32>().unwrap(), 7);
}

#[test]
fn a_waker_of_another_kind_passes_too() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let signal = Signal::default();
    let waker = Waker::from(count.clone());
    let mut future = &signal;
    assert!(Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_pending());
    signal.send();
    assert_eq!(count.0.load(Relaxed), 1);
    assert_eq!(block_on(&signal), 2);
}

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
