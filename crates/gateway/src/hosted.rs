//! The API's devboxes: made when a caller asks, watched over, ended. Their processes are the keeper's; here are their networks, their states and their times.
//!
//! A devbox lives on while this process starts again: the keeper has it, the ledger tells of it, and `adopt` brings the two together.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use link::calls::Calls;
use link::keeper::{Kept, Order};
use model::limits::HOSTED_DEVBOXES_MAX;
use model::{Clock, DevboxId, DevboxStatus, Hosted, ShutdownReason, Timestamp, Transition};
use service::{DevboxDenial, Gate};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::activity::{Activity, Visit};
use crate::net::{Attached, Net};
use crate::shares::Shares;
use crate::unpoisoned::lock;

mod begin;
mod keeping;
mod orders;
mod remote;
mod trouble;
mod verbs;

use keeping::Keeping;
pub(crate) use trouble::Trouble;

/// What all of them share.
pub(crate) struct Hosting {
    gate: Arc<Gate>,
    net: Arc<Net>,
    clock: Arc<dyn Clock>,
    activity: Arc<Activity>,
    /// None where devboxes on this machine are off.
    keeper: Option<Keeping>,
    /// Where the forward proxy listens, if it does.
    proxy: Option<SocketAddr>,
    open: Mutex<HashMap<DevboxId, Arc<Place>>>,
    /// Held while ledger and keeper are compared.
    adopting: tokio::sync::Mutex<()>,
    /// A permit for each question that is being answered: fewer than the keeper takes.
    asking: Arc<Semaphore>,
    shares: Shares,
}

/// One devbox.
struct Place {
    id: DevboxId,
    /// What it may use.
    card: service::DevboxCard,
    /// Its state, for whoever waits.
    status: watch::Sender<DevboxStatus>,
    /// Held while it is begun or ended, so that one does not overtake the other.
    turn: tokio::sync::Mutex<Option<Attached>>,
    /// When it was asked for.
    begun: Timestamp,
    /// How long it lives after it was last kept alive, and until when that is.
    keep_alive: Duration,
    deadline: Mutex<Instant>,
    kind: Kind,
    /// Its end, until that is written.
    ending: Mutex<Option<Ending>>,
    _visit: Option<Visit>,
}

/// Where a devbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// On this machine, with the keeper; its processes are this user's, where that is not the server's.
    Local { uid: Option<u32> },
    /// Somebody else's sandbox.
    Remote,
}

/// How a devbox ended.
#[derive(Clone, Debug)]
struct End {
    status: DevboxStatus,
    failure: Option<String>,
    reason: Option<ShutdownReason>,
}

/// An end under way.
#[derive(Clone, Debug)]
struct Ending {
    end: End,
    at: Timestamp,
    /// Whether its processes are.
    is_gone: bool,
}

impl End {
    const fn shutdown(reason: ShutdownReason) -> Self {
        Self { status: DevboxStatus::Shutdown, failure: None, reason: Some(reason) }
    }

    fn failure(what: &str) -> Self {
        Self { status: DevboxStatus::Failure, failure: Some(what.to_owned()), reason: None }
    }
}

impl Hosting {
    /// The API's devboxes: on this machine where there is a line to the keeper, others' where the forward proxy listens. Nothing is served before
    /// [`Hosting::adopt`] and [`Hosting::adopt_remotes`].
    pub(crate) fn new(
        gate: Arc<Gate>,
        net: Arc<Net>,
        clock: Arc<dyn Clock>,
        activity: Arc<Activity>,
        keeper: Option<Arc<Calls<Kept>>>,
        proxy: Option<SocketAddr>,
    ) -> Arc<Self> {
        Arc::new(Self {
            gate,
            net,
            clock,
            activity,
            keeper: keeper.map(Keeping::new),
            proxy,
            open: Mutex::default(),
            adopting: tokio::sync::Mutex::default(),
            asking: Arc::new(Semaphore::new(QUESTIONS_MAX)),
            shares: Shares::for_devboxes(),
        })
    }

    /// The keeper of the devboxes on this machine, where there are any.
    fn keeper(&self) -> Result<&Keeping, Trouble> {
        self.keeper.as_ref().ok_or(Trouble::Off)
    }

    /// A place among those whose questions are answered, where there is one.
    pub(crate) fn place_to_ask(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.asking).try_acquire_owned().ok()
    }

    /// Looks every second for devboxes whose time is over, and for ends that are to be tried once more; and every minute for what was lost sight of.
    pub(crate) async fn mind_the_time(self: Arc<Self>) {
        let mut tick = tokio::time::interval(TIME_TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut strays, mut ticks) = (Vec::new(), 0_u32);
        loop {
            let now = tick.tick().await;
            ticks += 1;
            if ticks.is_multiple_of(TICKS_BETWEEN_LOOKS) && self.keeper.is_some() {
                strays = self.end_strays(&strays).await;
            }
            let is_due = |place: &&Arc<Place>| {
                let is_ending = lock(&place.ending).is_some();
                place.turn.try_lock().is_ok() && (is_ending || *lock(&place.deadline) <= now)
            };
            let due: Vec<_> = lock(&self.open).values().filter(is_due).cloned().collect();
            for place in due {
                let hosting = Arc::clone(&self);
                // What fails is tried again with the next look.
                tokio::spawn(async move { drop(hosting.finish(&place, End::shutdown(ShutdownReason::KeepAliveTimeout)).await) });
            }
        }
    }

    /// What the keeper says unasked.
    pub(crate) fn hear(self: &Arc<Self>, said: Kept) {
        match said {
            Kept::Ended { devbox, entrypoint } => {
                let Some(place) = self.place(&devbox) else { return };
                let hosting = Arc::clone(self);
                let end = if entrypoint.is_some() { End::shutdown(ShutdownReason::EntrypointExit) } else { End::failure(LOST) };
                tokio::spawn(async move { drop(hosting.finish(&place, end).await) });
            }
            // A keeper that begins has none of those that another had.
            Kept::Roster(_) => {
                let lost = lock(&self.open).values().filter(|place| place.kind != Kind::Remote).count();
                if lost > 0 {
                    tracing::warn!(devboxes = lost, "the keeper began anew, and its devboxes are lost");
                }
                let hosting = Arc::clone(self);
                tokio::spawn(async move { hosting.adopt().await });
            }
            Kept::Listening { .. } | Kept::Done | Kept::Execution(_) | Kept::Output(_) | Kept::Failed(_) => {}
        }
    }

    /// Ends a devbox: its network first, then its processes, then its record. Done already is done. What does not work now is tried again every second: until its
    /// processes are gone it is not told as ended, and an end that cannot be written is told all the same.
    ///
    /// # Errors
    /// When the keeper did not say that its processes are gone.
    async fn finish(&self, place: &Arc<Place>, end: End) -> Result<(), Trouble> {
        let mut turn = place.turn.lock().await;
        drop(turn.take());
        // The first end is the one.
        let Ending { end, at, is_gone } =
            lock(&place.ending).get_or_insert_with(|| Ending { end, at: self.clock.now(), is_gone: false }).clone();
        if !is_gone {
            if let Err(trouble) = self.end_processes(place).await {
                tracing::warn!(devbox = %place.id, "failed to end a devbox, which is tried again: {trouble}");
                return Err(trouble);
            }
            lock(&place.ending).replace(Ending { end: end.clone(), at, is_gone: true });
        }
        match self.record(place, end.status, end.failure.clone(), end.reason, at).await {
            // None of this id to write about.
            Ok(()) | Err(Trouble::Denied(DevboxDenial::NotFound)) => {
                lock(&self.open).remove(&place.id);
                tracing::info!(devbox = %place.id, status = end.status.as_str(), "devbox ended");
            }
            Err(trouble) => {
                if !is_gone {
                    tracing::error!(devbox = %place.id, "failed to record a devbox's end, which is tried again: {trouble}");
                }
                place.status.send_replace(end.status);
            }
        }
        Ok(())
    }

    /// Has the keeper end a devbox's processes. Others' sandboxes have none here.
    async fn end_processes(&self, place: &Place) -> Result<(), Trouble> {
        match place.kind {
            Kind::Local { .. } => self.keeper()?.ask(&Order::End { devbox: place.id.clone() }, &[], END_WAIT).await.map(drop),
            Kind::Remote => Ok(()),
        }
    }

    /// A devbox as people are to see it: also with an end that is not written yet.
    fn as_it_is(&self, mut hosted: Hosted) -> Hosted {
        let ending = self.place(&hosted.id).and_then(|place| lock(&place.ending).clone());
        let ended = ending.filter(|ending| ending.is_gone && !hosted.status().is_final());
        if let Some(Ending { end: End { status, failure, reason }, at, .. }) = ended {
            hosted.transitions.push(Transition { status, at, failure });
            hosted.reason = reason;
        }
        hosted
    }

    /// Writes a new state down, then tells whoever waits what is written: a devbox that has ended is not told as running.
    async fn record(
        &self,
        place: &Place,
        status: DevboxStatus,
        failure: Option<String>,
        reason: Option<ShutdownReason>,
        at: Timestamp,
    ) -> Result<(), Trouble> {
        let (gate, id) = (Arc::clone(&self.gate), place.id.clone());
        let written = tokio::task::spawn_blocking(move || gate.transition(&id, status, failure, reason, at)).await;
        let recorded = written.unwrap_or(Err(DevboxDenial::Internal))?.status();
        place.status.send_replace(recorded);
        if recorded.is_final() && !status.is_final() {
            return Err(Trouble::Refused(LOST.to_owned()));
        }
        Ok(())
    }

    fn place(&self, id: &DevboxId) -> Option<Arc<Place>> {
        lock(&self.open).get(id).cloned()
    }

    /// Room for one more devbox on this machine, and a user of its own where this server is the machine's root.
    fn admit_local(&self, hosted: &Hosted, card: service::DevboxCard) -> Result<Arc<Place>, Trouble> {
        let taken = lock(&self.open).values().filter_map(|place| place.uid()).collect::<Vec<_>>();
        let uid = rustix::process::geteuid().is_root().then(|| free_uid(taken.into_iter())).transpose()?;
        self.admit(hosted, card, Kind::Local { uid })
    }

    /// Room for one more devbox.
    fn admit(&self, hosted: &Hosted, card: service::DevboxCard, kind: Kind) -> Result<Arc<Place>, Trouble> {
        let (id, keep_alive) = (hosted.id.clone(), Duration::from_millis(hosted.about.keep_alive_ms));
        let mut open = lock(&self.open);
        if open.len() >= HOSTED_DEVBOXES_MAX {
            return Err(Trouble::TooManyDevboxes);
        }
        let place = Arc::new(Place {
            id: id.clone(),
            card,
            status: watch::Sender::new(hosted.status()),
            turn: tokio::sync::Mutex::new(None),
            begun: hosted.created(),
            keep_alive,
            deadline: Mutex::new(Instant::now() + keep_alive),
            kind,
            ending: Mutex::default(),
            _visit: self.activity.visit(usize::MAX),
        });
        open.insert(id, Arc::clone(&place));
        Ok(place)
    }
}

impl Place {
    /// Counts its time from now on again.
    fn keep_alive(&self) {
        *lock(&self.deadline) = Instant::now() + self.keep_alive;
    }

    const fn uid(&self) -> Option<u32> {
        match self.kind {
            Kind::Local { uid } => uid,
            Kind::Remote => None,
        }
    }

    fn is_running(&self) -> bool {
        *self.status.borrow() == DevboxStatus::Running
    }
}

/// A user id that no account of the machine has, and no other devbox that is open.
fn free_uid(taken: impl Iterator<Item = u32>) -> Result<u32, Trouble> {
    let taken: Vec<u32> = taken.collect();
    loop {
        let random = vault::random_u128().map_err(|_| Trouble::Denied(DevboxDenial::Internal))?;
        let uid = UID_FIRST + u32::try_from(random % u128::from(UIDS)).unwrap_or(0);
        if !taken.contains(&uid) {
            return Ok(uid);
        }
    }
}

/// Questions about devboxes that are answered at a time, over all accounts.
const QUESTIONS_MAX: usize = 2048;
const TIME_TICK: Duration = Duration::from_secs(1);
const TICKS_BETWEEN_LOOKS: u32 = 60;
/// Longer than the keeper waits for a devbox's last process.
const END_WAIT: Duration = Duration::from_secs(10);
const LOST: &str = "its processes ended, or the server did, while it ran";
/// Users that systemd and the distributions leave alone ("Users, Groups, UIDs and GIDs on systemd Systems": HIC SVNT LEONES).
const UID_FIRST: u32 = 0x7000_0000;
const UIDS: u32 = 0x0800_0000;
