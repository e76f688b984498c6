//! The API's own TLS port: what is refused at start, both protocols, and a certificate that is replaced while the server runs.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::certify::{Authority, Pair, Tls};
use crate::h2;
use crate::server::{Place, Server, refused, snapshot, up, wait_for};

const NAME: &str = "api.example.test";

/// A data folder whose settings name a TLS port, with a pair of an authority in `tls/`.
pub fn prepared(place: &Place, names: &[&str]) -> (Authority, Pair) {
    let authority = Authority::new();
    let pair = authority.certify(names);
    pair.write(&place.data().join("tls"));
    settings(place, "127.0.0.1:0", "tls/fullchain.pem", "tls/privkey.pem");
    (authority, pair)
}

fn settings(place: &Place, listen: &str, certificate: &str, key: &str) {
    fs::create_dir_all(place.data()).unwrap();
    let text = format!("[api]\ntls_listen = \"{listen}\"\ntls_certificate = \"{certificate}\"\ntls_key = \"{key}\"\n");
    fs::write(place.data().join("tightlip.toml"), text).unwrap();
}

pub fn tls_address(server: &Server) -> SocketAddr {
    let url = server.https_url.as_ref().unwrap();
    let port = url.rsplit_once(':').unwrap().1.parse().unwrap();
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// The status of a GET with the owner's key, over HTTP/1.1 that is kept open.
fn get(stream: &mut Tls, server: &Server, path: &str, host: &str) -> u16 {
    let key = fs::read_to_string(server.data.join("api-key")).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n\r\n").as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    stream.read_exact(&mut vec![0; length]).unwrap();
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

fn refuses(place: &Place, words: &[&str]) {
    let before = snapshot(&place.data());
    let (code, said) = refused(&mut up(&place.data()));
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    assert_eq!(code, 1, "{said}");
    assert!(snapshot(&place.data()) == before, "something was changed");
}

#[test]
fn files_that_cannot_be_used_are_named_and_nothing_is_made() {
    let place = Place::new();
    let (authority, pair) = prepared(&place, &[NAME]);
    let tls = place.data().join("tls");
    let other = authority.certify(&[NAME]);
    let large = "x".repeat(70_000);
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let cases: [(&str, Option<&str>, &[&str]); 9] = [
        ("fullchain.pem", None, &["fullchain.pem", "tls_certificate", "must be there"]),
        ("privkey.pem", None, &["privkey.pem", "tls_key", "must be there"]),
        ("fullchain.pem", Some("no PEM"), &["fullchain.pem", "no certificate in PEM form"]),
        ("fullchain.pem", Some(&pair.key), &["fullchain.pem", "no certificate in PEM form"]),
        ("fullchain.pem", Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), &["fullchain.pem", "cannot be read"]),
        ("fullchain.pem", Some(&large), &["fullchain.pem", "more than 65536 bytes"]),
        ("privkey.pem", Some(&pair.certificate), &["privkey.pem", "no private key in PEM form"]),
        ("privkey.pem", Some(encrypted), &["privkey.pem", "without a passphrase"]),
        ("privkey.pem", Some(&other.key), &["privkey.pem", "fullchain.pem", "does not belong", "issued together"]),
    ];
    for (file, text, words) in cases {
        match text {
            Some(text) => fs::write(tls.join(file), text).unwrap(),
            None => fs::remove_file(tls.join(file)).unwrap(),
        }
        refuses(&place, words);
        pair.write(&tls);
    }
    fs::write(place.data().join("tightlip.toml"), "[api]\ntls_listen = \"127.0.0.1:0\"\n").unwrap();
    refuses(&place, &["tls_certificate and tls_key too"]);
    assert!(!place.data().join("gateway").exists());
}

#[test]
fn a_folder_that_would_open_the_gateways_keys_to_the_api_is_refused() {
    let place = Place::new();
    let (_, pair) = prepared(&place, &[NAME]);
    Server::start(&place.data()).stop();
    for folder in [".", "gateway", "gateway/tls", ".."] {
        pair.write(&place.data().join(folder));
        settings(&place, "127.0.0.1:0", "tls/fullchain.pem", &format!("{folder}/privkey.pem"));
        refuses(&place, &["privkey.pem", "a folder of their own", "keys that open values"]);
        settings(&place, "127.0.0.1:0", &format!("{folder}/fullchain.pem"), "tls/privkey.pem");
        refuses(&place, &["fullchain.pem", "a folder of their own"]);
    }
    // Also where only a link leads there, and where the folder has another name.
    let tls = place.data().join("tls");
    fs::remove_file(tls.join("privkey.pem")).unwrap();
    symlink(place.data().join("gateway/privkey.pem"), tls.join("privkey.pem")).unwrap();
    settings(&place, "127.0.0.1:0", "tls/fullchain.pem", "tls/privkey.pem");
    refuses(&place, &["privkey.pem", "a folder of their own"]);
    symlink(place.data().join("gateway"), tls.join("elsewhere")).unwrap();
    settings(&place, "127.0.0.1:0", "tls/fullchain.pem", "tls/elsewhere/privkey.pem");
    refuses(&place, &["privkey.pem", "a folder of their own"]);
}

#[test]
fn a_tls_port_in_use_is_named_with_its_setting() {
    let place = Place::new();
    prepared(&place, &[NAME]);
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    settings(&place, &other.local_addr().unwrap().to_string(), "tls/fullchain.pem", "tls/privkey.pem");
    refuses(&place, &[&format!("port {}", other.local_addr().unwrap().port()), "tls_listen"]);
}

#[test]
fn both_protocols_are_served_and_the_certificates_names_are_ours() {
    let place = Place::new();
    let (authority, _) = prepared(&place, &[NAME, "*.wild.example.test"]);
    let mut server = Server::start(&place.data());
    let address = tls_address(&server);
    assert_eq!(server.https_url, Some(format!("https://{NAME}:{}", address.port())));
    let (mut tls, _) = authority.connect(address, NAME, b"http/1.1").unwrap();
    for host in [NAME, &format!("{NAME}:{}", address.port()), "a.wild.example.test", "localhost"] {
        assert_eq!(get(&mut tls, &server, "/v1/secrets", host), 200, "{host}");
    }
    for host in ["wild.example.test", "a.b.wild.example.test", "other.example.test"] {
        assert_eq!(get(&mut tls, &server, "/v1/secrets", host), 403, "{host}");
    }
    let (mut tls, _) = authority.connect(address, "x.wild.example.test", b"h2").unwrap();
    let key = format!("Bearer {}", fs::read_to_string(place.data().join("api-key")).unwrap().trim());
    let block = h2::block(&h2::request("GET", "/v1/secrets", "x.wild.example.test", &key));
    tls.write_all(&[h2::hello(&[]), h2::frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, 1, &block)].concat()).unwrap();
    let body = h2::answer(&mut tls, 1).unwrap().expect("200 over HTTP/2");
    assert!(body.contains("\"secrets\""), "{body}");
    // The cleartext port is still there, and the whole server ends in order.
    server.wait_until_both_serve();
    drop(tls);
    assert!(server.stop().success());
}

#[test]
fn an_expired_certificate_is_served_and_said_so() {
    let place = Place::new();
    let (authority, _) = prepared(&place, &[NAME]);
    authority.certify_until(&[NAME], 2020).write(&place.data().join("tls"));
    let mut server = Server::start(&place.data());
    assert!(authority.connect(tls_address(&server), NAME, b"h2").is_err(), "an expired certificate is refused by its clients");
    assert!(server.stop().success());
    let mut said = String::new();
    server.process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("has expired"), "{said}");
}

/// Lays files as certbot does: names that lead to numbered files of another folder.
fn lay(place: &Path, number: u32, pair: &Pair) {
    let (live, archive) = (place.join("live/example"), place.join("archive/example"));
    fs::create_dir_all(&live).unwrap();
    fs::create_dir_all(&archive).unwrap();
    for (name, text) in [("fullchain", &pair.certificate), ("privkey", &pair.key)] {
        fs::write(archive.join(format!("{name}{number}.pem")), text).unwrap();
        let new = live.join("new");
        symlink(PathBuf::from(format!("../../archive/example/{name}{number}.pem")), &new).unwrap();
        fs::rename(new, live.join(format!("{name}.pem"))).unwrap();
    }
}

#[test]
fn a_replaced_certificate_is_taken_and_a_broken_one_is_not() {
    let (place, elsewhere) = (Place::new(), tempfile::tempdir().unwrap());
    let authority = Authority::new();
    let [first, second, third] = [(); 3].map(|()| authority.certify(&[NAME]));
    lay(elsewhere.path(), 1, &first);
    let live = elsewhere.path().join("live/example");
    let named = |file: &str| live.join(file).to_str().unwrap().to_owned();
    settings(&place, "127.0.0.1:0", &named("fullchain.pem"), &named("privkey.pem"));
    let mut server = Server::start(&place.data());
    let address = tls_address(&server);
    let shown = || authority.connect(address, NAME, b"http/1.1").unwrap().1;
    let (mut standing, before) = authority.connect(address, NAME, b"http/1.1").unwrap();
    assert_eq!(before, first.der());
    assert_eq!(get(&mut standing, &server, "/healthz", NAME), 200);

    lay(elsewhere.path(), 2, &second);
    wait_for("the second certificate", || (shown() == second.der()).then_some(()));
    assert_eq!(get(&mut standing, &server, "/healthz", NAME), 200, "a connection that stood goes on");

    // The third's certificate with the second's key, then a file that is none: the second stays.
    lay(elsewhere.path(), 3, &Pair { certificate: third.certificate.clone(), key: second.key.clone() });
    let mut log = std::io::BufReader::new(server.process.stderr.take().unwrap());
    read_until(&mut log, "keeps the certificate it had");
    assert_eq!(shown(), second.der());
    lay(elsewhere.path(), 4, &third);
    let between = read_until(&mut log, "has a new certificate");
    assert!(!between.contains("keeps"), "it was said once: {between}");
    assert_eq!(shown(), third.der());
    assert_eq!(get(&mut standing, &server, "/healthz", NAME), 200);
    drop(standing);
    assert!(server.stop().success());
}

/// Reads a log until a line has the words; what stood before that line.
fn read_until(log: &mut impl std::io::BufRead, words: &str) -> String {
    let mut before = String::new();
    loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "the log ended without {words:?}: {before}");
        if line.contains(words) {
            return before;
        }
        before.push_str(&line);
    }
}
