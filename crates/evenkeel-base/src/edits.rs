//! Header edits as an overlay: what a route sets, adds and removes, applied while a head is written and never before.
//!
//! The head that was read stays as it is, so a second attempt writes the same bytes again.

use crate::field::reads_alike;
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

    /// Whether `name` is set or removed here.
    #[must_use]
    pub fn names(&self, name: &[u8]) -> bool {
        self.any(|text| text.eq_ignore_ascii_case(name))
    }

    /// Whether what a client says by this name would be taken for what is set or removed here: then it does not pass.
    #[must_use]
    pub fn claims(&self, name: &[u8]) -> bool {
        self.any(|text| reads_alike(text, name))
    }

    #[inline]
    fn any(&self, same: impl Fn(&[u8]) -> bool) -> bool {
        let set = self.set.iter().map(|(name, _)| name);
        set.chain(&self.remove).any(|name| same(name.as_bytes()))
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
            if !edits.names(name.as_bytes()) {
                out.field(name.as_bytes(), b"0");
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

    #[test]
    fn an_edit_claims_what_may_be_read_as_its_field() {
        let edits = Edits {
            set: vec![("X-A-B".into(), "1".into())],
            add: vec![("X-Added".into(), "2".into())],
            remove: vec!["x_c".into()],
        };
        for (name, names, claims) in [
            ("x-a-b", true, true),
            ("X_A-b", false, true),
            ("x_a_b", false, true),
            ("X-C", false, true),
            ("X_C", true, true),
            ("x-added", false, false),
            ("x-a", false, false),
            ("x-a-bb", false, false),
            ("", false, false),
        ] {
            assert_eq!(edits.names(name.as_bytes()), names, "{name}");
            assert_eq!(edits.claims(name.as_bytes()), claims, "{name}");
        }
    }
}
