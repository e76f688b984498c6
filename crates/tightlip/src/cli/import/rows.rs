//! What became of the lines, as a table, as JSON, and in the words that follow.

use std::path::Path;

use model::{Binding, KindId, SecretName};
use serde::Serialize;
use vault::dotenv::{Doubt, Quotes};

use super::Args;
use super::file::own_path;
use super::plan::{Done, Plan, Row, What};
use crate::cli::bind::Where;
use crate::cli::hints::quoted;
use crate::cli::output::{Output, table};

/// The whole result.
#[derive(Serialize)]
struct Shown<'a> {
    /// A name that is no text is shown as well as it goes.
    file: String,
    dry_run: bool,
    replaced: bool,
    entries: Vec<ShownRow<'a>>,
    warnings: &'a [String],
}

/// A line.
#[derive(Serialize)]
struct ShownRow<'a> {
    line: usize,
    name: &'a str,
    what: &'static str,
    kind: Option<KindId>,
    done: &'static str,
    bindings: Vec<Binding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    warnings: Vec<String>,
    replaced: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    would_replace: Option<bool>,
}

impl Plan {
    /// Shows every line, and after them what to do next.
    pub(super) fn show(&self, file: &Path, args: &Args, warnings: &[String], replaced: bool, out: &Output) {
        let entries = self.rows.iter().map(|row| row.shown(file, args, replaced, out)).collect();
        let shown = Shown { file: file.display().to_string(), dry_run: args.dry_run, replaced, entries, warnings };
        out.result(&shown, || {
            let cells = |row: &Row| {
                let words = row.why(file).unwrap_or_default();
                [row.line.to_string(), row.name.to_string(), row.what.title().to_owned(), row.done.words().to_owned(), out.hinted(&words)]
            };
            table(["LINE", "NAME", "WHAT", "DONE", "WHERE OR WHY"], &self.rows.iter().map(cells).collect::<Vec<_>>())
        });
        self.tell(file, args, warnings, replaced, out);
    }

    /// The names of the lines that are such and that can be taken out.
    fn clear(&self, is: impl Fn(&Row) -> bool) -> Vec<&SecretName> {
        self.rows.iter().filter(|row| is(row) && row.is_clear()).map(|row| &row.name).collect()
    }

    /// How to take out what this run stored, and nothing besides: another's newer value would be overwritten.
    pub(super) fn take_out(&self, file: &Path) -> Option<String> {
        let names = self.clear(Row::is_stored);
        let only: String = names.iter().map(|name| format!(" --only {name}")).collect();
        let shown = || devbox::fit_for_a_terminal(&quoted(&own_path(file)));
        (!names.is_empty()).then(|| format!("tightlip import {}{only} --update --replace", shown()))
    }

    /// What does not go into a line of a table.
    fn tell(&self, file: &Path, args: &Args, warnings: &[String], replaced: bool, out: &Output) {
        for row in self.rows.iter().filter(|row| row.is_or_would_be_stored()) {
            for doubt in row.warnings(file, args) {
                out.note(&format!("warning: {} (line {}) {doubt}", row.name, row.line));
            }
        }
        for warning in warnings {
            out.note(&format!("warning: {warning}"));
        }
        if replaced {
            out.note(&format!(
                "{}: a comment stands in the place of each value that was stored; its old bytes may remain on the disk",
                quoted(file)
            ));
        } else if args.dry_run && args.replace {
            let names = self.clear(Row::is_or_would_be_stored);
            let told =
                if names.is_empty() { "nothing".to_owned() } else { names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ") };
            out.note(&format!("would be taken out of {}: {told}", quoted(file)));
        } else if let Some(again) = self.take_out(file) {
            out.note(&format!("the values still stand in {}; take them out: {again}", quoted(file)));
        }
        let usable: Vec<String> = self.rows.iter().filter(|row| row.is_stored() || row.done == Done::Exists).map(Row::option).collect();
        if !usable.is_empty() && !args.dry_run {
            out.note(&format!("use them: tightlip run {} -- CMD", usable.join(" ")));
        }
    }
}

impl Row {
    fn shown(&self, file: &Path, args: &Args, replaced: bool, out: &Output) -> ShownRow<'_> {
        ShownRow {
            line: self.line,
            name: self.name.as_str(),
            what: self.what.word(),
            kind: self.what.kind().map(model::kind::Kind::id),
            done: self.done.word(),
            bindings: self.whereabouts().map(|place| place.bindings().to_vec()).unwrap_or_default(),
            why: self.reason(),
            next: self.next(file).map(|next| out.hinted(&next)),
            warnings: self.warnings(file, args).iter().map(|warning| out.hinted(warning)).collect(),
            replaced: replaced && self.is_stored() && self.is_clear(),
            would_replace: (args.dry_run && args.replace).then(|| self.is_or_would_be_stored() && self.is_clear()),
        }
    }

    /// Where the value may go, of what is a secret.
    fn whereabouts(&self) -> Option<Where> {
        match self.what {
            What::Credential(kind) => Some(Where::of_kind(Some(kind), None)),
            What::UnknownHost => Some(Where::of_kind(None, None)),
            What::NotBrokered { .. } | What::Configuration(_) | What::Overruled(_) => None,
        }
    }

    /// Why it is left; none where it is not.
    fn reason(&self) -> Option<String> {
        match self.what {
            What::NotBrokered { why, .. } => Some(format!("cannot be sent: {why}")),
            What::Configuration(why) => Some(why.to_owned()),
            What::Overruled(line) => Some(format!("line {line} sets it again, and the last one counts")),
            What::Credential(_) | What::UnknownHost => None,
        }
    }

    /// Whether it was left because nobody named it.
    fn is_unnamed(&self) -> bool {
        matches!((self.what, self.done), (What::UnknownHost, Done::Left))
    }

    /// The command that comes next.
    fn next(&self, file: &Path) -> Option<String> {
        if self.done == Done::Exists {
            return Some(format!("tightlip import {} --only {} --update", quoted(file), self.name));
        }
        if self.is_unnamed() {
            return Some(format!("tightlip import {} --only {}", quoted(file), self.name));
        }
        let place = self.whereabouts().filter(|place| !place.is_bound())?;
        Some(format!("tightlip bind {} {}", self.name, place.how_to_bind()))
    }

    /// The last column.
    fn why(&self, file: &Path) -> Option<String> {
        if let Some(why) = self.reason() {
            return Some(why);
        }
        let next = self.next(file);
        match (self.done, next) {
            (Done::Exists, Some(next)) => Some(format!("left as it is; to store the file's value: {next}")),
            (Done::Left, Some(next)) => Some(format!("no host is known for it; if one is sent it: {next}")),
            (_, Some(next)) => Some(format!("nowhere yet; bind it: {next}")),
            (_, None) => self.whereabouts().map(|place| format!("may go to {}", place.hosts().join(", "))),
        }
    }

    /// How it may be read otherwise, and what follows from that.
    fn warnings(&self, file: &Path, args: &Args) -> Vec<String> {
        self.doubts.iter().map(|doubt| format!("{}{}", doubt.words(), self.advice(*doubt, file, args))).collect()
    }

    /// What to do about it.
    fn advice(&self, doubt: Doubt, file: &Path, args: &Args) -> String {
        let quotes = self.quotes.filter(|_| doubt.is_settled_by_quotes()).map(Quotes::words);
        let name = &self.name;
        match (args.replace, quotes) {
            (false, None) => String::new(),
            (false, Some(quotes)) => format!("; if it is meant as it stands, write it in {quotes}"),
            (true, None) => "; it stays in the file: see that the program works with it, then take it out by hand".to_owned(),
            (true, Some(quotes)) => {
                let file = devbox::fit_for_a_terminal(&quoted(&own_path(file)));
                format!(
                    "; it stays in the file: if it is meant as it stands, write it in {quotes} and say: tightlip import {file} --only {name} --update --replace; \
                     if not, store what is meant (tightlip secret set {name}), then take it out by hand"
                )
            }
        }
    }

    /// How `run` is told to use it.
    fn option(&self) -> String {
        format!("--secret {}", vault::dotenv::for_run(&self.name))
    }
}
