//! What holds the command besides namespaces and mounts: no capabilities, no new privileges, Landlock, a system call filter, limits.

mod seccomp;

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, Scope,
};
use model::limits::DEVBOX_PROCESSES_MAX;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use seccomp::Filters;

use crate::control::{At, Fail, Step};
use crate::kernel::capabilities::empty_bounding_set;
use crate::root::Built;

/// Gives up every capability for good: also as root, executing a program brings none back.
pub(crate) fn give_up_capabilities() -> Result<(), Fail> {
    rustix::thread::clear_ambient_capability_set().at(Step::Capabilities)?;
    empty_bounding_set().at(Step::Capabilities)?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none }).at(Step::Capabilities)?;
    rustix::thread::set_no_new_privs(true).at(Step::Capabilities)
}

/// Landlock's rules and the system call filters, made beforehand, so that little is left to fail.
pub(crate) struct Walls {
    rules: RulesetCreated,
    filters: Filters,
}

impl Walls {
    /// The walls for a root that was built: what the mounts allow, once more.
    pub(crate) fn make(built: &Built) -> Result<Self, Fail> {
        let rules = rules(built).map_err(|_| Fail::new(Step::Landlock, libc::EOPNOTSUPP))?;
        Ok(Self { rules, filters: Filters::compile()? })
    }

    /// Puts them up around this process and all that it starts, for good.
    pub(crate) fn put_up(self) -> Result<(), Fail> {
        self.rules.restrict_self().map_err(|_| Fail::new(Step::Landlock, libc::EPERM))?;
        self.filters.install()
    }
}

fn rules(built: &Built) -> Result<RulesetCreated, landlock::RulesetError> {
    let all = AccessFs::from_all(NEWEST);
    // Where the kernel can tell: a Unix socket of the host that lies in a mounted folder stays shut.
    let write = all & !BitFlags::from(AccessFs::ResolveUnix);
    let read = AccessFs::from_read(NEWEST);
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(OLDEST))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    rules = allow(rules, Path::new("/"), AccessFs::ReadDir.into())?;
    for path in &built.readable {
        rules = allow(rules, path, read)?;
    }
    for path in &built.writable {
        rules = allow(rules, path, write)?;
    }
    for path in &built.private {
        rules = allow(rules, path, all)?;
    }
    Ok(rules)
}

fn allow(rules: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated, landlock::RulesetError> {
    let Ok(place) = PathFd::new(path) else { return Ok(rules) };
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
    rules.add_rule(PathBeneath::new(place, access))
}

/// Limits of the command: no core dumps, and processes that a fork bomb cannot exceed. A limit of one byte keeps the kernel from a file and from a program of
/// the host's that takes dumps; one of none holds for the file alone (Linux, fs/coredump.c).
pub(crate) fn limit() -> Result<(), Fail> {
    // Whoever made us may have less: that is no more than we want either.
    let dumped = getrlimit(Resource::Core).maximum.map_or(1, |most| most.min(1));
    setrlimit(Resource::Core, Rlimit { current: Some(dumped), maximum: Some(dumped) }).at(Step::Limits)?;
    let allowed = getrlimit(Resource::Nproc).maximum.map_or(DEVBOX_PROCESSES_MAX, |most| most.min(DEVBOX_PROCESSES_MAX));
    setrlimit(Resource::Nproc, Rlimit { current: Some(allowed), maximum: Some(allowed) }).at(Step::Limits)
}

/// Numbers for [`DEVBOX_PROCESSES_MAX`] processes and no more, in this pid namespace: the limit per user does not hold for the machine's root. Where the
/// kernel has one number for the whole machine (before Linux 6.14) it is not touched. Call while `/proc` can be written. Returns the greatest number that a
/// process can have.
pub(crate) fn limit_processes() -> i32 {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    if has_own_numbers(&release) {
        // The limit per user remains where this is refused.
        let _ = std::fs::write("/proc/sys/kernel/pid_max", DEVBOX_PROCESSES_MAX.to_string());
    }
    let told = std::fs::read_to_string("/proc/sys/kernel/pid_max").ok().and_then(|text| text.trim().parse().ok());
    told.unwrap_or(PROCESS_NUMBER_MAX)
}

/// The usual limit of open files, which old programs rely on; those that want more raise it themselves, as far as our own maker may.
pub(crate) fn limit_files() -> Result<(), Fail> {
    let most = getrlimit(Resource::Nofile).maximum;
    let usual = most.map_or(FILES_USUAL, |most| most.min(FILES_USUAL));
    setrlimit(Resource::Nofile, Rlimit { current: Some(usual), maximum: most }).at(Step::Limits)
}

fn has_own_numbers(release: &str) -> bool {
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (6, 14)
}

/// What the kernel gives at most (PID_MAX_LIMIT).
const PROCESS_NUMBER_MAX: i32 = 4 * 1024 * 1024;
/// What the kernel starts every system with (INR_OPEN_CUR).
const FILES_USUAL: u64 = 1024;
/// The first that can move a file from one folder to another (Linux 5.19): without that, common tools fail.
const OLDEST: ABI = ABI::V2;
/// Used as far as the kernel has it: truncation, device control, abstract sockets, signals, Unix sockets by path.
const NEWEST: ABI = ABI::V9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_the_whole_machine_is_never_touched() {
        for (release, own) in [
            ("6.18.44-fc-v782", true),
            ("6.14.0", true),
            ("7.0-rc1", true),
            ("6.13.9-1", false),
            ("6.8.0-49-generic", false),
            ("5.19", false),
            ("", false),
        ] {
            assert_eq!(has_own_numbers(release), own, "{release}");
        }
    }
}
