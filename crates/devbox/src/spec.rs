//! What a devbox is asked to be, and the checks of its paths before anything is made.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{DevboxError, PathProblem};
use crate::folder::{WorkFolder, resolve};
use crate::homes::{Homes, SETTINGS};
use crate::places::{Mounts, is_data_folder, same};
use crate::setup::{Access, Extra, Setup};
use crate::stdio;

/// A devbox, as asked for.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The command and its arguments; looked up in `PATH` of `env`, inside.
    pub argv: Vec<OsString>,
    /// The whole environment: nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// The work folder: writable, at its own path.
    pub work_dir: WorkFolder,
    /// Further paths to read.
    pub ro: Vec<PathBuf>,
    /// Further paths to read and write.
    pub rw: Vec<PathBuf>,
    /// A folder that is kept as the home; none: an empty one that vanishes with the devbox.
    pub home: Option<PathBuf>,
    /// Files that stand in the home when the command starts.
    pub home_files: Vec<HomeFile>,
    /// Programs that are found by a name of their own in [`PROGRAMS_PATH`].
    pub programs: Vec<Program>,
    /// What is never mounted, nor an ancestor or a part of it: the data folder.
    pub hidden: Vec<PathBuf>,
    /// The certificates that tools inside trust: the system's and the devbox's own authority. PEM.
    pub bundle_pem: Vec<u8>,
    /// The TCP ports on which every address is the gateway.
    pub ports: Vec<u16>,
    /// Whether the command gets a terminal of its own.
    pub terminal: Terminal,
}

/// A file of the home. In a home that is kept it is written only where nothing of its name stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeFile {
    /// Where, relative to the home: plain names only. Folders are made.
    pub path: String,
    /// What it holds; nobody else may read it.
    pub text: String,
}

/// A name for a program that lies inside already: a link in [`PROGRAMS_PATH`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The name.
    pub name: String,
    /// The program's path.
    pub target: OsString,
}

/// The folder of [`Spec::programs`]; it belongs into `PATH` of [`Spec::env`].
pub const PROGRAMS_PATH: &str = "/run/programs";

/// Whether the command gets a terminal of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Terminal {
    /// One of its own when both stdin and stdout are terminals; otherwise files and pipes are passed on and everything else is relayed.
    #[default]
    Auto,
    /// Never: a terminal is relayed by pipes.
    Off,
}

impl Spec {
    /// Checks the paths and finds who the user is.
    pub(crate) fn check(&self) -> Result<Setup, DevboxError> {
        if self.argv.is_empty() {
            return Err(DevboxError::NotFound);
        }
        stdio::refuse_folders()?;
        let hidden: Vec<PathBuf> = self.hidden.iter().map(|path| real(path).unwrap_or_else(|_| path.clone())).collect();
        let home_inside = self.home_inside();
        let homes = Homes::of_the_machine(self.home_outside().as_deref());
        let work = self.work_folder(&homes, &home_inside, &hidden).map_err(DevboxError::WorkDir)?;
        let given = |said: &Path| {
            let (path, identity) = resolve(said)?;
            mountable(&path, &hidden)?;
            homes.given(&path, said).map(|()| (path, identity))
        };
        let mut extras = vec![work.clone()];
        let work = work.path;
        for (option, paths, access) in [("--ro", &self.ro, Access::Read), ("--rw", &self.rw, Access::Write)] {
            for (index, path) in paths.iter().enumerate() {
                let (path, identity) = given(path).map_err(|problem| DevboxError::Path { option, number: index + 1, problem })?;
                extras.retain(|extra| extra.path != path || extra.path == work);
                if path != work {
                    extras.push(Extra { path, identity, access });
                }
            }
        }
        let home = match &self.home {
            None => None,
            Some(path) => {
                let checked = given(path).and_then(|(path, identity)| folder(&path, &hidden).map(|()| (path, identity)));
                let (path, identity) = checked.map_err(|problem| DevboxError::Path { option: "--home", number: 1, problem })?;
                Some(Extra { path, identity, access: Access::Write })
            }
        };
        extras.sort_by_key(|extra| extra.path.components().count());
        Ok(Setup::new(self, work, extras, home, home_inside, hidden))
    }

    fn work_folder(&self, homes: &Homes, home_inside: &Path, hidden: &[PathBuf]) -> Result<Extra, PathProblem> {
        let identity = self.work_dir.identity()?;
        let path = self.work_dir.path();
        folder(path, hidden)?;
        if path == home_inside {
            return Err(PathProblem::Home);
        }
        homes.work_folder(path, self.work_dir.other_name(), home_inside)?;
        Ok(Extra { path: path.to_owned(), identity, access: Access::Write })
    }

    fn home_outside(&self) -> Option<PathBuf> {
        self.env.iter().rev().find(|(key, _)| key.as_bytes() == b"HOME").map(|(_, value)| PathBuf::from(value))
    }

    /// Where the home stands inside: `HOME`, or a place of our own where that is no home.
    fn home_inside(&self) -> PathBuf {
        self.home_outside()
            .map(|home| real(&home).unwrap_or(home))
            .filter(|home| plain(home) && can_be_home(home))
            .unwrap_or_else(|| "/home/user".into())
    }
}

/// The path without symlinks. It must exist.
fn real(path: &Path) -> Result<PathBuf, PathProblem> {
    std::fs::canonicalize(path).map_err(|_| PathProblem::Missing)
}

/// A folder that is taken whole: nothing below the system's settings is.
fn folder(path: &Path, hidden: &[PathBuf]) -> Result<(), PathProblem> {
    mountable(path, hidden)?;
    if path.starts_with(SETTINGS) {
        return Err(PathProblem::System);
    }
    if path.is_dir() { Ok(()) } else { Err(PathProblem::NotAFolder) }
}

fn mountable(path: &Path, hidden: &[PathBuf]) -> Result<(), PathProblem> {
    let is_hidden = |hidden: &PathBuf| {
        let by_name = hidden.starts_with(path) || path.starts_with(hidden);
        by_name || hidden.ancestors().any(|above| same(above, path)) || path.ancestors().any(|above| same(above, hidden))
    };
    if is_system(path) || !plain(path) {
        return Err(PathProblem::System);
    }
    let shows = |hidden: &PathBuf| Mounts::read().and_then(|mounts| mounts.shows(path, hidden));
    // What cannot be told is taken for hidden.
    let elsewhere = || hidden.iter().any(|hidden| shows(hidden).unwrap_or(true));
    if hidden.iter().any(is_hidden) || path.ancestors().any(is_data_folder) || elsewhere() {
        return Err(PathProblem::Hidden);
    }
    Ok(())
}

/// The root, what the devbox has of its own, and the kernel's own file systems: mounting the host's over them would undo a wall.
fn is_system(path: &Path) -> bool {
    let whole = ["/", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/run", "/var", "/tmp", "/home"];
    whole.iter().any(|own| path == Path::new(own)) || ["/proc", "/sys", "/dev"].iter().any(|kernel| path.starts_with(kernel))
}

/// The root and what is mounted read-only have no room for a home.
fn can_be_home(path: &Path) -> bool {
    let fixed = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc"];
    !is_system(path) && !fixed.iter().any(|fixed| path.starts_with(fixed))
}

/// Absolute, without `.` and `..`.
fn plain(path: &Path) -> bool {
    path.is_absolute() && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}
