//! What the house does, who may do it, and what is recorded of it: one file per noun, verbs inside.
//!
//! The api's side (`House`: authenticate, accounts, keys, secrets, gateways, events) seals and writes rows; the gateway's side (`Gate`: marks, bindings, devboxes, resolve, backup) opens values and
//! decides where they may go. Synchronous throughout. What never lives here: HTTP, sockets, SQL, the command line.
#![forbid(unsafe_code)]

pub mod accounts;
pub mod agents;
pub mod anchor;
pub mod answers;
pub mod authenticate;
pub mod backup;
pub mod bindings;
pub mod clock;
pub mod denial;
pub mod devboxes;
pub mod events;
pub mod exposures;
#[cfg(feature = "faults")]
pub mod faults;
pub mod gate;
pub mod gateways;
pub mod hosted;
pub mod house;
pub mod ids;
pub mod keys;
pub mod marks;
mod memo;
pub mod more;
pub mod onlookers;
pub mod pairings;
pub mod pass_through;
mod plans;
pub mod remotes;
pub mod resolve;
pub mod rows;
pub mod secrets;
pub mod small;
pub mod uses;
pub mod verify;
pub mod versions;
pub mod via;

pub use accounts::{AccountPlan, AccountsError, Operator};
pub use agents::{Agent, AgentsError};
pub use answers::Request;
pub use authenticate::{AuthError, Caller, authenticate};
pub use backup::BackupError;
pub use bindings::BindingsError;
pub use clock::SystemClock;
pub use denial::DevboxDenial;
pub use devboxes::{CardGrant, DevboxCard, NewCa, OpenedDevbox, ResumedDevbox};
pub use events::EventsError;
pub use gate::{Gate, GateError, Policy};
pub use gateways::{GatewayChange, GatewayPage, GatewayPlan, Gateways, GatewaysError, WantedContent, WantedHeader};
pub use hosted::{CreatedHosted, NewHosted};
pub use house::{House, HouseError};
pub use ids::{Ids, IdsError};
pub use keys::{KeyDraft, KeyPlan, KeysError, MadeKey};
pub use onlookers::Onlooker;
pub use pass_through::PassThroughError;
pub use remotes::{NewRemoteDevbox, ResumedRemote, may_come_from};
pub use resolve::{Armed, Candidate, Places};
pub use secrets::{Page, Secrets, SecretsError, Which};
pub use via::{CardGateway, Piece, Via};

// What the api shows is what the store pages; the api itself never sees the store.
pub use store::{AccountPage, Commits, GatewayConfigPage, KeyPage, SecretPage};
