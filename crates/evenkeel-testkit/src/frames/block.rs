//! Header blocks (RFC 7541): literals that no table remembers, and the one thing that is read of a response, its status.

/// A block of these fields, each a literal without indexing and with a literal name.
#[must_use]
pub fn literals(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        literal(&mut block, name.as_bytes(), value.as_bytes());
    }
    block
}

/// Adds a literal without indexing (section 6.2.2).
pub fn literal(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.push(0);
    string(block, name);
    string(block, value);
}

/// Adds a literal that the other side's table remembers (section 6.2.1).
pub fn indexed(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.push(0x40);
    string(block, name);
    string(block, value);
}

/// The block of a request with the fields that every one has, for `a.example` over plain HTTP.
#[must_use]
pub fn request(method: &str, path: &str) -> Vec<u8> {
    literals(&[
        (":method", method),
        (":scheme", "http"),
        (":authority", "a.example"),
        (":path", path),
    ])
}

/// The same with more fields.
#[must_use]
pub fn request_with(method: &str, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = request(method, path);
    block.extend_from_slice(&literals(fields));
    block
}

/// A string literal that is not compressed (section 5.2).
fn string(block: &mut Vec<u8>, text: &[u8]) {
    integer(block, 0, 7, text.len());
    block.extend_from_slice(text);
}

/// An integer with a prefix of so many bits behind `high` (section 5.1).
pub fn integer(block: &mut Vec<u8>, high: u8, bits: u32, value: usize) {
    let most = (1_usize << bits) - 1;
    if value < most {
        block.push(high | u8::try_from(value).unwrap_or_default());
        return;
    }
    block.push(high | u8::try_from(most).unwrap_or(u8::MAX));
    let mut rest = value - most;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap_or_default() | 0x80);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap_or_default());
}

/// The status that a response's block begins with: as an entry of the static table, or as a literal with the name of one.
/// `None` when it begins with something else.
#[must_use]
pub fn status(block: &[u8]) -> Option<u16> {
    // The table's size may be changed first (section 6.3).
    let changes = block.iter().take_while(|&&byte| byte & 0xe0 == 0x20);
    let rest = &block[changes.count()..];
    match rest {
        [entry @ 0x88..=0x8e, ..] => {
            let known = [200, 204, 206, 304, 400, 404, 500];
            known.get(usize::from(entry - 0x88)).copied()
        }
        // The status has one of the names at 8 to 14; it is not remembered, or it is.
        [0x08..=0x0e | 0x48..=0x4e, 3, digits @ ..] => {
            str::from_utf8(digits.get(..3)?).ok()?.parse().ok()
        }
        [0x08..=0x0e | 0x48..=0x4e, length, coded @ ..] if length & 0x80 != 0 => {
            compressed_digits(coded.get(..usize::from(length & 0x7f))?)
        }
        _ => None,
    }
}

/// Three digits in the Huffman code of RFC 7541 appendix B, in which `0` to `2` have five bits and `3` to `9` six.
fn compressed_digits(coded: &[u8]) -> Option<u16> {
    let mut bits = coded
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let mut take = |count: usize| -> Option<u8> {
        let taken: Vec<u8> = bits.by_ref().take(count).collect();
        (taken.len() == count).then(|| taken.iter().fold(0, |sum, bit| sum << 1 | bit))
    };
    let mut number = 0;
    for _ in 0..3 {
        let digit = match take(5)? {
            short @ 0..=2 => short,
            long => match long << 1 | take(1)? {
                six @ 0b01_1001..=0b01_1111 => six - 0b01_1001 + 3,
                _ => return None,
            },
        };
        number = number * 10 + u16::from(digit);
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_those_of_the_rfc() {
        let mut block = Vec::new();
        integer(&mut block, 0, 5, 10);
        integer(&mut block, 0, 5, 1337);
        integer(&mut block, 0, 8, 42);
        assert_eq!(block, [10, 31, 154, 10, 42], "RFC 7541 section C.1");
    }

    #[test]
    fn a_status_is_read_however_it_is_written() {
        for (block, expected) in [
            (&[0x88][..], Some(200)),
            (&[0x20, 0x8e], Some(500)),
            (&[0x3f, 0x88][..1], None),
            (&[0x48, 3, b'3', b'0', b'2'], Some(302)),
            // RFC 7541 section C.6.1: 302 in Huffman's code.
            (&[0x48, 0x82, 0x64, 0x02], Some(302)),
            // RFC 7541 section C.6.2.
            (&[0x48, 0x83, 0x64, 0x0e, 0xff], Some(307)),
            (&[0x82], None),
            (&[], None),
        ] {
            assert_eq!(status(block), expected, "{block:02x?}");
        }
    }
}
