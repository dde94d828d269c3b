//! An explanation as people read it: the verdict first, then the road from the listener to the endpoint.

use std::fmt::Write as _;

use crate::view::explain as view;

/// The widest first column of a table; longer entries push the second one to the right.
const WIDEST: usize = 28;

/// The whole of it.
#[must_use]
pub fn text(told: &view::Explanation) -> String {
    let mut out = Page::default();
    let by = if told.live {
        format!("as it runs, generation {}", told.generation)
    } else {
        "by the file".to_owned()
    };
    out.line(&format!("{} {}  ({by})", told.method, told.url));
    for one in &told.supposed {
        out.line(&format!("supposed: {one}"));
    }
    verdict(told, &mut out);
    place(told, &mut out);
    routes(told, &mut out);
    out.table(
        "checks",
        told.steps.iter().map(|one| {
            let passes = if one.passes { "ok" } else { "NO" };
            (format!("{passes}  {}", one.what), one.why.clone())
        }),
    );
    out.table(
        "split",
        told.split.iter().map(|one| {
            let mark = if one.taken { ">" } else { " " };
            (
                format!("{mark} {} {}", one.cluster, percent(one.chance)),
                format!("weight {}{}", one.weight, after(&one.why)),
            )
        }),
    );
    if let Some(cluster) = &told.cluster {
        endpoints(cluster, &mut out);
    }
    if let Some(request) = &told.request {
        let line = if request.came == request.sent {
            request.sent.clone()
        } else {
            format!("{}  ->  {}", request.came, request.sent)
        };
        out.head("sent", &line);
        out.rows(request.fields.iter().map(field));
    }
    out.table("response", told.response.iter().map(field));
    out.table(
        "in force",
        told.terms
            .iter()
            .map(|one| (one.name.clone(), format!("{}   [{}]", one.value, one.about))),
    );
    out.0
}

fn verdict(told: &view::Explanation, out: &mut Page) {
    let verdict = &told.verdict;
    let status = verdict
        .status
        .map(|status| format!(" {status}"))
        .unwrap_or_default();
    let location = verdict
        .location
        .as_ref()
        .map(|to| format!(" to {to}"))
        .unwrap_or_default();
    out.line(&format!(
        "\n=> {}{status}{location}: {}",
        verdict.kind, verdict.text
    ));
    let Some(fault) = &verdict.fault else { return };
    if let Some(detail) = &fault.detail {
        out.line(&format!("   {detail}"));
    }
    if let Some(grpc) = &fault.grpc_status {
        out.line(&format!("   the call ends with grpc-status {grpc}"));
    }
    out.line(&format!(
        "   fault {}: `evenkeel why {}`, {}",
        fault.name, fault.name, fault.page
    ));
}

fn place(told: &view::Explanation, out: &mut Page) {
    let listener = &told.listener;
    out.head(
        "listener",
        &format!(
            "{} at {}: {}",
            listener.name, listener.address, listener.why
        ),
    );
    if let Some(certificate) = &listener.certificate {
        out.rows([("certificate".to_owned(), certificate.clone())]);
    }
    if let Some(client) = &told.client {
        let address = client.address.as_deref().unwrap_or("no address");
        out.head("client", &format!("{address}: {}", client.why));
    }
}

fn routes(told: &view::Explanation, out: &mut Page) {
    if let Some(route) = &told.route {
        out.head(
            "route",
            &format!("{}, {}: {}", route.name, route.action, route.why),
        );
        out.rows(
            route
                .conditions
                .iter()
                .map(|one| (one.of.clone(), format!("{}; it is {}", one.asks, one.has))),
        );
    }
    let left = told.others_left_out;
    let more = (left > 0).then(|| (format!("{left} more"), String::new()));
    out.table(
        "other routes",
        told.others
            .iter()
            .map(|one| (one.name.clone(), one.why.clone()))
            .chain(more),
    );
}

fn endpoints(cluster: &view::Cluster, out: &mut Page) {
    let panic = if cluster.panicking {
        "; PANIC: too few endpoints admit, all are used"
    } else {
        ""
    };
    out.head(
        "cluster",
        &format!(
            "{}, {} by {}{panic}",
            cluster.name, cluster.protocol, cluster.balancer
        ),
    );
    out.rows([("balancer".to_owned(), cluster.about.clone())]);
    if !cluster.key.is_empty() {
        out.rows([("key".to_owned(), cluster.key.join(", "))]);
    }
    out.rows([("pick".to_owned(), cluster.why.clone())]);
    out.rows(cluster.tiers.iter().map(|one| {
        let place = if one.elsewhere { ", other zones" } else { "" };
        (
            format!("tier {}{place}", one.number),
            format!("{} endpoints, keeps {}", one.endpoints, percent(one.keeps)),
        )
    }));
    let left = cluster.endpoints_left_out;
    let more = (left > 0).then(|| (format!("{left} more"), String::new()));
    let one = |one: &view::Endpoint| {
        let mark = match (one.next, one.candidate) {
            (true, _) => ">",
            (false, true) => " ",
            (false, false) => "x",
        };
        let chance = if one.candidate {
            format!(" {}", percent(one.chance))
        } else {
            String::new()
        };
        let address = if one.address == one.id {
            String::new()
        } else {
            format!(" ({})", one.address)
        };
        let flight = if one.in_flight > 0 {
            format!("; {} in flight", one.in_flight)
        } else {
            String::new()
        };
        (
            format!("{mark} {}{address}{chance}", one.id),
            format!("{}; weight {}{flight}", one.why, one.weight),
        )
    };
    out.table("endpoints", cluster.endpoints.iter().map(one).chain(more));
    out.rows(
        cluster
            .absent
            .iter()
            .map(|one| ("x".to_owned(), one.clone())),
    );
}

fn field(field: &view::Field) -> (String, String) {
    let change = match (&field.came, &field.sent) {
        (Some(came), Some(sent)) if came == sent => sent.clone(),
        (Some(came), Some(sent)) => format!("{came} -> {sent}"),
        (None, Some(sent)) => format!("+ {sent}"),
        (Some(came), None) => format!("- {came}"),
        (None, None) => "-".to_owned(),
    };
    (field.name.clone(), format!("{change}   [{}]", field.why))
}

fn percent(part: f64) -> String {
    let hundredths = part * 100.0;
    if hundredths > 0.0 && hundredths < 1.0 {
        "<1 %".to_owned()
    } else {
        format!("{hundredths:.0} %")
    }
}

fn after(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("; {text}")
    }
}

/// Text that grows section by section.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// A section and its first line. Writing to a string does not fail.
    fn head(&mut self, name: &str, text: &str) {
        let _ = writeln!(self.0, "\n{name}  {text}");
    }

    fn rows(&mut self, rows: impl IntoIterator<Item = (String, String)>) {
        let rows: Vec<(String, String)> = rows.into_iter().collect();
        let widest = rows.iter().map(|(name, _)| name.chars().count()).max();
        let widest = widest.unwrap_or_default().min(WIDEST);
        for (name, text) in rows {
            let line = format!("  {name:widest$}  {text}");
            self.line(line.trim_end());
        }
    }

    /// A section of rows; nothing where there are none.
    fn table(&mut self, name: &str, rows: impl Iterator<Item = (String, String)>) {
        let mut rows = rows.peekable();
        if rows.peek().is_some() {
            let _ = writeln!(self.0, "\n{name}");
            self.rows(rows);
        }
    }
}
