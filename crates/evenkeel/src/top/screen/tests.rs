//! Keys, one after the other, and what is chosen, asked and ordered by them.

use evenkeel_admin::view::live::{Cluster, Endpoint, Picture, Process, Route, Traffic};

use super::*;

fn endpoint(id: &str, rate: f64, p99: u64) -> Endpoint {
    Endpoint {
        id: id.to_owned(),
        state: "up".to_owned(),
        traffic: Traffic {
            rate,
            p99_us: Some(p99),
            ..Traffic::default()
        },
        ..Endpoint::default()
    }
}

fn cluster(name: &str, endpoints: Vec<Endpoint>) -> Cluster {
    Cluster {
        name: name.to_owned(),
        endpoints,
        ..Cluster::default()
    }
}

/// Two clusters: `web` of b, a and c, and `api` of x.
fn picture() -> Picture {
    Picture {
        clusters: vec![
            cluster(
                "web",
                vec![
                    endpoint("b", 1.0, 30),
                    endpoint("a", 3.0, 10),
                    endpoint("c", 2.0, 20),
                ],
            ),
            cluster("api", vec![endpoint("x", 9.0, 5)]),
        ],
        routes: vec![Route {
            name: "all".to_owned(),
            ..Route::default()
        }],
        ..Picture::default()
    }
}

fn screen() -> Screen {
    let mut screen = Screen::default();
    screen.told(picture());
    screen
}

/// Types those keys: letters, and names in angle brackets. What comes of the last one.
fn typed(screen: &mut Screen, keys: &str) -> Act {
    let mut act = Act::Nothing;
    for key in keys.split_whitespace() {
        let code = match key {
            "<down>" => KeyCode::Down,
            "<up>" => KeyCode::Up,
            "<enter>" => KeyCode::Enter,
            "<esc>" => KeyCode::Esc,
            "<tab>" => KeyCode::Tab,
            "<back>" => KeyCode::Backspace,
            "<end>" => KeyCode::End,
            letter => KeyCode::Char(letter.chars().next().unwrap()),
        };
        act = screen.key(KeyEvent::new(code, KeyModifiers::NONE));
    }
    act
}

/// What stands in the table, the chosen line in brackets.
fn table(screen: &Screen) -> String {
    let lines = screen.lines();
    let chosen = screen.chosen(&lines);
    let name = |(at, line): (usize, &Line<'_>)| {
        let (_, a, b) = line.key();
        let name = if b.is_empty() { a } else { b };
        if at == chosen {
            format!("[{name}]")
        } else {
            name.to_owned()
        }
    };
    lines
        .iter()
        .enumerate()
        .map(name)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn keys_move_sort_filter_and_turn_the_table() {
    for (keys, expected) in [
        ("", "[web] b a c api x"),
        ("<down> <down>", "web b [a] c api x"),
        ("j j k", "web [b] a c api x"),
        ("<up>", "[web] b a c api x"),
        ("<end> j", "web b a c api [x]"),
        ("<end> g", "[web] b a c api x"),
        ("s", "[api] x web a b c"),
        ("s s", "[web] a c b api x"),
        ("s s s", "[web] b c a api x"),
        ("j s s", "web a c [b] api x"),
        ("s s s s", "[web] b a c api x"),
        ("/ x <enter>", "[api] x"),
        ("/ w e b <enter>", "[web] b a c"),
        ("/ x <back> a p <enter>", "[api] x"),
        ("/ x <esc>", "[web] b a c api x"),
        ("/ x <enter> <esc>", "[web] b a c api x"),
        ("/ n o n e", ""),
        ("<tab>", "[all]"),
        ("<tab> <tab>", "[web] b a c api x"),
    ] {
        let mut screen = screen();
        typed(&mut screen, keys);
        assert_eq!(table(&screen), expected, "{keys}");
    }
}

#[test]
fn nothing_is_ordered_without_a_yes() {
    let order = |endpoint: &str, admin| {
        Act::Order(Order {
            cluster: "web".to_owned(),
            endpoint: endpoint.to_owned(),
            admin,
        })
    };
    for (keys, expected) in [
        ("j d y", order("b", "drain")),
        ("j j m Y", order("a", "maint")),
        ("j <enter> r y", order("b", "ready")),
        ("j d", Act::Nothing),
        ("j d n", Act::Nothing),
        ("j d d", Act::Nothing),
        ("j d <enter>", Act::Nothing),
        ("j d <esc> y", Act::Nothing),
        // A cluster is none.
        ("d y", Act::Nothing),
        // What is typed into the filter is no order.
        ("j / d y", Act::Nothing),
        ("? d y", Act::Nothing),
        ("q", Act::Quit),
        ("/ q", Act::Nothing),
        ("j d q", Act::Nothing),
    ] {
        assert_eq!(typed(&mut screen(), keys), expected, "{keys}");
    }
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    let mut asking = screen();
    typed(&mut asking, "j d");
    assert_eq!(asking.key(control_c), Act::Quit);
}

#[test]
fn what_came_of_it_is_shown() {
    let mut screen = screen();
    typed(&mut screen, "d");
    assert!(screen.answer().unwrap().is_err(), "no endpoint is chosen");
    typed(&mut screen, "j d n");
    assert_eq!(screen.answer(), Some(&Ok("nothing was ordered".to_owned())));
    typed(&mut screen, "d y");
    assert_eq!(screen.answer(), None);
    screen.answered(Err("no".to_owned()));
    assert_eq!(screen.answer(), Some(&Err("no".to_owned())));
}

#[test]
fn the_chosen_line_is_the_same_in_the_next_picture_wherever_it_is() {
    let mut screen = screen();
    typed(&mut screen, "j j");
    let mut next = picture();
    next.clusters[0].endpoints.swap(0, 1);
    screen.told(next);
    assert_eq!(table(&screen), "web [a] b c api x");
    // It is gone: the one in its place.
    let mut next = picture();
    next.clusters[0].endpoints.retain(|one| one.id != "a");
    screen.told(next);
    assert_eq!(table(&screen), "web [b] c api x");
    screen.told(Picture::default());
    assert_eq!(table(&screen), "");
}

#[test]
fn events_are_kept_up_to_a_bound_and_not_over_to_another_process() {
    let mut screen = screen();
    let with = |numbers: std::ops::Range<u64>, pid| Picture {
        process: Process {
            pid,
            ..Process::default()
        },
        events: numbers
            .map(|number| Event {
                number,
                at_ms: 0,
                severity: "info".to_owned(),
                text: String::new(),
                fields: Default::default(),
            })
            .collect(),
        ..picture()
    };
    screen.happened(with(1..20, 3).events);
    screen.told(with(10..50, 3));
    assert_eq!(screen.events().len(), 49, "none is told twice");
    screen.told(with(50..100, 3));
    assert_eq!(screen.events().len(), MAX_EVENTS);
    assert_eq!(screen.events().back().map(|one| one.number), Some(99));
    screen.told(with(1..2, 7));
    assert_eq!(screen.events().len(), 1);
}

#[test]
fn a_process_of_the_same_number_that_started_later_is_another() {
    let at = |at_ms, uptime_ms, last_event| {
        let event = |number| Event {
            number,
            at_ms: 0,
            severity: "info".to_owned(),
            text: String::new(),
            fields: Default::default(),
        };
        Picture {
            at_ms,
            last_event,
            process: Process {
                pid: 1,
                uptime_ms,
                ..Process::default()
            },
            events: (1..=last_event).map(event).collect(),
            ..picture()
        }
    };
    for (restarted, shown) in [
        // Its events are fewer, or it had as many by the time that it was found again.
        (at(1_030_000, 2_000, 2), 2),
        (at(1_030_000, 2_000, 8), 8),
        // And the same one a little later.
        (at(1_030_300, 29_900, 9), 9),
    ] {
        let mut screen = screen();
        screen.told(at(1_000_000, 0, 8));
        screen.told(restarted);
        let numbers: Vec<u64> = screen.events().iter().map(|one| one.number).collect();
        let expected: Vec<u64> = (1..=shown).collect();
        assert_eq!(numbers, expected);
    }
    // What it had after that is shown.
    let mut screen = screen();
    screen.told(at(1_000_000, 50_000, 8));
    screen.told(at(1_002_000, 1_000, 8));
    screen.told(at(1_003_000, 2_000, 9));
    assert_eq!(screen.events().len(), 9);
    screen.told(at(1_004_000, 200, 1));
    assert_eq!(screen.events().len(), 1);
}

#[test]
fn who_is_lost_is_found_again_by_a_picture() {
    let mut screen = screen();
    screen.lost("gone".to_owned());
    assert_eq!(screen.why_lost(), Some("gone"));
    screen.told(picture());
    assert_eq!(screen.why_lost(), None);
}
