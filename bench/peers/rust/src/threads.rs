//! The workloads `mutex_1_threads` and so on: OS threads that count under a mutex. `super::Mutex` is the mutex.

use super::{lock, Mutex};
use peers::ns_each;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

pub fn main() -> ! {
    peers::run(|workload, n, _| {
        let threads = workload.strip_prefix("mutex_")?.strip_suffix("_threads")?.parse().ok()?;
        count(threads, n); // the warm-up
        Some(ns_each(count(threads, n), n, "ns/lock"))
    })
}

fn count(threads: u64, n: u64) -> (Duration, u64) {
    let mutex = Arc::new(Mutex::new(0u64));
    let barrier = Arc::new(Barrier::new(threads as usize + 1));
    let handles: Vec<_> = (0..threads)
        .map(|_| {
            let (mutex, barrier) = (mutex.clone(), barrier.clone());
            thread::spawn(move || {
                barrier.wait();
                for _ in 0..n / threads {
                    *lock(&mutex) += 1;
                }
            })
        })
        .collect();
    let clock = Instant::now();
    barrier.wait();
    for handle in handles {
        handle.join().unwrap();
    }
    let time = clock.elapsed();
    let count = *lock(&mutex);
    (time, count)
}
