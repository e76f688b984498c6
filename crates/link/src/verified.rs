//! What a look at every row and event came to: counts, the ends of both chains, and what is not as it was stored. Metadata only.

use model::{SecretName, Timestamp};
use serde::{Deserialize, Serialize};

/// What a look at every row and event came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// What was looked at.
    pub counts: RowCounts,
    /// The api's chain of events.
    pub api: ChainHead,
    /// The gateway's chain of events.
    pub gateway: ChainHead,
    /// What the anchor outside of the data folder says.
    pub anchor: AnchorSeen,
    /// The settings that send values elsewhere than the hosts' names say, or unseen: nothing holds them, so that a person has to.
    #[serde(default)]
    pub settings: Vec<TrustedSetting>,
    /// What is not as it was stored: the first of each sort. Empty where everything holds.
    pub findings: Vec<Finding>,
}

/// A setting of `tightlip.toml` that decides where values go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedSetting {
    /// What it is called there.
    pub name: String,
    /// What it says.
    pub value: String,
}

/// How many rows each table has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCounts {
    /// Accounts.
    pub accounts: u64,
    /// API keys, revoked ones too.
    pub api_keys: u64,
    /// Secrets, each of which was opened.
    pub secrets: u64,
    /// Gateway configs.
    pub gateway_configs: u64,
    /// Explicit bindings.
    pub bindings: u64,
    /// What was said of secrets' exposure.
    pub exposures: u64,
    /// Pairings.
    pub pairings: u64,
    /// Requests of agents.
    #[serde(default)]
    pub requests: u64,
    /// Devboxes, ended ones too.
    pub devboxes: u64,
}

/// The end of a chain of events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// How many events there are.
    pub events: u64,
    /// The last one's hash, in hexadecimal.
    pub hash: String,
}

/// What was seen of the anchor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum AnchorSeen {
    /// There is no place for one.
    #[default]
    Nowhere,
    /// There is none, so a data folder that was put back whole is not noticed.
    Missing,
    /// What it says is in both chains.
    Holds {
        /// When it was written.
        written: Timestamp,
    },
    /// It was changed, or says what is not in the chains.
    Wrong,
}

/// Something that is not as it was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// In which table or file.
    pub table: String,
    /// Which row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The secret that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<SecretName>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub next: String,
    /// How many more there are of this sort.
    pub more: u64,
}
