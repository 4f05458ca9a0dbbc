//! `/healthz`, `/readyz`, `/status`, `/metrics`: HTTP for operators, on loopback unless told otherwise. It reads, never writes.

use crate::ops::overview::{About, Overview};
use crate::ops::reporter::Reporter;
use crate::runtime::clock::Clock;
use crate::settings::HttpSettings;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections at a time; more wait.
const CONNECTIONS_MAX: usize = 64;
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a request's body: nothing here takes one.
const BODY_BYTES_MAX: usize = 1_024;
/// Time for the head of a request.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// Time for a connection as a whole.
const CONNECTION_MAX: Duration = Duration::from_secs(60);
/// Time for a request's body.
const BODY_WITHIN: Duration = Duration::from_secs(5);

/// Why HTTP cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is reachable from outside, and nobody said that it may be.
    #[error("{0} is reachable from other machines: listen on 127.0.0.1, or allow it with `allow_remote`")]
    Remote(SocketAddr),
    /// The address cannot be taken.
    #[error("cannot listen on {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The cause.
        #[source]
        cause: io::Error,
    },
}

/// What requests are answered from.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What does not change, for `/status`.
    pub about: Arc<About>,
    /// What changes.
    pub reporter: Arc<Reporter>,
}

/// Takes the address.
///
/// # Errors
/// When it is remote without leave, or taken.
pub async fn listen(settings: HttpSettings) -> Result<TcpListener, HttpError> {
    let listen = settings.listen;
    if !listen.ip().is_loopback() && !settings.allow_remote {
        return Err(HttpError::Remote(listen));
    }
    TcpListener::bind(listen).await.map_err(|cause| HttpError::Listen { listen, cause })
}

/// Answers until it is dropped.
pub async fn serve(listener: TcpListener, shown: Shown) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shown = shown.clone();
                tokio::spawn(async move {
                    // A client that is slow or breaks off is its own trouble.
                    let _ = tokio::time::timeout(CONNECTION_MAX, connection(stream, shown)).await;
                    drop(permit);
                });
            }
            // Out of file handles, or the peer was gone already: breathe, then go on.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connection(stream: TcpStream, shown: Shown) -> Result<(), hyper::Error> {
    let service = service_fn(move |request| {
        let shown = shown.clone();
        async move { Ok::<_, Infallible>(answer(request, &shown).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

async fn answer<B>(request: Request<B>, shown: &Shown) -> Response<Full<Bytes>>
where
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let (head, body) = request.into_parts();
    let body = Box::pin(Limited::new(body, BODY_BYTES_MAX).collect());
    if !matches!(tokio::time::timeout(BODY_WITHIN, body).await, Ok(Ok(_))) {
        return text(StatusCode::PAYLOAD_TOO_LARGE, "no request here has a body".to_owned());
    }
    if head.method != Method::GET && head.method != Method::HEAD {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "GET only".to_owned());
        refused.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match head.uri.path() {
        "/healthz" if shown.reporter.status.shutdown().has_failed() => {
            text(StatusCode::SERVICE_UNAVAILABLE, "a worker has failed".to_owned())
        }
        "/healthz" => text(StatusCode::OK, "ok".to_owned()),
        "/readyz" => match shown.reporter.status.reasons() {
            reasons if reasons.is_empty() => text(StatusCode::OK, "ready".to_owned()),
            reasons => text(StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n")),
        },
        "/status" => {
            let overview = Overview::of(&shown.about, &shown.reporter.status, Clock::default().wall());
            let body = serde_json::to_string(&overview).expect("texts and numbers are JSON");
            page(body + "\n", "application/json")
        }
        "/metrics" => {
            tell_ages(shown);
            page(shown.reporter.metrics.text(), "text/plain; version=0.0.4; charset=utf-8")
        }
        _ => text(StatusCode::NOT_FOUND, "there are /healthz, /readyz, /status and /metrics".to_owned()),
    }
}

/// An age is one at the moment it is asked for.
fn tell_ages(shown: &Shown) {
    let now = Clock::default().wall();
    for (shard, held) in shown.reporter.status.shards() {
        let Some(cut_at) = held.snapshot_at else { continue };
        let age = u64::try_from(now.0.saturating_sub(cut_at.0)).unwrap_or(0);
        shown.reporter.metrics.snapshot_age(shard, Duration::from_millis(age));
    }
}

fn page(body: String, kind: &'static str) -> Response<Full<Bytes>> {
    let mut page = Response::new(Full::new(Bytes::from(body)));
    page.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    page
}

fn text(status: StatusCode, mut line: String) -> Response<Full<Bytes>> {
    line.push('\n');
    let mut response = Response::new(Full::new(Bytes::from(line)));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
