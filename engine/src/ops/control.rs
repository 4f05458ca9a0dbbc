//! The control plane: HTTP and signals, on one thread with a current-thread runtime. The data path does not run here.

use crate::ops::http::{self, HttpError, HttpState};
use crate::runtime::shutdown::Shutdown;
use crate::settings::HttpSettings;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// Why the control plane cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// HTTP cannot be served.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The runtime cannot be built, or signal handlers cannot be installed.
    #[error("cannot install signal handlers")]
    Signals(#[source] io::Error),
}

/// The running control plane. It ends when this is dropped.
pub struct Control {
    address: Option<SocketAddr>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Control {
    /// Serves HTTP, if configured, and turns SIGTERM, SIGINT and SIGHUP into [`Shutdown::request`]. Returns when all
    /// of it is active.
    ///
    /// # Errors
    /// When the address cannot be bound or signal handlers cannot be installed.
    pub fn start(http: Option<HttpSettings>, state: HttpState) -> Result<Control, ControlError> {
        let (end, ended) = oneshot::channel();
        let (ready, started) = sync_channel(1);
        let work = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(cause) => {
                    let _ = ready.send(Err(ControlError::Signals(cause)));
                    return;
                }
            };
            runtime.block_on(async {
                match begin(http, &state).await {
                    Ok((address, serving)) => {
                        let _ = ready.send(Ok(address));
                        tokio::select! {
                            () = serving => {}
                            _ = ended => {}
                        }
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error));
                    }
                }
            });
        };
        let thread = thread::Builder::new()
            .name("tripline-control".to_owned())
            .spawn(work)
            .map_err(ControlError::Signals)?;
        let address = started.recv().expect("the thread answers before it ends")?;
        Ok(Control { address, end: Some(end), thread: Some(thread) })
    }

    /// Where HTTP is served.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed already.
            let _ = thread.join();
        }
    }
}

async fn begin(
    settings: Option<HttpSettings>,
    state: &HttpState,
) -> Result<(Option<SocketAddr>, impl Future<Output = ()>), ControlError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ControlError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ControlError::Signals)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(ControlError::Signals)?;
    let listener = match settings {
        Some(settings) => Some(http::listen(settings).await?),
        None => None,
    };
    let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    if let Some(listener) = listener {
        let allow_remote = settings.is_some_and(|settings| settings.allow_remote);
        tokio::spawn(http::serve(listener, state.clone(), allow_remote));
    }
    let shutdown: Shutdown = state.reporter.status.shutdown().clone();
    let signals = async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                // A service manager may send it beside SIGTERM: it is no second request.
                _ = hang_up.recv(), if !shutdown.is_requested() => {}
            }
            if shutdown.is_requested() {
                tracing::warn!("second shutdown request: the process exits without the last commit");
                std::process::exit(130);
            }
            tracing::info!("shutdown requested: the process commits the last batches and exits");
            shutdown.request();
        }
    };
    Ok((address, signals))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::report::Condition;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    fn state() -> HttpState {
        HttpState { process: Arc::default(), reporter: Arc::default() }
    }

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(address: SocketAddr, path: &str) -> String {
        ask(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost:9464\r\nConnection: close\r\n\r\n"))
    }

    fn loopback() -> HttpSettings {
        HttpSettings { listen: SocketAddr::from(([127, 0, 0, 1], 0)), allow_remote: false }
    }

    #[test]
    fn an_operator_sees_health_readiness_and_metrics() {
        let state = state();
        let control = Control::start(Some(loopback()), state.clone()).unwrap();
        let address = control.address().unwrap();
        assert!(get(address, "/healthz").starts_with("HTTP/1.1 200"));
        assert!(get(address, "/readyz").contains("no partition assignment received yet"));
        state.reporter.status.assigned();
        assert!(get(address, "/readyz").starts_with("HTTP/1.1 200"));
        state.reporter.status.raise(2, Condition::Commit, "the commit failed".to_owned());
        let answer = get(address, "/readyz");
        assert!(
            answer.starts_with("HTTP/1.1 503") && answer.contains("worker 2: the commit failed"),
            "{answer}"
        );
        assert!(get(address, "/healthz").starts_with("HTTP/1.1 200"), "alive, though not ready");
        assert!(get(address, "/metrics").contains("# TYPE tripline_events_total counter"));
        assert!(get(address, "/secrets").starts_with("HTTP/1.1 404"));
        state.reporter.status.shutdown().fail();
        assert!(get(address, "/healthz").starts_with("HTTP/1.1 503"));
    }

    #[test]
    fn nothing_can_be_written_and_bodies_are_bounded() {
        let control = Control::start(Some(loopback()), state()).unwrap();
        let address = control.address().unwrap();
        let post = "POST /metrics HTTP/1.1\r\nHost: localhost:9464\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
        assert!(ask(address, post).starts_with("HTTP/1.1 405"));
        let body = "x".repeat(4_096);
        let huge = format!(
            "GET /healthz HTTP/1.1\r\nHost: localhost:9464\r\nConnection: close\r\nContent-Length: 4096\r\n\r\n{body}"
        );
        assert!(ask(address, &huge).starts_with("HTTP/1.1 413"));
    }

    /// A web page whose name is made to point here sends that name.
    #[test]
    fn a_request_to_another_name_is_refused_on_loopback() {
        let ask_as = |address: SocketAddr, host: &str| {
            ask(address, &format!("GET /status HTTP/1.1\r\nConnection: close\r\n{host}\r\n"))
        };
        let control = Control::start(Some(loopback()), state()).unwrap();
        let address = control.address().unwrap();
        for host in ["127.0.0.1", "127.0.0.1:9464", "[::1]:9464", "LocalHost:80"] {
            let answer = ask_as(address, &format!("Host: {host}\r\n"));
            assert!(answer.starts_with("HTTP/1.1 200"), "{host}: {answer}");
        }
        for host in ["rebound.example", "rebound.example:9464", "127.0.0.1.example", "[::1].example", ""] {
            let answer = ask_as(address, &format!("Host: {host}\r\n"));
            assert!(answer.starts_with("HTTP/1.1 421"), "{host}: {answer}");
        }
        let twice = ask_as(address, "Host: localhost\r\nHost: rebound.example\r\n");
        assert!(!twice.starts_with("HTTP/1.1 200"), "{twice}");
        let remote = HttpSettings { listen: SocketAddr::from(([0, 0, 0, 0], 0)), allow_remote: true };
        let control = Control::start(Some(remote), state()).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], control.address().unwrap().port()));
        assert!(ask_as(address, "Host: tripline-0.bank.example\r\n").starts_with("HTTP/1.1 200"));
    }

    #[test]
    fn clients_that_hold_their_connections_delay_no_probe() {
        let control = Control::start(Some(loopback()), state()).unwrap();
        let address = control.address().unwrap();
        let connections: Vec<TcpStream> = (0..200)
            .map(|_| {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: lo").unwrap();
                stream
            })
            .collect();
        let began = Instant::now();
        assert!(get(address, "/healthz").starts_with("HTTP/1.1 200"));
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        drop(connections);
    }

    #[test]
    fn other_machines_are_served_only_when_allowed() {
        let listen = SocketAddr::from(([0, 0, 0, 0], 0));
        let refused = Control::start(Some(HttpSettings { listen, allow_remote: false }), state());
        assert!(matches!(refused, Err(ControlError::Http(HttpError::Remote(_)))));
        assert!(Control::start(Some(HttpSettings { listen, allow_remote: true }), state()).is_ok());
    }
}
