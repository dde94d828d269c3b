//! End-to-end tests: the real binary between scripted clients and origins, over real sockets.
//!
//! One module per topic; each test is one sentence of what evenkeel promises. What all of them assert at their end (no
//! panic, descriptors back to where they were, SIGTERM ends it well) stands in [`evenkeel_testkit::Evenkeel`].

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::tests_outside_test_module,
    reason = "all of this is test code, also what is outside of a #[test]"
)]

mod access_log;
mod admin_address;
mod api;
mod attacks;
mod attempts;
mod backpressure;
mod balancers;
mod blocked;
mod browser;
mod canary;
mod check_command;
mod client_gone;
mod clients;
mod conformance;
mod control;
mod dashboard;
mod demo;
mod discovery;
mod distribution;
mod docs;
mod drain;
mod ejection;
mod explain;
mod faults;
mod floods;
mod framing;
mod grpc;
mod h2_floods;
mod handover;
mod headers;
mod http2;
mod interim;
mod keepalive;
mod last_known;
mod limits;
mod log_forms;
mod long_bodies;
mod metrics;
mod mirroring;
mod mtls;
mod names;
mod openapi;
mod operator_log;
mod orders;
mod overload;
mod packaging;
mod pairs;
mod places;
mod probes;
mod proxy_command;
mod queues;
mod rate_limits;
mod refusals;
mod relay;
mod reload;
mod renewals;
mod restarts;
mod rotation;
mod routing;
mod simulate_command;
mod split;
mod sticky;
mod strangers;
mod timeouts;
mod tls;
mod tls_endpoints;
mod top;
mod tracing;
mod trial;
mod trunks;
mod unix;
mod upgrade;
mod why_command;
mod zones;
