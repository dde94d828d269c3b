//! What stands behind the `?` of a request: parameters by name, and the part of a list that is asked for.

use crate::percent;

/// So many of a list are shown when nobody says how many.
pub(crate) const USUAL: usize = 1_000;

/// So many are shown at most: a page of some megabytes.
pub(crate) const MOST: usize = 10_000;

/// The parameters of a request.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Those of a query, none of which may have another name than these.
    pub(crate) fn of(text: Option<&str>, known: &[&str]) -> Result<Self, String> {
        let text = text.unwrap_or_default();
        let mut found: Vec<(String, String)> = Vec::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let decoded = percent::decode(name).zip(percent::decode(value));
            let Some((name, value)) = decoded else {
                return Err("the query is not encoded rightly".to_owned());
            };
            if !known.contains(&name.as_str()) {
                let known = known.join(" and ");
                return Err(match known.as_str() {
                    "" => "this page has no query".to_owned(),
                    known => format!("the query has {known}, and not {name:?}"),
                });
            }
            if found.iter().any(|(other, _)| *other == name) {
                return Err(format!("the query has {name} twice"));
            }
            found.push((name, value));
        }
        Ok(Self(found))
    }

    /// A parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(one, _)| one == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A number, within these bounds.
    fn number(&self, name: &str, usual: u32, least: u32, most: u32) -> Result<usize, String> {
        let number = self.get(name).map_or(Some(usual), number);
        let number = number.filter(|number| (least..=most).contains(number));
        number
            .and_then(|number| usize::try_from(number).ok())
            .ok_or_else(|| format!("{name} is a number from {least} to {most}"))
    }
}

/// Digits and nothing else.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// The part of a list that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    after: usize,
    limit: usize,
}

impl Part {
    /// What a query asks for: `?after=NUMBER&limit=NUMBER`.
    #[expect(clippy::cast_possible_truncation, reason = "both are small constants")]
    pub(crate) fn of(query: Option<&str>) -> Result<Self, String> {
        let query = Query::of(query, &["after", "limit"])?;
        Ok(Self {
            after: query.number("after", 0, 0, u32::MAX)?,
            limit: query.number("limit", USUAL as u32, 1, MOST as u32)?,
        })
    }

    /// That part of the list, each with its place, and what to ask after next.
    pub(crate) fn of_list<T>(
        self,
        all: &[T],
    ) -> (impl Iterator<Item = (usize, &T)>, Option<usize>) {
        let end = self.after.saturating_add(self.limit);
        let part = all.iter().enumerate().skip(self.after).take(self.limit);
        (part, (end < all.len()).then_some(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_names_that_are_known_and_values_that_fit() {
        for (text, expected) in [
            ("", Ok((0, USUAL))),
            ("after=5", Ok((5, USUAL))),
            ("limit=7&after=5", Ok((5, 7))),
            ("after=%35&", Ok((5, USUAL))),
            ("limit=10000", Ok((0, 10_000))),
            ("limit=10001", Err("from 1 to 10000")),
            ("limit=0", Err("from 1 to 10000")),
            ("after=", Err("after is a number")),
            ("after=+1", Err("after is a number")),
            ("after=-1", Err("after is a number")),
            ("after=4294967296", Err("after is a number")),
            ("after=1&after=1", Err("after twice")),
            ("befor=1", Err("after and limit")),
            ("after=%zz", Err("not encoded")),
        ] {
            match (Part::of(Some(text)), expected) {
                (Ok(Part { after, limit }), Ok(expected)) => assert_eq!((after, limit), expected),
                (Err(why), Err(part)) => assert!(why.contains(part), "{text}: {why}"),
                (seen, _) => panic!("{text}: {seen:?}"),
            }
        }
        assert!(
            Query::of(Some("a=1"), &[])
                .unwrap_err()
                .contains("no query")
        );
    }

    #[test]
    fn the_last_part_says_that_it_is_the_last() {
        let all = [0, 1, 2, 3, 4];
        for (after, limit, expected, next) in [
            (0, 2, &[0, 1][..], Some(2)),
            (2, 2, &[2, 3], Some(4)),
            (4, 2, &[4], None),
            (3, 2, &[3, 4], None),
            (9, 2, &[], None),
            (0, 9, &all, None),
        ] {
            let (part, seen) = Part { after, limit }.of_list(&all);
            let part: Vec<usize> = part
                .map(|(at, one)| {
                    assert_eq!(at, *one);
                    at
                })
                .collect();
            assert_eq!((part.as_slice(), seen), (expected, next));
        }
    }
}
