//! The mutex of Rust's standard library (on Linux a futex).

#[path = "../threads.rs"]
mod threads;

use std::sync::{Mutex, MutexGuard};

fn lock(mutex: &Mutex<u64>) -> MutexGuard<'_, u64> {
    mutex.lock().unwrap()
}

fn main() {
    threads::main()
}
