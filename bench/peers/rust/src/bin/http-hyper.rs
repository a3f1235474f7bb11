//! hyper on Tokio.

#[path = "../http.rs"]
mod http;

use hyper::body::Bytes;
use hyper::service::{make_service_fn, service_fn};
use hyper::{Body, Request, Response, Server};
use std::convert::Infallible;

static BODY: [u8; 1024] = [b'x'; 1024];

async fn answer(_request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let body = Body::from(Bytes::from_static(&BODY));
    Ok(Response::builder().header("Content-Type", "text/plain").body(body).unwrap())
}

async fn serve() {
    let listener = http::listen().into_std().unwrap();
    let service = make_service_fn(|_| async { Ok::<_, Infallible>(service_fn(answer)) });
    Server::from_tcp(listener).unwrap().http1_only(true).tcp_nodelay(true).serve(service).await.unwrap();
}

fn main() {
    http::main(serve)
}
