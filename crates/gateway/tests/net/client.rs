//! A client inside a devbox: it looks names up, dials what it was told, and says exactly the bytes that a test wants said.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use rustls::time_provider::TimeProvider;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::installation::START;
use crate::upstream::{AnyStream, find};
use crate::world::World;

/// A reply as it was received.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// Whether the body ended as its framing says.
    pub is_whole: bool,
}

/// A connection to the gateway, TLS or plain.
pub struct Connection {
    stream: AnyStream,
    unread: Vec<u8>,
}

#[derive(Debug)]
struct FixedTime;

impl TimeProvider for FixedTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(START.unix_ms().unsigned_abs())))
    }
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// The code of a refusal, which its header and its body both say.
    pub fn refusal(&self) -> Option<String> {
        let code = self.header("x-tightlip-refusal")?;
        assert_eq!(self.header("content-type"), Some("application/json"));
        if !self.body.is_empty() {
            let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
            assert_eq!(body["code"], code);
            assert!(body["message"].as_str().unwrap().len() > 20);
        }
        Some(code.to_owned())
    }
}

impl World {
    /// Looks a name up, as the devbox's resolver would.
    pub async fn look_up(&self, name: &str) -> IpAddr {
        let mut message = Message::query();
        message.add_query(Query::query(Name::from_ascii(format!("{name}.")).unwrap(), RecordType::A));
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(self.dns).await.unwrap();
        socket.send(&message.to_vec().unwrap()).await.unwrap();
        let mut buffer = [0; 512];
        let length = timeout(WAIT, socket.recv(&mut buffer)).await.unwrap().unwrap();
        let reply = Message::from_vec(&buffer[..length]).unwrap();
        let data = &reply.answers.first().expect("an answer").data;
        let RData::A(address) = data else { panic!("{data:?}") };
        IpAddr::V4(address.0)
    }

    /// Looks a name up and connects with TLS under that name.
    pub async fn connect(&self, name: &str) -> Connection {
        let address = self.look_up(name).await;
        self.connect_as(address, 443, name).await
    }

    /// Connects to an address with TLS under any name.
    pub async fn connect_as(&self, address: IpAddr, port: u16, name: &str) -> Connection {
        let stream = self.connect_tls(address, port, name, "http/1.1").await;
        Connection { stream: Box::new(stream), unread: Vec::new() }
    }

    /// Connects to an address with TLS for this protocol alone.
    pub async fn connect_tls(&self, address: IpAddr, port: u16, name: &str, protocol: &str) -> TlsStream<TcpStream> {
        let authority = CertificateDer::from_pem_slice(self.ca_pem.as_bytes()).unwrap();
        let stream = self.connect_trusting(authority, address, port, name, protocol).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
        stream
    }

    /// Looks a name up and connects as a pinned client does: to a host with a certificate of the upstreams' own authority, or not at all.
    pub async fn connect_pinned(&self, host: &str, name: &str) -> std::io::Result<Connection> {
        let stream = self.connect_trusting(self.upstream_ca.clone(), self.look_up(host).await, 443, name, "http/1.1").await?;
        Ok(Connection { stream: Box::new(stream), unread: Vec::new() })
    }

    async fn connect_trusting(
        &self,
        authority: CertificateDer<'static>,
        address: IpAddr,
        port: u16,
        name: &str,
        protocol: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_details(provider, Arc::new(FixedTime))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let tcp = self.dial(address, port).await;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        timeout(WAIT, tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp)).await.expect("a greeting in time")
    }

    /// Connects without TLS.
    pub async fn connect_plain(&self, address: IpAddr, port: u16) -> Connection {
        Connection { stream: Box::new(self.dial(address, port).await), unread: Vec::new() }
    }

    async fn dial(&self, address: IpAddr, port: u16) -> TcpStream {
        TcpStream::connect(self.listeners[&(address, port)]).await.unwrap()
    }

    /// One GET on a connection of its own.
    pub async fn get(&self, host: &str, target: &str, headers: &str) -> Reply {
        self.connect(host).await.ask(&format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n")).await
    }
}

/// TLS that trusts a devbox's authority alone.
fn tls(ca_pem: &str, protocol: &str) -> tokio_rustls::TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_details(provider, Arc::new(FixedTime))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    tokio_rustls::TlsConnector::from(Arc::new(config))
}

impl Connection {
    /// A connection to anywhere, without TLS.
    pub async fn to(address: std::net::SocketAddr) -> Self {
        Self { stream: Box::new(TcpStream::connect(address).await.unwrap()), unread: Vec::new() }
    }

    /// What follows on this connection goes through TLS under this name, with this devbox's authority.
    pub async fn begin_tls(self, ca_pem: &str, name: &str) -> Self {
        assert!(self.unread.is_empty());
        let name = ServerName::try_from(name.to_owned()).unwrap();
        Self { stream: Box::new(tls(ca_pem, "http/1.1").connect(name, self.stream).await.unwrap()), unread: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Sends a request and reads its reply.
    pub async fn ask(&mut self, request: &str) -> Reply {
        self.send(request).await;
        self.reply(request.starts_with("HEAD ")).await.expect("a reply")
    }

    /// The next reply; none when the connection ends without one.
    pub async fn reply(&mut self, is_head: bool) -> Option<Reply> {
        timeout(WAIT, self.read_reply(is_head)).await.expect("a reply in time")
    }

    async fn read_reply(&mut self, is_head: bool) -> Option<Reply> {
        let head_end = loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&self.unread.drain(..head_end).collect::<Vec<u8>>()).into_owned();
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut reply = Reply { status, head, body: Vec::new(), is_whole: true };
        if is_head || matches!(status, 100..=199 | 204 | 304) {
            return Some(reply);
        }
        if reply.header("transfer-encoding") == Some("chunked") {
            reply.is_whole = self.read_chunks(&mut reply.body).await.is_some();
        } else if let Some(length) = reply.header("content-length").map(|text| text.parse::<usize>().unwrap()) {
            while self.unread.len() < length {
                if self.more().await.is_none() {
                    reply.is_whole = false;
                    break;
                }
            }
            let take = length.min(self.unread.len());
            reply.body.extend(self.unread.drain(..take));
        } else {
            while self.more().await.is_some() {}
            reply.body.append(&mut self.unread);
        }
        Some(reply)
    }

    /// The next reply's head, as soon as it is there.
    pub async fn read_head(&mut self) -> String {
        self.read_until(b"\r\n\r\n").await;
        let end = find(&self.unread, b"\r\n\r\n").unwrap() + 4;
        String::from_utf8(self.unread.drain(..end).collect()).unwrap()
    }

    async fn read_chunks(&mut self, body: &mut Vec<u8>) -> Option<()> {
        loop {
            let line_end = loop {
                if let Some(at) = find(&self.unread, b"\r\n") {
                    break at;
                }
                self.more().await?;
            };
            let line: Vec<u8> = self.unread.drain(..line_end + 2).collect();
            let size = usize::from_str_radix(std::str::from_utf8(&line[..line_end]).unwrap(), 16).unwrap();
            while self.unread.len() < size + 2 {
                self.more().await?;
            }
            body.extend(self.unread.drain(..size));
            assert_eq!(self.unread.drain(..2).collect::<Vec<u8>>(), b"\r\n", "trailers came through");
            if size == 0 {
                return Some(());
            }
        }
    }

    /// Reads until these bytes have come, which are the next ones.
    pub async fn expect(&mut self, wanted: &[u8]) {
        timeout(WAIT, async {
            while self.unread.len() < wanted.len() {
                self.more().await.expect("more bytes");
            }
        })
        .await
        .expect("the bytes in time");
        let next: Vec<u8> = self.unread.drain(..wanted.len()).collect();
        assert_eq!(String::from_utf8_lossy(&next), String::from_utf8_lossy(wanted));
    }

    /// Reads until these bytes have come.
    pub async fn read_until(&mut self, wanted: &[u8]) {
        timeout(WAIT, async {
            while find(&self.unread, wanted).is_none() {
                self.more().await.expect("more bytes");
            }
        })
        .await
        .expect("the bytes in time");
    }

    /// Says nothing more.
    pub async fn end(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Everything until the connection ends.
    pub async fn rest(&mut self) -> Vec<u8> {
        timeout(WAIT, async { while self.more().await.is_some() {} }).await.expect("an end in time");
        std::mem::take(&mut self.unread)
    }

    /// What has come and was not read as a reply.
    pub fn rest_now(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unread)
    }

    async fn more(&mut self) -> Option<()> {
        let mut buffer = vec![0; 64 * 1024];
        let length = self.stream.read(&mut buffer).await.ok().filter(|length| *length > 0)?;
        self.unread.extend_from_slice(&buffer[..length]);
        Some(())
    }
}

/// For what must happen at once, on a machine that is busy.
const WAIT: Duration = Duration::from_secs(20);
