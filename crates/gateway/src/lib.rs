//! The gateway: a devbox's only way out.
//!
//! A request's life from top to bottom: `listen` (which devbox), `names` (what it looked up), `greet` and `intercept` (one name for one connection), `find`
//! (its tokens), the service's decision, `dial` (the checked address), `reply` (through the scrubber). What is refused leaves at `refuse` and nowhere else.
//! What never lives here: SQL, keys, and the bytes of a value outside the vault's own types.
#![forbid(unsafe_code)]

mod activity;
mod base_url;
mod body;
pub mod ca;
mod causes;
mod charset;
mod coming;
mod decode;
pub mod dial;
mod disguises;
mod envelopes;
mod exchange;
#[cfg(feature = "faults")]
mod faults;
mod find;
mod frames;
pub mod front;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod greet;
mod headers;
mod hosted;
mod http2;
mod inside;
mod intercept;
mod leave;
pub mod listen;
pub mod local;
pub mod names;
pub mod net;
mod note;
mod overrides;
mod path;
pub mod process;
mod proxy;
mod query;
mod refuse;
mod remotes;
mod reply;
mod room;
mod seats;
mod shares;
mod splice;
mod tags;
mod unpoisoned;
mod upstream;
mod upstreams;
mod watch;
mod websocket;

pub use ca::{Authority, AuthorityError};
pub use dial::proxy::{ProxyCredentials, ProxyCredentialsError, UpstreamProxy};
pub use listen::{ListenerError, check_listener};
pub use names::Synthetic;
pub use net::{Attached, Net, NetConfig, NetError, Timeouts};
pub use room::RoomSize;
