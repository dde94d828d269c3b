//! Clients that we did not write: curl, Python's requests, wrk and a browser, against the demo; testssl.sh against TLS.
//!
//! [`http2`] has those that speak TLS and HTTP/2. `cargo xtask setup` installs them where it may. Where one is missing, its test says so and is content.

mod http2;

use std::path::Path;
use std::process::{Command, Stdio};

use evenkeel_testkit::{Authority, Evenkeel, Folder};

use crate::tls;

/// The output of a stranger, or `None` where it is not installed.
fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = match Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
    {
        Ok(output) => output,
        Err(error) => {
            eprintln!("{program} is not here ({error}): cargo xtask setup installs it");
            return None;
        }
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} ended with {}: {text}{errors}",
        output.status
    );
    Some(text)
}

fn demo() -> (Evenkeel, String) {
    let proxy = Evenkeel::start_args(&["demo", "--port", "0"]).with_own_endpoints();
    let url = format!("http://{}", proxy.address());
    (proxy, url)
}

#[test]
fn curl_is_served() {
    let (_proxy, url) = demo();
    let Some(text) = output("curl", &["-sS", "--fail", "--max-time", "10", &url]) else {
        return;
    };
    assert_eq!(text.trim(), "Load Balancer");
    // Several on one connection, with a body that asks for leave first, and a chunked one.
    let api = format!("{url}/api");
    let echo = format!("{url}/api/echo?x=1");
    let big = "b".repeat(100_000);
    let text = output(
        "curl",
        &[
            "-sS",
            "--fail",
            "--max-time",
            "10",
            &api,
            &api,
            &api,
            "--next",
            "-sS",
            "--fail",
            "-H",
            "Expect: 100-continue",
            "--data-binary",
            &big,
            &echo,
            "--next",
            "-sS",
            "--fail",
            "-H",
            "Transfer-Encoding: chunked",
            "--data-binary",
            "chunked body",
            &echo,
            "--next",
            "-sS",
            "--fail",
            "--head",
            &api,
        ],
    )
    .expect("curl is still here");
    for part in [
        "endpoint 1 of 3",
        "endpoint 2 of 3",
        "endpoint 3 of 3",
        &big,
        "chunked body",
    ] {
        assert!(
            text.contains(part),
            "{} in what curl got",
            &part[..part.len().min(50)]
        );
    }
}

#[test]
fn requests_of_python_is_served() {
    let (_proxy, url) = demo();
    let script = "
import sys
try:
    import requests
except ImportError:
    print('missing')
    sys.exit()
url = sys.argv[1]
with requests.Session() as session:
    assert session.get(url).text.strip() == 'Load Balancer'
    seen = [session.get(url + '/api').headers['X-Endpoint'] for _ in range(300)]
    assert seen == ['1', '2', '3'] * 100, seen
    answer = session.post(url + '/api/echo', data=(b'piece' for _ in range(10)))
    assert answer.status_code == 200 and 'piece' * 10 in answer.text, answer.text
    answer = session.post(url + '/api/echo', data='x' * 300000)
    assert answer.status_code == 200 and 'x' * 300000 in answer.text
    assert session.head(url + '/api').status_code == 200
    assert session.get(url + '/nothing').status_code == 404
    assert session.get(url + '/api').status_code == 200
print('served')
";
    match output("python3", &["-c", script, &url])
        .as_deref()
        .map(str::trim)
    {
        None => {}
        Some("missing") => {
            eprintln!("Python's requests is not here: cargo xtask setup installs it");
        }
        Some(text) => assert_eq!(text, "served"),
    }
}

#[test]
fn wrk_with_256_connections_is_served_without_a_failure() {
    let (proxy, url) = demo();
    let api = format!("{url}/api");
    let Some(text) = output("wrk", &["-t1", "-c256", "-d2s", &api]) else {
        return;
    };
    assert!(text.contains("requests in"), "{text}");
    for failure in ["Socket errors", "Non-2xx"] {
        assert!(!text.contains(failure), "{text}");
    }
    proxy.client().get("/api").status(200);
}

/// The name of a browser, where one is installed.
pub(crate) fn browser() -> Option<&'static str> {
    let names = ["chromium-headless-shell", "chromium"];
    let paths = std::env::var("PATH").unwrap_or_default();
    let found = names.into_iter().find(|name| {
        let mut folders = paths.split(':');
        folders.any(|folder| Path::new(folder).join(name).exists())
    });
    if found.is_none() {
        eprintln!("no browser is here: cargo xtask setup installs one");
    }
    found
}

#[test]
fn a_browser_shows_the_page() {
    let (_proxy, url) = demo();
    let Some(browser) = browser() else { return };
    let folder = Folder::new();
    let profile = format!("--user-data-dir={}", folder.path().display());
    let args = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--timeout=8000",
        &profile,
        "--dump-dom",
        &url,
    ];
    let page = output(browser, &args).expect("it was found");
    assert!(page.contains("Load Balancer"), "{page}");
    // A page, and not the plain text that a browser wraps in one of its own.
    assert!(page.contains("<title>"), "{page}");
}

#[test]
fn testssl_finds_nothing_to_complain_of() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let ecdsa = authority.certify(&["localhost"]).write(&folder, "ecdsa");
    let rsa = authority
        .order(&["localhost"])
        .rsa()
        .issue()
        .write(&folder, "rsa");
    let proxy = Evenkeel::start_text(&tls::saying(&[&ecdsa, &rsa], ""));
    let findings = folder.path().join("findings.json");
    let url = format!("https://localhost:{}/", proxy.address().port());
    // Versions, ciphers and their order, vulnerabilities. What an application answers is its own business, and
    // the certificates are a test's.
    let mut args = vec![
        "--quiet",
        "--color",
        "0",
        "--warnings",
        "off",
        "--ip",
        "127.0.0.1",
        "--jsonfile",
    ];
    let file = findings.display().to_string();
    args.extend([&file, "-p", "-s", "-P", "-U", &url]);
    if output("testssl", &args).is_none() {
        return;
    }
    let text = std::fs::read_to_string(&findings).unwrap();
    let findings: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert!(findings.len() > 40, "{text}");
    for one in findings {
        let severity = one["severity"].as_str().unwrap();
        assert!(["OK", "INFO", "LOW"].contains(&severity), "{one}");
    }
}
