//! `tightlip account`: make and list accounts, at `control.sock` of the data folder. Only the user who runs the server may; no API key does.

use clap::Subcommand;
use link::Packets;
use link::control::{Created, Reply, Request};
use model::{Account, Clock, Label};
use serde::Serialize;
use service::SystemClock;

use super::ago::ago;
use super::fault::{Exit, Fault};
use super::output::{Output, table};
use super::target::Target;

/// The verbs.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Make an account and its first API key, which is shown this once
    #[command(after_help = CREATE_EXAMPLES)]
    Create(CreateArgs),
    /// List accounts, oldest first
    #[command(visible_alias = "ls", after_help = LIST_EXAMPLES)]
    List,
}

/// What the account is to be.
#[derive(clap::Args)]
pub(super) struct CreateArgs {
    /// What to call it
    #[arg(value_name = "NAME")]
    name: Label,
    /// Without the devbox capability: its keys may do nothing until it has it
    #[arg(long)]
    no_devbox: bool,
}

/// An account that was made, with its first key.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    created: Created,
    key: String,
}

#[derive(Serialize)]
struct List<'a> {
    accounts: &'a [Account],
    total_count: usize,
}

/// Does what `command` says.
pub(super) fn obey(command: &Command, target: &Target, out: &Output) -> Result<(), Fault> {
    match command {
        Command::Create(args) => create(args, target, out),
        Command::List => list(target, out),
    }
}

fn create(args: &CreateArgs, target: &Target, out: &Output) -> Result<(), Fault> {
    // The gateway makes the key, so that it knows it again; the api writes down the hash.
    let (begun, key) = target.gate()?.begin_account()?;
    let request = Request::CreateAccount { name: args.name.clone(), devbox_capability: !args.no_devbox, begun };
    let created = match ask(&target.control()?, &request)? {
        Reply::AccountCreated(created) => Shown { created, key },
        Reply::Accounts { .. } | Reply::Refused { .. } => return Err(unexpected()),
    };
    out.note(&format!(
        "made the account {} ({}); its first key is shown this once: keep it now",
        args.name.as_str(),
        created.created.account.id
    ));
    if args.no_devbox {
        out.note("the account lacks the devbox capability, so its keys are refused everywhere");
    }
    out.result(&created, || created.key.clone());
    Ok(())
}

fn list(target: &Target, out: &Output) -> Result<(), Fault> {
    let mut all: Vec<Account> = Vec::new();
    let mut after = None;
    loop {
        // One request to a connection.
        let (page, next) = match ask(&target.control()?, &Request::Accounts { after: after.clone() })? {
            Reply::Accounts { accounts, next } => (accounts, next),
            Reply::AccountCreated(_) | Reply::Refused { .. } => return Err(unexpected()),
        };
        all.extend(page);
        if next.is_none() || next == after {
            break;
        }
        after = next;
    }
    out.result(&List { accounts: &all, total_count: all.len() }, || {
        let now = SystemClock.now();
        let row = |account: &Account| {
            let devbox = if account.devbox_capability { "yes" } else { "no" };
            [account.name.clone(), account.id.to_string(), devbox.to_owned(), ago(account.created, now)]
        };
        table(["NAME", "ID", "DEVBOX", "CREATED"], &all.iter().map(row).collect::<Vec<_>>())
    });
    Ok(())
}

fn ask(end: &Packets, request: &Request) -> Result<Reply, Fault> {
    end.send(request, &[])?;
    match end.recv::<Reply>()?.0 {
        Reply::Refused { why, message } => Err(Fault::denied(why, message)),
        reply @ (Reply::AccountCreated(_) | Reply::Accounts { .. }) => Ok(reply),
    }
}

fn unexpected() -> Fault {
    let fault = Fault::new(Exit::Failure, "the server's reply does not fit the request: it may be of another version than this command");
    fault.next("stop the running `tightlip up` and start it again")
}

const CREATE_EXAMPLES: &str = "\
An account's secrets, keys and events are its own: no other account's key sees them. Run this as the user who runs the server, on its machine.

Examples:
  tightlip account create team-blue > team-blue.key
  tightlip account create visitors --no-devbox";

const LIST_EXAMPLES: &str = "\
Examples:
  tightlip account list
  tightlip account ls --json | jq -r '.accounts[].name'";
