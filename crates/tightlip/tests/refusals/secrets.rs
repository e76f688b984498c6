//! Placeholders and what stands behind them.

use model::Refusal;
use rusqlite::Connection;

use crate::world::{PLAIN, World, until};

const OTHERS: &str = "curl -sSi https://api.example.test/ -H \"Authorization: Bearer $STRANGE\"";

pub fn token_foreign() {
    let world = World::start();
    let (devbox, other) = (world.with_key(), world.with_key());
    let token = other.ask("printf %s $KEY").0;
    devbox.refused(&format!("STRANGE={token}; {OTHERS}"), Refusal::TokenForeign).says("use the one in this devbox's environment");
    devbox.passes(PLAIN);
}

pub fn token_ended() {
    let world = World::start();
    let (devbox, other) = (world.with_key(), world.with_key());
    let token = other.ask("printf %s $KEY").0;
    world.tool(&["devbox", "shutdown", &other.id], "");
    let mend = devbox.refused(&format!("STRANGE={token}; {OTHERS}"), Refusal::TokenEnded);
    let id = mend.run("devbox create", &[("NAME", "KEY")], "");
    world.within(id.trim()).passes(PLAIN);
    let run = mend.filled("run", &[("NAME", "KEY")]);
    world.run(&run.iter().skip(1).map(String::as_str).collect::<Vec<_>>(), PLAIN).assert_passed();
}

pub fn secret_gone() {
    let world = World::start();
    let devbox = world.with_key();
    world.tool(&["secret", "delete", "KEY"], "");
    let mend = devbox.refused(PLAIN, Refusal::SecretGone);
    mend.run("secret set", &[("NAME", "KEY")], world.canary.value());
    world.tool(&["bind", "KEY", "--host", crate::world::API], "");
    let id = mend.run("devbox create", &[("NAME", "KEY")], "");
    world.within(id.trim()).passes(PLAIN);
}

pub fn value_unfit() {
    let world = World::start();
    let devbox = world.with_key();
    for value in ["two\nlines of a value", "short"] {
        world.tool(&["secret", "set", "KEY"], value);
        devbox.refused(PLAIN, Refusal::ValueUnfit).run("secret set", &[("NAME", "KEY")], world.canary.value());
        devbox.passes(PLAIN);
    }
}

pub fn secret_tampered() {
    let world = World::start();
    let devbox = world.with_key();
    devbox.passes(PLAIN);
    let store = Connection::open(world.data().join("store/tightlip.db")).unwrap();
    let changed = store.execute("UPDATE ciphertexts SET ciphertext = randomblob(length(ciphertext)) WHERE ciphertext IS NOT NULL", []);
    assert_eq!(changed.unwrap(), 1);
    let mend = devbox.refused(PLAIN, Refusal::SecretTampered);
    mend.run("secret set", &[("NAME", "KEY")], world.canary.value());
    devbox.passes(PLAIN);
    until("the event", || mend.run("events", &[], "").contains("secret_tampered"));
}

/// The store without one of its tables: what cannot be looked up cannot be decided.
pub fn undecided() {
    let world = World::start();
    let devbox = world.with_key();
    devbox.passes(PLAIN);
    let store = Connection::open(world.data().join("store/tightlip.db")).unwrap();
    let schema: Vec<(String, String)> = {
        let mut statement = store.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    store.execute_batch("ALTER TABLE secrets RENAME TO secrets_away").unwrap();
    let mend = devbox.refused(PLAIN, Refusal::Undecided);
    mend.says("the output of `tightlip up`").says("try again");
    assert!(world.log().contains("no such table"), "the output says why: {}", world.log());
    store.execute_batch("ALTER TABLE secrets_away RENAME TO secrets").unwrap();
    // Renaming left names in quotation marks, which is another schema; only the one that the migrations make is served. The gateway looks at it ten times a
    // second, and until then may answer.
    until("the changed schema is refused", || devbox.ask(PLAIN).is_refused());
    devbox.refused(PLAIN, Refusal::Undecided);
    store.execute_batch("PRAGMA writable_schema = ON").unwrap();
    for (name, sql) in schema {
        store.execute("UPDATE sqlite_schema SET sql = ?2 WHERE name = ?1", [name, sql]).unwrap();
    }
    let version: i64 = store.query_row("PRAGMA schema_version", [], |row| row.get(0)).unwrap();
    store.execute_batch(&format!("PRAGMA schema_version = {}; PRAGMA writable_schema = OFF", version + 1)).unwrap();
    until("the schema is served again", || !devbox.ask(PLAIN).is_refused());
    devbox.passes(PLAIN);
}
