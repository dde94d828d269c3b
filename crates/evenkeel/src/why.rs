//! `evenkeel why`: what a fault means. It asks no running process, and knows what the pages below `docs/faults/` know.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use evenkeel_base::Fault;

use crate::cli::WhyArgs;
use crate::command::print;

/// Runs it.
pub(crate) fn run(args: &WhyArgs) -> anyhow::Result<ExitCode> {
    let Some(name) = &args.fault else {
        return print(&all());
    };
    // As it is copied from a header or a log line: quoted, in whatever case.
    let name = name.trim_matches('"').to_ascii_lowercase();
    let Some(fault) = Fault::from_name(&name) else {
        let names = Fault::ALL.iter().map(|fault| fault.name());
        match evenkeel_config::nearest(&name, names) {
            Some(near) => bail!("no fault is called \"{name}\"; did you mean {near}?"),
            None => bail!("no fault is called \"{name}\"; `evenkeel why` lists them all"),
        }
    };
    print(&evenkeel_config::fault_text(fault))
}

/// Every fault with its sentence.
fn all() -> String {
    let widest = Fault::ALL.iter().map(|fault| fault.name().len()).max();
    let widest = widest.unwrap_or_default();
    let mut out = String::new();
    for fault in Fault::ALL {
        let _ = writeln!(
            out,
            "{:widest$}  {}  {}",
            fault.name(),
            fault.status(),
            fault.about()
        );
    }
    out
}
