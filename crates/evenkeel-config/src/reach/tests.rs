//! Ties and hidden routes, as a table.

mod oracle;

use crate::Nowhere;

/// The messages about a file with two listeners and these routes.
fn messages(routes: &[&str]) -> Vec<String> {
    let mut text =
        "version = 1\n[listener.a]\nbind = \":1\"\n[listener.b]\nbind = \":2\"\n".to_owned();
    for route in routes {
        text.push_str(&format!("[[route]]\nrespond.body = \"x\"\n{route}\n"));
    }
    let checked = crate::check(&text, "t.toml", &Nowhere);
    checked.diagnostics.into_iter().map(|d| d.message).collect()
}

#[test]
fn routes_that_tie() {
    for pair in [
        ["", ""],
        ["path = \"/a\"", "path = \"/a/\""],
        ["host = \"x\"", "host = [\"y\", \"X\"]"],
        ["host = \"*.x\"", "host = \"*.x\""],
        [
            "method = [\"GET\", \"PUT\"]",
            "method = [\"PUT\", \"POST\"]",
        ],
        ["listener = \"a\"", "listener = [\"b\", \"a\"]"],
        ["header.x = \"1\"", "header.y = \"1\""],
        ["header.x = \"1\"", "header.X = { present = true }"],
        [
            "header.x = \"1\"\nheader.y = \"1\"",
            "header.y = \"1\"\nheader.z = { present = false }",
        ],
        ["query.x = \"1\"", "query.X = \"1\""],
    ] {
        let found = messages(&pair);
        assert_eq!(found.len(), 1, "{pair:?}: {found:?}");
        assert!(found[0].contains("another one"), "{pair:?}: {found:?}");
    }
}

#[test]
fn routes_of_which_one_is_more_specific_or_that_exclude_each_other() {
    for pair in [
        ["path = \"/a\"", "path = \"/a/b\""],
        ["path = \"/a\"", "path.exact = \"/a\""],
        ["host = \"x\"", ""],
        ["host = \"a.x\"", "host = \"*.x\""],
        ["host = \"*.a.x\"", "host = \"*.x\""],
        ["method = \"GET\"", ""],
        ["method = \"GET\"", "method = \"POST\""],
        ["listener = \"a\"", "listener = \"b\""],
        ["listener = \"a\"", ""],
        ["header.x = \"1\"", "header.x = \"2\""],
        ["header.x = \"1\"", "header.x = { present = false }"],
        [
            "header.x = { present = true }",
            "header.x = { present = false }",
        ],
        ["header.x = \"1\"", "query.x = \"1\""],
        ["query.x = \"1\"", "query.x = \"2\""],
        ["header.x = \"1\"\nheader.y = \"1\"", "header.x = \"1\""],
    ] {
        let found = messages(&pair);
        assert!(found.is_empty(), "{pair:?}: {found:?}");
    }
}

#[test]
fn a_route_for_every_listener_can_be_hidden_by_bound_ones() {
    let both = "listener = [\"a\", \"b\"]\npath = \"/x\"";
    for hidden in [
        "path = \"/x\"",
        "path = \"/x\"\nheader.x = \"1\"",
        "path = \"/x\"\nmethod = \"GET\"",
    ] {
        let found = messages(&[both, hidden]);
        assert_eq!(found.len(), 1, "{hidden}: {found:?}");
        assert!(found[0].contains("can never match"), "{hidden}: {found:?}");
    }
    let apart = [
        "listener = \"a\"\npath = \"/x\"",
        "listener = \"b\"\npath = \"/x\"",
        "path = \"/x\"",
    ];
    assert_eq!(messages(&apart).len(), 1);
    for seen in ["path = \"/x\"\nhost = \"h\"", "path = \"/x/y\"", ""] {
        assert!(messages(&[both, seen]).is_empty(), "{seen}");
    }
    let narrow = "listener = [\"a\", \"b\"]\npath = \"/x\"\nmethod = \"GET\"";
    assert!(messages(&[narrow, "path = \"/x\""]).is_empty());
    let implied = "listener = [\"a\", \"b\"]\npath = \"/x\"\nheader.x = { present = true }";
    assert_eq!(
        messages(&[implied, "path = \"/x\"\nheader.x = \"1\""]).len(),
        1
    );
    assert!(messages(&[implied, "path = \"/x\"\nheader.x = { present = false }"]).is_empty());
}
