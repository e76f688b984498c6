//! Kinds: what a value looks like, whom it belongs to, and what its placeholder looks like.
//!
//! Only shapes and names stand here; recognising a value by them is the vault's verb. The tables are below, one file for each sort of provider; `docs/kinds.md`
//! is written from them. Package registries have shapes and no hosts: which registry a token belongs to is for `tightlip bind` to say.

mod clouds;
mod forges;
mod models;
mod registries;
mod services;
mod shape;
mod unserved;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use shape::{Alphabet, Mark, Piece, Shape};

/// A kind's stable id, as in `github_token`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct KindId(&'static str);

/// One entry of the catalogue.
#[derive(Debug)]
pub struct Kind {
    /// Its stable id.
    pub id: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// What such values look like. The first is the usual one.
    pub shapes: &'static [Shape],
    /// Names by which a value of unknown shape is recognised.
    pub names: &'static [&'static str],
    /// Headers in which its clients send it, in lower case.
    pub headers: &'static [&'static str],
    /// Whether and where such a value can be swapped.
    pub brokering: Brokering,
}

/// Whether swapping serves a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brokering {
    /// Bound by default to these hosts, port 443, form `auto`.
    Hosts(&'static [&'static str]),
    /// Can be swapped, but only `bind` knows where: what to say after `tightlip bind NAME`.
    BindFirst(&'static str),
    /// Cannot be swapped; the text says why and what to do.
    NotBrokered(&'static str),
}

impl KindId {
    /// The id as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// The id of a known kind.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        catalogue().find(|kind| kind.id == text).map(|kind| Self(kind.id))
    }

    /// The catalogue's entry.
    #[must_use]
    pub fn kind(self) -> Option<&'static Kind> {
        catalogue().find(|kind| kind.id == self.0)
    }
}

impl<'de> Deserialize<'de> for KindId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::find(&text).ok_or_else(|| serde::de::Error::custom("unknown kind"))
    }
}

impl fmt::Display for KindId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Kind {
    /// The kind's id.
    #[must_use]
    pub const fn id(&self) -> KindId {
        KindId(self.id)
    }
}

/// Every kind, in the order in which they decide where nothing else does.
pub fn catalogue() -> impl Iterator<Item = &'static Kind> {
    [models::KINDS, forges::KINDS, clouds::KINDS, services::KINDS, registries::KINDS, unserved::KINDS].into_iter().flatten()
}

/// A row of the tables, which say the rest by the verbs below. Unless they do, it is bound by hand and sent in `Authorization`.
const fn kind(id: &'static str, title: &'static str, names: &'static [&'static str]) -> Kind {
    Kind { id, title, shapes: &[], names, headers: &["authorization"], brokering: Brokering::BindFirst("--host HOST") }
}

impl Kind {
    const fn looks(self, shapes: &'static [Shape]) -> Self {
        Self { shapes, ..self }
    }

    const fn goes_to(self, hosts: &'static [&'static str]) -> Self {
        Self { brokering: Brokering::Hosts(hosts), ..self }
    }

    const fn bound_by(self, how: &'static str) -> Self {
        Self { brokering: Brokering::BindFirst(how), ..self }
    }

    const fn stays(self, why: &'static str) -> Self {
        Self { headers: &[], brokering: Brokering::NotBrokered(why), ..self }
    }

    const fn sent_in(self, headers: &'static [&'static str]) -> Self {
        Self { headers, ..self }
    }
}

const fn begins(text: &'static str) -> Shape {
    Shape { text, mark: Mark::Beginning }
}

const fn whole(text: &'static str) -> Shape {
    Shape { text, mark: Mark::Whole }
}

const fn unmarked(text: &'static str) -> Shape {
    Shape { text, mark: Mark::Nothing }
}

/// A UUID: hexadecimal digits in five groups.
const UUID: Shape = unmarked("{h8}-{h4}-{h4}-{h4}-{h12}");

/// Headers in which a token is looked for, in lower case: `Authorization` and those of the catalogue. None of them is one that hosts keep and show back.
pub const CREDENTIAL_HEADERS: [&str; 29] = [
    "authorization",
    "api-key",
    "apikey",
    "circle-token",
    "dd-api-key",
    "dd-application-key",
    "deploy-token",
    "fastly-key",
    "job-token",
    "plaid-secret",
    "private-token",
    "project-access-token",
    "x-algolia-api-key",
    "x-api-key",
    "x-apikey",
    "x-auth-key",
    "x-auth-token",
    "x-figma-token",
    "x-goog-api-key",
    "x-honeycomb-team",
    "x-jfrog-art-api",
    "x-nuget-apikey",
    "x-postmark-server-token",
    "x-rapidapi-key",
    "x-rollbar-access-token",
    "x-shopify-access-token",
    "x-subscription-token",
    "x-vault-token",
    "xi-api-key",
];

#[cfg(test)]
mod tests;
