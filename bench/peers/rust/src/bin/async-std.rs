//! async-std. It has one global runtime, which cannot be stopped.

#[path = "../workloads.rs"]
mod workloads;

mod rt {
    pub use async_std::channel::bounded as channel;
    use async_std::channel::RecvError;
    pub use async_std::sync::Mutex;
    use async_std::task::{self, JoinHandle};
    pub use async_std::task::{sleep, yield_now};
    // async-std has no oneshot channel; this one is what its users take, and faster than a channel of capacity 1.
    pub use futures::channel::oneshot::{channel as oneshot, Sender as OneshotSender};
    use std::future::Future;

    pub const HAS_WORKERS: bool = true;
    pub const CAN_STOP: bool = false;

    pub struct Runtime;

    impl Runtime {
        pub fn new(workers: usize) -> Self {
            std::env::set_var("ASYNC_STD_THREAD_COUNT", workers.to_string());
            Runtime
        }

        pub fn run<F>(&self, root: F) -> F::Output
        where
            F: Future + Send + 'static,
            F::Output: Send + 'static,
        {
            task::block_on(task::spawn(root))
        }

        pub fn wait<F: Future>(&self, future: F) -> F::Output {
            task::block_on(future)
        }

        pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
        where
            F: Future + Send + 'static,
            F::Output: Send + 'static,
        {
            task::spawn(future)
        }

        pub fn spawn_detached<F: Future<Output = ()> + Send + 'static>(&self, future: F) {
            task::spawn(future);
        }

        pub fn stop(self) {}
    }

    pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        task::spawn(future)
    }

    pub fn spawn_detached<F: Future<Output = ()> + Send + 'static>(future: F) {
        task::spawn(future);
    }

    pub fn joined<T>(result: T) -> T {
        result
    }

    pub fn received<T>(message: Result<T, RecvError>) -> Option<T> {
        message.ok()
    }
}

fn main() {
    workloads::main()
}
