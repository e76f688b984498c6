//! The two local protocols: what the api asks of the gateway, and what the command line asks of it.
//!
//! Both are sequenced-packet Unix sockets: one message is one packet of JSON, with descriptors beside it where the message says so. Nothing here decides
//! anything, and no message of either protocol can carry a value.
#![forbid(unsafe_code)]

pub mod cli;
pub mod front;
pub mod packet;

pub use packet::{Listener, PacketError, Packets, Peer};
