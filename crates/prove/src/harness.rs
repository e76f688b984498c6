//! The whole of `tightlip prove`: plant, attack, search, and the controls.

use std::collections::BTreeMap;
use std::fs;
use std::io::BufReader;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, bail, ensure};

use crate::attempts::{Attempt, Channel, REACHED, Way, all};
use crate::canary::Canary;
use crate::judge::{Judge, Seen};
use crate::names::Names;
use crate::outcome::{Obtained, Outcome};
use crate::probe::{Errand, KNOWLEDGE_VARIABLE, Knowledge, LONG_ENV, NARROW, NARROW_ENV};
use crate::report::{Demand, Report};
use crate::scene::{LED, LED_SECRET, OPENAI, Remains, Scene, Values};
use crate::server::{Launch, Server};
use crate::upstream::{Record, Upstream, UpstreamSpec};
use crate::wards::Wards;

/// What is to be proved, and how.
#[derive(Clone, Copy, Default)]
pub struct Plan<'a> {
    /// The channels that are tried; all where none is named.
    pub only: &'a [Channel],
    /// The hosts file of the proof's own network, where it has one.
    pub names: Option<&'a Path>,
    /// More variables of the server.
    pub variables: &'a [(&'a str, String)],
    /// What has to have been tried.
    pub demand: Demand,
    /// Is told how far it is: a line at a time.
    pub progress: Option<&'a (dyn Fn(&str) + Sync)>,
}

/// What every part of the proof has in hand.
struct Stage<'a> {
    plan: Plan<'a>,
    binary: &'a Path,
    server: &'a Server,
    work: PathBuf,
    /// What has reported, for the progress.
    done: Mutex<usize>,
}

/// Marks that are no values, to see whether an agent got at the server's memory or files.
struct Marks {
    variable: Canary,
    file: Canary,
}

impl Marks {
    fn make() -> anyhow::Result<Self> {
        Ok(Self { variable: Canary::make("mrk_")?, file: Canary::make("mrk_")? })
    }

    /// Puts the mark into the data folder; gives all that agents are kept from beside values.
    fn plant(self, server: &Server) -> anyhow::Result<Vec<Canary>> {
        let data = server.data();
        fs::write(data.join("proof-mark"), self.file.value())?;
        let mut guarded = vec![self.variable, self.file];
        for key in ["gateway/root.key", "gateway/admin-key", "api-key"] {
            let text = fs::read_to_string(data.join(key)).with_context(|| format!("failed to read {key}"))?;
            guarded.push(Canary::of(text.trim()));
        }
        Ok(guarded)
    }
}

/// What came of the attempts, by name.
type Outcomes = BTreeMap<String, Outcome>;

/// Attacks a throw-away server made from `binary` and says what came out.
///
/// # Errors
/// When the server, an upstream or a devbox could not be started, or an attempt did not run: a proof that did not run is no proof.
pub fn run(binary: &Path, plan: Plan<'_>) -> anyhow::Result<Report> {
    let started = Instant::now();
    let mut judge = Judge::make()?;
    let marks = Marks::make()?;
    let upstream = upstream(&judge, plan.names.is_some())?;
    let mirror = upstream_of(&judge, TcpListener::bind("127.0.0.1:0")?)?;
    let hosts = [BOUND, UNBOUND, NARROW, OPENAI];
    let pairs: Vec<(&str, &Upstream)> = hosts.iter().map(|host| (*host, &upstream)).collect();
    let marked = [(MARK_VARIABLE, marks.variable.value().to_owned())];
    let variables = [plan.variables, &marked].concat();
    let mut server = Server::start(binary, Launch { upstreams: &pairs, variables: &variables, ..Launch::default() })?;
    let wards = Wards::of(server.pid())?;
    ensure!(wards.have_gateway(), "the server has no gateway");
    plant(&server, &judge, &upstream)?;
    judge.guard(marks.plant(&server)?);
    let judge = judge;
    let work = work_folder(&server, &judge.values)?;
    let stage = Stage { plan, binary, server: &server, work, done: Mutex::default() };

    let mut unwalled = stage.unwalled(&marked[0].1)?;
    upstream.settle()?;
    let unheard = upstream.remnants();
    unwalled.extend(stage.heard(&unheard));
    let heard = unheard.len();
    let Made { mut brokered, mut control, clients } = stage.make(&mirror, &judge)?;
    control.extend(unwalled);
    if stage.wants(Channel::Misplaced) && upstream.records().is_empty() {
        bail!("the attempts did not run in a devbox: nothing arrived anywhere");
    }
    brokered.extend(stage.outside(&upstream, &judge.values));

    if !server.is_running()? {
        bail!("the server ended before the proof did: nothing is proved");
    }
    let ended = wards.missing_from(&Wards::of(server.pid())?);
    let (folder, log) = server.stop()?;
    upstream.settle()?;
    let seen = seen(&upstream, heard);
    let remains = Remains { folder, log };
    for attempt in wanted(plan) {
        if let Way::After(make) = attempt.way {
            brokered.insert(attempt.name.to_owned(), Outcome::of(make(&remains)));
        }
    }
    let rows = judge.rows(&wanted(plan), &brokered, &control, &seen)?;
    let report = Report::new(rows, judge.elsewhere(&seen), judge.swapped(&seen), &clients, started.elapsed());
    Ok(Report { ended, demand: plan.demand, ..report })
}

/// What arrived anywhere. `heard` remnants are of those whom no walls held.
fn seen(upstream: &Upstream, heard: usize) -> Seen {
    let remnants = upstream.remnants();
    // A handshake that was not gone through with says nothing but a name.
    let is_plain = |remnant: &&Record| remnant.host.is_empty() && remnant.bytes.first() != Some(&TLS_HANDSHAKE);
    let overheard = remnants.iter().skip(heard).filter(is_plain).cloned().collect();
    Seen { upstream: [upstream.records(), remnants].concat(), overheard, bound: BOUND }
}

/// What the agent made of it.
struct Made {
    brokered: Outcomes,
    control: Outcomes,
    clients: Outcomes,
}

impl Stage<'_> {
    fn wants(&self, channel: Channel) -> bool {
        self.plan.only.is_empty() || self.plan.only.contains(&channel)
    }

    fn told(&self, name: &str) {
        let mut done = self.done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *done += 1;
        if let Some(progress) = self.plan.progress {
            progress(&format!("{done} done; {name}"));
        }
    }

    /// The attempts inside a devbox, and the same without one at the same time; then the clients.
    fn make(&self, mirror: &Upstream, judge: &Judge) -> anyhow::Result<Made> {
        let (brokered, control, clients) = std::thread::scope(|scope| {
            let control = scope.spawn(|| self.control(mirror, judge));
            let brokered = self.attack();
            let clients = self.in_devbox(Errand::Clients, CLIENTS_SAY);
            (brokered, control.join().unwrap_or_else(|_| bail!("the control broke off")), clients)
        });
        Ok(Made { brokered: brokered?, control: control?, clients: clients? })
    }

    /// What must have arrived in the proof's own network, where no walls held it back: every one of an attempt's questions, as it was sent.
    fn heard(&self, heard: &[Record]) -> Outcomes {
        let foreign = Some(PLACEHOLDER.to_owned());
        let knowledge = Knowledge { foreign, ..self.knowledge(Errand::Attempts, BTreeMap::new(), None) };
        let of = |attempt: &'static Attempt| {
            let Way::Questions { over, questions } = attempt.way else { return None };
            let all = over.all_heard(&questions(&knowledge), heard);
            let outcome = match self.plan.names {
                None => Outcome::NotTried("the proof has no network of its own here".to_owned()),
                Some(_) => Outcome::Tried(if all { format!("\n{REACHED}\n").into_bytes() } else { Vec::new() }),
            };
            Some((attempt.name.to_owned(), outcome))
        };
        wanted(self.plan).into_iter().filter_map(of).collect()
    }

    /// The attempts inside a devbox.
    fn attack(&self) -> anyhow::Result<Outcomes> {
        self.in_devbox(Errand::Attempts, "the attempts did not run in a devbox")
    }

    fn in_devbox(&self, errand: Errand, else_say: &str) -> anyhow::Result<Outcomes> {
        let knowledge = self.knowledge(errand, BTreeMap::new(), None);
        let known = format!("{KNOWLEDGE_VARIABLE}={}", serde_json::to_string(&knowledge)?);
        let program = self.binary.to_string_lossy().into_owned();
        let start = [
            "run", "--secret", SECRET, "--secret", NARROW_ENV, "--secret", LONG_ENV, "--allow", UNBOUND, "--ro", &program, "--env", &known,
        ];
        let arguments = [&start[..], &["--", &program, "__probe"]].concat();
        let mut command = self.server.command(&arguments);
        command.current_dir(&self.work);
        self.obtained(command).context(else_say.to_owned())
    }

    /// The same attempts with the value in a plain environment variable and no walls: they must leak, or the search finds nothing.
    fn control(&self, mirror: &Upstream, judge: &Judge) -> anyhow::Result<Outcomes> {
        let direct = [BOUND, UNBOUND, NARROW].into_iter().map(|host| (host.to_owned(), mirror.address())).collect();
        let bundle = self.server.beside().join("control-bundle.pem");
        fs::write(&bundle, mirror.ca_pem())?;
        let knowledge = self.knowledge(Errand::Attempts, direct, Some(bundle));
        let mut command = self.outside_any_devbox("control", &knowledge)?;
        command.env(SECRET, &judge.values.agents).env(NARROW_ENV, judge.narrow()).env(LONG_ENV, judge.long());
        self.obtained(command).context("the control did not run")
    }

    /// What walls alone hold back, tried without any, with a placeholder in the variable: it must get at something, or it tries nothing.
    fn unwalled(&self, mark: &str) -> anyhow::Result<Outcomes> {
        // Nothing is tried at the server that could harm it: a process of ours with the same mark stands for it.
        let mut decoy = Command::new("sleep").arg("600").env_clear().env("PATH", path()).env(MARK_VARIABLE, mark).spawn()?;
        let knowledge = Knowledge { unwalled: true, pid: decoy.id(), ..self.knowledge(Errand::Attempts, BTreeMap::new(), None) };
        let obtained = self.without_walls(&knowledge);
        decoy.kill()?;
        decoy.wait()?;
        obtained
    }

    fn without_walls(&self, knowledge: &Knowledge) -> anyhow::Result<Outcomes> {
        let mut command = self.outside_any_devbox("unwalled", knowledge)?;
        command.env(SECRET, PLACEHOLDER);
        self.obtained(command).context("the control without walls did not run")
    }

    /// The agent without a devbox, in a work folder of its own.
    fn outside_any_devbox(&self, folder: &str, knowledge: &Knowledge) -> anyhow::Result<Command> {
        let work = self.server.beside().join(folder);
        copy_work(&self.work, &work)?;
        let mut command = Command::new(self.binary);
        command.arg("__probe").current_dir(&work).env_clear().env("PATH", path()).env("HOME", self.server.beside().join("home"));
        command.env(KNOWLEDGE_VARIABLE, serde_json::to_string(knowledge)?);
        Ok(command)
    }

    fn knowledge(&self, errand: Errand, direct: BTreeMap<String, SocketAddr>, bundle: Option<PathBuf>) -> Knowledge {
        Knowledge {
            env: SECRET.to_owned(),
            bound: BOUND.to_owned(),
            unbound: UNBOUND.to_owned(),
            data: self.server.data(),
            api: self.server.url().trim_start_matches("http://").parse().ok(),
            pid: self.server.pid(),
            direct,
            bundle,
            only: self.plan.only.iter().map(|channel| channel.word().to_owned()).collect(),
            errand,
            foreign: None,
            unwalled: false,
            alone: self.plan.names.is_some(),
        }
    }

    /// Runs the agent and reads its reports as they come.
    fn obtained(&self, mut command: Command) -> anyhow::Result<Outcomes> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().context("no standard output")?);
        let stderr = child.stderr.take().context("no standard error")?;
        let said = std::thread::spawn(move || std::io::read_to_string(stderr).unwrap_or_default());
        let mut outcomes = Outcomes::new();
        while let Some(Obtained { name, outcome }) = Obtained::read(&mut stdout).context("a report could not be read")? {
            self.told(&name);
            outcomes.insert(name, outcome);
        }
        if !child.wait()?.success() {
            bail!("{}", said.join().unwrap_or_default());
        }
        Ok(outcomes)
    }

    /// What others than the agent do: a channel's attempts one after the other, the channels at the same time.
    fn outside(&self, upstream: &Upstream, values: &Values) -> Outcomes {
        let names = self.plan.names.map(Names::new);
        let naming = Mutex::default();
        let scene = Scene { server: self.server, upstream, values, work: &self.work, names: names.as_ref(), naming: &naming, attempt: "" };
        let of = |channel: Channel| {
            let made = all().into_iter().filter(move |attempt| attempt.channel == channel);
            made.filter_map(|attempt| if let Way::Outside(make) = attempt.way { Some((attempt.name, make)) } else { None })
        };
        let outcomes = Mutex::new(Outcomes::new());
        std::thread::scope(|scope| {
            for channel in Channel::ALL.into_iter().filter(|channel| self.wants(*channel)) {
                let (scene, outcomes) = (&scene, &outcomes);
                scope.spawn(move || {
                    for (name, make) in of(channel) {
                        let came = Outcome::of(make(&Scene { attempt: name, ..*scene }));
                        self.told(name);
                        outcomes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(name.to_owned(), came);
                    }
                });
            }
        });
        outcomes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn path() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into())
}

fn wanted(plan: Plan<'_>) -> Vec<&'static Attempt> {
    all().into_iter().filter(|attempt| plan.only.is_empty() || plan.only.contains(&attempt.channel)).collect()
}

/// The hosts' stand-in: at every address of the proof's own network, where it has one.
fn upstream(judge: &Judge, everywhere: bool) -> anyhow::Result<Upstream> {
    if !everywhere {
        return upstream_of(judge, TcpListener::bind("127.0.0.1:0")?);
    }
    let listen = |port: u16| TcpListener::bind(("::", port)).or_else(|_| TcpListener::bind(("0.0.0.0", port)));
    let upstream = upstream_of(judge, listen(0)?)?;
    for port in OVERHEARD {
        upstream.also(listen(port).with_context(|| format!("failed to listen at port {port} of the proof's own network"))?);
        let socket = UdpSocket::bind(("::", port)).or_else(|_| UdpSocket::bind(("0.0.0.0", port)))?;
        upstream.overhear(socket);
    }
    Ok(upstream)
}

fn upstream_of(judge: &Judge, listener: TcpListener) -> anyhow::Result<Upstream> {
    let names = [BOUND, UNBOUND, NARROW, OPENAI, "127.0.0.1", "169.254.169.254"].map(str::to_owned);
    let hosts = names.into_iter().chain([format!("*.{LED}")]).collect();
    let upstream =
        Upstream::listen(UpstreamSpec { hosts, expected: Some(judge.values.agents.clone()), repo: Some(judge.repo()?) }, listener)?;
    upstream.echo_all(NARROW);
    Ok(upstream)
}

fn plant(server: &Server, judge: &Judge, upstream: &Upstream) -> anyhow::Result<()> {
    server.expect(&["secret", "set", SECRET], judge.values.agents.as_bytes()).context("failed to store the canary")?;
    server.expect(&["secret", "set", NARROW_ENV], judge.narrow().as_bytes())?;
    server.expect(&["bind", NARROW_ENV, "--host", NARROW, "--methods", "GET", "--path", "/narrow"], b"")?;
    server.expect(&["secret", "set", LONG_ENV], judge.long().as_bytes())?;
    server.expect(&["bind", LONG_ENV, "--host", BOUND], b"")?;
    server.expect(&["secret", "set", LED_SECRET], judge.led().as_bytes())?;
    let port = upstream.address().port().to_string();
    server.expect(&["bind", LED_SECRET, "--host", &format!("*.{LED}"), "--port", &port], b"")?;
    Ok(())
}

/// A work folder as people have them: credentials in places where they should not be. Home too.
fn work_folder(server: &Server, values: &Values) -> anyhow::Result<PathBuf> {
    let (work, home, value) = (server.beside().join("work"), server.beside().join("home"), &values.agents);
    let line = format!("GITHUB_TOKEN={value}\n");
    let config = format!("[remote \"origin\"]\n\turl = https://me:{value}@github.com/a/b.git\n");
    let files = [
        (work.join(".git/HEAD"), "ref: refs/heads/main\n".to_owned()),
        (work.join(".git/hooks/pre-commit"), "#!/bin/sh\n".to_owned()),
        (work.join(".git/config"), config.clone()),
        (work.join("vendor/lib/.git/HEAD"), "ref: refs/heads/main\n".to_owned()),
        (work.join("vendor/lib/.git/config"), config),
        (work.join(".env"), line.clone()),
        (work.join(".env.local"), line.clone()),
        (work.join(".env.production"), line.clone()),
        (work.join("packages/web/.env"), line),
        (home.join(".netrc"), format!("machine api.github.com login me password {value}\n")),
        (home.join(".git-credentials"), format!("https://me:{value}@github.com\n")),
        (home.join(".npmrc"), format!("//registry.example.com/:_authToken={value}\n")),
        (home.join(".pypirc"), format!("[pypi]\npassword = {value}\n")),
        (home.join(".config/gh/hosts.yml"), format!("github.com:\n    oauth_token: {value}\n")),
        (home.join(".docker/config.json"), format!("{{\"auths\":{{\"ghcr.io\":{{\"identitytoken\":\"{value}\"}}}}}}\n")),
        (home.join(".bash_history"), format!("export GITHUB_TOKEN={value}\n")),
        (home.join(".ssh/config"), format!("# {value}\n")),
    ];
    for (file, text) in files {
        fs::create_dir_all(file.parent().context("a file stands in a folder")?)?;
        fs::write(file, text)?;
    }
    for folder in [".git/objects", ".git/refs", "vendor/lib/.git/objects", "vendor/lib/.git/refs"] {
        fs::create_dir_all(work.join(folder))?;
    }
    std::os::unix::fs::symlink(".env", work.join("settings"))?;
    std::os::unix::fs::symlink(server.data(), work.join("outside"))?;
    Ok(work)
}

/// The control has a work folder of its own, so that the two do not meet there.
fn copy_work(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (entry, target) = (entry?, |entry: &fs::DirEntry| to.join(entry.file_name()));
        let about = fs::symlink_metadata(entry.path())?;
        if about.is_dir() {
            copy_work(&entry.path(), &target(&entry))?;
        } else if about.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, target(&entry))?;
        } else {
            fs::copy(entry.path(), target(&entry))?;
        }
    }
    Ok(())
}

const BOUND: &str = "api.github.com";
const UNBOUND: &str = "allowed.example.com";
const SECRET: &str = "GITHUB_TOKEN";
/// Where something might arrive past every host's own port: names, plain HTTP, TLS and QUIC, resolvers over TLS, logs, a shell's favourite.
const OVERHEARD: [u16; 6] = [53, 80, 443, 853, 514, 4444];
/// The first byte of a TLS connection (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;
/// What stands in the variable where there are no walls.
const PLACEHOLDER: &str = "ghp_000000000000000000000000000000000000";
const MARK_VARIABLE: &str = "TIGHTLIP_PROOF_MARK";
const CLIENTS_SAY: &str = "the clients did not run in a devbox";
