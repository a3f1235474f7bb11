//! Tokio's current-thread runtime.

#[path = "../rt_tokio.rs"]
mod rt;
#[path = "../workloads.rs"]
mod workloads;

const HAS_WORKERS: bool = false;

fn builder(_workers: usize) -> tokio::runtime::Builder {
    tokio::runtime::Builder::new_current_thread()
}

fn main() {
    workloads::main()
}
