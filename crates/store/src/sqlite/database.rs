//! One open database: its readers, and its writer where it was opened to write.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use crate::error::{Result, StoreError};
use crate::rows::{Commits, Head};
use crate::sqlite::files::Files;
use crate::sqlite::migrations::Schema;
use crate::sqlite::readers::{Readers, may_wait};
use crate::sqlite::shape::{self, Shape};
use crate::sqlite::snapshot::Snapshot;
use crate::sqlite::writer::{Ground, Purpose, Writer};
use crate::sqlite::{connection, create, events, look};
use crate::store::Mode;

/// One change, with its event: given the connection inside a transaction, and the deployment. May be run again where its group failed, so it only borrows.
pub(crate) type Work = Box<dyn Fn(&Connection, &str) -> Result<()> + Send>;

/// An open database.
pub(crate) struct Database {
    deployment: String,
    // Before the writer, so that the writer's connection is the last to close and folds the WAL back into the file.
    readers: Readers,
    writer: Option<Writer>,
    files: Arc<Files>,
    shape: Arc<Shape>,
}

impl Database {
    /// Opens the database at `path`.
    pub fn open(path: &Path, schema: &'static Schema, mode: Mode) -> Result<Self> {
        let found = schema.admit(path)?;
        let writing = match mode {
            Mode::Writer => {
                let mut conn = connection::open_writer(path)?;
                // Before anything is changed.
                shape::check(&conn, schema, found)?;
                create::set_wal(&conn)?;
                schema.migrate(&mut conn)?;
                Some(conn)
            }
            Mode::Reader if found < schema.version() => return Err(StoreError::Outdated { found, known: schema.version() }),
            Mode::Reader => None,
        };
        let readers = Readers::new(path);
        let shape = readers.lend(|conn| Shape::of(schema, conn))?;
        let deployment = readers.lend(deployment_of)?;
        let files = Arc::new(Files::of(path)?);
        let shape = Arc::new(shape);
        let ground = Ground { files: Arc::clone(&files), shape: Arc::clone(&shape) };
        let writer = writing.map(|conn| Writer::start(conn, deployment.clone(), ground)).transpose()?;
        Ok(Self { deployment, readers, writer, files, shape })
    }

    /// The deployment that the database was made for.
    pub fn deployment(&self) -> &str {
        &self.deployment
    }

    /// Reads by one statement.
    pub fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.readers.lend(read)
    }

    /// Reads by several statements, all of the same state.
    pub fn read_snapshot<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.readers.lend(|conn| {
            if !conn.is_autocommit() {
                return read(conn);
            }
            let snapshot = conn.unchecked_transaction()?;
            let found = read(&snapshot)?;
            snapshot.commit()?;
            Ok(found)
        })
    }

    /// Does `work`, in which everything that this thread reads is of one moment.
    pub fn at_once<T>(&self, work: impl FnOnce() -> T) -> Result<T> {
        self.readers.at_once(work)
    }

    /// Does the work in a transaction and returns when it is durable.
    pub fn write(&self, work: Work) -> Result<()> {
        self.writer()?.run(Purpose::Change, work)
    }

    /// As [`Database::write`]; and what the work overwrites or removes is soon gone from the WAL too.
    pub fn erase(&self, work: Work) -> Result<()> {
        self.writer()?.run(Purpose::Erase, work)
    }

    /// Does the work, which writes nothing, inside a transaction of the writer's: nothing is committed meanwhile.
    pub fn hold(&self, work: Work) -> Result<()> {
        self.writer()?.run(Purpose::Look, work)
    }

    /// A connection that can hold the database still.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::prepare(self.readers.path())
    }

    /// Looks at every page, every reference and this writer's chain of events.
    pub fn inspect(&self, writer: model::Writer) -> Result<Head> {
        self.read_snapshot(|conn| {
            look::inspect_pages(conn)?;
            look::inspect_references(conn)?;
            events::verify(conn, writer, self.deployment())
        })
    }

    /// Whether the files are still those that were opened, and their schema the one that was found good. Microseconds.
    pub fn stands(&self) -> Result<()> {
        self.files.stand()?;
        self.readers.lend(|conn| self.shape.stand(conn))
    }

    /// The chain's end, as its last row says.
    pub fn head(&self, writer: model::Writer) -> Result<Head> {
        self.read(|conn| events::head(conn, writer, self.deployment()))
    }

    /// The chain's hash at this number, if it has got there.
    pub fn hash_at(&self, writer: model::Writer, seq: u64) -> Result<Option<[u8; 32]>> {
        self.read(|conn| events::hash_at(conn, writer, self.deployment(), seq))
    }

    /// Whether a read works, of the events too, and a write where there is a writer.
    pub fn check(&self) -> Result<()> {
        self.stands()?;
        self.readers.lend(deployment_of)?;
        self.readers.lend(events::look)?;
        match &self.writer {
            Some(writer) => writer.check(),
            None => Ok(()),
        }
    }

    /// What was committed since this was opened; nothing where it was opened to read.
    pub fn commits(&self) -> Commits {
        self.writer.as_ref().map(Writer::commits).unwrap_or_default()
    }

    fn writer(&self) -> Result<&Writer> {
        may_wait()?;
        self.writer.as_ref().ok_or(StoreError::ReadOnly)
    }
}

fn deployment_of(conn: &Connection) -> Result<String> {
    let mut statement = conn.prepare_cached("SELECT value FROM meta WHERE key = 'deployment'")?;
    statement.query_row([], |row| row.get(0)).optional()?.ok_or(StoreError::Damaged(None))
}
