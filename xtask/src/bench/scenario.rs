//! The scenarios: what is asked, by whom it is answered, what counts, and what it must show. A table; it runs nothing.

use super::contestant::{Entrant, Setting, Who};
use super::measure::Measure;
use super::target::Target;

/// One scenario.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scenario {
    /// What it is called on the command line: the number in the issue, and a letter.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) drive: Drive,
    pub(super) load: Load,
    /// How evenkeel is configured, and whoever has no line of its own among `others`.
    pub(super) setting: Setting,
    /// Who else takes part. evenkeel always does.
    pub(super) others: &'static [Entrant],
    /// What the ratios in the table are made of.
    pub(super) measure: Measure,
    pub(super) targets: &'static [Target],
    /// How many times as long as usual a turn is.
    pub(super) stretch: f64,
}

impl Scenario {
    /// Everyone who takes part, evenkeel first.
    pub(super) fn entrants(&self) -> Vec<Entrant> {
        let mut entrants = vec![Entrant::new(Who::Evenkeel, self.setting)];
        entrants.extend(self.others);
        entrants
    }
}

/// How the load comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drive {
    /// The next request when the last was answered.
    Closed,
    /// A fixed rate: half of what the slowest rival saturates at, found before the first round.
    Open,
    /// As `Closed`, from wrk, so that nobody need trust our own client.
    Wrk,
    /// As `Closed`, from h2load; `pipeline` is how many requests there are at once on each connection.
    Strange(Speech),
    /// Handshakes one after the other, from openssl.
    Handshakes { resumed: bool },
    /// Connections that stay open and idle, after one request each or after none.
    Idle { asked: bool },
    /// The same from h2load, after one request each.
    IdleStrange(Speech),
}

impl Drive {
    /// Whether nothing is asked while it is measured.
    pub(super) const fn is_idle(self) -> bool {
        matches!(self, Self::Idle { .. } | Self::IdleStrange(_))
    }
}

/// What a client speaks that is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Speech {
    pub(super) tls: bool,
    /// HTTP/2, or HTTP/1.1.
    pub(super) h2: bool,
}

const H2: Speech = Speech {
    tls: false,
    h2: true,
};
const H1_TLS: Speech = Speech {
    tls: true,
    h2: false,
};
const H2_TLS: Speech = Speech {
    tls: true,
    h2: true,
};

/// What the load asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) connections: u32,
    pub(super) path: &'static str,
    /// A head as browsers send it: 20 fields, 1.5 KB.
    pub(super) browser: bool,
    /// Requests that are sent before the first is answered.
    pub(super) pipeline: u32,
    /// One connection for each request.
    pub(super) once: bool,
    pub(super) upload: Upload,
    /// Hosts and paths of the 10,000 + 10,000 routes, instead of `path`.
    pub(super) routes: bool,
}

/// The body of each request, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upload {
    None,
    Sized(u64),
    Chunked(u64),
}

impl Load {
    const PLAIN: Self = Self {
        connections: 64,
        path: "/b/128",
        browser: false,
        pipeline: 1,
        once: false,
        upload: Upload::None,
        routes: false,
    };
}

const FLOORS: [Entrant; 2] = [
    Entrant::new(Who::Epoll, Setting::Plain),
    Entrant::new(Who::Tokio, Setting::Plain),
];
const NGINX: Entrant = Entrant::new(Who::Nginx, Setting::Plain);
const HAPROXY: Entrant = Entrant::new(Who::Haproxy, Setting::Plain);
const ALL: &[Entrant] = &[NGINX, HAPROXY, FLOORS[0], FLOORS[1]];
/// For bodies of some kilobytes each way.
const STREAMED: &[Entrant] = &[
    Entrant::new(Who::Nginx, Setting::Large),
    Entrant::new(Who::Haproxy, Setting::Large),
    FLOORS[0],
    FLOORS[1],
];
/// For bodies that HAProxy's usual buffer holds in a few parts: larger ones cost it more there.
const MIDDLING: &[Entrant] = &[
    Entrant::new(Who::Nginx, Setting::Large),
    HAPROXY,
    Entrant::new(Who::Haproxy, Setting::Spliced),
    FLOORS[0],
    FLOORS[1],
];
const LARGE: &[Entrant] = &[
    Entrant::new(Who::Nginx, Setting::Large),
    Entrant::new(Who::Haproxy, Setting::Large),
    Entrant::new(Who::Haproxy, Setting::Spliced),
    FLOORS[0],
    FLOORS[1],
];

const ORDINARY: &[Target] = &[
    Target::rival(Measure::Cpu, Who::Nginx, 0.75),
    Target::rival(Measure::Cpu, Who::Haproxy, 0.80),
];
const BYTES: &[Target] = &[Target::better(Measure::Throughput, 1.0)];
const BYTES_EACH: &[Target] = &[Target::most(Measure::IdleBytes, 1_200.0)];

const BASE: Scenario = Scenario {
    name: "",
    title: "",
    drive: Drive::Closed,
    load: Load::PLAIN,
    setting: Setting::Plain,
    others: ALL,
    measure: Measure::Cpu,
    targets: ORDINARY,
    stretch: 1.0,
};

/// All scenarios, in the order in which they run.
pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "1a",
        title: "64 kept-alive connections, 128-byte responses",
        targets: &[
            ORDINARY[0],
            ORDINARY[1],
            Target::most(Measure::Instructions, 40_000.0),
            Target::most(Measure::UserInstructions, 10_000.0),
        ],
        ..BASE
    },
    Scenario {
        name: "1b",
        title: "512 kept-alive connections, 128-byte responses",
        load: Load {
            connections: 512,
            ..Load::PLAIN
        },
        ..BASE
    },
    Scenario {
        name: "1w",
        title: "as 1a, driven by wrk instead of our own client",
        drive: Drive::Wrk,
        targets: &[],
        ..BASE
    },
    Scenario {
        name: "1x",
        title: "as 1a, the rivals without X-Forwarded-For and X-Forwarded-Proto",
        others: &[
            Entrant::new(Who::Nginx, Setting::Bare),
            Entrant::new(Who::Haproxy, Setting::Bare),
        ],
        targets: &[],
        ..BASE
    },
    Scenario {
        name: "2",
        title: "a browser's head (20 fields, 1.5 KB), 10 KB responses",
        load: Load {
            browser: true,
            path: "/b/10240",
            ..Load::PLAIN
        },
        ..BASE
    },
    Scenario {
        name: "3",
        title: "one connection for each request",
        load: Load {
            once: true,
            ..Load::PLAIN
        },
        targets: &[Target::better_or_relay(Measure::Cpu, 1.2)],
        ..BASE
    },
    Scenario {
        others: MIDDLING,
        ..large("4a", "64 KB responses", "/b/65536", 32)
    },
    large("4b", "1 MB responses", "/b/1048576", 16),
    Scenario {
        // Some dozens of responses, not some.
        stretch: 1.5,
        ..large("4c", "100 MB responses", "/b/104857600", 4)
    },
    Scenario {
        load: Load {
            path: "/b/128",
            connections: 16,
            upload: Upload::Sized(10 * 1024 * 1024),
            ..Load::PLAIN
        },
        ..large("4d", "uploads of 10 MB", "", 0)
    },
    Scenario {
        name: "5",
        title: "chunked both ways, 16 KB each",
        others: STREAMED,
        load: Load {
            path: "/c/16384",
            upload: Upload::Chunked(16 * 1024),
            ..Load::PLAIN
        },
        ..BASE
    },
    Scenario {
        name: "6",
        title: "a fixed rate, half of what the slowest rival saturates at",
        drive: Drive::Open,
        targets: &[
            ORDINARY[0],
            ORDINARY[1],
            Target::better(Measure::P99, 1.0),
            Target::better(Measure::P999, 1.0),
        ],
        // p99.9 of some 25,000 requests is made of 25.
        stretch: 1.5,
        ..BASE
    },
    idle("7a", "5,000 idle connections after one request each", true),
    idle(
        "7b",
        "5,000 idle connections that have not asked yet",
        false,
    ),
    Scenario {
        name: "8a",
        title: "10,000 hosts and 10,000 path routes",
        load: Load {
            routes: true,
            ..Load::PLAIN
        },
        setting: Setting::Routes,
        others: &[
            Entrant::new(Who::Nginx, Setting::Routes),
            Entrant::new(Who::Haproxy, Setting::Routes),
            Entrant::baseline(Who::Evenkeel),
            Entrant::baseline(Who::Nginx),
            Entrant::baseline(Who::Haproxy),
        ],
        targets: &[Target::own(Measure::UserInstructions, 1.05)],
        ..BASE
    },
    Scenario {
        name: "8b",
        title: "a cluster of 5,000 endpoints",
        setting: Setting::Endpoints,
        others: &[
            Entrant::new(Who::Nginx, Setting::Endpoints),
            Entrant::new(Who::Haproxy, Setting::Endpoints),
            Entrant::baseline(Who::Evenkeel),
            Entrant::baseline(Who::Nginx),
            Entrant::baseline(Who::Haproxy),
        ],
        targets: &[Target::own(Measure::UserInstructions, 1.05)],
        ..BASE
    },
    Scenario {
        name: "9",
        title: "100 pipelined requests",
        load: Load {
            pipeline: 100,
            connections: 16,
            ..Load::PLAIN
        },
        ..BASE
    },
    Scenario {
        name: "10",
        title: "access log on",
        setting: Setting::Logged,
        others: &[
            Entrant::new(Who::Nginx, Setting::Logged),
            Entrant::new(Who::Haproxy, Setting::Logged),
            Entrant::baseline(Who::Evenkeel),
            Entrant::baseline(Who::Nginx),
            Entrant::baseline(Who::Haproxy),
        ],
        targets: &[ORDINARY[0], ORDINARY[1], Target::own(Measure::Cpu, 1.10)],
        ..BASE
    },
    Scenario {
        name: "10b",
        title: "access log of JSON, and 1 % of the requests traced",
        setting: Setting::Observed,
        others: &[Entrant::baseline(Who::Evenkeel)],
        targets: &[Target::own(Measure::Cpu, 1.12)],
        ..BASE
    },
    strange(
        "11a",
        "HTTP/2: 8 connections with 8 requests each",
        H2,
        OF_H2,
    ),
    Scenario {
        load: Load {
            connections: 64,
            pipeline: 1,
            ..Load::PLAIN
        },
        ..strange(
            "11d",
            "HTTP/2: 64 connections with one request each",
            H2,
            OF_H2,
        )
    },
    strange(
        "11b",
        "HTTP/1.1 over TLS: 64 kept-alive connections",
        H1_TLS,
        OF_TLS,
    ),
    strange(
        "11c",
        "HTTP/2 over TLS: 8 connections with 8 requests each",
        H2_TLS,
        OF_TLS,
    ),
    handshakes("12a", "a new TLS connection for each request", false),
    handshakes("12b", "a resumed TLS connection for each request", true),
    Scenario {
        load: Load {
            path: "/b/10485760",
            connections: 8,
            ..Load::PLAIN
        },
        measure: Measure::Throughput,
        ..strange("13a", "10 MB responses over TLS, HTTP/1.1", H1_TLS, BYTES)
    },
    Scenario {
        load: Load {
            path: "/b/10485760",
            connections: 8,
            ..Load::PLAIN
        },
        measure: Measure::Throughput,
        ..strange("13b", "10 MB responses over TLS, HTTP/2", H2_TLS, BYTES)
    },
    idle_strange(
        "14a",
        "2,000 idle TLS connections after one request each",
        H1_TLS,
    ),
    idle_strange(
        "14b",
        "2,000 idle HTTP/2 connections after one request each",
        H2,
    ),
    idle_strange(
        "14c",
        "2,000 idle HTTP/2 connections over TLS after one request each",
        H2_TLS,
    ),
];

const fn large(
    name: &'static str,
    title: &'static str,
    path: &'static str,
    connections: u32,
) -> Scenario {
    Scenario {
        name,
        title,
        load: Load {
            path,
            connections,
            ..Load::PLAIN
        },
        others: LARGE,
        measure: Measure::Throughput,
        targets: BYTES,
        ..BASE
    }
}

const fn idle(name: &'static str, title: &'static str, asked: bool) -> Scenario {
    Scenario {
        name,
        title,
        drive: Drive::Idle { asked },
        load: Load {
            connections: 5_000,
            ..Load::PLAIN
        },
        others: ALL,
        measure: Measure::IdleBytes,
        targets: BYTES_EACH,
        ..BASE
    }
}

/// The rivals as such a client needs them.
const SECURE: &[Entrant] = &[
    Entrant::new(Who::Nginx, Setting::Tls),
    Entrant::new(Who::Haproxy, Setting::Tls),
];
const MULTIPLEXED: &[Entrant] = &[
    Entrant::new(Who::Nginx, Setting::H2),
    Entrant::new(Who::Haproxy, Setting::H2),
];

/// The setting in which a client of that speech is understood, and who else takes part in it.
const fn understood(speech: Speech) -> (Setting, &'static [Entrant]) {
    if speech.tls {
        (Setting::Tls, SECURE)
    } else {
        (Setting::H2, MULTIPLEXED)
    }
}

const fn strange(
    name: &'static str,
    title: &'static str,
    speech: Speech,
    targets: &'static [Target],
) -> Scenario {
    let (setting, others) = understood(speech);
    let (connections, pipeline) = if speech.h2 { (8, 8) } else { (64, 1) };
    Scenario {
        name,
        title,
        drive: Drive::Strange(speech),
        load: Load {
            connections,
            pipeline,
            ..Load::PLAIN
        },
        setting,
        others,
        targets,
        ..BASE
    }
}

const OF_H2: &[Target] = &[Target::better(Measure::Cpu, 0.80)];
const OF_TLS: &[Target] = &[Target::better(Measure::Cpu, 0.95)];
const OF_HANDSHAKES: &[Target] = &[Target::better(Measure::Cpu, 0.75)];

const fn handshakes(name: &'static str, title: &'static str, resumed: bool) -> Scenario {
    Scenario {
        name,
        title,
        drive: Drive::Handshakes { resumed },
        load: Load {
            connections: 1,
            ..Load::PLAIN
        },
        setting: Setting::Tls,
        others: SECURE,
        targets: OF_HANDSHAKES,
        ..BASE
    }
}

const fn idle_strange(name: &'static str, title: &'static str, speech: Speech) -> Scenario {
    let (setting, others) = understood(speech);
    Scenario {
        name,
        title,
        drive: Drive::IdleStrange(speech),
        load: Load {
            connections: 2_000,
            ..Load::PLAIN
        },
        setting,
        others,
        measure: Measure::IdleBytes,
        targets: &[],
        ..BASE
    }
}

#[cfg(test)]
mod tests {
    use super::super::measure::{Report, Turn};
    use super::super::perf::Instructions;
    use super::super::target::Field;
    use super::*;

    #[test]
    fn names_are_unique_and_each_number_of_the_issue_is_there() {
        for (at, scenario) in SCENARIOS.iter().enumerate() {
            let others = &SCENARIOS[at + 1..];
            assert!(others.iter().all(|other| other.name != scenario.name));
        }
        for number in 1..=14 {
            let digits = |name: &str| {
                name.trim_end_matches(|c: char| c.is_ascii_lowercase())
                    .parse()
            };
            assert!(
                SCENARIOS.iter().any(|s| digits(s.name) == Ok(number)),
                "{number}"
            );
        }
    }

    #[test]
    fn every_target_has_whom_it_compares_with() {
        let instructions = Some(Instructions { user: 1, kernel: 1 });
        let turn = Turn {
            report: Report {
                requests: 1.0,
                p999: Some(1.0),
                bytes: 1.0,
                p99: Some(1.0),
                ..Report::default()
            },
            cpu_micros: 1.0,
            idle_bytes: Some(1.0),
            instructions,
            ..Turn::default()
        };
        for scenario in SCENARIOS {
            let entrants = scenario.entrants().into_iter();
            let field: Vec<_> = entrants.map(|one| (one, vec![turn.clone()])).collect();
            for target in scenario.targets {
                let verdict = target.judge(&Field(&field));
                assert!(verdict.is_some(), "{} {target:?}", scenario.name);
            }
        }
    }
}
