//! A connection that is kept: request after request on one stream, as a client's pool does.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

pub struct Wire {
    stream: BufReader<TcpStream>,
    address: String,
    key: String,
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Value,
}

impl Wire {
    /// A connection to the server at `url`, with the owner's key of its data folder.
    pub fn open(url: &str, data: &Path) -> io::Result<Self> {
        let address = url.trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let key = std::fs::read_to_string(data.join("api-key"))?.trim().to_owned();
        Ok(Self { stream: BufReader::new(stream), address, key })
    }

    pub fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.ask("GET", path, "")
    }

    pub fn post(&mut self, path: &str, body: &Value) -> io::Result<Answer> {
        self.ask("POST", path, &body.to_string())
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let Self { address, key, .. } = self;
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n");
        let request = format!("{head}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        let mut body = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, head, body: serde_json::from_slice(&body)? })
    }
}

/// Far beyond what any answer here takes.
const PATIENCE: Duration = Duration::from_secs(30);
