//! What `up` refuses before it starts or changes anything, and what it makes where there is nothing.

use std::fs::{self, Permissions};
use std::io::{Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::server::{Place, Server, manifest_of_a_thief, refused, set_up, snapshot, up, up_at};

/// Runs `up` on `data`, which is to refuse with exit code 1, say all `words`, and change nothing.
fn refuses_and_changes_nothing(data: &Path, words: &[&str]) {
    let before = snapshot(data);
    let (code, said) = refused(&mut up(data));
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    assert_eq!(code, 1, "{said}");
    assert!(snapshot(data) == before, "something was changed");
}

#[test]
fn a_second_server_is_refused_and_told_of_the_first() {
    let place = Place::new();
    let server = Server::start(&place.data());
    let (code, said) = refused(&mut up(&place.data()));
    assert_eq!(code, 6, "{said}");
    assert!(said.contains(&format!("process {}", server.process.id())) && said.contains(" down`") && said.contains("--data"), "{said}");
    server.wait_until_both_serve();
}

#[test]
fn a_port_in_use_is_named_and_nothing_is_made() {
    let place = Place::new();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let (code, said) = refused(&mut up_at(&place.data(), &address.to_string()));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&format!("port {}", address.port())) && said.contains("--listen"), "{said}");
    assert!(!place.data().exists());
}

#[test]
fn a_missing_root_key_is_not_made_anew() {
    let place = Place::new();
    set_up(&place.data());
    fs::remove_file(place.data().join("gateway/root.key")).unwrap();
    refuses_and_changes_nothing(&place.data(), &["root.key", "backup", "nothing was changed"]);
}

#[test]
fn a_root_key_that_others_can_read_is_refused() {
    let place = Place::new();
    set_up(&place.data());
    let key = place.data().join("gateway/root.key");
    for mode in [0o640, 0o604] {
        fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
        refuses_and_changes_nothing(&place.data(), &["root.key", "chmod 600"]);
    }
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    Server::start(&place.data()).wait_until_both_serve();
}

#[test]
fn the_root_key_of_another_folder_is_refused() {
    let (place, other) = (Place::new(), Place::new());
    set_up(&place.data());
    set_up(&other.data());
    let key = fs::read_to_string(other.data().join("gateway/root.key")).unwrap();
    fs::write(place.data().join("gateway/root.key"), &key).unwrap();
    let before = snapshot(&place.data());
    let (code, said) = refused(&mut up(&place.data()));
    assert_eq!(code, 1);
    assert!(said.contains("is not the root key of this data folder") && !said.contains(key.trim()), "{said}");
    assert!(snapshot(&place.data()) == before);
}

#[test]
fn databases_of_another_folder_are_refused() {
    for database in ["store/tightlip.db", "gateway/gateway.db"] {
        let (place, other) = (Place::new(), Place::new());
        set_up(&place.data());
        set_up(&other.data());
        fs::copy(other.data().join(database), place.data().join(database)).unwrap();
        refuses_and_changes_nothing(&place.data(), &[database, "another installation"]);
    }
}

#[test]
fn a_signing_key_of_another_folder_is_refused() {
    let (place, other) = (Place::new(), Place::new());
    set_up(&place.data());
    set_up(&other.data());
    fs::copy(other.data().join("api/signing.key"), place.data().join("api/signing.key")).unwrap();
    refuses_and_changes_nothing(&place.data(), &["api/signing.key", "another installation"]);
}

#[test]
fn a_manifest_of_somebody_elses_making_is_not_sealed_to() {
    let place = Place::new();
    set_up(&place.data());
    let [own, pin] = ["api/manifest.json", "api/manifest.pin"].map(|file| fs::read(place.data().join(file)).unwrap());
    let theirs = manifest_of_a_thief(&place.data());
    fs::write(place.data().join("api/manifest.json"), theirs.manifest().unwrap()).unwrap();
    refuses_and_changes_nothing(&place.data(), &["api/manifest.json", "another installation"]);
    fs::write(place.data().join("api/manifest.pin"), theirs.manifest_pin()).unwrap();
    refuses_and_changes_nothing(&place.data(), &["api/manifest.pin", "another installation"]);
    fs::write(place.data().join("api/manifest.json"), own).unwrap();
    refuses_and_changes_nothing(&place.data(), &["api/manifest.pin", "another installation"]);
    fs::write(place.data().join("api/manifest.pin"), pin).unwrap();
    Server::start(&place.data()).wait_until_both_serve();
}

#[test]
fn the_longest_path_that_is_taken_can_be_set_up() {
    let place = Place::new();
    let parent = place.data().parent().unwrap().to_owned();
    let name = |bytes: usize| "x".repeat(bytes - parent.as_os_str().len() - 1);
    let (code, said) = refused(&mut up(&parent.join(name(95))));
    assert!(code == 1 && said.contains("too long"), "{said}");
    Server::start(&parent.join(name(94))).wait_until_both_serve();
}

#[test]
fn newer_databases_are_refused() {
    for database in ["store/tightlip.db", "gateway/gateway.db"] {
        let place = Place::new();
        set_up(&place.data());
        let mut file = fs::OpenOptions::new().write(true).open(place.data().join(database)).unwrap();
        // The user version of a SQLite file: four bytes, big-endian (SQLite's file format, section 1.3.11).
        file.seek(SeekFrom::Start(60)).unwrap();
        file.write_all(&1_000_000_u32.to_be_bytes()).unwrap();
        drop(file);
        refuses_and_changes_nothing(&place.data(), &[database, "newer"]);
    }
}

#[test]
fn a_missing_part_is_for_a_backup_to_bring_back() {
    for part in ["gateway/keyring.json", "gateway/gateway.db", "api/signing.key", "store/tightlip.db"] {
        let place = Place::new();
        set_up(&place.data());
        fs::remove_file(place.data().join(part)).unwrap();
        refuses_and_changes_nothing(&place.data(), &[part, "backup"]);
    }
}

#[test]
fn settings_that_cannot_be_are_refused_with_their_place() {
    let place = Place::new();
    fs::create_dir(place.data()).unwrap();
    for (text, word) in [
        ("[api]\nlisten_to = \"x\"\n", "line 2"),
        ("[gateway]\nresolve = { \"127.0.0.1:443\" = \"127.0.0.1:1\" }\n", "resolve"),
        ("[gateway]\nupstream_ca = \"missing.pem\"\n", "missing.pem"),
    ] {
        fs::write(place.data().join("tightlip.toml"), text).unwrap();
        refuses_and_changes_nothing(&place.data(), &[word]);
    }
}

#[test]
fn a_folder_with_other_things_in_it_is_left_alone() {
    let place = Place::new();
    fs::create_dir(place.data()).unwrap();
    fs::set_permissions(place.data(), Permissions::from_mode(0o755)).unwrap();
    fs::write(place.data().join("thesis.txt"), "words").unwrap();
    refuses_and_changes_nothing(&place.data(), &["neither empty nor a data folder"]);
    assert_eq!(fs::metadata(place.data()).unwrap().mode() & 0o777, 0o755);
}

#[test]
fn another_users_folder_is_refused() {
    let place = Place::new();
    let folder = if rustix::process::geteuid().is_root() {
        fs::create_dir(place.data()).unwrap();
        std::os::unix::fs::chown(place.data(), Some(12345), Some(12345)).unwrap();
        place.data()
    } else {
        Path::new("/usr").to_owned()
    };
    let (code, said) = refused(&mut up(&folder));
    assert_eq!(code, 1);
    assert!(said.contains("belongs to the user with id"), "{said}");
}

#[test]
fn the_first_run_makes_a_folder_that_is_its_owners_alone() {
    let place = Place::new();
    fs::create_dir(place.data()).unwrap();
    fs::set_permissions(place.data(), Permissions::from_mode(0o755)).unwrap();
    let server = Server::start(&place.data());
    server.wait_until_both_serve();
    let mode = |path: &str| fs::metadata(place.data().join(path)).unwrap().mode() & 0o777;
    for folder in ["", "store", "gateway", "api"] {
        assert_eq!(mode(folder), 0o700, "{folder:?}");
    }
    for file in [
        "api-key",
        "gateway/root.key",
        "gateway/admin-key",
        "gateway/keyring.json",
        "api/signing.key",
        "tightlip.toml",
        "gateway.sock",
        "control.sock",
        "address",
    ] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    assert!(fs::read_to_string(place.data().join("api-key")).unwrap().starts_with("tlk_"));
    assert!(fs::read_to_string(place.data().join("gateway/admin-key")).unwrap().starts_with("tla_"));
    assert_eq!(fs::read_to_string(place.data().join("address")).unwrap().trim(), server.url);
}

#[test]
fn an_interrupted_first_run_is_begun_anew_or_finished() {
    // Interrupted while building: what was built is thrown away.
    let place = Place::new();
    fs::create_dir_all(place.data().join(".setup/gateway")).unwrap();
    fs::write(place.data().join(".setup/gateway/root.key"), "half a k").unwrap();
    set_up(&place.data());
    assert!(!place.data().join(".setup").exists());

    // Interrupted while moving in: what was built is kept.
    let key = fs::read(place.data().join("api-key")).unwrap();
    fs::create_dir(place.data().join(".setup")).unwrap();
    for part in ["store", "api-key", "tightlip.toml"] {
        fs::rename(place.data().join(part), place.data().join(".setup").join(part)).unwrap();
    }
    fs::write(place.data().join(".setup/complete"), "").unwrap();
    Server::start(&place.data()).wait_until_both_serve();
    assert_eq!(fs::read(place.data().join("api-key")).unwrap(), key);
    assert!(!place.data().join(".setup").exists());
}
