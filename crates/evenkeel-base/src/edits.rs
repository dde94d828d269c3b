//! Header edits as an overlay: what a route sets, adds and removes, applied while a head is written and never before.
//!
//! The head that was read stays as it is, so a second attempt writes the same bytes again.

use crate::head::Field;
use crate::sink::FieldSink;

/// The edits of one direction of a route. Names and values were validated when the configuration was compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Replaces every field of that name with one.
    pub set: Vec<(String, String)>,
    /// Adds a field beside those of that name.
    pub add: Vec<(String, String)>,
    /// Removes every field of that name.
    pub remove: Vec<String>,
}

impl Edits {
    /// Whether there is nothing to do: the usual case, and then no name is compared.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }

    /// Whether a field that came with the message is dropped because an edit replaces or removes it.
    #[must_use]
    pub fn drops(&self, field: &Field<'_>) -> bool {
        self.names(field.name)
    }

    /// Whether `name` is set or removed here.
    #[must_use]
    pub fn names(&self, name: &[u8]) -> bool {
        let same = |text: &str| text.as_bytes().eq_ignore_ascii_case(name);
        self.set.iter().any(|(name, _)| same(name)) || self.remove.iter().any(|name| same(name))
    }

    /// Writes what is set and added, after the fields that came with the message.
    pub fn write(&self, sink: &mut (impl FieldSink + ?Sized)) {
        for (name, value) in self.set.iter().chain(&self.add) {
            sink.field(name.as_bytes(), value.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Known;

    #[test]
    fn set_replaces_add_joins_remove_drops() {
        let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        let edits = Edits {
            set: vec![pair("X-A", "1")],
            add: vec![pair("x-b", "2")],
            remove: vec!["x-c".into()],
        };
        let mut out: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for name in ["x-a", "X-A", "x-b", "X-C", "x-d"] {
            let field = Field {
                name: name.as_bytes(),
                value: b"0",
                known: Known::Other,
            };
            if !edits.drops(&field) {
                out.field(field.name, field.value);
            }
        }
        edits.write(&mut out);
        let names: Vec<_> = out
            .iter()
            .map(|(n, v)| {
                format!(
                    "{}={}",
                    String::from_utf8_lossy(n),
                    String::from_utf8_lossy(v)
                )
            })
            .collect();
        assert_eq!(names, ["x-b=0", "x-d=0", "X-A=1", "x-b=2"]);
    }
}
