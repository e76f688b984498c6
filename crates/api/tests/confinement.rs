//! What a confined thread can no longer do. Confinement is per thread until a process has only one, so each attempt has a thread of its own.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use api::{Bound, ConfineError, confine};

/// Runs `attempt` confined to the two folders, beside a third that is not among them.
fn confined<T: Send + 'static>(attempt: impl FnOnce(&Path, &Path, &Path) -> T + Send + 'static) -> T {
    let folder = tempfile::tempdir().unwrap();
    let [store, api, gateway, tls] = ["store", "api", "gateway", "tls"].map(|name| folder.path().join(name));
    for folder in [&store, &api, &gateway, &tls] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("file"), "text").unwrap();
    }
    let done = std::thread::spawn(move || {
        confine(&store, &api, &[tls]).unwrap();
        attempt(&store, &api, &gateway)
    });
    done.join().unwrap()
}

fn denied<T>(result: std::io::Result<T>) -> bool {
    matches!(result.map_err(|error| error.kind()), Err(ErrorKind::PermissionDenied))
}

#[test]
fn the_gateways_folder_and_the_rest_of_the_machine_are_closed() {
    confined(|store, _, gateway| {
        for path in [gateway.join("file"), PathBuf::from("/etc/passwd"), PathBuf::from("/proc/self/mem"), PathBuf::from("/proc/1/environ")]
        {
            assert!(denied(fs::File::open(&path)), "{}", path.display());
        }
        assert!(denied(fs::read_dir(gateway)));
        assert!(denied(fs::write(gateway.join("new"), "")));
        assert!(fs::hard_link(gateway.join("file"), store.join("linked")).is_err());
        assert!(fs::rename(gateway.join("file"), store.join("moved")).is_err());
        assert!(std::os::unix::fs::symlink(gateway.join("file"), store.join("link")).is_err());
    });
}

#[test]
fn its_own_folders_stay_open() {
    confined(|store, api, _| {
        for folder in [store, api] {
            assert_eq!(fs::read_to_string(folder.join("file")).unwrap(), "text");
            fs::write(folder.join("new"), "new").unwrap();
            fs::rename(folder.join("new"), folder.join("newer")).unwrap();
            fs::File::options().write(true).open(folder.join("newer")).unwrap().set_len(1).unwrap();
            fs::remove_file(folder.join("newer")).unwrap();
        }
    });
}

#[test]
fn the_certificates_folder_is_for_reading_alone() {
    confined(|store, _, _| {
        let tls = store.with_file_name("tls");
        assert_eq!(fs::read_to_string(tls.join("file")).unwrap(), "text");
        assert!(denied(fs::write(tls.join("file"), "other")) && denied(fs::write(tls.join("new"), "new")));
        assert!(denied(fs::read_dir(&tls)) && denied(fs::remove_file(tls.join("file"))));
    });
}

#[test]
fn no_socket_is_made_and_no_program_started() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    confined(move |store, _, _| {
        assert!(denied(TcpStream::connect(addr)));
        assert!(denied(TcpListener::bind("127.0.0.1:0")));
        assert!(denied(UnixStream::pair()));
        assert!(denied(std::os::unix::net::UnixListener::bind(store.join("socket"))));
        assert!(denied(std::net::UdpSocket::bind("127.0.0.1:0")));
        assert!(Command::new("/bin/true").status().is_err());
        // A thread started later is confined as well.
        assert!(std::thread::spawn(move || denied(TcpStream::connect(addr))).join().unwrap());
    });
}

#[test]
fn other_processes_are_out_of_reach() {
    let mut other = Command::new("sleep").arg("60").spawn().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(other.id()).unwrap()).unwrap();
    confined(move |_, _, _| {
        assert!(rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).is_err());
        assert!(rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_err());
        assert!(rustix::thread::capabilities(None).unwrap().effective.difference(rustix::thread::CapabilitySet::DAC_OVERRIDE).is_empty());
    });
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn a_socket_bound_before_listens_and_accepts_after() {
    let bound = Bound::to("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = bound.addr().unwrap();
    assert!(TcpStream::connect(addr).is_err());
    let listener = confined(move |_, _, _| bound.listen().unwrap());
    TcpStream::connect(addr).unwrap();
    drop(listener);
}

#[test]
fn a_port_in_use_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(Bound::to(listener.local_addr().unwrap()).err().unwrap().kind(), ErrorKind::AddrInUse);
}

#[test]
fn a_missing_folder_is_a_refusal() {
    let refused = std::thread::spawn(|| confine(Path::new("/nonexistent/store"), Path::new("/nonexistent/api"), &[])).join().unwrap();
    assert!(matches!(refused, Err(ConfineError::Folder(..))));
}
