//! The requests of a plain command line client, byte by byte: HTTP/1.1 with its own habits of paging and of empty bodies; at `https://api.<domain>`, the only
//! form of address that the published one takes, and without TLS.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::http::key;
use common::secure::{NAME, Secure, tls_address};
use serde_json::Value;
use testkit::{Launch, Server};

mod common {
    pub mod certify;
    pub mod http;
    pub mod secure;
}

const BINARY: &str = env!("CARGO_BIN_EXE_tightlip");

/// A server, with and without TLS.
struct House {
    server: Server,
    secure: Secure,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// One connection that is kept open.
struct Line {
    stream: Box<dyn Stream>,
    host: &'static str,
    auth: String,
}

struct Answer {
    status: u16,
    head: String,
    json: Value,
}

impl Line {
    fn clear(house: &House) -> Self {
        let stream = TcpStream::connect(house.server.url().trim_start_matches("http://")).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { stream: Box::new(stream), host: "localhost", auth: auth(house) }
    }

    fn secure(house: &House) -> Self {
        let (stream, _) = house.secure.authority.connect(tls_address(&house.server), NAME, b"http/1.1").unwrap();
        stream.sock.set_nodelay(true).unwrap();
        Self { stream: Box::new(stream), host: NAME, auth: auth(house) }
    }

    fn get(&mut self, target: &str) -> Answer {
        self.send(&format!("GET {target}"), "", "")
    }

    /// What the client sends with every change; the body may be none.
    fn post(&mut self, target: &str, body: &str) -> Answer {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        self.send(&format!("POST {target}"), &format!("Content-Type: application/json\r\n{length}"), body)
    }

    fn send(&mut self, line: &str, headers: &str, body: &str) -> Answer {
        let head = format!("{line} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\n{}{headers}\r\n", self.host, self.auth);
        self.stream.write_all(head.as_bytes()).unwrap();
        self.stream.write_all(body.as_bytes()).unwrap();
        self.stream.flush().unwrap();
        self.answer()
    }

    fn answer(&mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            assert_eq!(self.stream.read(&mut byte).unwrap(), 1, "the connection ended: {}", String::from_utf8_lossy(&head));
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        Answer { status: common::http::status(&head), json: serde_json::from_slice(&body).unwrap(), head }
    }
}

impl Answer {
    fn names(&self) -> Vec<&str> {
        self.json["secrets"].as_array().unwrap().iter().map(|secret| secret["name"].as_str().unwrap()).collect()
    }
}

fn auth(house: &House) -> String {
    format!("Authorization: Bearer {}\r\n", key(&house.server))
}

fn start() -> House {
    let secure = Secure::make();
    let server = Server::start(Path::new(BINARY), Launch { settings: &secure.settings(), ..Launch::default() }).unwrap();
    House { server, secure }
}

/// Both ways to talk to a server of its own.
const WAYS: [fn(&House) -> Line; 2] = [Line::clear, Line::secure];

#[test]
fn a_refusal_before_the_body_keeps_the_connection() {
    let house = start();
    // The body comes when the refusal could have been written already. Cut off by it, the client would see a broken connection and try again.
    let cases = [
        ("POST /v1/nowhere", "", 404),
        ("PUT /v1/secrets", "", 405),
        ("POST /v1/secrets", "Origin: http://page.example\r\n", 403),
        ("POST /v1/secrets/NONE", "", 404),
    ];
    for ((line, header, status), way) in cases.into_iter().flat_map(|case| WAYS.map(|way| (case, way))) {
        let mut client = way(&house);
        let head = format!("{line} HTTP/1.1\r\nHost: {}\r\n{}{header}Content-Length: 13\r\n\r\n", client.host, client.auth);
        client.stream.write_all(head.as_bytes()).unwrap();
        client.stream.flush().unwrap();
        assert_eq!(Line::clear(&house).get("/v1/secrets").status, 200, "the server has had the time to answer");
        client.stream.write_all(b"{\"value\":\"x\"}").unwrap();
        client.stream.flush().unwrap();
        assert_eq!(client.answer().status, status, "{line}");
        assert_eq!(client.get("/v1/secrets").status, 200, "{line}: the connection is kept");
    }
}

#[test]
fn a_delete_with_a_json_type_and_no_body_is_done() {
    for way in WAYS {
        let house = start();
        delete_without_a_body(way(&house));
    }
}

fn delete_without_a_body(mut client: Line) {
    for headers in ["Content-Type: application/json\r\n", "Content-Type: application/json\r\nContent-Length: 0\r\n", ""] {
        let created = client.post("/v1/secrets", r#"{"name":"A","value":"v"}"#);
        assert_eq!(created.status, 200);
        let deleted = client.send("POST /v1/secrets/A/delete", headers, "");
        assert_eq!((deleted.status, &deleted.json["id"]), (200, &created.json["id"]));
        assert_eq!(client.send("POST /v1/secrets/A/delete", headers, "").status, 404);
    }
}

#[test]
fn a_get_is_a_list_of_5000_and_a_filter() {
    for way in WAYS {
        let house = start();
        get_as_the_client_does(way(&house));
    }
}

fn get_as_the_client_does(mut client: Line) {
    let names: Vec<String> = (0..130).map(|number| format!("N{number}")).collect();
    for name in &names {
        assert_eq!(client.post("/v1/secrets", &format!("{{\"name\":\"{name}\",\"value\":\"v\"}}")).status, 200);
    }
    let all = client.get("/v1/secrets?limit=5000");
    assert_eq!((all.names().len(), &all.json["has_more"], &all.json["total_count"]), (130, &false.into(), &130.into()));
    assert!(all.names().contains(&"N7") && all.head.contains("content-type: application/json"));
    let fields: Vec<&String> = all.json["secrets"][0].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["create_time_ms", "id", "name", "update_time_ms"]);

    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/v1/secrets?limit=50{after}"));
        paged.extend(page.names().into_iter().map(str::to_owned));
        let last = page.json["secrets"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
        // The client asks on from there, also when somebody deletes that secret meanwhile.
        assert_eq!(client.post(&format!("/v1/secrets/{}/delete", paged.last().unwrap()), "").status, 200);
        if page.json["has_more"] == false {
            break;
        }
        after = format!("&starting_after={last}");
        assert!(paged.len() < names.len(), "paging goes on for ever");
    }
    assert!(paged.iter().eq(names.iter().rev()), "{paged:?}");
}

#[test]
fn what_the_client_shows_of_a_refusal_says_what_to_do() {
    for way in WAYS {
        let house = start();
        be_refused(way(&house));
    }
}

fn be_refused(mut client: Line) {
    assert_eq!(client.post("/v1/secrets", r#"{"name":"A","value":"v"}"#).status, 200);
    let twice = client.post("/v1/secrets", r#"{"name":"A","value":"planted"}"#);
    assert_eq!((twice.status, &twice.json["code"]), (400, &"duplicate".into()));
    let message = twice.json["message"].as_str().unwrap();
    assert!(message.contains("update it") && !message.contains("planted"), "{message}");
    client.auth = "Authorization: Bearer wrong\r\n".to_owned();
    let stranger = client.get("/v1/secrets?limit=5000");
    assert_eq!((stranger.status, &stranger.json["code"]), (401, &"key_unknown".into()));
    assert!(stranger.head.contains("www-authenticate: bearer"));
}

#[test]
fn curl_is_answered_over_both_protocols() {
    let house = start();
    let port = tls_address(&house.server).port();
    for (option, version) in [("--http1.1", "1.1 200"), ("--http2", "2 200")] {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", option, "-H", auth(&house).trim_end()]);
        curl.arg("--cacert").arg(house.secure.ca_file()).args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")]);
        let output = curl.arg(format!("https://{NAME}:{port}/v1/secrets?limit=5000")).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), version, "{}", String::from_utf8_lossy(&output.stderr));
    }
}
