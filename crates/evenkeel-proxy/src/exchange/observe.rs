//! What the balancer hears of an attempt: how long the response's head took, or that there was none, and what the endpoint said
//! of its load. Once per attempt, and only where the balancer asks for it.
//!
//! Outlier detection hears of the same attempts elsewhere ([`Stage::answered`], [`Stage::failed`]): it counts faults and wants
//! whole responses, a balancer compares latencies and wants them early.

use std::time::{Duration, Instant};

use evenkeel_base::{GrpcStatus, ResponseView};
use evenkeel_policy::outlier::Cause;
use evenkeel_policy::{Observed, Report};

use crate::exchange::stage::Stage;

impl Stage<'_> {
    /// The response's head came, and said how the call ended when it was one and that was all. `latency`: see
    /// [`Conversation::latency`](crate::exchange::converse::Conversation::latency).
    #[inline]
    pub(crate) fn saw(
        &self,
        response: &ResponseView<'_>,
        grpc: Option<GrpcStatus>,
        latency: Option<Duration>,
        now: Instant,
    ) {
        let needs = self.cluster.endpoints.tiers.needs();
        if needs.observations {
            self.tell_head(response, grpc, latency, now);
        }
    }

    /// The attempt failed by a fault of the endpoint's, after so long, as far as that is known.
    pub(crate) fn saw_failure(&self, took: Option<Duration>) {
        if self.cluster.endpoints.tiers.needs().observations {
            let observed = Observed {
                latency: took,
                failed: true,
                in_flight: self.in_flight,
                ..Observed::default()
            };
            self.tell_balancer(&observed, Instant::now());
        }
    }

    /// The attempt was given up for another one that began later and had its response earlier: it took at least so long. Without
    /// this nobody would ever hear of the latency of an endpoint that is always too slow to win.
    pub(crate) fn saw_overtaken(&self, now: Instant) {
        if self.cluster.endpoints.tiers.needs().observations {
            let observed = Observed {
                latency: Some(now.saturating_duration_since(self.began)),
                in_flight: self.in_flight,
                ..Observed::default()
            };
            self.tell_balancer(&observed, now);
        }
    }

    #[inline(never)]
    fn tell_head(
        &self,
        response: &ResponseView<'_>,
        grpc: Option<GrpcStatus>,
        latency: Option<Duration>,
        now: Instant,
    ) {
        let report = if self.cluster.endpoints.tiers.needs().reports {
            let name = self.cluster.config.balancer.report_field();
            report(response, name.as_bytes())
        } else {
            None
        };
        let observed = Observed {
            latency,
            failed: Cause::of_response(response.status(), grpc).is_some(),
            erred: Observed::is_error(response.status(), grpc),
            in_flight: self.in_flight,
            report: report.unwrap_or_default(),
        };
        self.tell_balancer(&observed, now);
    }

    fn tell_balancer(&self, observed: &Observed, now: Instant) {
        let set = &self.cluster.endpoints;
        let now_us = self.scene.worker.micros(now);
        set.tiers.observe(&set.list, self.index, observed, now_us);
    }
}

/// What the first field of that name says.
fn report(response: &ResponseView<'_>, name: &[u8]) -> Option<Report> {
    let mut fields = response.fields();
    let field = fields.find(|field| field.name.eq_ignore_ascii_case(name))?;
    Report::parse(field.value)
}

#[cfg(test)]
mod tests {
    use evenkeel_base::ResponseHead;
    use evenkeel_http1::{Asked, Limits, ResponseParser};

    use super::*;

    #[test]
    fn a_report_is_read_out_of_the_field_that_the_balancer_names() {
        let bytes = b"HTTP/1.1 200 OK\r\nX-Load: in_flight=1\r\nEndpoint-Load-Metrics: TEXT in_flight=7\r\n\
            Endpoint-Load-Metrics: in_flight=8\r\nX-Bad: in_flight=-1\r\n\r\n";
        let mut head = ResponseHead::default();
        let mut parser = ResponseParser::default();
        let (limits, asked) = (Limits::default(), Asked::default());
        parser.parse(bytes, &limits, asked, &mut head).unwrap();
        let in_flight = |name: &str| report(&head.view(bytes), name.as_bytes())?.in_flight;
        assert_eq!(in_flight("endpoint-load-metrics"), Some(7));
        assert_eq!(in_flight("x-load"), Some(1));
        assert_eq!(in_flight("x-bad"), None);
        assert_eq!(in_flight("x-none"), None);
    }
}
