//! `tightlip devbox`: devboxes over the API, made, listed, used and shut down. For a devbox around one command of yours there is `tightlip run`.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Subcommand;
use client::{Client, DevboxView};
use devbox::Written;
use link::cli::Request;
use link::front::{GatewayWanted, Named};
use model::{Clock, DevboxId, DevboxStatus, EnvName, ExecutionId, SecretName, Stream};
use nix::sys::signal::{SigSet, Signal};
use serde::Serialize;
use serde_json::{Value, json};
use service::SystemClock;

use super::ago::ago;
use super::fault::{Exit, Fault};
use super::output::{Output, table};
use super::target::Target;

mod env;
mod formats;

/// The verbs.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a devbox on the server's machine, and wait until it runs
    #[command(after_help = CREATE_EXAMPLES)]
    Create(CreateArgs),
    /// List devboxes, newest first
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Show one devbox
    #[command(visible_alias = "show")]
    Get(IdArgs),
    /// Run a command in a devbox, show what it says, and end with its exit code
    #[command(after_help = EXEC_EXAMPLES)]
    Exec(ExecArgs),
    /// End a devbox and everything in it
    #[command(visible_alias = "rm")]
    Shutdown(IdArgs),
    /// Make an environment for a sandbox that you start yourself: a container, a pod, a job
    #[command(after_help = ENV_EXAMPLES)]
    Env(env::EnvArgs),
}

/// What the devbox is to be.
#[derive(clap::Args)]
pub(super) struct CreateArgs {
    /// What to call it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A secret that it may use, under its own name or in another variable; repeat for more
    #[arg(short, long = "secret", value_name = "NAME|ENV=NAME", value_parser = secret_of)]
    secrets: Vec<(EnvName, SecretName)>,
    /// A gateway config with the secret that it carries; the devbox gets PREFIX and PREFIX_URL
    #[arg(long = "gateway", value_name = "PREFIX=CONFIG:NAME", value_parser = gateway_of)]
    gateways: Vec<(EnvName, Gateway)>,
    /// How long it lives unless it is kept alive: seconds, or 30m, 12h [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = time_of)]
    keep_alive: Option<u64>,
    /// A command that runs as long as the devbox lives
    #[arg(long, value_name = "TEXT")]
    entrypoint: Option<String>,
}

/// Which.
#[derive(clap::Args)]
pub(super) struct ListArgs {
    /// Those in this state only
    #[arg(long, value_name = "STATUS", value_parser = status_of)]
    status: Option<DevboxStatus>,
}

/// A devbox's id, and nothing more.
#[derive(clap::Args)]
pub(super) struct IdArgs {
    /// The devbox's id (dbx_...)
    #[arg(value_name = "ID")]
    id: DevboxId,
}

/// What to run where.
#[derive(clap::Args)]
pub(super) struct ExecArgs {
    /// The devbox's id (dbx_...)
    #[arg(value_name = "ID")]
    id: DevboxId,
    /// The command and its arguments; one argument alone is a line for a shell
    #[arg(value_name = "CMD", required = true, last = true)]
    command: Vec<String>,
}

/// A gateway config and a secret, each by name or id.
#[derive(Clone, Serialize)]
struct Gateway {
    gateway: String,
    secret: String,
}

impl Gateway {
    /// As the gateway is asked for it.
    fn wanted(&self) -> GatewayWanted {
        let Self { gateway, secret } = self.clone();
        GatewayWanted {
            gateway: Named { id: gateway.parse().ok(), name: gateway },
            secret: Named { id: secret.parse().ok(), name: secret },
        }
    }
}

#[derive(Serialize)]
struct List<'a> {
    devboxes: &'a [DevboxView],
    total_count: usize,
}

/// Does what `command` says; the exit code.
pub(super) fn obey(command: Command, target: &Target, out: &Output) -> Result<i32, Fault> {
    match command {
        Command::Create(args) => create(args, target, out).map(|()| 0),
        Command::List(args) => list(&args, target, out).map(|()| 0),
        Command::Get(args) => {
            let view = target.client()?.devbox(&args.id).map_err(unknown)?;
            out.result(&view, || described(&view));
            Ok(0)
        }
        Command::Exec(args) => exec(&args, target, out),
        Command::Env(args) => env::env(args, target, out).map(|()| 0),
        Command::Shutdown(args) => {
            let view = target.client()?.shut_down(&args.id).map_err(unknown)?;
            out.result(&view, || format!("{} is shut down", view.id));
            Ok(0)
        }
    }
}

fn create(args: CreateArgs, target: &Target, out: &Output) -> Result<(), Fault> {
    let secrets: BTreeMap<_, _> = args.secrets.into_iter().collect();
    let gateways: BTreeMap<_, _> = args.gateways.into_iter().collect();
    let mut wanted = json!({ "secrets": secrets, "gateways": gateways });
    let mut set = |key: &str, value: Option<Value>| {
        if let (Some(value), Some(fields)) = (value, wanted.as_object_mut()) {
            fields.insert(key.to_owned(), value);
        }
    };
    set("name", args.name.map(Value::from));
    set("entrypoint", args.entrypoint.map(Value::from));
    set("launch_parameters", args.keep_alive.map(|seconds| json!({ "keep_alive_time_seconds": seconds })));
    let (client, asks) = (target.client()?, !gateways.is_empty());
    let begun = client.create_devbox(&wanted)?;
    let view = client.wait_for_devbox(&begun.id).map_err(|error| {
        out.note(&format!(
            "made the devbox {}, and could not wait for it: it is there until it is shut down, or its time is over",
            begun.id
        ));
        unknown(error)
    })?;
    if view.status != DevboxStatus::Running {
        let why = view.state_transitions.iter().rev().find_map(|state| state.failure_reason.clone());
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        return Err(Fault::new(Exit::Failure, format!("the devbox {} did not start{why}", view.id)));
    }
    if asks {
        note_requests(&view.id, target, out);
    }
    out.note(&format!("made the devbox {}; run a command in it: tightlip devbox exec {} -- CMD", view.id, view.id));
    out.result(&view, || view.id.to_string());
    Ok(())
}

/// Says where a person has to decide before a gateway works; the devbox is there all the same.
fn note_requests(id: &DevboxId, target: &Target, out: &Output) {
    if !target.is_local() {
        return;
    }
    let asked = target.gate().and_then(|gate| gate.pairings(&Request::Requests { api_key: target.api_key()? }));
    // Waiting requests are told of where they can be seen; the devbox does not depend on it.
    let Ok(waiting) = asked else { return };
    for one in waiting.iter().filter(|one| one.devbox == *id) {
        out.note(&format!(
            "{} is bound to nothing, so its gateway answers `pairing_pending` until somebody decides: tightlip approve {}",
            one.secret, one.id
        ));
    }
}

fn list(args: &ListArgs, target: &Target, out: &Output) -> Result<(), Fault> {
    let devboxes = target.client()?.devboxes(args.status)?;
    if devboxes.is_empty() {
        out.note(match args.status {
            None => "no devboxes; make one: tightlip devbox create",
            Some(_) => "no devboxes in this state; see all: tightlip devbox list",
        });
    }
    if devboxes.is_empty() && !out.json() {
        return Ok(());
    }
    out.result(&List { devboxes: &devboxes, total_count: devboxes.len() }, || {
        let now = SystemClock.now();
        let row = |view: &DevboxView| {
            let end = view.end_time_ms.map_or_else(|| "-".to_owned(), |end| ago(end, now));
            let name = view.name.clone().unwrap_or_else(|| "-".to_owned());
            [view.id.to_string(), name, status_in_words(view), ago(view.create_time_ms, now), end]
        };
        table(["ID", "NAME", "STATUS", "CREATED", "ENDED"], &devboxes.iter().map(row).collect::<Vec<_>>())
    });
    Ok(())
}

fn described(view: &DevboxView) -> String {
    let now = SystemClock.now();
    let mut lines = vec![format!("id       {}", view.id)];
    lines.extend(view.name.as_ref().map(|name| format!("name     {name}")));
    lines.push(format!("status   {}", status_in_words(view)));
    lines.extend(sources_of(view).map(|sources| format!("from     {sources}")));
    lines.push(format!("created  {}", ago(view.create_time_ms, now)));
    lines.extend(view.end_time_ms.map(|end| format!("ended    {}", ago(end, now))));
    lines.extend(view.more.get("shutdown_reason").and_then(Value::as_str).map(|reason| format!("why      {reason}")));
    lines.extend(view.state_transitions.iter().filter_map(|state| state.failure_reason.as_ref()).map(|why| format!("why      {why}")));
    lines.join("\n")
}

/// Its state, and whether it is somebody else's sandbox.
fn status_in_words(view: &DevboxView) -> String {
    let remote = if view.more.contains_key("remote") { " (remote)" } else { "" };
    format!("{}{remote}", view.status.as_str())
}

/// Where a sandbox's connections may come from, where that is said.
fn sources_of(view: &DevboxView) -> Option<String> {
    let sources = view.more.get("remote")?.get("source_networks")?.as_array()?.iter().filter_map(Value::as_str).collect::<Vec<_>>();
    (!sources.is_empty()).then(|| sources.join(", "))
}

fn exec(args: &ExecArgs, target: &Target, out: &Output) -> Result<i32, Fault> {
    let text = match &args.command[..] {
        [line] => line.clone(),
        words => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
    };
    // Before there is a command to end, so that no signal comes in between.
    let interrupted = Interrupted::block();
    let client = target.client()?;
    let begun = client.execute(&args.id, &text).map_err(unknown)?;
    let written = Arc::new(Mutex::new(Written::default()));
    interrupted.end_with(target.client()?, &args.id, &begun.execution_id, Arc::clone(&written));
    if !out.json() {
        let beside = target.client()?;
        let (id, execution) = (&args.id, &begun.execution_id);
        let written = &*written;
        let followed = std::thread::scope(|scope| {
            let errors = scope.spawn(move || {
                beside.follow_output(id, execution, Stream::Stderr, |piece| pass_on(&mut std::io::stderr(), piece, written))
            });
            let told = client.follow_output(id, execution, Stream::Stdout, |piece| pass_on(&mut std::io::stdout(), piece, written));
            errors.join().unwrap_or(Ok(())).and(told)
        });
        forget_answers(written);
        followed.map_err(unknown)?;
    }
    let ended = client.wait_for_execution(&args.id, &begun.execution_id).map_err(unknown)?;
    if out.json() {
        out.json_line(&ended);
    }
    Ok(ended.exit_status.unwrap_or(Exit::Failure as i32))
}

/// Signals that ask this process to end: the command in the devbox is ended with it.
struct Interrupted(SigSet);

impl Interrupted {
    /// Keeps them waiting, in this thread and those that it starts.
    fn block() -> Self {
        let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        // Where that fails, they end this process as they ever did.
        let _ = signals.thread_block();
        Self(signals)
    }

    /// Ends the command, then this process, when one comes.
    fn end_with(self, client: Client, devbox: &DevboxId, execution: &ExecutionId, written: Arc<Mutex<Written>>) {
        let (devbox, execution) = (devbox.clone(), execution.clone());
        std::thread::spawn(move || {
            let Ok(signal) = self.0.wait() else { return };
            let said = match client.kill_execution(&devbox, &execution) {
                Ok(_) => format!("ended the command in {devbox}"),
                Err(error) => format!("failed to end the command in {devbox}, where it may go on: {error}"),
            };
            forget_answers(&written);
            // Nobody may be there to read it.
            let _ = writeln!(std::io::stderr(), "tightlip: {said}");
            std::process::exit(SIGNALLED + signal as i32);
        });
    }
}

/// Somebody who no longer listens is no reason to stop the command.
fn pass_on(to: &mut (impl Write + IsTerminal), piece: &str, written: &Mutex<Written>) {
    if to.is_terminal() {
        let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
        *written = written.after(piece.as_bytes());
    }
    let _gone = to.write_all(piece.as_bytes()).and_then(|()| to.flush());
}

/// What the terminal was made to answer is not left for the shell.
fn forget_answers(written: &Mutex<Written>) {
    devbox::forget_answers(*written.lock().unwrap_or_else(PoisonError::into_inner));
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

fn unknown(error: client::ClientError) -> Fault {
    let fault = Fault::from(error);
    if fault.exit == Exit::NotFound { fault.next("tightlip devbox list") } else { fault }
}

fn secret_of(text: &str) -> Result<(EnvName, SecretName), String> {
    let (env, name) = text.split_once('=').unwrap_or((text, text));
    let name = name.parse::<SecretName>().map_err(|error| error.to_string())?;
    let env = env.parse::<EnvName>().map_err(|error| format!("{error}; name the variable too: ENV=NAME"))?;
    Ok((env, name))
}

fn gateway_of(text: &str) -> Result<(EnvName, Gateway), String> {
    let parts = text.split_once('=').and_then(|(prefix, rest)| Some((prefix, rest.rsplit_once(':')?)));
    let (prefix, (gateway, secret)) = parts.ok_or("a gateway is PREFIX=CONFIG:NAME, such as MY_API=anthropic:ANTHROPIC_API_KEY")?;
    let prefix = prefix.parse::<EnvName>().map_err(|error| error.to_string())?;
    Ok((prefix, Gateway { gateway: gateway.to_owned(), secret: secret.to_owned() }))
}

/// A time: seconds, or as `key create --expires` takes it.
fn time_of(text: &str) -> Result<u64, String> {
    let seconds = text.parse::<u64>().ok();
    seconds.map_or_else(
        || {
            super::key::seconds_of(text)
                .map_err(|_| "a time is a number of seconds, or a whole number and s, m or h, such as 30m".to_owned())
        },
        Ok,
    )
}

fn status_of(word: &str) -> Result<DevboxStatus, String> {
    DevboxStatus::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = DevboxStatus::ALL.into_iter().map(DevboxStatus::as_str).collect();
        format!("a status is one of {}", words.join(", "))
    })
}

/// What shells add to the number of a signal that ended a command.
const SIGNALLED: i32 = 128;

const CREATE_EXAMPLES: &str = "\
It has a private home and nothing of the server's folders. Its id goes to standard output.

Examples:
  tightlip devbox create --secret GITHUB_TOKEN
  tightlip devbox create --gateway MY_API=anthropic:ANTHROPIC_API_KEY --keep-alive 10m
  id=$(tightlip devbox create --name ci) && tightlip devbox exec $id -- 'make test'";

const ENV_EXAMPLES: &str = "\
The server runs with `tightlip up --gateway ADDR:PORT`. The files hold a credential: whoever has it is this sandbox, from the networks that --source names.

Examples:
  docker run $(tightlip devbox env --secret GITHUB_TOKEN --source 172.17.0.0/16 --format docker --out ./box) IMAGE
  tightlip devbox env --secret GITHUB_TOKEN --allow docs.example.com --format k8s --gateway-url http://10.0.0.5:7081 --out ./box
  tightlip devbox env --secret GITHUB_TOKEN --bundle ./bundle.pem > .env";

const EXEC_EXAMPLES: &str = "\
Each command is a fresh login shell in the devbox's home, without standard input. Ctrl-C ends it. With --json its last 100 lines are shown once it has ended.

Examples:
  tightlip devbox exec dbx_0WVdN5aJ8k2mXq7RtYb3L -- 'cd src && make'
  tightlip devbox exec dbx_0WVdN5aJ8k2mXq7RtYb3L -- git clone https://github.com/me/private.git

Exit codes:
  the command's own (128+n by signal n)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_shell_as_they_are() {
        assert_eq!(["a", "a b", "it's", "", "$X", "--k=v"].map(quoted), ["a", "'a b'", "'it'\\''s'", "''", "'$X'", "--k=v"]);
    }

    #[test]
    fn what_is_no_gateway_or_secret_says_what_one_is() {
        for text in ["", "A", "A=b", "1=a:b", "=a:b"] {
            assert!(gateway_of(text).is_err(), "{text:?}");
        }
        assert!(gateway_of("MY_API=anthropic:KEY").is_ok() && secret_of("A=my-secret").is_ok());
        assert!(secret_of("my-secret").is_err_and(|error| error.contains("ENV=NAME")));
    }
}
