//! What goes into the ledger and comes out of it about requests of agents, and the verbs that write it down.

use model::framing::framed;
use model::{AccountId, ApiKeyId, DevboxId, Event, HostPattern, RequestId, SecretId, StoredBinding, Timestamp, TokenHash, Wish};

use crate::error::{Result, StoreError};
use crate::ledger::Ledger;
use crate::rows::GrantRow;
use crate::sqlite::{allowed, bindings, devboxes, events, grants, requests};

/// A request of an agent's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRow {
    /// Its id.
    pub id: RequestId,
    /// Whose agent asked.
    pub account: AccountId,
    /// The devbox that asked, if one did.
    pub devbox: Option<DevboxId>,
    /// The API key that asked; of a devbox, the one that it was opened with.
    pub key: ApiKeyId,
    /// What is wanted.
    pub wish: Wish,
    /// Why, in the agent's own words.
    pub reason: String,
    /// The link to its page, if one was made.
    pub link: Option<LinkRow>,
    /// What the browser shows that opened the link, as a hash, and until when that is good.
    pub session: Option<(TokenHash, Timestamp)>,
    /// The API key of the person to whom its code was shown, if it was.
    pub shown_to: Option<ApiKeyId>,
    /// Wrong proofs at its page.
    pub tries: u32,
    /// That a value may be stored for it, if it may.
    pub allowed: Option<AllowedRow>,
    /// The secret: the one that it is about where there was one when it was asked, or the one that was made for it.
    pub secret: Option<SecretId>,
    /// The grant that came of it, by its token's hash, if one did.
    pub token: Option<TokenHash>,
    /// What was decided.
    pub status: RequestState,
    /// When it was asked.
    pub created: Timestamp,
    /// When it lapses where nobody decides.
    pub expires: Timestamp,
    /// When it was decided, if it was.
    pub decided: Option<Timestamp>,
    /// HMAC-SHA-256 (RFC 2104) by the gateway's key over [`RequestRow::mac_input`].
    pub mac: Vec<u8>,
}

/// The link to a request's page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRow {
    /// Its secret part, as a hash.
    pub hash: TokenHash,
    /// How many there were before it.
    pub number: u32,
    /// From when on it does not work.
    pub expires: Timestamp,
    /// Whether it was opened: it does not work again.
    pub opened: bool,
}

/// Requests that died before their time was over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lapsed {
    /// Of the account.
    pub account: usize,
    /// With the key.
    pub key: usize,
    /// Of the devbox.
    pub devbox: usize,
}

impl LinkRow {
    /// How many links of the request were opened at most, this one among them.
    #[must_use]
    pub fn times_opened(&self) -> u64 {
        u64::from(self.number) + u64::from(self.opened)
    }
}

/// That a person showed that they may type the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedRow {
    /// When.
    pub at: Timestamp,
    /// With the rights of this key.
    pub key: ApiKeyId,
    /// How.
    pub proof: Proof,
}

/// How a person showed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// With an API key.
    Key,
    /// With the code that only the admin key shows.
    Code,
}

/// What was decided of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestState {
    /// Nothing yet.
    Waiting,
    /// The value was typed; where it may go beyond its kind's own hosts was not decided.
    Entered,
    /// It was granted.
    Approved,
    /// It was refused.
    Refused,
    /// Too many wrong proofs.
    Lapsed,
}

/// A change of a request with all that follows from it, in one transaction.
#[derive(Clone, Debug)]
pub struct RequestChange {
    /// The row as it is to be.
    pub row: RequestRow,
    /// The MAC of the row as it was.
    pub was: Vec<u8>,
    /// Explicit bindings that are made.
    pub bindings: Vec<StoredBinding>,
    /// A grant to the devbox that asked, which must be open.
    pub granted: Option<GrantRow>,
    /// A host that the devbox may reach from now on; it must be open.
    pub allowed: Option<(DevboxId, HostPattern)>,
}

impl Proof {
    /// The proof's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Code => "code",
        }
    }

    /// The proof of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Key, Self::Code].into_iter().find(|proof| proof.as_str() == word)
    }
}

impl RequestState {
    const ALL: [Self; 5] = [Self::Waiting, Self::Entered, Self::Approved, Self::Refused, Self::Lapsed];

    /// The state's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Entered => "entered",
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Lapsed => "lapsed",
        }
    }

    /// The state of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl RequestRow {
    /// The bytes that the gateway's MAC covers: every field but the MAC, each with its length before it.
    #[must_use]
    pub fn mac_input(&self) -> Vec<u8> {
        let time = |at: Option<Timestamp>| at.map_or_else(String::new, |at| at.unix_ms().to_string());
        let hash = |hash: Option<TokenHash>| hash.map_or_else(String::new, |hash| hex(&hash.0));
        let (link, allowed) = (self.link.as_ref(), self.allowed.as_ref());
        let mut parts = vec![
            self.id.as_str().to_owned(),
            self.account.as_str().to_owned(),
            self.devbox.as_ref().map_or("", DevboxId::as_str).to_owned(),
            self.key.as_str().to_owned(),
            self.reason.clone(),
            hash(link.map(|link| link.hash)),
            link.map_or_else(String::new, |link| link.number.to_string()),
            time(link.map(|link| link.expires)),
            link.map_or("", |link| if link.opened { "opened" } else { "new" }).to_owned(),
            hash(self.session.map(|(hash, _)| hash)),
            time(self.session.map(|(_, expires)| expires)),
            self.shown_to.as_ref().map_or("", ApiKeyId::as_str).to_owned(),
            self.tries.to_string(),
            time(allowed.map(|allowed| allowed.at)),
            allowed.map_or("", |allowed| allowed.key.as_str()).to_owned(),
            allowed.map_or("", |allowed| allowed.proof.as_str()).to_owned(),
            self.secret.as_ref().map_or("", SecretId::as_str).to_owned(),
            hash(self.token),
            self.status.as_str().to_owned(),
            time(Some(self.created)),
            time(Some(self.expires)),
            time(self.decided),
        ];
        parts.extend(self.wish.parts());
        framed(parts.iter().map(String::as_str))
    }
}

impl Ledger {
    /// Adds a request.
    ///
    /// # Errors
    /// `Conflict` where the id exists; `Full`, `Busy`, `Unavailable`.
    pub fn insert_request(&self, row: &RequestRow, event: &Event) -> Result<()> {
        let row = row.clone();
        self.change_with(std::slice::from_ref(event), move |conn| requests::insert(conn, &row))
    }

    /// Writes a request anew, with all that follows from it.
    ///
    /// # Errors
    /// `Conflict` where the row is another one by now, or the devbox is not open; `Unmarked` where what a devbox or a secret has was changed outside; `Full`, `Busy`,
    /// `Unavailable`.
    pub fn change_request(&self, change: &RequestChange, events: &[Event]) -> Result<()> {
        let change = change.clone();
        self.change_with(events, move |conn| {
            let RequestChange { row, was, bindings: made, granted, allowed: more } = &change;
            requests::update(conn, row, was)?;
            made.iter().try_for_each(|binding| bindings::insert(conn, binding))?;
            let must_be_open = |devbox: &DevboxId| {
                let is_open = devboxes::find(conn, devbox)?.is_some_and(|row| row.closed.is_none());
                if is_open { Ok(()) } else { Err(StoreError::Conflict) }
            };
            if let Some(granted) = granted {
                must_be_open(&granted.grant.devbox)?;
                grants::insert(conn, &granted.grant.devbox, granted)?;
            }
            if let Some((devbox, host)) = more {
                must_be_open(devbox)?;
                allowed::insert(conn, devbox, host, row.decided.unwrap_or(row.created))?;
            }
            Ok(())
        })
    }

    /// The request of this id.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn request(&self, id: &RequestId) -> Result<Option<RequestRow>> {
        self.database.read(|conn| requests::find(conn, id))
    }

    /// The request whose link has this hash.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn request_by_link(&self, link: &TokenHash) -> Result<Option<RequestRow>> {
        self.database.read(|conn| requests::by_link(conn, link))
    }

    /// The request whose session has this hash.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn request_by_session(&self, session: &TokenHash) -> Result<Option<RequestRow>> {
        self.database.read(|conn| requests::by_session(conn, session))
    }

    /// The requests of an account that nobody has decided to the end and whose time was not over at `now`, oldest first.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn open_requests(&self, account: &AccountId, now: Timestamp) -> Result<Vec<RequestRow>> {
        self.database.read(|conn| requests::open(conn, account, now))
    }

    /// How many requests died before their time was over at `now`, by wrong proofs or since something else was asked in their place: of an account, with this key, and of
    /// this devbox. Those of devboxes that have ended are not counted.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn lapsed_requests(&self, account: &AccountId, key: &ApiKeyId, devbox: Option<&DevboxId>, now: Timestamp) -> Result<Lapsed> {
        self.database.read(|conn| requests::lapsed(conn, account, key, devbox, now))
    }

    /// The requests of an account in any state, newest first, of one devbox only where one is named: at most `limit` of those made before `before`.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn requests(
        &self,
        account: &AccountId,
        devbox: Option<&DevboxId>,
        before: Option<&RequestId>,
        limit: usize,
    ) -> Result<Vec<RequestRow>> {
        self.database.read(|conn| requests::page(conn, account, devbox, before, limit))
    }

    /// The events of refusals of an account, newest first; of one devbox only, where one is named. Of those written last `looked` are looked at.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn refusals(&self, account: &AccountId, devbox: Option<&DevboxId>, looked: usize, limit: usize) -> Result<Vec<Event>> {
        self.database.read(|conn| events::refusals(conn, account, devbox, looked, limit))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
