//! One noun per thing: the words that are not used as identifiers, because ours are others (docs/words.md).

use crate::source::Source;
use crate::tree::Finding;

/// What we do not say. `server` is missing here: it is right for the field of that name and for the program as a whole.
const BANNED: [(&str, &str); 9] = [
    ("backend", "cluster or endpoint"),
    ("frontend", "listener"),
    ("peer", "endpoint or client"),
    ("session", "connection or exchange"),
    ("manager", "what it does"),
    ("util", "what is in it"),
    ("common", "what is in it"),
    ("helper", "what it does"),
    ("misc", "what is in it"),
];

/// Checks the identifiers of a file, and the names of the file and its folders, which are modules.
pub(crate) fn check(path: &str, source: &Source<'_>, findings: &mut Vec<Finding>) {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    for part in stem.split('/') {
        findings.extend(judge(part).map(|instead| finding(path, 0, part, instead)));
    }
    for (at, word) in source.identifiers() {
        if let Some(instead) = judge(word) {
            findings.push(finding(path, source.line(at), word, instead));
        }
    }
}

/// What to say instead when one of the name's parts is banned.
fn judge(name: &str) -> Option<&'static str> {
    let mut parts = Vec::new();
    for part in name.split(['_', '-']) {
        let mut start = 0;
        let bytes = part.as_bytes();
        for at in 1..bytes.len() {
            if bytes[at].is_ascii_uppercase() && bytes[at - 1].is_ascii_lowercase() {
                parts.push(&part[start..at]);
                start = at;
            }
        }
        parts.push(&part[start..]);
    }
    parts.iter().find_map(|part| {
        let part = part.to_ascii_lowercase();
        let one = part.strip_suffix('s').unwrap_or(&part);
        let found = BANNED
            .iter()
            .find(|(word, _)| part == *word || one == *word);
        found.map(|(_, instead)| *instead)
    })
}

fn finding(path: &str, line: usize, token: &str, instead: &str) -> Finding {
    Finding {
        check: "words",
        path: path.to_owned(),
        line,
        token: token.to_owned(),
        message: format!("`{token}` is not one of our words: say {instead}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banned_words_are_found_in_parts_of_names() {
        for (name, banned) in [
            ("backend", true),
            ("Backend", true),
            ("pick_backends", true),
            ("PeerTable", true),
            ("tablePeer", true),
            ("MAX_SESSIONS", true),
            ("utils", true),
            ("peer_addr", true),
            ("uncommon", false),
            ("utility", false),
            ("appearance", false),
            ("endpoint", false),
        ] {
            assert_eq!(judge(name).is_some(), banned, "{name}");
        }
    }

    #[test]
    fn prose_and_texts_may_say_what_they_like() {
        let mut findings = Vec::new();
        let source = Source::new("// a backend\nlet x = \"backend\";\nlet backend = 1;\n");
        check("crates/x/src/common.rs", &source, &mut findings);
        let found: Vec<_> = findings
            .iter()
            .map(|f| (f.line, f.token.as_str()))
            .collect();
        assert_eq!(found, [(0, "common"), (3, "backend")]);
    }
}
