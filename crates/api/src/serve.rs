//! The process's life: confine, open, listen, serve, end.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use link::{Listener, PacketError, Packets};
use model::Clock;
use model::limits::HEADER_LIST_BYTES_MAX;
use service::{House, HouseError};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vault::{LockError, Sealer};

use crate::confine::{ConfineError, confine};
use crate::control;
use crate::desk::Desk;
use crate::front::Front;
use crate::host::Hosts;
use crate::limits::{
    ACCEPT_PAUSE, BLOCKING_THREADS_MAX, CONNECTIONS_MAX, HEAD_TIME, PING_TIME, STOP_TIME, STREAMS_MAX, USES_TICK, WIPE_TICK,
};
use crate::listen::Bound;
use crate::rest::router::router;

/// What the api process is given.
pub struct Setup {
    /// Its address, bound and not yet listening.
    pub bound: Bound,
    /// The store's database, in a folder of its own.
    pub store: PathBuf,
    /// The api's folder.
    pub api_dir: PathBuf,
    /// Public keys to seal with and the api's own signing key.
    pub sealer: Arc<Sealer>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Names that the server answers to, beside the listen address and localhost.
    pub hosts: Vec<String>,
    /// The api's end of the socketpair to the gateway.
    pub link: Packets,
    /// Where whoever runs the server connects; it listens already.
    pub control: Listener,
}

/// Why the api did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Threads run already, which no confinement would reach.
    #[error("failed to confine the api: other threads run in its process already")]
    Threads,
    /// The process could not be made unreadable to others.
    #[error("failed to keep the api's memory from being read or dumped")]
    Seclude(#[from] LockError),
    /// The process could not be confined.
    #[error(transparent)]
    Confine(#[from] ConfineError),
    /// The store does not open.
    #[error("failed to open the store")]
    House(#[from] HouseError),
    /// The line to the gateway does not work.
    #[error("failed to use the line to the gateway")]
    Link(#[from] PacketError),
    /// The address cannot be listened on.
    #[error("failed to listen: another server may use the address; choose another with --listen")]
    Listen(#[source] io::Error),
    /// The socket of whoever runs the server cannot be served.
    #[error("failed to start a thread for control.sock")]
    Control(#[source] io::Error),
    /// The runtime does not start.
    #[error("failed to start the api's threads")]
    Runtime(#[source] io::Error),
}

/// Confines the process, opens the store, listens, and serves until `shutdown` comes back. Must be called while the process has one thread.
///
/// # Errors
/// [`StartError`]; nothing was served then.
pub fn run(setup: Setup, ready: impl FnOnce(SocketAddr), shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
    if std::fs::read_dir("/proc/self/task").map_err(StartError::Runtime)?.count() != 1 {
        return Err(StartError::Threads);
    }
    make_signal_socket().map_err(StartError::Runtime)?;
    vault::seclude()?;
    let store_dir = setup.store.parent().map_or_else(|| PathBuf::from("."), PathBuf::from);
    let addr = setup.bound.addr().map_err(StartError::Listen)?;
    confine(&store_dir, &setup.api_dir)?;
    let house = House::open(&setup.store, setup.sealer, setup.clock)?;
    let desk = Arc::new(Desk::new(house, Front::new(setup.link)?, Hosts::new(addr, &setup.hosts)));
    let listener = setup.bound.listen().map_err(StartError::Listen)?;
    control::serve(setup.control, Arc::downgrade(&desk)).map_err(StartError::Control)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(WORKERS).max_blocking_threads(BLOCKING_THREADS_MAX).enable_io().enable_time();
    let runtime = runtime.thread_name("api").build().map_err(StartError::Runtime)?;
    runtime.block_on(async {
        ready(addr);
        serve(listener, desk, shutdown).await
    })
}

/// tokio makes one socketpair for signals, once per process, with its first runtime; confined, it could not.
fn make_signal_socket() -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_io().build().map(drop)
}

/// Serves on a listening socket until `shutdown` comes back, then lets open requests end.
///
/// # Errors
/// When the socket cannot be used.
pub async fn serve(listener: TcpListener, desk: Arc<Desk>, shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
    let listener = tokio::net::TcpListener::from_std(listener).map_err(StartError::Listen)?;
    let app = router(Arc::clone(&desk));
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let wiping = tokio::spawn(wipe_old_keys(Arc::clone(&desk)));
    let noting = tokio::spawn(write_uses(Arc::clone(&desk)));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                tokio::spawn(attend(stream, place, app.clone(), graceful.watcher()));
            }
            // Out of descriptors, or a connection that was gone at once: neither ends the server.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
    desk.stop();
    drop(listener);
    noting.abort();
    let last_uses = tokio::task::spawn_blocking({
        let desk = Arc::clone(&desk);
        move || desk.write_uses()
    });
    // What does not end by then is cut off: its client sees a broken connection and looks again.
    let _ = tokio::time::timeout(STOP_TIME, graceful.shutdown()).await;
    wiping.abort();
    // It says itself what went wrong.
    let _ = last_uses.await;
    Ok(())
}

async fn accept(listener: &tokio::net::TcpListener, places: &Arc<Semaphore>) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, place))
}

/// One connection, HTTP/1.1 or HTTP/2 with prior knowledge.
async fn attend(stream: TcpStream, place: OwnedSemaphorePermit, app: Router, watcher: hyper_util::server::graceful::Watcher) {
    if !matches!(tokio::time::timeout(HEAD_TIME, opening(&stream)).await, Ok(Ok(()))) {
        return;
    }
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEADER_LIST_BYTES_MAX);
    let list_max = u32::try_from(HEADER_LIST_BYTES_MAX).expect("64 KiB fits");
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).max_concurrent_streams(STREAMS_MAX).max_header_list_size(list_max);
    http2.keep_alive_interval(PING_TIME).keep_alive_timeout(PING_TIME);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)).into_owned();
    // A connection's own errors are its client's: nothing here is ours to log.
    let _ = watcher.watch(connection).await;
    drop(place);
}

/// Waits until the first bytes tell which protocol is spoken: hyper itself would wait for them without end.
async fn opening(stream: &TcpStream) -> io::Result<()> {
    let mut first = [0; PREFACE.len()];
    loop {
        let count = stream.peek(&mut first).await?;
        if count == 0 || count == PREFACE.len() || first[..count] != PREFACE[..count] {
            return Ok(());
        }
        tokio::time::sleep(PREFACE_TICK).await;
    }
}

async fn wipe_old_keys(desk: Arc<Desk>) {
    loop {
        tokio::time::sleep(WIPE_TICK).await;
        desk.house.wipe_old_keys();
    }
}

async fn write_uses(desk: Arc<Desk>) {
    loop {
        tokio::time::sleep(USES_TICK).await;
        let desk = Arc::clone(&desk);
        // It says itself what went wrong.
        let _ = tokio::task::spawn_blocking(move || desk.write_uses()).await;
    }
}

/// RFC 9113, section 3.4.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How often a client that sent part of the preface is looked at again.
const PREFACE_TICK: std::time::Duration = std::time::Duration::from_millis(10);
/// Threads that serve connections; what blocks has its own.
const WORKERS: usize = 2;
