//! Import circles between the modules of a crate, at every level of its tree.
//!
//! Two modules are compared where their paths part: `a::x` that names `crate::b::y` makes `a` need `b`. A child that
//! names its own parent makes no edge, because a module and its folder are one thing to the outside; tests make none
//! either. Names that a parent passes on with `use` count for the module they come from.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, is_word};
use crate::tree::{File, Finding};

/// What the check found over all crates.
#[derive(Debug, Default)]
pub(crate) struct Circles {
    /// One finding per circle.
    pub(crate) findings: Vec<Finding>,
    /// How many modules stand in a circle.
    pub(crate) cyclic: usize,
    /// How many modules there are.
    pub(crate) modules: usize,
}

/// Who needs whom: for each parent module, its children and the siblings each child names, with the first place.
type Edges = BTreeMap<Path, Siblings>;

/// The siblings that a module names, and where.
type Siblings = BTreeMap<String, BTreeMap<String, String>>;

type Path = Vec<String>;

/// Checks every crate below `crates/`, and xtask.
pub(crate) fn check(files: &[File]) -> Circles {
    let mut crates: BTreeMap<&str, Vec<(Path, &File)>> = BTreeMap::new();
    for file in files {
        if let Some((krate, module)) = module_of(&file.path) {
            crates.entry(krate).or_default().push((module, file));
        }
    }
    let mut circles = Circles::default();
    for (krate, modules) in crates {
        circles.modules += modules.iter().filter(|(path, _)| !path.is_empty()).count();
        for (parent, edges) in edges(&modules) {
            let cyclic = in_circles(&edges);
            if cyclic.is_empty() {
                continue;
            }
            circles.cyclic += cyclic.len();
            circles
                .findings
                .push(finding(krate, &parent, &edges, &cyclic));
        }
    }
    circles
}

/// Names the circle, and under it who names whom where, for one of these has to go.
fn finding(krate: &str, parent: &Path, edges: &Siblings, cyclic: &BTreeSet<String>) -> Finding {
    let names: Vec<&str> = cyclic.iter().map(String::as_str).collect();
    let names = names.join(", ");
    let place = [&["crate".to_owned()], parent.as_slice()].concat();
    let mut message = format!(
        "the modules {names} of {} import each other in a circle: move what they share below both",
        place.join("::")
    );
    for (from, targets) in edges.iter().filter(|(from, _)| cyclic.contains(*from)) {
        for (to, site) in targets.iter().filter(|(to, _)| reaches(edges, to, from)) {
            message.push_str(&format!("\n    {from} names {to} at {site}"));
        }
    }
    Finding {
        check: "circles",
        path: krate.to_owned(),
        line: 0,
        token: names,
        message,
    }
}

/// The folder of the crate and the module path of a product source file.
fn module_of(path: &str) -> Option<(&str, Path)> {
    let (krate, inner) = path.split_once("/src/")?;
    let inner = inner.strip_suffix(".rs")?;
    let mut module: Path = inner.split('/').map(str::to_owned).collect();
    match module.last().map(String::as_str) {
        Some("lib" | "main") if module.len() == 1 => module.clear(),
        Some("tests") => return None,
        _ if module.iter().any(|part| part == "tests" || part == "bin") => return None,
        _ => {}
    }
    Some((krate, module))
}

fn edges(modules: &[(Path, &File)]) -> Edges {
    let known: BTreeSet<&Path> = modules.iter().map(|(path, _)| path).collect();
    let sources: Vec<(&Path, &File, Source<'_>)> = modules
        .iter()
        .map(|(path, file)| (path, *file, Source::new(&file.text)))
        .collect();
    let mut passed_on = BTreeMap::new();
    for (path, _, source) in &sources {
        for (name, from) in passes_on(path, source, &known) {
            passed_on.insert(((*path).clone(), name), from);
        }
    }
    let mut edges = Edges::new();
    for (path, file, source) in &sources {
        for (at, named) in imports(path, source) {
            let home = home(&named, &known, &passed_on);
            let shared = path.iter().zip(&home).take_while(|(a, b)| a == b).count();
            if let (Some(from), Some(to)) = (path.get(shared), home.get(shared)) {
                let siblings = edges.entry(path[..shared].to_vec()).or_default();
                let targets = siblings.entry(from.clone()).or_default();
                let site = || format!("{}:{}", file.path, source.line(at));
                targets.entry(to.clone()).or_insert_with(site);
            }
        }
    }
    edges
}

/// The module in which the item at `path` lives, as far as the tree of files tells.
fn home(path: &Path, known: &BTreeSet<&Path>, passed_on: &BTreeMap<(Path, String), Path>) -> Path {
    let mut at = Path::new();
    let mut rest = path.as_slice();
    while let [next, tail @ ..] = rest {
        let child = [at.as_slice(), std::slice::from_ref(next)].concat();
        if known.contains(&child) {
            at = child;
        } else {
            return passed_on
                .get(&(at.clone(), next.clone()))
                .cloned()
                .unwrap_or(at);
        }
        rest = tail;
    }
    at
}

/// The names that a module takes from its children with `use child::Name`.
fn passes_on(path: &Path, source: &Source<'_>, known: &BTreeSet<&Path>) -> Vec<(String, Path)> {
    let mut found = Vec::new();
    for at in source.find_all("use ") {
        if source.in_tests(at) {
            continue;
        }
        for named in tree(&source.code[at + 4..]) {
            let named = match named.first().map(String::as_str) {
                Some("self") => named[1..].to_vec(),
                Some("crate" | "super") => continue,
                _ => named,
            };
            let Some((name, from)) = named.split_last() else {
                continue;
            };
            let mut full = [path.as_slice(), from].concat();
            while full.len() > path.len() && !known.contains(&full) {
                full.pop();
            }
            if full.len() > path.len() {
                found.push((name.clone(), full));
            }
        }
    }
    found
}

/// Every path that the product code of a module names from `crate::` or `super::`, made absolute.
fn imports(path: &Path, source: &Source<'_>) -> Vec<(usize, Path)> {
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for at in source.find_all(start) {
            // In `super::super::x` and `self::super::x` the path began before; it was, or will be, read from there.
            if source.in_tests(at) || source.code[..at].ends_with("::") {
                continue;
            }
            let named = tree(&source.code[at..]);
            found.extend(named.iter().filter_map(|p| Some((at, absolute(path, p)?))));
        }
    }
    found
}

fn absolute(module: &Path, named: &Path) -> Option<Path> {
    let mut base = module.clone();
    let mut rest = named.as_slice();
    while let [first, tail @ ..] = rest {
        match first.as_str() {
            "crate" => base.clear(),
            "super" => {
                base.pop()?;
            }
            _ => break,
        }
        rest = tail;
    }
    Some([base.as_slice(), rest].concat())
}

/// The paths of a use tree (`a::{b, c::d}`) or of a path in an expression; ends where neither goes on.
fn tree(code: &str) -> Vec<Path> {
    let mut found = Vec::new();
    branch(code, &Path::new(), &mut found);
    found
}

/// Reads one branch and returns what follows it.
fn branch<'a>(code: &'a str, prefix: &Path, found: &mut Vec<Path>) -> &'a str {
    let code = code.trim_start();
    if let Some(mut rest) = code.strip_prefix('{') {
        loop {
            rest = branch(rest, prefix, found).trim_start();
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => return rest.strip_prefix('}').unwrap_or(rest),
            }
        }
    }
    let end = code.bytes().position(|b| !is_word(b)).unwrap_or(code.len());
    let (word, rest) = code.split_at(end);
    let mut path = prefix.clone();
    if !word.is_empty() && word != "self" || prefix.is_empty() && word == "self" {
        path.push(word.to_owned());
    }
    match rest.strip_prefix("::") {
        Some(next) if !next.starts_with('<') => branch(next, &path, found),
        _ => {
            let nothing = word.is_empty() && rest.starts_with('}');
            if !nothing && !path.is_empty() {
                found.push(path);
            }
            skip_alias(rest)
        }
    }
}

fn skip_alias(rest: &str) -> &str {
    let Some(alias) = rest.trim_start().strip_prefix("as ") else {
        return rest.strip_prefix('*').unwrap_or(rest);
    };
    let alias = alias.trim_start();
    let end = alias.bytes().position(|b| !is_word(b));
    &alias[end.unwrap_or(alias.len())..]
}

/// The modules that can reach themselves.
fn in_circles(edges: &Siblings) -> BTreeSet<String> {
    let names = edges.keys();
    names
        .filter(|name| reaches(edges, name, name))
        .cloned()
        .collect()
}

/// Whether one or more steps lead from `start` to `goal`.
fn reaches(edges: &Siblings, start: &str, goal: &str) -> bool {
    let next = |name: &str| edges.get(name).into_iter().flat_map(BTreeMap::keys);
    let mut seen = BTreeSet::new();
    let mut open: Vec<&String> = next(start).collect();
    while let Some(name) = open.pop() {
        if name == goal {
            return true;
        }
        if seen.insert(name) {
            open.extend(next(name));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> String {
        let files: Vec<File> = files
            .iter()
            .map(|(path, text)| File {
                path: format!("crates/x/src/{path}"),
                text: (*text).to_owned(),
            })
            .collect();
        let circles = check(&files);
        let findings = circles.findings.iter();
        findings
            .map(|f| f.token.clone())
            .collect::<Vec<_>>()
            .join("; ")
    }

    #[test]
    fn a_circle_is_found_however_it_is_written() {
        let b = ("b.rs", "use crate::a::A;");
        for text in [
            "use crate::b::B;",
            "use crate::{b::{self, B}, c};",
            "use super::b;",
            "fn f() -> crate::b::B { todo() }",
            "use crate::{\n    c as d,\n    b::B,\n};",
            "pub use super::{c, b::*};",
            "use crate::B;",
        ] {
            let root = ("lib.rs", "mod a; mod b; mod c;\npub use b::B;");
            assert_eq!(
                circles(&[root, ("a.rs", text), b, ("c.rs", "")]),
                "a, b",
                "{text}"
            );
        }
    }

    #[test]
    fn long_circles_and_inner_circles_are_found() {
        let long = [
            ("a.rs", "use crate::b::inner::X;"),
            ("b/inner.rs", "use super::super::c::C;"),
            ("b.rs", ""),
            ("c.rs", "use crate::a::A;"),
        ];
        assert_eq!(circles(&long), "a, b, c");
        let inner = [
            ("a.rs", "mod x; mod y;"),
            ("a/x.rs", "use super::y::Y;"),
            ("a/y.rs", "use crate::a::x::X;"),
        ];
        assert_eq!(circles(&inner), "x, y");
    }

    #[test]
    fn what_is_no_circle_is_not_found() {
        let fine = [
            ("lib.rs", "mod a; mod b; pub use a::A;"),
            (
                "a.rs",
                "mod deep;\n#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}\n// crate::b::B",
            ),
            ("a/deep.rs", "use super::A; use crate::a::A;"),
            ("b.rs", "use crate::A; const X: &str = \"crate::b\";"),
            ("b/tests.rs", "use crate::a;"),
        ];
        assert_eq!(circles(&fine), "");
    }
}
