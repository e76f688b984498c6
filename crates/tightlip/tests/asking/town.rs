//! A data folder with a gateway and no api: the test holds the api's end of the link, seals as the api does, and runs people's commands beside it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use link::agents::{AgentRequest, AgentTell, AgentVerb, Entry, EntryAsk, EntryProof, EntryTell};
use link::front::{Answer, Ask, Denied, Question, Tell};
use serde_json::Value;
use service::{House, SystemClock};
use tempfile::TempDir;
use testkit::{Canary, Launch, Server, Upstream, UpstreamSpec};
use vault::{Sealer, SecretValue, SigningKey};

use crate::alone::Alone;

pub const BINARY: &str = env!("CARGO_BIN_EXE_tightlip");
pub const WANTED: &str = "allowed.example.com";
pub const OTHER: &str = "api.github.com";
pub const NAME: &str = "ACME_KEY";

pub struct Town {
    pub canary: Canary,
    pub upstream: Upstream,
    folder: TempDir,
    alone: Option<Alone>,
    number: u64,
    /// Everything that was told over the link and shown by a command.
    pub told: Vec<u8>,
}

impl Town {
    pub fn start() -> Self {
        let canary = Canary::make("").unwrap();
        let hosts = vec![WANTED.to_owned(), OTHER.to_owned()];
        let upstream = Upstream::start(UpstreamSpec { hosts, expected: Some(canary.value().to_owned()), repo: None }).unwrap();
        let pairs = [(WANTED, &upstream), (OTHER, &upstream)];
        let server = Server::start(Path::new(BINARY), Launch { upstreams: &pairs, ..Launch::default() }).unwrap();
        let (folder, _log) = server.stop().unwrap();
        let alone = Some(Alone::start(&folder.path().join("data"), &upstream, &[WANTED, OTHER]));
        Self { canary, upstream, folder, alone, number: 0, told: Vec::new() }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.data().join(name)).unwrap().trim().to_owned()
    }

    fn tell(&mut self, ask: Ask) -> Tell {
        self.number += 1;
        let link = self.alone.as_ref().unwrap().link.as_ref().unwrap();
        link.limit_wait(Some(Duration::from_secs(10))).unwrap();
        link.send(&Question { number: Some(self.number), message: ask }, &[]).unwrap();
        let (answer, fds) = link.recv::<Answer>().unwrap();
        assert!(fds.is_empty() && answer.number == Some(self.number));
        self.told.extend(serde_json::to_vec(&answer).unwrap());
        answer.message
    }

    /// What an agent with this key asks.
    pub fn agent(&mut self, api_key: &str, verb: AgentVerb) -> Result<AgentTell, Denied> {
        let Tell::Agent(told) = self.tell(Ask::Agent { api_key: api_key.to_owned(), verb: Box::new(verb) }) else { panic!("no answer") };
        match *told {
            AgentTell::Denied(denied) => Err(denied),
            told @ (AgentTell::Secrets(_)
            | AgentTell::Use(_)
            | AgentTell::Tested(_)
            | AgentTell::Refusals(_)
            | AgentTell::Request(_)
            | AgentTell::Requests { .. }) => Ok(told),
        }
    }

    /// The owner's agent asks for `NAME` towards this host.
    pub fn ask(&mut self, host: &str) -> AgentRequest {
        let key = self.file("api-key");
        let hosts = vec![host.parse().unwrap()];
        let verb = AgentVerb::RequestSecret { name: NAME.parse().unwrap(), hosts, form: None, reason: "to look \"up\"".into() };
        let Ok(AgentTell::Request(asked)) = self.agent(&key, verb) else { panic!("not asked") };
        *asked
    }

    /// What the page asks.
    pub fn entry(&mut self, ask: EntryAsk) -> Result<EntryTell, String> {
        let Tell::Entry(told) = self.tell(Ask::Entry(Box::new(ask))) else { panic!("no answer") };
        match *told {
            EntryTell::Denied(denied) => Err(denied.code),
            told @ (EntryTell::Opened { .. } | EntryTell::Shown(_) | EntryTell::Allowed { .. }) => Ok(told),
        }
    }

    pub fn open(&mut self, path: &str) -> Result<(String, Entry), String> {
        let link = path.rsplit('/').next().unwrap().to_owned();
        self.entry(EntryAsk::Open { link }).map(|told| {
            let EntryTell::Opened { session, entry } = told else { panic!("not opened") };
            (session, *entry)
        })
    }

    pub fn allow(&mut self, session: &str, digest: &str, proof: EntryProof) -> Result<EntryTell, String> {
        self.entry(EntryAsk::Allow { session: session.to_owned(), digest: digest.to_owned(), proof })
    }

    /// Stores the value as the api does.
    pub fn seal(&self) -> model::Secret {
        let read = |name: &str| std::fs::read(self.data().join(name)).unwrap();
        let signing = SigningKey::from_bytes(&read("api/signing.key")).unwrap();
        let sealer = Sealer::new(&read("api/manifest.json"), &read("api/manifest.pin"), signing).unwrap();
        let house = House::open(&self.data().join("store/tightlip.db"), Arc::new(sealer), Arc::new(SystemClock)).unwrap();
        let caller = house.authenticate(Some(&self.file("api-key"))).unwrap();
        let value = SecretValue::from_input(self.canary.value().as_bytes().to_vec()).unwrap();
        house.secrets().create(&caller, NAME.parse::<model::SecretName>().unwrap(), value).unwrap()
    }

    /// A command of a person's; what it shows is kept.
    pub fn call(&mut self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(BINARY);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.folder.path().join("home"));
        command.env("TIGHTLIP_DATA", self.data()).env("XDG_STATE_HOME", self.folder.path().join("home/state")).args(arguments);
        let work = self.folder.path().join("work");
        std::fs::create_dir_all(&work).unwrap();
        let mut child = command.current_dir(work).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // One that refuses before it reads closes the pipe.
        let _written = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        self.told.extend([output.stdout.as_slice(), output.stderr.as_slice()].concat());
        output
    }

    /// One that must succeed; its standard output.
    pub fn tool(&mut self, arguments: &[&str], input: &str) -> String {
        let output = self.call(arguments, input);
        let words = String::from_utf8_lossy(&[output.stdout.clone(), output.stderr].concat()).into_owned();
        assert!(output.status.success(), "tightlip {}: {words}", arguments.join(" "));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What waits, as `tightlip requests --json` has it.
    pub fn asked(&mut self) -> Vec<Value> {
        let shown: Value = serde_json::from_str(&self.tool(&["requests", "--json"], "")).unwrap();
        shown["asked"].as_array().unwrap().clone()
    }

    /// A devbox with the secret that asks this host.
    pub fn use_it(&mut self, host: &str) -> String {
        let line = format!("curl -sSi https://{host}/user -H \"Authorization: Bearer ${NAME}\"");
        let output = self.call(&["run", "--secret", NAME, "--allow", host, "--", "sh", "-c", &line], "");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// The same folder under a whole server; what is called from here on reaches its api.
    pub fn serve(&mut self) {
        self.alone.take();
    }

    /// Nothing that was told or shown, and no file of the folder, holds the value.
    pub fn assert_no_value(&self) {
        assert!(!self.canary.is_in(&self.told), "the value was told");
        let mut folders = vec![self.data()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else if entry.file_type().unwrap().is_file() {
                    assert!(!self.canary.is_in(&std::fs::read(entry.path()).unwrap()), "the value is in {}", entry.path().display());
                }
            }
        }
    }
}
