//! The whole process, confined: it serves HTTP/1.1 and HTTP/2 on one port, writes durably, and ends when it is told. Without libtest, whose threads no
//! confinement would reach.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test without libtest speaks for itself")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use api::{Bound, Setup};
use http_body_util::{BodyExt, Full};
use link::Packets;
use model::Scopes;
use service::SystemClock;
use store::{Mode, Store};
use vault::{OpenKeys, Sealer, SigningKey};

const NAME: &str = "a_confined_process_serves_both_protocols_and_ends_in_order";
const KEY: &str = "tlk_process";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["make", folder] => make(Path::new(folder)),
        ["serve", folder] => serve(Path::new(folder)),
        words if words.contains(&"--list") => {
            if !words.contains(&"--ignored") {
                println!("{NAME}: test");
            }
        }
        _ => test(),
    }
}

fn make(folder: &Path) {
    for part in ["store", "api"] {
        std::fs::create_dir(folder.join(part)).unwrap();
    }
    let path = folder.join("store/tightlip.db");
    Store::create(&path, installation::DEPLOYMENT).unwrap();
    let store = Store::open(&path, Mode::Writer).unwrap();
    installation::add_account(&store, &installation::account(1));
    installation::add_key(&store, &installation::account(1), 1, KEY, Scopes::all());
    let keys = OpenKeys::make(installation::DEPLOYMENT).unwrap();
    std::fs::write(folder.join("api/manifest"), keys.manifest().unwrap()).unwrap();
    std::fs::write(folder.join("api/pin"), keys.manifest_pin()).unwrap();
}

fn serve(folder: &Path) {
    let [manifest, pin] = ["api/manifest", "api/pin"].map(|name| std::fs::read(folder.join(name)).unwrap());
    let sealer = Sealer::new(&manifest, &pin, SigningKey::make().unwrap()).unwrap();
    let (link, _gateway) = Packets::pair().unwrap();
    let setup = Setup {
        bound: Bound::to("127.0.0.1:0".parse().unwrap()).unwrap(),
        store: folder.join("store/tightlip.db"),
        api_dir: folder.join("api"),
        sealer: Arc::new(sealer),
        clock: Arc::new(SystemClock),
        hosts: vec![],
        link,
        control: link::Listener::bind(&folder.join("control.sock")).unwrap(),
        rates: api::RateLimits::OFF,
        tls: None,
        devboxes: true,
        closed: folder.join("gateway"),
    };
    let ready = |addr: SocketAddr| println!("{addr}");
    let shutdown = async {
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap().recv().await;
    };
    api::run(setup, ready, shutdown).unwrap();
}

fn child(role: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap()).args([role]).arg(folder).stdout(Stdio::piped()).spawn().unwrap()
}

fn test() {
    let folder = tempfile::tempdir().unwrap();
    assert!(child("make", folder.path()).wait().unwrap().success());
    let mut server = child("serve", folder.path());
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let addr: SocketAddr = line.trim().parse().expect("the server is ready and says where");

    let control = Packets::connect(&folder.path().join("control.sock")).unwrap();
    control.send(&link::control::Request::Accounts { after: None }, &[]).unwrap();
    let (accounts, _) = control.recv::<link::control::Reply>().unwrap();
    assert!(matches!(accounts, link::control::Reply::Accounts { accounts, next: None } if accounts.len() == 1));
    let created = http1(addr, "POST", "/v1/secrets", r#"{"name":"A","value":"some value"}"#);
    assert!(created.starts_with("HTTP/1.1 200"), "{created}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listed = runtime.block_on(http2(addr, "/v1/secrets"));
    assert!(listed.contains("\"name\":\"A\""), "{listed}");

    let pid = rustix::process::Pid::from_raw(i32::try_from(server.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(server.wait().unwrap().success());
    let store = Store::open(&folder.path().join("store/tightlip.db"), Mode::Reader).unwrap();
    assert!(store.secret(&installation::account(1).id, &installation::secret_name("A")).unwrap().is_some());
}

fn http1(addr: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {addr}\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

async fn http2(addr: SocketAddr, path: &str) -> String {
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).http2_only(true).build_http();
    let request = http::Request::get(format!("http://{addr}{path}")).header("authorization", format!("Bearer {KEY}"));
    let response = client.request(request.body(Full::<axum::body::Bytes>::default()).unwrap()).await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, http::Version::HTTP_2));
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}
