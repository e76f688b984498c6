//! The limits of this door, each with its reason. Those of the nouns stand in `model::limits`.

use std::time::Duration;

/// One message: a reason of a thousand characters and twenty hosts are a tenth of it. Bytes.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// One text in a message: the longest reason, of characters of four bytes each. A longer one is refused before it is looked at. Bytes.
pub const TEXT_BYTES_MAX: usize = 4 * REASON_CHARS_MAX;
/// A header of the protocol's: names of methods and tools, dates. Bytes.
pub const HEADER_BYTES_MAX: usize = 256;
/// A reason, in characters: a paragraph that a person reads.
pub const REASON_CHARS_MAX: usize = 1000;
/// Hosts of one request: more is no request that anybody reads.
pub const HOSTS_MAX: usize = 20;
/// How far back refusals are told where the caller does not say.
pub const REFUSALS_DEFAULT: u64 = 20;
/// At most.
pub const REFUSALS_MAX: u64 = 200;
/// How long a client may take to show a person a link, before the tool says the same in words.
pub const ELICITATION_WAIT: Duration = Duration::from_secs(120);
/// Messages over standard input that wait for their answer's turn. Bytes.
pub const PIPE_BYTES: usize = 256 * 1024;
