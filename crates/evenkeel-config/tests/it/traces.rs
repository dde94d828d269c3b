//! Configurations of traces, for the properties.

use std::time::Duration;

use evenkeel_base::Address;
use evenkeel_config::model::{Collector, Trace, TraceTarget};
use proptest::collection::vec;
use proptest::prelude::*;

/// Any one without TLS, whose authorities would have to be in a file.
pub(crate) fn any_trace() -> impl Strategy<Value = Trace> {
    let collector = ("[a-z]{1,9}", 1_u16.., "/[a-z/]{1,9}").prop_map(|(host, port, path)| {
        let authority = format!("{host}:{port}");
        TraceTarget::Collector(Box::new(Collector {
            url: format!("http://{authority}{path}"),
            address: Address::Name {
                host: host.clone(),
                port,
            },
            host,
            authority,
            path,
            ca: None,
            tls: None,
        }))
    });
    let to = prop_oneof![Just(TraceTarget::Off), collector];
    let headers = vec(("x-[a-z]{1,5}", "[ -~&&[^ ]]{1,9}"), 0..2);
    let rest = (0_u32..=100_000, any::<bool>(), 10_u64..=60_000);
    (to, "[a-z\"\\\\]{1,9}", headers, rest).prop_map(
        |(to, service_name, headers, (sample, trust, millis))| Trace {
            to,
            sample,
            trust,
            service_name,
            headers,
            timeout: Duration::from_millis(millis),
        },
    )
}
