//! The same from the command line.

use std::process::Stdio;

use crate::road::{BOUND, Road, text, users};

#[test]
fn a_devbox_is_made_used_and_shut_down_from_the_command_line() {
    let road = Road::start(users()[0]);
    let call = |arguments: &[&str]| road.server.call(arguments, b"").unwrap();
    let said = |arguments: &[&str]| road.server.expect(arguments, b"").unwrap();
    let endpoint = format!("https://{BOUND}");
    assert!(said(&["gateway-config", "create", "mine", "--endpoint", &endpoint]).contains("mine"));
    let listed = said(&["gateway-config", "list"]);
    assert!(["mine", "anthropic", "openai"].iter().all(|name| listed.contains(name)), "{listed}");

    let made = said(&["devbox", "create", "--secret", "GITHUB_TOKEN", "--gateway", "MY_API=mine:GITHUB_TOKEN", "--name", "by-hand"]);
    let id = made.trim().to_owned();
    assert!(id.starts_with("dbx_"), "{made}");
    let ran = call(&["devbox", "exec", &id, "--", "echo out; echo err >&2; exit 7"]);
    assert_eq!((ran.status.code(), text(&ran.stdout).as_str(), text(&ran.stderr).as_str()), (Some(7), "out\n", "err\n"));
    assert_eq!(said(&["devbox", "exec", &id, "--", "printf", "%s\n", "two words", "it's"]), "two words\nit's\n");
    let answer = said(&["devbox", "exec", &id, "--", "curl -sS -H \"Authorization: Bearer $MY_API\" $MY_API_URL/user"]);
    assert_eq!(answer, "{\"authorized\":true}");
    road.assert_no_value(said(&["devbox", "exec", &id, "--", "env"]).as_bytes());
    assert!(said(&["devbox", "list"]).contains("by-hand") && said(&["devbox", "get", &id]).contains("running"));
    said(&["devbox", "shutdown", &id]);
    assert!(said(&["devbox", "get", &id]).contains("api_shutdown"));
    let gone = call(&["devbox", "exec", &id, "--", "true"]);
    assert!(!gone.status.success() && text(&gone.stderr).contains("has ended"), "{}", text(&gone.stderr));
    let unknown = call(&["devbox", "get", "dbx_000000000000000000000"]);
    assert_eq!(unknown.status.code(), Some(3));
}

#[test]
fn a_plain_value_is_given_only_where_a_person_said_so() {
    let road = Road::start(users()[0]);
    let said = |arguments: &[&str]| road.server.expect(arguments, b"").unwrap();
    let shown = || {
        let id = said(&["devbox", "create", "--secret", "GITHUB_TOKEN"]).trim().to_owned();
        let shown = said(&["devbox", "exec", &id, "--", "printf %s $GITHUB_TOKEN"]);
        said(&["devbox", "shutdown", &id]);
        shown
    };
    road.assert_no_value(shown().as_bytes());
    said(&["expose", "GITHUB_TOKEN", "--plain"]);
    assert!(said(&["bindings"]).contains("EXPOSED"), "it is told");
    assert_eq!(shown(), road.canary.value());
    let id = said(&["devbox", "create", "--secret", "GITHUB_TOKEN"]).trim().to_owned();
    let line = "curl -sS https://api.github.com/user -H \"Authorization: Bearer $GITHUB_TOKEN\"";
    assert!(said(&["devbox", "exec", &id, "--", line]).contains("\"authorized\":true"), "it goes where its secret is bound");
    let events = said(&["events", "--json"]);
    assert!(events.contains("secret_exposed") && events.contains("secret_given_plain"), "{events}");
    said(&["expose", "GITHUB_TOKEN", "--brokered"]);
    road.assert_no_value(shown().as_bytes());
}

#[test]
fn all_that_a_command_says_arrives_and_its_code_too() {
    let road = Road::start(users()[0]);
    let id = road.server.expect(&["devbox", "create"], b"").unwrap().trim().to_owned();
    let expected: String = (1..=60_000).map(|number| format!("{number}\n")).collect();
    let ran = road.server.call(&["devbox", "exec", &id, "--", "seq 1 60000; exit 3"], b"").unwrap();
    assert_eq!((ran.status.code(), text(&ran.stdout)), (Some(3), expected), "{}", text(&ran.stderr));
    let zeros = road.server.call(&["devbox", "exec", &id, "--", "head -c 200000 /dev/zero"], b"").unwrap();
    assert_eq!((zeros.status.code(), zeros.stdout.len()), (Some(0), 200_000), "{}", text(&zeros.stderr));
}

#[test]
fn who_is_interrupted_ends_the_command_in_the_devbox() {
    let road = Road::start(users()[0]);
    let id = road.server.expect(&["devbox", "create"], b"").unwrap().trim().to_owned();
    let mut command = road.server.command(&["devbox", "exec", &id, "--", "echo begun; exec -a a-name-to-look-for sleep 1000"]);
    let mut running = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut begun = [0; 6];
    std::io::Read::read_exact(running.stdout.as_mut().unwrap(), &mut begun).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(running.id().cast_signed()), nix::sys::signal::Signal::SIGINT).unwrap();
    let ended = running.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), text(&ended.stderr).contains("ended the command")), (Some(130), true), "{}", text(&ended.stderr));
    let left = road.server.expect(&["devbox", "exec", &id, "--", "grep -la '[a]-name-to-look' /proc/*/cmdline; true"], b"").unwrap();
    assert_eq!(left, "");
}

#[test]
fn a_gateway_that_waits_for_a_person_is_told_of() {
    let road = Road::start(users()[0]);
    let said = |arguments: &[&str]| road.server.expect(arguments, b"").unwrap();
    said(&["gateway-config", "create", "mine", "--endpoint", &format!("https://{BOUND}")]);
    road.server.expect(&["secret", "set", "NOWHERE"], b"a plain value").unwrap();
    let made = road.server.call(&["devbox", "create", "--gateway", "MY_API=mine:NOWHERE", "--keep-alive", "10m"], b"").unwrap();
    assert!(made.status.success() && text(&made.stderr).contains("tightlip approve prq_"), "{}", text(&made.stderr));
}

/// A shell at a terminal that answers what it is asked; what is left to read for the shell once the command has ended.
const SEAT: &str = r#"
import os, pty, re, select, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execvp("sh", ["sh", "-c", "\"$@\"; stty raw -echo; exec python3 -c 'import os, select\nleft = b\"\"\nwhile select.select([0], [], [], 1)[0]: left += os.read(0, 4096)\nprint(\"left\", left.hex() or \"nothing\", \"end\")'", "sh"] + sys.argv[1:])
said, asked = b"", b""
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    said += piece
    asked += piece
    while question := re.search(rb"\x1b\[(5n|6n|\?\d+\$p)", asked):
        asked = asked[question.end():]
        time.sleep(0.05)
        word = question.group(1)
        os.write(terminal, b"\x1b[0n" if word == b"5n" else b"\x1b[24;80R" if word == b"6n" else b"\x1b[" + word[:-2] + b";0$y")
os.waitpid(pid, 0)
sys.stdout.buffer.write(said)
"#;

#[test]
fn what_exec_makes_the_terminal_answer_is_not_left_for_the_shell() {
    let road = Road::start(users()[0]);
    let id = road.server.expect(&["devbox", "create"], b"").unwrap().trim().to_owned();
    for (line, ends) in [("printf '\\033[6n\\033[5n\\033[8m'", "begun"), ("printf '\\033[6n' >&2; echo out", "out")] {
        let exec = road.server.command(&["devbox", "exec", &id, "--", &format!("echo begun; {line}")]);
        let mut seat = std::process::Command::new("python3");
        seat.args(["-c", SEAT]).arg(exec.get_program()).args(exec.get_args());
        seat.envs(exec.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let said = text(&seat.stdin(Stdio::null()).output().unwrap().stdout);
        assert!(said.contains(ends) && said.contains("left nothing end"), "{line}: {said:?}");
        assert!(said.contains("\u{1b}[m"), "the terminal shows what comes next: {said:?}");
    }
}
