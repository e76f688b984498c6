//! The nouns of the house: ids, names, hosts, bindings, tokens, grants, events, sealed rows.
//!
//! What lives here is data and pure decisions about data. What never does: I/O, the clock, randomness, cryptography, SQL, HTTP. Whatever a noun needs
//! of those comes in as an argument.
#![forbid(unsafe_code)]

pub mod access;
pub mod binding;
pub mod devbox;
pub mod event;
pub mod execution;
pub mod framing;
pub mod gateway;
pub mod grant;
pub mod host;
pub mod id;
pub mod kind;
pub mod limits;
pub mod name;
pub mod network;
pub mod proxy_url;
pub mod refusal;
pub mod request;
pub mod sealed;
pub mod secret;
pub mod suspicion;
mod text;
pub mod time;
pub mod token;

pub use access::{Account, ApiKey, Label, Scope, Scopes};
pub use binding::{Binding, BindingSource, Form, Methods, PathPrefix, Spot, StoredBinding};
pub use devbox::{DevboxStatus, Hosted, ShutdownReason, Stream, Transition};
pub use event::{ChainedEvent, Event, EventKind, Writer};
pub use execution::ExecutionId;
pub use gateway::{CustomHeader, Endpoint, GatewayConfig, HeaderContent, Mechanism};
pub use grant::{Asked, Grant, Permit, permits, permits_at};
pub use host::{Host, HostPattern};
pub use id::{AccountId, ApiKeyId, BindingId, DataKeyId, DevboxId, GatewayConfigId, PairingId, RequestId, SecretId};
pub use kind::{Kind, KindId};
pub use name::{EnvName, SecretName};
pub use network::Network;
pub use proxy_url::ProxyUrl;
pub use refusal::Refusal;
pub use request::Wish;
pub use sealed::{DataKeyRecord, Place, Sealed, Suite};
pub use secret::Secret;
pub use suspicion::looks_like_secret;
pub use text::is_invisible;
pub use time::{Clock, Timestamp};
pub use token::{Token, TokenHash};
