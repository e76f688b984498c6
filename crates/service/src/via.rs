//! Gateways of a devbox: a name inside it, a config that says where requests lead, and the secrets that they carry there.
//!
//! The config is a row that the api writes, so it is read anew at every request and is a destination only. Whether a value goes there in the config's form is
//! decided by the bindings of its secret, and nothing that the api writes is one.

use std::sync::{PoisonError, RwLockReadGuard};

use model::gateway::{HeaderKey, HeaderText};
use model::{AccountId, Asked, Form, GatewayConfig, GatewayConfigId, HeaderContent, Host, Refusal, Secret, Token, TokenHash, permits_at};
use store::{GatewayGrant, GatewayRole};

use crate::denial::DevboxDenial;
use crate::devboxes::{CardGrant, DevboxCard};
use crate::gate::Gate;
use crate::resolve::Armed;
use crate::rows::Fitness;

/// A gateway of a devbox.
#[derive(Clone, Debug)]
pub struct CardGateway {
    /// Its DNS label inside the devbox: `LABEL.gateway.internal`.
    pub label: String,
    /// Its config.
    pub config: GatewayConfigId,
    /// The credential; the grant's token is the gateway's.
    pub credential: CardGrant,
    /// The secrets of the config's custom headers. The devbox holds no token for them.
    pub headers: Vec<CardGrant>,
}

/// A gateway as a request finds it.
#[derive(Clone, Debug)]
pub struct Via {
    /// The config, as it stands now.
    pub config: GatewayConfig,
    /// The gateway.
    pub gateway: CardGateway,
}

/// One thing that is written into a request to a gateway. In the order in which they are to be written: a later one takes an earlier one's header.
pub enum Piece {
    /// The credential, in its permit's form.
    Credential(Armed),
    /// A secret's value in a custom header.
    Secret {
        /// The header.
        header: HeaderKey,
        /// The value, with its permit.
        armed: Armed,
    },
    /// A text in a custom header.
    Text {
        /// The header.
        header: HeaderKey,
        /// The text.
        text: HeaderText,
    },
}

impl Gate {
    /// The gateway of a devbox that has this label, with its config as it stands now.
    ///
    /// # Errors
    /// [`Refusal::HostNotAllowed`] where the devbox has none, [`Refusal::GatewayGone`] where the config was deleted, [`Refusal::Undecided`].
    pub fn gateway_at(&self, card: &DevboxCard, label: &str) -> Result<Via, Refusal> {
        let gateway = card.gateway(label).ok_or(Refusal::HostNotAllowed)?;
        let read = || self.store.gateway_config(&card.account, &gateway.config).map_err(|error| self.undecided(error));
        let config = self.configs.get_or(self.stamp()?, &(card.account.clone(), gateway.config.clone()), read)?;
        let is_it = |config: &GatewayConfig| config.id == gateway.config && is_for(config, &card.account);
        let config = config.filter(is_it).ok_or(Refusal::GatewayGone)?;
        Ok(Via { config, gateway })
    }

    /// Whether a gateway's config is still what it was when a request was decided. False also where that cannot be said.
    #[must_use]
    pub fn gateway_stands(&self, card: &DevboxCard, via: &Via) -> bool {
        self.gateway_at(card, &via.gateway.label).is_ok_and(|now| now.config == via.config)
    }

    /// Decides whether all values of a gateway may be written into the request that asks, and gives them. `asked` names the config's endpoint and the path
    /// there; that the request holds the gateway's token, the caller has seen. First uses are on disk before this returns.
    ///
    /// # Errors
    /// The refusal. Anything that cannot be decided or recorded is one.
    pub fn resolve_gateway(&self, card: &DevboxCard, via: &Via, asked: Asked<'_>) -> Result<Vec<Piece>, Refusal> {
        self.key_stands(card)?;
        let Via { config, gateway } = via;
        let mut used = Vec::with_capacity(1 + config.headers.len());
        let mut permit = |held: &CardGrant, form: Form| {
            let (armed, secret) = self.permit_at(card, held, config, form, asked)?;
            used.push(secret);
            Ok::<Armed, Refusal>(armed)
        };
        let mut pieces = vec![Piece::Credential(permit(&gateway.credential, config.mechanism.form())?)];
        for header in &config.headers {
            let name = header.name.clone();
            pieces.push(match &header.content {
                HeaderContent::Text(text) => Piece::Text { header: name, text: text.clone() },
                HeaderContent::Secret(id) => {
                    // What the config names now and the devbox was not given then, it is not given now either.
                    let held = gateway.headers.iter().find(|held| held.grant.secret == *id).ok_or(Refusal::GatewayGone)?;
                    Piece::Secret { armed: permit(held, name.form())?, header: name }
                }
            });
        }
        used.iter().try_for_each(|secret| self.record_use(&card.devbox, secret, asked.host))?;
        Ok(pieces)
    }

    /// Decides about one value and one form. Records nothing.
    fn permit_at(
        &self,
        card: &DevboxCard,
        held: &CardGrant,
        config: &GatewayConfig,
        form: Form,
        asked: Asked<'_>,
    ) -> Result<(Armed, Secret), Refusal> {
        let grant = self.fresh_grant(card, held)?;
        let row = self.open_secret(&grant.account, &grant.secret, &held.name)?;
        let permit = match permits_at(&grant, &row.known.bindings, asked, &form) {
            Err(Refusal::SecretUnbound) => return Err(self.why_unbound(&row.secret, &config.binding(form))),
            decided => decided?,
        };
        if row.known.fitness != Fitness::Fit {
            return Err(Refusal::ValueUnfit);
        }
        let armed = Armed { permit, value: row.value, secret: row.secret.id.clone(), version: row.secret.version };
        Ok((armed, row.secret))
    }
}

impl CardGateway {
    /// The gateway's token.
    #[must_use]
    pub const fn token(&self) -> &Token {
        &self.credential.token
    }

    pub(crate) fn grants(&self) -> impl Iterator<Item = &CardGrant> {
        std::iter::once(&self.credential).chain(&self.headers)
    }
}

impl DevboxCard {
    /// The gateway of this label.
    #[must_use]
    pub fn gateway(&self, label: &str) -> Option<CardGateway> {
        self.read_gateways().iter().find(|gateway| gateway.label == label).cloned()
    }

    /// Whether the token of this hash is one of the devbox's gateways'.
    #[must_use]
    pub fn is_of_gateway(&self, token: &TokenHash) -> bool {
        self.read_gateways().iter().flat_map(CardGateway::grants).any(|held| held.grant.token == *token)
    }

    /// From now on the devbox has one gateway more.
    pub(crate) fn add_gateway(&self, gateway: CardGateway) {
        self.gateways.write().unwrap_or_else(PoisonError::into_inner).push(gateway);
    }

    /// The grants of all gateways.
    pub(crate) fn gateway_grants(&self) -> Vec<CardGrant> {
        self.read_gateways().iter().flat_map(CardGateway::grants).cloned().collect()
    }

    /// The credentials of all gateways, whose tokens are the gateways' own.
    pub(crate) fn gateway_credentials(&self) -> Vec<CardGrant> {
        self.read_gateways().iter().map(|gateway| gateway.credential.clone()).collect()
    }

    fn read_gateways(&self) -> RwLockReadGuard<'_, Vec<CardGateway>> {
        self.gateways.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a config, which is a row that anybody may have written, is one that this account may use.
pub(crate) fn is_for(config: &GatewayConfig, account: &AccountId) -> bool {
    config.account.as_ref().is_none_or(|owner| owner == account) && config.check().is_ok()
}

/// Gateways out of their grants, in the order in which they were made.
pub(crate) fn card_gateways(granted: Vec<(GatewayGrant, CardGrant)>) -> Result<Vec<CardGateway>, DevboxDenial> {
    let mut gateways: Vec<CardGateway> = Vec::new();
    for (GatewayGrant { config, label, role }, grant) in granted {
        match role {
            GatewayRole::Credential => gateways.push(CardGateway { label, config, credential: grant, headers: Vec::new() }),
            // A gateway's credential was granted before its headers.
            GatewayRole::Header => {
                let gateway = gateways.iter_mut().find(|gateway| gateway.label == label && gateway.config == config);
                gateway.ok_or(DevboxDenial::Internal)?.headers.push(grant);
            }
        }
    }
    Ok(gateways)
}

/// What stands behind a gateway's label in its name.
pub const GATEWAY_ZONE: &str = "gateway.internal";

/// Where a devbox sends the requests for the gateway of this label.
#[must_use]
pub fn gateway_url(label: &str) -> String {
    format!("https://{label}.{GATEWAY_ZONE}")
}

/// The label of a host that is a gateway's name, whether or not the devbox has such a gateway.
#[must_use]
pub fn gateway_label(host: &Host) -> Option<&str> {
    host.as_str().strip_suffix(GATEWAY_ZONE)?.strip_suffix('.').filter(|label| !label.contains('.'))
}
