//! The report as one page that needs nothing else: no scripts, no other file, light or dark as its reader's system is.

use std::fmt::Write;

use crate::report::{ClientState, Demand, InControl, Report, Row, State};

impl Report {
    /// The report as an HTML page. Everything in it is escaped.
    #[must_use]
    pub fn html(&self) -> String {
        let sums = self.sums();
        let verdict = match (self.holds(), self.is_complete()) {
            (true, true) => ("held", "Nothing leaked"),
            (true, false) => ("held", "Nothing leaked of what could be tried"),
            (false, _) => ("leaked", "The proof does not hold"),
        };
        let mut page = format!(
            "{HEAD}<h1>tightlip prove</h1>\n<p class=\"verdict {}\">{}</p>\n<p>{} attempts, {} leaks, {} not tried. The same attempts with the value in a plain variable, or without walls: {} of {} leak. \
             The gateway swapped the value in {} requests. {:.1} seconds.</p>\n",
            verdict.0,
            verdict.1,
            sums.attempts,
            self.leaks(),
            sums.not_tried,
            sums.control_leaked,
            sums.control_could,
            self.swapped,
            self.seconds
        );
        if !self.is_complete() {
            let class = match self.demand {
                Demand::WhatIsHere => "absent",
                Demand::Everything => "leaked",
            };
            let names = self.missing().join(", ");
            write(&mut page, format_args!("<p class=\"{class}\">Not complete: {}: {}.</p>\n", self.what_is_missing(), escaped(&names)));
        }
        for process in &self.ended {
            write(&mut page, format_args!("<p class=\"leaked\">The server did not stay: {}.</p>\n", escaped(process)));
        }
        for where_to in &self.elsewhere {
            write(&mut page, format_args!("<p class=\"leaked\">Of no known attempt: {}.</p>\n", escaped(where_to)));
        }
        self.write_channels(&mut page);
        self.write_clients(&mut page);
        self.write_attempts(&mut page);
        page.push_str("</main></body></html>\n");
        page
    }

    fn write_channels(&self, page: &mut String) {
        page.push_str("<h2>Channels</h2>\n<table><tr><th>channel<th class=\"n\">attempts<th class=\"n\">not tried<th class=\"n\">leaks<th class=\"n\">unguarded, leaks</tr>\n");
        for (channel, sums) in self.channels() {
            let control =
                if sums.control_could == 0 { "–".to_owned() } else { format!("{} of {}", sums.control_leaked, sums.control_could) };
            let class = if sums.leaks > 0 { " class=\"leaked\"" } else { "" };
            write(
                page,
                format_args!(
                    "<tr{class}><td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{control}</tr>\n",
                    escaped(channel.title()),
                    sums.attempts,
                    sums.not_tried,
                    sums.leaks
                ),
            );
        }
        page.push_str("</table>\n");
    }

    fn write_clients(&self, page: &mut String) {
        page.push_str("<h2>Ordinary clients</h2>\n<table><tr><th>client<th>outcome</tr>\n");
        for client in &self.clients {
            let (class, said) = match &client.state {
                ClientState::GotThrough => ("held", "got through with the value".to_owned()),
                ClientState::Failed(said) => ("leaked", format!("failed: {said}")),
                ClientState::NotThere(why) => ("absent", format!("not there: {why}")),
            };
            write(page, format_args!("<tr class=\"{class}\"><td>{}<td>{}</tr>\n", escaped(client.name), escaped(&said)));
        }
        page.push_str("</table>\n");
    }

    fn write_attempts(&self, page: &mut String) {
        page.push_str("<h2>Attempts</h2>\n");
        for (channel, sums) in self.channels() {
            let open = if sums.leaks > 0 || sums.unanswered > 0 || sums.control_leaked < sums.control_could { " open" } else { "" };
            write(
                page,
                format_args!(
                    "<details{open}><summary>{} ({})</summary>\n<table><tr><th>attempt<th>threat<th>outcome<th>with a plain value</tr>\n",
                    escaped(channel.title()),
                    sums.attempts + sums.not_tried
                ),
            );
            for row in self.rows.iter().filter(|row| row.channel == channel) {
                write_row(page, row);
            }
            page.push_str("</table></details>\n");
        }
    }
}

fn write_row(page: &mut String, row: &Row) {
    let (class, outcome) = match &row.state {
        State::Held => ("held", "held".to_owned()),
        State::Leaked => ("leaked", "LEAKED".to_owned()),
        State::NotTried(why) => ("absent", format!("not tried: {why}")),
        State::Unanswered(said) => ("leaked", format!("NOT ANSWERED: {said}")),
    };
    let control = match row.control {
        InControl::Leaked => "leaks",
        InControl::Held => "DID NOT LEAK",
        InControl::NotTried => "not tried",
        InControl::Absent => "–",
    };
    write(
        page,
        format_args!("<tr class=\"{class}\"><td>{}<td>{}<td>{}<td>{control}</tr>\n", escaped(row.name), row.threat, escaped(&outcome)),
    );
}

/// A `String` takes everything.
fn write(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = page.write_fmt(text);
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

const HEAD: &str = "<!doctype html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">
<title>tightlip prove</title>
<style>
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --line: #d0d7de; --good: #116329; --bad: #b3261e; --dim: #6e7781; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --line: #30363d; --good: #56d364; --bad: #ff7b72; --dim: #8b949e; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem; }
.verdict { font-size: 1.4rem; font-weight: 600; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { text-align: left; padding: .25rem .5rem; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
p.held { color: var(--good); } .leaked { color: var(--bad); font-weight: 600; } .absent { color: var(--dim); }
summary { cursor: pointer; padding: .25rem 0; }
</style></head><body><main>
";
