//! The alerts of `docs/alerts.yml` name what `/metrics` has: families, labels, and values of labels. What they mean is not judged.

use std::collections::HashMap;
use std::fs;

use evenkeel_testkit::{Authority, Evenkeel, Folder, Origin, Setup, eventually};

use super::page::root;

/// A family by its name as it stands in an expression, with what its braces ask: label and value, none where a pattern is asked.
type Asked = (String, Vec<(String, Option<String>)>);

/// The families of an expression.
fn families(expression: &str) -> Vec<Asked> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = rest.find(is_of_name) {
        rest = &rest[at..];
        let end = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        rest = behind;
        if name.starts_with("evenkeel_") || name.starts_with("process_") {
            let inside = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let labels = inside.map_or_else(Vec::new, |(inside, _)| labels(inside));
            found.push((name.to_owned(), labels));
        }
        // What stands in braces is no family.
        if let Some((_, behind)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            rest = behind;
        }
    }
    found
}

fn labels(inside: &str) -> Vec<(String, Option<String>)> {
    let labels = inside
        .split(',')
        .map(str::trim)
        .filter(|label| !label.is_empty());
    labels
        .map(|label| {
            let (name, value) = label.split_once('=').unwrap();
            let value = value
                .strip_prefix('"')
                .map(|value| value.trim_end_matches('"').to_owned());
            let is_equal = !name.ends_with('!');
            (
                name.trim_end_matches('!').to_owned(),
                value.filter(|_| is_equal),
            )
        })
        .collect()
}

/// What the page has: the labels of each name.
fn series(page: &str) -> HashMap<String, Vec<String>> {
    let mut series: HashMap<String, Vec<String>> = HashMap::new();
    for line in page.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let name = family.split(' ').next().unwrap_or_default();
            series.entry(name.to_owned()).or_default();
        } else if let Some((all, _)) = line.rsplit_once(' ') {
            let (name, labels) = all.split_once('{').unwrap_or((all, ""));
            series
                .entry(name.to_owned())
                .or_default()
                .push(labels.to_owned());
        }
    }
    series
}

/// The expressions, each a line of its own.
fn expressions() -> Vec<String> {
    let file = fs::read_to_string(root().join("docs/alerts.yml")).unwrap();
    let lines = file.lines().map(str::trim);
    let expressions = lines.filter_map(|line| line.strip_prefix("expr: "));
    expressions.map(ToOwned::to_owned).collect()
}

#[test]
fn alerts_name_what_the_page_has() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let leaf = authority.certify(&["shop.example"]);
    let origin = Origin::saying("ok");
    let files = leaf.write(&folder, "web");
    let (certificate, key) = (&files.certificate, &files.key);
    let setup = Setup::to([&origin])
        .listener(&format!(
            "tls.certificates = {{ certificate = {certificate:?}, key = {key:?} }}"
        ))
        .sections("[listener.plain]\nbind = \"127.0.0.1:0\"")
        .add_route("name = \"dead\"\npath = \"/dead\"\ncluster = \"dead\"")
        .sections("[cluster.dead]\nendpoints = \"127.0.0.1:1\"\n");
    let proxy = Evenkeel::start(&setup);
    // Faults and panics have a series once there is one.
    proxy.client_of("plain").get("/dead").status(502);
    let page = eventually("the fault to be counted", || {
        let page = proxy.control().get("/metrics").status(200).text();
        page.contains("evenkeel_listener_faults_total{")
            .then_some(page)
    });
    let series = series(&page);
    let expressions = expressions();
    assert!(expressions.len() >= 10, "{expressions:?}");
    for expression in expressions {
        let asked = families(&expression);
        assert!(
            !asked.is_empty(),
            "{expression} asks for nothing of evenkeel's"
        );
        for (name, labels) in asked {
            let seen = series
                .get(&name)
                .unwrap_or_else(|| panic!("{expression}: no {name}"));
            for (label, value) in labels {
                let wanted = match value {
                    Some(value) => format!("{label}=\"{value}\""),
                    None => format!("{label}=\""),
                };
                assert!(
                    seen.iter().any(|labels| labels.contains(&wanted)),
                    "{expression}: {name} has no {wanted} in {seen:?}"
                );
            }
        }
    }
}

#[test]
fn expressions_are_taken_apart() {
    let text = "sum by (cluster) (rate(evenkeel_a_total{fault!=\"x\",class=\"5xx\"}[5m])) / process_b > 0.5 and up{x=\"evenkeel_no\"} == 1";
    let expected = [
        (
            "evenkeel_a_total",
            vec![("fault", None), ("class", Some("5xx"))],
        ),
        ("process_b", Vec::new()),
    ]
    .map(|(name, labels)| {
        let owned = labels
            .into_iter()
            .map(|(label, value): (&str, Option<&str>)| {
                (label.to_owned(), value.map(ToOwned::to_owned))
            });
        (name.to_owned(), owned.collect::<Vec<_>>())
    });
    assert_eq!(families(text), expected);
}

#[test]
fn the_page_on_operating_says_what_to_look_at_for_each_alert() {
    let page = fs::read_to_string(root().join("docs/operating.md")).unwrap();
    let file = fs::read_to_string(root().join("docs/alerts.yml")).unwrap();
    let lines = file.lines().map(str::trim);
    for alert in lines.filter_map(|line| line.strip_prefix("- alert: ")) {
        assert!(
            page.contains(&format!("`{alert}`")),
            "{alert} is not in docs/operating.md"
        );
    }
    for named in page.split('`').filter(|word| word.starts_with("Evenkeel")) {
        assert!(
            file.contains(&format!("- alert: {named}\n")),
            "there is no alert {named}"
        );
    }
}
