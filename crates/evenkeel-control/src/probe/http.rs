//! An HTTP probe: one request on a connection of its own, and its response read as strictly as any.
//!
//! Without a condition on the body the verdict falls with the head, so that an endpoint whose page never ends can be
//! probed; with one, the first 64 KiB are read.

mod body;
pub(super) mod load;

use evenkeel_base::head::{ResponseHead, ResponseView};
use evenkeel_base::{FieldName, FieldSink};
use evenkeel_config::model::ProbeRequest;
use evenkeel_http1::write::HeadWriter;
use evenkeel_http1::{Asked, Limits, Response, ResponseParser};
use evenkeel_net::Stream;

use self::body::Wanted;
use super::bad::{Awaited, Bad};
use super::good::Good;
use super::patience::Patience;
use super::wire;

/// So many interim responses may come before the final one.
pub(super) const MAX_INTERIM: usize = 8;

/// What is said in `User-Agent`, so that an endpoint's log can be read without the probes.
pub(super) const USER_AGENT: &str = "evenkeel-probe";

/// What is asked and what must be answered.
#[derive(Debug)]
pub(super) struct Ask {
    asked: ProbeRequest,
    wanted: Wanted,
}

impl Ask {
    pub(super) fn new(request: &ProbeRequest) -> Self {
        Self {
            asked: request.clone(),
            wanted: Wanted::new(&request.body),
        }
    }

    /// The request as bytes. `authority` is what `Host` says when the configuration names no host.
    pub(super) fn request(&self, authority: &str) -> Vec<u8> {
        let ProbeRequest {
            method,
            path,
            host,
            headers,
            ..
        } = &self.asked;
        let mut bytes = Vec::new();
        let mut head = HeadWriter::request(&mut bytes, method.as_bytes(), path.as_bytes(), None);
        let host = if host.is_empty() { authority } else { host };
        head.set(FieldName::HOST, host.as_bytes());
        if !headers.iter().any(|(name, _)| is(name, "user-agent")) {
            head.field(b"User-Agent", USER_AGENT.as_bytes());
        }
        for (name, value) in headers {
            if !is_ours(name) {
                head.field(name.as_bytes(), value.as_bytes());
            }
        }
        if method == "POST" {
            head.content_length(0);
        }
        head.field(b"Connection", b"close");
        head.end();
        bytes
    }

    /// Asks on a fresh connection and judges what comes.
    pub(super) async fn put(
        &self,
        stream: &mut Stream,
        request: &[u8],
        patience: &Patience,
    ) -> Result<Good, Bad> {
        wire::send(stream, request, patience).await?;
        let mut answer = Answer {
            stream,
            patience,
            bytes: Vec::new(),
        };
        let head_asked = self.asked.method == "HEAD";
        let note = |head: &ResponseView<'_>| head.status();
        let (response, status) = answer.head(head_asked, note).await?;
        let good = |&(first, last): &(u16, u16)| (first..=last).contains(&status);
        if !self.asked.statuses.iter().any(good) {
            return Err(Bad::Status {
                status,
                expected: self.asked.statuses.clone(),
            });
        }
        self.wanted.check(&mut answer, response.body).await?;
        Ok(Good::Status(status))
    }
}

/// Fields that frame and route the request: they are written by us, once.
fn is_ours(name: &str) -> bool {
    ["host", "connection", "content-length", "transfer-encoding"]
        .iter()
        .any(|ours| is(name, ours))
}

const fn is(name: &str, other: &str) -> bool {
    name.eq_ignore_ascii_case(other)
}

/// A response as it comes in.
struct Answer<'a> {
    stream: &'a mut Stream,
    patience: &'a Patience,
    /// What has come and was not used yet.
    bytes: Vec<u8>,
}

impl Answer<'_> {
    /// Reads the final response's head: how its body is framed, and what `note` makes of its fields.
    async fn head<T>(
        &mut self,
        head_asked: bool,
        note: impl Fn(&ResponseView<'_>) -> T,
    ) -> Result<(Response, T), Bad> {
        let asked = Asked {
            head: head_asked,
            ..Asked::default()
        };
        let limits = Limits::default();
        let (mut parser, mut head) = (ResponseParser::default(), ResponseHead::default());
        let mut interim = 0;
        loop {
            let parsed = parser
                .parse(&self.bytes, &limits, asked, &mut head)
                .map_err(Bad::Malformed)?;
            match parsed {
                None => {
                    if self.more(Awaited::Response, usize::MAX).await? == 0 {
                        return Err(Bad::Closed(Awaited::Response));
                    }
                }
                Some(response) => {
                    let noted = (head.status >= 200).then(|| note(&head.view(&self.bytes)));
                    self.bytes.drain(..response.consumed);
                    if let Some(noted) = noted {
                        return Ok((response, noted));
                    }
                    interim += 1;
                    if interim > MAX_INTERIM {
                        return Err(Bad::OnlyInterim);
                    }
                }
            }
        }
    }

    /// Reads at most `most` bytes more; 0 at the end of the stream.
    async fn more(&mut self, awaited: Awaited, most: usize) -> Result<usize, Bad> {
        wire::receive(self.stream, &mut self.bytes, most, awaited, self.patience).await
    }
}
