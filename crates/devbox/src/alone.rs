//! A network of its own for a proof: every address of it is local, names come from a file, and nothing leaves the machine.

use std::fs::File;
use std::io;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid};

use crate::network;

/// Moves this process into a network and a view of files of its own, in which `hosts` stands for the machine's hosts file (hosts(5)) and nothing else
/// answers names. Must be called while the process has one thread. What this process starts is there too; it keeps its user and has no more rights than before
/// once it has become another program.
///
/// # Errors
/// Where the system does not let it. The process may be in some of the namespaces then.
pub fn alone(hosts: &Path) -> io::Result<()> {
    let (uid, gid) = (Uid::effective(), Gid::effective());
    let own = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET;
    if !uid.is_root() || unshare(own).is_err() {
        unshare(own | CloneFlags::CLONE_NEWUSER)?;
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
        std::fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
    }
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let switch = hosts.with_file_name("nsswitch.conf");
    std::fs::write(&switch, "hosts: files\n")?;
    for (ours, theirs) in [(hosts, "/etc/hosts"), (&switch, "/etc/nsswitch.conf")] {
        if File::open(theirs).is_ok() {
            mount(Some(ours), theirs, none, MsFlags::MS_BIND, none)?;
        }
    }
    // Where the kernel keeps low ports from ordinary users, whoever listens there says so.
    let _ = std::fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
    network::bring_up().map_err(|fail| io::Error::from_raw_os_error(fail.errno))
}
