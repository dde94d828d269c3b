//! What `evenkeel status` prints: one screen, aligned, what is not well first of all.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use evenkeel_admin::view::{Certificate, Cluster, Config, Endpoint, OutOfTime, Status};

use crate::command::plural;

/// So many endpoints of a cluster are listed when all is well with them; `--json` has all.
const MOST_ENDPOINTS: usize = 10;

/// So many clusters are listed, those with something wrong first.
const MOST_CLUSTERS: usize = 20;

/// So many certificates that are out of their time.
const MOST_CERTIFICATES: usize = 8;

/// So many listeners.
const MOST_LISTENERS: usize = 8;

/// The screen.
pub(crate) fn text(status: &Status) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    render(status, now.map_or(0, |since| since.as_secs()))
}

fn render(status: &Status, now: u64) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "evenkeel {}, process {}, {} for {}, {}",
        status.version,
        status.pid,
        status.state,
        span(status.uptime),
        plural(status.workers, "worker"),
    );
    let config = &status.config;
    let _ = writeln!(
        out,
        "generation {} of {}, read {} ago",
        status.generation,
        config.file.as_deref().unwrap_or("the command line"),
        span(now.saturating_sub(config.loaded_at)),
    );
    if let Some(left) = config.trial_left {
        let _ = writeln!(out, "on trial for another {}", span(left));
    }
    failures(&mut out, config, now);
    out_of_time(&mut out, &status.certificates_out_of_time, now);
    let _ = writeln!(
        out,
        "{} open, {} under way, {} so far",
        count(status.connections, "connection"),
        count(status.active, "request"),
        status.requests,
    );
    if status.access_records_lost > 0 {
        let lost = status.access_records_lost;
        let _ = writeln!(out, "{lost} access records LOST: the log did not take them");
    }
    let listeners = status.listeners.iter().take(MOST_LISTENERS);
    let rows: Vec<_> = listeners
        .map(|one| {
            let mut row = vec![format!("listener {}", one.name), one.address.clone()];
            row.extend(expiry(&one.certificates));
            row
        })
        .collect();
    table(&mut out, &rows);
    more(&mut out, status.listeners.len(), MOST_LISTENERS, "listener");
    let mut clusters: Vec<&Cluster> = status.clusters.iter().collect();
    // The sort is stable: the file's order otherwise.
    clusters.sort_by_key(|cluster| {
        let has_all = !cluster.endpoints.is_empty() && cluster.unresolved.is_empty();
        has_all && cluster.endpoints.iter().all(is_well)
    });
    for cluster in clusters.iter().take(MOST_CLUSTERS) {
        list(&mut out, cluster);
    }
    more(&mut out, clusters.len(), MOST_CLUSTERS, "cluster");
    out
}

/// What went wrong with what is served, and what is not served for that.
fn failures(out: &mut String, config: &Config, now: u64) {
    for (failure, what) in [
        (&config.error, "LAST RELOAD FAILED"),
        (&config.rolled_back, "ROLLED BACK"),
        (&config.certificates_error, "CERTIFICATES NOT RENEWED"),
    ] {
        if let Some(failure) = failure {
            let ago = span(now.saturating_sub(failure.at));
            // The first mistake and its place: `evenkeel check` shows all of them.
            let lines = failure.text.lines().take(2).map(str::trim);
            let text = lines.collect::<Vec<_>>().join(" ");
            let _ = writeln!(out, "{what} {ago} ago: {text}");
        }
    }
    if config.rolled_back.is_some() {
        let _ = writeln!(
            out,
            "  an upgrade keeps what is served; a reload or a restart serves what the file says"
        );
    }
}

/// Which certificates are served though clients refuse them.
fn out_of_time(out: &mut String, certificates: &[OutOfTime], now: u64) {
    let since = |at: i64| i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(at);
    for one in certificates.iter().take(MOST_CERTIFICATES) {
        let said = match since(one.expires_at) {
            past @ 1.. => format!("EXPIRED {} ago", span(past.unsigned_abs())),
            _ => {
                let left = since(one.valid_from).unsigned_abs();
                format!("NOT VALID for another {}", span(left))
            }
        };
        let _ = writeln!(out, "CERTIFICATE {said}: {} of {}", one.file, one.of);
    }
    more(out, certificates.len(), MOST_CERTIFICATES, "certificate");
}

/// When the first of a listener's certificates expires; none without certificates.
fn expiry(certificates: &[Certificate]) -> Option<String> {
    let first = certificates.iter().min_by_key(|one| one.days_left)?;
    let which = first.hosts.first().unwrap_or(&first.file);
    Some(match first.days_left {
        days if days < 0 => format!("THE CERTIFICATE FOR {which} HAS EXPIRED"),
        1 => format!("certificate for {which} expires in 1 day"),
        days => format!("certificate for {which} expires in {days} days"),
    })
}

fn list(out: &mut String, cluster: &Cluster) {
    let panic = if cluster.panicking {
        ", PANIC: too few endpoints admit, so all are used"
    } else {
        ""
    };
    let tls = match cluster.tls.as_deref() {
        None => "",
        Some("unverified") => {
            ", TLS UNVERIFIED: whoever is in between can read and change everything"
        }
        Some(_) => ", TLS",
    };
    let _ = writeln!(
        out,
        "\ncluster {} ({}{tls}{panic})",
        cluster.name, cluster.balancer
    );
    let mut endpoints: Vec<&Endpoint> = cluster.endpoints.iter().collect();
    endpoints.sort_by_key(|one| is_well(one));
    let mut rows = vec![
        [
            "ENDPOINT",
            "WEIGHT",
            "STATE",
            "IN FLIGHT",
            "REQUESTS",
            "FAULTS",
            "",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    let most = MOST_ENDPOINTS;
    rows.extend(cluster.unresolved.iter().take(most).map(|one| {
        let (name, state) = (one.name.clone(), "NOT FOUND".to_owned());
        let mut row = vec![name, String::new(), state];
        row.extend([String::new(), String::new(), String::new()]);
        row.push(one.reason.clone());
        row
    }));
    if rows.len() == 1 && endpoints.is_empty() {
        let _ = writeln!(out, "  NO ENDPOINTS");
        return;
    }
    rows.extend(endpoints.iter().take(most).map(|one| {
        vec![
            one.id.clone(),
            weight(one),
            state(one),
            one.in_flight.to_string(),
            one.requests.to_string(),
            one.faults.to_string(),
            remark(one),
        ]
    }));
    table(out, &rows);
    more(out, cluster.unresolved.len(), most, "name");
    more(out, endpoints.len(), most, "endpoint");
}

/// Whether there is nothing to say about it.
fn is_well(one: &Endpoint) -> bool {
    one.ordered.is_none()
        && !one.added
        && one.admin == "ready"
        && one.phase == "admitting"
        && ["up", "unprobed"].contains(&one.health.as_str())
}

fn weight(one: &Endpoint) -> String {
    if one.weight == one.configured.weight {
        one.weight.to_string()
    } else {
        format!("{} of {}", one.weight, one.configured.weight)
    }
}

/// In a word or two: what an operator ordered before what probes say before what traffic says.
fn state(one: &Endpoint) -> String {
    let mut words = Vec::new();
    if one.admin != "ready" {
        words.push(one.admin.as_str());
    }
    if one.health != "unprobed" || one.admin == "ready" {
        words.push(&one.health);
    }
    if one.phase != "admitting" {
        words.push(&one.phase);
    }
    words.join(", ")
}

/// Why it is not as it should be.
fn remark(one: &Endpoint) -> String {
    let mut remarks = Vec::new();
    if one.added {
        remarks.push("added by order".to_owned());
    }
    if let Some(ordered) = &one.ordered {
        let admin = ordered.admin.as_deref();
        let weight = ordered.weight.map(|weight| format!("weight {weight}"));
        let all: Vec<&str> = admin.into_iter().chain(weight.as_deref()).collect();
        remarks.push(format!("by order: {}", all.join(", ")));
    }
    if let Some(ejection) = &one.ejection {
        let left = Duration::try_from_secs_f64(ejection.left).unwrap_or_default();
        remarks.push(format!("{}, {} left", ejection.cause, span(left.as_secs())));
    }
    if let Some(probe) = one.probe.as_ref().filter(|probe| !probe.good) {
        remarks.push(format!("last probe: {}", probe.reason));
    }
    if one.share < 1_000
        && one.phase == "admitting"
        && ["up", "unprobed"].contains(&one.health.as_str())
    {
        remarks.push(format!("slow start at {} %", one.share / 10));
    }
    remarks.join("; ")
}

/// Rows with their columns aligned, two blanks between them.
fn table(out: &mut String, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let line = cells.fold(String::new(), |line, (cell, width)| {
            format!("{line}  {cell:<width$}")
        });
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn more(out: &mut String, all: usize, most: usize, word: &str) {
    if let rest @ 1.. = all.saturating_sub(most) {
        let _ = writeln!(
            out,
            "  and {}: see --json",
            plural(rest, &format!("more {word}"))
        );
    }
}

fn count(n: u64, word: &str) -> String {
    plural(usize::try_from(n).unwrap_or(usize::MAX), word)
}

/// A span in its two largest units: `3d 4h`.
fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, name) in units {
        if rest >= unit {
            parts.push(format!("{}{name}", rest / unit));
            rest %= unit;
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() {
        return "0s".to_owned();
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests;
