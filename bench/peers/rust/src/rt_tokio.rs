//! Tokio, with the threads that `super::builder` says.

use std::future::Future;
use tokio::runtime;
pub use tokio::sync::{mpsc::channel, oneshot::channel as oneshot, oneshot::Sender as OneshotSender, Mutex};
pub use tokio::task::{yield_now, JoinError, JoinHandle};
pub use tokio::time::sleep;

pub const HAS_WORKERS: bool = super::HAS_WORKERS;
pub const CAN_STOP: bool = true;

pub struct Runtime(runtime::Runtime);

impl Runtime {
    pub fn new(workers: usize) -> Self {
        Runtime(super::builder(workers).enable_all().build().unwrap())
    }

    pub fn run<F>(&self, root: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.block_on(self.0.spawn(root)).unwrap()
    }

    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.spawn(future)
    }

    pub fn spawn_detached<F: Future<Output = ()> + Send + 'static>(&self, future: F) {
        self.0.spawn(future);
    }

    /// Joins the workers.
    pub fn stop(self) {
        drop(self.0);
    }
}

pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}

pub fn spawn_detached<F: Future<Output = ()> + Send + 'static>(future: F) {
    tokio::spawn(future);
}

pub fn joined<T>(result: Result<T, JoinError>) -> T {
    result.unwrap()
}

pub fn received<T>(message: Option<T>) -> Option<T> {
    message
}
