//! One line of the log while it is written: text, numbers and times, put where they belong without the formatting
//! machinery of the standard library, which took three quarters of a record's instructions.
//!
//! It is also what keeps a line a line: whatever text comes in, [`Line::text`] lets nothing through that could end the
//! line, the string or the sanity of a terminal. It knows nothing of records.

use std::time::Duration;

/// A longer text is cut: one request must not fill the log.
pub const MAX_TEXT: usize = 1024;

/// A line being written into room that others own.
#[derive(Debug)]
pub(super) struct Line<'a> {
    room: &'a mut [u8],
    filled: usize,
    /// There was not enough room for everything.
    cut: bool,
}

impl<'a> Line<'a> {
    /// An empty line.
    pub(super) const fn new(room: &'a mut [u8]) -> Self {
        Self {
            room,
            filled: 0,
            cut: false,
        }
    }

    /// How long the line is, or nothing when it did not fit into its room.
    pub(super) fn len(&self) -> Option<usize> {
        (!self.cut).then_some(self.filled)
    }

    /// How much of the line is there.
    pub(super) const fn filled(&self) -> usize {
        self.filled
    }

    /// Puts bytes of ours, which need no escaping; their number is known, so they are stored and not copied by a call.
    #[inline(always)]
    pub(super) fn put<const N: usize>(&mut self, bytes: &[u8; N]) {
        self.put_padded(bytes, N);
    }

    /// Puts a number.
    #[inline]
    pub(super) fn number(&mut self, mut number: u64) {
        if number < 10 {
            return self.put(&[digit(number)]);
        }
        // The digits end in the middle, so that as many bytes as the longest number has can be read from any start.
        let mut text = [0; 2 * DIGITS];
        let mut at = DIGITS;
        while number >= 10 {
            at -= 2;
            text[at..at + 2].copy_from_slice(&PAIRS[(number % 100) as usize]);
            number /= 100;
        }
        if number > 0 {
            at -= 1;
            text[at] = digit(number);
        }
        if let Some(digits) = text[at..].first_chunk::<DIGITS>() {
            self.put_padded(digits, DIGITS - at);
        }
    }

    /// Puts a time as milliseconds with three decimals.
    #[inline]
    pub(super) fn millis(&mut self, time: Duration) {
        let micros = time
            .as_secs()
            .saturating_mul(1_000_000)
            .saturating_add(time.subsec_micros().into());
        self.number(micros / 1000);
        let part = micros % 1000;
        let [tens, ones] = PAIRS[(part % 100) as usize];
        self.put(&[b'.', digit(part / 100), tens, ones]);
    }

    /// Puts a number of thousandths with as many decimals as it needs.
    pub(super) fn thousandths(&mut self, number: u64) {
        self.number(number / 1000);
        let mut part = number % 1000;
        let mut unit = 100;
        if part > 0 {
            self.put(b".");
        }
        while part > 0 {
            self.number(part / unit);
            (part, unit) = (part % unit, unit / 10);
        }
    }

    /// Puts text of ours, or of the operator's, as it is.
    pub(super) fn text_of_ours(&mut self, text: &str) {
        self.copy(text.as_bytes());
    }

    /// The same as [`Self::text`] with at most so many bytes.
    pub(super) fn text_within(&mut self, text: &[u8], most: usize) {
        self.text(cut(text, most));
    }

    /// Puts text between quotes as Apache does it in its logs (`ap_escape_logitem`): quotes and backslashes have a backslash before
    /// them, some control characters a letter, and all other bytes that are no printable ASCII are `\xhh`.
    pub(super) fn apache_text(&mut self, text: &[u8]) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let text = shortened(text);
        if self.put_plain(text) {
            return;
        }
        for &byte in text {
            match byte {
                b'"' | b'\\' => self.put(&[b'\\', byte]),
                0x08 => self.put(b"\\b"),
                b'\n' => self.put(b"\\n"),
                b'\r' => self.put(b"\\r"),
                b'\t' => self.put(b"\\t"),
                0x0b => self.put(b"\\v"),
                b' '..=b'~' => self.put(&[byte]),
                _ => {
                    let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                    self.put(&[b'\\', b'x', HEX[high], HEX[low]]);
                }
            }
        }
    }

    /// Puts text that can stand between quotes, in JSON and for people.
    ///
    /// What is valid UTF-8 stays what it is. Quotes, backslashes and control characters are escaped as JSON does it, and so
    /// is what breaks lines or turns the direction of text elsewhere: U+0080 to U+009F, U+2028, U+2029, the bidirectional
    /// controls and U+FEFF. A byte NN that is no part of UTF-8 becomes `\uefNN`, a character for private use; text that has
    /// such characters itself (U+EF80 to U+EFFF) is treated as so many bytes. So every JSON parser reads the line, and
    /// whoever turns U+EFNN back into the byte NN has what was sent.
    #[inline]
    pub(super) fn text(&mut self, text: &[u8]) {
        let text = shortened(text);
        if !self.put_plain(text) {
            self.put_escaped(text);
        }
    }

    /// Puts `padded`, of which only `len` bytes belong to the line; what comes next overwrites the others.
    #[inline(always)]
    fn put_padded<const N: usize>(&mut self, padded: &[u8; N], len: usize) {
        match self.room.get_mut(self.filled..) {
            Some(rest) if rest.len() >= N => {
                rest[..N].copy_from_slice(padded);
                self.filled += len;
            }
            _ => self.cut = true,
        }
    }

    /// Puts text in which nothing needs escaping; false when something does, and then nothing was put.
    ///
    /// Looking and copying go together, in blocks of which the last two overlap, so that no byte is handled by itself: this
    /// is the whole cost of nearly all texts.
    #[inline]
    fn put_plain(&mut self, text: &[u8]) -> bool {
        let Some(room) = self.room.get_mut(self.filled..self.filled + text.len()) else {
            self.cut = true;
            return true;
        };
        let plain = if text.len() >= 16 {
            copy_blocks::<16>(text, room)
        } else if text.len() >= 8 {
            copy_blocks::<8>(text, room)
        } else if text.len() >= 4 {
            copy_blocks::<4>(text, room)
        } else {
            copy_few(text, room)
        };
        if plain {
            self.filled += text.len();
        }
        plain
    }

    /// Puts text in which something needs escaping.
    #[cold]
    fn put_escaped(&mut self, text: &[u8]) {
        for chunk in text.utf8_chunks() {
            let mut rest = chunk.valid();
            while let Some(at) = rest.find(needs_escape) {
                let (before, from) = rest.split_at(at);
                self.copy(before.as_bytes());
                let len = from.chars().next().map_or(0, |first| {
                    self.escape(first);
                    first.len_utf8()
                });
                rest = &from[len..];
            }
            self.copy(rest.as_bytes());
            chunk.invalid().iter().for_each(|byte| self.stray(*byte));
        }
    }

    fn escape(&mut self, character: char) {
        match character {
            '"' => self.put(b"\\\""),
            '\\' => self.put(b"\\\\"),
            STRAY_FIRST..=STRAY_LAST => {
                let mut bytes = [0; 4];
                let bytes = character.encode_utf8(&mut bytes).bytes();
                bytes.for_each(|byte| self.stray(byte));
            }
            // All others that need it are within the first plane.
            _ => self.code(u32::from(character)),
        }
    }

    /// Puts a byte that is no part of UTF-8.
    fn stray(&mut self, byte: u8) {
        self.code(0xef00 | u32::from(byte));
    }

    fn code(&mut self, code: u32) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let [a, b, c, d] = [12, 8, 4, 0].map(|shift| HEX[(code >> shift & 15) as usize]);
        self.put(&[b'\\', b'u', a, b, c, d]);
    }

    fn copy(&mut self, bytes: &[u8]) {
        match self.room.get_mut(self.filled..self.filled + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.filled += bytes.len();
            }
            None => self.cut = true,
        }
    }
}

/// The most digits that a number has.
const DIGITS: usize = 20;

/// `00` to `99`.
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut n = 0;
    while n < 100 {
        #[expect(clippy::cast_possible_truncation, reason = "below 100")]
        let (tens, ones) = ((n / 10) as u8, (n % 10) as u8);
        pairs[n] = [b'0' + tens, b'0' + ones];
        n += 1;
    }
    pairs
};

/// What stands for bytes that are no part of UTF-8; such a byte is 0x80 at least.
const STRAY_FIRST: char = '\u{ef80}';
const STRAY_LAST: char = '\u{efff}';

#[expect(clippy::cast_possible_truncation, reason = "below 10")]
const fn digit(number: u64) -> u8 {
    b'0' + number as u8
}

/// The text, or its beginning up to a bound between characters.
#[inline]
fn shortened(text: &[u8]) -> &[u8] {
    cut(text, MAX_TEXT)
}

#[inline]
fn cut(text: &[u8], most: usize) -> &[u8] {
    let Some(cut) = text.get(..=most) else {
        return text;
    };
    // A character has at most three bytes after its first one; what goes on for longer is no UTF-8 and cut anywhere.
    let inside = |byte: u8| byte & 0xc0 == 0x80;
    let end = (most.saturating_sub(3)..=most).rfind(|&at| !inside(cut[at]));
    &cut[..end.unwrap_or(most)]
}

/// Copies `text`, in blocks of `N` bytes and a last one that may overlap, and says whether all of it is plain. `N` is not
/// above the length.
#[inline(always)]
fn copy_blocks<const N: usize>(text: &[u8], room: &mut [u8]) -> bool {
    let (blocks, _) = text.as_chunks::<N>();
    let (places, _) = room.as_chunks_mut::<N>();
    let mut plain = true;
    for (block, place) in blocks.iter().zip(places) {
        plain &= is_plain(block);
        *place = *block;
    }
    if let (Some(last), Some(place)) = (text.last_chunk::<N>(), room.last_chunk_mut::<N>()) {
        plain &= is_plain(last);
        *place = *last;
    }
    plain
}

/// The same for at most three bytes: the first, the middle and the last one, which may be the same.
#[inline(always)]
fn copy_few(text: &[u8], room: &mut [u8]) -> bool {
    let (Some(last), middle) = (text.len().checked_sub(1), text.len() / 2) else {
        return true;
    };
    for at in [0, middle, last] {
        room[at] = text[at];
    }
    is_plain(&[text[0], text[middle], text[last]])
}

/// Whether all bytes are printable ASCII that means nothing within quotes. Without a branch between bytes, which the
/// compiler turns into vector instructions.
#[inline(always)]
fn is_plain<const N: usize>(block: &[u8; N]) -> bool {
    let mut special = false;
    for &byte in block {
        special |= byte.wrapping_sub(0x20) > 0x7e - 0x20 || byte == b'"' || byte == b'\\';
    }
    !special
}

/// Whether a character must not stand in a line as it is.
fn needs_escape(character: char) -> bool {
    matches!(
        character,
        '"' | '\\'
            | '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
            | STRAY_FIRST..=STRAY_LAST
    )
}

#[cfg(test)]
mod tests;
