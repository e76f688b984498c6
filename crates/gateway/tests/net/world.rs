//! One devbox, its upstreams, and the real service between.
//!
//! In a devbox every address leads to its listeners. Here they listen on some of the loopback network's addresses, and names stand for exactly those.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use gateway::{Attached, Authority, Net, NetConfig, RoomSize, Synthetic, UpstreamProxy};
use model::{Binding, EventKind, Host, HostPattern, Scopes};
use rustls_pki_types::CertificateDer;
use service::{DevboxCard, KeyPlan};

use crate::http2::{self, Service};
use crate::installation::{Installation, START, secret_name, value};
use crate::upstream::{Hand, Script, Trust, Upstream, plain_upstream, scripted};

pub struct World {
    pub house: Arc<Installation>,
    pub net: Arc<Net>,
    pub card: DevboxCard,
    pub ca_pem: String,
    pub dns: SocketAddr,
    pub listeners: HashMap<(IpAddr, u16), SocketAddr>,
    pub upstreams: HashMap<String, Upstream>,
    pub attached: Option<Attached>,
    /// The authority of its upstreams.
    pub upstream_ca: CertificateDer<'static>,
}

/// What a world is made of.
#[derive(Default)]
pub struct Plan {
    upstreams: Vec<(String, u16, String, Hand)>,
    plain: Vec<(String, Hand)>,
    strangers: Vec<(String, Script)>,
    http2: Vec<(String, Service)>,
    named: Vec<(String, SocketAddr)>,
    secrets: Vec<(String, String, Vec<Binding>)>,
    allow: Vec<String>,
    idle: Option<Duration>,
    connecting: Option<Duration>,
    proxy: Option<UpstreamProxy>,
    pass_through: Vec<HostPattern>,
    by_proxy: Vec<String>,
    room: RoomSize,
}

/// A value of no known kind.
pub const VALUE: &str = "Zq7-a+value/that_is.a=secret~0123456789";
pub const API: &str = "api.example.com";
pub const OTHER: &str = "other.example.com";

impl Plan {
    /// A host whose upstream speaks by this script.
    pub fn upstream(self, host: &str, script: Script) -> Self {
        self.by_hand(host, scripted(script))
    }

    pub fn upstream_on(mut self, host: &str, port: u16, protocol: &str, script: Script) -> Self {
        self.upstreams.push((host.to_owned(), port, protocol.to_owned(), scripted(script)));
        self
    }

    /// A host whose upstream does as this hand does.
    pub fn by_hand(mut self, host: &str, hand: Hand) -> Self {
        self.upstreams.push((host.to_owned(), 443, "http/1.1".to_owned(), hand));
        self
    }

    /// A host's port 80, without TLS; it is known as `host:80`.
    pub fn plain(self, host: &str, script: Script) -> Self {
        self.plain_by_hand(host, scripted(script))
    }

    pub fn plain_by_hand(mut self, host: &str, hand: Hand) -> Self {
        self.plain.push((host.to_owned(), hand));
        self
    }

    /// The operator's own proxy, and the hosts that are dialled without it.
    pub fn proxy(mut self, proxy: UpstreamProxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// A host whose address nobody but the proxy knows.
    pub fn by_proxy(mut self, host: &str) -> Self {
        self.by_proxy.push(host.to_owned());
        self
    }

    /// Hosts whose connections pass unseen.
    pub fn pass_through(mut self, pattern: &str) -> Self {
        self.pass_through.push(pattern.parse().unwrap());
        self
    }

    /// A host whose upstream speaks HTTP/2 only.
    pub fn http2(mut self, host: &str, service: Service) -> Self {
        self.http2.push((host.to_owned(), service));
        self
    }

    /// A host whose upstream has a certificate of an authority that nobody trusts.
    pub fn stranger(mut self, host: &str, script: Script) -> Self {
        self.strangers.push((host.to_owned(), script));
        self
    }

    /// A host that the operator has put at an address.
    pub fn at(mut self, host: &str, address: SocketAddr) -> Self {
        self.named.push((host.to_owned(), address));
        self
    }

    /// A secret bound to a host, in place of its token.
    pub fn bound(self, name: &str, value: &str, host: &str) -> Self {
        self.secret(name, value, vec![binding(host)])
    }

    pub fn secret(mut self, name: &str, value: &str, bindings: Vec<Binding>) -> Self {
        self.secrets.push((name.to_owned(), value.to_owned(), bindings));
        self
    }

    pub fn allow(mut self, pattern: &str) -> Self {
        self.allow.push(pattern.to_owned());
        self
    }

    /// What a devbox may have at a time.
    pub fn room(mut self, room: RoomSize) -> Self {
        self.room = room;
        self
    }

    /// How long the gateway takes to reach a host.
    pub fn connecting(mut self, limit: Duration) -> Self {
        self.connecting = Some(limit);
        self
    }

    /// How long the gateway waits for a greeting and for a head.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    pub async fn start(self) -> World {
        let trust = Trust::make();
        let (mut upstreams, mut resolve) = (HashMap::new(), HashMap::new());
        for (host, hand) in self.plain {
            let upstream = plain_upstream(hand).await;
            resolve.insert((host.parse().unwrap(), 80), upstream.address);
            upstreams.insert(format!("{host}:80"), upstream);
        }
        for (host, port, protocol, hand) in self.upstreams {
            let upstream = trust.upstream(&host, &protocol, hand).await;
            resolve.insert((host.parse::<Host>().unwrap(), port), upstream.address);
            upstreams.insert(host, upstream);
        }
        for (host, script) in self.strangers {
            let upstream = Trust::make().upstream(&host, "http/1.1", scripted(script)).await;
            resolve.insert((host.parse().unwrap(), 443), upstream.address);
            upstreams.insert(host, upstream);
        }
        for (host, service) in self.http2 {
            let upstream = http2::upstream(&trust, &host, service).await;
            resolve.insert((host.parse().unwrap(), 443), upstream.address);
            upstreams.insert(host, upstream);
        }
        for (host, address) in self.named {
            resolve.insert((host.parse().unwrap(), 443), address);
        }
        let house = Arc::new(Installation::passing_through(self.pass_through, Default::default()));
        for (name, value, bindings) in &self.secrets {
            house.store(name, value);
            for binding in bindings {
                house.gate.bind(&house.admin_key, &house.caller(), &secret_name(name), binding.clone()).unwrap();
            }
        }
        for host in self.by_proxy {
            resolve.retain(|(known, _), _| known.as_str() != host);
        }
        let names: Vec<&str> = self.secrets.iter().map(|(name, ..)| name.as_str()).collect();
        let allow: Vec<&str> = self.allow.iter().map(String::as_str).collect();
        let card = house.open(Some(&names), &allow).unwrap().card;
        let mut config = NetConfig::new(resolve, vec![trust.certificate.clone()]);
        config.synthetic = Synthetic { v4: Ipv4Addr::new(127, 77, 0, 0), ..Synthetic::default() };
        config.timeouts.connect = self.connecting.unwrap_or(Duration::from_secs(10));
        config.proxy = self.proxy;
        config.room = self.room;
        config.timeouts.head = Duration::from_secs(3);
        if let Some(idle) = self.idle {
            (config.timeouts.idle, config.timeouts.greeting) = (idle, idle);
        }
        let net = Net::new(config, Arc::clone(&house.gate)).unwrap();
        attach(house, net, card, upstreams, trust.certificate)
    }
}

fn attach(
    house: Arc<Installation>,
    net: Arc<Net>,
    card: DevboxCard,
    upstreams: HashMap<String, Upstream>,
    upstream_ca: CertificateDer<'static>,
) -> World {
    let authority = Authority::make(&card.devbox, START).unwrap();
    let ca_pem = authority.pem().to_owned();
    let (mut tcp, mut listeners) = (Vec::new(), HashMap::new());
    for number in 0..NAMES {
        let address = Ipv4Addr::new(127, 77, 1, number);
        for port in [443, 80, 8443] {
            let listener = TcpListener::bind((address, 0)).unwrap();
            listeners.insert((IpAddr::V4(address), port), listener.local_addr().unwrap());
            tcp.push((port, listener));
        }
    }
    let dns = UdpSocket::bind("127.0.0.1:0").unwrap();
    let dns_address = dns.local_addr().unwrap();
    let attached = net.attach(card.clone(), authority, tcp, vec![dns]).unwrap();
    World { house, net, card, ca_pem, dns: dns_address, listeners, upstreams, attached: Some(attached), upstream_ca }
}

impl World {
    /// Another devbox of the same gateway, with these secrets.
    pub fn neighbour(&self, names: &[&str]) -> Self {
        self.neighbour_with(names, &[])
    }

    /// Another one that may reach these hosts too.
    pub fn neighbour_with(&self, names: &[&str], allow: &[&str]) -> Self {
        let card = self.house.open(Some(names), allow).unwrap().card;
        attach(Arc::clone(&self.house), Arc::clone(&self.net), card, self.upstreams.clone(), self.upstream_ca.clone())
    }

    /// The placeholder of a secret.
    pub fn token(&self, name: &str) -> String {
        self.card.grants.iter().find(|held| held.name.as_str() == name).unwrap().token.as_str().to_owned()
    }

    /// The placeholder of a secret as a bearer's header line.
    pub fn bearer(&self, name: &str) -> String {
        format!("authorization: Bearer {}\r\n", self.token(name))
    }

    pub fn received(&self, host: &str) -> Vec<String> {
        self.upstreams[host].requests()
    }

    /// The kinds of the gateway's events, oldest first.
    pub fn kinds(&self) -> Vec<EventKind> {
        self.house.kinds()
    }

    /// The refusals that the gateway has written down.
    pub fn recorded_refusals(&self) -> Vec<model::Refusal> {
        self.house.gate.flush().unwrap();
        let query = store::EventQuery { account: self.house.owner.id.clone(), name: None, after: 0, limit: 1000 };
        self.house.ledger.events(&query).unwrap().into_iter().filter_map(|chained| chained.event.refusal).collect()
    }

    pub fn update(&self, name: &str, new: &str) {
        self.house.house.secrets().update(&self.house.caller(), &secret_name(name), value(new)).unwrap();
    }

    /// Revokes the API key with which the devbox was opened.
    pub fn revoke_key(&self) {
        let plan = KeyPlan { name: "another".parse().unwrap(), scopes: Scopes::all(), life: None };
        let another = self.house.make_key(&self.house.owner_key, plan).unwrap();
        let by = self.house.house.authenticate(Some(&another.credential)).unwrap();
        self.house.house.revoke_key(&by, &self.card.key).unwrap();
    }

    /// Removes a secret's explicit bindings.
    pub fn unbind(&self, name: &str) {
        self.house.gate.unbind(&self.house.admin_key, &self.house.caller(), &secret_name(name), None).unwrap();
    }

    pub fn delete(&self, name: &str) {
        self.house.house.secrets().delete(&self.house.caller(), &secret_name(name)).unwrap();
    }
}

pub fn binding(host: &str) -> Binding {
    Binding::to_host(host.parse().unwrap())
}

/// Names that a test may look up; the address after them stands for none.
const NAMES: u8 = 6;
