//! Header fields of a response that are kept until its exchange is recorded. It does not know who wants them or why.

use std::sync::Arc;

use evenkeel_base::ResponseView;
use evenkeel_base::head::Field;

/// So many bytes of a header field are recorded, over all of its lines.
pub const MAX_HEADER: usize = 512;

/// The values of some fields of a response.
#[derive(Debug)]
pub(crate) struct KeptHeaders {
    /// Whoever reads them may want others by now.
    names: Arc<[String]>,
    /// A value for each name; empty: there is none.
    values: Vec<Vec<u8>>,
}

impl KeptHeaders {
    /// Keeps the fields of these names, which are in small letters.
    pub(crate) fn keep(names: &Arc<[String]>, response: &ResponseView<'_>) -> Self {
        let value = |name: &String| {
            let mut kept = Vec::new();
            for field in named(response.fields(), name) {
                if !kept.is_empty() {
                    kept.extend_from_slice(b", ");
                }
                kept.extend_from_slice(field.value);
                // A byte more than is recorded, which then is cut where text may be cut.
                if kept.len() > MAX_HEADER {
                    kept.truncate(MAX_HEADER + 1);
                    break;
                }
            }
            kept
        };
        Self {
            names: Arc::clone(names),
            values: names.iter().map(value).collect(),
        }
    }

    /// The value of the field of that name; empty: there was none, or it was not kept.
    pub(crate) fn value(&self, name: &str) -> &[u8] {
        let at = self.names.iter().position(|known| known == name);
        at.and_then(|at| self.values.get(at))
            .map_or(b"", Vec::as_slice)
    }
}

/// The fields of that name.
pub(crate) fn named<'a>(
    fields: impl Iterator<Item = Field<'a>>,
    name: &str,
) -> impl Iterator<Item = Field<'a>> {
    fields.filter(move |field| field.name.eq_ignore_ascii_case(name.as_bytes()))
}
