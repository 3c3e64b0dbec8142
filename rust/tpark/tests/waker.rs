// SPDX-License-Identifier: MIT
//! No sleeps: times are lower bounds, and what must not hang, hangs.
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use tpark::{block_on, current, Parker};

const ROUNDS: usize = 1000;

#[test]
fn wakers_unpark_and_know_each_other() {
    let parker = Parker::new();
    let waker = Waker::from(parker.unparker().clone());
    assert!(waker.will_wake(&waker.clone()));
    assert!(waker.will_wake(&Waker::from(parker.unparker().clone())));
    assert!(!waker.will_wake(&Waker::from(Parker::new().unparker().clone())));
    waker.wake_by_ref();
    parker.park();
    let clone = waker.clone();
    waker.wake();
    parker.park();
    clone.wake();
    parker.park();
    assert!(!parker.park_timeout(Duration::ZERO));
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
    current::unparker().unpark();
    let output = block_on(async {
        let inner = block_on(async { 1 });
        inner + block_on(async { 2 })
    });
    assert_eq!(output, 3);
    current::park();
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
