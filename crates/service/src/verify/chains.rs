//! Both chains, from their beginnings: that each event follows from the one before, and that the rows are as the events tell.

use model::{Event, EventKind, RequestId, Writer};
use store::{ChainFault, Held, RequestRow, RequestState, Result, StoreError};

use super::ledger_rows::ASK_AGAIN;
use super::{About, Looking, RESTORE};

impl Looking<'_> {
    pub(super) fn chains(&mut self) {
        let (store, ledger) = (self.store, self.ledger);
        self.chain(store.held());
        self.chain(ledger.held());
        if !self.awaited.is_empty() {
            let id = self.awaited.iter().min().map(ToString::to_string);
            self.find(
                "gateway_configs",
                About { id: id.as_deref(), name: None },
                "it was made and never deleted, and its row is gone",
                RESTORE,
            );
        }
    }

    fn chain(&mut self, held: &Held) {
        let table = match held.writer() {
            Writer::Api => "events of the api",
            Writer::Gateway => "events of the gateway",
        };
        let mut head = held.beginning();
        loop {
            let (links, next) = match held.links(&head, LINKS) {
                Ok(found) => found,
                Err(StoreError::ChainBroken { seq, fault, .. }) => return self.broken(table, seq, fault),
                Err(error) => return self.unreadable(table, &error),
            };
            if links.is_empty() {
                return;
            }
            for (seq, event) in &links {
                let told = match held.writer() {
                    Writer::Api => self.api_event(*seq, event),
                    Writer::Gateway => self.gateway_event(event),
                };
                if let Err(error) = told {
                    return self.unreadable(table, &error);
                }
            }
            self.step(links.len());
            head = next;
        }
    }

    fn broken(&mut self, table: &str, seq: u64, fault: ChainFault) {
        let number = format!("number {seq}");
        let what = format!("{number}: {fault}; what comes after it proves nothing");
        self.find(table, About::default(), &what, RESTORE);
    }

    /// What the store must have after this event of the api's.
    fn api_event(&mut self, seq: u64, event: &Event) -> Result<()> {
        match event.kind {
            EventKind::AccountCreated | EventKind::KeyCreated | EventKind::KeyRevoked => self.key_event(event),
            EventKind::SecretCreated | EventKind::SecretDeleted => self.secret_event(seq, event),
            EventKind::GatewayConfigCreated | EventKind::GatewayConfigDeleted => self.config_event(event),
            // No row of the store's follows from these.
            EventKind::KeyMarked
            | EventKind::SecretUpdated
            | EventKind::GatewayConfigUpdated
            | EventKind::BindingCreated
            | EventKind::BindingDeleted
            | EventKind::DevboxOpened
            | EventKind::DevboxClosed
            | EventKind::SecretFirstUsed
            | EventKind::SecretUsed
            | EventKind::Refused
            | EventKind::GatewayTokenCreated
            | EventKind::PairingRequested
            | EventKind::PairingApproved
            | EventKind::PairingRefused
            | EventKind::SecretExposed
            | EventKind::SecretBrokered
            | EventKind::SecretGivenPlain
            | EventKind::PassedThrough
            | EventKind::BackedUp
            | EventKind::AnchorMissing
            | EventKind::RollbackAccepted
            | EventKind::RequestMade
            | EventKind::RequestOpened
            | EventKind::RequestProofWrong
            | EventKind::RequestEntered
            | EventKind::RequestApproved
            | EventKind::RequestRefused
            | EventKind::RequestLapsed
            | EventKind::DevboxGivenMore => Ok(()),
        }
    }

    fn key_event(&mut self, event: &Event) -> Result<()> {
        let Some(key) = &event.about_key else {
            return if event.kind == EventKind::AccountCreated { self.account_event(event) } else { Ok(()) };
        };
        let about = About::row(key.as_str());
        let is_made = event.kind == EventKind::KeyCreated;
        self.told_keys += u64::from(is_made);
        if event.kind == EventKind::KeyRevoked {
            self.revoked.insert(key.clone());
        }
        match self.store.revoked(key)? {
            None if is_made => self.find("api_keys", about, "it was made, and its row is gone", RESTORE),
            Some(None) if !is_made => {
                self.find("api_keys", about, "it was revoked, and its row says that it is good", "tightlip key revoke ID");
            }
            None | Some(_) => {}
        }
        Ok(())
    }

    /// Accounts stand in the order in which they were made: the first is the owner.
    fn account_event(&mut self, event: &Event) -> Result<()> {
        let about = About::row(event.account.as_str());
        match self.store.account_number(&event.account)? {
            None => self.find("accounts", about, "it was made, and its row is gone", RESTORE),
            Some(number) if number <= self.last_account => {
                self.find(
                    "accounts",
                    about,
                    "its place among the accounts, the first of which is the owner, is another than events tell",
                    RESTORE,
                );
            }
            Some(number) => self.last_account = number,
        }
        Ok(())
    }

    fn secret_event(&mut self, seq: u64, event: &Event) -> Result<()> {
        let (Some(id), Some(name)) = (&event.secret, &event.name) else { return Ok(()) };
        let about = About::row(id.as_str()).named(Some(name));
        let (is_there, is_deleted) = (self.store.has_secret(id)?, event.kind == EventKind::SecretDeleted);
        if is_there && is_deleted {
            self.find("secrets", about, "it was deleted, and a row of it is there again", "tightlip secret delete NAME");
        }
        if !is_there && !is_deleted && !self.store.deleted_after(seq, &event.account, name, id)? {
            self.find("secrets", about, "it was stored and never deleted, and its row is gone", RESTORE);
        }
        Ok(())
    }

    fn config_event(&mut self, event: &Event) -> Result<()> {
        let Some(id) = &event.gateway else { return Ok(()) };
        let row = self.store.gateway_config(id)?;
        if event.kind == EventKind::GatewayConfigCreated {
            self.told_configs += 1;
            match row {
                None => drop(self.awaited.insert(id.clone())),
                Some((account, created)) if account != event.account.as_str() || created != event.time => {
                    let what = "it was moved to another account, or its time was changed";
                    self.find("gateway_configs", About::row(id.as_str()), what, RESTORE);
                }
                Some(_) => {}
            }
            return Ok(());
        }
        self.told_configs = self.told_configs.saturating_sub(1);
        self.awaited.remove(id);
        if row.is_some() {
            let next = "tightlip gateway-config delete ID";
            self.find("gateway_configs", About::row(id.as_str()), "it was deleted, and its row is there again", next);
        }
        Ok(())
    }

    /// A request's row against an event of it: it is there, and is what was decided; one that was put back to an older one has a mark of its own that holds.
    fn request_told(&mut self, event: &Event, id: &RequestId) -> Result<()> {
        let (row, about, kind) = (self.ledger.request(id)?, About::row(id.as_str()), event.kind);
        match row {
            None => self.find("requests", about, "it was made, and its row is gone", RESTORE),
            Some(row) if state_after(kind).is_some_and(|state| state != row.status) => {
                self.find("requests", about, "it was decided, and its row was put back to before that", ASK_AGAIN);
            }
            Some(row) if kind == EventKind::RequestEntered && row.status == RequestState::Waiting => {
                self.find("requests", about, "its value was entered, and its row was put back to before that", ASK_AGAIN);
            }
            Some(row) if is_before(&row, event) => {
                let is_opened = kind == EventKind::RequestOpened;
                let before = if is_opened { "its link was opened" } else { "a wrong code was entered for it" };
                let what = format!("{before}, and its row was put back to before that");
                self.find("requests", about, &what, ASK_AGAIN);
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// What the ledger must have after this event of the gateway's.
    fn gateway_event(&mut self, event: &Event) -> Result<()> {
        if DECISIONS.contains(&event.kind)
            && let Some(secret) = &event.secret
            && !self.ledger.is_decided(secret)?
        {
            let about = About::row(secret.as_str()).named(event.name.as_ref());
            self.find("marks", about, "the mark on its bindings, exposure and pairings is gone", RESTORE);
        }
        if let Some(id) = &event.request {
            self.request_told(event, id)?;
        }
        let (EventKind::DevboxOpened | EventKind::DevboxClosed, Some(id)) = (event.kind, &event.devbox) else { return Ok(()) };
        let about = About::row(id.as_str());
        let is_end = event.kind == EventKind::DevboxClosed;
        self.told_devboxes += u64::from(!is_end);
        match self.ledger.state_of(id)? {
            None => self.find("devboxes", about, "it was opened, and its row is gone", RESTORE),
            Some((true, _)) if is_end => {
                self.find("devboxes", about, "it has ended, and its row says that it is open", "tightlip down, then tightlip up");
            }
            Some((_, account)) if account != event.account.as_str() => {
                self.find("devboxes", about, "it was moved to another account", RESTORE);
            }
            Some(_) => {}
        }
        // Where the end was counted, a mark was left: earlier builds left none.
        if is_end && event.count.is_some() && self.ledger.ended_devbox(id)?.mac.is_none() {
            self.find("marks", about, "the mark on the rows of this devbox, which has ended, is gone", RESTORE);
        }
        Ok(())
    }
}

/// Whether a row is older than an event that counted links or wrong codes. Events of earlier builds have no numbers of links.
fn is_before(row: &RequestRow, event: &Event) -> bool {
    let Some(count) = event.count else { return false };
    if event.kind == EventKind::RequestOpened {
        row.link.as_ref().is_none_or(|link| link.times_opened() < count)
    } else {
        event.kind == EventKind::RequestProofWrong && u64::from(row.tries) < count
    }
}

/// What a request's row must say after an event that decided it. Earlier ones may have been followed by later ones.
const fn state_after(kind: EventKind) -> Option<RequestState> {
    match kind {
        EventKind::RequestApproved => Some(RequestState::Approved),
        EventKind::RequestRefused => Some(RequestState::Refused),
        EventKind::RequestLapsed => Some(RequestState::Lapsed),
        EventKind::RequestMade
        | EventKind::RequestOpened
        | EventKind::RequestProofWrong
        | EventKind::RequestEntered
        | EventKind::AccountCreated
        | EventKind::KeyCreated
        | EventKind::KeyMarked
        | EventKind::KeyRevoked
        | EventKind::SecretCreated
        | EventKind::SecretUpdated
        | EventKind::SecretDeleted
        | EventKind::GatewayConfigCreated
        | EventKind::GatewayConfigUpdated
        | EventKind::GatewayConfigDeleted
        | EventKind::BindingCreated
        | EventKind::BindingDeleted
        | EventKind::DevboxOpened
        | EventKind::DevboxClosed
        | EventKind::SecretFirstUsed
        | EventKind::SecretUsed
        | EventKind::Refused
        | EventKind::GatewayTokenCreated
        | EventKind::PairingRequested
        | EventKind::PairingApproved
        | EventKind::PairingRefused
        | EventKind::SecretExposed
        | EventKind::SecretBrokered
        | EventKind::SecretGivenPlain
        | EventKind::PassedThrough
        | EventKind::BackedUp
        | EventKind::AnchorMissing
        | EventKind::RollbackAccepted
        | EventKind::DevboxGivenMore => None,
    }
}

/// Events of one page; one is some hundred bytes.
const LINKS: usize = 1000;
/// After these there is a mark on what the ledger's rows say of the secret.
const DECISIONS: [EventKind; 7] = [
    EventKind::BindingCreated,
    EventKind::BindingDeleted,
    EventKind::PairingRequested,
    EventKind::PairingApproved,
    EventKind::PairingRefused,
    EventKind::SecretExposed,
    EventKind::SecretBrokered,
];
