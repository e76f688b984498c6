//! The data folder, before any server is started on it: whose it is, whether its keys are there, whether there is room, and whether it can be served.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use link::Packets;
use rustix::io::Errno;

use super::super::fault::chain;
use super::super::hints::quoted;
use super::looks::Looks;
use crate::config::{Config, LISTEN_DEFAULT};
use crate::folder::{DataFolder, FolderError, Presence};

/// Looks at the folder. False where there is no use in looking further: no server could serve it.
pub(super) fn look(folder: &DataFolder, looks: &mut Looks) -> bool {
    match folder.look() {
        Ok(Presence::Present) => {}
        Ok(Presence::Absent) => {
            looks.ok("data folder", "not there yet: the first command makes it");
            return true;
        }
        Err(FolderError::ForeignOwner { path, owner }) => {
            let found = format!("{} belongs to the user with id {owner}", path.display());
            looks.broken("data folder", found, "run tightlip as that user, or name another folder with --data DIR");
            return false;
        }
        Err(error) => {
            looks.broken("data folder", chain(&error), "name another folder with --data DIR");
            return false;
        }
    }
    let before = looks.broken_count();
    looks.ok("data folder", folder.path().display().to_string());
    root_key(folder, looks);
    room(folder.path(), looks);
    let holder = folder.holder();
    match &holder {
        Some(pid) => answers(*pid, folder, looks),
        None => settings(folder, looks),
    }
    looks.broken_count() == before
}

/// A folder that was set up has its root key, or says how that is derived.
fn root_key(folder: &DataFolder, looks: &mut Looks) {
    let key = folder.root_key();
    if folder.keyring().exists() && !key.exists() && !folder.root_passphrase().exists() {
        looks.broken(
            "root key",
            format!("{} is missing: without it no stored value opens, and no server starts", key.display()),
            format!("put your copy of it there: install -m 600 COPY {}", quoted(&key)),
        );
    }
}

/// Whether there is room for what is written before anything is used.
fn room(path: &Path, looks: &mut Looks) {
    // What the system does not say is said by the server, where it matters.
    let Ok(about) = rustix::fs::statvfs(path) else { return };
    let (free_mb, has_names) = (about.f_bavail.saturating_mul(about.f_frsize) / 1_000_000, about.f_files == 0 || about.f_favail > 0);
    if free_mb < ROOM_MB_MIN || !has_names {
        let left = if has_names { format!("{free_mb} MB are left") } else { "no file can be made any more".to_owned() };
        looks.broken(
            "disk",
            format!("{left} where the data folder is: what cannot be recorded is refused"),
            format!("make room; see df -h {}", quoted(path)),
        );
    } else {
        looks.ok("disk", "there is room");
    }
}

/// Whoever holds the folder's lock has to answer at its socket.
fn answers(pid: u32, folder: &DataFolder, looks: &mut Looks) {
    if Packets::connect(&folder.socket()).is_err() {
        looks.broken(
            "server",
            format!("process {pid} holds the data folder and does not answer: it may just be starting or ending, or it hangs"),
            format!("tightlip doctor, once more; then tightlip down; then kill {pid}"),
        );
    }
}

/// What `up` would do with the settings: read them, and listen where they say.
fn settings(folder: &DataFolder, looks: &mut Looks) {
    let config = match Config::load(&folder.config()) {
        Ok(config) => config,
        Err(error) => {
            return looks.broken("settings", chain(&error), format!("mend that line of {}", folder.config().display()));
        }
    };
    let named = [
        (config.tls.as_ref().map(|tls| tls.listen), "[api] tls_listen"),
        (config.gateway, "[gateway] listen"),
        (config.listen, "[api] listen"),
    ];
    for (address, setting) in named {
        if let Some(address) = address.filter(|address| is_taken(*address)) {
            looks.broken(
                "port",
                format!("{address} of `{setting}` is taken by another program"),
                format!("see whose it is: ss -ltnp 'sport = :{}'; or name another port in tightlip.toml", address.port()),
            );
        }
    }
    if config.listen.is_none() && is_taken(LISTEN_DEFAULT) {
        looks.note(
            "port",
            format!("{LISTEN_DEFAULT}, where `tightlip up` listens if nothing else is said, is taken by another program"),
            "tightlip up --listen 127.0.0.1:7081   (other commands need no certain port)",
        );
    }
}

fn is_taken(address: SocketAddr) -> bool {
    address.port() != 0 && TcpListener::bind(address).is_err_and(|error| Errno::from_io_error(&error) == Some(Errno::ADDRINUSE))
}

/// The logs of both databases grow to some megabytes before they are folded in.
const ROOM_MB_MIN: u64 = 32;
