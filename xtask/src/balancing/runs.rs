//! Which scenarios docs/balancing.md shows, with whom.

/// A run, and the name of its place in the page.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) name: &'static str,
    pub(super) scenario: &'static str,
    /// As `--compare` takes it.
    pub(super) compare: &'static str,
    pub(super) plot: Option<Plot>,
}

/// A plot beside the table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Plot {
    Quantiles,
    P99,
    Spread,
}

const fn run(
    name: &'static str,
    scenario: &'static str,
    compare: &'static str,
    plot: Option<Plot>,
) -> Run {
    Run {
        name,
        scenario,
        compare,
        plot,
    }
}

/// Scenarios, and who is put side by side in all of them.
pub(super) const OVERVIEW: ([&str; 8], [&str; 11]) = (
    [
        "steady-70",
        "steady-90",
        "mixed-hardware",
        "slow-endpoint",
        "rolling-restart",
        "zone-loss",
        "many-nodes",
        "antagonists",
    ],
    [
        "random",
        "round-robin",
        "least-request",
        "least-request-all",
        "least-connections",
        "peak-ewma",
        "least-time",
        "reported-load",
        "prequal",
        "prequal-header",
        "prequal-probe",
    ],
);

/// Every run.
pub(super) const RUNS: &[Run] = &[
    run(
        "mixed",
        "mixed-hardware",
        "round-robin,least-request,peak-ewma,least-time,reported-load,prequal",
        Some(Plot::Quantiles),
    ),
    run(
        "slow",
        "slow-endpoint",
        "round-robin,least-request,peak-ewma,least-time,prequal",
        Some(Plot::P99),
    ),
    run(
        "restart",
        "rolling-restart",
        "round-robin,least-request,peak-ewma,least-time,prequal",
        Some(Plot::P99),
    ),
    run(
        "nodes",
        "many-nodes",
        "round-robin,least-request,least-request-all,least-time,prequal,prequal-header,prequal-probe",
        Some(Plot::Spread),
    ),
    run(
        "antagonists",
        "antagonists",
        "round-robin,least-request,least-time,reported-load,prequal,prequal-header,prequal-probe",
        Some(Plot::Quantiles),
    ),
    run(
        "keys",
        "hot-keys",
        "ring-hash,maglev,rendezvous,ring-hash-bounded,maglev-bounded,rendezvous-bounded,least-request",
        Some(Plot::Spread),
    ),
    run(
        "crowd",
        "flash-crowd",
        "round-robin,least-request,prequal",
        None,
    ),
    run("storm", "retry-storm", "least-request", None),
    run("storm-free", "retry-storm-no-budget", "least-request", None),
    run(
        "paper-70",
        "prequal-paper-70",
        "paper",
        Some(Plot::Quantiles),
    ),
    run(
        "paper-90",
        "prequal-paper-90",
        "paper",
        Some(Plot::Quantiles),
    ),
    run(
        "ramp",
        "prequal-ramp",
        "paper-wrr,paper-c3,prequal",
        Some(Plot::P99),
    ),
    run(
        "linear",
        "prequal-paper-90",
        "paper-latency,paper-linear,paper-rif,paper-hcl,paper-c3-own,paper-polled,paper-polled-slow",
        None,
    ),
    run(
        "hobbled",
        "prequal-paper-hobbled",
        "paper-wrr,paper-least-loaded,paper-polled,paper-c3,prequal",
        None,
    ),
    run(
        "linear-ramp",
        "prequal-ramp",
        "paper-latency,paper-linear,paper-rif",
        Some(Plot::P99),
    ),
    run(
        "choices",
        "mixed-hardware",
        "least-request:choices=2,least-request:choices=3,least-request:choices=4,least-request:choices=8,least-request:choices=all",
        None,
    ),
    run(
        "quantile-many",
        "prequal-paper-90",
        "prequal-probe:hot_quantile=0,prequal-probe:hot_quantile=0.35,prequal-probe:hot_quantile=0.59,prequal-probe:hot_quantile=0.84,prequal-probe:hot_quantile=0.97,prequal-probe:hot_quantile=1",
        None,
    ),
    run(
        "quantile-few",
        "steady-90",
        "prequal-probe:hot_quantile=0,prequal-probe:hot_quantile=0.35,prequal-probe:hot_quantile=0.59,prequal-probe:hot_quantile=0.84,prequal-probe:hot_quantile=1,prequal:hot_quantile=0,prequal:hot_quantile=0.59,prequal:hot_quantile=0.84,prequal:hot_quantile=1",
        None,
    ),
    run(
        "rate",
        "prequal-paper-90",
        "prequal-probe:probe_rate=0.5:remove_rate=0.25,prequal-probe:probe_rate=1:remove_rate=0.25,prequal-probe:probe_rate=2,prequal-probe:probe_rate=3,prequal-probe:probe_rate=5",
        None,
    ),
    run(
        "pool",
        "steady-90",
        "prequal-probe:pool=2,prequal-probe:pool=4,prequal-probe:pool=8,prequal-probe:pool=16",
        None,
    ),
];
