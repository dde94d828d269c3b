//! What reads the configuration, for documents of another kind: a TOML text with a place for every mistake, tables with
//! known keys, knobs with defaults and bounds.
//!
//! [`read`] parses a text and hands its root on; a [`Section`] opens a table and reports keys that it does not know; a
//! [`Knob`] gives its value or reports what is wrong with it. The tables of the configuration itself are not here.

pub use crate::knob::{AnyKnob, Branch, Knob, Section, Shape, Table};
pub use crate::raw::{At, Cx, Entry, Node, Said, Span};
pub use crate::reference::{examples_of, section_markdown};
pub use crate::section::check_name;
pub use crate::value::scalar::Choice;
pub use crate::value::{Bounds, Value};

use crate::diagnostic::Diagnostic;
use crate::raw::with_root;
use crate::source::Source;

/// What may be read from a document, and everything that is wrong with it in the order of the text.
///
/// `home_of` says where a key belongs that stands in the wrong table.
pub fn read<T>(
    text: &str,
    file: &str,
    source: &dyn Source,
    home_of: fn(&str) -> Option<String>,
    read: impl FnOnce(&Node<'_>, &mut Cx<'_>) -> Option<T>,
) -> (Option<T>, Vec<Diagnostic>) {
    let mut cx = Cx::new(text, file, source, home_of);
    let mut value = None;
    with_root(&mut cx, |root, cx| value = read(&root, cx));
    (value, cx.finish())
}
