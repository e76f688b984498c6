//! The devbox's root, built from an allow-list: what is not named here is not there.
//!
//! Every tree of the host is taken first, while the host's root still stands; then the new root is filled and entered, and the host's is let go.

mod devices;
mod etc;
mod masks;
mod own;
mod repository;
mod search;
mod tree;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use model::limits::DEVBOX_MEMORY_BYTES_MAX;
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

pub(crate) use etc::HOST_NAME;
pub(crate) use repository::{Repositories, remove_stand_in};

use crate::control::{At, Fail, Step};
use crate::kernel::mount_attr::{NO_DEVICES, NO_SUID, READ_ONLY};
use crate::setup::{Access, Given, Setup};
use tree::Tree;

/// A root that was built and entered.
#[derive(Debug)]
pub(crate) struct Built {
    /// The private copies, to be compared at the end.
    pub repositories: Repositories,
    /// What was masked, relative to the work folder.
    pub masked: Vec<String>,
    /// What the user should know.
    pub notes: Vec<String>,
    /// What may be read and executed.
    pub readable: Vec<PathBuf>,
    /// What may be written too.
    pub writable: Vec<PathBuf>,
    /// What is the devbox's own, with no file of the host in it.
    pub private: Vec<PathBuf>,
}

/// Trees of the host, each with its place.
struct Taken {
    system: Vec<(OwnedFd, PathBuf)>,
    links: Vec<(PathBuf, PathBuf)>,
    etc: Vec<(OwnedFd, PathBuf)>,
    devices: Vec<(OwnedFd, PathBuf)>,
    asked: Vec<(OwnedFd, PathBuf)>,
}

/// Builds the root and enters it.
pub(crate) fn build(setup: &Setup, bundle: &[u8]) -> Result<Built, Fail> {
    let taken = take(setup)?;
    let own_etc = etc::read_host();
    rustix::mount::mount_change(c"/", rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC)
        .at(Step::Root)?;
    let proc = proc().at(Step::Proc)?;
    let root = Tree::make(memory_bytes()).at(Step::Root)?;
    for (tree, path) in &taken.system {
        root.mount(tree, path).at(Step::System)?;
    }
    for (path, target) in &taken.links {
        root.link(&path.to_string_lossy(), target.as_path()).at(Step::System)?;
    }
    etc::fill(&root, &own_etc, &taken.etc, setup, bundle).at(Step::Etc)?;
    devices::fill(&root, &taken.devices).at(Step::Devices)?;
    root.mount(&proc, Path::new("/proc")).at(Step::Proc)?;
    masks::kernel(&root).at(Step::Proc)?;
    let home = private_folders(&root, setup).at(Step::Folders)?;
    for (tree, path) in &taken.asked {
        root.mount(tree, path).at(Step::WorkFolder)?;
    }
    home_over_asked(&root, setup, &home).at(Step::Folders)?;
    own::fill(&root, setup, &home).at(Step::Folders)?;
    let mut noticed = masks::Noticed::default();
    let repositories = repository::protect(&root, Path::new(&setup.work), Path::new(&setup.home_inside), &mut noticed)?;
    let mut masked = masks::Masks::new(&root).at(Step::Masks)?;
    masked.work_folder(Path::new(&setup.work), &noticed)?;
    masked.hidden(&setup.hidden).at(Step::Masks)?;
    root.seal().at(Step::Root)?;
    enter(&root).at(Step::Pivot)?;
    let reach = reach(&taken, setup, home);
    let mut notes = masked.notes;
    notes.extend(repositories.notes().iter().cloned());
    Ok(Built { repositories, masked: masked.names, notes, readable: reach.0, writable: reach.1, private: reach.2 })
}

/// Takes the host's trees. What the system does not have is left out; what was asked for must be there.
fn take(setup: &Setup) -> Result<Taken, Fail> {
    let mut taken = Taken { system: Vec::new(), links: Vec::new(), etc: Vec::new(), devices: Vec::new(), asked: Vec::new() };
    for path in SYSTEM.map(Path::new) {
        match std::fs::read_link(path) {
            Ok(target) => taken.links.push((path.to_owned(), target)),
            Err(_) if path.is_dir() => {
                taken.system.push((tree::host_tree(path, READ_ONLY | NO_SUID | NO_DEVICES).at(Step::System)?, path.to_owned()));
            }
            Err(_) => {}
        }
    }
    taken.etc = etc::take();
    taken.devices = devices::take().at(Step::Devices)?;
    if let Some(home) = &setup.home {
        taken.asked.push((checked_tree(home, NO_SUID | NO_DEVICES)?, PathBuf::from(&setup.home_inside)));
    }
    for extra in &setup.extras {
        let attributes = match extra.access {
            Access::Read => READ_ONLY | NO_SUID | NO_DEVICES,
            Access::Write => NO_SUID | NO_DEVICES,
        };
        taken.asked.push((checked_tree(extra, attributes)?, PathBuf::from(&extra.path)));
    }
    taken.asked.sort_by_key(|(_, path)| path.components().count());
    Ok(taken)
}

/// What was asked for and checked, as long as it is that and no other.
fn checked_tree(given: &Given, attributes: u64) -> Result<OwnedFd, Fail> {
    match tree::checked_tree(Path::new(&given.path), given.identity, attributes) {
        Err(Errno::STALE) => Err(Fail::new(Step::Replaced, libc::ESTALE)),
        tree => tree.at(Step::WorkFolder),
    }
}

/// The devbox's own view of its processes, read-only as a whole: as root, `/proc/sys` would otherwise be the host's to change. Where the kernel can,
/// processes that are none of the agent's (pid 1) are hidden.
fn proc() -> rustix::io::Result<OwnedFd> {
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let hidden = ("hidepid", "ptraceable".to_owned());
    match tree::filesystem("proc", std::slice::from_ref(&hidden), attributes) {
        Err(Errno::INVAL) => tree::filesystem("proc", &[], attributes),
        // A container that covers parts of /proc forbids a full one; processes alone may still be allowed.
        Err(Errno::PERM) => tree::filesystem("proc", &[hidden, ("subset", "pid".to_owned())], attributes),
        made => made,
    }
}

/// Empty, writable, gone with the devbox. Returns the home.
fn private_folders(root: &Tree, setup: &Setup) -> rustix::io::Result<PathBuf> {
    for folder in ["/home", "/mnt", "/opt", "/srv", "/media"] {
        root.folder(Path::new(folder))?;
    }
    for (folder, mode) in [("/tmp", 0o1777), ("/run", 0o755), ("/var", 0o755), ("/dev/shm", 0o1777)] {
        root.writable(Path::new(folder), mode)?;
    }
    root.writable(Path::new("/var/tmp"), 0o1777)?;
    for folder in ["/run/lock", "/var/cache", "/var/lib", "/var/log"] {
        root.folder(Path::new(folder))?;
    }
    root.link("/var/run", c"/run")?;
    root.link("/var/lock", c"/run/lock")?;
    let home = PathBuf::from(&setup.home_inside);
    root.writable(&home, 0o700)?;
    Ok(home)
}

/// Where the home lies in a folder that was asked for, the private one stands over it; it is not made there where it is missing.
fn home_over_asked(root: &Tree, setup: &Setup, home: &Path) -> rustix::io::Result<()> {
    let covered = setup.extras.iter().any(|extra| home.starts_with(&extra.path));
    match root.find(home).filter(|_| covered && setup.home.is_none()) {
        None => Ok(()),
        Some(point) => tree::attach(&tree::clone_at(&root.folder(Path::new("/run/home"))?)?, &point),
    }
}

/// Makes the new root the root and lets the host's go (pivot_root(2), NOTES).
fn enter(root: &Tree) -> rustix::io::Result<()> {
    rustix::process::fchdir(root.root())?;
    rustix::process::pivot_root(c".", c".")?;
    rustix::mount::unmount(c".", rustix::mount::UnmountFlags::DETACH)?;
    rustix::process::chdir(c"/")
}

/// What Landlock shall allow, the same as the mounts: what is read, what is written, what is the devbox's own.
fn reach(taken: &Taken, setup: &Setup, home: PathBuf) -> (Vec<PathBuf>, Vec<PathBuf>, Vec<PathBuf>) {
    let mut readable: Vec<PathBuf> = taken.system.iter().map(|(_, path)| path.clone()).collect();
    readable.extend(["/etc", "/proc"].map(PathBuf::from));
    let mut writable = Vec::new();
    let mut private: Vec<PathBuf> = ["/tmp", "/run", "/var", "/dev"].map(PathBuf::from).into();
    // A home that is kept is the host's.
    if setup.home.is_some() {
        writable.push(home)
    } else {
        private.push(home)
    }
    for extra in &setup.extras {
        match extra.access {
            Access::Read => readable.push(PathBuf::from(&extra.path)),
            Access::Write => writable.push(PathBuf::from(&extra.path)),
        }
    }
    (readable, writable, private)
}

/// What the private folders may hold: a limit of ours, and never more than half of the machine's memory.
fn memory_bytes() -> u64 {
    let machine = rustix::system::sysinfo();
    let bytes = machine.totalram.saturating_mul(u64::from(machine.mem_unit));
    DEVBOX_MEMORY_BYTES_MAX.min(bytes / 2)
}

/// World-readable programs and libraries, by convention free of secrets.
const SYSTEM: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
