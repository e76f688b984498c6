//! The api process, live and hostile: with its files, its database, its keys, its end of the link and its confinement it obtains no stored value and
//! redirects none.
//!
//! A test of its own kind (no harness): the program starts itself again as the hostile process, confined as the api is.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use link::Packets;
use link::front::{Answer, Ask, DevboxTell, DevboxVerb, NewDevbox, NewKey, Question, Tell};
use model::devbox::About;
use model::{AccountId, Scope, Timestamp};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use testkit::{Canary, Launch, Server, Upstream, UpstreamSpec};

#[path = "common/alone.rs"]
mod alone;

use alone::Alone;

const BINARY: &str = env!("CARGO_BIN_EXE_tightlip");
const BOUND: &str = "api.github.com";
const OTHER: &str = "api.openai.com";
const NAME: &str = "the_api_taken_over_obtains_no_value_and_redirects_none";
const HOSTILE: &str = "TIGHTLIP_TEST_HOSTILE";

fn main() -> ExitCode {
    if let Ok(knowledge) = std::env::var(HOSTILE) {
        hostile(&serde_json::from_str(&knowledge).unwrap());
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    if has("--list") {
        if !has("--ignored") {
            std::io::stdout().write_all(format!("{NAME}: test\n").as_bytes()).unwrap();
        }
        return ExitCode::SUCCESS;
    }
    the_api_taken_over_obtains_no_value_and_redirects_none();
    ExitCode::SUCCESS
}

/// What the hostile process knows.
#[derive(Serialize, Deserialize)]
struct Knowledge {
    data: PathBuf,
    account: AccountId,
    gateway: i32,
    outside: std::net::SocketAddr,
}

/// What it brings home: each attempt's name, whether it was let through, and every byte that it obtained.
#[derive(Default, Serialize, Deserialize)]
struct Loot {
    let_through: BTreeMap<String, bool>,
    bytes: Vec<u8>,
}

fn the_api_taken_over_obtains_no_value_and_redirects_none() {
    let canary = Canary::make("ghp_").unwrap();
    let hosts = vec![BOUND.to_owned(), OTHER.to_owned()];
    let upstream = Upstream::start(UpstreamSpec { hosts, expected: Some(canary.value().to_owned()), repo: None }).unwrap();
    let server =
        Server::start(Path::new(BINARY), Launch { upstreams: &[(BOUND, &upstream), (OTHER, &upstream)], ..Launch::default() }).unwrap();
    server.expect(&["secret", "set", "GITHUB_TOKEN"], canary.value().as_bytes()).unwrap();
    let (folder, _log) = server.stop().unwrap();
    let data = folder.path().join("data");
    let database = Connection::open(data.join("store/tightlip.db")).unwrap();
    let account: String = database.query_row("SELECT id FROM accounts", [], |row| row.get(0)).unwrap();

    let mut alone = Alone::start(&data, &upstream, &[BOUND, OTHER]);
    let loot = let_loose(&data, &account, &mut alone);
    assert!(!canary.is_in(&loot.bytes), "the hostile process obtained the value");
    assert!(loot.bytes.len() > 10_000, "it read its own files: {} bytes", loot.bytes.len());
    for (attempt, let_through) in &loot.let_through {
        assert_eq!(*let_through, attempt.starts_with("may "), "{attempt}");
    }

    let agent = Agent { data: &data, upstream: &upstream, canary: &canary };
    let honest = agent.use_secret("GITHUB_TOKEN", BOUND, None);
    assert!(honest.contains("\"authorized\":true"), "the honest use works: {honest}");
    planted_rows_lead_nowhere(&database, &account, &agent);
    let elsewhere = upstream.records_of(OTHER);
    assert!(elsewhere.iter().all(|record| !canary.is_in(&record.bytes)), "the value went to another host");

    drop(alone);
}

/// Each change that a hostile api can make to its own database, then an agent that tries to profit from it.
fn planted_rows_lead_nowhere(database: &Connection, account: &str, agent: &Agent<'_>) {
    let change = |sql: &str| database.execute_batch(sql).unwrap();

    // Another kind: where the value may go is derived from the value.
    change("UPDATE secrets SET kind = 'openai_api_key'");
    agent.must_fail("GITHUB_TOKEN", OTHER, None);
    assert!(agent.use_secret("GITHUB_TOKEN", BOUND, None).contains("\"authorized\":true"));

    // Another name, whose default binding is another host.
    change("UPDATE secrets SET name = 'OPENAI_API_KEY'");
    agent.must_fail("OPENAI_API_KEY", OTHER, None);
    agent.must_fail("OPENAI_API_KEY", BOUND, None);
    change("UPDATE secrets SET name = 'GITHUB_TOKEN'");

    // Another version of the same secret.
    change("UPDATE secrets SET version = version + 1");
    agent.must_fail("GITHUB_TOKEN", BOUND, None);
    change("UPDATE secrets SET version = version - 1");

    // Another account, whose key the hostile api knows.
    let (mallory, key) = (AccountId::from_parts(Timestamp::from_unix_ms(1), 7), format!("tlk_{}", "m".repeat(43)));
    let hash: String = sha256(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    change(&format!("INSERT INTO accounts (id, name, devbox_capability, created) VALUES ('{mallory}', 'm', 1, 1)"));
    change(&format!(
        "INSERT INTO api_keys (id, account, hash, scopes, created) VALUES ('key_000000000000000000001', '{mallory}', X'{hash}', 'read,secrets,devbox,keys', 1);
         UPDATE secrets SET account = '{mallory}'"
    ));
    agent.must_fail("GITHUB_TOKEN", BOUND, Some(&key));
    agent.must_fail("GITHUB_TOKEN", OTHER, Some(&key));
    change(&format!("UPDATE secrets SET account = '{account}'"));

    // A key of the account itself: what the gateway did not see made, it does not take.
    let planted = planted_key();
    plant(agent.data, &account.parse().unwrap(), &planted);
    agent.must_fail("GITHUB_TOKEN", BOUND, Some(&planted));
    assert!(agent.use_secret("GITHUB_TOKEN", BOUND, Some(&planted)).contains("lacks the gateway's mark"));

    // A data-key record of its own: the old ciphertext does not open under it.
    change("UPDATE data_keys SET signature = randomblob(64)");
    agent.must_fail("GITHUB_TOKEN", BOUND, None);
}

/// Why something was not done; nothing where it was.
fn code_of(told: Tell) -> String {
    if let Tell::Devbox(told) = told {
        if let DevboxTell::Denied(denied) = *told { denied.code } else { String::new() }
    } else if let Tell::Marked(Err(denied)) = told {
        denied.code
    } else {
        String::new()
    }
}

/// A key that the hostile process thought of.
fn planted_key() -> String {
    format!("tlk_{}", "p".repeat(43))
}

/// Writes a key of this account, with every scope, into the table of keys.
fn plant(data: &Path, account: &AccountId, key: &str) {
    let hash: String = sha256(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let database = Connection::open(data.join("store/tightlip.db")).unwrap();
    let row = format!(
        "INSERT OR REPLACE INTO api_keys (id, account, hash, scopes, created, mac)
         VALUES ('key_000000000000000000002', '{account}', X'{hash}', 'read,secrets,devbox,keys', 1, (SELECT mac FROM api_keys LIMIT 1))"
    );
    database.execute_batch(&row).unwrap();
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    vault::hash_token(std::str::from_utf8(bytes).unwrap()).0
}

struct Agent<'a> {
    data: &'a Path,
    upstream: &'a Upstream,
    canary: &'a Canary,
}

impl Agent<'_> {
    /// Starts a devbox with the secret and asks `host`; all that was shown.
    fn use_secret(&self, name: &str, host: &str, key: Option<&str>) -> String {
        let line = format!("curl -sSi https://{host}/user -H \"Authorization: Bearer ${name}\"");
        let mut command = Command::new(BINARY);
        command.args(["run", "--secret", name, "--allow", host, "--", "sh", "-c", &line]).env("TIGHTLIP_DATA", self.data);
        command.env("XDG_STATE_HOME", self.data.with_file_name("home").join("state"));
        if let Some(key) = key {
            command.env("TIGHTLIP_API_KEY", key);
        }
        let work = self.data.with_file_name("work");
        std::fs::create_dir_all(&work).unwrap();
        let output = command.current_dir(work).stdin(Stdio::null()).output().unwrap();
        assert!(!self.canary.is_in(&output.stdout) && !self.canary.is_in(&output.stderr));
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// The same, and nothing may arrive anywhere.
    fn must_fail(&self, name: &str, host: &str, key: Option<&str>) {
        let before = self.upstream.records().len();
        let shown = self.use_secret(name, host, key);
        assert!(!shown.contains("authorized"), "{name} to {host}: {shown}");
        assert_eq!(self.upstream.records().len(), before, "{name} to {host}: something arrived: {shown}");
    }
}

/// Runs the hostile process to its end with the api's end of the link as its standard input.
fn let_loose(data: &Path, account: &str, alone: &mut Alone) -> Loot {
    let outside = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let knowledge = Knowledge {
        data: data.to_owned(),
        account: account.parse().unwrap(),
        gateway: i32::try_from(alone.gateway.id()).unwrap(),
        outside: outside.local_addr().unwrap(),
    };
    let link = alone.link.as_ref().unwrap().try_clone().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(HOSTILE, serde_json::to_string(&knowledge).unwrap()).stdin(Stdio::from(OwnedFd::from(link)));
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "the hostile process ended with {:?}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The hostile process.
fn hostile(knowledge: &Knowledge) {
    let link = Packets::from_fd(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let data = &knowledge.data;
    api::confine(&data.join("store"), &data.join("api"), &[]).unwrap();
    let mut loot = Loot::default();
    loot.files(data);
    loot.processes(knowledge);
    loot.network(knowledge);
    loot.ask_the_gateway(&link, knowledge);
    serde_json::to_writer(std::io::stdout(), &loot).unwrap();
}

impl Loot {
    fn note<T>(&mut self, name: &str, outcome: std::io::Result<T>) {
        self.let_through.insert(name.to_owned(), outcome.is_ok());
    }

    fn files(&mut self, data: &Path) {
        for file in ["gateway/root.key", "gateway/keyring.json", "gateway/gateway.db", "gateway/admin-key", "api-key", "tightlip.toml"] {
            let read = std::fs::read(data.join(file));
            self.bytes.extend(read.as_deref().unwrap_or_default());
            self.note(&format!("read {file}"), read);
        }
        for folder in ["store", "api"] {
            for entry in std::fs::read_dir(data.join(folder)).unwrap().flatten() {
                let read = std::fs::read(entry.path());
                self.bytes.extend(read.as_deref().unwrap_or_default());
                self.note(&format!("may read {folder}/{}", entry.file_name().to_string_lossy()), read);
            }
        }
        let moved = std::fs::rename(data.join("store/tightlip.db"), data.join("gateway/gateway.db"));
        self.note("replace gateway.db", moved);
        for file in ["gateway/root.key", "tightlip.toml", "api-key"] {
            self.note(&format!("open {file} to everybody"), std::fs::set_permissions(data.join(file), Permissions::from_mode(0o666)));
            self.note(&format!("give {file} away"), std::os::unix::fs::chown(data.join(file), Some(1), None));
        }
        self.note("write /tmp", std::fs::write(std::env::temp_dir().join("tightlip-hostile"), "x"));
    }

    fn processes(&mut self, knowledge: &Knowledge) {
        let pid = knowledge.gateway;
        for file in ["mem", "environ", "maps"] {
            let read = std::fs::read(format!("/proc/{pid}/{file}"));
            self.bytes.extend(read.as_deref().unwrap_or_default());
            self.note(&format!("read the gateway's {file}"), read);
        }
        self.note("run a program", Command::new("/bin/cat").arg(knowledge.data.join("gateway/root.key")).output());
        // With a group to set, the standard library forks by itself, and it is the child that does not find the folder.
        let mut forking = Command::new("/bin/cat");
        let forked = forking.gid(nix::unistd::getgid().as_raw()).current_dir("/nowhere-at-all").spawn();
        self.let_through
            .insert("fork".to_owned(), forked.err().and_then(|error| error.raw_os_error()) != Some(rustix::io::Errno::PERM.raw_os_error()));
        let thread = std::thread::Builder::new().spawn(|| ()).map(std::thread::JoinHandle::join);
        self.note("may start a thread", thread);
        let target = nix::unistd::Pid::from_raw(pid);
        self.note("attach to the gateway", nix::sys::ptrace::attach(target).map_err(Into::into));
        let limits = rustix::process::Rlimit { current: Some(1), maximum: Some(1) };
        let other = rustix::process::Pid::from_raw(pid);
        self.note("limit the gateway", rustix::process::prlimit(other, rustix::process::Resource::Cpu, limits).map_err(Into::into));
        self.note("end the gateway", nix::sys::signal::kill(target, nix::sys::signal::Signal::SIGTERM).map_err(Into::into));
    }

    fn network(&mut self, knowledge: &Knowledge) {
        self.note("connect to loopback", std::net::TcpStream::connect(knowledge.outside));
        self.note("make a UDP socket", std::net::UdpSocket::bind("127.0.0.1:0"));
        self.note("listen", std::net::TcpListener::bind("127.0.0.1:0"));
        self.note("ask gateway.sock", Packets::connect(&knowledge.data.join("gateway.sock")).map_err(std::io::Error::other));
    }

    fn ask_the_gateway(&mut self, link: &Packets, knowledge: &Knowledge) {
        link.limit_wait(Some(Duration::from_secs(2))).unwrap();
        let account = knowledge.account.clone();
        let asks = [
            Ask::Health,
            Ask::Bindings { account: account.clone(), name: None, after: None },
            Ask::Bindings { account: account.clone(), name: "GITHUB_TOKEN".parse().ok(), after: None },
            Ask::Events { account, name: None, after: 0, limit: usize::MAX },
        ];
        for (number, ask) in (1..).zip(asks) {
            link.send(&Question { number: Some(number), message: ask }, &[]).unwrap();
            let (answer, fds) = link.recv::<Answer>().unwrap();
            assert!(fds.is_empty() && answer.number == Some(number));
            self.let_through.insert(format!("may ask {number}"), !matches!(answer.message, Tell::Failed));
            self.bytes.extend(serde_json::to_vec(&answer).unwrap());
        }
        // About devboxes the gateway believes nobody but who shows a key that it saw made: for itself the api has none, and what it writes into its own
        // table is none either.
        let planted = planted_key();
        plant(&knowledge.data, &knowledge.account, &planted);
        let keys = ["", "tlk_0000000000000000000000000000000000000000000", "tla_0000000000000000000000000000000000000000000", &planted];
        for (number, api_key) in (10..).zip(keys) {
            let wanted = NewDevbox {
                about: About::default(),
                env: BTreeMap::new(),
                secrets: [("T".parse().unwrap(), "GITHUB_TOKEN".parse().unwrap())].into(),
                gateways: BTreeMap::new(),
                entrypoint: None,
                request: None,
            };
            let verbs = [DevboxVerb::Create(Box::new(wanted)), DevboxVerb::List { after: None, limit: 20, status: None }];
            let devboxes = verbs.map(|verb| Ask::Devbox { api_key: api_key.to_owned(), verb: Box::new(verb) });
            let new = NewKey {
                id: "key_000000000000000000003".parse().unwrap(),
                hash: vault::hash_token("tlk_x"),
                scopes: vec![Scope::Read],
                expires: None,
            };
            let mark = Ask::MarkKey { api_key: api_key.to_owned(), new };
            for ask in devboxes.into_iter().chain([mark]) {
                link.send(&Question { number: Some(number), message: ask }, &[]).unwrap();
                let (answer, fds) = link.recv::<Answer>().unwrap();
                assert!(fds.is_empty() && answer.number == Some(number));
                self.bytes.extend(serde_json::to_vec(&answer).unwrap());
                let code = code_of(answer.message);
                let denied =
                    if api_key == planted { code == "key_unmarked" } else { code.starts_with("key_") || code == "admin_key_refused" };
                let before = self.let_through.entry("ask for devboxes without a key".to_owned()).or_default();
                *before |= !denied;
            }
        }
        // What only people's tools may ask, and what is no question at all.
        let key = std::fs::read(knowledge.data.join("api-key")).unwrap_or_default();
        let open = serde_json::json!({"open_devbox": {"api_key": String::from_utf8_lossy(&key), "secrets": null, "allow": []}});
        let strange = [open, serde_json::json!({"number": 9, "ask": "Everything"}), serde_json::json!([1, 2, 3]), serde_json::json!("")];
        for message in strange {
            link.send(&message, &[]).unwrap();
        }
        rustix::net::send(link.as_fd(), &[], rustix::net::SendFlags::empty()).unwrap();
        link.limit_wait(Some(Duration::from_millis(500))).unwrap();
        while let Ok((answer, fds)) = link.recv::<serde_json::Value>() {
            assert!(fds.is_empty());
            self.bytes.extend(answer.to_string().into_bytes());
            self.let_through.insert("ask as people's tools do".to_owned(), answer.to_string().contains("devbox_opened"));
        }
        // It is still there for honest questions.
        link.limit_wait(Some(Duration::from_secs(2))).unwrap();
        let asked = link.send(&Question { number: Some(99), message: Ask::Health }, &[]).and_then(|()| link.recv::<Answer>());
        self.let_through.insert("may ask again".to_owned(), asked.is_ok_and(|(answer, _)| matches!(answer.message, Tell::Ready)));
    }
}
