//! The papers of a request: its row's mark, its link, its code, and the digest of what a person is shown of it. Links and codes follow from the gateway's key, so that
//! they are kept nowhere and can be shown again.

use std::sync::MutexGuard;

use link::agents::{AgentRequest, Entry, Placeholder, RequestStatus};
use model::framing::framed;
use model::id::base62;
use model::limits::REQUEST_LINK_LIFE_MS;
use model::{DevboxId, EnvName, Event, EventKind, RequestId, SecretName, Timestamp, TokenHash, Wish};
use store::{LinkRow, RequestRow, RequestState};

use super::AgentsError;
use crate::gate::{Gate, lock};

impl Gate {
    /// The row under the gateway's mark.
    pub(super) fn sealed_request(&self, row: RequestRow) -> RequestRow {
        RequestRow { mac: self.keys.mac(REQUEST_MAC, &row.mac_input()), ..row }
    }

    /// The row, where it is the gateway's own.
    pub(super) fn own_request(&self, row: Option<RequestRow>) -> Result<Option<RequestRow>, AgentsError> {
        match row {
            Some(row) if !self.keys.mac_holds(REQUEST_MAC, &row.mac_input(), &row.mac) => Err(AgentsError::Tampered),
            row => Ok(row),
        }
    }

    /// The same, while nobody else writes: a row that this process wrote is as it was written last, and no older one that was put back.
    pub(super) fn current_request(&self, row: Option<RequestRow>, _turn: &MutexGuard<'_, ()>) -> Result<Option<RequestRow>, AgentsError> {
        let row = self.own_request(row)?;
        let is_older = row.as_ref().is_some_and(|row| lock(&self.requests).get(&row.id).is_some_and(|mark| *mark != row.mac));
        if is_older { Err(AgentsError::Tampered) } else { Ok(row) }
    }

    /// Remembers that a row was written.
    pub(super) fn note_request(&self, row: &RequestRow) {
        let mut requests = lock(&self.requests);
        requests.insert(row.id.clone(), row.mac.clone());
        // An id begins with its time.
        while requests.len() > REQUESTS_REMEMBERED_MAX {
            requests.pop_first();
        }
    }

    /// Gives a request a link that works, in the place of one that does no more, or of any.
    pub(super) fn renew_link(&self, row: &mut RequestRow, now: Timestamp) {
        let number = row.link.as_ref().map_or(0, |link| link.number.saturating_add(1));
        let hash = vault::hash_token(&self.link_text(&row.id, number));
        let expires = Timestamp::from_unix_ms(now.unix_ms().saturating_add(REQUEST_LINK_LIFE_MS).min(row.expires.unix_ms()));
        row.link = Some(LinkRow { hash, number, expires, opened: false });
    }

    /// The path of a request's page under its link, where the link works.
    pub(super) fn entry_path(&self, row: &RequestRow, now: Timestamp) -> Option<String> {
        let link = row.link.as_ref().filter(|link| !link.opened && now < link.expires && row.status == RequestState::Waiting)?;
        Some(format!("{ENTRY_PATH}{}", self.link_text(&row.id, link.number)))
    }

    /// The secret part of a link: 256 bits of the gateway's MAC over the request and the link's number.
    fn link_text(&self, id: &RequestId, number: u32) -> String {
        let mac = self.keys.mac(LINK_MAC, &framed([id.as_str(), &number.to_string()]));
        let halves = mac.as_chunks::<16>().0.iter().map(|half| base62(u128::from_be_bytes(*half), HALF_CHARS));
        std::iter::once(LINK_PREFIX.to_owned()).chain(halves).collect()
    }

    /// What a person reads in a terminal and types into the page: follows from all that is shown, so that a code is for what was shown beside it and for nothing else.
    pub(super) fn code_of(&self, entry: &Entry) -> String {
        let mac = self.keys.mac(CODE_MAC, &framed([entry.request.id.as_str(), &entry.digest]));
        let bits = mac.iter().take(5).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        let digit = |at: u32| char::from(CODE_DIGITS[(bits >> (5 * (7 - at)) & 31) as usize]);
        let half = |digits: std::ops::Range<u32>| digits.map(digit).collect::<String>();
        format!("{}-{}", half(0..4), half(4..8))
    }

    /// What a person is shown of a request, and its digest.
    pub(super) fn entry_of(&self, row: &RequestRow) -> Result<Entry, AgentsError> {
        let devbox_name = match &row.devbox {
            Some(devbox) => self.ledger.hosted(devbox)?.and_then(|hosted| hosted.about.name),
            None => None,
        };
        let digest = digest_of(row, devbox_name.as_deref());
        Ok(Entry { request: self.told(row, None), digest, devbox_name })
    }

    /// A request as it is told, without its link.
    pub(super) fn told(&self, row: &RequestRow, placeholder: Option<Placeholder>) -> AgentRequest {
        AgentRequest {
            id: row.id.clone(),
            wanted: row.wish.clone(),
            reason: row.reason.clone(),
            devbox: row.devbox.clone(),
            key: Some(row.key.clone()),
            status: status_of(row, self.clock.now()),
            created: row.created,
            expires: row.expires,
            entry_path: None,
            placeholder,
        }
    }

    /// An event about a request, with what is known of it.
    pub(super) fn request_event(&self, kind: EventKind, row: &RequestRow) -> Event {
        Event {
            key: Some(row.key.clone()),
            devbox: row.devbox.clone(),
            request: Some(row.id.clone()),
            secret: row.secret.clone(),
            name: row.wish.name().cloned(),
            ..Event::bare(kind, self.clock.now(), row.account.clone()).towards(row.wish.hosts().first())
        }
    }
}

/// Whether a person may still decide.
pub(super) fn is_open(row: &RequestRow, now: Timestamp) -> bool {
    let is_undecided = match row.status {
        RequestState::Waiting | RequestState::Entered => true,
        RequestState::Approved | RequestState::Refused | RequestState::Lapsed => false,
    };
    is_undecided && now < row.expires
}

/// Whether its link can be given once more: nobody opened it, and it works for some minutes at least.
pub(super) fn is_link_fresh(row: &RequestRow, now: Timestamp) -> bool {
    row.link.as_ref().is_some_and(|link| !link.opened && now.unix_ms() + REQUEST_LINK_LIFE_MS / 3 < link.expires.unix_ms())
}

/// Whether a value may be on its way that a person typed: what is asked is not pulled away from under it.
pub(super) fn is_being_typed(row: &RequestRow, now: Timestamp) -> bool {
    let is_fresh = |at: Timestamp| now.unix_ms() < at.unix_ms().saturating_add(TYPED_MS_MAX);
    row.status == RequestState::Waiting && row.allowed.as_ref().is_some_and(|allowed| is_fresh(allowed.at))
}

/// Whether a link was opened, and the page may be in use.
pub(super) fn is_page_open(row: &RequestRow, now: Timestamp) -> bool {
    row.session.is_some_and(|(_, expires)| now < expires)
}

const fn status_of(row: &RequestRow, now: Timestamp) -> RequestStatus {
    match row.status {
        RequestState::Waiting | RequestState::Entered if now.unix_ms() >= row.expires.unix_ms() => RequestStatus::Expired,
        RequestState::Waiting => RequestStatus::Waiting,
        RequestState::Entered => RequestStatus::Entered,
        RequestState::Approved => RequestStatus::Approved,
        RequestState::Refused => RequestStatus::Refused,
        RequestState::Lapsed => RequestStatus::Expired,
    }
}

/// SHA-256 (FIPS 180-4) over all that is shown, each part with its length before it, in hexadecimal.
fn digest_of(row: &RequestRow, devbox_name: Option<&str>) -> String {
    let mut parts = vec![
        row.id.as_str().to_owned(),
        row.account.as_str().to_owned(),
        row.devbox.as_ref().map_or("", DevboxId::as_str).to_owned(),
        devbox_name.unwrap_or_default().to_owned(),
        row.key.as_str().to_owned(),
        row.reason.clone(),
        row.created.unix_ms().to_string(),
        row.expires.unix_ms().to_string(),
    ];
    parts.extend(row.wish.parts());
    let bytes = framed(parts.iter().map(String::as_str));
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    hex(&vault::hash_token(&text))
}

fn hex(hash: &TokenHash) -> String {
    hash.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A code as it was typed, in the characters in which codes are written: what people take for one another is one.
pub(super) fn plain_code(typed: &str) -> String {
    let plain = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    });
    plain.take(CODE_CHARS_MAX).collect()
}

/// The variable that usually holds a secret of this name.
pub(super) fn env_of(name: &SecretName) -> EnvName {
    if let Ok(env) = EnvName::try_from(name)
        && !env.is_acted_upon()
    {
        return env;
    }
    let plain: String = name.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    format!("SECRET_{plain}")
        .chars()
        .take(model::limits::NAME_BYTES_MAX)
        .collect::<String>()
        .parse()
        .expect("letters, digits and underscores are a name")
}

/// Whether a value is to be typed for this wish: access is asked for to what is there already.
pub(super) const fn wants_value(wish: &Wish) -> bool {
    matches!(wish, Wish::Secret { .. })
}

/// What the MAC of requests is for; no other MAC can be taken for it.
pub(crate) const REQUEST_MAC: &str = "tightlip request v1";
const LINK_MAC: &str = "tightlip request link v1";
const CODE_MAC: &str = "tightlip request code v1";
/// Some hundred bytes each; more than are asked in a day, but where somebody has devboxes ask for the sake of it: `verify` finds rows of before a restart all the same.
const REQUESTS_REMEMBERED_MAX: usize = 4096;
/// The api stores a value and tells of it within seconds; it tries for a quarter of a minute where the gateway starts again.
const TYPED_MS_MAX: i64 = 60 * 1000;
/// Where the page is, at the api's address.
const ENTRY_PATH: &str = "/ui/requests/";
/// Told from other credentials by it.
const LINK_PREFIX: &str = "tll_";
/// 128 bits in base62.
const HALF_CHARS: usize = 22;
/// Crockford's base32: no letters that look like digits.
const CODE_DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// A code and some blanks; the rest is no code.
const CODE_CHARS_MAX: usize = 16;
