//! smol, as its documentation advises: an executor of one's own, and threads that run it. (`smol::spawn` does the same
//! with an executor that cannot be stopped.)

#[path = "../workloads.rs"]
mod workloads;

mod rt {
    // smol has no oneshot channel; this one is what its users take, and faster than a channel of capacity 1.
    pub use futures::channel::oneshot::{channel as oneshot, Sender as OneshotSender};
    pub use smol::channel::bounded as channel;
    use smol::channel::{Receiver, RecvError, Sender};
    pub use smol::future::yield_now;
    pub use smol::lock::Mutex;
    use smol::{block_on, Executor, Task, Timer};
    use std::future::Future;
    use std::thread::{self, JoinHandle};
    use std::time::Duration;

    pub const HAS_WORKERS: bool = true;
    pub const CAN_STOP: bool = true;

    static EXECUTOR: Executor<'static> = Executor::new();

    pub struct Runtime {
        stop: Sender<()>,
        workers: Vec<JoinHandle<()>>,
    }

    impl Runtime {
        pub fn new(workers: usize) -> Self {
            let (stop, stopped): (Sender<()>, Receiver<()>) = channel(1);
            let worker = |_| {
                let stopped = stopped.clone();
                thread::spawn(move || drop(block_on(EXECUTOR.run(stopped.recv()))))
            };
            Runtime { stop, workers: (0..workers).map(worker).collect() }
        }

        pub fn run<F>(&self, root: F) -> F::Output
        where
            F: Future + Send + 'static,
            F::Output: Send + 'static,
        {
            block_on(EXECUTOR.spawn(root))
        }

        pub fn wait<F: Future>(&self, future: F) -> F::Output {
            block_on(future)
        }

        pub fn spawn<F>(&self, future: F) -> Task<F::Output>
        where
            F: Future + Send + 'static,
            F::Output: Send + 'static,
        {
            EXECUTOR.spawn(future)
        }

        pub fn spawn_detached<F: Future<Output = ()> + Send + 'static>(&self, future: F) {
            EXECUTOR.spawn(future).detach();
        }

        /// The threads of smol's I/O and timers are of the process, and stay.
        pub fn stop(self) {
            drop(self.stop);
            for worker in self.workers {
                worker.join().unwrap();
            }
        }
    }

    pub fn spawn<F>(future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        EXECUTOR.spawn(future)
    }

    pub fn spawn_detached<F: Future<Output = ()> + Send + 'static>(future: F) {
        EXECUTOR.spawn(future).detach();
    }

    pub fn sleep(time: Duration) -> Timer {
        Timer::after(time)
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
