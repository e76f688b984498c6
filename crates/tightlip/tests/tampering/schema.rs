//! The schemas of both databases: what decides how rows are written and found, beside the rows.

use std::fs;

use rusqlite::Connection;

use crate::house::{House, call, verify};
use crate::server::{refused, up, wait_for};

const STORE: &str = "store/tightlip.db";
const LEDGER: &str = "gateway/gateway.db";
/// Puts an exposure back that a person takes back.
const EXPOSE_AGAIN: &str = "CREATE TRIGGER again AFTER INSERT ON events WHEN json_extract(NEW.body, '$.kind') = 'secret_brokered'
    BEGIN UPDATE exposures SET plain = 1; END";
/// A table that never ends.
const ENDLESS: &str = "ALTER TABLE gateway_configs RENAME TO kept;
    CREATE VIEW gateway_configs AS WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r)
    SELECT 'gwc_' || n AS id, '' AS account, '' AS name, '' AS endpoint, '' AS mechanism, '' AS headers, '' AS description, n AS created FROM r";

fn change(house: &House, file: &str, sql: &str) {
    let conn = Connection::open(house.data().join(file)).unwrap();
    conn.execute_batch(sql).unwrap();
    conn.close().unwrap();
}

#[test]
fn a_schema_that_was_changed_is_named_and_nothing_is_served() {
    let house = House::make();
    verify(&house.data()).assert_holds();
    for (file, table, sql, said) in [
        (LEDGER, "ledger", EXPOSE_AGAIN, "trigger again is none of tightlip's"),
        (LEDGER, "ledger", "CREATE TRIGGER other AFTER INSERT ON devboxes BEGIN DELETE FROM marks; END", "trigger other"),
        (LEDGER, "ledger", "CREATE TABLE more (x)", "table more is none of tightlip's"),
        (LEDGER, "ledger", "DROP INDEX events_of_decisions", "index events_of_decisions is missing"),
        (STORE, "store", "CREATE TRIGGER spoil AFTER INSERT ON ciphertexts BEGIN DELETE FROM ciphertexts; END", "trigger spoil"),
        (STORE, "store", "ALTER TABLE secrets ADD COLUMN x TEXT", "table secrets is not as tightlip made it"),
        (STORE, "store", ENDLESS, "view gateway_configs is none of tightlip's"),
    ] {
        let kept = house.copy("kept");
        change(&house, file, sql);
        let verdict = verify(&house.data());
        verdict.assert_finds(table, said);
        let (code, error) = refused(&mut up(&house.data()));
        assert!(code == 10 && error.contains(said) && error.contains("verify`"), "{code}: {error}");
        fs::remove_dir_all(house.data()).unwrap();
        fs::rename(kept, house.data()).unwrap();
    }
    verify(&house.data()).assert_holds();
    house.serve().wait_until_both_serve();
}

#[test]
fn a_trigger_under_a_running_server_does_nothing_and_nothing_is_signed_while_it_is_there() {
    let house = House::bare();
    let server = house.serve();
    house.fill();
    change(&house, LEDGER, EXPOSE_AGAIN);
    let exposed = call(&house.data(), &["expose", "OTHER", "--brokered"], "");
    assert!(!exposed.status.success(), "{}", String::from_utf8_lossy(&exposed.stdout));
    wait_for("red", || server.get("/readyz").filter(|(status, _)| *status == 503));
    verify(&house.data()).assert_finds("ledger", "trigger again");
    let file = house.beside("x.backup");
    assert!(!call(&house.data(), &["backup", file.to_str().unwrap()], "").status.success(), "it would be restored");
    change(&house, LEDGER, "DROP TRIGGER again");
    wait_for("green", || server.get("/readyz").filter(|(status, _)| *status == 200));
    house.tool(&["expose", "OTHER", "--brokered"], "");
    verify(&house.data()).assert_holds();
}

#[test]
fn a_view_without_end_holds_up_neither_a_look_nor_the_server() {
    let house = House::bare();
    let server = house.serve();
    house.fill();
    change(&house, STORE, ENDLESS);
    verify(&house.data()).assert_finds("store", "view gateway_configs");
    wait_for("red", || server.get("/readyz").filter(|(status, _)| *status == 503));
}
