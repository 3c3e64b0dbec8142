// SPDX-License-Identifier: MIT
//! block_on, as a parker: a park runs a future that is ready once there is a token, and an unpark
//! gives it and wakes the future's waker, if it has been polled. The same future for all.
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use crate::contestant::{Contestant, Parker, BLOCKS_ON};

struct Token {
    is_there: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

struct Wait<'a>(&'a Token);

impl Wait<'_> {
    fn take(&self) -> Poll<()> {
        if self.0.is_there.swap(false, Ordering::SeqCst) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.take().is_ready() {
            return Poll::Ready(());
        }
        *self.0.waker.lock().unwrap() = Some(context.waker().clone());
        self.take()
    }
}

trait BlockOn {
    fn block_on(future: Wait<'_>);
}

struct Blocked<B> {
    token: Token,
    by: PhantomData<B>,
}

impl<B: BlockOn> Parker for Blocked<B> {
    fn new() -> Self {
        let token = Token { is_there: AtomicBool::new(false), waker: Mutex::new(None) };
        Blocked { token, by: PhantomData }
    }

    fn park(&self) {
        B::block_on(Wait(&self.token));
    }

    fn unpark(&self) {
        if !self.token.is_there.swap(true, Ordering::SeqCst) {
            let waker = self.token.waker.lock().unwrap().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

macro_rules! contestant {
    ($feature:literal, $id:ident, $type:ident, $name:literal, $what:literal,
     $block_on:expr) => {
        #[cfg(feature = $feature)]
        struct $type;

        #[cfg(feature = $feature)]
        impl BlockOn for $type {
            fn block_on(future: Wait<'_>) {
                $block_on(future)
            }
        }

        #[cfg(feature = $feature)]
        #[no_mangle]
        pub static $id: Contestant = Contestant::new::<Blocked<$type>>(
            concat!($name, "\0"),
            concat!("block_on of ", $what, ", of a future that waits for the token\0"),
            BLOCKS_ON,
        );
    };
}

contestant!(
    "tpark",
    contestant_tpark_block_on,
    Tpark,
    "tpark-block-on",
    "tpark's crate",
    tpark::block_on
);
contestant!(
    "futures-lite",
    contestant_smol_block_on,
    FuturesLite,
    "smol-block-on",
    "futures-lite",
    futures_lite::future::block_on
);
contestant!(
    "futures-executor",
    contestant_futures_block_on,
    FuturesExecutor,
    "futures-block-on",
    "futures-executor",
    futures_executor::block_on
);
contestant!(
    "pollster",
    contestant_pollster_block_on,
    Pollster,
    "pollster-block-on",
    "pollster",
    pollster::block_on
);
contestant!(
    "tokio",
    contestant_tokio_block_on,
    Tokio,
    "tokio-block-on",
    "Tokio's runtime::Handle",
    |future| handle().block_on(future)
);

#[cfg(feature = "tokio")]
fn handle() -> &'static tokio::runtime::Handle {
    use std::ptr;
    use std::sync::atomic::AtomicPtr;
    use tokio::runtime::{Builder, Runtime};

    static RUNTIME: AtomicPtr<Runtime> = AtomicPtr::new(ptr::null_mut());
    let mut runtime = RUNTIME.load(Ordering::Acquire);
    if runtime.is_null() {
        runtime = Box::into_raw(Box::new(Builder::new_current_thread().build().unwrap()));
        // Two of them do no harm, and they stay.
        RUNTIME.store(runtime, Ordering::Release);
    }
    unsafe { (*runtime).handle() }
}
