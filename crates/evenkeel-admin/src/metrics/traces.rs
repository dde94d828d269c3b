//! What became of the spans of traced requests.

use evenkeel_state::Traces;
use evenkeel_state::trace::Dropped;

use crate::metrics::text::{Kind, Text};

/// Writes it; of a process that traces nothing as well, so that an alert on it has a series from the beginning.
pub(super) fn write(text: &mut Text, traces: &Traces) {
    text.family(
        "evenkeel_trace_spans_exported_total",
        Kind::Counter,
        "Spans that the collector took.",
    );
    text.sample(&[], traces.exported());
    text.family(
        "evenkeel_trace_spans_dropped_total",
        Kind::Counter,
        "Spans that nobody will see: no room, the collector took none for too long, or it refused them.",
    );
    for why in Dropped::ALL {
        text.sample(&[("reason", why.name())], traces.dropped(why));
    }
}
