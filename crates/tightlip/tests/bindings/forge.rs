//! What stands for GitHub: TLS on loopback, an API that says whether the token came, and git repositories behind Basic.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use base64::Engine;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::certify::Pair;

pub struct Forge {
    pub address: SocketAddr,
    authorized: Arc<Mutex<Vec<String>>>,
}

/// What a connection's thread knows.
#[derive(Clone)]
struct Clerk {
    repositories: PathBuf,
    value: String,
    authorized: Arc<Mutex<Vec<String>>>,
}

struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

type Stream = BufReader<StreamOwned<ServerConnection, TcpStream>>;

impl Forge {
    pub fn start(pair: &Pair, repositories: &Path, value: &str) -> Self {
        let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let authorized = Arc::new(Mutex::new(Vec::new()));
        let clerk = Clerk { repositories: repositories.to_owned(), value: value.to_owned(), authorized: Arc::clone(&authorized) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, clerk) = (Arc::clone(&config), clerk.clone());
                std::thread::spawn(move || clerk.serve(stream, config));
            }
        });
        Self { address, authorized }
    }

    /// The lines of the requests in which the value came.
    pub fn authorized(&self) -> Vec<String> {
        self.authorized.lock().unwrap().clone()
    }
}

impl Clerk {
    fn serve(&self, stream: TcpStream, config: Arc<ServerConfig>) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let connection = ServerConnection::new(config).ok()?;
        let mut stream: Stream = BufReader::new(StreamOwned::new(connection, stream));
        loop {
            let request = Request::read(&mut stream)?;
            let reply = self.answer(&request);
            stream.get_mut().write_all(&reply).ok()?;
            stream.get_mut().flush().ok()?;
        }
    }

    fn answer(&self, request: &Request) -> Vec<u8> {
        let is_authorized = self.is_authorized(request);
        if is_authorized {
            self.authorized.lock().unwrap().push(request.line.clone());
        }
        let status = if is_authorized { "200 OK" } else { "401 Unauthorized" };
        if request.header("host") == "api.github.com" {
            return reply(status, "content-type: application/json\r\n", format!("{{\"authorized\":{is_authorized}}}\n").as_bytes());
        }
        if is_authorized { self.git(request) } else { reply(status, "www-authenticate: Basic realm=\"git\"\r\n", b"") }
    }

    /// Whether the value came as a bearer's or as a password.
    fn is_authorized(&self, request: &Request) -> bool {
        let header = request.header("authorization");
        let password = header.strip_prefix("Basic ").and_then(|encoded| base64::engine::general_purpose::STANDARD.decode(encoded).ok());
        let password = password.and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|text| Some(text.split_once(':')?.1.to_owned()));
        header.strip_prefix("Bearer ") == Some(&self.value) || password.as_ref() == Some(&self.value)
    }

    /// `git http-backend`, as web servers run it (CGI, RFC 3875).
    fn git(&self, request: &Request) -> Vec<u8> {
        let mut words = request.line.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut backend = Command::new("git");
        backend.arg("http-backend").env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        backend.env("GIT_PROJECT_ROOT", &self.repositories).env("GIT_HTTP_EXPORT_ALL", "1").env("REMOTE_USER", "agent");
        backend.env("REQUEST_METHOD", method).env("PATH_INFO", path).env("QUERY_STRING", query);
        backend.env("CONTENT_TYPE", request.header("content-type")).env("CONTENT_LENGTH", request.body.len().to_string());
        backend.env("HTTP_CONTENT_ENCODING", request.header("content-encoding")).env("GIT_PROTOCOL", request.header("git-protocol"));
        let mut running = backend.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        running.stdin.take().unwrap().write_all(&request.body).unwrap();
        let said = running.wait_with_output().unwrap().stdout;
        let head_bytes = said.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(said[..head_bytes].to_vec()).unwrap();
        let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
        let lines: String = head.lines().filter(|line| !line.starts_with("Status: ")).map(|line| format!("{line}\r\n")).collect();
        reply(status, &lines, &said[head_bytes + 4..])
    }
}

impl Request {
    /// The next request; none at the connection's end.
    fn read(stream: &mut Stream) -> Option<Self> {
        let line = read_line(stream)?;
        let mut headers = Vec::new();
        loop {
            let header = read_line(stream)?;
            let Some((name, value)) = header.split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut request = Self { line, headers, body: Vec::new() };
        if request.header("transfer-encoding") == "chunked" {
            loop {
                let size = usize::from_str_radix(&read_line(stream)?, 16).ok()?;
                let mut chunk = vec![0; size + 2];
                stream.read_exact(&mut chunk).ok()?;
                request.body.extend_from_slice(&chunk[..size]);
                if size == 0 {
                    break;
                }
            }
        } else {
            request.body = vec![0; request.header("content-length").parse().unwrap_or(0)];
            stream.read_exact(&mut request.body).ok()?;
        }
        Some(request)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

fn read_line(stream: &mut Stream) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
    Some(line.trim_end().to_owned())
}

fn reply(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}
