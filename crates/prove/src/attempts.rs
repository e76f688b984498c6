//! The attempts: each a name, a channel, and what the agent does.

use crate::probe::Knowledge;

mod local;
mod network;

/// One way to try.
pub struct Attempt {
    /// Its name.
    pub name: &'static str,
    /// The channel that it tries.
    pub channel: Channel,
    /// Does it, and gives every byte obtained.
    pub make: fn(&Knowledge) -> Vec<u8>,
}

/// Where a value could come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The environment.
    Environment,
    /// Files.
    Files,
    /// Other processes.
    Processes,
    /// Sockets of the host.
    Sockets,
    /// Names.
    Dns,
    /// Hosts that the secret is not bound to.
    WrongHost,
    /// Addresses in place of names.
    Addresses,
    /// What a bound host answers.
    Replies,
}

impl Channel {
    /// The channel's word in tables.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Files => "files",
            Self::Processes => "processes",
            Self::Sockets => "host's sockets",
            Self::Dns => "names (DNS)",
            Self::WrongHost => "wrong host",
            Self::Addresses => "address literals",
            Self::Replies => "replies",
        }
    }
}

const fn attempt(name: &'static str, channel: Channel, make: fn(&Knowledge) -> Vec<u8>) -> Attempt {
    Attempt { name, channel, make }
}

/// All of them, in the order in which they run.
pub const ATTEMPTS: &[Attempt] = &[
    attempt("print the environment", Channel::Environment, local::environment),
    attempt("read every /proc/*/environ", Channel::Environment, local::environ_files),
    attempt("read every /proc/*/cmdline", Channel::Environment, local::command_lines),
    attempt("read .env in the work folder", Channel::Files, local::dotenv),
    attempt("read credentials in .git/config", Channel::Files, local::git_config),
    attempt("read the server's data folder", Channel::Files, local::data_folder),
    attempt("search home, /tmp, /run and /var", Channel::Files, local::search_files),
    attempt("read inherited descriptors", Channel::Files, local::descriptors),
    attempt("read the server's memory", Channel::Processes, local::foreign_memory),
    attempt("attach to the server", Channel::Processes, local::attach),
    attempt("ask gateway.sock", Channel::Sockets, local::gateway_socket),
    attempt("ask the api on the host's loopback", Channel::Sockets, network::host_api),
    attempt("send the token as a name to a resolver", Channel::Dns, network::dns),
    attempt("token to an allowed but unbound host", Channel::WrongHost, network::unbound_bearer),
    attempt("token to an unbound host as x-api-key", Channel::WrongHost, network::unbound_api_key),
    attempt("token to an unbound host inside Basic", Channel::WrongHost, network::unbound_basic),
    attempt("token in path, query and body", Channel::WrongHost, network::unbound_elsewhere),
    attempt("bound TLS name, unbound Host", Channel::WrongHost, network::host_mismatch),
    attempt("unbound TLS name at the bound host's address", Channel::WrongHost, network::name_mismatch),
    attempt("metadata address", Channel::Addresses, network::metadata),
    attempt("loopback address with the bound name", Channel::Addresses, network::loopback),
    attempt("echo in the body", Channel::Replies, network::echo_body),
    attempt("echo in base64", Channel::Replies, network::echo_base64),
    attempt("echo in hexadecimal", Channel::Replies, network::echo_hex),
    attempt("echo percent-encoded", Channel::Replies, network::echo_percent),
    attempt("echo in JSON", Channel::Replies, network::echo_json),
    attempt("echo in reason phrase, header and cookie", Channel::Replies, network::echo_head),
    attempt("echo in a redirect", Channel::Replies, network::echo_location),
    attempt("echo one byte a chunk", Channel::Replies, network::echo_bytewise),
    attempt("echo in a trailer", Channel::Replies, network::echo_trailer),
    attempt("echo compressed", Channel::Replies, network::echo_gzip),
    attempt("echo within five megabytes", Channel::Replies, network::echo_big),
    attempt("echo under a Range", Channel::Replies, network::echo_range),
    attempt("store with the token, recall without", Channel::Replies, network::store_and_recall),
    attempt("TRACE", Channel::Replies, network::trace),
];
