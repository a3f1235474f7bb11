//! LocalPool of the futures crate. It has no timers; it sleeps with those of async-io, as smol does.

#[path = "../workloads.rs"]
mod workloads;

mod rt {
    use async_io::Timer;
    use futures::channel::mpsc;
    pub use futures::channel::oneshot::{channel as oneshot, Sender as OneshotSender};
    use futures::executor::{LocalPool, LocalSpawner};
    use futures::future::RemoteHandle;
    pub use futures::lock::Mutex;
    use futures::sink::{Send, SinkExt};
    use futures::stream::{Next, StreamExt};
    use futures::task::LocalSpawnExt;
    pub use smol::future::yield_now;
    use std::cell::RefCell;
    use std::future::Future;
    use std::time::Duration;

    pub const HAS_WORKERS: bool = false;
    pub const CAN_STOP: bool = true;

    thread_local! {
        /// By which tasks spawn tasks.
        static CURRENT: RefCell<Option<LocalSpawner>> = const { RefCell::new(None) };
    }

    pub struct Runtime(RefCell<LocalPool>);

    impl Runtime {
        pub fn new(_workers: usize) -> Self {
            let pool = LocalPool::new();
            CURRENT.with(|current| current.replace(Some(pool.spawner())));
            Runtime(RefCell::new(pool))
        }

        pub fn run<F: Future + 'static>(&self, root: F) -> F::Output {
            self.wait(self.spawn(root))
        }

        pub fn wait<F: Future>(&self, future: F) -> F::Output {
            self.0.borrow_mut().run_until(future)
        }

        pub fn spawn<F: Future + 'static>(&self, future: F) -> RemoteHandle<F::Output> {
            spawn(future)
        }

        pub fn spawn_detached<F: Future<Output = ()> + 'static>(&self, future: F) {
            spawn_detached(future);
        }

        pub fn stop(self) {
            drop(self.0);
        }
    }

    pub fn spawn<F: Future + 'static>(future: F) -> RemoteHandle<F::Output> {
        CURRENT.with(|current| current.borrow().as_ref().unwrap().spawn_local_with_handle(future).unwrap())
    }

    pub fn spawn_detached<F: Future<Output = ()> + 'static>(future: F) {
        CURRENT.with(|current| current.borrow().as_ref().unwrap().spawn_local(future).unwrap());
    }

    pub fn sleep(time: Duration) -> Timer {
        Timer::after(time)
    }

    /// A channel whose methods are named like those of the other runtimes.
    pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Sender(sender), Receiver(receiver))
    }

    pub struct Sender<T>(mpsc::Sender<T>);
    pub struct Receiver<T>(mpsc::Receiver<T>);

    impl<T> Sender<T> {
        pub fn send(&mut self, message: T) -> Send<'_, mpsc::Sender<T>, T> {
            self.0.send(message)
        }

        pub fn clone(&self) -> Self {
            Sender(self.0.clone())
        }
    }

    impl<T> Receiver<T> {
        pub fn recv(&mut self) -> Next<'_, mpsc::Receiver<T>> {
            self.0.next()
        }
    }

    pub fn joined<T>(result: T) -> T {
        result
    }

    pub fn received<T>(message: Option<T>) -> Option<T> {
        message
    }
}

fn main() {
    workloads::main()
}
