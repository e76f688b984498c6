//! The upstream's address and the connection to it: resolved once after the decision, every address checked, dialled as checked; or the operator's own proxy,
//! which resolves by itself (record 0032).

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::{AlertDescription, ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use model::{Host, Refusal};

use crate::greet::{Destination, Scheme};
use crate::upstream::{H2, HTTP_1_1};
use crate::upstreams::Spoken;

pub mod proxy;

use proxy::UpstreamProxy;

/// Dials upstreams.
pub(crate) struct Dialer {
    resolve: HashMap<(Host, u16), SocketAddr>,
    proxy: Option<UpstreamProxy>,
    /// For a devbox that speaks HTTP/1.1, and so has no use for HTTP/2 but where there is nothing else.
    http1: TlsConnector,
    http2_only: TlsConnector,
    either: TlsConnector,
    connect: Duration,
    /// Lookups that may wait at the same time.
    lookups: Arc<Semaphore>,
}

/// A connection to an upstream, as its scheme wants it.
pub(crate) enum Wire {
    /// For http.
    Plain(TcpStream),
    /// For https: the certificate names the host.
    Tls(Box<TlsStream<TcpStream>>),
}

/// How a host is reached.
enum Route {
    /// At one of these addresses.
    Direct(Vec<SocketAddr>),
    /// Through the operator's proxy.
    Proxy,
}

/// Why no dialer was made.
#[derive(Debug, thiserror::Error)]
pub enum DialerError {
    /// A certificate of `upstream_ca` is none.
    #[error("a certificate of upstream_ca is not one of an authority")]
    Authority(#[source] rustls::Error),
    /// TLS cannot be set up.
    #[error("failed to set up TLS towards upstreams")]
    Tls(#[source] rustls::Error),
}

impl Dialer {
    /// A dialer that trusts the system's authorities and `upstream_ca`.
    pub(crate) fn new(
        resolve: HashMap<(Host, u16), SocketAddr>,
        upstream_ca: &[CertificateDer<'static>],
        proxy: Option<UpstreamProxy>,
        connect: Duration,
    ) -> Result<Self, DialerError> {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        if native.certs.is_empty() {
            tracing::warn!("this machine has no certificate authorities; upstreams are checked with upstream_ca only");
        }
        roots.add_parsable_certificates(native.certs);
        for certificate in upstream_ca {
            roots.add(certificate.clone()).map_err(DialerError::Authority)?;
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(DialerError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let speaking = |protocols: &[&[u8]]| {
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            TlsConnector::from(Arc::new(config.clone()))
        };
        let [http1, http2_only, either] = [&[HTTP_1_1][..], &[H2], &[H2, HTTP_1_1]].map(speaking);
        let lookups = Arc::new(Semaphore::new(LOOKUPS_MAX));
        Ok(Self { resolve, proxy, http1, http2_only, either, connect, lookups })
    }

    /// A connection to the destination, with TLS where its scheme has it.
    pub(crate) async fn dial(&self, to: &Destination, spoken: Spoken) -> Result<Wire, Refusal> {
        let dialled = async {
            match to.scheme {
                Scheme::Http => self.reach(&to.host, to.port).await.map(Wire::Plain),
                Scheme::Https => self.dial_tls(&to.host, to.port, spoken).await.map(|stream| Wire::Tls(Box::new(stream))),
            }
        };
        timeout(self.connect, dialled).await.unwrap_or(Err(Refusal::UpstreamTimeout))
    }

    /// A connection to a host on which others than we speak TLS.
    pub(crate) async fn dial_unseen(&self, host: &Host, port: u16) -> Result<TcpStream, Refusal> {
        timeout(self.connect, self.reach(host, port)).await.unwrap_or(Err(Refusal::UpstreamTimeout))
    }

    async fn reach(&self, host: &Host, port: u16) -> Result<TcpStream, Refusal> {
        let route = self.route(host, port).await?;
        self.follow(&route, host, port).await
    }

    /// A TLS connection to the host, whose certificate names it; for HTTP/2 where the devbox speaks it and the host does, or where the host speaks nothing else.
    async fn dial_tls(&self, host: &Host, port: u16, spoken: Spoken) -> Result<TlsStream<TcpStream>, Refusal> {
        let name = ServerName::try_from(host.as_str().to_owned()).map_err(|_| Refusal::UpstreamUnresolved)?;
        let route = self.route(host, port).await?;
        let greet = async |tls: &TlsConnector| {
            let tcp = self.follow(&route, host, port).await.map_err(Greeting::Refused)?;
            tls.connect(name.clone(), tcp).await.map_err(|error| why_no_tls(&error))
        };
        let greeted = match spoken {
            Spoken::Http2 => greet(&self.either).await,
            Spoken::Http1 => match greet(&self.http1).await {
                Err(Greeting::OtherProtocol) => greet(&self.http2_only).await,
                greeted => greeted,
            },
        };
        greeted.map_err(|failed| match failed {
            Greeting::Refused(refusal) => refusal,
            Greeting::OtherProtocol => Refusal::UpstreamBroken,
        })
    }

    /// The way to a host: the address that the operator named, unchecked; else the operator's proxy, where there is one for the host; else the host's own
    /// addresses, each checked.
    async fn route(&self, host: &Host, port: u16) -> Result<Route, Refusal> {
        if let Some(named) = self.resolve.get(&(host.clone(), port)) {
            return Ok(Route::Direct(vec![*named]));
        }
        match &self.proxy {
            // The proxy resolves: of the address nothing is known here but what the name says.
            Some(proxy) if proxy.is_for(host) && host.is_local() => Err(Refusal::AddressForbidden),
            Some(proxy) if proxy.is_for(host) => Ok(Route::Proxy),
            Some(_) | None => self.addresses(host, port).await.map(Route::Direct),
        }
    }

    async fn follow(&self, route: &Route, host: &Host, port: u16) -> Result<TcpStream, Refusal> {
        let stream = match (route, &self.proxy) {
            (Route::Direct(addresses), _) => connect(addresses, self.connect).await?,
            (Route::Proxy, Some(proxy)) => {
                let (name, own_port) = proxy.place();
                let addresses = self.look_up(name.to_owned(), own_port).await?.map_err(|_| Refusal::UpstreamProxyRefused)?;
                let stream = connect(&addresses, self.connect).await.map_err(|_| Refusal::UpstreamProxyRefused)?;
                proxy.open(stream, host, port).await?
            }
            (Route::Proxy, None) => return Err(Refusal::Undecided),
        };
        stream.set_nodelay(true).map_err(|_| Refusal::UpstreamUnreachable)?;
        Ok(stream)
    }

    /// The host's own addresses, each checked.
    async fn addresses(&self, host: &Host, port: u16) -> Result<Vec<SocketAddr>, Refusal> {
        let resolved = self.look_up(host.as_str().to_owned(), port).await?;
        let addresses = resolved.map_err(|_| Refusal::UpstreamUnresolved)?;
        if addresses.is_empty() {
            return Err(Refusal::UpstreamUnresolved);
        }
        if !addresses.iter().all(|address| is_public(address.ip())) {
            return Err(Refusal::AddressForbidden);
        }
        #[cfg(feature = "faults")]
        if service::faults::is_seeded(service::faults::Fault::Unpinned) {
            tokio::time::sleep(Duration::from_millis(100)).await;
            return self.look_up(host.as_str().to_owned(), port).await?.map_err(|_| Refusal::UpstreamUnresolved);
        }
        Ok(addresses)
    }

    /// Asks the machine's resolver.
    async fn look_up(&self, name: String, port: u16) -> Result<io::Result<Vec<SocketAddr>>, Refusal> {
        // The place is given back when the lookup ends, not when somebody stops waiting for it.
        let place = Arc::clone(&self.lookups).acquire_owned().await.map_err(|_| Refusal::Undecided)?;
        let look_up = move || {
            let _place = place;
            (name.as_str(), port).to_socket_addrs().map(Vec::from_iter)
        };
        tokio::task::spawn_blocking(look_up).await.map_err(|_| Refusal::Undecided)
    }
}

/// The first address that accepts. Each has its share of the time, so that one that is silent does not take it all.
async fn connect(addresses: &[SocketAddr], whole: Duration) -> Result<TcpStream, Refusal> {
    let share = whole / u32::try_from(addresses.len().clamp(1, 4)).unwrap_or(1);
    for address in addresses {
        if let Ok(Ok(stream)) = timeout(share, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    Err(Refusal::UpstreamUnreachable)
}

/// Why there is no TLS connection.
enum Greeting {
    Refused(Refusal),
    /// The host speaks none of the protocols that it was offered.
    OtherProtocol,
}

fn why_no_tls(error: &io::Error) -> Greeting {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => Greeting::OtherProtocol,
        Some(rustls::Error::InvalidCertificate(_)) => Greeting::Refused(Refusal::UpstreamUntrusted),
        Some(_) => Greeting::Refused(Refusal::UpstreamBroken),
        None => Greeting::Refused(Refusal::UpstreamUnreachable),
    }
}

/// A lookup waits on a thread for as long as a silent name server likes; decisions and revocations need threads of the same pool.
const LOOKUPS_MAX: usize = 64;

/// Whether an address is one of the public internet: in none of the special registries (RFC 6890 and what was added since), and hiding no other address.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !V4_SPECIAL.iter().any(|(network, bits)| v4.to_bits() >> (32 - bits) == network.to_bits() >> (32 - bits)),
        IpAddr::V6(v6) => {
            let global = v6.to_bits() >> 125 == 1;
            global && !V6_SPECIAL.iter().any(|(network, bits)| v6.to_bits() >> (128 - bits) == network.to_bits() >> (128 - bits))
        }
    }
}

/// IANA's IPv4 special-purpose registry, multicast, and the addresses where clouds keep their metadata.
const V4_SPECIAL: [(Ipv4Addr, u32); 18] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 52, 193, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(192, 175, 48, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// Inside 2000::/3, the only global unicast space: protocol assignments (Teredo and ORCHID among them), documentation, 6to4 and SRv6. What embeds an IPv4
/// address elsewhere (mapped, NAT64) is outside 2000::/3 already.
const V6_SPECIAL: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

#[cfg(test)]
#[path = "dial/tests.rs"]
mod tests;
