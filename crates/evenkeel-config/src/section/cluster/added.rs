//! An endpoint that an operator adds while evenkeel runs: the same words, bounds and mistakes as for one in the file, and nothing
//! that a running process would have to look up before it can say no.

use std::collections::HashMap;

use evenkeel_base::{Address, Scheme};

use crate::diagnostic::{Diagnostic, Severity};
use crate::knob::Section;
use crate::model::Endpoint;
use crate::raw::{Cx, with_root};
use crate::section::cluster::endpoint;
use crate::section::{self, cluster};
use crate::source::Nowhere;
use crate::value::text::quote;

/// The longest id of an added endpoint: it is shown wherever endpoints are.
const LONGEST_ID: usize = 256;

/// What an operator says of an endpoint that is to be added.
#[derive(Clone, Copy, Debug, Default)]
pub struct EndpointSaid<'a> {
    /// Where it is; what stands before it, as in `https://`, has to be what its cluster speaks.
    pub address: &'a str,
    /// What it is to be called; none: its address.
    pub id: Option<&'a str>,
    /// Its weight; none: that of an endpoint in the file of which nothing is said.
    pub weight: Option<u16>,
    /// Its zone; none: it is in none.
    pub zone: Option<&'a str>,
}

/// Where it is read as if it stood in a list.
static LIST: Section = Section {
    name: "",
    about: "An endpoint by itself.",
    knobs: &[&cluster::ENDPOINTS],
    sample: "",
};

/// Checks an endpoint that stands in no file; with what is said to be spoken with it, if anything is.
///
/// # Errors
/// A sentence that says what is wrong and what to do.
pub fn check_endpoint(said: &EndpointSaid<'_>) -> Result<(Option<Scheme>, Endpoint), String> {
    if said
        .id
        .is_some_and(|id| id.len() > LONGEST_ID || id.chars().any(char::is_control))
    {
        return Err(format!(
            "an id has at most {LONGEST_ID} bytes and no control characters"
        ));
    }
    let text = text(said);
    let mut cx = Cx::new(&text, "order", &Nowhere, section::home_of);
    let mut found = None;
    with_root(&mut cx, |root, cx| {
        let Some(table) = LIST.open(&root, cx) else {
            return;
        };
        for entry in cluster::read_list(&table, cx) {
            let scheme = entry.scheme().value;
            let mut endpoints = endpoint::all(&entry, &mut HashMap::new(), cx);
            found = endpoints.pop().map(|last| (scheme, last, endpoints));
        }
    });
    let diagnostics = cx.finish();
    if let Some(error) = diagnostics
        .iter()
        .find(|one| one.severity == Severity::Error)
    {
        return Err(sentence(error));
    }
    match found {
        Some((_, _, others)) if !others.is_empty() => Err(format!(
            "\"{}\" is a range of ports, which is several endpoints: add them one by one",
            said.address
        )),
        Some((_, endpoint, _)) if is_relative(&endpoint) => Err(format!(
            "\"{}\" is no path from the root, and evenkeel may run in another folder",
            said.address
        )),
        Some((scheme, endpoint, _)) => Ok((scheme, endpoint)),
        None => Err(format!("\"{}\" is no endpoint", said.address)),
    }
}

fn text(said: &EndpointSaid<'_>) -> String {
    let mut parts = vec![format!("address = {}", quote(said.address))];
    parts.extend(said.id.map(|id| format!("id = {}", quote(id))));
    parts.extend(said.weight.map(|weight| format!("weight = {weight}")));
    parts.extend(said.zone.map(|zone| format!("zone = {}", quote(zone))));
    format!("endpoints = [{{ {} }}]", parts.join(", "))
}

fn sentence(error: &Diagnostic) -> String {
    match &error.help {
        Some(help) => format!("{}: {help}", error.message),
        None => error.message.clone(),
    }
}

fn is_relative(endpoint: &Endpoint) -> bool {
    matches!(&endpoint.address, Address::Unix(path) if path.is_relative())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_may_say_may_be_said() {
        let said = EndpointSaid {
            address: "https://App.test",
            id: Some("blue \"1\""),
            weight: Some(0),
            zone: Some("a"),
        };
        let (scheme, endpoint) = check_endpoint(&said).unwrap();
        assert_eq!(scheme, Some(Scheme::Https));
        assert_eq!(endpoint.address.to_string(), "app.test:443");
        let shown = (&*endpoint.id, endpoint.weight, &*endpoint.zone);
        assert_eq!(shown, ("blue \"1\"", 0, "a"));
        for (address, id) in [
            ("10.0.0.1:80", "10.0.0.1:80"),
            (":80", "127.0.0.1:80"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
            ("srv:_http._tcp.app", "srv:_http._tcp.app"),
        ] {
            let said = EndpointSaid {
                address,
                ..EndpointSaid::default()
            };
            let (_, endpoint) = check_endpoint(&said).unwrap();
            assert_eq!((&*endpoint.id, endpoint.weight), (id, 1));
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_a_sentence() {
        let said = |address| EndpointSaid {
            address,
            ..EndpointSaid::default()
        };
        let long = "x".repeat(LONGEST_ID + 1);
        for (said, part) in [
            (said(""), "not an address"),
            (said("10.0.0.1"), "not an address"),
            (said("10.0.0.1:80/a"), "has a path"),
            (said("10.0.0.1:80-82"), "add them one by one"),
            (said("unix:a.sock"), "no path from the root"),
            (said("ftp://a"), "\"ftp\" is not known"),
            (
                EndpointSaid {
                    id: Some(""),
                    ..said(":1")
                },
                "is empty",
            ),
            (
                EndpointSaid {
                    id: Some(&long),
                    ..said(":1")
                },
                "at most 256",
            ),
            (
                EndpointSaid {
                    weight: Some(1_001),
                    ..said(":1")
                },
                "1000",
            ),
            (
                EndpointSaid {
                    zone: Some(" "),
                    ..said(":1")
                },
                "cannot be a name",
            ),
            (
                EndpointSaid {
                    weight: Some(1),
                    ..said("srv:_a._tcp.b")
                },
                "SRV records",
            ),
        ] {
            let error = check_endpoint(&said).unwrap_err();
            assert!(error.contains(part), "{said:?}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
