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
    /// It has more files to mask than there is room for.
    #[error("has too many .env files or sockets to mask")]
    TooManyMasks,
}
