//! What stands for the internet: a TLS server on loopback that answers to whoever shows the value, and misbehaves when it is told to.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::certify::{Authority, Pair};

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// As a host should.
    Well,
    /// It closes the connection where its answer should be.
    Breaking,
    /// It takes connections and says nothing.
    Silent,
    /// As a host should, with a clock that stands.
    Elsewhen,
}

pub struct Standin {
    pub address: SocketAddr,
    pub ca_pem: String,
    mood: Arc<Mutex<Mood>>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Standin {
    /// Stands for these hosts, to whoever shows one of the values.
    pub fn start(hosts: &[&str], values: &[&str]) -> Self {
        let authority = Authority::new();
        Self::certified(&authority, &authority.certify(hosts), values)
    }

    /// The same with a certificate that was made before.
    pub fn certified(authority: &Authority, pair: &Pair, values: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let config = server_config(pair);
        let address = listener.local_addr().unwrap();
        let (mood, heard) = (Arc::new(Mutex::new(Mood::Well)), Arc::<Mutex<Vec<String>>>::default());
        let values: Arc<[String]> = values.iter().map(|value| (*value).to_owned()).collect();
        let (moods, hears) = (Arc::clone(&mood), Arc::clone(&heard));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mood = *moods.lock().unwrap();
                let (config, values, heard) = (Arc::clone(&config), Arc::clone(&values), Arc::clone(&hears));
                std::thread::spawn(move || serve(stream, config, mood, &values, &heard));
            }
        });
        Self { address, ca_pem: authority.pem(), mood, heard }
    }

    pub fn feel(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Every request line so far.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// Answers one connection's requests; none at its end.
fn serve(mut stream: TcpStream, config: Arc<ServerConfig>, mood: Mood, values: &[String], heard: &Mutex<Vec<String>>) -> Option<()> {
    if mood == Mood::Silent {
        let _bytes = stream.read_to_end(&mut Vec::new());
        return None;
    }
    stream.set_nodelay(true).ok()?;
    let mut connection = ServerConnection::new(config).ok()?;
    connection.complete_io(&mut stream).ok()?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    loop {
        let (line, whole) = request(&mut stream)?;
        heard.lock().unwrap().push(line.clone());
        if mood == Mood::Breaking {
            return None;
        }
        let reply = reply(&line, &whole, values);
        let reply = if mood == Mood::Elsewhen { reply.replacen("\r\n", "\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 1) } else { reply };
        stream.get_mut().write_all(reply.as_bytes()).ok()?;
        stream.get_mut().flush().ok()?;
    }
}

/// The request line, and all of the request.
fn request(stream: &mut impl BufRead) -> Option<(String, String)> {
    let (mut first, mut whole, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if first.is_empty() {
            first = line.trim_end().to_owned();
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        let is_end = line == "\r\n";
        whole.push_str(&line);
        if is_end {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    whole.push_str(&String::from_utf8_lossy(&body));
    Some((first, whole))
}

/// `/open` is for everybody, `/packed` comes in an encoding of the host's choosing, and the rest is for who shows the value.
fn reply(line: &str, whole: &str, values: &[String]) -> String {
    let path = line.split(' ').nth(1).unwrap_or_default();
    let (status, more, body) = match path {
        "/open" => ("200 OK", "", "open"),
        "/packed" => ("200 OK", "Content-Encoding: zstd\r\n", "whatever it is"),
        _ if values.iter().any(|value| whole.contains(value)) => ("200 OK", "", "authorized"),
        _ => ("401 Unauthorized", "", "who are you?"),
    };
    let body = if line.starts_with("HEAD ") { "" } else { body };
    format!("HTTP/1.1 {status}\r\n{more}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn server_config(pair: &Pair) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
}
