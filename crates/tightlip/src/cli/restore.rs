//! `tightlip restore`: brings back what `backup` wrote, while no server runs on the data folder.

use std::path::{Path, PathBuf};

use model::Clock;
use serde::Serialize;
use service::SystemClock;
use vault::backup::BackupError as FormatError;

use super::ago::ago;
use super::backup::counted;
use super::fault::{Exit, Fault, chain};
use super::output::Output;
use super::up::ask;
use crate::anchor::Rollback;
use crate::config::Config;
use crate::folder::{DataFolder, FolderError};
use crate::restore::{Existing, RestoreError, Restored, Wanted};
use crate::root::Source;

/// What to restore, and over what.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the data folder has contents, move them aside, into a folder in it
    #[arg(long)]
    force: bool,
    /// Restore a backup also where it is older than what the data folder had last
    #[arg(long)]
    accept_rollback: bool,
    /// The root key's file [default: gateway/root.key of the data folder]
    #[arg(long, value_name = "PATH")]
    root_key: Option<PathBuf>,
    /// Where the root key comes from a passphrase: a file that holds it, or a pipe [default: $TIGHTLIP_PASSPHRASE_FILE, then a hidden prompt]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Shown<'a> {
    data: &'a Path,
    made: i64,
    secrets: u64,
    events: Events,
    before: Option<&'a Path>,
}

#[derive(Serialize)]
struct Events {
    api: u64,
    gateway: u64,
}

/// Restores a backup.
pub(super) fn restore(args: &Args, data: Option<&Path>, out: &Output) -> Result<(), Fault> {
    let folder = DataFolder::locate(data)?;
    let existing = if args.force { Existing::MoveAside } else { Existing::Keep };
    let passphrase = Source { wanted: false, file: args.passphrase_file.clone(), ask: Some(ask) };
    let wanted = Wanted {
        backup: &args.file,
        root_key: args.root_key.as_deref(),
        passphrase: &passphrase,
        existing,
        rollback: Rollback::of(args.accept_rollback),
    };
    let restored = crate::restore::restore(&folder, &wanted, &SystemClock).map_err(fault)?;
    let Restored { about, before } = &restored;
    let events = Events { api: about.api.seq, gateway: about.gateway.seq };
    let shown = Shown { data: folder.path(), made: about.made.unix_ms(), secrets: about.secrets, events, before: before.as_deref() };
    out.result(&shown, || out.hinted(&summary(&folder, &restored)));
    Ok(())
}

fn summary(folder: &DataFolder, restored: &Restored) -> String {
    let Restored { about, before } = restored;
    let mut lines = vec![format!(
        "restored {} as it was {}: {}, {} events of the api and {} of the gateway",
        folder.path().display(),
        ago(about.made, SystemClock.now()),
        counted(about.secrets, "secret"),
        about.api.seq,
        about.gateway.seq,
    )];
    if let Some(before) = before {
        lines.push(format!(
            "What was there before is in {}, what its root key comes from too; delete it when nothing of it is needed.",
            before.display()
        ));
    }
    let missing = Config::load(&folder.config()).ok().and_then(|config| config.upstream_ca).filter(|path| !path.exists());
    if let Some(path) = missing {
        lines.push(format!("The settings name {}, which is not in backups: put it there first.", path.display()));
    }
    lines.push(
        "What was deleted or changed after that moment is as it was then: delete or change it again. API keys that were revoked since are good again: \
         look at `tightlip key list` and revoke them. So is an admin key that was replaced since: replace it again, by removing gateway/admin-key."
            .to_owned(),
    );
    lines.push("Try next: tightlip up".to_owned());
    lines.join("\n")
}

fn fault(error: RestoreError) -> Fault {
    match &error {
        RestoreError::NoBackup(_) => Fault::new(Exit::NotFound, error.to_string()),
        RestoreError::Occupied(_) => {
            Fault::new(Exit::Exists, error.to_string()).next("add --force to have them moved aside, or name another folder with --data DIR")
        }
        RestoreError::Rollback(_, _) => Fault::new(Exit::Refused, chain(&error))
            .next("tightlip restore FILE --accept-rollback   (what was deleted or rotated since then is as it was; add --force where the folder has contents)"),
        RestoreError::Folder(FolderError::NotOurs(_)) => Fault::new(Exit::Exists, error.to_string()),
        RestoreError::Folder(FolderError::Locked { .. }) => Fault::in_use(error.to_string()),
        RestoreError::Root(root) => {
            let code = i32::from(root.exit_code());
            let exit = [Exit::Usage, Exit::NotAuthenticated].into_iter().find(|exit| *exit as i32 == code);
            Fault::new(exit.unwrap_or(Exit::Failure), chain(&error))
        }
        RestoreError::NoRootKey(_) | RestoreError::Format(FormatError::WrongRootKey) => {
            Fault::failure(&error).next("tightlip restore FILE --root-key PATH")
        }
        RestoreError::Backup { .. }
        | RestoreError::RootKey { .. }
        | RestoreError::TakesPassphrase
        | RestoreError::Folder(_)
        | RestoreError::Format(_)
        | RestoreError::UnknownPart
        | RestoreError::Mismatch
        | RestoreError::Content(_)
        | RestoreError::Setup(_) => Fault::failure(&error),
    }
}

const EXAMPLES: &str = "\
A server that a command started for itself is ended; stop one that you started with `tightlip down`. Everything is opened and checked before anything is changed, and nothing is ever overwritten.

Examples:
  tightlip restore tightlip-2026-01-31.backup --root-key ~/safe/root.key
  tightlip restore tightlip-2026-01-31.backup --force --accept-rollback";
