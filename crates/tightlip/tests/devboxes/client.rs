//! A client of the devbox routes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::Server;

use crate::http;

/// Whoever holds an API key.
pub struct Client<'a> {
    pub server: &'a Server,
    pub key: String,
}

/// A devbox that runs. Shut down when dropped.
pub struct Devbox<'a> {
    pub client: &'a Client<'a>,
    pub id: String,
    pub view: Value,
}

/// What a finished command left.
#[derive(Debug, PartialEq, Eq)]
pub struct Done {
    pub code: i64,
    pub stdout: String,
    pub stderr: String,
}

impl<'a> Client<'a> {
    /// With the owner's key.
    pub fn owner(server: &'a Server) -> Self {
        Self { server, key: http::key(server) }
    }

    /// With a key of another account, made for it.
    pub fn stranger(server: &'a Server, name: &str) -> Self {
        let made = server.expect(&["account", "create", name, "--json"], b"").unwrap();
        let made: Value = serde_json::from_str(&made).unwrap();
        Self { server, key: made["api_key"].as_str().or(made["key"].as_str()).unwrap().to_owned() }
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        self.ask(&format!("GET {path}"), "")
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.ask(&format!("POST {path}"), &body.to_string())
    }

    /// The body of an answer that is no JSON.
    pub fn text(&self, path: &str) -> String {
        let answer = http::ask(self.server, &format!("GET {path}\r\nAuthorization: Bearer {}", self.key), "");
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    fn ask(&self, line: &str, body: &str) -> (u16, Value) {
        let head = format!("{line}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json", self.key);
        let answer = http::ask(self.server, &head, body);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (http::status(&answer), serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}")))
    }

    /// The body of a 200.
    pub fn ok(&self, (status, body): (u16, Value)) -> Value {
        assert_eq!(status, 200, "{body}");
        body
    }

    pub fn create_secret(&self, name: &str, value: &str) {
        self.ok(self.post("/v1/secrets", &json!({ "name": name, "value": value })));
    }

    /// A devbox that runs.
    pub fn devbox(&'a self, wanted: &Value) -> Devbox<'a> {
        let view = self.ok(self.post("/v1/devboxes/create_and_await_running", wanted));
        assert_eq!(view["status"], "running", "{view}");
        Devbox { client: self, id: view["id"].as_str().unwrap().to_owned(), view }
    }

    /// A gateway config of a host that stands on loopback.
    pub fn gateway(&self, endpoint: &str, mechanism: &Value) -> String {
        let wanted = json!({ "name": "a-gateway", "endpoint": endpoint, "auth_mechanism": mechanism });
        self.ok(self.post("/v1/gateway-configs", &wanted))["id"].as_str().unwrap().to_owned()
    }
}

impl Devbox<'_> {
    pub fn path(&self, rest: &str) -> String {
        format!("/v1/devboxes/{}{rest}", self.id)
    }

    /// Runs a command to its end.
    pub fn run(&self, command: &str) -> Done {
        let view = self.wait(&self.begin(command));
        Done {
            code: view["exit_status"].as_i64().unwrap_or_else(|| panic!("not ended: {view}")),
            stdout: view["stdout"].as_str().unwrap_or_default().to_owned(),
            stderr: view["stderr"].as_str().unwrap_or_default().to_owned(),
        }
    }

    /// What a command that succeeds says.
    pub fn sh(&self, command: &str) -> String {
        let done = self.run(command);
        assert_eq!(done.code, 0, "{done:?}");
        done.stdout
    }

    /// Starts a command; its id.
    pub fn begin(&self, command: &str) -> String {
        let view = self.client.ok(self.client.post(&self.path("/execute_async"), &json!({ "command": command })));
        view["execution_id"].as_str().unwrap().to_owned()
    }

    /// Waits until a command has ended.
    pub fn wait(&self, execution: &str) -> Value {
        let path = self.path(&format!("/executions/{execution}/wait_for_status"));
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            match self.client.post(&path, &json!({ "statuses": ["completed"], "timeout_seconds": 5.0 })) {
                (200, view) => return view,
                (408, _) => assert!(Instant::now() < limit, "the command does not end"),
                (status, view) => panic!("{status}: {view}"),
            }
        }
    }

    pub fn execution(&self, execution: &str) -> Value {
        self.client.ok(self.client.get(&self.path(&format!("/executions/{execution}"))))
    }

    pub fn status(&self) -> String {
        self.client.ok(self.client.get(&self.path("")))["status"].as_str().unwrap().to_owned()
    }

    pub fn shutdown(&self) -> Value {
        self.client.ok(self.client.post(&self.path("/shutdown"), &json!({})))
    }

    /// Waits until it has this status.
    pub fn wait_for(&self, status: &str) {
        let limit = Instant::now() + Duration::from_secs(20);
        while self.status() != status {
            assert!(Instant::now() < limit, "not {status}: {}", self.status());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Devbox<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.shutdown();
        }
    }
}
