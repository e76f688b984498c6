//! `/v1/devboxes/{id}/execute` and what follows from it: commands, how they fare, and what they write.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream::{self, Stream as Items};
use link::front::DevboxVerb;
use link::keeper::Execution;
use model::{DevboxId, ExecutionId, Scope, Stream};

use super::devboxes::ms;
use crate::asking::{Asking, check_size};
use crate::bodies::devboxes::{self as bodies, CommandBody, CommandStatus};
use crate::call::{Call, shown};
use crate::limits::{COMMAND_HOLD, DEVBOX_TIME, FOLLOW_ALIVE, FOLLOW_TICK, OUTPUT_HOLD};
use crate::output::{Piece, Text};
use crate::problem::ApiError;
use crate::queries;
use crate::shares::Taken;
use crate::views::devboxes::{ExecutionDetailView, ExecutionView, OutputView, Shown};

/// `POST /v1/devboxes/{id}/execute`: waits for the command's end, and shows one that still runs as running.
pub(crate) async fn execute(call: Call) -> Response {
    shown(async {
        let (asking, started, lines) = start(call).await?;
        let Started { devbox, execution, hold } = started;
        let execution = ended(&asking, &devbox, execution, hold).await?;
        view(&asking, devbox, execution, lines).await
    })
    .await
}

/// `POST /v1/devboxes/{id}/execute_async`
pub(crate) async fn execute_async(call: Call) -> Response {
    shown(async {
        let (asking, started, lines) = start(call).await?;
        view(&asking, started.devbox, started.execution, lines).await
    })
    .await
}

/// `POST /v1/devboxes/{id}/execute_sync`: a retry under the same number waits on for the same command.
pub(crate) async fn execute_sync(call: Call) -> Response {
    shown(async {
        let (asking, started, lines) = start(call).await?;
        let execution = ended(&asking, &started.devbox, started.execution, COMMAND_HOLD).await?;
        let code = execution.ended.ok_or(ApiError::HoldOver)?;
        let written = written(&asking, &started.devbox, &execution, lines).await?;
        Ok(ExecutionDetailView::new(started.devbox, code, written))
    })
    .await
}

/// `GET /v1/devboxes/{devbox_id}/executions/{execution_id}`
pub(crate) async fn get(call: Call) -> Response {
    shown(async {
        let parse = |call: &Call| Ok((call.devbox()?, call.execution()?, queries::last_n(&call.uri)?));
        let (asking, (devbox, execution, lines)) = call.asking(Scope::Read, parse).await?;
        let execution = fares(&asking, &devbox, execution, Duration::ZERO).await?;
        view(&asking, devbox, execution, lines).await
    })
    .await
}

/// `POST /v1/devboxes/{devbox_id}/executions/{execution_id}/wait_for_status`
pub(crate) async fn wait_for_status(call: Call) -> Response {
    shown(async {
        let parse = |call: &Call| {
            let wait = bodies::wait_command(call.body()?)?;
            Ok((call.devbox()?, call.execution()?, queries::last_n(&call.uri)?, wait))
        };
        let (asking, (devbox, execution, lines, wait)) = call.asking(Scope::Read, parse).await?;
        // A command here is never queued: it runs, or it has ended.
        let may_run = wait.statuses.contains(&CommandStatus::Running);
        let _place = asking.place()?;
        let execution = fares(&asking, &devbox, execution, if may_run { Duration::ZERO } else { wait.hold }).await?;
        if execution.ended.is_none() && !may_run {
            return Err(ApiError::HoldOver);
        }
        view(&asking, devbox, execution, lines).await
    })
    .await
}

/// `POST /v1/devboxes/{devbox_id}/executions/{execution_id}/kill`: every process of the command's session, whatever the body says of groups.
pub(crate) async fn kill(call: Call) -> Response {
    shown(async {
        let parse = |call: &Call| {
            crate::bodies::empty(call.body()?)?;
            Ok((call.devbox()?, call.execution()?, queries::last_n(&call.uri)?))
        };
        let (asking, (devbox, execution, lines)) = call.asking(Scope::Devbox, parse).await?;
        let execution = asking.execution(DevboxVerb::Kill { devbox: devbox.clone(), execution }, DEVBOX_TIME).await?;
        view(&asking, devbox, execution, lines).await
    })
    .await
}

/// `GET /v1/devboxes/{devbox_id}/executions/{execution_id}/stream_stdout_updates`
pub(crate) async fn stream_stdout(call: Call) -> Response {
    follow(call, Stream::Stdout).await
}

/// `GET /v1/devboxes/{devbox_id}/executions/{execution_id}/stream_stderr_updates`
pub(crate) async fn stream_stderr(call: Call) -> Response {
    follow(call, Stream::Stderr).await
}

/// A command that was started.
struct Started {
    devbox: DevboxId,
    execution: Execution,
    /// How long its end is to be waited for.
    hold: Duration,
}

async fn start(call: Call) -> Result<(Asking, Started, usize), ApiError> {
    let parse = |call: &Call| {
        let CommandBody { command, execution, hold } = bodies::execute(call.body()?)?;
        let (devbox, lines) = (call.devbox()?, queries::last_n(&call.uri)?);
        let verb = DevboxVerb::Execute { devbox: devbox.clone(), command, execution, request: call.digest() };
        Ok((check_size(verb)?, devbox, lines, hold))
    };
    let (asking, (verb, devbox, lines, hold)) = call.asking(Scope::Devbox, parse).await?;
    let execution = asking.execution(verb, DEVBOX_TIME).await?;
    Ok((asking, Started { devbox, execution, hold }, lines))
}

/// The command once it has ended or the wait is over.
async fn ended(asking: &Asking, devbox: &DevboxId, execution: Execution, hold: Duration) -> Result<Execution, ApiError> {
    if execution.ended.is_some() {
        return Ok(execution);
    }
    let _place = asking.place()?;
    fares(asking, devbox, execution.execution, hold).await
}

async fn fares(asking: &Asking, devbox: &DevboxId, execution: ExecutionId, hold: Duration) -> Result<Execution, ApiError> {
    asking.execution(DevboxVerb::Execution { devbox: devbox.clone(), execution, wait_ms: ms(hold) }, hold).await
}

async fn view(asking: &Asking, devbox: DevboxId, execution: Execution, lines: usize) -> Result<ExecutionView, ApiError> {
    let Some(code) = execution.ended else { return Ok(ExecutionView::running(devbox, execution)) };
    let written = written(asking, &devbox, &execution, lines).await?;
    Ok(ExecutionView::completed(devbox, execution, code, written))
}

/// The ends of what it wrote to its standard output and error.
async fn written(asking: &Asking, devbox: &DevboxId, execution: &Execution, lines: usize) -> Result<[Shown; 2], ApiError> {
    let stdout = asking.last_lines(devbox, execution, Stream::Stdout, lines).await?;
    Ok([stdout, asking.last_lines(devbox, execution, Stream::Stderr, lines).await?])
}

/// A client that gets a command's output as it comes.
struct Follower {
    asking: Asking,
    devbox: DevboxId,
    execution: ExecutionId,
    stream: Stream,
    text: Text,
    is_over: bool,
    _place: Taken,
}

async fn follow(call: Call, stream: Stream) -> Response {
    match begun(call, stream).await {
        Ok(follower) => {
            let desk = std::sync::Arc::clone(&follower.asking.desk);
            let pieces = pieces_of(follower).take_until(async move { desk.stopped().await });
            Sse::new(pieces).keep_alive(KeepAlive::new().interval(FOLLOW_ALIVE)).into_response()
        }
        Err(error) => error.into_response(),
    }
}

/// Whoever may not, or asks for what is not there, is told so by a status.
async fn begun(call: Call, stream: Stream) -> Result<Follower, ApiError> {
    let parse = |call: &Call| Ok((call.devbox()?, call.execution()?, queries::offset(&call.uri)?));
    let (asking, (devbox, execution, offset)) = call.asking(Scope::Read, parse).await?;
    let place = asking.place()?;
    fares(&asking, &devbox, execution.clone(), Duration::ZERO).await?;
    Ok(Follower { asking, devbox, execution, stream, text: Text::from(offset), is_over: false, _place: place })
}

fn pieces_of(follower: Follower) -> impl Items<Item = Result<Event, Infallible>> {
    stream::unfold(follower, |mut follower| async move {
        let pieces = follower.next().await?;
        Some((stream::iter(pieces.into_iter().map(event)), follower))
    })
    .flatten()
}

fn event(piece: Piece) -> Result<Event, Infallible> {
    // It holds a text and a number, which JSON can say.
    Ok(Event::default().json_data(OutputView { output: piece.text, offset: piece.offset }).unwrap_or_default())
}

impl Follower {
    /// What came next; none after the end.
    async fn next(&mut self) -> Option<Vec<Piece>> {
        while !self.is_over {
            let verb = DevboxVerb::Output {
                devbox: self.devbox.clone(),
                execution: self.execution.clone(),
                stream: self.stream,
                from: self.text.next(),
                wait_ms: ms(OUTPUT_HOLD),
            };
            let mut pieces = match self.asking.output(verb, OUTPUT_HOLD).await {
                Ok(output) => {
                    self.is_over = output.is_last;
                    if output.bytes.is_empty() { Vec::new() } else { self.text.put(output.from, &output.bytes) }
                }
                // It comes back, and the devbox lives on meanwhile.
                Err(ApiError::Front(_)) => {
                    tokio::time::sleep(FOLLOW_TICK).await;
                    Vec::new()
                }
                // The devbox is gone, or the caller may not any more.
                Err(_) => {
                    self.is_over = true;
                    Vec::new()
                }
            };
            if self.is_over {
                pieces.extend(self.text.end());
            }
            if !pieces.is_empty() {
                return Some(pieces);
            }
        }
        None
    }
}
