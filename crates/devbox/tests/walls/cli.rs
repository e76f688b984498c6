//! A devbox for a test, and the small command line that makes it.

use std::io::Write;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use devbox::{DevboxError, HomeFile, Program, Role, Spec, Terminal, WorkFolder};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg};
use serde::{Deserialize, Serialize};

/// A devbox, as a test asks for it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Box {
    pub argv: Vec<String>,
    pub work: PathBuf,
    pub ro: Vec<PathBuf>,
    pub rw: Vec<PathBuf>,
    pub home: Option<PathBuf>,
    pub home_files: Vec<HomeFile>,
    pub programs: Vec<Program>,
    pub hidden: Vec<PathBuf>,
    /// `HOME`.
    pub user_home: PathBuf,
    /// Done once the devbox is asked for, before it is made: a shell line.
    pub meanwhile: Option<String>,
    /// Answer on the listeners, saying which address was asked for.
    pub serve: bool,
    /// End it from another thread once it runs.
    pub end: bool,
}

/// A devbox that runs a shell script in `work`.
pub fn shell(work: &Path, script: &str) -> Box {
    command(work, &["bash", "-c", script])
}

pub fn command(work: &Path, argv: &[&str]) -> Box {
    Box {
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        work: work.to_owned(),
        ro: Vec::new(),
        rw: Vec::new(),
        home: None,
        home_files: Vec::new(),
        programs: Vec::new(),
        hidden: Vec::new(),
        user_home: "/home/agent".into(),
        meanwhile: None,
        serve: false,
        end: false,
    }
}

impl Box {
    /// The command line for it; nothing is connected yet.
    pub fn cli(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("__cli").arg(serde_json::to_string(self).unwrap()).env("OUTSIDE_SECRET", "of-the-host");
        command
    }

    pub fn output(&self) -> Output {
        self.cli().stdin(Stdio::null()).output().unwrap()
    }

    /// What it wrote; it must have succeeded.
    pub fn says(&self) -> String {
        let output = self.output();
        assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }
}

/// A work folder, empty.
pub fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("devbox-").tempdir().unwrap()
}

/// Makes one devbox and gives its exit code; 125 with the reason when there is none.
pub fn main(request: &str) -> i32 {
    let asked: Box = serde_json::from_str(request).unwrap();
    match run(&asked) {
        Ok(code) => code,
        Err(error) => {
            eprintln!(
                "failed to run the command: {error}: {}",
                std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default()
            );
            if matches!(error, DevboxError::NotExecutable) {
                126
            } else if matches!(error, DevboxError::NotFound) {
                127
            } else {
                125
            }
        }
    }
}

fn run(asked: &Box) -> Result<i32, DevboxError> {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let env = [("PATH", path), ("TERM", "dumb"), ("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "safe.directory")];
    let mut env: Vec<_> = env.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    env.extend([("GIT_CONFIG_VALUE_0".into(), "*".into()), ("HOME".into(), asked.user_home.clone().into())]);
    // As the command line does: from the folder that it is in.
    let work_dir = std::env::set_current_dir(&asked.work).and_then(|()| WorkFolder::current());
    let work_dir = work_dir.map_err(|_| DevboxError::WorkDir(devbox::PathProblem::Missing))?;
    let spec = Spec {
        argv: asked.argv.iter().map(Into::into).collect(),
        env,
        work_dir,
        ro: asked.ro.clone(),
        rw: asked.rw.clone(),
        home: asked.home.clone(),
        home_files: asked.home_files.clone(),
        programs: asked.programs.clone(),
        hidden: asked.hidden.clone(),
        bundle_pem: b"a bundle\n".to_vec(),
        ports: vec![80, 443],
        terminal: Terminal::Auto,
    };
    if let Some(line) = &asked.meanwhile {
        assert!(Command::new("sh").args(["-c", line]).status().unwrap().success(), "{line}");
    }
    let prepared = devbox::prepare(&spec)?;
    if asked.serve {
        for one in prepared.listeners() {
            let fd = one.fd.try_clone().unwrap();
            match one.role {
                Role::Tcp(_) => drop(std::thread::spawn(move || serve(&TcpListener::from(fd)))),
                Role::Dns => drop(std::thread::spawn(move || answer(&fd))),
            }
        }
    }
    let running = prepared.start()?;
    for note in running.notes() {
        eprintln!("note: {note}");
    }
    if asked.end {
        let killer = running.killer();
        std::thread::spawn(move || killer.end("the gateway is gone"));
    }
    let exit = running.wait()?;
    for line in exit.git_changes.iter().chain(&exit.ended) {
        eprintln!("{line}");
    }
    Ok(exit.code)
}

fn serve(listener: &TcpListener) {
    for connection in listener.incoming() {
        let mut connection = connection.unwrap();
        writeln!(connection, "you dialled {}", connection.local_addr().unwrap()).unwrap();
    }
}

/// The reply must carry the asked address as its source: the packet's own information, both ways.
fn answer(fd: &std::os::fd::OwnedFd) {
    loop {
        let mut bytes = [0; 512];
        let mut parts = [std::io::IoSliceMut::new(&mut bytes)];
        let mut space = nix::cmsg_space!(libc::in_pktinfo, libc::in6_pktinfo);
        let got = recvmsg::<SockaddrStorage>(fd.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty()).unwrap();
        let peer = got.address;
        let beside: Vec<_> = got.cmsgs().unwrap().collect();
        let text = [std::io::IoSlice::new(b"an answer\n")];
        for message in beside {
            if let ControlMessageOwned::Ipv4PacketInfo(asked) = message {
                let from = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: asked.ipi_addr, ipi_addr: asked.ipi_addr };
                sendmsg(fd.as_raw_fd(), &text, &[ControlMessage::Ipv4PacketInfo(&from)], MsgFlags::empty(), peer.as_ref()).unwrap();
            } else if let ControlMessageOwned::Ipv6PacketInfo(asked) = message {
                sendmsg(fd.as_raw_fd(), &text, &[ControlMessage::Ipv6PacketInfo(&asked)], MsgFlags::empty(), peer.as_ref()).unwrap();
            }
        }
    }
}
