//! What stands behind `cargo xtask bench` on the command line. It runs nothing.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail};

use super::contestant::Who;
use super::scenario::{SCENARIOS, Scenario};

/// What the verb accepts; also printed when it does not understand.
pub(crate) const USAGE: &str = "\
cargo xtask bench [SCENARIO…] [OPTION…]

  SCENARIO          1a, or 1 for all that begin so; none means all
  --rounds N        turns of each contestant in each scenario (3)
  --seconds S       length of a turn (2)
  --only A,B        only these: evenkeel, nginx, haproxy, epoll, tokio
  --binary PATH     this evenkeel instead of one built now
  --against PATH    a second evenkeel, to compare two of our own
  --quick           a look in less than a minute: few scenarios, short turns, nothing written
  --list            print the scenarios and end
  --no-write        print only
";

/// What `--quick` runs: one exchange of each kind.
const QUICK: [&str; 4] = ["1a", "2", "3", "4b"];

/// A command line that has been understood.
#[derive(Debug, PartialEq)]
pub(super) struct Options {
    /// The scenarios, in the order of the table.
    pub(super) scenarios: Vec<&'static Scenario>,
    pub(super) rounds: usize,
    /// How long a turn is.
    pub(super) seconds: f64,
    /// Who takes part; `None` is everyone.
    pub(super) only: Option<Vec<Who>>,
    /// An evenkeel that is built already.
    pub(super) binary: Option<PathBuf>,
    /// Another evenkeel to compare with.
    pub(super) against: Option<PathBuf>,
    pub(super) list: bool,
    /// Whether the results may be written: only those of a whole run are.
    pub(super) write: bool,
}

impl Options {
    /// Reads what follows the verb.
    pub(super) fn parse(arguments: &[&str]) -> Result<Self> {
        let mut names = Vec::new();
        let (mut rounds, mut seconds, mut only) = (None, None, None);
        let (mut binary, mut against) = (None, None);
        let (mut quick, mut list, mut write) = (false, false, true);
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || {
                let value = rest.next().copied();
                value.with_context(|| format!("{argument} needs a value\n\n{USAGE}"))
            };
            match *argument {
                "--rounds" => rounds = Some(positive(argument, value()?)?),
                "--seconds" => seconds = Some(positive(argument, value()?)?),
                "--only" => only = Some(contestants(value()?)?),
                "--binary" => binary = Some(PathBuf::from(value()?)),
                "--against" => against = Some(PathBuf::from(value()?)),
                "--quick" => quick = true,
                "--list" => list = true,
                "--no-write" => write = false,
                _ if argument.starts_with('-') => bail!("no such option: {argument}\n\n{USAGE}"),
                name => names.push(name),
            }
        }
        if quick && names.is_empty() {
            names.extend(QUICK);
        }
        let whole = names.is_empty() && only.is_none() && against.is_none();
        Ok(Self {
            scenarios: scenarios(&names)?,
            rounds: rounds.map_or(if quick { 2 } else { 3 }, |rounds: u32| rounds as usize),
            seconds: seconds.unwrap_or(if quick { 0.8 } else { 2.0 }),
            only,
            binary,
            against,
            list,
            write: write && whole,
        })
    }
}

/// A number above zero.
fn positive<T: FromStr + PartialOrd + Default>(option: &str, text: &str) -> Result<T> {
    let number = text.parse().ok().filter(|number| *number > T::default());
    number.with_context(|| format!("{option} takes a number above zero, not \"{text}\""))
}

fn contestants(list: &str) -> Result<Vec<Who>> {
    let one = |name| {
        let who = Who::ALL.into_iter().find(|who| who.name() == name);
        who.with_context(|| format!("--only: \"{name}\" is none of {}", known()))
    };
    list.split(',').map(one).collect()
}

fn known() -> String {
    Who::ALL.map(Who::name).join(", ")
}

/// The scenarios that `names` mean, each once; all when there are none.
fn scenarios(names: &[&str]) -> Result<Vec<&'static Scenario>> {
    if let Some(unknown) = names
        .iter()
        .find(|name| !SCENARIOS.iter().any(|scenario| means(name, scenario)))
    {
        bail!("no such scenario: {unknown} (cargo xtask bench --list)");
    }
    let chosen = SCENARIOS
        .iter()
        .filter(|scenario| names.is_empty() || names.iter().any(|name| means(name, scenario)));
    Ok(chosen.collect())
}

/// Whether `name` is the scenario's, or its number: `4` means `4a` and `4b`, and `1` does not mean `10`.
fn means(name: &str, scenario: &Scenario) -> bool {
    let rest = scenario.name.strip_prefix(name);
    rest.is_some_and(|rest| !name.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(arguments: &[&str]) -> Vec<&'static str> {
        let options = Options::parse(arguments).unwrap();
        options.scenarios.iter().map(|s| s.name).collect()
    }

    #[test]
    fn scenarios_go_by_name_and_by_number() {
        assert_eq!(names(&["1a", "10"]), ["1a", "10", "10b"]);
        assert_eq!(names(&["3"]), ["3"]);
        assert!(names(&["1"]).iter().all(|name| name.len() == 2));
        assert_eq!(names(&[]).len(), SCENARIOS.len());
        assert_eq!(names(&["--quick"]), QUICK);
        assert_eq!(names(&["--quick", "2"]), ["2"]);
    }

    #[test]
    fn only_a_whole_run_is_written() {
        let write = |arguments: &[&str]| Options::parse(arguments).unwrap().write;
        assert!(write(&[]));
        assert!(write(&["--rounds", "5", "--binary", "x"]));
        for partial in [
            &["1a"][..],
            &["--quick"],
            &["--no-write"],
            &["--only", "nginx"],
            &["--against", "x"],
        ] {
            assert!(!write(partial), "{partial:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (arguments, part) in [
            (&["19"][..], "no such scenario: 19"),
            (&["--fast"], "no such option"),
            (&["--rounds"], "needs a value"),
            (&["--rounds", "0"], "above zero"),
            (&["--seconds", "x"], "above zero"),
            (&["--only", "nginx,caddy"], "\"caddy\" is none of evenkeel"),
        ] {
            let error = Options::parse(arguments).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
