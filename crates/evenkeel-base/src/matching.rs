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

/// A path, compared byte for byte as it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathPattern {
    /// Exactly this path.
    Exact(String),
    /// This path and everything below it, on segment bounds: `/api` matches `/api` and `/api/x`, not `/apix`.
    /// Stored without a trailing slash; the empty string is `/`, which matches everything.
    Prefix(String),
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
