//! A gateway and a keeper that the test started on a data folder, with the api's end of the link in the test's own hands.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use link::{Listener, Packets};
use testkit::Upstream;

/// Both end when this is dropped.
pub struct Alone {
    pub gateway: Child,
    keeper: Child,
    pub link: Option<Packets>,
    _leashes: [Packets; 2],
    _lock: std::fs::File,
}

impl Alone {
    /// Starts them; `upstream` stands for these hosts.
    pub fn start(data: &Path, upstream: &Upstream, hosts: &[&str]) -> Self {
        let socket = data.join("gateway.sock");
        let _absent = std::fs::remove_file(&socket);
        let listener = Listener::bind(&socket).unwrap();
        // As a supervisor holds it: commands find this gateway, and start no other beside it.
        let lock = std::fs::File::open(data.join("lock")).unwrap();
        lock.try_lock().unwrap();
        std::fs::write(data.join("address"), "http://127.0.0.1:9\n").unwrap();
        let (api_end, gateway_end) = Packets::pair().unwrap();
        let (to_keeper, keeper_end) = Packets::pair().unwrap();
        let (keeper_leash, theirs) = Packets::pair().unwrap();
        let begin = serde_json::json!({"supervisor": std::process::id(), "task": "keeper", "given": ["link", "lock"]});
        keeper_leash.send(&begin, &[keeper_end.as_fd(), lock.as_fd()]).unwrap();
        let keeper =
            Command::new(env!("CARGO_BIN_EXE_tightlip")).arg("__keeper").stdin(Stdio::from(OwnedFd::from(theirs))).spawn().unwrap();
        let (leash, theirs) = Packets::pair().unwrap();
        let resolve: Vec<serde_json::Value> =
            hosts.iter().map(|host| serde_json::json!({"host": host, "port": 443, "address": upstream.address()})).collect();
        let task = serde_json::json!({"gateway": {"data": data, "resolve": resolve, "upstream_ca": data.join("upstream-ca.pem"), "ways": {"proxy": null, "pass_through": []}, "idle_exit_ms": null, "awaits_root_key": false, "anchors": [], "policy": {"plain_env_for_unbound": false, "accept_pairings": false}}});
        let given = ["link", "socket", "lock", "keeper"];
        let begin = serde_json::json!({"supervisor": std::process::id(), "task": task, "given": given});
        leash.send(&begin, &[gateway_end.as_fd(), listener.as_fd(), lock.as_fd(), to_keeper.as_fd()]).unwrap();
        let gateway =
            Command::new(env!("CARGO_BIN_EXE_tightlip")).arg("__gateway").stdin(Stdio::from(OwnedFd::from(theirs))).spawn().unwrap();
        leash.limit_wait(Some(Duration::from_secs(20))).unwrap();
        let (report, _) = leash.recv::<serde_json::Value>().unwrap();
        assert_eq!(report, serde_json::json!("ready"));
        Self { gateway, keeper, link: Some(api_end), _leashes: [leash, keeper_leash], _lock: lock }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.link.take();
        for child in [&mut self.gateway, &mut self.keeper] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
