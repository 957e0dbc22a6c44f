// Tokio on its current-thread runtime: the others have one thread too. It has no rendezvous
// channel: that measure uses a capacity of 1, the least it has. A cancel is JoinSet::abort_all.
// HTTP is hyper's.
// SPDX-License-Identifier: MIT
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use std::io::SeekFrom;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

const MANY: usize = 100_000;
const MILLION: usize = 1_000_000;
const BATCH: usize = 1000;
const SLEEP_MS: usize = 100;

static PARKED: AtomicUsize = AtomicUsize::new(0);

fn cpu_ns() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    t.tv_sec as f64 * 1e9 + t.tv_nsec as f64
}

fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as f64
}

fn sleep_time(i: usize) -> Duration {
    Duration::from_micros((1000 + i * 7919 % ((SLEEP_MS - 1) * 1000)) as u64)
}

async fn join_all(mut set: JoinSet<()>) {
    while set.join_next().await.is_some() {}
}

async fn yield_cost(tasks: usize, each: usize) -> f64 {
    let start = cpu_ns();
    let mut set = JoinSet::new();
    for _ in 0..tasks {
        set.spawn(async move {
            for _ in 0..each {
                tokio::task::yield_now().await;
            }
        });
    }
    join_all(set).await;
    (cpu_ns() - start) / (tasks * each) as f64
}

async fn start_join_1() -> f64 {
    let times = 1_000_000;
    let start = cpu_ns();
    for i in 0..times {
        tokio::spawn(async move { std::hint::black_box(i) }).await.unwrap();
    }
    (cpu_ns() - start) / times as f64
}

async fn start_join_1000() -> f64 {
    let times = 1000;
    let start = cpu_ns();
    for _ in 0..times {
        let mut handles = Vec::with_capacity(BATCH);
        for i in 0..BATCH {
            handles.push(tokio::spawn(async move { std::hint::black_box(i) }));
        }
        for handle in handles {
            handle.await.unwrap();
        }
    }
    (cpu_ns() - start) / (times * BATCH) as f64
}

async fn channel(capacity: usize, items: usize) -> f64 {
    let start = cpu_ns();
    let (tx, mut rx) = mpsc::channel::<usize>(capacity);
    let sender = tokio::spawn(async move {
        for i in 0..items {
            tx.send(i).await.unwrap();
        }
    });
    let receiver = tokio::spawn(async move {
        while let Some(i) = rx.recv().await {
            std::hint::black_box(i);
        }
    });
    sender.await.unwrap();
    receiver.await.unwrap();
    (cpu_ns() - start) / items as f64
}

async fn timeout() -> f64 {
    let times = 2_000_000;
    let start = cpu_ns();
    for i in 0..times {
        let call = async { std::hint::black_box(i) };
        let _ = tokio::time::timeout(Duration::from_secs(1), call).await.unwrap();
    }
    (cpu_ns() - start) / times as f64
}

async fn sleepers() -> f64 {
    let start = cpu_ns();
    let mut set = JoinSet::new();
    for i in 0..MANY {
        set.spawn(tokio::time::sleep(sleep_time(i)));
    }
    join_all(set).await;
    (cpu_ns() - start) / MANY as f64
}

/// Returns bytes and nanoseconds of cancel, per task.
async fn park_and_cancel(tasks: usize) -> (f64, f64) {
    let before = resident();
    let mut set = JoinSet::new();
    for _ in 0..tasks {
        set.spawn(async {
            PARKED.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<()>().await
        });
    }
    while PARKED.load(Ordering::Relaxed) < tasks {
        tokio::task::yield_now().await;
    }
    let bytes = (resident() - before) / tasks as f64;
    let start = cpu_ns();
    set.abort_all();
    join_all(set).await;
    (bytes, (cpu_ns() - start) / tasks as f64)
}

async fn echo() -> f64 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("port {}", listener.local_addr().unwrap().port());
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(async move {
            let mut buffer = [0u8; 4096];
            while let Ok(n) = stream.read(&mut buffer).await {
                if n == 0 || stream.write_all(&buffer[..n]).await.is_err() {
                    break;
                }
            }
        });
    }
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::http::Error> {
    Response::builder()
        .header("Content-Type", "text/plain")
        .body(Full::new(Bytes::from_static(b"Hello, world!\n")))
}

async fn http() -> f64 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("port {}", listener.local_addr().unwrap().port());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(async move {
            let io = hyper_util::rt::TokioIo::new(stream);
            let service = hyper::service::service_fn(hello);
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        });
    }
}

fn nothing() -> String {
    std::env::var("BENCH_NOTHING").unwrap()
}

async fn read_cached() -> f64 {
    let (times, size, blocks) = (20_000, 4096, 256);
    let mut how = tokio::fs::OpenOptions::new();
    how.read(true).write(true).custom_flags(libc::O_TMPFILE);
    let mut file = how.open(std::env::temp_dir()).await.unwrap();
    file.write_all(&vec![0u8; size * blocks]).await.unwrap();
    file.flush().await.unwrap();
    let mut data = vec![0u8; size];
    let start = cpu_ns();
    for i in 0..times {
        file.seek(SeekFrom::Start((i * 7 % blocks * size) as u64)).await.unwrap();
        file.read_exact(&mut data).await.unwrap();
    }
    (cpu_ns() - start) / times as f64
}

/// In microseconds, real time.
async fn process_start() -> f64 {
    let times = 200;
    let start = std::time::Instant::now();
    for _ in 0..times {
        let status = tokio::process::Command::new(nothing()).status().await.unwrap();
        assert!(status.success());
    }
    start.elapsed().as_nanos() as f64 / times as f64 / 1000.0
}

const MEASURES: &str = "yield-2 yield-1000 start-join-1 start-join-1000 rendezvous channel-64 \
                        timeout sleepers-100k cancel-100k memory-100k memory-1m echo \
                        http read-cached process-start";

async fn run(name: &str) -> f64 {
    match name {
        "yield-2" => yield_cost(2, 1_000_000).await,
        "yield-1000" => yield_cost(BATCH, 2000).await,
        "start-join-1" => start_join_1().await,
        "start-join-1000" => start_join_1000().await,
        "rendezvous" => channel(1, 1_000_000).await,
        "channel-64" => channel(64, 3_000_000).await,
        "timeout" => timeout().await,
        "sleepers-100k" => sleepers().await,
        "cancel-100k" => park_and_cancel(MANY).await.1,
        "memory-100k" => park_and_cancel(MANY).await.0,
        "memory-1m" => park_and_cancel(MILLION).await.0,
        "echo" => echo().await,
        "http" => http().await,
        "read-cached" => read_cached().await,
        "process-start" => process_start().await,
        _ => panic!("no measure {name}"),
    }
}

fn main() {
    let name = std::env::args().nth(1).expect("usage: bench-tokio MEASURE | --list");
    if name == "--list" {
        MEASURES.split_whitespace().for_each(|m| println!("{m}"));
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // In a task: block_on's own future is polled between batches of tasks, which is slower.
    let task = name.clone();
    let task = async move { tokio::spawn(async move { run(&task).await }).await.unwrap() };
    println!("{name} {:.2}", runtime.block_on(task));
}
