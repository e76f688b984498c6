//! The anchor: the heads of both chains of events, kept outside of the data folder under the gateway's MAC. An older data folder that was put back, by hand or
//! out of a backup, does not have the events that the anchor tells of, and is noticed by that.
//!
//! It is always a little older than the databases, never newer: it is written after what it tells of is on the disk.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use model::{Timestamp, Writer};
use serde::{Deserialize, Serialize};
use store::{Ledger, Store, StoreError};
use vault::OpenKeys;

use crate::backup::ChainEnd;
use crate::small::{self, Links};

/// Where the anchor of one installation in one data folder is.
#[derive(Clone, Debug)]
pub struct AnchorPlace(PathBuf);

/// Where the anchors of one installation in one data folder are. The settings may name a folder; the environment names another, and no file of the data
/// folder moves that: what is there counts as well, so that who writes the settings gains nothing by it.
#[derive(Clone, Debug, Default)]
pub struct AnchorPlaces(Vec<AnchorPlace>);

/// What an anchor says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchored {
    /// When it was written.
    pub written: Timestamp,
    /// The end of the api's chain.
    pub api: ChainEnd,
    /// The end of the gateway's chain.
    pub gateway: ChainEnd,
}

/// What a gateway that runs knows of its anchors.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// What was written last, or found at the start.
    pub last: Option<Anchored>,
    /// Whether one was gone and was put back, and no event tells of it yet.
    pub untold: bool,
}

/// Which places are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Every place.
    All,
    /// Those without an anchor.
    Gone,
}

/// The file.
#[derive(Serialize, Deserialize)]
struct Written {
    deployment: String,
    #[serde(flatten)]
    anchored: Anchored,
    mac: String,
}

/// Why the data folder is not trusted against its anchor.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The databases lack what the anchor tells of.
    #[error(
        "the data folder is older than it was, or its events were changed: the {} events of the anchor {} (number {seq}) are not in it. It was put back from a \
         copy, or tampered with. Look with `tightlip verify`; if you put it back yourself, accept that with `tightlip up --accept-rollback`",
        word(*.writer), path.display()
    )]
    RolledBack {
        /// The anchor.
        path: PathBuf,
        /// Whose chain.
        writer: Writer,
        /// The number of the event that is not there, or is another.
        seq: u64,
    },
    /// There is none, and this is not the first start.
    #[error(
        "there is no anchor of this data folder ({}), so nothing shows whether it is an older copy that somebody put back; nothing was changed. Where you \
         moved it, or came to a new machine, look with `tightlip verify` and accept it as it is with `tightlip up --accept-rollback`. Where the place of \
         anchors does not last, name one that does with `[gateway] anchor` in tightlip.toml", listed(.0)
    )]
    Missing(Vec<PathBuf>),
    /// The file was changed.
    #[error(
        "the anchor {} was changed, or was written by another version: bring it back, or, if you know why, accept the data folder as it is with `tightlip up \
         --accept-rollback`", .0.display()
    )]
    Forged(PathBuf),
    /// The file cannot be read or written.
    #[error("failed to use the anchor {}", path.display())]
    Io {
        /// The anchor.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The databases do not answer.
    #[error("failed to read the ends of the chains of events")]
    Store(#[from] StoreError),
}

impl AnchorError {
    /// Whether stored data is not what it was, rather than that it cannot be looked at.
    #[must_use]
    pub const fn is_tampering(&self) -> bool {
        match self {
            Self::RolledBack { .. } | Self::Missing(_) | Self::Forged(_) => true,
            Self::Io { .. } | Self::Store(_) => false,
        }
    }
}

impl AnchorPlace {
    /// The place in `folder` for this installation, as long as it is in this data folder. A copy of it elsewhere has another.
    #[must_use]
    pub fn new(folder: &Path, data: &Path, deployment: &str) -> Self {
        let data = data.canonicalize().unwrap_or_else(|_| data.to_owned());
        let whole: String = vault::hash_token(&data.to_string_lossy()).0.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        // A deployment is text of ours; one that was tampered with must not lead elsewhere.
        let deployment: String = deployment.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(64).collect();
        Self(folder.join(format!("{deployment}-{whole}.json")))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether there is a file. One that cannot be looked at is not there, so that writing it says why.
    fn is_there(&self) -> bool {
        self.0.is_file()
    }

    /// What the anchor says; none where there is none.
    ///
    /// # Errors
    /// [`AnchorError::Forged`], [`AnchorError::Io`].
    pub fn read(&self, keys: &OpenKeys) -> Result<Option<Anchored>, AnchorError> {
        let bytes = match small::read(&self.0, Links::Follow) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
            Err(source) => return Err(self.failed(source)),
            Ok(bytes) => bytes,
        };
        let forged = || AnchorError::Forged(self.0.clone());
        let written: Written = serde_json::from_slice(&bytes).map_err(|_| forged())?;
        let is_ours = written.deployment == keys.deployment() && mac_of(keys, &written.anchored) == written.mac;
        if is_ours { Ok(Some(written.anchored)) } else { Err(forged()) }
    }

    /// Writes the anchor in place of an earlier one: all of it, or nothing changes.
    ///
    /// # Errors
    /// [`AnchorError::Io`].
    pub fn write(&self, keys: &OpenKeys, anchored: &Anchored) -> Result<(), AnchorError> {
        let written = Written { deployment: keys.deployment().to_owned(), anchored: anchored.clone(), mac: mac_of(keys, anchored) };
        let bytes = serde_json::to_vec(&written).expect("text and numbers are always JSON");
        self.put(&bytes).map_err(|source| self.failed(source))
    }

    fn put(&self, bytes: &[u8]) -> io::Result<()> {
        let folder = self.0.parent().ok_or(io::ErrorKind::InvalidInput)?;
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let draft = self.0.with_extension("new");
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&draft, &self.0)?;
        File::open(folder)?.sync_all()
    }

    fn failed(&self, source: io::Error) -> AnchorError {
        AnchorError::Io { path: self.0.clone(), source }
    }

    /// Whether both databases have what an anchor says.
    ///
    /// # Errors
    /// [`AnchorError::RolledBack`], [`AnchorError::Store`].
    pub fn check(&self, anchored: &Anchored, store: &Store, ledger: &Ledger) -> Result<(), AnchorError> {
        self.check_chain(Writer::Api, &anchored.api, store.hash_at(anchored.api.seq)?)?;
        self.check_chain(Writer::Gateway, &anchored.gateway, ledger.hash_at(anchored.gateway.seq)?)
    }

    /// Whether one chain, which has this hash where the anchor's head is, has that head.
    ///
    /// # Errors
    /// [`AnchorError::RolledBack`].
    pub fn check_chain(&self, writer: Writer, anchored: &ChainEnd, found: Option<[u8; 32]>) -> Result<(), AnchorError> {
        if found.is_some_and(|hash| anchored.is_hash(&hash)) {
            Ok(())
        } else {
            Err(AnchorError::RolledBack { path: self.0.clone(), writer, seq: anchored.seq })
        }
    }
}

impl AnchorPlaces {
    /// The places in these folders, the one that counts most first.
    #[must_use]
    pub fn new(folders: &[PathBuf], data: &Path, deployment: &str) -> Self {
        let mut places: Vec<AnchorPlace> = Vec::new();
        for folder in folders {
            let place = AnchorPlace::new(folder, data, deployment);
            if places.iter().all(|known| known.path() != place.path()) {
                places.push(place);
            }
        }
        Self(places)
    }

    /// Whether there is no place at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a file at every place.
    pub(crate) fn are_there(&self) -> bool {
        self.0.iter().all(AnchorPlace::is_there)
    }

    /// Where anchors were looked for, in words.
    pub(crate) fn words(&self) -> String {
        listed(&self.paths())
    }

    /// The files.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.0.iter().map(|place| place.path().to_owned()).collect()
    }

    /// The anchors that there are, each with its place.
    ///
    /// # Errors
    /// [`AnchorError::Forged`], [`AnchorError::Io`].
    pub fn read(&self, keys: &OpenKeys) -> Result<Vec<(&AnchorPlace, Anchored)>, AnchorError> {
        let read = self.0.iter().enumerate().map(|(number, place)| match place.read(keys) {
            // The environment's, which cannot be looked into, beside a place that the settings name: it never held one.
            Err(AnchorError::Io { .. }) if number > 0 => Ok(None),
            read => Ok(read?.map(|anchored| (place, anchored))),
        });
        read.filter_map(Result::transpose).collect()
    }

    /// Whether both databases have what every anchor says that there is. The newest of them; none where there is none.
    ///
    /// # Errors
    /// [`AnchorError::RolledBack`], [`AnchorError::Forged`], [`AnchorError::Io`], [`AnchorError::Store`].
    pub fn check(&self, keys: &OpenKeys, store: &Store, ledger: &Ledger) -> Result<Option<Anchored>, AnchorError> {
        let found = self.read(keys)?;
        found.iter().try_for_each(|(place, anchored)| place.check(anchored, store, ledger))?;
        Ok(found.into_iter().map(|(_, anchored)| anchored).max_by_key(|anchored| anchored.written))
    }

    /// Whether both databases have what was written last.
    ///
    /// # Errors
    /// [`AnchorError::RolledBack`], [`AnchorError::Store`].
    pub fn check_last(&self, last: &Anchored, store: &Store, ledger: &Ledger) -> Result<(), AnchorError> {
        self.0.first().map_or(Ok(()), |place| place.check(last, store, ledger))
    }

    /// Writes the anchor in every place. One that the environment names may refuse it where the settings name another.
    ///
    /// # Errors
    /// [`AnchorError::Io`] of the first place; the others are written all the same.
    pub fn write(&self, keys: &OpenKeys, anchored: &Anchored) -> Result<(), AnchorError> {
        self.put(keys, anchored, Wanted::All).1
    }

    /// As [`AnchorPlaces::write`], and whether one that was gone is there again.
    pub(crate) fn put(&self, keys: &OpenKeys, anchored: &Anchored, wanted: Wanted) -> (bool, Result<(), AnchorError>) {
        let (mut is_back, mut of_the_first) = (false, Ok(()));
        for (number, place) in self.0.iter().enumerate() {
            let was_there = place.is_there();
            if was_there && wanted == Wanted::Gone {
                continue;
            }
            let written = place.write(keys, anchored);
            is_back |= !was_there && written.is_ok();
            if number == 0 {
                of_the_first = written;
            }
        }
        (is_back, of_the_first)
    }
}

impl Anchored {
    /// The present heads.
    ///
    /// # Errors
    /// Where the databases cannot be read.
    pub fn of(store: &Store, ledger: &Ledger, now: Timestamp) -> Result<Self, StoreError> {
        // The ledger first: what it tells of is in the store already.
        let gateway = ChainEnd::of(&ledger.head()?);
        Ok(Self { written: now, api: ChainEnd::of(&store.head()?), gateway })
    }

    /// Whether both tell of the same heads, whenever they were written.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.api, &self.gateway) == (&other.api, &other.gateway)
    }
}

fn mac_of(keys: &OpenKeys, anchored: &Anchored) -> String {
    let Anchored { written, api, gateway } = anchored;
    let input = model::framing::framed([
        keys.deployment(),
        &written.unix_ms().to_string(),
        &api.seq.to_string(),
        &api.hash,
        &gateway.seq.to_string(),
        &gateway.hash,
    ]);
    keys.mac(ANCHOR_MAC, &input).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn listed(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    if paths.is_empty() { "neither XDG_STATE_HOME nor HOME is set".to_owned() } else { format!("looked for at {}", paths.join(" and ")) }
}

const fn word(writer: Writer) -> &'static str {
    match writer {
        Writer::Api => "api's",
        Writer::Gateway => "gateway's",
    }
}

/// What the MAC of anchors is for; no other MAC can be taken for it.
const ANCHOR_MAC: &str = "tightlip anchor v1";
