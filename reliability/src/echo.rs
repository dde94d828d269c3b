//! What is asked and what must come back: the words that client and origin share.
//!
//! An answer repeats the request's id in a field and at the start of its body, and the body that was posted behind it, so
//! that nothing that belongs to another request can pass for it.

/// The field of a request and of its answer that carries its id.
pub const ID: &str = "X-Bad-Day-Id";

/// The field of an answer that says which endpoint gave it, in which of its lives: `ENDPOINT.LIFE`.
pub const BY: &str = "X-Bad-Day-By";

/// Bytes of an answer behind its id, when nothing was posted: enough to be cut in the middle.
const FILLING: usize = 400;

/// The body of the answer to the request with this id, which carried `posted`.
#[must_use]
pub fn answer(id: u64, posted: &[u8]) -> Vec<u8> {
    let mut body = format!("{id} ").into_bytes();
    if posted.is_empty() {
        body.resize(body.len() + FILLING, b'.');
    } else {
        body.extend_from_slice(posted);
    }
    body
}

/// What a POST with this id carries.
#[must_use]
pub fn posted(id: u64) -> Vec<u8> {
    let mut body = format!("{id} is posted ").into_bytes();
    // Lengths differ, so that a body of the wrong length shows.
    let length = 200 + usize::try_from(id % 97).unwrap_or_default();
    body.resize(length, b'p');
    body
}

/// The value of the field `name` in a head, whose line ends are complete.
#[must_use]
pub fn field<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let lines = str::from_utf8(head).ok()?.split("\r\n").skip(1);
    let mut fields = lines.filter_map(|line| line.split_once(':'));
    let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim())
}

/// The data of a chunked body that is known to be complete and well formed.
#[must_use]
pub fn without_chunks(mut raw: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(raw.len());
    while let Some(end) = raw.windows(2).position(|two| two == b"\r\n") {
        let size = str::from_utf8(&raw[..end]).unwrap_or_default();
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        let Some(chunk) = raw
            .get(end + 2..end + 2 + size)
            .filter(|one| !one.is_empty())
        else {
            break;
        };
        data.extend_from_slice(chunk);
        raw = raw.get(end + 4 + size..).unwrap_or_default();
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_however_they_are_spelt() {
        let head = b"HTTP/1.1 200 OK\r\nx-bad-day-id:  7 \r\nX-Bad-Day-By: 0.1\r\n\r\n";
        assert_eq!(field(head, ID), Some("7"));
        assert_eq!(field(head, BY), Some("0.1"));
        assert_eq!(field(head, "X"), None);
    }

    #[test]
    fn chunks_are_joined() {
        assert_eq!(
            without_chunks(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"),
            b"abcde"
        );
        assert_eq!(without_chunks(b"0\r\n\r\n"), b"");
        assert_eq!(without_chunks(b"9\r\nabc"), b"");
    }

    #[test]
    fn answers_differ_by_id_and_body() {
        assert_eq!(answer(7, b"x"), b"7 x");
        assert!(answer(7, b"").starts_with(b"7 ...") && answer(7, b"").len() == 402);
        assert_ne!(posted(1).len(), posted(2).len());
    }
}
