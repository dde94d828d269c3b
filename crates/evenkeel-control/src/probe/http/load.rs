//! A probe for load: what an endpoint says of itself when it is asked.
//!
//! Many of them are sent, so they go over a connection that was kept when there is one. It is no probe of health: a bad answer is
//! no answer, and whether the endpoint is well is for others to say.

use std::time::Duration;

use evenkeel_base::head::ResponseView;
use evenkeel_base::{FieldName, FieldSink, Target};
use evenkeel_http1::write::HeadWriter;
use evenkeel_net::{Stream, dial};
use evenkeel_policy::Report;
use evenkeel_tls::client::EndpointTls;

use super::body::{Body, End};
use super::{Answer, USER_AGENT, is};
use crate::probe::bad::{Awaited, Bad};
use crate::probe::patience::Patience;
use crate::probe::{no_connection, wire};

/// The response field that a report may stand in, in place of the body (ORCA).
const FIELD: &str = "endpoint-load-metrics";

/// A request for an endpoint's report, as bytes.
#[derive(Clone, Debug)]
pub(crate) struct LoadRequest(Vec<u8>);

/// What came of it.
#[derive(Debug)]
pub(crate) struct Reported {
    pub(crate) report: Report,
    /// The connection, when it can carry another request.
    pub(crate) kept: Option<Stream>,
}

impl LoadRequest {
    /// `GET` that path; `authority` is what `Host` says.
    pub(crate) fn new(path: &str, authority: &str) -> Self {
        let mut bytes = Vec::new();
        let mut head = HeadWriter::request(&mut bytes, b"GET", path.as_bytes(), None);
        head.set(FieldName::HOST, authority.as_bytes());
        head.field(b"User-Agent", USER_AGENT.as_bytes());
        head.end();
        Self(bytes)
    }

    /// Asks the endpoint at `target`, over `kept` if that still works, within `time` in all.
    pub(crate) async fn put(
        &self,
        target: &Target,
        tls: Option<&EndpointTls>,
        kept: Option<Stream>,
        time: Duration,
    ) -> Result<Reported, Bad> {
        let patience = Patience::new(time);
        if let Some(stream) = kept {
            match self.put_on(stream, &patience).await {
                // The endpoint may have closed it at any moment since.
                Err(Bad::Closed(_) | Bad::Broken(..)) => {}
                answered => return answered,
            }
        }
        let tls = tls.map(EndpointTls::for_http1);
        let connected = patience
            .wait(Awaited::Connection, dial(target, tls.as_ref()))
            .await?;
        let stream = connected.map_err(|error| no_connection(&error))?;
        self.put_on(stream, &patience).await
    }

    async fn put_on(&self, mut stream: Stream, patience: &Patience) -> Result<Reported, Bad> {
        wire::send(&mut stream, &self.0, patience).await?;
        let mut answer = Answer {
            stream: &mut stream,
            patience,
            bytes: Vec::new(),
        };
        let note = |head: &ResponseView<'_>| (head.status(), from_fields(head));
        let (response, (status, from_fields)) = answer.head(false, note).await?;
        if !(200..=299).contains(&status) {
            return Err(Bad::Status {
                status,
                expected: vec![(200, 299)],
            });
        }
        let mut body = Body::new(response.body);
        let end = body.read(&mut answer, |_| false).await?;
        let whole = end == End::Whole;
        let report = from_fields
            .or_else(|| Report::parse(&body.content).filter(|_| whole))
            .filter(says_enough)
            .ok_or(Bad::NoReport)?;
        let keep = whole && response.persistent && answer.bytes.is_empty();
        Ok(Reported {
            report,
            kept: keep.then_some(stream),
        })
    }
}

fn from_fields(head: &ResponseView<'_>) -> Option<Report> {
    let mut fields = head.fields();
    let field =
        fields.find(|field| std::str::from_utf8(field.name).is_ok_and(|name| is(name, FIELD)))?;
    Report::parse(field.value)
}

/// Utilization alone is nothing that requests in flight and latency could be guessed from.
const fn says_enough(report: &Report) -> bool {
    report.in_flight.is_some() || report.latency.is_some()
}
