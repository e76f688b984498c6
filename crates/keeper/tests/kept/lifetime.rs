//! How devboxes come and go, many beside each other.

use std::os::fd::AsFd;

use link::calls::Numbered;
use link::keeper::{Hosted, Kept, Order, Trouble};
use model::Stream;

use super::Test;
use super::fixture::{Keeper, anywhere, children_of, hosted, memory, next_devbox, next_execution};

pub const TESTS: &[Test] = &[
    ("a_devbox_of_the_same_id_is_refused", a_devbox_of_the_same_id_is_refused),
    ("a_devbox_without_its_files_is_refused", a_devbox_without_its_files_is_refused),
    ("more_ports_than_a_message_has_room_for_are_refused", more_ports_than_a_message_has_room_for_are_refused),
    ("a_devbox_that_is_just_made_can_be_ended", a_devbox_that_is_just_made_can_be_ended),
    ("listeners_are_given_again", listeners_are_given_again),
    ("done_already_is_done", done_already_is_done),
    ("a_fork_bomb_ends_with_its_devbox", a_fork_bomb_ends_with_its_devbox),
    ("a_full_process_table_is_told_and_mended", a_full_process_table_is_told_and_mended),
    ("a_devbox_ends_with_its_entrypoint", a_devbox_ends_with_its_entrypoint),
    ("an_entrypoint_runs_beside_the_commands", an_entrypoint_runs_beside_the_commands),
    ("a_devbox_whose_pid_1_is_killed_has_ended", a_devbox_whose_pid_1_is_killed_has_ended),
    ("who_waits_is_told_of_the_devboxs_end", who_waits_is_told_of_the_devboxs_end),
    ("nothing_is_left_when_the_line_is_closed", nothing_is_left_when_the_line_is_closed),
    ("nothing_is_left_when_the_keeper_is_killed", nothing_is_left_when_the_keeper_is_killed),
    ("fifty_devboxes_live_side_by_side", fifty_devboxes_live_side_by_side),
    ("a_devbox_outlives_the_gateway", a_devbox_outlives_the_gateway),
    ("what_is_not_of_the_protocol_ends_nothing", what_is_not_of_the_protocol_ends_nothing),
];

fn a_devbox_of_the_same_id_is_refused() {
    let keeper = Keeper::start();
    let devbox = keeper.build(&hosted(), b"");
    assert!(matches!(keeper.build_later(&devbox, &hosted(), b"").answer().0, Kept::Failed(Trouble::NotNow)));
    assert_eq!(keeper.roster(), [devbox]);
}

fn a_devbox_without_its_files_is_refused() {
    let keeper = Keeper::start();
    let kept = keeper.ask(&Order::Build { devbox: next_devbox(), hosted: hosted() });
    assert!(matches!(kept, Kept::Failed(Trouble::Refused(_))), "{kept:?}");
    assert_eq!(keeper.roster(), []);
}

fn more_ports_than_a_message_has_room_for_are_refused() {
    let keeper = Keeper::start();
    let build =
        |ports: u16| keeper.build_later(&next_devbox(), &Hosted { ports: (1000..1000 + ports).collect(), ..hosted() }, b"").answer();
    let (kept, _) = build(63);
    assert!(matches!(&kept, Kept::Failed(Trouble::Refused(words)) if words.contains("62 ports")), "{kept:?}");
    let (kept, fds) = build(62);
    assert!(matches!(&kept, Kept::Listening { roles } if roles.len() == fds.len() && fds.len() >= 63), "{kept:?}");
}

fn a_devbox_that_is_just_made_can_be_ended() {
    let keeper = Keeper::start();
    for _ in 0..5 {
        let devbox = next_devbox();
        let build = keeper.build_later(&devbox, &hosted(), b"");
        keeper.end(&devbox);
        assert!(matches!(build.answer().0, Kept::Listening { .. }));
        let devbox = keeper.build(&hosted(), b"");
        let open = keeper.ask_later(&Order::Open { devbox: devbox.clone() }, &[]);
        keeper.end(&devbox);
        assert!(matches!(open.answer().0, Kept::Done));
        assert_eq!((keeper.children(), keeper.roster()), (0, Vec::new()));
    }
}

fn listeners_are_given_again() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let running = keeper.execute(&devbox, "cat </dev/tcp/93.184.216.34/80");
    let (kept, fds) = keeper.ask_later(&Order::Listeners { devbox: devbox.clone() }, &[]).answer();
    let Kept::Listening { roles } = kept else { panic!("{kept:?}") };
    let web = roles.iter().zip(fds).find(|(role, _)| **role == link::cli::Role::Tcp(80)).unwrap().1;
    let (connection, _) = std::net::TcpListener::from(web).accept().unwrap();
    std::io::Write::write_all(&mut &connection, connection.local_addr().unwrap().to_string().as_bytes()).unwrap();
    drop(connection);
    assert_eq!(keeper.wait(&devbox, &running).output, "[::ffff:93.184.216.34]:80");
}

fn done_already_is_done() {
    let keeper = Keeper::start();
    let (devbox, closed) = (keeper.plain_devbox(), keeper.build(&hosted(), b""));
    let endings: Vec<_> = [&devbox, &closed, &devbox].map(|devbox| keeper.ask_later(&Order::End { devbox: devbox.clone() }, &[])).into();
    assert!(endings.iter().all(|ending| matches!(ending.answer().0, Kept::Done)));
    assert_eq!((keeper.children(), keeper.roster()), (0, Vec::new()));
    keeper.end(&devbox);
    assert_eq!(keeper.execute_as(&devbox, &next_execution(), "true"), Err(Trouble::NoDevbox));
}

/// Forks until the table is full, and goes on.
const BOMB: &str = "bomb() { bomb | bomb & }; bomb; while :; do bomb; done 2>/dev/null";

fn a_fork_bomb_ends_with_its_devbox() {
    let keeper = Keeper::start();
    let (devbox, other) = (keeper.plain_devbox(), keeper.plain_devbox());
    let bomb = keeper.execute(&devbox, BOMB);
    keeper.look(&devbox, &bomb, 500);
    assert_eq!(keeper.says(&other, "echo untouched"), "untouched");
    keeper.end(&devbox);
    assert_eq!((keeper.children(), keeper.roster()), (1, vec![other]));
}

fn a_full_process_table_is_told_and_mended() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let script = "perl -e 'while (defined($p = fork)) { if (!$p) { sleep 1000; exit } } $| = 1; print \"full\\n\"; sleep 1000'";
    let full = keeper.execute(&devbox, script);
    assert_eq!(keeper.piece(&devbox, &full, Stream::Stdout, 0, 20_000).bytes, b"full\n");
    let refused = keeper.execute_as(&devbox, &next_execution(), "true").unwrap_err();
    assert!(matches!(&refused, Trouble::Refused(words) if words.contains("start the command's process")), "{refused:?}");
    assert_eq!(keeper.kill(&devbox, &full).ended, Some(128 + 9));
    assert_eq!(keeper.says(&devbox, "echo again"), "again");
}

fn with_entrypoint(text: &str) -> Hosted {
    Hosted { entrypoint: Some(text.to_owned()), ..hosted() }
}

fn a_devbox_ends_with_its_entrypoint() {
    let keeper = Keeper::start();
    let devbox = keeper.open(&with_entrypoint("until [ -e go ]; do sleep 0.02; done; exit 9"), b"");
    keeper.execute(&devbox, "(setsid sleep 5551 &); touch go; sleep 5552");
    let kept = keeper.unasked();
    assert!(matches!(&kept, Kept::Ended { devbox: which, entrypoint: Some(9) } if *which == devbox), "{kept:?}");
    assert!(!anywhere("sleep\u{0}5551") && !anywhere("sleep\u{0}5552"));
    assert_eq!((keeper.children(), keeper.roster()), (0, Vec::new()));
    assert_eq!(keeper.execute_as(&devbox, &next_execution(), "true"), Err(Trouble::NoDevbox));
}

fn an_entrypoint_runs_beside_the_commands() {
    let keeper = Keeper::start();
    let devbox = keeper.open(&with_entrypoint("echo $PLAIN > started; exec sleep 5553"), b"PLAIN=given\0");
    assert_eq!(keeper.says(&devbox, "until [ -s started ]; do sleep 0.02; done; cat started; pgrep -cx sleep"), "given\n1");
}

fn a_devbox_whose_pid_1_is_killed_has_ended() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let [waiter] = children_of(keeper.child.id())[..] else { panic!("one child") };
    let [first] = children_of(waiter)[..] else { panic!("one pid 1") };
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first.try_into().unwrap()), nix::sys::signal::Signal::SIGKILL).unwrap();
    let kept = keeper.unasked();
    assert!(matches!(&kept, Kept::Ended { devbox: which, entrypoint: None } if *which == devbox), "{kept:?}");
    assert_eq!(keeper.children(), 0);
}

fn who_waits_is_told_of_the_devboxs_end() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let execution = keeper.execute(&devbox, "exec sleep 5554");
    let waits = [
        keeper.ask_later(&Order::Execution { devbox: devbox.clone(), execution: execution.clone(), wait_ms: 60_000 }, &[]),
        keeper.ask_later(&Order::Output { devbox: devbox.clone(), execution, stream: Stream::Stderr, from: 0, wait_ms: 60_000 }, &[]),
    ];
    keeper.end(&devbox);
    assert!(waits.iter().all(|wait| matches!(wait.answer().0, Kept::Failed(Trouble::NoDevbox))));
}

fn nothing_is_left_when_the_line_is_closed() {
    let before = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut keeper = Keeper::start();
    let (devbox, _closed) = (keeper.plain_devbox(), keeper.build(&hosted(), b""));
    keeper.says(&devbox, "(setsid sleep 5555 >/dev/null 2>&1 &)");
    keeper.execute(&devbox, "trap '' TERM HUP; sleep 5556");
    // One that is just being made.
    let _asked = keeper.build_later(&next_devbox(), &hosted(), b"");
    let id = keeper.child.id();
    keeper.close();
    assert!(!anywhere("sleep\u{0}5555") && !anywhere("sleep\u{0}5556"));
    assert!(!std::fs::exists(format!("/proc/{id}")).unwrap());
    assert_eq!(std::fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
}

fn nothing_is_left_when_the_keeper_is_killed() {
    let mut keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    keeper.execute(&devbox, "exec sleep 5557");
    let [waiter] = children_of(keeper.child.id())[..] else { panic!("one child") };
    let handle = rustix::process::pidfd_open(
        rustix::process::Pid::from_raw(waiter.try_into().unwrap()).unwrap(),
        rustix::process::PidfdFlags::empty(),
    );
    keeper.child.kill().unwrap();
    keeper.child.wait().unwrap();
    // The waiter outside ends when pid 1 has, and that is the last.
    let handle = handle.unwrap();
    let mut ended = [rustix::event::PollFd::new(&handle, rustix::event::PollFlags::IN)];
    assert_eq!(rustix::event::poll(&mut ended, Some(&rustix::event::Timespec { tv_sec: 20, tv_nsec: 0 })), Ok(1));
    assert!(!anywhere("sleep\u{0}5557"));
    // It did not end well, and was not to.
    std::mem::forget(keeper);
}

fn fifty_devboxes_live_side_by_side() {
    let keeper = Keeper::start();
    let ids: Vec<_> = (0..50).map(|_| next_devbox()).collect();
    let asked: Vec<_> = ids.iter().map(|id| keeper.build_later(id, &hosted(), b"")).collect();
    assert!(asked.iter().all(|asked| matches!(asked.answer().0, Kept::Listening { .. })));
    let asked: Vec<_> = ids.iter().map(|id| keeper.ask_later(&Order::Open { devbox: id.clone() }, &[])).collect();
    assert!(asked.iter().all(|asked| matches!(asked.answer().0, Kept::Done)));
    assert_eq!((keeper.children(), keeper.roster().len()), (50, 50));
    let runs: Vec<_> = ids.iter().map(|id| (id, keeper.execute(id, "echo $ASKED; sleep 0.1"))).collect();
    for (id, run) in &runs {
        assert_eq!(keeper.wait(id, run).output, "for\n");
    }
    let asked: Vec<_> = ids.iter().map(|id| keeper.ask_later(&Order::End { devbox: id.clone() }, &[])).collect();
    assert!(asked.iter().all(|asked| matches!(asked.answer().0, Kept::Done)));
    assert_eq!((keeper.children(), keeper.roster().len()), (0, 0));
}

fn a_devbox_outlives_the_gateway() {
    let (child, line) = Keeper::spawn(None);
    let (devbox, execution) = (next_devbox(), next_execution());
    let (bundle, plain) = (memory(b"a bundle\n"), memory(b""));
    let mut hosted = hosted();
    hosted.env.push(("LATE".to_owned(), "still here".to_owned()));
    let command = "until [ -e go ]; do sleep 0.02; done; head -c 300000 /dev/zero; echo $LATE".to_owned();
    let orders = [
        Order::Build { devbox: devbox.clone(), hosted },
        Order::Open { devbox: devbox.clone() },
        Order::Execute { devbox: devbox.clone(), execution: execution.clone(), command },
        // The gateway falls before this is answered.
        Order::Execution { devbox: devbox.clone(), execution: execution.clone(), wait_ms: 100 },
    ];
    for (number, message) in (1..).zip(orders) {
        let fds = [bundle.as_fd(), plain.as_fd()];
        let fds = if number == 1 { &fds[..] } else { &[] };
        line.send(&Numbered { number: Some(number), message }, fds).unwrap();
        if number < 4 {
            let (answer, _) = line.recv::<Numbered<Kept>>().unwrap();
            assert!(answer.number == Some(number) && !matches!(answer.message, Kept::Failed(_)), "{answer:?}");
        }
    }
    let keeper = Keeper::over(child, line, 1 << 32);
    assert_eq!(keeper.roster(), std::slice::from_ref(&devbox));
    let kept = keeper.ask_later(&Order::Listeners { devbox: devbox.clone() }, &[]).answer();
    assert!(matches!(&kept, (Kept::Listening { roles }, fds) if roles.len() == fds.len() && fds.len() >= 3), "{kept:?}");
    keeper.says(&devbox, "touch go");
    let look = keeper.look(&devbox, &execution, 20_000);
    assert_eq!((look.ended, look.written), (Some(0), [300_011, 0]));
    assert_eq!(keeper.piece(&devbox, &execution, Stream::Stdout, 300_000, 0).bytes, b"still here\n");
}

fn what_is_not_of_the_protocol_ends_nothing() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    keeper.say_nonsense();
    assert_eq!(keeper.says(&devbox, "echo still"), "still");
}
