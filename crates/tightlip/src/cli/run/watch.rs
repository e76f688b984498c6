//! What happens when the gateway goes away under a running devbox: its requests are refused until the gateway is back, or the devbox ends and says why.
//!
//! A second handle on each listener is kept here. While nobody decides, connections are accepted and closed at once, so that nothing waits without a
//! decision; when the gateway listens again, it gets the listeners again.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use devbox::Killer;
use link::cli::{Request, Role};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SendFlags, SocketFlags};

use super::super::fault::{Exit, Fault};
use super::super::gate::Gate;

/// The devbox's listeners, in the order of their roles.
pub(super) struct Listeners {
    /// What each is.
    pub(super) roles: Vec<Role>,
    /// The sockets.
    pub(super) fds: Vec<OwnedFd>,
}

/// A thread that looks after the connection to the gateway.
pub(super) struct Watch {
    stop: OwnedFd,
    thread: JoinHandle<Result<Option<Gate>, Fault>>,
}

struct Watcher {
    stop: OwnedFd,
    socket: PathBuf,
    resume: Request,
    listeners: Listeners,
    killer: Killer,
}

/// Why the watcher looks no longer for the gateway.
enum Back {
    /// The gateway took the devbox up again.
    Resumed(Gate),
    /// The devbox ended by itself.
    Stopped,
}

impl Watch {
    /// Watches the connection `gate` until [`Watch::stop`]; a lost one is made again at `socket` and the devbox taken up with `resume`.
    pub(super) fn start(gate: Gate, socket: PathBuf, resume: Request, listeners: Listeners, killer: Killer) -> Result<Self, Fault> {
        let failed = |error: io::Error| Fault::new(Exit::CannotStart, format!("failed to watch the gateway: {error}"));
        let (theirs, stop) = io::pipe().map_err(failed)?;
        let watcher = Watcher { stop: theirs.into(), socket, resume, listeners, killer };
        let thread = std::thread::Builder::new().name("watch".to_owned()).spawn(move || watcher.watch(gate)).map_err(failed)?;
        Ok(Self { stop: stop.into(), thread })
    }

    /// Stops watching: the connection, where there is one.
    ///
    /// # Errors
    /// Why the devbox was ended, where it was.
    pub(super) fn stop(self) -> Result<Option<Gate>, Fault> {
        drop(self.stop);
        self.thread.join().unwrap_or(Ok(None))
    }
}

impl Watcher {
    fn watch(self, mut gate: Gate) -> Result<Option<Gate>, Fault> {
        loop {
            let mut fds = [PollFd::new(&self.stop, PollFlags::IN), PollFd::new(&gate, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(self.end(&format!("failed to watch the gateway: {error}"))),
            }
            let [stopped, spoke] = fds.map(|fd| !fd.revents().is_empty());
            if stopped {
                return Ok(Some(gate));
            }
            if spoke {
                // The gateway never speaks unasked: it is gone.
                drop(gate);
                gate = match self.come_back()? {
                    Back::Resumed(gate) => gate,
                    Back::Stopped => return Ok(None),
                };
            }
        }
    }

    /// Refuses whatever the devbox asks for, until the gateway has the listeners again.
    fn come_back(&self) -> Result<Back, Fault> {
        let limit = Instant::now() + AWAY_MAX;
        let mut asked: Option<(Gate, Instant)> = None;
        while Instant::now() < limit {
            if asked.as_ref().is_none_or(|(_, since)| since.elapsed() > RESUME_WAIT) {
                asked = self.ask_again().map(|gate| (gate, Instant::now()));
            }
            let gate = asked.as_ref().map(|(gate, _)| gate);
            match self.refuse_until_a_reply(gate) {
                Ok(Heard::Stop) => return Ok(Back::Stopped),
                Ok(Heard::Reply) => {}
                Ok(Heard::Nothing) => continue,
                Err(error) => return Err(self.end(&format!("failed to watch the gateway: {error}"))),
            }
            let Some((gate, _)) = asked.take() else { continue };
            match gate.reply() {
                Ok(_) => return Ok(Back::Resumed(gate)),
                Err(fault) if fault.exit == Exit::Unreachable => {}
                Err(fault) => {
                    return Err(self.end(&format!("the gateway came back and did not take the devbox up again: {}", fault.message)));
                }
            }
        }
        Err(self.end(&format!("the gateway went away and was not back within {} s", AWAY_MAX.as_secs())))
    }

    /// Ends the devbox, and says why.
    fn end(&self, why: &str) -> Fault {
        self.killer.end(why);
        Fault::new(Exit::CannotStart, format!("{why}; the devbox was ended")).next("tightlip up   (to see what it says)")
    }

    fn ask_again(&self) -> Option<Gate> {
        let gate = Gate::connect(&self.socket).ok()?;
        let fds: Vec<_> = self.listeners.fds.iter().map(AsFd::as_fd).collect();
        gate.send(&self.resume, &fds).ok()?;
        Some(gate)
    }

    /// Closes connections and answers lookups with a failure for a moment, or until the gateway replies or the devbox has ended.
    fn refuse_until_a_reply(&self, gate: Option<&Gate>) -> io::Result<Heard> {
        let mut fds = vec![PollFd::new(&self.stop, PollFlags::IN)];
        fds.extend(self.listeners.fds.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
        fds.extend(gate.map(|gate| PollFd::new(gate, PollFlags::IN)));
        let moment = Timespec { tv_sec: 0, tv_nsec: LOOK_NS };
        match poll(&mut fds, Some(&moment)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let (stopped, rest) = ready.split_first().unwrap_or((&false, &[]));
        for ((fd, role), _) in self.listeners.fds.iter().zip(&self.listeners.roles).zip(rest).filter(|(_, ready)| **ready) {
            refuse(fd, *role);
        }
        let replied = gate.is_some() && rest.last() == Some(&true);
        Ok(if *stopped {
            Heard::Stop
        } else if replied {
            Heard::Reply
        } else {
            Heard::Nothing
        })
    }
}

/// What was heard while refusing.
enum Heard {
    /// The devbox has ended.
    Stop,
    /// The gateway replied, or hung up.
    Reply,
    /// Nothing yet.
    Nothing,
}

/// Refuses what waits at one listener.
fn refuse(fd: &OwnedFd, role: Role) {
    match role {
        Role::Tcp(_) => {
            // The handle is shared with the gateway that comes back, which wants it so too.
            let _set = rustix::io::ioctl_fionbio(fd, true);
            drop(rustix::net::accept_with(fd, SocketFlags::CLOEXEC));
        }
        Role::Dns => {
            let mut query = [0; DNS_BYTES_MAX];
            if let Ok((_, length, Some(from))) = rustix::net::recvfrom(fd, &mut query[..], RecvFlags::DONTWAIT)
                && let Some(answer) = query.get_mut(..length).and_then(server_failure)
            {
                let _sent = rustix::net::sendto(fd, answer, SendFlags::DONTWAIT, &from);
            }
        }
    }
}

/// A query, turned into the answer SERVFAIL to it (RFC 1035 section 4.1.1).
fn server_failure(query: &mut [u8]) -> Option<&[u8]> {
    let flags = query.get_mut(2..4)?;
    let is_query = flags[0] & 0x80 == 0;
    flags[0] |= 0x80;
    flags[1] = (flags[1] & 0xf0) | 2;
    (is_query && query.len() >= DNS_HEADER_BYTES).then_some(query)
}

/// How long a gateway may be away: a supervisor starts another within a second, a person a little later.
const AWAY_MAX: Duration = Duration::from_secs(30);
/// How long one attempt to resume may take before it is made anew.
const RESUME_WAIT: Duration = Duration::from_secs(5);
const LOOK_NS: i64 = 200_000_000;
/// RFC 1035 section 4.2.1, with room for EDNS.
const DNS_BYTES_MAX: usize = 4096;
const DNS_HEADER_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lookup_without_a_gateway_is_answered_with_a_failure() {
        let mut query = *b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01";
        let answer = server_failure(&mut query).expect("an answer").to_vec();
        assert_eq!(answer[..4], [0x12, 0x34, 0x81, 0x02]);
        let mut answer = answer;
        assert!(server_failure(&mut answer).is_none(), "an answer is not answered");
        assert!(server_failure(&mut [0; 3]).is_none());
    }
}
