//! The other end of the control socket: what the commands ask it.

mod watch;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_net::{Stream, Wire};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time;

use crate::percent;
use crate::view::Wrong;

pub use watch::watch;

/// The longest answer that is read: the status of some hundred thousand endpoints.
const MAX_ANSWER: usize = 256 * 1024 * 1024;

/// How long a process may take to accept a connection, and to show something. What is ordered may take its time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no good answer.
#[derive(Debug)]
pub enum Failed {
    /// Nobody answers there.
    Nobody(PathBuf, io::Error),
    /// It was refused, for this reason.
    Refused(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody(path, error) => {
                let path = path.display();
                let remedy = match error.kind() {
                    io::ErrorKind::PermissionDenied => {
                        "you may not open it: run this as the user that evenkeel runs as, or as root"
                    }
                    _ => "is it running? name its socket with --control",
                };
                write!(f, "no evenkeel answers at {path} ({error}): {remedy}")
            }
            Self::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Failed {}

/// The path of an endpoint in the API.
#[must_use]
pub fn endpoint_path(cluster: &str, endpoint: &str) -> String {
    format!(
        "/api/v1/clusters/{}/endpoints/{}",
        percent::encode(cluster),
        percent::encode(endpoint)
    )
}

/// The path of a cluster's endpoints in the API.
#[must_use]
pub fn endpoints_path(cluster: &str) -> String {
    format!("/api/v1/clusters/{}/endpoints", percent::encode(cluster))
}

/// Asks for a page.
///
/// # Errors
/// When nobody answers, or the answer is no.
pub async fn get<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T, Failed> {
    let answered = time::timeout(PATIENCE, ask(socket, "GET", path, Vec::new())).await;
    answered.unwrap_or_else(|late| Err(Failed::Nobody(socket.to_owned(), late.into())))
}

/// Gives an order.
///
/// # Errors
/// When nobody answers, or the answer is no.
pub async fn post<T: DeserializeOwned>(
    socket: &Path,
    path: &str,
    body: &impl Serialize,
) -> Result<T, Failed> {
    let body = serde_json::to_vec(body).map_err(|error| Failed::Refused(error.to_string()))?;
    ask(socket, "POST", path, body).await
}

/// Gives the order to take something away.
///
/// # Errors
/// When nobody answers, or the answer is no.
pub async fn delete<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T, Failed> {
    ask(socket, "DELETE", path, Vec::new()).await
}

async fn ask<T: DeserializeOwned>(
    socket: &Path,
    method: &str,
    path: &str,
    body: Vec<u8>,
) -> Result<T, Failed> {
    let nobody = |error: io::Error| Failed::Nobody(socket.to_owned(), error);
    let lost = |error: hyper::Error| nobody(io::Error::other(error));
    let connect = time::timeout(PATIENCE, UnixStream::connect(socket));
    let stream = connect.await.unwrap_or_else(|late| Err(late.into()));
    let stream = stream.map_err(nobody)?;
    let (mut sender, connection) = http1::handshake(Wire(Stream::Unix(stream)))
        .await
        .map_err(lost)?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "evenkeel")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::<Bytes>::from(body))
        .map_err(|error| Failed::Refused(error.to_string()))?;
    let exchange = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        Ok::<_, hyper::Error>((head.status, body))
    };
    let mut exchange = std::pin::pin!(exchange);
    let mut connection = std::pin::pin!(connection);
    let (status, body) = tokio::select! {
        answered = &mut exchange => answered,
        // What was read when the connection ends is still to be had.
        _ = &mut connection => exchange.await,
    }
    .map_err(lost)?;
    let body = body.map_err(|error| nobody(io::Error::other(error)))?;
    understand(status, &body.to_bytes()).map_err(Failed::Refused)
}

fn understand<T: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<T, String> {
    if status.is_success() {
        return serde_json::from_slice(body)
            .map_err(|error| format!("its answer is not to be understood: {error}"));
    }
    Err(match serde_json::from_slice(body) {
        Ok(Wrong { error, .. }) => error,
        Err(_) => format!("it answers {status}"),
    })
}
