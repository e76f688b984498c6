//! Exchanges under way, and what a change elsewhere means for them: an exchange that carries a value which no longer stands is cut, and a reply that is still
//! coming is scrubbed of what its host may know by now.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use service::{DevboxCard, Gate};
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use vault::ScrubPlan;

use model::SecretId;
use model::limits::REVOCATION_TICK_MS;

use crate::base_url::Door;
use crate::greet::Destination;
use crate::listen::Devbox;
use crate::unpoisoned::lock;

/// The exchanges of one devbox.
#[derive(Default)]
pub(crate) struct Watch {
    live: Arc<Mutex<HashMap<u64, Arc<Live>>>>,
    next: AtomicU64,
}

/// One exchange, from its decision to the end of its reply.
pub(crate) struct Live {
    to: Destination,
    cut: CancellationToken,
    state: Mutex<State>,
    /// How often the plan was set; lets a reply see without a lock that nothing changed.
    plans_set: AtomicUsize,
}

#[derive(Default)]
struct State {
    uses: Vec<Use>,
    /// Whether it passes unseen, where nothing of the devbox's may ever be.
    is_unseen: bool,
    /// The gateway through which it goes, where it came by a base URL.
    door: Option<Door>,
    /// What moves the bytes between us and the upstream.
    driver: Option<AbortHandle>,
    plan: Option<Arc<ScrubPlan>>,
}

/// A value that an exchange carries.
struct Use {
    secret: SecretId,
    version: u32,
}

/// An exchange's place among those that are watched; given up when it is dropped.
pub(crate) struct Ticket {
    number: u64,
    live: Arc<Live>,
    all: Arc<Mutex<HashMap<u64, Arc<Live>>>>,
}

impl Watch {
    /// Watches an exchange from now on.
    pub(crate) fn enter(&self, to: Destination) -> Ticket {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let live = Arc::new(Live { to, cut: CancellationToken::new(), state: Mutex::default(), plans_set: AtomicUsize::new(0) });
        lock(&self.live).insert(number, Arc::clone(&live));
        Ticket { number, live, all: Arc::clone(&self.live) }
    }

    /// Tells every exchange with this host by which plan replies are scrubbed now: before a value leaves in one exchange, all others with its host know it.
    pub(crate) fn share_plan(&self, to: &Destination, plan: &Arc<ScrubPlan>) {
        for live in self.all() {
            if live.to.host == to.host {
                live.set_plan(plan);
            }
        }
    }

    fn is_quiet(&self) -> bool {
        lock(&self.live).is_empty()
    }

    fn all(&self) -> Vec<Arc<Live>> {
        lock(&self.live).values().cloned().collect()
    }

    /// Looks for a change since `seen` and acts on it. What cannot be looked up is taken for changed. Gives what was seen.
    fn catch_up(&self, gate: &Gate, card: &DevboxCard, seen: Option<(u64, u64)>) -> Option<(u64, u64)> {
        let state = gate.state().ok();
        if state.is_some() && state == seen {
            return seen;
        }
        for live in self.all() {
            if !live.stands(gate, card) {
                live.end();
            } else if live.is_decided() {
                match gate.scrub_plan(card, &live.to.host) {
                    Ok(plan) => live.set_plan(&plan),
                    Err(_) => live.end(),
                }
            }
        }
        state
    }
}

impl Live {
    /// The exchange is about to carry this version of a secret.
    pub(crate) fn carries(&self, secret: SecretId, version: u32) {
        lock(&self.state).uses.push(Use { secret, version });
    }

    /// Whether the exchange carries any value.
    pub(crate) fn carries_values(&self) -> bool {
        !lock(&self.state).uses.is_empty()
    }

    /// It is no exchange but a connection that passes unseen.
    pub(crate) fn pass_unseen(&self) {
        lock(&self.state).is_unseen = true;
    }

    /// The exchange goes through this gateway.
    pub(crate) fn goes_through(&self, door: Door) {
        lock(&self.state).door = Some(door);
    }

    /// The exchange is about to be sent over the connection that this moves, where it is the only one there.
    pub(crate) fn driven_by(&self, driver: Option<AbortHandle>) {
        lock(&self.state).driver = driver;
        if self.cut.is_cancelled() {
            self.end();
        }
    }

    /// Ends the exchange, and its upstream's connection at once: a devbox that reads nothing does not see that its reply was cut, and could go on sending. Where
    /// others use the connection as well, the request's body ends at once, and the reply's with the next look at it.
    fn end(&self) {
        self.cut.cancel();
        if let Some(driver) = lock(&self.state).driver.take() {
            driver.abort();
        }
    }

    /// Whether every value that the exchange carries still is its secret's, and still bound to where it goes; whether what says where it goes still does; and
    /// whether what passes unseen still may.
    pub(crate) fn stands(&self, gate: &Gate, card: &DevboxCard) -> bool {
        let (door, is_unseen) = {
            let state = lock(&self.state);
            (state.door.clone(), state.is_unseen)
        };
        if is_unseen && gate.passes_unseen(card, &self.to.host) != Ok(true) {
            return false;
        }
        if door.is_some_and(|door| !door.stands(gate, card)) {
            return false;
        }
        let stands = |held: &Use| gate.stands(&held.secret, held.version) && gate.is_bound(card, &held.secret, &self.to.host, self.to.port);
        lock(&self.state).uses.iter().all(stands)
    }

    /// Sets the plan for the reply, where it is another one than before. A plan with nothing in it never follows one with something.
    pub(crate) fn set_plan(&self, plan: &Arc<ScrubPlan>) {
        let mut state = lock(&self.state);
        match &state.plan {
            Some(old) if Arc::ptr_eq(old, plan) || (plan.is_empty() && !old.is_empty()) => {}
            Some(_) | None => {
                state.plan = Some(Arc::clone(plan));
                self.plans_set.fetch_add(1, Ordering::Release);
            }
        }
    }

    /// The plan, and how often it was set.
    pub(crate) fn plan(&self) -> (Option<Arc<ScrubPlan>>, usize) {
        let state = lock(&self.state);
        (state.plan.clone(), self.plans_set.load(Ordering::Acquire))
    }

    /// How often the plan was set.
    pub(crate) fn plans_set(&self) -> usize {
        self.plans_set.load(Ordering::Acquire)
    }

    fn is_decided(&self) -> bool {
        self.plans_set() > 0
    }
}

impl Ticket {
    /// The exchange.
    pub(crate) const fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Cancelled when the exchange must end.
    pub(crate) fn cut(&self) -> CancellationToken {
        self.live.cut.clone()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        lock(&self.all).remove(&self.number);
    }
}

/// Looks for changes as long as the devbox lives, while it has exchanges under way.
pub(crate) async fn run(devbox: Arc<Devbox>) {
    let mut tick = interval(Duration::from_millis(REVOCATION_TICK_MS));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = None;
    loop {
        tick.tick().await;
        if devbox.watch.is_quiet() {
            seen = None;
            continue;
        }
        let looking = Arc::clone(&devbox);
        let look = tokio::task::spawn_blocking(move || looking.watch.catch_up(&looking.net.gate, &looking.card, seen));
        seen = match timeout(LOOK_WAIT, look).await {
            Ok(Ok(seen)) => seen,
            // It failed, or waits behind others: what is not known to stand is cut.
            Ok(Err(_)) | Err(_) => {
                tracing::error!("failed to look for revocations in time; every exchange of the devbox is cut");
                devbox.watch.all().iter().for_each(|live| live.end());
                None
            }
        };
    }
}

/// With the tick before it, less than the second in which a revocation is in force.
const LOOK_WAIT: Duration = Duration::from_millis(700);
