//! The local protocols: what is read and written again is the same, on the wire as in memory, and what is not of the protocol is said to be so.
//!
//! Input: a byte that says which message, then a packet.
#![no_main]

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use link::calls::Numbered;
use link::{PacketError, Packets, cli, control, front, keeper};
use model::limits::LINK_MESSAGE_BYTES_MAX;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A raw end, and the end that is under test.
static LINE: LazyLock<(UnixDatagram, Packets)> = LazyLock::new(|| {
    let (raw, end) = Packets::pair().expect("a pair");
    (UnixDatagram::from(OwnedFd::from(raw)), end)
});

fuzz_target!(|data: &[u8]| {
    let Some((which, packet)) = data.split_first() else { return };
    match which % 8 {
        0 => message::<cli::Request>(packet),
        1 => message::<cli::Reply>(packet),
        2 => message::<front::Question>(packet),
        3 => message::<front::Answer>(packet),
        4 => message::<control::Request>(packet),
        5 => message::<control::Reply>(packet),
        6 => message::<Numbered<keeper::Order>>(packet),
        _ => message::<Numbered<keeper::Kept>>(packet),
    }
});

fn message<M: Serialize + DeserializeOwned>(packet: &[u8]) {
    let read = serde_json::from_slice::<M>(packet);
    if packet.len() <= LINK_MESSAGE_BYTES_MAX {
        LINE.0.send(packet).expect("there is room");
        match LINE.1.recv::<M>() {
            Ok((received, fds)) => {
                assert!(read.is_ok() && fds.is_empty());
                assert_eq!(json(&received), read.as_ref().map(json).unwrap_or_default());
            }
            Err(error) => assert!(read.is_err() && matches!(error, PacketError::Malformed), "{error:?}"),
        }
    }
    let Ok(read) = read else { return };
    let written = json(&read);
    let again = serde_json::from_slice::<M>(&written).expect("what was written can be read");
    assert_eq!(json(&again), written, "written twice is written once");
}

fn json<M: Serialize>(message: &M) -> Vec<u8> {
    serde_json::to_vec(message).expect("a message is JSON")
}
