//! What a command of a devbox is, sees and may do.

use link::keeper::{Kept, Order, Trouble};
use model::limits::{COMMAND_BYTES_MAX, EXECUTIONS_MAX};

use super::Test;
use super::fixture::{Keeper, hosted, next_execution};

pub const TESTS: &[Test] = &[
    ("a_command_before_the_devbox_is_open_is_refused", a_command_before_the_devbox_is_open_is_refused),
    ("what_is_not_there_is_named", what_is_not_there_is_named),
    ("a_command_that_is_too_long_is_refused", a_command_that_is_too_long_is_refused),
    ("a_command_is_a_login_shell_at_home", a_command_is_a_login_shell_at_home),
    ("variables_reach_commands_and_no_other_process", variables_reach_commands_and_no_other_process),
    ("malformed_variables_are_refused", malformed_variables_are_refused),
    ("the_walls_stand_around_every_command", the_walls_stand_around_every_command),
    ("nothing_of_the_host_is_there_but_its_system", nothing_of_the_host_is_there_but_its_system),
    ("the_code_is_the_commands", the_code_is_the_commands),
    ("a_text_is_never_an_option_of_the_shell", a_text_is_never_an_option_of_the_shell),
    ("commands_share_home_and_see_each_other", commands_share_home_and_see_each_other),
    ("a_command_of_the_same_id_is_not_run_again", a_command_of_the_same_id_is_not_run_again),
    ("many_commands_run_at_a_time", many_commands_run_at_a_time),
    ("more_commands_than_the_limit_are_refused_and_old_ones_forgotten", more_commands_than_the_limit_are_refused_and_old_ones_forgotten),
    ("kill_ends_the_whole_session", kill_ends_the_whole_session),
    ("kill_ends_a_fork_bomb_and_nothing_else", kill_ends_a_fork_bomb_and_nothing_else),
    ("who_stops_every_new_command_keeps_no_devbox_from_ending", who_stops_every_new_command_keeps_no_devbox_from_ending),
    ("what_runs_on_after_its_command_can_be_killed", what_runs_on_after_its_command_can_be_killed),
];

fn a_command_before_the_devbox_is_open_is_refused() {
    let keeper = Keeper::start();
    let devbox = keeper.build(&hosted(), b"");
    assert_eq!(keeper.execute_as(&devbox, &next_execution(), "true"), Err(Trouble::NotNow));
    assert!(matches!(keeper.ask(&Order::Open { devbox: devbox.clone() }), Kept::Done));
    assert!(matches!(keeper.ask(&Order::Open { devbox: devbox.clone() }), Kept::Failed(Trouble::NotNow)));
    keeper.says(&devbox, "true");
}

fn what_is_not_there_is_named() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let (other, execution) = (super::fixture::next_devbox(), next_execution());
    assert_eq!(keeper.execute_as(&other, &execution, "true"), Err(Trouble::NoDevbox));
    for order in [Order::Open { devbox: other.clone() }, Order::Listeners { devbox: other.clone() }] {
        assert!(matches!(keeper.ask(&order), Kept::Failed(Trouble::NoDevbox)));
    }
    for order in [
        Order::Execution { devbox: devbox.clone(), execution: execution.clone(), wait_ms: 0 },
        Order::Kill { devbox: devbox.clone(), execution: execution.clone() },
        Order::Output { devbox, execution, stream: model::Stream::Stdout, from: 0, wait_ms: 0 },
    ] {
        assert!(matches!(keeper.ask(&order), Kept::Failed(Trouble::NoExecution)));
    }
}

fn a_command_that_is_too_long_is_refused() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let text = |bytes: usize| format!(": {}; echo whole", "x".repeat(bytes - 14));
    let refused = keeper.execute_as(&devbox, &next_execution(), &text(COMMAND_BYTES_MAX + 1)).unwrap_err();
    assert!(matches!(refused, Trouble::Refused(words) if words.contains("102400")));
    assert_eq!(keeper.says(&devbox, &text(COMMAND_BYTES_MAX)), "whole");
}

fn a_command_is_a_login_shell_at_home() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let said =
        keeper.says(&devbox, "shopt -q login_shell && echo login; pwd; echo $HOME $USER $LOGNAME $SHELL; whoami; readlink /proc/self/fd/0");
    assert_eq!(said, "login\n/home/user\n/home/user user user /bin/bash\nuser\n/dev/null");
    keeper.says(&devbox, "echo 'export FROM_PROFILE=yes' > ~/.bash_profile");
    assert_eq!(keeper.says(&devbox, "echo $FROM_PROFILE; touch made; umask"), "yes\n0022");
}

fn variables_reach_commands_and_no_other_process() {
    let keeper = Keeper::start();
    let devbox = keeper.open(&hosted(), b"PLAIN=the value=1\nof two lines\0HOME=/elsewhere\0PATH=/usr/bin:/bin\0");
    let other = keeper.plain_devbox();
    assert_eq!(keeper.says(&devbox, "echo \"$ASKED|$PLAIN|$HOME|$PATH\""), "for|the value=1\nof two lines|/home/user|/usr/bin:/bin");
    assert_eq!(
        keeper.says(&other, "echo \"${PLAIN-none}\"; cat /proc/*/environ | tr '\\0' '\\n' | grep -c -e 'the value' -e of-the-host; true"),
        "none\n0"
    );
    keeper.execute(&devbox, "exec sleep 2220");
    keeper.says(&devbox, "until pgrep -fx 'sleep 2220'; do :; done");
    // The devbox's own commands have it, and none of the host's processes that made the devbox.
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let has = environ.windows(9).any(|window| window == b"the value");
        assert!(!has || line.starts_with(b"sleep\0"), "{}", String::from_utf8_lossy(&line));
    }
}

fn malformed_variables_are_refused() {
    let keeper = Keeper::start();
    let devbox = keeper.build(&hosted(), b"NO BORDER\0");
    let kept = keeper.ask(&Order::Open { devbox: devbox.clone() });
    assert!(matches!(&kept, Kept::Failed(Trouble::Refused(words)) if !words.contains("BORDER")), "{kept:?}");
    assert_eq!(keeper.roster(), []);
    assert!(matches!(keeper.ask(&Order::Open { devbox }), Kept::Failed(Trouble::NoDevbox)));
}

fn the_walls_stand_around_every_command() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let none = "0000000000000000";
    for _ in 0..2 {
        let said = keeper.says(&devbox, "grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status | tr -d '\\t' | tr '\\n' ' '");
        assert_eq!(said, format!("CapInh:{none} CapPrm:{none} CapEff:{none} CapBnd:{none} CapAmb:{none} NoNewPrivs:1 Seccomp:2"));
    }
    assert_eq!(keeper.says(&devbox, "unshare -U true 2>/dev/null || echo refused; ls /proc/self/fd | wc -l"), "refused\n4");
    let said = keeper.says(&devbox, "ulimit -c; ulimit -Hc; ulimit -n; ulimit -u; touch /etc/x /usr/x 2>/dev/null || echo read-only");
    let lines: Vec<_> = said.lines().collect();
    assert_eq!((lines[0], lines[1], lines[2], lines[4]), ("0", "0", "1024", "read-only"));
    assert!(lines[3].parse::<u64>().unwrap() <= 4096);
    let said =
        keeper.says(&devbox, "kill -9 1 2>/dev/null; kill -STOP 1 2>/dev/null; cat /proc/1/environ /proc/1/maps 2>/dev/null; echo alive");
    assert_eq!(said, "alive");
    assert_eq!(keeper.says(&devbox, "(: <>/dev/tcp/127.0.0.1/22) 2>&1 | grep -o refused | head -1"), "refused");
}

fn nothing_of_the_host_is_there_but_its_system() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    assert_eq!(keeper.says(&devbox, "ls -A /home /home/user /root /work /mnt /opt /srv /tmp 2>/dev/null | grep -v -e : -e '^$'"), "user");
    assert_eq!(keeper.says(&devbox, "stat -f -c %T ~ /tmp; cat /etc/ssl/certs/ca-certificates.crt"), "tmpfs\ntmpfs\na bundle");
}

fn the_code_is_the_commands() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    for (command, code) in [("exit 0", 0), ("exit 7", 7), ("no-such-command", 127), ("kill -TERM $$", 128 + 15), ("exit 255", 255)] {
        let done = keeper.wait(&devbox, &keeper.execute(&devbox, command));
        assert_eq!(done.code, code, "{done:?}");
    }
}

fn a_text_is_never_an_option_of_the_shell() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let done = keeper.wait(&devbox, &keeper.execute(&devbox, "--version"));
    assert_eq!((done.code, &*done.output), (127, ""), "{done:?}");
    assert!(done.error.contains("--version"));
}

fn commands_share_home_and_see_each_other() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    keeper.says(&devbox, "echo kept > note; sleep 4321 >/dev/null 2>&1 &");
    assert_eq!(keeper.says(&devbox, "cat note; pgrep -cx sleep; pkill -x sleep && echo signalled"), "kept\n1\nsignalled");
}

fn a_command_of_the_same_id_is_not_run_again() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let id = next_execution();
    for _ in 0..3 {
        assert_eq!(keeper.execute_as(&devbox, &id, "echo once >> count; sleep 0.05").unwrap().execution, id);
    }
    keeper.wait(&devbox, &id);
    keeper.execute_as(&devbox, &id, "echo once >> count").unwrap();
    assert_eq!(keeper.says(&devbox, "cat count"), "once");
}

fn many_commands_run_at_a_time() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    // Each waits for the last one.
    let ids: Vec<_> =
        (0..30).map(|number| keeper.execute(&devbox, &format!("until [ -e go ]; do sleep 0.02; done; echo {number}"))).collect();
    assert!(ids.iter().all(|id| keeper.look(&devbox, id, 0).ended.is_none()));
    keeper.says(&devbox, "touch go");
    for (number, id) in ids.iter().enumerate() {
        let done = keeper.wait(&devbox, id);
        assert_eq!((done.code, done.output), (0, format!("{number}\n")));
    }
}

fn more_commands_than_the_limit_are_refused_and_old_ones_forgotten() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let first: Vec<_> = (0..EXECUTIONS_MAX).map(|_| keeper.execute(&devbox, "exec sleep 3333")).collect();
    assert_eq!(keeper.execute_as(&devbox, &next_execution(), "true"), Err(Trouble::TooMany));
    keeper.execute_as(&devbox, &first[0], "true").unwrap();
    for id in &first {
        assert_eq!(keeper.kill(&devbox, id).ended, Some(128 + 9));
    }
    let last = keeper.execute(&devbox, "echo new");
    assert_eq!(keeper.wait(&devbox, &last).output, "new\n");
    let look = |id: &model::ExecutionId| keeper.ask(&Order::Execution { devbox: devbox.clone(), execution: id.clone(), wait_ms: 0 });
    assert!(matches!(look(&first[0]), Kept::Failed(Trouble::NoExecution)));
    assert!(matches!(look(&first[1]), Kept::Execution(_)));
}

fn kill_ends_the_whole_session() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    // Two of it have left the group, one ignores every signal that can be ignored.
    let script = "set -m; sleep 2221 & sleep 2222 & (trap '' TERM HUP INT; exec sleep 2223) & echo ready; wait";
    let id = keeper.execute(&devbox, script);
    keeper.piece(&devbox, &id, model::Stream::Stdout, 0, 10_000);
    let other = keeper.execute(&devbox, "exec sleep 2224");
    assert_eq!(keeper.kill(&devbox, &id).ended, Some(128 + 9));
    assert_eq!(keeper.says(&devbox, "pgrep -ax sleep | cut -d' ' -f2-"), "sleep 2224");
    assert_eq!(keeper.kill(&devbox, &other).ended, Some(128 + 9));
    assert_eq!(keeper.kill(&devbox, &other).ended, Some(128 + 9));
}

fn kill_ends_a_fork_bomb_and_nothing_else() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let other = keeper.execute(&devbox, "exec sleep 2225");
    let bomb = keeper.execute(&devbox, "bomb() { bomb | bomb & }; bomb; wait; while :; do bomb; done 2>/dev/null");
    keeper.look(&devbox, &bomb, 300);
    // On a machine that is busy its last process may be seen to go only after the answer.
    let killed = keeper.kill(&devbox, &bomb).ended;
    let ended = killed.or_else(|| keeper.look(&devbox, &bomb, 20_000).ended);
    assert_eq!(ended, Some(128 + 9));
    assert_eq!(keeper.look(&devbox, &other, 0).ended, None);
    // Pid 1, the other command, and this shell, which counts by itself. Hundreds were killed: the last of them are waited for.
    let count = "for i in $(seq 200); do set -- /proc/[0-9]*; [ $# -le 3 ] && exit; sleep 0.05; done; cat /proc/[0-9]*/stat";
    assert_eq!(keeper.says(&devbox, count), "");
}

fn who_stops_every_new_command_keeps_no_devbox_from_ending() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    keeper.execute(&devbox, "perl -e 'while (1) { kill \"STOP\", -1 }'");
    let orders: Vec<_> = (0..20)
        .map(|_| {
            let order = Order::Execute { devbox: devbox.clone(), execution: next_execution(), command: "true".to_owned() };
            keeper.ask_later(&order, &[])
        })
        .collect();
    keeper.end(&devbox);
    assert_eq!(keeper.children(), 0);
    drop(orders);
}

fn what_runs_on_after_its_command_can_be_killed() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let id = keeper.execute(&devbox, "sleep 2226 & exit 3");
    assert_eq!(keeper.look(&devbox, &id, 10_000).ended, Some(3));
    assert_eq!(keeper.says(&devbox, "pgrep -cx sleep"), "1");
    assert_eq!(keeper.kill(&devbox, &id).ended, Some(3));
    assert_eq!(keeper.says(&devbox, "for i in $(seq 100); do pgrep -cx sleep || exit 0; sleep 0.02; done"), "0");
}
