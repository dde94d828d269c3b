//! The file that a cluster's `endpoints_file` names: a list of endpoints beside the configuration, which may be written anew at
//! any time.
//!
//! It has the one key `endpoints`, with the same items as in a cluster. It stands for itself, so that reading it again needs
//! nothing else: values from elsewhere have no place in it, and relative paths count from its own folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Severity};
use crate::knob::Section;
use crate::model::Endpoint;
use crate::raw::{Cx, with_root};
use crate::section::cluster::endpoint::EndpointEntry;
use crate::section::cluster::scheme::Spoken;
use crate::section::{self, cluster};
use crate::source::Source;

/// What checking a list of endpoints found.
#[derive(Clone, Debug)]
pub struct CheckedList {
    /// The endpoints; `None` when there is an error.
    pub endpoints: Option<Vec<Endpoint>>,
    /// The mistakes in the order of the text, each with that text.
    pub diagnostics: Vec<Diagnostic>,
}

/// The whole file.
static LIST: Section = Section {
    name: "",
    about: "A list of endpoints.",
    knobs: &[&cluster::ENDPOINTS],
    sample: "",
};

/// Reads and checks the text of a list of endpoints that stands in `file`, for a cluster that speaks that with them, and reports
/// every mistake in one go.
#[must_use]
pub fn check_list(text: &str, file: &Path, spoken: Spoken) -> CheckedList {
    let name = file.display().to_string();
    let source = Folder(file.parent().unwrap_or_else(|| Path::new("")));
    let mut cx = Cx::new(text, &name, &source, section::home_of);
    let mut endpoints = Vec::new();
    with_root(&mut cx, |root, cx| {
        if let Some(table) = LIST.open(&root, cx) {
            let entries = cluster::read_list(&table, cx);
            let schemes: Vec<_> = entries.iter().map(EndpointEntry::scheme).collect();
            spoken.check(&schemes, cx);
            endpoints = cluster::expand(entries, &table, cx);
        }
    });
    let mut diagnostics = cx.finish();
    let text: Arc<str> = text.into();
    for one in &mut diagnostics {
        one.text = Some(Arc::clone(&text));
    }
    let usable = diagnostics.iter().all(|d| d.severity != Severity::Error);
    CheckedList {
        endpoints: usable.then_some(endpoints),
        diagnostics,
    }
}

/// The folder of the list.
struct Folder<'a>(&'a Path);

impl Source for Folder<'_> {
    fn env(&self, _name: &str) -> Option<String> {
        None
    }

    fn file(&self, _path: &str) -> Result<Vec<u8>, String> {
        Err("a list of endpoints refers to no other file".to_owned())
    }

    fn resolve(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::render_all;

    fn read(text: &str) -> Result<Vec<String>, String> {
        let checked = check_list(text, Path::new("/run/app/list.toml"), Spoken::default());
        let show = |endpoint: Endpoint| format!("{} {}", endpoint.address, endpoint.weight);
        match checked.endpoints {
            Some(all) => Ok(all.into_iter().map(show).collect()),
            // What the configuration says is not what is wrong.
            None => Err(render_all(&checked.diagnostics, "version = 1", false)),
        }
    }

    #[test]
    fn its_items_are_those_of_a_cluster() {
        let text = "endpoints = [\"10.0.0.1:80\", { address = \"b:1\", weight = 3 }, \"unix:a.sock\", \"srv:_http._tcp.app\"]";
        let expected = [
            "10.0.0.1:80 1",
            "b:1 3",
            "unix:/run/app/a.sock 1",
            "srv:_http._tcp.app 1",
        ];
        assert_eq!(read(text).unwrap(), expected);
        let text = "[[endpoints]]\naddress = \"10.0.0.1:80\"\n";
        assert_eq!(read(text).unwrap(), ["10.0.0.1:80 1"]);
    }

    #[test]
    fn mistakes_have_a_place_in_it() {
        for (text, place, part) in [
            ("endpoints = []", ":1:1", "no endpoints"),
            ("", ":1:1", "`endpoints` is missing"),
            (
                "endpoints = [\n  \"10.0.0.1:80\",\n  \"10.0.0.1\",\n]",
                ":3:3",
                "not an address",
            ),
            ("endpoints = [\"a:1\"", ":1:", "syntax"),
            ("endpoint = [\"a:1\"]", ":1:1", "did you mean `endpoints`?"),
            ("endpoints = { env = \"A\" }", ":1:", "not set"),
            ("endpoints = [{ file = \"b\" }]", ":1:", "no other file"),
        ] {
            let shown = read(text).unwrap_err();
            let place = format!("/run/app/list.toml{place}");
            assert!(shown.contains(&place), "{text}:\n{shown}");
            assert!(shown.contains(part), "{text}:\n{shown}");
            assert!(!shown.contains("version = 1"), "{shown}");
        }
    }
}
