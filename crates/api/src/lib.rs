//! The door that faces the network: HTTP in, one call of the service, HTTP out.
//!
//! It seals and cannot open; it reads bindings and events of use from the gateway and cannot change them. Before it listens it confines itself to its own
//! folder and the store's, and may read its certificate's. What never lives here: a decision, SQL, a key that opens a value.
#![forbid(unsafe_code)]

mod asking;
mod bodies;
mod call;
pub mod certificate;
pub mod confine;
mod connection;
pub mod control;
pub mod desk;
pub mod front;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod host;
pub mod limits;
pub mod listen;
mod metrics;
mod observe;
mod output;
mod places;
mod problem;
mod pulse;
mod queries;
pub mod rates;
pub mod rest;
pub mod serve;
mod shares;
pub mod tls;
mod ui;
mod views;

pub use certificate::{TlsError, TlsFiles};
pub use confine::{ConfineError, confine};
pub use desk::Desk;
pub use front::{Front, FrontError};
pub use host::Hosts;
pub use listen::Bound;
pub use rates::RateLimits;
pub use rest::router::router;
pub use serve::{Setup, StartError, TlsPort, run};
pub use tls::Tls;
