//! Typed calls to the REST surface, for the command line.
//!
//! What lives here: requests, answers, their errors. What never does: a decision, a file, a value that can be read (bodies with a value are written by
//! `vault::wire`). One call at a time on one thread: the caller needs no runtime of its own.
#![forbid(unsafe_code)]

mod agents;
mod devboxes;
mod error;
mod events;
mod gateways;
mod keys;
mod secrets;
mod sse;
mod transport;
mod trust;

pub use agents::ToolAnswer;
pub use devboxes::{DevboxView, EnvironmentView, ExecutionView, StateView};
pub use error::{ClientError, Distrust};
pub use events::{EventPage, EventsWanted, Follow};
pub use gateways::GatewayConfigView;
pub use keys::{CreatedKey, KeyPage, KeyView};
pub use secrets::{SecretPage, SecretView};
pub use transport::Client;
