//! Three ways to say the same messages.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::http::{ask, key, status};
use crate::road::{Road, ok};

/// Everything that a tool takes, with something that is right.
pub const TOOLS: [(&str, &[(&str, &str)]); 7] = [
    ("list_secrets", &[]),
    ("how_to_use", &[("name", "\"GITHUB_TOKEN\"")]),
    ("test_secret", &[("name", "\"GITHUB_TOKEN\""), ("host", "\"api.github.com\""), ("method", "\"GET\""), ("path", "\"/user\"")]),
    ("my_refusals", &[("limit", "5")]),
    (
        "request_secret",
        &[("name", "\"NEW_TOKEN\""), ("hosts", "[\"api.example.com\"]"), ("form", "\"bearer\""), ("reason", "\"to deploy\"")],
    ),
    (
        "request_access",
        &[("name", "\"GITHUB_TOKEN\""), ("host", "\"uploads.example.com\""), ("methods", "[\"POST\"]"), ("reason", "\"to upload\"")],
    ),
    ("request_status", &[("id", "\"req_0UHQpqQ3K0m7W2xT5yBcD\"")]),
];

/// A call of a tool.
pub fn call(tool: &str, arguments: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
}

/// Arguments that are right.
pub fn right(tool: &str) -> Value {
    let (_, arguments) = TOOLS.iter().find(|(known, _)| *known == tool).unwrap();
    arguments.iter().map(|(name, text)| ((*name).to_owned(), serde_json::from_str(text).unwrap())).collect::<serde_json::Map<_, _>>().into()
}

/// Over HTTP to the api, with a key; every byte of the answer.
pub fn over_http(road: &Road, key: &str, message: &str) -> String {
    let head = format!(
        "POST /mcp\r\nAuthorization: Bearer {key}\r\nAccept: application/json, text/event-stream\r\nContent-Type: application/json"
    );
    ask(&road.server, &head, message)
}

/// The same with the owner's key: the answer's body.
pub fn by_key(road: &Road, message: &Value) -> Value {
    let answer = over_http(road, &key(&road.server), &message.to_string());
    assert_eq!(status(&answer), 200, "{answer}");
    body(&answer)
}

/// The body of an answer.
pub fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Over standard input: every line that was answered, and what was said beside it.
pub fn over_stdio(road: &Road, key: Option<&str>, messages: &[String]) -> (Vec<Value>, String) {
    let mut command = road.server.command(&["mcp"]);
    command.envs(key.map(|key| ("TIGHTLIP_API_KEY", key)));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let greeting = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } } });
    let mut answers = Vec::new();
    for message in std::iter::once(&greeting.to_string()).chain(messages) {
        input.write_all(format!("{message}\n").as_bytes()).unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        answers.push(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}")));
    }
    drop(input);
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    answers.remove(0);
    (answers, String::from_utf8_lossy(&ended.stderr).into_owned())
}

/// Inside a devbox with these arguments of `run`: every byte of each answer, its headers too.
pub fn inside(road: &Road, arguments: &[&str], messages: &[String]) -> Vec<String> {
    std::fs::write(road.work().join("messages"), messages.join("\n") + "\n").unwrap();
    let line = "while IFS= read -r message; do printf '%s' \"$message\" | curl -sSi \"$TIGHTLIP_MCP_URL\" -H 'Content-Type: application/json' \
                -H 'Accept: application/json, text/event-stream' --data-binary @-; printf '\\n====\\n'; done <messages";
    let said = ok(&road.run(arguments, &["sh", "-c", line]));
    said.split("\n====\n").filter(|answer| !answer.is_empty()).map(str::to_owned).collect()
}
