//! The ways out that an operator sets: a proxy of its own, and hosts whose connections pass unseen.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "common/road.rs"]
mod road;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use road::{BINARY, BOUND, ok, text};
use testkit::{Canary, Upstream, UpstreamSpec};

const PINNED: &str = "pinned.example.com";

/// A data folder with settings, and what serves it.
struct House {
    folder: tempfile::TempDir,
    server: Option<Child>,
}

impl House {
    fn new(settings: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["data", "home", "work"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::set_permissions(folder.path().join(name), PermissionsExt::from_mode(0o700)).unwrap();
        }
        let house = Self { folder, server: None };
        house.set(settings);
        for (name, content) in files {
            let path = house.path("data").join(name);
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
        }
        house
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn set(&self, settings: &str) {
        std::fs::write(self.path("data/tightlip.toml"), settings).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(arguments).env_clear().env("TIGHTLIP_DATA", self.path("data")).env("HOME", self.path("home")).env("TERM", "dumb");
        command.env("XDG_STATE_HOME", self.path("home/state")).env("PATH", std::env::var_os("PATH").unwrap());
        command.current_dir(self.path("work")).stdin(Stdio::null());
        command
    }

    fn call(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts it; its first words to a person, up to the line that holds these.
    fn up(&mut self, variable: Option<(&str, &str)>, until: &str) -> String {
        let mut up = self.command(&["up", "--listen", "127.0.0.1:0"]);
        let mut child = up.envs(variable).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let mut said = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        self.server = Some(child);
        while !said.contains(until) {
            if lines.read_line(&mut said).unwrap() == 0 {
                panic!("{until:?} was not said: {said}\n{}", log.join().unwrap());
            }
        }
        // Whoever writes to a pipe that nobody reads is ended by it.
        std::thread::spawn(move || drop(std::io::copy(&mut lines, &mut std::io::sink())));
        said
    }

    fn secret(&self, value: &str) {
        let mut set = self.command(&["secret", "set", "GITHUB_TOKEN"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        set.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
        assert!(set.wait().unwrap().success());
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.call(&["down"]);
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// A proxy that opens a tunnel to one place whatever it is asked for, and notes what it was asked.
fn proxy(to: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
    let noting = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let noting = Arc::clone(&noting);
            std::thread::spawn(move || tunnel(stream, to, &noting));
        }
    });
    (address, asked)
}

fn tunnel(mut stream: TcpStream, to: SocketAddr, noting: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    noting.lock().unwrap().push(String::from_utf8(head).unwrap());
    let mut upstream = TcpStream::connect(to).unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    let (mut from, mut back) = (stream.try_clone().unwrap(), upstream.try_clone().unwrap());
    let out = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut upstream);
        let _ = upstream.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut back, &mut stream);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = out.join();
}

#[test]
fn a_server_behind_a_proxy_reaches_its_hosts_and_lets_a_pinned_client_by() {
    let canary = Canary::make("ghp_").unwrap();
    let hosts = [BOUND, PINNED].map(str::to_owned).to_vec();
    let upstream = Upstream::start(UpstreamSpec { hosts, expected: Some(canary.value().to_owned()), repo: None }).unwrap();
    let (address, asked) = proxy(upstream.address());
    let settings = format!(
        "[gateway]\nupstream_ca = \"ca.pem\"\nupstream_proxy = \"http://{address}\"\nupstream_proxy_credentials = \"proxy-credentials\"\n\
         pass_through = [\"{PINNED}\"]\n"
    );
    let files = [("ca.pem", upstream.ca_pem()), ("proxy-credentials", "bob:the-proxys-password\n")];
    let mut house = House::new(&settings, &files);
    let said = house.up(None, "pass unseen");
    assert!(said.contains(&format!("the proxy at 127.0.0.1, port {}", address.port())) && said.contains(PINNED), "{said}");
    house.secret(canary.value());
    let line = format!("curl -sS https://{BOUND}/user -H \"Authorization: Bearer $GITHUB_TOKEN\"");
    let said = ok(&house.call(&["run", "-q", "--", "sh", "-c", &line]));
    assert!(said.contains("authorized") && !canary.is_in(said.as_bytes()), "{said}");
    let head =
        format!("CONNECT {BOUND}:443 HTTP/1.1\r\nHost: {BOUND}:443\r\nProxy-Authorization: Basic Ym9iOnRoZS1wcm94eXMtcGFzc3dvcmQ=\r\n\r\n");
    assert_eq!(*asked.lock().unwrap(), [head]);
    let refused = house.call(&["bind", "GITHUB_TOKEN", "--host", PINNED]);
    assert!(refused.status.code() == Some(7) && text(&refused.stderr).contains("pass_through"), "{}", text(&refused.stderr));
    // A client that trusts its host's own authority alone.
    std::fs::write(house.path("work/pinned.pem"), upstream.ca_pem()).unwrap();
    let line = format!(
        "curl -sS -o /dev/null -w '%{{http_code}}' --cacert pinned.pem https://{PINNED}/ -H \"Authorization: Bearer $GITHUB_TOKEN\""
    );
    let passed = house.call(&["run", "-q", "--allow", PINNED, "--", "sh", "-c", &line]);
    assert!(passed.status.success(), "{}", text(&passed.stderr));
    assert!(upstream.records_of(PINNED).iter().all(|record| !canary.is_in(format!("{record:?}").as_bytes())));
    assert!(ok(&house.call(&["events"])).contains("passed through unseen"));
    assert_eq!(asked.lock().unwrap().len(), 2);
}

#[test]
fn a_server_whose_list_contradicts_a_binding_does_not_start_and_says_how_to_mend_it() {
    let mut house = House::new("", &[]);
    house.up(None, "127.0.0.1");
    house.secret("ghp_0123456789abcdefghijABCDEFGHIJ012345");
    ok(&house.call(&["bind", "GITHUB_TOKEN", "--host", PINNED]));
    ok(&house.call(&["down"]));
    house.server.take().unwrap().wait().unwrap();
    house.set("[gateway]\npass_through = [\"*.example.com\"]\n");
    let refused = house.call(&["up", "--listen", "127.0.0.1:0"]);
    let said = text(&refused.stderr);
    assert!(!refused.status.success() && said.contains("GITHUB_TOKEN") && said.contains("tightlip unbind"), "{said}");
    house.set("");
    house.up(None, "127.0.0.1");
    ok(&house.call(&["unbind", "GITHUB_TOKEN", "--host", PINNED]));
    ok(&house.call(&["down"]));
    house.server.take().unwrap().wait().unwrap();
    house.set("[gateway]\npass_through = [\"*.example.com\"]\n");
    house.up(None, "pass unseen");
}

#[test]
fn a_proxy_of_the_environment_is_told_and_not_followed() {
    let mut house = House::new("", &[]);
    let said = house.up(Some(("HTTPS_PROXY", "http://bob:a-password@127.0.0.1:1")), "is set and not followed");
    assert!(said.contains("HTTPS_PROXY") && said.contains("upstream_proxy") && !said.contains("a-password"), "{said}");
}

#[test]
fn credentials_that_others_can_read_keep_the_server_from_starting() {
    let settings = "[gateway]\nupstream_proxy = \"http://127.0.0.1:1\"\nupstream_proxy_credentials = \"proxy-credentials\"\n";
    let house = House::new(settings, &[("proxy-credentials", "bob:a-password\n")]);
    let path = house.path("data/proxy-credentials");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    let refused = house.call(&["up", "--listen", "127.0.0.1:0"]);
    let said = text(&refused.stderr);
    assert!(!refused.status.success() && said.contains("chmod 600") && !said.contains("a-password"), "{said}");
    assert!(!Path::new(&house.path("data/store")).exists(), "nothing was made");
}
