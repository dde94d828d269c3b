//! The pages about faults, made from their table: `docs/reference/faults.md`, one below `docs/faults/` for each, and what
//! `evenkeel why` prints.

use std::fmt::Write as _;

use evenkeel_base::{Fault, GrpcStatus, Side};

/// The page of every fault as Markdown: `docs/reference/faults.md`.
#[must_use]
pub fn faults_markdown() -> String {
    let mut out = INTRODUCTION.to_owned();
    for (side, title) in [
        (Side::Downstream, "On the client's side"),
        (Side::Local, "In evenkeel or its configuration"),
        (Side::Upstream, "On the endpoint's side"),
    ] {
        let _ = write!(
            out,
            "\n## {title}\n\n| fault | status | `grpc-status` | `Proxy-Status` error | what happened |\n|---|---|---|---|---|\n"
        );
        for fault in Fault::ALL.iter().filter(|fault| fault.side() == side) {
            let _ = writeln!(
                out,
                "| [`{fault}`](../faults/{fault}.md) | {} | {} | `{}` | {} |",
                fault.status(),
                GrpcStatus::of_fault(*fault),
                fault.proxy_status(),
                fault.about()
            );
        }
    }
    out
}

const INTRODUCTION: &str = "\
# Faults

<!-- Written by `cargo xtask docs` from crates/evenkeel-base/src/fault.rs. Change it there. -->

Why an exchange failed, by name. The same name stands in the access log and in the `details` of the reply's `Proxy-Status`
(RFC 9209), beside the registered error. Status 499 stands in the log only: nobody is left to read the reply. A call of [gRPC](../grpc.md) has
status 200 and the `grpc-status`. Each name leads to what usually causes it and what to look at; `evenkeel why NAME` prints the same.
";

/// The page of one fault as Markdown: `docs/faults/NAME.md`.
#[must_use]
pub fn fault_markdown(fault: Fault) -> String {
    let mut out = format!(
        "# {fault}\n\n<!-- Written by `cargo xtask docs` from crates/evenkeel-base/src/fault. Change it there. -->\n\n"
    );
    let _ = writeln!(out, "{}\n\n{}", fault.about(), told(fault));
    let advice = fault.advice();
    for (title, sentences) in [
        ("What usually causes it", advice.causes),
        ("What to look at", advice.look),
    ] {
        let _ = writeln!(out, "\n## {title}\n");
        for sentence in sentences {
            let _ = writeln!(out, "- {sentence}");
        }
    }
    out.push_str("\n[All faults](../reference/faults.md)\n");
    out
}

/// What `evenkeel why NAME` prints: the page for a terminal.
#[must_use]
pub fn fault_text(fault: Fault) -> String {
    let advice = fault.advice();
    let mut out = format!("{fault}\n\n{}\n{}\n", fault.about(), told(fault));
    for (title, sentences) in [("Usually because", advice.causes), ("Look at", advice.look)] {
        let _ = writeln!(out, "\n{title}");
        for sentence in sentences {
            let _ = writeln!(out, "  - {sentence}");
        }
    }
    out
}

/// Whose fault it is, and how clients and log readers see it.
fn told(fault: Fault) -> String {
    let whose = match fault.side() {
        Side::Downstream => "The client's side",
        Side::Local => "evenkeel itself, or its configuration",
        Side::Upstream => "The endpoint's side",
    };
    let seen = if fault.status() == 499 {
        "It stands in the access log with status 499: nobody is left to read a reply.".to_owned()
    } else {
        format!(
            "The reply has status {} (to a call of gRPC {}), and in `Proxy-Status` error={}; details=\"{fault}\".",
            fault.status(),
            GrpcStatus::of_fault(fault),
            fault.proxy_status()
        )
    };
    format!("{whose}. {seen}")
}
