//! Somebody else's sandboxes: an environment is handed out, and whoever shows its credential at the forward proxy is the devbox.
//!
//! A row of `devboxes` and one of `hosted` as for any devbox of the API's. What takes such a devbox up is its credential, so its hash stands where every
//! devbox has that of the text that takes it up again.

use std::sync::atomic::Ordering;

use link::cli::{Given, NewRemote};
use model::devbox::{About, Remote};
use model::limits::{ALLOW_PATTERNS_MAX, HOSTED_DEVBOXES_MAX, HOSTED_DEVBOXES_PER_ACCOUNT_MAX, REMOTE_SOURCES_MAX};
use model::{DevboxId, DevboxStatus, EnvName, Hosted, Network, Scope, Token, TokenHash, Transition};

use crate::authenticate::Caller;
use crate::denial::DevboxDenial;
use crate::devboxes::{DevboxCard, NewCa, ResumedDevbox};
use crate::gate::{Gate, lock};
use crate::hosted::Draft;

/// A devbox of somebody else's sandbox, as made.
pub struct NewRemoteDevbox {
    /// What is shown of it.
    pub hosted: Hosted,
    /// What the gateway keeps.
    pub card: DevboxCard,
    /// What it shows to the forward proxy.
    pub credential: Token,
    /// Its placeholders, and its gateways' tokens.
    pub placeholders: Vec<Given>,
    /// Where its gateways are, each in its variable.
    pub urls: Vec<(EnvName, String)>,
}

/// Such a devbox, taken up by a gateway that began after it.
pub struct ResumedRemote {
    /// As of any devbox.
    pub resumed: ResumedDevbox,
    /// What is shown of it.
    pub hosted: Hosted,
    /// The hash of its credential.
    pub credential: TokenHash,
}

impl Gate {
    /// Makes a devbox with placeholders for its secrets, tokens for its gateways, and a credential for the forward proxy. A value is never given as it is, whatever is exposed.
    /// `reserved` are variables that the environment sets itself.
    ///
    /// # Errors
    /// When the caller may not, or what is asked for does not exist or cannot be used.
    pub fn create_remote(
        &self,
        caller: &Caller,
        wanted: NewRemote,
        ca: NewCa,
        reserved: &[EnvName],
    ) -> Result<NewRemoteDevbox, DevboxDenial> {
        caller.require(Scope::Devbox)?;
        if wanted.allow.len() > ALLOW_PATTERNS_MAX {
            return Err(DevboxDenial::TooManyPatterns);
        }
        if wanted.sources.len() > REMOTE_SOURCES_MAX {
            return Err(DevboxDenial::TooManySources);
        }
        let _turn = lock(&self.turn);
        let of_account = self.ledger.count_open_hosted_of(&caller.account.id)?;
        if of_account >= HOSTED_DEVBOXES_PER_ACCOUNT_MAX || self.ledger.open_hosted_devboxes()?.len() >= HOSTED_DEVBOXES_MAX {
            return Err(DevboxDenial::TooManyDevboxes);
        }
        let credential = vault::make_key(CREDENTIAL_PREFIX);
        let credential: Token = credential.parse().map_err(|_| DevboxDenial::Internal)?;
        let mut draft = Draft::new(self, caller, &ca.devbox);
        draft.reserve(reserved);
        draft.allow(wanted.allow);
        let mut placeholders = draft.add_placeholders(wanted.secrets)?;
        draft.add_gateways(wanted.gateways)?;
        let about = About {
            name: wanted.name,
            launch: "{}".to_owned(),
            keep_alive_ms: wanted.keep_alive_ms,
            remote: Some(Remote { sources: wanted.sources }),
            ..About::default()
        };
        let (mut rows, events, made) = draft.finish(about, ca, wanted.request)?;
        rows.devbox.resume = vault::hash_token(credential.as_str());
        // There is nothing to build: it is there with its environment.
        let running = Transition { status: DevboxStatus::Running, at: rows.devbox.opened, failure: None };
        rows.hosted.hosted.transitions.push(running);
        self.ledger.open_hosted(&rows, &events)?;
        if !rows.bindings.is_empty() {
            self.changes.fetch_add(1, Ordering::SeqCst);
        }
        let mut urls = Vec::new();
        for held in made.card.gateway_credentials() {
            let unbound = rows.pairings.iter().any(|asked| asked.secret == held.grant.secret);
            let url = made.env.iter().find(|(name, _)| name.strip_suffix("_URL") == Some(held.env.as_str()));
            urls.extend(url.and_then(|(name, url)| Some((name.parse().ok()?, url.clone()))));
            placeholders.push(Given { env: held.env, name: held.name, token: held.token, unbound });
        }
        Ok(NewRemoteDevbox { hosted: rows.hosted.hosted, card: made.card, credential, placeholders, urls })
    }

    /// The devbox that this request of the caller's made, and that has not ended. Its credential was told once, so the request makes another.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub fn requested_remote(&self, caller: &Caller, request: &[u8; 32]) -> Result<Option<DevboxId>, DevboxDenial> {
        let before = self.ledger.requested_hosted(&caller.key.id, request)?;
        Ok(before.filter(|before| before.account == caller.account.id && before.about.remote.is_some()).map(|before| before.id))
    }

    /// The devboxes of others' sandboxes that have not ended, oldest first.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub fn open_remotes(&self) -> Result<Vec<DevboxId>, DevboxDenial> {
        let mut open = self.ledger.open_hosted_devboxes()?;
        let mut failed = None;
        open.retain(|id| {
            self.is_remote(id).unwrap_or_else(|error| {
                failed = Some(error);
                false
            })
        });
        failed.map_or(Ok(open), Err)
    }

    /// Takes one up that was open when the gateway ended.
    ///
    /// # Errors
    /// [`DevboxDenial::NotFound`] where there is none, or it has ended.
    pub fn take_up_remote(&self, id: &DevboxId) -> Result<ResumedRemote, DevboxDenial> {
        let _turn = lock(&self.turn);
        let mut kept = self.open_devbox(id)?;
        let hosted = kept.hosted.take().filter(|hosted| hosted.about.remote.is_some()).ok_or(DevboxDenial::NotFound)?;
        let credential = kept.devbox.resume;
        Ok(ResumedRemote { resumed: self.taken_up(kept)?, hosted, credential })
    }

    /// Whether a devbox of the API's is somebody else's sandbox.
    pub(crate) fn is_remote(&self, id: &DevboxId) -> Result<bool, DevboxDenial> {
        Ok(self.ledger.hosted(id)?.is_some_and(|hosted| hosted.about.remote.is_some()))
    }
}

/// Whether a connection from `address` may be of a devbox with these sources.
#[must_use]
pub fn may_come_from(sources: &[Network], address: std::net::IpAddr) -> bool {
    sources.is_empty() || sources.iter().any(|network| network.contains(address))
}

/// What a credential for the forward proxy begins with.
const CREDENTIAL_PREFIX: &str = "tlg_";
