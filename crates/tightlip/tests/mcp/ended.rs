//! A key that was revoked, and a gateway that is away: said at once, with the next step.

use std::io::Write;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::http::{key, status};
use crate::road::{Road, ok, text};
use crate::ways::{body, call, over_http, over_stdio};

#[test]
fn a_revoked_key_gets_nothing_by_any_way() {
    let road = Road::start(None);
    let made = road.server.command(&["key", "create", "--name", "agent", "--scope", "read,devbox"]).output().unwrap();
    let agent = ok(&made).trim().to_owned();
    let list = call("list_secrets", &json!({})).to_string();
    assert_eq!(status(&over_http(&road, &agent, &list)), 200);

    let line = "ask() { curl -sSi \"$TIGHTLIP_MCP_URL\" -H 'Content-Type: application/json' -d \"$MESSAGE\"; }; ask; echo; echo asked; read -r _; ask";
    let mut command = road.command(&["--secret", "GITHUB_TOKEN", "--env", &format!("MESSAGE={list}")], &["sh", "-c", line]);
    let mut devbox = command.env("TIGHTLIP_API_KEY", &agent).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut output = std::io::BufReader::new(devbox.stdout.take().unwrap());
    while !said.ends_with("asked\n") {
        assert!(std::io::BufRead::read_line(&mut output, &mut said).unwrap() > 0, "{said}");
    }
    assert!(said.contains("\"GITHUB_TOKEN\""), "{said}");

    let keys: serde_json::Value = serde_json::from_str(&ok(&road.server.command(&["key", "list", "--json"]).output().unwrap())).unwrap();
    let id = keys["api_keys"].as_array().unwrap().iter().find(|listed| listed["name"] == "agent").unwrap()["id"].as_str().unwrap();
    road.server.expect(&["key", "revoke", id], b"").unwrap();
    let answer = over_http(&road, &agent, &list);
    assert_eq!((status(&answer), body(&answer)["code"].as_str()), (401, Some("key_revoked")), "{answer}");
    let (lines, _) = over_stdio(&road, Some(&agent), &[list]);
    let result = &lines[0]["result"];
    assert_eq!((&result["isError"], &result["structuredContent"]["code"]), (&json!(true), &json!("key_revoked")), "{result}");

    devbox.stdin.take().unwrap().write_all(b"\n").unwrap();
    let mut after = String::new();
    std::io::Read::read_to_string(&mut output, &mut after).unwrap();
    devbox.wait().unwrap();
    assert!(after.contains(" 401 ") && after.contains("x-tightlip-refusal: token_ended"), "{after}");
}

#[test]
fn a_gateway_that_is_away_is_said_to_be() {
    let road = Road::start(None);
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", road.server.pid())).unwrap();
    let is_gateway =
        |pid: &&str| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.windows(9).any(|part| part == b"__gateway"));
    let gateway = Pid::from_raw(children.split_whitespace().find(is_gateway).unwrap().parse().unwrap());
    kill(gateway, Signal::SIGSTOP).unwrap();
    let answer = over_http(&road, &key(&road.server), &call("list_secrets", &json!({})).to_string());
    kill(gateway, Signal::SIGCONT).unwrap();
    let result = &body(&answer)["result"];
    assert_eq!((&result["isError"], &result["structuredContent"]["code"]), (&json!(true), &json!("gateway_away")), "{answer}");
    assert!(result["content"][0]["text"].as_str().unwrap().contains("tightlip up"), "{answer}");
}

#[test]
fn a_server_that_is_not_there_is_said_on_standard_error_with_the_next_step() {
    let road = Road::start(None);
    let output = road.server.command(&["mcp"]).env("TIGHTLIP_URL", "https://zebra.example.com").stdin(Stdio::null()).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(4), 0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("export TIGHTLIP_API_KEY="), "{}", text(&output.stderr));
    let list = call("list_secrets", &json!({})).to_string();
    let mut command = road.server.command(&["mcp"]);
    command.env("TIGHTLIP_URL", "http://127.0.0.1:1").env("TIGHTLIP_API_KEY", "tlk_none").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let greeting = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } } });
    child.stdin.take().unwrap().write_all(format!("{greeting}\n{list}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let lines = text(&output.stdout);
    let said: serde_json::Value = serde_json::from_str(lines.lines().nth(1).unwrap_or_default()).unwrap_or_else(|_| panic!("{lines}"));
    let result = &said["result"];
    assert_eq!((&result["isError"], &result["structuredContent"]["code"]), (&json!(true), &json!("unreachable")), "{said}");
}
