//! What a devbox that runs was given since it was opened: placeholders and hosts that a person let its agent have.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak};

use model::{DevboxId, Host, HostPattern};

use crate::devboxes::{CardGrant, DevboxCard};
use crate::gate::{Gate, lock};

/// What came later. All that keep the devbox's card share it.
#[derive(Debug, Default)]
pub struct CardMore {
    grants: Vec<CardGrant>,
    allow: Vec<HostPattern>,
}

/// That of every devbox that has a card, for whoever gives it more.
#[derive(Default)]
pub(crate) struct Given(Mutex<HashMap<DevboxId, Weak<RwLock<CardMore>>>>);

impl DevboxCard {
    /// The grants that came later.
    #[must_use]
    pub fn later_grants(&self) -> Vec<CardGrant> {
        self.read_more().grants.clone()
    }

    /// Whether one of its patterns for hosts, from the beginning or later, names this one.
    pub(crate) fn allows(&self, host: &Host) -> bool {
        let names = |pattern: &HostPattern| pattern.matches(host);
        self.allow.iter().any(names) || self.read_more().allow.iter().any(names)
    }

    /// Whether it has this pattern, from the beginning or later.
    pub(crate) fn has_pattern(&self, pattern: &HostPattern) -> bool {
        self.allow.contains(pattern) || self.read_more().allow.contains(pattern)
    }

    pub(crate) fn later_grant(&self, is_it: impl Fn(&CardGrant) -> bool) -> Option<CardGrant> {
        self.read_more().grants.iter().find(|held| is_it(held)).cloned()
    }

    fn read_more(&self) -> RwLockReadGuard<'_, CardMore> {
        self.more.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    /// Where what is given to this devbox later arrives.
    pub(crate) fn later_of(&self, devbox: &DevboxId) -> Arc<RwLock<CardMore>> {
        let more = Arc::default();
        let mut given = lock(&self.given.0);
        given.retain(|_, known| known.strong_count() > 0);
        given.insert(devbox.clone(), Arc::downgrade(&more));
        more
    }

    /// Hands a devbox that has a card what is written already. One that is between two gateways takes it up from its rows.
    pub(crate) fn hand(&self, devbox: &DevboxId, grant: Option<CardGrant>, host: Option<HostPattern>) {
        let Some(more) = lock(&self.given.0).get(devbox).and_then(Weak::upgrade) else { return };
        let mut more = more.write().unwrap_or_else(PoisonError::into_inner);
        more.grants.extend(grant);
        more.allow.extend(host);
    }

    pub(crate) fn forget_later_of(&self, devbox: &DevboxId) {
        lock(&self.given.0).remove(devbox);
    }
}
