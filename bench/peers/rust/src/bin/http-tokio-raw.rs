//! Tokio's sockets without an HTTP library: a task for each connection, which keeps no buffer while it waits.

#[path = "../http.rs"]
mod http;

use futures::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n";
const SIZE: usize = HEAD.len() + 1024;
static ANSWER: [u8; SIZE] = answer();

const fn answer() -> [u8; SIZE] {
    let mut answer = [b'x'; SIZE];
    let mut i = 0;
    while i < HEAD.len() {
        answer[i] = HEAD[i];
        i += 1;
    }
    answer
}

/// How much of the end of a request was read: a request may come in pieces.
#[derive(Default)]
struct Requests {
    matched: usize,
}

impl Requests {
    /// The number of requests that end in these bytes.
    fn count(&mut self, bytes: &[u8]) -> usize {
        let mut found = 0;
        for &byte in bytes {
            self.matched = if byte == b"\r\n\r\n"[self.matched] { self.matched + 1 } else { (byte == b'\r') as usize };
            if self.matched == 4 {
                self.matched = 0;
                found += 1;
            }
        }
        found
    }
}

/// Reads what has come, into a buffer on the stack and not in the task. Gives the number of requests; at the end, None.
fn poll_requests(
    stream: &mut TcpStream,
    requests: &mut Requests,
    context: &mut Context<'_>,
) -> Poll<io::Result<Option<usize>>> {
    let mut memory = [MaybeUninit::<u8>::uninit(); 4096];
    let mut buffer = ReadBuf::uninit(&mut memory);
    Pin::new(stream).poll_read(context, &mut buffer).map_ok(|()| match buffer.filled() {
        [] => None,
        bytes => Some(requests.count(bytes)),
    })
}

async fn converse(mut stream: TcpStream) -> io::Result<()> {
    let mut requests = Requests::default();
    while let Some(count) = poll_fn(|context| poll_requests(&mut stream, &mut requests, context)).await? {
        for _ in 0..count {
            stream.write_all(&ANSWER).await?;
        }
    }
    Ok(())
}

async fn serve() {
    let listener = http::listen();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(converse(stream));
    }
}

fn main() {
    http::main(serve)
}
