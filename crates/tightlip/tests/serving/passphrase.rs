//! A data folder whose root key comes from a passphrase: no file holds either, every start needs the passphrase, and a gateway that died does not.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::server::{BINARY, Place, Server, kill_9, refused, set_up, snapshot, up, wait_for};

const WORDS: &str = "canary horse battery staple";

/// A file with these words beside the data folder.
fn words(place: &Place, name: &str, text: &str) -> PathBuf {
    let path = place.data().parent().unwrap().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

fn up_with(data: &Path, file: &Path) -> Command {
    let mut command = up(data);
    command.arg("--passphrase-file").arg(file);
    command
}

/// A folder that was set up with the words, and the file that holds them.
fn locked() -> (Place, PathBuf) {
    let place = Place::new();
    let file = words(&place, "words", &format!("{WORDS}\n"));
    assert!(Server::spawned(up_with(&place.data(), &file), &place.data()).stop().success());
    (place, file)
}

/// Runs a start that is to refuse with this code, say all `said`, and change nothing.
fn refuses(mut command: Command, data: &Path, code: i32, said: &[&str]) {
    let before = if data.exists() { snapshot(data) } else { Vec::new() };
    let (found, text) = refused(&mut command);
    assert_eq!(found, code, "{text}");
    for word in said {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    assert!(!text.contains("canary") && !text.contains("horse"), "{text}");
    let after = if data.exists() { snapshot(data) } else { Vec::new() };
    assert!(after == before, "something was changed");
}

/// The api may read the folder of its certificate: the passphrase must not lie there.
#[test]
fn a_passphrase_in_the_certificates_folder_is_refused() {
    let (place, elsewhere) = locked();
    let tls = elsewhere.parent().unwrap().join("tls");
    let own = tls.join("own");
    fs::create_dir_all(&own).unwrap();
    crate::certify::Authority::new().certify(&["127.0.0.1"]).write(&tls);
    let named = |name: &str| tls.join(name).display().to_string();
    let settings = format!(
        "[api]\ntls_listen = \"127.0.0.1:0\"\ntls_certificate = \"{}\"\ntls_key = \"{}\"\n",
        named("fullchain.pem"),
        named("privkey.pem")
    );
    fs::write(place.data().join("tightlip.toml"), settings).unwrap();
    for folder in [&tls, &own] {
        let words = folder.join("words");
        fs::copy(&elsewhere, &words).unwrap();
        refuses(up_with(&place.data(), &words), &place.data(), 1, &["keys that open values"]);
    }
    assert!(Server::spawned(up_with(&place.data(), &elsewhere), &place.data()).stop().success());
}

#[test]
fn a_short_passphrase_or_one_that_others_can_read_makes_nothing() {
    let place = Place::new();
    let short = words(&place, "short", "elevenchars");
    refuses(up_with(&place.data(), &short), &place.data(), 2, &["12 characters"]);
    let open = words(&place, "open", WORDS);
    fs::set_permissions(&open, Permissions::from_mode(0o644)).unwrap();
    refuses(up_with(&place.data(), &open), &place.data(), 1, &["chmod 600"]);
    let mut nobody = up(&place.data());
    nobody.arg("--passphrase");
    refuses(nobody, &place.data(), 4, &["--passphrase-file", "TIGHTLIP_PASSPHRASE_FILE"]);
    assert!(!place.data().exists());
}

#[test]
fn a_folder_with_a_root_key_takes_no_passphrase() {
    let place = Place::new();
    set_up(&place.data());
    let file = words(&place, "words", WORDS);
    refuses(up_with(&place.data(), &file), &place.data(), 2, &["root.key", "without --passphrase"]);
    // The variable may be meant for other folders.
    let mut command = up(&place.data());
    command.env("TIGHTLIP_PASSPHRASE_FILE", &file);
    Server::spawned(command, &place.data()).wait_until_both_serve();
}

#[test]
fn without_the_right_passphrase_nothing_starts_and_nothing_is_changed() {
    let (place, _) = locked();
    refuses(up(&place.data()), &place.data(), 4, &["passphrase", "TIGHTLIP_PASSPHRASE_FILE"]);
    let wrong = words(&place, "wrong", "another horse battery staple");
    refuses(up_with(&place.data(), &wrong), &place.data(), 4, &["the passphrase is wrong"]);
    fs::remove_file(place.data().join("gateway/root.passphrase.json")).unwrap();
    refuses(up_with(&place.data(), &wrong), &place.data(), 1, &["root.passphrase.json", "backup"]);
}

#[test]
fn commands_start_no_server_without_the_passphrase_and_say_what_to_do() {
    let (place, file) = locked();
    let command = |words: &[&str]| {
        let mut command = Command::new(BINARY);
        command.env("XDG_STATE_HOME", place.data().with_file_name("state"));
        command.args(words).arg("--data").arg(place.data()).env_remove("TIGHTLIP_PASSPHRASE_FILE").env_remove("TIGHTLIP_API_KEY");
        command
    };
    let up_again = format!("tightlip --data {} up", place.data().display());
    for (words, code) in [(&["secret", "list"][..], 6), (&["account", "list"], 6)] {
        let (found, said) = refused(command(words).stdin(Stdio::null()));
        assert_eq!(found, code, "{said}");
        assert!(said.contains("passphrase") && said.contains(&up_again), "{said}");
    }
    let mut run = Command::new(BINARY);
    run.env("XDG_STATE_HOME", place.data().with_file_name("state"));
    run.arg("run").arg("--data").arg(place.data()).args(["--", "true"]).env_remove("TIGHTLIP_PASSPHRASE_FILE").stdin(Stdio::null());
    let (found, said) = refused(&mut run);
    assert!(found == 125 && said.contains(&up_again), "{found}: {said}");
    // With the variable they start one, and `up` takes its place.
    let listed = command(&["secret", "list"]).env("TIGHTLIP_PASSPHRASE_FILE", &file).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let detached = fs::read_to_string(place.data().join("lock")).unwrap();
    let wrong = words(&place, "wrong", "another horse battery staple");
    let (code, said) = refused(&mut up_with(&place.data(), &wrong));
    assert_eq!(code, 4, "{said}");
    assert_eq!(fs::read_to_string(place.data().join("lock")).unwrap(), detached, "a wrong passphrase ends no server");
    let server = Server::spawned(up_with(&place.data(), &file), &place.data());
    server.wait_until_both_serve();
    assert_ne!(fs::read_to_string(place.data().join("lock")).unwrap(), detached);
}

#[test]
fn a_killed_gateway_is_started_again_without_asking_and_opens_what_was_stored() {
    let (place, file) = locked();
    let mut command = up(&place.data());
    command.env("TIGHTLIP_PASSPHRASE_FILE", &file).env("TIGHTLIP_LOG", "trace");
    let log = place.data().parent().unwrap().join("log");
    command.stderr(fs::File::create(&log).unwrap());
    let mut server = Server::spawned(command, &place.data());
    // Nobody needs the file from here on.
    fs::remove_file(&file).unwrap();
    let made = Command::new(BINARY).args(["secret", "set", "GITHUB_TOKEN", "--data"]).arg(place.data()).stdin(Stdio::piped()).spawn();
    let mut made = made.unwrap();
    std::io::Write::write_all(&mut made.stdin.take().unwrap(), b"ghp_0123456789abcdefghijklmnopqrstuvwxyz").unwrap();
    assert!(made.wait().unwrap().success());
    let opens = || server.get("/v1/bindings/GITHUB_TOKEN").filter(|(_, body)| body.contains("api.github.com")).map(|_| ());
    wait_for("the value to be opened", opens);
    for _ in 0..2 {
        let before = server.child("__gateway", None);
        kill_9(before);
        assert_ne!(server.child("__gateway", Some(before)), before);
        wait_for("the value to be opened again", opens);
    }
    for subcommand in ["__api", "__gateway"] {
        let pid = server.child(subcommand, None);
        if let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) {
            assert!(!String::from_utf8_lossy(&environment).contains("PASSPHRASE"));
        }
    }
    assert!(server.stop().success());
    assert_nowhere(&place.data(), &fs::read(&log).unwrap());
}

/// Neither the passphrase nor the key that follows from it stands in a file or in the log.
fn assert_nowhere(data: &Path, log: &[u8]) {
    assert!(!data.join("gateway/root.key").exists());
    let recipe = data.join("gateway/root.passphrase.json");
    assert_eq!(fs::metadata(&recipe).unwrap().permissions().mode() & 0o777, 0o600);
    let passphrase = rootkey::Passphrase::from_input(WORDS.as_bytes().to_vec().into()).unwrap();
    let hex = rootkey::passphrase::derive(&recipe, &passphrase).unwrap().to_hex();
    let key: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap()).collect();
    let files = snapshot(data);
    assert!(files.len() > 8 && log.len() > 200);
    let places = files.into_iter().chain([(PathBuf::from("the log"), log.to_vec())]);
    for (path, bytes) in places {
        for (what, text) in [("the passphrase", WORDS.as_bytes()), ("the key", &key), ("the key's digits", hex.as_bytes())] {
            // No window of sixteen bytes of it.
            let found = text.windows(16).any(|part| bytes.windows(16).any(|window| window == part));
            assert!(!found, "{what} is in {}", path.display());
        }
    }
}

#[test]
fn a_first_run_that_was_interrupted_while_moving_in_is_finished_with_the_passphrase() {
    let (place, file) = locked();
    let aside = place.data().join(".setup");
    fs::create_dir(&aside).unwrap();
    for part in ["gateway", "store", "api-key"] {
        fs::rename(place.data().join(part), aside.join(part)).unwrap();
    }
    fs::write(aside.join("complete"), "").unwrap();
    refuses(up(&place.data()), &place.data(), 4, &["passphrase"]);
    Server::spawned(up_with(&place.data(), &file), &place.data()).wait_until_both_serve();
    assert!(!aside.exists());
}

/// At a terminal: asks twice for a new one and once for a known one, and shows neither.
#[test]
fn a_person_is_asked_at_a_terminal_and_nothing_typed_is_shown() {
    let place = Place::new();
    let talk = |answers: &[&str], last: &str| {
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-c", TERMINAL, BINARY]).arg(place.data()).arg(last).args(answers).env_remove("TIGHTLIP_PASSPHRASE_FILE");
        command.env("XDG_STATE_HOME", crate::server::state(&place.data()));
        let output = command.output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!shown.contains("horse"), "{shown}");
        (shown, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (shown, errors) = talk(&[WORDS, "other horse battery staple"], "--passphrase");
    assert!(shown.contains("the two differ") && !place.data().exists(), "{shown} {errors}");
    let (shown, errors) = talk(&[WORDS, WORDS], "--passphrase");
    assert!(shown.contains("tightlip is ready") && shown.contains("keep the passphrase"), "{shown} {errors}");
    let (shown, _) = talk(&["other horse battery staple"], "--json");
    assert!(shown.contains("the passphrase is wrong"), "{shown}");
    let (shown, _) = talk(&[WORDS], "--json");
    assert!(shown.contains("\"url\""), "{shown}");
}

/// Runs `up` on a terminal of its own, answers each hidden question, and stops the server when it is ready.
const TERMINAL: &str = r#"
import os, pty, select, signal, sys, termios, time
binary, data, last, answers = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
pid, fd = pty.fork()
if pid == 0:
    os.execv(binary, [binary, "up", "--listen", "127.0.0.1:0", "--data", data, last])
shown, limit = b"", time.monotonic() + 60
while time.monotonic() < limit:
    if not select.select([fd], [], [], 1)[0]:
        continue
    try:
        more = os.read(fd, 4096)
    except OSError:
        break
    if not more:
        break
    shown += more
    if more.rstrip().endswith(b":") and answers:
        # As a person would, after the terminal has stopped to show what is typed.
        while termios.tcgetattr(fd)[3] & termios.ECHO and time.monotonic() < limit:
            os.sched_yield()
        os.write(fd, answers.pop(0).encode() + b"\n")
    if b"tightlip is ready" in shown or b'"url"' in shown:
        os.kill(pid, signal.SIGTERM)
os.waitpid(pid, 0)
sys.stdout.buffer.write(shown)
"#;
