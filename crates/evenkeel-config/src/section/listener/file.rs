//! Files of TLS: what they hold is read here and judged elsewhere.

use crate::raw::{At, Cx};
use crate::value::FilePath;

/// The content of a file that may be read anew while the rest of the configuration stays.
pub(crate) fn read_file(path: &At<FilePath>, cx: &mut Cx<'_>) -> Option<Vec<u8>> {
    let text = path.value.0.to_string_lossy();
    let read = cx.source.certificate(&text);
    read.map_err(|why| cx.error(path.span.clone(), format!("cannot read {text}: {why}")))
        .ok()
}
