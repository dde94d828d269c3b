//! The dashboard in a browser: what it shows when something happens, and what its buttons do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use evenkeel_testkit::evenkeel::Signal;
use evenkeel_testkit::origin::answering;
use evenkeel_testkit::{Evenkeel, Origin, Reply, Setup};

use crate::browser::{Browser, Screen};

const DESK: Screen = Screen {
    width: 1280,
    height: 900,
    scheme: "light",
};

const PHONE: Screen = Screen {
    width: 360,
    height: 740,
    scheme: "dark",
};

/// Probes in short intervals; who is well again gets its full share at once.
const PROBED: &str = "slow_start = \"off\"
probe.http.path = \"/healthz\"
probe.interval = \"100ms\"
probe.fall = 1
probe.rise = 1";

/// How soon the page shows what evenkeel knows.
const SOON: Duration = Duration::from_secs(2);

const ADMIN: &str = "[admin]\nbind = \"127.0.0.1:0\"\n";

fn start(origins: &[&Origin], more: &str) -> Evenkeel {
    Evenkeel::start(
        &Setup::to(origins.iter().copied())
            .cluster(more)
            .sections(ADMIN),
    )
}

fn url(proxy: &Evenkeel) -> String {
    format!("http://{}/", proxy.admin())
}

/// An expression that is true when an endpoint's row shows all of that.
fn row(address: &str, texts: &[&str]) -> String {
    format!(
        "[...document.querySelectorAll('tbody tr')].some((row) => row.textContent.includes({address:?}) \
         && {texts:?}.every((text) => row.textContent.includes(text)))"
    )
}

fn headline(text: &str) -> String {
    format!("document.getElementById('headline').textContent.includes({text:?})")
}

/// An expression that is true when the explain box shows all of that, without anything being unfolded.
fn explained(texts: &[&str]) -> String {
    format!(
        "{texts:?}.every((text) => document.getElementById('explained').innerText.includes(text))"
    )
}

/// Who answers so many requests.
fn answers(proxy: &Evenkeel, number: usize) -> Vec<String> {
    let mut client = proxy.client();
    let answers = (0..number).map(|_| client.get("/").status(200).text());
    let mut all: Vec<String> = answers.collect();
    all.sort();
    all.dedup();
    all
}

/// Whether evenkeel itself says that an endpoint is down.
fn is_down(proxy: &Evenkeel, address: &str) -> bool {
    let status = proxy.status();
    let endpoints = status["clusters"][0]["endpoints"].as_array().unwrap();
    let mut all = endpoints.iter();
    all.any(|one| one["address"] == address && one["health"] == "down")
}

#[test]
fn an_endpoint_that_is_killed_is_shown_down_with_its_reason_in_two_seconds() {
    let (a, b) = (Origin::saying("a"), Origin::saying("b"));
    let proxy = start(&[&a, &b], PROBED);
    let Some(mut page) = Browser::open(&url(&proxy), DESK) else {
        return;
    };
    page.wait(
        "that all is well",
        &headline("All well: 2 endpoints take requests"),
    );
    let address = a.address();
    let (mut alive, mut times) = (a, Vec::new());
    // Each time it has to be shown, however long that takes. The machine may be busy with something else, and so may the
    // browser: that it is shown so soon is asked of one in three.
    for _ in 0..3 {
        let dead = alive.stop();
        evenkeel_testkit::eventually("the verdict", || is_down(&proxy, &address).then_some(()));
        let verdict = Instant::now();
        page.wait(
            "the row of one that is gone",
            &row(&address, &["down", "connection refused"]),
        );
        times.push(verdict.elapsed());
        page.wait(
            "the headline",
            &headline("1 of 2 endpoints of app is down: connection refused"),
        );
        if times.iter().any(|time| *time < SOON) {
            break;
        }
        alive = Origin::revive(dead, answering(|_| Reply::ok("a")));
        page.wait("that it is back", &row(&address, &["up"]));
    }
    assert!(times.iter().any(|time| *time < SOON), "{times:?}");
    page.wait(
        "the event",
        "document.getElementById('events').textContent.includes('endpoint down')",
    );
    page.assert_content(&url(&proxy));
}

#[test]
fn the_explain_box_tells_the_route_and_the_endpoint_and_why() {
    let (a, b) = (Origin::saying("a"), Origin::saying("b"));
    let vip = "name = \"vip\"\npath = \"/shop\"\nheader.x-tier = \"gold\"\ncluster = \"app\"";
    let shop = "name = \"shop\"\npath = \"/shop\"\ncluster = \"app\"";
    let setup = Setup::to([&a, &b]).no_route().add_route(vip);
    let proxy = Evenkeel::start(&setup.add_route(shop).sections(ADMIN));
    // What only the process that runs can know.
    proxy.order(&["endpoint", "drain", &format!("app/{}", b.address())]);
    let Some(mut page) = Browser::open(&url(&proxy), DESK) else {
        return;
    };
    let sent = format!("sent to {} of cluster app", a.address());
    page.fill("explain-url", &format!("http://{}/shop/1", proxy.address()));
    page.fill("explain-headers", "x-tier: gold\naccept: text/html");
    page.fill("explain-from", "203.0.113.9");
    page.click("Explain");
    let vip = "vip: the most specific of 2 that match";
    let drained = format!("{}: draining by order", b.address());
    page.wait(
        "where it is sent, by which route, and why not elsewhere",
        &explained(&[&sent, vip, "203.0.113.9", &drained]),
    );
    page.fill("explain-headers", "x-tier: silver");
    page.click("Explain");
    let shop = "shop: the only one that matches";
    page.wait("the other route", &explained(&[&sent, shop, "silver"]));
    page.fill("explain-url", &format!("http://{}/other", proxy.address()));
    page.click("Explain");
    page.click("why no-route?");
    page.wait(
        "what the fault means",
        "document.getElementById('dialog').open && document.getElementById('dialog').textContent.includes('no-route')",
    );
    page.assert_content(&url(&proxy));
}

#[test]
fn a_click_drains_and_another_readmits() {
    let (a, b) = (Origin::saying("a"), Origin::saying("b"));
    let proxy = start(&[&a, &b], "");
    let Some(mut page) = Browser::open(&url(&proxy), DESK) else {
        return;
    };
    let address = a.address();
    page.wait("the endpoint", &row(&address, &["no probes"]));
    assert_eq!(answers(&proxy, 8), ["a", "b"]);
    page.click(&format!("Drain {address} of app"));
    page.wait(
        "that it is drained",
        &row(&address, &["drained", "by an operator", "Readmit"]),
    );
    assert_eq!(answers(&proxy, 8), ["b"]);
    // The last one is asked about first, and Escape is no.
    page.click(&format!("Drain {} of app", b.address()));
    page.wait("the question", "document.getElementById('dialog').open");
    page.key("Escape", 27);
    page.wait("no question", "!document.getElementById('dialog').open");
    assert_eq!(answers(&proxy, 4), ["b"]);
    page.click(&format!("Readmit {address} of app"));
    page.wait("that it is back", &row(&address, &["no probes", "Drain"]));
    assert_eq!(answers(&proxy, 8), ["a", "b"]);
    page.assert_content(&url(&proxy));
    // Who is gone is said to be gone.
    proxy.signal(Signal::Terminate);
    page.wait(
        "that nothing comes any more",
        "document.getElementById('stale').textContent.includes('No connection to evenkeel')",
    );
    drop(page);
    assert_eq!(proxy.wait(), 0);
}

/// What can be reached by Tab: everything visible that can be operated.
const MARK: &str = "(() => {
  const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex=\"0\"]')]
    .filter((node) => node.getClientRects().length && getComputedStyle(node).visibility !== 'hidden');
  all.forEach((node, n) => { node.dataset.stop = n; });
  return all.length;
})()";

/// Where the focus is, and whether that is to be seen.
const FOCUS: &str = "(() => {
  const node = document.activeElement;
  const style = getComputedStyle(node);
  return [node.dataset.stop ?? null, style.outlineStyle !== 'none' && style.outlineWidth !== '0px'];
})()";

#[test]
fn it_fits_a_phone_and_is_operated_by_keyboard_and_by_name() {
    let (a, b) = (Origin::saying("a"), Origin::saying("b"));
    let proxy = start(&[&a, &b], "");
    let Some(mut page) = Browser::open(&url(&proxy), PHONE) else {
        return;
    };
    page.wait("a picture", &row(&a.address(), &["no probes"]));
    // One that the configuration does not have, with the words that say so.
    let added = Origin::saying("added");
    let one = added.address();
    proxy.order(&["endpoint", "add", "app", &one, "--id", "blue"]);
    page.wait("one more", &row("blue", &[&one, "added by an operator"]));
    assert_eq!(page.eval(&row(&a.address(), &["added by"])), false);
    let overflows = "document.documentElement.scrollWidth > innerWidth";
    assert_eq!(page.eval(overflows), false);
    page.look(DESK);
    page.wait("the wide layout", "!!document.querySelector('#wires path')");
    assert_eq!(page.eval(overflows), false);
    let controls = page.controls();
    assert!(controls.len() > 8, "{controls:?}");
    for (role, name) in &controls {
        assert!(
            !name.trim().is_empty(),
            "a {role} without a name in {controls:?}"
        );
    }
    let stops = page.eval(MARK).as_u64().unwrap();
    let mut reached = Vec::new();
    for _ in 0..stops {
        page.key("Tab", 9);
        let focus = page.eval(FOCUS);
        let stop = focus[0].as_str().map(str::to_owned);
        let stop = stop.unwrap_or_else(|| panic!("the focus is nowhere after {reached:?}"));
        assert_eq!(focus[1], true, "the focus is not seen at {stop}");
        reached.push(stop);
    }
    let expected: Vec<String> = (0..stops).map(|stop| stop.to_string()).collect();
    assert_eq!(reached, expected, "in the order of the page");
    page.assert_content(&url(&proxy));
}

#[test]
fn it_asks_for_the_token_and_shows_nothing_without() {
    let a = Origin::saying("a");
    let folder = evenkeel_testkit::Folder::new();
    let token = folder.write("token", "a-token-of-the-test-1234\n");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let admin = format!("{ADMIN}token_file = \"{}\"\n", token.display());
    let proxy = Evenkeel::start(&Setup::to([&a]).sections(&admin));
    let Some(mut page) = Browser::open(&url(&proxy), DESK) else {
        return;
    };
    page.wait("the question", "document.getElementById('dialog').open");
    assert_eq!(page.eval("document.querySelectorAll('tbody tr').length"), 0);
    page.write("not-the-token-at-all");
    page.key("Enter", 13);
    page.wait(
        "that it is wrong",
        "document.getElementById('dialog').textContent.includes('not accepted')",
    );
    page.write("a-token-of-the-test-1234");
    page.key("Enter", 13);
    page.wait("a picture", &row(&a.address(), &["no probes"]));
}
