//! The one-time entry page, byte by byte: each way in which nothing is shown or stored, then the way in which something is.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use axum::body::Body;
use http::Request;
use link::agents::RequestStatus;
use server::entries::{CODE, LINK, SESSION, wish};
use server::{CANARY, Reply, Server};

const COOKIE: &str = "tightlip-entry=ssssssssssssssssssssssssssssssss";
const ORIGIN: &str = "http://localhost:7080";
type Headers<'a> = &'a [(&'a str, &'a str)];

/// What a browser sends with the form.
const FROM_US: Headers<'static> = &[
    ("host", "localhost:7080"),
    ("origin", ORIGIN),
    ("sec-fetch-site", "same-origin"),
    ("cookie", COOKIE),
    ("content-type", "application/x-www-form-urlencoded"),
];

async fn send(server: &Server, method: &str, path: &str, headers: Headers<'_>, body: impl Into<Body>) -> Reply {
    let request = headers.iter().fold(Request::builder().method(method).uri(path), |request, (name, value)| request.header(*name, *value));
    server.send(request.body(body.into()).unwrap()).await
}

async fn open(server: &Server, headers: Headers<'_>) -> Reply {
    send(server, "GET", &format!("/ui/requests/{LINK}"), &[&[("host", "localhost:7080")], headers].concat(), "").await
}

async fn show(server: &Server, headers: Headers<'_>) -> Reply {
    send(server, "GET", "/ui/entry", &[&[("host", "localhost:7080")], headers].concat(), "").await
}

fn form(value: &str, proof: &str) -> String {
    format!("digest={}&value={value}&proof={proof}", "d".repeat(64))
}

async fn enter(server: &Server, body: impl Into<Body>) -> Reply {
    send(server, "POST", "/ui/entry", FROM_US, body).await
}

/// A server on which the link was opened.
async fn opened() -> Server {
    let server = Server::start();
    open(&server, &[]).await.page(200, "open in this browser");
    server
}

async fn stored(server: &Server) -> Vec<String> {
    server.get("/v1/secrets").await.each("secrets", "name")
}

impl Reply {
    /// Holds the reply to be a page with these words, and without any script.
    #[track_caller]
    fn page(&self, status: u16, words: &str) {
        assert_eq!((self.status.as_u16(), &self.headers["content-type"] == "text/html; charset=utf-8"), (status, true), "{}", self.text);
        assert!(self.text.contains(words), "{words}: {}", self.text);
        for never in ["<script", "style=", "onclick", "http://", "https://"] {
            assert!(!self.text.contains(never), "{never}: {}", self.text);
        }
    }

    /// Holds the reply to be the form again.
    #[track_caller]
    fn again(&self, status: u16, words: &str) {
        self.page(status, words);
        assert!(self.text.contains("<form") && self.text.contains("role=\"alert\""), "{}", self.text);
    }
}

#[tokio::test]
async fn a_link_opens_once_and_only_for_a_person_who_wants_it() {
    let server = Server::start();
    let ahead: [Headers; 5] = [
        &[("sec-purpose", "prefetch")],
        &[("sec-purpose", "prefetch;prerender")],
        &[("purpose", "prefetch")],
        &[("x-purpose", "preview")],
        &[("x-moz", "prefetch")],
    ];
    for headers in ahead {
        open(&server, headers).await.page(503, "not opened");
    }
    let embedded: [Headers; 4] =
        [&[("sec-fetch-dest", "iframe")], &[("sec-fetch-dest", "image")], &[("sec-fetch-dest", "empty")], &[("sec-fetch-mode", "no-cors")]];
    for headers in embedded {
        open(&server, headers).await.page(403, "part of another page");
    }
    let head = send(&server, "HEAD", &format!("/ui/requests/{LINK}"), &[("host", "localhost:7080")], "").await;
    assert_eq!((head.status.as_u16(), head.text.as_str(), head.headers["allow"].to_str().unwrap()), (405, "", "GET"));
    open(&server, &[("origin", ORIGIN)]).await.page(403, "web pages are refused");
    open(&server, &[("host", "rebound.example.com")]).await.page(403, "Host");
    for unknown in ["/ui/requests/unknown", "/ui/requests/%61", "/ui/requests/a.b"] {
        send(&server, "GET", unknown, &[("host", "localhost:7080")], "").await.page(404, "tightlip requests");
    }
    assert!(!server.entries.lock().unwrap().is_opened);

    let first = open(&server, &[("sec-fetch-dest", "document"), ("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site")]).await;
    first.page(200, "url=/ui/entry");
    let cookie = first.headers["set-cookie"].to_str().unwrap();
    assert_eq!(cookie, format!("{COOKIE}; Path=/ui/entry; Max-Age=900; HttpOnly; SameSite=Strict"));
    let second = open(&server, &[]).await;
    second.page(404, "<code>tightlip requests</code>");
    assert!(!second.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn another_browser_sees_nothing_and_stores_nothing() {
    let server = opened().await;
    let others: [Headers; 6] = [
        &[],
        &[("cookie", "tightlip-entry=another")],
        &[("cookie", "tightlip-entry=")],
        // One of them was planted.
        &[("cookie", "tightlip-entry=planted; tightlip-entry=ssssssssssssssssssssssssssssssss")],
        &[("cookie", COOKIE), ("cookie", COOKIE)],
        &[("cookie", "__Secure-tightlip-entry=ssssssssssssssssssssssssssssssss")],
    ];
    for headers in others {
        let shown = show(&server, headers).await;
        assert!(matches!(shown.status.as_u16(), 403 | 404), "{}", shown.text);
        shown.page(shown.status.as_u16(), "<code>tightlip requests</code>");
        assert!(!shown.text.contains("DEPLOY_TOKEN") && !shown.text.contains("api.example.com"));
        let sent: Vec<_> = FROM_US.iter().filter(|(name, _)| *name != "cookie").chain(headers).copied().collect();
        let entered = send(&server, "POST", "/ui/entry", &sent, form(CANARY, CODE)).await;
        assert!(matches!(entered.status.as_u16(), 403 | 404), "{}", entered.text);
    }
    server.entries.lock().unwrap().is_over = true;
    show(&server, &[("cookie", COOKIE)]).await.page(404, "time is over");
    enter(&server, form(CANARY, CODE)).await.page(404, "time is over");
    assert!(stored(&server).await.is_empty());
}

#[tokio::test]
async fn a_form_from_another_page_is_refused() {
    let server = opened().await;
    let foreign: [Headers; 7] = [
        &[],
        &[("origin", "null")],
        &[("origin", "http://localhost:7081")],
        &[("origin", "http://evil.example.com")],
        &[("origin", ORIGIN), ("origin", ORIGIN)],
        &[("origin", ORIGIN), ("sec-fetch-site", "cross-site")],
        &[("origin", ORIGIN), ("sec-fetch-site", "same-site")],
    ];
    for headers in foreign {
        let sent: Vec<_> =
            FROM_US.iter().filter(|(name, _)| !matches!(*name, "origin" | "sec-fetch-site")).chain(headers).copied().collect();
        send(&server, "POST", "/ui/entry", &sent, form(CANARY, CODE)).await.page(403, "this server&#39;s own page");
    }
    let rebound: Vec<_> = FROM_US.iter().filter(|(name, _)| *name != "host").chain(&[("host", "evil.example.com")]).copied().collect();
    send(&server, "POST", "/ui/entry", &rebound, form(CANARY, CODE)).await.page(403, "Host");
    assert!(stored(&server).await.is_empty());
}

#[tokio::test]
async fn a_changed_request_is_shown_anew_and_nothing_is_stored() {
    let server = opened().await;
    {
        let mut entries = server.entries.lock().unwrap();
        entries.entry.request.wanted = wish(&["api.example.com", "collect.example.net"]);
        entries.entry.digest = "e".repeat(64);
    }
    let reply = enter(&server, form(CANARY, CODE)).await;
    reply.again(400, "has changed");
    assert!(reply.text.contains("collect.example.net") && reply.text.contains(&"e".repeat(64)));
    assert!(stored(&server).await.is_empty());
}

#[tokio::test]
async fn only_the_code_or_an_own_key_with_the_scope_stores_and_few_tries_are_given() {
    let server = opened().await;
    let wrong = [&server.stranger, &server.reader, &server.without["secrets"], "AAAA-AAAA"];
    for proof in wrong {
        enter(&server, form(CANARY, proof)).await.again(401, "neither the code");
    }
    enter(&server, form(CANARY, &server.admin_key)).await.again(401, "admin");
    enter(&server, form(CANARY, "tlk_none")).await.page(401, "neither the code");
    enter(&server, form(CANARY, CODE)).await.page(404, "time is over");
    assert!(stored(&server).await.is_empty());
}

#[tokio::test]
async fn a_key_that_may_not_stores_nothing_whatever_the_gateway_says() {
    let server = opened().await;
    server.entries.lock().unwrap().owner_key = server.reader_id.clone();
    enter(&server, form(CANARY, CODE)).await.again(403, "lacks the scope");
    assert_eq!(server.post(&format!("/v1/api-keys/{}/revoke", server.reader_id), "").await.status, 200);
    enter(&server, form(CANARY, CODE)).await.again(401, "revoked");
    assert!(server.entries.lock().unwrap().stored.is_none() && stored(&server).await.is_empty());
}

#[tokio::test]
async fn what_is_no_form_of_ours_is_told_and_nothing_of_it_repeated() {
    let server = opened().await;
    let digest = "d".repeat(64);
    let bad = [
        (String::new(), 400, "fill in the form again"),
        (format!("value={CANARY}"), 400, "fill in the form again"),
        (format!("digest={digest}&value={CANARY}&value={CANARY}&proof={CODE}"), 400, "fill in the form again"),
        (format!("digest={digest}&value={CANARY}&proof={CODE}&more={CANARY}"), 400, "fill in the form again"),
        (format!("digest={digest}&value=%zz{CANARY}&proof={CODE}"), 400, "fill in the form again"),
        (format!("{{\"value\":\"{CANARY}\"}}"), 400, "fill in the form again"),
        (form("%FF", CODE), 400, "UTF-8"),
        (form("", CODE), 400, "The value is missing"),
        (form(CANARY, "+"), 400, "The code is missing"),
        (form(&CANARY.repeat(3000), CODE), 413, "65536"),
        (form(&CANARY.repeat(30_000), CODE), 413, "65536"),
    ];
    for (body, status, words) in bad {
        let reply = enter(&server, body).await;
        reply.again(status, words);
        assert!(reply.text.contains("What you entered was not kept"));
    }
    for kind in ["application/json", "text/plain", "multipart/form-data; boundary=x"] {
        let sent: Vec<_> = FROM_US.iter().filter(|(name, _)| *name != "content-type").chain(&[("content-type", kind)]).copied().collect();
        send(&server, "POST", "/ui/entry", &sent, form(CANARY, CODE)).await.again(415, "form again");
    }
    assert!(stored(&server).await.is_empty());
}

#[tokio::test]
async fn a_name_that_is_taken_is_told_and_the_value_stays_as_it_was() {
    let server = opened().await;
    server.create("DEPLOY_TOKEN").await;
    enter(&server, form(CANARY, CODE)).await.again(400, "A secret of this name exists");
    assert!(server.entries.lock().unwrap().stored.is_none());
}

#[tokio::test]
async fn a_gateway_that_is_away_loses_nothing() {
    let (server, end) = Server::start_alone();
    drop(end);
    let away = open(&server, &[]).await;
    away.page(503, "<code>tightlip up</code>");
    assert_eq!(away.headers["retry-after"], "1");
    show(&server, &[("cookie", COOKIE)]).await.page(503, "Back to the form");
    let entered = enter(&server, form(CANARY, CODE)).await;
    entered.page(503, "Back to the form");
    assert!(!entered.headers.contains_key("set-cookie"), "the session is kept");
    assert!(stored(&server).await.is_empty());
}

#[tokio::test]
async fn what_an_agent_chose_is_shown_and_steers_nothing() {
    let server = opened().await;
    {
        let mut entries = server.entries.lock().unwrap();
        entries.entry.request.wanted = wish(&["api.xn--gthub-n4a.com", "*.example.com"]);
        entries.entry.request.reason = "<img src=x onerror=alert(1)>\u{202e}'\"&\u{1b}[2J".to_owned();
        entries.entry.devbox_name = Some("</q><form>".to_owned());
    }
    let shown = show(&server, &[("cookie", COOKIE)]).await;
    shown.page(200, "api.xn--gthub-n4a.com");
    for words in [
        "api.gıthub.com",
        "*.example.com",
        "every host one label below",
        "agent's own words",
        "&#60;img src=x onerror=alert(1)&#62;\u{fffd}",
    ] {
        assert!(shown.text.contains(words), "{words}: {}", shown.text);
    }
    assert_eq!(shown.text.matches("<form").count(), 1);
    assert!(!shown.text.contains('\u{202e}') && !shown.text.contains('\u{1b}'));
}

#[tokio::test]
async fn a_value_is_stored_by_code_and_the_session_is_over() {
    let server = opened().await;
    let shown = show(&server, &[("cookie", COOKIE)]).await;
    shown.page(200, "DEPLOY_TOKEN");
    for words in ["api.example.com", "To deploy the preview.", "review", "autocomplete=\"off\"", "spellcheck=\"false\"", &"d".repeat(64)] {
        assert!(shown.text.contains(words), "{words}");
    }
    let reply = enter(&server, form(&format!("-----BEGIN%0D%0A{CANARY}%0D%0A"), &format!("+{CODE}"))).await;
    reply.page(200, "DEPLOY_TOKEN</span> is stored");
    assert_eq!(reply.headers["set-cookie"], "tightlip-entry=; Path=/ui/entry; Max-Age=0; HttpOnly; SameSite=Strict");
    assert!(reply.text.contains("Where it may go") && !reply.text.contains("may not go yet"));
    assert_eq!(stored(&server).await, ["DEPLOY_TOKEN"]);
    let id = server.get("/v1/secrets/DEPLOY_TOKEN").await.text("id");
    assert_eq!(server.entries.lock().unwrap().stored.as_ref().map(ToString::to_string), Some(id));
    show(&server, &[("cookie", COOKIE)]).await.page(404, "time is over");
    enter(&server, form(CANARY, CODE)).await.page(404, "time is over");
    let events = server.get("/v1/events?limit=1000").await.text;
    assert!(events.contains("DEPLOY_TOKEN") && !events.contains(SESSION) && !events.contains(LINK) && !events.contains(CODE));
}

#[tokio::test]
async fn with_a_key_alone_the_hosts_that_wait_are_told() {
    let server = opened().await;
    let reply = enter(&server, form(CANARY, &server.only["secrets"])).await;
    reply.page(200, "may not go yet");
    assert!(reply.text.contains("<code>tightlip approve req_"), "{}", reply.text);
    assert_eq!(server.entries.lock().unwrap().entry.request.status, RequestStatus::Entered);
}

#[tokio::test]
async fn what_is_stored_and_not_bound_is_told_with_what_binds_it() {
    let server = opened().await;
    server.entries.lock().unwrap().is_deaf = true;
    let reply = enter(&server, form(CANARY, CODE)).await;
    reply.page(503, "The value is stored");
    assert!(reply.text.contains("<code>tightlip approve req_"));
    assert_eq!(stored(&server).await, ["DEPLOY_TOKEN"]);
}

#[tokio::test]
async fn what_pages_are_drawn_with_is_served_and_the_first_page_fits_who_asks() {
    let server = Server::start();
    for (path, kind) in [("/ui/style.css", "text/css; charset=utf-8"), ("/ui/icon.svg", "image/svg+xml")] {
        let reply = send(&server, "GET", path, &[("host", "localhost:7080")], "").await;
        assert_eq!((reply.status.as_u16(), reply.headers["content-type"].to_str().unwrap()), (200, kind));
        assert!(!reply.text.contains("url(") && !reply.text.contains("@import"));
    }
    let page = send(&server, "GET", "/", &[("host", "localhost:7080"), ("accept", "text/html,application/xhtml+xml,*/*;q=0.8")], "").await;
    page.page(200, "/openapi.yaml");
    let json = send(&server, "GET", "/", &[("host", "localhost:7080"), ("accept", "*/*")], "").await;
    assert_eq!(json.json()["openapi"], "/openapi.yaml");
    send(&server, "GET", "/ui/nowhere", &[("host", "localhost:7080")], "").await.page(404, "No such route");
    send(&server, "POST", "/ui/requests/x", &[("host", "localhost:7080")], "").await.page(405, "method");
}
