//! The door that faces the network: HTTP in, one call of the service, HTTP out.
//!
//! It seals and cannot open; it reads bindings and events of use from the gateway and cannot change them. Before it listens it confines itself to its own
//! folder and the store's. What never lives here: a decision, SQL, a key that opens a value.
#![forbid(unsafe_code)]

mod bodies;
mod call;
pub mod confine;
pub mod control;
pub mod desk;
pub mod front;
pub mod host;
pub mod limits;
pub mod listen;
mod metrics;
mod observe;
mod problem;
mod queries;
pub mod rest;
pub mod serve;
mod views;

pub use confine::{ConfineError, confine};
pub use desk::Desk;
pub use front::{Front, FrontError};
pub use host::Hosts;
pub use listen::Bound;
pub use rest::router::router;
pub use serve::{Setup, StartError, run};
