//! Rows in, rows out, ciphertext only: the store's database and the gateway's ledger, both on SQLite.
//!
//! What lives here is where things are kept: accounts, API keys, sealed secrets, data-key records, gateway configs, bindings, devboxes, grants, and the hash-chained events
//! that are written in the same transaction as the change they tell of. What never does: a value, a key that could open one, a decision about who may do
//! what, the clock, randomness. Time and ids come in with the rows.
//!
//! All verbs block, writes until they are durable; an asynchronous caller moves them to a blocking thread.
#![forbid(unsafe_code)]

pub mod cut;
pub mod error;
pub mod hosted;
pub mod ledger;
mod marked;
pub mod requests;
pub mod rows;
pub mod sqlite;
pub mod store;

pub use cut::Cut;
pub use error::{ChainFault, FileFault, Result, StoreError};
pub use hosted::{ExposureRow, GatewayGrant, GatewayRole, HostedPage, HostedRow, NewGateway, NewHosted, PairingRow, PairingStatus};
pub use ledger::Ledger;
pub use marked::KeptDevbox;
pub use requests::{AllowedRow, Lapsed, LinkRow, Proof, RequestChange, RequestRow, RequestState};
pub use rows::{
    AccountPage, AnswerRow, Commits, DevboxRow, EventQuery, GatewayConfigPage, GrantRow, Head, KeyPage, KeyRequest, Recorded, RequestedKey,
    SealedSecret, SecretPage, Shown,
};
pub use sqlite::look::{Held, Looked};
pub use sqlite::look_ledger::LedgerLook;
pub use sqlite::look_store::{Ownerless, SecretTold, Standing, StoreLook};
pub use sqlite::marks::{MarkedRows, Marker};
pub use sqlite::readers::{at_hand, may_wait};
pub use sqlite::shape::{ObjectFault, SchemaFault, SchemaFaults};
pub use sqlite::snapshot::Snapshot;
pub use store::{Mode, Store};
