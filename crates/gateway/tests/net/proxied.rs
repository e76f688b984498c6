//! The operator's own proxy: a tunnel to the decided host, with TLS end to end; what it does not open is a refusal of its own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateway::{ProxyCredentials, UpstreamProxy};
use model::{Binding, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::upstream::{Step, always, echo, frame, masked_frame, say};
use crate::world::{API, OTHER, Plan, VALUE, World, binding};

/// A proxy on loopback that notes every byte before a tunnel, and every byte that goes through one.
struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    book: HashMap<String, SocketAddr>,
    asked: Vec<String>,
    passed: Vec<u8>,
    /// What it says instead of opening a tunnel.
    says: Option<Vec<u8>>,
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::<Mutex<State>>::default());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(tunnel(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    fn says(&self, bytes: impl AsRef<[u8]>) {
        self.state.lock().unwrap().says = Some(bytes.as_ref().to_vec());
    }

    /// Learns the way to a world's upstreams.
    fn learn(&self, world: &World) {
        let places = world.upstreams.iter().map(|(host, upstream)| {
            let authority = if host.contains(':') { host.clone() } else { format!("{host}:443") };
            (authority, upstream.address)
        });
        self.state.lock().unwrap().book = places.collect();
    }

    fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    fn setting(&self, credentials: Option<&str>, no_proxy: &[&str]) -> UpstreamProxy {
        let credentials = credentials.map(|text| ProxyCredentials::parse(text).unwrap());
        let no_proxy = no_proxy.iter().map(|pattern| pattern.parse().unwrap()).collect();
        UpstreamProxy::new(self.address.ip().to_string(), self.address.port(), credentials, no_proxy)
    }
}

async fn tunnel(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let head = String::from_utf8(head).unwrap();
    let authority = head.split(' ').nth(1).unwrap().to_owned();
    let (says, to) = {
        let mut state = state.lock().unwrap();
        state.asked.push(head);
        (state.says.clone(), state.book.get(&authority).copied())
    };
    if let Some(says) = says {
        let _ = stream.write_all(&says).await;
        // Whoever waits for more waits for ever.
        return std::future::pending().await;
    }
    let mut upstream = TcpStream::connect(to.expect("a known host")).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 Connection established\r\nvia: a proxy\r\n\r\n").await.unwrap();
    let (mut from, mut to) = stream.split();
    let (mut upstream_from, mut upstream_to) = upstream.split();
    let noting = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length) = from.read(&mut buffer).await
            && length > 0
        {
            state.lock().unwrap().passed.extend_from_slice(&buffer[..length]);
            if upstream_to.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
        let _ = upstream_to.shutdown().await;
    };
    tokio::select! {
        () = noting => {}
        _ = tokio::io::copy(&mut upstream_from, &mut to) => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_proxy_does_not_open_is_refused_by_its_own_code() {
    for says in [
        "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm=\"x\"\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\n\r\nnot reached",
        "HTTP/1.1 301 Moved\r\nlocation: https://api.example.com/\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nand words before anybody spoke",
        "SSH-2.0-OpenSSH_9.0\r\n\r\n",
    ] {
        let proxy = Proxy::start().await;
        proxy.says(says);
        let world =
            Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).by_proxy(API).proxy(proxy.setting(None, &[])).start().await;
        let reply = world.get(API, "/", &world.bearer("KEY")).await;
        assert_eq!((reply.refusal().as_deref(), reply.status), (Some("upstream_proxy_refused"), 502), "{says}");
        assert!(reply.text().contains("upstream_proxy") && reply.header("proxy-authenticate").is_none(), "{reply:?}");
        assert_eq!(proxy.asked(), ["CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n"]);
        assert_eq!((world.upstreams[API].connections(), world.recorded_refusals()), (0, vec![Refusal::UpstreamProxyRefused]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_away_or_silent_is_told() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = UpstreamProxy::new(nobody.ip().to_string(), nobody.port(), None, vec![]);
    let world = Plan::default().bound("KEY", VALUE, API).proxy(away).start().await;
    assert_eq!(world.get(API, "/", "").await.refusal().as_deref(), Some("upstream_proxy_refused"));
    for begun in ["", "HTTP/1.1 200 "] {
        let proxy = Proxy::start().await;
        proxy.says(begun);
        let limit = Duration::from_millis(300);
        let world = Plan::default().bound("KEY", VALUE, API).proxy(proxy.setting(None, &[])).connecting(limit).start().await;
        assert_eq!(world.get(API, "/", "").await.refusal().as_deref(), Some("upstream_timeout"), "{begun:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_lead_inside_by_their_form_are_not_asked_for() {
    let proxy = Proxy::start().await;
    let plan = Plan::default().proxy(proxy.setting(None, &["localhost"]));
    let world = plan.allow("intranet").allow("localhost").allow("*.google.internal").start().await;
    for host in ["intranet", "localhost", "metadata.google.internal"] {
        assert_eq!(world.get(host, "/", "").await.refusal().as_deref(), Some("address_forbidden"), "{host}");
    }
    assert_eq!(world.get("denied.example.com", "/", "").await.refusal().as_deref(), Some("host_not_allowed"));
    assert!(proxy.asked().is_empty(), "{:?}", proxy.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_certificate_is_checked_through_the_proxy() {
    let proxy = Proxy::start().await;
    let plan = Plan::default().bound("KEY", VALUE, API).stranger(API, echo()).upstream(OTHER, echo()).by_proxy(API);
    let world = plan.proxy(proxy.setting(None, &[])).start().await;
    proxy.learn(&world);
    assert_eq!(world.get(API, "/", &world.bearer("KEY")).await.refusal().as_deref(), Some("upstream_untrusted"));
    let elsewhere = world.upstreams[OTHER].address;
    proxy.state.lock().unwrap().book.insert(format!("{API}:443"), elsewhere);
    assert_eq!(world.get(API, "/", &world.bearer("KEY")).await.refusal().as_deref(), Some("upstream_untrusted"));
    assert!(world.received(API).is_empty() && world.received(OTHER).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_through_a_tunnel_in_which_the_proxy_sees_nothing() {
    let proxy = Proxy::start().await;
    let plan = Plan::default().secret("KEY", VALUE, vec![binding(API), binding(OTHER)]).upstream(API, echo()).upstream(OTHER, echo());
    let world = plan.by_proxy(API).proxy(proxy.setting(Some("bob:the-proxys-password"), &[])).start().await;
    proxy.learn(&world);
    let mut connection = world.connect(API).await;
    for _ in 0..2 {
        let reply = connection.ask(&format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))).await;
        assert!(reply.status == 200 && reply.text().contains(&world.token("KEY")) && !reply.text().contains(VALUE), "{reply:?}");
    }
    let seen = world.received(API);
    assert!(seen.iter().all(|seen| seen.contains(VALUE) && !seen.to_lowercase().contains("proxy")), "{seen:?}");
    let credentials = "Ym9iOnRoZS1wcm94eXMtcGFzc3dvcmQ=";
    let asked = format!("CONNECT {API}:443 HTTP/1.1\r\nHost: {API}:443\r\nProxy-Authorization: Basic {credentials}\r\n\r\n");
    assert_eq!(proxy.asked(), [asked], "one tunnel for one connection");
    let passed = proxy.state.lock().unwrap().passed.clone();
    assert!(!passed.is_empty() && !passed.windows(8).any(|window| VALUE.as_bytes().starts_with(window)));
    assert_eq!(world.get(OTHER, "/", &world.bearer("KEY")).await.status, 200, "what the operator named is dialled directly");
    assert_eq!(proxy.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_protocol_goes_through_the_proxy() {
    let proxy = Proxy::start().await;
    let told = crate::http2::service(|request| async move {
        http::Response::new(crate::http2::body(request.headers()["authorization"].as_bytes().to_vec(), None))
    });
    let agree = say("HTTP/1.1 101 Switching\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
    let pinned = "pinned.example.com";
    let world = Plan::default()
        .secret("KEY", VALUE, vec![binding(API), Binding { port: 80, ..binding(API) }, binding(OTHER)])
        .http2(API, told)
        .plain(API, echo())
        .upstream(OTHER, always(vec![agree, Step::EchoFrames]))
        .upstream(pinned, echo())
        .by_proxy(API)
        .by_proxy(OTHER)
        .by_proxy(pinned)
        .pass_through(pinned)
        .allow(pinned)
        .proxy(proxy.setting(None, &[]))
        .start()
        .await;
    proxy.learn(&world);
    let token = world.token("KEY");
    let reply = world.connect_http2(API).await.get(API, "/", Some(&token)).await;
    assert_eq!((reply.status, reply.text()), (200, format!("Bearer {token}")));
    let request = format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"));
    assert_eq!(world.connect_plain(world.look_up(API).await, 80).await.ask(&request).await.status, 200);
    assert!(world.received("api.example.com:80")[0].contains(VALUE));
    let mut socket = world.connect(OTHER).await;
    socket
        .send(format!("GET / HTTP/1.1\r\nhost: {OTHER}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n{}\r\n", world.bearer("KEY")))
        .await;
    assert_eq!(socket.reply(false).await.unwrap().status, 101);
    socket.send(masked_frame(0x81, b"hello")).await;
    socket.expect(&frame(0x81, b"hello")).await;
    let mut unseen = world.connect_pinned(pinned, pinned).await.unwrap();
    assert_eq!(unseen.ask(&format!("GET / HTTP/1.1\r\nhost: {pinned}\r\n\r\n")).await.status, 200);
    let mut asked: Vec<String> = proxy.asked().iter().map(|head| head.split(' ').nth(1).unwrap().to_owned()).collect();
    asked.sort();
    assert_eq!(asked, ["api.example.com:443", "api.example.com:80", "other.example.com:443", "pinned.example.com:443"]);
    world.delete("KEY");
    socket.rest().await;
}
