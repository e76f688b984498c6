//! A keeper for a test, and what is asked of it.

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use link::Packets;
use link::calls::Calls;
use link::cli::Role;
use link::keeper::{Execution, Hosted, Kept, Order, Output, Trouble};
use model::{DevboxId, ExecutionId, Stream, Timestamp};

/// A keeper that runs. Dropped, its line is closed and its end awaited.
pub struct Keeper {
    pub child: Child,
    calls: Arc<Calls<Kept>>,
    unasked: Mutex<Receiver<Kept>>,
    line: Option<Packets>,
}

/// A question whose answer may still be to come.
pub struct Asked(
    Receiver<(Kept, Vec<OwnedFd>)>,
    #[allow(dead_code, reason = "the answer is waited for as long as it is there")] link::calls::Asked<Kept>,
);

/// What a command came to.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub output: String,
    pub error: String,
}

/// The keeper's own process.
pub fn main() -> ! {
    let line = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null").unwrap()).unwrap();
    keeper::run(Packets::from_fd(line), || {}, std::future::pending()).unwrap();
    std::process::exit(0)
}

impl Keeper {
    pub fn start() -> Self {
        Self::start_as(None)
    }

    /// As this user of the machine's; none: as who runs the tests.
    pub fn start_as(uid: Option<u32>) -> Self {
        let (child, line) = Self::spawn(uid);
        Self::over(child, line, 1)
    }

    /// A keeper's process and the gateway's end of its line.
    pub fn spawn(uid: Option<u32>) -> (Child, Packets) {
        let (ours, theirs) = Packets::pair().unwrap();
        let mut command = Command::new("/proc/self/exe");
        command.arg("__keeper").stdin(Stdio::from(OwnedFd::from(theirs))).env("OUTSIDE_SECRET", "of-the-host");
        if let Some(uid) = uid {
            command.uid(uid).gid(uid);
        }
        (command.spawn().unwrap(), ours)
    }

    /// What a gateway has that counts its questions from `first`.
    pub fn over(child: Child, ours: Packets, first: u64) -> Self {
        let calls = Calls::new(ours.try_clone().unwrap(), first);
        let listening = Arc::clone(&calls);
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || listening.listen(|kept, _| drop(tell.send(kept))));
        Self { child, calls, unasked: Mutex::new(told), line: Some(ours) }
    }

    pub fn ask_later(&self, order: &Order, fds: &[BorrowedFd<'_>]) -> Asked {
        let (tell, told) = mpsc::channel();
        let asked = self.calls.ask(order, fds, move |kept, fds| drop(tell.send((kept, fds)))).unwrap();
        Asked(told, asked)
    }

    pub fn ask(&self, order: &Order) -> Kept {
        self.ask_later(order, &[]).answer().0
    }

    /// What is said next that nobody asked for.
    pub fn unasked(&self) -> Kept {
        self.unasked.lock().unwrap().recv_timeout(PATIENCE).unwrap()
    }

    /// A devbox that takes commands.
    pub fn open(&self, hosted: &Hosted, plain: &[u8]) -> DevboxId {
        let devbox = self.build(hosted, plain);
        assert!(matches!(self.ask(&Order::Open { devbox: devbox.clone() }), Kept::Done));
        devbox
    }

    pub fn plain_devbox(&self) -> DevboxId {
        self.open(&hosted(), b"")
    }

    pub fn build(&self, hosted: &Hosted, plain: &[u8]) -> DevboxId {
        let devbox = next_devbox();
        let kept = self.build_later(&devbox, hosted, plain).answer();
        let (Kept::Listening { roles }, fds) = kept else { panic!("{kept:?}") };
        assert!(roles.contains(&Role::Tcp(443)) && roles.contains(&Role::Dns) && roles.len() == fds.len(), "{roles:?}");
        devbox
    }

    pub fn build_later(&self, devbox: &DevboxId, hosted: &Hosted, plain: &[u8]) -> Asked {
        let (bundle, plain) = (memory(b"a bundle\n"), memory(plain));
        self.ask_later(&Order::Build { devbox: devbox.clone(), hosted: hosted.clone() }, &[bundle.as_fd(), plain.as_fd()])
    }

    /// Starts a command.
    pub fn execute(&self, devbox: &DevboxId, command: &str) -> ExecutionId {
        let id = next_execution();
        self.execute_as(devbox, &id, command).unwrap();
        id
    }

    pub fn execute_as(&self, devbox: &DevboxId, id: &ExecutionId, command: &str) -> Result<Execution, Trouble> {
        let order = Order::Execute { devbox: devbox.clone(), execution: id.clone(), command: command.to_owned() };
        execution(self.ask(&order))
    }

    /// How a command fares, when it has ended or the time is over.
    pub fn look(&self, devbox: &DevboxId, id: &ExecutionId, wait_ms: u64) -> Execution {
        execution(self.ask(&Order::Execution { devbox: devbox.clone(), execution: id.clone(), wait_ms })).unwrap()
    }

    /// Waits for a command's end.
    pub fn wait(&self, devbox: &DevboxId, id: &ExecutionId) -> Done {
        let code = self.look(devbox, id, PATIENCE_MS).ended.unwrap();
        let [output, error] = [Stream::Stdout, Stream::Stderr].map(|stream| self.all(devbox, id, stream));
        Done { code, output, error }
    }

    fn all(&self, devbox: &DevboxId, id: &ExecutionId, stream: Stream) -> String {
        let mut bytes = Vec::new();
        let mut from = 0;
        loop {
            let piece = self.piece(devbox, id, stream, from, PATIENCE_MS);
            bytes.extend_from_slice(&piece.bytes);
            from = piece.from + u64::try_from(piece.bytes.len()).unwrap();
            if piece.is_last {
                return String::from_utf8(bytes).unwrap();
            }
        }
    }

    pub fn piece(&self, devbox: &DevboxId, id: &ExecutionId, stream: Stream, from: u64, wait_ms: u64) -> Output {
        let order = Order::Output { devbox: devbox.clone(), execution: id.clone(), stream, from, wait_ms };
        let kept = self.ask(&order);
        let Kept::Output(output) = kept else { panic!("{kept:?}") };
        output
    }

    pub fn kill(&self, devbox: &DevboxId, id: &ExecutionId) -> Execution {
        execution(self.ask(&Order::Kill { devbox: devbox.clone(), execution: id.clone() })).unwrap()
    }

    /// What a command wrote; it must have succeeded.
    pub fn says(&self, devbox: &DevboxId, command: &str) -> String {
        let done = self.wait(devbox, &self.execute(devbox, command));
        assert_eq!(done.code, 0, "{done:?}");
        done.output.trim_end().to_owned()
    }

    pub fn end(&self, devbox: &DevboxId) {
        assert!(matches!(self.ask(&Order::End { devbox: devbox.clone() }), Kept::Done));
    }

    pub fn roster(&self) -> Vec<DevboxId> {
        let kept = self.ask(&Order::Roster);
        let Kept::Roster(roster) = kept else { panic!("{kept:?}") };
        roster
    }

    /// Processes whose parent is the keeper: one for each devbox.
    pub fn children(&self) -> usize {
        children_of(self.child.id()).len()
    }

    /// Sends what no order is.
    pub fn say_nonsense(&self) {
        for nonsense in [&b"{}"[..], b"no order", b""] {
            rustix::net::send(self.line.as_ref().unwrap(), nonsense, rustix::net::SendFlags::empty()).unwrap();
        }
    }

    /// Closes the line; the keeper must end well.
    pub fn close(&mut self) {
        if let Some(line) = self.line.take() {
            rustix::net::shutdown(&line, rustix::net::Shutdown::Both).unwrap();
            assert!(self.child.wait().unwrap().success());
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.close();
        }
    }
}

impl Asked {
    pub fn answer(&self) -> (Kept, Vec<OwnedFd>) {
        self.0.recv_timeout(PATIENCE).unwrap()
    }
}

/// A devbox with nothing special.
pub fn hosted() -> Hosted {
    Hosted { env: vec![("ASKED".to_owned(), "for".to_owned())], ports: vec![80, 443], uid: own_user(), entrypoint: None }
}

/// As root, each devbox has a user of its own.
fn own_user() -> Option<u32> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = u32::try_from(NEXT.fetch_add(1, Ordering::Relaxed)).unwrap();
    is_root().then_some(2_000_000 + std::process::id() % 1_000_000 * 100 + number)
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn next_devbox() -> DevboxId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    DevboxId::from_parts(Timestamp::from_unix_ms(1_790_000_000_000), NEXT.fetch_add(1, Ordering::Relaxed).into())
}

pub fn next_execution() -> ExecutionId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    ExecutionId::from_parts(Timestamp::from_unix_ms(1_790_000_000_000), NEXT.fetch_add(1, Ordering::Relaxed).into())
}

fn execution(kept: Kept) -> Result<Execution, Trouble> {
    match kept {
        Kept::Execution(execution) => Ok(execution),
        Kept::Failed(trouble) => Err(trouble),
        Kept::Listening { .. } | Kept::Done | Kept::Roster(_) | Kept::Output(_) | Kept::Ended { .. } => panic!("no answer to that"),
    }
}

pub fn memory(bytes: &[u8]) -> OwnedFd {
    let mut file = std::fs::File::from(rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap());
    file.write_all(bytes).unwrap();
    file.into()
}

/// The processes whose parent is this one.
pub fn children_of(parent: u32) -> Vec<u32> {
    let line = format!("PPid:\t{parent}\n");
    let numbers = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|number| std::fs::read_to_string(format!("/proc/{number}/status")).is_ok_and(|status| status.contains(&line))).collect()
}

/// Whether some process of the host has these words in its command line.
pub fn anywhere(words: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok()).any(|line| line.starts_with(words.as_bytes()))
}

pub const PATIENCE: Duration = Duration::from_secs(20);
pub const PATIENCE_MS: u64 = 20_000;
