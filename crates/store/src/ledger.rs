//! The gateway's own database: explicit bindings, devboxes, grants, and the gateway's events. Nobody else writes or reads it.

use std::path::Path;

use model::{BindingId, ChainedEvent, DevboxId, Event, Grant, SecretId, StoredBinding, Timestamp, TokenHash, Writer};

use crate::error::Result;
use crate::rows::{DevboxRow, EventQuery, GrantRow, Head};
use crate::sqlite::database::{Database, Work};
use crate::sqlite::migrations::LEDGER;
use crate::sqlite::snapshot::Snapshot;
use crate::sqlite::{bindings, create, devboxes, events, grants};
use crate::store::Mode;

/// The gateway's database. Verbs block; writes return when they are durable, each with its event in one transaction.
pub struct Ledger {
    database: Database,
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
        Ok(Self { database: Database::open(path, &LEDGER, Mode::Writer)? })
    }

    /// Opens the ledger at `path` to read it only.
    ///
    /// # Errors
    /// `Missing`, `NotADatabase`, `Newer`, `Outdated`, `Damaged`, `Busy`.
    pub fn open_to_read(path: &Path) -> Result<Self> {
        Ok(Self { database: Database::open(path, &LEDGER, Mode::Reader)? })
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
        let work = with_event(event, move |conn| {
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

    /// The devboxes that were not closed, oldest first.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn open_devboxes(&self) -> Result<Vec<DevboxRow>> {
        self.database.read(devboxes::open)
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
        self.database.write(with_event(event, change))
    }
}

fn with_event(event: &Event, change: impl Fn(&rusqlite::Connection) -> Result<()> + Send + 'static) -> Work {
    let event = event.clone();
    Box::new(move |conn, deployment| {
        change(conn)?;
        events::append(conn, Writer::Gateway, deployment, &event)
    })
}
