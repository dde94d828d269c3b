//! Whether a command wrote what a page shows: `…` stands for anything, alone on a line for any lines; spaces count as one.

/// What is compared: words, and where numbers differ from run to run, words without them.
fn words(line: &str, numbers: bool) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in line.split_whitespace() {
        let is_number = word.contains(|c: char| c.is_ascii_digit());
        match (numbers, is_number, words.last()) {
            (false, true, Some(&"#")) => {}
            (false, true, _) => words.push("#"),
            _ => words.push(word),
        }
    }
    words.join(" ")
}

/// Whether these lines are what is shown.
pub(super) fn is_as_shown(shown: &str, written: &str, numbers: bool) -> bool {
    let lines = |text: &str| -> Vec<String> {
        let text = text.trim_end();
        text.lines().map(|line| words(line, numbers)).collect()
    };
    all(&lines(shown), &lines(written))
}

fn all(shown: &[String], written: &[String]) -> bool {
    let Some((first, rest)) = shown.split_first() else {
        return written.is_empty();
    };
    if first == "…" {
        return (0..=written.len()).any(|skipped| all(rest, &written[skipped..]));
    }
    let Some((line, others)) = written.split_first() else {
        return false;
    };
    is_like(first, line) && all(rest, others)
}

/// Whether a line is as shown, where `…` stands for anything.
fn is_like(shown: &str, line: &str) -> bool {
    let Some((before, after)) = shown.split_once('…') else {
        return shown == line;
    };
    line.strip_prefix(before).is_some_and(|rest| {
        let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
        ends.any(|at| is_like(after, &rest[at..]))
    })
}

#[test]
fn dots_stand_for_anything_and_words_for_themselves() {
    let written = "a  1 b\nc 22 MiB d\n\nend of 3\n";
    for shown in [
        written,
        "a 1 b\n…\nend of 3",
        "…",
        "…\n…\nend of …",
        "a … b\nc … d\n\nend …",
        "a 1 b\nc 2… d\n…",
    ] {
        assert!(is_as_shown(shown, written, true), "{shown}");
    }
    for shown in [
        "",
        "a 2 b\n…",
        "a 1 b\n…\nend",
        "…\nc 22 MiB",
        "a 1 b\nend of 3",
    ] {
        assert!(!is_as_shown(shown, written, true), "{shown}");
    }
    assert!(is_as_shown(
        "a 5 b\nc 1d 2h MiB d\n\nend of 0",
        written,
        false
    ));
    assert!(!is_as_shown("a b\nc 1 MiB d\n\nend of 0", written, false));
}
