//! The channels by which a value could come out.

use serde::Serialize;

/// Where a value could come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The environment.
    Environment,
    /// Files.
    Files,
    /// Other processes.
    Processes,
    /// The kernel's own ways: namespaces, mounts, devices, keyrings.
    Kernel,
    /// What tools say of themselves.
    Tools,
    /// Sockets of the host.
    Sockets,
    /// Names.
    Dns,
    /// Ways out beside TLS to the gateway.
    WaysOut,
    /// Hosts that the secret is not bound to.
    WrongHost,
    /// Places that no binding names.
    Misplaced,
    /// Requests that two readers read in two ways.
    Framing,
    /// Methods and paths that a binding does not cover.
    Paths,
    /// Addresses in place of names, and names of forbidden addresses.
    Addresses,
    /// Where a bound host says the value.
    Replies,
    /// How a bound host writes the value.
    Forms,
    /// Compressed and cut.
    Codings,
    /// Another devbox.
    Devboxes,
    /// Another account.
    Accounts,
    /// The API asked in every way.
    Api,
    /// The API's process taken over.
    TakenOver,
    /// Files at rest.
    AtRest,
    /// What the command line shows.
    CommandLine,
}

impl Channel {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 22] = [
        Self::Environment,
        Self::Files,
        Self::Processes,
        Self::Kernel,
        Self::Tools,
        Self::Sockets,
        Self::Dns,
        Self::WaysOut,
        Self::WrongHost,
        Self::Misplaced,
        Self::Framing,
        Self::Paths,
        Self::Addresses,
        Self::Replies,
        Self::Forms,
        Self::Codings,
        Self::Devboxes,
        Self::Accounts,
        Self::Api,
        Self::TakenOver,
        Self::AtRest,
        Self::CommandLine,
    ];

    /// The channel's words in tables.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Files => "files",
            Self::Processes => "other processes",
            Self::Kernel => "the kernel's ways",
            Self::Tools => "tools' own words",
            Self::Sockets => "the host's sockets",
            Self::Dns => "names (DNS)",
            Self::WaysOut => "other ways out",
            Self::WrongHost => "wrong host",
            Self::Misplaced => "places not bound",
            Self::Framing => "smuggled requests",
            Self::Paths => "methods and paths",
            Self::Addresses => "addresses",
            Self::Replies => "replies: where",
            Self::Forms => "replies: encodings",
            Self::Codings => "replies: cut, packed",
            Self::Devboxes => "another devbox",
            Self::Accounts => "another account",
            Self::Api => "the API asked",
            Self::TakenOver => "the API taken over",
            Self::AtRest => "files at rest",
            Self::CommandLine => "the command line",
        }
    }

    /// The channel's word for `--only`, as in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Files => "files",
            Self::Processes => "processes",
            Self::Kernel => "kernel",
            Self::Tools => "tools",
            Self::Sockets => "sockets",
            Self::Dns => "dns",
            Self::WaysOut => "ways_out",
            Self::WrongHost => "wrong_host",
            Self::Misplaced => "misplaced",
            Self::Framing => "framing",
            Self::Paths => "paths",
            Self::Addresses => "addresses",
            Self::Replies => "replies",
            Self::Forms => "forms",
            Self::Codings => "codings",
            Self::Devboxes => "devboxes",
            Self::Accounts => "accounts",
            Self::Api => "api",
            Self::TakenOver => "taken_over",
            Self::AtRest => "at_rest",
            Self::CommandLine => "command_line",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channels_word_is_the_one_of_the_json() {
        for channel in Channel::ALL {
            assert_eq!(serde_json::to_value(channel).expect("a word"), channel.word());
        }
    }
}
