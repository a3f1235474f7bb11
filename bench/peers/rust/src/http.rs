//! What the servers share: how they are started and stopped, and how many threads they have.

use std::future::Future;
use std::io::Write;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Builder;

pub const BACKLOG: u32 = 4096;

extern "C" fn end_at_once(_signal: libc::c_int) {
    unsafe { libc::_exit(0) }
}

fn raise_limit_of_descriptors() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

/// Listens on a free port, and says which one.
pub fn listen() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(BACKLOG).unwrap();
    println!("port {}", listener.local_addr().unwrap().port());
    std::io::stdout().flush().unwrap();
    listener
}

/// Runs a server inside a task: with one worker on the current-thread runtime, otherwise on the other one.
pub fn main<F: Future<Output = ()> + Send + 'static>(server: fn() -> F) {
    let (workload, _connections, workers) = peers::arguments();
    if workload != "http" {
        peers::fail(3, &format!("no workload '{workload}' here"));
    }
    raise_limit_of_descriptors();
    unsafe { libc::signal(libc::SIGTERM, end_at_once as extern "C" fn(libc::c_int) as libc::sighandler_t) };
    let mut builder = if workers == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    if workers > 1 {
        builder.worker_threads(workers);
    }
    let runtime = builder.enable_all().build().unwrap();
    runtime.block_on(runtime.spawn(async move { server().await })).unwrap();
}
