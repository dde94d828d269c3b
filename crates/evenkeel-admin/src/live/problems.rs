//! What an operator should know first: everything in a picture that is not as it should be, in sentences, the worst first.
//!
//! A sentence names no time, so that it stays the same for as long as the thing does: who reads pages aloud reads it once.

use std::time::{SystemTime, UNIX_EPOCH};

use evenkeel_policy::overload::Level;
use evenkeel_state::Snapshot;
use evenkeel_state::life::Stage;

use crate::Office;
use crate::live::bounds::BOUNDS;
use crate::look::millis;
use crate::view::live::{Cluster, Endpoint, Picture, Problem, Severity};

/// So many seconds are looked at for what part of the answers fails.
pub(super) const LATELY: usize = 10;

/// From this part of answers that failed on it is worth a word, and from that on it is bad.
const SOME: f32 = 0.005;
const MANY: f32 = 0.05;

/// So many days before its end a certificate is worth a word.
const DAYS: i64 = 14;

/// What is known beside the picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) office: &'a Office,
    pub(super) snapshot: &'a Snapshot,
    /// Requests, and those of them that failed, in the mean of the last seconds.
    pub(super) lately: (f32, f32),
    /// Whether the access log lost records since the picture before.
    pub(super) log_loses: bool,
}

/// Finds what is wrong, and what to say first.
pub(super) fn find(picture: &mut Picture, case: &Case<'_>) {
    let mut problems = of_process(picture, case);
    problems.extend(certificates(case.snapshot));
    problems.extend(errors(picture, case.lately));
    problems.extend(picture.clusters.iter().flat_map(of_cluster));
    problems.sort_by_key(|one| std::cmp::Reverse(one.severity));
    let count = problems.len();
    problems.truncate(BOUNDS.problems);
    picture.headline = headline(picture, &problems, count);
    picture.problems = problems;
}

/// The worst, or that all is well.
fn headline(picture: &Picture, problems: &[Problem], count: usize) -> Problem {
    match problems.first() {
        Some(worst) if worst.severity >= Severity::Warn => worst.clone(),
        _ => {
            let admitting: usize = picture.clusters.iter().map(|one| one.admitting).sum();
            let notes = match count {
                0 => String::new(),
                1 => "; 1 note".to_owned(),
                count => format!("; {count} notes"),
            };
            let text = match (picture.clusters.len(), picture.clusters_left_out) {
                (0, _) => format!("All well: evenkeel answers by itself{notes}"),
                (_, 0) => format!(
                    "All well: {} {} requests{notes}",
                    many(admitting, "endpoint", "endpoints"),
                    if admitting == 1 { "takes" } else { "take" }
                ),
                _ => format!("All well{notes}"),
            };
            problem(Severity::Ok, text)
        }
    }
}

const fn problem(severity: Severity, text: String) -> Problem {
    Problem {
        severity,
        text,
        since_ms: None,
        cluster: None,
        fault: None,
    }
}

fn many(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

fn of_process(picture: &Picture, case: &Case<'_>) -> Vec<Problem> {
    let told = case.office.life.told();
    let mut found = Vec::new();
    if told.stage == Stage::Draining {
        let text = "This process is draining: it takes no new connections";
        found.push(problem(Severity::Warn, text.to_owned()));
    }
    let level = case.office.publisher.pressure().level();
    if level > Level::Normal {
        let severity = if level > Level::High {
            Severity::Bad
        } else {
            Severity::Warn
        };
        let what = match level {
            Level::Normal | Level::High => "idle connections are closed",
            Level::Critical => "new connections and requests of low priority are refused",
            Level::Extreme => "requests of normal priority are refused as well",
        };
        let text = format!(
            "evenkeel is near a limit of its own ({}): {what}",
            level.name()
        );
        found.push(problem(severity, text));
    }
    for (failed, what) in [
        (told.failed, "The last reload changed nothing"),
        (
            told.went_back,
            "The configuration was rolled back, and its file was not put right since",
        ),
        (told.certificates, "Certificates could not be read anew"),
    ] {
        if let Some((at, why)) = failed {
            let first = why.lines().next().unwrap_or_default();
            found.push(Problem {
                since_ms: Some(millis(at)),
                ..problem(Severity::Warn, format!("{what}: {first}"))
            });
        }
    }
    if told.trial.is_some() {
        let text = "The configuration is on trial and goes back by itself if it does not do well";
        found.push(problem(Severity::Note, text.to_owned()));
    }
    if case.log_loses {
        let text = "The access log loses records: its disk or pipe is too slow";
        found.push(problem(Severity::Warn, text.to_owned()));
    }
    if picture.process.stage == Stage::Starting.name() {
        let text = "This process is starting";
        found.push(problem(Severity::Note, text.to_owned()));
    }
    found
}

fn certificates(snapshot: &Snapshot) -> Option<Problem> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let now = i64::try_from(now.as_secs()).ok()?;
    let all = snapshot.config.pairs().map(|pair| {
        let about = pair.identity.certificate();
        let is_early = now < about.not_before;
        // One that is not valid yet is as bad as one that is over.
        let left = if is_early { -1 } else { about.not_after - now };
        (pair.holder, is_early, left)
    });
    let (holder, is_early, left) = all.min_by_key(|(.., left)| *left)?;
    let days = left.div_euclid(86_400);
    if days < 0 {
        let what = if is_early {
            "is not valid yet"
        } else {
            "has expired"
        };
        let text = format!("A certificate of {holder} {what}");
        Some(problem(Severity::Bad, text))
    } else if days < DAYS {
        let days = usize::try_from(days).unwrap_or(0);
        let days = many(days, "day", "days");
        let text = format!("A certificate of {holder} expires in {days}");
        Some(problem(Severity::Warn, text))
    } else {
        None
    }
}

/// The part of all answers that failed.
pub(super) fn errors(picture: &Picture, (rate, errors): (f32, f32)) -> Option<Problem> {
    // One in the whole time says nothing yet.
    #[expect(clippy::cast_precision_loss, reason = "ten")]
    let count = errors * LATELY as f32;
    let part = errors / rate.max(f32::MIN_POSITIVE);
    if count < 1.5 || part < SOME {
        return None;
    }
    let fault = most(picture.total.faults.iter());
    let from = fault
        .as_ref()
        .map_or_else(String::new, |fault| format!(", mostly {fault}"));
    let percent = part * 100.0;
    let text = if percent < 10.0 {
        format!("{percent:.1} % of answers fail{from}")
    } else {
        format!("{percent:.0} % of answers fail{from}")
    };
    let severity = if part < MANY {
        Severity::Warn
    } else {
        Severity::Bad
    };
    Some(Problem {
        fault,
        ..problem(severity, text)
    })
}

fn most<'a>(faults: impl Iterator<Item = (&'a String, &'a f64)>) -> Option<String> {
    let most = faults.max_by(|one, other| one.1.total_cmp(other.1));
    most.map(|(name, _)| name.clone())
}

fn of_cluster(cluster: &Cluster) -> Vec<Problem> {
    let mut found = Vec::new();
    let name = &cluster.name;
    let mut add = |severity, text| {
        found.push(Problem {
            cluster: Some(name.clone()),
            ..problem(severity, text)
        });
    };
    let unresolved = cluster.unresolved.first().map(|first| {
        let others = match cluster.unresolved.len() {
            1 => "",
            _ => ", and others",
        };
        format!("{} is not found ({}){others}", first.name, first.reason)
    });
    match (cluster.size, unresolved) {
        (0, None) => add(Severity::Bad, format!("{name} has no endpoints")),
        (0, Some(why)) => add(Severity::Bad, format!("{name} has no endpoints: {why}")),
        (_, None) => {}
        (_, Some(why)) => add(
            Severity::Warn,
            format!("{name}: {why}; what is known of it stays"),
        ),
    }
    if cluster.queue > 0 {
        let waiting = usize::try_from(cluster.queue).unwrap_or(usize::MAX);
        let waiting = many(waiting, "request waits", "requests wait");
        let text = format!("{waiting} for a place at an endpoint of {name}");
        add(Severity::Warn, text);
    }
    if cluster.retries_refused > 0.0 {
        let text = format!("{name} fails so often that its retry budget is used up");
        add(Severity::Warn, text);
    }
    for (states, verb) in [
        (&["draining", "drained"][..], "drained"),
        (&["maint"], "in maintenance"),
    ] {
        let count: usize = states
            .iter()
            .filter_map(|state| cluster.states.get(*state))
            .sum();
        if count > 0 {
            let endpoints = many(count, "endpoint of", "endpoints of");
            let is = if count == 1 { "is" } else { "are" };
            add(Severity::Note, format!("{endpoints} {name} {is} {verb}"));
        }
    }
    found.extend(out(cluster));
    found
}

/// The endpoints that take nothing although they should.
fn out(cluster: &Cluster) -> Option<Problem> {
    let count = |state: &str| cluster.states.get(state).copied().unwrap_or(0);
    let (down, ejected) = (count("down"), count("ejected"));
    let name = &cluster.name;
    if down + ejected == 0 {
        let none_admits = cluster.admitting == 0 && cluster.size > 0;
        let text = format!("No endpoint of {name} takes requests");
        return none_admits.then(|| Problem {
            cluster: Some(name.clone()),
            ..problem(Severity::Bad, text)
        });
    }
    let what = match (down, ejected) {
        (_, 0) => "down".to_owned(),
        (0, _) => "ejected".to_owned(),
        (down, ejected) => format!("out ({down} down, {ejected} ejected)"),
    };
    let out: Vec<&Endpoint> = cluster
        .endpoints
        .iter()
        .filter(|one| one.state == "down" || one.state == "ejected")
        .collect();
    let is = if down + ejected == 1 { "is" } else { "are" };
    let mut text = format!(
        "{} of {} of {name} {is} {what}",
        down + ejected,
        many(cluster.size, "endpoint", "endpoints")
    );
    if let Some(first) = out.first().filter(|one| !one.reason.is_empty()) {
        let all_alike = out.iter().all(|one| one.reason == first.reason);
        let reason = &first.reason;
        text.push_str(&if all_alike {
            format!(": {reason}")
        } else {
            format!(": {reason} and others")
        });
    }
    if cluster.panicking || cluster.admitting == 0 {
        text.push_str("; requests are tried at all of them");
    }
    Some(Problem {
        severity: cluster.severity,
        text,
        since_ms: out.iter().filter_map(|one| one.since_ms).min(),
        cluster: Some(name.clone()),
        fault: None,
    })
}
