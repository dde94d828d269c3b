//! A Rust file as the checks see it: the text, and the text with comments and literals blanked out.
//!
//! This is a lexer's first third and no parser: enough to tell code from prose, to match braces and to find the inline
//! test module. Both texts have the same length, so that an offset in one is an offset in the other.

use std::ops::Range;

/// A Rust source file, lexed.
pub(crate) struct Source<'a> {
    /// The text as it is.
    pub(crate) text: &'a str,
    /// The text with comments and the insides of literals as spaces.
    pub(crate) code: String,
    /// The byte ranges of inline `#[cfg(test)] mod … { … }`.
    pub(crate) tests: Vec<Range<usize>>,
}

impl<'a> Source<'a> {
    /// Lexes `text`.
    pub(crate) fn new(text: &'a str) -> Self {
        let code = blank(text);
        let tests = test_modules(&code);
        Self { text, code, tests }
    }

    /// The line of an offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.text.as_bytes()[..offset]
            .iter()
            .filter(|&&b| b == b'\n')
            .count()
            + 1
    }

    /// Whether the offset lies in an inline test module.
    pub(crate) fn in_tests(&self, offset: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&offset))
    }

    /// How many lines are not inline tests.
    pub(crate) fn product_lines(&self) -> usize {
        self.text.lines().count() - self.test_lines()
    }

    /// How many lines the inline test modules take.
    pub(crate) fn test_lines(&self) -> usize {
        let lines = |range: &Range<usize>| self.text[range.clone()].lines().count();
        self.tests.iter().map(lines).sum()
    }

    /// Every identifier and keyword of the code with its offset.
    pub(crate) fn identifiers(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut rest = 0;
        std::iter::from_fn(move || {
            let bytes = self.code.as_bytes();
            while rest < bytes.len() {
                let start = rest;
                while rest < bytes.len() && is_word(bytes[rest]) {
                    rest += 1;
                }
                if rest == start {
                    rest += 1;
                } else if !bytes[start].is_ascii_digit() {
                    return Some((start, &self.code[start..rest]));
                }
            }
            None
        })
    }

    /// Every offset at which `pattern` stands in the code, not as a part of a longer word.
    pub(crate) fn find_all(&self, pattern: &str) -> Vec<usize> {
        let bytes = self.code.as_bytes();
        let whole = |at: usize| at == 0 || !is_word(bytes[at - 1]) || !is_word(bytes[at]);
        let matches = self.code.match_indices(pattern);
        matches.map(|(at, _)| at).filter(|&at| whole(at)).collect()
    }

    /// The original text from just behind the parenthesis at `open` to the one that closes it.
    pub(crate) fn arguments(&self, open: usize) -> &'a str {
        let end = closing(self.code.as_bytes(), open);
        &self.text[open + 1..end.max(open + 1)]
    }
}

/// Whether a byte may stand in an identifier.
pub(crate) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The offset of the bracket that closes the one at `open`; the end of the code when there is none.
pub(crate) fn closing(code: &[u8], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.iter().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    code.len()
}

fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let (inside, next) = skip(bytes, at);
        for byte in &mut code[inside] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = next;
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// What begins at `at`: the range to blank (empty for code) and where to go on.
fn skip(bytes: &[u8], at: usize) -> (Range<usize>, usize) {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        let end = at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        return (at..end, end);
    }
    if rest.starts_with(b"/*") {
        let end = block_comment(bytes, at);
        return (at..end, end);
    }
    match bytes[at] {
        b'"' => quoted(bytes, at, b'"'),
        b'r' if at == 0 || !is_word(bytes[at - 1]) || is_raw_prefix(bytes, at) => {
            raw_string(bytes, at).unwrap_or((at..at, at + 1))
        }
        b'\'' => {
            let width = std::str::from_utf8(&rest[1..rest.len().min(5)])
                .map_or_else(|e| e.valid_up_to(), str::len);
            let first = std::str::from_utf8(&rest[1..=width]).ok();
            let first = first.and_then(|text| text.chars().next());
            match first {
                Some('\\') => quoted(bytes, at, b'\''),
                Some(c) if rest.get(1 + c.len_utf8()) == Some(&b'\'') => quoted(bytes, at, b'\''),
                _ => (at..at, at + 1), // A lifetime.
            }
        }
        _ => (at..at, at + 1),
    }
}

/// `br"…"` and `cr"…"`: the `r` follows one letter that itself begins the word.
fn is_raw_prefix(bytes: &[u8], at: usize) -> bool {
    matches!(bytes[at - 1], b'b' | b'c') && (at == 1 || !is_word(bytes[at - 2]))
}

fn quoted(bytes: &[u8], at: usize, quote: u8) -> (Range<usize>, usize) {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != quote {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    let end = end.min(bytes.len());
    (at + 1..end, end + 1)
}

fn raw_string(bytes: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let hashes = bytes[at + 1..].iter().take_while(|&&b| b == b'#').count();
    let start = at + 2 + hashes;
    if bytes.get(start - 1) != Some(&b'"') {
        return None;
    }
    let mut end = vec![b'#'; hashes + 1];
    end[0] = b'"';
    let length = bytes[start..]
        .windows(end.len())
        .position(|window| window == end)
        .unwrap_or(bytes.len() - start);
    Some((start..start + length, start + length + end.len()))
}

fn block_comment(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut end) = (0_usize, at);
    while end < bytes.len() {
        if bytes[end..].starts_with(b"/*") {
            depth += 1;
            end += 2;
        } else if bytes[end..].starts_with(b"*/") {
            depth -= 1;
            end += 2;
            if depth == 0 {
                return end;
            }
        } else {
            end += 1;
        }
    }
    end
}

fn test_modules(code: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for attribute in ["#[cfg(test)]", "#[cfg(all(test"] {
        for (start, _) in code.match_indices(attribute) {
            let Some(open) = module_body(code, start) else {
                continue;
            };
            let end = (closing(code.as_bytes(), open) + 1).min(code.len());
            found.push(start..end);
        }
    }
    found
}

/// The opening brace of the `mod name {` that the attributes from `at` belong to.
fn module_body(code: &str, mut at: usize) -> Option<usize> {
    while code[at..].starts_with("#[") {
        let end = closing(code.as_bytes(), at + 1) + 1;
        at = end + code.get(end..)?.len() - code[end..].trim_start().len();
    }
    let rest = &code[at..];
    let rest = rest.strip_prefix("pub(crate) ").unwrap_or(rest);
    let open = rest.strip_prefix("mod ")?.find(['{', ';'])? + 4;
    let open = at + (code[at..].len() - rest.len()) + open;
    (code.as_bytes()[open] == b'{').then_some(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_not_code() {
        let cases = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("x \" y", z)"#, r#"f("      ", z)"#),
            (r##"r#"x " y"# z"##, r##"r#"     "# z"##),
            (r#"br"x\" z"#, r#"br"  " z"#),
            ("'\\'' 'a' b", "'  ' ' ' b"),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("'é' x", "'  ' x"),
            ("var\"x\"", "var\" \""),
        ];
        for (text, code) in cases {
            assert_eq!(Source::new(text).code, code, "{text}");
        }
    }

    #[test]
    fn the_inline_test_module_is_found_to_its_end() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { \"}\"; }\n}\nfn c() {}\n";
        let source = Source::new(text);
        assert_eq!(source.product_lines(), 2);
        assert_eq!(source.test_lines(), 4);
        assert!(source.in_tests(text.find("fn b").unwrap()));
        assert!(!source.in_tests(text.find("fn c").unwrap()));
        assert!(
            Source::new("#[cfg(test)]\nmod tests;\nfn c() {}")
                .tests
                .is_empty()
        );
    }

    #[test]
    fn words_are_whole() {
        let source = Source::new("sleep(x); asleep(y); 1u8; a.sleep(z)");
        assert_eq!(source.find_all("sleep(").len(), 2);
        let words: Vec<_> = source.identifiers().map(|(_, word)| word).collect();
        assert_eq!(words, ["sleep", "x", "asleep", "y", "a", "sleep", "z"]);
    }
}
