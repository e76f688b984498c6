//! `tightlip import`: the credentials of a dotenv file become secrets, and the file can be written again without them.
//!
//! What a line is, the vault says; its values go the way of `secret set`. Nothing of one is shown, and what cannot be used as a secret stays where it is.

mod file;
mod history;
mod plan;
mod rows;

use std::collections::BTreeSet;
use std::path::PathBuf;

use client::{Client, ClientError};
use model::SecretName;
use vault::dotenv::{self, Page, Wrong};

use super::argv;
use super::fault::{Exit, Fault, chain};
use super::hints::quoted;
use super::output::Output;
use super::target::Target;
use file::Source;
use plan::{Done, Plan};

/// A file, and what to do with it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A dotenv file: lines of NAME=VALUE
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Say what would be done, and do nothing; no server is needed
    #[arg(long)]
    dry_run: bool,
    /// Write the file again with a comment in the place of every value that was stored
    #[arg(long)]
    replace: bool,
    /// Store the file's value over that of a secret which exists already
    #[arg(long)]
    update: bool,
    /// Look at this name alone; repeat for more [default: every name of the file]
    #[arg(long, value_name = "NAME")]
    only: Vec<SecretName>,
}

/// What stopped the storing, and which row it was at.
struct Stopped {
    fault: Fault,
    name: SecretName,
    /// Whether an answer said that it was not stored.
    known: bool,
}

/// Reads the file, stores what is a credential, and shows what became of every line.
pub(super) fn import(args: &Args, target: impl FnOnce() -> Result<Target, Fault>, out: &Output) -> Result<(), Fault> {
    if argv::looks_secret(args.file.as_os_str()).is_some()
        || args.only.iter().any(|name| argv::looks_secret(name.as_str().as_ref()).is_some())
    {
        return Err(argv::value_in_argv("NAME"));
    }
    vault::seclude().map_err(|error| Fault::failure(&error))?;
    let source = Source::open(&args.file)?;
    let (page, entries) = dotenv::read(source.read()?).map_err(|wrong| unreadable(&source, &wrong))?;
    let mut plan = Plan::make(entries, &args.only).map_err(|number| missing(&source, number))?;
    if args.replace {
        source.check_replaceable()?;
    }
    let mut warnings = source.warnings(&page);
    if args.dry_run {
        warnings.extend(source.name_left());
        warnings.extend(foresee(&mut plan, args, target));
        plan.show(&args.file, args, &warnings, false, out);
        return Ok(());
    }
    let stopped = if plan.has_work() { store(&mut plan, &page, &target()?.client()?, args.update)? } else { None };
    warnings.extend(if args.replace { source.remove_left() } else { source.name_left() });
    let replaced = match (&stopped, plan.take_out(&args.file)) {
        (None, Some(again)) if args.replace => Some(source.replace(&page, &plan.spots(), &again)),
        (None | Some(_), Some(_) | None) => None,
    };
    plan.show(&args.file, args, &warnings, matches!(replaced, Some(Ok(()))), out);
    match (stopped, replaced) {
        (Some(stopped), _) => Err(told(&plan, stopped, args)),
        (None, Some(Err(fault))) => Err(fault),
        (None, Some(Ok(())) | None) => Ok(()),
    }
}

/// Says what would be done. The server is asked which names there are, where one runs; what to say where none was asked.
fn foresee(plan: &mut Plan, args: &Args, target: impl FnOnce() -> Result<Target, Fault>) -> Option<String> {
    let client = if plan.has_work() { target().ok().and_then(|target| target.running_client()) } else { None };
    let known = client.and_then(|client| names(&client).ok().flatten());
    let is_unknown = known.is_none() && plan.has_work();
    plan.foresee(known.as_ref(), args.update);
    is_unknown.then(|| "no server was asked, so which of these names exist already is not known".to_owned())
}

/// The names that are taken; none where the key may not read them.
fn names(client: &Client) -> Result<Option<BTreeSet<SecretName>>, ClientError> {
    match client.list() {
        Ok(views) => Ok(Some(views.into_iter().map(|view| view.name).collect())),
        // A key that may write and not read: the server tells name by name.
        Err(error) if error.status() == Some(403) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Stores one after the other, until something stops it. Before the first one is sent, what goes wrong is the command's own failure.
fn store(plan: &mut Plan, page: &Page, client: &Client, update: bool) -> Result<Option<Stopped>, Fault> {
    let known = names(client)?;
    for row in plan.waiting() {
        let exists = known.as_ref().is_some_and(|known| known.contains(&row.name));
        if exists && !update {
            row.done = Done::Exists;
            continue;
        }
        let Some(value) = row.value.take() else { continue };
        // Where the names are not known, only the answer tells which of the two it is.
        let updates = exists || (update && known.is_none());
        let answer = if updates { client.update(&row.name, value) } else { client.create(&row.name, value) };
        let is_absent = updates && !exists && matches!(answer, Err(ClientError::Status { status: 404, .. }));
        let answer = match is_absent.then(|| page.value_of(row.line)).flatten() {
            Some(value) => client.create(&row.name, value).map(|_| Done::Stored),
            None => answer.map(|_| if updates { Done::Updated } else { Done::Stored }),
        };
        match answer {
            Ok(done) => row.done = done,
            Err(ClientError::Status { status: 400, code, .. }) if code == DUPLICATE && !update => row.done = Done::Exists,
            Err(error) => {
                let known = error.status().is_some_and(|status| status < 500);
                row.done = if known { Done::Refused } else { Done::Unsure };
                return Ok(Some(Stopped { fault: error.into(), name: row.name.clone(), known }));
            }
        }
    }
    Ok(None)
}

/// What was stored and what was not, where something stopped it half-way.
fn told(plan: &Plan, stopped: Stopped, args: &Args) -> Fault {
    let Stopped { fault, name, known } = stopped;
    let stored = plan.names(|done| matches!(done, Done::Stored | Done::Updated));
    let waiting = plan.names(|done| matches!(done, Done::Waits | Done::Refused));
    let file = quoted(&args.file);
    let only: String = args.only.iter().map(|name| format!(" --only {name}")).collect();
    let flag = |is: bool, text: &'static str| if is { text } else { "" };
    let mut again = format!("tightlip import {file}{only}{}{}", flag(args.update, " --update"), flag(args.replace, " --replace"));
    // What this run stored exists by then, and is left in the file.
    if let Some(rest) = plan.take_out(&args.file).filter(|_| args.replace && !args.update) {
        again = format!("{again}\n{rest}");
    }
    let (begun, unsure) = if known {
        (format!("{name} was not stored"), String::new())
    } else {
        (format!("it was not answered whether {name} was stored"), format!("; not known: {name}"))
    };
    let message =
        format!("{begun}: {}; stored: {}; not stored: {}{unsure}; the file was not changed", fault.message, list(&stored), list(&waiting));
    // Nothing at all was done: the cause's own code tells more.
    let exit = if stored.is_empty() && known { fault.exit } else { Exit::Failure };
    let next = fault.next.map_or_else(|| again.clone(), |next| format!("{next}\n{again}"));
    Fault { exit, code: fault.code, message, next: Some(next) }
}

fn list(names: &[&SecretName]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ") }
}

fn unreadable(source: &Source, wrong: &[Wrong]) -> Fault {
    let lines: Vec<String> = wrong.iter().map(|wrong| chain(wrong)).collect();
    let message = format!("{} is no dotenv file as a whole, so nothing was stored: {}", source.shown(), lines.join("; "));
    let fault = Fault { code: "dotenv_invalid".to_owned(), ..Fault::usage(message) };
    fault.next("mend these lines, or make comments of them; what may stand in such a file: tightlip import --help")
}

/// What was typed is not repeated: it may be a value.
fn missing(source: &Source, number: usize) -> Fault {
    let file = source.shown();
    let fault = Fault::new(Exit::NotFound, format!("{file} does not have the name of the {number}. --only; nothing was stored"));
    fault.next(format!("tightlip import {file} --dry-run"))
}

/// The code with which the server says that a name is taken.
const DUPLICATE: &str = "duplicate";

const EXAMPLES: &str = "\
Every line is one of these: a credential of a known kind (stored), something secret that no kind says the host of (left, unless --only names it), what the gateway \
cannot swap, such as a database's password or a key that signs or encrypts (left), configuration (left). Values are never shown. With --replace, a comment takes the place of each value that was \
stored; every other byte of the file stays. Copies elsewhere (git, editors, backups) are not touched: rotate what may have been seen.

The file is UTF-8 text. A line is blank, a comment (#), or [export] NAME=VALUE [# comment], a NAME of letters, digits, `_`, `.` and `-`. A VALUE without quotes goes \
to the line's end or to a # behind a blank; 'single', \"double\" and `backquoted` ones may have several lines; \"double\" ones know \\n, \\r, \\t and \\\". Variables \
are not expanded. One other line refuses the whole file: NAME: VALUE, quoted names, text behind a closing quote, a quote that nothing closes.

Examples:
  tightlip import .env --dry-run
  tightlip import .env --replace
  tightlip import .env --only GITHUB_TOKEN --update
  tightlip import .env --dry-run --json | jq -r '.entries[] | select(.what == \"credential\") | .name'";
