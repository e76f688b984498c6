//! The gateway's process: its threads, its ticks, and how it ends.
//!
//! The network part runs on a tokio runtime. The two local doors read on threads of their own: `local` also answers there, `front` on the runtime's, a share of
//! them for each account.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use link::calls::Calls;
use link::keeper::Kept;
use link::{Listener, PacketError, Packets};
use model::Clock;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use service::Gate;
use service::backup::Sources;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::activity::Activity;
use crate::front::Desk;
use crate::hosted::Hosting;
use crate::local::{Local, RESUME_WAIT};
use crate::net::{Net, NetConfig, NetError};
use crate::shares::{Places, Shares, Strangers};

/// What the gateway is made of.
pub struct Setup {
    /// The service that decides.
    pub gate: Arc<Gate>,
    /// What the operator says about the network.
    pub net: NetConfig,
    /// Where people's tools connect; it listens already.
    pub socket: Listener,
    /// The api's questions arrive here.
    pub link: Packets,
    /// To the keeper of the API's devboxes; none where those are off.
    pub keeper: Option<Packets>,
    /// The forward proxy's listener, where it is on.
    pub proxy: Option<TcpListener>,
    /// The present time.
    pub clock: Arc<dyn Clock>,
    /// What a backup is made of.
    pub backup: Sources,
    /// End when unused for so long.
    pub idle_exit: Option<Duration>,
}

/// How the gateway came to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A signal asked for it.
    Asked,
    /// Nobody used it for as long as it was told to wait.
    Idle,
}

/// Why the gateway cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The network part.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The devboxes that an earlier gateway left open cannot be read.
    #[error("failed to read which devboxes are open")]
    Devboxes(#[from] service::DevboxDenial),
    /// The supervisor is gone.
    #[error("failed to say that the gateway is ready")]
    Ready(#[source] PacketError),
    /// The system refused.
    #[error("failed to start the gateway's threads, or to remove what a backup left behind")]
    Io(#[from] io::Error),
}

/// Why the operator's certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// The file cannot be read, or is not PEM.
    #[error("failed to read certificates from {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// The file holds none.
    #[error("{} holds no certificate; it must be PEM, with BEGIN CERTIFICATE lines", .0.display())]
    None(PathBuf),
}

/// Serves until it is asked to end or nobody uses it. `ready` is called once it does; it must not block.
///
/// # Errors
/// When it cannot serve.
pub fn run(setup: Setup, ready: impl FnOnce() -> Result<(), PacketError>) -> Result<Ended, ProcessError> {
    let Setup { gate, net, socket, link, keeper, proxy, clock, backup, idle_exit } = setup;
    backup.sweep()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("net").build()?;
    let mut asked = {
        let _within = runtime.enter();
        signal(SignalKind::terminate())?
    };
    let net = Net::new(net, Arc::clone(&gate))?;
    let activity = Arc::clone(&net.activity);
    let proxy_address = proxy.as_ref().map(TcpListener::local_addr).transpose()?;
    let keeper = keeper.map(calls).transpose()?;
    let hosting =
        Hosting::new(Arc::clone(&gate), Arc::clone(&net), Arc::clone(&clock), Arc::clone(&activity), keeper.clone(), proxy_address);
    host(keeper, &runtime, &hosting)?;
    if let Some(listener) = proxy {
        runtime.spawn(serve_proxy(Arc::clone(&net), listener));
    }
    let local = Local::new(Arc::clone(&gate), net, runtime.handle().clone(), clock, Arc::clone(&activity), Arc::clone(&hosting), backup)?;
    let link = Arc::new(link);
    let answers = crate::front::Answers::start(Arc::clone(&link))?;
    on_thread("front", {
        let (gate, activity) = (Arc::clone(&gate), Arc::clone(&activity));
        let (looks, places, strangers) = (Shares::for_looks(), Places::for_looks(), Strangers::new());
        let desk = Arc::new(Desk { gate, activity, hosting, runtime: runtime.handle().clone(), looks, places, strangers });
        move || crate::front::serve(&link, &answers, &desk)
    })?;
    // Both are dropped when the gateway ends, and whoever waits at the other end knows.
    let (_serving, ended) = mpsc::channel();
    on_thread("flush", {
        let (gate, activity) = (Arc::clone(&gate), Arc::clone(&activity));
        move || flush(&gate, &activity, &ended)
    })?;
    let (_serving, ended) = mpsc::channel::<()>();
    if local.lost_count() > 0 {
        tracing::info!(devboxes = local.lost_count(), "devboxes of an earlier gateway may be taken up again");
        let local = Arc::clone(&local);
        on_thread("lost", move || {
            if ended.recv_timeout(RESUME_WAIT) == Err(RecvTimeoutError::Timeout) {
                local.close_lost();
            }
        })?;
    }
    on_thread("local", {
        let local = Arc::clone(&local);
        move || local.serve(&socket)
    })?;
    ready().map_err(ProcessError::Ready)?;
    let ended = runtime.block_on(async {
        tokio::select! {
            _ = asked.recv() => Ended::Asked,
            () = unused(&activity, idle_exit) => Ended::Idle,
        }
    });
    local.stop();
    runtime.shutdown_timeout(STOP_WAIT);
    if let Err(error) = gate.flush() {
        tracing::error!("failed to write the last events: {error}");
    }
    if let Err(error) = gate.keep_anchor() {
        tracing::error!("{error}");
    }
    Ok(ended)
}

/// The line to the keeper, to be asked over.
fn calls(line: Packets) -> io::Result<Arc<Calls<Kept>>> {
    // A keeper that does not take what it is told is not waited for.
    line.limit_wait(Some(KEEPER_WAIT)).map_err(io::Error::other)?;
    // The line outlives a gateway that died: what was answered that one must not be taken for an answer to this one.
    Ok(Calls::new(line, (u64::from(std::process::id()) << u32::BITS) + 1))
}

/// Takes up the API's devboxes that an earlier gateway left, then minds them all.
fn host(keeper: Option<Arc<Calls<Kept>>>, runtime: &Runtime, hosting: &Arc<Hosting>) -> io::Result<()> {
    if let Some(calls) = keeper {
        let (hosting, runtime) = (Arc::clone(hosting), runtime.handle().clone());
        on_thread("keeper", move || {
            let _within = runtime.enter();
            calls.listen(|said, _| hosting.hear(said));
        })?;
    }
    runtime.block_on(async {
        hosting.adopt().await;
        hosting.adopt_remotes().await;
    });
    runtime.spawn(Arc::clone(hosting).mind_the_time());
    runtime.spawn(Arc::clone(hosting).mind_the_keys());
    Ok(())
}

/// Serves the forward proxy. It does not end by itself, and a gateway that was to have one is none without it.
async fn serve_proxy(net: Arc<Net>, listener: TcpListener) {
    let _vital = Vital;
    let Err(error) = net.serve_proxy(listener).await;
    tracing::error!("failed to serve the forward proxy: {error}");
    std::process::exit(EXIT_PANIC);
}

/// Returns once nobody has used the gateway for `limit`; never without one.
async fn unused(activity: &Activity, limit: Option<Duration>) {
    let Some(limit) = limit else { return std::future::pending().await };
    while activity.idle_for().is_none_or(|idle| idle < limit) {
        tokio::time::sleep(limit.min(IDLE_LOOK)).await;
    }
}

/// Writes counted events until the gateway ends, and notices that the api has written: somebody uses the server then.
fn flush(gate: &Gate, activity: &Activity, ended: &Receiver<()>) {
    let (mut version, mut failing) = (gate.data_version().ok(), false);
    let mut anchor = AnchorTick::default();
    while ended.recv_timeout(FLUSH_TICK) == Err(RecvTimeoutError::Timeout) {
        let written = gate.flush();
        if written.is_err() != failing {
            failing = !failing;
            match written {
                Ok(()) => tracing::info!("events are written again"),
                Err(error) => tracing::error!("{error}; no value leaves until events can be written"),
            }
        }
        anchor.tick(gate);
        let now = gate.data_version().ok();
        if now != version {
            version = now;
            activity.touch();
        }
    }
}

/// Keeps the anchor every so many ticks, and says once that it cannot be kept.
#[derive(Default)]
struct AnchorTick {
    ticks: u32,
    failing: bool,
}

impl AnchorTick {
    fn tick(&mut self, gate: &Gate) {
        self.ticks += 1;
        if !self.ticks.is_multiple_of(ANCHOR_TICKS) {
            return;
        }
        let kept = gate.keep_anchor();
        if kept.is_err() != self.failing {
            self.failing = kept.is_err();
            match kept {
                Ok(()) => tracing::info!("the anchor is kept again"),
                Err(error) => tracing::error!("{}", crate::causes::chain(&error)),
            }
        }
    }
}

/// Works on a thread that the gateway cannot be without.
fn on_thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let vital = move || {
        let _vital = Vital;
        work();
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(vital).map(drop)
}

/// Ends the process when its thread panics: a whole new gateway is better than one that records or answers nothing.
struct Vital;

impl Drop for Vital {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::exit(EXIT_PANIC);
        }
    }
}

/// The certificates in the PEM file at `path`.
///
/// # Errors
/// When the file cannot be read, is not PEM, or holds no certificate.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificatesError> {
    let failed = |source| CertificatesError::Read { path: path.to_owned(), source };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    if certificates.is_empty() { Err(CertificatesError::None(path.to_owned())) } else { Ok(certificates) }
}

/// The exit code by which an idle gateway tells the supervisor to stop everything.
pub const EXIT_IDLE: u8 = 75;
/// A thread panicked; its words stand on standard error. The supervisor starts the gateway again.
const EXIT_PANIC: i32 = 101;
/// For the keeper to take a message: it reads all the time.
const KEEPER_WAIT: Duration = Duration::from_secs(5);
const FLUSH_TICK: Duration = Duration::from_millis(100);
/// The anchor is kept every second: what is put back to a state of the last second is not noticed.
const ANCHOR_TICKS: u32 = 10;
/// How often an idle server looks whether it is still idle.
const IDLE_LOOK: Duration = Duration::from_secs(1);
/// For the network's tasks to end, of the five seconds that the supervisor waits.
const STOP_WAIT: Duration = Duration::from_secs(1);
