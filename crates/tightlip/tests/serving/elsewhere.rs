//! Another server named by an option or a variable: what belongs to one server is never done at another, and a failure says which server and key it was.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::certify::{Authority, SelfSigned};
use crate::server::{BINARY, Place, Server};
use crate::tls::{prepared, tls_address};

fn command(data: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(BINARY);
    command
        .env_clear()
        .envs(variables.iter().copied())
        .env("HOME", data.parent().unwrap())
        .env("PATH", std::env::var_os("PATH").unwrap())
        .stdin(Stdio::null());
    command.arg("--data").arg(data).args(arguments);
    command
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn refused(mut command: Command) -> (i32, String) {
    let output = command.output().unwrap();
    assert!(output.stdout.is_empty(), "{}", said(&output));
    (output.status.code().unwrap(), said(&output))
}

#[test]
fn what_was_meant_for_another_server_is_not_done_at_this_one() {
    let place = Place::new();
    let server = Server::start(&place.data());
    let backup = place.data().with_file_name("a.backup");
    let commands: [&[&str]; 8] = [
        &["account", "create", "team"],
        &["account", "list"],
        &["bind", "A", "--host", "a.example.com"],
        &["unbind", "A"],
        &["bindings"],
        &["backup", backup.to_str().unwrap()],
        &["run", "--", "true"],
        &["secret", "set", "A", "--host", "a.example.com"],
    ];
    let other = "http://127.0.0.1:1";
    for arguments in commands {
        let with_option: Vec<&str> = ["--url", other].iter().chain(arguments).copied().collect();
        let (code, words) = refused(command(&place.data(), &with_option, &[("TIGHTLIP_API_KEY", "tlk_any")]));
        assert!(code == 2 && words.contains("--url names another server (http://127.0.0.1:1)"), "{arguments:?}: {words}");
        for variable in ["TIGHTLIP_URL", "RUNLOOP_BASE_URL"] {
            let (code, words) = refused(command(&place.data(), arguments, &[(variable, other), ("TIGHTLIP_API_KEY", "tlk_any")]));
            assert!(code == 2 && words.contains(&format!("unset {variable}")), "{arguments:?}: {words}");
        }
    }
    assert!(!backup.exists());
    let same = server.url.replace("127.0.0.1", "localhost");
    let output = command(&place.data(), &["account", "list", "--url", &same, "--json"], &[]).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("\"total_count\":1"), "the folder's own server, by another name");
}

#[test]
fn a_refused_key_is_told_with_its_server_and_where_both_came_from() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let server = Server::start(&place.data());
    let list = ["secret", "list"];
    let variables = [("RUNLOOP_BASE_URL", server.url.as_str()), ("RUNLOOP_API_KEY", "ak_wrong")];
    let (code, words) = refused(command(&elsewhere.data(), &list, &variables));
    assert_eq!(code, 4);
    assert!(words.contains(&format!("{} (from RUNLOOP_BASE_URL)", server.url)) && words.contains("that of RUNLOOP_API_KEY"), "{words}");
    assert!(!words.contains("ak_wrong"));
    let (code, words) = refused(command(&elsewhere.data(), &list, &[("TIGHTLIP_URL", &server.url)]));
    assert!(code == 4 && words.contains("from TIGHTLIP_URL") && words.contains("no key was given"), "{words}");
    std::fs::write(place.data().join("api-key"), "tlk_wrong\n").unwrap();
    let (code, words) = refused(command(&place.data(), &list, &[("RUNLOOP_API_KEY", "ak_foreign")]));
    assert!(code == 4 && words.contains("/api-key") && words.contains("RUNLOOP_API_KEY is none of tightlip's"), "{words}");
    let (code, words) = refused(command(&place.data(), &["run", "--", "true"], &[]));
    assert!(code == 125 && words.contains("/api-key"), "{words}");
}

#[test]
fn another_users_server_is_told_so_by_every_command() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::new();
    let parent = place.data().parent().unwrap().to_owned();
    std::os::unix::fs::chown(&parent, Some(1000), Some(1000)).unwrap();
    let copy = parent.join("tightlip");
    std::fs::copy(BINARY, &copy).unwrap();
    let mut up = Command::new(&copy);
    std::os::unix::process::CommandExt::uid(&mut up, 1000);
    std::os::unix::process::CommandExt::gid(&mut up, 1000);
    up.args(["up", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(place.data()).env("HOME", &parent).stderr(Stdio::null());
    let _server = Server::spawned(up, &place.data());
    let backup = parent.join("a.backup");
    for arguments in [&["account", "list"][..], &["backup", backup.to_str().unwrap()], &["bindings"], &["run", "--", "true"]] {
        let (code, words) = refused(command(&place.data(), arguments, &[]));
        assert!(code == if arguments[0] == "run" { 125 } else { 7 }, "{arguments:?}: {words}");
        assert!(words.contains("served by another user (with id 1000)"), "{arguments:?}: {words}");
    }
    assert!(!backup.exists());
}

#[test]
fn a_certificate_that_is_not_trusted_is_told_with_what_would_make_it_so() {
    let place = Place::new();
    let (authority, _) = prepared(&place, &["localhost"]);
    let server = Server::start(&place.data());
    let port = tls_address(&server).port();
    let list = |host: &str, ca: Option<&Authority>| {
        let elsewhere = Place::new();
        let mut command = command(&elsewhere.data(), &["secret", "list", "--url", &format!("https://{host}:{port}"), "--json"], &[]);
        command.env("TIGHTLIP_API_KEY", std::fs::read_to_string(place.data().join("api-key")).unwrap().trim());
        if let Some(ca) = ca {
            std::fs::write(elsewhere.data().with_file_name("ca.pem"), ca.pem()).unwrap();
            command.env("SSL_CERT_FILE", elsewhere.data().with_file_name("ca.pem"));
        }
        command.output().unwrap()
    };
    let trusted = list("localhost", Some(&authority));
    assert!(trusted.status.success(), "{}", said(&trusted));
    let told = |output: &Output, word: &str| {
        let problem: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!((output.status.code(), &problem["code"]), (Some(6), &"untrusted".into()), "{problem}");
        let words = format!("{} {}", problem["message"].as_str().unwrap(), problem["next"].as_str().unwrap());
        assert!(words.contains("is not trusted") && words.contains(word), "{words}");
    };
    told(&list("localhost", Some(&Authority::new())), "SSL_CERT_FILE=/path/to/ca.pem");
    told(&list("127.0.0.1", Some(&authority)), "another name");
    drop(server);

    // Signed by themselves: one as it should be, one marked as an authority, as many guides make them.
    for (own, is_good) in [(SelfSigned::Plain, true), (SelfSigned::Authority, false)] {
        let pair = own.pair("localhost");
        pair.write(&place.data().join("tls"));
        let server = Server::start(&place.data());
        let elsewhere = Place::new();
        let (ca, key) = (elsewhere.data().with_file_name("ca.pem"), std::fs::read_to_string(place.data().join("api-key")).unwrap());
        std::fs::write(&ca, &pair.certificate).unwrap();
        let url = format!("https://localhost:{}", tls_address(&server).port());
        let variables = [("TIGHTLIP_API_KEY", key.trim()), ("SSL_CERT_FILE", ca.to_str().unwrap())];
        let output = command(&elsewhere.data(), &["secret", "list", "--url", &url, "--json"], &variables).output().unwrap();
        if is_good {
            assert!(output.status.success(), "{}", said(&output));
        } else {
            told(&output, "without CA:TRUE");
        }
    }
}
