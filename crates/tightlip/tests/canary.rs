//! Plant a value, use everything, search everything that a stranger or an agent could see. Takes no exceptions.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use common::http::{admin_key, ask, key};
use common::road::{BOUND, Road, UNBOUND};

mod common {
    pub mod http;
    pub mod road;
}

/// A backup, beside the data folder.
const BACKUP: &str = "all.backup";

/// Everything that was shown, with what showed it.
struct Shown(Vec<(String, Vec<u8>)>);

#[test]
fn no_planted_value_is_anywhere() {
    let road = Road::start(None);
    let mut shown = Shown(Vec::new());
    use_the_api(&road, &mut shown);
    use_the_command_line(&road, &mut shown);
    use_devboxes(&road, &mut shown);
    let Road { server, canary, .. } = road;
    let (folder, log) = server.stop().unwrap();
    assert!(log.len() > 200, "the log at its most talkative says something: {}", String::from_utf8_lossy(&log));
    shown.0.push(("the log at TRACE".to_owned(), log));
    search_files(folder.path().join("data").as_path(), &mut shown);
    shown.0.push(("the backup".to_owned(), std::fs::read(folder.path().join(BACKUP)).unwrap()));
    assert!(shown.0.iter().any(|(name, _)| name.ends_with("tightlip.db")) && shown.0.iter().any(|(name, _)| name.ends_with("gateway.db")));
    for (name, bytes) in &shown.0 {
        assert!(!canary.is_in(bytes), "the value is in {name}");
    }
}

fn use_the_api(road: &Road, shown: &mut Shown) {
    let (key, value) = (key(&road.server), road.canary.value());
    let auth = format!("Authorization: Bearer {key}");
    let json = format!("{{\"name\":\"A\",\"value\":\"{value}\"}}");
    let admin = format!("POST /v1/secrets\r\nAuthorization: Bearer {}", admin_key(&road.server));
    let long = format!("{{\"name\":\"LONG\",\"value\":\"{}\"}}", value.repeat(4000));
    let requests = [
        (format!("POST /v1/secrets\r\n{auth}"), json.clone()),
        (format!("POST /v1/secrets\r\n{auth}"), json.clone()),
        (format!("POST /v1/secrets\r\n{auth}\r\nContent-Type: text/plain"), json.clone()),
        ("POST /v1/secrets".to_owned(), json.clone()),
        (admin, json.clone()),
        (format!("POST /v1/secrets\r\nAuthorization: Bearer {value}"), json.clone()),
        (format!("POST /v1/secrets\r\n{auth}"), format!("{{\"name\":\"a b\",\"value\":\"{value}\"}}")),
        (format!("POST /v1/secrets\r\n{auth}"), format!("{{\"name\":\"B\",\"value\":\"{value}\"")),
        (format!("POST /v1/secrets\r\n{auth}"), format!("{{\"name\":\"B\",\"value\":{{\"{value}\":1}}}}")),
        (format!("POST /v1/secrets\r\n{auth}"), format!("{{\"name\":\"B\",\"{value}\":\"{value}\"}}")),
        (format!("POST /v1/secrets\r\n{auth}"), format!("[\"{value}\"]")),
        (format!("POST /v1/secrets\r\n{auth}"), long),
        (format!("POST /v1/secrets/A\r\n{auth}"), format!("{{\"value\":\"{value}\"}}")),
        (format!("POST /v1/secrets/NONE\r\n{auth}"), format!("{{\"value\":\"{value}\"}}")),
        (format!("PUT /v1/secrets/A\r\n{auth}"), format!("{{\"value\":\"{value}\"}}")),
        (format!("POST /v1/nowhere\r\n{auth}"), format!("{{\"value\":\"{value}\"}}")),
        (format!("GET /v1/secrets?limit={value}\r\n{auth}"), String::new()),
        (format!("GET /v1/secrets/A\r\n{auth}"), String::new()),
        (format!("GET /v1/secrets\r\n{auth}"), String::new()),
        (format!("GET /v1/bindings\r\n{auth}"), String::new()),
        (format!("GET /v1/events\r\n{auth}"), String::new()),
        (format!("POST /v1/secrets/A/delete\r\n{auth}"), String::new()),
        (format!("POST /v1/api-keys\r\n{auth}"), format!("{{\"name\":\"{value}\\u001b\",\"scopes\":[\"read\"]}}")),
        (format!("POST /v1/api-keys\r\n{auth}"), format!("{{\"scopes\":[\"{value}\"]}}")),
        (format!("POST /v1/api-keys\r\n{auth}"), format!("{{\"scopes\":[\"read\"],\"expires_in_seconds\":\"{value}\"}}")),
        (format!("POST /v1/api-keys\r\n{auth}"), format!("{{\"{value}\":1,\"scopes\":[\"read\"]}}")),
        (format!("GET /v1/api-keys?starting_after={value}\r\n{auth}"), String::new()),
        (format!("GET /v1/api-keys\r\n{auth}"), String::new()),
        (format!("POST /v1/api-keys/{value}/revoke\r\n{auth}"), String::new()),
        (format!("GET /metrics\r\n{auth}"), String::new()),
        (format!("GET /v1/secrets/{value}\r\n{auth}"), String::new()),
        (format!("POST /v1/secrets?value={value}\r\n{auth}"), json.clone()),
        (format!("GET /v1/secrets\r\n{auth}\r\nUser-Agent: {value}\r\nCookie: a={value}\r\nX-Request-Id: {value}"), String::new()),
        (format!("GET /v1/secrets\r\n{auth}\r\nOrigin: https://{value}"), String::new()),
        (format!("POST /v1/secrets\r\n{auth}\r\nContent-Type: {value}/json"), json.clone()),
        (format!("{value} /v1/secrets\r\n{auth}"), String::new()),
        (format!("POST /v1/gateway-configs\r\n{auth}"), format!("{{\"name\":\"n\",\"endpoint\":\"https://x:{value}@a.example.com\"}}")),
        (format!("GET /v1/gateway-configs/{value}\r\n{auth}"), String::new()),
        (format!("GET /v1/gateway-configs\r\n{auth}"), String::new()),
        (format!("POST /v1/devboxes\r\n{auth}"), format!("{{\"secrets\":{{\"A\":\"{value}\"}}}}")),
        (format!("POST /v1/devboxes/{value}/shutdown\r\n{auth}"), "{}".to_owned()),
        (format!("GET /v1/devboxes\r\n{auth}"), String::new()),
        ("GET /healthz".to_owned(), String::new()),
        ("GET /readyz".to_owned(), String::new()),
    ];
    for (head, body) in requests {
        let answer = ask(&road.server, &head, &body);
        assert!(answer.starts_with("HTTP/1.1 "), "no answer to {}", head.replace(value, "<VALUE>").replace(&key, "<KEY>"));
        shown.0.push((format!("the answer to {}", head.split("\r\n").next().unwrap()), answer.into_bytes()));
    }
}

fn use_the_command_line(road: &Road, shown: &mut Shown) {
    let value = road.canary.value();
    let assignment = format!("A={value}");
    let known = format!("TOKEN={value}");
    let calls: [&[&str]; 39] = [
        &["secret", "set", "B"],
        &["secret", "set", "B"],
        &["secret", "create", "B"],
        &["secret", "update", "B"],
        &["secret", "update", "NONE"],
        &["secret", "set", "a b"],
        &["secret", "set", "B", value],
        &["secret", "set", &assignment],
        &["secret", "get", "B"],
        &["secret", "list"],
        &["--json", "secret", "list"],
        &["bind", "B", "--host", UNBOUND],
        &["expose", "B", "--plain"],
        &["bindings"],
        &["expose", "B", "--brokered"],
        &["expose", value, "--plain"],
        &["requests"],
        &["approve", value],
        &["refuse", value],
        &["events"],
        &["key", "create", "--name", "runner"],
        &["key", "create", "--scope", value],
        &["key", "list"],
        &["key", "revoke", value],
        &["account", "create", "team"],
        &["account", "list"],
        &["run", "--env", &known, "--", "true"],
        &["secret", "history", "B"],
        &["secret", "history", value],
        &["secret", "get", value],
        &["--json", "secret", "delete", value],
        &["bindings", value],
        &["gateway-config", "get", value],
        &["devbox", "get", value],
        &["--json", "events"],
        &["completions", "bash"],
        &["doctor", "B"],
        &["backup", BACKUP],
        &["secret", "delete", "B"],
    ];
    for call in calls {
        let output = road.server.call(call, value.as_bytes()).unwrap();
        let name = format!("`{}`", call.join(" ").replace(value, "<VALUE>"));
        assert!(output.status.code().is_some(), "{name} ended by a signal");
        shown.0.push((name.clone(), output.stdout));
        shown.0.push((name, output.stderr));
    }
}

fn use_devboxes(road: &Road, shown: &mut Shown) {
    let everything = "env; cat /proc/*/environ /proc/*/cmdline; find / -xdev -type f -size -1024k -not -path '/usr/*' -not -path '/dev/*' -exec cat {} + 2>/dev/null; \
                      curl -sSi https://api.github.com/echo -H \"Authorization: Bearer $GITHUB_TOKEN\"; \
                      curl -sSi https://api.github.com/echo/head -H \"Authorization: Bearer $GITHUB_TOKEN\"; \
                      curl -sSi https://allowed.example.com/echo -H \"Authorization: Bearer $GITHUB_TOKEN\"";
    let output = road.command(&["--allow", UNBOUND], &["sh", "-c", everything]).output().unwrap();
    assert!(!output.stdout.is_empty() && !road.upstream.records_of(BOUND).is_empty());
    shown.0.push(("a devbox".to_owned(), output.stdout));
    shown.0.push(("a devbox's errors".to_owned(), output.stderr));
    for record in road.upstream.records_of(UNBOUND) {
        shown.0.push(("the unbound upstream".to_owned(), record.bytes));
    }
}

fn search_files(folder: &Path, shown: &mut Shown) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.metadata().unwrap().is_dir() {
            search_files(&entry.path(), shown);
        } else if entry.metadata().unwrap().is_file() {
            shown.0.push((entry.path().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()));
        }
    }
}
