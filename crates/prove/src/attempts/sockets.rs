//! The host's sockets: our own doors, docker, systemd, agents, abstract names.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixStream};
use std::path::Path;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr as NixUnixAddr, connect, recv, send, socket};
use std::os::fd::AsRawFd;

use super::Channel::Sockets;
use super::Control::{Absent, Reaches};
use super::{Attempt, REACHED, does, shell};
use crate::probe::{Knowledge, PATIENCE};

pub(super) const ATTEMPTS: &[Attempt] = &[
    does("ask gateway.sock", Sockets, 22, Reaches, gateway_socket),
    does("ask control.sock", Sockets, 22, Reaches, control_socket),
    does("ask gateway.sock through the first process's root", Sockets, 22, Absent, gateway_through_proc),
    does("ask the api on the host's loopback", Sockets, 22, Reaches, host_api),
    does("read metrics and readiness on the host's loopback", Sockets, 22, Reaches, host_metrics),
    does("ask docker's socket", Sockets, 32, Absent, docker),
    does("ask containerd's and podman's sockets", Sockets, 32, Absent, containerd),
    does("ask systemd and D-Bus", Sockets, 32, Absent, systemd),
    does("ask the name service's socket", Sockets, 32, Absent, name_service),
    does("ask an ssh or gpg agent", Sockets, 32, Absent, agents),
    does("write to the host's log socket", Sockets, 32, Absent, log_socket),
    does("ask every abstract socket", Sockets, 32, Absent, abstract_sockets),
    does("ask every socket that has a path", Sockets, 32, Absent, listed_sockets),
    shell(
        "list the machine's connections",
        Sockets,
        32,
        Absent,
        &[],
        "cat /proc/net/unix /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/1/net/tcp /proc/net/packet /proc/net/netlink",
    ),
    shell(
        "list addresses and routes",
        Sockets,
        20,
        Absent,
        &["ip"],
        "ip addr; ip route show table all; ip neigh; ip link add d type dummy; ip route add default via 10.0.0.1",
    ),
];

fn gateway_socket(knowledge: &Knowledge) -> Vec<u8> {
    packets(&knowledge.data.join("gateway.sock"))
}

fn control_socket(knowledge: &Knowledge) -> Vec<u8> {
    [door(&knowledge.data.join("control.sock")), packets(&knowledge.data.join("control.sock"))].concat()
}

fn gateway_through_proc(knowledge: &Knowledge) -> Vec<u8> {
    let data = knowledge.data.strip_prefix("/").unwrap_or(&knowledge.data);
    packets(&Path::new("/proc/1/root").join(data).join("gateway.sock"))
}

/// With the walls away the api is reachable, and still shows no value: what it answers is part of what is searched.
fn host_api(knowledge: &Knowledge) -> Vec<u8> {
    over_tcp(knowledge, "/v1/secrets")
}

fn host_metrics(knowledge: &Knowledge) -> Vec<u8> {
    ["/metrics", "/readyz", "/healthz", "/openapi.json"].into_iter().flat_map(|path| over_tcp(knowledge, path)).collect()
}

fn docker(_: &Knowledge) -> Vec<u8> {
    [door(Path::new("/var/run/docker.sock")), door(Path::new("/run/docker.sock"))].concat()
}

fn containerd(_: &Knowledge) -> Vec<u8> {
    let paths = ["/run/containerd/containerd.sock", "/run/podman/podman.sock", "/run/crio/crio.sock", "/run/snapd.socket"];
    paths.into_iter().flat_map(|path| door(Path::new(path))).collect()
}

fn systemd(_: &Knowledge) -> Vec<u8> {
    let paths = ["/run/systemd/private", "/run/dbus/system_bus_socket", "/run/systemd/io.system.ManagedOOM", "/run/systemd/notify"];
    paths.into_iter().flat_map(|path| door(Path::new(path))).collect()
}

fn name_service(_: &Knowledge) -> Vec<u8> {
    let paths = [
        "/run/nscd/socket",
        "/var/run/nscd/socket",
        "/run/systemd/resolve/io.systemd.Resolve",
        "/run/systemd/userdb/io.systemd.DynamicUser",
    ];
    paths.into_iter().flat_map(|path| door(Path::new(path))).collect()
}

fn agents(_: &Knowledge) -> Vec<u8> {
    let mut out = Vec::new();
    for variable in ["SSH_AUTH_SOCK", "GPG_AGENT_INFO", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"] {
        let Some(value) = std::env::var_os(variable) else {
            out.extend_from_slice(format!("{variable} is not set\n").as_bytes());
            continue;
        };
        out.extend(door(Path::new(&value)));
    }
    for path in ["/run/user/1000/gnupg/S.gpg-agent", "/run/user/0/gnupg/S.gpg-agent", "/run/user/1000/bus", "/run/user/1000/keyring/ssh"] {
        out.extend(door(Path::new(path)));
    }
    out
}

fn log_socket(_: &Knowledge) -> Vec<u8> {
    [door(Path::new("/dev/log")), door(Path::new("/run/systemd/journal/stdout")), door(Path::new("/run/systemd/journal/socket"))].concat()
}

fn abstract_sockets(_: &Knowledge) -> Vec<u8> {
    let listed = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let found = listed.lines().filter_map(|line| line.split_whitespace().nth(7)?.strip_prefix('@').map(str::to_owned));
    let guessed = ["tightlip", "gateway", "/tmp/.X11-unix/X0", "/tmp/dbus-session", "containerd", "/containerd-shim"].map(str::to_owned);
    let mut out = listed.clone().into_bytes();
    for name in found.chain(guessed).take(NAMES_MAX) {
        let opened = UnixAddr::from_abstract_name(&name).and_then(|address| UnixStream::connect_addr(&address));
        out.extend(talk(opened));
    }
    out
}

fn listed_sockets(_: &Knowledge) -> Vec<u8> {
    let listed = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let paths = listed.lines().filter_map(|line| line.split_whitespace().nth(7)).filter(|path| path.starts_with('/'));
    paths.take(NAMES_MAX).flat_map(|path| stream(Path::new(path))).collect()
}

fn over_tcp(knowledge: &Knowledge, path: &str) -> Vec<u8> {
    let Some(api) = knowledge.api else { return b"no address".to_vec() };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {api}\r\nConnection: close\r\n\r\n");
    let mut out = Vec::new();
    match TcpStream::connect_timeout(&api, PATIENCE) {
        Ok(mut stream) => {
            out.extend_from_slice(format!("\n{REACHED}\n").as_bytes());
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_end(&mut out));
        }
        Err(error) => out.extend_from_slice(error.to_string().as_bytes()),
    }
    out
}

fn stream(path: &Path) -> Vec<u8> {
    talk(UnixStream::connect(path))
}

/// A socket of the machine's at a place where no devbox has one.
fn door(path: &Path) -> Vec<u8> {
    let opened = UnixStream::connect(path);
    let reached = if opened.is_ok() { format!("\n{REACHED}\n") } else { String::new() };
    [reached.into_bytes(), talk(opened)].concat()
}

fn talk(opened: std::io::Result<UnixStream>) -> Vec<u8> {
    let mut out = Vec::new();
    match opened {
        Ok(mut stream) => {
            let _ = stream.set_read_timeout(Some(PATIENCE / 10));
            let asked = stream.write_all(b"GET /containers/json?all=1 HTTP/1.0\r\nHost: x\r\n\r\n");
            let _ = asked.and_then(|()| stream.take(SAID_BYTES_MAX).read_to_end(&mut out));
        }
        Err(error) => out.extend_from_slice(error.to_string().as_bytes()),
    }
    out
}

/// As people's tools speak to the gateway: one packet each way.
fn packets(path: &Path) -> Vec<u8> {
    let ask = || -> nix::Result<Vec<u8>> {
        let fd = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)?;
        connect(fd.as_raw_fd(), &NixUnixAddr::new(path)?)?;
        let mut out = format!("\n{REACHED}\n").into_bytes();
        // Whatever else the door says to this: that it was reached is bad enough.
        let _ = send(fd.as_raw_fd(), br#""health""#, nix::sys::socket::MsgFlags::empty());
        std::thread::park_timeout(PATIENCE / 10);
        let mut answer = vec![0; 1 << 16];
        let got = recv(fd.as_raw_fd(), &mut answer, nix::sys::socket::MsgFlags::empty()).unwrap_or(0);
        out.extend_from_slice(&answer[..got]);
        Ok(out)
    };
    ask().unwrap_or_else(|errno| errno.desc().as_bytes().to_vec())
}

const SAID_BYTES_MAX: u64 = 1 << 20;
const NAMES_MAX: usize = 32;
