//! What `__init` is told: one message, in memory only.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use nix::unistd::{Gid, Group, Uid, User};
use serde::{Deserialize, Serialize};

use crate::folder::Identity;
use crate::hosted::HostedSpec;
use crate::spec::{HomeFile, Program, Spec};

/// Everything that the devbox is built from.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub argv: Vec<OsString>,
    pub env: Vec<(OsString, OsString)>,
    pub work: OsString,
    /// The work folder and the further paths, parents before children.
    pub extras: Vec<Given>,
    /// The host's folder that is kept as the home.
    pub home: Option<Given>,
    /// Where the home stands inside.
    pub home_inside: OsString,
    pub home_files: Vec<HomeFile>,
    pub programs: Vec<Program>,
    pub hidden: Vec<OsString>,
    pub ports: Vec<u16>,
    pub user: Account,
}

/// A path of the host, as checked.
#[derive(Clone, Debug)]
pub(crate) struct Extra {
    pub path: PathBuf,
    pub identity: Identity,
    pub access: Access,
}

/// A path of the host, as told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Given {
    pub path: OsString,
    pub identity: Identity,
    pub access: Access,
}

impl From<Extra> for Given {
    fn from(checked: Extra) -> Self {
        Self { path: checked.path.into(), identity: checked.identity, access: checked.access }
    }
}

/// What may be done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Access {
    Read,
    Write,
}

/// The one user of the devbox.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    pub uid: u32,
    pub gid: u32,
    pub name: String,
    pub group: String,
    pub shell: String,
}

impl Setup {
    pub(crate) fn new(
        spec: &Spec,
        work: PathBuf,
        extras: Vec<Extra>,
        home: Option<Extra>,
        home_inside: PathBuf,
        hidden: Vec<PathBuf>,
    ) -> Self {
        let mut env = spec.env.clone();
        for (_, value) in env.iter_mut().filter(|(key, _)| key.as_bytes() == b"HOME") {
            home_inside.as_os_str().clone_into(value);
        }
        Self {
            argv: spec.argv.clone(),
            env,
            work: work.into(),
            extras: extras.into_iter().map(Given::from).collect(),
            home: home.map(Given::from),
            home_inside: home_inside.into(),
            home_files: spec.home_files.clone(),
            programs: spec.programs.clone(),
            hidden: hidden.into_iter().map(Into::into).collect(),
            ports: each_once(&spec.ports),
            user: Account::of_this_process(),
        }
    }

    /// Nothing of the host's but its system: the home is the work folder.
    pub(crate) fn hosted(spec: &HostedSpec) -> Self {
        Self {
            argv: Vec::new(),
            env: spec.env.iter().map(|(key, value)| (key.into(), value.into())).collect(),
            work: HOSTED_HOME.into(),
            extras: Vec::new(),
            home: None,
            home_inside: HOSTED_HOME.into(),
            home_files: Vec::new(),
            programs: Vec::new(),
            hidden: Vec::new(),
            ports: each_once(&spec.ports),
            user: Account::hosted(spec.uid),
        }
    }

    /// The message, as a descriptor: it outgrows a packet.
    pub(crate) fn to_memory(&self) -> std::io::Result<OwnedFd> {
        let bytes = serde_json::to_vec(self).map_err(std::io::Error::other)?;
        memory(&bytes)
    }

    /// Reads the message back.
    pub(crate) fn from_memory(fd: OwnedFd) -> std::io::Result<Self> {
        serde_json::from_slice(&read_memory(fd)?).map_err(|_| std::io::ErrorKind::InvalidData.into())
    }
}

impl Account {
    fn of_this_process() -> Self {
        let (uid, gid) = (Uid::effective(), Gid::effective());
        let user = User::from_uid(uid).ok().flatten();
        let group = Group::from_gid(gid).ok().flatten();
        Self {
            uid: uid.as_raw(),
            gid: gid.as_raw(),
            shell: user.as_ref().and_then(own_shell).unwrap_or("/bin/sh").to_owned(),
            name: user.map(|user| user.name).filter(|name| word(name)).unwrap_or_else(|| "user".to_owned()),
            group: group.map(|group| group.name).filter(|name| word(name)).unwrap_or_else(|| "user".to_owned()),
        }
    }

    /// The user of a devbox that takes commands: nobody of the host's, or under the number of who we are.
    fn hosted(uid: Option<u32>) -> Self {
        let ours = Uid::effective();
        let user = User::from_uid(ours).ok().flatten().filter(|_| uid.is_none());
        // A server's account often has a shell that refuses every login.
        let own = user.as_ref().and_then(own_shell).filter(|shell| !shell.ends_with("/nologin") && !shell.ends_with("/false"));
        let bash = Some("/bin/bash").filter(|bash| std::path::Path::new(bash).is_file());
        Self {
            uid: uid.unwrap_or(ours.as_raw()),
            gid: uid.unwrap_or(Gid::effective().as_raw()),
            name: "user".to_owned(),
            group: "user".to_owned(),
            shell: own.or(bash).unwrap_or("/bin/sh").to_owned(),
        }
    }
}

/// The login shell of the host's user, where it is one of the system's programs.
fn own_shell(user: &User) -> Option<&str> {
    let shell = user.shell.to_str().filter(|shell| shell.starts_with("/usr/") || shell.starts_with("/bin/"));
    shell.filter(|shell| std::path::Path::new(shell).is_file())
}

/// Ports in order, each once.
fn each_once(ports: &[u16]) -> Vec<u16> {
    let mut ports: Vec<u16> = ports.iter().copied().filter(|port| *port != 0).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Fits a line of `/etc/passwd`.
fn word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// An anonymous file that holds `bytes`.
pub(crate) fn memory(bytes: &[u8]) -> std::io::Result<OwnedFd> {
    let file = std::fs::File::from(rustix::fs::memfd_create("tightlip", rustix::fs::MemfdFlags::CLOEXEC)?);
    file.write_all_at(bytes, 0)?;
    Ok(file.into())
}

/// What an anonymous file holds.
pub(crate) fn read_memory(fd: OwnedFd) -> std::io::Result<Vec<u8>> {
    use std::io::{Read, Seek};
    let mut file = std::fs::File::from(fd);
    let mut bytes = Vec::with_capacity(usize::try_from(file.metadata()?.len()).unwrap_or(0));
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The home of a devbox that takes commands.
const HOSTED_HOME: &str = "/home/user";
