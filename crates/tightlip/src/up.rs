//! `tightlip up`: everything is looked at before anything is changed or started, then the supervisor takes over.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use link::Listener;
use model::Clock;
use model::binding::HTTPS_PORT;
use serde::Serialize;

use service::anchor::AnchorError;

use crate::anchor::{self, Rollback, Standing};
use crate::child::Policy;
use crate::config::ways::{self, CredentialsError, Ways};
use crate::config::{Config, ConfigError, LISTEN_DEFAULT, TlsConfig};
use crate::detached;
use crate::folder::{DataFolder, FolderError, Lock, Presence};
use crate::restore;
use crate::root::{self, RootError};
use crate::setup::{self, FirstRun, SetupError};
use crate::supervisor::{self, SupervisorError};

/// What `up` was asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The data folder, where one was named.
    pub data: Option<PathBuf>,
    /// Where the api is to listen, where that was named.
    pub listen: Option<SocketAddr>,
    /// Where the forward proxy is to listen, where that was named.
    pub gateway: Option<SocketAddr>,
    /// Stop when nobody has used the server for so long.
    pub idle_exit: Option<Duration>,
    /// Where a passphrase comes from.
    pub passphrase: root::Source,
    /// Secrets that are bound to no host stand in devboxes of the API's as they are.
    pub plain_env_for_unbound: bool,
    /// What becomes of a data folder that is older than its anchor.
    pub rollback: Rollback,
}

/// A server that is ready.
#[derive(Clone, Debug, Serialize)]
pub struct Ready {
    /// The api's base address.
    pub url: String,
    /// The same with TLS, where there is a port for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https_url: Option<String>,
    /// Where the forward proxy for others' sandboxes listens, where it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<SocketAddr>,
    /// Whether other machines reach it without TLS too.
    #[serde(skip)]
    pub is_open: bool,
    /// The data folder.
    pub data: PathBuf,
    /// The supervisor's process id.
    pub pid: u32,
    /// Whether this start made the data folder.
    #[serde(skip)]
    pub first_run: bool,
    /// Whether the root key comes from a passphrase.
    #[serde(skip)]
    pub has_passphrase: bool,
    /// What the gateway was told to allow.
    #[serde(skip)]
    pub policy: Policy,
    /// How it stands about the anchor.
    #[serde(skip)]
    pub anchor: Standing,
    /// The ways out beside the direct one.
    #[serde(skip)]
    pub ways: Ways,
    /// The variable that names a proxy which is not followed.
    #[serde(skip)]
    pub ignored_proxy: Option<&'static str>,
    /// This program, for the commands to try next.
    #[serde(skip)]
    pub program: PathBuf,
}

/// Why there is no server. Unless it says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no root key.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The data folder's contents cannot be used, or could not be made.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The data folder is not what the anchor tells of.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// Another program has the port.
    #[error("port {} of {} is in use by another program; name another {}, such as {}", address.port(), address.ip(), port.setting(), port.example(*address))]
    PortInUse {
        /// The address.
        address: SocketAddr,
        /// Which of ours.
        port: Port,
    },
    /// The address is not one of ours, or the port is closed to us.
    #[error("failed to listen on {address}; name another address {}", port.setting())]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Which of ours.
        port: Port,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The certificate or key of the TLS port.
    #[error(transparent)]
    Tls(#[from] api::TlsError),
    /// The certificates of `[gateway] upstream_ca`.
    #[error("failed to use [gateway] upstream_ca")]
    UpstreamCa(#[source] gateway::process::CertificatesError),
    /// The user and password for `[gateway] upstream_proxy`.
    #[error("failed to use [gateway] upstream_proxy_credentials")]
    ProxyCredentials(#[source] CredentialsError),
    /// A child did not start or did not stay, or the system refused.
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    /// The starter of a detached server is gone, or the terminal is.
    #[error("failed to say that the server is ready")]
    Announce(#[source] io::Error),
}

/// A port of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Without TLS.
    Clear,
    /// With TLS.
    Tls,
    /// The gateway's, for others' sandboxes.
    Proxy,
}

impl Port {
    /// How an operator names another.
    const fn setting(self) -> &'static str {
        match self {
            Self::Clear => "with --listen",
            Self::Tls => "with `tls_listen` in tightlip.toml",
            Self::Proxy => "with --gateway",
        }
    }

    fn example(self, taken: SocketAddr) -> String {
        let other = SocketAddr::new(taken.ip(), taken.port().wrapping_add(1));
        match self {
            Self::Clear => format!("--listen {other}"),
            Self::Tls => format!("\"{other}\""),
            Self::Proxy => format!("--gateway {other}"),
        }
    }
}

impl UpError {
    /// The process's exit code.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Folder(FolderError::Locked { .. }) => 6,
            Self::Root(error) => error.exit_code(),
            Self::Anchor(error) if error.is_tampering() => 10,
            Self::Setup(SetupError::Schema { .. }) => 10,
            Self::Folder(
                FolderError::NoHome
                | FolderError::NotText
                | FolderError::TooLong
                | FolderError::NotAFolder(_)
                | FolderError::ForeignOwner { .. }
                | FolderError::NotOurs(_)
                | FolderError::Io { .. },
            )
            | Self::Config(_)
            | Self::Setup(_)
            | Self::Anchor(_)
            | Self::PortInUse { .. }
            | Self::Listen { .. }
            | Self::Tls(_)
            | Self::UpstreamCa(_)
            | Self::ProxyCredentials(_)
            | Self::Supervisor(_)
            | Self::Announce(_) => 1,
        }
    }
}

/// Serves the data folder until a signal stops it. `announce` is called once, when both children are ready.
///
/// # Errors
/// When the server could not start, or could not go on.
pub fn up(options: &Options, announce: impl FnOnce(&Ready) -> io::Result<()>) -> Result<(), UpError> {
    crate::logging::start();
    crate::logging::warn_of_unknown_words();
    let folder = DataFolder::locate(options.data.as_deref())?;
    let early = match folder.look()? {
        Presence::Present => lock_unless_detached(&folder, options)?,
        Presence::Absent => None,
    };
    if early.is_some() {
        restore::finish(&folder)?;
    }
    let config = load(&folder)?;
    let (socket, address) = bind(options.listen.or(config.listen).unwrap_or(LISTEN_DEFAULT), Port::Clear)?;
    let tls = config.tls.as_ref().map(|port| open_tls(port, &folder)).transpose()?;
    // A server that a command started for itself goes by itself, and nobody's sandbox may depend on it.
    let proxy = options.gateway.or(config.gateway).filter(|_| options.idle_exit.is_none()).map(listen_proxy).transpose()?;
    let is_open = |address: SocketAddr| !address.ip().is_loopback();
    let is_reached = is_open(address) || tls.as_ref().is_some_and(|(_, address, _)| is_open(*address));
    let defaults = api::RateLimits::defaults(is_reached);
    if let (Some(port), Some(file)) = (&config.tls, options.passphrase.path()) {
        port.files.folders(&file.canonicalize().unwrap_or(file))?;
    }
    let root = root::find(&folder, &options.passphrase)?;
    folder.make()?;
    let lock = match early {
        Some(lock) => lock,
        None => detached::take_over(&folder)?,
    };
    let (first_run, root_key, opened) = setup::ensure(&folder, root, &config, &service::SystemClock)?;
    let anchor = anchor::begin(&folder, &config, &opened, first_run, options.rollback, &service::SystemClock)?;
    let pin = opened.into_pin();
    let ready = Ready {
        url: base_url(address),
        https_url: tls.as_ref().map(|(_, address, name)| https_url(*address, name.as_deref())),
        gateway: proxy.as_ref().map(|(_, address)| *address),
        is_open: is_open(address),
        data: folder.path().to_owned(),
        pid: std::process::id(),
        first_run: first_run != FirstRun::No,
        has_passphrase: root_key.is_some(),
        anchor,
        policy: Policy { plain_env_for_unbound: options.plain_env_for_unbound, accept_pairings: config.accept_pairings },
        ignored_proxy: ways::proxy_variable().filter(|_| config.ways.proxy.is_none()),
        ways: config.ways.clone(),
        program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("tightlip")),
    };
    // What a server that was killed left behind.
    remove(&folder.address());
    let plan = supervisor::Plan {
        gateway_socket: local_socket(&folder.socket())?,
        control_socket: local_socket(&folder.control_socket())?,
        root_key,
        pin,
        api_socket: socket,
        tls_socket: tls.map(|(socket, _, _)| socket),
        proxy_socket: proxy.map(|(socket, _)| socket),
        rates: api::RateLimits {
            key: config.key_requests_per_second.unwrap_or(defaults.key),
            address: config.address_requests_per_second.unwrap_or(defaults.address),
        },
        url: ready.url.clone(),
        devboxes: config.devboxes.unwrap_or(!is_reached),
        policy: ready.policy,
        config,
        lock,
        idle_exit: options.idle_exit,
        folder: &folder,
    };
    supervisor::supervise(plan, || announce(&ready))
}

/// The configuration, with the files that it names looked at: what is wrong with them is said before anything is made.
fn load(folder: &DataFolder) -> Result<Config, UpError> {
    let config = Config::load(&folder.config())?;
    if let Some(path) = &config.upstream_ca {
        gateway::process::read_certificates(path).map_err(UpError::UpstreamCa)?;
    }
    if let Some(proxy) = config.ways.proxy.clone() {
        proxy.open().map_err(UpError::ProxyCredentials)?;
    }
    Ok(config)
}

/// The folder's lock; none where a server that a command started for itself holds it and this one, which a person started, is to take its place.
fn lock_unless_detached(folder: &DataFolder, options: &Options) -> Result<Option<Lock>, FolderError> {
    match folder.lock() {
        Err(FolderError::Locked { pid: Some(pid), .. }) if options.idle_exit.is_none() && detached::is_one(pid) => Ok(None),
        locked => locked.map(Some),
    }
}

/// A bound socket that does not listen yet, and its address. The api listens on it once it has confined itself.
fn bind(address: SocketAddr, port: Port) -> Result<(OwnedFd, SocketAddr), UpError> {
    let bound = api::Bound::to(address).map_err(|source| unbound(address, port, source))?;
    let address = bound.addr().map_err(|source| unbound(address, port, source))?;
    Ok((bound.into(), address))
}

/// The forward proxy's socket, which listens from now on: what connects while the gateway is started again waits.
fn listen_proxy(address: SocketAddr) -> Result<(OwnedFd, SocketAddr), UpError> {
    let listener = TcpListener::bind(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = listener.map_err(|source| unbound(address, Port::Proxy, source))?;
    Ok((listener.into(), address))
}

fn unbound(address: SocketAddr, port: Port, source: io::Error) -> UpError {
    let is_taken = source.kind() == io::ErrorKind::AddrInUse;
    if is_taken { UpError::PortInUse { address, port } } else { UpError::Listen { address, port, source } }
}

/// The bound socket of the TLS port, its address, and the name under which clients may reach it, once its certificate and key were found good.
fn open_tls(port: &TlsConfig, folder: &DataFolder) -> Result<(OwnedFd, SocketAddr, Option<String>), UpError> {
    let gateway = folder.path().canonicalize().map_or_else(|_| folder.gateway(), |real| real.join("gateway"));
    port.files.folders(&gateway)?;
    let identity = port.files.read()?;
    if let Some(warning) = identity.warning(service::SystemClock.now()) {
        tracing::warn!("{warning}");
    }
    let (socket, address) = bind(port.listen, Port::Tls)?;
    Ok((socket, address, identity.names().iter().find(|name| !name.starts_with('*')).cloned()))
}

/// A child's local socket, listening: it stays while the child is started again, so that people's tools wait instead of failing.
fn local_socket(path: &Path) -> Result<Listener, UpError> {
    remove(path);
    Listener::bind(path).map_err(|source| SupervisorError::Link(source).into())
}

/// Removes a file that the lock's holder alone may have made. Whether it was there does not matter.
fn remove(path: &Path) {
    let _absent = std::fs::remove_file(path);
}

/// How the api is reached with TLS: by the certificate's first name where it has one.
fn https_url(address: SocketAddr, name: Option<&str>) -> String {
    let name = name.map_or_else(|| here(address), str::to_owned);
    if address.port() == HTTPS_PORT { format!("https://{name}") } else { format!("https://{name}:{}", address.port()) }
}

/// How the api is reached from this machine.
fn base_url(address: SocketAddr) -> String {
    format!("http://{}:{}", here(address), address.port())
}

/// The host of a URL that leads to this address from this machine.
fn here(address: SocketAddr) -> String {
    let here = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    match here {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_is_reached_over_loopback() {
        for (address, url) in [("0.0.0.0:1", "http://127.0.0.1:1"), ("[::]:2", "http://[::1]:2"), ("10.0.0.1:3", "http://10.0.0.1:3")] {
            assert_eq!(base_url(address.parse().expect("an address")), url);
        }
    }

    #[test]
    fn a_port_with_tls_is_named_as_its_certificate_is() {
        let url = |address: &str, name| https_url(address.parse().expect("an address"), name);
        assert_eq!(url("0.0.0.0:443", Some("api.example.org")), "https://api.example.org");
        assert_eq!(url("0.0.0.0:8443", Some("api.example.org")), "https://api.example.org:8443");
        assert_eq!(url("[::]:8443", None), "https://[::1]:8443");
    }
}
