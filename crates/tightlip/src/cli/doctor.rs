//! `tightlip doctor`: what stands between a secret and its host, looked at from the outside in; the last looks are taken from inside a devbox.

mod apparmor;
mod clock;
mod data;
mod inside;
mod looks;
mod machine;
mod proxy;
mod secret;
mod server;
mod work;

use std::ffi::OsString;

use model::{Host, SecretName};

use super::fault::{Exit, Fault};
use super::output::Output;
use super::target::Target;
use looks::Looks;

/// What to look at.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A secret: is it stored, where may it go, and does a request with its placeholder arrive there
    #[arg(value_name = "NAME")]
    name: Option<SecretName>,
    /// Knock at this host too, whether the secret is bound to it or not; repeat for more
    #[arg(long = "host", value_name = "HOST", requires = "name")]
    hosts: Vec<Host>,
    /// A variable for the devbox, as with `run`: what it breaks is named; repeat for more
    #[arg(long, short = 'e', value_name = "K[=V]")]
    env: Vec<OsString>,
    /// Print an AppArmor profile that lets this program make its sandboxes, for systems that forbid it, and look at nothing
    #[arg(long, conflicts_with_all = ["name", "hosts", "env"])]
    apparmor_profile: bool,
}

/// Looks, and tells: code 1 where something is broken.
pub(super) fn doctor(args: &Args, target: impl FnOnce() -> Result<Target, Fault>, out: &Output) -> Result<i32, Fault> {
    if args.apparmor_profile {
        let program = std::env::current_exe().map_err(|error| Fault::failure(&error))?;
        out.raw(apparmor::profile(&program)?.as_bytes());
        return Ok(0);
    }
    // A misuse is no finding.
    inside::check_env(&args.env)?;
    let mut looks = Looks::default();
    let makes_devboxes = machine::look(&mut looks);
    work::look(&mut looks);
    match target() {
        Ok(target) => through(args, &target, makes_devboxes, &mut looks),
        Err(fault) => looks.fault("server", fault),
    }
    out.result(&looks, || looks.shown(out));
    Ok(if looks.is_broken() { Exit::Failure as i32 } else { 0 })
}

/// The data folder, its server, the secret's way, and what a devbox sees: each only where what comes before it stands.
fn through(args: &Args, target: &Target, makes_devboxes: bool, looks: &mut Looks) {
    if target.is_local() && !data::look(target.folder(), looks) {
        return;
    }
    if !server::look(target, looks) {
        return;
    }
    proxy::look(target.folder(), looks);
    let found = match &args.name {
        Some(name) => secret::look(name, &args.hosts, target, looks),
        None => Some(Vec::new()),
    };
    if let (Some(doors), true) = (found, makes_devboxes) {
        let visit = inside::Visit { name: args.name.as_ref(), doors: &doors, hosts: &args.hosts, env: &args.env };
        inside::look(&visit, target, looks);
    }
}

const EXAMPLES: &str = "\
Looks at the machine, the work folder, the data folder, the server and the gateway, and starts a devbox in which the clients that are there (curl, git, Python, Node) make a request to the
gateway, which answers it itself. With NAME the devbox also sends one GET with the placeholder to each host that the secret is bound to: the host sees a request with the true value.
What each look finds, and what mends it, is listed in docs/doctor.md.

Examples:
  tightlip doctor
  tightlip doctor GITHUB_TOKEN
  tightlip doctor GITHUB_TOKEN --host ghe.example.com
  tightlip doctor --env HTTPS_PROXY --env NODE_OPTIONS
  tightlip doctor GITHUB_TOKEN --json | jq -r '.checks[] | select(.state == \"broken\").found'
  tightlip doctor --apparmor-profile | sudo tee /etc/apparmor.d/tightlip

Exit codes:
  0 nothing is broken, 1 something is";
