//! `/healthz`, `/readyz`, `/status`, `/metrics`: HTTP for operators, on loopback by default. Requests read and never
//! write.

use crate::ops::reporter::Reporter;
use crate::ops::status_report::{ProcessInfo, StatusReport};
use crate::runtime::clock::Clock;
use crate::settings::HttpSettings;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Concurrent connections. A further one ends the oldest, so that clients that hold theirs delay no probe.
const CONNECTIONS_MAX: usize = 64;
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a request's body: no request has one.
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
    /// The address is reachable from other machines, and `allow_remote` is not set.
    #[error("{0} is reachable from other machines: listen on 127.0.0.1, or allow it with `allow_remote`")]
    Remote(SocketAddr),
    /// The address cannot be bound.
    #[error("cannot listen on {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The cause.
        #[source]
        cause: io::Error,
    },
}

/// The state that responses are made of.
#[derive(Clone, Debug)]
pub struct HttpState {
    /// The part that does not change, for `/status`.
    pub process: Arc<ProcessInfo>,
    /// The part that changes.
    pub reporter: Arc<Reporter>,
}

/// Binds the address.
///
/// # Errors
/// When it is remote without `allow_remote`, or in use.
pub async fn listen(settings: HttpSettings) -> Result<TcpListener, HttpError> {
    let listen = settings.listen;
    if !listen.ip().is_loopback() && !settings.allow_remote {
        return Err(HttpError::Remote(listen));
    }
    TcpListener::bind(listen).await.map_err(|cause| HttpError::Listen { listen, cause })
}

/// Serves requests until it is dropped. Where other machines are allowed, they may use any name of this one.
pub async fn serve(listener: TcpListener, state: HttpState, allow_remote: bool) {
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                open.retain(|connection| !connection.is_finished());
                if open.len() == CONNECTIONS_MAX {
                    open.pop_front().iter().for_each(AbortHandle::abort);
                }
                let served =
                    tokio::time::timeout(CONNECTION_MAX, connection(stream, state.clone(), allow_remote));
                // Errors of a slow or disconnected client are ignored.
                let served = tokio::spawn(async move { drop(served.await) });
                open.push_back(served.abort_handle());
            }
            // Out of file handles, or the peer has disconnected: retry after a pause.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connection(stream: TcpStream, state: HttpState, allow_remote: bool) -> Result<(), hyper::Error> {
    let service = service_fn(move |request| {
        let state = state.clone();
        async move { Ok::<_, Infallible>(answer(request, &state, allow_remote).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

async fn answer<B>(request: Request<B>, state: &HttpState, allow_remote: bool) -> Response<Full<Bytes>>
where
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let (head, body) = request.into_parts();
    let body = Box::pin(Limited::new(body, BODY_BYTES_MAX).collect());
    if !matches!(tokio::time::timeout(BODY_WITHIN, body).await, Ok(Ok(_))) {
        return text(StatusCode::PAYLOAD_TOO_LARGE, "no request here has a body".to_owned());
    }
    if !allow_remote && !is_local(&head.headers) {
        return text(StatusCode::MISDIRECTED_REQUEST, "the host is not an address or `localhost`".to_owned());
    }
    if head.method != Method::GET && head.method != Method::HEAD {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "GET only".to_owned());
        refused.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match head.uri.path() {
        "/healthz" if state.reporter.status.shutdown().has_failed() => {
            text(StatusCode::SERVICE_UNAVAILABLE, "a worker has failed".to_owned())
        }
        "/healthz" => text(StatusCode::OK, "ok".to_owned()),
        "/readyz" => match state.reporter.status.reasons() {
            reasons if reasons.is_empty() => text(StatusCode::OK, "ready".to_owned()),
            reasons => text(StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n")),
        },
        "/status" => {
            let report = StatusReport::of(&state.process, &state.reporter.status, Clock::default().wall());
            let body = serde_json::to_string(&report).expect("texts and numbers are JSON");
            page(body + "\n", "application/json")
        }
        "/metrics" => {
            report_ages(state);
            page(state.reporter.metrics.text(), "text/plain; version=0.0.4; charset=utf-8")
        }
        _ => text(StatusCode::NOT_FOUND, "not found: use /healthz, /readyz, /status or /metrics".to_owned()),
    }
}

/// Whether a request names this host by its address, as `localhost`, or not at all. A name that anybody can let point
/// here would give a web page what only this host may read.
fn is_local(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, further) = (hosts.next(), hosts.next());
    let named = |host: &str| {
        let name = match host.strip_prefix('[') {
            Some(rest) => match rest.split_once(']') {
                Some((name, port)) if port.is_empty() || port.starts_with(':') => name,
                _ => "",
            },
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
    };
    further.is_none() && host.is_none_or(|host| host.to_str().is_ok_and(named))
}

/// Ages of snapshots are computed at each scrape.
fn report_ages(state: &HttpState) {
    let now = Clock::default().wall();
    for (shard, owned) in state.reporter.status.shards() {
        let Some(begun_at) = owned.snapshot_at else { continue };
        let age = u64::try_from(now.0.saturating_sub(begun_at.0)).unwrap_or(0);
        state.reporter.metrics.snapshot_age(shard, Duration::from_millis(age));
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
