//! Endpoints as a service that a name server knows: SRV records, one for each endpoint that belongs to it.

use evenkeel_testkit::NameServer;

use crate::endpoint::Endpoint;

/// What the service is called in a configuration.
pub const NAME: &str = "srv:_http._tcp.bad-day.test";

/// And by name servers.
const SERVICE: &str = "_http._tcp.bad-day.test";

/// How long an answer holds, in seconds.
const TTL: u32 = 1;

/// From now on these endpoints are the service.
pub fn announce(
    server: &NameServer,
    endpoints: &[Endpoint],
    which: impl IntoIterator<Item = usize>,
) {
    let chosen = which.into_iter().filter_map(|number| {
        let endpoint = endpoints.get(number)?;
        let name = format!("endpoint-{number}.bad-day.test");
        server.set(&name, TTL, &[&endpoint.address().ip().to_string()]);
        Some((endpoint.address().port(), name))
    });
    let chosen: Vec<_> = chosen.collect();
    let records = chosen
        .iter()
        .map(|(port, name)| (0, 1, *port, name.as_str()));
    server.set_service(SERVICE, TTL, &records.collect::<Vec<_>>());
}

/// Nobody knows the service any more.
pub fn forget(server: &NameServer) {
    server.remove(SERVICE);
}

/// How often a name server was asked for it.
#[must_use]
pub fn asked(server: &NameServer) -> usize {
    server.asked(SERVICE)
}
