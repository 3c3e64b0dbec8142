// SPDX-License-Identifier: MIT
//! Prints the backend that the build found.
use std::thread;

fn main() {
    let (ping, pong) = (tpark::Parker::new(), tpark::Parker::new());
    let (unpark_ping, unpark_pong) = (ping.unparker().clone(), pong.unparker().clone());
    let other = thread::spawn(move || {
        pong.park();
        unpark_ping.unpark();
    });
    unpark_pong.unpark();
    ping.park();
    other.join().unwrap();
    println!("{}", env!("BACKEND"));
}
