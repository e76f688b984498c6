//! Rows that carry no key's mark, held against the events that tell of them; what is kept of devboxes that have ended; and the keys on the disk of a server that runs.

use std::fs;

use rusqlite::Connection;

use crate::house::{House, verify};
use crate::server::{Server, up};

/// A server that has one devbox open.
fn with_a_devbox(house: &House) -> Server {
    let mut command = up(&house.data());
    command.args(["--gateway", "127.0.0.1:0"]);
    let server = Server::spawned(command, &house.data());
    house.tool(&["devbox", "env", "--secret", "OTHER", "--out", house.beside("one").to_str().unwrap()], "");
    server
}

#[test]
fn an_account_in_anothers_place_is_found() {
    let house = House::make();
    let swap = "UPDATE accounts SET number = number + 10; UPDATE accounts SET number = 1 WHERE name = 'tenant'";
    house.assert_found(swap, "accounts", "its place among the accounts");
    house.assert_found("UPDATE accounts SET number = -1 WHERE name = 'tenant'", "accounts", "its place among the accounts");
}

#[test]
fn a_key_that_was_revoked_without_an_event_is_found() {
    let house = House::make();
    house.assert_found("UPDATE api_keys SET revoked = 5 WHERE revoked IS NULL", "api_keys", "no event tells of that");
}

#[test]
fn a_gateway_config_that_was_moved_is_found() {
    let house = House::make();
    let mut server = house.serve();
    house.tool(&["gateway-config", "create", "mine", "--endpoint", "https://up.example.com", "--as", "bearer"], "");
    assert!(server.stop().success());
    verify(&house.data()).assert_holds();
    let tenant = "(SELECT id FROM accounts WHERE name = 'tenant')";
    house.assert_found(&format!("UPDATE gateway_configs SET account = {tenant}"), "gateway_configs", "moved to another account");
    house.assert_found("UPDATE gateway_configs SET created = created + 1", "gateway_configs", "its time was changed");
}

#[test]
fn what_is_kept_of_a_devbox_that_has_ended_is_held_by_a_mark_of_its_own() {
    let house = House::make();
    let mut command = up(&house.data());
    command.args(["--gateway", "127.0.0.1:0"]);
    let mut server = Server::spawned(command, &house.data());
    for name in ["one", "two"] {
        house.tool(&["devbox", "env", "--secret", "OTHER", "--out", house.beside(name).to_str().unwrap()], "");
    }
    let list: serde_json::Value = serde_json::from_str(&house.tool(&["devbox", "list", "--json"], "")).unwrap();
    for devbox in list["devboxes"].as_array().unwrap() {
        house.tool(&["devbox", "shutdown", devbox["id"].as_str().unwrap()], "");
    }
    assert!(server.stop().success());
    verify(&house.data()).assert_holds();
    let one = "(SELECT min(id) FROM devboxes)";
    let tenant = "'acc_000000000000000000001'";
    for change in [
        format!("UPDATE hosted SET account = {tenant} WHERE devbox = {one}"),
        format!("DELETE FROM hosted WHERE devbox = {one}"),
        format!("UPDATE hosted SET about = replace(about, '{{', '{{ ') WHERE devbox = {one}"),
        format!("DELETE FROM grants WHERE devbox = {one}"),
        format!("UPDATE grants SET secret = 'sec_000000000000000000001' WHERE devbox = {one}"),
    ] {
        house.assert_found(&format!("ledger:{change} /* ledger */"), "devboxes", "its rows or its grants were changed or removed since");
    }
    house.assert_found(
        &format!("ledger:UPDATE hosted SET account = {tenant} WHERE devbox = {one} /* ledger */"),
        "hosted",
        "another account",
    );
    house.assert_found(&format!("ledger:UPDATE devboxes SET account = {tenant} WHERE id = {one} /* ledger */"), "devboxes", "moved");
    house.assert_found("ledger:DELETE FROM marks WHERE noun = 'ended' /* ledger */", "marks", "has ended, is gone");
}

#[test]
fn a_devbox_that_was_ended_from_outside_is_found() {
    let house = House::make();
    let server = with_a_devbox(&house);
    let ledger = Connection::open(house.data().join("gateway/gateway.db")).unwrap();
    ledger.execute_batch("UPDATE grants SET ended = 5").unwrap();
    verify(&house.data()).assert_finds("grants", "has ended, and its devbox is open");
    ledger.execute_batch("UPDATE grants SET token = NULL; UPDATE devboxes SET closed = 5, ca_key = NULL").unwrap();
    for server in [Some(server), None] {
        let verdict = verify(&house.data());
        verdict.assert_finds("devboxes", "no event tells of its end");
        verdict.assert_finds("marks", "the mark of an open one");
        drop(server);
        crate::server::wait_for("the lock", || (!crate::house::call(&house.data(), &["verify"], "").stdout.is_empty()).then_some(()));
    }
}

#[test]
fn a_devbox_that_was_invented_is_found() {
    let house = House::make();
    let mut server = with_a_devbox(&house);
    let list: serde_json::Value = serde_json::from_str(&house.tool(&["devbox", "list", "--json"], "")).unwrap();
    house.tool(&["devbox", "shutdown", list["devboxes"][0]["id"].as_str().unwrap()], "");
    assert!(server.stop().success());
    verify(&house.data()).assert_holds();
    let planted = "'dbx_000000000000000000001'";
    let sql = format!(
        "ledger:INSERT INTO devboxes (id, account, key, allow, resume, ca_pem, opened, closed)
            SELECT {planted}, account, key, allow, resume, ca_pem, opened, closed FROM devboxes;
         INSERT INTO hosted SELECT {planted}, account, key, NULL, about, states, 'running', NULL FROM hosted /* ledger */"
    );
    house.assert_found(&sql, "devboxes", "no event tells of its end");
    house.assert_found(&sql, "devboxes", "more devboxes than events tell of");
}

#[test]
fn keys_that_are_written_over_under_a_running_server_are_found() {
    let (house, other) = (House::make(), House::make());
    let _server = house.serve();
    verify(&house.data()).assert_holds();
    for file in ["gateway/keyring.json", "gateway/root.key"] {
        let path = house.data().join(file);
        let right = fs::read(&path).unwrap();
        fs::write(&path, fs::read(other.data().join(file)).unwrap()).unwrap();
        assert_eq!(verify(&house.data()).assert_finds("files", "after the next start")["id"], file);
        fs::remove_file(&path).unwrap();
        assert_eq!(verify(&house.data()).assert_finds("files", "after the next start")["id"], file);
        fs::copy(other.data().join(file), &path).unwrap();
        fs::write(&path, right).unwrap();
    }
    verify(&house.data()).assert_holds();
}
