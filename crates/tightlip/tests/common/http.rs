//! The smallest HTTP client: a request as it stands, every byte of the answer.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use testkit::Server;

/// Sends a request to the server's api and gives the whole answer. `head` is the request line and headers without Host, length and the blank line.
pub fn ask(server: &Server, head: &str, body: &str) -> String {
    let address = server.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
    let request =
        format!("{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
    // A server that refuses early closes before it has read everything; its answer is what counts.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of an answer.
pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// The owner's API key.
pub fn key(server: &Server) -> String {
    std::fs::read_to_string(server.data().join("api-key")).unwrap().trim().to_owned()
}

/// The admin key.
pub fn admin_key(server: &Server) -> String {
    std::fs::read_to_string(server.data().join("gateway/admin-key")).unwrap().trim().to_owned()
}
