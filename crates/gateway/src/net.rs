//! The network part as a whole: what it is made from, and the devboxes attached to it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use service::{DevboxCard, Gate};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use model::{Host, Network, TokenHash};

use crate::activity::Activity;
use crate::body::BODIES_MAX;
use crate::ca::{Authority, AuthorityError};
use crate::dial::proxy::UpstreamProxy;
use crate::dial::{Dialer, DialerError};
use crate::listen::{self, DECISIONS_MAX, Devbox};
use crate::names::{Names, Synthetic};
use crate::proxy;
use crate::remotes::{Enrolled, Remotes};
use crate::room::{Room, RoomSize};
use crate::seats::Seats;
use crate::tags::Tags;
use crate::watch::{self, Watch};

/// What the operator says about the network.
#[derive(Clone, Debug)]
pub struct NetConfig {
    /// Hosts and ports that are dialled at a named address, unchecked: the operator's exceptions.
    pub resolve: HashMap<(Host, u16), SocketAddr>,
    /// Authorities trusted for upstreams beside the system's.
    pub upstream_ca: Vec<CertificateDer<'static>>,
    /// The operator's own proxy, through which upstreams are reached.
    pub proxy: Option<UpstreamProxy>,
    /// How long each thing may take.
    pub timeouts: Timeouts,
    /// Where the addresses that stand for names begin.
    pub synthetic: Synthetic,
    /// What one devbox may have at a time.
    pub room: RoomSize,
    /// The file that says where the api answers, for links to its pages; none: there are no links.
    pub pages: Option<PathBuf>,
}

/// How long each thing may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// A devbox's TLS handshake.
    pub greeting: Duration,
    /// From the end of one exchange to the whole head of the next request.
    pub idle: Duration,
    /// Resolving, connecting to and greeting an upstream, all together.
    pub connect: Duration,
    /// From the last piece of a request to the head of its reply. Model providers think for minutes.
    pub head: Duration,
    /// Between two pieces of a reply's body.
    pub body_idle: Duration,
}

/// The network part of one gateway.
pub struct Net {
    pub(crate) gate: Arc<Gate>,
    pub(crate) dialer: Dialer,
    pub(crate) timeouts: Timeouts,
    pub(crate) seats: Arc<Seats>,
    /// Others' sandboxes, which come in by the forward proxy.
    pub(crate) remotes: Arc<Remotes>,
    /// The file that says where the api answers.
    pub(crate) pages: Option<PathBuf>,
    /// Who uses the gateway.
    pub(crate) activity: Arc<Activity>,
    synthetic: Synthetic,
    room: RoomSize,
}

/// A devbox's connection to the world. When it is dropped, every task and connection of the devbox ends.
#[must_use = "the devbox's network ends when this is dropped"]
pub struct Attached {
    // First: nobody is let in for a devbox whose connections are being ended.
    _enrolled: Option<Enrolled>,
    _root: AbortOnDropHandle<()>,
}

/// Why the network part or a devbox's share of it was not made.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The upstreams' trust could not be loaded.
    #[error("failed to load the authorities that upstreams are checked with")]
    Trust(#[from] DialerError),
    /// The devbox's authority cannot sign.
    #[error("failed to prepare the devbox's certificates")]
    Authority(#[from] AuthorityError),
    /// A listener cannot be used.
    #[error("failed to use a devbox's listener")]
    Listener(#[source] std::io::Error),
}

impl NetConfig {
    /// The operator's exceptions with this version's timeouts and address book.
    #[must_use]
    pub fn new(resolve: HashMap<(Host, u16), SocketAddr>, upstream_ca: Vec<CertificateDer<'static>>) -> Self {
        Self {
            resolve,
            upstream_ca,
            proxy: None,
            timeouts: Timeouts::default(),
            synthetic: Synthetic::default(),
            room: RoomSize::default(),
            pages: None,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            greeting: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            connect: Duration::from_secs(15),
            head: Duration::from_secs(600),
            body_idle: Duration::from_secs(600),
        }
    }
}

impl Net {
    /// Makes the network part; reads the system's authorities once.
    ///
    /// # Errors
    /// When a certificate of `upstream_ca` cannot be used.
    pub fn new(config: NetConfig, gate: Arc<Gate>) -> Result<Arc<Self>, NetError> {
        let NetConfig { resolve, upstream_ca, proxy, timeouts, synthetic, room, pages } = config;
        Ok(Arc::new(Self {
            gate,
            dialer: Dialer::new(resolve, &upstream_ca, proxy, timeouts.connect)?,
            timeouts,
            seats: Seats::of_this_process(),
            remotes: Arc::default(),
            pages,
            activity: Activity::new(),
            synthetic,
            room,
        }))
    }

    /// Serves a devbox on its listeners: `tcp` with the port that each stands for, `dns` on port 53. Runs on the current tokio runtime.
    ///
    /// # Errors
    /// When a listener or the devbox's authority cannot be used.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn attach(
        self: &Arc<Self>,
        card: DevboxCard,
        authority: Authority,
        tcp: Vec<(u16, TcpListener)>,
        dns: Vec<UdpSocket>,
    ) -> Result<Attached, NetError> {
        let devbox = self.devbox(card, authority);
        warn_of_contradictions(&devbox);
        let root = listen::serve(devbox, tcp, dns).map_err(NetError::Listener)?;
        Ok(Attached { _enrolled: None, _root: AbortOnDropHandle::new(tokio::spawn(root)) })
    }

    /// Serves somebody else's sandbox at the forward proxy: whoever shows the credential of this hash from one of these networks, or from anywhere where there is
    /// none. Runs on the current tokio runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn attach_remote(
        self: &Arc<Self>,
        card: DevboxCard,
        authority: Authority,
        credential: TokenHash,
        sources: Vec<Network>,
    ) -> Attached {
        let devbox = self.devbox(card, authority);
        warn_of_contradictions(&devbox);
        let root = watch::run(Arc::clone(&devbox));
        let enrolled = self.remotes.enrol(devbox, credential, sources);
        Attached { _enrolled: Some(enrolled), _root: AbortOnDropHandle::new(tokio::spawn(root)) }
    }

    /// Serves the forward proxy on this listener until the process ends.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub async fn serve_proxy(self: Arc<Self>, listener: TcpListener) -> io::Result<Infallible> {
        proxy::serve(self, listener).await
    }

    fn devbox(self: &Arc<Self>, card: DevboxCard, authority: Authority) -> Arc<Devbox> {
        let room = Room::new(self.room, Arc::clone(&self.seats), card.account.clone(), self.timeouts.connect);
        let devbox = Arc::new(Devbox {
            net: Arc::clone(self),
            card,
            authority,
            names: Names::new(self.synthetic),
            watch: Watch::default(),
            tags: Tags::new(),
            is_cautious: Arc::default(),
            room,
            turns: Arc::new(Semaphore::new(DECISIONS_MAX)),
            bodies: Arc::new(Semaphore::new(BODIES_MAX)),
        });
        let weak = Arc::downgrade(&devbox);
        self.gate.show(weak);
        devbox
    }
}

/// Says where a secret of the devbox is bound to a host whose connections were to pass unseen: they do not, for this devbox.
fn warn_of_contradictions(devbox: &Arc<Devbox>) {
    let devbox = Arc::clone(devbox);
    tokio::task::spawn_blocking(move || {
        for name in devbox.net.gate.contradictions(&devbox.card) {
            tracing::warn!(devbox = %devbox.card.devbox, secret = %name, "a secret is bound to a host of [gateway] pass_through; it is intercepted for this devbox");
        }
    });
}
