//! The entry page before the gateway's own service: what an agent asked is shown, and a value is stored once, by whoever may, for what was shown.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use axum::body::Body;
use http::Request;
use link::agents::{AgentTell, AgentVerb, RequestStatus};
use server::{CANARY, Reply, Server, things};
use service::Agent;

const MINUTE_MS: i64 = 60 * 1000;

/// Has a program with the owner's key ask for a secret; gives the request's id and the path of its page.
fn ask(server: &Server, name: &str, hosts: &[&str], reason: &str) -> (model::RequestId, String) {
    let asked = things::ask_for(server, name, hosts, reason);
    (asked.id, asked.entry_path.unwrap())
}

fn status(server: &Server, id: &model::RequestId) -> RequestStatus {
    let caller = server.gate.authenticate(Some(&server.key)).unwrap();
    let verb = AgentVerb::RequestStatus { id: id.clone() };
    let AgentTell::Request(asked) = server.gate.agent(&Agent::Key(&caller), verb) else { panic!("not told") };
    asked.status
}

/// What `tightlip requests` shows: code and path.
fn shown(server: &Server, id: &model::RequestId) -> (String, String) {
    let caller = server.gate.authenticate(Some(&server.key)).unwrap();
    let views = server.gate.asked(Some(&server.admin_key), &caller, None).unwrap();
    let view = views.into_iter().find(|view| view.entry.request.id == *id).unwrap();
    (view.code.unwrap(), view.entry.request.entry_path.unwrap())
}

fn start() -> Server {
    let server = Server::start();
    server.entries.lock().unwrap().is_real = true;
    server
}

async fn get(server: &Server, path: &str, cookie: &str) -> Reply {
    let request = Request::get(path).header("host", "localhost:7080").header("cookie", cookie);
    server.send(request.body(Body::empty()).unwrap()).await
}

/// Opens a path; gives the cookie.
async fn open(server: &Server, path: &str) -> String {
    let reply = get(server, path, "").await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

/// The digest in a form.
fn digest(form: &Reply) -> String {
    let after = form.text.split_once("name=\"digest\" value=\"").unwrap_or_else(|| panic!("{}", form.text)).1;
    after.split_once('"').unwrap().0.to_owned()
}

async fn enter(server: &Server, cookie: &str, digest: &str, value: &str, proof: &str) -> Reply {
    let request =
        Request::post("/ui/entry").header("host", "localhost:7080").header("origin", "http://localhost:7080").header("cookie", cookie);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    server.send(request.body(Body::from(format!("digest={digest}&value={value}&proof={proof}"))).unwrap()).await
}

#[track_caller]
fn says(reply: &Reply, status: u16, words: &str) {
    assert_eq!(reply.status.as_u16(), status, "{}", reply.text);
    assert!(reply.text.contains(words), "{words}: {}", reply.text);
}

async fn stored(server: &Server) -> Vec<String> {
    server.get("/v1/secrets").await.each("secrets", "name")
}

#[tokio::test]
async fn a_link_that_was_opened_or_is_late_shows_nothing() {
    let server = start();
    let (id, path) = ask(&server, "DEPLOY_TOKEN", &["api.example.com"], "to deploy");
    let cookie = open(&server, &path).await;
    says(&get(&server, &path, &cookie).await, 404, "opened before");
    says(&get(&server, "/ui/entry", "").await, 403, "has not opened a request");
    server.clock.advance(16 * MINUTE_MS);
    says(&get(&server, "/ui/entry", &cookie).await, 404, "<code>tightlip requests</code>");
    let (_, fresh) = shown(&server, &id);
    assert_ne!(fresh, path);
    server.clock.advance(16 * MINUTE_MS);
    says(&get(&server, &fresh, "").await, 404, "older than it may be");
    assert!(stored(&server).await.is_empty());
}

#[tokio::test]
async fn a_session_that_is_late_stores_nothing() {
    let server = start();
    let (id, path) = ask(&server, "DEPLOY_TOKEN", &["api.example.com"], "to deploy");
    let (code, _) = shown(&server, &id);
    let cookie = open(&server, &path).await;
    let digest = digest(&get(&server, "/ui/entry", &cookie).await);
    server.clock.advance(16 * MINUTE_MS);
    says(&enter(&server, &cookie, &digest, CANARY, &code).await, 404, "<code>tightlip requests</code>");
    assert!(stored(&server).await.is_empty());
}

#[tokio::test]
async fn what_was_not_shown_is_not_stored_for() {
    let server = start();
    let (id, path) = ask(&server, "DEPLOY_TOKEN", &["api.example.com"], "to deploy");
    let (code, _) = shown(&server, &id);
    let harmless = open(&server, &path).await;
    let seen = digest(&get(&server, "/ui/entry", &harmless).await);
    // Between look and entry, the agent asks for the same secret towards another host.
    let (_, other) = ask(&server, "DEPLOY_TOKEN", &["collect.example.net"], "to deploy");
    let reply = enter(&server, &harmless, &seen, CANARY, &code).await;
    assert!(reply.status.is_client_error() && !reply.text.contains("is stored"), "{}", reply.text);
    // And with the other one's page: the digest or the code of what a person saw.
    let swapped = open(&server, &other).await;
    let form = get(&server, "/ui/entry", &swapped).await;
    says(&form, 200, "collect.example.net");
    let reply = enter(&server, &swapped, &seen, CANARY, &code).await;
    says(&reply, 403, "something else");
    assert!(reply.text.contains("collect.example.net") && reply.text.contains("<form"));
    says(&enter(&server, &swapped, &digest(&form), CANARY, &code).await, 401, "not the code");
    assert!(stored(&server).await.is_empty());
}

#[tokio::test]
async fn five_wrong_proofs_end_the_request() {
    let server = start();
    let (id, path) = ask(&server, "DEPLOY_TOKEN", &["api.example.com"], "to deploy");
    let (code, _) = shown(&server, &id);
    let cookie = open(&server, &path).await;
    let digest = digest(&get(&server, "/ui/entry", &cookie).await);
    for proof in ["AAAA-AAAA", &server.stranger, &server.reader, "tlk_none"] {
        says(&enter(&server, &cookie, &digest, CANARY, proof).await, 401, "<form");
    }
    assert_ne!(enter(&server, &cookie, &digest, CANARY, "BBBB-BBBB").await.status, 200);
    assert_ne!(enter(&server, &cookie, &digest, CANARY, &code).await.status, 200);
    assert_eq!(status(&server, &id), RequestStatus::Expired);
    assert!(stored(&server).await.is_empty());
}

#[tokio::test]
async fn with_the_code_the_value_may_go_where_the_page_said() {
    let server = start();
    let (id, path) = ask(&server, "DEPLOY_TOKEN", &["api.example.com", "*.uploads.example.com"], "to deploy");
    let (code, _) = shown(&server, &id);
    let cookie = open(&server, &path).await;
    let form = get(&server, "/ui/entry", &cookie).await;
    says(&form, 200, "*.uploads.example.com");
    let reply = enter(&server, &cookie, &digest(&form), CANARY, &code.to_lowercase()).await;
    says(&reply, 200, "is stored");
    assert!(!reply.text.contains("may not go yet"), "{}", reply.text);
    let hosts = server.get("/v1/bindings/DEPLOY_TOKEN").await.each("bindings", "host");
    assert_eq!(hosts, ["api.example.com", "*.uploads.example.com"]);
    assert_eq!(status(&server, &id), RequestStatus::Approved);
    says(&enter(&server, &cookie, &digest(&form), CANARY, &code).await, 404, "<code>tightlip requests</code>");
}

#[tokio::test]
async fn with_a_key_alone_the_value_goes_where_its_kind_goes_and_the_rest_waits() {
    let server = start();
    let (id, path) = ask(&server, "DEPLOY_TOKEN", &["api.example.com"], "to deploy");
    let cookie = open(&server, &path).await;
    let form = get(&server, "/ui/entry", &cookie).await;
    let reply = enter(&server, &cookie, &digest(&form), CANARY, &server.only["secrets"]).await;
    says(&reply, 200, "may not go yet");
    assert!(reply.text.contains(&format!("tightlip approve {id}")), "{}", reply.text);
    assert_eq!(status(&server, &id), RequestStatus::Entered);
}
