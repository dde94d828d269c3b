//! What evenkeel's configuration says in a scenario, and how evenkeel is started.

use std::time::Duration;

/// Lines for evenkeel's configuration. What they do not say is as evenkeel has it by itself.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// For the top of the file.
    pub top: String,
    /// For the listener.
    pub listener: String,
    /// Whole sections.
    pub sections: String,
    /// The last of the endpoints is in a cluster of its own, which has the routes to tunnels and large bodies.
    pub last_is_aside: bool,
    /// For the route that takes every path.
    pub route: String,
    /// The line with its balancer; none: least-request.
    pub balancer: Option<String>,
    /// For the cluster.
    pub cluster: String,
    /// More routes, each from `[[route]]` on.
    pub routes: String,
    /// How it is started.
    pub beginning: Beginning,
    /// How long an attempt may take, for rivals as well.
    pub attempt_timeout: Option<Duration>,
}

/// How evenkeel is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beginning {
    /// As any program; at the end it has to have closed all that it opened.
    #[default]
    Plain,
    /// As the first of a line of processes, which take each other's place.
    Line,
    /// The same, and none of them may have more descriptors than that.
    Descriptors(u32),
    /// The same, on a socket that somebody else has opened and keeps.
    Socket,
    /// The same, with a disk of so many KiB at `disk/` in its folder, which nobody else sees.
    Disk(u32),
}
