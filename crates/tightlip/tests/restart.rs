//! The gateway killed under a running devbox: its requests are refused until the gateway is back, and then decided again. Never one without a decision.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::road::{BOUND, Road, users};

mod common {
    pub mod road;
}

const CLIENT: &str = "
import os, ssl, sys, http.client
for _ in sys.stdin:
    try:
        connection = http.client.HTTPSConnection('api.github.com', context=ssl.create_default_context(), timeout=10)
        connection.request('GET', '/user', headers={'Authorization': 'Bearer ' + os.environ['GITHUB_TOKEN']})
        reply = connection.getresponse()
        print(reply.getheader('x-tightlip-refusal') or reply.status, flush=True)
    except Exception as error:
        print('refused', flush=True)
";

#[test]
fn a_killed_gateway_refuses_until_it_is_back_and_decides_again() {
    for user in users() {
        let road = Road::start(user);
        let mut child =
            road.command(&[], &["/usr/bin/python3", "-c", CLIENT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut stdin = child.stdin.take().unwrap();
        let mut ask = || {
            stdin.write_all(b"go\n").unwrap();
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            line.trim().to_owned()
        };
        assert_eq!(ask(), "200");

        let gateway = child_of(road.server.pid(), "__gateway");
        let killed = Command::new("kill").args(["-9", &gateway.to_string()]).status().unwrap();
        assert!(killed.success());
        let limit = Instant::now() + Duration::from_secs(30);
        let mut answers = vec![ask()];
        while answers.last().unwrap() != "200" && Instant::now() < limit {
            answers.push(ask());
        }
        assert_eq!(answers.last().unwrap(), "200", "{answers:?}");
        assert!(answers[..answers.len() - 1].iter().all(|answer| answer != "200" && !answer.is_empty()));
        assert_ne!(child_of(road.server.pid(), "__gateway"), gateway);
        for record in road.upstream.records_of(BOUND) {
            assert!(record.holds(road.canary.value()), "a request went out undecided");
        }
        drop(stdin);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_devbox_whose_server_is_gone_ends_and_says_why() {
    let road = Road::start(None);
    let script = "mkdir -p src/.git/objects src/.git/refs; echo x > src/.git/HEAD; echo begun; exec sleep 120";
    let mut command = road.command(&[], &["sh", "-c", script]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let data = road.server.data();
    let mut begun = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut begun).unwrap();
    assert_eq!(begun, "begun\n");
    let Road { server, .. } = road;
    let _stopped = server.stop().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // Which it says depends on whether the gateway still had its database.
    let why = ["the gateway went away", "failed to talk to the server", "the gateway failed"].iter().any(|word| said.contains(word));
    assert!(!output.status.success() && why, "{:?}: {said}", output.status);
    assert!(said.contains("`src/.git` was made in the devbox"), "what was done before is told all the same: {said}");
    assert!(!data.join("gateway.sock").exists());
}

/// The child of `parent` that runs this subcommand.
fn child_of(parent: u32, subcommand: &str) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    let is_it =
        |pid: &&str| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(subcommand));
    children.split_whitespace().find(is_it).unwrap().parse().unwrap()
}
