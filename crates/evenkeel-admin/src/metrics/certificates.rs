//! When certificates end: of each listener the one that ends first, for an alert days before.

use evenkeel_state::Snapshot;

use crate::metrics::text::{Kind, Text};

/// Writes it; a listener without certificates has no series.
pub(super) fn write(text: &mut Text, snapshot: &Snapshot) {
    text.family(
        "evenkeel_listener_certificate_expires_timestamp_seconds",
        Kind::Gauge,
        "When the first of its certificates ends, since 1970.",
    );
    for listener in &snapshot.config.listeners {
        let certificates = listener.tls.iter().flat_map(|tls| &tls.certificates);
        let ends = certificates.map(|one| one.identity.certificate().not_after);
        if let Some(first) = ends.min() {
            text.sample(&[("listener", &listener.name)], first);
        }
    }
}
