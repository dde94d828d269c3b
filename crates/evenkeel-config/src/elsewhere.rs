//! Words that people bring from other proxies, and ours.

/// What to write instead of a word of another proxy; `_`, `-` and case do not count.
pub(crate) fn ours(word: &str) -> Option<&'static str> {
    let plain = fold(word);
    let found = WORDS
        .iter()
        .find(|(words, _)| words.split(' ').any(|word| fold(word) == plain));
    found.map(|(_, ours)| *ours)
}

fn fold(word: &str) -> String {
    let letters = word.chars().filter(|c| !matches!(c, '_' | '-'));
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

/// The words of others, separated by spaces, and what they are here.
const WORDS: [(&str, &str); 50] = [
    (
        "backend backends upstream upstreams service services",
        "a group of endpoints is a [cluster.NAME] here",
    ),
    ("clusters", "it is [cluster.NAME], in the singular"),
    (
        "frontend",
        "what is bound is a [listener.NAME] here, and what it leads to a [[route]]",
    ),
    (
        "listen",
        "what is bound is a [listener.NAME] here, with `bind`",
    ),
    (
        "entrypoint entrypoints",
        "what is bound is a [listener.NAME] here",
    ),
    ("listeners", "it is [listener.NAME], in the singular"),
    (
        "location router routers",
        "a match and its action are a [[route]] here",
    ),
    ("routes", "it is [[route]], in the singular"),
    (
        "server",
        "an address of a cluster stands in `endpoints`; what is bound is a [listener.NAME]",
    ),
    (
        "servers targets nodes",
        "the addresses of a cluster stand in `endpoints`",
    ),
    ("lb_policy algorithm", "it is `balancer`"),
    (
        "client_max_body_size",
        "it is `max_request_body`, on a route",
    ),
    (
        "timeout",
        "each wait has a name of its own: `connect_timeout`, `response_header_timeout` and `idle_timeout` of a cluster, `total_timeout` of a route",
    ),
    ("tls ssl", "TLS is not part of this version"),
    // Health.
    (
        "health check healthcheck health_checks active active_health_check httpchk http_check tcp_check option_httpchk health_uri health_path",
        "it is `probe` of a cluster: probe.http = { path = \"/healthz\" }",
    ),
    ("uri", "it is `path`"),
    ("inter", "it is `interval` of a cluster's `probe`"),
    (
        "fastinter unhealthy_edge_interval healthy_edge_interval",
        "it is `changing_interval` of a cluster's `probe`",
    ),
    (
        "downinter unhealthy_interval",
        "it is `down_interval` of a cluster's `probe`",
    ),
    (
        "passes healthy_threshold health_passes",
        "it is `rise` of a cluster's `probe`",
    ),
    (
        "fails unhealthy_threshold health_fails",
        "it is `fall` of a cluster's `probe`",
    ),
    (
        "expected_statuses expect_status rstatus",
        "it is `status` of a cluster's `probe.http`",
    ),
    (
        "rstring expect_body",
        "it is `body` of a cluster's `probe.http`",
    ),
    ("rregex", "it is `body_regex` of a cluster's `probe.http`"),
    (
        "passive passive_health_check outlier_detection observe circuit_breaker ejection",
        "it is `outlier` of a cluster, and on without being asked for",
    ),
    (
        "max_fails consecutive_5xx consecutive_gateway_failure error_limit unhealthy_count",
        "it is `consecutive_faults` of a cluster's `outlier`",
    ),
    (
        "fail_timeout fail_duration base_ejection_time",
        "it is `base_ejection` of a cluster's `outlier`",
    ),
    (
        "max_ejection_time",
        "it is `max_ejection` of a cluster's `outlier`",
    ),
    (
        "max_ejection_percent",
        "it is `max_ejected` of a cluster's `outlier`",
    ),
    (
        "failure_percentage_threshold",
        "it is `fault_percent` of a cluster's `outlier`",
    ),
    (
        "unhealthy_latency",
        "it is `latency_factor` of a cluster's `outlier`: compared with the other endpoints",
    ),
    (
        "healthy_panic_threshold panic_threshold",
        "it is `panic_below` of a cluster",
    ),
    (
        "slowstart slow_start_config",
        "it is `slow_start` of a cluster",
    ),
    (
        "down disabled maintenance",
        "it is admin = \"maint\" of an endpoint",
    ),
    ("drain state", "it is admin = \"drain\" of an endpoint"),
    (
        "backup",
        "all endpoints of a cluster take requests; there are no reserves in this version",
    ),
    // Attempts.
    (
        "retries num_retries lb_retries proxy_next_upstream_tries max_retries",
        "it is `attempts` of `retry`, on a route or its cluster",
    ),
    (
        "retry_on proxy_next_upstream next_upstream lb_retry_match",
        "it is `on` of `retry`, and `statuses` for what the endpoint answered",
    ),
    ("retry_policy", "it is `retry`, on a route or its cluster"),
    (
        "retry_budget budget",
        "it is `budget_ratio` and `budget_burst` of a cluster's `retry`",
    ),
    (
        "per_try_timeout lb_try_duration",
        "it is `attempt_timeout` of `retry`; `total_timeout` of a route covers all attempts",
    ),
    (
        "redispatch",
        "a retry goes to another endpoint while one is left",
    ),
    (
        "retriable_status_codes",
        "it is `statuses` of `retry`, on a route or its cluster",
    ),
    ("hedge_policy hedging", "it is `hedge` of `retry`"),
    // Limits.
    (
        "maxconn max_conns max_connections max_requests max_requests_per_host unhealthy_request_count",
        "`limits` of a cluster: `endpoint_requests` and `endpoint_connections` for one endpoint, `requests` and `connections` for all",
    ),
    (
        "circuit_breakers thresholds",
        "caps are `limits` of a cluster; leaving out an endpoint that fails is `outlier`",
    ),
    (
        "maxqueue max_pending_requests timeout_queue",
        "it is `queue` of a cluster's `limits`, with `size` and `timeout`",
    ),
    (
        "adaptive_concurrency",
        "it is endpoint_requests = \"adaptive\" of a cluster's `limits`",
    ),
    (
        "limit_req limit_req_zone ratelimit local_ratelimit rate_limits throttle",
        "it is `rate_limit` of a route",
    ),
    (
        "limit_conn limit_conn_zone in_flight_req maxconn_per_client connection_limit",
        "it is `max_connections_per_client` of a listener",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_stands_once_and_is_not_ours() {
        let mut words: Vec<String> = WORDS
            .iter()
            .flat_map(|(words, _)| words.split(' ').map(fold))
            .collect();
        let count = words.len();
        words.sort();
        words.dedup();
        assert_eq!(words.len(), count);
        assert_eq!(ours("healthCheck"), ours("health-check"));
        assert_eq!(ours("listener"), None);
    }
}
