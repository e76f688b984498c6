//! A server under siege: what attacks it comes from 127.0.0.1, while a client at 127.0.0.2 asks on and on. At the end, nothing may have suffered.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType};

use crate::certify::{Authority, Tls};
use crate::server::{PATIENCE, Place, Server, up, wait_for};

pub struct Siege {
    place: Place,
    pub server: Server,
    pub authority: Authority,
    /// As it stands in a header.
    pub key: String,
    api: i32,
    rss_kib: u64,
    log_bytes: usize,
    ended: Arc<AtomicBool>,
    steady: JoinHandle<Seen>,
}

/// What the other client saw.
struct Seen {
    answers: usize,
    slowest: Duration,
    wrong: Vec<String>,
}

impl Siege {
    pub fn begin() -> Self {
        Self::start("", Arc::new(AtomicBool::new(false)))
    }

    /// With more lines below `[api]`, and without the other client.
    pub fn alone(more: &str) -> Self {
        Self::start(more, Arc::new(AtomicBool::new(true)))
    }

    fn start(more: &str, ended: Arc<AtomicBool>) -> Self {
        let place = Place::new();
        let authority = Authority::new();
        authority.certify(&["localhost"]).write(&place.data().join("tls"));
        let tls = "tls_listen = \"127.0.0.1:0\"\ntls_certificate = \"tls/fullchain.pem\"\ntls_key = \"tls/privkey.pem\"";
        fs::write(place.data().join("tightlip.toml"), format!("[api]\n{tls}\n{more}\n")).unwrap();
        let mut command = up(&place.data());
        // A pipe that nobody reads would stop the server when it is full.
        command.stderr(fs::File::create(place.data().with_file_name("log")).unwrap()).env("TIGHTLIP_LOG", "debug");
        let server = Server::spawned(command, &place.data());
        server.wait_until_both_serve();
        let key = format!("Bearer {}", fs::read_to_string(place.data().join("api-key")).unwrap().trim());
        let api = server.child("__api", None);
        let created =
            ask(&server, &format!("POST /v1/secrets\r\nauthorization: {key}"), br#"{"name":"STEADY","value":"a value of some length"}"#);
        assert!(created.starts_with("HTTP/1.1 200"), "{created}");
        let log_bytes = fs::read(place.data().with_file_name("log")).unwrap().len();
        let steady = std::thread::spawn({
            let (address, key, ended) = (address(&server), key.clone(), Arc::clone(&ended));
            move || ask_steadily(address, &key, &ended)
        });
        Self { rss_kib: rss_kib(api), log_bytes, place, server, authority, key, api, ended, steady }
    }

    pub fn address(&self) -> SocketAddr {
        address(&self.server)
    }

    pub fn tls_address(&self) -> SocketAddr {
        let url = self.server.https_url.as_ref().unwrap();
        SocketAddr::from((Ipv4Addr::LOCALHOST, url.rsplit_once(':').unwrap().1.parse().unwrap()))
    }

    pub fn connect(&self) -> TcpStream {
        connect(Ipv4Addr::LOCALHOST, self.address()).unwrap()
    }

    pub fn tls(&self, protocol: &[u8]) -> Tls {
        self.authority.connect(self.tls_address(), "localhost", protocol).unwrap().0
    }

    /// Every byte that the server answers to these.
    pub fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // A server that refuses early closes before it has read everything.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    /// The answer to a request with the owner's key. `head` is the request line without the protocol, and headers.
    pub fn ask(&self, head: &str, body: &[u8]) -> String {
        ask(&self.server, &format!("{head}\r\nauthorization: {}", self.key), body)
    }

    /// How much more memory the api has than before.
    pub fn growth_kib(&self) -> u64 {
        rss_kib(self.api).saturating_sub(self.rss_kib)
    }

    /// Holds that the server is whole: the same process, no panic, no 5xx, no more memory, and a client that was served throughout.
    pub fn end(self) {
        self.ended.store(true, Ordering::SeqCst);
        let seen = self.steady.join().unwrap();
        assert!(seen.wrong.is_empty(), "the other client was refused: {:?}", seen.wrong);
        assert!(seen.slowest < SLOWEST, "the other client waited {:?}", seen.slowest);
        assert_eq!(self.server.child("__api", None), self.api, "the api was started again");
        wait_for("the memory to be given back", || (rss_kib(self.api) < self.rss_kib + GROWTH_KIB_MAX).then_some(()));
        let Self { place, mut server, log_bytes, .. } = self;
        assert!(server.stop().success());
        let log = fs::read_to_string(place.data().with_file_name("log")).unwrap();
        let log = &log[log_bytes..];
        for word in ["panic", "was killed", "ended (", " status=5"] {
            assert!(!log.contains(word), "the log has {word:?}: {log}");
        }
    }
}

/// A connection from an address of this machine's own.
pub fn connect(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    rustix::net::bind(&socket, &SocketAddr::new(IpAddr::V4(from), 0))?;
    rustix::net::connect(&socket, &to)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE * 3))?;
    stream.set_write_timeout(Some(PATIENCE * 3))?;
    Ok(stream)
}

/// The status line's number.
pub fn status(answer: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(answer);
    text.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)).and_then(|status| status.parse().ok()).unwrap_or(0)
}

pub fn ask(server: &Server, head: &str, body: &[u8]) -> String {
    let (line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let mut stream = connect(Ipv4Addr::LOCALHOST, address(server)).unwrap();
    let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
    let head = format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n", body.len());
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn address(server: &Server) -> SocketAddr {
    server.url.strip_prefix("http://").unwrap().parse().unwrap()
}

/// GETs, one after the other: over a new connection now and then, so that newcomers are shown to be let in.
fn ask_steadily(address: SocketAddr, key: &str, ended: &AtomicBool) -> Seen {
    let mut seen = Seen { answers: 0, slowest: Duration::ZERO, wrong: Vec::new() };
    let request = format!("GET /v1/secrets/STEADY HTTP/1.1\r\nhost: localhost\r\nauthorization: {key}\r\n\r\n");
    let alone = ended.load(Ordering::SeqCst);
    // Some of them when all is over, so that a server that serves nobody any more is found out.
    let mut after = 0;
    while !alone && after < 2 {
        after += usize::from(ended.load(Ordering::SeqCst));
        let mut stream = connect(STEADY, address).unwrap();
        stream.set_read_timeout(Some(SLOWEST)).unwrap();
        for _ in 0..ASKED_OF_ONE {
            let asked = Instant::now();
            match exchange(&mut stream, &request) {
                Ok(200) => seen.answers += 1,
                other => {
                    seen.wrong.push(format!("{other:?}"));
                    break;
                }
            }
            seen.slowest = seen.slowest.max(asked.elapsed());
        }
    }
    seen
}

fn exchange(stream: &mut TcpStream, request: &str) -> io::Result<u16> {
    stream.write_all(request.as_bytes())?;
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut part)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend(&part[..count]);
        // The body is one object without another in it.
        if answer.ends_with(b"}") {
            return Ok(status(&answer));
        }
    }
}

fn rss_kib(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Each connection costs a port for a minute, and there are some 28,000.
const ASKED_OF_ONE: usize = 500;
const STEADY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// How long the other client may wait for an answer, on a machine that runs other tests too: far more than it does, and less than any limit of the server.
const SLOWEST: Duration = Duration::from_secs(10);
/// What an attack may leave behind: allocators keep some of what they had.
const GROWTH_KIB_MAX: u64 = 48 * 1024;
