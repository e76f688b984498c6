//! Exchanges under way, and what a change elsewhere means for them: an exchange that carries a value which no longer stands is cut, and a reply that is still
//! coming is scrubbed of what its host may know by now.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use service::{DevboxCard, Gate, Onlooker};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use vault::ScrubPlan;

use model::limits::REVOCATION_TICK_MS;
use model::{AccountId, Host, Refusal, SecretId};

use crate::base_url::Door;
use crate::greet::Destination;
use crate::listen::Devbox;
use crate::unpoisoned::lock;

/// The exchanges of one devbox.
#[derive(Default)]
pub(crate) struct Watch {
    book: Arc<Mutex<Book>>,
    /// What the last look saw. Held while one is under way.
    seen: Mutex<Option<(u64, u64)>>,
}

#[derive(Default)]
struct Book {
    live: HashMap<u64, Arc<Live>>,
    next: u64,
    /// What the exchanges with one host share, and how many they are.
    hosts: HashMap<Host, (Arc<Replies>, usize)>,
}

/// How the replies of one host are scrubbed, for as long as there are exchanges with it.
#[derive(Default)]
struct Replies {
    /// Held while a plan is made and set, so that no older one follows a newer one.
    making: Mutex<()>,
    newest: Mutex<Option<Arc<ScrubPlan>>>,
    /// How often the plan was set; lets a reply see without a lock that nothing changed.
    plans_set: AtomicUsize,
}

/// One exchange, from its decision to the end of its reply.
pub(crate) struct Live {
    to: Destination,
    cut: CancellationToken,
    state: Mutex<State>,
    replies: Arc<Replies>,
    /// Whether it was decided by which plan its reply is scrubbed.
    is_decided: AtomicBool,
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
    /// The plan that its reply was scrubbed by last.
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
    book: Arc<Mutex<Book>>,
    /// Its place in the devbox's room.
    place: Option<OwnedSemaphorePermit>,
}

impl Watch {
    /// Watches an exchange from now on.
    pub(crate) fn enter(&self, to: Destination) -> Ticket {
        let mut book = lock(&self.book);
        let number = book.next;
        book.next += 1;
        let (replies, exchanges) = book.hosts.entry(to.host.clone()).or_default();
        *exchanges += 1;
        let (cut, replies) = (CancellationToken::new(), Arc::clone(replies));
        let live = Arc::new(Live { to, cut, state: Mutex::default(), replies, is_decided: AtomicBool::new(false) });
        book.live.insert(number, Arc::clone(&live));
        Ticket { number, live, book: Arc::clone(&self.book), place: None }
    }

    fn is_quiet(&self) -> bool {
        lock(&self.book).live.is_empty()
    }

    fn all(&self) -> Vec<Arc<Live>> {
        lock(&self.book).live.values().cloned().collect()
    }

    /// Looks for a change since the last look and acts on it: from then on no reply passes but through a plan of this moment or a later one, and no exchange
    /// goes on that does not stand. What cannot be looked up is taken for changed, and what is not done in time is cut.
    fn catch_up(&self, gate: &Gate, card: &DevboxCard) {
        let begun = Instant::now();
        let mut seen = lock(&self.seen);
        let state = gate.state().ok();
        if state.is_some() && state == *seen {
            return;
        }
        *seen = None;
        for live in self.all() {
            let is_late = begun.elapsed() > LOOK_WAIT;
            let is_lost = || live.is_decided() && live.renew_plan(gate, card).is_err();
            if is_late || !live.stands(gate, card) || is_lost() {
                live.end();
            }
        }
        *seen = state;
    }

    fn end_all(&self) {
        self.all().iter().for_each(|live| live.end());
    }
}

impl Live {
    /// The exchange is about to carry this version of a secret.
    pub(crate) fn carries(&self, secret: SecretId, version: u32) {
        lock(&self.state).uses.push(Use { secret, version });
    }

    /// Whether it carries a value.
    pub(crate) fn carries_values(&self) -> bool {
        !lock(&self.state).uses.is_empty()
    }

    /// Whether its host knows a value of the devbox, by this exchange or another one.
    pub(crate) fn may_be_answered_with_values(&self) -> bool {
        self.carries_values() || self.plan().0.is_some_and(|plan| !plan.masks_all())
    }

    /// Whether it carries a value of this secret.
    pub(crate) fn has_use_of(&self, secret: &SecretId) -> bool {
        lock(&self.state).uses.iter().any(|held| held.secret == *secret)
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

    /// Has the replies of its host, to every exchange of the devbox with it, scrubbed by the plan of this moment: before a value leaves in one exchange, all
    /// others with its host know it. What that costs does not grow with their number.
    ///
    /// # Errors
    /// Where there is no plan, and where making one would wait and this thread may not.
    pub(crate) fn renew_plan(&self, gate: &Gate, card: &DevboxCard) -> Result<(), Refusal> {
        let _turn = if gate.may_wait() { lock(&self.replies.making) } else { self.replies.turn_now().ok_or(Refusal::Undecided)? };
        let plan = gate.scrub_plan(card, &self.to.host)?;
        self.follow(&plan);
        Ok(())
    }

    /// Sets the plan of its host's replies, while its turn to do so is held.
    fn follow(&self, plan: &Arc<ScrubPlan>) {
        self.replies.set(plan);
        self.take_newest();
        self.is_decided.store(true, Ordering::Release);
    }

    /// The plan, and how often it was set. One with nothing in it never follows one with something.
    pub(crate) fn plan(&self) -> (Option<Arc<ScrubPlan>>, usize) {
        let plans_set = self.take_newest();
        (lock(&self.state).plan.clone(), plans_set)
    }

    fn take_newest(&self) -> usize {
        let (newest, plans_set) = self.replies.newest();
        let mut state = lock(&self.state);
        let keeps_own = |newest: &ScrubPlan| newest.is_empty() && state.plan.as_ref().is_some_and(|own| !own.is_empty());
        if let Some(newest) = newest.filter(|newest| !keeps_own(newest)) {
            state.plan = Some(newest);
        }
        plans_set
    }

    /// Whether its reply has a plan. One that is being made was perhaps begun before what is looked for now, so it is waited for.
    fn is_decided(&self) -> bool {
        if !self.is_decided.load(Ordering::Acquire) {
            drop(lock(&self.replies.making));
        }
        self.is_decided.load(Ordering::Acquire)
    }

    /// How often the plan was set.
    pub(crate) fn plans_set(&self) -> usize {
        self.replies.plans_set.load(Ordering::Acquire)
    }
}

impl Replies {
    /// The turn to set a plan, where nobody has it.
    fn turn_now(&self) -> Option<MutexGuard<'_, ()>> {
        match self.making.try_lock() {
            Ok(turn) => Some(turn),
            Err(TryLockError::Poisoned(poisoned)) => Some(PoisonError::into_inner(poisoned)),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn set(&self, plan: &Arc<ScrubPlan>) {
        let mut newest = lock(&self.newest);
        if newest.as_ref().is_none_or(|newest| !Arc::ptr_eq(newest, plan)) {
            *newest = Some(Arc::clone(plan));
            self.plans_set.fetch_add(1, Ordering::Release);
        }
    }

    fn newest(&self) -> (Option<Arc<ScrubPlan>>, usize) {
        let newest = lock(&self.newest);
        (newest.clone(), self.plans_set.load(Ordering::Acquire))
    }
}

impl Ticket {
    /// The exchange.
    pub(crate) const fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Keeps the exchange's place in the devbox's room for as long as it goes on.
    pub(crate) fn hold(&mut self, place: OwnedSemaphorePermit) {
        self.place = Some(place);
    }

    /// Cancelled when the exchange must end.
    pub(crate) fn cut(&self) -> CancellationToken {
        self.live.cut.clone()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut book = lock(&self.book);
        book.live.remove(&self.number);
        let host = &self.live.to.host;
        if let Some((_, exchanges)) = book.hosts.get_mut(host) {
            *exchanges -= 1;
            if *exchanges == 0 {
                book.hosts.remove(host);
            }
        }
    }
}

impl Onlooker for Devbox {
    fn account(&self) -> &AccountId {
        &self.card.account
    }

    fn catch_up(&self) {
        self.watch.catch_up(&self.net.gate, &self.card);
    }
}

/// Looks for changes as long as the devbox lives, while it has exchanges under way. What is to be known before a value leaves does not wait for it.
pub(crate) async fn run(devbox: Arc<Devbox>) {
    let mut tick = interval(Duration::from_millis(REVOCATION_TICK_MS));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if devbox.watch.is_quiet() {
            continue;
        }
        let looking = Arc::clone(&devbox);
        let look = tokio::task::spawn_blocking(move || looking.catch_up());
        // It failed, or waits behind others: what is not known to stand is cut.
        if !matches!(timeout(LOOK_WAIT, look).await, Ok(Ok(()))) {
            tracing::error!("failed to look for revocations in time; every exchange of the devbox is cut");
            devbox.watch.end_all();
        }
    }
}

/// With the tick before it, less than the second in which a revocation is in force.
const LOOK_WAIT: Duration = Duration::from_millis(700);

#[cfg(test)]
mod tests {
    use crate::greet::Scheme;

    use super::*;

    fn to(host: &str) -> Destination {
        Destination { host: host.parse().expect("a host"), port: 443, scheme: Scheme::Https }
    }

    #[test]
    fn sharing_a_plan_costs_the_same_however_many_exchanges_there_are() {
        let watch = Watch::default();
        let [one, other] = [0, 1].map(|_| Arc::new(ScrubPlan::new(vec![]).expect("an empty plan")));
        let mine: Vec<_> = (0..1000).map(|_| watch.enter(to("api.example.com"))).collect();
        let elsewhere = watch.enter(to("other.example.com"));
        elsewhere.live().follow(&other);
        mine[0].live().follow(&one);
        // Ours, the host's, and that of the exchange which set it: no other exchange was touched.
        assert_eq!(Arc::strong_count(&one), 3);
        assert!(mine.iter().all(|ticket| ticket.live().plan().0.is_some_and(|plan| Arc::ptr_eq(&plan, &one))));
        assert!(elsewhere.live().plan().0.is_some_and(|plan| Arc::ptr_eq(&plan, &other)));
        drop((mine, elsewhere));
        let book = lock(&watch.book);
        assert!(book.live.is_empty() && book.hosts.is_empty());
    }

    #[test]
    fn a_plan_is_set_by_one_at_a_time() {
        let replies = Replies::default();
        let turn = replies.turn_now();
        assert!(turn.is_some() && replies.turn_now().is_none());
        drop(turn);
        assert!(replies.turn_now().is_some());
    }
}
