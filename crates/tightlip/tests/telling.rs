//! What the system and the agent's tools tell inside a devbox: a placeholder at most; and that no door or key of the server is within reach there.
//!
//! Each way to ask must show the placeholder: one that shows nothing would prove nothing.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "tests; a tool that is not here is named")]

use std::process::{Command, Stdio};

use common::road::{Road, ok, text, users};

mod common {
    pub mod road;
}

/// A way to ask, the program that it needs, and the shell lines.
const WAYS: &[(&str, &str, &str)] = &[
    ("the environment of every process", "cat", "sleep 9 & cat /proc/*/environ | tr '\\0' '\\n'"),
    ("the command line of every process", "cat", "sh -c 'cat /proc/*/cmdline' x \"$GITHUB_TOKEN\" | tr '\\0' '\\n'"),
    ("the memory of a client that used it", "/usr/bin/python3", include_str!("asked/memory.sh")),
    (
        "a core dump",
        "bash",
        "cd /tmp; ulimit -c unlimited; bash -c 'kill -SEGV $$'; cat core* /tmp/core* 2>/dev/null; ls /tmp; echo \"$GITHUB_TOKEN\"",
    ),
    (
        "shell history",
        "bash",
        "HISTFILE=/tmp/h bash -ic 'set -o history; history -s \"curl $GITHUB_TOKEN\"; history; history -w'; cat /tmp/h",
    ),
    ("set -x", "bash", "bash -xc ': $GITHUB_TOKEN'"),
    ("a shell's variables", "bash", "bash -c 'set; declare -p; export -p'"),
    ("a traceback of Python", "/usr/bin/python3", include_str!("asked/traceback.sh")),
    ("Python's own debug output", "/usr/bin/python3", include_str!("asked/debug.sh")),
    ("the debug output of Node", "node", include_str!("asked/node.sh")),
    ("curl -v", "curl", "curl -sv https://api.github.com/echo -H \"Authorization: Bearer $GITHUB_TOKEN\""),
    ("curl --trace-ascii", "curl", "curl -s --trace-ascii - https://api.github.com/echo/head -u \"x:$GITHUB_TOKEN\"; echo $GITHUB_TOKEN"),
    ("curl --libcurl", "curl", "curl -s --libcurl /tmp/c https://api.github.com/echo -H \"X-Api-Key: $GITHUB_TOKEN\"; cat /tmp/c"),
    ("a client's TLS keys", "curl", "SSLKEYLOGFILE=/tmp/k curl -s https://api.github.com/echo -H \"X-Api-Key: $GITHUB_TOKEN\"; cat /tmp/k"),
    ("git credential fill", "git", include_str!("asked/git_fill.sh")),
    ("git's stored credentials", "git", include_str!("asked/git_store.sh")),
    ("git's trace", "git", include_str!("asked/git_trace.sh")),
    ("gh auth token", "gh", "gh auth token; GH_DEBUG=api gh api user"),
    ("npm config ls", "npm", "npm config set //registry.npmjs.org/:_authToken=$GITHUB_TOKEN; npm config ls -l; cat ~/.npmrc"),
    (
        "a .netrc",
        "curl",
        "umask 77; echo \"machine api.github.com login x password $GITHUB_TOKEN\" > ~/.netrc; curl -sv -n https://api.github.com/echo; cat ~/.netrc",
    ),
];

#[test]
fn what_the_system_and_tools_tell_is_the_placeholder_at_most() {
    for user in users() {
        let road = Road::start(user);
        let mut tried = 0;
        for (way, program, script) in WAYS {
            let lines =
                format!("command -v {program} >/dev/null || {{ echo absent; exit; }}\necho \"$GITHUB_TOKEN\"\n{{ {script}\n}} 2>&1; true");
            // The road searches all that is shown for the value.
            let shown = ok(&road.run(&[], &["bash", "-c", &lines]));
            let Some((token, told)) = shown.split_once('\n').filter(|(token, _)| token.starts_with("ghp_")) else {
                println!("{way}: {program} is not here");
                continue;
            };
            assert!(told.contains(token), "{way} shows nothing of it: {told}");
            tried += 1;
        }
        assert!(tried >= 15, "{tried} ways of {}", WAYS.len());
    }
}

#[test]
fn no_door_of_the_server_and_no_key_is_within_reach_of_a_devbox() {
    for user in users() {
        let road = Road::start(user);
        let url = road.server.url().trim_start_matches("http://").to_owned();
        let port = url.rsplit(':').next().unwrap().to_owned();
        let script = include_str!("asked/doors.py").replace("@DATA@", road.server.data().to_str().unwrap()).replace("@PORT@", &port);
        let expected: Vec<String> = [
            "api 127.0.0.1",
            "api localhost",
            "metrics 127.0.0.1",
            "gateway.sock",
            "control.sock",
            "store/tightlip.db",
            "gateway/gateway.db",
            "gateway/root.key",
            "gateway/keyring.json",
            "gateway/admin-key",
            "api/signing.key",
            "api-key",
            "tightlip.toml",
        ]
        .map(str::to_owned)
        .to_vec();
        // Outside, the same words reach every one of them: the control.
        let mut outside = Command::new("/usr/bin/python3");
        let control = outside.args(["-c", &script]).stdin(Stdio::null()).output().unwrap();
        let reached: Vec<String> =
            text(&control.stdout).lines().filter_map(|line| line.strip_prefix("REACHED ")).map(str::to_owned).collect();
        assert_eq!(reached, expected, "{}", text(&control.stderr));
        let inside = ok(&road.run(&["--allow", "localhost"], &["/usr/bin/python3", "-c", &script]));
        let closed: Vec<String> = inside.lines().filter_map(|line| line.strip_prefix("closed ")).map(str::to_owned).collect();
        assert!(closed == expected && !inside.contains("REACHED"), "{inside}");

        // Nor by name: inside, `localhost` is the devbox's own, and every address of it is the gateway.
        let by_name = ok(&road.run(&["--allow", "localhost"], &["curl", "-sSi", "https://localhost/metrics"]));
        assert!(by_name.to_ascii_lowercase().contains("x-tightlip-refusal: address_unmapped"), "{by_name}");
        let keys = "grep -rlE 'PRIVATE KEY|AGE-SECRET' / --exclude-dir=usr --exclude-dir=proc --exclude-dir=dev --exclude-dir=lib 2>/dev/null; \
                    grep -c 'BEGIN CERTIFICATE' /etc/ssl/certs/ca-certificates.crt";
        let found = ok(&road.sh(keys));
        let lines: Vec<&str> = found.lines().collect();
        assert!(lines.len() == 1 && lines[0].parse::<usize>().is_ok_and(|count| count > 0), "{found}");
    }
}
