//! `GET /`: the dashboard, from the binary. Its files are the same for everybody, tell nothing, and load nothing from elsewhere.

use hyper::StatusCode;

use crate::answer::{Answer, page, wrong};
use crate::ask::Ask;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

static INDEX: &[u8] = include_bytes!("../dashboard/index.html");

/// A file: name, kind, content.
type File = (&'static str, &'static str, &'static [u8]);

static FILES: [File; 15] = [
    ("api.js", SCRIPT, include_bytes!("../dashboard/api.js")),
    (
        "charts.js",
        SCRIPT,
        include_bytes!("../dashboard/charts.js"),
    ),
    (
        "clusters.js",
        SCRIPT,
        include_bytes!("../dashboard/clusters.js"),
    ),
    (
        "dialog.js",
        SCRIPT,
        include_bytes!("../dashboard/dialog.js"),
    ),
    (
        "events.js",
        SCRIPT,
        include_bytes!("../dashboard/events.js"),
    ),
    (
        "explain.js",
        SCRIPT,
        include_bytes!("../dashboard/explain.js"),
    ),
    ("fault.js", SCRIPT, include_bytes!("../dashboard/fault.js")),
    ("feed.js", SCRIPT, include_bytes!("../dashboard/feed.js")),
    ("flow.js", SCRIPT, include_bytes!("../dashboard/flow.js")),
    ("icon.svg", PICTURE, include_bytes!("../dashboard/icon.svg")),
    ("main.js", SCRIPT, include_bytes!("../dashboard/main.js")),
    (
        "orders.js",
        SCRIPT,
        include_bytes!("../dashboard/orders.js"),
    ),
    ("patch.js", SCRIPT, include_bytes!("../dashboard/patch.js")),
    ("style.css", CSS, include_bytes!("../dashboard/style.css")),
    ("words.js", SCRIPT, include_bytes!("../dashboard/words.js")),
];

/// The page itself.
pub(crate) fn show(_: &Ask) -> Answer {
    page(HTML, INDEX)
}

/// What belongs to it.
pub(crate) fn file(ask: &Ask) -> Answer {
    let name = ask.names.first().map_or("", String::as_str);
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, content)) => page(kind, content),
        None => wrong(StatusCode::NOT_FOUND, "there is no such page"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content: &[u8]) -> &str {
        std::str::from_utf8(content).unwrap()
    }

    #[test]
    fn what_the_page_loads_is_served() {
        let served = |path: &str| {
            let name = path
                .strip_prefix("/dashboard/")
                .or_else(|| path.strip_prefix("./"));
            name.is_some_and(|name| FILES.iter().any(|(known, ..)| *known == name))
        };
        let quoted = |text: &'static str| {
            text.split(['"', '\''])
                .filter(|part| part.ends_with(".js") || part.starts_with("/dashboard/"))
        };
        let files = FILES.iter().map(|(.., content)| text(content));
        for path in std::iter::once(text(INDEX)).chain(files).flat_map(quoted) {
            assert!(served(path), "{path}");
        }
    }

    /// A certificate of the client counts as a credential: without any, a browser would be hung up on behind mTLS.
    #[test]
    fn requests_bring_the_certificate_of_the_client() {
        let scripts = FILES.iter().map(|(.., content)| text(content));
        let fetches =
            scripts.flat_map(|script| script.lines().filter(|line| line.contains("fetch(")));
        let mut seen = 0;
        for line in fetches {
            assert!(line.contains("credentials: \"same-origin\""), "{line}");
            seen += 1;
        }
        assert!(seen > 0);
    }

    #[test]
    fn nothing_comes_from_elsewhere_and_no_text_becomes_markup() {
        for content in std::iter::once(INDEX).chain(FILES.iter().map(|(.., content)| *content)) {
            for line in text(content).lines() {
                let is_name_space = line.contains("http://www.w3.org/2000/svg");
                let is_example = line.contains("placeholder=\"http://example.com");
                assert!(
                    is_name_space || is_example || !line.contains("://"),
                    "{line}"
                );
                for unsafe_way in [
                    "innerHTML",
                    "outerHTML",
                    "insertAdjacentHTML",
                    "document.write",
                    "eval(",
                    " onclick=",
                    " style=\"",
                ] {
                    assert!(!line.contains(unsafe_way), "{line}");
                }
            }
        }
    }
}
