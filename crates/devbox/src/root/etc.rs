//! An `/etc` of what programs need to run: our own names and certificates, and the host's harmless tables. Nothing with a credential in it.

use std::fmt::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::io::Result;

use super::repository::mask_config;
use super::tree::{self, Tree};
use crate::kernel::mount_attr::{NO_DEVICES, NO_SUID, READ_ONLY};
use crate::network::ADDRESS_V4;
use crate::setup::Setup;
use crate::trust::{BUNDLE_PATH, TRUST_STORE_PATH};
use crate::trust_store::trust_store;

/// What is copied with changes, read while the host's root stands.
pub(crate) struct Copied {
    gitconfig: Option<String>,
    zone: Option<PathBuf>,
}

/// Takes the host's tables, those that there are.
pub(crate) fn take() -> Vec<(OwnedFd, PathBuf)> {
    let mut names: Vec<String> = TABLES.iter().map(|name| (*name).to_owned()).collect();
    let listed = std::fs::read_dir("/etc").into_iter().flatten().flatten();
    let listed = listed.filter_map(|entry| entry.file_name().into_string().ok());
    names.extend(listed.filter(|name| FAMILIES.iter().any(|family| name.starts_with(family))));
    let taken = names.iter().map(|name| Path::new("/etc").join(name));
    taken.filter_map(|path| Some((tree::host_tree(&path, READ_ONLY | NO_SUID | NO_DEVICES).ok()?, path))).collect()
}

/// Reads what is copied with changes.
pub(crate) fn read_host() -> Copied {
    let zone = std::fs::canonicalize("/etc/localtime").ok().filter(|zone| zone.starts_with("/usr/share/zoneinfo"));
    Copied { gitconfig: std::fs::read_to_string("/etc/gitconfig").ok().map(|text| mask_config(&text)), zone }
}

/// Fills `/etc`.
pub(crate) fn fill(root: &Tree, copied: &Copied, taken: &[(OwnedFd, PathBuf)], setup: &Setup, bundle: &[u8]) -> Result<()> {
    let user = &setup.user;
    let home = Path::new(&setup.home_inside).display();
    let mut passwd = format!("{}:x:{}:{}::{home}:{}\n", user.name, user.uid, user.gid, user.shell);
    let mut group = format!("{}:x:{}:\n", user.group, user.gid);
    if user.uid != NOBODY {
        writeln!(passwd, "nobody:x:{NOBODY}:{NOBODY}:nobody:/nonexistent:/usr/sbin/nologin").expect("a string takes everything");
    }
    if user.gid != NOBODY {
        writeln!(group, "nogroup:x:{NOBODY}:").expect("a string takes everything");
    }
    root.file("/etc/passwd", passwd.as_bytes())?;
    root.file("/etc/group", group.as_bytes())?;
    root.file("/etc/hostname", format!("{HOST_NAME}\n").as_bytes())?;
    root.file(
        "/etc/hosts",
        format!("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{ADDRESS_V4} {HOST_NAME}\n").as_bytes(),
    )?;
    root.file("/etc/resolv.conf", format!("nameserver {ADDRESS_V4}\n").as_bytes())?;
    root.file("/etc/nsswitch.conf", NSSWITCH.as_bytes())?;
    root.file(BUNDLE_PATH, bundle)?;
    for path in BUNDLES {
        root.link(path, BUNDLE_PATH)?;
    }
    root.file(TRUST_STORE_PATH, &trust_store(bundle))?;
    root.link("/etc/pki/java/cacerts", TRUST_STORE_PATH)?;
    root.link("/etc/mtab", c"/proc/self/mounts")?;
    root.file(EMPTY_FILE, b"")?;
    root.folder(Path::new(EMPTY_FOLDER))?;
    if let Some(text) = &copied.gitconfig {
        root.file("/etc/gitconfig", text.as_bytes())?;
    }
    if let Some(zone) = &copied.zone {
        root.link("/etc/localtime", zone.as_path())?;
    }
    for (table, path) in taken {
        root.mount(table, path)?;
    }
    Ok(())
}

/// The devbox's own name.
pub(crate) const HOST_NAME: &str = "devbox";
/// What a masked file becomes.
pub(crate) const EMPTY_FILE: &str = "/etc/.masked";
/// What a masked folder becomes.
pub(crate) const EMPTY_FOLDER: &str = "/etc/.masked.d";

const NOBODY: u32 = 65534;

const NSSWITCH: &str = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n";

/// Where Fedora, SUSE, Alpine and OpenSSL itself look for the bundle.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
];

/// Tables without credentials that programs under `/usr` read.
const TABLES: [&str; 23] = [
    "alternatives",
    "containers/policy.json",
    "crypto-policies",
    "debian_version",
    "fonts",
    "gai.conf",
    "host.conf",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "ld-musl-x86_64.path",
    "login.defs",
    "magic",
    // The folder's `settings.xml` may hold passwords.
    "maven/logging",
    "maven/m2.conf",
    "mime.types",
    "os-release",
    "perl",
    "protocols",
    "services",
    "ssl/openssl.cnf",
    "terminfo",
];

/// Folders of language runtimes, whose names carry a version: their programs under `/usr` link into them.
const FAMILIES: [&str; 3] = ["java", "python", "nodejs"];
