//! Another account: its key, its devboxes, its gateway configs, all after the first account's secret.

use super::Channel::Accounts;
use super::{Attempt, outside};
use crate::scene::{ECHO, Scene};

pub(super) const ATTEMPTS: &[Attempt] = &[
    outside("another account reads the secret", Accounts, 17, reads),
    outside("another account changes and deletes the secret", Accounts, 17, changes),
    outside("another account makes a secret of the same name", Accounts, 17, same_name),
    outside("another account runs a devbox with the secret", Accounts, 17, runs),
    outside("another account makes a devbox over the API with the secret", Accounts, 17, makes),
    outside("another account's devbox uses the first one's token", Accounts, 17, token),
    outside("another account asks in the first one's devbox", Accounts, 17, asks_in),
    outside("another account pairs the secret with its own gateway config", Accounts, 17, pairs),
    outside("another account reads events, bindings and keys", Accounts, 17, lists),
];

const AGENTS: &str = "GITHUB_TOKEN";
const BOUND: &str = "api.github.com";

fn each(scene: &Scene<'_>, name: &str, asked: &[(&str, &str)]) -> anyhow::Result<Vec<u8>> {
    let key = scene.stranger(name)?;
    let mut out = Vec::new();
    for (line, body) in asked {
        out.extend(scene.ask_api(&format!("{line}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json"), body)?);
    }
    Ok(out)
}

/// The id of the first account's secret: no secret itself.
fn id(scene: &Scene<'_>) -> anyhow::Result<String> {
    let shown = scene.server.expect(&["secret", "get", AGENTS, "--json"], b"")?;
    Ok(serde_json::from_str::<serde_json::Value>(&shown)?["id"].as_str().unwrap_or_default().to_owned())
}

fn reads(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let by_id = format!("GET /v1/secrets/id/{}", id(scene)?);
    each(
        scene,
        "reads",
        &[("GET /v1/secrets/GITHUB_TOKEN", ""), ("GET /v1/secrets", ""), (&by_id, ""), ("GET /v1/bindings/GITHUB_TOKEN", "")],
    )
}

fn changes(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let (by_id, deleted) = (format!("POST /v1/secrets/id/{}/update", id(scene)?), format!("POST /v1/secrets/id/{}/delete", id(scene)?));
    let body = "{\"value\":\"something else\"}";
    each(
        scene,
        "changes",
        &[("POST /v1/secrets/GITHUB_TOKEN", body), (&by_id, body), (&deleted, "{}"), ("POST /v1/secrets/GITHUB_TOKEN/delete", "{}")],
    )
}

fn same_name(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let body = "{\"name\":\"GITHUB_TOKEN\",\"value\":\"ghp_ours\"}";
    each(scene, "same", &[("POST /v1/secrets", body), ("POST /v1/secrets", body), ("GET /v1/secrets/GITHUB_TOKEN", "")])
}

fn runs(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let key = scene.stranger("runs")?;
    scene.use_secret(AGENTS, BOUND, Some(&key))
}

fn makes(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let body = "{\"secrets\":{\"T\":\"GITHUB_TOKEN\"}}";
    each(
        scene,
        "makes",
        &[("POST /v1/devboxes", body), ("POST /v1/devboxes/create_and_await_running", body), ("POST /v1/devboxes/env", body)],
    )
}

fn token(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let key = scene.stranger("token")?;
    let (id, token) = scene.lasting(AGENTS, None)?;
    let shown = scene.ask_from_devbox(&["--allow", BOUND], "NOTHING", &[(BOUND, ECHO)], Some(&token), Some(&key))?;
    scene.shown(&["devbox", "shutdown", &id], "")?;
    Ok(shown)
}

fn asks_in(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let (devbox, _) = scene.lasting(AGENTS, None)?;
    let lines = [("execute", "POST"), ("execute_async", "POST"), ("create_gateway_token", "POST"), ("keep_alive", "POST")]
        .map(|(verb, method)| format!("{method} /v1/devboxes/{devbox}/{verb}"));
    let get = format!("GET /v1/devboxes/{devbox}");
    let body = "{\"command\":\"env\",\"prefix\":\"X\"}";
    let asked: Vec<(&str, &str)> = lines.iter().map(|line| (line.as_str(), body)).chain([(get.as_str(), "")]).collect();
    let shown = each(scene, "asks", &asked)?;
    scene.shown(&["devbox", "shutdown", &devbox], "")?;
    Ok(shown)
}

fn pairs(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let config = "{\"name\":\"mine\",\"endpoint\":\"https://allowed.example.com/\",\"auth_mechanism\":{\"type\":\"bearer\"}}";
    let devbox = "{\"gateways\":{\"G\":{\"gateway\":\"mine\",\"secret\":\"GITHUB_TOKEN\"}}}";
    each(scene, "pairs", &[("POST /v1/gateway-configs", config), ("POST /v1/devboxes", devbox)])
}

fn lists(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let asked = [
        "GET /v1/events",
        "GET /v1/events?secret=GITHUB_TOKEN",
        "GET /v1/bindings",
        "GET /v1/api-keys",
        "GET /v1/devboxes",
        "GET /metrics",
    ];
    each(scene, "lists", &asked.map(|line| (line, "")))
}
