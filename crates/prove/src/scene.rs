//! What others than the agent have in hand: a running server, its files, its API, other devboxes, other accounts.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::answer::{Answer, Fault, Reply, is_cut, is_http};
use crate::names::Names;
use crate::outcome::{NotHere, Obtained, Outcome};
use crate::probe::{ATTEMPT_HEADER, Errand, KNOWLEDGE_VARIABLE, Knowledge};
use crate::report::last_words;
use crate::server::Server;
use crate::shell::is_there;
use crate::upstream::Upstream;
use crate::whole::Asked;

/// What is there while the server runs.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub(crate) server: &'a Server,
    pub(crate) upstream: &'a Upstream,
    pub(crate) values: &'a Values,
    pub(crate) work: &'a Path,
    /// The names that lead somewhere, where the proof has a network of its own.
    pub(crate) names: Option<&'a Names>,
    /// One at a time changes the names.
    pub(crate) naming: &'a Mutex<u32>,
    /// Which attempt is made.
    pub(crate) attempt: &'a str,
}

/// What is left when the server has ended.
pub struct Remains {
    pub(crate) folder: TempDir,
    pub(crate) log: Vec<u8>,
}

/// The planted values, by what they are planted for.
pub struct Values {
    /// The agent's secret.
    pub agents: String,
    /// The value that another secret had before it was rotated.
    pub rotated: String,
    /// The older version of a row that is put back.
    pub old: String,
    /// One of no known kind, so that it goes nowhere by itself.
    pub kindless: String,
    /// For secrets that come and go.
    pub spare: String,
}

impl Scene<'_> {
    /// What a command shows, on both streams, whether it was let or not: a server that was not reached is no answer.
    pub(crate) fn shown(&self, arguments: &[&str], input: &str) -> anyhow::Result<Vec<u8>> {
        let output = self.server.call(arguments, input.as_bytes())?;
        let shown = [output.stdout, output.stderr].concat();
        if output.status.code() == Some(UNREACHABLE) {
            bail!("`{}` did not reach the server: {}", arguments.join(" "), String::from_utf8_lossy(&shown));
        }
        Ok(shown)
    }

    /// What a line shows in a running devbox of the API's. It must run there.
    pub(crate) fn ran(&self, id: &str, line: &str) -> anyhow::Result<Vec<u8>> {
        let marked = format!("echo '{RUNS}'; {line}");
        let output = self.server.call(&["devbox", "exec", id, "--", &marked], b"")?;
        let shown = [output.stdout, output.stderr].concat();
        if !holds(&shown, RUNS) {
            bail!("nothing ran in the devbox: {}\n{}", output.status, String::from_utf8_lossy(&shown));
        }
        Ok(shown)
    }

    /// The same of a line that asks hosts: so many of its requests must be answered.
    pub(crate) fn answered(&self, id: &str, line: &str, requests: usize) -> anyhow::Result<Vec<u8>> {
        let shown = self.ran(id, line)?;
        let said = String::from_utf8_lossy(&shown);
        let heads = said.lines().filter(|line| is_http(line.as_bytes())).count();
        if heads < requests || is_cut(&said) {
            bail!("not every request was answered: {said}");
        }
        Ok(shown)
    }

    /// Stores a secret.
    pub(crate) fn store(&self, name: &str, value: &str) -> anyhow::Result<()> {
        self.server.expect(&["secret", "set", name], value.as_bytes()).map(drop)
    }

    /// The owner's API key.
    pub(crate) fn key(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(self.server.data().join("api-key"))?.trim().to_owned())
    }

    /// A key and an account of somebody else's, made anew.
    pub(crate) fn stranger(&self, name: &str) -> anyhow::Result<String> {
        let made = self.server.expect(&["account", "create", name, "--json"], b"")?;
        let made: serde_json::Value = serde_json::from_str(&made).context("the account's answer")?;
        let texts = made.as_object().into_iter().flatten().filter_map(|(_, value)| value.as_str());
        texts.into_iter().find(|text| text.starts_with("tlk_")).map(str::to_owned).context("no key in the account's answer")
    }

    /// One request to the API as it stands; every byte of the answer.
    pub(crate) fn ask_api(&self, head: &str, body: &str) -> anyhow::Result<Vec<u8>> {
        let address = self.server.url().trim_start_matches("http://");
        let (line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
        let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
        let request =
            format!("{line} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(API_WAIT))?;
        let mut out = Vec::new();
        let asked = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_end(&mut out));
        let reply = Reply { bytes: out, fault: asked.as_ref().err().map(Fault::of), asked: Asked::of(request.as_bytes()) };
        if !reply.is(Answer::Http) {
            bail!("the API did not answer: {asked:?} {}", String::from_utf8_lossy(&reply.bytes))
        }
        Ok(reply.bytes)
    }

    /// Runs a devbox with these options and a line for its shell; all that it shows. It must run, or be refused by the server's words.
    pub(crate) fn devbox(&self, options: &[&str], line: &str) -> anyhow::Result<Vec<u8>> {
        let marked = format!("echo '{RUNS}'; {line}");
        let arguments = [&["run"], options, &["--", "sh", "-c", &marked]].concat();
        let output = self.server.command(&arguments).current_dir(self.work).stdin(Stdio::null()).output()?;
        let shown = [&output.stdout[..], &output.stderr[..]].concat();
        if !holds(&shown, RUNS) && !is_refusal(&output) {
            bail!("no devbox ran: {}\n{}", output.status, String::from_utf8_lossy(&shown));
        }
        Ok(shown)
    }

    /// Has a devbox with these options send requests to hosts, with the token of `env`, or with somebody else's; all that it shows.
    pub(crate) fn ask_from_devbox(
        &self,
        options: &[&str],
        env: &str,
        asked: &[(&str, &str)],
        foreign: Option<&str>,
        key: Option<&str>,
    ) -> anyhow::Result<Vec<u8>> {
        let tag = if foreign.is_some() || key.is_some() { self.foreign() } else { "asked".to_owned() };
        self.ask_tagged(options, env, asked, foreign, key, &tag)
    }

    /// What names a request of which nothing may arrive anywhere with a value: the attempt is told by it.
    pub(crate) fn foreign(&self) -> String {
        format!("{FOREIGN}: {}", self.attempt)
    }

    fn ask_tagged(
        &self,
        options: &[&str],
        env: &str,
        asked: &[(&str, &str)],
        foreign: Option<&str>,
        key: Option<&str>,
        tag: &str,
    ) -> anyhow::Result<Vec<u8>> {
        let named = |request: &str| request.replace("{A}", &format!("{ATTEMPT_HEADER}: {tag}\r\n"));
        let requests = asked.iter().map(|(host, request)| ((*host).to_owned(), named(request))).collect();
        let knowledge =
            Knowledge { env: env.to_owned(), errand: Errand::Asks(requests), foreign: foreign.map(str::to_owned), ..Knowledge::default() };
        let known = format!("{KNOWLEDGE_VARIABLE}={}", serde_json::to_string(&knowledge)?);
        let program = self.server.binary().to_string_lossy().into_owned();
        let arguments = [&["run"], options, &["--ro", &program, "--env", &known, "--", &program, "__probe"]].concat();
        let mut command = self.server.command(&arguments);
        command.envs(key.map(|key| ("TIGHTLIP_API_KEY", key)));
        let output = command.current_dir(self.work).stdin(Stdio::null()).output()?;
        let answers = answers(&output.stdout);
        if answers.iter().filter(|answer| answer.starts_with(b"HTTP/")).count() < asked.len() && !is_refusal(&output) {
            let [said, told] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
            bail!("not every request was answered: {}, {}\n{said}\n{told}", output.status, last_words(&output.stderr));
        }
        Ok([output.stdout, output.stderr].concat())
    }

    /// Uses a secret towards a host from a devbox of its own.
    pub(crate) fn use_secret(&self, name: &str, host: &str, key: Option<&str>) -> anyhow::Result<Vec<u8>> {
        self.ask_from_devbox(&["--secret", name, "--allow", host], name, &[(host, ECHO)], None, key)
    }

    /// The same of a secret whose value may not arrive anywhere any more, not even at its own host. It must be refused by one of these words.
    pub(crate) fn refused(&self, name: &str, host: &str, words: &[&str]) -> anyhow::Result<Vec<u8>> {
        let shown = self.ask_tagged(&["--secret", name, "--allow", host], name, &[(host, ECHO)], None, None, &self.foreign())?;
        if !words.iter().any(|words| holds(&shown, words)) {
            bail!("{name} was not refused at {host}: {}", String::from_utf8_lossy(&shown));
        }
        Ok([obtained(&shown), shown].concat())
    }

    /// A devbox over the API that goes on running: its id, and its token for a secret.
    pub(crate) fn lasting(&self, secret: &str, key: Option<&str>) -> anyhow::Result<(String, String)> {
        let id = self.keyed(&["devbox", "create", "--secret", secret], key)?;
        let id = id.trim().to_owned();
        let token = self.server.expect(&["devbox", "exec", &id, "--", &format!("printf %s \"${secret}\"")], b"")?;
        if token.is_empty() {
            bail!("the devbox has no token")
        }
        Ok((id, token))
    }

    fn keyed(&self, arguments: &[&str], key: Option<&str>) -> anyhow::Result<String> {
        let output = self.server.command(arguments).envs(key.map(|key| ("TIGHTLIP_API_KEY", key))).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            bail!("`{}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The store's database, as whoever took the API over has it: to read and to write.
    pub(crate) fn store_database(&self) -> anyhow::Result<Connection> {
        open(&self.server.data().join("store/tightlip.db"))
    }

    /// The gateway's database, as whoever can write files has it.
    pub(crate) fn ledger_database(&self) -> anyhow::Result<Connection> {
        open(&self.server.data().join("gateway/gateway.db"))
    }

    /// Uses a secret towards a name that leads to these addresses. Whatever arrives at one that is not public has leaked.
    pub(crate) fn lead_to(&self, addresses: &[&str]) -> anyhow::Result<Vec<u8>> {
        let Some(names) = self.names else { bail!(NotHere("the proof has no network of its own here".to_owned())) };
        let mut number = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        *number += 1;
        let host = format!("n{number}.{LED}");
        names.lead(&host, addresses)?;
        self.ask_led(&host, 1)
    }

    /// Uses a secret towards a name that leads to `first` and `then` by turns, each time it is looked up.
    pub(crate) fn rebind(&self, first: &str, then: &str) -> anyhow::Result<Vec<u8>> {
        let Some(names) = self.names else { bail!(NotHere("the proof has no network of its own here".to_owned())) };
        let mut number = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        *number += 1;
        let host = format!("n{number}.{LED}");
        let turning = names.turn(&host, [first, then])?;
        let shown = self.ask_led(&host, REBOUND_ASKS);
        turning.stop()?;
        shown
    }

    fn ask_led(&self, host: &str, times: usize) -> anyhow::Result<Vec<u8>> {
        let place = format!("{host}:{}", self.upstream.address().port());
        let request = ECHO.replace("{H}", &place);
        let asked: Vec<(&str, &str)> = std::iter::repeat_n((place.as_str(), request.as_str()), times).collect();
        let shown = self.ask_from_devbox(&["--secret", LED_SECRET], LED_SECRET, &asked, None, None)?;
        // The host may have the value at its public address alone.
        let arrived = self.upstream.records_of(host).into_iter().filter(|record| !PUBLIC.contains(&record.dialled));
        Ok(arrived.fold(shown, |shown, record| [shown, record.bytes].concat()))
    }

    /// A folder's files, one after the other.
    pub(crate) fn files(&self, folder: &Path) -> anyhow::Result<Vec<u8>> {
        read_all(folder)
    }

    /// A file beside the data folder.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.server.beside().join(name)
    }
}

/// Every file below a folder, one after the other.
pub(crate) fn read_all(folder: &Path) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder)? {
        // A folder that is removed while it is read has no more.
        let Some(entry) = unless_gone(entry.map(Some))? else { break };
        let Some(about) = unless_gone(entry.metadata().map(Some))? else { continue };
        if about.is_dir() {
            out.extend(if_there(&entry.path())?);
        } else if about.is_file() {
            out.extend(unless_gone(fs::read(entry.path()))?);
            out.push(b'\n');
        }
    }
    Ok(out)
}

/// The same of a folder that need not be there, and may be made again meanwhile.
pub(crate) fn if_there(folder: &Path) -> anyhow::Result<Vec<u8>> {
    let is_gone = |error: &anyhow::Error| error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::NotFound);
    match read_all(folder) {
        Err(error) if is_gone(&error) => Ok(Vec::new()),
        told => told,
    }
}

/// What is gone in between is no file any more.
pub(crate) fn unless_gone<T: Default>(read: io::Result<T>) -> io::Result<T> {
    match read {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        told => Ok(told.unwrap_or_default()),
    }
}

/// What a report of several requests obtained.
pub(crate) fn obtained(report: &[u8]) -> Vec<u8> {
    answers(report).concat()
}

fn answers(mut report: &[u8]) -> Vec<Vec<u8>> {
    let mut answers = Vec::new();
    while let Ok(Some(Obtained { outcome: Outcome::Tried(bytes), .. })) = Obtained::read(&mut report) {
        answers.push(bytes);
    }
    answers
}

/// That a program is there which an attempt needs.
pub(crate) fn needs(program: &str) -> anyhow::Result<()> {
    if is_there(program) { Ok(()) } else { bail!(NotHere(format!("{program} is not there"))) }
}

/// Whether the text stands in the bytes.
pub(crate) fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len().max(1)).any(|window| window == text.as_bytes())
}

/// Whether a command was answered with a no that is meant: unlike a server that is not there.
pub(crate) fn is_refusal(output: &std::process::Output) -> bool {
    let said = String::from_utf8_lossy(&output.stderr);
    !output.status.success() && REFUSALS.iter().any(|refusal| said.contains(refusal))
}

fn open(path: &Path) -> anyhow::Result<Connection> {
    let database = Connection::open(path)?;
    database.busy_timeout(API_WAIT)?;
    Ok(database)
}

/// Begins the name of what nobody may send with a value: it has it from somebody else, or what it stands for was changed. Nothing of it may arrive anywhere. The
/// attempt's name follows.
pub(crate) const FOREIGN: &str = "with somebody else's token or key";
/// The public addresses to which the proof's names lead.
pub(crate) const PUBLIC: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::new(8, 8, 4, 4))];
/// A host that the agent's secret is not bound to, and secrets of another kind are.
pub(crate) const OPENAI: &str = "api.openai.com";
/// A request that its host echoes.
pub(crate) const ECHO: &str = "GET /echo HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\nConnection: close\r\n\r\n";
/// Names below this one lead where the proof says.
pub(crate) const LED: &str = "led.example.com";
/// The secret that is bound to them.
pub(crate) const LED_SECRET: &str = "LED_TOKEN";
/// How the server says no to a devbox.
const REFUSALS: [&str; 3] = [CHANGED, "lacks the gateway's mark", "there is no secret"];
/// How it says that somebody else wrote its files.
pub(crate) const CHANGED: &str = "changed outside tightlip";
/// The exit code of a command that did not reach the server.
const UNREACHABLE: i32 = 6;
/// A line says that it runs.
const RUNS: &str = "[it runs]";
const REBOUND_ASKS: usize = 6;
const API_WAIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_could_not_be_read_is_no_empty_file_unless_it_is_gone() {
        assert!(unless_gone::<Vec<u8>>(Err(io::ErrorKind::PermissionDenied.into())).is_err());
        assert_eq!(unless_gone::<Vec<u8>>(Err(io::ErrorKind::NotFound.into())).expect("it is gone"), Vec::<u8>::new());
        assert_eq!(unless_gone(Ok(b"a".to_vec())).expect("it was read"), b"a");
    }

    #[test]
    fn a_folder_that_comes_and_goes_while_it_is_read_is_no_fault() {
        let outer = tempfile::tempdir().expect("a folder");
        let (inner, whole) = (outer.path().join("inner"), outer.path().to_owned());
        let other = {
            let inner = inner.clone();
            std::thread::spawn(move || {
                for _ in 0..2000 {
                    fs::create_dir(&inner).expect("made");
                    fs::write(inner.join("file"), "text").expect("written");
                    fs::remove_dir_all(&inner).expect("removed");
                }
            })
        };
        while !other.is_finished() {
            if_there(&inner).expect("read");
            read_all(&whole).expect("read");
        }
        other.join().expect("ended");
    }
}
