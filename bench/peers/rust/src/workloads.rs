//! The workloads of bench/README.md, written once. Each runtime compiles this text against its own module `rt`, which
//! only gives the runtime's functions one set of names.
//!
//! On the main thread: `Runtime::new(workers)` starts it, `run(root)` spawns the root and waits until it has ended,
//! `wait(future)` waits for a future that is no task, `spawn(future)` spawns from outside, `stop()` ends it. Inside of
//! tasks: `spawn`, `spawn_detached`, `yield_now`, `sleep`, `Mutex`, `oneshot` and `channel`; `joined` and `received`
//! take off what a runtime wraps around a result. HAS_WORKERS and CAN_STOP say what a runtime has.

use super::rt::{self, Runtime};
use futures::future::{pending, FutureExt};
use peers::{anonymous_memory, fail, ns_each, result, Outcome};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// What a workload gives: how long it took, and the checksum.
type Measured = (Duration, u64);

/// An array with room for n, whose pages are there before the clock starts.
fn touched<T>(n: u64) -> Vec<T> {
    let mut array = Vec::<T>::with_capacity(n as usize);
    for slot in array.spare_capacity_mut() {
        unsafe { slot.as_mut_ptr().write_bytes(0, 1) };
    }
    array
}

pub fn main() -> ! {
    peers::run(run)
}

fn run(workload: &str, n: u64, workers: usize) -> Option<Outcome> {
    // Not one generic function, because a root must be Send on some runtimes and cannot be on others.
    macro_rules! in_root {
        ($work:expr) => {{
            let runtime = Runtime::new(workers);
            runtime.run($work(n)); // the warm-up
            runtime.run($work(n))
        }};
    }
    macro_rules! on_runtime {
        ($work:expr) => {{
            let runtime = Runtime::new(workers);
            $work(&runtime, n); // the warm-up
            $work(&runtime, n)
        }};
    }

    Some(match workload {
        "spawn_join" => ns_each(in_root!(spawn_join), n, "ns/task"),
        "yield_1" => ns_each(in_root!(yield_1), n, "ns/yield"),
        "yield_1000x1000" => ns_each(in_root!(|n| yield_many(1000, n)), 1000 * n, "ns/yield"),
        "context_switch_task" => ns_each(in_root!(|n| yield_many(2, n / 2)), n, "ns/switch"),
        "sleep_100us" => sleep_100us(n, workers),
        "mem_pending" => memory_each(Runtime::new(workers).run(mem_pending(n)), n),
        "mem_sleeping" => memory_each(Runtime::new(workers).run(mem_sleeping(n)), n),
        "base_memory" => base_memory(workers),
        "base_time" if rt::CAN_STOP => base_time(n, workers),
        "ping_pong_oneshot" => ns_each(in_root!(ping_pong_oneshot), n, "ns/round"),
        "ping_pong_mpsc" => ns_each(in_root!(ping_pong_mpsc), n, "ns/round"),
        "mpsc_1p" => ns_each(in_root!(|n| mpsc(1, n)), n, "ns/message"),
        "mpsc_4p" => ns_each(in_root!(|n| mpsc(4, n)), n, "ns/message"),
        "rt_spawn_many" => ns_each(on_runtime!(rt_spawn_many), n, "ns/task"),
        "rt_yield_many" => ns_each(on_runtime!(rt_yield_many), 200 * n, "ns/yield"),
        "rt_ping_pong" => ns_each(on_runtime!(rt_ping_pong), n, "ns/round"),
        "rt_chained_spawn" => ns_each(on_runtime!(rt_chained_spawn), n, "ns/task"),
        "mutex_8tasks" => ns_each(in_root!(mutex_8tasks), n, "ns/lock"),
        "mutex_8tasks_yield" => ns_each(in_root!(mutex_8tasks_yield), n, "ns/lock"),
        "wake_remote" if rt::HAS_WORKERS => ns_each(on_runtime!(wake_remote), n, "ns/round"),
        "scaling" => ns_each(on_runtime!(scaling), 1000 * n, "ns/step"),
        "imbalance" => ns_each(in_root!(imbalance), 1000 * n, "ns/step"),
        _ => return None,
    })
}

// ---- tasks that come, go and take turns

async fn spawn_join(n: u64) -> Measured {
    let mut handles = touched(n);
    let mut sum = 0u64;
    let clock = Instant::now();
    for i in 0..n {
        handles.push(rt::spawn(async move { result(i) }));
    }
    for handle in handles.drain(..) {
        sum = sum.wrapping_add(rt::joined(handle.await));
    }
    (clock.elapsed(), sum)
}

async fn yield_1(n: u64) -> Measured {
    let clock = Instant::now();
    let sum = rt::joined(rt::spawn(yield_times(n, n)).await);
    (clock.elapsed(), sum)
}

async fn yield_times(n: u64, result: u64) -> u64 {
    for _ in 0..n {
        rt::yield_now().await;
    }
    result
}

async fn yield_many(tasks: u64, n: u64) -> Measured {
    let mut handles = touched(tasks);
    let mut sum = 0u64;
    let clock = Instant::now();
    for i in 0..tasks {
        handles.push(rt::spawn(yield_times(n, (i + 1) * n)));
    }
    for handle in handles.drain(..) {
        sum = sum.wrapping_add(rt::joined(handle.await));
    }
    (clock.elapsed(), sum)
}

async fn steps(i: u64, n: u64) -> u64 {
    let mut x = i + 1;
    for _ in 0..n {
        for _ in 0..500 {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
        }
        rt::yield_now().await;
    }
    x
}

fn scaling(runtime: &Runtime, n: u64) -> Measured {
    let mut handles = touched(1000);
    let clock = Instant::now();
    for i in 0..1000 {
        handles.push(runtime.spawn(steps(i, n)));
    }
    let sum = runtime.run(async move {
        let mut sum = 0u64;
        for handle in handles {
            sum = sum.wrapping_add(rt::joined(handle.await));
        }
        sum
    });
    (clock.elapsed(), sum)
}

async fn imbalance(n: u64) -> Measured {
    let mut handles = touched(1000);
    let mut sum = 0u64;
    let clock = Instant::now();
    for i in 0..1000 {
        handles.push(rt::spawn(steps(i, n)));
    }
    for handle in handles.drain(..) {
        sum = sum.wrapping_add(rt::joined(handle.await));
    }
    (clock.elapsed(), sum)
}

// ---- sleep

const SHORT: Duration = Duration::from_micros(100);
const HOUR: Duration = Duration::from_secs(3600);

/// The warm-up looks at the clock to find sleeps that end early; the run that counts does not.
fn sleep_100us(n: u64, workers: usize) -> Outcome {
    let runtime = Runtime::new(workers);
    runtime.run(sleep_watched(n));
    let (time, checksum) = runtime.run(sleep_many(n));
    Outcome { value: time.as_secs_f64() * 1000.0, unit: "ms", checksum }
}

async fn sleep_many(n: u64) -> Measured {
    let mut handles = touched(n);
    let mut sum = 0u64;
    let clock = Instant::now();
    for _ in 0..n {
        handles.push(rt::spawn(rt::sleep(SHORT).map(|_| 1u64))); // smaller than an async block
    }
    for handle in handles.drain(..) {
        sum = sum.wrapping_add(rt::joined(handle.await));
    }
    (clock.elapsed(), sum)
}

async fn sleep_watched(n: u64) {
    let mut handles = touched(n);
    for _ in 0..n {
        handles.push(rt::spawn(async {
            let clock = Instant::now();
            rt::sleep(SHORT).await;
            clock.elapsed() < SHORT
        }));
    }
    for handle in handles {
        if rt::joined(handle.await) {
            fail(1, "a sleep ended early");
        }
    }
}

// ---- memory

static POLLED: AtomicU64 = AtomicU64::new(0);

/// A future whose polls are counted.
struct Counted<F>(F);

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        POLLED.fetch_add(1, Relaxed);
        unsafe { self.map_unchecked_mut(|counted| &mut counted.0) }.poll(context)
    }
}

async fn mem_pending(n: u64) -> (u64, u64) {
    let before = anonymous_memory();
    let mut handles = Vec::with_capacity(n as usize);
    for _ in 0..n {
        handles.push(rt::spawn(Counted(pending::<u64>())));
    }
    let growth = growth_when_polled(n, before).await;
    std::mem::forget(handles);
    growth
}

async fn mem_sleeping(n: u64) -> (u64, u64) {
    let before = anonymous_memory();
    let mut handles = Vec::with_capacity(n as usize);
    for _ in 0..n {
        handles.push(rt::spawn(Counted(rt::sleep(HOUR).map(|_| 1u64))));
    }
    let growth = growth_when_polled(n, before).await;
    std::mem::forget(handles);
    growth
}

async fn growth_when_polled(n: u64, before: u64) -> (u64, u64) {
    while POLLED.load(Relaxed) < n {
        rt::yield_now().await;
    }
    (anonymous_memory() - before, POLLED.load(Relaxed))
}

fn memory_each((growth, polled): (u64, u64), n: u64) -> Outcome {
    Outcome { value: growth as f64 / n as f64, unit: "bytes/task", checksum: polled }
}

fn base_memory(workers: usize) -> Outcome {
    let before = anonymous_memory();
    let runtime = Runtime::new(workers);
    runtime.run(async {});
    thread::sleep(Duration::from_millis(50));
    Outcome { value: (anonymous_memory() - before) as f64, unit: "bytes", checksum: 1 }
}

fn base_time(n: u64, workers: usize) -> Outcome {
    for _ in 0..2 {
        Runtime::new(workers).stop();
    }
    let clock = Instant::now();
    for _ in 0..n {
        Runtime::new(workers).stop();
    }
    Outcome { value: clock.elapsed().as_nanos() as f64 / 1000.0 / n as f64, unit: "us", checksum: n }
}

// ---- channels and locks

async fn ping_pong_oneshot(n: u64) -> Measured {
    let mut left = touched(n);
    let mut right = touched(n);
    let clock = Instant::now();
    for _ in 0..n {
        let (ping, pinged) = rt::oneshot::<u64>();
        let (pong, ponged) = rt::oneshot::<u64>();
        left.push((ping, ponged));
        right.push((pinged, pong));
    }
    let left = rt::spawn(async move {
        let mut sum = 0u64;
        for (i, (ping, ponged)) in left.into_iter().enumerate() {
            ping.send(i as u64).unwrap();
            sum = sum.wrapping_add(ponged.await.unwrap());
        }
        sum
    });
    let right = rt::spawn(async move {
        for (pinged, pong) in right {
            pong.send(pinged.await.unwrap() + 1).unwrap();
        }
    });
    let sum = rt::joined(left.await);
    rt::joined(right.await);
    (clock.elapsed(), sum)
}

#[allow(unused_mut)] // some runtimes send and receive through &self
async fn ping_pong_mpsc(n: u64) -> Measured {
    let clock = Instant::now();
    let (mut ping, mut pinged) = rt::channel::<u64>(16);
    let (mut pong, mut ponged) = rt::channel::<u64>(16);
    let left = rt::spawn(async move {
        let mut sum = 0u64;
        for i in 0..n {
            ping.send(i).await.unwrap();
            sum = sum.wrapping_add(rt::received(ponged.recv().await).unwrap());
        }
        sum
    });
    let right = rt::spawn(async move {
        for _ in 0..n {
            let i = rt::received(pinged.recv().await).unwrap();
            pong.send(i + 1).await.unwrap();
        }
    });
    let sum = rt::joined(left.await);
    rt::joined(right.await);
    (clock.elapsed(), sum)
}

#[allow(unused_mut)]
async fn mpsc(producers: u64, n: u64) -> Measured {
    let mut handles = touched(producers);
    let share = n / producers;
    let clock = Instant::now();
    let (sender, mut receiver) = rt::channel::<u64>(1024);
    let consumer = rt::spawn(async move {
        let mut sum = 0u64;
        while let Some(number) = rt::received(receiver.recv().await) {
            sum = sum.wrapping_add(number);
        }
        sum
    });
    for p in 0..producers {
        let mut sender = sender.clone();
        handles.push(rt::spawn(async move {
            for number in p * share..(p + 1) * share {
                sender.send(number).await.unwrap();
            }
        }));
    }
    drop(sender);
    for handle in handles.drain(..) {
        rt::joined(handle.await);
    }
    let sum = rt::joined(consumer.await);
    (clock.elapsed(), sum)
}

async fn mutex_8tasks(n: u64) -> Measured {
    let clock = Instant::now();
    let mutex = Arc::new(rt::Mutex::new(0u64));
    let handles: Vec<_> = (0..8).map(|_| rt::spawn(count_up(mutex.clone(), n / 8))).collect();
    for handle in handles {
        rt::joined(handle.await);
    }
    let count = *mutex.lock().await;
    (clock.elapsed(), count)
}

async fn count_up(mutex: Arc<rt::Mutex<u64>>, n: u64) {
    for _ in 0..n {
        *mutex.lock().await += 1;
    }
}

async fn mutex_8tasks_yield(n: u64) -> Measured {
    let clock = Instant::now();
    let mutex = Arc::new(rt::Mutex::new(0u64));
    let handles: Vec<_> = (0..8).map(|_| rt::spawn(count_up_yielding(mutex.clone(), n / 8))).collect();
    for handle in handles {
        rt::joined(handle.await);
    }
    let count = *mutex.lock().await;
    (clock.elapsed(), count)
}

async fn count_up_yielding(mutex: Arc<rt::Mutex<u64>>, n: u64) {
    for _ in 0..n {
        let mut count = mutex.lock().await;
        *count += 1;
        rt::yield_now().await;
    }
}

// ---- Tokio's own scheduler workloads

/// Where detached tasks leave their results; the last one tells the main thread.
struct Board {
    left: AtomicU64,
    sum: AtomicU64,
    done: Mutex<Option<rt::OneshotSender<()>>>,
}

impl Board {
    fn count(&self, result: u64) {
        self.sum.fetch_add(result, Relaxed);
        if self.left.fetch_sub(1, AcqRel) == 1 {
            self.done.lock().unwrap().take().unwrap().send(()).unwrap();
        }
    }
}

macro_rules! scheduler {
    ($runtime:expr, $tasks:expr, |$board:ident| $root:expr) => {{
        let (done, is_done) = rt::oneshot::<()>();
        // Left in memory: a count of references would be work that the other subjects do not do.
        let $board: &'static Board = Box::leak(Box::new(Board {
            left: AtomicU64::new($tasks),
            sum: AtomicU64::new(0),
            done: Mutex::new(Some(done)),
        }));
        let clock = Instant::now();
        drop($runtime.spawn_detached(async move { $root }));
        $runtime.wait(is_done).unwrap();
        (clock.elapsed(), $board.sum.load(Relaxed))
    }};
}

fn rt_spawn_many(runtime: &Runtime, n: u64) -> Measured {
    scheduler!(runtime, n, |board| {
        for i in 0..n {
            rt::spawn_detached(async move { board.count(result(i)) });
        }
    })
}

fn rt_yield_many(runtime: &Runtime, n: u64) -> Measured {
    scheduler!(runtime, 200, |board| {
        for _ in 0..200 {
            rt::spawn_detached(async move { board.count(yield_times(n, n).await) });
        }
    })
}

fn rt_ping_pong(runtime: &Runtime, n: u64) -> Measured {
    scheduler!(runtime, n, |board| {
        for _ in 0..n {
            rt::spawn_detached(async move {
                let (ping, pinged) = rt::oneshot();
                let (pong, ponged) = rt::oneshot();
                rt::spawn_detached(async move {
                    pinged.await.unwrap();
                    pong.send(()).unwrap();
                });
                ping.send(()).unwrap();
                ponged.await.unwrap();
                board.count(1);
            });
        }
    })
}

fn rt_chained_spawn(runtime: &Runtime, n: u64) -> Measured {
    fn link(board: &'static Board, i: u64, n: u64) {
        if i + 1 < n {
            rt::spawn_detached(async move { link(board, i + 1, n) });
        }
        board.count(result(i));
    }
    scheduler!(runtime, n, |board| rt::spawn_detached(async move { link(board, 0, n) }))
}

// ---- wakes from another thread

/// A task that is woken by the main thread, through its waker, and answers by unparking it.
struct Ball {
    waker: Mutex<Option<Waker>>,
    thrown: AtomicBool,
    back: AtomicBool,
    main: Thread,
}

impl Ball {
    fn throw_back(&self) {
        self.back.store(true, Release);
        self.main.unpark();
    }

    fn await_back(&self) {
        while !self.back.swap(false, Acquire) {
            thread::park();
        }
    }
}

struct Catcher {
    ball: Arc<Ball>,
    left: u64,
}

impl Future for Catcher {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let ball = self.ball.clone();
        let mut waker = ball.waker.lock().unwrap();
        if waker.is_none() {
            *waker = Some(context.waker().clone());
            ball.throw_back();
        }
        drop(waker);
        if ball.thrown.swap(false, Acquire) {
            self.left -= 1;
            ball.throw_back();
        }
        if self.left == 0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

fn wake_remote(runtime: &Runtime, n: u64) -> Measured {
    let ball = Arc::new(Ball {
        waker: Mutex::new(None),
        thrown: AtomicBool::new(false),
        back: AtomicBool::new(false),
        main: thread::current(),
    });
    runtime.spawn_detached(Catcher { ball: ball.clone(), left: n });
    ball.await_back();
    let waker = ball.waker.lock().unwrap().clone().unwrap();
    let clock = Instant::now();
    for _ in 0..n {
        ball.thrown.store(true, Release);
        waker.wake_by_ref();
        ball.await_back();
    }
    (clock.elapsed(), n)
}
