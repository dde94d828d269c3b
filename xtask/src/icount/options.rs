//! The command line of `cargo xtask icount`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::measure::Measure;

/// What the command line asks for.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// Write the figures down.
    pub(super) bless: bool,
    /// Write a page for each measure: where the instructions went.
    pub(super) profile: bool,
    /// Not the evenkeel of this tree, but this one.
    pub(super) binary: Option<PathBuf>,
    /// The measures that are meant; all when empty.
    pub(super) names: Vec<String>,
}

impl Options {
    /// Reads it.
    pub(super) fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match *argument {
                "--bless" => options.bless = true,
                "--profile" => options.profile = true,
                "--binary" => {
                    let path = rest.next().context("--binary is followed by a path")?;
                    options.binary = Some(std::path::absolute(path)?);
                }
                option if option.starts_with('-') => bail!("icount knows no option {option}"),
                name => options.names.push(name.to_owned()),
            }
        }
        Ok(options)
    }

    /// The measures that are meant: of that name, or beginning with it where none has it.
    pub(super) fn select(&self, measures: &[Measure]) -> Result<Vec<Measure>> {
        if self.names.is_empty() {
            return Ok(measures.to_vec());
        }
        let mut selected = Vec::new();
        for name in &self.names {
            let mut meant: Vec<_> = measures.iter().filter(|m| m.name == *name).collect();
            if meant.is_empty() {
                meant.extend(
                    measures
                        .iter()
                        .filter(|m| m.name.starts_with(name.as_str())),
                );
            }
            if meant.is_empty() {
                let known: Vec<_> = measures.iter().map(|m| m.name.as_str()).collect();
                bail!("no measure {name}; there are {}", known.join(", "));
            }
            selected.extend(meant.into_iter().cloned());
        }
        Ok(selected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(names: &[&str]) -> Result<String> {
        let known = ["whole", "whole-log", "pick-random-3", "pick-random-100"];
        let known = known.map(|name| Measure::new(name, "request"));
        let selected = Options::parse(names)?.select(&known)?;
        let selected: Vec<_> = selected.iter().map(|m| m.name.as_str()).collect();
        Ok(selected.join(" "))
    }

    #[test]
    fn a_name_means_itself_or_what_begins_with_it() {
        for (names, expected) in [
            (&[][..], "whole whole-log pick-random-3 pick-random-100"),
            (&["whole"], "whole"),
            (&["whole-"], "whole-log"),
            (&["pick", "whole"], "pick-random-3 pick-random-100 whole"),
        ] {
            assert_eq!(select(names).unwrap(), expected, "{names:?}");
        }
        let error = select(&["hole"]).unwrap_err().to_string();
        assert!(error.contains("whole, whole-log"), "{error}");
    }

    #[test]
    fn options_may_stand_anywhere_and_unknown_ones_are_refused() {
        let options = Options::parse(&["whole", "--bless", "--binary", "/x/evenkeel"]).unwrap();
        assert!(options.bless && !options.profile);
        assert_eq!(options.binary, Some(PathBuf::from("/x/evenkeel")));
        for wrong in [&["--blessed"][..], &["--binary"]] {
            assert!(Options::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
