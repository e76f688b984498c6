//! The network part over real sockets: a devbox's clients on one side, TLS upstreams on the other, the real service between, all on loopback.
#![allow(clippy::unwrap_used, reason = "tests")]

mod addresses;
mod bodies;
mod bytes;
mod client;
mod compressed;
mod decided;
mod echoes;
mod elsewhere;
mod ends;
mod floods;
mod guesses;
mod http2;
mod notes;
mod over_http2;
mod plain;
mod proxied;
mod proxy;
mod puppet;
mod rebinding;
mod refused;
mod replies;
mod revoked;
mod road;
mod room;
mod smuggled;
mod sockets;
mod streaming;
mod unseen;
mod upstream;
mod witnesses;
mod world;

#[path = "../../../service/tests/fixture/installation.rs"]
mod installation;

#[path = "../../../tightlip/tests/common/h2.rs"]
mod h2;
