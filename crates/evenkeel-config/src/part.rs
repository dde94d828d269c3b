//! A cluster that stands in another document: its policies with the same knobs, words and mistakes as in the
//! configuration, for endpoints that are modelled elsewhere.
//!
//! It reads one table and looks at no other.

use crate::diagnostic::{Diagnostic, Severity};
use crate::model::Cluster;
use crate::raw::{Cx, Node, with_root};
use crate::section::{self, cluster};
use crate::source::Source;

/// What checking a cluster in another document found.
#[derive(Clone, Debug)]
pub struct CheckedCluster {
    /// The cluster; `None` when there is an error. It has no endpoints, and the last part of the path is its name.
    pub cluster: Option<Cluster>,
    /// The mistakes in the order of the text: those of the table, and errors of the document's syntax.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads and checks the table at `path` of a TOML document as a `[cluster.NAME]` without `endpoints`, and reports every
/// mistake in it. A document without that table has a cluster with every default.
///
/// `path` are the keys that lead to the table: `["cluster"]` for `[cluster]`. `file` is the document's name for messages;
/// `source` gives values from elsewhere. What the document says outside of the table is the caller's to read.
#[must_use]
pub fn check_cluster(text: &str, file: &str, path: &[&str], source: &dyn Source) -> CheckedCluster {
    let mut cx = Cx::new(text, file, source, section::home_of);
    let name = path.last().copied().unwrap_or_default();
    let mut cluster = None;
    with_root(&mut cx, |root, cx| {
        cluster = match find(root, path) {
            Some(node) => cluster::read_part(name, &node, cx),
            None => Some(cluster::with_defaults(name, Vec::new())),
        };
    });
    let diagnostics = cx.finish();
    let usable = diagnostics.iter().all(|d| d.severity != Severity::Error);
    CheckedCluster {
        cluster: cluster.filter(|_| usable),
        diagnostics,
    }
}

/// The value that the keys lead to.
fn find<'a>(root: Node<'a>, path: &[&str]) -> Option<Node<'a>> {
    path.iter().try_fold(root, |node, key| {
        let mut entries = node.entries()?.into_iter();
        entries
            .find(|entry| entry.key.value == *key)
            .map(|entry| entry.node)
    })
}
