//! What `evenkeel top` knows and what a key means to it. Pure: pictures, answers and keys go in, what to do comes out.
//!
//! ```text
//!            /                 Enter              d, m, r
//! Filter ◀──────── Look ────────────────▶ Detail ────────▶ Ask ── y ──▶ an order
//!    └─ Enter, Esc ─▶ ▲ ◀── Esc, Enter ──────┘                └─ any other key ─▶ as before
//! ```

use std::cmp::Ordering;
use std::collections::VecDeque;

use evenkeel_admin::view::Event;
use evenkeel_admin::view::live::{Cluster, Endpoint, Listener, Picture, Route, Traffic};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// So many events are kept to be seen.
const MAX_EVENTS: usize = 64;

/// The longest filter, in characters; more is not taken.
const MAX_FILTER: usize = 64;

/// How far a page is.
const PAGE: usize = 10;

/// What to do about a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Act {
    Nothing,
    Quit,
    Order(Order),
}

/// An order for an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) cluster: String,
    pub(super) endpoint: String,
    /// `drain`, `maint` or `ready`.
    pub(super) admin: &'static str,
}

/// What keys mean at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// The table.
    #[default]
    Look,
    /// A filter is typed.
    Filter,
    /// All about the chosen line.
    Detail,
    /// Whether that is meant.
    Ask(Order),
    /// What keys mean.
    Help,
}

/// What stands in the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Table {
    /// Clusters and their endpoints.
    #[default]
    Clusters,
    /// Listeners and routes.
    Ways,
}

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    /// As the picture has it.
    #[default]
    Worst,
    Name,
    Rate,
    Latency,
}

impl Sort {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Worst => "worst first",
            Self::Name => "by name",
            Self::Rate => "by rate",
            Self::Latency => "by p99",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::Worst => Self::Name,
            Self::Name => Self::Rate,
            Self::Rate => Self::Latency,
            Self::Latency => Self::Worst,
        }
    }

    fn compare(self, (a, x): (&str, &Traffic), (b, y): (&str, &Traffic)) -> Ordering {
        match self {
            Self::Worst => Ordering::Equal,
            Self::Name => a.cmp(b),
            Self::Rate => y.rate.total_cmp(&x.rate),
            Self::Latency => y.p99_us.cmp(&x.p99_us),
        }
    }
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Line<'a> {
    Listener(&'a Listener),
    Route(&'a Route),
    Cluster(&'a Cluster),
    Endpoint(&'a Cluster, &'a Endpoint),
}

impl Line<'_> {
    /// What tells it from the others, from picture to picture.
    fn key(&self) -> (&'static str, &str, &str) {
        match self {
            Self::Listener(one) => ("listener", &one.name, ""),
            Self::Route(one) => ("route", &one.name, &one.matches),
            Self::Cluster(one) => ("cluster", &one.name, ""),
            Self::Endpoint(of, one) => ("endpoint", &of.name, &one.id),
        }
    }

    fn is(&self, (kind, a, b): &Key) -> bool {
        self.key() == (*kind, a.as_str(), b.as_str())
    }
}

/// What tells a line from others.
type Key = (&'static str, String, String);

/// The screen.
#[derive(Debug, Default)]
pub(super) struct Screen {
    picture: Picture,
    /// Why there is nothing newer.
    lost: Option<String>,
    /// The newest last.
    events: VecDeque<Event>,
    /// What came of the last order.
    said: Option<Result<String, String>>,
    mode: Mode,
    table: Table,
    sort: Sort,
    filter: String,
    /// The chosen line, and where it was last seen.
    chosen: Option<Key>,
    at: usize,
}

/// Two pictures are of one process when they agree up to this about when it started: clocks are read one after the other.
const SAME_START_MS: u64 = 1_000;

/// Whether two pictures are of two processes, which count their events each anew. The number of a process does not tell: in a
/// container each is 1.
fn is_another(before: &Picture, now: &Picture) -> bool {
    let (old, new) = (&before.process, &now.process);
    let start = |picture: &Picture| picture.at_ms.saturating_sub(picture.process.uptime_ms);
    // 0 is none.
    old.pid != 0
        && (old.pid != new.pid
            || now.last_event < before.last_event
            || start(before).abs_diff(start(now)) > SAME_START_MS)
}

impl Screen {
    pub(super) const fn picture(&self) -> &Picture {
        &self.picture
    }

    pub(super) fn why_lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    pub(super) const fn events(&self) -> &VecDeque<Event> {
        &self.events
    }

    pub(super) const fn answer(&self) -> Option<&Result<String, String>> {
        self.said.as_ref()
    }

    pub(super) const fn mode(&self) -> &Mode {
        &self.mode
    }

    pub(super) const fn table(&self) -> Table {
        self.table
    }

    pub(super) const fn sort(&self) -> Sort {
        self.sort
    }

    pub(super) fn filter(&self) -> &str {
        &self.filter
    }

    /// A picture came.
    pub(super) fn told(&mut self, mut picture: Picture) {
        if is_another(&self.picture, &picture) {
            self.events.clear();
        }
        let events = std::mem::take(&mut picture.events);
        self.picture = picture;
        self.happened(events);
        self.lost = None;
        self.stay();
    }

    /// That happened, the oldest first; what is known already is not told twice.
    pub(super) fn happened(&mut self, events: Vec<Event>) {
        let last = self.events.back().map_or(0, |event| event.number);
        let new = events.into_iter().filter(|event| event.number > last);
        self.events.extend(new);
        let surplus = self.events.len().saturating_sub(MAX_EVENTS);
        self.events.drain(..surplus);
    }

    /// There is no feed.
    pub(super) fn lost(&mut self, why: String) {
        self.lost = Some(why);
    }

    /// That came of an order.
    pub(super) fn answered(&mut self, answer: Result<String, String>) {
        self.said = Some(answer);
    }

    /// What stands in the table, in order.
    pub(super) fn lines(&self) -> Vec<Line<'_>> {
        match self.table {
            Table::Clusters => self.clusters(),
            Table::Ways => self.ways(),
        }
    }

    /// The line that is chosen, by its place.
    pub(super) fn chosen(&self, lines: &[Line<'_>]) -> usize {
        let found = self.chosen.as_ref();
        let found = found.and_then(|key| lines.iter().position(|line| line.is(key)));
        found.unwrap_or_else(|| self.at.min(lines.len().saturating_sub(1)))
    }

    fn clusters(&self) -> Vec<Line<'_>> {
        let mut clusters: Vec<&Cluster> = self.picture.clusters.iter().collect();
        let sort = self.sort;
        clusters.sort_by(|a, b| sort.compare((&a.name, &a.traffic), (&b.name, &b.traffic)));
        let mut lines = Vec::new();
        for cluster in clusters {
            let whole = self.wants([&cluster.name, &cluster.balancer, ""]);
            let wanted = |one: &&Endpoint| whole || self.wants([&one.id, &one.state, &one.reason]);
            let mut endpoints: Vec<&Endpoint> = cluster.endpoints.iter().filter(wanted).collect();
            endpoints.sort_by(|a, b| sort.compare((&a.id, &a.traffic), (&b.id, &b.traffic)));
            if whole || !endpoints.is_empty() {
                lines.push(Line::Cluster(cluster));
                lines.extend(endpoints.iter().map(|one| Line::Endpoint(cluster, one)));
            }
        }
        lines
    }

    fn ways(&self) -> Vec<Line<'_>> {
        let (picture, sort) = (&self.picture, self.sort);
        let wanted = |one: &&Listener| self.wants([&one.name, &one.address, ""]);
        let mut listeners: Vec<&Listener> = picture.listeners.iter().filter(wanted).collect();
        listeners.sort_by(|a, b| sort.compare((&a.name, &a.traffic), (&b.name, &b.traffic)));
        let wanted = |one: &&Route| self.wants([&one.name, &one.matches, &one.answers]);
        let mut routes: Vec<&Route> = picture.routes.iter().filter(wanted).collect();
        routes.sort_by(|a, b| sort.compare((&a.name, &a.traffic), (&b.name, &b.traffic)));
        let listeners = listeners.into_iter().map(Line::Listener);
        listeners
            .chain(routes.into_iter().map(Line::Route))
            .collect()
    }

    fn wants(&self, texts: [&str; 3]) -> bool {
        let filter = self.filter.to_lowercase();
        texts
            .iter()
            .any(|text| text.to_lowercase().contains(&filter))
    }

    /// Remembers where the chosen line is: when it goes, the one in its place is chosen.
    fn stay(&mut self) {
        let lines = self.lines();
        self.at = self.chosen(&lines);
    }

    fn move_to(&mut self, place: impl FnOnce(usize, usize) -> usize) {
        let lines = self.lines();
        let last = lines.len().saturating_sub(1);
        let at = place(self.chosen(&lines), last).min(last);
        let chosen = lines.get(at).map(|line| {
            let (kind, a, b) = line.key();
            (kind, a.to_owned(), b.to_owned())
        });
        (self.at, self.chosen) = (at, chosen);
    }

    /// What a key does.
    pub(super) fn key(&mut self, key: KeyEvent) -> Act {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Act::Quit;
        }
        match std::mem::take(&mut self.mode) {
            Mode::Filter => self.key_of_filter(key.code),
            Mode::Ask(order) => {
                if matches!(key.code, KeyCode::Char('y' | 'Y')) {
                    self.said = None;
                    return Act::Order(order);
                }
                self.said = Some(Ok("nothing was ordered".to_owned()));
            }
            mode @ (Mode::Look | Mode::Detail) => return self.key_of_table(key.code, mode),
            // Whatever it is, help has been read.
            Mode::Help => {}
        }
        Act::Nothing
    }

    fn key_of_filter(&mut self, key: KeyCode) {
        self.mode = match key {
            KeyCode::Enter => Mode::Look,
            KeyCode::Esc => {
                self.filter.clear();
                Mode::Look
            }
            KeyCode::Backspace => {
                self.filter.pop();
                Mode::Filter
            }
            KeyCode::Char(c) => {
                if !c.is_control() && self.filter.chars().count() < MAX_FILTER {
                    self.filter.push(c);
                }
                Mode::Filter
            }
            _ => Mode::Filter,
        };
        self.stay();
    }

    fn key_of_table(&mut self, key: KeyCode, mode: Mode) -> Act {
        let is_detail = mode == Mode::Detail;
        self.mode = mode;
        match key {
            KeyCode::Char('q') => return Act::Quit,
            KeyCode::Up | KeyCode::Char('k') => self.move_to(|at, _| at.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.move_to(|at, _| at + 1),
            KeyCode::PageUp => self.move_to(|at, _| at.saturating_sub(PAGE)),
            KeyCode::PageDown => self.move_to(|at, _| at + PAGE),
            KeyCode::Home | KeyCode::Char('g') => self.move_to(|_, _| 0),
            KeyCode::End | KeyCode::Char('G') => self.move_to(|_, last| last),
            KeyCode::Enter => self.mode = if is_detail { Mode::Look } else { Mode::Detail },
            KeyCode::Esc if is_detail => self.mode = Mode::Look,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Tab | KeyCode::BackTab => {
                self.table = match self.table {
                    Table::Clusters => Table::Ways,
                    Table::Ways => Table::Clusters,
                };
                self.move_to(|_, _| 0);
            }
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Char('?' | 'h') => self.mode = Mode::Help,
            KeyCode::Char('d') => self.ask("drain"),
            KeyCode::Char('m') => self.ask("maint"),
            KeyCode::Char('r') => self.ask("ready"),
            _ => {}
        }
        Act::Nothing
    }

    fn ask(&mut self, admin: &'static str) {
        let lines = self.lines();
        match lines.get(self.chosen(&lines)) {
            Some(Line::Endpoint(cluster, endpoint)) => {
                self.mode = Mode::Ask(Order {
                    cluster: cluster.name.clone(),
                    endpoint: endpoint.id.clone(),
                    admin,
                });
            }
            _ => self.said = Some(Err("choose an endpoint first".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests;
