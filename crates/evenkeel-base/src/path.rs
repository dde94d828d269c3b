//! The spellings of a path: in which form routes are compared with it, and what else an endpoint may read it as.
//!
//! A path is forwarded as it came. But `/admin` can be written `//admin` or `/%61dmin` as well, and many endpoints serve all three
//! alike; a route for `/admin` that keeps clients out has to be met by all of them. So routes are compared with the **canonical** form:
//!
//! | in the path | canonical |
//! |---|---|
//! | `%61`: a visible character, percent-encoded | the character |
//! | `%2f` `%25` `%3f` `%23` and all that is not visible | the same in upper case: encoded they are not what they are plain |
//! | a `%` without two hex digits | `%25` |
//! | `//` | `/` |
//!
//! What endpoints disagree about stays: whether `%2F` and `\` are slashes, and whether `;x` belongs to the name of a segment.
//! [`readings`] are the ways in which such a path may be meant. Letters of another case, a slash more at the end and what is
//! encoded twice are other paths.

use std::borrow::Cow;

/// Whether the path may have to be looked at more closely: none of `%`, `\`, `;`, `//` and `/.` stands in a path that is not. Its
/// first byte is not judged: it is a slash.
///
/// Sixteen bytes are judged at once, with those behind each of them, and what is left over with some that were judged already.
#[inline]
#[must_use]
pub fn is_unusual(path: &[u8]) -> bool {
    let len = path.len();
    if len > 16 {
        let mut is = judge(&bytes::<16>(path, len - 17), &bytes::<16>(path, len - 16));
        let mut at = 0;
        while at + 17 < len {
            is |= judge(&bytes::<16>(path, at), &bytes::<16>(path, at + 1));
            at += 16;
        }
        return is;
    }
    let both = |at: usize| match len {
        9.. => join(bytes::<8>(path, at), bytes::<8>(path, len - 9 + at)),
        5.. => join(bytes::<4>(path, at), bytes::<4>(path, len - 5 + at)),
        3.. => join(bytes::<2>(path, at), bytes::<2>(path, len - 3 + at)),
        2 => join(bytes::<1>(path, at), [0]),
        _ => [0; 16],
    };
    judge(&both(0), &both(1))
}

/// Whether a byte of `next` is special, or one is a slash or a dot behind a slash of `ones`: they differ in their lowest bit alone.
/// A verdict of a byte for each byte, so that the compiler gives all of them at once.
#[inline(always)]
fn judge(ones: &[u8; 16], next: &[u8; 16]) -> bool {
    let verdicts: [u8; 16] = std::array::from_fn(|at| {
        let (one, next) = (ones[at], next[at]);
        let special = (next == b'%') | (next == b'\\') | (next == b';');
        u8::from(special | ((one == b'/') & (next | 1 == b'/')))
    });
    u128::from_le_bytes(verdicts) != 0
}

/// So many bytes from there on; zeros where there are less.
#[inline(always)]
fn bytes<const N: usize>(path: &[u8], at: usize) -> [u8; N] {
    let rest = path.get(at..).and_then(|rest| rest.first_chunk());
    rest.copied().unwrap_or([0; N])
}

/// Two pieces, and zeros behind them.
#[inline(always)]
fn join<const N: usize>(first: [u8; N], second: [u8; N]) -> [u8; 16] {
    let mut all = [0; 16];
    all[..N].copy_from_slice(&first);
    all[N..2 * N].copy_from_slice(&second);
    all
}

/// The form in which routes are compared with a path, and in which their own paths are kept.
#[inline]
#[must_use]
pub fn canonical(path: &[u8]) -> Cow<'_, [u8]> {
    if is_unusual(path) {
        Cow::Owned(spell(path))
    } else {
        Cow::Borrowed(path)
    }
}

#[cold]
fn spell(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((piece, after)) = step(rest) {
        push(&mut out, piece.bytes());
        rest = after;
    }
    out
}

/// Adds what was read, one slash of several.
fn push(out: &mut Vec<u8>, piece: &[u8]) {
    if piece != b"/" || out.last() != Some(&b'/') {
        out.extend_from_slice(piece);
    }
}

/// How many bytes of the path its first `canonical` canonical ones take: where a prefix that was matched ends in what came.
#[must_use]
pub fn length_of(path: &[u8], canonical: usize) -> usize {
    let end = path.get(..canonical.saturating_add(1)).unwrap_or(path);
    if !is_unusual(end) {
        return canonical.min(path.len());
    }
    let (mut out, mut rest) = (Vec::new(), path);
    while out.len() < canonical
        && let Some((piece, after)) = step(rest)
    {
        push(&mut out, piece.bytes());
        rest = after;
    }
    path.len() - rest.len()
}

/// What one character of a path is in canonical form.
struct Piece {
    bytes: [u8; 3],
    len: usize,
}

impl Piece {
    const fn one(byte: u8) -> Self {
        Self {
            bytes: [byte, 0, 0],
            len: 1,
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The first character of a path, and what follows it.
fn step(path: &[u8]) -> Option<(Piece, &[u8])> {
    let (first, after) = path.split_first()?;
    if *first != b'%' {
        return Some((Piece::one(*first), after));
    }
    let digit = |at: usize| after.get(at).and_then(|byte| (*byte as char).to_digit(16));
    let (Some(high), Some(low)) = (digit(0), digit(1)) else {
        let piece = Piece {
            bytes: *b"%25",
            len: 3,
        };
        return Some((piece, after));
    };
    let byte = u8::try_from(high * 16 + low).unwrap_or_default();
    let piece = match byte {
        b'/' | b'%' | b'?' | b'#' | ..=0x20 | 0x7f.. => Piece {
            bytes: [
                b'%',
                after[0].to_ascii_uppercase(),
                after[1].to_ascii_uppercase(),
            ],
            len: 3,
        },
        plain => Piece::one(plain),
    };
    Some((piece, &after[2..]))
}

/// A slash, percent-encoded.
const SLASH: &[u8] = b"%2F";

/// How long the separator is that a canonical path begins with, where `%2F` and `\` are taken for some; 0: it begins with none.
fn separator(path: &[u8]) -> usize {
    match path {
        [b'/' | b'\\', ..] => 1,
        _ if path.starts_with(SLASH) => SLASH.len(),
        _ => 0,
    }
}

/// Whether a canonical path has a segment `.` or `..`, whatever is taken for a slash, also with parameters (`..;x`), which some
/// endpoints cut off before they resolve the dots.
#[must_use]
pub fn has_dot_segments(canonical: &[u8]) -> bool {
    let mut rest = canonical;
    let mut begins = true;
    loop {
        if begins && is_dots(rest) {
            return true;
        }
        let skip = separator(rest);
        begins = skip > 0;
        match rest.get(skip.max(1)..) {
            Some(after) if !rest.is_empty() => rest = after,
            _ => return false,
        }
    }
}

/// Whether `text` begins with one or two dots and the segment ends there.
fn is_dots(text: &[u8]) -> bool {
    let ([b'.', b'.', after @ ..] | [b'.', after @ ..]) = text else {
        return false;
    };
    matches!(after.first(), None | Some(b';')) || separator(after) > 0
}

/// Whether a canonical path has a byte of zero, at which a name ends for some endpoints and for others it does not.
#[must_use]
pub fn has_zero(canonical: &[u8]) -> bool {
    canonical.windows(3).any(|three| three == b"%00")
}

/// What else a canonical path may be read as: with `%2F` as a slash, with `\` as one, without the parameters behind `;`, with any of
/// these together, and with dot segments resolved where there are any. At most 15.
#[must_use]
pub fn readings(canonical: &[u8]) -> Vec<Vec<u8>> {
    let has = [
        canonical.windows(SLASH.len()).any(|three| three == SLASH),
        canonical.contains(&b'\\'),
        canonical.contains(&b';'),
    ];
    let mut all = Vec::new();
    for way in 0..8_u8 {
        let ways = [0, 1, 2].map(|bit| way >> bit & 1 == 1);
        // One that changes nothing is what was read already.
        if ways.iter().zip(has).any(|(way, has)| *way && !has) {
            continue;
        }
        let read = read(canonical, ways);
        if has_dot_segments(&read) {
            all.push(resolve(&read));
        }
        if way > 0 {
            all.push(read);
        }
    }
    all
}

fn read(canonical: &[u8], [encoded, backslash, parameters]: [bool; 3]) -> Vec<u8> {
    let mut out = Vec::with_capacity(canonical.len());
    let (mut rest, mut skips) = (canonical, false);
    while let Some((first, after)) = rest.split_first() {
        let slash = match first {
            b'/' => 1,
            b'\\' if backslash => 1,
            b'%' if encoded && rest.starts_with(SLASH) => SLASH.len(),
            _ => 0,
        };
        if slash > 0 {
            skips = false;
            push(&mut out, b"/");
            rest = rest.get(slash..).unwrap_or_default();
            continue;
        }
        skips |= parameters && *first == b';';
        if !skips {
            out.push(*first);
        }
        rest = after;
    }
    out
}

/// The path without dot segments (RFC 3986 §5.2.4); slashes are plain ones, and there is one at a time.
fn resolve(path: &[u8]) -> Vec<u8> {
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut ends = false;
    for segment in path.split(|byte| *byte == b'/').skip(1) {
        let name = segment.split(|byte| *byte == b';').next();
        ends = matches!(name, Some(b"." | b".." | b""));
        match name {
            Some(b"..") => {
                segments.pop();
            }
            Some(b"." | b"") => {}
            _ => segments.push(segment),
        }
    }
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    for segment in segments {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if ends || out.is_empty() {
        out.push(b'/');
    }
    out
}

#[cfg(test)]
mod tests;
