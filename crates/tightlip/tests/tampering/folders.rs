//! Whole folders put back, the anchor itself, and the files of the api's folder.

use std::fs;

use crate::house::{House, call, copy, verify};
use crate::server::{Server, refused, up};

#[test]
fn an_older_data_folder_that_is_put_back_does_not_start_until_a_person_accepts_it() {
    let house = House::make();
    let old = house.copy("old");
    let mut server = house.serve();
    house.tool(&["secret", "delete", "OTHER"], "");
    assert!(server.stop().success());
    let newer = house.copy("newer");
    fs::remove_dir_all(house.data()).unwrap();
    copy(&old, &house.data());

    let (code, said) = refused(&mut up(&house.data()));
    assert!(code == 10 && said.contains("older") && said.contains("--accept-rollback"), "{code}: {said}");
    let begun = call(&house.data(), &["secret", "list"], "");
    assert!(!begun.status.success() && String::from_utf8_lossy(&begun.stderr).contains("--accept-rollback"));
    verify(&house.data()).assert_finds("anchor", "put back from an older copy");

    let mut command = up(&house.data());
    command.arg("--accept-rollback");
    let mut server = Server::spawned(command, &house.data());
    server.wait_until_both_serve();
    let events = house.tool(&["events"], "");
    assert!(events.contains("rollback accepted"), "{events}");
    assert!(server.stop().success());
    verify(&house.data()).assert_holds();

    // And now the newer one is the one that the anchor does not know.
    fs::remove_dir_all(house.data()).unwrap();
    copy(&newer, &house.data());
    assert_eq!(refused(&mut up(&house.data())).0, 10);
}

#[test]
fn an_older_backup_is_restored_only_where_that_is_accepted() {
    let house = House::bare();
    let mut server = house.serve();
    house.fill();
    let backup = house.beside("x.backup");
    house.tool(&["backup", backup.to_str().unwrap()], "");
    house.tool(&["secret", "delete", "OTHER"], "");
    assert!(server.stop().success());
    let before = crate::server::snapshot(&house.data());
    let file = backup.to_str().unwrap();
    let output = call(&house.data(), &["restore", file, "--force"], "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(7) && said.contains("--accept-rollback") && said.contains("nothing was changed"), "{said}");
    assert!(crate::server::snapshot(&house.data()) == before);
    house.tool(&["restore", file, "--force", "--accept-rollback"], "");
    verify(&house.data()).assert_holds();
    house.serve().wait_until_both_serve();
    // Elsewhere nothing newer was there.
    let fresh = house.beside("fresh");
    let key = house.data().join("gateway/root.key");
    let output = call(&fresh, &["restore", file, "--root-key", key.to_str().unwrap()], "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_edited_anchor_is_refused_and_a_missing_one_is_told() {
    let house = House::make();
    let anchor = house.anchor();
    let right = fs::read_to_string(&anchor).unwrap();
    for wrong in [right.replacen("\"seq\":", "\"seq\":1", 1), String::new(), right.replace("dep_", "dop_")] {
        fs::write(&anchor, &wrong).unwrap();
        assert!(verify(&house.data()).assert_finds("anchor", "was changed")["next"].as_str().unwrap().contains("--accept-rollback"));
        let (code, said) = refused(&mut up(&house.data()));
        assert!(code == 10 && said.contains(anchor.to_str().unwrap()), "{code}: {said}");
    }
    fs::remove_file(&anchor).unwrap();
    let verdict = verify(&house.data());
    verdict.assert_holds();
    assert_eq!(verdict.said["anchor"]["state"], "missing");
    let server = house.serve();
    server.wait_until_both_serve();
    assert!(house.tool(&["events"], "").contains("anchor missing"));
    assert!(anchor.exists());
}

#[test]
fn a_place_that_takes_no_anchor_is_told_and_does_not_keep_the_server_from_starting() {
    let house = House::make();
    let mut command = up(&house.data());
    command.env("XDG_STATE_HOME", "/dev/null/nowhere").stderr(fs::File::create(house.beside("log")).unwrap());
    let server = Server::spawned(command, &house.data());
    server.wait_until_both_serve();
    drop(server);
    let log = fs::read_to_string(house.beside("log")).unwrap();
    assert!(log.contains("No anchor is kept") && log.contains("[gateway] anchor"), "{log}");
}

#[test]
fn a_swapped_manifest_or_pin_is_found_and_the_server_does_not_start() {
    let (house, other) = (House::make(), House::make());
    for file in ["api/manifest.json", "api/manifest.pin", "api/signing.key"] {
        let data = house.copy("swapped");
        fs::copy(other.data().join(file), data.join(file)).unwrap();
        assert_eq!(verify(&data).assert_finds("files", "gateway")["id"], file);
        assert_eq!(refused(&mut up(&data)).0, 1);
    }
    // Both together, as whoever wants values sealed to himself would.
    let data = house.copy("swapped");
    for file in ["api/manifest.json", "api/manifest.pin"] {
        fs::copy(other.data().join(file), data.join(file)).unwrap();
    }
    verify(&data).assert_finds("files", "sealed to whoever made it");
    assert_eq!(refused(&mut up(&data)).0, 1);
}
