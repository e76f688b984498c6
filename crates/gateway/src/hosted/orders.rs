//! Commands and their output.

use std::sync::Arc;
use std::time::Duration;

use link::front::DevboxTell;
use link::keeper::Order;
use model::limits::COMMAND_BYTES_MAX;
use model::{ApiKeyId, DevboxId, ExecutionId, Stream};
use service::DevboxDenial;

use super::trouble::Trouble;
use super::{Hosting, Kind, Place};

impl Hosting {
    /// Runs a command, once for each id and each number.
    pub(super) async fn execute(
        &self,
        place: &Place,
        command: String,
        execution: Option<ExecutionId>,
        request: Option<(ApiKeyId, [u8; 32])>,
    ) -> Result<DevboxTell, Trouble> {
        if command.len() > COMMAND_BYTES_MAX || command.contains('\0') {
            return Err(Trouble::CommandUnfit);
        }
        let execution = match (execution, request) {
            (Some(execution), _) => execution,
            // The same request names the same command, also to a gateway that was started since; another text under its number is another command.
            (None, Some((key, number))) => {
                let digest = vault::hash_token(&format!("{key}\n{number:?}\n{}\n{command}", place.id)).0;
                let random = digest.iter().take(16).fold(0, |bits, byte| (bits << 8) | u128::from(*byte));
                ExecutionId::from_parts(place.begun, random)
            }
            (None, None) => {
                let random = vault::random_u128().map_err(|_| Trouble::Denied(DevboxDenial::Internal))?;
                ExecutionId::from_parts(self.clock.now(), random)
            }
        };
        let order = Order::Execute { devbox: place.id.clone(), execution, command };
        Ok(DevboxTell::Execution(self.keeper()?.execution(&order, START_WAIT).await?))
    }

    pub(super) async fn execution(&self, devbox: DevboxId, execution: ExecutionId, wait_ms: u64) -> Result<DevboxTell, Trouble> {
        let wait_ms = wait_ms.min(HOLD_MS_MAX);
        let order = Order::Execution { devbox, execution, wait_ms };
        Ok(DevboxTell::Execution(self.keeper()?.execution(&order, Duration::from_millis(wait_ms) + ANSWER_WAIT).await?))
    }

    pub(super) async fn output(
        &self,
        devbox: DevboxId,
        execution: ExecutionId,
        stream: Stream,
        from: u64,
        wait_ms: u64,
    ) -> Result<DevboxTell, Trouble> {
        let wait_ms = wait_ms.min(HOLD_MS_MAX);
        let order = Order::Output { devbox, execution, stream, from, wait_ms };
        Ok(DevboxTell::Output(self.keeper()?.output(&order, Duration::from_millis(wait_ms) + ANSWER_WAIT).await?))
    }

    pub(super) async fn kill(&self, devbox: DevboxId, execution: ExecutionId) -> Result<DevboxTell, Trouble> {
        let order = Order::Kill { devbox, execution };
        Ok(DevboxTell::Execution(self.keeper()?.execution(&order, ANSWER_WAIT).await?))
    }

    /// The devbox, where it is this account's, on this machine, and runs.
    pub(super) fn running(&self, account: &model::AccountId, devbox: &DevboxId) -> Result<Arc<Place>, Trouble> {
        match self.place(devbox).filter(|place| place.card.account == *account) {
            Some(place) if place.kind == Kind::Remote => Err(Trouble::Remote),
            Some(place) if place.is_running() => Ok(place),
            Some(_) => Err(Trouble::NotRunning),
            // Ended, foreign or never there: told apart for its owner only.
            None => match self.gate.hosted(account, devbox) {
                Ok(hosted) => Err(if hosted.status().is_final() { Trouble::Ended } else { Trouble::NotRunning }),
                Err(denial) => Err(denial.into()),
            },
        }
    }
}

/// For a command to be started: a loaded machine, not a broken one.
const START_WAIT: Duration = Duration::from_secs(10);
/// Beyond what a question itself waits.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// How long one question may wait.
const HOLD_MS_MAX: u64 = 60_000;
