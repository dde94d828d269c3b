//! Lines against what they should say: known pieces, and whatever bytes come.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// What a line says after `write`.
fn line(write: impl FnOnce(&mut Line<'_>)) -> String {
    let mut room = vec![0xff; 7 * MAX_TEXT];
    let mut line = Line::new(&mut room);
    write(&mut line);
    let len = line.len().unwrap();
    String::from_utf8(room[..len].to_vec()).unwrap()
}

fn text(text: &[u8]) -> String {
    line(|line| line.text(text))
}

/// What was sent, as the rule of [`Line::text`] says how to get it back.
fn sent(text: &str) -> Vec<u8> {
    let read: String = serde_json::from_str(&format!("\"{text}\"")).unwrap();
    let mut sent = Vec::new();
    for character in read.chars() {
        match u32::from(character) {
            code @ 0xef80..=0xefff => sent.push((code & 0xff) as u8),
            _ => sent.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    sent
}

#[test]
fn numbers_and_times() {
    let mut powers: Vec<u64> = (0..20).map(|n| 10_u64.pow(n)).collect();
    powers.extend([0, 7, 99, 101, 200, 999, 65_535, u64::MAX]);
    for number in powers.into_iter().flat_map(|n| [n, n.saturating_sub(1)]) {
        assert_eq!(line(|line| line.number(number)), number.to_string());
    }
    for (micros, expected) in [
        (0, "0.000"),
        (7, "0.007"),
        (12_345, "12.345"),
        (1_000_000, "1000.000"),
        (3_600_000_999, "3600000.999"),
    ] {
        let time = Duration::from_micros(micros);
        assert_eq!(line(|line| line.millis(time)), expected);
    }
    assert_eq!(
        line(|line| line.millis(Duration::MAX)),
        "18446744073709551.615",
        "as much as 64 bits of microseconds hold"
    );
}

#[test]
fn text_of_every_length_stays_what_it_is_and_one_quote_anywhere_is_seen() {
    for len in 0..70 {
        let plain: String = ('a'..='z').cycle().take(len).collect();
        assert_eq!(text(plain.as_bytes()), plain);
        for at in 0..len {
            for (special, escaped) in [("\"", "\\\""), ("\x1f", "\\u001f"), ("\x7f", "\\u007f")] {
                let mut with = plain.clone();
                with.replace_range(at..=at, special);
                let expected = with.replace(special, escaped);
                assert_eq!(text(with.as_bytes()), expected);
            }
        }
    }
}

#[test]
fn what_is_valid_stays_and_what_is_not_can_be_told_from_it() {
    for (bytes, expected) in [
        (
            &b"a\"b\\c\r\n\x1b[31m"[..],
            r#"a\"b\\c\u000d\u000a\u001b[31m"#,
        ),
        ("Grüße, 世界 🦀".as_bytes(), "Grüße, 世界 🦀"),
        (b"caf\xe9 \xff", r"caf\uefe9 \uefff"),
        // A character that was cut, one in too many bytes, and half of a surrogate pair.
        (
            b"\xe4\xb8.\xc0\xaf.\xed\xa0\x80",
            r"\uefe4\uefb8.\uefc0\uefaf.\uefed\uefa0\uef80",
        ),
        // What stands for bytes is itself so many bytes.
        (
            "\u{ef80}\u{efff}".as_bytes(),
            r"\uefee\uefbe\uef80\uefee\uefbf\uefbf",
        ),
        ("\u{ef7f}\u{f000}".as_bytes(), "\u{ef7f}\u{f000}"),
        // A terminal's control sequences, ends of lines, turned text.
        ("\u{9b}31m\u{85}".as_bytes(), r"\u009b31m\u0085"),
        ("\u{2028}\u{2029}".as_bytes(), r"\u2028\u2029"),
        (
            "\u{202e}cod\u{2066}\u{feff}".as_bytes(),
            r"\u202ecod\u2066\ufeff",
        ),
    ] {
        assert_eq!(text(bytes), expected);
        assert_eq!(sent(expected), bytes);
    }
}

#[test]
fn a_long_text_is_cut_between_characters() {
    assert_eq!(text(&[b'x'; MAX_TEXT]).len(), MAX_TEXT);
    assert_eq!(text(&[b'x'; 5 * MAX_TEXT]).len(), MAX_TEXT);
    for before in 0..4 {
        let long = "x".repeat(before) + &"🦀".repeat(MAX_TEXT);
        let cut = text(long.as_bytes());
        assert!(long.starts_with(&cut), "no half of a character");
        assert!(cut.len() > MAX_TEXT - 4 && cut.len() <= MAX_TEXT);
    }
    assert_eq!(
        text(&[0x80; 2 * MAX_TEXT]).len(),
        6 * MAX_TEXT,
        "no UTF-8 is cut anywhere, and takes six bytes for each"
    );
}

#[test]
fn a_line_that_does_not_fit_has_no_length_and_touches_nothing_else() {
    let write = |line: &mut Line<'_>| {
        line.put(b"ab");
        line.text(b"some text");
        line.number(7);
        line.text(b"\xff");
    };
    for room in 0..18 {
        let mut bytes = [b'.'; 20];
        let (mine, others) = bytes.split_at_mut(room);
        let mut line = Line::new(mine);
        write(&mut line);
        assert_eq!(line.len(), None, "{room}");
        assert!(others.iter().all(|byte| *byte == b'.'));
    }
    let mut bytes = [b'.'; 18];
    let mut line = Line::new(&mut bytes);
    write(&mut line);
    assert_eq!(line.len(), Some(18));
    assert_eq!(&bytes, b"absome text7\\uefff");
}

/// Bytes with much of what is special.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        any::<char>().prop_map(|character| character.to_string().into_bytes()),
        prop_oneof![0xee00..0xf0ff_u32, 0x80..0xa0_u32, 0x2000..0x2070_u32].prop_map(|code| {
            char::from_u32(code)
                .unwrap_or_default()
                .to_string()
                .into_bytes()
        }),
        "[ -~]{0,20}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever bytes: a JSON string from which they can be read back, and one line that no terminal obeys.
    #[test]
    fn any_bytes_read_back(bytes in bytes()) {
        let text = text(&bytes);
        prop_assert_eq!(sent(&text), bytes);
        prop_assert!(!text.chars().any(char::is_control), "{text:?}");
        let as_value: Value = serde_json::from_str(&format!("[\"{text}\"]")).unwrap();
        prop_assert!(as_value[0].is_string());
    }
}
