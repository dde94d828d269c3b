//! The numbers of a JSON object, by name; strings, lists and words are passed over. Not a JSON library: nothing is kept.

use super::{Draft, Within};

/// How deep objects and lists may nest. A report needs two levels.
const MOST_DEPTH: usize = 8;

/// Gives every number of the object `text`, the whole of it, to `draft`.
pub(super) fn read(text: &str, draft: &mut Draft) -> Option<()> {
    let mut json = Json { rest: text, draft };
    json.space();
    json.eat('{')?;
    json.object(Within::Message, 1)?;
    json.space();
    json.rest.is_empty().then_some(())
}

struct Json<'a, 'd> {
    rest: &'a str,
    draft: &'d mut Draft,
}

impl<'a> Json<'a, '_> {
    /// The rest of an object, after its brace.
    fn object(&mut self, within: Within, depth: usize) -> Option<()> {
        self.list('}', |json| {
            let name = json.string()?;
            json.space();
            json.eat(':')?;
            json.value(within, name, depth)
        })
    }

    /// What stands between commas, up to `end`.
    fn list(&mut self, end: char, item: impl Fn(&mut Self) -> Option<()>) -> Option<()> {
        self.space();
        if self.eat(end).is_some() {
            return Some(());
        }
        loop {
            self.space();
            item(self)?;
            self.space();
            if self.eat(end).is_some() {
                return Some(());
            }
            self.eat(',')?;
        }
    }

    fn value(&mut self, within: Within, name: &str, depth: usize) -> Option<()> {
        self.space();
        match self.rest.chars().next()? {
            '{' | '[' if depth >= MOST_DEPTH => None,
            '{' => {
                self.eat('{')?;
                self.object(within.below(name), depth + 1)
            }
            '[' => {
                self.eat('[')?;
                self.list(']', |json| json.value(Within::Other, "", depth + 1))
            }
            '"' => self.string().map(|_| ()),
            '-' | '0'..='9' => {
                let number = self.take(|c| matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'));
                self.draft.set(within, name, number)
            }
            _ => {
                let word = self.take(|c| c.is_ascii_lowercase());
                matches!(word, "null" | "true" | "false").then_some(())
            }
        }
    }

    /// A string as it is written. A name that is written with escapes is none of ours.
    fn string(&mut self) -> Option<&'a str> {
        self.eat('"')?;
        let mut escaped = false;
        let end = self.rest.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
        let string = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Some(string)
    }

    fn take(&mut self, part: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !part(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn eat(&mut self, expected: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }
}
