//! Parts of the page: tables, figures, lists.

use std::fmt::Write as _;

use crate::plot::{Plot, escape};

/// A table; the first cell of each row is its head.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// As HTML, in a box of its own that scrolls on a narrow screen.
    pub(super) fn html(&self) -> String {
        let caption = escape(&self.caption);
        let mut out = format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table><caption>{caption}</caption>\n<thead><tr>"
        );
        for cell in &self.head {
            let _ = write!(out, "<th scope=\"col\">{}</th>", escape(cell));
        }
        out.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            out.push_str("<tr>");
            for (at, cell) in row.iter().enumerate() {
                let _ = if at == 0 {
                    write!(out, "<th scope=\"row\">{}</th>", escape(cell))
                } else {
                    write!(out, "<td>{}</td>", escape(cell))
                };
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody></table></div>\n");
        out
    }
}

/// A plot under its title, what it shows, and its numbers beside it.
pub(super) fn figure(id: &str, plot: &Plot, numbers: &[Table]) -> String {
    let mut out = format!(
        "<h2 id=\"{id}\">{}</h2>\n<p class=\"note\">{}</p>\n<figure><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n{}</div></figure>\n",
        escape(&plot.title),
        escape(&plot.about),
        escape(&plot.title),
        plot.svg(&format!("{id}-plot"), false)
    );
    if !numbers.is_empty() {
        out.push_str("<details><summary>The numbers</summary>\n");
        for table in numbers {
            out.push_str(&table.html());
        }
        out.push_str("</details>\n");
    }
    out
}

/// Pairs of what and how.
pub(super) fn list(pairs: &[(String, String)]) -> String {
    let mut out = String::from("<dl>\n");
    for (what, how) in pairs {
        let _ = writeln!(out, "<dt>{}</dt><dd>{}</dd>", escape(what), escape(how));
    }
    out.push_str("</dl>\n");
    out
}
