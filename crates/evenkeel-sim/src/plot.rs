//! Plots as SVG: lines and bands over two axes, and a legend.
//!
//! Written here, in some two hundred lines, and not by a crate. `plotters` (0.3) without its default features brings four more crates
//! and writes the same bytes each time, but colors are values in its output, so that one file cannot be light and dark, and neither
//! its lines nor its plots have titles that a screen reader finds. `charming` (0.6) writes a script for ECharts, not a picture, or needs a
//! JavaScript engine to make one. What is needed is little: styles by class, so that one style sheet colors them all ([`STYLE`]).
//!
//! The same plot gives the same bytes: coordinates have one decimal, and logarithms are [`crate::chance`]'s.

pub mod axis;

use std::fmt::Write as _;

pub use axis::Axis;

/// The style sheet of all plots, for light and dark.
pub const STYLE: &str = include_str!("plot/plot.css");

/// Lines are told apart by so many colors, and by dashes.
const COLORS: usize = 8;

/// The picture's size; it scales to the width of the page.
const WIDTH: f64 = 760.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 32.0;
const TOP: f64 = 14.0;
/// Labels, and the axis' name.
const BELOW: f64 = 46.0;
/// A row of the legend.
const ROW: f64 = 20.0;
/// About how wide a letter is.
const LETTER: f64 = 7.8;

/// A line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What it stands for.
    pub name: String,
    /// Which color and which dashes it has.
    pub style: usize,
    /// Where it goes; none is a gap.
    pub points: Vec<Option<(f64, f64)>>,
}

/// A band between two heights.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// What it stands for.
    pub name: String,
    /// How dark it is: 0, 1.
    pub depth: usize,
    /// Position, low, high.
    pub points: Vec<(f64, f64, f64)>,
}

/// A plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// What it is called, on its page and by a screen reader.
    pub title: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// To the right.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
    /// Behind the lines.
    pub bands: Vec<Band>,
    /// In front, the first at the bottom.
    pub lines: Vec<Line>,
    /// How high the field is, of 760 in width.
    pub height: f64,
}

impl Plot {
    /// The SVG element. `id` is its own on its page. One that stands in a file of its own brings its style.
    #[must_use]
    pub fn svg(&self, id: &str, alone: bool) -> String {
        let legend = self.legend();
        let height = TOP + self.height + BELOW + legend.1;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" \
             aria-labelledby=\"{id}-t {id}-d\">\n<title id=\"{id}-t\">{}</title>\n<desc id=\"{id}-d\">{}</desc>\n",
            escape(&self.title),
            escape(&self.about)
        );
        if alone {
            let _ = write!(
                out,
                "<style>\n{STYLE}</style>\n<rect class=\"paper\" width=\"{WIDTH}\" height=\"{height:.0}\"/>\n"
            );
        }
        self.axes(&mut out);
        for band in &self.bands {
            self.band(&mut out, band);
        }
        for line in &self.lines {
            self.line(&mut out, line);
        }
        out.push_str(&legend.0);
        out.push_str("</svg>\n");
        out
    }

    fn across(&self, x: f64) -> f64 {
        LEFT + self.x.place(x) * (WIDTH - LEFT - RIGHT)
    }

    fn up(&self, y: f64) -> f64 {
        TOP + (1.0 - self.y.place(y)) * self.height
    }

    fn axes(&self, out: &mut String) {
        let (bottom, right) = (TOP + self.height, WIDTH - RIGHT);
        for (place, label) in self.y.ticks() {
            let y = TOP + (1.0 - place) * self.height;
            let _ = writeln!(
                out,
                "<path class=\"grid\" d=\"M{LEFT:.1} {y:.1}H{right:.1}\"/><text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                y + 4.0,
                escape(label)
            );
        }
        for (place, label) in self.x.ticks() {
            let x = LEFT + place * (WIDTH - LEFT - RIGHT);
            let _ = writeln!(
                out,
                "<path class=\"grid\" d=\"M{x:.1} {TOP:.1}V{bottom:.1}\"/><text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 17.0,
                escape(label)
            );
        }
        let middle = LEFT + (WIDTH - LEFT - RIGHT) / 2.0;
        let _ = writeln!(
            out,
            "<path class=\"axis\" d=\"M{LEFT:.1} {TOP:.1}V{bottom:.1}H{right:.1}\"/>\
             <text class=\"name\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text class=\"name\" transform=\"translate(14 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            bottom + 37.0,
            escape(&self.x.label),
            TOP + self.height / 2.0,
            escape(&self.y.label)
        );
    }

    fn line(&self, out: &mut String, line: &Line) {
        let mut path = String::new();
        let mut draws = false;
        for point in &line.points {
            let Some((x, y)) = point else {
                draws = false;
                continue;
            };
            let step = if draws { 'L' } else { 'M' };
            let _ = write!(path, "{step}{:.1} {:.1}", self.across(*x), self.up(*y));
            draws = true;
        }
        let _ = writeln!(
            out,
            "<path class=\"line {}\" d=\"{path}\"><title>{}</title></path>",
            classes(line.style),
            escape(&line.name)
        );
    }

    fn band(&self, out: &mut String, band: &Band) {
        let mut path = String::new();
        let there = band.points.iter().map(|(x, _, high)| (*x, *high));
        let back = band.points.iter().rev().map(|(x, low, _)| (*x, *low));
        for (at, (x, y)) in there.chain(back).enumerate() {
            let step = if at == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{step}{:.1} {:.1}", self.across(x), self.up(y));
        }
        let _ = writeln!(
            out,
            "<path class=\"band b{}\" d=\"{path}Z\"><title>{}</title></path>",
            band.depth,
            escape(&band.name)
        );
    }

    /// The legend, and how high it is.
    fn legend(&self) -> (String, f64) {
        let mut out = String::new();
        let (mut x, mut row) = (LEFT, 0.0);
        let top = TOP + self.height + BELOW;
        let lines = self.lines.iter().map(|line| {
            let class = format!("line {}", classes(line.style));
            (&line.name, class)
        });
        let bands = self
            .bands
            .iter()
            .map(|band| (&band.name, format!("line wide b{}", band.depth)));
        let all: Vec<_> = lines.chain(bands).collect();
        // One line says in its title what it is.
        if all.len() < 2 {
            return (out, 0.0);
        }
        for (name, class) in all {
            let width = 40.0 + name.chars().count() as f64 * LETTER;
            if x > LEFT && x + width > WIDTH - RIGHT {
                (x, row) = (LEFT, row + ROW);
            }
            let y = top + row + 8.0;
            let _ = writeln!(
                out,
                "<path class=\"{class}\" d=\"M{x:.1} {y:.1}h24\"/><text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                x + 29.0,
                y + 4.0,
                escape(name)
            );
            x += width;
        }
        (out, row + ROW + 4.0)
    }
}

fn classes(style: usize) -> String {
    let color = style % COLORS;
    format!("c{color} d{}", (color + style / COLORS) % 3)
}

/// Text that means itself in HTML and SVG.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot() -> Plot {
        Plot {
            title: "a < b".to_owned(),
            about: "Something.".to_owned(),
            x: Axis::linear("time", 0.0, 10.0, " s"),
            y: Axis::milliseconds("latency", 1.0, 100.0),
            bands: vec![Band {
                name: "all".to_owned(),
                depth: 0,
                points: vec![(0.0, 1.0, 2.0), (10.0, 1.0, 3.0)],
            }],
            lines: vec![Line {
                name: "one".to_owned(),
                style: 9,
                points: vec![
                    Some((0.0, 10.0)),
                    None,
                    Some((5.0, 10.0)),
                    Some((10.0, 1e9)),
                ],
            }],
            height: 200.0,
        }
    }

    #[test]
    fn a_gap_is_a_new_beginning_and_what_is_beyond_stands_at_the_edge() {
        let svg = plot().svg("p", false);
        assert!(
            svg.contains("d=\"M72.0 114.0M400.0 114.0L728.0 14.0\""),
            "{svg}"
        );
        assert!(svg.contains("<title id=\"p-t\">a &lt; b</title>"));
        assert!(svg.contains("class=\"line c1 d2\""));
    }

    #[test]
    fn one_that_stands_alone_brings_its_style() {
        let (alone, within) = (plot().svg("p", true), plot().svg("p", false));
        assert!(alone.contains("prefers-color-scheme") && !within.contains("<style>"));
    }
}
