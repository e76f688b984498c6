//! The one place that writes to the terminal: results to standard output, everything else to standard error.
//!
//! Tables are for people at a terminal; a pipe gets plain columns; `--json` gets JSON and nothing else.

use std::io::{self, IsTerminal, Write};

use clap::builder::styling::AnsiColor;
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use super::fault::{Exit, Fault};
use super::hints::Hints;

/// Where and how a command writes.
#[derive(Clone)]
pub(crate) struct Output {
    json: bool,
    hints: Hints,
}

/// An error of `--json`.
#[derive(Serialize)]
struct Problem<'a> {
    message: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
}

impl Output {
    /// With `--json` or without; commands that it names get `hints`.
    pub(crate) const fn new(json: bool, hints: Hints) -> Self {
        Self { json, hints }
    }

    /// Whether `--json` was given.
    pub(crate) const fn json(&self) -> bool {
        self.json
    }

    /// A result: as JSON with `--json`, otherwise as `text` says it.
    pub(crate) fn result(&self, value: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json {
            self.json_line(value);
        } else {
            put(&mut io::stdout().lock(), &text());
        }
    }

    /// A line of JSON on standard output.
    pub(crate) fn json_line(&self, value: &impl Serialize) {
        put(&mut io::stdout().lock(), &to_json(value));
    }

    /// A line of a result.
    pub(crate) fn line(&self, text: &str) {
        put(&mut io::stdout().lock(), text);
    }

    /// Something beside the result; silent with `--json`.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            put(&mut io::stderr().lock(), &self.hinted(text));
        }
    }

    /// Words that name commands, as those have to be typed. Notes and failures are written so by themselves, results are not: a part of them is others' words.
    pub(crate) fn hinted(&self, text: &str) -> String {
        self.hints.put_into(text)
    }

    /// A line on standard error: JSON with `--json`.
    pub(crate) fn aside(&self, value: &impl Serialize, text: impl FnOnce() -> String) {
        let line = if self.json { to_json(value) } else { text() };
        put(&mut io::stderr().lock(), &line);
    }

    /// Shows a failure and gives its exit code.
    pub(crate) fn fault(&self, fault: &Fault) -> i32 {
        let message = self.hinted(&fault.message);
        let next = fault.next.as_deref().map(|next| self.hinted(next));
        let problem = Problem { message: &message, code: &fault.code, next: next.as_deref() };
        self.aside(&problem, || match &next {
            Some(next) => format!("tightlip: {message}\n{}", indented(next)),
            None => format!("tightlip: {message}"),
        });
        fault.exit as i32
    }

    /// Raw bytes of a result, as a completion script.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        finish(io::stdout().lock().write_all(bytes));
    }
}

/// Rows under a header, as wide as they need to be.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    if io::stdout().is_terminal() { for_people(header, rows) } else { plain(header, rows) }
}

/// The text in red, where standard output is a terminal and nobody has asked for no colour.
pub(crate) fn red(text: &str) -> String {
    let style = AnsiColor::Red.on_default();
    let wanted = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|asked| asked.is_empty());
    if wanted { format!("{}{text}{}", style.render(), style.render_reset()) } else { text.to_owned() }
}

/// Shows what clap has to say (help, version, a misuse) and gives the exit code.
pub(crate) fn clap_error(error: &clap::Error) -> i32 {
    let _ = error.print();
    if error.use_stderr() { Exit::Usage as i32 } else { 0 }
}

fn for_people<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if let Ok(size) = rustix::termios::tcgetwinsize(io::stdout())
        && size.ws_col > 0
    {
        table.set_width(size.ws_col);
    }
    table.set_header(header.map(ToOwned::to_owned).to_vec());
    for row in rows {
        table.add_row(row.to_vec());
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP_COLUMNS));
    }
    table.trim_fmt()
}

fn plain<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = header.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let gap = usize::from(GAP_COLUMNS);
    let render = |cells: &[&str]| {
        let padded: String = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}{:gap$}", "")).collect();
        padded.trim_end().to_owned()
    };
    let mut lines = vec![render(&header)];
    lines.extend(rows.iter().map(|row| render(&row.each_ref().map(String::as_str))));
    lines.join("\n")
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("our own types have text keys and no failing field")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn put(stream: &mut impl Write, text: &str) {
    let finished = writeln!(stream, "{text}").and_then(|()| stream.flush());
    finish(finished);
}

/// A reader that has gone (`| head`) has read enough.
fn finish(written: io::Result<()>) {
    if written.is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        std::process::exit(0);
    }
}

const GAP_COLUMNS: u16 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_without_tabs_or_trailing_blanks() {
        let rows = [["A".to_owned(), "x".to_owned()], ["LONGER".to_owned(), String::new()]];
        assert_eq!(plain(["NAME", "KIND"], &rows), "NAME    KIND\nA       x\nLONGER");
    }
}
