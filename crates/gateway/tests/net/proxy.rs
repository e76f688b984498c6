//! The forward proxy: who is taken for which devbox, what it takes, and that a tunnel is a connection of that devbox like any other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateway::{Attached, Authority};
use link::cli::NewRemote;
use model::gateway::HeaderKey;
use model::{Binding, DevboxId, Refusal, ShutdownReason};
use service::{GatewayPlan, NewCa, WantedContent, WantedHeader};

use tokio::sync::Notify;

use crate::client::{Connection, Reply};
use crate::installation::{START, secret_name};
use crate::upstream::{Step, always, echo, say};
use crate::world::{API, OTHER, Plan, VALUE, World, binding};

/// Somebody else's sandbox, and where the proxy listens.
pub struct Sandbox {
    proxy: SocketAddr,
    id: DevboxId,
    credential: String,
    ca_pem: String,
    token: String,
    /// Its gateways' tokens, and where they are.
    doors: Vec<(String, String)>,
    attached: Option<Attached>,
}

pub fn sandbox(world: &World, sources: &[&str]) -> Sandbox {
    sandbox_of(world, &world.house.owner_key, sources)
}

fn sandbox_of(world: &World, api_key: &str, sources: &[&str]) -> Sandbox {
    made(world, api_key, sources, &[])
}

/// With a gateway for each prefix: its config, and its secret.
fn made(world: &World, api_key: &str, sources: &[&str], gateways: &[(&str, &str, &str)]) -> Sandbox {
    let id = world.house.gate.make_devbox_id().unwrap();
    let authority = Authority::make(&id, START).unwrap();
    let ca_pem = authority.pem().to_owned();
    let ca = NewCa { devbox: id.clone(), pem: ca_pem.clone(), key: authority.key_der() };
    let sources: Vec<model::Network> = sources.iter().map(|network| network.parse().unwrap()).collect();
    let wanted = NewRemote {
        name: None,
        secrets: [("KEY".parse().unwrap(), secret_name("KEY"))].into(),
        gateways: crate::installation::wanted(&[], gateways).gateways,
        allow: Vec::new(),
        sources: sources.clone(),
        keep_alive_ms: 1000,
        gateway_url: None,
        bundle: "/b".into(),
        request: None,
    };
    let caller = world.house.gate.authenticate(Some(api_key)).unwrap();
    let made = world.house.gate.create_remote(&caller, wanted, ca, &[]).unwrap();
    let hash = vault::hash_token(made.credential.as_str());
    let token = made.placeholders[0].token.as_str().to_owned();
    let doors = made.placeholders.iter().skip(1).zip(&made.urls);
    let doors = doors.map(|(given, (_, url))| (given.token.as_str().to_owned(), url.clone())).collect();
    let attached = Some(world.net.attach_remote(made.card, authority, hash, sources));
    Sandbox { proxy: listen(world), id, credential: made.credential.as_str().to_owned(), ca_pem, token, doors, attached }
}

fn listen(world: &World) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Arc::clone(&world.net).serve_proxy(listener));
    address
}

impl Sandbox {
    pub async fn connection(&self) -> Connection {
        Connection::to(self.proxy).await
    }

    pub fn basic(&self) -> String {
        basic(&self.credential)
    }

    fn connect(&self, authority: &str) -> String {
        format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n{}\r\n", self.basic())
    }

    /// One CONNECT that is refused.
    async fn refused(&self, authority: &str) -> Reply {
        self.connection().await.ask(&self.connect(authority)).await
    }

    /// A tunnel to a host, with TLS for a name.
    pub async fn tunnel(&self, authority: &str, name: &str) -> Connection {
        let mut connection = self.connection().await;
        connection.send(self.connect(authority)).await;
        assert_eq!(connection.reply(true).await.unwrap().status, 200);
        connection.begin_tls(&self.ca_pem, name).await
    }

    /// A tunnel to a host's port 80.
    pub async fn plain_tunnel(&self, host: &str) -> Connection {
        let mut connection = self.connection().await;
        connection.send(self.connect(&format!("{host}:80"))).await;
        assert_eq!(connection.reply(true).await.unwrap().status, 200);
        connection
    }

    /// Its devbox is there no more.
    pub fn end(&mut self) {
        drop(self.attached.take());
    }

    async fn get(&self, host: &str, headers: &str) -> Reply {
        self.tunnel(&format!("{host}:443"), host).await.ask(&format!("GET / HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n")).await
    }

    pub fn bearer(&self) -> String {
        format!("authorization: Bearer {}\r\n", self.token)
    }
}

fn basic(credential: &str) -> String {
    format!("proxy-authorization: Basic {}\r\n", STANDARD.encode(format!("devbox:{credential}")))
}

async fn world() -> World {
    Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).upstream(OTHER, echo()).start().await
}

fn code(reply: &Reply) -> Option<String> {
    let code = reply.refusal();
    if let Some(code) = &code {
        let refusal = Refusal::ALL.into_iter().find(|refusal| refusal.code() == code).unwrap();
        assert_eq!(reply.status, refusal.status());
        assert_eq!(reply.header("proxy-authenticate"), (reply.status == 407).then_some("Basic realm=\"tightlip\""));
    }
    code
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_asked_for_its_credential_whatever_it_asks_for() {
    let world = world().await;
    let sandbox = sandbox(&world, &[]);
    for target in [&format!("CONNECT {API}:443"), "CONNECT 10.0.0.1:1", &format!("GET http://{API}/"), "GET /", "OPTIONS *"] {
        let request = |headers: &str| format!("{target} HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        let mut connection = sandbox.connection().await;
        assert_eq!(code(&connection.ask(&request("")).await).as_deref(), Some("proxy_credential_missing"), "{target}");
        // On the same connection, as git does.
        for headers in
            [basic("tlg_wrong"), basic(""), basic(&"x".repeat(2000)), format!("proxy-authorization: Bearer {}\r\n", sandbox.token)]
        {
            assert_eq!(code(&connection.ask(&request(&headers)).await).as_deref(), Some("proxy_credential_wrong"), "{target}");
        }
    }
    assert_eq!(world.upstreams[API].connections(), 0);
    assert!(world.recorded_refusals().is_empty(), "a stranger's refusals are nobody's events");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_too_often_is_told_to_stop_and_locks_nobody_out() {
    let world = world().await;
    let sandbox = sandbox(&world, &[]);
    let request = format!("CONNECT {API}:443 HTTP/1.1\r\nhost: {API}:443\r\n{}\r\n", basic("tlg_guessed"));
    let mut codes = Vec::new();
    while codes.last().is_none_or(|code| code == "proxy_credential_wrong") && codes.len() < 100 {
        let mut connection = sandbox.connection().await;
        let reply = connection.ask(&request).await;
        codes.push(code(&reply).unwrap());
        if reply.status == 429 {
            assert!(connection.rest().await.is_empty(), "the connection is closed");
        }
    }
    assert_eq!((codes.len(), codes.last().map(String::as_str)), (31, Some("limit_reached")));
    assert_eq!(sandbox.get(API, "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_does_not_ask_for_ever_without_a_credential() {
    let world = world().await;
    let sandbox = sandbox(&world, &[]);
    let mut connection = sandbox.connection().await;
    for _ in 0..8 {
        assert_eq!(connection.ask("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.status, 407);
    }
    assert!(connection.rest().await.is_empty(), "the connection is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_is_not_waited_for() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).idle(Duration::from_millis(200)).start().await;
    let sandbox = sandbox(&world, &[]);
    for bytes in ["", "CONNECT", "CONNECT api.example.com:443 HTTP/1.1\r\nhost: x\r\n"] {
        let mut connection = sandbox.connection().await;
        connection.send(bytes).await;
        connection.rest().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_places_for_strangers_loses_the_oldest_and_keeps_nobody_out() {
    let world = world().await;
    let sandbox = sandbox(&world, &[]);
    let mut known = sandbox.tunnel(&format!("{API}:443"), API).await;
    let mut silent = Vec::new();
    for _ in 0..257 {
        silent.push(sandbox.connection().await);
    }
    let begun = Instant::now();
    silent[0].rest().await;
    assert!(begun.elapsed() < Duration::from_secs(20), "it was sent away, and did not only run out of time: {:?}", begun.elapsed());
    assert_eq!(sandbox.get(API, "").await.status, 200);
    let request = format!("GET / HTTP/1.1\r\nhost: {API}\r\n\r\n");
    assert_eq!(known.ask(&request).await.status, 200, "who is known is no stranger");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_network_than_the_sandboxs_is_refused_and_recorded() {
    let world = world().await;
    let sandbox = sandbox(&world, &["10.0.0.0/8", "fd00::/64"]);
    let reply = sandbox.refused(&format!("{API}:443")).await;
    assert_eq!(code(&reply).as_deref(), Some("proxy_source_forbidden"));
    assert_eq!(world.recorded_refusals(), [Refusal::ProxySourceForbidden]);
    let here = self::sandbox(&world, &["10.0.0.0/8", "127.0.0.1"]);
    assert_eq!(here.get(API, "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_no_host_or_no_port_of_the_devboxs_gets_no_tunnel() {
    let world = world().await;
    let sandbox = sandbox(&world, &[]);
    for (authority, expected) in [
        ("127.0.0.1:443", "address_unmapped"),
        ("[::1]:443", "address_unmapped"),
        ("169.254.169.254:80", "address_unmapped"),
        ("2852039166:443", "address_unmapped"),
        (&format!("{API}:22"), "host_not_allowed"),
        (&format!("{OTHER}:8443"), "host_not_allowed"),
    ] {
        assert_eq!(code(&sandbox.refused(authority).await).as_deref(), Some(expected), "{authority}");
    }
    let two_names = format!("CONNECT {API}:443 HTTP/1.1\r\nhost: {OTHER}:443\r\n{}\r\n", sandbox.basic());
    assert_eq!(code(&sandbox.connection().await.ask(&two_names).await).as_deref(), Some("name_mismatch"));
    let content = format!("CONNECT {API}:443 HTTP/1.1\r\nhost: {API}:443\r\ncontent-length: 3\r\n{}\r\nabc", sandbox.basic());
    assert_eq!(code(&sandbox.connection().await.ask(&content).await).as_deref(), Some("request_malformed"));
    assert_eq!(world.upstreams[API].connections() + world.upstreams[OTHER].connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_host_is_refused_where_its_client_can_read_it() {
    let world = world().await;
    let sandbox = sandbox(&world, &[]);
    assert_eq!(code(&sandbox.get(OTHER, "").await).as_deref(), Some("host_not_allowed"));
    assert_eq!(code(&sandbox.get("metadata.example.com", "").await).as_deref(), Some("host_not_allowed"));
    assert_eq!(world.upstreams[OTHER].connections(), 0);
    assert_eq!(world.recorded_refusals().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_serves_one_name() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).upstream(OTHER, echo()).start().await;
    let sandbox = sandbox(&world, &[]);
    let get = |host: &str| format!("GET / HTTP/1.1\r\nhost: {host}\r\n{}\r\n", sandbox.bearer());
    let mut other_sni = sandbox.tunnel(&format!("{OTHER}:443"), API).await;
    assert_eq!(code(&other_sni.ask(&get(API)).await).as_deref(), Some("name_mismatch"));
    let mut other_host = sandbox.tunnel(&format!("{API}:443"), API).await;
    assert_eq!(code(&other_host.ask(&get(OTHER)).await).as_deref(), Some("name_mismatch"));
    let nested = format!("CONNECT {OTHER}:443 HTTP/1.1\r\nhost: {OTHER}:443\r\n{}\r\n", sandbox.basic());
    let mut inside = sandbox.tunnel(&format!("{API}:443"), API).await;
    assert_eq!(code(&inside.ask(&nested).await).as_deref(), Some("method_forbidden"));
    assert_eq!(world.upstreams[API].connections() + world.upstreams[OTHER].connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_answered_and_never_leaves() {
    let world = world().await;
    let sandbox = sandbox(&world, &[]);
    let mut connection = sandbox.connection().await;
    let mut ask = async |target: &str, host: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n{}{}\r\n", sandbox.basic(), sandbox.bearer());
        connection.ask(&request).await
    };
    let reply = ask(&format!("http://{API}/a?b=c"), API).await;
    assert_eq!((reply.status, reply.header("location")), (308, Some("https://api.example.com/a?b=c")));
    for (target, host, expected) in [
        (format!("http://{OTHER}/"), OTHER, "host_not_allowed"),
        (format!("http://{API}/"), OTHER, "name_mismatch"),
        ("http://10.0.0.1/".to_owned(), "10.0.0.1", "address_unmapped"),
        (format!("http://{API}:8080/"), API, "proxy_form_unknown"),
        (format!("https://{API}/"), API, "proxy_form_unknown"),
        ("/".to_owned(), API, "proxy_form_unknown"),
    ] {
        assert_eq!(code(&ask(&target, host).await).as_deref(), Some(expected), "{target}");
    }
    let mut port_80 = sandbox.connection().await;
    port_80.send(sandbox.connect(&format!("{API}:80"))).await;
    assert_eq!(port_80.reply(true).await.unwrap().status, 200);
    let reply = port_80.ask(&format!("GET /x HTTP/1.1\r\nhost: {API}\r\n{}\r\n", sandbox.bearer())).await;
    assert_eq!((reply.status, reply.header("location")), (308, Some("https://api.example.com/x")));
    assert_eq!(world.upstreams[API].connections() + world.upstreams[OTHER].connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_leaves_for_a_bound_port_80_and_its_reply_is_whole() {
    let on_80 = |host| model::Binding { port: 80, ..crate::world::binding(host) };
    let plan = Plan::default().secret("KEY", VALUE, vec![on_80(API), on_80(OTHER)]);
    let world = plan.plain(API, echo()).plain(OTHER, echo()).start().await;
    let sandbox = sandbox(&world, &[]);
    let mut connection = sandbox.connection().await;
    for host in [API, API, OTHER, API] {
        let request = format!("GET http://{host}/x HTTP/1.1\r\nhost: {host}\r\n{}{}\r\n", sandbox.basic(), sandbox.bearer());
        let reply = connection.ask(&request).await;
        assert_eq!((reply.status, reply.is_whole), (200, true), "{reply:?}");
        assert!(reply.text().contains(&sandbox.token) && !reply.text().contains(VALUE));
    }
    let (seen, other) = (world.received("api.example.com:80"), world.received("other.example.com:80"));
    assert!(seen.iter().chain(&other).all(|seen| seen.contains(VALUE) && !seen.to_lowercase().contains("proxy-")), "{seen:?}");
    assert_eq!((seen.len(), other.len(), world.upstreams["api.example.com:80"].connections()), (3, 1, 2), "one after the other");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_devboxs_placeholder_is_refused() {
    let world = world().await;
    let sandbox = sandbox(&world, &[]);
    let reply = sandbox.get(API, &world.bearer("KEY")).await;
    assert_eq!(code(&reply).as_deref(), Some("token_foreign"));
    assert_eq!(code(&world.get(API, "/", &sandbox.bearer()).await).as_deref(), Some("token_foreign"));
    assert_eq!(world.upstreams[API].connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placeholder_is_swapped_and_the_reply_scrubbed_and_the_proxys_credential_stays() {
    let world = world().await;
    let sandbox = sandbox(&world, &[]);
    let reply = sandbox.get(API, &format!("{}{}proxy-connection: keep-alive\r\n", sandbox.bearer(), sandbox.basic())).await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().contains(&sandbox.token) && !reply.text().contains(VALUE));
    let received = world.received(API);
    assert!(received[0].contains(&format!("authorization: Bearer {VALUE}\r\n")), "{}", received[0]);
    assert!(!received[0].to_lowercase().contains("proxy-") && !received[0].contains(&sandbox.credential));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_answered_on_the_same_connection_and_bearer_is_taken_too() {
    let world = world().await;
    let sandbox = sandbox(&world, &[]);
    let mut connection = sandbox.connection().await;
    let bare = format!("CONNECT {API}:443 HTTP/1.1\r\nhost: {API}:443\r\n\r\n");
    assert_eq!(code(&connection.ask(&bare).await).as_deref(), Some("proxy_credential_missing"));
    let shown = format!("CONNECT {API}:443 HTTP/1.1\r\nproxy-authorization: Bearer {}\r\n\r\n", sandbox.credential);
    connection.send(shown).await;
    assert_eq!(connection.reply(true).await.unwrap().status, 200);
    let mut tunnel = connection.begin_tls(&sandbox.ca_pem, API).await;
    assert_eq!(tunnel.ask(&format!("GET / HTTP/1.1\r\nhost: {API}\r\n\r\n")).await.status, 200);
    let old = format!("CONNECT {API}:443 HTTP/1.0\r\n{}\r\n", sandbox.basic());
    let mut connection = sandbox.connection().await;
    connection.send(old).await;
    assert_eq!(connection.reply(true).await.unwrap().status, 200, "as Python's http.client asks");
    let mut tunnel = connection.begin_tls(&sandbox.ca_pem, API).await;
    assert_eq!(tunnel.ask(&format!("GET / HTTP/1.1\r\nhost: {API}\r\n\r\n")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_devboxs_end_ends_its_tunnels_and_its_credential() {
    let told = Arc::new(Notify::new());
    let endless = vec![say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nbegun\n\r\n"), Step::Wait(told)];
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(endless)).start().await;
    let mut sandbox = sandbox(&world, &[]);
    let mut idle = sandbox.tunnel(&format!("{API}:443"), API).await;
    let mut busy = sandbox.tunnel(&format!("{API}:443"), API).await;
    busy.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", sandbox.bearer())).await;
    busy.read_until(b"begun").await;
    let begun = Instant::now();
    drop(sandbox.attached.take());
    assert!(!busy.rest().await.ends_with(b"0\r\n\r\n") && idle.rest().await.is_empty());
    assert!(begun.elapsed() < WITHIN, "{:?}", begun.elapsed());
    let at = world.house.gate.hosted(&world.house.owner.id, &sandbox.id).unwrap().created();
    world.house.gate.transition(&sandbox.id, model::DevboxStatus::Shutdown, None, Some(ShutdownReason::ApiShutdown), at).unwrap();
    assert_eq!(code(&sandbox.refused(&format!("{API}:443")).await).as_deref(), Some("proxy_credential_wrong"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_secret_cuts_what_carries_it_through_a_tunnel() {
    let endless = vec![say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nbegun\n\r\n"), Step::Wait(Arc::default())];
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(endless)).start().await;
    let sandbox = sandbox(&world, &[]);
    let mut busy = sandbox.tunnel(&format!("{API}:443"), API).await;
    busy.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", sandbox.bearer())).await;
    busy.read_until(b"begun").await;
    let begun = Instant::now();
    world.delete("KEY");
    assert!(!busy.rest().await.ends_with(b"0\r\n\r\n"));
    assert!(begun.elapsed() < WITHIN, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_api_key_takes_its_credential_along() {
    let world = world().await;
    let plan = service::KeyPlan { name: "ci".parse().unwrap(), scopes: model::Scopes::all(), life: None };
    let key = world.house.make_key(&world.house.owner_key, plan).unwrap();
    let sandbox = sandbox_of(&world, &key.credential, &[]);
    assert_eq!(sandbox.get(API, "").await.status, 200);
    world.house.house.revoke_key(&world.house.caller(), &key.key.id).unwrap();
    assert_eq!(code(&sandbox.refused(&format!("{API}:443")).await).as_deref(), Some("proxy_credential_wrong"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_has_its_base_url_behind_the_proxy_for_its_own_sandbox_alone() {
    let world = world().await;
    world.house.config("api", &format!("https://{API}/v1"), model::Mechanism::Bearer, &[]);
    let sandbox = made(&world, &world.house.owner_key, &[], &[("MY_API", "api", "KEY")]);
    let [(token, url)] = &sandbox.doors[..] else { panic!("one gateway") };
    assert_eq!(url, "https://my-api.gateway.internal");
    let door = url.strip_prefix("https://").unwrap();
    let bearer = |token: &str| format!("authorization: Bearer {token}\r\n");
    assert_eq!(code(&sandbox.get(door, "").await).as_deref(), Some("gateway_token_missing"));
    assert_eq!(code(&sandbox.get(door, &bearer(&sandbox.token)).await).as_deref(), Some("host_not_bound"));
    let other = self::sandbox(&world, &[]);
    assert!(code(&other.get(door, &bearer(token)).await).is_some(), "it is no gateway of this one's");
    let mut plain = sandbox.connection().await;
    let request = format!("GET http://{door}/x HTTP/1.1\r\nhost: {door}\r\n{}{}\r\n", sandbox.basic(), bearer(token));
    assert!(code(&plain.ask(&request).await).is_some(), "its token is asked for over TLS only");
    assert_eq!(world.upstreams[API].connections(), 0);
    let reply = sandbox.get(door, &bearer(token)).await;
    assert_eq!((reply.status, code(&reply)), (200, None));
    let seen = &world.received(API)[0];
    assert!(seen.starts_with("GET /v1/ HTTP/1.1\r\n") && seen.contains(&bearer(VALUE)) && !seen.contains(token), "{seen}");
    assert!(!reply.text().contains(VALUE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configs_own_headers_lead_no_value_past_its_binding_and_ask_for_no_reply_that_cannot_be_read() {
    let narrow = Binding { path: "/safe".parse().unwrap(), methods: "GET".parse().unwrap(), ..binding(API) };
    let world = Plan::default().secret("KEY", VALUE, vec![narrow]).upstream(API, echo()).start().await;
    let names = [
        "X-HTTP-Method-Override",
        "x_original_url",
        "x-goog-copy-source",
        "a-im",
        "want-digest",
        "connect-accept-encoding",
        "accept-charset",
        "x-own",
    ];
    // As one that was stored before these names were refused.
    let header = |name: &&str| WantedHeader {
        name: HeaderKey::try_from((*name).to_owned()).unwrap(),
        content: WantedContent::Text("planted".parse().unwrap()),
    };
    let config = GatewayPlan {
        name: "api".parse().unwrap(),
        endpoint: format!("https://{API}/safe").parse().unwrap(),
        mechanism: model::Mechanism::Bearer,
        headers: names.iter().map(header).collect(),
        description: None,
    };
    world.house.house.gateways().create(&world.house.caller(), config).unwrap();
    let sandbox = made(&world, &world.house.owner_key, &[], &[("MY_API", "api", "KEY")]);
    let [(token, url)] = &sandbox.doors[..] else { panic!("one gateway") };
    let reply = sandbox.get(url.strip_prefix("https://").unwrap(), &format!("authorization: Bearer {token}\r\n")).await;
    assert_eq!((reply.status, code(&reply)), (200, None));
    let seen = world.received(API)[0].to_ascii_lowercase();
    let planted: Vec<&str> = seen.lines().filter(|line| line.ends_with("planted")).collect();
    assert_eq!(planted, ["x-own: planted"], "{seen}");
    assert!(seen.contains(&VALUE.to_ascii_lowercase()), "{seen}");
}

/// In which a revocation is in force.
const WITHIN: Duration = Duration::from_secs(1);
