//! `tightlip mcp`: the door for agents over standard input and output, for clients that start their servers themselves. Each call is passed on to the server's own
//! door, with the API key of this command line.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use client::{Client, ToolAnswer};
use mcp::{BoxFuture, Outcome, Relay, Relayed, Server, Unanswered};
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use super::fault::{Exit, Fault};
use super::gate::Gate;
use super::output::Output;
use super::target::Target;

/// Nothing of its own: `--data`, `--url` and the environment say which server.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {}

/// A call on its way to the server.
struct Call {
    tool: &'static str,
    arguments: Map<String, Value>,
    answer: oneshot::Sender<Relayed>,
}

/// Where calls wait for the thread that knows the server.
struct Line(Sender<Call>);

/// A server that is known, and stays while it is: one that was started for this command goes when nobody uses it, and its port, which the links to people name, with it.
struct Known {
    client: Client,
    _held: Option<Gate>,
}

impl Known {
    fn find(target: &Target) -> Result<Self, Fault> {
        Ok(Self { client: target.client()?, _held: target.hold() })
    }
}

/// Serves one client until it closes the line.
pub(super) fn mcp(_args: &Args, target: &Target, out: &Output) -> Result<(), Fault> {
    // What would keep every call from an answer is said before there are any.
    let known = Known::find(target)?;
    out.note("tightlip: serving an agent on standard input and output; see `tightlip mcp --help`");
    let (line, calls) = channel();
    let serving = thread::Builder::new().name("mcp".to_owned()).spawn(move || serve(line)).map_err(|error| Fault::failure(&error))?;
    relay(target, known, &calls);
    match serving.join() {
        Ok(served) => served.map_err(|error| Fault::failure(&error)),
        Err(_) => Err(Fault::new(Exit::Failure, "the agents' door ended early")),
    }
}

fn serve(line: Sender<Call>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = Server::relaying(Arc::new(Line(line)));
    let served = runtime.block_on(mcp::stdio::serve(server, tokio::io::stdin(), tokio::io::stdout()));
    // A read of the standard input cannot be taken back.
    runtime.shutdown_background();
    served
}

/// Passes calls on, one after the other, until no more can come.
fn relay(target: &Target, first: Known, calls: &Receiver<Call>) {
    let mut known = Some(first);
    for Call { tool, arguments, answer } in calls {
        let relayed = pass_on(target, &mut known, tool, arguments);
        // Whoever asked may be gone.
        let _ = answer.send(relayed);
    }
}

fn pass_on(target: &Target, known: &mut Option<Known>, tool: &'static str, arguments: Map<String, Value>) -> Relayed {
    let said = match known.take() {
        Some(server) => match server.client.call_tool(tool, arguments.clone()) {
            // It ended, and another may be there or is started: this one has seen nothing of the call.
            Err(error) if error.is_unsent() => say_anew(target, tool, arguments),
            said => said.map(|answer| (server, answer)).map_err(Fault::from),
        },
        None => say_anew(target, tool, arguments),
    };
    let (server, answer) = said.map_err(|fault| {
        target.forget();
        unanswered(target.told().to_fault(fault))
    })?;
    *known = Some(server);
    let ToolAnswer { structured, text, is_error } = answer;
    Ok(Outcome { structured, text, is_error })
}

/// Says it to the server that is there now.
fn say_anew(target: &Target, tool: &str, arguments: Map<String, Value>) -> Result<(Known, ToolAnswer), Fault> {
    target.forget();
    let server = Known::find(target)?;
    let answer = server.client.call_tool(tool, arguments)?;
    Ok((server, answer))
}

/// A failure of this command line as an agent is told it.
fn unanswered(fault: Fault) -> Unanswered {
    let message = fault.next.map_or(fault.message.clone(), |next| format!("{}: {next}", fault.message));
    Unanswered::Because { code: fault.code, message }
}

impl Relay for Line {
    fn call(&self, tool: &'static str, arguments: Map<String, Value>) -> BoxFuture<'_, Relayed> {
        let (answer, answered) = oneshot::channel();
        let sent = self.0.send(Call { tool, arguments, answer });
        Box::pin(async move {
            if sent.is_err() {
                return Err(Unanswered::Away);
            }
            answered.await.unwrap_or(Err(Unanswered::Away))
        })
    }
}

const EXAMPLES: &str = "\
An MCP client starts this command and speaks the protocol on its standard input and output; the tools list secrets, say how they are used, test them and ask \
people for more. No tool takes or gives a value. Inside `tightlip run` nothing has to be started: https://tightlip.internal/mcp is there.

Examples:
  claude mcp add tightlip -- tightlip mcp
  codex mcp add tightlip -- tightlip mcp
  TIGHTLIP_URL=https://tightlip.example.com TIGHTLIP_API_KEY=tlk_... tightlip mcp";
