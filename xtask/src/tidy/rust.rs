//! Habits of a Rust file: a front door, a size one can read, nothing left behind, and tests that do not sleep.

use crate::source::{Source, is_word};
use crate::tree::Finding;

/// The longest file, inline tests apart. The best codebases we read stay below it, their worst files do not.
const FILE_LINES: usize = 800;

/// The longest inline test module; longer ones get a file of their own, so that the code stays findable.
const INLINE_TEST_LINES: usize = 150;

/// Words that say that something is missing. Each is written in two halves, for this file is checked as well.
const LEFT_BEHIND: [&str; 4] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
    concat!("HA", "CK"),
];

/// Code that must not stand anywhere: pattern, name of the check, what to do instead.
const NOWHERE: [(&str, &str, &str); 4] = [
    ("todo!", "unfinished", "write it"),
    ("unimplemented!", "unfinished", "write it"),
    (
        "#[ignore",
        "ignored",
        "a test that nobody runs is none: run it or delete it",
    ),
    (
        "#[allow(",
        "allow",
        "write #[expect(…, reason = \"…\")], which ends when its reason does",
    ),
];

/// Checks one file.
pub(crate) fn check(path: &str, source: &Source<'_>, findings: &mut Vec<Finding>) {
    let mut add = |check, line, token: &str, message: String| {
        findings.push(Finding {
            check,
            path: path.to_owned(),
            line,
            token: token.to_owned(),
            message,
        });
    };
    if !source.text.starts_with("//!") {
        let message = "a file opens with `//!`: what it is, and what it is not";
        add("front-door", 1, "//!", message.into());
    }
    let lines = source.product_lines();
    if lines > FILE_LINES {
        let message = format!("{lines} lines, and {FILE_LINES} is the cap: cut it by concern");
        add("lines", 0, "file", message);
    }
    let lines = source.test_lines();
    if lines > INLINE_TEST_LINES && !is_test_file(path) {
        let message = format!(
            "{lines} lines of inline tests: from {INLINE_TEST_LINES} on they live in tests.rs"
        );
        add("lines", 0, "tests", message);
    }
    if path.rsplit('/').next() == Some("mod.rs") {
        let message = "write foo.rs beside foo/, so that the file has a name of its own";
        add("mod-rs", 0, "mod.rs", message.into());
    }
    for (pattern, check, instead) in NOWHERE {
        for at in source.find_all(pattern) {
            add(
                check,
                source.line(at),
                pattern,
                format!("`{pattern}`: {instead}"),
            );
        }
    }
    for (number, line) in (1..).zip(source.text.lines()) {
        for word in LEFT_BEHIND {
            if has_word(line, word) {
                let message = format!("`{word}`: do it, or open an issue and remove the note");
                add("unfinished", number, word, message);
            }
        }
    }
    for at in source.find_all("sleep(") {
        if is_test_file(path) || source.in_tests(at) {
            let message = "a test waits for the event, not for a time";
            add("sleep", source.line(at), "sleep(", message.into());
        }
    }
    for call in ["bind(", "connect("] {
        for at in source.find_all(call) {
            let arguments = source.arguments(at + call.len() - 1);
            if (is_test_file(path) || source.in_tests(at)) && has_fixed_port(arguments) {
                let message =
                    "a test takes port 0 and asks which it got; a fixed port is taken somewhere";
                add("fixed-port", source.line(at), call, message.into());
            }
        }
    }
}

/// Whether the whole file is test code: those of `tests/`, those called `tests.rs`, the end-to-end tests, the test kit.
fn is_test_file(path: &str) -> bool {
    path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.starts_with("e2e/")
        || path.starts_with("crates/evenkeel-testkit/")
}

fn has_word(line: &str, word: &str) -> bool {
    let bytes = line.as_bytes();
    line.match_indices(word).any(|(at, _)| {
        let end = at + word.len();
        (at == 0 || !is_word(bytes[at - 1])) && bytes.get(end).is_none_or(|b| !is_word(*b))
    })
}

/// Whether a literal address in the arguments has a port other than 0: `"127.0.0.1:80"` or `("127.0.0.1", 80)`.
fn has_fixed_port(arguments: &str) -> bool {
    let mut parts = arguments.split('"');
    parts.next();
    while let (Some(literal), after) = (parts.next(), parts.next()) {
        // `::1` alone is an address, not a host with a port.
        let pair = literal.rsplit_once(':');
        let pair = pair.filter(|(host, _)| host.ends_with(']') || !host.contains(':'));
        let in_literal = pair.map(|(_, port)| port);
        let beside = after.map(|after| after.trim_start_matches(',').trim());
        let beside = beside.map(|after| after.split([')', ',', '_']).next().unwrap_or_default());
        for port in [in_literal, beside].into_iter().flatten() {
            if port.parse::<u16>().is_ok_and(|port| port != 0) {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(path: &str, text: &str) -> Vec<&'static str> {
        let mut findings = Vec::new();
        check(path, &Source::new(text), &mut findings);
        findings.iter().map(|finding| finding.check).collect()
    }

    #[test]
    fn each_habit_is_checked() {
        let test = |body: &str| format!("//! x\n#[cfg(test)]\nmod tests {{\n{body}\n}}\n");
        let left_behind = LEFT_BEHIND[0];
        let cases = [
            ("a.rs", "//! x\nfn a() {}\n".to_owned(), ""),
            ("a.rs", "fn a() {}\n".to_owned(), "front-door"),
            ("a.rs", format!("//! x\n{}", "\n".repeat(800)), "lines"),
            ("a.rs", format!("//! x\n{}", "\n".repeat(799)), ""),
            ("a.rs", test(&"\n".repeat(900)), "lines"),
            ("a/mod.rs", "//! x\n".to_owned(), "mod-rs"),
            (
                "a.rs",
                format!("//! x\n// {left_behind}: y\n"),
                "unfinished",
            ),
            ("a.rs", format!("//! x\n// {left_behind}S\n"), ""),
            (
                "a.rs",
                "//! x\nfn a() { todo!() }\n".to_owned(),
                "unfinished",
            ),
            ("a.rs", test("#[test]\n#[ignore]\nfn a() {}"), "ignored"),
            (
                "a.rs",
                "//! x\n#[allow(dead_code)]\nfn a() {}".to_owned(),
                "allow",
            ),
            ("a.rs", test("fn a() { thread::sleep(x) }"), "sleep"),
            ("a.rs", "//! x\nfn a() { thread::sleep(x) }".to_owned(), ""),
            (
                "e2e/tests/a.rs",
                "//! x\nfn a() { sleep(x) }".to_owned(),
                "sleep",
            ),
            (
                "a.rs",
                test("TcpListener::bind(\"[::1]:80\")"),
                "fixed-port",
            ),
            (
                "a.rs",
                test("TcpStream::connect((\"::1\", 80))"),
                "fixed-port",
            ),
            ("a.rs", test("TcpListener::bind(\"[::1]:0\")"), ""),
            ("a.rs", test("TcpListener::bind((\"::1\", 0))"), ""),
            ("a.rs", test("TcpStream::connect(address)"), ""),
        ];
        for (path, text, expected) in cases {
            let expected: Vec<&str> = expected.split_whitespace().collect();
            assert_eq!(checks(path, &text), expected, "{path}: {text}");
        }
    }
}
