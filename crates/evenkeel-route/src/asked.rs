//! What one route asks of a request, and what of it holds: for people, who want to know why a route was taken or was not.
//!
//! Which route is taken is the [table](crate::RouteTable)'s to say. Both look by the same functions at each condition.

use evenkeel_base::matching::{HostPattern, PathPattern, RouteMatch, ValuePattern, host_of};
use evenkeel_base::path::canonical;
use evenkeel_base::{ListenerId, RequestView};

use crate::condition::{
    field_values, has_field, has_parameter, is_bound, query_values, takes_method,
};

/// A condition of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// One of these listeners.
    Listener(&'a [ListenerId]),
    /// One of these hosts.
    Host(&'a [HostPattern]),
    /// This path.
    Path(&'a PathPattern),
    /// One of these methods.
    Method(&'a [String]),
    /// A field.
    Header(&'a str, &'a ValuePattern),
    /// A parameter of the query.
    Query(&'a str, &'a ValuePattern),
}

impl Asked<'_> {
    /// Whether a request that came in on `listener` has it.
    #[must_use]
    pub fn holds(self, listener: ListenerId, request: &RequestView<'_>) -> bool {
        match self {
            Self::Listener(listeners) => is_bound(listeners, listener),
            Self::Host(hosts) => {
                let host = host_of(request.authority());
                hosts.iter().any(|pattern| pattern.matches(host))
            }
            Self::Path(path) => path.matches(&canonical(request.path())),
            Self::Method(methods) => takes_method(methods, request),
            Self::Header(name, pattern) => has_field(name, pattern, request),
            Self::Query(name, pattern) => has_parameter(name, pattern, request),
        }
    }

    /// What the request has of the field or the parameter that it looks at; nothing for other conditions.
    #[must_use]
    pub fn values<'r>(self, request: &RequestView<'r>) -> Vec<&'r [u8]> {
        match self {
            Self::Header(name, _) => field_values(request, name.as_bytes()).collect(),
            Self::Query(name, _) => query_values(request, name.as_bytes()).collect(),
            Self::Listener(_) | Self::Host(_) | Self::Path(_) | Self::Method(_) => Vec::new(),
        }
    }
}

/// Everything that a route asks; it matches the requests that have all of it.
pub fn asked(route: &RouteMatch) -> impl Iterator<Item = Asked<'_>> {
    let listener = (!route.listeners.is_empty()).then(|| Asked::Listener(&route.listeners));
    let host = (!route.hosts.is_empty()).then(|| Asked::Host(&route.hosts));
    let method = (!route.methods.is_empty()).then(|| Asked::Method(&route.methods));
    let headers = route.headers.iter();
    let headers = headers.map(|(name, pattern)| Asked::Header(name, pattern));
    let query = route.query.iter();
    let query = query.map(|(name, pattern)| Asked::Query(name, pattern));
    let rest = method.into_iter().chain(headers).chain(query);
    let place = listener.into_iter().chain(host);
    place.chain([Asked::Path(&route.path)]).chain(rest)
}
