//! The configuration of a test: the common case in a line, and each part open to what a test adds.

use std::fmt::Write;

use crate::origin::Origin;

/// One listener `web`, one route to one cluster `app`, and whatever is added to them.
///
/// The balancer is round robin, so that a test knows who is next, and access records go to stdout as JSON. All else has
/// evenkeel's own defaults.
#[derive(Clone, Debug)]
pub struct Setup {
    top: String,
    listener: String,
    routes: String,
    route: Option<String>,
    cluster: String,
    sections: String,
    endpoints: Vec<String>,
}

impl Setup {
    /// Every request to these origins.
    #[must_use]
    pub fn to<'a>(origins: impl IntoIterator<Item = &'a Origin>) -> Self {
        Self::to_addresses(origins.into_iter().map(Origin::address))
    }

    /// Every request to these addresses.
    #[must_use]
    pub fn to_addresses<S: Into<String>>(addresses: impl IntoIterator<Item = S>) -> Self {
        Self {
            top: String::new(),
            listener: String::new(),
            routes: String::new(),
            route: Some(String::new()),
            cluster: String::new(),
            sections: String::new(),
            endpoints: addresses.into_iter().map(Into::into).collect(),
        }
    }

    /// Lines at the top of the file.
    #[must_use]
    pub fn top(mut self, lines: &str) -> Self {
        push(&mut self.top, lines);
        self
    }

    /// Lines for the listener.
    #[must_use]
    pub fn listener(mut self, lines: &str) -> Self {
        push(&mut self.listener, lines);
        self
    }

    /// Lines for the route that takes every path to the cluster.
    ///
    /// # Panics
    /// When it was taken out.
    #[must_use]
    pub fn route(mut self, lines: &str) -> Self {
        let route = self.route.as_mut().expect("the route is there");
        push(route, lines);
        self
    }

    /// Without the route that takes every path to the cluster.
    #[must_use]
    pub fn no_route(mut self) -> Self {
        self.route = None;
        self
    }

    /// One more route.
    #[must_use]
    pub fn add_route(mut self, lines: &str) -> Self {
        push(&mut self.routes, &format!("[[route]]\n{lines}"));
        self
    }

    /// Lines for the cluster.
    #[must_use]
    pub fn cluster(mut self, lines: &str) -> Self {
        push(&mut self.cluster, lines);
        self
    }

    /// Whole sections.
    #[must_use]
    pub fn sections(mut self, lines: &str) -> Self {
        push(&mut self.sections, lines);
        self
    }

    /// The file.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("version = 1\n{}", self.top);
        push(&mut text, "[listener.web]");
        if !self.listener.contains("bind = ") {
            push(&mut text, "bind = \"127.0.0.1:0\"");
        }
        push(&mut text, &self.listener);
        if !self.sections.contains("[access_log]") {
            push(
                &mut text,
                "[access_log]\nto = \"stdout\"\nformat = \"json\"",
            );
        }
        if let Some(route) = &self.route {
            push(&mut text, "[[route]]\npath = \"/\"\ncluster = \"app\"");
            push(&mut text, route);
        }
        push(&mut text, &self.routes);
        push(&mut text, "[cluster.app]");
        if !self.cluster.contains("balancer = ") {
            push(&mut text, "balancer = \"round-robin\"");
        }
        if !self.endpoints.is_empty() {
            writeln!(text, "endpoints = {:?}", self.endpoints).expect("a string can be written to");
        }
        push(&mut text, &self.cluster);
        push(&mut text, &self.sections);
        text
    }
}

fn push(text: &mut String, lines: &str) {
    text.push_str(lines);
    if !lines.is_empty() && !lines.ends_with('\n') {
        text.push('\n');
    }
}
