//! The nearest spelling of a name, for "did you mean". It knows no configuration; it compares words.

/// The candidate that `word` is most likely a misspelling of, if one is near enough.
///
/// Near enough is one edit for every three letters, at least one: `balancr` is `balancer`, `bar` is not `foo`.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = fold(word);
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &fold(candidate)), candidate))
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// The longest word that is compared; what is longer is no misspelling, and the work is quadratic.
const LONGEST: usize = 64;

fn fold(word: &str) -> String {
    word.chars()
        .take(LONGEST + 1)
        .map(|c| {
            if c == '-' {
                '_'
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect()
}

/// Edits between two words: insert, delete, replace, and swap of two neighbors (Damerau, 1964).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1; b.len() + 1];
        for (j, &y) in b.iter().enumerate() {
            let swap = if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                before[j - 1] + 1
            } else {
                usize::MAX
            };
            row[j + 1] = (above[j] + usize::from(x != y))
                .min(above[j + 1] + 1)
                .min(row[j] + 1)
                .min(swap);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let keys = ["balancer", "bind", "endpoints", "connect_timeout"];
        for (word, expected) in [
            ("balancr", Some("balancer")),
            ("connect-timeout", Some("connect_timeout")),
            ("endpiont", Some("endpoints")),
            ("Bind", Some("bind")),
            ("dinb", None),
            ("foo", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys), expected, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(10_000), keys), None);
    }

    #[test]
    fn distance_counts_edits() {
        for (a, b, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("kitten", "sitting", 3),
            ("ab", "ba", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }
}
