//! The main job on real input: store a secret, run a command that uses it and cannot read it. As root and as an ordinary user.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use common::road::{BOUND, Road, UNBOUND, ok, text, users};

mod common {
    pub mod road;
}

#[test]
fn the_agent_holds_a_placeholder_and_the_upstream_receives_the_value() {
    for user in users() {
        let road = Road::start(user);
        let shown = ok(&road.sh("env; curl -sS https://api.github.com/user -H \"Authorization: Bearer $GITHUB_TOKEN\""));
        let token = shown.lines().find_map(|line| line.strip_prefix("GITHUB_TOKEN=")).unwrap();
        assert!(token.starts_with("ghp_") && token.len() == 40, "{token}");
        assert!(shown.contains("{\"authorized\":true}"), "{shown}");
        let records = road.upstream.records_of(BOUND);
        assert_eq!(records.len(), 1);
        assert!(records[0].holds(&format!("Bearer {}", road.canary.value())) && !records[0].holds(token));
    }
}

#[test]
fn an_echo_comes_back_as_the_placeholder() {
    for user in users() {
        let road = Road::start(user);
        let shown =
            ok(&road.sh("echo \"$GITHUB_TOKEN\"; curl -sSi https://api.github.com/echo -H \"Authorization: Bearer $GITHUB_TOKEN\""));
        let token = shown.lines().next().unwrap();
        assert!(shown.lines().skip(1).any(|line| line.eq_ignore_ascii_case(&format!("authorization: bearer {token}"))), "{shown}");
    }
}

#[test]
fn an_allowed_but_unbound_host_is_refused_the_value_and_hears_nothing() {
    for user in users() {
        let road = Road::start(user);
        let line = format!("curl -sSi https://{UNBOUND}/user -H \"Authorization: Bearer $GITHUB_TOKEN\"; curl -sS https://{UNBOUND}/echo");
        let shown = ok(&road.run(&["--allow", UNBOUND], &["sh", "-c", &line]));
        assert!(shown.to_ascii_lowercase().contains("x-tightlip-refusal: host_not_bound"), "{shown}");
        assert!(shown.contains("tightlip bind"), "{shown}");
        let heard = road.upstream.records_of(UNBOUND);
        assert_eq!(heard.len(), 1, "only the request without a token may arrive");
        assert!(heard[0].line.starts_with("GET /echo"));
    }
}

#[test]
fn a_host_that_is_not_allowed_gets_a_readable_refusal() {
    for user in users() {
        let road = Road::start(user);
        let shown = ok(&road.sh("curl -sSi https://elsewhere.example.net/; curl -sSi http://elsewhere.example.net/"));
        assert_eq!(shown.to_ascii_lowercase().matches("x-tightlip-refusal: host_not_allowed").count(), 2, "{shown}");
        assert!(shown.contains("--allow"), "{shown}");
    }
}

#[test]
fn every_secret_is_told_with_its_hosts_however_many_there_are() {
    let road = Road::start(users()[0]);
    for number in 0..12 {
        let name = format!("KEY_{number}");
        road.server.expect(&["secret", "set", &name, "--host", &format!("h{number}.example.com")], b"a plain value").unwrap();
    }
    let mut command = road.server.command(&["run", "--json", "--secret", "AGAIN=KEY_3", "--", "true"]);
    let one = command.current_dir(road.work()).stdin(Stdio::null()).output().unwrap();
    let told: serde_json::Value = serde_json::from_str(text(&one.stderr).lines().next().unwrap()).unwrap();
    assert_eq!(told["secrets"][0]["hosts"][0], "h3.example.com");
    let mut command = road.server.command(&["run", "--json", "--", "true"]);
    let all = command.current_dir(road.work()).stdin(Stdio::null()).output().unwrap();
    let told: serde_json::Value = serde_json::from_str(text(&all.stderr).lines().next().unwrap()).unwrap();
    let secrets = told["secrets"].as_array().unwrap();
    assert_eq!(secrets.len(), 13);
    for secret in secrets {
        assert!(!secret["hosts"].as_array().unwrap().is_empty(), "{secret}");
    }
}

#[test]
fn a_value_that_cannot_be_sent_is_told_with_one_reason_everywhere() {
    let road = Road::start(users()[0]);
    let reason = "cannot be sent: its value is shorter than 8 bytes, too short to be kept out of replies; store a longer one";
    let set = road.server.call(&["secret", "set", "STRIPE_API_KEY"], b"short").unwrap();
    assert!(text(&set.stderr).contains(reason) && !text(&set.stdout).contains("may go to"), "{}", text(&set.stderr));
    for call in [&["secret", "get", "STRIPE_API_KEY"][..], &["bindings", "STRIPE_API_KEY"], &["bindings"]] {
        let shown = road.server.expect(call, b"").unwrap();
        assert!(shown.contains(reason), "{call:?}: {shown}");
        let line = shown.lines().find(|line| line.contains(reason)).unwrap();
        assert!(!line.contains("api.stripe.com") && !line.contains("tightlip bind"), "{line}");
    }
    let run = road.run(&["--secret", "STRIPE_API_KEY"], &["true"]);
    assert!(
        run.status.code() == Some(125) && text(&run.stderr).contains("the secret STRIPE_API_KEY cannot be sent"),
        "{}",
        text(&run.stderr)
    );
}

#[test]
fn a_work_folder_behind_a_link_is_named() {
    let road = Road::start(users()[0]);
    let link = road.server.beside().join("link");
    std::os::unix::fs::symlink(road.work(), &link).unwrap();
    let said = |folder: &std::path::Path| {
        let mut command = road.server.command(&["run", "--", "pwd"]);
        let output = command.current_dir(folder).env("PWD", folder).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let real = std::fs::canonicalize(road.work()).unwrap();
    assert!(said(&link).contains(&format!("tightlip: in {} (through a symbolic link): placeholders", real.display())));
    assert!(!said(&real).contains("symbolic link"));
}

#[test]
fn what_was_refused_is_told_at_the_end() {
    let road = Road::start(users()[0]);
    let quiet = "curl -sf https://elsewhere.example.net/; curl -sf https://elsewhere.example.net/; exit 3";
    let mut command = road.server.command(&["run", "--", "sh", "-c", quiet]);
    let output = command.current_dir(road.work()).stdin(Stdio::null()).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        said.contains("refused elsewhere.example.net 2 times (host_not_allowed)") && said.contains("--allow elsewhere.example.net"),
        "{said}"
    );
}

#[test]
fn raw_sockets_udp_addresses_loopback_and_unix_sockets_lead_nowhere() {
    for user in users() {
        let road = Road::start(user);
        let outside = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        outside.set_nonblocking(true).unwrap();
        let unix_path = road.server.beside().join("outside.sock");
        let unix = std::os::unix::net::UnixListener::bind(&unix_path).unwrap();
        unix.set_nonblocking(true).unwrap();
        let script = include_str!("nowhere.py")
            .replace("@PORT@", &outside.local_addr().unwrap().port().to_string())
            .replace("@UNIX@", unix_path.to_str().unwrap());
        let shown = ok(&road.run(&[], &["/usr/bin/python3", "-c", &script]));
        let expected =
            ["loopback: refused", "raw: refused", "packet: refused", "udp: silent", "unix: refused", "abstract: refused", "ssh: refused"];
        for line in expected {
            assert!(shown.lines().any(|shown| shown == line), "no line {line:?} in {shown}");
        }
        for line in shown.lines().filter(|line| line.starts_with("https ")) {
            assert!(line.ends_with("address_unmapped"), "{line}");
        }
        assert_eq!(shown.lines().filter(|line| line.starts_with("https ")).count(), 4, "{shown}");
        assert!(outside.accept().is_err() && unix.accept().is_err(), "something arrived outside");
    }
}

#[test]
fn git_python_and_node_make_their_authenticated_call_with_no_flag() {
    for user in users() {
        let folder = tempfile::tempdir().unwrap();
        let repo = folder.path().join("repo.git");
        make_repo(folder.path(), &repo);
        let road = Road::start_with_repo(user, Some(&repo));

        let clone =
            "git clone -q https://x-access-token:$GITHUB_TOKEN@github.com/repo.git cloned && cat cloned/file && cat cloned/.git/config";
        let shown = ok(&road.sh(clone));
        assert!(shown.starts_with("hello from the repository"), "{shown}");

        let python = "import os, requests; r = requests.get('https://api.github.com/user', headers={'Authorization': 'Bearer ' + os.environ['GITHUB_TOKEN']}); print(r.status_code, r.text)";
        let shown = ok(&road.run(&[], &["/usr/bin/python3", "-c", python]));
        assert_eq!(shown.trim(), "200 {\"authorized\":true}");

        let node = "fetch('https://api.github.com/user', {headers: {Authorization: 'Bearer ' + process.env.GITHUB_TOKEN}}).then(async r => console.log(r.status, await r.text()))";
        let shown = ok(&road.run(&[], &["node", "-e", node]));
        assert_eq!(shown.trim(), "200 {\"authorized\":true}");
    }
}

#[test]
fn an_update_is_in_force_on_a_connection_that_is_open() {
    for user in users() {
        let road = Road::start(user);
        let mut agent = Agent::start(&road);
        assert_eq!(agent.ask(), "200");
        let new_value = testkit::Canary::make("ghp_").unwrap();
        road.server.expect(&["secret", "update", "GITHUB_TOKEN"], new_value.value().as_bytes()).unwrap();
        road.upstream.expect(new_value.value());
        assert_eq!(agent.ask(), "200", "the next request carries the new value");
        assert!(road.upstream.records_of(BOUND).last().unwrap().holds(new_value.value()));
        agent.end();
    }
}

#[test]
fn a_delete_is_in_force_on_a_connection_that_is_open() {
    for user in users() {
        let road = Road::start(user);
        let mut agent = Agent::start(&road);
        assert_eq!(agent.ask(), "200");
        road.server.expect(&["secret", "delete", "GITHUB_TOKEN"], b"").unwrap();
        assert_eq!(agent.ask(), "secret_gone");
        assert_eq!(road.upstream.records_of(BOUND).len(), 1, "nothing was sent after the delete");
        agent.end();
    }
}

#[test]
fn the_commands_exit_code_is_runs() {
    let road = Road::start(users()[0]);
    assert_eq!(road.sh("exit 7").status.code(), Some(7));
    assert_eq!(road.sh("kill -TERM $$").status.code(), Some(128 + 15));
    assert_eq!(road.run(&[], &["/no/such/command"]).status.code(), Some(127));
    assert_eq!(road.run(&[], &["/etc/hostname-that-is-no-program"]).status.code(), Some(127));
    assert_eq!(road.run(&[], &["/etc/passwd"]).status.code(), Some(126));
}

/// A client in a devbox that keeps one connection open and makes a request for each line it is sent.
struct Agent {
    child: std::process::Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Agent {
    fn start(road: &Road) -> Self {
        let mut command = road.command(&[], &["/usr/bin/python3", "-u", "-c", include_str!("keep_alive.py")]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    fn ask(&mut self) -> String {
        self.child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "connections: 1", "the client kept one connection");
        assert!(self.child.wait().unwrap().success());
    }
}

fn make_repo(folder: &std::path::Path, repo: &std::path::Path) {
    let work = folder.join("source");
    std::fs::create_dir(&work).unwrap();
    std::fs::write(work.join("file"), "hello from the repository\n").unwrap();
    let git = |arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        command
            .current_dir(&work)
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"])
            .args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    };
    git(&["init", "-q"]);
    git(&["add", "file"]);
    git(&["commit", "-qm", "one"]);
    git(&["clone", "-q", "--bare", ".", repo.to_str().unwrap()]);
    git(&["--git-dir", repo.to_str().unwrap(), "update-server-info"]);
}
