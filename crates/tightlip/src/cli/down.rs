//! `tightlip down`: stops the data folder's server, whoever started it, and returns when it has ended.

use std::path::Path;

use serde::Serialize;

use super::fault::{Exit, Fault};
use super::output::Output;
use crate::detached::{self, Starter, StopError};
use crate::folder::{DataFolder, Presence};

/// Nothing to choose.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {}

#[derive(Serialize)]
struct Stopped<'a> {
    data: &'a Path,
    /// Whether a server ran.
    stopped: bool,
    pid: Option<u32>,
}

/// Stops the server, or says that none runs.
pub(super) fn down(_args: &Args, data: Option<&Path>, out: &Output) -> Result<(), Fault> {
    let folder = DataFolder::locate(data)?;
    let server = match folder.look()? {
        Presence::Absent => None,
        Presence::Present => detached::stop(&folder).map_err(fault)?,
    };
    let shown = Stopped { data: folder.path(), stopped: server.is_some(), pid: server.as_ref().map(|server| server.pid) };
    let place = folder.path().display();
    let Some(server) = server else {
        out.note(&format!("no server runs on {place}"));
        if out.json() {
            out.json_line(&shown);
        }
        return Ok(());
    };
    out.result(&shown, || {
        let started_by = match server.started_by {
            Starter::Person => "`tightlip up` had started",
            Starter::Command => "a command had started for itself",
        };
        format!("stopped the server of {place} (process {}), which {started_by}", server.pid)
    });
    Ok(())
}

fn fault(error: StopError) -> Fault {
    let fault = match &error {
        StopError::Unknown(_) | StopError::Late(_) => Fault::in_use(error.to_string()),
        StopError::Io(_) => return Fault::failure(&error),
        StopError::Folder(_) => return Fault::new(Exit::Failure, error.to_string()),
    };
    match error {
        StopError::Late(pid) => fault.next(format!("look at what it says, then: kill -9 {pid}")),
        StopError::Unknown(_) | StopError::Io(_) | StopError::Folder(_) => fault,
    }
}

const EXAMPLES: &str = "\
Requests that were begun are finished. Devboxes over the API end with the server. Those of `tightlip run` are refused everything from then on, and end after
half a minute unless a server is back.

Examples:
  tightlip down
  tightlip down --data ~/work/tightlip";
