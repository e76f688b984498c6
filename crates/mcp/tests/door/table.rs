//! A backend with fixed answers, which remembers what it was asked, and the two ways to ask.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use link::agents::{AgentRequest, AgentTell, AgentVerb, Placeholder, RequestStatus, Seen, Tested, Usable, Usage, Wish};
use link::cli::Denial;
use link::front::Denied;
use mcp::{Answered, Backend, BoxFuture, Server, Unanswered};
use model::{Form, Methods, Refusal, RequestId, Timestamp};
use serde_json::{Value, json};

/// The id of every request here.
pub fn id() -> RequestId {
    RequestId::from_parts(Timestamp::from_unix_ms(1_800_000_000_000), 0x1234_5678_9abc_def0)
}

/// How the backend answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    Away,
    Denying,
    Granting,
}

pub struct Table {
    pub mood: Mutex<Mood>,
    pub asked: Mutex<Vec<AgentVerb>>,
    /// How often work was done aside.
    pub aside: AtomicUsize,
}

impl Table {
    pub fn new(mood: Mood) -> Arc<Self> {
        Arc::new(Self { mood: Mutex::new(mood), asked: Mutex::default(), aside: AtomicUsize::default() })
    }

    pub fn server(self: &Arc<Self>) -> Server {
        Server::new(Arc::clone(self) as Arc<dyn Backend>)
    }
}

impl Backend for Table {
    fn ask(&self, verb: AgentVerb) -> BoxFuture<'_, Answered> {
        let mood = *self.mood.lock().unwrap();
        let told = match mood {
            Mood::Away => Err(Unanswered::Away),
            Mood::Denying => Ok(AgentTell::Denied(Denied {
                why: Denial::NotFound,
                code: "secret_unknown".to_owned(),
                message: "there is no such secret: see list_secrets".to_owned(),
            })),
            Mood::Well | Mood::Granting => Ok(tell(&verb, mood)),
        };
        self.asked.lock().unwrap().push(verb);
        Box::pin(async move { told })
    }

    fn aside(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'_, ()> {
        self.aside.fetch_add(1, Ordering::Relaxed);
        work();
        Box::pin(async {})
    }

    fn pages(&self) -> Option<String> {
        Some("http://127.0.0.1:7080".to_owned())
    }
}

fn tell(verb: &AgentVerb, mood: Mood) -> AgentTell {
    match verb {
        AgentVerb::ListSecrets => AgentTell::Secrets(vec![usable()]),
        AgentVerb::HowToUse { .. } => AgentTell::Use(usable()),
        AgentVerb::TestSecret { .. } => AgentTell::Tested(vec![
            Tested { host: "api.github.com".to_owned(), decided: Ok(Form::Auto) },
            Tested { host: "example.com".to_owned(), decided: Err(Refusal::HostNotBound) },
        ]),
        AgentVerb::MyRefusals { .. } => AgentTell::Refusals(vec![Seen {
            time: Timestamp::from_unix_ms(1_800_000_000_000),
            refusal: Refusal::HostNotAllowed,
            host: Some("example.com".parse().unwrap()),
            name: None,
            count: 3,
        }]),
        AgentVerb::RequestSecret { name, hosts, form, reason } => {
            let wanted = Wish::Secret { name: name.clone(), hosts: hosts.clone(), form: form.clone().unwrap_or(Form::Auto) };
            let entry_path = Some("/ui/requests/once".to_owned());
            AgentTell::Request(Box::new(AgentRequest { entry_path, ..request(wanted, reason.clone(), mood) }))
        }
        AgentVerb::RequestAccess { secret, host, methods, reason } => {
            let wanted = Wish::Access { secret: secret.clone(), host: host.clone(), methods: methods.clone() };
            AgentTell::Request(Box::new(request(wanted, reason.clone(), mood)))
        }
        AgentVerb::RequestStatus { .. } => {
            let wanted =
                Wish::Secret { name: "NEW_TOKEN".parse().unwrap(), hosts: vec!["api.example.com".parse().unwrap()], form: Form::Auto };
            AgentTell::Request(Box::new(request(wanted, "because".to_owned(), mood)))
        }
        AgentVerb::ListRequests { .. } => panic!("no tool lists requests"),
    }
}

fn usable() -> Usable {
    let usage = |host: &str, form: Form, methods: Methods, path: &str| Usage {
        host: host.parse().unwrap(),
        port: 443,
        methods,
        path: path.to_owned(),
        form,
    };
    Usable {
        name: "GITHUB_TOKEN".parse().unwrap(),
        kind: Some("github_token".to_owned()),
        env: Some("GH_TOKEN".parse().unwrap()),
        bindings: vec![
            usage("api.github.com", Form::Auto, Methods::default(), "/"),
            usage("*.example.com", Form::Header { name: "x-api-key".to_owned() }, "GET,POST".parse().unwrap(), "/v1"),
        ],
    }
}

fn request(wanted: Wish, reason: String, mood: Mood) -> AgentRequest {
    let granted = mood == Mood::Granting;
    AgentRequest {
        id: id(),
        wanted,
        reason,
        devbox: None,
        key: None,
        status: if granted { RequestStatus::Approved } else { RequestStatus::Waiting },
        created: Timestamp::from_unix_ms(1_800_000_000_000),
        expires: Timestamp::from_unix_ms(1_800_086_400_000),
        entry_path: None,
        placeholder: granted
            .then(|| Placeholder { env: "NEW_TOKEN".parse().unwrap(), token: "tlp_placeholderplaceholderplacehold".parse().unwrap() }),
    }
}

/// A message over HTTP in the older revision, or with whatever headers are given over those.
pub async fn post(server: Server, message: &Value, more: &[(&'static str, &str)]) -> (u16, Value) {
    let response = send(server, message.to_string().as_bytes(), more).await;
    let status = response.status().as_u16();
    (status, serde_json::from_slice(response.body()).unwrap_or(Value::Null))
}

pub async fn send(server: Server, body: &[u8], more: &[(&'static str, &str)]) -> Response<Bytes> {
    let mut headers = HeaderMap::new();
    for (name, value) in
        [("accept", "application/json, text/event-stream"), ("content-type", "application/json"), ("mcp-protocol-version", "2025-11-25")]
            .iter()
            .chain(more)
    {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    mcp::http::answer(server, &Method::POST, &headers, body).await
}

/// A call in the older revision.
pub fn call(tool: &str, arguments: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
}

/// A call in the newer revision, which says everything in every message.
pub fn call_anew(tool: &str, arguments: Value, capabilities: Value) -> Value {
    let mut message = call(tool, arguments);
    message["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    });
    message
}

/// The headers of the newer revision.
pub fn anew(tool: &str) -> [(&'static str, &str); 3] {
    [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", tool)]
}

/// Arguments with which every tool answers.
pub fn right(tool: &str) -> Value {
    match tool {
        "how_to_use" => json!({ "name": "GITHUB_TOKEN" }),
        "test_secret" => json!({ "name": "GITHUB_TOKEN", "host": "api.github.com", "method": "get", "path": "/user" }),
        "my_refusals" => json!({ "limit": 5 }),
        "request_secret" => json!({ "name": "NEW_TOKEN", "hosts": ["api.example.com"], "form": "bearer", "reason": "to deploy" }),
        "request_access" => json!({ "name": "GITHUB_TOKEN", "host": "uploads.github.com", "methods": ["POST"], "reason": "to upload" }),
        "request_status" => json!({ "id": id().as_str() }),
        _ => json!({}),
    }
}
