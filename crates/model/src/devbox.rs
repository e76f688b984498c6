//! Devboxes that are asked for over the API: what they are asked to be, and how they fare.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, DevboxId, GatewayConfigId, SecretId};
use crate::name::EnvName;
use crate::network::Network;
use crate::time::Timestamp;

/// A devbox of the API's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hosted {
    /// Its id.
    pub id: DevboxId,
    /// Whose it is.
    pub account: AccountId,
    /// What it was asked to be.
    pub about: About,
    /// How it fared, oldest first; never empty.
    pub transitions: Vec<Transition>,
    /// Why it was shut down, if it was.
    pub reason: Option<ShutdownReason>,
}

/// What a devbox was asked to be, as far as it is shown again: neither variables nor secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// What people call it.
    pub name: Option<String>,
    /// The caller's own words about it.
    pub metadata: BTreeMap<String, String>,
    /// The launch parameters as they came, a JSON object: shown again, and followed as far as this server can.
    pub launch: String,
    /// How long it lives without being kept alive. Milliseconds.
    pub keep_alive_ms: u64,
    /// Its gateways, by the prefix of their variables.
    pub gateways: BTreeMap<EnvName, GatewaySpec>,
    /// Somebody else's sandbox: only an environment was handed out for it, and it comes in by the forward proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Remote>,
}

/// What is known of somebody else's sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// Where its connections may come from; empty: from anywhere.
    pub sources: Vec<Network>,
}

/// A gateway of a devbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewaySpec {
    /// The config.
    pub config: GatewayConfigId,
    /// The secret.
    pub secret: SecretId,
}

/// A change of a devbox's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The new state.
    pub status: DevboxStatus,
    /// When.
    pub at: Timestamp,
    /// Why, where it failed: our own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// The state of a devbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DevboxStatus {
    /// Asked for.
    Queued,
    /// Its walls are being built.
    Provisioning,
    /// Its entrypoint is being started.
    Initializing,
    /// It takes commands.
    Running,
    /// Never here: devboxes of this server are not suspended.
    Suspending,
    /// Never here.
    Suspended,
    /// Never here.
    Resuming,
    /// It could not be started, or was lost.
    Failure,
    /// It has ended.
    Shutdown,
}

/// Why a devbox was shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShutdownReason {
    /// A caller asked.
    ApiShutdown,
    /// Its time was over.
    KeepAliveTimeout,
    /// Its entrypoint ended.
    EntrypointExit,
    /// The API key that asked for it was revoked, or its time was over.
    ApiKeyEnded,
}

/// Which of a command's two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Hosted {
    /// Its state now.
    #[must_use]
    pub fn status(&self) -> DevboxStatus {
        self.transitions.last().map_or(DevboxStatus::Failure, |last| last.status)
    }

    /// When it was asked for.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.transitions.first().map_or(Timestamp::from_unix_ms(0), |first| first.at)
    }

    /// When it ended, if it did.
    #[must_use]
    pub fn ended(&self) -> Option<Timestamp> {
        self.transitions.last().filter(|last| last.status.is_final()).map(|last| last.at)
    }
}

impl DevboxStatus {
    /// Every state there is.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Provisioning,
        Self::Initializing,
        Self::Running,
        Self::Suspending,
        Self::Suspended,
        Self::Resuming,
        Self::Failure,
        Self::Shutdown,
    ];

    /// The state's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Provisioning => "provisioning",
            Self::Initializing => "initializing",
            Self::Running => "running",
            Self::Suspending => "suspending",
            Self::Suspended => "suspended",
            Self::Resuming => "resuming",
            Self::Failure => "failure",
            Self::Shutdown => "shutdown",
        }
    }

    /// The state of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether nothing comes after it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Failure | Self::Shutdown)
    }
}
