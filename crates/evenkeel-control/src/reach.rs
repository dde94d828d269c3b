//! Whether endpoints answer at all, asked once at start: what is still wrong is told, and nothing depends on it. Those that
//! have probes are not asked: their first probe tells more.

use std::fmt;
use std::time::Duration;

use evenkeel_base::Target;
use evenkeel_base::rules::AdminState;
use evenkeel_net::connect;
use evenkeel_state::Snapshot;
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
    let mut waiting: Vec<(String, Target)> = snapshot
        .clusters()
        .iter()
        .filter(|cluster| cluster.config.probe.rules().is_none())
        .flat_map(|cluster| {
            let list = cluster.endpoints.list.iter();
            list.filter(|endpoint| endpoint.admin != AdminState::Maint)
                .map(|endpoint| (cluster.config.name.clone(), endpoint.target.clone()))
        })
        .take(AT_MOST)
        .collect();
    waiting.reverse();
    let (mut asking, mut found) = (JoinSet::new(), Vec::new());
    loop {
        while asking.len() < AT_ONCE
            && let Some((cluster, target)) = waiting.pop()
        {
            asking.spawn(ask(cluster, target));
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

async fn ask(cluster: String, target: Target) -> Option<Unreachable> {
    let why = match time::timeout(PATIENCE, connect(&target)).await {
        Ok(Ok(_)) => return None,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            "refuses connections".into()
        }
        Ok(Err(error)) => format!("cannot be reached: {error}"),
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
