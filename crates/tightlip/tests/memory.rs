//! A value's way through the server leaves nothing of it in memory: a second after the last connection closed, neither process holds any sixteen bytes of it.
//!
//! The processes are closed to their neighbours. Root reads their memory all the same. An ordinary user may where the server runs in a user namespace of
//! that user's own (user_namespaces(7)); there it is the same binary with the same calls.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::http::key;
use common::memory::Scanner;
use common::road::{BINARY, BOUND, text};
use common::secure::{NAME, Secure, tls_address};
use nix::unistd::geteuid;
use testkit::{Canary, Launch, Server, Upstream, UpstreamSpec};

mod common {
    pub mod certify;
    pub mod http;
    pub mod memory;
    pub mod road;
    pub mod secure;
}

#[test]
fn nothing_of_a_value_stays_in_memory() {
    let house = House::start();
    let scanner = house.scanner();
    let api = Api { house: &house, key: key(&house.server) };
    let gone = |after: &str| {
        for role in [Role::Api, Role::Gateway, Role::Supervisor] {
            house.must_forget(role, &scanner, after);
        }
    };

    the_scanner_finds_what_is_there(&house, &scanner);
    gone("the control");
    for way in WAYS {
        create_and_update(&api, &house, way);
        gone(&format!("creates and updates by {way:?}"));
        be_refused(&api, &house, way);
        gone(&format!("refusals by {way:?}"));
        misplace(&api, &house, way);
        gone(&format!("values in the wrong place by {way:?}"));
    }
    break_off(&api, &house);
    gone("connections that broke off");
    many_at_once(&api, &house);
    gone("many at once");
    swap(&house);
    gone("a devbox that used a value");
    refuse_swaps(&house);
    gone("a devbox whose requests were refused");
}

/// A protocol, as curl's option, and whether it goes over TLS.
#[derive(Clone, Copy, Debug)]
struct Way {
    option: &'static str,
    secure: bool,
}

const WAYS: [Way; 4] = [
    Way { option: "--http1.1", secure: false },
    Way { option: "--http2-prior-knowledge", secure: false },
    Way { option: "--http1.1", secure: true },
    Way { option: "--http2", secure: true },
];

/// What is planted: one value for each way through the server, so that a find tells its way.
struct House {
    server: Server,
    upstream: Upstream,
    secure: Secure,
    values: Vec<(&'static str, Canary)>,
    _launcher: Launcher,
}

#[derive(Clone, Copy, Debug)]
enum Role {
    Api,
    Gateway,
    Supervisor,
}

impl House {
    fn start() -> Self {
        let ways =
            ["held", "create", "update", "refused", "large", "misplaced", "broken off", "many", "swapped", "replaced", "not swapped"];
        let values: Vec<(&str, Canary)> = ways.map(|way| (way, Canary::make("ghp_").unwrap())).into_iter().collect();
        let swapped = values.iter().find(|(way, _)| *way == "swapped").unwrap().1.value().to_owned();
        let upstream = Upstream::start(UpstreamSpec { hosts: vec![BOUND.to_owned()], expected: Some(swapped), repo: None }).unwrap();
        let (launcher, secure) = (Launcher::make(), Secure::make());
        let (pairs, settings) = ([(BOUND, &upstream)], secure.settings());
        let launch = Launch { upstreams: &pairs, settings: &settings, ..Launch::default() };
        let server = Server::start(&launcher.program, launch).unwrap();
        Self { server, upstream, secure, values, _launcher: launcher }
    }

    fn value(&self, way: &str) -> &str {
        self.values.iter().find(|(name, _)| *name == way).unwrap().1.value()
    }

    fn scanner(&self) -> Scanner {
        Scanner::of(self.values.iter().map(|(way, canary)| (*way, canary.value())))
    }

    fn pid(&self, role: Role) -> i32 {
        let subcommand = match role {
            Role::Api => "__api",
            Role::Gateway => "__gateway",
            Role::Supervisor => return i32::try_from(self.server.pid()).unwrap(),
        };
        let pid = self.server.pid();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let is_it = |pid: &i32| {
            std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.split('\0').nth(1) == Some(subcommand))
        };
        children.split_whitespace().map(|pid| pid.parse().unwrap()).find(is_it).unwrap()
    }

    /// Within a second nothing is left. A scan that begins before then and finds nothing is enough: what is gone does not come back by itself.
    fn must_forget(&self, role: Role, scanner: &Scanner, after: &str) {
        let deadline = Instant::now() + FORGOTTEN_WITHIN;
        loop {
            let last = Instant::now() > deadline;
            let (traces, searched) = scanner.scan(self.pid(role)).unwrap();
            assert!(searched > 1 << 20, "only {searched} bytes of {role:?} could be read");
            if traces.is_empty() {
                return;
            }
            let told: Vec<String> = traces.iter().take(40).map(ToString::to_string).collect();
            assert!(!last, "after {after}, {role:?} still holds {} traces:\n{}", traces.len(), told.join("\n"));
        }
    }
}

/// The program that is started as the server.
struct Launcher {
    program: PathBuf,
    _folder: tempfile::TempDir,
}

impl Launcher {
    /// The binary; for an ordinary user, the binary within a user namespace of its own.
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("tightlip");
        std::fs::write(&script, format!("#!/bin/sh\nexec unshare --user --map-root-user {BINARY} \"$@\"\n")).unwrap();
        std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
        Self { program: if geteuid().is_root() { BINARY.into() } else { script }, _folder: folder }
    }
}

/// The control: a process that holds a value is found out, and so is the api while a value is on its way through it.
fn the_scanner_finds_what_is_there(house: &House, scanner: &Scanner) {
    let mut holder = Command::new("/bin/sh")
        .args(["-c", "read -r held; echo ready; read -r end"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(holder.stdin.as_mut().unwrap(), "{}", house.value("held")).unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let (traces, _) = scanner.scan(i32::try_from(holder.id()).unwrap()).unwrap();
    assert!(traces.iter().any(|trace| trace.planted == "held" && trace.form == "raw"), "the scanner finds nothing");
    end(holder);

    let mut stream = TcpStream::connect(house.server.url().trim_start_matches("http://")).unwrap();
    let body = format!("{{\"name\":\"HELD\",\"value\":\"{}", house.value("held"));
    write!(stream, "POST /v1/secrets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{body}").unwrap();
    let deadline = Instant::now() + PATIENCE;
    while scanner.scan(house.pid(Role::Api)).unwrap().0.is_empty() {
        assert!(Instant::now() < deadline, "a value on its way through the api is not found");
    }
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    child.wait().unwrap();
}

struct Api<'a> {
    house: &'a House,
    key: String,
}

impl Api<'_> {
    /// A request by curl; its status.
    fn ask(&self, way: Way, path: &str, extra: &[&str], body: &str) -> u16 {
        let mut command = Command::new("curl");
        command.args([
            "-sS",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            way.option,
            "-X",
            "POST",
            "--data-binary",
            "@-",
            "-H",
            "Expect:",
            "-H",
            "Content-Type: application/json",
        ]);
        if !extra.iter().any(|text| text.starts_with("Authorization:")) {
            command.args(["-H", &format!("Authorization: Bearer {}", self.key)]);
        }
        let server = &self.house.server;
        if way.secure {
            let address = tls_address(server);
            command.arg("--cacert").arg(self.house.secure.ca_file()).args(["--resolve", &format!("{NAME}:{}:127.0.0.1", address.port())]);
            command.args(extra).arg(format!("https://{NAME}:{}{path}", address.port()));
        } else {
            command.args(extra).arg(format!("{}{path}", server.url()));
        }
        let mut curl = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A server that has heard enough ends the connection; its answer counts.
        let _ = curl.stdin.take().unwrap().write_all(body.as_bytes());
        let output = curl.wait_with_output().unwrap();
        text(&output.stdout).parse().unwrap_or_else(|_| panic!("{}", text(&output.stderr)))
    }
}

fn create_and_update(api: &Api<'_>, house: &House, way: Way) {
    let (created, updated) = (house.value("create"), house.value("update"));
    let name = format!("N{}", way.option.len() + usize::from(way.secure));
    let create = |value: &str| format!("{{\"name\":\"{name}\",\"value\":\"{value}\"}}");
    assert_eq!(api.ask(way, "/v1/secrets", &[], &create(created)), 200);
    assert_eq!(api.ask(way, "/v1/secrets", &[], &create(created)), 400);
    assert_eq!(api.ask(way, &format!("/v1/secrets/{name}"), &[], &format!("{{\"value\":\"{updated}\"}}")), 200);
    // Escapes make the parser copy what it read.
    let escaped: String = updated.chars().map(|letter| if letter == 'p' { "\\u0070".to_owned() } else { letter.to_string() }).collect();
    assert_eq!(api.ask(way, &format!("/v1/secrets/{name}"), &[], &format!("{{\"value\":\"\\n{escaped}\\n\"}}")), 200);
    let numbered = &["-H", "x-request-id: 7d1f0a52-memory"];
    assert_eq!(api.ask(way, &format!("/v1/secrets/{name}"), numbered, &format!("{{\"value\":\"{updated}\"}}")), 200);
    let long = updated.repeat(1600);
    assert_eq!(api.ask(way, &format!("/v1/secrets/{name}"), &[], &format!("{{\"value\":\"{long}\"}}")), 200);
    assert_eq!(api.ask(way, &format!("/v1/secrets/{name}/delete"), &[], &format!("{{\"value\":\"{updated}\"}}")), 200);
}

fn be_refused(api: &Api<'_>, house: &House, way: Way) {
    let (value, large) = (house.value("refused"), house.value("large").repeat(4000));
    let bodies = [
        format!("{{\"name\":\"B\",\"value\":\"{value}\""),
        format!("{{\"name\":\"B\",\"value\":\"{value}\\q\"}}"),
        format!("{{\"name\":\"B\",\"value\":\"\\n{value}\",}}"),
        format!("{{\"name\":\"B\",\"value\":[\"{value}\"]}}"),
        format!("{{\"name\":\"B\",\"value\":{{\"{value}\":\"\\n{value}\"}}}}"),
        format!("{{\"name\":\"B\",\"\\n{value}\":\"{value}\"}}"),
        format!("{{\"name\":\"{value} \",\"value\":\"{value}\"}}"),
        format!("{{\"value\":\"{value}\",\"value\":\"{value}\"}}"),
        format!("[\"\\n{value}\"]"),
        value.to_owned(),
        format!("{{\"name\":\"B\",\"value\":\"{}\"}}", value.repeat(2000)),
        format!("{{\"name\":\"B\",\"value\":\"{large}\"}}"),
    ];
    for body in &bodies {
        assert_eq!(api.ask(way, "/v1/secrets", &[], body), 400);
    }
    // A body without end is cut off, and whether its sender still hears why is chance.
    let status = api.ask(way, "/v1/secrets", &[], &format!("{{\"name\":\"B\",\"value\":\"{}\"}}", large.repeat(9)));
    assert!(matches!(status, 0 | 400), "{status}");
    let good = format!("{{\"name\":\"B\",\"value\":\"{value}\"}}");
    let stranger = "Authorization: Bearer tlk_0000000000000000000000000000000000000000000";
    assert_eq!(api.ask(way, "/v1/secrets", &["-H", stranger], &good), 401);
    assert_eq!(api.ask(way, "/v1/secrets", &["-H", "Authorization;"], &good), 401);
    assert_eq!(api.ask(way, "/v1/secrets", &["-H", "Host: evil.example"], &good), 403);
    assert_eq!(api.ask(way, "/v1/secrets", &["-H", "Origin: http://evil.example"], &good), 403);
    assert_eq!(api.ask(way, "/v1/secrets/NONE", &[], &good), 404);
    assert_eq!(api.ask(way, "/v1/nowhere", &[], &good), 404);
    assert_eq!(api.ask(way, "/v1/secrets", &["-X", "PUT"], &good), 405);
}

/// People write values where none belongs.
fn misplace(api: &Api<'_>, house: &House, way: Way) {
    let value = house.value("misplaced");
    assert_eq!(api.ask(way, &format!("/v1/secrets/{value}"), &[], "{\"value\":\"x\"}"), 404);
    assert_eq!(api.ask(way, &format!("/v1/secrets?name=A&value={value}"), &[], ""), 400);
    assert_eq!(api.ask(way, &format!("/v1/secrets?limit={value}"), &["-X", "GET"], ""), 400);
    assert_eq!(api.ask(way, "/v1/secrets", &["-H", &format!("Authorization: Bearer {value}")], "{}"), 401);
    assert_eq!(api.ask(way, "/v1/secrets", &["-H", &format!("x-request-id: {value}")], "{}"), 400);
    assert_eq!(api.ask(way, "/v1/secrets", &["-H", &format!("X-Value: {value}"), "-H", &format!("Cookie: {value}")], "{}"), 400);
}

/// Requests that end in the middle, and what is no HTTP at all.
fn break_off(api: &Api<'_>, house: &House) {
    let value = house.value("broken off");
    let auth = format!("Authorization: Bearer {}", api.key);
    let head = format!("POST /v1/secrets HTTP/1.1\r\nHost: localhost\r\n{auth}\r\n");
    let beginnings = [
        format!("{head}Content-Length: 500\r\n\r\n{{\"name\":\"C\",\"value\":\"{value}"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n40\r\n{{\"name\":\"C\",\"value\":\"{value}"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{value}\r\n"),
        format!("{head}X-Value: {value}"),
        format!("POST /v1/secrets/{value}"),
        format!("{value}\r\n\r\n{value}"),
        format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{value}{value}"),
        // A second request, half of it, behind a whole one.
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n{head}Content-Length: 500\r\n\r\n{{\"value\":\"{value}"),
    ];
    for beginning in beginnings {
        let mut stream = TcpStream::connect(house.server.url().trim_start_matches("http://")).unwrap();
        stream.write_all(beginning.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let _ = stream.read(&mut [0; 4096]);
    }
}

/// So many that every thread that the api keeps has had one.
fn many_at_once(api: &Api<'_>, house: &House) {
    let value = house.value("many");
    std::thread::scope(|scope| {
        for client in 0..MANY {
            scope.spawn(move || {
                let way = WAYS[client % WAYS.len()];
                let body = format!("{{\"name\":\"M{client}\",\"value\":\"{value}\"}}");
                assert_eq!(api.ask(way, "/v1/secrets", &[], &body), 200);
            });
        }
    });
}

/// A devbox that uses a value, is echoed it, and sees it replaced; then the devbox ends.
fn swap(house: &House) {
    let (swapped, replaced) = (house.value("swapped"), house.value("replaced"));
    let server = &house.server;
    server.expect(&["secret", "set", "GITHUB_TOKEN"], swapped.as_bytes()).unwrap();
    let line = "for path in user echo echo/head user; do \
                curl -sS https://api.github.com/$path -H \"Authorization: Bearer $GITHUB_TOKEN\" -o /dev/null -w '%{http_code} '; \
                curl -sS https://api.github.com/$path -u \"x:$GITHUB_TOKEN\" -d \"$GITHUB_TOKEN\" -o /dev/null -w '%{http_code} '; done";
    let shown = run(server, &[], line);
    assert!(shown.starts_with("200 ") && shown.split_whitespace().count() == 8, "{shown}");
    assert!(house.upstream.records().iter().any(|record| record.holds(swapped)), "the value was used");
    server.expect(&["secret", "update", "GITHUB_TOKEN"], replaced.as_bytes()).unwrap();
    house.upstream.expect(replaced);
    assert!(run(server, &[], line).starts_with("200 "));
    server.expect(&["secret", "delete", "GITHUB_TOKEN"], b"").unwrap();
}

/// A devbox that shows its token where its value may not go, and in ways that are refused: to decide, the gateway opens the value.
fn refuse_swaps(house: &House) {
    let (server, value) = (&house.server, house.value("not swapped"));
    server.expect(&["secret", "set", "GITHUB_TOKEN"], value.as_bytes()).unwrap();
    let asked = "curl -sS -o /dev/null -w '%{http_code} ' -H \"Authorization: Bearer $GITHUB_TOKEN\"";
    let line = format!(
        "{asked} https://api.openai.com/; {asked} -u \"x:$GITHUB_TOKEN\" https://api.openai.com/; {asked} https://nowhere.example.com/; \
         {asked} -X TRACE https://{BOUND}/user; {asked} -H 'Host: api.openai.com' https://{BOUND}/user; {asked} https://{BOUND}/user"
    );
    let before = house.upstream.records().len();
    let shown = run(server, &["--allow", "api.openai.com"], &line);
    let statuses: Vec<&str> = shown.split_whitespace().collect();
    assert!(statuses.len() == 6 && statuses[..5].iter().all(|status| status.starts_with('4')), "{shown}");
    // The last one may go, and the host that expects another value refuses it itself: so the value was opened.
    let records = house.upstream.records();
    assert!(records.len() == before + 1 && records.last().unwrap().holds(value), "{shown}");
    server.expect(&["secret", "delete", "GITHUB_TOKEN"], b"").unwrap();
}

fn run(server: &Server, options: &[&str], line: &str) -> String {
    let work = server.beside().join("work");
    std::fs::create_dir_all(&work).unwrap();
    let output = server
        .command(&[&["run", "-q"], options, &["--", "sh", "-c", line]].concat())
        .current_dir(Path::new(&work))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The promise.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(1);
/// Far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);
const MANY: usize = 48;
