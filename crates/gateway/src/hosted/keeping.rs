//! Asking the keeper.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use link::calls::Calls;
use link::keeper::{Execution, Kept, Order, Output};
use tokio::sync::oneshot;

use super::trouble::Trouble;

/// The gateway's end of the line to the keeper.
pub(super) struct Keeping(Arc<Calls<Kept>>);

impl Keeping {
    pub(super) const fn new(calls: Arc<Calls<Kept>>) -> Self {
        Self(calls)
    }

    /// Asks, and waits so long for an answer; what the keeper could not do is an error.
    pub(super) async fn ask(&self, order: &Order, fds: &[BorrowedFd<'_>], wait: Duration) -> Result<(Kept, Vec<OwnedFd>), Trouble> {
        let (tell, told) = oneshot::channel();
        // Where nobody waits any more, descriptors are closed with the answer.
        let asked = self.0.ask(order, fds, move |answer, fds| drop(tell.send((answer, fds)))).map_err(|_| Trouble::KeeperAway)?;
        let told = tokio::time::timeout(wait, told).await;
        drop(asked);
        match told {
            Ok(Ok((Kept::Failed(trouble), _))) => Err(trouble.into()),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(Trouble::KeeperAway),
        }
    }

    /// As [`Keeping::ask`], for what is answered by how a command fares.
    pub(super) async fn execution(&self, order: &Order, wait: Duration) -> Result<Execution, Trouble> {
        match self.ask(order, &[], wait).await? {
            (Kept::Execution(execution), _) => Ok(execution),
            _ => Err(Trouble::KeeperAway),
        }
    }

    /// As [`Keeping::ask`], for what is answered by a piece of output.
    pub(super) async fn output(&self, order: &Order, wait: Duration) -> Result<Output, Trouble> {
        match self.ask(order, &[], wait).await? {
            (Kept::Output(output), _) => Ok(output),
            _ => Err(Trouble::KeeperAway),
        }
    }
}
