//! What a process of the devbox is and may do.

use super::Test;
use super::cli::{folder, shell};

pub const TESTS: &[Test] = &[
    ("only_own_processes_are_seen", only_own_processes_are_seen),
    ("no_capability_is_left", no_capability_is_left),
    ("the_environment_is_what_was_asked_for", the_environment_is_what_was_asked_for),
    ("no_descriptor_leaks_in", no_descriptor_leaks_in),
    ("forbidden_calls_are_refused", forbidden_calls_are_refused),
    ("a_nested_user_namespace_is_refused", a_nested_user_namespace_is_refused),
    ("pid_1_cannot_be_reached", pid_1_cannot_be_reached),
    ("limits_of_pid_1_are_not_the_agents", limits_of_pid_1_are_not_the_agents),
    ("no_file_becomes_set_user_id", no_file_becomes_set_user_id),
    ("core_dumps_and_processes_are_limited", core_dumps_and_processes_are_limited),
    ("process_numbers_are_few_for_root_too", process_numbers_are_few_for_root_too),
    ("unix_sockets_of_its_own_work", unix_sockets_of_its_own_work),
    ("threads_and_children_work", threads_and_children_work),
];

fn only_own_processes_are_seen() {
    let work = folder();
    let said = shell(work.path(), "ls /proc | grep -c '^[0-9]'; ls -d /proc/1 2>/dev/null; true").says();
    let seen: usize = said.lines().next().unwrap().parse().unwrap();
    assert!(seen <= 3 && !said.contains("/proc/1"), "{said}");
}

fn no_capability_is_left() {
    let work = folder();
    let said = shell(work.path(), "grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status | tr -d '\\t' | tr '\\n' ' '").says();
    let none = "0000000000000000";
    assert_eq!(said, format!("CapInh:{none} CapPrm:{none} CapEff:{none} CapBnd:{none} CapAmb:{none} NoNewPrivs:1 Seccomp:2"));
}

fn the_environment_is_what_was_asked_for() {
    let work = folder();
    let said =
        shell(work.path(), "env | cut -d= -f1 | sort | tr '\\n' ' '; cat /proc/*/environ | tr '\\0' '\\n' | grep -c of-the-host").output();
    let said = String::from_utf8(said.stdout).unwrap();
    assert_eq!(said, "GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0 HOME PATH PWD SHLVL TERM _ 0\n");
}

fn no_descriptor_leaks_in() {
    let work = folder();
    // A descriptor that the caller's shell left open, without close-on-exec.
    let kept = std::fs::File::open("/etc/hostname").or_else(|_| std::fs::File::open("/etc/passwd")).unwrap();
    let cli = shell(work.path(), "ls /proc/self/fd | wc -l").cli();
    let mut outer = std::process::Command::new("bash");
    outer.arg("-c").arg("exec 7</etc/passwd 9</; exec \"$@\"").arg("bash").arg(cli.get_program()).args(cli.get_args());
    let output = outer.stdin(std::process::Stdio::null()).output().unwrap();
    drop(kept);
    // 0, 1, 2 and the listing itself.
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "4");
}

fn forbidden_calls_are_refused() {
    let calls = [
        ("ptrace", libc::SYS_ptrace, libc::EPERM),
        ("process_vm_readv", libc::SYS_process_vm_readv, libc::EPERM),
        ("mount", libc::SYS_mount, libc::EPERM),
        ("umount2", libc::SYS_umount2, libc::EPERM),
        ("open_tree", libc::SYS_open_tree, libc::EPERM),
        ("setns", libc::SYS_setns, libc::EPERM),
        ("keyctl", libc::SYS_keyctl, libc::EPERM),
        ("bpf", libc::SYS_bpf, libc::EPERM),
        ("perf_event_open", libc::SYS_perf_event_open, libc::EPERM),
        ("kexec_load", libc::SYS_kexec_load, libc::EPERM),
        ("init_module", libc::SYS_init_module, libc::EPERM),
        ("open_by_handle_at", libc::SYS_open_by_handle_at, libc::EPERM),
        ("pidfd_getfd", libc::SYS_pidfd_getfd, libc::EPERM),
        ("io_uring_setup", libc::SYS_io_uring_setup, libc::ENOSYS),
        ("userfaultfd", libc::SYS_userfaultfd, libc::ENOSYS),
        ("clone3", libc::SYS_clone3, libc::ENOSYS),
        ("openat2", libc::SYS_openat2, libc::ENOSYS),
    ];
    let mut script = String::from("perl -e '");
    for (name, number, _) in calls {
        script.push_str(&format!("syscall({number}, 0, 0, 0, 0, 0, 0); print \"{name} \", $!+0, \"\\n\";"));
    }
    script.push_str("$x=\"x\"; print ioctl(STDIN, 0x5412, $x) ? \"typed\" : $!+0'");
    let work = folder();
    let mut wanted: Vec<String> = calls.iter().map(|(name, _, errno)| format!("{name} {errno}")).collect();
    wanted.push(libc::EPERM.to_string());
    assert_eq!(shell(work.path(), &script).says().lines().collect::<Vec<_>>(), wanted);
}

fn a_nested_user_namespace_is_refused() {
    let work = folder();
    let clone =
        format!("perl -e 'my $r = syscall({}, {} | 17, 0, 0, 0, 0); print $r < 0 ? $!+0 : \"made\"'", libc::SYS_clone, libc::CLONE_NEWUSER);
    assert_eq!(shell(work.path(), &format!("unshare -U true 2>/dev/null || echo refused; {clone}")).says(), "refused\n1");
}

fn pid_1_cannot_be_reached() {
    let work = folder();
    let script = "kill -9 1 2>/dev/null; kill -TERM 1 2>/dev/null; cat /proc/1/environ /proc/1/maps /proc/1/root/etc/passwd /proc/1/fd/* 2>/dev/null; echo alive";
    assert_eq!(shell(work.path(), script).says(), "alive");
}

fn limits_of_pid_1_are_not_the_agents() {
    // Each call with pid 1 as whom it is about, then with the caller itself.
    let calls = [
        ("prlimit64", libc::SYS_prlimit64, ["1, 9, 0, $room", "0, 7, 0, $room"]),
        ("sched_setaffinity", libc::SYS_sched_setaffinity, ["1, 8, $ones", "0, 8, $ones"]),
        ("sched_setscheduler", libc::SYS_sched_setscheduler, ["1, 0, $zero", "0, 0, $zero"]),
        ("sched_setparam", libc::SYS_sched_setparam, ["1, $zero", "0, $zero"]),
        ("setpriority", libc::SYS_setpriority, ["0, 1, 5", "0, 0, 5"]),
        ("setpriority of all", libc::SYS_setpriority, ["2, 0, 5", "0, 0, 6"]),
        ("ioprio_set", libc::SYS_ioprio_set, ["1, 1, 16388", "1, 0, 16388"]),
        ("ioprio_set of all", libc::SYS_ioprio_set, ["3, $<, 16388", "1, 0, 16389"]),
    ];
    let mut script = String::from("perl -e '$room = \"\\0\" x 64; $zero = \"\\0\" x 64; $ones = \"\\xff\" x 8;");
    for (name, number, asked) in calls {
        for asked in asked {
            script.push_str(&format!("print \"{name} \", syscall({number}, {asked}) < 0 ? $!+0 : \"done\", \"\\n\";"));
        }
    }
    script.push('\'');
    let wanted: Vec<String> = calls.iter().flat_map(|(name, ..)| [format!("{name} {}", libc::EPERM), format!("{name} done")]).collect();
    let work = folder();
    assert_eq!(shell(work.path(), &script).says().lines().collect::<Vec<_>>(), wanted);
}

fn no_file_becomes_set_user_id() {
    use std::os::unix::fs::PermissionsExt;
    let work = folder();
    let script = "cp /bin/true one; chmod 4755 one 2>/dev/null && echo chmod; install -m 4755 /bin/true two 2>/dev/null && echo install
                  perl -e 'use Fcntl; umask 0; sysopen(F, \"three\", O_RDWR|O_CREAT, 04755) and print \"open\\n\"; syscall({}, -100, \"four\", 0102, 04755) >= 0 and print \"openat\\n\"'
                  perl -e 'sysopen(F, \"one\", 0) and print \"plain\\n\"'; chmod 755 one && chmod +t . && chmod 600 one && echo modes";
    let script = script.replacen("{}", &libc::SYS_openat.to_string(), 1);
    assert_eq!(shell(work.path(), &script).says(), "plain\nmodes");
    for entry in std::fs::read_dir(work.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o4000, 0, "{:?}", entry.file_name());
    }
}

fn core_dumps_and_processes_are_limited() {
    let work = folder();
    let said = shell(work.path(), "ulimit -c; ulimit -Hc; ulimit -u").says();
    let limits: Vec<u64> = said.lines().map(|line| line.parse().unwrap()).collect();
    assert!(limits[0] == 0 && limits[1] == 0 && limits[2] <= 4096, "{said}");
}

fn process_numbers_are_few_for_root_too() {
    // For the machine's root, the limit per user does not hold. Before Linux 6.14 there is one number for the whole machine, which stays.
    let outside = std::fs::read_to_string("/proc/sys/kernel/pid_max").unwrap();
    let work = folder();
    let inside = shell(work.path(), "cat /proc/sys/kernel/pid_max").says();
    assert!(inside == "4096" || inside == outside.trim(), "{inside}");
    assert_eq!(std::fs::read_to_string("/proc/sys/kernel/pid_max").unwrap(), outside, "the machine's own");
}

fn threads_and_children_work() {
    let work = folder();
    assert_eq!(shell(work.path(), "seq 3 | xargs -P3 -n1 echo | sort | tr -d '\\n'; (sleep 0.01 & wait); node -e 'setTimeout(()=>console.log(\"ok\"))' 2>/dev/null || echo ok").says(), "123ok");
}

fn unix_sockets_of_its_own_work() {
    let work = folder();
    let script = "perl -MIO::Socket::UNIX -e 'for $p (\"/tmp/s\", \"own.sock\") { $l = IO::Socket::UNIX->new(Local=>$p, Listen=>1); print IO::Socket::UNIX->new(Peer=>$p) ? \"connected \" : \"refused \" }'";
    assert_eq!(shell(work.path(), script).says(), "connected connected");
}
