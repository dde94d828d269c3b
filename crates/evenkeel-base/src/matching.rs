//! What a route matches, after checking: shared by the configuration that writes it and the table that compiles it.

use std::fmt;

use crate::id::ListenerId;

/// The conditions of one route; all must hold. An empty list means "any".
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RouteMatch {
    /// The listeners it is bound to, sorted; empty: all.
    pub listeners: Vec<ListenerId>,
    /// The hosts, any of them, sorted; empty: all.
    pub hosts: Vec<HostPattern>,
    /// The path.
    pub path: PathPattern,
    /// The methods, any of them, as spelt, sorted; empty: all.
    pub methods: Vec<String>,
    /// Conditions on fields, all of them, sorted by name; names are lower case.
    pub headers: Vec<(String, ValuePattern)>,
    /// Conditions on query parameters, all of them, sorted by name. Names and values are compared as they are
    /// written in the target, without decoding: what is routed is what is forwarded.
    pub query: Vec<(String, ValuePattern)>,
}

/// A host without its port, lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// Exactly this name or address (`[::1]` in brackets).
    Exact(String),
    /// `*.example.com`: any name below it, not itself. Holds `.example.com`.
    Suffix(String),
}

/// A path in canonical form ([`crate::path`]), in which requests are compared with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathPattern {
    /// Exactly this path.
    Exact(String),
    /// This path and everything below it, on segment bounds: `/api` matches `/api` and `/api/x`, not `/apix`.
    /// Stored without a trailing slash; the empty string is `/`, which matches everything.
    Prefix(String),
}

impl RouteMatch {
    /// How specific this route is for requests that one of its hosts matches; `None` when it names no host.
    #[must_use]
    pub const fn specificity(&self, host: Option<&HostPattern>) -> Specificity {
        Specificity {
            host: match host {
                None => HostRank::Any,
                Some(HostPattern::Suffix(suffix)) => HostRank::Suffix(suffix.len()),
                Some(HostPattern::Exact(_)) => HostRank::Exact,
            },
            path: match &self.path {
                PathPattern::Prefix(prefix) => PathRank::Prefix(prefix.len()),
                PathPattern::Exact(_) => PathRank::Exact,
            },
            bound: !self.listeners.is_empty(),
            headers: self.headers.len(),
            query: self.query.len(),
            methods: !self.methods.is_empty(),
        }
    }
}

/// How specific a route is for one of its hosts. Of the routes that match a request the greatest wins, whatever their
/// order in the file; the first field that differs decides. Two routes that are equal in all of them and can match the
/// same request are a mistake that `check` reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Specificity {
    /// An exact host before a suffix, a longer suffix before a shorter one, any suffix before no host.
    pub host: HostRank,
    /// An exact path before a prefix, a longer prefix before a shorter one.
    pub path: PathRank,
    /// Bound to listeners before not bound.
    pub bound: bool,
    /// More conditions on fields first.
    pub headers: usize,
    /// More conditions on query parameters first.
    pub query: usize,
    /// Methods given before any method.
    pub methods: bool,
}

/// How specific a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostRank {
    /// No host is named.
    Any,
    /// A suffix of so many bytes, its leading dot included.
    Suffix(usize),
    /// A whole name.
    Exact,
}

/// How specific a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathRank {
    /// A prefix of so many bytes.
    Prefix(usize),
    /// A whole path.
    Exact,
}

/// The host of an authority: without its port, and without the dot that ends a fully qualified name. Any bytes give a
/// result; brackets of an IPv6 address stay.
///
/// A port is digits, so the look for its colon ends at the first byte from behind that is none: a name without a port is
/// not read.
#[inline]
#[must_use]
pub fn host_of(authority: &[u8]) -> &[u8] {
    let host = if authority.first() == Some(&b'[') {
        let end = authority.iter().position(|&b| b == b']');
        &authority[..end.map_or(authority.len(), |at| at + 1)]
    } else {
        match authority.iter().rposition(|b| !b.is_ascii_digit()) {
            Some(at) if authority[at] == b':' => &authority[..at],
            _ => authority,
        }
    };
    host.strip_suffix(b".").unwrap_or(host)
}

impl HostPattern {
    /// Whether a host, as [`host_of`] gives it, matches; case does not count (RFC 9110 §4.2.3).
    #[must_use]
    pub fn matches(&self, host: &[u8]) -> bool {
        match self {
            Self::Exact(name) => host.eq_ignore_ascii_case(name.as_bytes()),
            Self::Suffix(suffix) => host
                .len()
                .checked_sub(suffix.len())
                .is_some_and(|at| at > 0 && host[at..].eq_ignore_ascii_case(suffix.as_bytes())),
        }
    }
}

impl Default for PathPattern {
    fn default() -> Self {
        Self::Prefix(String::new())
    }
}

impl PathPattern {
    /// Whether `path` matches.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => path == exact.as_bytes(),
            Self::Prefix(prefix) => path
                .strip_prefix(prefix.as_bytes())
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'/' || prefix.is_empty()),
        }
    }
}

/// A condition on a field's or a query parameter's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ValuePattern {
    /// There is one, with any value.
    Present,
    /// There is none.
    Absent,
    /// One of them is exactly this.
    Exact(String),
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => write!(f, "= {path}"),
            Self::Prefix(path) if path.is_empty() => f.write_str("/"),
            Self::Prefix(path) => f.write_str(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_authority_has_neither_port_nor_final_dot() {
        for (authority, host) in [
            ("a.example", "a.example"),
            ("a.example:80", "a.example"),
            ("a.example.:80", "a.example"),
            ("a.example.", "a.example"),
            ("a.example:", "a.example"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("[::1", "[::1"),
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1:8080", "10.0.0.1"),
            ("12345", "12345"),
            ("a.example:b", "a.example:b"),
            (".", ""),
            (":", ""),
            ("", ""),
        ] {
            assert_eq!(
                host_of(authority.as_bytes()),
                host.as_bytes(),
                "{authority}"
            );
        }
    }

    #[test]
    fn hosts_match_in_any_case_and_a_suffix_only_what_is_below_it() {
        let suffix = HostPattern::Suffix(".example.com".into());
        for (host, expected) in [
            ("a.example.com", true),
            ("A.B.Example.COM", true),
            ("example.com", false),
            (".example.com", false),
            ("aexample.com", false),
            ("a.example.co", false),
            ("", false),
        ] {
            assert_eq!(suffix.matches(host.as_bytes()), expected, "{host}");
        }
        let exact = HostPattern::Exact("example.com".into());
        assert!(exact.matches(b"EXAMPLE.com") && !exact.matches(b"a.example.com"));
    }

    #[test]
    fn the_first_difference_decides_which_route_is_more_specific() {
        let exact = HostPattern::Exact("a".into());
        let (long, short) = (
            HostPattern::Suffix(".b.c".into()),
            HostPattern::Suffix(".c".into()),
        );
        let plain = RouteMatch::default();
        let prefix = |path: &str| RouteMatch {
            path: PathPattern::Prefix(path.into()),
            ..RouteMatch::default()
        };
        let rich = RouteMatch {
            methods: vec!["GET".into()],
            ..prefix("/a")
        };
        let ascending = [
            plain.specificity(None),
            prefix("/a").specificity(None),
            rich.specificity(None),
            prefix("/a/b").specificity(None),
            RouteMatch {
                path: PathPattern::Exact("/".into()),
                ..RouteMatch::default()
            }
            .specificity(None),
            plain.specificity(Some(&short)),
            plain.specificity(Some(&long)),
            plain.specificity(Some(&exact)),
        ];
        assert!(ascending.is_sorted() && ascending.windows(2).all(|w| w[0] != w[1]));
        let with = |change: fn(&mut RouteMatch)| {
            let mut route = RouteMatch::default();
            change(&mut route);
            route.specificity(None)
        };
        let ascending = [
            with(|m| m.methods.push("GET".into())),
            with(|m| m.query.push(("x".into(), ValuePattern::Present))),
            with(|m| m.headers.push(("x".into(), ValuePattern::Present))),
            with(|m| m.listeners.push(ListenerId::new(0))),
            with(|m| m.path = PathPattern::Prefix("/a".into())),
        ];
        assert!(ascending.is_sorted() && ascending.windows(2).all(|w| w[0] != w[1]));
    }

    #[test]
    fn prefixes_end_on_segment_bounds() {
        let api = PathPattern::Prefix("/api".into());
        for (path, expected) in [
            ("/api", true),
            ("/api/", true),
            ("/api/x", true),
            ("/apix", false),
            ("/ap", false),
            ("/", false),
        ] {
            assert_eq!(api.matches(path.as_bytes()), expected, "{path}");
        }
        assert!(
            PathPattern::default().matches(b"/anything") && PathPattern::default().matches(b"*")
        );
        assert!(
            PathPattern::Exact("/".into()).matches(b"/")
                && !PathPattern::Exact("/".into()).matches(b"/x")
        );
    }
}
