//! A devbox of the API's while it is put together. Nothing is written before it is whole.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::Seek;
use std::sync::{Arc, RwLock};

use link::cli::Given;
use link::front::{GatewayWanted, MadeToken, Named};
use model::devbox::{About, GatewaySpec};
use model::gateway::form_is_covered;
use model::limits::{ALLOW_PATTERNS_MAX, DEVBOX_ENTRIES_MAX, DEVBOX_ENTRY_BYTES_MAX, DEVBOX_TOKENS_MAX};
use model::{
    DevboxId, DevboxStatus, EnvName, Event, EventKind, Form, GatewayConfig, GatewayConfigId, HeaderContent, HostPattern, Hosted, Refusal,
    Secret, SecretId, SecretName, Timestamp, Transition,
};
use store::{DevboxRow, GatewayGrant, GatewayRole, GrantRow, HostedRow};

use super::NewHosted;
use crate::authenticate::Caller;
use crate::bindings::json_bytes;
use crate::denial::{ABOUT_BYTES_MAX, DevboxDenial};
use crate::devboxes::{
    CardGrant, DevboxCard, NewCa, RESUME_PREFIX, SECRET_GONE, SECRET_TAMPERED, add_ports, devbox_event, grant_of, why_unusable,
};
use crate::gate::Gate;
use crate::pairings::{Asked, Asking};
use crate::rows::OpenedRow;
use crate::via::{CardGateway, gateway_url, is_for};

/// What is gathered.
pub(crate) struct Draft<'a> {
    gate: &'a Gate,
    caller: &'a Caller,
    devbox: DevboxId,
    now: Timestamp,
    /// Variables that are set.
    taken: HashSet<EnvName>,
    env: Vec<(String, String)>,
    plain: Option<File>,
    /// Hosts that values given as they are are bound to: no placeholder says that the devbox may go there.
    allow: Vec<HostPattern>,
    grants: Vec<CardGrant>,
    gateways: Vec<CardGateway>,
    specs: BTreeMap<EnvName, GatewaySpec>,
    /// Destinations that a person is to be asked about, each with its gateway's place in the request.
    askings: Vec<(usize, Asking)>,
    events: Vec<Event>,
    ports: BTreeSet<u16>,
}

/// A gateway that may be made: its config, and its secrets' rows.
struct Chosen {
    config: GatewayConfig,
    credential: OpenedRow,
    headers: Vec<OpenedRow>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(gate: &'a Gate, caller: &'a Caller, devbox: &DevboxId) -> Self {
        Self {
            gate,
            caller,
            devbox: devbox.clone(),
            now: gate.clock.now(),
            taken: HashSet::new(),
            env: Vec::new(),
            plain: None,
            allow: Vec::new(),
            grants: Vec::new(),
            gateways: Vec::new(),
            specs: BTreeMap::new(),
            askings: Vec::new(),
            events: Vec::new(),
            ports: BTreeSet::from([80, 443]),
        }
    }

    pub(super) fn add_variables(&mut self, variables: BTreeMap<EnvName, String>) -> Result<(), DevboxDenial> {
        if !entries_fit(variables.len(), variables.values()) {
            return Err(DevboxDenial::TooLarge);
        }
        for (name, text) in variables {
            self.env.push((name.as_str().to_owned(), text));
            self.taken.insert(name);
        }
        Ok(())
    }

    /// A placeholder for each secret; or its value, where a person or the operator said so.
    pub(super) fn add_secrets(&mut self, secrets: BTreeMap<EnvName, SecretName>) -> Result<(), DevboxDenial> {
        if secrets.len() > DEVBOX_TOKENS_MAX {
            return Err(DevboxDenial::TooManySecrets);
        }
        for (which, (env, name)) in (1..).zip(secrets) {
            if !self.taken.insert(env.clone()) {
                return Err(DevboxDenial::EnvTwice(which));
            }
            let secret = self.gate.store.secret(&self.caller.account.id, &name)?.ok_or(DevboxDenial::SecretUnknown(which))?;
            let row = self.gate.opened(&secret)?.map_err(|why| gone_or(which, why))?;
            if self.gives_plain(which, &row)? {
                self.pour(which, env, row)?;
                continue;
            }
            if let Some(why) = why_unusable(&row) {
                return Err(DevboxDenial::Unusable { which, why });
            }
            if !add_ports(&row, &mut self.ports) {
                return Err(DevboxDenial::TooManyPorts);
            }
            let made = self.gate.make_grant(&self.devbox, env, &row, self.now)?;
            self.env.push((made.env.as_str().to_owned(), made.token.as_str().to_owned()));
            self.grants.push(made);
        }
        Ok(())
    }

    /// Variables that are taken already.
    pub(crate) fn reserve(&mut self, names: &[EnvName]) {
        self.taken.extend(names.iter().cloned());
    }

    /// Hosts that it may reach, whatever its secrets are bound to.
    pub(crate) fn allow(&mut self, patterns: Vec<HostPattern>) {
        self.allow.extend(patterns);
    }

    /// A placeholder for each secret, also for one whose value devboxes on this machine are given. Ports do not matter: nothing listens for it.
    pub(crate) fn add_placeholders(&mut self, secrets: BTreeMap<EnvName, SecretName>) -> Result<Vec<Given>, DevboxDenial> {
        if secrets.len() > DEVBOX_TOKENS_MAX {
            return Err(DevboxDenial::TooManySecrets);
        }
        let mut given = Vec::with_capacity(secrets.len());
        for (which, (env, name)) in (1..).zip(secrets) {
            if !self.taken.insert(env.clone()) {
                return Err(DevboxDenial::EnvTwice(which));
            }
            let secret = self.gate.store.secret(&self.caller.account.id, &name)?.ok_or(DevboxDenial::SecretUnknown(which))?;
            let row = self.gate.usable(&secret)?.map_err(|why| gone_or(which, why))?;
            let made = self.gate.make_grant(&self.devbox, env, &row, self.now)?;
            let unbound = row.known.bindings.is_empty();
            given.push(Given { env: made.env.clone(), name: made.name.clone(), token: made.token.clone(), unbound });
            self.grants.push(made);
        }
        Ok(given)
    }

    /// Two variables for each gateway: its token, and where it is.
    pub(crate) fn add_gateways(&mut self, wanted: BTreeMap<EnvName, GatewayWanted>) -> Result<(), DevboxDenial> {
        for (which, (prefix, GatewayWanted { gateway, secret })) in (1..).zip(wanted) {
            let twice = DevboxDenial::GatewayTwice(which);
            let Ok(url) = format!("{}_URL", prefix.as_str()).parse::<EnvName>() else { return Err(twice) };
            let Some(label) = label_of(&prefix) else { return Err(twice) };
            let is_known = self.gateways.iter().any(|known| known.label == label);
            if is_known || !self.taken.insert(prefix.clone()) || !self.taken.insert(url.clone()) {
                return Err(twice);
            }
            let chosen = self.choose(which, &gateway, &secret)?;
            let spec = GatewaySpec { config: chosen.config.id.clone(), secret: chosen.credential.secret.id.clone() };
            let made = self.make(label, prefix.clone(), chosen)?;
            self.env.push((prefix.as_str().to_owned(), made.token().as_str().to_owned()));
            self.env.push((url.as_str().to_owned(), gateway_url(&made.label)));
            self.specs.insert(prefix, spec);
            self.gateways.push(made);
        }
        if self.count() > DEVBOX_TOKENS_MAX { Err(DevboxDenial::TooManySecrets) } else { Ok(()) }
    }

    /// One gateway under a name that nobody chose, for a devbox that runs.
    pub(super) fn add_nameless_gateway(
        &mut self,
        card: &DevboxCard,
        gateway: &Named<GatewayConfigId>,
        secret: &Named<SecretId>,
    ) -> Result<(CardGateway, MadeToken), DevboxDenial> {
        let label = random_label()?;
        let env = label.to_ascii_uppercase().parse().map_err(|_| DevboxDenial::Internal)?;
        let chosen = self.choose(1, gateway, secret)?;
        let config = chosen.config.clone();
        let made = self.make(label, env, chosen)?;
        self.gateways.push(made.clone());
        if card.gateway(&made.label).is_some() {
            return Err(DevboxDenial::Internal);
        }
        if card.grants.len() + card.later_grants().len() + card.gateway_grants().len() + self.count() > DEVBOX_TOKENS_MAX {
            return Err(DevboxDenial::TooManySecrets);
        }
        let token = MadeToken {
            token: made.token().clone(),
            url: gateway_url(&made.label),
            endpoint: config.endpoint,
            config: config.id,
            devbox: self.devbox.clone(),
            mechanism: config.mechanism,
        };
        Ok((made, token))
    }

    /// The rows of gateways alone.
    pub(super) fn finish_gateway(self) -> Result<(Vec<GrantRow>, Asked), DevboxDenial> {
        let granted = self.granted()?;
        let asked = self.gate.ask(self.caller, &self.devbox, self.askings)?;
        Ok((granted, asked))
    }

    /// The rows of the whole devbox, their events, and what is told of it. The entrypoint is left to the caller.
    pub(crate) fn finish(
        mut self,
        about: About,
        ca: NewCa,
        request: Option<[u8; 32]>,
    ) -> Result<(store::NewHosted, Vec<Event>, NewHosted), DevboxDenial> {
        let about = About { gateways: std::mem::take(&mut self.specs), ..about };
        if !entries_fit(about.metadata.len(), about.metadata.values()) || json_bytes(&about) > ABOUT_BYTES_MAX {
            return Err(DevboxDenial::TooLarge);
        }
        let granted = self.granted()?;
        let (account, key) = (self.caller.account.id.clone(), self.caller.key.id.clone());
        let devbox = DevboxRow {
            id: ca.devbox.clone(),
            account: account.clone(),
            key: key.clone(),
            allow: self.allow.clone(),
            // Nobody is told the text: it is taken up by the gateway alone.
            resume: vault::hash_token(&vault::make_key(RESUME_PREFIX)),
            ca_pem: ca.pem,
            ca_key: self.gate.keys.wrap_ca(&ca.devbox, &ca.key)?,
            opened: self.now,
            closed: None,
        };
        let queued = Transition { status: DevboxStatus::Queued, at: self.now, failure: None };
        let hosted = Hosted { id: ca.devbox.clone(), account: account.clone(), about, transitions: vec![queued], reason: None };
        let asked = self.gate.ask(self.caller, &self.devbox, self.askings)?;
        let opened = devbox_event(EventKind::DevboxOpened, &devbox, self.now);
        let events = std::iter::once(opened).chain(self.events).chain(asked.events).collect();
        let row = HostedRow { hosted: hosted.clone(), key: key.clone(), request };
        let rows = store::NewHosted { devbox, hosted: row, granted, pairings: asked.pairings, bindings: asked.bindings };
        let gateways = Arc::new(RwLock::new(self.gateways));
        let more = self.gate.later_of(&ca.devbox);
        let card = DevboxCard { devbox: ca.devbox, account, key, allow: self.allow, grants: self.grants, gateways, more };
        if let Some(plain) = &mut self.plain {
            plain.rewind().map_err(|_| DevboxDenial::Internal)?;
        }
        let ports = self.ports.into_iter().collect();
        let made = NewHosted { hosted, card, env: self.env, plain: self.plain, ports, entrypoint: None };
        Ok((rows, events, made))
    }

    /// Whether a value is given as it is.
    fn gives_plain(&self, which: usize, row: &OpenedRow) -> Result<bool, DevboxDenial> {
        let secret = &row.secret;
        self.gate.is_given_plain(secret, !row.known.bindings.is_empty()).map_err(|refusal| {
            if refusal == Refusal::Undecided {
                return DevboxDenial::Internal;
            }
            self.gate.tally.count_refusal(secret.account.clone(), None, refusal, None);
            DevboxDenial::Unusable { which, why: SECRET_TAMPERED }
        })
    }

    fn pour(&mut self, which: usize, env: EnvName, row: OpenedRow) -> Result<(), DevboxDenial> {
        let vessel = match &mut self.plain {
            Some(vessel) => vessel,
            none => none.insert(vault::make_vessel().map_err(|_| DevboxDenial::Internal)?),
        };
        vault::pour_env(row.value, &env, vessel).map_err(|error| match error {
            vault::PourError::Nul => DevboxDenial::NoVariable(which),
            vault::PourError::Io(_) => DevboxDenial::Internal,
        })?;
        for binding in row.known.bindings.iter() {
            if !self.allow.contains(&binding.host) && self.allow.len() < ALLOW_PATTERNS_MAX {
                self.allow.push(binding.host.clone());
            }
        }
        self.events.push(Event {
            key: Some(self.caller.key.id.clone()),
            devbox: Some(self.devbox.clone()),
            ..Event::bare(EventKind::SecretGivenPlain, self.now, self.caller.account.id.clone()).about(&row.secret)
        });
        Ok(())
    }

    /// Finds a gateway's config and secrets, and sees whether they may meet.
    fn choose(&mut self, which: usize, gateway: &Named<GatewayConfigId>, secret: &Named<SecretId>) -> Result<Chosen, DevboxDenial> {
        let config = self.config(gateway)?.ok_or(DevboxDenial::GatewayUnknown(which))?;
        let credential = self.usable(which, self.secret(secret)?)?;
        self.pair(which, &config, &credential, config.mechanism.form())?;
        let mut headers: Vec<OpenedRow> = Vec::new();
        for header in &config.headers {
            let HeaderContent::Secret(id) = &header.content else { continue };
            if !headers.iter().any(|known| known.secret.id == *id) {
                headers.push(self.usable(which, self.gate.store.secret_by_id(&self.caller.account.id, id)?)?);
            }
            for row in headers.iter().filter(|known| known.secret.id == *id) {
                self.pair(which, &config, row, header.name.form())?;
            }
        }
        Ok(Chosen { config, credential, headers })
    }

    fn config(&self, gateway: &Named<GatewayConfigId>) -> Result<Option<GatewayConfig>, DevboxDenial> {
        let (store, account) = (&self.gate.store, &self.caller.account.id);
        let by_id = gateway.id.as_ref().map(|id| store.gateway_config(account, id)).transpose()?.flatten();
        let found = match (by_id, gateway.name.parse()) {
            (Some(config), _) => Some(config),
            (None, Ok(name)) => store.gateway_config_named(account, &name)?,
            (None, Err(_)) => None,
        };
        Ok(found.filter(|config| is_for(config, account)))
    }

    fn secret(&self, secret: &Named<SecretId>) -> Result<Option<Secret>, DevboxDenial> {
        let (store, account) = (&self.gate.store, &self.caller.account.id);
        if let Some(id) = &secret.id
            && let Some(secret) = store.secret_by_id(account, id)?
        {
            return Ok(Some(secret));
        }
        let Ok(name) = secret.name.parse() else { return Ok(None) };
        Ok(store.secret(account, &name)?)
    }

    fn usable(&self, which: usize, secret: Option<Secret>) -> Result<OpenedRow, DevboxDenial> {
        let secret = secret.ok_or(DevboxDenial::GatewaySecretUnknown(which))?;
        self.gate.usable(&secret)?.map_err(|why| match why {
            SECRET_GONE => DevboxDenial::GatewaySecretUnknown(which),
            why => DevboxDenial::GatewayUnusable { which, why },
        })
    }

    /// Whether a secret may meet a config: where it is bound, its bindings must cover the destination; where it is not, a person is asked.
    fn pair(&mut self, which: usize, config: &GatewayConfig, row: &OpenedRow, form: Form) -> Result<(), DevboxDenial> {
        let endpoint = &config.endpoint;
        let covers = |binding: &model::Binding| {
            binding.covers_host(endpoint.host(), endpoint.port())
                && binding.path.covers(endpoint.path().as_str())
                && form_is_covered(&binding.form, &form)
        };
        if row.known.bindings.is_empty() {
            let asking = Asking { secret: row.secret.clone(), binding: config.binding(form), config: config.id.clone() };
            self.askings.push((which, asking));
            Ok(())
        } else if row.known.bindings.iter().any(covers) {
            Ok(())
        } else {
            self.gate.tally.count_refusal(row.secret.account.clone(), None, Refusal::HostNotBound, Some(endpoint.host()));
            Err(DevboxDenial::Excluded(which))
        }
    }

    fn make(&self, label: String, env: EnvName, chosen: Chosen) -> Result<CardGateway, DevboxDenial> {
        let Chosen { config, credential, headers } = chosen;
        let token = vault::make_gateway_token()?;
        let credential = grant_of(&self.devbox, env.clone(), &credential, token, self.now);
        let headers = headers.iter().map(|row| self.gate.make_grant(&self.devbox, env.clone(), row, self.now)).collect::<Result<_, _>>()?;
        Ok(CardGateway { label, config: config.id, credential, headers })
    }

    fn granted(&self) -> Result<Vec<GrantRow>, DevboxDenial> {
        let mut rows = self.grants.iter().map(|made| self.gate.grant_row(made, None)).collect::<Result<Vec<_>, _>>()?;
        for gateway in &self.gateways {
            let tie = |role| Some(GatewayGrant { config: gateway.config.clone(), label: gateway.label.clone(), role });
            rows.push(self.gate.grant_row(&gateway.credential, tie(GatewayRole::Credential))?);
            for header in &gateway.headers {
                rows.push(self.gate.grant_row(header, tie(GatewayRole::Header))?);
            }
        }
        Ok(rows)
    }

    fn count(&self) -> usize {
        self.grants.len() + self.gateways.iter().map(|gateway| 1 + gateway.headers.len()).sum::<usize>()
    }
}

/// Why a wanted secret is not given.
fn gone_or(which: usize, why: &'static str) -> DevboxDenial {
    if why == SECRET_GONE { DevboxDenial::SecretUnknown(which) } else { DevboxDenial::Unusable { which, why } }
}

/// Whether there are not too many entries, and none too long or with a zero byte.
fn entries_fit<'e>(count: usize, mut entries: impl Iterator<Item = &'e String>) -> bool {
    count <= DEVBOX_ENTRIES_MAX && entries.all(|text| text.len() <= DEVBOX_ENTRY_BYTES_MAX && !text.contains('\0'))
}

/// The DNS label (RFC 1035, section 2.3.1) of a prefix: lower case, a hyphen for underscores, none at either end; none where nothing is left.
fn label_of(prefix: &EnvName) -> Option<String> {
    let words: Vec<String> = prefix.as_str().split('_').filter(|word| !word.is_empty()).map(str::to_ascii_lowercase).collect();
    let label = words.join("-");
    (1..=LABEL_BYTES_MAX).contains(&label.len()).then_some(label)
}

/// A label that nobody can guess, so that it meets no prefix.
fn random_label() -> Result<String, DevboxDenial> {
    let mut random = vault::random_u128()?;
    let mut label = String::from("t");
    for _ in 0..RANDOM_LABEL_CHARS {
        label.push(char::from(BASE32[(random % 32) as usize]));
        random /= 32;
    }
    Ok(label)
}

/// RFC 1035, section 2.3.4.
const LABEL_BYTES_MAX: usize = 63;
/// RFC 4648, section 6, in lower case.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// 80 random bits.
const RANDOM_LABEL_CHARS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn label(prefix: &str) -> Option<String> {
        label_of(&prefix.parse().expect("a variable's name"))
    }

    #[test]
    fn a_prefix_without_letter_or_digit_or_too_long_has_no_label() {
        assert_eq!(label("_"), None);
        assert_eq!(label(&"A".repeat(64)), None);
    }

    #[test]
    fn a_label_is_what_dns_takes() {
        for (prefix, expected) in [("ANTHROPIC", "anthropic"), ("_MY__API_", "my-api"), ("XN__A", "xn-a"), ("G2", "g2")] {
            assert_eq!(label(prefix).as_deref(), Some(expected));
        }
        let random = random_label().expect("randomness");
        assert!(random.len() == 17 && random.starts_with('t') && random.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}
