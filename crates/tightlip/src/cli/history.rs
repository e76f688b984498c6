//! `tightlip secret history`: the versions of a secret and who used it where, put together from its events. Metadata only: there is nothing else.

use std::collections::BTreeMap;

use client::{Client, EventsWanted};
use model::{ApiKeyId, ChainedEvent, Clock, DevboxId, EventKind, Host, SecretId, SecretName, Timestamp};
use serde::Serialize;
use service::SystemClock;

use super::ago::ago;
use super::fault::{Exit, Fault};
use super::output::{Output, table};
use super::secret::unknown;
use super::target::Target;

#[derive(Serialize)]
struct History {
    name: SecretName,
    /// Every secret that has had this name, the latest first.
    secrets: Vec<Life>,
}

/// One secret, from its making on.
#[derive(Serialize)]
struct Life {
    id: SecretId,
    deleted_ms: Option<Timestamp>,
    deleted_by: Option<ApiKeyId>,
    /// The latest first.
    versions: Vec<Version>,
    /// The latest first.
    uses: Vec<Use>,
}

#[derive(Serialize)]
struct Version {
    version: u32,
    time_ms: Timestamp,
    key: Option<ApiKeyId>,
}

/// What one devbox did with it towards one host.
#[derive(Serialize)]
struct Use {
    host: Option<Host>,
    devbox: Option<DevboxId>,
    first_ms: Timestamp,
    last_ms: Timestamp,
    count: u64,
}

/// Shows the history of the secrets of this name.
pub(super) fn history(name: &SecretName, target: &Target, out: &Output) -> Result<(), Fault> {
    let secrets = read(&target.client()?, name)?;
    if secrets.is_empty() {
        return Err(unknown(Fault::new(Exit::NotFound, "there is no such secret"), name));
    }
    let history = History { name: name.clone(), secrets };
    out.result(&history, || history.words());
    Ok(())
}

fn read(client: &Client, name: &SecretName) -> Result<Vec<Life>, Fault> {
    let mut lives = BTreeMap::new();
    let mut wanted = EventsWanted { secret: Some(name.clone()), after: None };
    loop {
        let page = client.events_page(&wanted)?;
        page.events.iter().for_each(|chained| note(&mut lives, chained));
        if !page.has_more {
            break;
        }
        wanted.after = Some(page.cursor);
    }
    // Ids grow with time.
    let mut lives: Vec<Life> = lives.into_values().rev().collect();
    for life in &mut lives {
        life.versions.reverse();
        life.uses.sort_by_key(|used| std::cmp::Reverse(used.last_ms));
    }
    Ok(lives)
}

fn note(lives: &mut BTreeMap<SecretId, Life>, chained: &ChainedEvent) {
    let event = &chained.event;
    let Some(id) = event.secret.clone() else { return };
    let life = lives.entry(id.clone()).or_insert_with(|| Life::new(id));
    match event.kind {
        EventKind::SecretCreated | EventKind::SecretUpdated => {
            let version = event.version.unwrap_or_default();
            life.versions.push(Version { version, time_ms: event.time, key: event.key.clone() });
        }
        EventKind::SecretDeleted => (life.deleted_ms, life.deleted_by) = (Some(event.time), event.key.clone()),
        EventKind::SecretFirstUsed | EventKind::SecretUsed => life.used(event.host.clone(), event.devbox.clone(), event.time, event.count),
        EventKind::AccountCreated
        | EventKind::KeyCreated
        | EventKind::KeyMarked
        | EventKind::KeyRevoked
        | EventKind::GatewayConfigCreated
        | EventKind::GatewayConfigUpdated
        | EventKind::GatewayConfigDeleted
        | EventKind::BindingCreated
        | EventKind::BindingDeleted
        | EventKind::DevboxOpened
        | EventKind::DevboxClosed
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
        | EventKind::RequestEntered
        | EventKind::RequestApproved
        | EventKind::RequestRefused
        | EventKind::RequestProofWrong
        | EventKind::RequestLapsed
        | EventKind::DevboxGivenMore => {}
    }
}

impl Life {
    const fn new(id: SecretId) -> Self {
        Self { id, deleted_ms: None, deleted_by: None, versions: Vec::new(), uses: Vec::new() }
    }

    fn used(&mut self, host: Option<Host>, devbox: Option<DevboxId>, time: Timestamp, count: Option<u64>) {
        let count = count.unwrap_or(1);
        match self.uses.iter_mut().find(|used| used.host == host && used.devbox == devbox) {
            Some(used) => (used.last_ms, used.count) = (used.last_ms.max(time), used.count + count),
            None => self.uses.push(Use { host, devbox, first_ms: time, last_ms: time, count }),
        }
    }
}

impl History {
    fn words(&self) -> String {
        let now = SystemClock.now();
        let blocks: Vec<String> = self.secrets.iter().map(|life| life.words(&self.name, now)).collect();
        blocks.join("\n\n")
    }
}

impl Life {
    fn words(&self, name: &SecretName, now: Timestamp) -> String {
        let by = |key: &Option<ApiKeyId>| key.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        let mut blocks = vec![match self.deleted_ms {
            None => format!("{name}  {}", self.id),
            Some(deleted) => format!("{name}  {}  deleted {} by {}", self.id, ago(deleted, now), by(&self.deleted_by)),
        }];
        let versions = self.versions.iter().map(|version| [version.version.to_string(), ago(version.time_ms, now), by(&version.key)]);
        blocks.push(table(["VERSION", "WRITTEN", "BY KEY"], &versions.collect::<Vec<_>>()));
        if self.uses.is_empty() {
            blocks.push("never used".to_owned());
        } else {
            let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            let uses = self.uses.iter().map(|used| {
                let (host, devbox) = (used.host.as_ref().map(ToString::to_string), used.devbox.as_ref().map(ToString::to_string));
                [ago(used.last_ms, now), or_dash(host), or_dash(devbox), used.count.to_string()]
            });
            blocks.push(table(["LAST USED", "TOWARDS", "BY DEVBOX", "TIMES"], &uses.collect::<Vec<_>>()));
        }
        blocks.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use model::{AccountId, Event, Writer};

    use super::*;

    fn event(kind: EventKind, secret: u128, ms: i64, count: Option<u64>) -> ChainedEvent {
        let zero = Timestamp::from_unix_ms(0);
        let bare = Event::bare(kind, Timestamp::from_unix_ms(ms), AccountId::from_parts(zero, 0));
        let host = matches!(kind, EventKind::SecretFirstUsed | EventKind::SecretUsed).then(|| "a.example.com".parse().expect("a host"));
        let event = Event { secret: Some(SecretId::from_parts(zero, secret)), version: Some(1), host, count, ..bare };
        ChainedEvent { writer: Writer::Api, seq: 1, hash: String::new(), event }
    }

    #[test]
    fn secrets_of_one_name_are_told_apart_and_uses_are_counted_together() {
        let mut lives = BTreeMap::new();
        for told in [
            event(EventKind::SecretCreated, 1, 10, None),
            event(EventKind::SecretFirstUsed, 1, 20, None),
            event(EventKind::SecretUsed, 1, 30, Some(4)),
            event(EventKind::SecretDeleted, 1, 40, None),
            event(EventKind::SecretCreated, 2, 50, None),
        ] {
            note(&mut lives, &told);
        }
        let lives: Vec<Life> = lives.into_values().collect();
        assert_eq!((lives.len(), lives[0].versions.len(), lives[1].uses.len()), (2, 1, 0));
        let used = &lives[0].uses[0];
        assert_eq!((used.count, used.first_ms.unix_ms(), used.last_ms.unix_ms(), lives[0].uses.len()), (5, 20, 30, 1));
        assert!(lives[0].deleted_ms.is_some() && lives[1].deleted_ms.is_none());
        let words = lives[0].words(&"A".parse().expect("a name"), Timestamp::from_unix_ms(50));
        assert!(words.contains("deleted just now") && words.contains("a.example.com"), "{words}");
    }
}
