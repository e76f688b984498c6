//! The page where a person types the value that an agent asked for, as the gateway has it: a link that is opened once, a session, a proof, and what follows from the
//! value once it is stored. The api, which serves the page, decides none of it.

use std::sync::MutexGuard;

use link::agents::{Entry, EntryAsk, EntryProof, EntryTell};
use model::limits::{REQUEST_LINK_LIFE_MS, REQUEST_PROOFS_MAX};
use model::{ApiKeyId, Event, EventKind, Scope, SecretId, Timestamp};
use store::{AllowedRow, Proof, RequestRow, RequestState};
use zeroize::Zeroizing;

use super::AgentsError;
use super::asking::is_covered;
use super::deciding::Made;
use super::papers::{is_being_typed, is_open, plain_code, wants_value};
use crate::authenticate::AuthError;
use crate::gate::{Gate, lock};

impl Gate {
    /// Does what the page asks, or says why not.
    #[must_use]
    pub fn entry(&self, ask: EntryAsk) -> EntryTell {
        let told = match ask {
            EntryAsk::Open { link } => self.open_entry(&link),
            EntryAsk::Look { session } => self.look_at_entry(&session),
            EntryAsk::Allow { session, digest, proof } => self.allow_entry(&session, &digest, proof),
            EntryAsk::Stored { session, secret } => self.entry_stored(&session, &secret),
        };
        told.unwrap_or_else(EntryTell::from)
    }

    /// Opens a link, which does not work again.
    fn open_entry(&self, link: &str) -> Result<EntryTell, AgentsError> {
        let turn = lock(&self.turn);
        let now = self.clock.now();
        let hash = vault::hash_token(link);
        let row = self.current_request(self.ledger.request_by_link(&hash)?, &turn)?;
        let known = row.as_ref().and_then(|row| row.link.as_ref()).map_or([0; 32], |link| link.hash.0);
        let is_it = vault::same(&known, &hash.0);
        let row = row.filter(|_| is_it).ok_or(AgentsError::LinkUnknown)?;
        let was = row.mac.clone();
        let mut row = row;
        let link = row.link.as_mut().ok_or(AgentsError::LinkUnknown)?;
        if link.opened {
            return Err(AgentsError::LinkOpened);
        }
        if now >= link.expires {
            return Err(AgentsError::LinkLapsed);
        }
        link.opened = true;
        let times_opened = link.times_opened();
        if is_being_typed(&row, now) {
            return Err(AgentsError::BeingTyped);
        }
        if row.status != RequestState::Waiting || !is_open(&row, now) || !wants_value(&row.wish) {
            return Err(AgentsError::Closed);
        }
        self.may_follow(&row)?;
        let session = vault::make_key(SESSION_PREFIX);
        let expires = Timestamp::from_unix_ms(now.unix_ms().saturating_add(REQUEST_LINK_LIFE_MS));
        row.session = Some((vault::hash_token(&session), expires));
        // Whoever opened an earlier link has to show once more that they may.
        row.allowed = None;
        let event = Event { key: None, count: Some(times_opened), ..self.request_event(EventKind::RequestOpened, &row) };
        let row = self.write_request(row, was, &[event])?;
        Ok(EntryTell::Opened { session: session.to_string(), entry: Box::new(self.entry_of(&row)?) })
    }

    fn look_at_entry(&self, session: &str) -> Result<EntryTell, AgentsError> {
        let row = self.of_session(session, &lock(&self.turn))?;
        self.may_follow(&row)?;
        Ok(EntryTell::Shown(Box::new(self.entry_of(&row)?)))
    }

    /// Whether a value may be stored, as what was shown and with this proof.
    fn allow_entry(&self, session: &str, digest: &str, proof: EntryProof) -> Result<EntryTell, AgentsError> {
        let turn = lock(&self.turn);
        let row = self.of_session(session, &turn)?;
        if row.status != RequestState::Waiting {
            return Err(AgentsError::Closed);
        }
        let entry = self.entry_of(&row)?;
        if !vault::same(digest.as_bytes(), entry.digest.as_bytes()) {
            return Err(AgentsError::Changed);
        }
        let (key, proof) = match self.proven(&row, &entry, proof) {
            Ok(proven) => proven,
            Err(AgentsError::ProofWrong) => return Err(self.note_wrong_proof(row)?),
            Err(error) => return Err(error),
        };
        let name = row.wish.name().cloned().ok_or(AgentsError::Closed)?;
        if row.secret.is_some() || self.store.secret(&row.account, &name)?.is_some() {
            return Err(AgentsError::NameTaken);
        }
        self.may_follow(&row)?;
        let now = self.clock.now();
        let row = match &row.allowed {
            // Sent twice, as by a double click: what the first of them stores is the one, and was not made before it.
            Some(allowed) if is_being_typed(&row, now) && allowed.key == key && allowed.proof == proof => row,
            Some(_) if is_being_typed(&row, now) => return Err(AgentsError::BeingTyped),
            Some(_) | None => {
                let was = row.mac.clone();
                let allowed = Some(AllowedRow { at: now, key: key.clone(), proof });
                self.write_request(RequestRow { allowed, ..row }, was, &[])?
            }
        };
        Ok(EntryTell::Allowed { account: row.account, key, name })
    }

    /// What follows from a value that was stored: with a code, which was read beside the hosts, that it may go there; with a key alone, that it may go where its kind
    /// goes, and that a person with the admin key decides about the rest.
    fn entry_stored(&self, session: &str, secret: &SecretId) -> Result<EntryTell, AgentsError> {
        let turn = lock(&self.turn);
        let row = self.session_row(session, &turn)?;
        let is_told = matches!(row.status, RequestState::Entered | RequestState::Approved) && row.secret.as_ref() == Some(secret);
        if is_told {
            // The answer to the first time was lost.
            return Ok(EntryTell::Shown(Box::new(self.entry_of(&row)?)));
        }
        let row = self.still_open(row)?;
        let allowed = row.allowed.clone().filter(|_| row.status == RequestState::Waiting).ok_or(AgentsError::Closed)?;
        let stored = self.store.secret_by_id(&row.account, secret)?.ok_or(AgentsError::NotTheOne)?;
        let opened = self.open_row(&stored).map_err(|_| AgentsError::NotTheOne)?;
        let is_it = row.wish.name() == Some(&opened.secret.name)
            && opened.secret.account == row.account
            && opened.secret.version == 1
            && row.secret.is_none()
            // As its id says, which the seal covers.
            && opened.secret.id.is_made_since(allowed.at);
        if !is_it {
            return Err(AgentsError::NotTheOne);
        }
        let is_covered_already =
            || row.wish.bindings().iter().all(|wanted| opened.known.bindings.iter().any(|bound| is_covered(bound, wanted)));
        let can_be_sent = crate::devboxes::why_unusable(&opened).is_none();
        // What cannot be bound is stored all the same, and told.
        let bound = match allowed.proof {
            Proof::Code if can_be_sent => self.wished_bindings(&row, &opened, true).ok(),
            Proof::Key if can_be_sent && is_covered_already() => Some(Vec::new()),
            Proof::Code | Proof::Key => None,
        };
        let granted = if can_be_sent { self.grant_for(&row, &opened) } else { Ok(None) };
        // A devbox that is full gets none, and a person who approves it is told so.
        let (granted, bound) = match granted {
            Err(AgentsError::DevboxFull) => (None, None),
            granted => (granted?, bound),
        };
        let status = if bound.is_some() { RequestState::Approved } else { RequestState::Entered };
        let event = |kind| Event { key: Some(allowed.key.clone()), ..self.request_event(kind, &row) };
        let mut events = vec![event(EventKind::RequestEntered)];
        events.extend(bound.as_ref().map(|_| event(EventKind::RequestApproved)));
        let decided = RequestRow { status, ..row.clone() };
        let made = Made::of(bound.unwrap_or_default(), granted);
        let row = self.write_decided(row.clone(), decided, Some(&opened.secret), made, events)?;
        Ok(EntryTell::Shown(Box::new(self.entry_of(&row)?)))
    }

    /// The request of a session that is not over, while its value can be typed.
    fn of_session(&self, session: &str, turn: &MutexGuard<'_, ()>) -> Result<RequestRow, AgentsError> {
        self.still_open(self.session_row(session, turn)?)
    }

    /// The request of a session that is not over, also where its value was stored.
    fn session_row(&self, session: &str, turn: &MutexGuard<'_, ()>) -> Result<RequestRow, AgentsError> {
        let hash = vault::hash_token(session);
        let row = self.current_request(self.ledger.request_by_session(&hash)?, turn)?;
        let known = row.as_ref().and_then(|row| row.session).map_or([0; 32], |(known, _)| known.0);
        let is_it = vault::same(&known, &hash.0);
        let row = row.filter(|_| is_it).ok_or(AgentsError::SessionUnknown)?;
        let now = self.clock.now();
        if row.session.is_none_or(|(_, expires)| now >= expires) {
            return Err(AgentsError::SessionUnknown);
        }
        Ok(row)
    }

    fn still_open(&self, row: RequestRow) -> Result<RequestRow, AgentsError> {
        // What was stored ends the page: its session does nothing but hear of that once more.
        if matches!(row.status, RequestState::Entered | RequestState::Approved) {
            return Err(AgentsError::SessionUnknown);
        }
        // One that died of wrong proofs has no session any more.
        if row.status == RequestState::Lapsed {
            return Err(AgentsError::Changed);
        }
        if is_open(&row, self.clock.now()) { Ok(row) } else { Err(AgentsError::Closed) }
    }

    /// With whose rights a value may be stored, and how that was shown.
    fn proven(&self, row: &RequestRow, entry: &Entry, proof: EntryProof) -> Result<(ApiKeyId, Proof), AgentsError> {
        match proof {
            EntryProof::Key(key) => {
                let caller = match self.authenticate(Some(&Zeroizing::new(key))) {
                    Ok(caller) => caller,
                    Err(AuthError::Unavailable(error)) => return Err(error.into()),
                    Err(_) => return Err(AgentsError::ProofWrong),
                };
                let may = caller.account.id == row.account && caller.require(Scope::Secrets).is_ok();
                if may { Ok((caller.key.id, Proof::Key)) } else { Err(AgentsError::ProofWrong) }
            }
            EntryProof::Code(typed) => {
                let plain = |code: &str| Zeroizing::new(plain_code(code));
                let (typed, known) = (plain(&Zeroizing::new(typed)), plain(&self.code_of(entry)));
                let is_it = vault::same(typed.as_bytes(), known.as_bytes());
                let key = row.shown_to.clone().filter(|_| is_it).ok_or(AgentsError::ProofWrong)?;
                let record = self.store.api_key_of(&row.account, &key)?.filter(|record| self.require_mark(record).is_ok());
                let may = record.is_some_and(|record| record.is_good(self.clock.now()) && record.scopes.contains(Scope::Secrets));
                if may { Ok((key, Proof::Code)) } else { Err(AgentsError::ProofWrong) }
            }
        }
    }

    /// Counts a wrong proof; after the last one the request is dead.
    fn note_wrong_proof(&self, row: RequestRow) -> Result<AgentsError, AgentsError> {
        let was = row.mac.clone();
        let tries = row.tries.saturating_add(1);
        let is_dead = tries >= REQUEST_PROOFS_MAX;
        let mut row = RequestRow { tries, ..row };
        if is_dead {
            row.status = RequestState::Lapsed;
            row.decided = Some(self.clock.now());
            row.session = None;
        }
        let kinds: &[EventKind] =
            if is_dead { &[EventKind::RequestProofWrong, EventKind::RequestLapsed] } else { &[EventKind::RequestProofWrong] };
        let event = |kind| Event { key: None, count: Some(u64::from(tries)), ..self.request_event(kind, &row) };
        let events: Vec<Event> = kinds.iter().map(|kind| event(*kind)).collect();
        self.write_request(row, was, &events)?;
        Ok(if is_dead { AgentsError::Closed } else { AgentsError::ProofWrong })
    }
}

/// Told from other credentials by it.
const SESSION_PREFIX: &str = "tls_";
