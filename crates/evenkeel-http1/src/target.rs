//! The request line: method, target, version, and which of the four target forms it is (RFC 9112 §3.2).
//!
//! Dot segments and percent-encoding are not looked at: what a path may be read as is said elsewhere (`evenkeel_base::path`).

use evenkeel_base::Method;
use evenkeel_base::head::{RequestHead, Span, Version};

use crate::line::without_crlf;
use crate::refusal::Refusal;
use crate::scan::{path_end, query_end, token_end};
use evenkeel_base::Authority;

/// The parts of a flawless request line; nothing is known of the target's form yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestLine {
    pub(crate) method: Span,
    pub(crate) target: Span,
    /// The position of the first `?`.
    pub(crate) question: Option<usize>,
    pub(crate) version: Version,
}

/// How the target names the authority that the request is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// It does not: the Host field does.
    #[default]
    Origin,
    /// `http://host:port/…`, or `https`.
    Absolute,
    /// `CONNECT host:port`.
    Connect,
}

/// Reads the request line that begins at `start`, if it is whole and flawless: its parts, and where the next line begins.
#[inline]
pub(crate) fn request_line(window: &[u8], start: usize) -> Option<(RequestLine, usize)> {
    let method_end = token_end(window, start);
    let target = method_end + 1;
    if method_end == start || window.get(method_end) != Some(&b' ') {
        return None;
    }
    let mut target_end = path_end(window, target);
    let question = (window.get(target_end) == Some(&b'?')).then_some(target_end);
    if question.is_some() {
        target_end = query_end(window, target_end + 1);
    }
    let version = match window.get(target_end..)?.first_chunk()? {
        b" HTTP/1.1\r\n" => Version::Http11,
        b" HTTP/1.0\r\n" => Version::Http10,
        _ => return None,
    };
    if target == target_end {
        return None;
    }
    let line = RequestLine {
        method: Span::new(start, method_end),
        target: Span::new(target, target_end),
        question,
        version,
    };
    Some((line, target_end + 11))
}

/// Fills the head's method, target and version and says which form the target has.
#[inline]
pub(crate) fn fill(
    head: &mut RequestHead,
    line: &RequestLine,
    window: &[u8],
    secure: bool,
) -> Result<Form, Refusal> {
    head.method_span = line.method;
    head.method = Method::from_bytes(line.method.of(window));
    head.version = line.version;
    let target = line.target.of(window);
    let (start, end) = (usize::from(line.target.start), usize::from(line.target.end));
    if target.first() == Some(&b'/') && head.method != Method::Connect {
        split_path(head, start, end, line.question);
        return Ok(Form::Origin);
    }
    match head.method {
        Method::Connect => {
            let authority = Authority::parse(target).ok_or(Refusal::TargetInvalid)?;
            authority.port.ok_or(Refusal::TargetInvalid)?;
            head.authority = line.target;
            Ok(Form::Connect)
        }
        Method::Options if target == b"*" => {
            head.path = line.target;
            Ok(Form::Origin)
        }
        _ => absolute(head, line, target, secure),
    }
}

/// The `http://host[:port][/path][?query]` form; with `https` over TLS, and only there (RFC 9110 §7.4).
fn absolute(
    head: &mut RequestHead,
    line: &RequestLine,
    target: &[u8],
    secure: bool,
) -> Result<Form, Refusal> {
    let scheme_end = target
        .windows(3)
        .position(|three| three == b"://")
        .ok_or(Refusal::TargetInvalid)?;
    let scheme = &target[..scheme_end];
    if !is_scheme(scheme) {
        return Err(Refusal::TargetInvalid);
    }
    let own: &[u8] = if secure { b"https" } else { b"http" };
    if !scheme.eq_ignore_ascii_case(own) {
        return Err(Refusal::SchemeRefused);
    }
    let from = scheme_end + 3;
    let rest = &target[from..];
    let length = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .unwrap_or(rest.len());
    Authority::parse(&rest[..length]).ok_or(Refusal::TargetInvalid)?;
    let (start, end) = (usize::from(line.target.start), usize::from(line.target.end));
    let path = start + from + length;
    head.authority = Span::new(start + from, path);
    split_path(head, path, end, line.question);
    Ok(Form::Absolute)
}

fn is_scheme(scheme: &[u8]) -> bool {
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme
            .iter()
            .all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

fn split_path(head: &mut RequestHead, start: usize, end: usize, question: Option<usize>) {
    head.path = Span::new(start, question.unwrap_or(end));
    head.query = question.map(|question| Span::new(question + 1, end));
}

/// Why a whole line is not a request line.
#[cold]
pub(crate) fn diagnose(line: &[u8]) -> Refusal {
    let text = match without_crlf(line) {
        Ok(text) => text,
        Err(refusal) => return refusal,
    };
    let method_end = token_end(text, 0);
    match text.get(method_end) {
        Some(b' ') => {}
        None => return Refusal::RequestLineInvalid,
        Some(_) => return Refusal::MethodInvalid,
    }
    let target = method_end + 1;
    let target_end = query_end(text, target);
    match text.get(target_end) {
        Some(b' ') if target_end > target => {}
        Some(b' ' | b'\t') | None => return Refusal::RequestLineInvalid,
        Some(b'#') => return Refusal::FragmentInTarget,
        Some(_) => return Refusal::TargetInvalid,
    }
    let version = text.get(target_end + 1..).unwrap_or_default();
    if version.contains(&b' ') {
        return Refusal::RequestLineInvalid;
    }
    diagnose_version(version)
}

/// Why a version that is neither `HTTP/1.1` nor `HTTP/1.0` is refused.
#[cold]
pub(crate) const fn diagnose_version(version: &[u8]) -> Refusal {
    match version {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Refusal::VersionUnsupported
        }
        _ => Refusal::VersionInvalid,
    }
}
