// SPDX-License-Identifier: MIT
//! A program of smol's, which knows nothing of tpark: `client` runs every workload for a moment,
//! `client WORKLOAD ROUNDS` one of them. Each asserts its own result.
use std::time::{Duration, Instant};
use std::{env, io, thread};

use futures_lite::future;
use smol::channel::{bounded, Receiver, Sender};
use smol::net::{TcpListener, TcpStream};
use smol::prelude::*;
use smol::Timer;

fn channel() -> (Sender<u64>, Receiver<u64>) {
    bounded(1)
}

/// Gives back what it gets, plus one.
async fn answer(requests: Receiver<u64>, answers: Sender<u64>) {
    while let Ok(number) = requests.recv().await {
        answers.send(number + 1).await.unwrap();
    }
}

async fn ask(requests: Sender<u64>, answers: Receiver<u64>, rounds: u64) {
    let mut number = 0;
    for _ in 0..rounds {
        requests.send(number).await.unwrap();
        number = answers.recv().await.unwrap();
    }
    assert_eq!(number, rounds);
}

/// Two threads, each in a block_on of its own, that wake each other.
fn threads(rounds: u64) {
    let ((requests, asked), (answered, answers)) = (channel(), channel());
    let other = thread::spawn(|| future::block_on(answer(asked, answered)));
    future::block_on(ask(requests, answers, rounds));
    other.join().unwrap();
}

/// Four pairs of tasks on smol's executor.
fn tasks(rounds: u64) {
    let pairs: Vec<_> = (0..4)
        .map(|_| {
            let ((requests, asked), (answered, answers)) = (channel(), channel());
            smol::spawn(answer(asked, answered)).detach();
            smol::spawn(ask(requests, answers, rounds / 4))
        })
        .collect();
    smol::block_on(async {
        for pair in pairs {
            pair.await;
        }
    });
}

/// Calls that block, each in a thread of a pool.
fn blocking(rounds: u64) {
    smol::block_on(async {
        for round in 0..rounds {
            assert_eq!(smol::unblock(move || round + 1).await, round + 1);
        }
    });
}

/// Timers, eight at a time, none of them early.
fn timers(rounds: u64) {
    let sleepers: Vec<_> = (0..8)
        .map(|sleeper| {
            smol::spawn(async move {
                for round in 0..(rounds + 7) / 8 {
                    let time = Duration::from_micros(100 + (sleeper * 37 + round * 11) % 400);
                    let before = Instant::now();
                    Timer::after(time).await;
                    assert!(before.elapsed() >= time);
                }
            })
        })
        .collect();
    smol::block_on(async {
        for sleeper in sleepers {
            sleeper.await;
        }
    });
}

/// A server that echoes, and two clients, over TCP.
fn sockets(rounds: u64) {
    async fn serve(mut stream: TcpStream) -> io::Result<()> {
        let mut bytes = [0; 8];
        while stream.read_exact(&mut bytes).await.is_ok() {
            stream.write_all(&bytes).await?;
        }
        Ok(())
    }

    async fn call(port: u16, rounds: u64) -> io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        for round in 0..rounds {
            let mut bytes = round.to_ne_bytes();
            stream.write_all(&bytes).await?;
            stream.read_exact(&mut bytes).await?;
            assert_eq!(u64::from_ne_bytes(bytes), round);
        }
        Ok(())
    }

    smol::block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let server = smol::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                smol::spawn(serve(stream)).detach();
            }
            #[allow(unreachable_code)]
            io::Result::Ok(())
        });
        let (one, other) =
            (smol::spawn(call(port, rounds / 2)), smol::spawn(call(port, rounds - rounds / 2)));
        one.await?;
        other.await?;
        server.cancel().await;
        io::Result::Ok(())
    })
    .unwrap();
}

type Workload = (&'static str, fn(u64));
const WORKLOADS: [Workload; 5] = [
    ("threads", threads),
    ("tasks", tasks),
    ("blocking", blocking),
    ("timers", timers),
    ("sockets", sockets),
];

fn main() {
    if env::var_os("SMOL_THREADS").is_none() {
        // Smol's own default is one.
        let threads = thread::available_parallelism().map_or(1, usize::from);
        env::set_var("SMOL_THREADS", threads.to_string());
    }
    let arguments: Vec<_> = env::args().skip(1).collect();
    let rounds = arguments.get(1).map_or(1000, |rounds| rounds.parse().unwrap());
    for (name, run) in WORKLOADS {
        if arguments.first().map_or(true, |wanted| wanted == name) {
            run(rounds);
        }
    }
}
