//! Fields before and after, each with the reason for what becomes of it.

use evenkeel_base::edits::Edits;
use evenkeel_base::head::Run;
use evenkeel_base::{FieldSink, RequestView};
use evenkeel_config::model::Config;
use evenkeel_config::shown_value;
use evenkeel_state::decide::fields::{self, Dropped, RequestRules};

use super::shown;
use crate::view::explain as view;

/// Stands for an id that is made for each request.
pub(super) const MADE: &str = "(made for each request)";

/// What leaves: the client's own fields apart from those that are set.
#[derive(Default)]
struct Sent {
    passed: Vec<(String, String)>,
    set: Vec<(String, String)>,
}

impl FieldSink for Sent {
    fn field(&mut self, name: &[u8], value: &[u8]) {
        self.set.push((shown(name), shown(value)));
    }

    fn run(&mut self, run: Run<'_>) {
        let fields = run.fields();
        self.passed
            .extend(fields.map(|one| (shown(one.name), shown(one.value))));
    }
}

impl Sent {
    /// What the route sets is shown as the configuration is: it may be a secret that endpoints ask for.
    fn hide(&mut self, config: &Config, edits: &Edits) {
        for (name, value) in &mut self.set {
            let mut all = edits.set.iter().chain(&edits.add);
            let same = |(of, text): &(String, String)| {
                of.eq_ignore_ascii_case(name) && shown(text.as_bytes()) == *value
            };
            if let Some((_, text)) = all.find(|one| same(one)) {
                *value = hidden(config, name, text);
            }
        }
    }
}

/// The value of a field that the configuration sets, or what is shown in its place.
fn hidden(config: &Config, name: &str, value: &str) -> String {
    shown(shown_value(config, name, value).as_bytes())
}

/// The fields of a request: what is set in the place of the client's, what passes, what does not, what is set beside.
pub(super) fn request(
    config: &Config,
    view: &RequestView<'_>,
    rules: &RequestRules<'_>,
) -> Vec<view::Field> {
    let mut sent = Sent::default();
    fields::request(view, rules, &mut sent);
    sent.hide(config, rules.edits);
    let mut all = Vec::new();
    let mut passed = sent.passed.into_iter();
    for (place, field) in view.fields().enumerate() {
        let (name, came) = (shown(field.name), shown(field.value));
        let dropped = fields::dropped(view, rules, place);
        let (goes, why) = match dropped {
            None => (passed.next().map(|(_, value)| value), "passes"),
            Some(dropped) => (replaced(&mut sent.set, &name), reason(dropped)),
        };
        all.push(view::Field {
            name,
            came: Some(came),
            sent: goes,
            why: why.to_owned(),
        });
    }
    let edits = rules.edits;
    for (name, value) in sent.set {
        let by_route = edits
            .set
            .iter()
            .chain(&edits.add)
            .any(|(one, _)| one.eq_ignore_ascii_case(&name));
        let why = if by_route {
            "the route adds it (`request_headers`)"
        } else if value == MADE {
            "the request had none that is kept"
        } else {
            "evenkeel sets it"
        };
        all.push(ours(&name, &value, why));
    }
    all
}

/// What is set in the place of a field that does not pass.
fn replaced(set: &mut Vec<(String, String)>, name: &str) -> Option<String> {
    let at = set
        .iter()
        .position(|(one, _)| one.eq_ignore_ascii_case(name))?;
    Some(set.remove(at).1)
}

/// A field that was not there.
pub(super) fn ours(name: &str, value: &str, why: &str) -> view::Field {
    view::Field {
        name: name.to_owned(),
        came: None,
        sent: Some(value.to_owned()),
        why: why.to_owned(),
    }
}

const fn reason(dropped: Dropped) -> &'static str {
    match dropped {
        Dropped::Anew => "written anew",
        Dropped::Hop => "for this hop only",
        Dropped::Nominated => "for this hop only: Connection names it",
        Dropped::Untrusted => "the client is no trusted proxy",
        Dropped::Shadow => "an endpoint may read `_` as `-`",
        Dropped::Certificate => "only a certificate proves that",
        Dropped::RequestId => "no id that is kept, or another one is",
        Dropped::Pointless => "nothing of the kind follows",
        Dropped::Edited => "the route sets or removes it (`request_headers`)",
        Dropped::Claimed => "it announces what the client must not say",
        Dropped::Ours => "meant for evenkeel",
    }
}

/// What is done to the fields of a response; with the cookie that is set, and the endpoint that it names.
pub(super) fn response(
    config: &Config,
    edits: &Edits,
    cookie: Option<(String, String)>,
) -> Vec<view::Field> {
    let mut all = Vec::new();
    for (name, value) in &edits.set {
        all.push(ours(
            name,
            &hidden(config, name, value),
            "the route sets it (`response_headers`), in the place of the endpoint's",
        ));
    }
    for (name, value) in &edits.add {
        all.push(ours(
            name,
            &hidden(config, name, value),
            "the route adds it (`response_headers`)",
        ));
    }
    for name in &edits.remove {
        all.push(view::Field {
            name: name.clone(),
            came: None,
            sent: None,
            why: "the route removes it (`response_headers`)".to_owned(),
        });
    }
    if let Some((name, id)) = cookie.filter(|_| !edits.names(b"set-cookie")) {
        let value = format!("{name}=…");
        all.push(ours(
            "Set-Cookie",
            &value,
            &format!("`sticky`: it names {id}"),
        ));
    }
    all
}

#[cfg(test)]
mod tests {
    use evenkeel_config::{Source, check};

    use super::*;

    /// Variables have this value, each.
    struct Variables;

    impl Source for Variables {
        fn env(&self, _: &str) -> Option<String> {
            Some("from the environment".to_owned())
        }

        fn file(&self, path: &str) -> Result<Vec<u8>, String> {
            Err(format!("no {path}"))
        }
    }

    #[test]
    fn secrets_that_the_configuration_hides_are_not_explained() {
        let text = r#"
version = 1
[listener.web]
bind = ":80"
[[route]]
respond.body = "x"
[route.response_headers]
set = { X-Api-Key = "by hand", X-Colour = "blue" }
add = { X-Other = { env = "OTHER" } }
"#;
        let config = check(text, "test", &Variables).config.unwrap();
        let edits = &config.routes[0].response_headers;
        let expected = [
            ("X-Api-Key", "(left out)"),
            ("X-Colour", "blue"),
            ("X-Other", "{ env = \"OTHER\" }"),
        ];
        let told = response(&config, edits, None);
        let told: Vec<(&str, &str)> = told
            .iter()
            .map(|one| (one.name.as_str(), one.sent.as_deref().unwrap_or_default()))
            .collect();
        assert_eq!(told, expected);
        // The same of a request, where a field that evenkeel sets itself is shown as it is.
        let mut sent = Sent::default();
        edits.write(&mut sent);
        sent.field(b"X-Request-Id", MADE.as_bytes());
        sent.hide(&config, edits);
        let seen: Vec<(&str, &str)> = sent
            .set
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(seen[..3], expected);
        assert_eq!(seen[3], ("X-Request-Id", MADE));
    }
}
