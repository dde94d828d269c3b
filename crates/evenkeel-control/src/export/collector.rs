//! The collector: a connection that is kept, one export at a time, and what its answer means.
//!
//! Nothing here waits longer than the configuration says, and nothing is tried a second time but on a connection that turns out
//! to have been closed while it was idle. What follows from an answer is decided in `export.rs`.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use evenkeel_base::{Address, Target};
use evenkeel_config::model::{self, Trace};
use evenkeel_net::{Wire, dial};
use evenkeel_state::{Resolved, Sought};
use evenkeel_tls::client::EndpointTls;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use prost::Message;
use tokio::{task, time};

use super::proto::ExportResponse;
use crate::discovery::{self, Dns};

/// So much of an answer is read; it says a number and a sentence.
const MAX_ANSWER: usize = 64 * 1024;
/// So many letters of a collector's own words stand in the log.
const MAX_WORDS: usize = 200;

/// What a collector said, or that it said nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It took all but so many, with its reason.
    Taken { rejected: u64, why: String },
    /// It will not have these, now or later.
    Refused(String),
    /// It may have them in smaller messages.
    TooLarge(String),
    /// It may have them later, not before that.
    Later(String, Option<Duration>),
}

/// A collector, and the connection to it.
#[derive(Debug)]
pub(super) struct Collector {
    trace: Trace,
    tls: Option<EndpointTls>,
    idle: Option<SendRequest<Full<Bytes>>>,
}

impl Collector {
    /// The one that a configuration names; none: traces are off.
    pub(super) fn of(trace: &Trace) -> Option<Self> {
        let model::TraceTarget::Collector(to) = &trace.to else {
            return None;
        };
        Some(Self {
            tls: to.tls.as_ref().map(|tls| tls.towards(&to.host)),
            trace: trace.clone(),
            idle: None,
        })
    }

    /// Whether it is the one that a configuration names.
    pub(super) fn is_of(&self, trace: &Trace) -> bool {
        self.trace == *trace
    }

    /// Sends what was encoded, within the time for it.
    pub(super) async fn export(&mut self, spans: &Bytes, dns: &Arc<Dns>) -> Answer {
        let limit = self.trace.timeout;
        match time::timeout(limit, self.ask(spans, dns)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => Answer::Later(why, None),
            Err(_) => {
                self.idle = None;
                Answer::Later(format!("no answer within {limit:?}"), None)
            }
        }
    }

    async fn ask(&mut self, spans: &Bytes, dns: &Arc<Dns>) -> Result<Answer, String> {
        let request = self.request(spans)?;
        let reused = self.idle.take().filter(SendRequest::is_ready);
        if let Some(mut connection) = reused
            // Closed in this moment, as it seems.
            && let Ok(response) = connection.send_request(request.clone()).await
        {
            return self.answer(response, connection).await;
        }
        let mut connection = self.connect(dns).await?;
        let response = connection.send_request(request).await;
        let response = response.map_err(|error| format!("it did not answer: {error}"))?;
        self.answer(response, connection).await
    }

    fn request(&self, spans: &Bytes) -> Result<Request<Full<Bytes>>, String> {
        let model::TraceTarget::Collector(to) = &self.trace.to else {
            return Err("there is no collector".to_owned());
        };
        let mut request = Request::post(&to.path)
            .header("host", &to.authority)
            .header("content-type", "application/x-protobuf")
            .header(
                "user-agent",
                concat!("evenkeel/", env!("CARGO_PKG_VERSION")),
            );
        for (name, value) in &self.trace.headers {
            let value = HeaderValue::from_bytes(value.as_bytes());
            let mut value = value.map_err(|_| format!("`{name}` cannot be sent"))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let body = Full::new(spans.clone());
        request.body(body).map_err(|error| error.to_string())
    }

    async fn connect(&self, dns: &Arc<Dns>) -> Result<SendRequest<Full<Bytes>>, String> {
        let mut why = "its name has no address".to_owned();
        for address in self.addresses(dns).await? {
            let stream = match dial(&Target::Ip(address), self.tls.as_ref()).await {
                Ok(stream) => stream,
                Err(error) => {
                    why = format!("{address}: {error}");
                    continue;
                }
            };
            let (connection, driver) = handshake(Wire(stream))
                .await
                .map_err(|error| error.to_string())?;
            // It ends with the connection, and that when we let go of our end.
            task::spawn(async move {
                let _ = driver.await;
            });
            return Ok(connection);
        }
        Err(why)
    }

    async fn addresses(&self, dns: &Arc<Dns>) -> Result<Vec<SocketAddr>, String> {
        let model::TraceTarget::Collector(to) = &self.trace.to else {
            return Ok(Vec::new());
        };
        match &to.address {
            Address::Ip(address) => Ok(vec![*address]),
            Address::Name { host, port } => {
                let names = BTreeSet::from([Sought::Name(host.clone(), *port)]);
                let mut known = Resolved::new();
                let (looked, unresolved) = discovery::look_up(names, dns, &known).await;
                if let Some(why) = unresolved.first() {
                    return Err(why.to_string());
                }
                for one in &looked {
                    discovery::learn(&mut known, one);
                }
                Ok(known.addresses(host, *port).to_vec())
            }
            Address::Service(_) | Address::Unix(_) => Ok(Vec::new()),
        }
    }

    async fn answer(
        &mut self,
        response: Response<hyper::body::Incoming>,
        connection: SendRequest<Full<Bytes>>,
    ) -> Result<Answer, String> {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = match body {
            Ok(body) => {
                self.idle = Some(connection);
                body.to_bytes()
            }
            // What the status says is enough.
            Err(_) => Bytes::new(),
        };
        if head.status.is_success() {
            let said = ExportResponse::decode(body).unwrap_or_default();
            let partial = said.partial_success.unwrap_or_default();
            return Ok(Answer::Taken {
                rejected: u64::try_from(partial.rejected_spans).unwrap_or(0),
                why: words(partial.error_message.as_bytes()),
            });
        }
        let said = match words(&body) {
            said if said.is_empty() => head.status.to_string(),
            said => format!("{}: {said}", head.status),
        };
        // OTLP, "OTLP/HTTP Response", "Retryable Response Codes".
        Ok(match head.status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                let after = head.headers.get(RETRY_AFTER).and_then(retry_after);
                Answer::Later(said, after)
            }
            StatusCode::PAYLOAD_TOO_LARGE => Answer::TooLarge(said),
            _ => Answer::Refused(said),
        })
    }
}

/// What `Retry-After` asks for (RFC 9110 §10.2.3): seconds, or a date.
fn retry_after(value: &HeaderValue) -> Option<Duration> {
    let value = value.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// The beginning of what a collector says in its own words, as it can stand in a log: most are text, some a message with text in it.
fn words(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let plain: String = text
        .chars()
        .filter(|letter| !letter.is_control() && *letter != char::REPLACEMENT_CHARACTER)
        .take(MAX_WORDS)
        .collect();
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_strangers_are_made_fit_for_a_log() {
        assert_eq!(words(b"  no\x1b[31m\r\n \xffroom "), "no[31m room");
        assert_eq!(
            words("ä".repeat(1000).as_bytes()).chars().count(),
            MAX_WORDS
        );
    }

    #[test]
    fn pauses_are_seconds_or_a_date() {
        let read = |text: &str| retry_after(&HeaderValue::from_str(text).unwrap());
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
        let later = SystemTime::now() + Duration::from_secs(100);
        let later = read(&httpdate::fmt_http_date(later)).unwrap();
        assert!(later > Duration::from_secs(50) && later <= Duration::from_secs(100));
        assert_eq!(read("soon"), None);
    }
}
