//! Whole folders put back, the anchor itself, and the files of the api's folder.

use std::fs;

use rusqlite::Connection;

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

    let mut server = house.serve_accepting();
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
fn an_edited_or_missing_anchor_is_refused_until_a_person_accepts_it() {
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
    let found = verdict.assert_finds("anchor", "no anchor of this data folder");
    assert!(found["what"].as_str().unwrap().contains(anchor.to_str().unwrap()));
    assert!(found["next"].as_str().unwrap().contains("--accept-rollback"));
    assert_eq!((&verdict.said["anchor"]["state"], verdict.said["findings"].as_array().unwrap().len()), (&"missing".into(), 1));
    let shown = String::from_utf8(call(&house.data(), &["verify"], "").stdout).unwrap();
    assert!(
        shown.contains("nothing shows") && !shown.contains("everything holds") && !shown.contains("is not what tightlip stored"),
        "{shown}"
    );
    // Whatever the folder itself says of it.
    let ledger = Connection::open(house.data().join("gateway/gateway.db")).unwrap();
    ledger.execute("DELETE FROM meta WHERE key <> 'deployment'", []).unwrap();
    ledger.close().unwrap();
    fs::create_dir(house.data().join(".setup")).unwrap();
    fs::write(house.data().join(".setup/complete"), "").unwrap();
    let before = crate::server::snapshot(&house.data().join("gateway"));
    for _ in 0..2 {
        let (code, said) = refused(&mut up(&house.data()));
        assert!(code == 10 && said.contains(anchor.to_str().unwrap()) && said.contains("--accept-rollback"), "{code}: {said}");
    }
    assert!(crate::server::snapshot(&house.data().join("gateway")) == before, "a refused start changed something");
    let server = house.serve_accepting();
    server.wait_until_both_serve();
    let events = house.tool(&["events"], "");
    assert!(events.contains("anchor missing") && events.contains("rollback accepted"), "{events}");
    assert!(anchor.exists());
    verify(&house.data()).assert_holds();
}

#[test]
fn a_look_and_a_start_agree_about_a_folder_without_an_anchor() {
    let house = House::make();
    // One that came to another place, or to another machine.
    let moved = house.copy("moved");
    verify(&moved).assert_finds("anchor", "no anchor of this data folder");
    assert_eq!(refused(&mut up(&moved)).0, 10);
    verify(&house.data()).assert_holds();
    // And where there is no place for any.
    let nowhere = |mut command: std::process::Command| {
        let output = command.env_remove("HOME").env_remove("XDG_STATE_HOME").output().unwrap();
        (output.status.code().unwrap(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
    };
    let mut look = std::process::Command::new(crate::server::BINARY);
    look.arg("--data").arg(house.data()).arg("verify");
    let (code, said) = nowhere(look);
    assert!(code == 10 && said.contains("neither XDG_STATE_HOME nor HOME is set"), "{code}: {said}");
    let (code, said) = nowhere(up(&house.data()));
    assert!(code == 10 && said.contains("neither XDG_STATE_HOME nor HOME is set"), "{code}: {said}");
    // A backup that is restored brings its anchor.
    let (file, fresh) = (house.beside("x.backup"), house.beside("fresh"));
    let mut server = house.serve();
    house.tool(&["backup", file.to_str().unwrap()], "");
    assert!(server.stop().success());
    let key = house.data().join("gateway/root.key");
    let output = call(&fresh, &["restore", file.to_str().unwrap(), "--root-key", key.to_str().unwrap()], "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    verify(&fresh).assert_holds();
    Server::start(&fresh).wait_until_both_serve();
}

#[test]
fn settings_that_name_another_place_hide_no_older_folder() {
    let house = House::make();
    let (old, elsewhere) = (house.copy("old"), house.beside("elsewhere"));
    let settings = format!("[gateway]\nanchor = \"{}\"\n", elsewhere.display());
    let mut server = house.serve();
    house.tool(&["secret", "delete", "OTHER"], "");
    assert!(server.stop().success());
    let newer = house.copy("newer");
    fs::remove_dir_all(house.data()).unwrap();
    copy(&old, &house.data());
    fs::write(house.data().join("tightlip.toml"), &settings).unwrap();
    let ledger = Connection::open(house.data().join("gateway/gateway.db")).unwrap();
    ledger.execute("DELETE FROM meta WHERE key <> 'deployment'", []).unwrap();
    ledger.close().unwrap();
    let (code, said) = refused(&mut up(&house.data()));
    assert!(code == 10 && said.contains(house.anchor().to_str().unwrap()), "{code}: {said}");
    verify(&house.data()).assert_finds("anchor", "put back from an older copy");
    assert!(!elsewhere.exists());

    // An operator who names another place, with the folder as it was served last, goes on; both places are kept from then on, in both directions.
    fs::remove_dir_all(house.data()).unwrap();
    copy(&newer, &house.data());
    let plain = fs::read(house.data().join("tightlip.toml")).unwrap();
    for text in [settings.as_bytes(), &plain, settings.as_bytes()] {
        fs::write(house.data().join("tightlip.toml"), text).unwrap();
        let mut server = house.serve();
        house.tool(&["secret", "set", "MORE"], "a value that is stored");
        assert!(server.stop().success());
        verify(&house.data()).assert_holds();
    }
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 1);
    fs::remove_dir_all(house.data()).unwrap();
    copy(&newer, &house.data());
    assert_eq!(refused(&mut up(&house.data())).0, 10);
}

#[test]
fn a_place_that_takes_no_anchor_is_told_at_the_first_start_and_refused_after_it() {
    let house = House::bare();
    let start = || {
        let mut command = up(&house.data());
        command.env("XDG_STATE_HOME", "/dev/null/nowhere").stderr(fs::File::create(house.beside("log")).unwrap());
        command
    };
    let said = || {
        let log = fs::read_to_string(house.beside("log")).unwrap();
        assert!(log.contains("[gateway] anchor"), "{log}");
        log
    };
    assert!(Server::spawned(start(), &house.data()).stop().success());
    assert!(said().contains("No anchor is kept"));
    verify(&house.data()).assert_finds("anchor", "no anchor of this data folder");
    assert_eq!(start().status().unwrap().code(), Some(10));
    assert!(said().contains("--accept-rollback"));
    let mut accepting = start();
    accepting.arg("--accept-rollback");
    assert!(Server::spawned(accepting, &house.data()).stop().success());
    assert!(said().contains("No anchor is kept"));
}

#[test]
fn settings_that_decide_where_values_go_are_told() {
    let house = House::make();
    verify(&house.data()).assert_holds();
    let settings = "[gateway]\nresolve = { \"api.github.com:443\" = \"127.0.0.1:8443\" }\npass_through = [\"pinned.example.test\"]\n";
    fs::write(house.data().join("tightlip.toml"), settings).unwrap();
    let told = |server: Option<Server>| {
        let verdict = verify(&house.data());
        verdict.assert_holds();
        let shown = call(&house.data(), &["verify"], "");
        drop(server);
        for said in ["api.github.com:443 is dialled at 127.0.0.1:8443", "pinned.example.test is reached unseen"] {
            assert!(verdict.text.contains(said) && String::from_utf8_lossy(&shown.stdout).contains(said), "{}", verdict.text);
        }
    };
    told(None);
    let server = house.serve();
    server.wait_until_both_serve();
    // What is in force, whatever the file says by now.
    fs::write(house.data().join("tightlip.toml"), "").unwrap();
    told(Some(server));
}

#[test]
fn a_file_of_the_apis_that_is_endless_or_none_holds_up_nothing() {
    let house = House::make();
    for name in ["api/manifest.json", "api/manifest.pin", "api/signing.key"] {
        let data = house.copy("spoiled");
        let path = data.join(name);
        let spoil: [&dyn Fn(); 3] = [
            &|| nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR).unwrap(),
            &|| std::os::unix::fs::symlink("/dev/zero", &path).unwrap(),
            &|| fs::File::create(&path).and_then(|file| file.set_len(1 << 40)).unwrap(),
        ];
        for spoil in spoil {
            fs::remove_file(&path).unwrap();
            spoil();
            assert_eq!(verify(&data).assert_finds("files", "gateway")["id"], name);
            let (code, said) = refused(&mut up(&data));
            assert!(code == 1 && said.contains(name), "{code}: {said}");
        }
    }
    // And under a server that serves.
    let server = house.serve();
    server.wait_until_both_serve();
    let path = house.data().join("api/manifest.json");
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert_eq!(verify(&house.data()).assert_finds("files", "gateway")["id"], "api/manifest.json");
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
