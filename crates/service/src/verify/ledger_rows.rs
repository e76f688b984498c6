//! The ledger's rows: bindings, exposures, pairings, requests of agents, devboxes with their grants.

use model::StoredBinding;
use store::{DevboxRow, ExposureRow, GrantRow, MarkedRows, PairingRow, RequestRow};

use super::{About, Looking, PAGE_ROWS, RESTORE};
use crate::agents::REQUEST_MAC;
use crate::exposures::EXPOSURE_MAC;
use crate::marks::{decisions_hold, devbox_holds, ended_holds};
use crate::pairings::PAIRING_MAC;
use crate::rows::BINDING_MAC;

impl Looking<'_> {
    pub(super) fn ledger_rows(&mut self) {
        let ledger = self.ledger;
        self.counts.bindings = self.table("bindings", |after| ledger.bindings(after, PAGE_ROWS), Self::binding);
        self.counts.exposures = self.table("exposures", |after| ledger.exposures(after, PAGE_ROWS), Self::exposure);
        self.counts.pairings = self.table("pairings", |after| ledger.pairings(after, PAGE_ROWS), Self::pairing);
        self.counts.requests = self.table("requests", |after| ledger.requests(after, PAGE_ROWS), Self::request);
        // Not counted: they tell of rows that were.
        let _marks = self.table("marks", |after| ledger.decided(after, PAGE_ROWS), Self::decided);
        self.counts.devboxes = self.table("devboxes", |after| ledger.devboxes(after, PAGE_ROWS), Self::devbox);
        // Each event had its row when the chain was walked, so that a row without an event makes one too many.
        if self.counts.devboxes > self.told_devboxes {
            self.find("devboxes", About::default(), "there are more devboxes than events tell of: one was planted", RESTORE);
        }
    }

    fn binding(&mut self, _key: &str, row: &StoredBinding) {
        self.marked("bindings", row.id.as_str(), Some(row.secret.as_str()), self.keys.mac_holds(BINDING_MAC, &row.mac_input(), &row.mac));
    }

    fn exposure(&mut self, _key: &str, row: &ExposureRow) {
        let secret = row.secret.as_str();
        self.marked("exposures", secret, Some(secret), self.keys.mac_holds(EXPOSURE_MAC, &row.mac_input(), &row.mac));
    }

    fn pairing(&mut self, _key: &str, row: &PairingRow) {
        self.marked("pairings", row.id.as_str(), Some(row.secret.as_str()), self.keys.mac_holds(PAIRING_MAC, &row.mac_input(), &row.mac));
    }

    fn request(&mut self, _key: &str, row: &RequestRow) {
        if !self.keys.mac_holds(REQUEST_MAC, &row.mac_input(), &row.mac) {
            let about = About::row(row.id.as_str()).named(row.wish.name());
            self.find("requests", about, "its mark does not hold: the row was changed or planted", ASK_AGAIN);
        }
    }

    fn marked(&mut self, table: &str, id: &str, secret: Option<&str>, holds: bool) {
        if holds {
            return;
        }
        let name = secret.and_then(|secret| self.store.name_of(secret).ok().flatten());
        let about = About::row(id).named(name.as_ref());
        self.find(table, about, "its mark does not hold: the row was changed or planted", DECIDE_AGAIN);
    }

    /// What the rows say of a secret together. A row that is gone, or was put back with its mark, shows here.
    fn decided(&mut self, key: &str, rows: &MarkedRows) {
        if !decisions_hold(self.keys, rows) {
            let name = self.store.name_of(key).ok().flatten();
            let what = "bindings, exposure or pairings of it were removed, added or put back to older ones";
            self.find("marks", About::row(key).named(name.as_ref()), what, DECIDE_AGAIN);
        }
    }

    /// What an open devbox keeps sealed must open.
    fn devbox(&mut self, _key: &str, row: &DevboxRow) {
        let about = About::row(row.id.as_str());
        let grants = match self.ledger.grants_of(&row.id) {
            Ok(grants) => grants,
            Err(_) => return self.find("grants", about, "a grant of this devbox makes no sense", END_IT),
        };
        if self.ledger.is_shown_to_another(&row.id).unwrap_or(true) {
            self.find("hosted", about, "it is shown to another account than it is of", RESTORE);
        }
        if row.closed.is_some() {
            return self.ended(row, &grants);
        }
        if !self.ledger.marked_devbox(&row.id).is_ok_and(|rows| devbox_holds(self.keys, &rows)) {
            self.find("devboxes", about, "its row or its grants were changed, or it has ended", END_IT);
        }
        if self.keys.unwrap_ca(&row.id, &row.ca_key).is_err() {
            self.find("devboxes", about, "the key of its certificate authority does not open", END_IT);
        }
        for grant in &grants {
            if grant.grant.ended.is_some() {
                self.find(
                    "grants",
                    about.named(Some(&grant.name)),
                    "it has ended, and its devbox is open: it was ended outside tightlip",
                    END_IT,
                );
            }
            let opened = self.keys.unwrap_token(&row.id, &grant.token);
            if !opened.is_ok_and(|token| vault::hash_token(token.as_str()) == grant.grant.token) || grant.grant.account != row.account {
                self.find("grants", about.named(Some(&grant.name)), "a token of this devbox does not open, or is another's", END_IT);
            }
        }
    }

    /// An event tells of each end; the mark of the open one goes with it, and so does what was sealed.
    fn ended(&mut self, row: &DevboxRow, grants: &[GrantRow]) {
        let about = About::row(row.id.as_str());
        match self.ledger.ended_devbox(&row.id) {
            Ok(rows) if rows.events == 0 => {
                let what = "it is said to have ended, and no event tells of its end: it was ended outside tightlip, or planted";
                self.find("devboxes", about, what, RESTORE);
            }
            Ok(rows) if ended_holds(self.keys, &rows) => {}
            Ok(_) | Err(_) => {
                self.find("devboxes", about, "it has ended, and its rows or its grants were changed or removed since", RESTORE);
            }
        }
        if !self.ledger.marked_devbox(&row.id).is_ok_and(|rows| rows.mac.is_none()) {
            self.find("marks", about, "the devbox has ended, and the mark of an open one is there", RESTORE);
        }
        if !row.ca_key.is_empty() || grants.iter().any(|grant| !grant.token.is_empty() || grant.grant.ended.is_none()) {
            self.find("devboxes", about, "it has ended, and keys or tokens of it are there again", END_IT);
        }
    }
}

/// What mends a decision that is not a person's.
const DECIDE_AGAIN: &str = "tightlip secret delete NAME, store it again and bind it again";
/// What mends a request: nothing follows from it any more.
pub(super) const ASK_AGAIN: &str = "have the agent ask again; nothing follows from this row";
/// What mends a devbox.
const END_IT: &str = "end it, and start another one";
