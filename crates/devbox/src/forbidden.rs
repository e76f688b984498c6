//! Which setting forbids namespaces, and the command that mends it.

use std::path::Path;

use crate::control::{Fail, Step};
use crate::error::{DevboxError, PathProblem};

/// What a step's refusal means to the user.
pub(crate) fn explain(fail: Fail) -> DevboxError {
    explain_by(fail, |path| std::fs::read_to_string(Path::new("/proc/sys").join(path)).ok())
}

fn explain_by(fail: Fail, sysctl: impl Fn(&str) -> Option<String>) -> DevboxError {
    let forbidden = matches!(fail.errno, libc::EPERM | libc::EACCES | libc::ENOSPC | libc::EUSERS | libc::EINVAL | libc::ENOSYS);
    match fail.step {
        Step::Namespaces | Step::Identity | Step::FirstProcess if forbidden => DevboxError::NamespacesForbidden(blame(fail.errno, sysctl)),
        // AppArmor may let the namespaces be made and give them no capabilities: then the first step that needs one is refused.
        Step::Network | Step::Root if matches!(fail.errno, libc::EPERM | libc::EACCES) && is_restricted(&sysctl) => {
            DevboxError::NamespacesForbidden(blame(fail.errno, sysctl))
        }
        Step::Exec => match fail.errno {
            libc::ENOENT | libc::ENOTDIR => DevboxError::NotFound,
            _ => DevboxError::NotExecutable,
        },
        Step::TooLarge => DevboxError::TooLarge(fail.folder.unwrap_or_default()),
        Step::Replaced => DevboxError::Replaced,
        Step::TooManyMasks => DevboxError::WorkDir(PathProblem::TooManyMasks),
        Step::Setup
        | Step::Namespaces
        | Step::Identity
        | Step::FirstProcess
        | Step::Network
        | Step::Listen
        | Step::Root
        | Step::System
        | Step::Etc
        | Step::Devices
        | Step::Proc
        | Step::Folders
        | Step::WorkFolder
        | Step::Repository
        | Step::Masks
        | Step::Pivot
        | Step::Capabilities
        | Step::Landlock
        | Step::Seccomp
        | Step::Limits
        | Step::Terminal
        | Step::Stdio
        | Step::Spawn => DevboxError::Kernel { step: fail.step.words(), source: std::io::Error::from_raw_os_error(fail.errno) },
    }
}

/// The setting to blame for `errno`, as `sysctl` tells them.
fn blame(errno: i32, sysctl: impl Fn(&str) -> Option<String>) -> String {
    let is = |path: &str, value: &str| sysctl(path).is_some_and(|text| text.trim() == value);
    for kind in KINDS {
        if is(&format!("user/max_{kind}_namespaces"), "0") {
            return format!(
                "user.max_{kind}_namespaces is 0, so that no sandbox can be made; an administrator mends it with: \
                 sudo sysctl -w user.max_{kind}_namespaces={NAMESPACES}"
            );
        }
    }
    if errno == libc::ENOSPC || errno == libc::EUSERS {
        return format!(
            "the limit of namespaces is reached (user.max_user_namespaces and its siblings, or 32 nested ones); an administrator raises it with: \
             sudo sysctl -w user.max_user_namespaces={NAMESPACES}"
        );
    }
    if is("kernel/unprivileged_userns_clone", "0") {
        return "kernel.unprivileged_userns_clone is 0, so that ordinary users can make no sandbox; an administrator mends it with: \
                sudo sysctl -w kernel.unprivileged_userns_clone=1"
            .to_owned();
    }
    if is_restricted(&sysctl) {
        return "kernel.apparmor_restrict_unprivileged_userns is 1 and no AppArmor profile allows tightlip to make a sandbox; an administrator \
                mends it with: tightlip doctor --apparmor-profile | sudo tee /etc/apparmor.d/tightlip && sudo apparmor_parser -r \
                /etc/apparmor.d/tightlip   (or for every program: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0)"
            .to_owned();
    }
    if errno == libc::EINVAL || errno == libc::ENOSYS {
        return "this kernel has no user namespaces (CONFIG_USER_NS), without which no sandbox can be made".to_owned();
    }
    "something around this process forbids user namespaces: a container's seccomp profile (docker run --security-opt seccomp=unconfined \
     --security-opt apparmor=unconfined), a chroot, or a security module"
        .to_owned()
}

/// Whether AppArmor lets only programs with a profile that says `userns` make user namespaces.
fn is_restricted(sysctl: impl Fn(&str) -> Option<String>) -> bool {
    sysctl("kernel/apparmor_restrict_unprivileged_userns").is_some_and(|text| text.trim() == "1")
}

/// The user's first: the others are never reached without it.
const KINDS: [&str; 7] = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];
/// A usual value: distributions choose between 10,000 and 100,000.
const NAMESPACES: u32 = 15_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn with(path: &'static str, value: &'static str) -> impl Fn(&str) -> Option<String> {
        move |asked| (asked == path).then(|| format!("{value}\n"))
    }

    #[test]
    fn each_setting_is_named_with_its_mend() {
        for (path, value, mend) in [
            ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
            ("user/max_net_namespaces", "0", "sysctl -w user.max_net_namespaces=15000"),
            ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
            ("kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
        ] {
            assert!(blame(libc::EPERM, with(path, value)).contains(mend), "{path}");
        }
    }

    #[test]
    fn a_namespace_without_capabilities_is_apparmors_doing_where_it_restricts_them() {
        let refused = |step| Fail::new(step, libc::EPERM);
        let restricted = || with("kernel/apparmor_restrict_unprivileged_userns", "1");
        for step in [Step::Namespaces, Step::Identity, Step::Network, Step::Root] {
            let DevboxError::NamespacesForbidden(why) = explain_by(refused(step), restricted()) else { panic!("{}", step.words()) };
            assert!(why.contains("tightlip doctor --apparmor-profile | sudo tee /etc/apparmor.d/tightlip"), "{why}");
            assert!(why.contains("sudo apparmor_parser -r /etc/apparmor.d/tightlip"), "{why}");
        }
        assert!(matches!(explain_by(refused(Step::Network), |_| None), DevboxError::Kernel { .. }));
    }

    #[test]
    fn what_no_setting_explains_names_the_container() {
        assert!(blame(libc::EPERM, |_| None).contains("seccomp"));
        assert!(blame(libc::ENOSPC, |_| None).contains("limit"));
        assert!(blame(libc::EINVAL, |_| None).contains("CONFIG_USER_NS"));
    }

    #[test]
    fn a_missing_command_and_one_that_cannot_run_are_told_apart() {
        assert!(matches!(explain(Fail::new(Step::Exec, libc::ENOENT)), DevboxError::NotFound));
        assert!(matches!(explain(Fail::new(Step::Exec, libc::EACCES)), DevboxError::NotExecutable));
    }
}
