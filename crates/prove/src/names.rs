//! The names of the proof's own network: a hosts file (hosts(5)) that only the proof's processes see, and that may change from one look to the next.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::fs::inotify;

/// The hosts file.
pub struct Names {
    file: PathBuf,
    led: Mutex<BTreeMap<String, Vec<String>>>,
}

/// A name that leads to two addresses by turns.
pub(crate) struct Turning {
    is_over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<anyhow::Result<()>>,
}

impl Names {
    /// The names of this file.
    #[must_use]
    pub fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), led: Mutex::default() }
    }

    /// Has a name lead to addresses.
    pub(crate) fn lead(&self, host: &str, addresses: &[&str]) -> anyhow::Result<()> {
        let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
        let mut led = self.led.lock().unwrap_or_else(PoisonError::into_inner);
        led.insert(host.to_owned(), addresses);
        let lines = led.iter().flat_map(|(host, addresses)| addresses.iter().map(move |address| format!("{address} {host}\n")));
        fs::write(&self.file, format!("127.0.0.1 localhost\n{}", lines.collect::<String>())).context("failed to write the names")
    }

    /// Has a name lead to two addresses by turns: to the other one from every look on.
    pub(crate) fn turn(&self, host: &str, addresses: [&str; 2]) -> anyhow::Result<Turning> {
        self.lead(host, &addresses[..1])?;
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
        inotify::add_watch(&watch, &self.file, inotify::WatchFlags::CLOSE_NOWRITE)?;
        let contents = addresses.map(|address| format!("127.0.0.1 localhost\n{address} {host}\n"));
        let is_over = Arc::new(AtomicBool::new(false));
        let (file, over) = (self.file.clone(), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || turn(&watch, &file, &contents, &over));
        Ok(Turning { is_over, thread })
    }
}

impl Turning {
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the names stopped turning"))?
    }
}

fn turn(watch: &OwnedFd, file: &Path, contents: &[String; 2], is_over: &AtomicBool) -> anyhow::Result<()> {
    let mut next = 1;
    while !is_over.load(Ordering::Relaxed) {
        poll(&mut [PollFd::new(watch.as_fd(), PollFlags::POLLIN)], PollTimeout::try_from(LOOK)?)?;
        let mut buffer = [0; 4096];
        if rustix::io::read(watch, &mut buffer).is_ok_and(|read| read > 0) {
            fs::write(file, &contents[next])?;
            next = 1 - next;
        }
    }
    Ok(())
}

const LOOK: Duration = Duration::from_millis(50);
