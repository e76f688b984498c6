//! Orders in, answers out: each order is a task of its own, so that none waits for another.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use devbox::{HostedSpec, Listening};
use link::calls::Numbered;
use link::cli::Role;
use link::keeper::{Hosted, Kept, Order, Trouble};
use link::{PacketError, Packets};
use model::limits::{HOSTED_DEVBOXES_MAX, LINK_FDS_MAX};
use model::{DevboxId, ExecutionId, Stream};
use tokio::sync::Semaphore;
use tokio::task::spawn_local;

use crate::KeeperError;
use crate::charge::Charge;
use crate::execution::Start;
use crate::line::Line;

/// The devboxes, and the line to whoever asks for them.
struct Keeper {
    line: Line,
    charges: RefCell<BTreeMap<DevboxId, Rc<Charge>>>,
}

/// An answer, with what lies beside it.
struct Answer {
    kept: Kept,
    beside: Option<Arc<[Listening]>>,
}

/// Serves orders until the line is closed, or it is asked to end; then ends every devbox.
pub(crate) async fn serve(line: Packets, ready: impl FnOnce(), asked_to_end: impl Future<Output = ()>) -> Result<(), KeeperError> {
    let line = Line::new(line).map_err(KeeperError::Start)?;
    let keeper = Rc::new(Keeper { line, charges: RefCell::default() });
    ready();
    let ended = tokio::select! {
        ended = keeper.take_orders() => ended,
        () = asked_to_end => Ok(()),
    };
    keeper.end_all().await;
    ended
}

impl Keeper {
    async fn take_orders(self: &Rc<Self>) -> Result<(), KeeperError> {
        let room = Arc::new(Semaphore::new(ORDERS_MAX));
        loop {
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return Ok(()) };
            match self.line.recv().await {
                Ok((Numbered { number, message }, fds)) => {
                    let keeper = Rc::clone(self);
                    spawn_local(async move {
                        let answer = keeper.obey(message, fds).await.unwrap_or_else(|trouble| Kept::Failed(trouble).into());
                        keeper.answer(number, answer).await;
                        drop(place);
                    });
                }
                // What is not of the protocol has no number that could be answered.
                Err(PacketError::Malformed | PacketError::Timeout) => {}
                Err(PacketError::Closed) => return Ok(()),
                Err(error @ PacketError::Io(_)) => return Err(KeeperError::Line(error)),
            }
        }
    }

    async fn obey(self: &Rc<Self>, order: Order, fds: Vec<OwnedFd>) -> Result<Answer, Trouble> {
        match order {
            Order::Build { devbox, hosted } => self.build(devbox, hosted, fds).await,
            Order::Open { devbox } => self.open(&devbox).await,
            Order::Roster => Ok(Kept::Roster(self.roster()).into()),
            Order::Listeners { devbox } => listening(&*self.charge(&devbox)?),
            Order::Execute { devbox, execution, command } => self.execute(&devbox, execution, &command).await,
            Order::Execution { devbox, execution, wait_ms } => self.execution(&devbox, &execution, wait_ms).await,
            Order::Output { devbox, execution, stream, from, wait_ms } => self.output(&devbox, &execution, (stream, from), wait_ms).await,
            Order::Kill { devbox, execution } => self.kill(&devbox, &execution).await,
            Order::End { devbox } => {
                if let Ok(charge) = self.charge(&devbox) {
                    charge.end().await;
                    self.dismiss(&charge);
                }
                Ok(Kept::Done.into())
            }
        }
    }

    /// Says an answer. One to nobody, or to somebody who has gone, is not said.
    async fn answer(&self, number: Option<u64>, Answer { kept, beside }: Answer) {
        if number.is_some() {
            let fds: Vec<_> = beside.iter().flat_map(|listeners| listeners.iter()).map(|one| one.fd.as_fd()).collect();
            match self.line.send(number, kept, &fds).await {
                Ok(()) | Err(PacketError::Closed) => {}
                // Whoever asked is not left waiting.
                Err(PacketError::Malformed | PacketError::Timeout | PacketError::Io(_)) => {
                    let trouble = Trouble::Refused("the answer could not be sent; try again".to_owned());
                    drop(self.line.send(number, Kept::Failed(trouble), &[]).await);
                }
            }
        }
    }

    async fn build(&self, devbox: DevboxId, hosted: Hosted, fds: Vec<OwnedFd>) -> Result<Answer, Trouble> {
        let Hosted { env, ports, uid, entrypoint } = hosted;
        let [bundle, plain] = <[OwnedFd; 2]>::try_from(fds)
            .map_err(|_| Trouble::Refused("the files beside the order did not arrive; the keeper may have too many open".to_owned()))?;
        if ports.len() > PORTS_MAX {
            return Err(Trouble::Refused(format!("a devbox listens on at most {PORTS_MAX} ports; bind its secrets to fewer")));
        }
        let charge = Charge::new(devbox, entrypoint);
        {
            let mut charges = self.charges.borrow_mut();
            if charges.contains_key(&charge.id) {
                return Err(Trouble::NotNow);
            }
            if charges.len() >= HOSTED_DEVBOXES_MAX {
                return Err(Trouble::TooMany);
            }
            charges.insert(charge.id.clone(), Rc::clone(&charge));
        }
        match charge.make(HostedSpec { env, ports, bundle, plain, uid }).await {
            Ok(()) => listening(&charge),
            Err(trouble) => {
                self.dismiss(&charge);
                Err(trouble)
            }
        }
    }

    async fn open(self: &Rc<Self>, devbox: &DevboxId) -> Result<Answer, Trouble> {
        let charge = self.charge(devbox)?;
        match charge.open().await {
            Ok(hosted) => {
                let (keeper, charge) = (Rc::clone(self), Rc::clone(&charge));
                spawn_local(async move {
                    let entrypoint = charge.attend(hosted).await;
                    if charge.end().await {
                        keeper.dismiss(&charge);
                        // Whoever is not there any more sees it missing on the roster.
                        drop(keeper.line.send(None, Kept::Ended { devbox: charge.id.clone(), entrypoint }, &[]).await);
                    }
                });
                Ok(Kept::Done.into())
            }
            Err(trouble) => {
                if !charge.lives() {
                    self.dismiss(&charge);
                }
                Err(trouble)
            }
        }
    }

    fn roster(&self) -> Vec<DevboxId> {
        self.charges.borrow().values().filter(|charge| charge.lives()).map(|charge| charge.id.clone()).collect()
    }

    async fn execute(&self, devbox: &DevboxId, id: ExecutionId, command: &str) -> Result<Answer, Trouble> {
        let charge = self.charge(devbox)?;
        let hosted = charge.hosted()?;
        let execution = match charge.commands.find(&id) {
            Ok(known) => known,
            Err(_) => charge.commands.run(&hosted, id, command)?,
        };
        drop(hosted);
        execution.until(START_WAIT, || !matches!(execution.start(), Start::Asked) || charge.commands.is_over()).await;
        match execution.start() {
            _ if charge.commands.is_over() => Err(Trouble::NoDevbox),
            Start::Asked | Start::Runs(_) => Ok(Kept::Execution(execution.view()).into()),
            Start::Refused(why) => Err(Trouble::Refused(why)),
        }
    }

    async fn execution(&self, devbox: &DevboxId, id: &ExecutionId, wait_ms: u64) -> Result<Answer, Trouble> {
        let charge = self.charge(devbox)?;
        charge.hosted()?;
        let execution = charge.commands.find(id)?;
        execution.until(wait(wait_ms), || execution.is_settled() || charge.commands.is_over()).await;
        if charge.commands.is_over() { Err(Trouble::NoDevbox) } else { Ok(Kept::Execution(execution.view()).into()) }
    }

    async fn output(&self, devbox: &DevboxId, id: &ExecutionId, (stream, from): (Stream, u64), wait_ms: u64) -> Result<Answer, Trouble> {
        let charge = self.charge(devbox)?;
        charge.hosted()?;
        let execution = charge.commands.find(id)?;
        execution.until(wait(wait_ms), || execution.has_output(stream, from) || charge.commands.is_over()).await;
        if charge.commands.is_over() { Err(Trouble::NoDevbox) } else { Ok(Kept::Output(execution.output(stream, from)).into()) }
    }

    async fn kill(&self, devbox: &DevboxId, id: &ExecutionId) -> Result<Answer, Trouble> {
        let charge = self.charge(devbox)?;
        let hosted = charge.hosted()?;
        let execution = charge.commands.find(id)?;
        execution.until(START_WAIT, || !matches!(execution.start(), Start::Asked) || charge.commands.is_over()).await;
        if let Start::Runs(session) = execution.start() {
            hosted.kill(session).map_err(|error| Trouble::Refused(crate::charge::words(&error)))?;
        }
        drop(hosted);
        execution.until(KILL_WAIT, || execution.is_settled() || charge.commands.is_over()).await;
        if charge.commands.is_over() { Err(Trouble::NoDevbox) } else { Ok(Kept::Execution(execution.view()).into()) }
    }

    fn charge(&self, devbox: &DevboxId) -> Result<Rc<Charge>, Trouble> {
        self.charges.borrow().get(devbox).cloned().ok_or(Trouble::NoDevbox)
    }

    fn dismiss(&self, charge: &Charge) {
        self.charges.borrow_mut().remove(&charge.id);
    }

    /// Ends every devbox: all are asked to first, so that one need not wait for another.
    async fn end_all(&self) {
        let charges: Vec<_> = self.charges.take().into_values().collect();
        charges.iter().for_each(|charge| charge.hang_up());
        let endings: Vec<_> = charges.into_iter().map(|charge| spawn_local(async move { charge.end().await })).collect();
        for ending in endings {
            drop(ending.await);
        }
    }
}

impl From<Kept> for Answer {
    fn from(kept: Kept) -> Self {
        Self { kept, beside: None }
    }
}

/// A devbox's listeners, where it has them.
fn listening(charge: &Charge) -> Result<Answer, Trouble> {
    let listeners = charge.listeners().ok_or(Trouble::NotNow)?;
    let roles = listeners.iter().map(|one| match one.role {
        devbox::Role::Tcp(port) => Role::Tcp(port),
        devbox::Role::Dns => Role::Dns,
    });
    Ok(Answer { kept: Kept::Listening { roles: roles.collect() }, beside: Some(Arc::clone(listeners)) })
}

fn wait(wait_ms: u64) -> Duration {
    Duration::from_millis(wait_ms.min(WAIT_MS_MAX))
}

/// Its listeners travel in one message, those for names with them.
const PORTS_MAX: usize = LINK_FDS_MAX - 2;
/// Orders that are obeyed at a time: every command of many devboxes waited for by several.
const ORDERS_MAX: usize = 8192;
/// The longest wait: whoever asked may be gone, and asks again where it is not.
const WAIT_MS_MAX: u64 = 60_000;
/// How long pid 1 may take to start a command, on a machine that is busy.
const START_WAIT: Duration = Duration::from_secs(30);
/// How long the processes of a command may take to end after they were killed.
const KILL_WAIT: Duration = Duration::from_secs(5);
