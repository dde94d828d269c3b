//! Words that people bring from other proxies, and ours.

/// What to write instead of a word of another proxy; `_`, `-` and case do not count.
pub(crate) fn ours(word: &str) -> Option<&'static str> {
    find(&WORDS, word)
}

/// The same for the names of balancers.
pub(crate) fn our_balancer(name: &str) -> Option<&'static str> {
    find(&BALANCERS, name)
}

fn find(table: &[(&str, &'static str)], word: &str) -> Option<&'static str> {
    let plain = fold(word);
    let found = table
        .iter()
        .find(|(words, _)| words.split(' ').any(|word| fold(word) == plain));
    found.map(|(_, ours)| *ours)
}

fn fold(word: &str) -> String {
    let letters = word.chars().filter(|c| !matches!(c, '_' | '-'));
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

/// The balancers of others, separated by spaces, and what they are here.
const BALANCERS: [(&str, &str); 16] = [
    (
        "hash chash consistent consistent_hash consistent_hashing source ip_hash client_ip_hash src source_ip_hash",
        "consistent hashing is \"maglev\", \"ring-hash\" or \"rendezvous\"; of the client's address, unless `key` says otherwise: { kind = \"maglev\", key = \"client\" }",
    ),
    (
        "uri uri_hash url_hash request_uri",
        "write { kind = \"maglev\", key = [\"path\", \"query\"] }",
    ),
    (
        "url_param query_hash",
        "write { kind = \"maglev\", key = \"query:NAME\" }",
    ),
    (
        "hdr header header_hash",
        "write { kind = \"maglev\", key = \"header:NAME\" }",
    ),
    (
        "cookie cookie_hash sticky stick_table",
        "to keep a client at its endpoint write sticky = \"cookie\" beside the balancer; to hash a cookie of the application, { kind = \"maglev\", key = \"cookie:NAME\" }",
    ),
    ("maglev_hash maglev_hashing", "it is \"maglev\""),
    ("ketama ring ring_hash_lb", "it is \"ring-hash\""),
    (
        "hrw highest_random_weight rendezvous_hash rendezvous_hashing",
        "it is \"rendezvous\"",
    ),
    (
        "least_conn least_connection least_outstanding_requests least_loaded lor",
        "it is \"least-request\", which compares two at random, or \"least-connections\", which compares all",
    ),
    (
        "p2c power_of_two power_of_two_choices two_choices random(2) random_choose random_least_conn",
        "it is \"least-request\"; for more than two { kind = \"least-request\", choices = 3 }",
    ),
    (
        "wrr rr swrr weighted_round_robin static_rr weighted",
        "it is \"round-robin\"; each endpoint has its `weight`",
    ),
    (
        "client_side_weighted_round_robin orca",
        "it is \"reported-load\", by what endpoints say of their load",
    ),
    ("ewma pewma", "it is \"peak-ewma\""),
    (
        "least_response_time response_time fastest latency lrt",
        "it is \"least-time\", or \"prequal\", which looks at load first and at latency then",
    ),
    (
        "first failover priority",
        "in the order of the file, each while it has room, it is \"first-available\"; for reserves give endpoints a `tier`",
    ),
    (
        "weighted_random wrandom",
        "it is \"random\", which goes by weight",
    ),
];

/// The words of others, separated by spaces, and what they are here.
const WORDS: [(&str, &str); 68] = [
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
    (
        "client_max_body_size",
        "it is `max_request_body`, on a route",
    ),
    (
        "timeout",
        "each wait has a name of its own: `connect_timeout`, `response_header_timeout` and `idle_timeout` of a cluster, `total_timeout` of a route",
    ),
    (
        "resolvers dns dns_resolvers nameservers nameserver",
        "who is asked about names is [resolver], with `servers`",
    ),
    ("ssl proxy_ssl transport_socket", "it is `tls`"),
    (
        "proxy_ssl_verify ssl_verify insecure skip_verify insecure_skip_verify tls_insecure_skip_verify verify_certificate_at_client",
        "it is `verify`, in the `tls` of a cluster",
    ),
    (
        "sni proxy_ssl_name proxy_ssl_server_name ssl_name tls_server_name sni_hostname",
        "it is `server_name`, in the `tls` of a cluster",
    ),
    (
        "ca_file ca_cert ca_certs ca_bundle root_ca trusted_ca trusted_certificate proxy_ssl_trusted_certificate trusted_ca_certificate",
        "it is `ca`, in `tls`",
    ),
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
        "backup reserve",
        "a reserve is an endpoint with tier = 1: it gets requests only when others are not able to",
    ),
    // Balancing.
    (
        "lb_policy lb_algorithm load_balancing_policy algorithm balance",
        "it is `balancer`",
    ),
    (
        "hash hash_type hash_policy consistent_hash ip_hash",
        "hashing is a `balancer` of a cluster, such as \"maglev\", and what is hashed its `key`",
    ),
    (
        "hash_key hash_on",
        "it is `key` of a cluster's `balancer`: { kind = \"maglev\", key = \"header:NAME\" }",
    ),
    (
        "hash_balance_factor load_factor",
        "it is `bound` of a cluster's `balancer`, 1.25 for 125 %",
    ),
    ("choice_count", "it is `choices` of a cluster's `balancer`"),
    ("decay_time", "it is `decay` of a cluster's `balancer`"),
    (
        "locality region availability_zone",
        "it is `zone` of an endpoint, and `zone` at the top of the file for this node",
    ),
    (
        "zone_aware_lb_config locality_weighted_lb_config prefer_local",
        "it is `prefer_zone` of a cluster, and on",
    ),
    (
        "overprovisioning_factor",
        "it is `spill_below` of a cluster: 1.4 is 70 %",
    ),
    (
        "sticky_session sticky_cookie stick stickiness session_affinity affinity stateful_session stick_on stick_table dynamic_cookie_key",
        "it is `sticky` of a cluster: sticky = \"cookie\", or { by = \"cookie:NAME\" } for what the application sets",
    ),
    ("http_only", "the cookie is always `HttpOnly`"),
    (
        "ttl expires maxlife",
        "it is `lifetime` of a cluster's `sticky`",
    ),
    (
        "weighted_clusters weighted split_clients weighted_backends",
        "shares of clusters stand in `cluster` of a route: { stable = 95, canary = 5 }",
    ),
    (
        "request_mirror_policies mirroring mirror_percentage shadow runtime_fraction",
        "it is `mirror` of a route: { cluster = \"shadow\", percent = 10 }",
    ),
    ("subset_size", "it is `subset` of a cluster"),
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
        "retriable_status_codes retry_grpc_on",
        "it is `statuses` of `retry`, on a route or its cluster, and `grpc_statuses` for those of gRPC",
    ),
    ("hedge_policy hedging", "it is `hedge` of `retry`"),
    // Limits.
    (
        "maxconn max_conns max_connections max_requests max_requests_per_host unhealthy_request_count",
        "`limits` of a cluster: `endpoint_requests` and `endpoint_connections` for one endpoint, `requests` and `connections` for all; for clients it is `max_connections`, at the top of the file",
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

    #[test]
    fn each_balancer_of_others_stands_once_and_is_not_ours() {
        let mut words: Vec<String> = BALANCERS
            .iter()
            .flat_map(|(words, _)| words.split(' ').map(fold))
            .collect();
        let count = words.len();
        words.sort();
        words.dedup();
        assert_eq!(words.len(), count);
        for kind in evenkeel_base::BalancerKind::ALL {
            assert_eq!(our_balancer(kind.name()), None, "{kind}");
        }
        assert_eq!(our_balancer("LEAST_CONN"), our_balancer("leastconn"));
    }
}
