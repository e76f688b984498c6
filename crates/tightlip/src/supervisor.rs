//! The supervisor: starts the children, starts a died one again, and ends all in order.
//!
//! It serves nobody, opens no value and has one thread. A root key that comes from a passphrase stays with it, in a locked page. What connects the children
//! stays with it, so that a child that is started again finds the same links, the same listening socket and the same `gateway.sock`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use link::{Listener, PacketError, Packets};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, kill_process};
use vault::{KeyringError, RootKey};

use crate::child::{self, Given, Hand, Policy, Report, Role, Task};
use crate::config::Config;
use crate::folder::{DataFolder, FILE_MODE, Lock};
use crate::setup::Pin;
use crate::up::UpError;

/// What is to be supervised.
pub struct Plan<'a> {
    /// The data folder.
    pub folder: &'a DataFolder,
    /// Its lock.
    pub lock: Lock,
    /// The settings.
    pub config: Config,
    /// The api's bound socket.
    pub api_socket: OwnedFd,
    /// The api's bound socket for TLS, where the settings name one.
    pub tls_socket: Option<OwnedFd>,
    /// The gateway's listening socket for others' sandboxes, where the forward proxy is on.
    pub proxy_socket: Option<OwnedFd>,
    /// How often a caller of the api may ask.
    pub rates: api::RateLimits,
    /// How it is reached from this machine.
    pub url: String,
    /// The socket of people's tools.
    pub gateway_socket: Listener,
    /// The socket of whoever runs the server.
    pub control_socket: Listener,
    /// The root key, where it comes from a passphrase: kept for a gateway that is started again.
    pub root_key: Option<RootKey>,
    /// The manifest's pin, for every start of the api: it takes none from a folder that it may write.
    pub pin: Pin,
    /// Stop when unused for so long.
    pub idle_exit: Option<Duration>,
    /// Whether devboxes are made over the API.
    pub devboxes: bool,
    /// What the gateway was told to allow.
    pub policy: Policy,
}

/// Why the server did not start or did not stay.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// A child said why it cannot serve.
    #[error("the {} did not start: {message}", role.as_str())]
    Refused {
        /// Which.
        role: Role,
        /// Its words.
        message: String,
    },
    /// A child ended before it was ready and said nothing.
    #[error("the {} ended before it was ready ({status}); its own words, if any, stand above", role.as_str())]
    Died {
        /// Which.
        role: Role,
        /// How.
        status: ExitStatus,
    },
    /// A child took too long.
    #[error("the {} was not ready within {} s", .0.as_str(), READY_WAIT.as_secs())]
    Slow(Role),
    /// A child keeps ending.
    #[error("the {} ended {FAST_DEATHS_MAX} times within seconds of its start; gave up; its own words stand above", .0.as_str())]
    KeepsDying(Role),
    /// The root key did not reach the gateway.
    #[error("failed to hand the root key to the gateway")]
    RootKey(#[source] KeyringError),
    /// A local socket.
    #[error("failed to connect the two processes")]
    Link(#[source] PacketError),
    /// The system refused.
    #[error("failed to supervise")]
    Io(#[from] io::Error),
}

/// How the server came to stop.
enum Stop {
    /// A signal asked for it.
    Asked,
    /// Nobody used it.
    Idle,
}

struct Supervisor<'a> {
    plan: Plan<'a>,
    /// Between api and gateway. Kept for as long as the server lives; each child gets a handle on its end.
    ends: (Packets, Packets),
    /// Between gateway and keeper, likewise; none where devboxes over the API are off.
    keeper_ends: Option<(Packets, Packets)>,
    signals: SignalFd,
    /// In the order in which they are started.
    wards: Vec<Ward>,
}

/// One child, from the supervisor's side.
struct Ward {
    role: Role,
    state: State,
    fast_deaths: u32,
    /// Whether it waits for the root key.
    asks_for_key: bool,
    /// Why it ends, if it said so.
    last_words: Option<String>,
}

enum State {
    Down { again_at: Instant },
    Up { child: Child, leash: Option<Packets>, since: Instant, ready: bool },
    Ended,
}

/// Starts the children, calls `announce` when all serve, and stays until a signal, an idle gateway or a child that does not stay.
///
/// # Errors
/// When a child does not start or does not stay, or the system refuses.
pub fn supervise(plan: Plan<'_>, announce: impl FnOnce() -> io::Result<()>) -> Result<(), UpError> {
    let mut supervisor = Supervisor::new(plan)?;
    let ended = supervisor.serve(announce);
    supervisor.stop();
    let plan = &supervisor.plan;
    // By path, and only while the path is ours: where the folder was deleted meanwhile, another server may have made it anew.
    if plan.lock.guards(plan.folder) {
        for path in [plan.folder.address(), plan.folder.socket(), plan.folder.control_socket()] {
            let _absent = std::fs::remove_file(path);
        }
    }
    match ended? {
        Stop::Asked => tracing::info!("stopped"),
        Stop::Idle => tracing::info!("stopped: unused"),
    }
    Ok(())
}

impl<'a> Supervisor<'a> {
    fn new(plan: Plan<'a>) -> Result<Self, SupervisorError> {
        let mut mask = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD] {
            mask.add(signal);
        }
        mask.thread_block().map_err(io::Error::from)?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(io::Error::from)?;
        let ends = Packets::pair().map_err(SupervisorError::Link)?;
        let keeper_ends = if plan.devboxes { Some(Packets::pair().map_err(SupervisorError::Link)?) } else { None };
        let keeper = keeper_ends.as_ref().map(|_| Role::Keeper);
        let wards = keeper.into_iter().chain([Role::Gateway, Role::Api]).map(Ward::new).collect();
        Ok(Self { plan, ends, keeper_ends, signals, wards })
    }

    fn serve(&mut self, announce: impl FnOnce() -> io::Result<()>) -> Result<Stop, UpError> {
        for role in self.roles() {
            self.start(role)?;
        }
        let limit = Instant::now() + READY_WAIT;
        while let Some(role) = self.awaited() {
            if Instant::now() >= limit {
                return Err(SupervisorError::Slow(role).into());
            }
            if let Some(stop) = self.turn(Some(limit), Phase::First)? {
                return Ok(stop);
            }
        }
        self.write_address()?;
        announce().map_err(UpError::Announce)?;
        loop {
            if let Some(stop) = self.turn(None, Phase::Serving)? {
                return Ok(stop);
            }
        }
    }

    /// A child that is not ready yet.
    fn awaited(&self) -> Option<Role> {
        let ready = |ward: &Ward| matches!(ward.state, State::Up { ready: true, .. });
        self.wards.iter().find(|ward| !ready(ward)).map(|ward| ward.role)
    }

    /// Waits for the next thing to happen and sees to it.
    fn turn(&mut self, limit: Option<Instant>, phase: Phase) -> Result<Option<Stop>, UpError> {
        self.wait(limit)?;
        if self.signalled()? {
            return Ok(Some(Stop::Asked));
        }
        for role in self.roles() {
            self.ward(role).listen();
            if role == Role::Gateway && std::mem::take(&mut self.ward(role).asks_for_key) {
                self.hand_root_key()?;
            }
            if let Some(status) = self.ward(role).ended()?
                && let Some(stop) = self.see_to_end(role, status, phase)?
            {
                return Ok(Some(stop));
            }
            if matches!(self.ward(role).state, State::Down { again_at } if Instant::now() >= again_at) {
                self.start(role)?;
            }
        }
        Ok(None)
    }

    /// Sleeps until a signal, a word from a child, a restart that is due, or `limit`.
    fn wait(&self, limit: Option<Instant>) -> Result<(), SupervisorError> {
        let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN)];
        let mut until = limit;
        for ward in &self.wards {
            match &ward.state {
                State::Up { leash: Some(leash), .. } => fds.push(PollFd::new(leash, PollFlags::IN)),
                State::Down { again_at } => until = Some(until.map_or(*again_at, |at| at.min(*again_at))),
                State::Up { leash: None, .. } | State::Ended => {}
            }
        }
        let left = until.map(|at| at.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() });
        match poll(&mut fds, left.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(SupervisorError::Io(error.into())),
        }
    }

    /// Whether a signal asks to stop. A child's end is looked for anyway.
    fn signalled(&self) -> Result<bool, SupervisorError> {
        let mut stop = false;
        while let Some(signal) = self.signals.read_signal().map_err(io::Error::from)? {
            stop |= signal.ssi_signo != Signal::SIGCHLD as u32;
        }
        Ok(stop)
    }

    fn see_to_end(&mut self, role: Role, status: ExitStatus, phase: Phase) -> Result<Option<Stop>, UpError> {
        // What it said between the last look and its end.
        self.ward(role).listen();
        let words = self.ward(role).last_words.take();
        if role == Role::Gateway && status.code() == Some(gateway::process::EXIT_IDLE.into()) && self.plan.idle_exit.is_some() {
            return Ok(Some(Stop::Idle));
        }
        match phase {
            Phase::First => {
                let refused = words.map(|message| SupervisorError::Refused { role, message });
                Err(refused.unwrap_or(SupervisorError::Died { role, status }).into())
            }
            Phase::Serving => {
                let said = words.unwrap_or_default();
                tracing::warn!("the {} ended ({status}) and is started again {said}", role.as_str());
                self.ward(role).mourn().map_err(UpError::from).map(|()| None)
            }
        }
    }

    fn start(&mut self, role: Role) -> Result<(), SupervisorError> {
        let (task, plan) = (self.task(role), &self.plan);
        let mut given = vec![(Given::Lock, plan.lock.file().as_fd())];
        match role {
            Role::Api => {
                given.extend([(Given::Link, self.ends.0.as_fd()), (Given::Socket, plan.api_socket.as_fd())]);
                given.push((Given::Control, plan.control_socket.as_fd()));
                given.extend(plan.tls_socket.as_ref().map(|socket| (Given::Tls, socket.as_fd())));
            }
            Role::Gateway => {
                given.extend([(Given::Link, self.ends.1.as_fd()), (Given::Socket, plan.gateway_socket.as_fd())]);
                given.extend(self.keeper_ends.as_ref().map(|(end, _)| (Given::Keeper, end.as_fd())));
                given.extend(plan.proxy_socket.as_ref().map(|socket| (Given::Proxy, socket.as_fd())));
            }
            Role::Keeper => given.extend(self.keeper_ends.as_ref().map(|(_, end)| (Given::Link, end.as_fd()))),
        }
        let (child, leash) = child::spawn(role, &task, &given).map_err(SupervisorError::Link)?;
        self.ward(role).state = State::Up { child, leash: Some(leash), since: Instant::now(), ready: false };
        Ok(())
    }

    /// Hands the root key, which no file holds, to a gateway that says that it is closed to its neighbours. What is not read goes with the pipe.
    fn hand_root_key(&self) -> Result<(), SupervisorError> {
        let gateway = self.wards.iter().find(|ward| ward.role == Role::Gateway).map(|ward| &ward.state);
        let (Some(State::Up { leash: Some(leash), .. }), Some(key)) = (gateway, &self.plan.root_key) else { return Ok(()) };
        let (reader, writer) = io::pipe()?;
        key.hand_over(writer.as_fd()).map_err(SupervisorError::RootKey)?;
        // A gateway that is gone meanwhile is seen to like any other.
        let _gone = leash.send(&Hand, &[reader.as_fd()]);
        Ok(())
    }

    fn task(&self, role: Role) -> Task {
        let data = self.plan.folder.path().to_owned();
        let config = &self.plan.config;
        match role {
            Role::Api => {
                let tls = config.tls.as_ref().map(|port| port.files.clone());
                Task::Api {
                    data,
                    pin: self.plan.pin.clone(),
                    hosts: config.hosts.clone(),
                    rates: self.plan.rates,
                    tls,
                    devboxes: self.plan.devboxes || self.plan.proxy_socket.is_some(),
                }
            }
            Role::Keeper => Task::Keeper,
            Role::Gateway => Task::Gateway {
                data,
                resolve: config.resolve.clone(),
                upstream_ca: config.upstream_ca.clone(),
                ways: config.ways.clone(),
                idle_exit_ms: self.plan.idle_exit.map(|idle| u64::try_from(idle.as_millis()).unwrap_or(u64::MAX)),
                awaits_root_key: self.plan.root_key.is_some(),
                policy: self.plan.policy,
                anchors: config.anchor_folders(),
            },
        }
    }

    /// Tells the command line how the api is reached.
    fn write_address(&self) -> Result<(), SupervisorError> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.plan.folder.address();
        let new = path.with_extension("new");
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&new)?;
        writeln!(file, "{}", self.plan.url)?;
        Ok(std::fs::rename(&new, &path)?)
    }

    /// Ends the api, which finishes what it was asked, then the gateway, then the keeper with its devboxes; whatever is left at the end of the time is killed.
    fn stop(&mut self) {
        let begun = Instant::now();
        let limit = begun + STOP_WAIT;
        for role in self.roles().into_iter().rev() {
            let share = if role == Role::Api { API_STOP_WAIT } else { STOP_WAIT };
            let until = limit.min(Instant::now() + share);
            self.ward(role).ask_to_end();
            while self.ward(role).runs() && Instant::now() < until {
                let hurried = self.wait(Some(until)).is_err() || self.signalled().unwrap_or(true);
                if hurried && begun.elapsed() > ONE_ASKING {
                    break;
                }
            }
            self.ward(role).kill();
        }
    }

    fn roles(&self) -> Vec<Role> {
        self.wards.iter().map(|ward| ward.role).collect()
    }

    fn ward(&mut self, role: Role) -> &mut Ward {
        self.wards.iter_mut().find(|ward| ward.role == role).expect("asked of roles that there are")
    }
}

/// Whether the server was ready once: before that, a child that ends ends everything.
#[derive(Clone, Copy)]
enum Phase {
    First,
    Serving,
}

impl Ward {
    const fn new(role: Role) -> Self {
        Self { role, state: State::Ended, fast_deaths: 0, asks_for_key: false, last_words: None }
    }

    /// Takes in what the child says; keeps why it ends, which it says a moment before it does.
    fn listen(&mut self) {
        let (State::Up { leash, ready, .. }, asks) = (&mut self.state, &mut self.asks_for_key) else { return };
        // One that never stops talking keeps nobody from the signals.
        for _ in 0..WORDS_AT_ONCE {
            let Some(end) = leash.as_ref().filter(|end| readable(end)) else { break };
            match end.recv::<Report>() {
                Ok((Report::Closed, _)) => *asks = true,
                Ok((Report::Ready, _)) => {
                    if !std::mem::replace(ready, true) {
                        tracing::info!("the {} is ready", self.role.as_str());
                    }
                }
                Ok((Report::Failed { message }, _)) => self.last_words = Some(message),
                Err(_) => *leash = None,
            }
        }
    }

    /// How the child ended, if it did.
    fn ended(&mut self) -> Result<Option<ExitStatus>, SupervisorError> {
        let State::Up { child, .. } = &mut self.state else { return Ok(None) };
        Ok(child.try_wait()?)
    }

    /// Plans the next start of a child that died.
    fn mourn(&mut self) -> Result<(), SupervisorError> {
        let State::Up { since, .. } = &self.state else { return Ok(()) };
        self.fast_deaths = if since.elapsed() < FAST_DEATH { self.fast_deaths + 1 } else { 1 };
        if self.fast_deaths >= FAST_DEATHS_MAX {
            return Err(SupervisorError::KeepsDying(self.role));
        }
        self.state = State::Down { again_at: Instant::now() + BACKOFF * 2_u32.pow(self.fast_deaths - 1) };
        Ok(())
    }

    fn ask_to_end(&mut self) {
        if let State::Up { child, .. } = &self.state {
            // A child that is gone needs no asking.
            let _gone = kill_process(Pid::from_child(child), rustix::process::Signal::TERM);
        }
    }

    fn runs(&mut self) -> bool {
        match &mut self.state {
            State::Up { child, .. } => matches!(child.try_wait(), Ok(None)),
            State::Down { .. } | State::Ended => false,
        }
    }

    /// Kills the child where it still runs, and buries it.
    fn kill(&mut self) {
        if let State::Up { child, .. } = &mut self.state {
            if matches!(child.try_wait(), Ok(None)) {
                tracing::warn!("the {} did not end in time and was killed", self.role.as_str());
            }
            let _gone = child.kill();
            let _buried = child.wait();
        }
        self.state = State::Ended;
    }
}

fn readable(end: &Packets) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(end, PollFlags::IN)], Some(&now)).is_ok_and(|count| count > 0)
}

/// What a child says before others are looked at again: more than an honest one has to say.
const WORDS_AT_ONCE: usize = 8;
/// Until both children serve at the first start. Ordinarily a fraction of a second.
const READY_WAIT: Duration = Duration::from_secs(20);
/// Until a server that was asked to stop has stopped.
const STOP_WAIT: Duration = Duration::from_secs(5);
/// Signals within this time are one asking: timeout(1) and terminals send several. A later one means at once.
const ONE_ASKING: Duration = Duration::from_secs(1);
/// The api's share of it: longer than the api lets its open requests end.
const API_STOP_WAIT: Duration = Duration::from_millis(3500);
const _: () = assert!(API_STOP_WAIT.as_millis() > api::limits::STOP_TIME.as_millis());
/// A child that ends sooner than this after its start counts towards giving up.
const FAST_DEATH: Duration = Duration::from_secs(10);
const FAST_DEATHS_MAX: u32 = 6;
/// Before the first restart; doubled at each fast death after it.
const BACKOFF: Duration = Duration::from_millis(50);
