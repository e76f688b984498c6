//! `backup` and `restore` with the built binary: everything that was acknowledged comes back and works, and whatever is wrong is refused and changes nothing.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use common::http::{admin_key, ask, key, status};
use common::road::{BOUND, Road, ok, text};
use serving::{BINARY, Place, Server, is_gone, kill_9, set_up, snapshot, wait_for};

mod common {
    pub mod http;
    pub mod road;
}

#[path = "serving/server.rs"]
#[allow(dead_code, reason = "shared with the tests of serving; each uses its part")]
mod serving;

/// A command on the data folder, with none of the caller's environment.
fn tightlip(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.env_clear().env("XDG_STATE_HOME", serving::state(data));
    command.env("HOME", data.parent().unwrap()).env("PATH", std::env::var_os("PATH").unwrap()).stdin(Stdio::null());
    command.arg("--data").arg(data).args(arguments);
    command
}

fn call(data: &Path, arguments: &[&str]) -> Output {
    tightlip(data, arguments).output().unwrap()
}

/// The exit code and words of a command that must have failed.
fn refused(output: &Output) -> (i32, String) {
    let said = text(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty(), "it was done: {said}");
    (output.status.code().unwrap(), said)
}

/// A data folder with one secret in it, a backup of it, and no server.
struct Kept {
    place: Place,
    backup: PathBuf,
}

impl Kept {
    fn make() -> Self {
        let place = Place::new();
        let server = Server::start(&place.data());
        let mut set = tightlip(&place.data(), &["secret", "set", "TOKEN"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        std::io::Write::write_all(&mut set.stdin.take().unwrap(), b"a value that is long enough").unwrap();
        assert!(set.wait().unwrap().success());
        let backup = place.data().with_file_name("kept.backup");
        let said = ok(&call(&place.data(), &["backup", backup.to_str().unwrap()]));
        assert!(said.contains("1 secret,") && said.contains("root.key"), "{said}");
        drop(server);
        Self { place, backup }
    }

    fn root_key(&self) -> PathBuf {
        self.place.data().join("gateway/root.key")
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.place.data().with_file_name(name)
    }

    fn restore(&self, backup: &Path, to: &Path, more: &[&str]) -> Output {
        let arguments: Vec<&str> = ["restore", backup.to_str().unwrap()].iter().chain(more).copied().collect();
        call(to, &arguments)
    }

    /// Restores into a folder that is not there, with the right root key.
    fn restore_anew(&self, backup: &Path) -> Output {
        let fresh = self.beside("fresh");
        let _absent = fs::remove_dir_all(&fresh);
        self.restore(backup, &fresh, &["--root-key", self.root_key().to_str().unwrap()])
    }
}

fn copy_key(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("gateway")).unwrap();
    fs::copy(from.join("gateway/root.key"), to.join("gateway/root.key")).unwrap();
    fs::set_permissions(to.join("gateway/root.key"), PermissionsExt::from_mode(0o600)).unwrap();
}

#[test]
fn what_was_acknowledged_under_load_comes_back_and_can_be_used() {
    const WRITERS: usize = 4;
    let road = Road::start(None);
    let backup = road.server.beside().join("all.backup");
    let (done, number, acknowledged) = (AtomicBool::new(false), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let auth = format!("Authorization: Bearer {}", key(&road.server));
    let (before, made) = std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let name = format!("S{}", number.fetch_add(1, Ordering::SeqCst));
                    let body = format!("{{\"name\":\"{name}\",\"value\":\"the value of {name}\"}}");
                    assert_eq!(status(&ask(&road.server, &format!("POST /v1/secrets\r\n{auth}"), &body)), 200);
                    acknowledged.lock().unwrap().push(name);
                }
            });
        }
        wait_for("some writes", || (acknowledged.lock().unwrap().len() > 40).then_some(()));
        let before = acknowledged.lock().unwrap().clone();
        let made = road.server.expect(&["backup", "--json", backup.to_str().unwrap()], b"").unwrap();
        let after = acknowledged.lock().unwrap().len();
        wait_for("writes after it", || (acknowledged.lock().unwrap().len() > after + 4).then_some(()));
        done.store(true, Ordering::SeqCst);
        (before, made)
    });
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert!(made["secrets"].as_u64().unwrap() as usize > before.len(), "{made}");
    assert_eq!(made["bytes"].as_u64().unwrap(), fs::metadata(&backup).unwrap().len());
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!road.server.data().join("gateway/.backup").exists());
    let events = road.server.expect(&["events"], b"").unwrap();
    assert!(events.contains("backed up"), "{events}");

    let (key, admin, root) = (key(&road.server), admin_key(&road.server), fs::read(road.server.data().join("gateway/root.key")).unwrap());
    let sealed = fs::read(&backup).unwrap();
    road.assert_no_value(&sealed);
    for secret in [key.as_bytes(), admin.as_bytes(), root.trim_ascii(), b"the value of", b"GITHUB_TOKEN"] {
        assert!(!sealed.windows(secret.len()).any(|window| window == secret));
    }

    let Road { server, upstream, canary, .. } = road;
    let fresh = Place::new();
    copy_key(&server.data(), &fresh.data());
    let old = server.data();
    let ca = fs::read(old.join("upstream-ca.pem")).unwrap();
    let said = ok(&call(&fresh.data(), &["restore", backup.to_str().unwrap()]));
    assert!(said.contains("upstream-ca.pem") && said.contains(&format!("tightlip --data {} up", fresh.data().display())), "{said}");
    let (_folder, _log) = server.stop().unwrap();
    assert!(!old.exists() || fs::remove_dir_all(&old).is_ok());
    fs::write(fresh.data().join("upstream-ca.pem"), ca).unwrap();

    let restored = Server::start(&fresh.data());
    restored.wait_until_both_serve();
    let (_, page) = restored.get("/v1/secrets?limit=5000").unwrap();
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    let names: Vec<&str> = page["secrets"].as_array().unwrap().iter().map(|secret| secret["name"].as_str().unwrap()).collect();
    assert_eq!(names.len() as u64, made["secrets"].as_u64().unwrap());
    for name in before.iter().map(String::as_str).chain(["GITHUB_TOKEN"]) {
        assert!(names.contains(&name), "{name} was acknowledged before the backup and is not in it");
    }
    let line = format!("curl -sS https://{BOUND}/user -H \"Authorization: Bearer $GITHUB_TOKEN\"");
    let work = fresh.data().with_file_name("work");
    fs::create_dir(&work).unwrap();
    let used =
        tightlip(&fresh.data(), &["run", "-q", "--secret", "GITHUB_TOKEN", "--", "sh", "-c", &line]).current_dir(&work).output().unwrap();
    assert!(ok(&used).contains("authorized"), "{}", text(&used.stderr));
    let records = upstream.records_of(BOUND);
    assert!(!records.is_empty() && records.iter().all(|record| record.holds(canary.value())));
}

#[test]
fn a_backup_that_was_touched_is_refused_and_changes_nothing() {
    let kept = Kept::make();
    let whole = fs::read(&kept.backup).unwrap();
    let bad = kept.beside("bad.backup");
    let end = whole.len();
    let no_backup = |bytes: &[u8], words: &[&str]| {
        fs::write(&bad, bytes).unwrap();
        let (code, said) = refused(&kept.restore_anew(&bad));
        assert!(code == 1 && words.iter().any(|word| said.contains(word)), "{said}");
        assert!(["store", "gateway", ".restore"].iter().all(|part| !kept.beside("fresh").join(part).exists()));
    };
    for at in [0, 5, 17, 20, 30, 70, 100, 900, end / 3, end / 2, end - 70_000, end - 17, end - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        no_backup(&flipped, &["was changed", "not a backup", "newer", "cut off"]);
    }
    for cut in [0, 10, 200, end / 2, end - 1] {
        no_backup(&whole[..cut], &["cut off"]);
    }
    no_backup(&[&whole[..], b"\n"].concat(), &["goes on after its end"]);
    no_backup(b"#!/bin/sh\nexit 0\n", &["not a backup"]);
    ok(&kept.restore_anew(&kept.backup));
}

#[test]
fn another_root_key_or_none_is_refused() {
    let kept = Kept::make();
    let (fresh, other) = (kept.beside("fresh"), kept.beside("other"));
    set_up(&other);
    let other_key = other.join("gateway/root.key");
    let (code, said) = refused(&kept.restore(&kept.backup, &fresh, &["--root-key", other_key.to_str().unwrap()]));
    assert!(code == 1 && said.contains("another root key"), "{said}");
    assert!(!said.contains(fs::read_to_string(&other_key).unwrap().trim()));
    assert!(!fresh.join("gateway").exists());

    let absent = kept.beside("absent");
    for named in [&["--root-key", "/nowhere/root.key"][..], &[]] {
        let (code, said) = refused(&kept.restore(&kept.backup, &absent, named));
        assert!(code == 1 && said.contains("--root-key PATH"), "{said}");
    }
    assert!(!absent.join("gateway").exists());
}

#[test]
fn what_opens_with_a_passphrase_is_backed_up_with_its_recipe_and_opens_with_that_passphrase_alone() {
    let place = Place::new();
    let beside = |name: &str| place.data().with_file_name(name);
    let words = |name: &str, text: &str| {
        fs::write(beside(name), text).unwrap();
        fs::set_permissions(beside(name), PermissionsExt::from_mode(0o600)).unwrap();
        beside(name).to_str().unwrap().to_owned()
    };
    let (right, wrong) = (words("right", "canary horse battery staple"), words("wrong", "another horse battery staple"));
    let mut command = serving::up(&place.data());
    command.args(["--passphrase-file", &right]);
    let server = Server::spawned(command, &place.data());
    let backup = beside("x.backup");
    let said = ok(&call(&place.data(), &["backup", backup.to_str().unwrap()]));
    assert!(said.contains("passphrase") && !said.contains("root.key"), "{said}");
    drop(server);
    assert!(!fs::read(&backup).unwrap().windows(12).any(|window| window == b"canary horse"));

    let fresh = beside("fresh");
    let file = backup.to_str().unwrap();
    let (code, said) = refused(&call(&fresh, &["restore", file, "--passphrase-file", &wrong]));
    assert!(code == 4 && said.contains("the passphrase is wrong") && !said.contains("another horse"), "{said}");
    let (code, said) = refused(&call(&fresh, &["restore", file]));
    assert!(code == 4 && said.contains("--passphrase-file"), "{said}");
    let (code, said) = refused(&call(&fresh, &["restore", file, "--root-key", &right]));
    assert!(code == 1 && said.contains("passphrase"), "{said}");
    assert!(!fresh.join("gateway").exists() && !fresh.join(".restore").exists());

    ok(&call(&fresh, &["restore", file, "--passphrase-file", &right]));
    assert!(fresh.join("gateway/root.passphrase.json").exists() && !fresh.join("gateway/root.key").exists());
    let mut command = serving::up(&fresh);
    command.args(["--passphrase-file", &right]);
    Server::spawned(command, &fresh).wait_until_both_serve();
}

#[test]
fn a_restore_that_was_killed_is_finished_by_the_next_start() {
    let kept = Kept::make();
    let data = kept.place.data();
    ok(&kept.restore(&kept.backup, &data, &["--force", "--accept-rollback"]));
    // As if it had been killed with the former contents out of the way and the databases not yet in their place.
    let before: Vec<PathBuf> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()).collect();
    let before = before.iter().find(|path| path.to_str().unwrap().contains("before-restore-")).unwrap();
    let aside = data.join(".restore");
    fs::create_dir(&aside).unwrap();
    for part in ["gateway", "store", "tightlip.toml"] {
        fs::rename(data.join(part), aside.join(part)).unwrap();
    }
    fs::write(aside.join("complete"), before.file_name().unwrap().to_str().unwrap()).unwrap();
    fs::write(aside.join("cleared"), "").unwrap();
    let server = Server::start(&data);
    server.wait_until_both_serve();
    assert!(server.get("/v1/secrets/TOKEN").unwrap().1.contains("TOKEN"));
    assert!(!aside.exists() && before.join("store/tightlip.db").exists());
}

#[test]
fn a_folder_with_contents_is_refused_without_force() {
    let kept = Kept::make();
    let data = kept.place.data();
    let before = snapshot(&data);
    let (code, said) = refused(&kept.restore(&kept.backup, &data, &[]));
    assert!(code == 5 && said.contains("--force"), "{said}");
    assert!(snapshot(&data) == before);

    let foreign = kept.beside("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.txt"), "words").unwrap();
    let key = kept.root_key();
    for force in [&[][..], &["--force"]] {
        let more: Vec<&str> = ["--root-key", key.to_str().unwrap()].iter().chain(force).copied().collect();
        assert_eq!(refused(&kept.restore(&kept.backup, &foreign, &more)).0, 5);
    }
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1);

    // A root key that is not the backup's is content, too.
    let other = kept.beside("other");
    set_up(&other);
    let lone = kept.beside("lone");
    copy_key(&other, &lone);
    assert_eq!(refused(&kept.restore(&kept.backup, &lone, &["--root-key", key.to_str().unwrap()])).0, 5);
    assert_eq!(fs::read(lone.join("gateway/root.key")).unwrap(), fs::read(other.join("gateway/root.key")).unwrap());
}

#[test]
fn a_served_folder_is_refused_even_with_force() {
    let kept = Kept::make();
    let server = Server::start(&kept.place.data());
    let (code, said) = refused(&kept.restore(&kept.backup, &kept.place.data(), &["--force"]));
    assert!(code == 6 && said.contains(&format!("process {}", server.process.id())) && said.contains(" down`"), "{said}");
    server.wait_until_both_serve();
    assert_eq!(refused(&kept.restore(Path::new("/nowhere/x.backup"), &kept.place.data(), &[])).0, 3);
}

#[test]
fn force_moves_the_contents_aside_and_loses_nothing() {
    let kept = Kept::make();
    let data = kept.place.data();
    fs::write(data.join("ca.pem"), "mine").unwrap();
    fs::write(data.join("tightlip.toml"), "# changed since\n").unwrap();
    let former = snapshot(&data);
    let said: serde_json::Value =
        serde_json::from_str(&ok(&kept.restore(&kept.backup, &data, &["--force", "--accept-rollback", "--json"]))).unwrap();
    let before = PathBuf::from(said["before"].as_str().unwrap());
    assert_eq!((said["secrets"].as_u64(), before.parent()), (Some(1), Some(data.as_path())));
    for (path, bytes) in former {
        let relative = path.strip_prefix(&data).unwrap();
        let stays = ["ca.pem", "address", "up.log"].iter().any(|name| relative == Path::new(name));
        assert_eq!(fs::read(if stays { path.clone() } else { before.join(relative) }).unwrap(), bytes, "{}", relative.display());
    }
    assert!(!fs::read_to_string(data.join("tightlip.toml")).unwrap().contains("changed since"));
    assert!(!data.join(".restore").exists());
    let server = Server::start(&data);
    server.wait_until_both_serve();
    assert!(server.get("/v1/secrets/TOKEN").unwrap().1.contains("TOKEN"));
}

#[test]
fn a_lone_root_key_is_taken_over_and_nothing_is_moved_aside() {
    let kept = Kept::make();
    let fresh = kept.beside("fresh");
    copy_key(&kept.place.data(), &fresh);
    ok(&kept.restore(&kept.backup, &fresh, &[]));
    let names: Vec<_> = fs::read_dir(&fresh).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().all(|name| !name.starts_with("before-") && !name.starts_with('.')), "{names:?}");
    for folder in [fresh.clone(), fresh.join("gateway"), fresh.join("store"), fresh.join("api")] {
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700, "{}", folder.display());
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_file()) {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", entry.path().display());
        }
    }
    Server::start(&fresh).wait_until_both_serve();
}

#[test]
fn no_backup_takes_a_files_place_and_none_is_made_without_the_admin_key() {
    let place = Place::new();
    let server = Server::start(&place.data());
    let file = place.data().with_file_name("x.backup");
    fs::write(&file, "another backup").unwrap();
    let (code, said) = refused(&call(&place.data(), &["backup", file.to_str().unwrap()]));
    assert!(code == 5 && said.contains("exists"), "{said}");
    assert_eq!(fs::read(&file).unwrap(), b"another backup");
    fs::remove_file(&file).unwrap();

    assert_eq!(refused(&call(&place.data(), &["backup", "/nowhere/x.backup"])).0, 1);
    let (code, said) = refused(&call(&place.data().with_file_name("none"), &["backup", file.to_str().unwrap()]));
    assert!(code == 3 && said.contains("nothing to back up"), "{said}");
    let elsewhere = ["--url", "https://tightlip.example.com", "backup", file.to_str().unwrap()];
    let (code, said) =
        refused(&tightlip(&place.data().with_file_name("none"), &elsewhere).env("TIGHTLIP_API_KEY", "tlk_x").output().unwrap());
    assert!(code == 2 && said.contains("--url names another server"), "{said}");

    let admin = place.data().join("gateway/admin-key");
    let right = fs::read(&admin).unwrap();
    fs::write(&admin, "tla_wrong").unwrap();
    let (code, said) = refused(&call(&place.data(), &["backup", file.to_str().unwrap()]));
    assert!(code == 4 && said.contains("admin key") && !said.contains("tla_wrong"), "{said}");
    fs::remove_file(&admin).unwrap();
    assert_eq!(refused(&call(&place.data(), &["backup", file.to_str().unwrap()])).0, 1);
    assert!(!file.exists());
    fs::write(&admin, right).unwrap();
    ok(&call(&place.data(), &["backup", file.to_str().unwrap()]));
    drop(server);
}

#[test]
fn a_full_disk_leaves_no_half_file() {
    let place = Place::new();
    let _server = Server::start(&place.data());
    let small = place.data().with_file_name("small");
    fs::create_dir(&small).unwrap();
    let backup =
        format!("'{BINARY}' --data '{}' backup '{}/x.backup'; echo \"code $?\"; ls -A '{1}'", place.data().display(), small.display());
    let script = format!("mount -t tmpfs -o size=64k tmpfs '{}' || exit 99; {backup}", small.display());
    for how in [&["--mount"][..], &["--user", "--map-root-user", "--mount"]] {
        let output = Command::new("unshare").args(how).args(["--", "sh", "-c", &script]).output().unwrap();
        if output.status.code() != Some(0) {
            continue;
        }
        assert_eq!(text(&output.stdout), "code 1\n", "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("the backup's disk is full"), "{}", text(&output.stderr));
        return;
    }
    // Where no small disk is to be had, the service's and the vault's own tests hold the same promise.
}

#[test]
fn a_gateway_that_is_killed_amid_a_backup_leaves_nothing_behind() {
    let place = Place::new();
    let server = Server::start(&place.data());
    fill(&server);
    let (file, scratch) = (place.data().with_file_name("x.backup"), place.data().join("gateway/.backup"));
    let gateway = server.child("__gateway", None);
    let mut backup =
        tightlip(&place.data(), &["backup", file.to_str().unwrap()]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("copies", || scratch.join("ledger").exists().then_some(()));
    kill_9(gateway);
    let ended = wait_for("the command's end", || backup.try_wait().unwrap());
    assert_eq!(ended.code(), Some(6));
    assert!(!file.exists(), "a half-made file was left");
    wait_for("its burial", || is_gone(gateway).then_some(()));
    server.wait_until_both_serve();
    assert!(!scratch.exists(), "copies were left behind");
    ok(&call(&place.data(), &["backup", file.to_str().unwrap()]));
}

/// Stores enough that a backup takes a while.
fn fill(server: &Server) {
    use std::io::{Read, Write};
    let key = fs::read_to_string(server.data.join("api-key")).unwrap();
    let address = server.url.strip_prefix("http://").unwrap();
    let value = "v".repeat(60_000);
    for number in 0..300 {
        let body = format!("{{\"name\":\"S{number}\",\"value\":\"{value}\"}}");
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let head = format!(
            "POST /v1/secrets HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(status(&answer), 200);
    }
}
