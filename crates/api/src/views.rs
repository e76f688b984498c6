//! What callers are shown. Nothing here can hold a value.

use link::cli::BindingView;
use model::{
    ApiKey, ApiKeyId, BindingSource, ChainedEvent, Form, HostPattern, KindId, Methods, PathPrefix, Scope, Secret, SecretId, SecretName,
    Timestamp,
};
use serde::Serialize;
use service::{KeyPage, MadeKey, SecretPage};
use zeroize::Zeroizing;

pub(crate) mod devboxes;
pub(crate) mod environments;
pub(crate) mod gateways;
pub(crate) mod requests;

/// A secret: exactly these four fields, by the contract.
#[derive(Serialize)]
pub(crate) struct SecretView {
    id: SecretId,
    name: SecretName,
    create_time_ms: i64,
    update_time_ms: i64,
}

/// A page of secrets.
#[derive(Serialize)]
pub(crate) struct SecretListView {
    secrets: Vec<SecretView>,
    has_more: bool,
    total_count: u64,
}

/// A secret's binding; host, port, methods, path and form are null where it is unbound.
#[derive(Serialize)]
pub(crate) struct BindingLine {
    secret_id: SecretId,
    secret_name: SecretName,
    kind: Option<KindId>,
    source: Option<BindingSource>,
    host: Option<HostPattern>,
    port: Option<u16>,
    methods: Option<Methods>,
    path: Option<PathPrefix>,
    form: Option<Form>,
}

/// A page of bindings.
#[derive(Serialize)]
pub(crate) struct BindingListView {
    bindings: Vec<BindingLine>,
    has_more: bool,
    /// What `starting_after` is on the next page.
    next: Option<SecretId>,
}

/// An event, and where to go on after it.
#[derive(Serialize)]
pub(crate) struct EventView {
    #[serde(flatten)]
    pub(crate) event: ChainedEvent,
    pub(crate) cursor: String,
}

/// A page of events.
#[derive(Serialize)]
pub(crate) struct EventListView {
    pub(crate) events: Vec<EventView>,
    pub(crate) has_more: bool,
    /// What `after` is on the next page; also where there was nothing new.
    pub(crate) cursor: String,
}

/// An API key: never the credential.
#[derive(Serialize)]
pub(crate) struct ApiKeyView {
    id: ApiKeyId,
    name: String,
    scopes: Vec<Scope>,
    create_time_ms: i64,
    expire_time_ms: Option<i64>,
    last_used_time_ms: Option<i64>,
    revoke_time_ms: Option<i64>,
}

/// A page of API keys.
#[derive(Serialize)]
pub(crate) struct ApiKeyListView {
    api_keys: Vec<ApiKeyView>,
    has_more: bool,
    total_count: u64,
}

/// A new API key and its credential, shown this once.
#[derive(Serialize)]
pub(crate) struct CreatedKeyView {
    api_key: ApiKeyView,
    /// The credential, shown this once.
    key: Zeroizing<String>,
}

/// That the server lives, or is ready.
#[derive(Serialize)]
pub(crate) struct StatusView {
    pub(crate) status: &'static str,
}

impl From<Secret> for SecretView {
    fn from(secret: Secret) -> Self {
        let Secret { id, name, created, updated, account: _, version: _, kind: _ } = secret;
        Self { id, name, create_time_ms: created.unix_ms(), update_time_ms: updated.unix_ms() }
    }
}

impl From<SecretPage> for SecretListView {
    fn from(page: SecretPage) -> Self {
        let secrets = page.secrets.into_iter().map(SecretView::from).collect();
        Self { secrets, has_more: page.has_more, total_count: page.total }
    }
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        let ApiKey { id, name, scopes, created, expires, last_used, revoked, account: _, hash: _, mac: _ } = key;
        Self {
            id,
            name,
            scopes: scopes.iter().collect(),
            create_time_ms: created.unix_ms(),
            expire_time_ms: expires.map(Timestamp::unix_ms),
            last_used_time_ms: last_used.map(Timestamp::unix_ms),
            revoke_time_ms: revoked.map(Timestamp::unix_ms),
        }
    }
}

impl From<KeyPage> for ApiKeyListView {
    fn from(page: KeyPage) -> Self {
        let api_keys = page.keys.into_iter().map(ApiKeyView::from).collect();
        Self { api_keys, has_more: page.has_more, total_count: page.total }
    }
}

impl From<MadeKey> for CreatedKeyView {
    fn from(made: MadeKey) -> Self {
        Self { api_key: made.key.into(), key: made.credential }
    }
}

impl BindingListView {
    /// A page as the gateway told it.
    pub(crate) fn new(bindings: Vec<BindingView>, next: Option<SecretId>) -> Self {
        Self { bindings: bindings.into_iter().map(BindingLine::from).collect(), has_more: next.is_some(), next }
    }
}

impl From<BindingView> for BindingLine {
    fn from(view: BindingView) -> Self {
        let BindingView { account: _, secret_id, secret_name, kind, binding, source, cannot_be_sent: _, given_plain: _ } = view;
        let line = Self { secret_id, secret_name, kind, source, host: None, port: None, methods: None, path: None, form: None };
        match binding {
            None => line,
            Some(bound) => Self {
                host: Some(bound.host),
                port: Some(bound.port),
                methods: Some(bound.methods),
                path: Some(bound.path),
                form: Some(bound.form),
                ..line
            },
        }
    }
}
