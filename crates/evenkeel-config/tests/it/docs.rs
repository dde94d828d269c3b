//! What the docs show is right: generated pages are current, every example passes, every TOML block of the docs does.

#![expect(clippy::disallowed_methods, reason = "a test may read the docs")]

use std::fs;
use std::path::{Path, PathBuf};

use evenkeel_base::Fault;
use evenkeel_config::{
    Severity, access_log_markdown, check, examples, faults_markdown, reference_markdown,
    render_all, schema_text,
};

use crate::json_schema;
use crate::source::Lent;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn generated_pages_are_current() {
    for (path, text) in [
        ("docs/reference/access-log.md", access_log_markdown()),
        ("docs/reference/configuration.md", reference_markdown()),
        ("docs/reference/evenkeel.schema.json", schema_text()),
        ("docs/reference/faults.md", faults_markdown()),
    ] {
        let file = root().join(path);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
        } else {
            let old = fs::read_to_string(&file).unwrap_or_default();
            assert!(old == text, "{path} is old: run `cargo xtask docs`");
        }
    }
}

#[test]
fn the_example_of_every_knob_passes() {
    let examples = examples();
    assert!(examples.len() > 60, "the knobs are listed");
    for (knob, text) in examples {
        let checked = check(&text, &knob, &Lent);
        // Warnings may be: the example of a redirect leaves the sample's cluster unused.
        let errors: Vec<_> = checked
            .diagnostics
            .into_iter()
            .filter(|d| d.severity == Severity::Error)
            .collect();
        assert!(errors.is_empty(), "{}", render_all(&errors, &text, false));
        json_schema::accepts(&text).unwrap_or_else(|why| panic!("{knob}: {why}\n{text}"));
    }
}

/// What the advice on faults names in back quotes is there: a knob, a fault, a command, or something of HTTP's.
#[test]
fn the_advice_on_faults_names_what_there_is() {
    let manual = reference_markdown();
    for fault in Fault::ALL {
        let advice = fault.advice();
        for sentence in advice.causes.iter().chain(advice.look) {
            for word in sentence.split('`').skip(1).step_by(2) {
                let key = word.split(" = ").next().unwrap();
                let last = key.rsplit('.').next().unwrap();
                let knob = manual.contains(&format!("### `{last}`\n"));
                let is_known = knob
                    || Fault::from_name(word).is_some()
                    || word.starts_with("evenkeel ")
                    || OF_HTTP_OR_THE_SYSTEM.contains(&word);
                assert!(is_known, "{fault}: `{word}` in: {sentence}");
            }
        }
    }
}

/// Words that are not evenkeel's.
const OF_HTTP_OR_THE_SYSTEM: [&str; 22] = [
    ".",
    "..",
    "100-continue",
    "Connection: close",
    "Content-Encoding",
    "Content-Length",
    "Expect",
    "Host",
    "Sec-WebSocket-Accept",
    "Transfer-Encoding: gzip, chunked",
    "drain",
    "h2",
    "ip route get ADDRESS",
    "limits",
    "maint",
    "openssl s_client -connect ADDRESS",
    "outlier",
    "path = \"/\"",
    "ss -ltn",
    "ss -s",
    "ulimit -n",
    "unreachable",
];

/// Every TOML block of the README and the docs. A block is a whole file; one marked `toml fragment` lacks the rest,
/// one marked `toml wrong` must be refused, and one marked `toml scenario` is none.
#[test]
fn every_configuration_in_the_docs_passes() {
    let mut blocks = 0;
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        for (line, kind, text) in toml_blocks(&page) {
            let place = format!("{}:{line}", path.display());
            blocks += 1;
            if kind == "scenario" {
                // Another language, and evenkeel-sim's to check.
                continue;
            }
            let whole = if kind == "fragment" {
                complete(&text)
            } else {
                text
            };
            let checked = check(&whole, &place, &Lent);
            let shown = render_all(&checked.diagnostics, &whole, false);
            if kind == "wrong" {
                assert!(checked.config.is_none(), "{place} is not wrong");
                continue;
            }
            assert!(
                ["", "fragment"].contains(&kind.as_str()),
                "{place}: what is a {kind}?"
            );
            assert_eq!(shown, "", "{whole}");
            json_schema::accepts(&whole).unwrap_or_else(|why| panic!("{place}: {why}"));
        }
    }
    assert!(blocks >= 4, "only {blocks} blocks were found");
}

/// Every line of configuration in a table of the docs: it must be right in one of the tables of the file.
#[test]
fn every_line_in_the_tables_of_the_docs_passes() {
    let (mut lines, mut wrong) = (0, Vec::new());
    for path in pages() {
        // The generated pages show examples, which have a test of their own.
        if path.ends_with("docs/reference/configuration.md") {
            continue;
        }
        let page = fs::read_to_string(&path).unwrap();
        for row in page.lines().filter(|line| line.starts_with('|')) {
            let ours = row.rsplit('|').nth(1).unwrap();
            for span in ours.split('`').skip(1).step_by(2) {
                let is_line = span.starts_with(|c: char| c.is_ascii_lowercase());
                if !(is_line && span.contains(" = ")) || span.contains('\u{2026}') {
                    continue;
                }
                lines += 1;
                let right = HOMES.iter().any(|home| {
                    let text = home.replace("LINE", span);
                    check(&text, "line", &Lent).config.is_some()
                });
                if !right {
                    wrong.push(format!("{}: {span}", path.display()));
                }
            }
        }
    }
    assert!(lines >= 60, "only {lines} lines were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where a line may belong, as whole files.
const HOMES: [&str; 13] = [
    "version = 1\n[listener.a]\nLINE\n[[route]]\nrespond.body = \"\"\n",
    "version = 1\n[listener.a]\nbind = \":1\"\nLINE\n[[route]]\nrespond.body = \"\"\n",
    "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\nLINE\n[cluster.api]\nendpoints = \":2\"\n",
    "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"b\"\nLINE\n[cluster.b]\nendpoints = \":2\"\n",
    "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\npath = \"/a\"\ncluster = \"b\"\nLINE\n[cluster.b]\nendpoints = \":2\"\n",
    "version = 1\n[listener.a]\nbind = \":1\"\n[access_log]\nLINE\n[[route]]\nrespond.body = \"\"\n",
    "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"b\"\n[cluster.b]\nendpoints = \":2\"\nLINE\n",
    "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"b\"\n[cluster.b]\nendpoints = \":2\"\nprobe.tcp = {}\nLINE\n",
    "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"b\"\n[[cluster.b.endpoints]]\naddress = \":2\"\nLINE\n",
    "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"\"\n[route.rate_limit]\nrequests = 1\nLINE\n",
    "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\nLINE\n[cluster.stable]\nendpoints = \":2\"\n[cluster.canary]\nendpoints = \":3\"\n",
    "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = { b = 1, shadow-2 = 1 }\nLINE\n[cluster.b]\nendpoints = \":2\"\n[cluster.shadow-2]\nendpoints = \":3\"\n[cluster.shadow]\nendpoints = \":4\"\n",
    "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"b\"\n[cluster.b]\nendpoints = \":2\"\n[cluster.b.balancer]\nkind = \"maglev\"\nLINE\n",
];

fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                pages.push(path);
            }
        }
    }
    pages.retain(|page| page.exists());
    pages.sort();
    pages
}

/// Line, kind and text of each block.
fn toml_blocks(page: &str) -> Vec<(usize, String, String)> {
    let mut blocks: Vec<(usize, String, String)> = Vec::new();
    let mut open: Option<(usize, String, String)> = None;
    for (number, line) in page.lines().enumerate() {
        match open.as_mut() {
            Some(_) if line.trim() == "```" => blocks.extend(open.take()),
            Some((_, _, text)) => {
                text.push_str(line);
                text.push('\n');
            }
            None => {
                if let Some(kind) = line.trim().strip_prefix("```toml") {
                    open = Some((number + 2, kind.trim().to_owned(), String::new()));
                }
            }
        }
    }
    blocks
}

/// Adds to a fragment what it leaves out: the version, a listener, a route, and the things it names.
fn complete(fragment: &str) -> String {
    let mut text = if fragment.contains("version = ") {
        fragment.to_owned()
    } else {
        format!("version = 1\n{fragment}")
    };
    for _ in 0..5 {
        let checked = check(&text, "fragment", &Lent);
        let mut more = String::new();
        for diagnostic in &checked.diagnostics {
            let quoted = diagnostic.message.split('"').nth(1).unwrap_or_default();
            if diagnostic.message.starts_with("there is no cluster") {
                more.push_str(&format!(
                    "[cluster.{quoted}]\nendpoints = [\"127.0.0.1:9001\"]\n"
                ));
            } else if diagnostic.message.starts_with("there is no listener") {
                more.push_str(&format!("[listener.{quoted}]\nbind = \"127.0.0.1:0\"\n"));
            } else if diagnostic.message.starts_with("nothing to listen on") {
                more.push_str("[listener.of-the-test]\nbind = \"127.0.0.1:0\"\n");
            } else if diagnostic.message.starts_with("no route leads to cluster") {
                more.push_str(&format!(
                    "[[route]]\npath = \"/{quoted}\"\ncluster = \"{quoted}\"\n"
                ));
            } else if diagnostic.message.starts_with("there is no route, so")
                && !fragment.contains("[cluster")
            {
                more.push_str("[[route]]\nrespond.body = \"of the test\"\n");
            } else {
                continue;
            }
            if more.contains("[listener") || more.contains("[cluster") || more.contains("[[route") {
                break;
            }
        }
        if more.is_empty() {
            break;
        }
        text.push_str(&more);
    }
    text
}
