//! What is done to the files under a server that runs.

use std::fs;

use rusqlite::Connection;

use crate::house::{House, call, verify};
use crate::server::{refused, up, wait_for};

#[test]
fn a_server_looks_at_itself_while_it_serves() {
    let house = House::bare();
    let server = house.serve();
    house.fill();
    let verdict = verify(&house.data());
    verdict.assert_holds();
    assert_eq!((&verdict.said["counts"]["secrets"], &verdict.said["counts"]["accounts"]), (&2.into(), &2.into()));
    assert_eq!(verdict.said["counts"]["bindings"], 2);
    for value in ["ghp_0123456789", "second value"] {
        assert!(!verdict.text.contains(value));
    }
    let conn = Connection::open(house.data().join("store/tightlip.db")).unwrap();
    conn.execute_batch(
        "UPDATE ciphertexts SET ciphertext = randomblob(44) WHERE number = (SELECT ciphertext FROM secrets WHERE name = 'OTHER')",
    )
    .unwrap();
    assert_eq!(verify(&house.data()).assert_finds("secrets", "does not open")["name"], "OTHER");
    let refused = call(&house.data(), &["bind", "OTHER", "--host", "b.example.com"], "");
    assert_eq!(refused.status.code(), Some(7), "{}", String::from_utf8_lossy(&refused.stderr));
    drop(server);
}

#[test]
fn an_anchor_that_is_removed_under_a_running_server_is_put_back_and_told() {
    let house = House::make();
    let anchor = house.anchor();
    let mut server = house.serve();
    server.wait_until_both_serve();
    for _ in 0..2 {
        fs::remove_file(&anchor).unwrap();
        // Nothing else is written meanwhile.
        wait_for("the anchor", || anchor.exists().then_some(()));
    }
    verify(&house.data()).assert_holds();
    wait_for("both events", || (house.tool(&["events"], "").matches("anchor missing").count() == 2).then_some(()));
    // With its whole folder, just before a clean end.
    fs::remove_dir_all(anchor.parent().unwrap()).unwrap();
    assert!(server.stop().success());
    verify(&house.data()).assert_holds();
    drop(house.serve());
    // What an end that is not clean leaves is refused, and a look says as much.
    wait_for("the lock", || (!call(&house.data(), &["verify"], "").stdout.is_empty()).then_some(()));
    fs::remove_file(&anchor).unwrap();
    verify(&house.data()).assert_finds("anchor", "no anchor of this data folder");
    assert_eq!(refused(&mut up(&house.data())).0, 10);
}

#[test]
fn nothing_is_looked_at_without_the_admin_key() {
    let house = House::bare();
    let _server = house.serve();
    let admin = house.data().join("gateway/admin-key");
    fs::write(&admin, "tla_wrong").unwrap();
    let refused = call(&house.data(), &["verify"], "");
    assert!(refused.status.code() == Some(4) && refused.stdout.is_empty(), "{}", String::from_utf8_lossy(&refused.stderr));
}

#[test]
fn a_database_or_log_that_is_removed_or_replaced_is_noticed_and_nothing_is_written_to_it() {
    let fresh = House::make();
    for (number, file) in
        ["gateway/gateway.db", "gateway/gateway.db-wal", "store/tightlip.db", "store/tightlip.db-wal"].into_iter().enumerate()
    {
        let house = House::bare();
        crate::house::copy(&fresh.data(), &house.data());
        let server = house.serve_accepting();
        server.wait_until_both_serve();
        house.tool(&["secret", "set", "MORE"], "a value that is stored");
        house.tool(&["bind", "MORE", "--host", "more.example.com"], "");
        let path = house.data().join(file);
        fs::rename(&path, path.with_extension("taken")).unwrap();
        if number % 2 == 0 {
            fs::copy(path.with_extension("taken"), &path).unwrap();
        }
        let (_, said) = wait_for("red", || server.get("/readyz").filter(|(status, _)| *status == 503));
        assert!(!said.is_empty());
        let written = if file.starts_with("store") {
            call(&house.data(), &["secret", "set", "LOST"], "a value that would be lost")
        } else {
            call(&house.data(), &["bind", "MORE", "--host", "lost.example.com"], "")
        };
        assert!(!written.status.success(), "{file}: it was acknowledged");
        verify(&house.data()).assert_finds("files", "removed or replaced under the running server");
    }
}
