//! Chunked bodies and trailers: the same payload and verdict for every split, and the same as a slow reading.

use evenkeel_base::field::{is_field_value, is_token};
use evenkeel_base::head::fields;

use super::{STEPS, limits};
use crate::chunk::{ChunkReader, ChunkState};
use crate::refusal::Refusal;
use crate::trailer::parse_trailers;
use evenkeel_base::HeadLimits as Limits;

/// Reads `data` as a chunked body and what follows it.
pub fn chunked(data: &[u8]) {
    for limits in limits() {
        let whole = read(data, &limits, data.len());
        for step in STEPS {
            assert_eq!(whole, read(data, &limits, step), "in pieces of {step}");
        }
        match (whole, slow(data)) {
            (Ok(Some(read)), expected) => assert_eq!(Some(read), expected),
            (Ok(None), expected) => assert_eq!(expected, None),
            (Err(refusal), Some(body)) => assert!(over_limit(refusal), "{refusal}: {body:?}"),
            (Err(_), None) => {}
        }
    }
}

/// Reads `data` as the lines of a trailer section, directly and as a body's end.
pub fn trailers(data: &[u8]) {
    for limits in limits() {
        let mut table = Vec::new();
        let direct = parse_trailers(data, 0..data.len(), &limits, &mut table);
        for field in fields(&table, data) {
            assert!(is_token(field.name) && is_field_value(field.value));
            assert!(!field.name.eq_ignore_ascii_case(b"content-length"));
            assert!(!field.name.eq_ignore_ascii_case(b"host"));
        }
        let mut body = [b"0\r\n", data, b"\r\n"].concat();
        let Ok(chunked) = ChunkReader::new().read(&mut body, &limits) else {
            let fits = data.len() + 2 <= limits.head();
            assert!(direct.is_err() || !fits, "both refuse");
            continue;
        };
        if let ChunkState::Done { trailers } = chunked.state {
            assert_eq!(
                parse_trailers(&body, trailers.clone(), &limits, &mut table),
                Ok(())
            );
            if direct.is_ok() {
                assert_eq!(trailers, 3..3 + data.len());
            }
        }
    }
}

/// A body read to its end: its payload, its trailer lines, how long it was.
#[derive(Debug, PartialEq, Eq)]
struct Body {
    payload: Vec<u8>,
    trailers: Vec<u8>,
    consumed: usize,
}

fn read(data: &[u8], limits: &Limits, step: usize) -> Result<Option<Body>, Refusal> {
    let mut reader = ChunkReader::new();
    let (mut unread, mut payload) = (Vec::new(), Vec::new());
    let (mut given, mut consumed) = (0, 0);
    loop {
        let chunked = reader.read(&mut unread, limits)?;
        assert!(chunked.payload.end <= chunked.consumed && chunked.consumed <= unread.len());
        assert!(!chunked.payload.is_empty() || chunked.payload == (0..0));
        payload.extend_from_slice(&unread[chunked.payload.clone()]);
        consumed += chunked.consumed;
        if let ChunkState::Done { trailers } = chunked.state {
            assert!(trailers.is_empty() || chunked.payload.end <= trailers.start);
            let trailers = unread[trailers].to_vec();
            return Ok(Some(Body {
                payload,
                trailers,
                consumed,
            }));
        }
        if given == data.len() {
            return Ok(None);
        }
        unread.drain(..chunked.consumed);
        let next = given.saturating_add(step.max(1)).min(data.len());
        unread.extend_from_slice(&data[given..next]);
        given = next;
    }
}

/// Whether a body may be refused for this although its grammar is sound.
fn over_limit(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::ChunkExtensionTooLong | Refusal::ChunkSizeTooLarge | Refusal::TrailersTooLarge
    )
}

/// The body at the start of `data` if it is whole and flawless, line by line.
fn slow(data: &[u8]) -> Option<Body> {
    let mut payload = Vec::new();
    let mut rest = data;
    loop {
        let line = take_line(&mut rest)?;
        let digits = line
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let (size, extensions) = line.split_at(digits);
        let size = usize::from_str_radix(str::from_utf8(size).ok()?, 16).ok()?;
        if !are_extensions(extensions) {
            return None;
        }
        if size == 0 {
            break;
        }
        payload.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
    let start = data.len() - rest.len();
    loop {
        let end = data.len() - rest.len();
        let line = take_line(&mut rest)?;
        if line.is_empty() {
            let trailers = data[start..end].to_vec();
            let consumed = data.len() - rest.len();
            return Some(Body {
                payload,
                trailers,
                consumed,
            });
        }
        let colon = line.iter().position(|&byte| byte == b':')?;
        let value = line.get(colon + 1..)?;
        let clean = value
            .iter()
            .all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f));
        if !is_token(&line[..colon]) || !clean {
            return None;
        }
    }
}

fn take_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.windows(2).position(|two| two == b"\r\n")?;
    let (line, after) = (&rest[..end], &rest[end + 2..]);
    *rest = after;
    Some(line)
}

/// `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )`, by taking pieces off the front.
fn are_extensions(mut text: &[u8]) -> bool {
    while !text.is_empty() {
        let Some(after) = skip_white(text).strip_prefix(b";") else {
            return false;
        };
        let Some(after) = skip_token(skip_white(after)) else {
            return false;
        };
        text = after;
        if let Some(value) = skip_white(after).strip_prefix(b"=") {
            let value = skip_white(value);
            let Some(after) = skip_token(value).or_else(|| skip_quoted(value)) else {
                return false;
            };
            text = after;
        }
    }
    true
}

fn skip_white(text: &[u8]) -> &[u8] {
    let white = text
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    &text[white..]
}

fn skip_token(text: &[u8]) -> Option<&[u8]> {
    let length = text.iter().take_while(|byte| is_token(&[**byte])).count();
    (length > 0).then(|| &text[length..])
}

fn skip_quoted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        let (first, after) = rest.split_first()?;
        let clean = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        rest = match first {
            b'"' => return Some(after),
            b'\\' => {
                let (escaped, after) = after.split_first()?;
                if !clean(*escaped) {
                    return None;
                }
                after
            }
            byte if clean(*byte) => after,
            _ => return None,
        };
    }
}
