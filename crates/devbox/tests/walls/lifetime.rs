//! Codes, signals, and that nothing outlives its maker.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Test;
use super::cli::{Box, command, folder, shell};

pub const TESTS: &[Test] = &[
    ("a_missing_command_is_127", a_missing_command_is_127),
    ("a_command_that_cannot_run_is_126", a_command_that_cannot_run_is_126),
    ("the_code_is_the_commands", the_code_is_the_commands),
    ("a_broken_pipe_ends_the_writer", a_broken_pipe_ends_the_writer),
    ("a_script_without_interpreter_line_runs", a_script_without_interpreter_line_runs),
    ("signals_are_passed_on", signals_are_passed_on),
    ("a_killed_command_is_128_and_the_signal", a_killed_command_is_128_and_the_signal),
    ("what_was_not_looked_at_is_said", what_was_not_looked_at_is_said),
    ("zombies_are_reaped", zombies_are_reaped),
    ("what_runs_on_ends_with_the_command", what_runs_on_ends_with_the_command),
    ("nothing_is_left_when_the_maker_is_killed", nothing_is_left_when_the_maker_is_killed),
    ("another_thread_can_end_it", another_thread_can_end_it),
    ("where_namespaces_are_forbidden_the_setting_is_named", where_namespaces_are_forbidden_the_setting_is_named),
    ("sockets_are_relayed_not_passed", sockets_are_relayed_not_passed),
    ("much_output_arrives_whole", much_output_arrives_whole),
];

fn a_missing_command_is_127() {
    let work = folder();
    assert_eq!(command(work.path(), &["no-such-command"]).output().status.code(), Some(127));
    assert_eq!(command(work.path(), &["./no-such-command"]).output().status.code(), Some(127));
}

fn a_command_that_cannot_run_is_126() {
    use std::os::unix::fs::PermissionsExt;
    let work = folder();
    std::fs::write(work.path().join("plain"), "text").unwrap();
    assert_eq!(command(work.path(), &["./plain"]).output().status.code(), Some(126));
    std::fs::write(work.path().join("orphan"), "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(work.path().join("orphan"), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(command(work.path(), &["./orphan"]).output().status.code(), Some(126));
    assert_eq!(command(work.path(), &["/usr"]).output().status.code(), Some(126));
}

fn the_code_is_the_commands() {
    let work = folder();
    for code in [0, 1, 42, 125, 255] {
        assert_eq!(shell(work.path(), &format!("exit {code}")).output().status.code(), Some(code));
    }
}

fn a_broken_pipe_ends_the_writer() {
    let work = folder();
    assert_eq!(shell(work.path(), "yes | head -1 > /dev/null; echo ${PIPESTATUS[0]}").says(), "141");
}

fn a_script_without_interpreter_line_runs() {
    use std::os::unix::fs::PermissionsExt;
    let work = folder();
    std::fs::write(work.path().join("script"), "echo run with $1\n").unwrap();
    std::fs::set_permissions(work.path().join("script"), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(command(work.path(), &["./script", "this"]).says(), "run with this");
}

/// A devbox that has said its first line.
fn started(asked: &Box) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = asked.cli().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    (child, out)
}

fn signals_are_passed_on() {
    let work = folder();
    for (signal, name) in [(Signal::SIGINT, "INT"), (Signal::SIGTERM, "TERM"), (Signal::SIGHUP, "HUP")] {
        let (mut child, mut out) =
            started(&shell(work.path(), &format!("trap 'echo got {name}; exit 7' {name}; echo ready; while :; do sleep 0.05; done")));
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!((rest.trim(), child.wait().unwrap().code()), (&*format!("got {name}"), Some(7)));
    }
}

fn a_killed_command_is_128_and_the_signal() {
    let work = folder();
    let (mut child, _out) = started(&shell(work.path(), "echo ready; exec sleep 100"));
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    assert_eq!(shell(work.path(), "kill -KILL $$").output().status.code(), Some(128 + 9));
}

fn what_was_not_looked_at_is_said() {
    let work = folder();
    // The maker tells what is masked once it knows that the command runs.
    std::fs::write(work.path().join(".env"), "").unwrap();
    let mut child = shell(work.path(), "exec sleep 100").cli().stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    told.read_line(&mut line).unwrap();
    // Its pid 1 is the only child of the maker's only child.
    let only_child =
        |pid: u32| -> u32 { std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap().trim().parse().unwrap() };
    kill(Pid::from_raw(only_child(only_child(child.id())).try_into().unwrap()), Signal::SIGKILL).unwrap();
    let mut said = String::new();
    told.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(128 + 9));
    assert!(said.contains("nothing was looked at when the devbox ended") && said.contains(".git/hooks"), "{said}");
}

fn zombies_are_reaped() {
    let work = folder();
    let script = "for i in $(seq 20); do (sleep 0.01 &) ; done; for i in $(seq 100); do z=$(grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l); r=$(ls -d /proc/[0-9]* | wc -l); [ $r -le 3 ] && [ $z = 0 ] && break; sleep 0.05; done; echo $z";
    assert_eq!(shell(work.path(), script).says(), "0");
}

fn what_runs_on_ends_with_the_command() {
    let work = folder();
    let output = shell(work.path(), "(setsid sleep 1000 &) ; exit 3").output();
    assert_eq!(output.status.code(), Some(3));
    assert!(!anywhere("sleep\u{0}1000"));
}

fn nothing_is_left_when_the_maker_is_killed() {
    let work = folder();
    let before = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let (mut child, mut out) = started(&shell(
        work.path(),
        "(setsid sleep 1234 &) ; until cat /proc/[0-9]*/comm 2>/dev/null | grep -qx sleep; do :; done; echo ready; sleep 1235",
    ));
    assert!(anywhere("sleep\u{0}1234"));
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    // The pipe closes when the last process that holds it has ended.
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(!anywhere("sleep\u{0}1234"));
    assert_eq!(std::fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
}

/// Whether some process of the host has these words in its command line.
fn anywhere(words: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok()).any(|line| line.starts_with(words.as_bytes()))
}

fn another_thread_can_end_it() {
    let work = folder();
    let mut asked = shell(work.path(), "trap '' TERM; sleep 1000");
    asked.end = true;
    let output = asked.output();
    assert_eq!(output.status.code(), Some(128 + 9));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the gateway is gone"));
}

fn where_namespaces_are_forbidden_the_setting_is_named() {
    let work = folder();
    let cli = shell(work.path(), "true").cli();
    let mut outer = Command::new("unshare");
    outer
        .args(["-Ur", "sh", "-c", "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"", "sh"])
        .arg(cli.get_program())
        .args(cli.get_args());
    let output = outer.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125));
    assert!(said.contains("user.max_user_namespaces is 0") && said.contains("sudo sysctl -w user.max_user_namespaces="), "{said}");
}

fn sockets_are_relayed_not_passed() {
    let work = folder();
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let (input, mut feed) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut cli = shell(work.path(), "stat -Lc %F /proc/self/fd/0 /proc/self/fd/1; cat").cli();
    let mut child = cli
        .arg0("cli")
        .stdin(std::os::fd::OwnedFd::from(input))
        .stdout(std::os::fd::OwnedFd::from(theirs))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(cli);
    std::io::Write::write_all(&mut feed, b"hello").unwrap();
    drop(feed);
    let mut said = String::new();
    ours.read_to_string(&mut said).unwrap();
    assert_eq!(said, "fifo\nfifo\nhello");
    assert!(child.wait().unwrap().success());
}

fn much_output_arrives_whole() {
    let work = folder();
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    // Also when the command ends as a devbox that was lost would.
    let mut cli = shell(work.path(), "head -c 3000000 /dev/zero; kill -9 $$").cli();
    let mut child = cli.stdin(Stdio::null()).stdout(std::os::fd::OwnedFd::from(theirs)).stderr(Stdio::null()).spawn().unwrap();
    drop(cli);
    let mut said = Vec::new();
    ours.read_to_end(&mut said).unwrap();
    assert_eq!((said.len(), child.wait().unwrap().code()), (3_000_000, Some(137)));
}
