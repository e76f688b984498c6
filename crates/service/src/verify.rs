//! Whether the stored data is what was stored: every row opened, every signature and MAC checked, both chains walked, rows held against events.
//!
//! Metadata only comes out of it. A row is named by its id where that is one of ours; whatever else stands there is not repeated.

mod chains;
mod ledger_rows;
mod resting;
mod store_rows;

use std::collections::HashSet;
use std::path::Path;

use link::cli::{AnchorSeen, ChainHead, Denial, Finding, RowCounts, Verified};
use model::{ApiKeyId, GatewayConfigId, SecretName};
use store::{FileFault, Head, Held, LedgerLook, SchemaFault, StoreError, StoreLook};
use vault::OpenKeys;

use crate::anchor::{AnchorError, AnchorPlace, AnchorPlaces, Anchored};
use crate::backup::{ChainEnd, Sources};
use crate::gate::Gate;
use crate::small::{self, Links};

/// Both databases at one moment, the keys that open them, and where the anchor is, if anywhere.
pub struct Subject<'a> {
    /// The store.
    pub store: StoreLook,
    /// The ledger.
    pub ledger: LedgerLook,
    /// The gateway's keys.
    pub keys: &'a OpenKeys,
    /// The anchors' places.
    pub anchors: &'a AnchorPlaces,
}

/// Hears how many rows and events are done, of how many.
pub type Tell<'a> = &'a mut dyn FnMut(u64, u64);

/// Why nothing could be looked at.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The admin key is missing or wrong.
    #[error("this looks at every account's rows, with the admin key only: it is in the file gateway/admin-key of the data folder")]
    NotAdmin,
    /// The databases do not answer.
    #[error("failed to read the databases: stop the server with `tightlip down` and look again")]
    Store(#[from] StoreError),
}

/// What was looked at so far, and what was found.
struct Looking<'a> {
    store: &'a StoreLook,
    ledger: &'a LedgerLook,
    keys: &'a OpenKeys,
    counts: RowCounts,
    findings: Vec<Finding>,
    /// Gateway configs that were made, are not there, and whose end was not met yet.
    awaited: HashSet<GatewayConfigId>,
    /// Keys of which an event tells that they were revoked.
    revoked: HashSet<ApiKeyId>,
    /// The place of the account that was made last, as far as the events were read.
    last_account: i64,
    /// How many keys, gateway configs and devboxes there should be.
    told_keys: u64,
    told_configs: u64,
    told_devboxes: u64,
    done: u64,
    of: u64,
    tell: Tell<'a>,
}

/// What a finding is about.
#[derive(Clone, Copy, Default)]
struct About<'a> {
    id: Option<&'a str>,
    name: Option<&'a SecretName>,
}

impl Gate {
    /// Looks at everything as it is now, while everybody goes on working.
    ///
    /// # Errors
    /// Without the admin key, or when the databases do not answer.
    pub fn verify(&self, admin_key: &str, sources: &Sources, tell: Tell<'_>) -> Result<Verified, VerifyError> {
        if !self.is_admin(admin_key) {
            return Err(VerifyError::NotAdmin);
        }
        let stand = [(STORE, "the store's", self.store.stands()), (LEDGER, "the gateway's", self.ledger.stands())];
        let replaced = |(table, whose, stands): &(&str, &str, Result<(), StoreError>)| match stands {
            Err(StoreError::Replaced) => vec![replaced_under(whose)],
            stands => schema_findings(table, stands),
        };
        let findings: Vec<Finding> = stand.iter().flat_map(replaced).collect();
        if !findings.is_empty() {
            // What is read of such files is of no moment, and such a schema may not let an end be read.
            return Ok(Verified { findings, ..Verified::default() });
        }
        let cut = match self.ledger.cut(&self.store) {
            Err(error @ (StoreError::Damaged(_) | StoreError::NotADatabase)) => {
                return Ok(Verified { findings: vec![damaged(FILES, &error)], ..Verified::default() });
            }
            cut => cut?,
        };
        let store = StoreLook::of(cut.store, self.store.deployment()?);
        let ledger = LedgerLook::of(cut.ledger, self.ledger.deployment().to_owned());
        let mut verified = verify(&Subject { store, ledger, keys: &self.keys, anchors: &self.anchors }, tell)?;
        let files = ApiFiles { signing_key: &sources.signing_key, manifest: &sources.manifest, manifest_pin: &sources.manifest_pin };
        verified.findings.extend(files.check(&self.keys));
        verified.settings.clone_from(&self.trusted);
        verified.findings.extend(resting::check(sources));
        Ok(verified)
    }
}

/// The files of the api's folder: it seals to what they say.
pub struct ApiFiles<'a> {
    /// The api's signing key.
    pub signing_key: &'a Path,
    /// The manifest of public keys.
    pub manifest: &'a Path,
    /// The key that it is signed with.
    pub manifest_pin: &'a Path,
}

impl ApiFiles<'_> {
    /// What of them is not the gateway's own or what it trusts.
    #[must_use]
    pub fn check(&self, keys: &OpenKeys) -> Vec<Finding> {
        let read = |path: &Path| small::read(path, Links::Refuse).unwrap_or_default();
        let (seed, manifest, pin) = (read(self.signing_key), read(self.manifest), read(self.manifest_pin));
        let mut findings = Vec::new();
        let mut find = |id: &str, what: &str| findings.push(found(FILES, About { id: Some(id), name: None }, what, RESTORE));
        if !keys.trusts_seed(&seed) {
            find("api/signing.key", "it is gone, or not a key that the gateway trusts");
        }
        if *pin != keys.manifest_pin() {
            find("api/manifest.pin", "it is gone, or not the gateway's own key: values would be sealed to whoever made it");
        }
        // Signing the same keys gives the same bytes (RFC 8032).
        if keys.manifest().ok().as_deref() != Some(manifest.as_slice()) {
            find("api/manifest.json", "it is gone, or not what the gateway signed: values would be sealed to whoever made it");
        }
        findings
    }
}

/// Looks at everything.
///
/// # Errors
/// When nothing can be read; what is wrong with what can be read is among the findings.
pub fn verify(subject: &Subject<'_>, tell: Tell<'_>) -> Result<Verified, VerifyError> {
    let Subject { store, ledger, keys, anchors } = subject;
    let schemas = [(STORE, store.held()), (LEDGER, ledger.held())].map(|(table, held)| (table, held.check_schema()));
    let mut findings: Vec<Finding> = schemas.iter().flat_map(|(table, checked)| schema_findings(table, checked)).collect();
    if findings.is_empty() {
        schemas.into_iter().try_for_each(|(_, checked)| checked)?;
        findings.extend(page_findings(STORE, store.held()));
        findings.extend(page_findings(LEDGER, ledger.held()));
    }
    if !findings.is_empty() {
        // What is read through such a schema, or from such pages, is whatever its maker likes, and may not end.
        return Ok(Verified { findings, ..Verified::default() });
    }
    let (api, gateway) = (store.held().head()?, ledger.held().head()?);
    let of = store.rows()? + ledger.rows()? + api.seq + gateway.seq;
    let mut looking = Looking {
        store,
        ledger,
        keys,
        counts: RowCounts::default(),
        findings: Vec::new(),
        awaited: HashSet::new(),
        revoked: HashSet::new(),
        last_account: 0,
        told_keys: 0,
        told_configs: 0,
        told_devboxes: 0,
        done: 0,
        of,
        tell,
    };
    looking.files();
    looking.chains();
    looking.store_rows();
    looking.ledger_rows();
    let anchor = looking.anchors(anchors);
    let Looking { counts, findings, .. } = looking;
    Ok(Verified { counts, api: head_of(&api), gateway: head_of(&gateway), anchor, findings, settings: Vec::new() })
}

impl Looking<'_> {
    /// The databases themselves: whose they are, and every reference. Their pages are good.
    fn files(&mut self) {
        for (table, held) in [(STORE, self.store.held()), (LEDGER, self.ledger.held())] {
            if held.deployment() != self.keys.deployment() {
                self.find(table, About::default(), "the database belongs to another installation than the keyring", RESTORE);
            }
            if held.inspect_references().is_err() {
                self.find(table, About::default(), "a reference in the database leads nowhere", RESTORE);
            }
        }
    }

    /// Every anchor that there is, against both chains. Where there is none, `up` refuses what it did not make itself just now, so this finds as much.
    fn anchors(&mut self, places: &AnchorPlaces) -> AnchorSeen {
        let found = match places.read(self.keys) {
            Ok(found) => found,
            Err(error) => {
                self.find(ANCHOR, About::default(), &error.to_string(), "tightlip up --accept-rollback");
                return AnchorSeen::Wrong;
            }
        };
        let held = found.iter().filter(|(place, anchored)| self.anchor(place, anchored)).count();
        if held < found.len() {
            return AnchorSeen::Wrong;
        }
        if let Some(written) = found.into_iter().map(|(_, anchored)| anchored.written).max() {
            return AnchorSeen::Holds { written };
        }
        let what = format!(
            "there is no anchor of this data folder ({}), so nothing shows whether it is an older copy that somebody put back; `tightlip up` refuses it",
            places.words()
        );
        self.find(ANCHOR, About::default(), &what, UNANCHORED);
        if places.is_empty() { AnchorSeen::Nowhere } else { AnchorSeen::Missing }
    }

    /// One anchor, against both chains: whether what it says is there.
    fn anchor(&mut self, place: &AnchorPlace, anchored: &Anchored) -> bool {
        let chains = [(self.store.held(), &anchored.api), (self.ledger.held(), &anchored.gateway)];
        let is_there = chains
            .into_iter()
            .try_for_each(|(held, end): (_, &ChainEnd)| place.check_chain(held.writer(), end, held.hash_at(end.seq).unwrap_or_default()));
        if let Err(AnchorError::RolledBack { writer, seq, .. }) = &is_there {
            let words = match writer {
                model::Writer::Api => "the api's events",
                model::Writer::Gateway => "the gateway's events",
            };
            let what = format!(
                "{words} lack number {seq}, which the anchor tells of: the data folder was put back from an older copy, or its end was cut off"
            );
            self.find(ANCHOR, About::default(), &what, "tightlip up --accept-rollback   (only if you put it back yourself)");
        }
        is_there.is_ok()
    }

    /// Notes a finding; of the same sort, the first is named and the others are counted.
    fn find(&mut self, table: &str, about: About<'_>, what: &str, next: &str) {
        if let Some(known) = self.findings.iter_mut().find(|known| known.table == table && known.what == what) {
            known.more += 1;
        } else if self.findings.len() < FINDINGS_MAX {
            self.findings.push(found(table, about, what, next));
        }
    }

    /// A table that cannot be read.
    fn unreadable(&mut self, table: &str, error: &StoreError) {
        let what = match error.file_fault() {
            Some(FileFault::TooLarge) => TOO_LARGE,
            Some(FileFault::NotRegular(_) | FileFault::Misnumbered { .. }) | None => "the table cannot be read: its file is damaged",
        };
        self.find(table, About::default(), what, RESTORE);
    }

    /// Counts what was looked at, and tells.
    fn step(&mut self, count: usize) {
        self.done += count as u64;
        (self.tell)(self.done.min(self.of), self.of);
    }
}

impl<'a> About<'a> {
    /// A row, by its key where that is an id of ours.
    fn row(key: &'a str) -> Self {
        let is_id = !key.is_empty() && key.len() <= ID_CHARS_MAX && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        Self { id: is_id.then_some(key), name: None }
    }

    const fn named(self, name: Option<&'a SecretName>) -> Self {
        Self { name, ..self }
    }
}

impl VerifyError {
    /// Which kind of denial this is to the command line.
    #[must_use]
    pub const fn denial(&self) -> Denial {
        match self {
            Self::NotAdmin => Denial::NotAuthenticated,
            Self::Store(_) => Denial::Failed,
        }
    }
}

fn found(table: &str, about: About<'_>, what: &str, next: &str) -> Finding {
    Finding {
        table: table.to_owned(),
        id: about.id.map(str::to_owned),
        name: about.name.cloned(),
        what: what.to_owned(),
        next: next.to_owned(),
        more: 0,
    }
}

/// What of a database's schema is not as tightlip made it, each object for itself; or that it cannot be read for what stands there.
#[must_use]
pub fn schema_findings(table: &str, checked: &Result<(), StoreError>) -> Vec<Finding> {
    if let Err(error @ (StoreError::Damaged(_) | StoreError::NotADatabase)) = checked {
        return vec![damaged(table, error)];
    }
    let Err(StoreError::Schema(faults)) = checked else { return Vec::new() };
    let words =
        |fault: &SchemaFault| format!("{fault}: the database's schema was changed outside tightlip, so nothing in it was looked at");
    faults.iter().map(|fault| found(table, About::default(), &words(fault), RESTORE)).collect()
}

/// What is wrong with a database's pages. No row is read before.
fn page_findings(table: &str, held: &Held) -> Option<Finding> {
    held.inspect_pages().err().map(|error| damaged(table, &error))
}

fn damaged(table: &str, error: &StoreError) -> Finding {
    let (id, what) = match error.file_fault() {
        Some(FileFault::TooLarge) => (None, TOO_LARGE),
        Some(FileFault::NotRegular(path)) => (path.file_name(), "it is no regular file, so nothing was looked at: move it aside"),
        Some(FileFault::Misnumbered { .. }) | None => (None, "the database's file is damaged, so no row of it was looked at"),
    };
    found(table, About { id: id.and_then(|id| id.to_str()), name: None }, what, RESTORE)
}

fn replaced_under(whose: &str) -> Finding {
    let what = format!("{whose} database was removed or replaced under the running server");
    found(FILES, About::default(), &what, "tightlip down, then tightlip verify")
}

fn head_of(head: &Head) -> ChainHead {
    let ChainEnd { seq, hash } = ChainEnd::of(head);
    ChainHead { events: seq, hash }
}

const FILES: &str = "files";
const TOO_LARGE: &str = "there is a row that is larger than any of tightlip's: it was planted or changed";
/// The store, in findings.
pub const STORE: &str = "store";
/// The ledger, in findings.
pub const LEDGER: &str = "ledger";
const ANCHOR: &str = "anchor";
/// What gives a data folder an anchor. A place that does not last takes a setting.
const UNANCHORED: &str =
    "tightlip up --accept-rollback   (only if you know why there is none; where the place does not last, name one with `[gateway] anchor`)";
/// What mends what only a backup has.
const RESTORE: &str = "tightlip restore FILE --force --accept-rollback   (a backup from before this; what is there now is moved aside)";
/// Rows of one page. What a page holds is bounded by its bytes, too (`store::Held`).
const PAGE_ROWS: usize = 200;
/// Kinds of findings that are told; each names one row.
const FINDINGS_MAX: usize = 64;
/// A prefix and 21 characters; with room for ids to come.
const ID_CHARS_MAX: usize = 40;
