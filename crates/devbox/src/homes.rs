//! The homes of this machine's users, and the folders in them that hold keys and logins: no work folder, and never given by a name that only leads there.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

use crate::error::PathProblem;
use crate::places::same;

/// The homes that there are.
#[derive(Debug)]
pub(crate) struct Homes(Vec<Home>);

#[derive(Debug)]
struct Home {
    /// As it is called.
    name: PathBuf,
    /// Without symlinks.
    real: PathBuf,
    /// The caller's.
    own: bool,
}

impl Homes {
    /// The caller's own (`home`, and the one that the machine knows), and those of the machine's other users.
    pub(crate) fn of_the_machine(home: Option<&Path>) -> Self {
        let known = User::from_uid(Uid::effective()).ok().flatten().map(|user| user.dir);
        let table = std::fs::read("/etc/passwd").unwrap_or_default();
        let others = table.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b':').nth(5));
        let others = others.map(|home| PathBuf::from(OsStr::from_bytes(home)));
        let own = home.map(Path::to_owned).into_iter().chain(known);
        let all = own.map(|home| (home, true)).chain(others.map(|home| (home, false)));
        let all = all.filter(|(home, _)| home.is_absolute() && home.parent().is_some());
        Self(all.map(|(name, own)| Home { real: std::fs::canonicalize(&name).unwrap_or_else(|_| name.clone()), name, own }).collect())
    }

    /// Refuses a work folder that is one of the caller's homes, or holds or lies in a folder of keys.
    ///
    /// # Arguments
    /// * `other_name`: what the caller's shell calls it, where a symlink stands in that name
    /// * `covered`: the home that has a private one in its place inside
    pub(crate) fn work_folder(&self, work: &Path, other_name: Option<&Path>, covered: &Path) -> Result<(), PathProblem> {
        for home in &self.0 {
            if home.own && work == home.real {
                return Err(PathProblem::Home);
            }
            let is_covered = home.real == covered && covered.starts_with(work);
            if home.leads_to_keys(work) || (home.own && !is_covered && home.holds_keys_of(work)) {
                return Err(PathProblem::Keys);
            }
            if other_name.is_some_and(|name| home.is_hidden_behind(work, name)) {
                return Err(PathProblem::Linked);
            }
        }
        Ok(())
    }

    /// Refuses a path that holds or lies in a folder of keys, or of the system's settings, unless the caller named it so: then it is meant.
    pub(crate) fn given(&self, path: &Path, said: &Path) -> Result<(), PathProblem> {
        let said = std::path::absolute(said).unwrap_or_else(|_| said.to_owned());
        if said == path {
            return Ok(());
        }
        let unsaid = |home: &Home| {
            let touches = home.leads_to_keys(path) || (home.own && home.holds_keys_of(path));
            let meant = home.keys().any(|keys| said.starts_with(&keys) || keys.starts_with(&said));
            touches && !meant
        };
        if self.0.iter().any(unsaid) || path.starts_with(SETTINGS) { Err(PathProblem::Unnamed) } else { Ok(()) }
    }
}

impl Home {
    /// Each folder of keys: as it is called, by the home's real path, and where symlinks in it lead.
    fn keys(&self) -> impl Iterator<Item = PathBuf> {
        KEYS.iter().flat_map(|keys| {
            let called = self.name.join(keys);
            let leads = self.own.then(|| std::fs::canonicalize(&called).ok()).flatten();
            [Some(called), Some(self.real.join(keys)), leads].into_iter().flatten()
        })
    }

    fn leads_to_keys(&self, path: &Path) -> bool {
        let by_mount = |keys: &Path| self.own && path.ancestors().any(|above| same(above, keys));
        self.keys().any(|keys| path.starts_with(&keys) || by_mount(&keys))
    }

    fn holds_keys_of(&self, path: &Path) -> bool {
        self.keys().any(|keys| keys.starts_with(path))
    }

    /// Whether a name that shows nothing of it leads into a hidden folder of the home: settings there run programs, too.
    fn is_hidden_behind(&self, path: &Path, name: &Path) -> bool {
        let first = path.strip_prefix(&self.real).ok().and_then(|rest| rest.iter().next());
        let hidden = first.filter(|first| first.as_bytes().starts_with(b"."));
        hidden.is_some_and(|hidden| !name.starts_with(self.name.join(hidden)) && !name.starts_with(self.real.join(hidden)))
    }
}

/// The system's settings, which say what runs as whom.
pub(crate) const SETTINGS: &str = "/etc";

/// Where usual programs keep keys and logins, in a home: folders, and files in folders of other things.
const KEYS: [&str; 31] = [
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".oci",
    ".password-store",
    ".mozilla",
    ".thunderbird",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".vault-token",
    ".cargo/credentials.toml",
    ".claude/.credentials.json",
    ".codex/auth.json",
    ".terraform.d/credentials.tfrc.json",
    ".config/git/credentials",
    ".config/gcloud",
    ".config/gh",
    ".config/glab-cli",
    ".config/op",
    ".config/doctl",
    ".config/rclone",
    ".config/github-copilot",
    ".config/google-chrome",
    ".config/chromium",
    ".local/share/keyrings",
    ".local/share/kwalletd",
];
