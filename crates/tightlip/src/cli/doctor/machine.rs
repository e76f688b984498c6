//! What the kernel and the system give.

use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use devbox::{DevboxError, HostedSpec};

use super::super::fault::chain;
use super::clock;
use super::looks::Looks;

/// Looks at the machine. False where no devbox can be made on it.
pub(super) fn look(looks: &mut Looks) -> bool {
    let makes_devboxes = namespaces(looks);
    match devbox::system_bundle() {
        Ok(_) => looks.ok("certificates", "this machine has a bundle of authorities"),
        Err(error) => looks.broken("certificates", error.to_string(), "install the package ca-certificates"),
    }
    clock::look(looks);
    node(looks);
    makes_devboxes
}

/// Makes a devbox's namespaces and network, as `run` does, and drops them: a setting may say that it is allowed, and something else forbid it.
fn namespaces(looks: &mut Looks) -> bool {
    let nothing = || std::fs::File::open("/dev/null").map(OwnedFd::from);
    let made = match (nothing(), nothing()) {
        (Ok(bundle), Ok(plain)) => {
            devbox::prepare_hosted(&HostedSpec { env: Vec::new(), ports: Vec::new(), bundle, plain, uid: None }).map(drop)
        }
        (Err(error), _) | (_, Err(error)) => {
            looks.broken("user namespaces", format!("failed to open /dev/null: {error}"), "mount /dev as it usually is");
            return false;
        }
    };
    match made {
        Ok(()) => {
            looks.ok("user namespaces", "this user can make a devbox's");
            true
        }
        Err(DevboxError::NamespacesForbidden(why)) => {
            let (found, mend) = split(&why);
            looks.broken("user namespaces", found, mend);
            false
        }
        Err(error) => {
            looks.broken("user namespaces", chain(&error), "tightlip run -- true   (to see it again)");
            false
        }
    }
}

/// What is wrong and what mends it, of words that say both.
fn split(why: &str) -> (&str, &str) {
    match why.split_once("; an administrator ") {
        Some((found, mend)) => (found, mend.split_once("with: ").map_or(mend, |(_, command)| command)),
        None => (why, "tightlip doctor   (outside of that)"),
    }
}

/// Node's fetch follows proxy variables from a certain version on, and only then gets out of a sandbox that has nothing else.
fn node(looks: &mut Looks) {
    let said = Command::new("node").arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output();
    let Some(version) = said.ok().and_then(|output| version(&String::from_utf8_lossy(&output.stdout))) else { return };
    let (major, minor) = version;
    if version < NODE_FOLLOWS {
        looks.note(
            "node",
            format!(
                "version {major}.{minor} follows no proxy variables: all is well in a devbox of this machine, and in a sandbox of \
                 `tightlip devbox env` its fetch gets nowhere"
            ),
            "for such sandboxes, install Node 22.21 or newer",
        );
    } else {
        looks.ok("node", format!("version {major}.{minor} follows proxy variables (NODE_USE_ENV_PROXY)"));
    }
}

/// The first two numbers of `v20.1.2`.
fn version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.trim().strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The first version whose fetch follows proxy variables.
const NODE_FOLLOWS: (u32, u32) = (22, 21);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_forbids_namespaces_is_told_apart_from_what_mends_it() {
        let why = "user.max_user_namespaces is 0, so that no sandbox can be made; an administrator mends it with: sudo sysctl -w a=1";
        assert_eq!(split(why), ("user.max_user_namespaces is 0, so that no sandbox can be made", "sudo sysctl -w a=1"));
        assert_eq!(split("a container").0, "a container");
    }

    #[test]
    fn a_version_is_its_first_two_numbers() {
        assert_eq!(version("v20.20.2\n"), Some((20, 20)));
        for said in ["", "20.1.2", "v20", "vx.1"] {
            assert_eq!(version(said), None, "{said}");
        }
        assert!((20, 20) < NODE_FOLLOWS && (22, 21) >= NODE_FOLLOWS && (24, 0) >= NODE_FOLLOWS);
    }
}
