//! The system calls that the command may not make: those that make namespaces, change mounts, reach other processes' memory or the kernel's own.
//!
//! A list of what is forbidden, since a devbox runs every compiler and runtime there is. What libraries can do without answers "not implemented", so that
//! they fall back; the rest answers "not permitted".

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition as Condition, SeccompFilter,
    SeccompRule as Rule, TargetArch, sock_filter,
};

use crate::control::{Fail, Step};

/// The filters, compiled.
pub(crate) struct Filters(Vec<BpfProgram>);

impl Filters {
    /// Compiles the filters.
    pub(crate) fn compile() -> Result<Self, Fail> {
        compile().map(Self).map_err(|_| Fail::new(Step::Seccomp, libc::ENOTSUP))
    }

    /// Installs them on this thread, for good.
    pub(crate) fn install(&self) -> Result<(), Fail> {
        for program in &self.0 {
            seccompiler::apply_filter(program).map_err(|_| Fail::new(Step::Seccomp, libc::EPERM))?;
        }
        Ok(())
    }
}

fn compile() -> Result<Vec<BpfProgram>, seccompiler::BackendError> {
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    let mut forbidden: BTreeMap<i64, Vec<Rule>> = FORBIDDEN.iter().map(|call| (*call, Vec::new())).collect();
    #[cfg(target_arch = "x86_64")]
    forbidden.extend(FORBIDDEN_X86.iter().map(|call| (*call, Vec::new())));
    forbidden.insert(libc::SYS_clone, namespace_flags()?);
    forbidden.insert(libc::SYS_ioctl, controls()?);
    forbidden.extend(of_the_first_process()?);
    forbidden.extend(set_user_id()?);
    let absent: BTreeMap<i64, Vec<Rule>> = ABSENT.iter().map(|call| (*call, Vec::new())).collect();
    let sockets = [(libc::SYS_socket, families()?), (libc::SYS_socketpair, families()?)].into();
    let mut programs = Vec::new();
    for (rules, errno) in [(forbidden, libc::EPERM), (absent, libc::ENOSYS), (sockets, libc::EAFNOSUPPORT)] {
        programs.push(SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno.unsigned_abs()), arch)?.try_into()?);
    }
    #[cfg(target_arch = "x86_64")]
    programs.push(no_x32());
    Ok(programs)
}

/// clone(2) with any flag that makes a namespace. clone3(2) hides its flags behind a pointer and is absent as a whole: libc falls back to clone.
fn namespace_flags() -> Result<Vec<Rule>, seccompiler::BackendError> {
    let flags = [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];
    let bits = flags.map(|flag| u64::from(flag.unsigned_abs()));
    bits.iter().map(|bit| Rule::new(vec![Condition::new(0, Len::Qword, Op::MaskedEq(*bit), *bit)?])).collect()
}

/// What would limit or slow the devbox's pid 1, which has the agent's own user: its limits, its processors and its priority are not the agent's.
fn of_the_first_process() -> Result<Vec<(i64, Vec<Rule>)>, seccompiler::BackendError> {
    let is = |argument, value| Condition::new(argument, Len::Dword, Op::Eq, value);
    let mut rules = Vec::new();
    for call in
        [libc::SYS_prlimit64, libc::SYS_sched_setaffinity, libc::SYS_sched_setattr, libc::SYS_sched_setparam, libc::SYS_sched_setscheduler]
    {
        rules.push((call, vec![Rule::new(vec![is(0, FIRST)?])?]));
    }
    // By its number, or with all processes of its user.
    for (call, [process, user]) in [(libc::SYS_setpriority, PRIO_PROCESS_USER), (libc::SYS_ioprio_set, IOPRIO_PROCESS_USER)] {
        rules.push((call, vec![Rule::new(vec![is(0, process)?, is(1, FIRST)?])?, Rule::new(vec![is(0, user)?])?]));
    }
    Ok(rules)
}

/// What gives a file the bit by which others who execute it become the user: the mounts' `nosuid` holds inside only.
fn set_user_id() -> Result<Vec<(i64, Vec<Rule>)>, seccompiler::BackendError> {
    let has = |argument, bits| Condition::new(argument, Len::Dword, Op::MaskedEq(bits), bits);
    let mode = |call, argument| Ok((call, vec![Rule::new(vec![has(argument, SET_USER_ID)?])?]));
    // Without either flag the mode is no argument, and anything may stand in its place.
    let opened = |call, flags, argument| {
        let made = [O_CREAT, O_TMPFILE].map(|flag| Rule::new(vec![has(flags, flag)?, has(argument, SET_USER_ID)?]));
        Ok((call, made.into_iter().collect::<Result<Vec<_>, seccompiler::BackendError>>()?))
    };
    let everywhere = [
        mode(libc::SYS_fchmod, 1),
        mode(libc::SYS_fchmodat, 2),
        mode(SYS_FCHMODAT2, 2),
        mode(libc::SYS_mknodat, 2),
        opened(libc::SYS_openat, 2, 3),
    ];
    #[cfg(target_arch = "x86_64")]
    let by_path = [mode(libc::SYS_chmod, 1), mode(libc::SYS_creat, 1), mode(libc::SYS_mknod, 1), opened(libc::SYS_open, 1, 2)];
    #[cfg(not(target_arch = "x86_64"))]
    let by_path = [];
    everywhere.into_iter().chain(by_path).collect()
}

/// What types into a terminal from outside it, and line disciplines (each a kernel module of its own).
fn controls() -> Result<Vec<Rule>, seccompiler::BackendError> {
    let controls = [TIOCSTI, TIOCLINUX, TIOCSETD];
    controls.iter().map(|control| Rule::new(vec![Condition::new(1, Len::Dword, Op::Eq, *control)?])).collect()
}

/// Sockets other than Unix, IPv4, IPv6 and the routing netlink that libc reads its interfaces from. VM sockets, for one, know no namespace.
fn families() -> Result<Vec<Rule>, seccompiler::BackendError> {
    let allowed = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
    let others = allowed.map(|family| Condition::new(0, Len::Dword, Op::Ne, u64::from(family.unsigned_abs())));
    let netlink = Condition::new(0, Len::Dword, Op::Eq, u64::from(libc::AF_NETLINK.unsigned_abs()))?;
    let not_routing = Condition::new(2, Len::Dword, Op::Ne, u64::from(libc::NETLINK_ROUTE.unsigned_abs()))?;
    Ok(vec![Rule::new(others.into_iter().collect::<Result<_, _>>()?)?, Rule::new(vec![netlink, not_routing])?])
}

/// The x32 calls have numbers of their own that no rule above names (seccomp(2), NOTES).
#[cfg(target_arch = "x86_64")]
fn no_x32() -> BpfProgram {
    const LOAD_WORD: u16 = 0x20;
    const JUMP_IF_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const X32: u32 = 0x4000_0000;
    let errno = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
    [(LOAD_WORD, 0, 0), (JUMP_IF_AT_LEAST, 1, X32), (RETURN, 0, libc::SECCOMP_RET_ALLOW), (RETURN, 0, errno)]
        .map(|(code, jt, k)| sock_filter { code, jt, jf: 0, k })
        .into()
}

const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;
const TIOCSETD: u64 = 0x5423;

/// The number of the devbox's first process, inside.
const FIRST: u64 = 1;
/// Whose priority is meant: one process's, or that of all of a user (setpriority(2), ioprio_set(2)).
const PRIO_PROCESS_USER: [u64; 2] = [0, 2];
const IOPRIO_PROCESS_USER: [u64; 2] = [1, 3];
/// inode(7), open(2); of `O_TMPFILE` the bit of its own, the other is `O_DIRECTORY`'s.
const SET_USER_ID: u64 = 0o4000;
const O_CREAT: u64 = 0o100;
const O_TMPFILE: u64 = 0o20_000_000;
/// Younger than the C library's list; the same number on every architecture (Linux, scripts/syscall.tbl).
const SYS_FCHMODAT2: i64 = 452;

/// What libraries try and do without. openat2(2) keeps the mode of what it makes where no filter sees it.
const ABSENT: [i64; 6] = [
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    libc::SYS_openat2,
];

const FORBIDDEN: [i64; 51] = [
    // namespaces and mounts
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    // other processes
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // keys
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // the kernel itself
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    KEXEC_FILE_LOAD,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_vhangup,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    // the machine's time and names
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
];

/// libc names it on this architecture only.
#[cfg(target_arch = "x86_64")]
const KEXEC_FILE_LOAD: i64 = libc::SYS_kexec_file_load;
#[cfg(not(target_arch = "x86_64"))]
const KEXEC_FILE_LOAD: i64 = 294;

/// Ports and segments of the processor.
#[cfg(target_arch = "x86_64")]
const FORBIDDEN_X86: [i64; 3] = [libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt];
