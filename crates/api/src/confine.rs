//! What the api gives up before it listens: every file but its own folder's and the store's (and what its certificate lies in, to read), every outgoing connection, every other process.
//! It makes threads and no processes: what ends it ends all that ran in it.
//!
//! Landlock (landlock(7)) for files, TCP, abstract sockets and signals; seccomp (seccomp(2)) for calls that make sockets, run programs, look into other
//! processes or reach the kernel's less trodden parts. Both bind the calling thread and all threads that it starts later.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, PathFdError, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::{SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch};

/// Why the process could not be confined. It must not serve then.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// A folder that must be open to the api cannot be opened.
    #[error("failed to open the folder {0}")]
    Folder(PathBuf, #[source] PathFdError),
    /// Landlock took the rules and does not enforce them.
    #[error(
        "this kernel has no Landlock, and the api does not run without: use Linux 5.13 or newer with `landlock` among the kernel's `lsm=`"
    )]
    NoLandlock,
    /// Landlock refused.
    #[error(
        "failed to confine the api with Landlock, and it does not run without: it needs Linux 5.13 or newer, `landlock` among the kernel's `lsm=`, \
         and in a container a seccomp profile that allows it"
    )]
    Landlock(#[from] RulesetError),
    /// seccomp refused.
    #[error("failed to confine the api with seccomp: this kernel or container does not allow filters")]
    Seccomp(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Capabilities could not be dropped.
    #[error("failed to drop the api's capabilities")]
    Capabilities(#[source] std::io::Error),
}

/// Confines the calling thread, and every thread that it starts from now on, for good. Files below `readable` stay open to be read.
///
/// # Errors
/// [`ConfineError`]; the process may then be partly confined and must end.
pub fn confine(store_dir: &Path, api_dir: &Path, readable: &[PathBuf]) -> Result<(), ConfineError> {
    drop_capabilities()?;
    restrict_files(&[store_dir, api_dir], readable)?;
    filter_calls()
}

/// An api that root started keeps one capability: to use a data folder that another user owns, as far as Landlock lets it.
fn drop_capabilities() -> Result<(), ConfineError> {
    let failed = |error: rustix::io::Errno| ConfineError::Capabilities(error.into());
    let held = rustix::thread::capabilities(None).map_err(failed)?;
    let kept = CapabilitySet::DAC_OVERRIDE;
    let fewer = CapabilitySets { effective: held.effective & kept, permitted: held.permitted & kept, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, fewer).map_err(failed)
}

fn restrict_files(folders: &[&Path], readable: &[PathBuf]) -> Result<(), ConfineError> {
    // Handled is everything that any kernel up to this ABI knows; what this kernel does not know is left out, but files must be enforced.
    let handled = AccessFs::from_all(KNOWN_ABI);
    let devices =
        AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeSock | AccessFs::MakeFifo | AccessFs::MakeSym;
    let allowed: BitFlags<AccessFs> = AccessFs::from_all(ABI::V3) & !devices;
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(handled)?
        .handle_access(AccessNet::from_all(KNOWN_ABI))?
        .scope(Scope::from_all(KNOWN_ABI))?
        .create()?;
    let own = folders.iter().map(|folder| (*folder, allowed));
    for (folder, allowed) in own.chain(readable.iter().map(|folder| (folder.as_path(), AccessFs::ReadFile.into()))) {
        let opened = PathFd::new(folder).map_err(|source| ConfineError::Folder(folder.to_path_buf(), source))?;
        ruleset = ruleset.add_rule(PathBeneath::new(opened, allowed))?;
    }
    let status = ruleset.restrict_self()?;
    if status.ruleset == RulesetStatus::NotEnforced || !status.no_new_privs { Err(ConfineError::NoLandlock) } else { Ok(()) }
}

fn filter_calls() -> Result<(), ConfineError> {
    let numbers = DENIED_CALLS.iter().chain(FORKS).copied().chain(x32_calls());
    let mut rules: BTreeMap<i64, _> = numbers.map(|number| (number, Vec::new())).collect();
    // Its own limits it may look at and lower; those of other processes are none of its business.
    let is_another = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, 0).map_err(seccomp)?;
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![is_another]).map_err(seccomp)?]);
    // A process of its own would outlive this one, with its sockets and its end of the link: threads only.
    let is_process = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(THREAD), 0).map_err(seccomp)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![is_process]).map_err(seccomp)?]);
    // clone3(2) keeps its flags where no filter sees them: the C library goes on to clone(2) where there is none.
    let absent = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(seccomp)?;
    for (rules, errno) in [(rules, libc::EPERM), (absent, libc::ENOSYS)] {
        let denied = SeccompAction::Errno(errno.unsigned_abs());
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, denied, arch).map_err(seccomp)?;
        let program: seccompiler::BpfProgram = filter.try_into().map_err(seccomp)?;
        seccompiler::apply_filter(&program).map_err(seccomp)?;
    }
    Ok(())
}

/// On x86-64 a call's number with this bit is the same call in the x32 convention; 512 to 547 are calls of x32 alone. We make none of them.
#[cfg(target_arch = "x86_64")]
fn x32_calls() -> impl Iterator<Item = i64> {
    const X32: i64 = 0x4000_0000;
    let conditional = [libc::SYS_prlimit64, libc::SYS_clone, libc::SYS_clone3];
    DENIED_CALLS.iter().chain(FORKS).copied().chain(conditional).chain(512..=547).map(|number| number | X32)
}

#[cfg(not(target_arch = "x86_64"))]
fn x32_calls() -> impl Iterator<Item = i64> {
    std::iter::empty()
}

fn seccomp(error: impl std::error::Error + Send + Sync + 'static) -> ConfineError {
    ConfineError::Seccomp(Box::new(error))
}

/// The newest Landlock whose rights this file names.
const KNOWN_ABI: ABI = ABI::V7;

/// Calls that are younger than the C library's list; the same number on every architecture (Linux, scripts/syscall.tbl).
const SYS_FCHMODAT2: i64 = 452;
const SYS_SETXATTRAT: i64 = 463;
const SYS_REMOVEXATTRAT: i64 = 466;

/// What clone(2) is told by whoever makes a thread (`CLONE_THREAD`).
const THREAD: u64 = 0x0001_0000;

/// What makes a process, and never a thread.
#[cfg(target_arch = "x86_64")]
const FORKS: &[i64] = &[libc::SYS_fork, libc::SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const FORKS: &[i64] = &[];

/// Calls that the api never needs once its sockets exist, and a stranger in it would.
const DENIED_CALLS: &[i64] = &[
    // sockets and connections
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_bind,
    libc::SYS_connect,
    // programs
    libc::SYS_execve,
    libc::SYS_execveat,
    // other processes
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kcmp,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_setpriority,
    libc::SYS_ioprio_set,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_setattr,
    // mounts and namespaces
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    // modes, owners and attributes of files by name, of which Landlock knows nothing
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    libc::SYS_fchmodat,
    SYS_FCHMODAT2,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    SYS_SETXATTRAT,
    SYS_REMOVEXATTRAT,
    // files without names
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    // the kernel's less trodden parts
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_acct,
    libc::SYS_personality,
];
