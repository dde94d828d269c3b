//! `evenkeel demo`: three small endpoints and a load balancer in front of them, in one process.
//!
//! The load balancer is the real one, with a configuration that could stand in a file; only the endpoints are made for
//! this.

mod endpoint;

use std::process::ExitCode;

use anyhow::Context;
use evenkeel_config::model::Workers;
use evenkeel_config::{Nowhere, check};

use crate::admin_address;
use crate::cli::DemoArgs;
use crate::handover::Handover;
use crate::process::Origin;
use crate::run::serve;
use crate::startup::say;

/// Where the admin address is, when nobody else has that port.
const ADMIN_PORT: u16 = 9900;

/// How many endpoints there are.
const ENDPOINTS: usize = 3;

/// Runs the demo until a signal ends it.
pub(crate) fn run(args: &DemoArgs, handover: &mut Handover) -> anyhow::Result<ExitCode> {
    let addresses = endpoint::start(ENDPOINTS).context("cannot start the demo's endpoints")?;
    // Demos of tests run beside each other: whoever asks for any port gets any here as well.
    let port = if args.port == 0 { 0 } else { ADMIN_PORT };
    let admin = admin_address::any(port, handover)?;
    let text = config(args, &addresses, &admin.address());
    let dashboard = format!("http://{}/", admin.address());
    let mut config = check(&text, "demo.toml", &Nowhere)
        .config
        .context("the demo's configuration is wrong")?;
    if let Some(workers) = args.workers {
        config.workers = Workers::Count(workers);
    }
    serve(
        config,
        Origin::CommandLine,
        &args.control,
        handover,
        Some(admin),
        |bound| {
            if let Some(address) = bound.first() {
                say(&invitation(address, &dashboard));
            }
        },
    )
}

fn invitation(address: &str, dashboard: &str) -> String {
    format!(
        "\nThe dashboard: {dashboard}\n\nTry, in another terminal:\n  \
         curl http://{address}/\n  \
         for i in 1 2 3 4 5 6; do curl -s http://{address}/api; done\n  \
         curl -d 'hello' 'http://{address}/api/echo?x=1'\n\
         Ctrl-C ends the demo. Requests show here as they pass:\n"
    )
}

fn config(args: &DemoArgs, endpoints: &[String], admin: &str) -> String {
    let port = args.port;
    let log = if args.quiet { "off" } else { "stderr" };
    let endpoints: Vec<String> = endpoints
        .iter()
        .map(|address| format!("\"{address}\""))
        .collect();
    let endpoints = endpoints.join(", ");
    let page = include_str!("demo/page.html").replace("ADMIN", &format!("http://{admin}/"));
    format!(
        r#"version = 1
shutdown_timeout = "1s"

[access_log]
to = "{log}"
format = "text"

[admin]
bind = "{admin}"

[listener.web]
bind = "127.0.0.1:{port}"

[[route]]
name = "page"
path.exact = "/"
respond = {{ status = 200, body = "Load Balancer\n", html = '''{page}''' }}

[[route]]
name = "api"
path = "/api"
cluster = "api"

[cluster.api]
balancer = "round-robin"
endpoints = [{endpoints}]
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ControlArgs;

    #[test]
    fn the_configuration_is_right() {
        let args = DemoArgs {
            port: 5000,
            workers: None,
            quiet: false,
            control: ControlArgs::default(),
        };
        let text = config(
            &args,
            &["127.0.0.1:1".into(), "127.0.0.1:2".into()],
            "127.0.0.1:9900",
        );
        let checked = check(&text, "demo.toml", &Nowhere);
        assert_eq!(checked.diagnostics, [], "{text}");
        assert_eq!(checked.config.unwrap().clusters[0].endpoints.len(), 2);
    }
}
