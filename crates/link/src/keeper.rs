//! What the gateway asks of the keeper, which holds the API's devboxes: they live on while the gateway starts again.
//!
//! Each message is a [`crate::calls::Numbered`]. No value is in one: where a devbox is given values in plain, they stand in an anonymous file beside the
//! message, which the keeper hands on unread.

use model::{DevboxId, ExecutionId, Stream};
use serde::{Deserialize, Serialize};

use crate::cli::Role;

/// A question.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Make a devbox's namespaces and listeners. Beside it: the certificates that it trusts (PEM), and variables that are values (`KEY=VALUE`, each ended by a
    /// zero byte; may be empty), as anonymous files. Answered by [`Kept::Listening`].
    Build {
        /// Which.
        devbox: DevboxId,
        /// What it is made from.
        hosted: Hosted,
    },
    /// Its network is served: build its walls, and start its entrypoint where it has one. Answered by [`Kept::Done`] when it takes commands.
    Open {
        /// Which.
        devbox: DevboxId,
    },
    /// Which devboxes there are. Answered by [`Kept::Roster`].
    Roster,
    /// The listeners of a devbox once more. Answered by [`Kept::Listening`].
    Listeners {
        /// Which.
        devbox: DevboxId,
    },
    /// Run a command. One of this id that runs or ran already is not run again. Answered by [`Kept::Execution`].
    Execute {
        /// Where.
        devbox: DevboxId,
        /// The command's id.
        execution: ExecutionId,
        /// The text for a login shell.
        command: String,
    },
    /// How a command fares. Answered by [`Kept::Execution`] when it has ended, or when the wait is over.
    Execution {
        /// Where.
        devbox: DevboxId,
        /// Which.
        execution: ExecutionId,
        /// How long to wait for its end, a minute at most. Milliseconds.
        wait_ms: u64,
    },
    /// A piece of a command's output. Answered by [`Kept::Output`] when there is something from `from` on, when the stream has ended, or when the wait is
    /// over.
    Output {
        /// Where.
        devbox: DevboxId,
        /// Which.
        execution: ExecutionId,
        /// Which of its streams.
        stream: Stream,
        /// From this byte of the stream on.
        from: u64,
        /// How long to wait for something, a minute at most. Milliseconds.
        wait_ms: u64,
    },
    /// End a command: every process of its session. Answered by [`Kept::Execution`].
    Kill {
        /// Where.
        devbox: DevboxId,
        /// Which.
        execution: ExecutionId,
    },
    /// End a devbox. Answered by [`Kept::Done`] when its last process has gone; done already is done.
    End {
        /// Which.
        devbox: DevboxId,
    },
}

/// What a devbox is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hosted {
    /// Its whole environment, but for variables that are values.
    pub env: Vec<(String, String)>,
    /// The TCP ports on which every address is the gateway.
    pub ports: Vec<u16>,
    /// The user and group that its processes are: its own, where the server is the machine's root; none: the server's.
    pub uid: Option<u32>,
    /// What runs as long as it lives: the text for a login shell.
    pub entrypoint: Option<String>,
}

/// An answer, or what is said unasked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// The devbox's listeners. Beside it: a descriptor for each, in this order.
    Listening {
        /// What each is.
        roles: Vec<Role>,
    },
    /// It was done.
    Done,
    /// The devboxes that live, whether or not they were opened.
    Roster(Vec<DevboxId>),
    /// How a command fares.
    Execution(Execution),
    /// A piece of output.
    Output(Output),
    /// It was not done.
    Failed(Trouble),
    /// Unasked: a devbox has ended by itself. With its entrypoint's exit code where that ended.
    Ended {
        /// Which.
        devbox: DevboxId,
        /// The entrypoint's code.
        entrypoint: Option<i32>,
    },
}

/// How a command fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// Which.
    pub execution: ExecutionId,
    /// Its exit code once it has ended: 128 and the number for a signal.
    pub ended: Option<i32>,
    /// How much it wrote, byte by byte, to its standard output and error.
    pub written: [u64; 2],
    /// From which byte on each is still there.
    pub kept_from: [u64; 2],
}

/// A piece of output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// At which byte of the stream it begins: later than was asked where that is no longer kept.
    pub from: u64,
    /// The piece; empty where nothing came in time, or at the end.
    #[serde(with = "crate::bytes")]
    pub bytes: Vec<u8>,
    /// Nothing comes after it.
    pub is_last: bool,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// No such devbox, or it has ended.
    NoDevbox,
    /// The devbox was not opened yet, or was opened before.
    NotNow,
    /// No such command.
    NoExecution,
    /// A limit of ours: devboxes, commands.
    TooMany,
    /// The kernel refused; our own words and the system's, for people.
    Refused(String),
}
