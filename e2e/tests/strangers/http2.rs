//! Strangers over TLS and HTTP/2: curl, h2load, nghttp's library in both, a browser, and nginx as an endpoint.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use evenkeel_testkit::h2::Settings;
use evenkeel_testkit::{
    Authority, Evenkeel, Exchange, Folder, Leaf, Length, Origin, Reply, Setup, Speech, eventually,
};

use super::output;
use crate::browser::{Browser, Screen};

/// An authority, its files, and a listener with a certificate of it for `a.example`.
struct Secured {
    folder: Folder,
    leaf: Leaf,
    ca: String,
    listener: String,
}

impl Secured {
    fn new() -> Self {
        let folder = Folder::new();
        let authority = Authority::new();
        let leaf = authority.certify(&["a.example", "127.0.0.1"]);
        let files = leaf.write(&folder, "web");
        Self {
            ca: authority.write(&folder, "ca").display().to_string(),
            listener: format!("tls = {{ certificates = [{}] }}", files.toml()),
            folder,
            leaf,
        }
    }

    fn start(&self, origin: &Origin) -> Evenkeel {
        Evenkeel::start(&Setup::to([origin]).listener(&self.listener))
    }
}

/// What of curl's `--write-out` says which version it spoke and what it got.
const SPOKEN: &str = "%{http_version} %{response_code}\n";

/// Its output for these arguments.
fn curl(args: &[&str]) -> Option<String> {
    let mut all = vec![
        "--silent",
        "--show-error",
        "--max-time",
        "20",
        "--write-out",
        SPOKEN,
    ];
    all.extend(args);
    output("curl", &all)
}

#[test]
fn curl_speaks_http_2_with_prior_knowledge() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let url = format!("http://{}/", proxy.address());
    let know = "--http2-prior-knowledge";
    // One request of each: curl 7.88 breaks off when it uses such a connection again, nginx's as well.
    let Some(text) = curl(&[know, &url]) else {
        return;
    };
    assert_eq!(text, "2 200\n");
    let big = "b".repeat(100_000);
    let text = curl(&[know, "--data-binary", &big, &url]);
    assert_eq!(text, Some(format!("{big}2 200\n")));
    let text = curl(&[know, "-T", "-", "-H", "Expect: 100-continue", &url]);
    assert_eq!(
        text.as_deref(),
        Some("2 200\n"),
        "an empty body of unknown length"
    );
    let text = curl(&[know, "--head", &url]).unwrap();
    assert!(text.starts_with("HTTP/2 200"), "{text}");
    let versions = proxy.records(4);
    let all = versions.iter().all(|record| record["version"] == "2");
    assert!(all, "{versions:?}");
}

#[test]
fn curl_that_would_upgrade_is_served_with_http_1_1() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let url = format!("http://{}/", proxy.address());
    let Some(text) = curl(&["--http2", &url, &url]) else {
        return;
    };
    assert_eq!(text, "ok1.1 200\n".repeat(2));
    let request = &origin.requests()[0];
    for name in ["upgrade", "http2-settings", "connection"] {
        assert_eq!(request.field(name), None, "{name}");
    }
}

#[test]
fn curl_is_served_over_tls_and_chooses_its_protocol() {
    let secured = Secured::new();
    let origin = Origin::http(Reply::echo);
    let proxy = secured.start(&origin);
    let port = proxy.address().port();
    let at = format!("a.example:{port}:127.0.0.1");
    let url = format!("https://a.example:{port}/");
    let ca = &secured.ca;
    let trusting = ["--cacert", ca, "--resolve", &at];
    let ask = |more: &[&str]| {
        let args = [&trusting[..], more, &["--data-binary", "hello", &url]].concat();
        curl(&args)
    };
    if ask(&[]).is_none() {
        return;
    }
    for (more, spoken) in [
        (&[][..], "2"),
        (&["--http2"], "2"),
        (&["--http1.1"], "1.1"),
        (&["--no-alpn"], "1.1"),
        (&["--tls-max", "1.2"], "2"),
        (&["--tlsv1.3"], "2"),
    ] {
        let text = ask(more);
        assert_eq!(text, Some(format!("hello{spoken} 200\n")), "{more:?}");
    }
    // It looks at the certificate, so what it got from us was one that it trusts.
    let refused = Command::new("curl")
        .args(["--silent", "--resolve", &at, &url])
        .output()
        .unwrap();
    assert_eq!(
        refused.status.code(),
        Some(60),
        "an authority it does not know"
    );
    let told = origin.requests()[0].field("x-forwarded-proto");
    assert_eq!(told.as_deref(), Some("https"));
}

/// Lets h2load ask for `url`, and expects that every request was answered.
fn load(url: &str, more: &[&str]) -> bool {
    let args = [&["-n", "3000", "-c", "8", "-m", "20"], more, &[url]].concat();
    let Some(text) = output("h2load", &args) else {
        return false;
    };
    let all = "3000 total, 3000 started, 3000 done, 3000 succeeded, 0 failed, 0 errored, 0 timeout";
    assert!(text.contains(all), "{text}");
    assert!(text.contains("3000 2xx"), "{text}");
    true
}

#[test]
fn h2load_loses_no_request() {
    let secured = Secured::new();
    for (speech, protocol) in [(Speech::h1(), "http/1.1"), (Speech::h2(), "h2c")] {
        let origin = speech.http(|_| Reply::ok([b'x'; 1000]));
        let proxy = Evenkeel::start(&Setup::to([&origin]));
        if !load(&format!("http://{}/", proxy.address()), &[]) {
            return;
        }
        let over_tls = secured.start(&origin);
        let url = format!("https://127.0.0.1:{}/", over_tls.address().port());
        load(&url, &[]);
        // With a body in each request.
        let body = secured.folder.write("body", [b'y'; 5_000]);
        load(&url, &["-d", &body.display().to_string()]);
        load(&url, &["--npn-list", "http/1.1", "-m", "1"]);
        assert!(origin.requests().len() >= 12_000, "{protocol}");
    }
}

/// What a browser gets: a page, what the page asks for, and a WebSocket.
fn page(exchange: &mut Exchange<'_>) {
    let head = exchange.head();
    if head.all(":protocol") == ["websocket"] {
        exchange.switch("");
        // One text frame, and the end of the connection (RFC 6455 section 5).
        exchange.data(b"\x81\x12word from a stream\x88\x02\x03\xe8");
        // Whatever it says to that.
        while exchange.piece().is_some() {}
        return;
    }
    let target = head.start[1].clone();
    exchange.request();
    let reply = match &*target {
        "/" => Reply::ok(PAGE).header("Content-Type", "text/html; charset=utf-8"),
        "/more" => Reply::ok("more text"),
        _ => Reply::new(404, ""),
    };
    exchange.reply(&reply);
}

const PAGE: &str = "<!DOCTYPE html><title>a page</title><p id=more></p><p id=word></p><script>
fetch('/more', { method: 'POST', body: 'please' })
    .then(response => response.text())
    .then(text => { document.getElementById('more').textContent = text; });
const socket = new WebSocket('wss://' + location.host + '/chat');
socket.onmessage = event => { document.getElementById('word').textContent = event.data; };
</script>";

#[test]
fn a_browser_speaks_http_2_and_opens_a_websocket_over_it() {
    let secured = Secured::new();
    let origin = Speech::h2_with(&Settings::new().connect_protocol()).serve(page);
    let proxy = secured.start(&origin);
    let url = format!("https://a.example:{}/", proxy.address().port());
    let pinned = format!(
        "--ignore-certificate-errors-spki-list={}",
        secured.leaf.key_pin()
    );
    let screen = Screen {
        width: 800,
        height: 600,
        scheme: "light",
    };
    let options = ["--host-resolver-rules=MAP a.example 127.0.0.1", &pinned];
    let Some(mut browser) = Browser::open_with(&url, screen, &options) else {
        return;
    };
    for (id, text) in [("more", "more text"), ("word", "word from a stream")] {
        let shown = format!("document.getElementById('{id}').textContent === '{text}'");
        browser.wait(text, &shown);
    }
    let records = eventually("the record of the WebSocket", || {
        let records = proxy.log().records();
        let chat = |record: &serde_json::Value| record["target"] == "/chat";
        records.iter().any(chat).then_some(records)
    });
    let all = records.iter().all(|record| record["version"] == "2");
    assert!(all, "{records:?}");
}

/// nginx as an endpoint of HTTP/2, until the test ends.
struct Nginx {
    child: Child,
    address: String,
    _folder: Folder,
}

impl Nginx {
    /// With these parameters of `listen` and these lines beside it; `None` where it is not installed.
    fn start(folder: Folder, listen: &str, lines: &str) -> Option<Self> {
        // Nothing holds the port until nginx has it: it is nobody's for a moment only.
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = port.local_addr().unwrap().to_string();
        drop(port);
        let path = folder.path().display();
        folder.write(
            "nginx.conf",
            format!(
                "daemon off;\nmaster_process off;\npid {path}/pid;\nerror_log {path}/error.log;\n\
                 events {{}}\nhttp {{\naccess_log off;\nclient_body_temp_path {path}/body;\n\
                 proxy_temp_path {path}/proxy;\nfastcgi_temp_path {path}/fastcgi;\n\
                 uwsgi_temp_path {path}/uwsgi;\nscgi_temp_path {path}/scgi;\n\
                 server {{\nlisten {address} {listen};\n{lines}\n\
                 location / {{ return 200 \"$request_method $server_protocol $host\"; }}\n}}\n}}\n"
            ),
        );
        let started = Command::new("nginx")
            .args(["-p", &path.to_string(), "-c", "nginx.conf"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match started {
            Ok(child) => {
                let nginx = Self {
                    child,
                    address,
                    _folder: folder,
                };
                eventually("nginx", || TcpStream::connect(&nginx.address).ok());
                Some(nginx)
            }
            Err(error) => {
                eprintln!("nginx is not here ({error}): cargo xtask setup installs it");
                None
            }
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn nginx_is_an_endpoint_of_http_2() {
    let secured = Secured::new();
    for tls in [false, true] {
        let folder = Folder::new();
        let files = secured.leaf.write(&folder, "own");
        let certificate = format!(
            "ssl_certificate {};\nssl_certificate_key {};",
            files.certificate.display(),
            files.key.display()
        );
        let (listen, lines, scheme, cluster) = if tls {
            let trust = format!("tls = {{ ca = {:?} }}", secured.ca);
            ("ssl http2", certificate, "https", trust)
        } else {
            ("http2", String::new(), "h2c", String::new())
        };
        let Some(nginx) = Nginx::start(folder, listen, &lines) else {
            return;
        };
        let setup =
            Setup::to_addresses([format!("{scheme}://{}", nginx.address)]).cluster(&cluster);
        let proxy = Evenkeel::start(&setup);
        let mut client = proxy.client();
        for _ in 0..3 {
            client.get("/").status(200).body("GET HTTP/2.0 a.example");
            client
                .post("/", "hello")
                .status(200)
                .body("POST HTTP/2.0 a.example");
            client.ask("HEAD", "/", "", "").status(200);
        }
        // More streams than nginx allows at once (128), from many clients.
        let mut client = proxy.h2();
        let mut calls: Vec<_> = (0..90)
            .map(|_| client.begin("POST", "/", "", Length::Known(100_000)))
            .collect();
        for call in &mut calls {
            // It answers before the body has ended, and may refuse the rest.
            call.try_data([b'x'; 1_000]);
            assert_eq!(call.head().status(), 200);
        }
        drop((client, calls));
        // What evenkeel has open with it ends with it.
        drop(nginx);
    }
}
