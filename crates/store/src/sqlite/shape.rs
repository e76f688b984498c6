//! A database's schema against the one that the migrations make. Rows carry marks; a schema does not, and yet decides what a statement does: a trigger writes
//! other rows than were asked for, a view answers for a table, a default or an index changes what is found.
//!
//! Triggers and views are off on every connection besides (`connection`), so that one made under a running server does nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use crate::error::{Result, StoreError};
use crate::sqlite::migrations::Schema;

/// What of a schema is not as the migrations make it; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaFaults(Arc<[SchemaFault]>);

/// One object of a schema that is not as the migrations make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaFault {
    /// The object, in words: its sort and its name, where that is one of ours or could be.
    pub object: String,
    /// What is wrong with it.
    pub fault: ObjectFault,
}

/// What is wrong with an object of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectFault {
    /// No migration makes it.
    TooMuch,
    /// It is not there.
    Missing,
    /// It is there and says something else.
    Different,
}

/// A schema that was found good, and the number by which SQLite tells that it may have changed since.
pub(crate) struct Shape {
    schema: &'static Schema,
    cookie: AtomicI64,
}

/// Sort and name of an object, and what it says: its table, and its statement with every run of blanks as one.
type Objects = BTreeMap<(String, String), (String, String)>;

impl Shape {
    /// The schema of a database that was found good on this connection.
    pub fn of(schema: &'static Schema, conn: &Connection) -> Result<Self> {
        let cookie = cookie(conn)?;
        check(conn, schema, schema.version())?;
        Ok(Self { schema, cookie: AtomicI64::new(cookie) })
    }

    /// Refuses a database whose schema was changed since. Costs a look at one number where it was not.
    pub fn stand(&self, conn: &Connection) -> Result<()> {
        // The number first: what changes between the two is looked at the next time.
        let now = cookie(conn)?;
        if now != self.cookie.load(Ordering::Relaxed) {
            check(conn, self.schema, self.schema.version())?;
            self.cookie.store(now, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Refuses a database that is not what the first steps of its schema make.
pub(crate) fn check(conn: &Connection, schema: &Schema, version: u32) -> Result<()> {
    let (expected, mut found) = (expected(schema, version)?, objects(conn)?);
    let mut lacking = Vec::new();
    for (key, says) in expected.iter() {
        let fault = match found.remove(key) {
            None => ObjectFault::Missing,
            Some(other) if other != *says => ObjectFault::Different,
            Some(_) => continue,
        };
        lacking.push(SchemaFault::of(key, fault));
    }
    // What somebody put there first: the rest may follow from it.
    let mut faults: Vec<SchemaFault> = found.keys().map(|key| SchemaFault::of(key, ObjectFault::TooMuch)).chain(lacking).collect();
    faults.truncate(FAULTS_MAX);
    if faults.is_empty() { Ok(()) } else { Err(StoreError::Schema(SchemaFaults(faults.into()))) }
}

/// What the first steps of a schema make, in memory; once in a process for each.
fn expected(schema: &Schema, version: u32) -> Result<Arc<Objects>> {
    static MADE: Mutex<BTreeMap<(i32, u32), Arc<Objects>>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = made.get(&(schema.application, version)) {
        return Ok(Arc::clone(known));
    }
    let mut conn = Connection::open_in_memory()?;
    schema.make(&mut conn, version)?;
    let objects = Arc::new(objects(&conn)?);
    made.insert((schema.application, version), Arc::clone(&objects));
    Ok(objects)
}

/// The objects of a schema: as many as are ever looked at, and of each as much as any of ours says.
fn objects(conn: &Connection) -> Result<Objects> {
    let mut statement = conn.prepare(
        "SELECT substr(type, 1, ?2), iif(octet_length(name) > ?2, 'another name', name), substr(tbl_name, 1, ?2),
            iif(octet_length(sql) > ?3, 'another statement', coalesce(sql, '')) FROM sqlite_schema LIMIT ?1",
    )?;
    let one = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rows = statement.query([OBJECTS_MAX, NAME_BYTES_MAX, STATEMENT_BYTES_MAX])?;
    let mut objects = Objects::new();
    while let Some(row) = rows.next()? {
        let former = objects.insert((row.get(0)?, row.get(1)?), (row.get(2)?, one(row.get(3)?)));
        // SQLite makes no two of one name; where pages lead in a circle, the same come again and again.
        if former.is_some() {
            return Err(StoreError::Damaged(None));
        }
    }
    Ok(objects)
}

fn cookie(conn: &Connection) -> Result<i64> {
    Ok(conn.prepare_cached("PRAGMA schema_version")?.query_row([], |row| row.get(0))?)
}

impl SchemaFault {
    fn of((sort, name): &(String, String), fault: ObjectFault) -> Self {
        let sort = SORTS.into_iter().find(|known| known == sort).unwrap_or("object");
        let is_plain = name.len() <= NAME_CHARS_MAX && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        Self { object: if is_plain { format!("{sort} {name}") } else { format!("{sort} of another name") }, fault }
    }
}

impl SchemaFaults {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &SchemaFault> {
        self.0.iter()
    }
}

impl fmt::Display for SchemaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.fault {
            ObjectFault::TooMuch => "is none of tightlip's",
            ObjectFault::Missing => "is missing",
            ObjectFault::Different => "is not as tightlip made it",
        };
        write!(f, "the {} {what}", self.object)
    }
}

impl fmt::Display for SchemaFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().take(FAULTS_TOLD_MAX).enumerate() {
            write!(f, "{}{fault}", if number == 0 { "" } else { ", " })?;
        }
        match self.0.len().saturating_sub(FAULTS_TOLD_MAX) {
            0 => Ok(()),
            more => write!(f, " (and {more} more)"),
        }
    }
}

/// Objects that are read of a schema: more than ours have together with what is told of them.
const OBJECTS_MAX: i64 = 512;
/// Names are read up to this length; ours are shorter.
const NAME_BYTES_MAX: i64 = 64;
/// Statements are read up to this length; ours are shorter.
const STATEMENT_BYTES_MAX: i64 = 8192;
/// What there is in a schema.
const SORTS: [&str; 4] = ["table", "index", "trigger", "view"];
/// Objects that are named of a schema; more than any of ours has.
const FAULTS_MAX: usize = 64;
/// Of these, how many an error names.
const FAULTS_TOLD_MAX: usize = 4;
/// Names of ours are shorter.
const NAME_CHARS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest;

    use super::*;
    use crate::sqlite::migrations::{LEDGER, STORE};

    fn made(schema: &Schema, version: u32) -> Connection {
        let mut conn = Connection::open_in_memory().expect("a connection");
        schema.make(&mut conn, version).expect("made");
        conn
    }

    fn faults(conn: &Connection, schema: &Schema) -> Vec<String> {
        match check(conn, schema, schema.version()) {
            Ok(()) => Vec::new(),
            Err(StoreError::Schema(faults)) => faults.iter().map(ToString::to_string).collect(),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn every_version_on_the_way_is_what_its_steps_make() {
        for schema in [&STORE, &LEDGER] {
            for version in 1..=schema.version() {
                let mut conn = made(schema, version);
                check(&conn, schema, version).expect("as made");
                // What is too long to be read would be the same as anything else that is.
                assert!(!format!("{:?}", objects(&conn).expect("objects")).contains("another "));
                schema.migrate(&mut conn).expect("migrated");
                assert_eq!(faults(&conn, schema), [""; 0]);
            }
        }
    }

    #[test]
    fn what_is_too_much_missing_or_different_is_named() {
        for (sql, said) in [
            ("CREATE TRIGGER t1 AFTER INSERT ON events BEGIN DELETE FROM marks; END", "the trigger t1 is none of tightlip's"),
            ("CREATE VIEW seen AS SELECT 1", "the view seen is none of tightlip's"),
            ("CREATE TABLE \"a'; b\" (x)", "the table of another name is none of tightlip's"),
            ("DROP INDEX events_sent", "the index events_sent is missing"),
            ("DROP INDEX events_sent; CREATE INDEX events_sent ON events (seq)", "the index events_sent is not as tightlip made it"),
            ("ALTER TABLE exposures ADD COLUMN x INTEGER", "the table exposures is not as tightlip made it"),
        ] {
            let conn = made(&LEDGER, LEDGER.version());
            conn.execute_batch(sql).expect("changed");
            assert_eq!(faults(&conn, &LEDGER), [said]);
        }
        let conn = made(&LEDGER, LEDGER.version());
        conn.execute_batch("ALTER TABLE grants RENAME TO g; CREATE VIEW grants AS SELECT * FROM g").expect("changed");
        let said = faults(&conn, &LEDGER);
        assert!(
            said.contains(&"the table grants is missing".to_owned()) && said.contains(&"the view grants is none of tightlip's".to_owned()),
            "{said:?}"
        );
    }

    #[test]
    fn what_is_too_long_too_many_or_there_twice_is_no_schema_of_ours() {
        let conn = made(&LEDGER, LEDGER.version());
        let blanks = " ".repeat(9000);
        conn.execute_batch(&format!("DROP INDEX events_sent; CREATE INDEX events_sent{blanks} ON events (seq)")).expect("changed");
        assert_eq!(faults(&conn, &LEDGER), ["the index events_sent is not as tightlip made it"]);
        let conn = made(&LEDGER, LEDGER.version());
        (0..600).for_each(|number| conn.execute_batch(&format!("CREATE TABLE t{number} (x)")).expect("made"));
        assert_eq!(faults(&conn, &LEDGER).len(), FAULTS_MAX);
        let conn = made(&LEDGER, LEDGER.version());
        conn.execute_batch("PRAGMA writable_schema = ON; INSERT INTO sqlite_schema SELECT * FROM sqlite_schema WHERE name = 'events_sent'")
            .expect("planted");
        assert!(matches!(check(&conn, &LEDGER, LEDGER.version()), Err(StoreError::Damaged(None))));
    }

    /// An SQLite that writes altered tables in other words would refuse every database from before: then `check` has to know both.
    #[test]
    fn this_sqlite_writes_the_schemas_as_the_ones_before_it_did() {
        for (schema, written) in [(&STORE, STORE_WRITTEN), (&LEDGER, LEDGER_WRITTEN)] {
            let objects = objects(&made(schema, PINNED)).expect("objects");
            let digest = digest::digest(&digest::SHA256, format!("{objects:?}").as_bytes());
            let hex: String = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, written);
        }
    }

    /// The version whose text is held.
    const PINNED: u32 = 4;
    const STORE_WRITTEN: &str = "553a6d301bbd40cc";
    const LEDGER_WRITTEN: &str = "63721ef41a1d7aba";
}
