//! Tokio's multi-thread runtime.

#[path = "../rt_tokio.rs"]
mod rt;
#[path = "../workloads.rs"]
mod workloads;

const HAS_WORKERS: bool = true;

fn builder(workers: usize) -> tokio::runtime::Builder {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(workers);
    builder
}

fn main() {
    workloads::main()
}
