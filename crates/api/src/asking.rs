//! Asking the gateway about devboxes, on behalf of a caller that was authenticated here and is authenticated there once more. No thread waits for an answer.

use std::sync::Arc;
use std::time::Duration;

use link::front::{DevboxTell, DevboxVerb, Tell};
use link::keeper::{Execution, Output};
use model::limits::LINK_MESSAGE_BYTES_MAX;
use model::{AccountId, DevboxId, ExecutionId, Hosted, Stream};

use crate::call::Credential;
use crate::desk::Desk;
use crate::front::FrontError;
use crate::output::last_lines;
use crate::problem::ApiError;
use crate::shares::Taken;
use crate::views::devboxes::Shown;

/// Whoever asks.
pub(crate) struct Asking {
    pub(crate) desk: Arc<Desk>,
    pub(crate) credential: Credential,
    pub(crate) account: AccountId,
}

impl Asking {
    /// A place among those that wait for devboxes.
    pub(crate) fn place(&self) -> Result<Taken, ApiError> {
        self.desk.holds.try_take(&self.account).ok_or(ApiError::HoldsFull)
    }

    /// Asks for a devbox, and waits as long as the question does.
    pub(crate) async fn devbox(&self, verb: DevboxVerb, wait: Duration) -> Result<Hosted, ApiError> {
        let DevboxTell::Devbox(devbox) = self.ask(verb, wait).await? else { return Err(FrontError::Failed.into()) };
        Ok(devbox)
    }

    /// Asks for a command.
    pub(crate) async fn execution(&self, verb: DevboxVerb, wait: Duration) -> Result<Execution, ApiError> {
        let DevboxTell::Execution(execution) = self.ask(verb, wait).await? else { return Err(FrontError::Failed.into()) };
        Ok(execution)
    }

    /// Asks for a piece of output.
    pub(crate) async fn output(&self, verb: DevboxVerb, wait: Duration) -> Result<Output, ApiError> {
        let DevboxTell::Output(output) = self.ask(verb, wait).await? else { return Err(FrontError::Failed.into()) };
        Ok(output)
    }

    /// Asks, and waits for the answer as long as the question itself waits and a little more.
    pub(crate) async fn ask(&self, verb: DevboxVerb, wait: Duration) -> Result<DevboxTell, ApiError> {
        let told = self.desk.front.ask_devbox(self.credential.bearer()?, verb, wait).await?;
        let Tell::Devbox(told) = told else { return Err(FrontError::Failed.into()) };
        if let DevboxTell::Denied(denied) = *told { Err(denied.into()) } else { Ok(*told) }
    }

    /// The last lines of what a command that has ended wrote to one of its streams.
    pub(crate) async fn last_lines(
        &self,
        devbox: &DevboxId,
        execution: &Execution,
        stream: Stream,
        lines: usize,
    ) -> Result<Shown, ApiError> {
        let index = match stream {
            Stream::Stdout => 0,
            Stream::Stderr => 1,
        };
        let (written, kept_from) = (execution.written[index], execution.kept_from[index]);
        let (mut start, mut bytes) = (written, Vec::new());
        // From the end to the beginning, as far as there are lines to show.
        while start > kept_from && last_lines(&bytes, lines) == 0 && lines > 0 {
            let from = start.saturating_sub(TAIL_BYTES).max(kept_from);
            let mut piece = self.bytes(devbox, &execution.execution, stream, from, start).await?;
            if (piece.len() as u64) < start - from {
                // Less than was said to be there: what is left is shown, and said to be a part.
                let shown = [piece, bytes].concat();
                return Ok(Shown::new(&shown, lines, true));
            }
            piece.append(&mut bytes);
            (start, bytes) = (from, piece);
        }
        Ok(Shown::new(&bytes, lines, start > 0))
    }

    /// What a command wrote, from one byte up to another.
    async fn bytes(&self, devbox: &DevboxId, execution: &ExecutionId, stream: Stream, from: u64, to: u64) -> Result<Vec<u8>, ApiError> {
        let (mut at, mut bytes) = (from, Vec::new());
        while at < to {
            let verb = DevboxVerb::Output { devbox: devbox.clone(), execution: execution.clone(), stream, from: at, wait_ms: 0 };
            let output = self.output(verb, Duration::ZERO).await?;
            if output.bytes.is_empty() {
                break;
            }
            if output.from > at {
                // Lost meanwhile; the rest is what is still there.
                bytes.clear();
            }
            at = output.from + output.bytes.len() as u64;
            bytes.extend_from_slice(&output.bytes);
        }
        bytes.truncate(bytes.len() - usize::try_from(at.saturating_sub(to)).unwrap_or(usize::MAX).min(bytes.len()));
        Ok(bytes)
    }
}

/// Checks that a question fits into one message.
pub(crate) fn check_size(verb: DevboxVerb) -> Result<DevboxVerb, ApiError> {
    let bytes = serde_json::to_vec(&verb).map_or(usize::MAX, |json| json.len());
    if bytes <= LINK_MESSAGE_BYTES_MAX - ENVELOPE_BYTES { Ok(verb) } else { Err(crate::bodies::BodyError::DevboxTooLarge.into()) }
}

/// What is read of a command's output at a time, from its end.
const TAIL_BYTES: u64 = 64 * 1024;
/// The message around a question about a devbox: its number and an API key.
const ENVELOPE_BYTES: usize = 2 * 1024;
