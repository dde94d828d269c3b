//! Where a request is meant to go: the path and the host that an endpoint is told, and where a redirect leads.

use evenkeel_base::RequestView;
use evenkeel_base::field::is_field_value;
use evenkeel_base::path::length_of;
use evenkeel_config::model::{HostRewrite, PathRewrite, Redirect};

use crate::endpoint::Endpoint;

/// What `Host` says to an endpoint.
#[inline]
#[must_use]
pub fn host<'a>(
    request: &RequestView<'a>,
    rewrite: &'a HostRewrite,
    endpoint: &'a Endpoint,
) -> &'a [u8] {
    match rewrite {
        HostRewrite::Keep if request.authority().is_empty() => endpoint.authority.as_bytes(),
        HostRewrite::Keep => request.authority(),
        HostRewrite::Set(host) => host.as_bytes(),
        HostRewrite::Endpoint => endpoint.authority.as_bytes(),
    }
}

/// The path as it is sent on: the request's own bytes, or the route's prefix replaced.
#[inline]
pub fn rewrite<'a>(path: &'a [u8], rewrite: &PathRewrite, buffer: &'a mut Vec<u8>) -> &'a [u8] {
    match rewrite {
        PathRewrite::ReplacePrefix { matched, with } => {
            replace_prefix(path, (*matched, with), buffer)
        }
        PathRewrite::Keep => path,
    }
}

fn replace_prefix<'a>(
    path: &'a [u8],
    (matched, with): (usize, &str),
    buffer: &'a mut Vec<u8>,
) -> &'a [u8] {
    if !path.starts_with(b"/") {
        // `OPTIONS *` asks about the server as a whole and has no prefix.
        return path;
    }
    let rest = path.get(length_of(path, matched)..).unwrap_or_default();
    buffer.extend_from_slice(with.as_bytes());
    // `//` at the front would read as a host in some endpoints' eyes; one slash is what is meant.
    if with.is_empty() && rest.starts_with(b"//") {
        buffer.push(b'/');
        buffer.extend_from_slice(rest.trim_ascii_start());
        let cut = buffer.iter().skip(1).take_while(|b| **b == b'/').count();
        buffer.drain(1..=cut);
        return buffer;
    }
    buffer.extend_from_slice(rest);
    if buffer.is_empty() {
        buffer.push(b'/');
    }
    buffer
}

/// What was asked for, by `https` at that port; none when the request names no host, or no path.
#[must_use]
pub fn https(request: &RequestView<'_>, port: u16) -> Option<String> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let host = text(host_of(request.authority())).filter(|host| !host.is_empty())?;
    // Brackets belong to the address, and no other host has a colon.
    let mut location = if host.contains(':') {
        format!("https://[{host}]")
    } else {
        format!("https://{host}")
    };
    if port != 443 {
        location.push_str(&format!(":{port}"));
    }
    location.push_str(text(request.path()).filter(|path| path.starts_with('/'))?);
    if let Some(query) = request.query() {
        location.push('?');
        location.push_str(text(query)?);
    }
    is_field_value(location.as_bytes()).then_some(location)
}

/// The host of an authority: without its port, and an IPv6 address without its brackets.
#[inline]
#[must_use]
pub fn host_of(authority: &[u8]) -> &[u8] {
    if let Some(rest) = authority.strip_prefix(b"[") {
        let end = rest.iter().position(|b| *b == b']');
        return &rest[..end.unwrap_or(rest.len())];
    }
    let end = authority.iter().position(|b| *b == b':');
    &authority[..end.unwrap_or(authority.len())]
}

/// The target of a redirect; parts that the route leaves open are the request's, as they were sent. None when they
/// cannot stand in a field.
#[must_use]
pub fn location(redirect: &Redirect, request: &RequestView<'_>) -> Option<String> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let mut location = String::new();
    if redirect.scheme.is_some() || redirect.host.is_some() {
        let host = match &redirect.host {
            Some(host) => host,
            None => text(request.authority()).filter(|host| !host.is_empty())?,
        };
        location.push_str(redirect.scheme.as_deref().unwrap_or("http"));
        location.push_str("://");
        location.push_str(host);
    }
    if let Some(path) = &redirect.path {
        location.push_str(path);
    } else {
        // `OPTIONS *` has no path, and behind a host its `*` would be part of it.
        let path = text(request.path()).map(|path| if path == "*" { "/" } else { path })?;
        // Without a host before it, `//evil.example` would be read as one, and by browsers `/\evil.example` too: the
        // path keeps a single slash in front.
        let path = if location.is_empty() {
            location.push('/');
            path.trim_start_matches(['/', '\\'])
        } else {
            path
        };
        location.push_str(path);
        if let Some(query) = request.query() {
            location.push('?');
            location.push_str(text(query)?);
        }
    }
    is_field_value(location.as_bytes()).then_some(location)
}

#[cfg(test)]
mod tests;
