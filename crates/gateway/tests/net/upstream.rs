//! Upstreams that say exactly the bytes they are told to, and remember every byte they were sent.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// An authority of upstreams.
pub struct Trust {
    issuer: Issuer<'static, KeyPair>,
    pub certificate: CertificateDer<'static>,
}

/// One thing that an upstream does in answer to a request.
#[derive(Clone)]
pub enum Step {
    /// Write these bytes and flush them.
    Say(Vec<u8>),
    /// From here on, give back every frame of a WebSocket, until one closes.
    EchoFrames,
    /// Wait until told.
    Wait(Arc<Notify>),
    /// Close the connection.
    Close,
}

/// What an upstream answers to a request, given as it was received.
pub type Script = Arc<dyn Fn(&str) -> Vec<Step> + Send + Sync>;

/// An end of a connection, with TLS or without.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}
pub type AnyStream = Box<dyn Stream>;

/// What an upstream does with each connection, where it is more than to answer.
pub type Hand = Arc<dyn Fn(AnyStream, Arc<Mutex<Seen>>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A hand out of an asynchronous function.
pub fn hand<F: Future<Output = ()> + Send + 'static>(serve: impl Fn(AnyStream, Arc<Mutex<Seen>>) -> F + Send + Sync + 'static) -> Hand {
    Arc::new(move |stream, seen| Box::pin(serve(stream, seen)))
}

/// A hand that answers by a script.
pub fn scripted(script: Script) -> Hand {
    hand(move |stream, seen| converse(stream, Arc::clone(&script), seen))
}

/// What an upstream has seen.
#[derive(Default, Debug)]
pub struct Seen {
    pub connections: usize,
    /// Connections that were closed here and then by the gateway as well.
    pub closed: usize,
    /// Connections that broke while something was said on them.
    pub broken: usize,
    pub requests: Vec<String>,
    /// Told when open connections are to be ended (HTTP/2).
    pub end: Arc<Notify>,
}

#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<Seen>>,
}

impl Trust {
    pub fn make() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// An upstream with a certificate for `host`, that negotiates `protocol` where it is asked to.
    pub async fn upstream(&self, host: &str, protocol: &str, hand: Hand) -> Upstream {
        let (listener, acceptor) = self.listen(host, &[protocol]).await;
        serve(listener, Some(acceptor), hand)
    }

    /// A listener on loopback, and TLS with a certificate for `host`.
    pub async fn listen(&self, host: &str, protocols: &[&str]) -> (TcpListener, TlsAcceptor) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TlsAcceptor::from(Arc::new(config)))
    }
}

impl Upstream {
    pub fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().requests.clone()
    }

    pub fn closed(&self) -> usize {
        self.seen.lock().unwrap().closed
    }

    /// Waits until the gateway has closed a connection that was closed here.
    pub async fn until_closed(&self, said: &str) {
        self.until(said, |seen| seen.closed > 0).await;
    }

    /// Waits for something to be seen.
    pub async fn until(&self, said: &str, happened: impl Fn(&Seen) -> bool) {
        let waiting = async {
            while !happened(&self.seen.lock().unwrap()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(WAIT, waiting).await.is_err() {
            panic!("{said}: {:?}", self.seen.lock().unwrap());
        }
    }

    pub fn broken(&self) -> usize {
        self.seen.lock().unwrap().broken
    }

    /// Ends the connections that are open (HTTP/2).
    pub fn close_all(&self) {
        self.seen.lock().unwrap().end.notify_waiters();
    }

    pub fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }
}

/// An upstream without TLS.
pub async fn plain_upstream(hand: Hand) -> Upstream {
    serve(TcpListener::bind("127.0.0.1:0").await.unwrap(), None, hand)
}

fn serve(listener: TcpListener, acceptor: Option<TlsAcceptor>, hand: Hand) -> Upstream {
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Seen::default()));
    tokio::spawn(accept(listener, acceptor, hand, Arc::clone(&seen)));
    Upstream { address, seen }
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, hand: Hand, seen: Arc<Mutex<Seen>>) {
    while let Ok((stream, _)) = listener.accept().await {
        // What a script says in pieces does not wait for what acknowledges the piece before.
        stream.set_nodelay(true).expect("a socket of ours");
        seen.lock().unwrap().connections += 1;
        let (acceptor, hand, seen) = (acceptor.clone(), Arc::clone(&hand), Arc::clone(&seen));
        tokio::spawn(async move {
            match acceptor {
                None => hand(Box::new(stream), seen).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        hand(Box::new(stream), seen).await;
                    }
                }
            }
        });
    }
}

async fn converse(mut stream: AnyStream, script: Script, seen: Arc<Mutex<Seen>>) {
    let mut unread = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut unread).await {
        seen.lock().unwrap().requests.push(request.clone());
        for step in script(&request) {
            match step {
                Step::Say(bytes) => {
                    if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                        seen.lock().unwrap().broken += 1;
                        return;
                    }
                }
                Step::Wait(told) => told.notified().await,
                Step::EchoFrames => {
                    while let Some((first, payload)) = read_frame(&mut stream, &mut unread).await {
                        seen.lock().unwrap().requests.push(String::from_utf8_lossy(&payload).into_owned());
                        if stream.write_all(&frame(first, &payload)).await.is_err() || stream.flush().await.is_err() || first & 0x0f == 8 {
                            break;
                        }
                    }
                    seen.lock().unwrap().closed += 1;
                    return;
                }
                Step::Close => {
                    let _ = stream.shutdown().await;
                    while more(&mut stream, &mut unread).await.is_some() {}
                    seen.lock().unwrap().closed += 1;
                    return;
                }
            }
        }
    }
}

/// One request with its body as framed. Strict on purpose: what it would read in two ways fails the test.
pub async fn read_request(stream: &mut AnyStream, unread: &mut Vec<u8>) -> Option<String> {
    let head_end = loop {
        if let Some(at) = find(unread, b"\r\n\r\n") {
            break at + 4;
        }
        more(stream, unread).await?;
    };
    let head = String::from_utf8(unread.drain(..head_end).collect()).unwrap();
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")).map(|text| text.parse::<usize>().unwrap());
    let chunked = lower.contains("transfer-encoding: chunked");
    assert!(!(chunked && length.is_some()), "two framings reached the upstream:\n{head}");
    let mut body = Vec::new();
    if chunked {
        loop {
            let line_end = loop {
                if let Some(at) = find(unread, b"\r\n") {
                    break at;
                }
                more(stream, unread).await?;
            };
            let line: Vec<u8> = unread.drain(..line_end + 2).collect();
            let size = usize::from_str_radix(std::str::from_utf8(&line[..line_end]).unwrap(), 16).unwrap();
            while unread.len() < size + 2 {
                more(stream, unread).await?;
            }
            body.extend(unread.drain(..size));
            unread.drain(..2);
            if size == 0 {
                break;
            }
        }
    }
    while body.len() < length.unwrap_or(0) {
        if unread.is_empty() {
            more(stream, unread).await?;
        }
        let take = (length.unwrap_or(0) - body.len()).min(unread.len());
        body.extend(unread.drain(..take));
    }
    Some(head + &String::from_utf8_lossy(&body))
}

/// A frame of a client: its first byte, and its payload without the mask. Short ones only.
async fn read_frame(stream: &mut AnyStream, unread: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    while unread.len() < 6 || unread.len() < 6 + usize::from(unread[1] & 0x7f) {
        more(stream, unread).await?;
    }
    assert!(unread[1] & 0x80 != 0 && unread[1] & 0x7f < 126, "a client masks");
    let bytes: Vec<u8> = unread.drain(..6 + usize::from(unread[1] & 0x7f)).collect();
    let payload = bytes[6..].iter().zip(bytes[2..6].iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Some((bytes[0], payload))
}

/// A frame of a host.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    [&[first, u8::try_from(payload.len()).unwrap()], payload].concat()
}

/// A frame of a client.
pub fn masked_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame(first, payload);
    bytes[1] |= 0x80;
    let mask = [7, 77, 177, 222];
    let hidden = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    bytes.splice(2.., mask.into_iter().chain(hidden));
    bytes
}

pub async fn more(stream: &mut AnyStream, unread: &mut Vec<u8>) -> Option<()> {
    let mut buffer = vec![0; 64 * 1024];
    let length = stream.read(&mut buffer).await.ok().filter(|length| *length > 0)?;
    unread.extend_from_slice(&buffer[..length]);
    Some(())
}

pub fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// A whole reply with a body of known length.
pub fn plain(body: &str) -> Step {
    Step::Say(format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

/// Answers every request with the same steps.
pub fn always(steps: Vec<Step>) -> Script {
    Arc::new(move |_| steps.clone())
}

/// Answers with the request itself as the body.
pub fn echo() -> Script {
    Arc::new(|request| vec![plain(request)])
}

pub fn say(bytes: impl AsRef<[u8]>) -> Step {
    Step::Say(bytes.as_ref().to_vec())
}

/// For what must happen at once, on a machine that is busy.
const WAIT: Duration = Duration::from_secs(20);
