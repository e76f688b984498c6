//! The server that `run` starts for itself: it says one word, stays while it is used, and goes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use link::Packets;
use link::cli::{Reply, Request};

use crate::server::{BINARY, Place, Server, children, is_gone, wait_for};

/// A detached server that goes after so many unused milliseconds.
fn start(data: &Path, idle_ms: &str) -> Child {
    std::fs::create_dir_all(data).unwrap();
    let mut command = Command::new(BINARY);
    command.env("XDG_STATE_HOME", crate::server::state(data));
    command.arg("__detached").arg(data).arg(idle_ms).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn word(server: &mut Child) -> String {
    let mut word = String::new();
    server.stdout.take().unwrap().read_to_string(&mut word).unwrap();
    word
}

#[test]
fn an_unused_server_goes_with_its_children() {
    let place = Place::new();
    let mut server = start(&place.data(), "500");
    assert_eq!(word(&mut server), "\"ready\"");
    let visitor = Packets::connect(&place.data().join("gateway.sock")).unwrap();
    visitor.send(&Request::Status, &[]).unwrap();
    assert!(matches!(visitor.recv::<Reply>().unwrap().0, Reply::Ready));
    let ended = children(server.id());
    drop(visitor);
    let status = wait_for("the end", || server.try_wait().unwrap());
    assert!(status.success());
    assert!(ended.into_iter().all(is_gone));
    assert!(!place.data().join("address").exists());
}

#[test]
fn of_two_starters_one_serves_and_the_other_learns_of_it() {
    let place = Place::new();
    let mut servers = [start(&place.data(), "1000"), start(&place.data(), "1000")];
    let mut words = servers.each_mut().map(word);
    words.sort();
    assert_eq!(words, ["\"locked\"", "\"ready\""]);
    for server in &mut servers {
        wait_for("the end", || server.try_wait().unwrap());
    }
}

#[test]
fn a_foreground_server_is_not_started_twice() {
    let place = Place::new();
    let _server = Server::start(&place.data());
    assert_eq!(word(&mut start(&place.data(), "1000")), "\"locked\"");
}

/// An agent on standard input, greeted.
struct Agent {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Agent {
    fn greet(data: &Path) -> Self {
        let mut process = tool(data, &["mcp"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut agent = Self { process, input, output };
        let hello = r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}"#;
        agent.say("initialize", hello);
        agent
    }

    fn say(&mut self, method: &str, params: &str) -> serde_json::Value {
        self.input.write_all(format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":{params}}}\n").as_bytes()).unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    fn lists(&mut self) -> bool {
        let answer = self.say("tools/call", r#"{"name":"list_secrets","arguments":{}}"#);
        answer["result"]["isError"] == false
    }

    fn leave(mut self) {
        drop(self.input);
        wait_for("the agent's end", || self.process.try_wait().unwrap());
    }
}

fn tool(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).arg("--data").arg(data).env("XDG_STATE_HOME", crate::server::state(data));
    for variable in ["TIGHTLIP_DATA", "TIGHTLIP_URL", "TIGHTLIP_API_KEY", "RUNLOOP_BASE_URL", "RUNLOOP_API_KEY"] {
        command.env_remove(variable);
    }
    command
}

/// Whether a server is there all the time for long after it would have gone.
fn stays(server: &mut Child) -> bool {
    let limit = Instant::now() + Duration::from_secs(3);
    while Instant::now() < limit {
        if server.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    true
}

#[test]
fn a_server_stays_while_an_agent_is_served_on_standard_input() {
    let place = Place::new();
    let mut server = start(&place.data(), "1000");
    assert_eq!(word(&mut server), "\"ready\"");
    let mut agent = Agent::greet(&place.data());
    assert!(stays(&mut server) && agent.lists());
    agent.leave();
    assert!(wait_for("the end", || server.try_wait().unwrap()).success());
}

#[test]
fn an_agent_on_standard_input_is_answered_by_the_server_that_came_after() {
    let place = Place::new();
    let mut server = start(&place.data(), "1000");
    assert_eq!(word(&mut server), "\"ready\"");
    let mut agent = Agent::greet(&place.data());
    assert!(agent.lists());
    assert!(tool(&place.data(), &["down"]).output().unwrap().status.success());
    wait_for("the end", || server.try_wait().unwrap());
    assert!(agent.lists());
    agent.leave();
    assert!(tool(&place.data(), &["down"]).output().unwrap().status.success());
}

#[test]
fn a_server_stays_while_a_person_may_come_by_a_link() {
    let place = Place::new();
    let mut server = start(&place.data(), "1000");
    assert_eq!(word(&mut server), "\"ready\"");
    let mut agent = Agent::greet(&place.data());
    let ask = r#"{"name":"request_secret","arguments":{"name":"NEW_TOKEN","hosts":["api.example.com"],"reason":"to deploy"}}"#;
    let answer = agent.say("tools/call", ask);
    let link = answer["result"]["structuredContent"]["request"]["entry_url"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    agent.leave();
    assert!(stays(&mut server));
    let address = link.trim_start_matches("http://").split('/').next().unwrap();
    assert!(TcpStream::connect(address).is_ok());
    assert!(tool(&place.data(), &["down"]).output().unwrap().status.success());
    wait_for("the end", || server.try_wait().unwrap());
}
