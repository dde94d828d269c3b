//! What usually causes each fault, and what to look at: the second half of `evenkeel why`, and of the page that each fault has.
//!
//! What a fault *is* stands in the table of faults ([`Fault::about`]); here is what an operator at two in the morning wants next.
//! One entry for each, in the table's order, which the compiler and a test hold them to.

use crate::fault::Fault;

/// What to think of when a fault occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    of: Fault,
    /// What usually causes it, the most frequent first.
    pub causes: &'static [&'static str],
    /// What to look at or to do, in that order.
    pub look: &'static [&'static str],
}

impl Fault {
    /// What usually causes it, and what to look at.
    #[must_use]
    pub const fn advice(self) -> &'static Advice {
        &ADVICE[self as usize]
    }
}

static ADVICE: [Advice; Fault::ALL.len()] = [
    Advice {
        of: Fault::RequestMalformed,
        causes: &[
            "A broken or home-made client.",
            "A scanner, or an attempt at request smuggling.",
            "TLS or another protocol spoken to a plain listener.",
        ],
        look: &[
            "The access log of that listener: the client's address, and the detail that names the rule that was broken.",
            "If you own the client: send it to a `evenkeel demo` and read the reply; what is refused is refused by RFC 9112 and no knob changes it.",
        ],
    },
    Advice {
        of: Fault::RequestPathRefused,
        causes: &[
            "A client that does not resolve `.` and `..` before it sends.",
            "An attempt to get out of a folder, or around a route with `allow`, `deny` or a limit: by a slash that is percent-encoded, a backslash, a semicolon or a zero byte.",
        ],
        look: &[
            "`evenkeel explain` with the path: it says as what an endpoint may read it, and which route that would be.",
            "If the endpoint needs such paths and routes by the very same string: `allow_dot_segments` on the route.",
            "If the other route guards nothing that matters here: give both the same `allow`, `deny`, limits, `request_headers` and cluster.",
        ],
    },
    Advice {
        of: Fault::RequestTargetRefused,
        causes: &[
            "A client that does not percent-encode angle brackets, quotation marks or backticks in what it asks for.",
        ],
        look: &[
            "The client: it has to encode them (RFC 3986 §2.1). Nothing is encoded on its behalf, for what is routed is what is forwarded.",
            "If it cannot be changed: `protocol = \"http/1.1\"` of the cluster, which passes them.",
        ],
    },
    Advice {
        of: Fault::RequestBodyMalformed,
        causes: &[
            "A client that writes chunk sizes by hand and wrong, or over HTTP/2 sends more or less than it announced.",
            "An attempt at request smuggling.",
        ],
        look: &["The access log: the client's address and the detail. No knob makes this pass."],
    },
    Advice {
        of: Fault::RequestDenied,
        causes: &[
            "The client's network is in `deny`, or `allow` is given and it is not in it.",
            "A proxy stands in front, so that every client has the proxy's address.",
        ],
        look: &[
            "The client in the access log: is it the one you expect? If it is a proxy's, name the proxy in `trusted_proxies` of the listener.",
            "`allow` and `deny` of the route.",
        ],
    },
    Advice {
        of: Fault::MethodRefused,
        causes: &[
            "A scanner that looks for an open proxy.",
            "A client that is configured to use evenkeel as its forward proxy.",
        ],
        look: &["The client's proxy settings. CONNECT and TRACE are not forwarded."],
    },
    Advice {
        of: Fault::RequestHeaderTimeout,
        causes: &[
            "A client that connects ahead of need and never asks (browsers do; nothing is wrong then).",
            "A very slow or lossy network.",
            "Slowloris: many clients that send a byte now and then.",
        ],
        look: &[
            "How many, and from whom: many from few addresses is an attack, and `max_connections_per_client` bounds it.",
            "`request_header_timeout` of the listener.",
        ],
    },
    Advice {
        of: Fault::RequestBodyTimeout,
        causes: &[
            "An upload over a network that went away.",
            "A client that waits for something before it goes on.",
            "A slow attack with bodies.",
        ],
        look: &[
            "`request_body_idle_timeout` of the listener: it is the longest pause, not the length of the upload.",
            "bytes_in in the access log: where it stopped.",
        ],
    },
    Advice {
        of: Fault::RequestBodyTooLarge,
        causes: &["An upload that is larger than you thought when you set the limit."],
        look: &["`max_request_body` of the route."],
    },
    Advice {
        of: Fault::Misdirected,
        causes: &[
            "A browser that uses one connection for several hosts; it asks again on another one, and nothing is wrong.",
            "A client that connects by address or by another name than it asks for, where the listener has several certificates.",
        ],
        look: &[
            "The host in the access log, and the names of the listener's certificates in `evenkeel status --json`.",
            "Whether one certificate should be for both hosts.",
        ],
    },
    Advice {
        of: Fault::ClientCertificateExpired,
        causes: &[
            "A client that keeps its connection for longer than its certificate lives, and has a newer one that it shows when it connects again.",
            "A client whose certificate was not renewed: its next connection is refused.",
        ],
        look: &[
            "The client's certificate, whose subject stands in the access log.",
            "Whether the client reads a renewed certificate without a restart.",
        ],
    },
    Advice {
        of: Fault::RateLimited,
        causes: &[
            "One client that asks more than its share: a crawler, a script, a retry loop.",
            "Many people behind one address.",
            "A proxy in front that is not in `trusted_proxies`, so that everybody counts as one client.",
        ],
        look: &[
            "The client in the access log, and the `key` and `burst` of the route's `rate_limit`.",
            "`dry_run` shows whom a limit would hit before it does.",
        ],
    },
    Advice {
        of: Fault::TooManyConnections,
        causes: &[
            "A client without a pool of connections.",
            "Many people behind one address, or a proxy that is not in `trusted_proxies`.",
            "An attack with idle connections.",
        ],
        look: &["`max_connections_per_client` of the listener, and the address in the log."],
    },
    Advice {
        of: Fault::RequestLineTooLong,
        causes: &[
            "A search form or a report that puts everything into the query.",
            "A redirect loop that adds to the query each time.",
        ],
        look: &[
            "The path in the access log. `max_request_line` of the listener raises the limit; endpoints have one of their own.",
        ],
    },
    Advice {
        of: Fault::ExpectationFailed,
        causes: &["A client that sends an `Expect` of its own invention."],
        look: &["The client's code: only `100-continue` has a meaning (RFC 9110 §10.1.1)."],
    },
    Advice {
        of: Fault::RequestHeadTooLarge,
        causes: &[
            "Cookies that have grown: one per application under one domain.",
            "A token in a field that carries every group of a user.",
        ],
        look: &[
            "The client's cookies for this host; deleting them is the quick remedy.",
            "`max_head` and `max_fields` of the listener; endpoints have limits of their own.",
        ],
    },
    Advice {
        of: Fault::ClientGone,
        causes: &[
            "People who close a page or go on to the next.",
            "A client whose timeout is shorter than the endpoint's answer takes.",
            "A load balancer in front with a shorter timeout.",
        ],
        look: &[
            "total_ms in the access log: many at the same number (5,000, 30,000, 60,000) is somebody's timeout.",
            "If it goes with slow answers: the endpoint's latency first.",
        ],
    },
    Advice {
        of: Fault::ClientStalled,
        causes: &[
            "A phone that went through a tunnel.",
            "A player or a download that is paused.",
            "An attack that asks for much and reads nothing.",
        ],
        look: &[
            "bytes_out in the access log. `write_timeout` of the listener is how long a client may take nothing.",
        ],
    },
    Advice {
        of: Fault::CodingUnsupported,
        causes: &[
            "A client that sends `Transfer-Encoding: gzip, chunked` or the like.",
            "An attempt at request smuggling.",
        ],
        look: &["The client's code: compression belongs in `Content-Encoding`."],
    },
    Advice {
        of: Fault::VersionUnsupported,
        causes: &[
            "A client or scanner that speaks HTTP/0.9, or names a version that does not exist.",
            "HTTP/2 on a listener whose `protocols` lack it, or HTTP/1.1 where they name `h2` alone.",
        ],
        look: &["The access log: who it is.", "`protocols` of the listener."],
    },
    Advice {
        of: Fault::ConnectionOutdated,
        causes: &[
            "A revocation list was renewed, or `ca` or `verify` of the listener changed, while the client was about to ask: its connection is closed with this answer.",
            "The listener began to speak TLS, or to ask for certificates.",
        ],
        look: &[
            "Whether the client connects again: it is told to by `Connection: close`, or GOAWAY.",
            "When the files of `ca` or `crl`, by which clients are checked, have changed; a connection sees this once at most, and one that idles is closed before it asks.",
        ],
    },
    Advice {
        of: Fault::NoRoute,
        causes: &[
            "A path or host that no route names.",
            "A request to the bare address, or with the wrong `Host`.",
            "A route that is bound to another listener.",
        ],
        look: &[
            "`evenkeel check FILE`, and the routes: a route without `host` matches every host, `path` is a prefix on segment bounds.",
            "If everything else should go somewhere: a route with `path = \"/\"`.",
        ],
    },
    Advice {
        of: Fault::Internal,
        causes: &["A mistake in evenkeel."],
        look: &[
            "The operator log, for a panic with its place in the code.",
            "Please report it with that line, the version and, if you can, the request.",
        ],
    },
    Advice {
        of: Fault::NoEndpoint,
        causes: &[
            "The cluster's names do not resolve, or its `endpoints_file` is empty.",
            "Every endpoint is ordered to `drain` or `maint`, or has weight 0.",
            "Every endpoint that is left was tried and failed.",
        ],
        look: &[
            "`evenkeel status`: the cluster's endpoints, with health, phase and what was ordered.",
            "The operator log, for names that do not resolve.",
            "`evenkeel endpoint reset CLUSTER/ENDPOINT` takes an order back.",
        ],
    },
    Advice {
        of: Fault::QueueFull,
        causes: &[
            "More requests than the endpoints can serve, for longer than the queue can hold.",
            "Limits that are too low.",
            "An endpoint that became slow, so that each request holds its place for longer.",
        ],
        look: &[
            "`evenkeel status`: requests in flight beside `limits`.",
            "The endpoints' latency: if it rose, look there first.",
            "`limits.queue.size` only makes clients wait longer; more endpoints or a higher `endpoint_requests` is what helps.",
        ],
    },
    Advice {
        of: Fault::QueueTimeout,
        causes: &[
            "More requests than the endpoints can serve.",
            "An endpoint that became slow.",
        ],
        look: &["As for `queue-full`; `limits.queue.timeout` is how long a request waits."],
    },
    Advice {
        of: Fault::QueueDropped,
        causes: &[
            "Overload that lasts: the queue does not empty any more, and its oldest would be served too late to be of use.",
        ],
        look: &[
            "As for `queue-full`. `limits.queue.target` and `limits.queue.interval` say from when on a queue counts as standing.",
        ],
    },
    Advice {
        of: Fault::Overloaded,
        causes: &[
            "evenkeel itself is near a limit: connections, memory or descriptors.",
            "An attack, or a crowd after a campaign.",
            "A descriptor limit (`ulimit -n`) that was never raised.",
        ],
        look: &[
            "The operator log: one line for each change of level names what is short.",
            "`max_connections`, `max_memory`, and LimitNOFILE of the unit.",
            "`priority` of routes says what goes first.",
        ],
    },
    Advice {
        of: Fault::NoDescriptors,
        causes: &[
            "The descriptor limit of the process (`ulimit -n`) or of the system is reached.",
            "The kernel is out of memory for sockets.",
        ],
        look: &[
            "LimitNOFILE of the unit, or `ulimit -n`; each exchange needs two.",
            "`evenkeel status`: connections.",
        ],
    },
    Advice {
        of: Fault::Shutdown,
        causes: &[
            "evenkeel was stopped and this exchange took longer than it may.",
            "A second signal, which stops at once.",
        ],
        look: &[
            "`shutdown_timeout` at the top of the file: how long exchanges may take after the order.",
            "Before a planned stop: `evenkeel drain`, or `evenkeel upgrade`, which loses nothing.",
        ],
    },
    Advice {
        of: Fault::TotalTimeout,
        causes: &[
            "The endpoint is slow, or several attempts together were.",
            "The request waited in the queue.",
            "The client asked for less time than usual (`deadline_header`).",
        ],
        look: &[
            "attempts, queue and first_byte_ms in the access log: which part took the time.",
            "`total_timeout` of the route.",
        ],
    },
    Advice {
        of: Fault::ConnectRefused,
        causes: &[
            "The endpoint's process does not run, or was just restarted.",
            "It listens on another port, or on 127.0.0.1 only.",
            "A firewall that answers with a reset.",
        ],
        look: &[
            "On the endpoint's host: does it listen there (`ss -ltn`)?",
            "`evenkeel status`: since when its probe fails, and why.",
            "While another endpoint is left nobody notices: the request was tried there. This reply means that all of them refused.",
        ],
    },
    Advice {
        of: Fault::ConnectFailed,
        causes: &[
            "No route to the endpoint's network.",
            "The local ports towards it are used up.",
            "A firewall that answers `unreachable`.",
        ],
        look: &[
            "`ip route get ADDRESS` on this host.",
            "`ss -s`: tens of thousands in TIME-WAIT mean that connections are not reused; `max_idle_connections` and the endpoint's own keep-alive.",
        ],
    },
    Advice {
        of: Fault::TlsHandshakeFailed,
        causes: &[
            "The endpoint speaks no TLS at this port.",
            "It speaks only versions or ciphers that are no longer safe.",
            "It ended the connection in the middle: too busy, or a firewall between.",
        ],
        look: &[
            "`openssl s_client -connect ADDRESS` from this host.",
            "`min_version` in the cluster's `tls`, and the endpoint's own log.",
        ],
    },
    Advice {
        of: Fault::TlsCertificateRefused,
        causes: &[
            "The endpoint's certificate is of an authority of your own that the cluster does not name.",
            "It is for another name than the one that is asked for.",
            "It has expired.",
        ],
        look: &[
            "evenkeel's log says which of these it is.",
            "`ca` and `server_name` in the cluster's `tls`.",
        ],
    },
    Advice {
        of: Fault::TlsAlertReceived,
        causes: &[
            "The endpoint wants a certificate of evenkeel's, and there is none, or another one.",
            "It knows no such name as `server_name`.",
        ],
        look: &[
            "`certificate`, `key` and `server_name` in the cluster's `tls`, and the endpoint's own log.",
        ],
    },
    Advice {
        of: Fault::EndpointClosed,
        causes: &[
            "The endpoint crashed while it served the request, or was stopped without draining.",
            "It closed an idle connection in the moment in which it was used: a request that must not be sent twice is then lost.",
            "It closes instead of answering what it does not like.",
        ],
        look: &[
            "The endpoint's own log at that second.",
            "If it happens to POST at quiet times: the endpoint's keep-alive timeout should be longer than `keepalive_timeout` of the cluster; evenkeel learns it, and needs some closes for that.",
            "`retry` with `non_idempotent` if the endpoint can bear a repeated POST.",
        ],
    },
    Advice {
        of: Fault::EndpointReset,
        causes: &[
            "The endpoint's process was killed.",
            "Its accept queue is full.",
            "A firewall or NAT in between forgot the connection.",
        ],
        look: &[
            "The endpoint's own log, and the kernel's (out of memory?).",
            "Idle connections that die after a fixed time: set `keepalive_timeout` of the cluster below the firewall's.",
        ],
    },
    Advice {
        of: Fault::StreamRefused,
        causes: &[
            "The endpoint is at its own limit of streams, or is about to stop.",
            "It has lowered what it allows while requests were on their way.",
        ],
        look: &[
            "The endpoint's limit of concurrent streams, and its load.",
            "`http2.max_concurrent_streams` of the cluster, to stay below that. The request was sent to another endpoint if there was one.",
        ],
    },
    Advice {
        of: Fault::ConnectionDead,
        causes: &[
            "The endpoint's process is frozen, or its machine is gone.",
            "A firewall or NAT in between forgot the connection.",
        ],
        look: &[
            "The endpoint's machine, and whether others reach it.",
            "Connections that die after a fixed time: `http2.ping_interval` of the cluster below the firewall's.",
        ],
    },
    Advice {
        of: Fault::EndpointFlood,
        causes: &[
            "A server whose PINGs, SETTINGS or header blocks are far more than its responses need.",
            "An endpoint that was taken over, or something else in its place.",
        ],
        look: &[
            "The log has a warning with the cluster, the endpoint and what was too much (abuse); docs/http2.md has the table.",
            "What the endpoint runs, and its version. If it does nothing unusual, please report it.",
        ],
    },
    Advice {
        of: Fault::UpgradeUnsupported,
        causes: &[
            "The endpoint speaks HTTP/2 without extended CONNECT (RFC 8441), as many do.",
            "The client asks for another protocol than WebSocket.",
        ],
        look: &[
            "Over TLS: `protocol = \"auto\"` of the cluster, which asks such an endpoint by HTTP/1.1 for a WebSocket.",
            "Without TLS: a cluster of its own with `protocol = \"http/1.1\"` for that route.",
        ],
    },
    Advice {
        of: Fault::ResponseMalformed,
        causes: &[
            "Something else listens at that port: TLS, another protocol.",
            "An application that writes its head by hand.",
            "An attempt at response splitting through the application.",
        ],
        look: &[
            "The detail in the access log names the rule.",
            "Ask the endpoint yourself: curl -v http://ADDRESS/.",
            "No knob makes this pass: what is ambiguous to us is ambiguous to the client.",
        ],
    },
    Advice {
        of: Fault::ResponseHeadTooLarge,
        causes: &[
            "An application that sets a cookie with every request, or a debug field that grows.",
        ],
        look: &[
            "Ask the endpoint yourself and look at its head: at most 32 KiB and 100 fields are read.",
        ],
    },
    Advice {
        of: Fault::ResponseCodingUnsupported,
        causes: &["An endpoint that sends `Transfer-Encoding: gzip, chunked`."],
        look: &["The endpoint's settings: compression belongs in `Content-Encoding`."],
    },
    Advice {
        of: Fault::TooManyInterim,
        causes: &["An application that sends 102 or 103 in a loop."],
        look: &["The endpoint's code: 32 interim responses to one request are the limit."],
    },
    Advice {
        of: Fault::UpgradeMismatch,
        causes: &[
            "The endpoint answered 101 to a request that asked for no upgrade, or for another one.",
            "A WebSocket library that leaves out `Sec-WebSocket-Accept`.",
        ],
        look: &[
            "Ask the endpoint yourself; RFC 9110 §7.8 and RFC 6455 §4.2.2 say what it must answer.",
        ],
    },
    Advice {
        of: Fault::ResponseCut,
        causes: &[
            "The endpoint crashed or was killed in the middle of its response.",
            "It sent less than its `Content-Length` said.",
            "A timeout within the endpoint that ends long downloads.",
        ],
        look: &[
            "bytes_out in the access log beside the length: always the same number is a wrong length, always the same time a timeout.",
            "The endpoint's own log at that second.",
        ],
    },
    Advice {
        of: Fault::ResponseBodyMalformed,
        causes: &["An application that writes chunks by hand and wrong."],
        look: &["Ask the endpoint yourself: curl --raw shows the chunks."],
    },
    Advice {
        of: Fault::ConnectTimeout,
        causes: &[
            "The endpoint's host is down or unreachable: nobody answers.",
            "A firewall that drops silently.",
            "The endpoint's accept queue is full.",
        ],
        look: &[
            "`evenkeel status`: is it one endpoint or all?",
            "On the endpoint's host: `ss -ltn` shows the accept queue.",
            "`connect_timeout` of the cluster is 2 s unless you changed it; a connect that takes longer is not slow but lost.",
        ],
    },
    Advice {
        of: Fault::AttemptTimeout,
        causes: &["The endpoint is slow for this request."],
        look: &[
            "`attempt_timeout` in `retry`, and the latency that this route usually has.",
            "With `hedge` a second attempt begins before the first has failed.",
        ],
    },
    Advice {
        of: Fault::ResponseHeaderTimeout,
        causes: &[
            "The endpoint hangs: a dead lock, a database that does not answer, all its threads busy.",
            "A report that really takes longer than the timeout.",
            "A process that is stopped (SIGSTOP, a full swap) still accepts and says nothing.",
        ],
        look: &[
            "`evenkeel status`: requests in flight at that endpoint beside the others.",
            "`response_header_timeout` of the cluster for what may take longer; a cluster of its own for reports keeps the short one for the rest.",
            "`latency_factor` in `outlier` ejects an endpoint that is slower than its like.",
        ],
    },
    Advice {
        of: Fault::EndpointStalled,
        causes: &[
            "The endpoint reads an upload slower than it comes, and then not at all.",
            "It hangs in the middle of a request.",
        ],
        look: &[
            "`write_timeout` of the listener is how long it may take nothing.",
            "The endpoint's own log.",
        ],
    },
    Advice {
        of: Fault::IdleTimeout,
        causes: &[
            "A stream without heartbeats: server-sent events, long polling, a call that waits.",
            "The endpoint hangs in the middle of its response.",
            "A tunnel that nobody uses any more.",
        ],
        look: &[
            "`idle_timeout` of the cluster, for tunnels `tunnel_timeout`.",
            "Heartbeats in the application every half minute are the better remedy: other middlemen have timeouts too.",
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_own_advice_in_sentences() {
        for fault in Fault::ALL {
            let advice = fault.advice();
            assert_eq!(advice.of, *fault, "the order of the table");
            assert!(!advice.causes.is_empty() && !advice.look.is_empty());
            for sentence in advice.causes.iter().chain(advice.look) {
                let ends = sentence.ends_with('.') || sentence.ends_with('?');
                let begins = sentence.starts_with(|c: char| !c.is_whitespace());
                assert!(ends && begins, "{fault}: {sentence}");
                assert_eq!(sentence.matches('`').count() % 2, 0, "{fault}: {sentence}");
            }
        }
    }
}
