//! What a route asks beside host and path: listener, method, fields, query parameters. All must hold.
//!
//! Each costs at most one look at every field or parameter of the request and allocates nothing.

use evenkeel_base::matching::{RouteMatch, ValuePattern};
use evenkeel_base::{ListenerId, RequestView};

/// The conditions of one route that has any.
#[derive(Debug)]
pub(crate) struct Conditions {
    listeners: Vec<ListenerId>,
    methods: Vec<String>,
    headers: Vec<(String, ValuePattern)>,
    query: Vec<(String, ValuePattern)>,
}

impl Conditions {
    /// The conditions of `route`; `None` when host and path are all it asks.
    pub(crate) fn compile(route: RouteMatch) -> Option<Self> {
        let RouteMatch {
            listeners,
            methods,
            headers,
            query,
            ..
        } = route;
        let any =
            !(listeners.is_empty() && methods.is_empty() && headers.is_empty() && query.is_empty());
        any.then_some(Self {
            listeners,
            methods,
            headers,
            query,
        })
    }

    /// Whether all hold for a request that came in on `listener`; the cheap ones are asked first.
    pub(crate) fn hold(&self, listener: ListenerId, request: &RequestView<'_>) -> bool {
        is_bound(&self.listeners, listener)
            && takes_method(&self.methods, request)
            && self
                .headers
                .iter()
                .all(|(name, pattern)| has_field(name, pattern, request))
            && self
                .query
                .iter()
                .all(|(name, pattern)| has_parameter(name, pattern, request))
    }
}

/// Whether a route that is bound to these listeners, or to none in particular, is there for `listener`.
#[inline]
pub(crate) fn is_bound(listeners: &[ListenerId], listener: ListenerId) -> bool {
    listeners.is_empty() || listeners.contains(&listener)
}

/// Whether a route for these methods, or for all, takes the request's.
#[inline]
pub(crate) fn takes_method(methods: &[String], request: &RequestView<'_>) -> bool {
    methods.is_empty()
        || methods
            .iter()
            .any(|method| method.as_bytes() == request.method_name())
}

/// Whether the request's fields of that name are as a route wants them.
#[inline]
pub(crate) fn has_field(name: &str, pattern: &ValuePattern, request: &RequestView<'_>) -> bool {
    holds(pattern, field_values(request, name.as_bytes()))
}

/// Whether the request's parameters of that name are as a route wants them.
#[inline]
pub(crate) fn has_parameter(name: &str, pattern: &ValuePattern, request: &RequestView<'_>) -> bool {
    holds(pattern, query_values(request, name.as_bytes()))
}

/// Whether the values of one name satisfy a pattern.
fn holds<'a>(pattern: &ValuePattern, mut values: impl Iterator<Item = &'a [u8]>) -> bool {
    match pattern {
        ValuePattern::Present => values.next().is_some(),
        ValuePattern::Absent => values.next().is_none(),
        ValuePattern::Exact(wanted) => values.any(|value| value == wanted.as_bytes()),
    }
}

/// The values of every field of that name; a name's case does not count.
pub(crate) fn field_values<'a>(
    request: &RequestView<'a>,
    name: &[u8],
) -> impl Iterator<Item = &'a [u8]> {
    request
        .fields()
        .filter(move |field| field.name.eq_ignore_ascii_case(name))
        .map(|field| field.value)
}

/// The values of every query parameter of that name, as they were sent; `a` alone has the empty value, as `a=` has.
pub(crate) fn query_values<'a>(
    request: &RequestView<'a>,
    name: &[u8],
) -> impl Iterator<Item = &'a [u8]> {
    let query = request.query().unwrap_or_default();
    query.split(|&byte| byte == b'&').filter_map(move |part| {
        let value = part.strip_prefix(name)?;
        match value.first() {
            // `?&a` has an empty parameter between `?` and `&`, which is none.
            None => (!part.is_empty()).then_some(value),
            Some(b'=') => Some(&value[1..]),
            Some(_) => None,
        }
    })
}
