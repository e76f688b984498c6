//! The operator's pass-through list: hosts of clients that take no certificate but the host's own. What is said there is not seen, so nothing is swapped and
//! nothing scrubbed. It is for devboxes that have nothing bound there; where the list and a binding contradict each other, the list loses.

use model::{Binding, Host, Refusal, SecretName};
use store::StoreError;

use crate::bindings::BindingsError;
use crate::devboxes::DevboxCard;
use crate::gate::Gate;

/// Why the gateway does not serve with this pass-through list.
#[derive(Debug, thiserror::Error)]
pub enum PassThroughError {
    /// A value may go where nothing would be scrubbed.
    #[error(
        "the secret {0} is bound to a host of `[gateway] pass_through`: take the host off that list in tightlip.toml, or the binding away first (`tightlip unbind`)"
    )]
    Bound(SecretName),
    /// The databases do not answer.
    #[error("failed to compare `[gateway] pass_through` with the bindings")]
    Store(#[from] StoreError),
}

impl Gate {
    /// Whether the list and the bindings that people made say the same.
    ///
    /// # Errors
    /// Where a secret is bound to a host of the list, and where that cannot be looked up.
    pub fn check_pass_through(&self) -> Result<(), PassThroughError> {
        if self.pass_through.is_empty() {
            return Ok(());
        }
        for (secret, bound) in self.ledger.bound_hosts()? {
            if !self.pass_through.iter().any(|listed| listed.overlaps(&bound)) {
                continue;
            }
            // A deleted secret's bindings stand for nothing.
            if let Some(row) = self.store.sealed(&secret)? {
                return Err(PassThroughError::Bound(row.secret.name));
            }
        }
        Ok(())
    }

    /// Whether a host is on the list. Says nothing of who may pass.
    #[must_use]
    pub fn is_listed(&self, host: &Host) -> bool {
        self.pass_through.iter().any(|pattern| pattern.matches(host))
    }

    /// Whether a devbox's connection to a host passes unseen: the host is on the list, `--allow` lets the devbox go there, and nothing of the devbox's is bound
    /// there, on any port, or was ever sent there. False is no refusal: the connection is looked into as any other.
    ///
    /// # Errors
    /// Where that cannot be decided; then nothing may pass.
    pub fn passes_unseen(&self, card: &DevboxCard, host: &Host) -> Result<bool, Refusal> {
        if !self.is_listed(host) || !card.allows(host) {
            return Ok(false);
        }
        self.key_stands(card)?;
        let stamp = self.stamp()?;
        let (of_gateways, later) = (card.gateway_grants(), card.later_grants());
        for held in card.grants.iter().chain(&later).chain(&of_gateways) {
            let is_bound = match self.held_known(stamp, held) {
                Ok(known) => known.bindings.iter().any(|binding| binding.host.matches(host)),
                Err(Refusal::SecretGone) => false,
                Err(refusal) => return Err(refusal),
            };
            if is_bound || self.was_used(&card.devbox, &held.grant.secret, host) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Lets a connection pass unseen, once its first time is on disk.
    ///
    /// # Errors
    /// [`Refusal::HostNotAllowed`] where it may not, and whatever cannot be decided or recorded.
    pub fn pass_unseen(&self, card: &DevboxCard, host: &Host) -> Result<(), Refusal> {
        if self.passes_unseen(card, host)? { self.record_pass(card, host) } else { Err(Refusal::HostNotAllowed) }
    }

    /// The secrets of a devbox that are bound to a host of the list, which loses: their names, for a warning.
    #[must_use]
    pub fn contradictions(&self, card: &DevboxCard) -> Vec<SecretName> {
        if self.pass_through.is_empty() {
            return Vec::new();
        }
        let Ok(stamp) = self.stamp() else { return Vec::new() };
        let is_listed = |binding: &Binding| self.pass_through.iter().any(|listed| listed.overlaps(&binding.host));
        let (of_gateways, later) = (card.gateway_grants(), card.later_grants());
        let held = card.grants.iter().chain(&later).chain(&of_gateways);
        let bound = held.filter(|held| self.held_known(stamp, held).is_ok_and(|known| known.bindings.iter().any(is_listed)));
        bound.map(|held| held.name.clone()).collect()
    }

    /// Whether a binding may be made beside the list.
    pub(crate) fn not_passed_through(&self, binding: &Binding) -> Result<(), BindingsError> {
        let is_listed = self.pass_through.iter().any(|listed| listed.overlaps(&binding.host));
        if is_listed { Err(BindingsError::PassedThrough) } else { Ok(()) }
    }
}
