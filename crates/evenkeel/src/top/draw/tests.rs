//! Screens as text, as a terminal of that size would show them.

use evenkeel_admin::view::live::{Cluster, Endpoint, Listener, Problem, Process, Route};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;

const NOW: u64 = 1_000_000;

/// A cluster of two, one of which is down.
fn picture() -> Picture {
    let traffic = Traffic {
        rate: 120.0,
        p50_us: Some(1_200),
        p99_us: Some(48_000),
        ..Traffic::default()
    };
    let well = Endpoint {
        id: "10.0.0.1:80".to_owned(),
        state: "up".to_owned(),
        in_flight: 3,
        connections: 8,
        traffic: traffic.clone(),
        ..Endpoint::default()
    };
    let down = Endpoint {
        id: "10.0.0.2:80".to_owned(),
        state: "down".to_owned(),
        severity: Severity::Bad,
        reason: "connect refused".to_owned(),
        since_ms: Some(NOW - 12_000),
        ..Endpoint::default()
    };
    Picture {
        at_ms: NOW,
        headline: Problem {
            severity: Severity::Warn,
            text: "1 of 2 endpoints of api is down: connect refused".to_owned(),
            since_ms: Some(NOW - 12_000),
            fault: Some("connect-refused".to_owned()),
            ..Problem::default()
        },
        process: Process {
            version: "1.0".to_owned(),
            pid: 42,
            stage: "serving".to_owned(),
            level: "normal".to_owned(),
            workers: 2,
            generation: 3,
            ..Process::default()
        },
        total: traffic.clone(),
        listeners: vec![Listener {
            name: "web".to_owned(),
            address: "127.0.0.1:5000".to_owned(),
            ..Listener::default()
        }],
        routes: vec![Route {
            name: "all".to_owned(),
            matches: "/".to_owned(),
            answers: "redirect 301".to_owned(),
            ..Route::default()
        }],
        clusters: vec![Cluster {
            name: "api".to_owned(),
            balancer: "least-request".to_owned(),
            severity: Severity::Warn,
            size: 2,
            admitting: 1,
            traffic,
            endpoints: vec![down, well],
            ..Cluster::default()
        }],
        ..Picture::default()
    }
}

fn screen(keys: &str) -> Screen {
    let mut screen = Screen::default();
    screen.told(picture());
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            key => KeyCode::Char(key),
        };
        screen.key(KeyEvent::new(code, KeyModifiers::NONE));
    }
    screen
}

fn drawn(screen: &Screen, (width, height): (u16, u16), now: u64) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    draw(&mut buffer, screen, now, true);
    text(&buffer)
}

/// Whether each of those stands in it.
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn eighty_columns_show_what_is_wrong_and_why() {
    let text = drawn(&screen("j"), (80, 24), NOW);
    has(
        &text,
        &[
            "serving",
            "generation 3",
            "! 1 of 2 endpoints of api is down: connect refused, for 12 s",
            "120 req/s  0 err/s  p50 1.2ms  p99 48ms",
            "! 1 of 2",
            "X down",
            "10.0.0.2:80: connect refused, for 12 s",
            "EVENTS",
            "q quit",
        ],
    );
}

#[test]
fn a_wide_screen_has_a_column_for_reasons() {
    let text = drawn(&screen(""), (140, 24), NOW);
    let line = text.lines().find(|line| line.contains("10.0.0.2:80"));
    has(line.unwrap(), &["X down", "connect refused, for 12 s"]);
}

#[test]
fn no_size_is_too_small() {
    for width in [1, 10, 40, 79, 500] {
        for height in [1, 2, 5, 15, 16, 60] {
            for keys in ["", "?", "\n", "jd", "/x", "\t"] {
                drawn(&screen(keys), (width, height), NOW);
            }
        }
    }
}

#[test]
fn what_is_asked_shown_or_lost_is_said() {
    has(
        &drawn(&screen("jd"), (80, 24), NOW),
        &["drain api/10.0.0.2:80? y: yes"],
    );
    has(
        &drawn(&screen("j\n"), (80, 24), NOW),
        &[
            "ENDPOINT api/10.0.0.2:80",
            "why           connect refused",
            "12 s ago",
        ],
    );
    has(
        &drawn(&screen("?"), (80, 24), NOW),
        &["KEYS", "drain the endpoint"],
    );
    has(
        &drawn(&screen("\t"), (80, 24), NOW),
        &["web 127.0.0.1:5000", "listener", "all /", "route"],
    );
    has(
        &drawn(&screen("/nobody"), (80, 24), NOW),
        &["/nobody_", "nothing is like \"nobody\""],
    );
    let mut lost = screen("");
    lost.lost("it ended".to_owned());
    has(
        &drawn(&lost, (80, 24), NOW + 7_000),
        &["STALE for 7 s, trying again: it ended"],
    );
}

#[test]
fn who_was_added_at_run_time_is_said_to_be() {
    let is_said = |screen: &Screen| drawn(screen, (80, 24), NOW).contains("by an operator");
    let mut screen = screen("j\n");
    assert!(!is_said(&screen));
    let mut picture = picture();
    picture.clusters[0].endpoints[0].added = true;
    screen.told(picture);
    assert!(is_said(&screen), "{}", drawn(&screen, (80, 24), NOW));
}

#[test]
fn names_give_the_terminal_no_orders() {
    let mut picture = picture();
    picture.clusters[0].name = "a\x1b[31mb".to_owned();
    picture.clusters[0].endpoints[0].reason = "line\nbreak\u{9b}".to_owned();
    let mut screen = Screen::default();
    screen.told(picture);
    let text = drawn(&screen, (140, 24), NOW);
    let orders = text.chars().any(|c| c.is_control() && c != '\n');
    assert!(!orders && text.contains("\u{fffd}[31mb"), "{text:?}");
}
