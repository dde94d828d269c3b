//! Whether a request would come back to the listener that it came by: an endpoint that is this evenkeel's own address.
//!
//! It compares what was read. Of the addresses of the host it knows no more than that a listener of all addresses is at loopback
//! as well, and it follows a request through one route: several that lead to each other are not found.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use evenkeel_base::{Address, ClusterId, ListenerId};

use crate::model::{Action, Bind, Cluster, HostRewrite, Listener, Mirror, PathRewrite, Route};

/// A circle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circle<'a> {
    pub(crate) listener: &'a Listener,
    pub(crate) cluster: &'a Cluster,
    pub(crate) endpoint: &'a Address,
}

impl Circle<'_> {
    /// What is wrong, for people.
    pub(crate) fn complaint(&self) -> String {
        format!(
            "requests would go in a circle: {} in cluster \"{}\" is where listener \"{}\" listens",
            self.endpoint, self.cluster.name, self.listener.name
        )
    }
}

/// The first circle that a route leads in; `cluster` finds a cluster that could be read.
pub(crate) fn of<'a>(
    route: &Route,
    listeners: &'a [Listener],
    cluster: impl Fn(ClusterId) -> Option<&'a Cluster>,
) -> Option<Circle<'a>> {
    let clusters: Vec<&Cluster> = leads_back(route).into_iter().filter_map(cluster).collect();
    let ids = (0..).map(ListenerId::new);
    let bound = listeners.iter().zip(ids).filter(|(_, id)| {
        let listeners = &route.matching.listeners;
        listeners.is_empty() || listeners.contains(id)
    });
    for (listener, _) in bound {
        for &cluster in &clusters {
            // Who speaks TLS to a plain listener, or the other way, gets no further than that.
            if cluster.tls.rules().is_some() != listener.tls.is_some() {
                continue;
            }
            let mut endpoints = cluster.endpoints.iter().map(|one| &one.address);
            if let Some(endpoint) = endpoints.find(|address| is_at(&listener.bind, address)) {
                return Some(Circle {
                    listener,
                    cluster,
                    endpoint,
                });
            }
        }
    }
    None
}

/// The clusters that a request goes to as it came, so that the same route would be chosen for it once more.
fn leads_back(route: &Route) -> Vec<ClusterId> {
    let Action::Forward {
        split,
        rewrite: PathRewrite::Keep,
        host: HostRewrite::Keep,
    } = &route.action
    else {
        return Vec::new();
    };
    // Fields that a route asks for may be others by then.
    if !route.matching.headers.is_empty() && !route.request_headers.is_empty() {
        return Vec::new();
    }
    let mirror = match route.mirror {
        Mirror::To { cluster, .. } => Some(cluster),
        Mirror::Off => None,
    };
    split.clusters().chain(mirror).collect()
}

/// Whether who connects there comes to what is bound here.
fn is_at(bind: &Bind, address: &Address) -> bool {
    match (bind, address) {
        (Bind::Unix(bind), Address::Unix(path)) => bind == path,
        (Bind::Ip(bind), Address::Ip(address)) => {
            bind.port() == address.port() && bind.port() != 0 && reaches(bind.ip(), address.ip())
        }
        (Bind::Ip(bind), Address::Name { host, port }) => {
            let loopback = [
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(Ipv6Addr::LOCALHOST),
            ];
            bind.port() == *port
                && host == "localhost"
                && loopback.iter().any(|to| reaches(bind.ip(), *to))
        }
        _ => false,
    }
}

fn reaches(bind: IpAddr, to: IpAddr) -> bool {
    // Linux takes a connect to no address in particular for one to loopback.
    let to = match to {
        IpAddr::V4(to) if to.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(to) if to.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        to => to,
    };
    let takes_all = bind.is_unspecified() && (bind.is_ipv6() || to.is_ipv4());
    bind == to || (takes_all && to.is_loopback())
}

#[cfg(test)]
mod tests {
    use crate::{Nowhere, check, proxy, render_all};

    /// Whether a file with this listener, route and cluster is refused for a circle.
    fn goes_round(listener: &str, route: &str, cluster: &str) -> bool {
        let text = format!(
            "version = 1\n[listener.web]\n{listener}\n[listener.other]\nbind = \"127.0.0.1:7\"\n\
             [[route]]\nname = \"r\"\ncluster = \"app\"\n{route}\n[[route]]\npath = \"/own\"\nrespond.body = \"a\"\n[cluster.app]\n{cluster}\n"
        );
        let checked = check(&text, "test", &Nowhere);
        let shown = render_all(&checked.diagnostics, &text, false);
        let found = shown.contains("in a circle");
        assert_eq!(checked.config.is_none(), found, "{shown}");
        found
    }

    #[test]
    fn an_endpoint_that_is_the_listener_s_own_address_is_refused() {
        for (bind, endpoint, expected) in [
            (":8080", ":8080", true),
            (":8080", "127.0.0.1:8080", true),
            (":8080", "127.0.0.2:8080", true),
            (":8080", "[::1]:8080", true),
            (":8080", "localhost:8080", true),
            (":8080", "localhost:8081", false),
            (":8080", "127.0.0.1:8081", false),
            // That host may be another.
            (":8080", "10.0.0.1:8080", false),
            (":8080", "app.internal:8080", false),
            ("10.0.0.1:8080", "10.0.0.1:8080", true),
            ("10.0.0.1:8080", "127.0.0.1:8080", false),
            ("0.0.0.0:8080", "127.0.0.1:8080", true),
            ("0.0.0.0:8080", "[::1]:8080", false),
            ("127.0.0.1:8080", "0.0.0.0:8080", true),
            ("127.0.0.1:8080", "localhost:8080", true),
            ("unix:/run/a.sock", "unix:/run/a.sock", true),
            ("unix:/run/a.sock", "unix:/run/b.sock", false),
            // The second of two.
            (":8080", "10.0.0.1:80\", \"127.0.0.1:8080", true),
        ] {
            let listener = format!("bind = \"{bind}\"");
            let cluster = format!("endpoints = [\"{endpoint}\"]");
            assert_eq!(
                goes_round(&listener, "", &cluster),
                expected,
                "{bind} {endpoint}"
            );
        }
    }

    #[test]
    fn another_listener_or_another_request_is_no_circle() {
        let own = "endpoints = [\"127.0.0.1:8080\"]";
        for (route, cluster, expected) in [
            ("listener = \"web\"", own, true),
            ("listener = \"other\"", own, false),
            ("path = \"/a\"", own, true),
            // These come back as another request, which another route may answer.
            ("path = \"/a\"\nreplace_prefix = \"/own\"", own, false),
            ("host_header = \"own.example\"", own, false),
            (
                "header.x-a = \"1\"\nrequest_headers.remove = [\"x-a\"]",
                own,
                false,
            ),
            (
                "",
                "endpoints = [\"127.0.0.1:8080\"]\ntls = { verify = false }",
                false,
            ),
        ] {
            assert_eq!(
                goes_round("bind = \":8080\"", route, cluster),
                expected,
                "{route} {cluster}"
            );
        }
    }

    #[test]
    fn a_proxy_to_itself_is_refused() {
        let to = |to: &str| proxy(":8080", &[to.to_owned()], None, &Nowhere);
        let error = to(":8080").unwrap_err();
        assert!(error.contains("in a circle"), "{error}");
        to(":8081").unwrap();
        to("10.0.0.1:8080").unwrap();
    }
}
