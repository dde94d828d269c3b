//! `evenkeel explain` against what happens: every question is asked, and then the same request is really sent.

mod agreement;
mod command;
mod field;

use std::collections::BTreeMap;

use evenkeel_testkit::{Client, Evenkeel, Origin, Reply, Setup, eventually};
use serde_json::{Value, json};

/// The field by which a client asks how its request was dealt with.
const ASKS: &str = "X-Evenkeel-Explain: 1";

/// A running evenkeel in front of origins that say their own address.
struct World {
    proxy: Evenkeel,
    origins: BTreeMap<String, Origin>,
}

/// A request: its method, host, target, and fields with `|` between.
#[derive(Clone, Copy, Debug)]
struct Sent<'a>(&'a str, &'a str, &'a str, &'a str);

impl Sent<'_> {
    fn fields(&self) -> Vec<String> {
        let all = self
            .3
            .split('|')
            .map(str::trim)
            .filter(|one| !one.is_empty());
        all.map(str::to_owned).chain([ASKS.to_owned()]).collect()
    }
}

/// Origins that say their own address.
fn origins(number: usize) -> Vec<Origin> {
    let one = |_| {
        Origin::http(|request| {
            let seen = request.host().unwrap_or_default();
            Reply::ok(seen)
                .header("Server", "origin")
                .header("X-Kept", "1")
        })
    };
    (0..number).map(one).collect()
}

impl World {
    /// The listener tells everybody here how requests were dealt with.
    fn of(origins: Vec<Origin>, setup: &Setup) -> Self {
        let setup = setup
            .clone()
            .listener("explain_to = [\"127.0.0.0/8\", \"203.0.113.0/24\"]");
        Self {
            proxy: Evenkeel::start(&setup),
            origins: origins
                .into_iter()
                .map(|one| (one.address(), one))
                .collect(),
        }
    }

    /// The answer to a question, by the control socket.
    #[track_caller]
    fn told(&self, sent: Sent<'_>) -> Value {
        let port = self.proxy.address().port();
        let Sent(method, host, target, _) = sent;
        let mut headers = sent.fields();
        headers.push(format!("Host: {host}"));
        let ask = json!({
            "method": method,
            "url": format!("http://{host}:{port}{target}"),
            "headers": headers,
        });
        // A response is here before its exchange has ended, and an endpoint that is busy is told of as such.
        eventually("nothing is in flight", || {
            let told = told(&self.proxy, &ask);
            let endpoints = told["cluster"]["endpoints"].as_array();
            let mut all = endpoints.into_iter().flatten();
            all.all(|one| one["in_flight"] == 0).then_some(told)
        })
    }

    /// Asks what would become of a request, sends it, and finds that told and seen agree. Gives what was told.
    #[track_caller]
    fn agrees(&self, sent: Sent<'_>) -> Value {
        let told = self.told(sent);
        self.sends(sent, &told);
        told
    }

    #[track_caller]
    fn sends(&self, sent: Sent<'_>, told: &Value) {
        let Sent(method, host, target, _) = sent;
        let before: BTreeMap<&String, usize> = self.counts();
        let fields: String = sent
            .fields()
            .iter()
            .map(|one| format!("{one}\r\n"))
            .collect();
        let mut client: Client = self.proxy.client().host(host);
        let response = client.ask(method, target, &fields, "");
        let verdict = &told["verdict"];
        let about = format!("{sent:?}: {verdict:#}");
        if let Some(status) = verdict["status"].as_u64() {
            assert_eq!(u64::from(response.head.status()), status, "{about}");
        }
        if let Some(name) = verdict["fault"]["name"].as_str() {
            let seen = response.field("Proxy-Status").unwrap_or_default();
            assert!(
                seen.contains(&format!("details=\"{name}\"")),
                "{seen}; {about}"
            );
        } else {
            assert_eq!(response.field("Proxy-Status"), None, "{about}");
        }
        assert_eq!(
            response.field("Location").as_deref(),
            verdict["location"].as_str(),
            "{about}"
        );
        let line = Dictionary::of(&response.field("X-Evenkeel-Explain").unwrap_or_default());
        for (name, expected) in [
            ("listener", told["listener"]["name"].as_str()),
            ("route", told["route"]["name"].as_str()),
            ("fault", verdict["fault"]["name"].as_str()),
        ] {
            assert_eq!(line.get(name), expected, "{name} in {line:?}; {about}");
        }
        for edit in told["response"].as_array().unwrap() {
            let name = edit["name"].as_str().unwrap();
            let seen = response.field(name);
            match edit["sent"].as_str() {
                Some(value) if name == "Set-Cookie" => {
                    let (cookie, _) = value.split_once('=').unwrap();
                    assert!(seen.unwrap_or_default().starts_with(cookie), "{about}");
                }
                sent => assert_eq!(seen.as_deref(), sent, "{name}; {about}"),
            }
        }
        if verdict["kind"] == "forwarded" {
            self.arrived(told, &line, &before);
        } else {
            assert_eq!(self.counts(), before, "no endpoint saw it: {about}");
        }
    }

    /// The endpoint that saw it was one that could be picked, and saw what was told.
    #[track_caller]
    fn arrived(&self, told: &Value, line: &Dictionary, before: &BTreeMap<&String, usize>) {
        let cluster = &told["cluster"];
        assert_eq!(line.get("cluster"), cluster["name"].as_str());
        let endpoint = line.get("endpoint").unwrap();
        if let Some(certain) = told["verdict"]["endpoint"].as_str() {
            assert_eq!(endpoint, certain, "{cluster:#}");
        }
        let all = cluster["endpoints"].as_array().unwrap();
        let one = all.iter().find(|one| one["id"] == endpoint).unwrap();
        assert!(
            one["chance"].as_f64().unwrap() > 0.0,
            "{endpoint} in {all:#?}"
        );
        let address = one["address"].as_str().unwrap().to_owned();
        let origin = &self.origins[&address];
        let seen = origin.wait_requests(before[&address] + 1).pop().unwrap();
        let request = &told["request"];
        assert_eq!(
            format!("{} {}", seen.method(), seen.target()),
            request["sent"].as_str().unwrap()
        );
        let mut expected: Vec<(String, String)> = request["fields"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|one| {
                let name = one["name"].as_str().unwrap().to_ascii_lowercase();
                Some((name, one["sent"].as_str()?.to_owned()))
            })
            .collect();
        let mut fields: Vec<(String, String)> = seen
            .head
            .fields
            .iter()
            .map(|one| {
                (
                    one.name.to_ascii_lowercase(),
                    String::from_utf8_lossy(&one.value).into_owned(),
                )
            })
            // How the body is framed is no rule's business.
            .filter(|(name, _)| name != "content-length")
            .collect();
        for (name, value) in &mut fields {
            // An id that is made differs from request to request.
            if name == "x-request-id" && expected.iter().any(|(_, value)| value.starts_with('(')) {
                assert_eq!(Some(value.as_str()), line.get("request_id"));
                "(made for each request)".clone_into(value);
            }
        }
        expected.sort();
        fields.sort();
        assert_eq!(fields, expected, "{request:#}");
    }

    fn counts(&self) -> BTreeMap<&String, usize> {
        self.origins
            .iter()
            .map(|(address, one)| (address, one.requests().len()))
            .collect()
    }
}

/// The answer to a question, by the control socket.
#[track_caller]
fn told(proxy: &Evenkeel, ask: &Value) -> Value {
    let ask = ask.to_string();
    let fields = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        ask.len()
    );
    let mut control = proxy.control();
    let answer = control.ask("POST", "/api/v1/explain", &fields, &ask);
    assert_eq!(answer.head.status(), 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// The value of the response's field: `route="api", attempts=1`.
#[derive(Debug)]
struct Dictionary(BTreeMap<String, String>);

impl Dictionary {
    fn of(text: &str) -> Self {
        let members = text.split(", ").filter_map(|one| one.split_once('='));
        Self(
            members
                .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
                .collect(),
        )
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}
