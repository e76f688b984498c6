//! The gateway's own database: explicit bindings, devboxes, grants, and the gateway's events. Nobody else writes or reads it.

use std::path::Path;
use std::sync::OnceLock;

use model::limits::{ANSWER_LIFE_MS, HOSTED_ENDED_KEPT_MAX};
use model::{
    AccountId, ApiKeyId, BindingId, ChainedEvent, DevboxId, DevboxStatus, Event, Grant, Host, HostPattern, Hosted, PairingId, SecretId,
    StoredBinding, Timestamp, TokenHash, Transition, Writer,
};

use crate::error::{Result, StoreError};
use crate::hosted::{ExposureRow, HostedPage, NewGateway, NewHosted, PairingRow};
use crate::rows::{DevboxRow, EventQuery, GrantRow, Head};
use crate::sqlite::database::{Database, Work};
use crate::sqlite::marks::{self, Marker};
use crate::sqlite::migrations::LEDGER;
use crate::sqlite::snapshot::Snapshot;
use crate::sqlite::{bindings, create, devboxes, events, exposures, grants, hosted, pairings, sent};
use crate::store::Mode;

/// The gateway's database. Verbs block; writes return when they are durable, each with its event in one transaction.
pub struct Ledger {
    pub(crate) database: Database,
    /// Marks what the rows say together, once somebody who has the key is there.
    pub(crate) marker: OnceLock<Marker>,
}

impl Ledger {
    /// Makes an empty ledger at `path` (file mode 0600) for a deployment. Nothing is left behind where it fails.
    ///
    /// # Errors
    /// `Exists` where there is a file already, `Full`, `Missing` where the folder is not there, `Failed`.
    pub fn create(path: &Path, deployment: &str) -> Result<()> {
        create::create(path, &LEDGER, deployment)
    }

    /// Opens the ledger at `path`, bringing an older schema up to date first.
    ///
    /// # Errors
    /// `Missing`, `NotADatabase`, `Newer` (nothing is changed), `Damaged`, `Full`, `Busy`.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { database: Database::open(path, &LEDGER, Mode::Writer)?, marker: OnceLock::new() })
    }

    /// Opens the ledger at `path` to read it only.
    ///
    /// # Errors
    /// `Missing`, `NotADatabase`, `Newer`, `Outdated`, `Damaged`, `Busy`.
    pub fn open_to_read(path: &Path) -> Result<Self> {
        Ok(Self { database: Database::open(path, &LEDGER, Mode::Reader)?, marker: OnceLock::new() })
    }

    /// The deployment that the ledger was made for.
    #[must_use]
    pub fn deployment(&self) -> &str {
        self.database.deployment()
    }

    /// Adds an explicit binding.
    ///
    /// # Errors
    /// `Conflict` where the id exists; `Full`, `Busy`, `Unavailable`.
    pub fn insert_binding(&self, binding: &StoredBinding, event: &Event) -> Result<()> {
        let binding = binding.clone();
        self.change(event, move |conn| bindings::insert(conn, &binding))
    }

    /// Removes these bindings, all or none.
    ///
    /// # Errors
    /// `Conflict` where one of them is not there; `Full`, `Busy`, `Unavailable`.
    pub fn delete_bindings(&self, ids: &[BindingId], event: &Event) -> Result<()> {
        let ids = ids.to_vec();
        self.change(event, move |conn| bindings::delete(conn, &ids))
    }

    /// The explicit bindings of a secret, oldest first.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn bindings_of(&self, secret: &SecretId) -> Result<Vec<StoredBinding>> {
        self.database.read(|conn| bindings::of_secret(conn, secret))
    }

    /// Which secrets have explicit bindings, and to which hosts.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn bound_hosts(&self) -> Result<Vec<(SecretId, HostPattern)>> {
        self.database.read(bindings::hosts)
    }

    /// Adds a devbox and its grants.
    ///
    /// # Errors
    /// `Conflict` where the id or a token exists, or a grant is of another devbox; `Full`, `Busy`, `Unavailable`.
    pub fn open_devbox(&self, devbox: &DevboxRow, granted: &[GrantRow], event: &Event) -> Result<()> {
        let (devbox, granted) = (devbox.clone(), granted.to_vec());
        self.change(event, move |conn| {
            devboxes::insert(conn, &devbox)?;
            granted.iter().try_for_each(|row| grants::insert(conn, &devbox.id, row))
        })
    }

    /// Closes a devbox, ends its grants, and erases the wrapped CA key and tokens, which nothing needs any more.
    ///
    /// # Errors
    /// `Conflict` where it is not open; `Full`, `Busy`, `Unavailable`.
    pub fn close_devbox(&self, id: &DevboxId, at: Timestamp, event: &Event) -> Result<()> {
        let id = id.clone();
        let work = self.with_event(event, move |conn| {
            devboxes::close(conn, &id, at)?;
            grants::end(conn, &id, at)
        });
        self.database.erase(work)
    }

    /// The devbox of this id, open or closed.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn devbox(&self, id: &DevboxId) -> Result<Option<DevboxRow>> {
        self.database.read(|conn| devboxes::find(conn, id))
    }

    /// The devboxes that were not closed and are not the API's, oldest first.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn open_devboxes(&self) -> Result<Vec<DevboxRow>> {
        self.database.read(devboxes::open)
    }

    /// Adds a devbox of the API's with its grants and the pairings and bindings that it asks for, with these events.
    ///
    /// # Errors
    /// `Conflict` where the id, the request or a token exists, or a grant is of another devbox; `Full`, `Busy`, `Unavailable`.
    pub fn open_hosted(&self, new: &NewHosted, events: &[Event]) -> Result<()> {
        let new = new.clone();
        self.change_with(events, move |conn| {
            let NewHosted { devbox, hosted, granted, pairings: asked, bindings: made } = &new;
            devboxes::insert(conn, devbox)?;
            hosted::insert(conn, hosted)?;
            granted.iter().try_for_each(|row| grants::insert(conn, &devbox.id, row))?;
            asked.iter().try_for_each(|row| pairings::insert(conn, row))?;
            made.iter().try_for_each(|binding| bindings::insert(conn, binding))
        })
    }

    /// Adds one more gateway to a devbox of the API's that is open, with what it asks for.
    ///
    /// # Errors
    /// `Conflict` where the devbox is not open or a token exists; `Full`, `Busy`, `Unavailable`.
    pub fn add_gateway(&self, new: &NewGateway, events: &[Event]) -> Result<()> {
        let new = new.clone();
        self.change_with(events, move |conn| {
            let NewGateway { devbox, granted, pairings: asked, bindings: made } = &new;
            if devboxes::find(conn, devbox)?.is_none_or(|row| row.closed.is_some()) {
                return Err(StoreError::Conflict);
            }
            granted.iter().try_for_each(|row| grants::insert(conn, devbox, row))?;
            asked.iter().try_for_each(|row| pairings::insert(conn, row))?;
            made.iter().try_for_each(|binding| bindings::insert(conn, binding))
        })
    }

    /// Writes how a devbox of the API's fares.
    ///
    /// # Errors
    /// `Conflict` where there is none, or it has come to a final state; `Full`, `Busy`, `Unavailable`.
    pub fn note_transitions(&self, id: &DevboxId, transitions: &[Transition]) -> Result<()> {
        let (id, transitions) = (id.clone(), transitions.to_vec());
        self.database.write(Box::new(move |conn, _| hosted::update(conn, &id, &transitions, None)))
    }

    /// Writes the final state of a devbox of the API's, and closes it as [`Ledger::close_devbox`] does. What the account's older ones were is forgotten: those
    /// beyond the newest [`HOSTED_ENDED_KEPT_MAX`] that ended more than a day before `at`.
    ///
    /// # Errors
    /// `Conflict` where it is not open; `Full`, `Busy`, `Unavailable`.
    pub fn end_hosted(&self, ended: &Hosted, at: Timestamp, event: &Event) -> Result<()> {
        let (ended, marker) = (ended.clone(), self.marker.get().cloned());
        let work = self.with_event(event, move |conn| {
            hosted::update(conn, &ended.id, &ended.transitions, ended.reason)?;
            devboxes::close(conn, &ended.id, at)?;
            grants::end(conn, &ended.id, at)?;
            // A request that made one is answered again for a day.
            let since = Timestamp::from_unix_ms(at.unix_ms().saturating_sub(ANSWER_LIFE_MS));
            let old = hosted::old_ended(conn, &ended.account, since, HOSTED_ENDED_KEPT_MAX)?;
            old.iter().try_for_each(|id| marks::keeping_ended(conn, id, marker.as_ref(), || hosted::forget(conn, id)))
        });
        self.database.erase(work)
    }

    /// The devbox of the API's of this id, open or closed.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn hosted(&self, id: &DevboxId) -> Result<Option<Hosted>> {
        self.database.read(|conn| hosted::find(conn, id))
    }

    /// The devbox that this request of an API key made.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn requested_hosted(&self, key: &ApiKeyId, request: &[u8; 32]) -> Result<Option<Hosted>> {
        self.database.read(|conn| hosted::requested(conn, key, request))
    }

    /// A page of an account's devboxes of the API's, newest first, below `after`.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn hosted_page(
        &self,
        account: &AccountId,
        after: Option<&DevboxId>,
        limit: usize,
        status: Option<DevboxStatus>,
    ) -> Result<HostedPage> {
        self.database.read_snapshot(|conn| hosted::page(conn, account, after, limit, status))
    }

    /// The devboxes of the API's that were not closed, oldest first.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn open_hosted_devboxes(&self) -> Result<Vec<DevboxId>> {
        self.database.read(devboxes::open_hosted)
    }

    /// How many of the API's devboxes of one account are open.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn count_open_hosted_of(&self, account: &AccountId) -> Result<u64> {
        self.database.read(|conn| devboxes::count_open_hosted_of(conn, account))
    }

    /// How many devboxes are open, of either sort.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn count_open_devboxes(&self) -> Result<u64> {
        self.database.read(devboxes::count_open)
    }

    /// Writes what was decided of a pairing that waits, and the binding that follows from it.
    ///
    /// # Errors
    /// `Conflict` where it does not wait; `Full`, `Busy`, `Unavailable`.
    pub fn decide_pairing(&self, pairing: &PairingRow, binding: Option<&StoredBinding>, events: &[Event]) -> Result<()> {
        let (pairing, binding) = (pairing.clone(), binding.cloned());
        self.change_with(events, move |conn| {
            pairings::decide(conn, &pairing)?;
            binding.iter().try_for_each(|binding| bindings::insert(conn, binding))
        })
    }

    /// The pairing of this id.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn pairing(&self, id: &PairingId) -> Result<Option<PairingRow>> {
        self.database.read(|conn| pairings::find(conn, id))
    }

    /// The pairings of a secret, oldest first.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn pairings_of(&self, secret: &SecretId) -> Result<Vec<PairingRow>> {
        self.database.read(|conn| pairings::of_secret(conn, secret))
    }

    /// The pairings of an account that wait, oldest first.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn waiting_pairings(&self, account: &AccountId) -> Result<Vec<PairingRow>> {
        self.database.read(|conn| pairings::waiting(conn, account))
    }

    /// Writes a secret's exposure, in place of an earlier one.
    ///
    /// # Errors
    /// `Full`, `Busy`, `Unavailable`.
    pub fn put_exposure(&self, exposure: &ExposureRow, event: &Event) -> Result<()> {
        let exposure = exposure.clone();
        self.change(event, move |conn| exposures::put(conn, &exposure))
    }

    /// The secrets of an account whose values are given as they are.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn plain_exposures(&self, account: &AccountId) -> Result<Vec<ExposureRow>> {
        self.database.read(|conn| exposures::plain(conn, account))
    }

    /// The grant of this token, ended or not.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn grant(&self, token: &TokenHash) -> Result<Option<Grant>> {
        self.database.read(|conn| grants::find(conn, token))
    }

    /// The grants of a devbox, in the order in which they were given to [`Ledger::open_devbox`].
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn grants_of(&self, devbox: &DevboxId) -> Result<Vec<GrantRow>> {
        self.database.read(|conn| grants::of_devbox(conn, devbox))
    }

    /// Adds these events to the chain, in their order, all or none. They are durable when this returns.
    ///
    /// # Errors
    /// `Full`, `Busy`, `Unavailable`.
    pub fn record(&self, events: &[Event]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let events = events.to_vec();
        self.database.write(Box::new(move |conn, deployment| {
            events.iter().try_for_each(|event| events::append(conn, Writer::Gateway, deployment, event))
        }))
    }

    /// The secrets of an account whose values any of its devboxes ever sent to a host: those made last, newest first, as many as `limit`.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn sent_to(&self, account: &AccountId, host: &Host, limit: usize) -> Result<Vec<SecretId>> {
        self.database.read(|conn| sent::to_host(conn, account, host, limit))
    }

    /// Whether any devbox of the account ever sent this secret's value to a host.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn was_sent(&self, account: &AccountId, host: &Host, secret: &SecretId) -> Result<bool> {
        self.database.read(|conn| sent::was_sent(conn, account, host, secret))
    }

    /// The gateway's events that the query asks for, oldest first.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn events(&self, query: &EventQuery) -> Result<Vec<ChainedEvent>> {
        self.database.read(|conn| events::list(conn, Writer::Gateway, query))
    }

    /// Walks the whole chain of events and answers its head. That the end was cut off shows only against a head kept elsewhere.
    ///
    /// # Errors
    /// `ChainBroken` at the first event that was edited, removed, moved or planted.
    pub fn verify_chain(&self) -> Result<Head> {
        self.database.read(|conn| events::verify(conn, Writer::Gateway, self.database.deployment()))
    }

    /// The chain's end, as its last row says.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn head(&self) -> Result<Head> {
        self.database.head(Writer::Gateway)
    }

    /// The chain's hash at this number; none where it is not that long.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn hash_at(&self, seq: u64) -> Result<Option<[u8; 32]>> {
        self.database.hash_at(Writer::Gateway, seq)
    }

    /// The greatest version of which an event of this secret tells; none where none does.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn newest_version(&self, secret: &SecretId) -> Result<Option<u32>> {
        self.database.read(|conn| events::newest_version(conn, secret))
    }

    /// Whether the files are still those that were opened.
    ///
    /// # Errors
    /// `Replaced`.
    pub fn stands(&self) -> Result<()> {
        self.database.stands()
    }

    /// Looks at every page, every reference and every event, and answers the chain's head.
    ///
    /// # Errors
    /// `Damaged`, or as [`Ledger::verify_chain`].
    pub fn inspect(&self) -> Result<Head> {
        self.database.inspect(Writer::Gateway)
    }

    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        self.database.snapshot()
    }

    /// Does something while nothing is committed to the ledger.
    pub(crate) fn hold(&self, meanwhile: impl Fn() -> Result<()> + Send + 'static) -> Result<()> {
        self.database.hold(Box::new(move |_, _| meanwhile()))
    }

    /// Whether a read works and whether writes do: after one that failed, a small one is tried.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn check(&self) -> Result<()> {
        self.database.check()
    }

    fn change(&self, event: &Event, change: impl Fn(&rusqlite::Connection) -> Result<()> + Send + 'static) -> Result<()> {
        self.database.write(self.with_event(event, change))
    }

    pub(crate) fn change_with(
        &self,
        events: &[Event],
        change: impl Fn(&rusqlite::Connection) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        self.database.write(self.with_events(events.to_vec(), change))
    }

    fn with_event(&self, event: &Event, change: impl Fn(&rusqlite::Connection) -> Result<()> + Send + 'static) -> Work {
        self.with_events(vec![event.clone()], change)
    }

    fn with_events(&self, events: Vec<Event>, change: impl Fn(&rusqlite::Connection) -> Result<()> + Send + 'static) -> Work {
        let marker = self.marker.get().cloned();
        Box::new(move |conn, deployment| {
            marks::require(conn, &events, marker.as_ref())?;
            change(conn)?;
            events.iter().try_for_each(|event| events::append(conn, Writer::Gateway, deployment, event))?;
            marks::follow(conn, &events, marker.as_ref())
        })
    }
}
