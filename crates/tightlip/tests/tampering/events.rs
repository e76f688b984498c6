//! Both chains of events: edited, removed, reordered, planted, cut off.

use crate::house::{House, verify};
use rusqlite::Connection;

#[test]
fn an_event_that_was_edited_removed_reordered_or_planted_is_found_in_either_chain() {
    let house = House::make();
    for (table, mark) in [("events of the api", ""), ("events of the gateway", " /* ledger */")] {
        let prefix = if mark.is_empty() { "" } else { "ledger:" };
        let found = |sql: &str, words: &str| house.assert_found(&format!("{prefix}{sql}{mark}"), table, words);
        found("UPDATE events SET body = replace(body, '\"time\":1', '\"time\":2') WHERE seq = 2", "number 2: an event was edited");
        found("DELETE FROM events WHERE seq = 2", "number 2: an event was removed");
        found("UPDATE events SET account = 'acc_000000000000000000001' WHERE seq = 2", "number 2: an event was hidden");
        found(
            "CREATE TEMP TABLE e AS SELECT * FROM events WHERE seq IN (2, 3); DELETE FROM events WHERE seq IN (2, 3);
             INSERT INTO events SELECT 5 - seq, account, name, body, hash FROM e",
            "number 2: an event was edited, moved or planted",
        );
        found(
            "INSERT INTO events SELECT (SELECT max(seq) + 1 FROM events), account, name, body, hash FROM events WHERE seq = 2",
            "planted",
        );
    }
}

#[test]
fn an_event_before_the_first_is_found_and_makes_nobody() {
    let house = House::make();
    let event = |seq: i64, kind: &str, more: &str| {
        format!(
            "INSERT INTO events SELECT {seq}, account, name, json_object('time', 5, 'kind', '{kind}', 'account', account{more}), zeroblob(32)
                FROM events WHERE seq = 1"
        )
    };
    for mark in ["", " /* ledger */"] {
        let (prefix, table) = if mark.is_empty() { ("", "events of the api") } else { ("ledger:", "events of the gateway") };
        for seq in [0, -1, -7] {
            house.assert_found(&format!("{prefix}{}{mark}", event(seq, "refused", "")), table, "planted before the first");
        }
    }
    let account = "acc_000000000000000000001";
    let planted = format!(
        "INSERT INTO events VALUES (-7, '{account}', NULL, '{{\"time\":5,\"kind\":\"account_created\",\"account\":\"{account}\"}}', zeroblob(32));
         INSERT INTO accounts (number, id, name, devbox_capability, created) VALUES (-1, '{account}', 'planted', 1, 5)"
    );
    house.assert_found(&planted, "events of the api", "planted before the first");
    house.assert_found(&planted, "accounts", "no event tells that it was made");
    let deleted = "INSERT INTO events SELECT -1, account, name, replace(body, 'secret_created', 'secret_deleted'), hash FROM events
        WHERE name = 'OTHER' AND body LIKE '%secret_created%'";
    house.assert_found(deleted, "events of the api", "planted before the first");
}

#[test]
fn an_end_that_was_cut_off_is_found_by_the_anchor_and_the_server_does_not_start() {
    let house = House::make();
    verify(&house.data()).assert_holds();
    for (file, whose) in [("gateway/gateway.db", "gateway's"), ("store/tightlip.db", "api's")] {
        let kept = house.copy("kept");
        let conn = Connection::open(house.data().join(file)).unwrap();
        conn.execute_batch("DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)").unwrap();
        conn.close().unwrap();
        verify(&house.data()).assert_finds("anchor", whose);
        let (code, said) = crate::server::refused(&mut crate::server::up(&house.data()));
        assert!(code == 10 && said.contains(whose) && said.contains("--accept-rollback") && said.contains("verify"), "{code}: {said}");
        std::fs::remove_dir_all(house.data()).unwrap();
        std::fs::rename(kept, house.data()).unwrap();
    }
    verify(&house.data()).assert_holds();
}
