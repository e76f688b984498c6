//! `tightlip verify`: every stored row is opened and every event walked, by the server where one serves the data folder, else by this process.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use link::cli::{AnchorSeen, Finding, Verified};
use model::Clock;
use serde::Serialize;
use service::SystemClock;
use service::small::{self, Links};

use super::ago::ago;
use super::backup::counted;
use super::fault::{Exit, Fault, chain};
use super::gate::Gate;
use super::output::Output;
use super::up::ask;
use crate::folder::{DataFolder, FolderError, Presence};
use crate::root::Source;
use crate::verify::OfflineError;

/// Nothing to choose but where the passphrase is.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Where no server runs and the root key comes from a passphrase: a file that holds it, or a pipe [default: $TIGHTLIP_PASSPHRASE_FILE, then a hidden prompt]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Shown<'a> {
    data: &'a Path,
    holds: bool,
    #[serde(flatten)]
    verified: &'a Verified,
}

/// Looks at everything, and says what is wrong (exit code 10).
pub(super) fn verify(args: &Args, data: Option<&Path>, out: &Output) -> Result<i32, Fault> {
    let folder = DataFolder::locate(data)?;
    if folder.look()? == Presence::Absent || !folder.gateway().exists() {
        let message = format!("there is nothing to look at: {} is no data folder yet", folder.path().display());
        return Err(Fault::new(Exit::NotFound, message).next("name the one you mean with --data DIR"));
    }
    let mut progress = Progress { shown: io::stderr().is_terminal() && !out.json() };
    let mut tell = |done, of| progress.tell(done, of);
    let verified = if folder.is_held() {
        online(&folder, &mut tell)?
    } else {
        let passphrase = Source { wanted: false, file: args.passphrase_file.clone(), ask: Some(ask) };
        crate::verify::verify(&folder, &passphrase, &mut tell).map_err(|error| fault(&error))?
    };
    progress.end();
    let holds = verified.findings.is_empty();
    out.result(&Shown { data: folder.path(), holds, verified: &verified }, || out.hinted(&text(&verified)));
    Ok(if holds { 0 } else { Exit::Tampered as i32 })
}

fn online(folder: &DataFolder, tell: &mut dyn FnMut(u64, u64)) -> Result<Verified, Fault> {
    let path = folder.admin_key();
    let key = small::read(&path, Links::Refuse)
        .map_err(|error| Fault::new(Exit::NotAuthenticated, format!("failed to read the admin key at {}: {error}", path.display())))?;
    let key = String::from_utf8_lossy(&key);
    let gate = Gate::connect(&folder.socket()).map_err(|error| Fault::from(error).next("tightlip down, then tightlip verify"))?;
    gate.verify(key.trim().to_owned(), tell).map_err(|fault| {
        // The gateway took the key from this file when it started.
        if fault.exit == Exit::NotAuthenticated {
            fault.next("tightlip down, then tightlip verify   (it looks at gateway/admin-key, too)")
        } else {
            fault
        }
    })
}

/// How far it has come, on a terminal.
struct Progress {
    shown: bool,
}

impl Progress {
    fn tell(&mut self, done: u64, of: u64) {
        if self.shown {
            // A terminal that is gone is not told.
            let _gone = write!(io::stderr(), "\r{done} of {of} rows and events").and_then(|()| io::stderr().flush());
        }
    }

    fn end(&mut self) {
        if self.shown {
            let _gone = write!(io::stderr(), "\r\x1b[K").and_then(|()| io::stderr().flush());
        }
    }
}

fn text(verified: &Verified) -> String {
    let Verified { counts, api, gateway, anchor, settings, findings } = verified;
    let mut lines: Vec<String> = findings.iter().map(line).collect();
    if findings.is_empty() {
        lines.push(format!(
            "everything holds: {} opened, {}, {}, {} and {}; {} events of the api and {} of the gateway",
            counted(counts.secrets, "secret"),
            counted(counts.accounts, "account"),
            counted(counts.api_keys, "API key"),
            counted(counts.bindings, "binding"),
            counted(counts.devboxes, "devbox row"),
            api.events,
            gateway.events,
        ));
    } else if matches!(findings.as_slice(), [only] if only.table == ANCHOR) && matches!(anchor, AnchorSeen::Missing | AnchorSeen::Nowhere) {
        lines.push("all that is stored holds, and nothing shows whether it is an older copy of the whole data folder".to_owned());
    } else {
        lines.push(format!("{}: stored data is not what tightlip stored", counted(findings.len() as u64, "finding")));
    }
    lines.push(format!("heads: api {} {}, gateway {} {}", api.events, short(&api.hash), gateway.events, short(&gateway.hash)));
    match anchor {
        AnchorSeen::Holds { written } => lines.push(format!("anchor: holds, as of {}", ago(*written, SystemClock.now()))),
        // Among the findings.
        AnchorSeen::Missing | AnchorSeen::Nowhere | AnchorSeen::Wrong => {}
    }
    if !settings.is_empty() {
        lines.push("settings that decide where values go, which nothing but you holds (tightlip.toml):".to_owned());
        lines.extend(settings.iter().map(|setting| format!("  {}: {}", setting.name, setting.value)));
    }
    lines.join("\n")
}

/// One finding: where, which, what, and what to do.
fn line(finding: &Finding) -> String {
    let Finding { table, id, name, what, next, more } = finding;
    let name = name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let which = id.as_ref().map(|id| format!(" {id}{name}")).unwrap_or(name);
    let more = if *more == 0 { String::new() } else { format!(" (and {more} more)") };
    format!("{table}{which}: {what}{more}\n  {next}")
}

/// The beginning of a hash, for people.
fn short(hash: &str) -> &str {
    hash.get(..16).unwrap_or(hash)
}

fn fault(error: &OfflineError) -> Fault {
    match error {
        OfflineError::Folder(FolderError::Locked { .. }) => Fault::in_use(error.to_string()).next("tightlip down, then tightlip verify"),
        OfflineError::Root(root) => {
            let code = i32::from(root.exit_code());
            let exit = [Exit::Usage, Exit::NotAuthenticated].into_iter().find(|exit| *exit as i32 == code);
            Fault::new(exit.unwrap_or(Exit::Failure), chain(error))
        }
        OfflineError::Folder(_) | OfflineError::Config(_) | OfflineError::Setup(_) | OfflineError::Verify(_) | OfflineError::Seclude(_) => {
            Fault::failure(error)
        }
    }
}

/// What findings about the anchor are of.
const ANCHOR: &str = "anchor";
const EXAMPLES: &str = "\
Opens every value, checks every signature and mark, walks both chains of events, and holds rows against events. Values are shown to nobody. Where a server serves \
the data folder, it looks itself and goes on serving; otherwise this command does, and changes nothing: also where `up` refuses to start. Exits with 10 when \
something is not as it was stored.

Examples:
  tightlip verify
  tightlip verify --json";
