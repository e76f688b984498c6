//! The API as an oracle: every route of its own document, every verb, every form, every way to fail.

use super::Channel::Api;
use super::{Attempt, outside};
use crate::scene::Scene;

pub(super) const ATTEMPTS: &[Attempt] = &[
    outside("GET of every route", Api, 29, |scene| every_route(scene, "GET", &owner(scene)?, "")),
    outside("POST to every route with the secret's name", Api, 29, |scene| every_route(scene, "POST", &owner(scene)?, BODY)),
    outside("POST to every route with the value", Api, 29, |scene| every_route(scene, "POST", &owner(scene)?, &with_value(scene))),
    outside("PUT to every route", Api, 29, |scene| every_route(scene, "PUT", &owner(scene)?, &with_value(scene))),
    outside("PATCH of every route", Api, 29, |scene| every_route(scene, "PATCH", &owner(scene)?, &with_value(scene))),
    outside("DELETE of every route", Api, 29, |scene| every_route(scene, "DELETE", &owner(scene)?, "")),
    outside("HEAD of every route", Api, 29, |scene| every_route(scene, "HEAD", &owner(scene)?, "")),
    outside("OPTIONS of every route", Api, 29, |scene| {
        every_route(scene, "OPTIONS", "Origin: https://evil.example.net\r\nAccess-Control-Request-Method: GET", "")
    }),
    outside("TRACE of every route", Api, 4, |scene| every_route(scene, "TRACE", &owner(scene)?, "")),
    outside("every route without a key", Api, 29, |scene| every_route(scene, "GET", "X-Nothing: 1", "")),
    outside("every route with a wrong key", Api, 29, |scene| {
        every_route(scene, "GET", "Authorization: Bearer tlk_0000000000000000000000000000000000000000000", "")
    }),
    outside("every route with the admin key", Api, 22, with_admin_key),
    outside("every route with the value as key", Api, 27, |scene| {
        every_route(scene, "GET", &format!("Authorization: Bearer {}", scene.values.agents), "")
    }),
    outside("every route from a page of a browser", Api, 22, |scene| {
        every_route(scene, "GET", &format!("{}\r\nOrigin: http://127.0.0.1:8080\r\nCookie: key=1", owner(scene)?), "")
    }),
    outside("every route in XML, HTML and text", Api, 29, |scene| {
        every_route(scene, "GET", &format!("{}\r\nAccept: application/xml, text/html;q=0.9, text/plain;q=0.8", owner(scene)?), "")
    }),
    outside("every route as an event stream", Api, 29, |scene| {
        every_route(scene, "GET", &format!("{}\r\nAccept: text/event-stream", owner(scene)?), "")
    }),
    outside("fields, expansions and reveals in the query", Api, 29, queries),
    outside("filters that compare with the value", Api, 29, filters),
    outside("conditions on a hash of the value", Api, 29, conditions),
    outside("bodies that are not what they should be", Api, 29, bodies),
    outside("the value as a name, an id, a page and a number", Api, 27, value_elsewhere),
    outside("a numbered request, sent again", Api, 29, numbered),
    outside("a value that is too long, too short, too odd", Api, 27, odd_values),
    outside("routes that other services have", Api, 29, strange_routes),
    outside("targets that climb", Api, 12, climbing),
    outside("the secret under another method's name", Api, 29, overridden),
];

/// A secret that may be destroyed, with a planted value.
const NAME: &str = "ORACLE_TOKEN";
const BODY: &str = "{\"name\":\"ORACLE_TOKEN\",\"secrets\":{\"T\":\"ORACLE_TOKEN\"},\"secret\":\"ORACLE_TOKEN\",\"command\":\"env\"}";

fn owner(scene: &Scene<'_>) -> anyhow::Result<String> {
    Ok(format!("Authorization: Bearer {}\r\nContent-Type: application/json", scene.key()?))
}

fn with_value(scene: &Scene<'_>) -> String {
    format!("{{\"name\":\"{NAME}\",\"value\":\"{}\",\"description\":1}}", scene.values.spare)
}

/// Asks every route of the API's document, each parameter filled with the secret's name.
fn every_route(scene: &Scene<'_>, method: &str, headers: &str, body: &str) -> anyhow::Result<Vec<u8>> {
    scene.store(NAME, &scene.values.spare)?;
    let document = scene.ask_api("GET /openapi.json", "")?;
    let text = String::from_utf8_lossy(&document);
    let document: serde_json::Value = serde_json::from_str(text.split_once("\r\n\r\n").map_or("", |(_, body)| body))?;
    let paths = document["paths"].as_object().map(|paths| paths.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    anyhow::ensure!(paths.len() >= ROUTES_MIN, "the API's document names {} routes", paths.len());
    let mut out = Vec::new();
    for path in paths.iter().filter(|path| !waits(path)) {
        let path = path.replace("{name}", NAME).replace("{secret_name}", NAME);
        let path = path.split('/').map(|part| if part.starts_with('{') { "dbx_0000000000000000000000" } else { part });
        let path = path.collect::<Vec<_>>().join("/");
        out.extend(scene.ask_api(&format!("{method} {path}\r\n{headers}"), body)?);
    }
    Ok(out)
}

/// Routes whose whole answer is to wait for something.
fn waits(path: &str) -> bool {
    path.contains("await") || path.contains("wait_for") || path.contains("stream")
}

fn with_admin_key(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let key = std::fs::read_to_string(scene.server.data().join("gateway/admin-key"))?;
    every_route(scene, "GET", &format!("Authorization: Bearer {}", key.trim()), "")
}

/// Asks these, with the owner's key.
fn ask(scene: &Scene<'_>, asked: &[(String, String)]) -> anyhow::Result<Vec<u8>> {
    let owner = owner(scene)?;
    let mut out = Vec::new();
    for (line, body) in asked {
        // What is no request is answered with a closed connection.
        out.extend(scene.ask_api(&format!("{line}\r\n{owner}"), body).unwrap_or_default());
    }
    anyhow::ensure!(!out.is_empty(), "the API answered nothing");
    Ok(out)
}

fn gets(scene: &Scene<'_>, paths: &[String]) -> anyhow::Result<Vec<u8>> {
    let asked: Vec<(String, String)> = paths.iter().map(|path| (format!("GET {path}"), String::new())).collect();
    ask(scene, &asked)
}

fn queries(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let words = [
        "fields=value",
        "include=value",
        "expand=value",
        "reveal=true",
        "show=1",
        "decrypt=true",
        "plaintext=1",
        "version=1",
        "format=raw",
        "debug=1",
        "pretty=1",
    ];
    let paths = words.map(|word| format!("/v1/secrets/GITHUB_TOKEN?{word}"));
    gets(scene, &paths)
}

fn filters(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let start = scene.values.agents.get(..6).unwrap_or_default();
    let paths =
        ["value", "value_prefix", "q", "search", "filter", "starting_after", "sort"].map(|word| format!("/v1/secrets?{word}={start}"));
    gets(scene, &paths)
}

fn conditions(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let owner = owner(scene)?;
    let mut out = Vec::new();
    for condition in [
        "If-None-Match: *",
        "If-Match: \"0\"",
        "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
        "Range: bytes=0-100",
        "Accept-Encoding: gzip, br",
    ] {
        out.extend(scene.ask_api(&format!("GET /v1/secrets/GITHUB_TOKEN\r\n{owner}\r\n{condition}"), "")?);
    }
    Ok(out)
}

fn bodies(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let value = &scene.values.spare;
    let bodies = [
        format!("{{\"name\":\"B\",\"value\":\"{value}\""),
        format!("{{\"name\":\"B\",\"value\":{{\"{value}\":1}}}}"),
        format!("{{\"name\":\"B\",\"{value}\":\"{value}\"}}"),
        format!("{{\"name\":[\"{value}\"],\"value\":true}}"),
        format!("[\"{value}\"]"),
        format!("\"{value}\""),
        format!("name=B&value={value}"),
        format!("{{\"name\":\"B\",\"value\":\"{value}\",\"value\":\"{value}\"}}"),
        format!("{}{value}", "[".repeat(200)),
        format!("\u{feff}{{\"value\":\"{value}\"}}"),
    ];
    let asked: Vec<(String, String)> = bodies.into_iter().map(|body| ("POST /v1/secrets".to_owned(), body)).collect();
    ask(scene, &asked)
}

fn value_elsewhere(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let value = &scene.values.spare;
    let paths = [
        format!("/v1/secrets?limit={value}"),
        format!("/v1/secrets?starting_after={value}"),
        format!("/v1/events?secret={value}"),
        format!("/v1/events?follow={value}"),
        format!("/v1/{value}"),
        format!("/v1/devboxes/{value}"),
    ];
    gets(scene, &paths)
}

fn numbered(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let (owner, mut out) = (owner(scene)?, Vec::new());
    let body = format!("{{\"name\":\"NUMBERED_TOKEN\",\"value\":\"{}\"}}", scene.values.spare);
    for body in [body.as_str(), body.as_str(), "{\"name\":\"NUMBERED_TOKEN\",\"value\":\"another\"}"] {
        out.extend(scene.ask_api(&format!("POST /v1/secrets\r\n{owner}\r\nX-Request-Id: prove-1"), body)?);
    }
    Ok(out)
}

fn odd_values(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let value = &scene.values.spare;
    let values = [
        value.repeat(2500),
        format!("{value}\\r\\nX: 1"),
        format!("\\u0000{value}"),
        format!("{value}\\ud800"),
        format!(" {value} "),
        format!("ü{value}"),
    ];
    let asked = values.map(|value| ("POST /v1/secrets".to_owned(), format!("{{\"name\":\"ODD\",\"value\":\"{value}\"}}")));
    ask(scene, &asked)
}

fn strange_routes(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let paths = [
        "/",
        "/admin",
        "/debug/pprof/heap",
        "/debug/vars",
        "/actuator/env",
        "/env",
        "/.env",
        "/.git/config",
        "/server-status",
        "/graphql",
        "/mcp",
        "/ui",
        "/skills/",
        "/v1/secrets/GITHUB_TOKEN/value",
        "/v1/secrets/GITHUB_TOKEN/reveal",
        "/v1/secrets/GITHUB_TOKEN/decrypt",
        "/v1/secrets/GITHUB_TOKEN/versions/1",
        "/v1/export",
        "/v1/backup",
        "/v2/secrets/GITHUB_TOKEN",
        "/v1/kv/data/GITHUB_TOKEN",
        "/computeMetadata/v1/",
        "/latest/meta-data/",
    ];
    gets(scene, &paths.map(str::to_owned))
}

fn climbing(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let paths = [
        "/v1/secrets/../../gateway/root.key",
        "/v1/secrets/%2e%2e%2f%2e%2e%2froot.key",
        "/openapi.yaml/../../store/tightlip.db",
        "/schemas/../../../../etc/passwd",
        "/schemas/..%2f..%2fgateway.db",
        "//v1//secrets//GITHUB_TOKEN",
        "/v1/secrets/GITHUB_TOKEN%00.json",
        "/v1/secrets/GITHUB_TOKEN;reveal",
        "/v1/secrets/GITHUB%5FTOKEN",
    ];
    gets(scene, &paths.map(str::to_owned))
}

fn overridden(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let (owner, mut out) = (owner(scene)?, Vec::new());
    for header in [
        "X-HTTP-Method-Override: REVEAL",
        "X-Original-URL: /v1/secrets/GITHUB_TOKEN/value",
        "X-Forwarded-For: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
        "X-Debug: 1",
    ] {
        out.extend(scene.ask_api(&format!("GET /v1/secrets/GITHUB_TOKEN\r\n{owner}\r\n{header}"), "")?);
    }
    Ok(out)
}

/// Fewer would not be the document.
const ROUTES_MIN: usize = 20;
