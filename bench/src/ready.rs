//! The line by which a program says that it listens: `ready PORT PORT…`, in the order of its arguments.

use std::io::{self, Write};

/// Prints the line; the ports are those that the system gave where 0 was asked for.
///
/// # Errors
///
/// Fails when nobody reads the output.
pub fn announce(ports: &[u16]) -> io::Result<()> {
    let mut line = String::from("ready");
    for port in ports {
        line.push(' ');
        line.push_str(&port.to_string());
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
