//! The requests: written once, before the first is sent, with what must come back.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::options::{HeadKind, Target, Upload};
use crate::message::{Blocks, BodyKind, Message};

/// Up to here a request is one piece. Small, for there may be ten thousand different ones.
const INLINE: usize = 4 * 1024;

/// The host that is asked for when no file names another.
const HOST: &str = "bench.example";

/// All requests of a run.
#[derive(Debug)]
pub(super) struct Requests {
    list: Vec<Request>,
    random: u64,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) message: Message,
    /// How long the body of a 200 must be.
    pub(super) expected: Option<u64>,
}

impl Requests {
    /// Writes the requests of a run.
    pub(super) fn new(target: &Target, upload: Option<&Upload>, close: bool) -> Result<Self> {
        let places = match &target.paths_file {
            None => vec![(HOST.to_owned(), target.path.clone())],
            Some(file) => read_places(file)?,
        };
        let blocks = Blocks::default();
        let body = upload.and_then(|upload| {
            let kind = if upload.upload_chunked {
                BodyKind::Chunked
            } else {
                BodyKind::Plain
            };
            upload.upload.map(|length| (kind, length))
        });
        let list = places.iter().map(|(host, path)| {
            let field = body.map(|(kind, length)| kind.field(length));
            let head = head(target.head, host, path, close, field.as_deref()).into();
            let message = match body {
                Some((kind, length)) => Message::new(head, length, kind, &blocks, INLINE),
                None => Message::bare(head, &blocks),
            };
            Request {
                message,
                expected: expected(path),
            }
        });
        Ok(Self {
            list: list.collect(),
            // Any odd number will do; the same one each time makes runs alike.
            random: 0x9e37_79b9_7f4a_7c15,
        })
    }

    /// The next request, by its number.
    #[inline]
    pub(super) fn pick(&mut self) -> usize {
        if self.list.len() == 1 {
            return 0;
        }
        // Marsaglia's xorshift with the multiplication of Vigna, and the upper half scaled to the list.
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let high = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        let scaled = (high * self.list.len() as u64) >> 32;
        usize::try_from(scaled).unwrap_or(0)
    }

    /// The request of a number that was picked.
    #[inline]
    pub(super) fn get(&self, number: usize) -> &Request {
        &self.list[number]
    }
}

fn read_places(file: &Path) -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let mut places = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (None, _, _) => {}
            (Some(host), Some(path), None) if path.starts_with('/') => {
                places.push((host.to_owned(), path.to_owned()));
            }
            _ => bail!("{}:{number}: a line is HOST /PATH", file.display()),
        }
    }
    if places.is_empty() {
        bail!("{}: no line of HOST /PATH", file.display());
    }
    Ok(places)
}

/// How many bytes the origin answers to this path.
fn expected(path: &str) -> Option<u64> {
    let path = path.split('?').next().unwrap_or(path);
    let mut segments = path.rsplit('/');
    let length = segments.next()?.parse().ok()?;
    matches!(segments.next()?, "b" | "c").then_some(length)
}

/// Writes a head; `framing` is the field of the body, if there is one.
fn head(kind: HeadKind, host: &str, path: &str, close: bool, framing: Option<&str>) -> String {
    let method = if framing.is_some() { "POST" } else { "GET" };
    let framing = framing.unwrap_or("");
    let close = if close { "Connection: close\r\n" } else { "" };
    match kind {
        HeadKind::Plain => {
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{close}{framing}\r\n")
        }
        HeadKind::Browser => {
            let connection = if close.is_empty() {
                "Connection: keep-alive\r\n"
            } else {
                close
            };
            format!(
                "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{connection}{BROWSER}{framing}\r\n"
            )
        }
    }
}

/// What a browser sends beside `Host` and `Connection`: with these two 20 fields and 1.5 KB.
const BROWSER: &str = concat!(
    "Cache-Control: max-age=0\r\n",
    "sec-ch-ua: \"Chromium\";v=\"142\", \"Not?A_Brand\";v=\"24\", \"Example Browser\";v=\"142\"\r\n",
    "sec-ch-ua-mobile: ?0\r\n",
    "sec-ch-ua-platform: \"Linux\"\r\n",
    "Upgrade-Insecure-Requests: 1\r\n",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\n",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n",
    "Sec-Fetch-Site: same-origin\r\n",
    "Sec-Fetch-Mode: navigate\r\n",
    "Sec-Fetch-User: ?1\r\n",
    "Sec-Fetch-Dest: document\r\n",
    "Referer: https://bench.example/catalogue/lighting/desk-lamps?page=3&sort=price-ascending&material=brass\r\n",
    "Accept-Encoding: gzip, deflate, br, zstd\r\n",
    "Accept-Language: en-US,en;q=0.9,de;q=0.8,fr;q=0.6\r\n",
    "Cookie: visit=5f0c9d3a7b214e688c15e2d94ab07f36; consent=necessary%2Cstatistics%2Cpreferences; theme=dark; ",
    "basket=eyJpdGVtcyI6W3sic2t1IjoiTEFNUC0xMTg0Iiwibm4iOjJ9LHsic2t1IjoiQlVMQi0wMDQyIiwibm4iOjZ9XX0; ",
    "login=eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMDQyODgiLCJuYW1lIjoiQS4gUmVhZGVyIiwiaWF0IjoxNzk1",
    "MzU2MDAwfQ.q3v8T0mY2c5KxJw1nD7rLh4uFzA9sGpE6bVtQiXoR0k; seen=1184.0042.2210.3307.4415.5120.6034; _ab=B-17; ",
    "measure=v2.1795356000.42c1e7a90d6b4f538e2a.1795356911.17.1.1795357003.0.0; region=EU-DE-BE; currency=EUR; ",
    "recommend=a3f9c1d27e5b48060b9d1c4e8f72a6350e94d7b1c8254f6a9b03e7d5c1f28a46\r\n",
    "If-None-Match: W/\"2f8a-18c7d4e90b1\"\r\n",
    "If-Modified-Since: Sat, 21 Nov 2026 08:30:00 GMT\r\n",
    "Priority: u=0, i\r\n",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{self as parse, Framing};

    #[test]
    fn a_browser_sends_20_fields_and_a_kilobyte_and_a_half() {
        for close in [false, true] {
            let text = head(HeadKind::Browser, HOST, "/b/10240", close, None);
            assert_eq!(text.lines().count(), 1 + 20 + 1);
            assert!((1450..=1600).contains(&text.len()), "{}", text.len());
            let head = parse::request(text.as_bytes()).unwrap().unwrap();
            assert_eq!((head.framing, head.keep_alive), (Framing::Empty, !close));
            assert_eq!(head.len, text.len());
        }
    }

    #[test]
    fn a_plain_head_says_what_it_must() {
        let text = head(HeadKind::Plain, "a", "/b/1", false, None);
        assert_eq!(text, "GET /b/1 HTTP/1.1\r\nHost: a\r\n\r\n");
        let field = BodyKind::Plain.field(5);
        let text = head(HeadKind::Plain, "a", "/", true, Some(&field));
        assert_eq!(
            text,
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\n"
        );
    }

    #[test]
    fn a_path_says_how_long_its_answer_is() {
        for (path, length) in [
            ("/b/128", Some(128)),
            ("/r/17/c/5?x", Some(5)),
            ("/", None),
            ("/d/5", None),
            ("/b/x", None),
        ] {
            assert_eq!(expected(path), length, "{path}");
        }
    }

    #[test]
    fn picks_reach_all_of_the_list_and_are_the_same_in_each_run() {
        let make = || Requests {
            list: (0..100)
                .map(|n| Request {
                    message: Message::bare(Vec::new(), &Blocks::default()),
                    expected: Some(n),
                })
                .collect(),
            random: 1,
        };
        let (mut one, mut other) = (make(), make());
        let picks: Vec<usize> = (0..2000).map(|_| one.pick()).collect();
        let again: Vec<usize> = (0..2000).map(|_| other.pick()).collect();
        assert_eq!(picks, again);
        assert!((0..100).all(|n| picks.contains(&n)));
    }
}
