//! The local protocols: what the api asks of the gateway, the gateway of the keeper, and the command line of api and gateway.
//!
//! All are sequenced-packet Unix sockets: one message is one packet of JSON, with descriptors beside it where the message says so. Nothing here decides
//! anything, and no message of any of them can carry a value.
#![forbid(unsafe_code)]

pub mod agents;
mod bytes;
pub mod calls;
pub mod cli;
pub mod control;
pub mod front;
pub mod keeper;
pub mod packet;
mod verified;

pub use packet::{Listener, PacketError, Packets, Peer};
