//! Why a devbox did not come to be.

use std::io;

/// Why a devbox did not start, or was lost. Fits after "failed to run the command: ".
#[derive(Debug, thiserror::Error)]
pub enum DevboxError {
    /// The system forbids ordinary users to make namespaces; the text names what forbids it and what mends it.
    #[error("{0}")]
    NamespacesForbidden(String),
    /// The command exists and cannot be executed (exit code 126).
    #[error("the command cannot be executed inside the devbox")]
    NotExecutable,
    /// There is no such command (exit code 127).
    #[error("the command was not found inside the devbox; what lies outside /usr and the work folder is given with --ro")]
    NotFound,
    /// The work folder cannot be one.
    #[error("the work folder {0}")]
    WorkDir(PathProblem),
    /// A path that was asked for cannot be given.
    #[error("path {number} of {option} {problem}")]
    Path {
        /// The option that named it.
        option: &'static str,
        /// Which of that option's paths, from 1.
        number: usize,
        /// What is wrong with it.
        problem: PathProblem,
    },
    /// The work folder holds more than is searched for what must be masked and guarded; most of it lies in the folder that is named.
    #[error(
        "the work folder holds more than {max} files and folders, most of them in `{0}`: it cannot be searched for .env files and repositories; \
         remove what is not needed there, or start in a folder below",
        max = model::limits::DEVBOX_SEARCH_ENTRIES_MAX
    )]
    TooLarge(String),
    /// Another folder has the name of one that was asked for, since just now.
    #[error("a folder that was asked for was replaced by another while the devbox was made; look at what stands there, and start again")]
    Replaced,
    /// stdin, stdout or stderr is a folder: through it the host's files could be reached.
    #[error("standard input, output or error is a folder")]
    FolderAsStdio,
    /// The host's certificates were not found.
    #[error("no certificate bundle was found on this system; install ca-certificates")]
    NoBundle,
    /// A devbox of the API's was to run as the machine's root.
    #[error("a devbox of the API's never runs as the machine's root; give it a user of its own")]
    RootInside,
    /// The kernel refused a step.
    #[error("the kernel refused to {step}")]
    Kernel {
        /// What was being done.
        step: &'static str,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}

/// What is wrong with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathProblem {
    /// It does not exist or may not be entered.
    #[error("does not exist or may not be entered")]
    Missing,
    /// It is a file.
    #[error("is not a folder")]
    NotAFolder,
    /// It holds, or lies in, the folder with tightlip's own keys.
    #[error("holds or lies in tightlip's data folder, which no devbox may see; use another folder")]
    Hidden,
    /// It is a part of the system that the devbox has of its own.
    #[error("is a part of the system that a devbox has of its own")]
    System,
    /// It is the home folder, which holds the user's keys.
    #[error("is your home folder, with your keys in it; go to a project's folder")]
    Home,
    /// It holds, or lies in, what usual programs keep their keys and logins in.
    #[error("holds or lies in a folder of keys and logins (~/.ssh and its like); go to a project's folder")]
    Keys,
    /// The name that was given does not say that it leads to keys, logins or the system's settings.
    #[error(
        "leads to a folder of keys and logins (~/.ssh and its like) or of the system's settings; name that folder itself if you mean it"
    )]
    Unnamed,
    /// The name by which the caller came does not say that it leads into a hidden folder of a home.
    #[error("is reached through a symbolic link and lies in a hidden folder of a home; go there by its own name if you mean it")]
    Linked,
    /// It is not what had the name before.
    #[error("was moved away or replaced by another while the devbox was made; look at what stands there, and start again")]
    Replaced,
    /// It has more files to mask than there is room for.
    #[error("has too many .env files or sockets to mask")]
    TooManyMasks,
}
