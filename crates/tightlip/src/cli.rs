//! The command line: one word, one file. Parses, calls, shows; decides nothing.
//!
//! What a person typed is never repeated where it could be a value: arguments that look like one are refused without an echo.

mod account;
mod ago;
mod argv;
mod backup;
mod bind;
mod completions;
mod devbox;
mod doctor;
mod down;
mod events;
mod expose;
mod fault;
mod gate;
mod gateway;
mod hints;
mod history;
mod import;
mod key;
mod mcp;
mod output;
mod place;
mod prove;
mod requests;
mod restore;
mod run;
mod secret;
mod set;
mod target;
mod up;
mod value;
mod verify;

use std::cell::OnceCell;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use fault::Fault;
use hints::Hints;
use output::Output;
use target::Target;

pub(crate) use self::prove::{SUBCOMMAND as ALONE_SUBCOMMAND, go_alone};

/// The whole command line.
#[derive(Parser)]
#[command(name = "tightlip", version, about, long_about = None, after_help = AFTER_HELP, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(clap::Args)]
struct Global {
    /// Write JSON, errors too
    #[arg(long, global = true)]
    json: bool,
    /// The data folder [default: $TIGHTLIP_DATA, then $XDG_DATA_HOME/tightlip]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The server, for `secret`, `import`, `key`, `devbox`, `gateway-config`, `events` and `mcp` [default: $TIGHTLIP_URL, then $RUNLOOP_BASE_URL, then the one on the data folder]
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server and keep it in the foreground
    Up(up::Args),
    /// Stop the server of the data folder
    Down(down::Args),
    /// Store, list and delete secrets
    #[command(subcommand)]
    Secret(secret::Command),
    /// Store the credentials of a dotenv file, and take them out of it
    Import(import::Args),
    /// Say where a secret's value may go
    Bind(bind::BindArgs),
    /// Take back what `bind` said
    Unbind(bind::UnbindArgs),
    /// Show where secrets may go
    Bindings(bind::BindingsArgs),
    /// Say whether devboxes of the API are given a secret's value as it is
    Expose(expose::Args),
    /// Show what agents ask for, and which secrets gateway configs want
    Requests(requests::RequestsArgs),
    /// Let an agent or a gateway config have what is asked for
    Approve(requests::ApproveArgs),
    /// Do not let an agent or a gateway config have what is asked for
    Refuse(requests::RefuseArgs),
    /// Run a command that can use secrets and cannot read them
    Run(run::Args),
    /// Make devboxes over the API and run commands in them
    #[command(subcommand)]
    Devbox(devbox::Command),
    /// Say which upstreams devboxes of the API reach by a base URL
    #[command(subcommand)]
    GatewayConfig(gateway::Command),
    /// Serve agents over standard input and output (the Model Context Protocol)
    Mcp(mcp::Args),
    /// Show what happened: changes, uses, refusals
    Events(events::Args),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Key(key::Command),
    /// Make and list accounts; for the user who runs the server
    #[command(subcommand)]
    Account(account::Command),
    /// Write everything but the root key into one sealed file
    Backup(backup::Args),
    /// Bring back what `backup` wrote
    Restore(restore::Args),
    /// Look at all stored rows and events, and name what was changed outside tightlip
    Verify(verify::Args),
    /// Find out what stands between a secret and its host
    Doctor(doctor::Args),
    /// Attack a throw-away tightlip on this machine and look for leaks
    Prove(prove::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

/// Parses the process's arguments, does what they say, and gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let json = argv::asks_for_json(&arguments);
    let code = match argv::parse(&arguments) {
        Ok(cli) => {
            let out = Output::new(cli.global.json, Hints::new(cli.global.data.as_deref(), cli.global.url.as_deref()));
            obey(cli, &out).unwrap_or_else(|fault| out.fault(&fault))
        }
        Err(argv::Stopped::Shown(error)) => output::clap_error(&error),
        Err(argv::Stopped::Fault(fault)) => Output::new(json, Hints::guess(&arguments)).fault(&fault),
    };
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

/// The command line's own description, for completions.
fn description() -> clap::Command {
    Cli::command()
}

/// Whether a word names one of our commands.
fn is_command(word: &std::ffi::OsStr) -> bool {
    word.to_str().is_some_and(|word| description().find_subcommand(word).is_some())
}

fn obey(cli: Cli, out: &Output) -> Result<i32, Fault> {
    let Cli { global: Global { json: _, data, url }, command } = cli;
    let (data, url) = (data.as_deref(), url.as_deref());
    let told = OnceCell::new();
    let target = || {
        let target = Target::find(data, url, out.clone())?;
        told.get_or_init(|| target.told());
        Ok(target)
    };
    let here = || url.map_or(Ok(()), |_| Err(no_server_is_asked()));
    let done = match command {
        Command::Up(args) => here().and_then(|()| up::up(&args, data, out)),
        Command::Down(args) => here().and_then(|()| down::down(&args, data, out)).map(|()| 0),
        Command::Secret(command) => secret::obey(command, target, out).map(|()| 0),
        Command::Import(args) => import::import(&args, target, out).map(|()| 0),
        Command::Bind(args) => target().and_then(|target| bind::bind(args, &target, out)).map(|()| 0),
        Command::Unbind(args) => target().and_then(|target| bind::unbind(&args, &target, out)).map(|()| 0),
        Command::Bindings(args) => target().and_then(|target| bind::bindings(&args, &target, out)).map(|()| 0),
        Command::Expose(args) => target().and_then(|target| expose::expose(&args, &target, out)).map(|()| 0),
        Command::Requests(args) => target().and_then(|target| requests::requests(&args, &target, out)).map(|()| 0),
        Command::Approve(args) => target().and_then(|target| requests::approve(&args, &target, out)).map(|()| 0),
        Command::Refuse(args) => target().and_then(|target| requests::refuse(&args, &target, out)).map(|()| 0),
        Command::Run(args) => run::run(args, target, out),
        Command::Devbox(command) => target().and_then(|target| devbox::obey(command, &target, out)),
        Command::GatewayConfig(command) => target().and_then(|target| gateway::obey(command, &target, out)).map(|()| 0),
        Command::Mcp(args) => target().and_then(|target| mcp::mcp(&args, &target, out)).map(|()| 0),
        Command::Events(args) => target().and_then(|target| events::events(args, &target, out)),
        Command::Key(command) => target().and_then(|target| key::obey(command, &target, out)).map(|()| 0),
        Command::Account(command) => target().and_then(|target| account::obey(&command, &target, out)).map(|()| 0),
        Command::Backup(args) => target().and_then(|target| backup::backup(&args, &target, out)).map(|()| 0),
        Command::Restore(args) => here().and_then(|()| restore::restore(&args, data, out)).map(|()| 0),
        Command::Verify(args) => here().and_then(|()| verify::verify(&args, data, out)),
        Command::Doctor(args) => doctor::doctor(&args, target, out),
        Command::Prove(args) => here().and_then(|()| prove::prove(&args, out)),
        Command::Completions(args) => completions::completions(&args, out).map(|()| 0),
    };
    done.map_err(|fault| match told.get() {
        Some(told) => told.to_fault(fault),
        None => fault,
    })
}

/// The refusal of `--url` where it would be ignored.
fn no_server_is_asked() -> Fault {
    Fault::usage("this command asks no server, so --url has no place in it").next("leave --url out; --data DIR names the data folder")
}

const AFTER_HELP: &str = "\
Two commands to begin with (the server starts by itself):
  tightlip secret set GITHUB_TOKEN
  tightlip run -- git clone https://github.com/me/private.git

Environment:
  TIGHTLIP_DATA     the data folder
  TIGHTLIP_URL      the server; RUNLOOP_BASE_URL after it
  TIGHTLIP_API_KEY  the API key; RUNLOOP_API_KEY after it, then the data folder's own
  RUNLOOP_API_KEY   shown to the data folder's own server only where it begins with tlk_
  TIGHTLIP_PASSPHRASE_FILE  a file that holds the data folder's passphrase, where it has one

Exit codes:
  0 done, 1 failure, 2 usage, 3 not found, 4 not authenticated, 5 exists, 6 server unreachable or locked, 7 refused by policy, 10 a leak or tampering was found; \
`run` gives its command's code, 125 could not start, 126 not executable, 127 not found";

#[cfg(test)]
mod tests;
