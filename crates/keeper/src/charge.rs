//! A devbox in the keeper's charge, from its making to its end.

use std::cell::{OnceCell, RefCell};
use std::mem;
use std::rc::Rc;
use std::sync::Arc;

use devbox::{DevboxError, Hosted, HostedSpec, Listening, PreparedHosted, Told, prepare_hosted};
use link::keeper::Trouble;
use model::DevboxId;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use crate::commands::Commands;
use crate::line::Watch;

/// A devbox in our charge.
pub(crate) struct Charge {
    pub id: DevboxId,
    pub commands: Rc<Commands>,
    entrypoint: Option<String>,
    listeners: OnceCell<Arc<[Listening]>>,
    phase: RefCell<Phase>,
    turned: Notify,
}

/// How far it is.
enum Phase {
    /// A thread makes or opens it.
    Making,
    Prepared(PreparedHosted),
    Open(Arc<Hosted>),
    /// A thread ends it.
    Ending,
    Gone,
}

/// What there is to end.
enum Left {
    Prepared(PreparedHosted),
    Open(Arc<Hosted>),
    /// Not yet, or another ends it.
    Later,
    Nothing,
}

impl Charge {
    /// One that is about to be made.
    pub(crate) fn new(id: DevboxId, entrypoint: Option<String>) -> Rc<Self> {
        let (listeners, phase) = (OnceCell::new(), Phase::Making.into());
        Rc::new(Self { id, commands: Rc::default(), entrypoint, listeners, phase, turned: Notify::new() })
    }

    /// Makes its namespaces and listeners.
    pub(crate) async fn make(&self, spec: HostedSpec) -> Result<(), Trouble> {
        match on_a_thread(move || prepare_hosted(&spec)).await {
            Ok(prepared) => {
                self.listeners.get_or_init(|| prepared.listeners());
                self.turn(Phase::Prepared(prepared));
                Ok(())
            }
            Err(trouble) => {
                self.turn(Phase::Gone);
                Err(trouble)
            }
        }
    }

    /// Builds its walls and starts its entrypoint.
    pub(crate) async fn open(&self) -> Result<Arc<Hosted>, Trouble> {
        let prepared = self.take_prepared().ok_or(Trouble::NotNow)?;
        let entrypoint = self.entrypoint.clone();
        match on_a_thread(move || prepared.open(entrypoint.as_deref())).await {
            Ok(hosted) => {
                let hosted = Arc::new(hosted);
                self.turn(Phase::Open(Arc::clone(&hosted)));
                Ok(hosted)
            }
            Err(trouble) => {
                self.turn(Phase::Gone);
                Err(trouble)
            }
        }
    }

    /// Its listeners, once it has them.
    pub(crate) fn listeners(&self) -> Option<&Arc<[Listening]>> {
        self.listeners.get()
    }

    /// The devbox itself, where it takes commands.
    pub(crate) fn hosted(&self) -> Result<Arc<Hosted>, Trouble> {
        match &*self.phase.borrow() {
            Phase::Open(hosted) => Ok(Arc::clone(hosted)),
            Phase::Prepared(_) | Phase::Making => Err(Trouble::NotNow),
            Phase::Ending | Phase::Gone => Err(Trouble::NoDevbox),
        }
    }

    /// It is there, and nobody ends it.
    pub(crate) fn lives(&self) -> bool {
        match &*self.phase.borrow() {
            Phase::Making | Phase::Prepared(_) | Phase::Open(_) => true,
            Phase::Ending | Phase::Gone => false,
        }
    }

    /// Takes in what the devbox tells, until it is over: then the entrypoint's code, where it was that which ended.
    pub(crate) async fn attend(&self, hosted: Arc<Hosted>) -> Option<i32> {
        // Where it cannot be watched, it is ended.
        let watch = Watch::new(&*hosted).ok()?;
        loop {
            match watch.until_read(|| hosted.next()).await.ok()? {
                Told::Gone { entrypoint } => return entrypoint,
                Told::Started { number, session } => self.commands.started(&hosted, number, session),
                Told::NotStarted { number, error } => self.commands.not_started(number, words(&error)),
                Told::Ended { number, code } => self.commands.ended(number, code),
            }
        }
    }

    /// Ends it, and waits for that. Whether this call did; otherwise it was gone, or another's did meanwhile.
    pub(crate) async fn end(&self) -> bool {
        loop {
            let turned = self.turned.notified();
            let ended = match self.leave() {
                Left::Nothing => return false,
                Left::Later => {
                    turned.await;
                    continue;
                }
                Left::Prepared(prepared) => spawn_blocking(move || drop(prepared)).await,
                Left::Open(hosted) => spawn_blocking(move || hosted.end()).await,
            };
            // A thread that failed has let go of the devbox, which ends it as well.
            drop(ended);
            self.commands.end();
            self.turn(Phase::Gone);
            return true;
        }
    }

    /// Asks its processes to end, without waiting for it.
    pub(crate) fn hang_up(&self) {
        if let Phase::Open(hosted) = &*self.phase.borrow() {
            hosted.hang_up();
        }
    }

    fn take_prepared(&self) -> Option<PreparedHosted> {
        let mut phase = self.phase.borrow_mut();
        match mem::replace(&mut *phase, Phase::Making) {
            Phase::Prepared(prepared) => Some(prepared),
            other @ (Phase::Making | Phase::Open(_) | Phase::Ending | Phase::Gone) => {
                *phase = other;
                None
            }
        }
    }

    fn leave(&self) -> Left {
        let mut phase = self.phase.borrow_mut();
        match mem::replace(&mut *phase, Phase::Ending) {
            Phase::Prepared(prepared) => Left::Prepared(prepared),
            Phase::Open(hosted) => Left::Open(hosted),
            Phase::Ending => Left::Later,
            Phase::Making => {
                *phase = Phase::Making;
                Left::Later
            }
            Phase::Gone => {
                *phase = Phase::Gone;
                Left::Nothing
            }
        }
    }

    fn turn(&self, phase: Phase) {
        drop(mem::replace(&mut *self.phase.borrow_mut(), phase));
        self.turned.notify_waiters();
    }
}

/// Does what waits for processes, on a thread of its own.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, DevboxError> + Send + 'static) -> Result<T, Trouble> {
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| Trouble::Refused(words(&error))),
        Err(_) => Err(Trouble::Refused("the keeper failed at it; try again".to_owned())),
    }
}

/// What happened, and the system's own word for it.
pub(crate) fn words(error: &DevboxError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
