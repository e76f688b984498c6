//! Gateway configs: create, get, list, update, delete. They say where a secret may be sent and how it is written there, and permit nothing: what a secret is bound
//! to is decided at the gateway.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use link::front::Named;
use model::gateway::{Description, GatewayError, HeaderKey, HeaderText, builtin};
use model::limits::GATEWAY_CONFIGS_MAX;
use model::{
    Clock, CustomHeader, Endpoint, Event, EventKind, Form, GatewayConfig, GatewayConfigId, HeaderContent, Label, Mechanism, Scope,
    SecretId, SecretName, Timestamp,
};
use store::{GatewayConfigPage, Recorded, Store, StoreError};

use crate::answers::{Doing, Unchanged};
use crate::authenticate::{AuthError, Caller};
use crate::gate::lock;
use crate::ids::{Ids, IdsError};

/// The verbs on gateway configs.
pub struct Gateways {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    ids: Ids,
    doing: Doing,
    /// Changes are made one after the other, so that what was looked at before a change still holds when it is made.
    turn: Mutex<()>,
}

/// A gateway config that is wanted.
#[derive(Clone, Debug)]
pub struct GatewayPlan {
    /// What people call it.
    pub name: Label,
    /// Where it leads.
    pub endpoint: Endpoint,
    /// How the credential is written there.
    pub mechanism: Mechanism,
    /// Further headers.
    pub headers: Vec<WantedHeader>,
    /// What it is for.
    pub description: Option<Description>,
}

/// What is to be changed of a gateway config; the rest stays.
#[derive(Clone, Debug, Default)]
pub struct GatewayChange {
    /// What people call it.
    pub name: Option<Label>,
    /// Where it leads.
    pub endpoint: Option<Endpoint>,
    /// How the credential is written there.
    pub mechanism: Option<Mechanism>,
    /// Further headers, in place of all that there were.
    pub headers: Option<Vec<WantedHeader>>,
    /// What it is for.
    pub description: Option<Description>,
}

/// A further header as it is asked for.
#[derive(Clone, Debug)]
pub struct WantedHeader {
    /// Its name.
    pub name: HeaderKey,
    /// What is to stand in it.
    pub content: WantedContent,
}

/// What is to stand in a further header.
#[derive(Clone, Debug)]
pub enum WantedContent {
    /// The value of the secret of this id or name.
    Secret(Named<SecretId>),
    /// This text, which is no secret.
    Text(HeaderText),
}

/// Which part of the list is asked for.
#[derive(Clone, Debug)]
pub struct GatewayPage {
    /// At most so many, 1 to 5000.
    pub limit: usize,
    /// Continue below this one, whether or not it still exists.
    pub after: Option<GatewayConfigId>,
    /// Only those whose names contain this.
    pub name: Option<String>,
}

/// Why a verb on gateway configs failed. Never contains what the caller sent.
#[derive(Debug, thiserror::Error)]
pub enum GatewaysError {
    /// The caller may not.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// No name.
    #[error("a gateway config needs a name: send one of 1 to 100 printable characters")]
    NameEmpty,
    /// A part of it is not legal.
    #[error(transparent)]
    Part(#[from] GatewayError),
    /// One header twice.
    #[error("a header stands twice: name each custom header once, and none that the credential is written into")]
    HeaderTwice,
    /// A custom header's secret is not there.
    #[error("a custom header names a secret that this account does not have: see `tightlip secret list`")]
    SecretUnknown,
    /// As many as there may be.
    #[error("an account has at most {GATEWAY_CONFIGS_MAX} gateway configs: delete one with `tightlip gateway-config delete ID`")]
    TooMany,
    /// No such gateway config.
    #[error("no gateway config of this account has this id: see `tightlip gateway-config list`")]
    NotFound,
    /// One that every account has.
    #[error(
        "this gateway config is the same for every account and cannot be changed or deleted: create one of your own, which may have the same name"
    )]
    Builtin,
    /// Somebody else changed it at the same time.
    #[error("the gateway config was changed by somebody else at the same moment, and nothing was done: try again")]
    Conflict,
    /// The same request was answered already, by another process.
    #[error("the request was done before")]
    Answered,
    /// The disk is full.
    #[error("failed to store the gateway config: the disk is full, and nothing was changed; make room and try again")]
    Full,
    /// The store or its events cannot be written or read.
    #[error("failed to use the store, and nothing was changed: try again, and look at the output of `tightlip up`")]
    Unavailable(#[source] StoreError),
    /// No id could be made.
    #[error("failed to make an id, and nothing was stored: look at the output of `tightlip up`")]
    Id(#[from] IdsError),
}

impl Gateways {
    /// The verbs over a store and a clock.
    #[must_use]
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, ids: Ids::default(), doing: Doing::default(), turn: Mutex::default() }
    }

    /// Makes a gateway config. Names may be used again: a name means the newest that has it.
    ///
    /// # Errors
    /// When the caller may not, the plan is not legal, a header's secret is not there, or the account has as many as it may; nothing is changed on any error.
    pub fn create(&self, caller: &Caller, plan: GatewayPlan) -> Result<GatewayConfig, GatewaysError> {
        caller.require(Scope::Secrets)?;
        let caller = &told_apart(caller, &plan);
        self.doing.once(&self.store, caller, self.clock.now(), |answer| {
            let _turn = lock(&self.turn);
            let own = self.store.gateway_configs(&caller.account.id, None, None, 0)?.total.saturating_sub(builtin().len() as u64);
            if own >= GATEWAY_CONFIGS_MAX as u64 {
                return Err(GatewaysError::TooMany);
            }
            let GatewayPlan { name, endpoint, mechanism, headers, description } = plan;
            let headers = self.headers(caller, headers)?;
            let (now, number) = self.ids.next(self.clock.now())?;
            let config = GatewayConfig {
                id: GatewayConfigId::from_parts(now, number),
                account: Some(caller.account.id.clone()),
                name,
                endpoint,
                mechanism,
                headers,
                description,
                created: now,
            };
            check(&config)?;
            let event = event(EventKind::GatewayConfigCreated, caller, &config, now);
            self.store.insert_gateway_config(&config, Recorded { event: &event, answer: answer(&config).as_ref() })?;
            Ok(config)
        })
    }

    /// A gateway config.
    ///
    /// # Errors
    /// [`GatewaysError::NotFound`] where the account has none of this id.
    pub fn get(&self, caller: &Caller, id: &GatewayConfigId) -> Result<GatewayConfig, GatewaysError> {
        caller.require(Scope::Read)?;
        self.find(caller, id)
    }

    /// A page of the account's gateway configs, newest first; those that every account has are the last.
    ///
    /// # Errors
    /// When the caller may not, or the store does not answer.
    pub fn list(&self, caller: &Caller, page: &GatewayPage) -> Result<GatewayConfigPage, GatewaysError> {
        caller.require(Scope::Read)?;
        Ok(self.store.gateway_configs(&caller.account.id, page.name.as_deref(), page.after.as_ref(), page.limit)?)
    }

    /// Changes a gateway config.
    ///
    /// # Errors
    /// [`GatewaysError::NotFound`], [`GatewaysError::Builtin`], and as [`Gateways::create`].
    pub fn update(&self, caller: &Caller, id: &GatewayConfigId, change: GatewayChange) -> Result<GatewayConfig, GatewaysError> {
        caller.require(Scope::Secrets)?;
        let caller = &told_apart(caller, &change);
        self.doing.once(&self.store, caller, self.clock.now(), |answer| {
            let _turn = lock(&self.turn);
            let old = self.own(caller, id)?;
            let GatewayChange { name, endpoint, mechanism, headers, description } = change;
            let config = GatewayConfig {
                name: name.unwrap_or(old.name),
                endpoint: endpoint.unwrap_or(old.endpoint),
                mechanism: mechanism.unwrap_or(old.mechanism),
                headers: headers.map_or(Ok(old.headers), |headers| self.headers(caller, headers))?,
                description: description.or(old.description),
                ..old
            };
            check(&config)?;
            let event = event(EventKind::GatewayConfigUpdated, caller, &config, self.clock.now());
            self.store.update_gateway_config(&config, Recorded { event: &event, answer: answer(&config).as_ref() })?;
            Ok(config)
        })
    }

    /// Removes a gateway config; devboxes that use it get nothing through it any more.
    ///
    /// # Errors
    /// [`GatewaysError::NotFound`], [`GatewaysError::Builtin`].
    pub fn delete(&self, caller: &Caller, id: &GatewayConfigId) -> Result<GatewayConfig, GatewaysError> {
        caller.require(Scope::Secrets)?;
        self.doing.once(&self.store, caller, self.clock.now(), |answer| {
            let _turn = lock(&self.turn);
            let config = self.own(caller, id)?;
            let event = event(EventKind::GatewayConfigDeleted, caller, &config, self.clock.now());
            let answer = answer(&config);
            let recorded = Recorded { event: &event, answer: answer.as_ref() };
            self.store.delete_gateway_config(&caller.account.id, id, recorded)?;
            Ok(config)
        })
    }

    fn find(&self, caller: &Caller, id: &GatewayConfigId) -> Result<GatewayConfig, GatewaysError> {
        self.store.gateway_config(&caller.account.id, id)?.ok_or(GatewaysError::NotFound)
    }

    /// One that the account may change.
    fn own(&self, caller: &Caller, id: &GatewayConfigId) -> Result<GatewayConfig, GatewaysError> {
        let config = self.find(caller, id)?;
        if config.account.is_some() { Ok(config) } else { Err(GatewaysError::Builtin) }
    }

    /// The headers with each secret by its id.
    fn headers(&self, caller: &Caller, wanted: Vec<WantedHeader>) -> Result<Vec<CustomHeader>, GatewaysError> {
        let found = wanted.into_iter().map(|header| {
            let content = match header.content {
                WantedContent::Text(text) => HeaderContent::Text(text),
                WantedContent::Secret(named) => HeaderContent::Secret(self.secret(caller, &named)?),
            };
            Ok(CustomHeader { name: header.name, content })
        });
        found.collect()
    }

    fn secret(&self, caller: &Caller, named: &Named<SecretId>) -> Result<SecretId, GatewaysError> {
        let account = &caller.account.id;
        let by_id = named.id.as_ref().map(|id| self.store.secret_by_id(account, id)).transpose()?.flatten();
        let by_name = || match named.name.parse::<SecretName>() {
            Ok(name) => self.store.secret(account, &name),
            Err(_) => Ok(None),
        };
        let found = by_id.map_or_else(by_name, |secret| Ok(Some(secret)))?;
        found.map(|secret| secret.id).ok_or(GatewaysError::SecretUnknown)
    }
}

/// The caller, whose number for another body is another request. Nothing in it is a value.
fn told_apart(caller: &Caller, body: &impl std::fmt::Debug) -> Caller {
    let request = caller.request.as_ref().map(|request| request.about(&format!("{body:?}")));
    Caller { request, ..caller.clone() }
}

fn check(config: &GatewayConfig) -> Result<(), GatewaysError> {
    if config.name.as_str().is_empty() {
        return Err(GatewaysError::NameEmpty);
    }
    config.check()?;
    let mut written = BTreeSet::from([match config.mechanism.form() {
        Form::Header { name } => name,
        // No mechanism of a config has the last two.
        Form::Auto | Form::Bearer | Form::Basic { .. } | Form::UserPass | Form::Query { .. } | Form::Body => "authorization".to_owned(),
    }]);
    let once = config.headers.iter().all(|header| written.insert(header.name.as_str().to_owned()));
    if once { Ok(()) } else { Err(GatewaysError::HeaderTwice) }
}

impl GatewayPage {
    /// A page by the contract's rule: 0 means the default, more than the maximum is clamped.
    #[must_use]
    pub fn new(limit: usize, after: Option<GatewayConfigId>, name: Option<String>) -> Self {
        Self { limit: crate::Page::new(limit, None).limit, after, name }
    }
}

impl GatewaysError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Auth(error) => error.code(),
            Self::NameEmpty => "name_missing",
            Self::Part(GatewayError::Endpoint) => "endpoint_invalid",
            Self::Part(GatewayError::Header | GatewayError::HeaderText) => "header_invalid",
            Self::Part(GatewayError::Description) => "description_invalid",
            Self::Part(GatewayError::TooManyHeaders) => "custom_headers_too_many",
            Self::HeaderTwice => "header_twice",
            Self::SecretUnknown => "header_secret_unknown",
            Self::TooMany => "gateway_configs_too_many",
            Self::NotFound => "gateway_config_unknown",
            Self::Builtin => "gateway_config_fixed",
            Self::Conflict | Self::Answered => "conflict",
            Self::Full => "disk_full",
            Self::Unavailable(_) => "store_unavailable",
            Self::Id(_) => "internal",
        }
    }
}

impl Unchanged for GatewaysError {
    fn is_answered(&self) -> bool {
        matches!(self, Self::Answered)
    }
}

impl From<StoreError> for GatewaysError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Conflict,
            StoreError::Answered => Self::Answered,
            StoreError::Full => Self::Full,
            StoreError::DuplicateName
            | StoreError::Newer { .. }
            | StoreError::Outdated { .. }
            | StoreError::Missing
            | StoreError::Exists
            | StoreError::NotADatabase
            | StoreError::Damaged(_)
            | StoreError::ChainBroken { .. }
            | StoreError::Unmarked
            | StoreError::Replaced
            | StoreError::Schema(_)
            | StoreError::Busy
            | StoreError::ReadOnly
            | StoreError::Unavailable
            | StoreError::WouldWait
            | StoreError::Failed(_) => Self::Unavailable(error),
        }
    }
}

fn event(kind: EventKind, caller: &Caller, config: &GatewayConfig, now: Timestamp) -> Event {
    Event {
        key: Some(caller.key.id.clone()),
        gateway: Some(config.id.clone()),
        host: Some(config.endpoint.host().clone()),
        ..Event::bare(kind, now, caller.account.id.clone())
    }
}
