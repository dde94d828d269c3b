//! A gRPC probe: one call of `grpc.health.v1.Health/Check` on an HTTP/2 connection of its own.
//!
//! On a connection without TLS HTTP/2 is spoken with prior knowledge, as gRPC does; through TLS it is what is offered alone. The
//! connection is driven beside the call and dropped with it: there is no task that could stay behind.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::uri::PathAndQuery;
use ::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use bytes::Bytes;
use evenkeel_base::grpc::health::{self, Health, MOST_BYTES, PREFIX};
use evenkeel_base::head::Field;
use evenkeel_base::{GrpcStatus, Known, grpc};
use evenkeel_net::Stream;
use h2::RecvStream;
use h2::client::{Builder, SendRequest};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::bad::{Awaited, Bad, quoted};
use super::good::Good;
use super::http::USER_AGENT;

/// The method of the health service.
const PATH: &str = "/grpc.health.v1.Health/Check";

/// The heads that are read have at most so many bytes; more is an error of the codec's.
const MOST_HEAD: u32 = 16 * 1024;

/// What is asked: the message of the call.
#[derive(Debug)]
pub(super) struct Ask(Bytes);

/// How one endpoint is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way<'a> {
    /// Whether the connection is TLS.
    pub(super) tls: bool,
    /// What stands in `:authority`.
    pub(super) authority: &'a [u8],
    /// How long the probe waits, as the endpoint is told.
    pub(super) timeout: Duration,
}

impl Ask {
    pub(super) fn new(service: &str) -> Self {
        Self(health::ask(service).into())
    }

    /// Asks on a fresh connection and judges what comes. Who calls this says how long it may take.
    pub(super) async fn put(&self, stream: Stream, way: Way<'_>) -> Result<Good, Bad> {
        let mut builder = Builder::new();
        builder.enable_push(false).max_header_list_size(MOST_HEAD);
        let (sender, connection) = builder.handshake(Wire(stream)).await.map_err(broken)?;
        let mut connection = pin!(connection);
        let mut call = pin!(self.call(sender, way));
        poll_fn(|cx| {
            if let Poll::Ready(outcome) = call.as_mut().poll(cx) {
                return Poll::Ready(outcome);
            }
            let Poll::Ready(ended) = connection.as_mut().poll(cx) else {
                return Poll::Pending;
            };
            // What was received before the end may be all that the call waits for.
            let outcome = match call.as_mut().poll(cx) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => Err(ended.map_or_else(broken, |()| Bad::Closed(Awaited::Health))),
            };
            Poll::Ready(outcome)
        })
        .await
    }

    async fn call(&self, sender: SendRequest<Bytes>, way: Way<'_>) -> Result<Good, Bad> {
        let mut sender = sender.ready().await.map_err(broken)?;
        let (response, mut request) = sender.send_request(request(way), false).map_err(broken)?;
        request.send_data(self.0.clone(), true).map_err(broken)?;
        let (head, body) = response.await.map_err(broken)?.into_parts();
        if head.status != StatusCode::OK {
            return Err(Bad::Status {
                status: head.status.as_u16(),
                expected: vec![(200, 200)],
            });
        }
        let kind = head.headers.get(header::CONTENT_TYPE);
        if !kind.is_some_and(|kind| grpc::is_content_type(kind.as_bytes())) {
            return Err(Bad::NoCall("its content type is another one"));
        }
        if body.is_end_stream() {
            went_well(&head.headers)?;
            return Err(Bad::NoCall("it has no message"));
        }
        judge(body).await
    }
}

fn request(way: Way<'_>) -> Request<()> {
    let uri = Uri::builder()
        .scheme(if way.tls { "https" } else { "http" })
        .authority(way.authority)
        .path_and_query(PathAndQuery::from_static(PATH))
        .build();
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    // An address that is no authority has a name of no account, as a Unix socket's.
    *request.uri_mut() = uri.unwrap_or_else(|_| Uri::from_static(NOWHERE));
    let headers = request.headers_mut();
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(grpc::CONTENT_TYPE),
    );
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    if let Ok(timeout) = grpc::Timeout(way.timeout).to_string().parse() {
        headers.insert(grpc::TIMEOUT, timeout);
    }
    request
}

/// [`PATH`] at nobody in particular.
const NOWHERE: &str = "http://localhost/grpc.health.v1.Health/Check";

/// Reads one message and the trailers.
async fn judge(mut body: RecvStream) -> Result<Good, Bad> {
    let mut message = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.map_err(broken)?;
        if message.len() + data.len() > PREFIX + MOST_BYTES {
            return Err(Bad::NoCall("its message is longer than 4 KiB"));
        }
        message.extend_from_slice(&data);
        let _ = body.flow_control().release_capacity(data.len());
    }
    let trailers = body.trailers().await.map_err(broken)?;
    went_well(&trailers.unwrap_or_default())?;
    match health::read(&message).map_err(Bad::NoCall)? {
        Health::Serving => Ok(Good::Serving),
        other => Err(Bad::Health(other.name())),
    }
}

/// Whether fields say that the call went well.
fn went_well(fields: &HeaderMap) -> Result<(), Bad> {
    let status = grpc::status_in(fields.iter().map(|(name, value)| Field {
        name: name.as_str().as_bytes(),
        value: value.as_bytes(),
        known: Known::Other,
    }));
    match status {
        Some(GrpcStatus::Ok) => Ok(()),
        Some(status) => {
            let message = fields.get("grpc-message").map(HeaderValue::as_bytes);
            let message = message.map(quoted).unwrap_or_default();
            Err(Bad::Call(status, message))
        }
        None => Err(Bad::NoCall("it has no grpc-status")),
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "errors are mapped by it, and come by value"
)]
fn broken(error: h2::Error) -> Bad {
    match error.get_io() {
        // What the codec makes of an end between two frames.
        Some(io) if io.kind() == io::ErrorKind::BrokenPipe => Bad::Closed(Awaited::Health),
        Some(io) => Bad::Broken(Awaited::Health, io.to_string()),
        None => Bad::Http2(error.to_string()),
    }
}

/// What the codec reads from and writes to.
struct Wire(Stream);

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.poll_read_buf(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
