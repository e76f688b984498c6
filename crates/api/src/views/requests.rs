//! What agents ask of people, as callers see it: neither what a page needs nor a placeholder, and not the agent's own words, which are for a person to read.

use link::agents::{AgentRequest, RequestStatus};
use model::{ApiKeyId, DevboxId, Form, HostPattern, Methods, RequestId, SecretName, Wish};
use serde::Serialize;

/// A request.
#[derive(Serialize)]
pub(crate) struct RequestView {
    id: RequestId,
    wants: &'static str,
    name: Option<SecretName>,
    hosts: Vec<HostPattern>,
    methods: Methods,
    form: Option<Form>,
    status: RequestStatus,
    devbox_id: Option<DevboxId>,
    api_key_id: Option<ApiKeyId>,
    create_time_ms: i64,
    expire_time_ms: i64,
}

/// A page of requests.
#[derive(Serialize)]
pub(crate) struct RequestListView {
    pub(crate) requests: Vec<RequestView>,
    pub(crate) has_more: bool,
}

impl From<AgentRequest> for RequestView {
    fn from(request: AgentRequest) -> Self {
        let AgentRequest { id, wanted, reason: _, devbox, key, status, created, expires, entry_path: _, placeholder: _ } = request;
        let (wants, name, hosts, methods, form) = match wanted {
            Wish::Secret { name, hosts, form } => ("secret", Some(name), hosts, Methods::default(), Some(form)),
            Wish::Access { secret, host, methods } => ("access", secret, vec![host], methods, None),
        };
        Self {
            id,
            wants,
            name,
            hosts,
            methods,
            form,
            status,
            devbox_id: devbox,
            api_key_id: key,
            create_time_ms: created.unix_ms(),
            expire_time_ms: expires.unix_ms(),
        }
    }
}
