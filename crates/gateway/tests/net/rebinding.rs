//! The machine's resolver in an attacker's hands: what the gateway asks it, how often, and where it goes with the answer.
//!
//! Each test runs itself again in a network and a mount namespace of its own, where a name server of the test's answers for the machine and every address is
//! a listener of the test's.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, MessageType, Metadata};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::upstream::echo;
use crate::world::{Plan, VALUE, World};

const HOST: &str = "rebound.example.com";
const OPEN: &str = "open.example.com";
const DENIED: &str = "a-value-in-a-name.example.net";
const PUBLIC: &str = "93.184.216.34";

/// A name server, and what it was asked.
#[derive(Clone, Default)]
struct Resolver {
    answers: Arc<Mutex<HashMap<String, Vec<IpAddr>>>>,
    asked: Arc<Mutex<Vec<(String, RecordType)>>>,
}

/// The machine around the gateway: its name server, and where connections went.
struct Machine {
    world: World,
    resolver: Resolver,
    dialled: Arc<Mutex<Vec<IpAddr>>>,
}

/// Runs a test in namespaces of its own. Where this user may make none, says so.
#[allow(clippy::print_stdout, reason = "who cannot run it is told so")]
fn apart(name: &str, test: impl AsyncFnOnce()) {
    if std::env::var_os(APART).is_some() {
        tokio::runtime::Runtime::new().unwrap().block_on(test());
        return;
    }
    let unshared: &[&str] = if nix::unistd::geteuid().is_root() { &["-nm"] } else { &["-Urnm"] };
    let can = Command::new("unshare").args(unshared).arg("true").output().is_ok_and(|output| output.status.success());
    if !can {
        println!("skipped: this user can make no namespaces, and is not root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("resolv.conf"), "nameserver 127.0.0.1\noptions timeout:5 attempts:1\n").unwrap();
    std::fs::write(folder.path().join("nsswitch.conf"), "hosts: dns\n").unwrap();
    let script = "set -e; cd \"$1\"; for file in resolv.conf nsswitch.conf; do mount --bind $file /etc/$file; done
        ip link set lo up; ip route add local 0.0.0.0/0 dev lo; ip -6 route add local ::/0 dev lo
        exec \"$2\" --exact \"rebinding::$3\" --nocapture --test-threads 1";
    let mut command = Command::new("unshare");
    command
        .args(unshared)
        .args(["sh", "-c", script, "sh"])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env(APART, "yes");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

impl Resolver {
    fn serve(&self) {
        let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
        let resolver = self.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let reply = resolver.answer(&Message::from_vec(&buffer[..length]).unwrap());
                socket.send_to(&reply.to_vec().unwrap(), from).unwrap();
            }
        });
    }

    fn answer(&self, asked: &Message) -> Message {
        let mut reply = Message::new(asked.metadata.id, MessageType::Response, asked.metadata.op_code);
        reply.metadata = Metadata::response_from_request(&asked.metadata);
        reply.metadata.recursion_available = true;
        reply.add_queries(asked.queries.iter().cloned());
        let query = &asked.queries[0];
        let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
        self.asked.lock().unwrap().push((name.clone(), query.query_type()));
        for address in self.answers.lock().unwrap().get(&name).into_iter().flatten() {
            let data = match (query.query_type(), address) {
                (RecordType::A, IpAddr::V4(v4)) => RData::A(A(*v4)),
                (RecordType::AAAA, IpAddr::V6(v6)) => RData::AAAA(AAAA(*v6)),
                _ => continue,
            };
            reply.add_answers([Record::from_rdata(query.name().clone(), 0, data)]);
        }
        reply
    }

    /// From now on the name has these addresses.
    fn says(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        self.answers.lock().unwrap().insert(name.to_owned(), addresses);
    }

    /// How often the name's addresses of the fourth version were asked for.
    fn times(&self, name: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|(asked, kind)| asked == name && *kind == RecordType::A).count()
    }
}

impl Machine {
    async fn start() -> Self {
        let plan = Plan::default().bound("KEY", VALUE, HOST).upstream(HOST, echo()).upstream(OPEN, echo());
        // Nobody but the name server knows where they are.
        let world = plan.by_proxy(HOST).by_proxy(OPEN).allow(OPEN).start().await;
        let resolver = Resolver::default();
        resolver.serve();
        let dialled = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 443)).await.unwrap();
        let (noting, upstream) = (Arc::clone(&dialled), world.upstreams[HOST].address);
        tokio::spawn(relay(listener, upstream, noting));
        Self { world, resolver, dialled }
    }

    fn dialled(&self) -> Vec<String> {
        self.dialled.lock().unwrap().iter().map(ToString::to_string).collect()
    }
}

async fn relay(listener: TcpListener, upstream: SocketAddr, dialled: Arc<Mutex<Vec<IpAddr>>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        dialled.lock().unwrap().push(stream.local_addr().unwrap().ip());
        tokio::spawn(async move {
            let mut there = TcpStream::connect(upstream).await.unwrap();
            let _ended = copy_bidirectional(&mut stream, &mut there).await;
        });
    }
}

#[test]
fn a_name_is_resolved_once_and_dialled_as_it_was_checked() {
    apart("a_name_is_resolved_once_and_dialled_as_it_was_checked", async || {
        let machine = Machine::start().await;
        let Machine { world, resolver, .. } = &machine;
        resolver.says(HOST, &[PUBLIC]);
        let mut connection = world.connect(HOST).await;
        let request = format!("GET / HTTP/1.1\r\nhost: {HOST}\r\n{}\r\n", world.bearer("KEY"));
        assert_eq!(connection.ask(&request).await.status, 200);
        assert_eq!(resolver.times(HOST), 1, "it was resolved once");
        // The name is turned inside: what is open stays where it was checked, and what comes later is checked anew.
        resolver.says(HOST, &["127.0.0.1"]);
        assert_eq!(connection.ask(&request).await.status, 200);
        assert_eq!(resolver.times(HOST), 1);
        assert_eq!(world.get(HOST, "/", &world.bearer("KEY")).await.refusal().as_deref(), Some("address_forbidden"));
        assert_eq!(resolver.times(HOST), 2);
        assert_eq!((machine.dialled(), world.received(HOST).len()), (vec![PUBLIC.to_owned()], 2));
    });
}

#[test]
fn a_name_is_dialled_at_no_address_that_leads_inside() {
    apart("a_name_is_dialled_at_no_address_that_leads_inside", async || {
        let machine = Machine::start().await;
        let Machine { world, resolver, .. } = &machine;
        for inside in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "168.63.129.16",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
        ] {
            // Alone, and among addresses that would do, at either end.
            for answer in [&[inside][..], &[inside, PUBLIC], &[PUBLIC, inside], &["2606:4700::1111", inside, PUBLIC]] {
                resolver.says(HOST, answer);
                let reply = world.get(HOST, "/", &world.bearer("KEY")).await;
                assert_eq!(reply.refusal().as_deref(), Some("address_forbidden"), "{answer:?}");
            }
        }
        assert!(machine.dialled().is_empty() && world.received(HOST).is_empty(), "{:?}", machine.dialled());
        resolver.says(HOST, &[]);
        assert_eq!(world.get(HOST, "/", &world.bearer("KEY")).await.refusal().as_deref(), Some("upstream_unresolved"));
        resolver.says(HOST, &[PUBLIC]);
        assert_eq!(world.get(HOST, "/", &world.bearer("KEY")).await.status, 200);
        assert_eq!(machine.dialled(), [PUBLIC]);
    });
}

#[test]
fn no_name_leaves_before_its_request_was_decided() {
    apart("no_name_leaves_before_its_request_was_decided", async || {
        let machine = Machine::start().await;
        let Machine { world, resolver, .. } = &machine;
        resolver.says(OPEN, &[PUBLIC]);
        assert_eq!(world.get(DENIED, "/", "").await.refusal().as_deref(), Some("host_not_allowed"));
        assert_eq!(world.get(OPEN, "/", &world.bearer("KEY")).await.refusal().as_deref(), Some("host_not_bound"));
        let mut idle = world.connect(OPEN).await;
        assert_eq!(idle.ask(&format!("GET / HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).await.refusal().as_deref(), Some("name_mismatch"));
        let asked = resolver.asked.lock().unwrap().clone();
        assert!(asked.is_empty(), "looked up, greeted and refused, and nobody was asked: {asked:?}");
        // Where something does leave, that name is asked for and no other. The stand-in there is another host's, and is not believed.
        assert_eq!(idle.ask(&format!("GET / HTTP/1.1\r\nhost: {OPEN}\r\n\r\n")).await.refusal().as_deref(), Some("upstream_untrusted"));
        assert_eq!(resolver.times(OPEN), 1);
        assert!(resolver.asked.lock().unwrap().iter().all(|(name, _)| name == OPEN));
    });
}

const APART: &str = "TIGHTLIP_TEST_APART";
