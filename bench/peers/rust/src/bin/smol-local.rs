//! smol's LocalExecutor: one thread, tasks that need not be Send.

#[path = "../workloads.rs"]
mod workloads;

mod rt {
    pub use futures::channel::oneshot::{channel as oneshot, Sender as OneshotSender};
    pub use smol::channel::bounded as channel;
    use smol::channel::RecvError;
    pub use smol::future::yield_now;
    pub use smol::lock::Mutex;
    use smol::{block_on, LocalExecutor, Task, Timer};
    use std::cell::Cell;
    use std::future::Future;
    use std::time::Duration;

    pub const HAS_WORKERS: bool = false;
    pub const CAN_STOP: bool = true;

    thread_local! {
        /// By which tasks spawn tasks.
        static CURRENT: Cell<Option<&'static LocalExecutor<'static>>> = const { Cell::new(None) };
    }

    pub struct Runtime(*mut LocalExecutor<'static>);

    impl Runtime {
        pub fn new(_workers: usize) -> Self {
            let executor = Box::into_raw(Box::new(LocalExecutor::new()));
            CURRENT.with(|current| current.set(Some(unsafe { &*executor })));
            Runtime(executor)
        }

        fn executor(&self) -> &LocalExecutor<'static> {
            unsafe { &*self.0 }
        }

        pub fn run<F: Future + 'static>(&self, root: F) -> F::Output {
            self.wait(self.spawn(root))
        }

        pub fn wait<F: Future>(&self, future: F) -> F::Output {
            block_on(self.executor().run(future))
        }

        pub fn spawn<F: Future + 'static>(&self, future: F) -> Task<F::Output> {
            self.executor().spawn(future)
        }

        pub fn spawn_detached<F: Future<Output = ()> + 'static>(&self, future: F) {
            self.spawn(future).detach();
        }

        pub fn stop(self) {
            drop(unsafe { Box::from_raw(self.0) });
        }
    }

    pub fn spawn<F: Future + 'static>(future: F) -> Task<F::Output> {
        CURRENT.with(|current| current.get().unwrap().spawn(future))
    }

    pub fn spawn_detached<F: Future<Output = ()> + 'static>(future: F) {
        spawn(future).detach();
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
