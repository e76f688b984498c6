//! The schemas, step by step, and the one way from an older one to the present one. A newer one is refused before anything is touched.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::{FileFault, Result, StoreError};
use crate::sqlite::{connection, shape};

/// A database's identity, and the steps that made its schema: the first makes version 1 of an empty file.
pub(crate) struct Schema {
    /// SQLite's `application_id`, by which a file of another kind is told apart.
    pub application: i32,
    /// The steps; never changed once released, only added to.
    pub steps: &'static [&'static str],
}

/// The store's.
pub(crate) static STORE: Schema = Schema {
    application: 0x746C_5354,
    steps: &[
        concat!(include_str!("schema/common_1.sql"), include_str!("schema/store_1.sql")),
        include_str!("schema/store_2.sql"),
        include_str!("schema/store_3.sql"),
        include_str!("schema/store_4.sql"),
    ],
};
/// The ledger's.
pub(crate) static LEDGER: Schema = Schema {
    application: 0x746C_4C44,
    steps: &[
        concat!(include_str!("schema/common_1.sql"), include_str!("schema/ledger_1.sql")),
        include_str!("schema/ledger_2.sql"),
        include_str!("schema/ledger_3.sql"),
        include_str!("schema/ledger_4.sql"),
        include_str!("schema/ledger_5.sql"),
        include_str!("schema/ledger_6.sql"),
        include_str!("schema/ledger_7.sql"),
    ],
};

impl Schema {
    /// The version that all steps together make.
    pub fn version(&self) -> u32 {
        u32::try_from(self.steps.len()).expect("a schema has few steps")
    }

    /// Refuses a database that is not of this kind, is newer, or has another schema than its number says, and changes nothing.
    ///
    /// A look at the file alone comes first, since an ordinary connection would make `-wal` and `-shm` beside it. The version may also stand in the WAL only,
    /// so a reading connection, which cannot checkpoint, is asked as well.
    pub fn admit(&self, path: &Path) -> Result<u32> {
        if let Some(conn) = connection::peek(path)
            && let Ok((application, version)) = connection::identity(&conn)
            && application == self.application
            // Whether this build's schema was given another number, the ordinary connection says, which sees the WAL too.
            && shape::check(&conn, self, self.version()).is_err()
        {
            self.known(version)?;
        }
        let conn = connection::open_reader(path)?;
        // Number and schema of one moment: another process may be bringing both up to date.
        let moment = conn.unchecked_transaction()?;
        let (application, version) = connection::identity(&moment)?;
        if application == self.application { self.numbered(&moment, version) } else { Err(StoreError::NotADatabase) }
    }

    /// The version of a database whose header says this one: what its schema is must agree.
    fn numbered(&self, conn: &Connection, found: i64) -> Result<u32> {
        let known = self.version();
        if found == i64::from(known) {
            return Ok(known);
        }
        if shape::check(conn, self, known).is_ok() {
            return Err(StoreError::damaged(FileFault::Misnumbered { found, known }));
        }
        let older = self.known(found)?;
        shape::check(conn, self, older)?;
        Ok(older)
    }

    /// Runs the steps that the database lacks, all or none.
    pub fn migrate(&self, conn: &mut Connection) -> Result<()> {
        self.make(conn, self.version())
    }

    /// Runs the steps that the database lacks of this version's, all or none.
    pub fn make(&self, conn: &mut Connection, version: u32) -> Result<()> {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (_, found) = connection::identity(&tx)?;
        let found = self.known(found)?;
        if found < version {
            for step in &self.steps[found as usize..version as usize] {
                tx.execute_batch(step)?;
            }
            tx.pragma_update(None, "application_id", self.application)?;
            tx.pragma_update(None, "user_version", version)?;
        }
        Ok(tx.commit()?)
    }

    fn known(&self, found: i64) -> Result<u32> {
        let found = u32::try_from(found).map_err(StoreError::damaged)?;
        if found > self.version() { Err(StoreError::Newer { found, known: self.version() }) } else { Ok(found) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static ONE: Schema = Schema { application: 7, steps: &["CREATE TABLE a (x INTEGER) STRICT;"] };
    static TWO: Schema =
        Schema { application: 7, steps: &[ONE.steps[0], "ALTER TABLE a ADD COLUMN y TEXT; INSERT INTO a VALUES (1, 'n');"] };
    static BROKEN: Schema = Schema { application: 7, steps: &[ONE.steps[0], "INSERT INTO a VALUES (2); CREATE TABLE a (x INTEGER);"] };

    fn rows(conn: &Connection) -> i64 {
        conn.query_row("SELECT count(*) FROM a", [], |row| row.get(0)).expect("a count")
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let mut conn = Connection::open_in_memory().expect("a connection");
        ONE.migrate(&mut conn).expect("the first step");
        assert!(BROKEN.migrate(&mut conn).is_err());
        assert_eq!((connection::identity(&conn).expect("an identity"), rows(&conn)), ((7, 1), 0));
    }

    #[test]
    fn keys_of_the_first_schema_are_good_without_end() {
        let mut conn = Connection::open_in_memory().expect("a connection");
        let first = Schema { application: STORE.application, steps: &STORE.steps[..1] };
        first.migrate(&mut conn).expect("the first step");
        conn.execute_batch(
            "INSERT INTO accounts (id, name, devbox_capability, created) VALUES ('acc_000000000000000000001', 'owner', 1, 5);
             INSERT INTO api_keys (id, account, hash, scopes, created)
             VALUES ('key_000000000000000000001', 'acc_000000000000000000001', zeroblob(32), 'read', 5);",
        )
        .expect("rows");
        STORE.migrate(&mut conn).expect("the second step");
        let (key, _) = crate::sqlite::api_keys::find(&conn, &model::TokenHash([0; 32])).expect("read").expect("a key");
        assert!(key.is_good(model::Timestamp::from_unix_ms(i64::MAX)) && key.name.is_empty() && key.last_used.is_none());
    }

    #[test]
    fn devboxes_and_grants_of_the_first_schema_are_of_nobodys_gateways() {
        let mut conn = Connection::open_in_memory().expect("a connection");
        let first = Schema { application: LEDGER.application, steps: &LEDGER.steps[..1] };
        first.migrate(&mut conn).expect("the first step");
        conn.execute_batch(
            "INSERT INTO devboxes (id, account, key, allow, resume, ca_pem, ca_key, opened)
             VALUES ('dbx_000000000000000000001', 'acc_000000000000000000001', 'key_000000000000000000001', '[]', zeroblob(32), '', x'01', 5);
             INSERT INTO grants (hash, devbox, account, secret, created, env, name, token)
             VALUES (zeroblob(32), 'dbx_000000000000000000001', 'acc_000000000000000000001', 'sec_000000000000000000001', 5, 'A', 'A', x'02');",
        )
        .expect("rows");
        LEDGER.migrate(&mut conn).expect("the second step");
        let devbox = "dbx_000000000000000000001".parse().expect("an id");
        let open = crate::sqlite::devboxes::open(&conn).expect("read");
        assert_eq!(open.iter().map(|row| &row.id).collect::<Vec<_>>(), [&devbox]);
        assert_eq!(crate::sqlite::hosted::find(&conn, &devbox).expect("read"), None);
        let grants = crate::sqlite::grants::of_devbox(&conn, &devbox).expect("read");
        assert!(grants.len() == 1 && grants[0].gateway.is_none() && grants[0].token == [2]);
    }

    #[test]
    fn answers_of_the_second_schema_are_given_again() {
        let mut conn = Connection::open_in_memory().expect("a connection");
        let second = Schema { application: STORE.application, steps: &STORE.steps[..2] };
        second.migrate(&mut conn).expect("two steps");
        let at = model::Timestamp::from_unix_ms(5);
        let key = model::ApiKeyId::from_parts(at, 1);
        conn.execute(
            "INSERT INTO answers (key, request, secret, created) VALUES (?1, zeroblob(32), ?2, 5)",
            [
                key.as_str(),
                r#"{"id":"sec_000000000000000000001","account":"acc_000000000000000000001","name":"A","version":1,"kind":null,"created":5,"updated":5}"#,
            ],
        )
        .expect("a row");
        STORE.migrate(&mut conn).expect("the third step");
        let shown = crate::sqlite::answers::find(&conn, &key, &[0; 32], at).expect("read");
        assert!(matches!(shown, Some(crate::Shown::Secret(secret)) if secret.name.as_str() == "A"));
    }

    #[test]
    fn a_newer_one_is_refused_by_its_number() {
        let mut conn = Connection::open_in_memory().expect("a connection");
        TWO.migrate(&mut conn).expect("two steps");
        assert!(matches!(ONE.migrate(&mut conn), Err(StoreError::Newer { found: 2, known: 1 })));
    }

    #[test]
    fn only_the_steps_that_lack_are_run() {
        let mut conn = Connection::open_in_memory().expect("a connection");
        ONE.migrate(&mut conn).expect("the first step");
        TWO.migrate(&mut conn).expect("the second step");
        TWO.migrate(&mut conn).expect("nothing to do");
        assert_eq!((connection::identity(&conn).expect("an identity"), rows(&conn)), ((7, 2), 1));
    }
}
