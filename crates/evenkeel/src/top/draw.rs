//! What of a [`Screen`] is seen, from the top: the process, what is wrong, all traffic, the table, events, keys.
//!
//! Nothing is told by color alone: states are words, and how bad they are is a mark before them as well. What does not fit is
//! cut at the right and at the bottom; 80 columns and 24 lines are enough for everything that is needed.

mod detail;

use evenkeel_admin::view::Event;
use evenkeel_admin::view::live::{Picture, Severity, Traffic};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as Text, Span};
use ratatui::widgets::{Cell, Clear, Paragraph, Row, StatefulWidget, Table, TableState, Widget};

use super::figures::{bytes, clean, latency, rate, span};
use super::screen::{Line, Mode, Screen, Table as Shown};

/// So many problems are shown under the first one.
const MAX_PROBLEMS: usize = 3;

/// From this width on reasons have a column.
const WIDE: u16 = 110;

/// From this height on events are shown, so many.
const HIGH: u16 = 16;
const EVENTS: u16 = 5;

/// How many lines a screen would fill.
pub(super) fn wanted(screen: &Screen) -> usize {
    let problems = screen.picture().problems.len().min(MAX_PROBLEMS);
    // The process, the headline, traffic, the table's head, the chosen line, keys.
    let lines = screen.lines().len() + problems + 6 + usize::from(EVENTS) + 1;
    lines.max(usize::from(HIGH))
}

/// Draws the screen as it is at that moment, into all of the buffer.
pub(super) fn draw(buffer: &mut Buffer, screen: &Screen, now_ms: u64, colors: bool) {
    let pen = Pen { now_ms, colors };
    let area = *buffer.area();
    let problems = pen.problems(screen.picture());
    let few = u16::try_from(problems.len()).unwrap_or(1);
    let events = if area.height >= HIGH { EVENTS + 1 } else { 0 };
    let [title, wrong, traffic, table, reason, happened, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(few),
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(1),
        Constraint::Length(events),
        Constraint::Length(1),
    ])
    .areas(area);
    pen.title(screen).render(title, buffer);
    Paragraph::new(problems).render(wrong, buffer);
    total(screen.picture()).render(traffic, buffer);
    pen.table(buffer, screen, table);
    pen.chosen(screen).render(reason, buffer);
    if events > 0 {
        pen.events(screen).render(happened, buffer);
    }
    pen.keys(screen).render(keys, buffer);
    let over = match screen.mode() {
        Mode::Help => detail::help(),
        Mode::Detail => detail::of(screen, now_ms),
        Mode::Look | Mode::Filter | Mode::Ask(_) => return,
    };
    let height = u16::try_from(over.len()).unwrap_or(u16::MAX);
    let room = Rect {
        height: height.min(table.height),
        ..table
    };
    Clear.render(room, buffer);
    Paragraph::new(over).render(room, buffer);
}

/// What is drawn, as lines of text.
pub(super) fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area().width).max(1);
    let lines = buffer.content().chunks(width);
    lines.fold(String::new(), |mut text, line| {
        let line: String = line.iter().map(ratatui::buffer::Cell::symbol).collect();
        text.push_str(line.trim_end());
        text.push('\n');
        text
    })
}

/// How things are written.
#[derive(Clone, Copy)]
struct Pen {
    now_ms: u64,
    colors: bool,
}

impl Pen {
    fn style(self, severity: Severity) -> Style {
        let (color, modifier) = match severity {
            Severity::Ok => (None, Modifier::empty()),
            Severity::Note => (Some(Color::Cyan), Modifier::empty()),
            Severity::Warn => (Some(Color::Yellow), Modifier::BOLD),
            Severity::Bad => (Some(Color::Red), Modifier::BOLD),
        };
        let style = Style::default().add_modifier(modifier);
        match color {
            Some(color) if self.colors => style.fg(color),
            _ => style,
        }
    }

    fn title(self, screen: &Screen) -> Paragraph<'static> {
        let process = &screen.picture().process;
        let mut text = format!(
            "evenkeel {}  process {}, {} for {}, {} workers, generation {}, load {}",
            process.version,
            process.pid,
            process.stage,
            span(process.uptime_ms),
            process.workers,
            process.generation,
            process.level,
        );
        if let Some(why) = screen.why_lost() {
            let age = span(self.now_ms.saturating_sub(screen.picture().at_ms));
            text = format!("STALE for {age}, trying again: {why}");
        }
        let style = Style::default().add_modifier(Modifier::REVERSED);
        let style = if screen.why_lost().is_some() && self.colors {
            style.fg(Color::Red)
        } else {
            style
        };
        Paragraph::new(clean(&text)).style(style)
    }

    /// The headline, and what else is wrong.
    fn problems(self, picture: &Picture) -> Vec<Text<'static>> {
        let others = picture.problems.iter();
        let others = others.filter(|one| one.text != picture.headline.text);
        let all = std::iter::once(&picture.headline).chain(others);
        let line = |problem: &evenkeel_admin::view::live::Problem| {
            let mut text = format!("{} {}", mark(problem.severity), problem.text);
            if let Some(since) = problem.since_ms {
                text = format!("{text}, for {}", self.ago(since));
            }
            if let Some(fault) = &problem.fault {
                text = format!("{text} (evenkeel why {fault})");
            }
            Text::styled(clean(&text), self.style(problem.severity))
        };
        all.take(1 + MAX_PROBLEMS).map(line).collect()
    }

    fn ago(self, since_ms: u64) -> String {
        span(self.now_ms.saturating_sub(since_ms))
    }

    fn table(self, buffer: &mut Buffer, screen: &Screen, area: Rect) {
        let lines = screen.lines();
        let is_wide = area.width >= WIDE;
        let mut widths = vec![
            Constraint::Fill(2),
            Constraint::Length(12),
            Constraint::Length(7),
            Constraint::Length(6),
            Constraint::Length(6),
            Constraint::Length(6),
            Constraint::Length(7),
            Constraint::Length(7),
        ];
        let head = match screen.table() {
            Shown::Clusters => ["CLUSTER / ENDPOINT", "STATE"],
            Shown::Ways => ["LISTENER / ROUTE", "KIND"],
        };
        let numbers = ["REQ/S", "ERR/S", "ACTIVE", "CONNS", "P50", "P99"];
        let mut head: Vec<Cell<'_>> = head.into_iter().map(Cell::new).collect();
        head.extend(numbers.map(|name| number(name.to_owned())));
        if is_wide {
            widths.push(Constraint::Fill(3));
            head.push(Cell::new("WHY"));
        }
        let rows = lines.iter().map(|line| self.row(line, is_wide));
        let table = Table::new(rows, widths)
            .header(Row::new(head).style(Style::default().add_modifier(Modifier::UNDERLINED)))
            .row_highlight_style(Style::default().add_modifier(Modifier::REVERSED));
        let mut state = TableState::default();
        if !lines.is_empty() {
            state.select(Some(screen.chosen(&lines)));
        }
        StatefulWidget::render(table, area, buffer, &mut state);
    }

    fn row(self, line: &Line<'_>, is_wide: bool) -> Row<'static> {
        let (name, severity, state, active, traffic) = match line {
            Line::Listener(one) => {
                let kind = if one.tls { "listener tls" } else { "listener" };
                let name = format!("{} {}", one.name, one.address);
                (name, Severity::Ok, kind.to_owned(), None, &one.traffic)
            }
            Line::Route(one) => {
                let name = format!("{} {}", one.name, one.matches);
                (name, Severity::Ok, "route".to_owned(), None, &one.traffic)
            }
            Line::Cluster(one) => {
                let state = format!("{} of {}", one.admitting, one.size);
                let active = Some((one.in_flight, one.connections));
                (one.name.clone(), one.severity, state, active, &one.traffic)
            }
            Line::Endpoint(_, one) => {
                let active = Some((u64::from(one.in_flight), u64::from(one.connections)));
                let name = format!("  {}", one.id);
                (name, one.severity, one.state.clone(), active, &one.traffic)
            }
        };
        let style = self.style(severity);
        let count = |n: Option<u64>| n.map_or_else(String::new, |n| n.to_string());
        let mut cells = vec![
            Cell::new(clean(&name)),
            Cell::new(format!("{} {}", mark(severity), clean(&state))).style(style),
            number(rate(traffic.rate)),
            number(rate(traffic.errors)),
            number(count(active.map(|(requests, _)| requests))),
            number(count(active.map(|(_, connections)| connections))),
            number(latency(traffic.p50_us)),
            number(latency(traffic.p99_us)),
        ];
        if is_wide {
            cells.push(Cell::new(clean(&self.why(line))));
        }
        Row::new(cells)
    }

    /// Why a line is as it is.
    fn why(self, line: &Line<'_>) -> String {
        match line {
            Line::Listener(one) => faults(&one.traffic),
            Line::Route(one) => {
                let to: Vec<&str> = one.to.iter().map(|share| share.cluster.as_str()).collect();
                let to = if to.is_empty() {
                    one.answers.clone()
                } else {
                    format!("to {}", to.join(", "))
                };
                [to, faults(&one.traffic)].join(" ").trim().to_owned()
            }
            Line::Cluster(one) => {
                let mut parts = vec![one.balancer.clone()];
                if let Some(first) = one.unresolved.first() {
                    parts.push(format!("{} is not found: {}", first.name, first.reason));
                }
                if one.panicking {
                    parts.push("too few admit: all are used".to_owned());
                }
                if one.queue > 0 {
                    parts.push(format!("{} wait in the queue", one.queue));
                }
                if one.retries > 0.0 {
                    parts.push(format!("{} retries/s", rate(one.retries)));
                }
                if one.endpoints_left_out > 0 {
                    parts.push(format!("{} more", one.endpoints_left_out));
                }
                parts.join(", ")
            }
            Line::Endpoint(_, one) => {
                let since = one.since_ms.map(|since| format!("for {}", self.ago(since)));
                let until = one.until_ms.map(|until| {
                    let left = span(until.saturating_sub(self.now_ms));
                    format!("{left} left")
                });
                let reason = (!one.reason.is_empty()).then(|| one.reason.clone());
                let parts: Vec<String> = [reason, since, until].into_iter().flatten().collect();
                parts.join(", ")
            }
        }
    }

    /// The chosen line's reason: where it has no column, and in full where it has.
    fn chosen(self, screen: &Screen) -> Paragraph<'static> {
        let lines = screen.lines();
        let text = match lines.get(screen.chosen(&lines)) {
            None if screen.filter().is_empty() => "there is nothing to show".to_owned(),
            None => format!("nothing is like \"{}\": Esc shows all", screen.filter()),
            Some(line) => {
                let name = match line {
                    Line::Listener(one) => &one.name,
                    Line::Route(one) => &one.name,
                    Line::Cluster(one) => &one.name,
                    Line::Endpoint(_, one) => &one.id,
                };
                format!("{name}: {}", self.why(line))
            }
        };
        Paragraph::new(clean(&text)).style(Style::default().add_modifier(Modifier::ITALIC))
    }

    fn events(self, screen: &Screen) -> Paragraph<'static> {
        let head = Style::default().add_modifier(Modifier::UNDERLINED);
        let mut lines = vec![Text::styled("EVENTS", head)];
        let newest = screen.events().iter().rev().take(usize::from(EVENTS));
        lines.extend(newest.map(|event| self.event(event)));
        Paragraph::new(lines)
    }

    fn event(self, event: &Event) -> Text<'static> {
        let severity = match event.severity.as_str() {
            "error" => Severity::Bad,
            "warn" => Severity::Warn,
            _ => Severity::Ok,
        };
        let fields = event.fields.iter();
        let fields: Vec<String> = fields
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let text = format!(
            "{:>6} ago  {}  {}",
            self.ago(event.at_ms),
            event.text,
            fields.join(" ")
        );
        Text::styled(clean(&text), self.style(severity))
    }

    /// The last line: what is asked, what came of it, or what keys there are.
    fn keys(self, screen: &Screen) -> Paragraph<'static> {
        let bold = Style::default().add_modifier(Modifier::BOLD);
        let line = match (screen.mode(), screen.answer()) {
            (Mode::Ask(order), _) => Text::styled(
                clean(&format!(
                    "{} {}/{}? y: yes, any other key: no",
                    order.admin, order.cluster, order.endpoint
                )),
                bold,
            ),
            (Mode::Filter, _) => Text::raw(format!("/{}_", clean(screen.filter()))),
            (_, Some(Ok(done))) => Text::styled(clean(done), bold),
            (_, Some(Err(refused))) => {
                let text = format!("{} {}", mark(Severity::Bad), clean(refused));
                Text::styled(text, self.style(Severity::Bad))
            }
            _ => {
                let sort = screen.sort().name();
                let filter = screen.filter();
                let mut spans = vec![Span::raw(format!(
                    "q quit  d drain  r ready  m maint  Enter details  Tab routes  / filter  s sort ({sort})  ? help"
                ))];
                if !filter.is_empty() {
                    spans.insert(0, Span::styled(format!("[{}]  ", clean(filter)), bold));
                }
                Text::from(spans)
            }
        };
        Paragraph::new(line)
    }
}

/// What all clients saw.
fn total(picture: &Picture) -> Paragraph<'static> {
    let total = &picture.total;
    let or_none = |text: String, none: &str| {
        if text.is_empty() {
            none.to_owned()
        } else {
            text
        }
    };
    let text = format!(
        "{} req/s  {} err/s  p50 {}  p99 {}  {} conns  {} active  in {}  out {}  {}",
        or_none(rate(total.rate), "0"),
        or_none(rate(total.errors), "0"),
        or_none(latency(total.p50_us), "-"),
        or_none(latency(total.p99_us), "-"),
        picture.process.connections,
        picture.process.in_flight,
        bytes(total.bytes_in),
        bytes(total.bytes_out),
        faults(total),
    );
    Paragraph::new(text)
}

/// The faults of a second, the most frequent first.
fn faults(traffic: &Traffic) -> String {
    let mut faults: Vec<(&String, &f64)> = traffic.faults.iter().collect();
    faults.sort_by(|a, b| b.1.total_cmp(a.1));
    let named = faults.iter();
    let named: Vec<String> = named
        .map(|(name, n)| format!("{name} {}/s", rate(**n)))
        .collect();
    named.join(", ")
}

/// How bad it is, for who sees no colors.
const fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => " ",
        Severity::Note => "-",
        Severity::Warn => "!",
        Severity::Bad => "X",
    }
}

fn number(text: String) -> Cell<'static> {
    Cell::new(Text::from(text).right_aligned())
}

#[cfg(test)]
mod tests;
