//! `tightlip key` and `tightlip account` against a server: what goes where, the exit codes, and how soon a revoked key is worth nothing.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use common::road::{BINARY, BOUND, Road, ok, text};
use testkit::{Launch, Server};

mod common {
    pub mod road;
}

fn start() -> Server {
    Server::start(Path::new(BINARY), Launch::default()).unwrap()
}

fn call(server: &Server, arguments: &[&str], key: Option<&str>) -> Output {
    let mut command = server.command(arguments);
    command.envs(key.map(|key| ("TIGHTLIP_API_KEY", key))).stdin(Stdio::null()).output().unwrap()
}

/// The key that a command printed: one line of standard output, and nothing else there.
fn key_of(output: &Output) -> String {
    let shown = ok(output);
    let key = shown.strip_suffix('\n').unwrap();
    assert!(key.starts_with("tlk_") && key.len() > 40 && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{shown:?}");
    assert!(!text(&output.stderr).contains(key) && text(&output.stderr).contains("shown this once"));
    key.to_owned()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_str(&ok(output)).unwrap()
}

#[test]
fn refusals_have_their_exit_codes_and_the_next_command() {
    let server = start();
    let reader = key_of(&call(&server, &["key", "create", "--scope", "read"], None));
    let own = json(&call(&server, &["key", "list", "--json"], None))["api_keys"][1]["id"].as_str().unwrap().to_owned();
    let cases: [(&[&str], Option<&str>, i32, &str); 13] = [
        (&["key", "create", "--scope", "admin"], None, 2, "possible values: read, secrets, devbox, keys"),
        (&["key", "create", "--expires", "30"], None, 2, "such as 30d"),
        (&["key", "create", "--expires", "5000w"], None, 2, "at most 3650 days"),
        (&["key", "create", "--name", "a\u{1b}[31m"], None, 2, "printable"),
        (&["key", "create"], Some(&reader), 7, "keys"),
        (&["key", "list"], Some(&reader), 7, "keys"),
        (&["key", "list"], Some("tlk_wrong"), 4, "not known"),
        (&["key", "revoke", "key_000000000000000000000"], None, 3, "tightlip key list"),
        (&["key", "revoke", "tlk_0"], None, 2, "key_"),
        (&["key", "revoke", &own], None, 7, "make another one first"),
        (&["account", "create", ""], None, 2, "needs a name"),
        (&["account", "create", "owner"], None, 5, "already"),
        (&["account", "list", "--url", "http://127.0.0.1:1", "--data", "/nonexistent"], None, 2, "--url names another server"),
    ];
    for (arguments, key, code, said) in cases {
        let output = call(&server, arguments, key);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(said) && !errors.contains('\u{1b}'), "{arguments:?}: {errors}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_key_is_printed_alone_works_and_is_refused_once_revoked() {
    let server = start();
    let made = call(&server, &["key", "create", "--name", "CI", "--scope", "read", "--expires", "30d"], None);
    assert!(text(&made.stderr).contains("read, ends in 1 month"), "{}", text(&made.stderr));
    let key = key_of(&made);
    assert!(ok(&call(&server, &["secret", "list", "--json"], Some(&key))).contains("total_count"));
    assert_eq!(call(&server, &["secret", "delete", "NONE"], Some(&key)).status.code(), Some(7));
    let shown = ok(&call(&server, &["key", "ls"], None));
    let line = shown.lines().find(|line| line.starts_with("CI")).unwrap();
    assert!(line.contains("read") && line.contains("in ") && !shown.contains(&key[4..]), "{shown}");
    let listed = json(&call(&server, &["key", "list", "--json"], None));
    let id = listed["api_keys"][0]["id"].as_str().unwrap();
    for _ in 0..2 {
        assert!(ok(&call(&server, &["key", "rm", id], None)).contains("revoked"));
    }
    let refused = call(&server, &["secret", "list"], Some(&key));
    assert_eq!(refused.status.code(), Some(4));
    assert!(text(&refused.stderr).contains("was revoked"), "{}", text(&refused.stderr));
    assert!(ok(&call(&server, &["key", "list"], None)).contains("revoked just now"));
    assert!(ok(&call(&server, &["events"], None)).contains("key revoked"));
    let json = json(&call(&server, &["key", "create", "--json"], None));
    assert_eq!((json["api_key"]["scopes"].as_array().unwrap().len(), json["key"].as_str().unwrap().starts_with("tlk_")), (3, true));
}

#[test]
fn an_account_is_made_with_its_key_and_the_door_outlives_a_killed_api() {
    let server = start();
    let team = key_of(&call(&server, &["account", "create", "team"], None));
    let guest = key_of(&call(&server, &["account", "create", "guest", "--no-devbox"], None));
    assert!(ok(&call(&server, &["key", "list"], Some(&team))).contains("read,secrets,devbox,keys"));
    assert_eq!(call(&server, &["secret", "list"], Some(&guest)).status.code(), Some(7));
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.pid())).unwrap();
    let is_api = |pid: &&str| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.windows(5).any(|part| part == b"__api"));
    let api = children.split_whitespace().find(is_api).unwrap().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(api), nix::sys::signal::Signal::SIGKILL).unwrap();
    let names = json(&call(&server, &["account", "ls", "--json"], None));
    let names: Vec<&str> = names["accounts"].as_array().unwrap().iter().map(|account| account["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["owner", "team", "guest"]);
}

#[test]
fn a_devbox_gets_no_value_any_more_once_the_key_that_opened_it_is_revoked() {
    const CLIENT: &str = "
import os, ssl, sys, http.client
for _ in sys.stdin:
    connection = http.client.HTTPSConnection('api.github.com', context=ssl.create_default_context(), timeout=10)
    connection.request('GET', '/user', headers={'Authorization': 'Bearer ' + os.environ['GITHUB_TOKEN']})
    reply = connection.getresponse()
    print(reply.getheader('x-tightlip-refusal') or reply.status, flush=True)
";
    let road = Road::start(None);
    let made = json(&call(&road.server, &["key", "create", "--scope", "devbox", "--json"], None));
    let mut command = road.command(&[], &["/usr/bin/python3", "-c", CLIENT]);
    command.env("TIGHTLIP_API_KEY", made["key"].as_str().unwrap()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut devbox = command.spawn().unwrap();
    let (mut stdin, mut out) = (devbox.stdin.take().unwrap(), BufReader::new(devbox.stdout.take().unwrap()));
    let mut ask = || {
        stdin.write_all(b"go\n").unwrap();
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line.trim().to_owned()
    };
    assert_eq!(ask(), "200");
    let sent = road.upstream.records_of(BOUND).len();
    ok(&call(&road.server, &["key", "revoke", made["api_key"]["id"].as_str().unwrap()], None));
    let revoked = Instant::now();
    let refused = ask();
    assert!(revoked.elapsed() < Duration::from_secs(10), "it was asked at once");
    assert_eq!(refused, "token_ended");
    assert_eq!(road.upstream.records_of(BOUND).len(), sent, "nothing left");
    drop(stdin);
    devbox.wait().unwrap();
}
