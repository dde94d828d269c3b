//! Whether endpoints accept connections at all, with TLS where that is spoken, asked once at start: what is still wrong is told, and nothing depends on it. Those that
//! have probes are not asked: their first probe tells more.

use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use evenkeel_base::rules::AdminState;
use evenkeel_net::{NotConnected, dial};
use evenkeel_state::{Endpoint, Snapshot};
use tokio::task::JoinSet;
use tokio::time;

/// How long one endpoint may take to accept the connection.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many endpoints are asked at the same time, and how many in all: a cluster of thousands must not make the start a
/// burst of thousands of connections.
const AT_ONCE: usize = 32;
const AT_MOST: usize = 256;

/// An endpoint that accepted no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// Its cluster.
    pub cluster: String,
    /// Its address.
    pub endpoint: String,
    /// What the system said.
    pub why: String,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cluster {}: {} {}",
            self.cluster, self.endpoint, self.why
        )
    }
}

/// Connects to the endpoints without probes and closes the connections again; says which accepted none.
pub async fn unreachable_endpoints(snapshot: &Snapshot) -> Vec<Unreachable> {
    let mut waiting: Vec<(String, Endpoint)> = snapshot
        .clusters()
        .iter()
        .filter(|cluster| cluster.config.probe.rules().is_none())
        .flat_map(|cluster| {
            let list = cluster.endpoints.list.iter();
            list.filter(|endpoint| endpoint.admin != AdminState::Maint)
                .map(|endpoint| (cluster.config.name.clone(), endpoint.clone()))
        })
        .take(AT_MOST)
        .collect();
    waiting.reverse();
    let (mut asking, mut found) = (JoinSet::new(), Vec::new());
    loop {
        while asking.len() < AT_ONCE
            && let Some((cluster, endpoint)) = waiting.pop()
        {
            asking.spawn(ask(cluster, endpoint));
        }
        match asking.join_next().await {
            Some(Ok(answer)) => found.extend(answer),
            Some(Err(_)) => {}
            None => break,
        }
    }
    found.sort_by(|a, b| (&a.cluster, &a.endpoint).cmp(&(&b.cluster, &b.endpoint)));
    found
}

async fn ask(cluster: String, endpoint: Endpoint) -> Option<Unreachable> {
    let (target, tls) = (&endpoint.target, endpoint.dial.tls.as_ref());
    let why = match time::timeout(PATIENCE, dial(target, tls)).await {
        Ok(Ok(_)) => return None,
        Ok(Err(NotConnected::Socket(error))) if error.kind() == ErrorKind::ConnectionRefused => {
            "refuses connections".into()
        }
        Ok(Err(NotConnected::Socket(error))) => format!("cannot be reached: {error}"),
        Ok(Err(error)) => format!("cannot be spoken to by TLS: {error}"),
        Err(_) => format!(
            "did not accept a connection within {} s",
            PATIENCE.as_secs()
        ),
    };
    Some(Unreachable {
        cluster,
        endpoint: target.to_string(),
        why,
    })
}

#[cfg(test)]
mod tests;
