//! The trace that an exchange belongs to: kept or begun, sampled or not, and what endpoints are told of it.
//!
//! A client's trace is kept, whoever it is: an id costs nothing, and with it a log line is found. Its *decision* is followed only
//! when the other end of the connection is a trusted proxy, or the configuration trusts all: a stranger who decides what is
//! sampled could fill the collector, at its owner's cost, or keep what it does out of sight. All others are sampled by the
//! worker's own chance, which no client can steer by the id that it sends.
//!
//! Endpoints are told of the span of their attempt, or of the exchange's where nothing is sampled. What is exported is the business
//! of `story.rs`.

use std::time::Duration;

use evenkeel_base::trace::{Context, SpanId};
use evenkeel_base::{RequestView, Rng};
use evenkeel_config::model;

/// A share of everything, as the configuration has it.
const ALL: u32 = 100_000;

/// The place of an exchange in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traced {
    /// The trace, and the exchange's own span.
    pub(crate) context: Context,
    /// The span that the client named as its own.
    pub(crate) parent: Option<SpanId>,
    /// Whether attempts are spans of their own.
    is_told: bool,
}

impl Traced {
    /// The place of a request that came from a trusted proxy, or did not.
    pub(crate) fn begin(
        rules: &model::Trace,
        request: &RequestView<'_>,
        trusted: bool,
        rng: &mut Rng,
    ) -> Self {
        let came = Context::of(request);
        let believed = came.filter(|_| rules.trust || trusted);
        let sampled = match believed {
            Some(came) => came.is_sampled(),
            None => rng.below(ALL) < rules.sample,
        };
        Self {
            context: match came {
                Some(came) => came.with(SpanId::make(rng), sampled),
                None => Context::begin(rng, sampled),
            },
            parent: came.map(|came| came.span),
            is_told: sampled,
        }
    }

    /// The same for a copy of the request, whose attempts nobody tells of.
    pub(crate) const fn untold(self) -> Self {
        Self {
            is_told: false,
            ..self
        }
    }

    /// Whether the trace is the client's, and with it the state that others keep in it.
    pub(crate) const fn is_kept(self) -> bool {
        self.parent.is_some()
    }

    /// What the endpoint of an attempt is told, which began so long after the exchange.
    pub(crate) fn told(self, endpoint: usize, after: Duration) -> Context {
        if self.is_told {
            let span = self.attempt(endpoint, after);
            self.context.with(span, self.context.is_sampled())
        } else {
            self.context
        }
    }

    /// The span of an attempt: no two of an exchange begin at one endpoint in the same nanosecond. So nothing has to be kept of
    /// it beside what is known of every attempt.
    pub(crate) fn attempt(self, endpoint: usize, after: Duration) -> SpanId {
        let nanos = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        // Five hours lie below the endpoint's number.
        let number = (endpoint as u64 + 1) << 44 ^ nanos;
        self.context.span.part(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::parse;

    fn traced(sampled: bool) -> Traced {
        Traced {
            context: Context::begin(&mut Rng::new(7), sampled),
            parent: None,
            is_told: sampled,
        }
    }

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    /// What begins with a request that says this of its trace.
    fn begun(rules: &model::Trace, fields: &str, trusted: bool, rng: &mut Rng) -> Traced {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let head = parse(bytes.as_bytes()).expect("a good head");
        Traced::begin(rules, &head.view(bytes.as_bytes()), trusted, rng)
    }

    fn rules(sample: u32, trust: bool) -> model::Trace {
        model::Trace {
            to: model::TraceTarget::Off,
            sample,
            trust,
            service_name: String::new(),
            headers: Vec::new(),
            timeout: Duration::ZERO,
        }
    }

    #[test]
    fn a_trace_is_anybody_s_and_its_decision_that_of_who_is_trusted() {
        let mut rng = Rng::new(7);
        // Flags of the client, whether it is a trusted proxy, whether all are trusted, what is sampled of others: sampled?
        for (flags, proxy, trust, sample, sampled) in [
            ("01", true, false, 0, true),
            ("00", true, false, ALL, false),
            ("01", false, true, 0, true),
            ("00", false, true, ALL, false),
            ("01", false, false, 0, false),
            ("00", false, false, ALL, true),
        ] {
            let fields = format!("Traceparent: 00-{TRACE}-00f067aa0ba902b7-{flags}\r\n");
            let traced = begun(&rules(sample, trust), &fields, proxy, &mut rng);
            let case = (flags, proxy, trust, sample);
            assert_eq!(traced.context.is_sampled(), sampled, "{case:?}");
            assert_eq!(traced.context.trace.to_string(), TRACE, "{case:?}");
            assert!(traced.is_kept());
            assert_ne!(Some(traced.context.span), traced.parent);
        }
        for fields in ["", "traceparent: 00-x\r\n"] {
            for (sample, sampled) in [(0, false), (ALL, true)] {
                let traced = begun(&rules(sample, true), fields, true, &mut rng);
                assert_eq!(traced.context.is_sampled(), sampled);
                assert!(!traced.is_kept());
                assert_ne!(traced.context.trace.to_string(), TRACE);
            }
        }
    }

    #[test]
    fn as_many_are_sampled_as_the_rules_say() {
        let mut rng = Rng::new(7);
        let rules = rules(ALL / 100, false);
        let sampled =
            (0..20_000).filter(|_| begun(&rules, "", false, &mut rng).context.is_sampled());
        let sampled = sampled.count();
        assert!((150..250).contains(&sampled), "{sampled} of 20,000");
    }

    #[test]
    fn every_attempt_has_a_span_of_its_own() {
        let traced = traced(true);
        let mut spans: Vec<[u8; 8]> = (0..8)
            .flat_map(|endpoint| (0..50).map(move |n| (endpoint, Duration::from_nanos(n * n))))
            .map(|(endpoint, after)| {
                let told = traced.told(endpoint, after);
                assert_eq!(told.trace, traced.context.trace);
                assert!(told.is_sampled());
                assert_eq!(told.span, traced.attempt(endpoint, after));
                told.span.bytes()
            })
            .collect();
        spans.push(traced.context.span.bytes());
        let all = spans.len();
        spans.sort_unstable();
        spans.dedup();
        assert_eq!(spans.len(), all);
    }

    #[test]
    fn what_has_no_spans_is_told_of_the_exchange_s() {
        for untold in [traced(false), traced(true).untold()] {
            assert_eq!(untold.told(3, Duration::from_millis(1)), untold.context);
        }
    }
}
