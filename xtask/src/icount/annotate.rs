//! A profile of callgrind read and made a page: which crates, functions, files and lines the instructions went to.
//!
//! `callgrind_annotate` cannot say what a function does itself when the profile begins in the middle of a run, and it
//! knows nothing of requests. Here every figure is an instruction count per request.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

/// The rows of each table but the first, which is short anyway.
const ROWS: usize = 70;

/// Costs by what they belong to.
#[derive(Debug, Default)]
pub(super) struct Costs {
    /// Function, file of the code (a function's own or one inlined into it), line.
    own: BTreeMap<(String, String, u32), u64>,
    /// Function, with what it calls.
    inclusive: BTreeMap<String, u64>,
    /// Caller and called: how often, and at what cost.
    calls: BTreeMap<(String, String), (u64, u64)>,
}

impl Costs {
    /// Reads a profile.
    pub(super) fn read(profile: &str) -> Self {
        let mut costs = Self::default();
        let mut names = Names::default();
        let (mut function, mut file, mut called) = (String::new(), String::new(), String::new());
        let (mut line, mut call) = (0, None);
        for text in profile.lines() {
            if let Some((key, value)) = text.split_once('=') {
                match key {
                    "fn" => function = names.function(value),
                    "cfn" => called = names.function(value),
                    "fl" | "fi" | "fe" => file = names.file(value),
                    // Names are numbered where they first appear, which may be in a call.
                    "cfi" | "cfl" => drop(names.file(value)),
                    "calls" => call = first_number(value),
                    _ => {}
                }
                continue;
            }
            let mut words = text.split(' ');
            let position = words.next().and_then(|word| moved(line, word));
            let cost: Option<u64> = words.next().and_then(|word| word.parse().ok());
            let (Some(position), Some(cost)) = (position, cost) else {
                continue;
            };
            line = position;
            let times = call.take();
            if let Some(times) = times {
                let sum = costs
                    .calls
                    .entry((function.clone(), called.clone()))
                    .or_default();
                *sum = (sum.0 + times, sum.1 + cost);
            } else {
                let key = (function.clone(), file.clone(), line);
                *costs.own.entry(key).or_default() += cost;
            }
            // What calls itself would be counted twice.
            if times.is_none() || called != function {
                *costs.inclusive.entry(function.clone()).or_default() += cost;
            }
        }
        costs
    }

    /// The page, every figure divided by `requests`.
    pub(super) fn page(&self, requests: u64) -> String {
        let total: u64 = self.own.values().sum();
        let scale = Scale { total, requests };
        let mut page = format!("{total} instructions, {requests} times\n");
        let own = |key: fn(&str, &str, u32) -> String| {
            let mut sums = BTreeMap::<String, u64>::new();
            for ((function, file, line), cost) in &self.own {
                *sums.entry(key(function, file, *line)).or_default() += cost;
            }
            sums
        };
        scale.table(
            &mut page,
            "by crate of the code",
            &own(|_, file, _| krate(file)),
        );
        scale.table(
            &mut page,
            "by function, itself",
            &own(|function, _, _| function.to_owned()),
        );
        scale.table(
            &mut page,
            "by function, with what it calls",
            &self.inclusive,
        );
        let calls = self.calls.iter().map(|((caller, called), (times, cost))| {
            let tenths = times * 10 / requests.max(1);
            (
                format!(
                    "{}.{} calls of {called} by {caller}",
                    tenths / 10,
                    tenths % 10
                ),
                *cost,
            )
        });
        scale.table(
            &mut page,
            "by caller and called, with what it calls",
            &calls.collect(),
        );
        let by_file = own(|_, file, _| file.to_owned());
        scale.table(&mut page, "by file of the code", &by_file);
        let both = own(|function, file, _| format!("{file} in {function}"));
        scale.table(
            &mut page,
            "by file and the function it was inlined into",
            &both,
        );
        scale.table(
            &mut page,
            "by line",
            &own(|_, file, line| format!("{file}:{line}")),
        );
        page
    }
}

/// What a figure is divided by.
#[derive(Debug, Clone, Copy)]
struct Scale {
    total: u64,
    requests: u64,
}

impl Scale {
    fn table(self, page: &mut String, title: &str, sums: &BTreeMap<String, u64>) {
        let _ = write!(page, "\n{title}\n\n per request   share\n");
        let mut rows: Vec<_> = sums.iter().collect();
        rows.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        for (name, cost) in rows.into_iter().take(ROWS) {
            let tenths = cost * 10 / self.requests.max(1);
            let share = cost * 1000 / self.total.max(1);
            let _ = writeln!(
                page,
                "{:>10}.{} {:>4}.{} %  {name}",
                tenths / 10,
                tenths % 10,
                share / 10,
                share % 10
            );
        }
    }
}

/// The names of a profile: each is written once, with a number that stands for it from then on.
#[derive(Debug, Default)]
struct Names {
    files: HashMap<String, String>,
    functions: HashMap<String, String>,
}

impl Names {
    fn file(&mut self, value: &str) -> String {
        resolve(&mut self.files, value, short)
    }

    fn function(&mut self, value: &str) -> String {
        resolve(&mut self.functions, value, str::to_owned)
    }
}

fn resolve(names: &mut HashMap<String, String>, value: &str, form: fn(&str) -> String) -> String {
    match value.split_once(") ") {
        Some((number, name)) if number.starts_with('(') => {
            let name = form(name);
            names.insert(number[1..].to_owned(), name.clone());
            name
        }
        _ => {
            let number = value.trim_start_matches('(').trim_end_matches(')');
            names
                .get(number)
                .cloned()
                .unwrap_or_else(|| value.to_owned())
        }
    }
}

/// The first word, when it is a number.
fn first_number(text: &str) -> Option<u64> {
    text.split(' ').next()?.parse().ok()
}

/// The line that `word` means after `line`: `*` the same, `+2` and `-2` relative, else the line itself.
fn moved(line: u32, word: &str) -> Option<u32> {
    if word == "*" {
        Some(line)
    } else if let Some(forward) = word.strip_prefix('+') {
        line.checked_add(forward.parse().ok()?)
    } else if let Some(back) = word.strip_prefix('-') {
        line.checked_sub(back.parse().ok()?)
    } else {
        word.parse().ok()
    }
}

/// A path without the folders of the machine: `tokio-1.54.1/src/…`, `std/alloc/src/…`, `evenkeel-proxy/src/…`.
fn short(path: &str) -> String {
    let path = path.trim_start_matches("./");
    if let Some((_, rest)) = path.split_once("/registry/src/") {
        return rest
            .split_once('/')
            .map_or(rest, |(_, rest)| rest)
            .to_owned();
    }
    if let Some((_, rest)) = path
        .split_once("/library/")
        .filter(|_| path.starts_with("/rustc/"))
    {
        return format!("std/{rest}");
    }
    match path.rsplit_once("crates/") {
        Some((_, rest)) => rest.to_owned(),
        None if path.starts_with('/') => path.trim_start_matches('/').to_owned(),
        // The C library's files are written relative to its own folders.
        None => format!("libc/{path}"),
    }
}

/// The crate that a shortened path belongs to.
fn krate(path: &str) -> String {
    path.split('/').next().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "events: Ir\nsummary: 175\n\n\
        ob=(1) /tmp/evenkeel\nfl=(1) /a/crates/evenkeel-proxy/src/body.rs\nfn=(1) pump\n10 20\n+2 5\n\
        fi=(2) /x/registry/src/index-1/tokio-1.54.1/src/io.rs\n7 50\n\
        cfi=(3) ./string/../memmove.S\ncfn=(2) memcpy\ncalls=4 30\n7 90\n\
        cfn=(1)\ncalls=1 10\n* 60\n\n\
        fl=(3)\nfn=(2)\n30 90\n-10 10\n\ntotals: 175\n";

    #[test]
    fn costs_go_to_functions_files_and_lines() {
        let costs = Costs::read(PROFILE);
        let own = |function: &str, file: &str, line| {
            let key = (function.to_owned(), file.to_owned(), line);
            costs.own.get(&key).copied()
        };
        assert_eq!(own("pump", "evenkeel-proxy/src/body.rs", 12), Some(5));
        assert_eq!(own("pump", "tokio-1.54.1/src/io.rs", 7), Some(50));
        assert_eq!(own("memcpy", "libc/string/../memmove.S", 20), Some(10));
        assert_eq!(costs.own.values().sum::<u64>(), 175);
        // Its own 75 and the call of memcpy, but not the call of itself.
        assert_eq!(costs.inclusive["pump"], 165);
    }

    #[test]
    fn the_page_is_per_request() {
        let page = Costs::read(PROFILE).page(10);
        for row in [
            "   5.0   28.5 %  tokio-1.54.1\n",
            "  10.0   57.1 %  memcpy\n",
            "  16.5   94.2 %  pump\n",
            "   9.0   51.4 %  0.4 calls of memcpy by pump\n",
        ] {
            assert!(page.contains(row), "{row}: {page}");
        }
    }
}
