//! `tightlip secret`: store, list, show and delete. Nothing shows a value: there is no call for it.

use std::ffi::OsStr;

use clap::Subcommand;
use client::SecretView;
use model::{Clock, SecretName};
use serde::Serialize;
use service::SystemClock;

use super::ago::ago;
use super::argv;
use super::bind::{self, Where};
use super::fault::{Exit, Fault};
use super::history;
use super::output::{Output, table};
use super::set::{self, Verb, WriteArgs};
use super::target::Target;

/// The verbs.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Create a secret, or replace its value
    #[command(after_help = set::SET_EXAMPLES)]
    Set(WriteArgs),
    /// Create a secret; fails where the name is taken
    #[command(after_help = set::CREATE_EXAMPLES)]
    Create(WriteArgs),
    /// Replace a secret's value; fails where there is no such secret
    #[command(after_help = set::UPDATE_EXAMPLES)]
    Update(WriteArgs),
    /// List secrets, newest first; values are never shown
    #[command(visible_alias = "ls", after_help = LIST_EXAMPLES)]
    List,
    /// Show one secret and where it may go; the value is never shown
    #[command(visible_alias = "show", after_help = GET_EXAMPLES)]
    Get(NameArgs),
    /// Delete a secret for good, in running devboxes too
    #[command(visible_alias = "rm", after_help = DELETE_EXAMPLES)]
    Delete(NameArgs),
    /// Show a secret's versions, by which key, and its uses, by which devbox towards which host
    #[command(after_help = HISTORY_EXAMPLES)]
    History(NameArgs),
}

/// A secret's name, and nothing more.
#[derive(clap::Args)]
pub(super) struct NameArgs {
    /// The secret's name
    #[arg(value_name = "NAME")]
    name: SecretName,
}

#[derive(Serialize)]
struct List<'a> {
    secrets: &'a [SecretView],
    total_count: usize,
}

/// A secret and what is known of where it may go.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    view: &'a SecretView,
    #[serde(flatten)]
    destinations: Option<Where>,
}

/// Does what `command` says.
pub(super) fn obey(command: Command, target: impl FnOnce() -> Result<Target, Fault>, out: &Output) -> Result<(), Fault> {
    match command {
        Command::Set(args) => set::write(Verb::Set, args, target, out),
        Command::Create(args) => set::write(Verb::Create, args, target, out),
        Command::Update(args) => set::write(Verb::Update, args, target, out),
        Command::List => list(&target()?, out),
        Command::Get(args) => get(&args.name, &target()?, out),
        Command::Delete(args) => delete(&args.name, &target()?, out),
        Command::History(args) => history::history(&args.name, &target()?, out),
    }
}

fn list(target: &Target, out: &Output) -> Result<(), Fault> {
    let secrets = target.client()?.list()?;
    if secrets.is_empty() {
        out.note("no secrets yet; store one: tightlip secret set NAME");
    }
    if secrets.is_empty() && !out.json() {
        return Ok(());
    }
    out.result(&List { secrets: &secrets, total_count: secrets.len() }, || {
        let now = SystemClock.now();
        let row = |view: &SecretView| [view.name.to_string(), ago(view.create_time_ms, now), ago(view.update_time_ms, now)];
        table(["NAME", "CREATED", "UPDATED"], &secrets.iter().map(row).collect::<Vec<_>>())
    });
    Ok(())
}

fn get(name: &SecretName, target: &Target, out: &Output) -> Result<(), Fault> {
    let view = target.client()?.get(name).map_err(|error| unknown(error.into(), name))?;
    // Where the gateway is on another machine, what is known is shown.
    let destinations = bind::whereabouts(target, name).ok();
    out.result(&Shown { view: &view, destinations: destinations.clone() }, || {
        let now = SystemClock.now();
        let mut lines = vec![
            format!("name        {}", view.name),
            format!("id          {}", view.id),
            format!("created     {}", ago(view.create_time_ms, now)),
            format!("updated     {}", ago(view.update_time_ms, now)),
        ];
        if let Some(destinations) = &destinations {
            lines.push(format!("kind        {}", destinations.title().unwrap_or("not recognised")));
            lines.push(format!("may go to   {}", out.hinted(&destinations.words(name))));
        }
        lines.push(out.hinted("value       never shown; use it: tightlip run -- CMD"));
        lines.join("\n")
    });
    Ok(())
}

fn delete(name: &SecretName, target: &Target, out: &Output) -> Result<(), Fault> {
    let view = target.client()?.delete(name).map_err(|error| unknown(error.into(), name))?;
    out.result(&view, || format!("deleted {name}; running devboxes can no longer use it"));
    Ok(())
}

/// A name that is not there gets the next command.
pub(super) fn unknown(fault: Fault, name: &SecretName) -> Fault {
    if fault.exit != Exit::NotFound {
        return fault;
    }
    // A value that was taken for a name is not repeated.
    if argv::looks_secret(OsStr::new(name.as_str())).is_some() {
        return argv::value_in_argv("NAME");
    }
    let fault = Fault { message: format!("there is no secret {name}"), ..fault };
    fault.next(format!("tightlip secret list\ntightlip secret set {name}"))
}

const LIST_EXAMPLES: &str = "\
Examples:
  tightlip secret list
  tightlip secret ls --json | jq -r '.secrets[].name'";

const GET_EXAMPLES: &str = "\
Examples:
  tightlip secret get GITHUB_TOKEN
  tightlip run --secret GITHUB_TOKEN -- CMD   (to use the value)";

const HISTORY_EXAMPLES: &str = "\
No version's value can be shown: the old ones are erased, and there is no call for the present one.

Examples:
  tightlip secret history GITHUB_TOKEN
  tightlip secret history GITHUB_TOKEN --json | jq '.secrets[0].uses'";

const DELETE_EXAMPLES: &str = "\
Every version is erased. The same name can be used again, for another secret.

Examples:
  tightlip secret delete GITHUB_TOKEN";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_a_names_place_is_not_repeated() {
        let value = "ghp_0000aaaa1111bbbb2222cccc3333dddd4444";
        let fault = unknown(Fault::new(Exit::NotFound, "not found"), &value.parse().expect("it is spelt like a name"));
        assert!(!fault.message.contains(value) && !fault.next.unwrap_or_default().contains(value));
        let fault = unknown(Fault::new(Exit::NotFound, "not found"), &"A".parse().expect("a name"));
        assert_eq!(fault.message, "there is no secret A");
    }
}
