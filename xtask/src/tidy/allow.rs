//! The exceptions: `xtask/tidy-allow.txt`, one a line as `CHECK PATH TOKEN # reason`; PATH may be `*`.

use crate::tree::{File, Finding};

const PATH: &str = "xtask/tidy-allow.txt";

/// Takes away the findings that are allowed and adds one for each line that is malformed or allows nothing.
pub(crate) fn filter(files: &[File], findings: Vec<Finding>) -> Vec<Finding> {
    let text = files.iter().find(|file| file.path == PATH);
    filter_by(text.map_or("", |file| &file.text), findings)
}

fn filter_by(text: &str, findings: Vec<Finding>) -> Vec<Finding> {
    let mut kept = findings;
    for (number, line) in (1..).zip(text.lines()) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut complain = |token: &str, message: &str| {
            kept.push(Finding {
                check: "allow",
                path: PATH.to_owned(),
                line: number,
                token: token.to_owned(),
                message: message.to_owned(),
            });
        };
        let (rule, reason) = line.split_once(" # ").unwrap_or((line, ""));
        let words: Vec<&str> = rule.split_whitespace().collect();
        let [check, path, token] = *words.as_slice() else {
            complain(rule, "write CHECK PATH TOKEN # reason");
            continue;
        };
        if reason.trim().is_empty() {
            complain(token, "an exception has a reason: write it after ` # `");
            continue;
        }
        let allows =
            |f: &Finding| f.check == check && (path == "*" || f.path == path) && f.token == token;
        if kept.iter().any(allows) {
            kept.retain(|finding| !allows(finding));
        } else {
            kept.push(Finding {
                check: "allow",
                path: PATH.to_owned(),
                line: number,
                token: token.to_owned(),
                message: "this exception allows nothing any more: remove it".to_owned(),
            });
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(path: &str) -> Finding {
        Finding {
            check: "words",
            path: path.to_owned(),
            line: 3,
            token: "peer_addr".to_owned(),
            message: String::new(),
        }
    }

    #[test]
    fn an_exception_needs_a_reason_and_a_use() {
        let cases = [
            ("words a.rs peer_addr # the library's name", ""),
            ("words * peer_addr # the library's name\n\n# about\n", ""),
            ("words a.rs peer_addr", "has a reason"),
            ("words a.rs # why", "write CHECK"),
            ("words b.rs peer_addr # why", "allows nothing"),
            ("sleep a.rs peer_addr # why", "allows nothing"),
        ];
        for (text, expected) in cases {
            let left = filter_by(text, vec![finding("a.rs")]);
            let messages: Vec<_> = left.iter().map(|f| f.message.as_str()).collect();
            match expected {
                "" => assert!(left.is_empty(), "{text}: {messages:?}"),
                _ => assert!(
                    left.len() == 2 && messages[1].contains(expected),
                    "{text}: {messages:?}"
                ),
            }
        }
    }
}
