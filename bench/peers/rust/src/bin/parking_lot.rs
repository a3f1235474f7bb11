//! The mutex of parking_lot.

#[path = "../threads.rs"]
mod threads;

use parking_lot::{Mutex, MutexGuard};

fn lock(mutex: &Mutex<u64>) -> MutexGuard<'_, u64> {
    mutex.lock()
}

fn main() {
    threads::main()
}
