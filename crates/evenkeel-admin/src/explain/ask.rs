//! From a question to a head, as a client would send it.

use std::net::IpAddr;

use evenkeel_base::field::{is_field_value, is_token};
use evenkeel_base::{Authority, RequestHead};
use evenkeel_config::model::HeadLimits;
use evenkeel_http1::{Limits, Refusal, Request, RequestParser};

use crate::view::explain::Ask;

/// Who asks when nobody is named.
const NOBODY: &str = "127.0.0.1";

/// White space around values (RFC 9110 §5.5).
const BLANK: [char; 2] = [' ', '\t'];

/// The longest address that is taken; what is longer than a head may be is refused by every listener.
const MAX_URL: usize = 64 * 1024;

/// A question that can be understood.
#[derive(Debug)]
pub(super) struct Question {
    /// The method, as it was spelt.
    pub(super) method: String,
    /// Whether the address is one of `https`.
    pub(super) https: bool,
    /// The host of the address, without brackets and port.
    pub(super) host: String,
    /// Its port, the scheme's own where it names none.
    pub(super) port: u16,
    /// Who asks; none: a Unix socket.
    pub(super) from: Option<IpAddr>,
    /// Method and target.
    pub(super) line: String,
    bytes: Vec<u8>,
}

impl Question {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(ask: &Ask) -> Result<Self, String> {
        let method = if ask.method.is_empty() {
            "GET"
        } else {
            &ask.method
        };
        if !is_token(method.as_bytes()) {
            return Err(format!("\"{method}\" is no method"));
        }
        let (https, authority, target) = split(&ask.url)?;
        let parsed = Authority::parse(authority.as_bytes())
            .filter(|parsed| !parsed.host.is_empty())
            .ok_or_else(|| format!("\"{authority}\" is no host with an optional port"))?;
        let host = String::from_utf8_lossy(parsed.host);
        let host = host.trim_matches(['[', ']']).to_owned();
        let named = authority
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        // CONNECT has no path, and asks for a host with its port (RFC 9112 §3.2.3).
        let target = if method == "CONNECT" {
            let port = named.unwrap_or(if https { 443 } else { 80 });
            format!("{}:{port}", authority.trim_end_matches(&format!(":{port}")))
        } else {
            target
        };
        let line = format!("{method} {target}");
        let from = match ask.from.as_str() {
            "" => NOBODY.parse().ok(),
            "unix" => None,
            text => Some(text.parse().map_err(|_| {
                format!("\"{text}\" is no IP address; a client by a Unix socket is \"unix\"")
            })?),
        };
        Ok(Self {
            method: method.to_owned(),
            https,
            host,
            port: named.unwrap_or(if https { 443 } else { 80 }),
            from,
            bytes: head(&line, &authority, &ask.headers)?,
            line,
        })
    }

    /// Reads the head, as a listener with these limits would. With it the bytes that it refers to.
    pub(super) fn parse(&self, limits: HeadLimits) -> Result<(RequestHead, Request), Refusal> {
        let mut head = RequestHead::default();
        let parsed =
            RequestParser::default().parse(&self.bytes, &self::limits(limits), &mut head)?;
        // A head that ends in an empty line is whole.
        parsed
            .map(|request| (head, request))
            .ok_or(Refusal::HeadTooLarge)
    }

    /// The bytes of the head.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A listener's limits as the codec has them.
pub(super) const fn limits(limits: HeadLimits) -> Limits {
    Limits {
        head_bytes: limits.bytes,
        fields: limits.fields,
        line_bytes: limits.line,
    }
}

/// Whether it is `https`, the authority, and the target.
fn split(url: &str) -> Result<(bool, String, String), String> {
    let help = || format!("\"{url}\" is no address such as https://host/path");
    if url.len() > MAX_URL {
        return Err(format!("the address has more than {MAX_URL} bytes"));
    }
    let (scheme, rest) = url.split_once("://").ok_or_else(help)?;
    let https = match scheme.to_ascii_lowercase().as_str() {
        "https" | "wss" | "grpcs" => true,
        "http" | "ws" | "grpc" => false,
        _ => {
            return Err(format!(
                "\"{scheme}\" is none of the schemes http and https"
            ));
        }
    };
    // What follows a `#` stays with the client.
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    if authority.contains('@') {
        return Err(
            "an address with a user in it is sent by no client: use -H 'Authorization: …'".into(),
        );
    }
    if target.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(help());
    }
    let target = if target.starts_with('/') {
        target.to_owned()
    } else {
        format!("/{target}")
    };
    Ok((https, authority.to_owned(), target))
}

/// The head; the field `Host` is the address's unless one is given.
fn head(line: &str, authority: &str, fields: &[String]) -> Result<Vec<u8>, String> {
    let mut given = Vec::new();
    for field in fields {
        let (name, value) = field
            .split_once(':')
            .ok_or_else(|| format!("\"{field}\" is no field: write \"name: value\""))?;
        let (name, value) = (name.trim_matches(BLANK), value.trim_matches(BLANK));
        if !is_token(name.as_bytes()) || !is_field_value(value.as_bytes()) {
            return Err(format!("\"{}\" is no field", field.escape_debug()));
        }
        given.push((name, value));
    }
    let mut text = format!("{line} HTTP/1.1\r\n");
    let is_host = |(name, _): &(&str, &str)| name.eq_ignore_ascii_case("host");
    if !given.iter().any(is_host) {
        text.push_str(&format!("Host: {authority}\r\n"));
    }
    for (name, value) in given {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    Ok(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Question, String> {
        Question::read(&Ask {
            url: url.to_owned(),
            ..Ask::default()
        })
    }

    #[test]
    fn an_address_becomes_a_head() {
        for (url, https, port, expected) in [
            (
                "http://a.example",
                false,
                80,
                "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
            ),
            (
                "https://a.example:8443/x?y=1#z",
                true,
                8443,
                "GET /x?y=1 HTTP/1.1\r\nHost: a.example:8443\r\n\r\n",
            ),
            (
                "HTTP://[::1]:81?q",
                false,
                81,
                "GET /?q HTTP/1.1\r\nHost: [::1]:81\r\n\r\n",
            ),
        ] {
            let question = read(url).unwrap();
            assert_eq!((question.https, question.port), (https, port), "{url}");
            assert_eq!(String::from_utf8_lossy(question.bytes()), expected);
        }
    }

    #[test]
    fn what_nobody_could_send_is_a_mistake_of_the_question() {
        for url in [
            "",
            "a.example",
            "ftp://a",
            "http://",
            "http://a b/",
            "http://a/ b",
            "http://u@a/",
            "http://a:b/",
            "http://a/\r\nX: y",
        ] {
            assert!(read(url).is_err(), "{url:?}");
        }
        let with = |field: &str| {
            Question::read(&Ask {
                url: "http://a/".into(),
                headers: vec![field.into()],
                ..Ask::default()
            })
        };
        for field in ["", "x", "x y: 1", "x: \r\ny: 1", ": 1"] {
            assert!(with(field).is_err(), "{field}");
        }
        let own = with("host: b").unwrap();
        assert_eq!(own.bytes(), b"GET / HTTP/1.1\r\nhost: b\r\n\r\n");
    }
}
