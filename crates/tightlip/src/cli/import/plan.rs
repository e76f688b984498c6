//! What each line of the file is, and what is done with it.

use std::collections::BTreeSet;

use model::SecretName;
use model::kind::Kind;
use service::rows::{fitness, why_not_sent};
use vault::dotenv::{Doubt, Entry, Quotes, Spot};
use vault::{SecretValue, Sort, sort};

/// The lines of a file.
pub(super) struct Plan {
    pub(super) rows: Vec<Row>,
}

/// A line.
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) name: SecretName,
    pub(super) what: What,
    pub(super) done: Done,
    pub(super) doubts: Vec<Doubt>,
    /// What settles them.
    pub(super) quotes: Option<Quotes>,
    /// There until it is sent.
    pub(super) value: Option<SecretValue>,
    spot: Spot,
}

/// Whether a person named the lines that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    OneByOne,
    AsAFile,
}

/// What a line is.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// A credential of a known kind.
    Credential(&'static Kind),
    /// Something secret; whether it goes anywhere is not known, so it is stored where it was named only.
    UnknownHost,
    /// Something secret that the gateway cannot swap, and why.
    NotBrokered { kind: Option<&'static Kind>, why: &'static str },
    /// A setting, and by what it is known as one.
    Configuration(&'static str),
    /// Another line of the same name counts.
    Overruled(usize),
}

/// What is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// It is to be stored, and was not yet.
    Waits,
    /// A new secret.
    Stored,
    /// A secret's new version.
    Updated,
    /// What a run without `--dry-run` would make.
    WouldStore,
    /// As above.
    WouldUpdate,
    /// There is a secret of this name, which was left as it is.
    Exists,
    /// The server refused it.
    Refused,
    /// No answer came, so it may be stored or not.
    Unsure,
    /// It is not to be stored.
    Left,
}

impl Plan {
    /// What each entry is; of those that are named, where any are.
    ///
    /// # Errors
    /// Which of the names, counted from 1, the file does not have.
    pub(super) fn make(entries: Vec<Entry>, only: &[SecretName]) -> Result<Self, usize> {
        if let Some(index) = only.iter().position(|name| entries.iter().all(|entry| entry.name != *name)) {
            return Err(index + 1);
        }
        let chosen = |entry: &Entry| only.is_empty() || only.contains(&entry.name);
        Ok(Self { rows: entries.into_iter().filter(chosen).map(|entry| Row::of(entry, Named::by(only))).collect() })
    }

    /// Whether anything is to be stored.
    pub(super) fn has_work(&self) -> bool {
        self.rows.iter().any(|row| row.done == Done::Waits)
    }

    /// What is to be stored.
    pub(super) fn waiting(&mut self) -> impl Iterator<Item = &mut Row> {
        self.rows.iter_mut().filter(|row| row.done == Done::Waits)
    }

    /// Says what would be done, where these names are taken already; none: nobody knows which.
    pub(super) fn foresee(&mut self, known: Option<&BTreeSet<SecretName>>, update: bool) {
        for row in self.waiting() {
            let exists = known.is_some_and(|known| known.contains(&row.name));
            row.done = match (exists, update) {
                (false, _) => Done::WouldStore,
                (true, true) => Done::WouldUpdate,
                (true, false) => Done::Exists,
            };
        }
    }

    /// The names of the lines with which this was done.
    pub(super) fn names(&self, done: impl Fn(Done) -> bool) -> Vec<&SecretName> {
        self.rows.iter().filter(|row| done(row.done)).map(|row| &row.name).collect()
    }

    /// Where the values stand that this run stored and that nobody reads otherwise: only these can be taken out without a loss.
    pub(super) fn spots(&self) -> Vec<Spot> {
        self.rows.iter().filter(|row| row.is_stored() && row.is_clear()).map(|row| row.spot.clone()).collect()
    }
}

impl Named {
    const fn by(only: &[SecretName]) -> Self {
        if only.is_empty() { Self::AsAFile } else { Self::OneByOne }
    }
}

impl Row {
    fn of(entry: Entry, named: Named) -> Self {
        let Entry { name, line, value, doubts, quotes, overruled_by, spot } = entry;
        let what = match (&value, overruled_by) {
            (_, Some(line)) => What::Overruled(line),
            (None, None) => What::Configuration("no value"),
            (Some(value), None) => what(&name, value),
        };
        let (done, value) = match what {
            What::Credential(_) => (Done::Waits, value),
            What::UnknownHost if named == Named::OneByOne => (Done::Waits, value),
            What::UnknownHost | What::NotBrokered { .. } | What::Configuration(_) | What::Overruled(_) => (Done::Left, None),
        };
        Self { line, name, what, done, doubts, quotes, value, spot }
    }

    /// Whether this run stored it.
    pub(super) const fn is_stored(&self) -> bool {
        matches!(self.done, Done::Stored | Done::Updated)
    }

    /// Whether nobody reads it otherwise, so that it can be taken out without a loss once it is stored.
    pub(super) const fn is_clear(&self) -> bool {
        self.doubts.is_empty()
    }

    /// Whether this run stored it, or would.
    pub(super) const fn is_or_would_be_stored(&self) -> bool {
        self.is_stored() || matches!(self.done, Done::WouldStore | Done::WouldUpdate)
    }
}

fn what(name: &SecretName, value: &SecretValue) -> What {
    let kind = match sort(name, value) {
        Sort::Plain(plain) => return What::Configuration(plain.words()),
        Sort::InAddress => return What::NotBrokered { kind: None, why: IN_ADDRESS },
        Sort::Kept(kept) => return What::NotBrokered { kind: None, why: kept.why() },
        Sort::Known(kind) => Some(kind),
        Sort::Unknown => None,
    };
    match (why_not_sent(kind, fitness(value)), kind) {
        (Some(why), kind) => What::NotBrokered { kind, why },
        (None, Some(kind)) => What::Credential(kind),
        (None, None) => What::UnknownHost,
    }
}

impl What {
    /// The word of `--json`.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Credential(_) => "credential",
            Self::UnknownHost => "unknown_host",
            Self::NotBrokered { .. } => "not_brokered",
            Self::Configuration(_) => "configuration",
            Self::Overruled(_) => "overruled",
        }
    }

    /// The kind, where one is known.
    pub(super) const fn kind(self) -> Option<&'static Kind> {
        match self {
            Self::Credential(kind) => Some(kind),
            Self::NotBrokered { kind, .. } => kind,
            Self::UnknownHost | Self::Configuration(_) | Self::Overruled(_) => None,
        }
    }

    /// What people call it.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Credential(kind) | Self::NotBrokered { kind: Some(kind), .. } => kind.title,
            Self::NotBrokered { kind: None, .. } => "a credential",
            Self::UnknownHost => "unknown host",
            Self::Configuration(_) => "configuration",
            Self::Overruled(_) => "set twice",
        }
    }
}

impl Done {
    /// The word of `--json`.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Waits => "not_stored",
            Self::Stored => "stored",
            Self::Updated => "updated",
            Self::WouldStore => "would_store",
            Self::WouldUpdate => "would_update",
            Self::Exists => "exists",
            Self::Refused => "refused",
            Self::Unsure => "unsure",
            Self::Left => "left",
        }
    }

    /// The same for people.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Waits => "not stored",
            Self::Stored => "stored",
            Self::Updated => "updated",
            Self::WouldStore => "to be stored",
            Self::WouldUpdate => "to be updated",
            Self::Exists => "exists already",
            Self::Refused => "refused",
            Self::Unsure => "not known",
            Self::Left => "left",
        }
    }
}

/// What is said of a credential within an address, which has no name of its own.
const IN_ADDRESS: &str = "the credential stands inside an address, where values are not written; store it by itself (tightlip secret set NAME), keep the address \
                          without it, and have the program send it in a header";
