//! `tightlip doctor`: what stands between a secret and its host, looked at from the outside in; the last look is a request from inside a devbox.

use std::path::Path;
use std::process::{Command, Stdio};

use model::binding::HTTPS_PORT;
use model::{Binding, Form, SecretName};
use prove::knock::{Answered, DOORS_VARIABLE, Door, TOKEN_VARIABLE};
use serde::Serialize;

use super::bind::Where;
use super::fault::{Exit, Fault};
use super::output::{Output, table};
use super::target::Target;

/// What to look at.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A secret: is it stored, where may it go, and does a request with its placeholder arrive there
    #[arg(value_name = "NAME")]
    name: Option<SecretName>,
}

/// How one thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// Not as it could be, and no reason to stop.
    Note,
    /// Nothing works before this is mended.
    Broken,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Look {
    check: String,
    state: State,
    found: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// All looks, in their order.
#[derive(Serialize)]
struct Looks {
    checks: Vec<Look>,
}

impl Looks {
    fn ok(&mut self, check: &str, found: impl Into<String>) {
        self.add(check, State::Ok, found, None);
    }

    fn note(&mut self, check: &str, found: impl Into<String>, next: &str) {
        self.add(check, State::Note, found, Some(next.to_owned()));
    }

    fn broken(&mut self, check: &str, found: impl Into<String>, next: impl Into<String>) {
        self.add(check, State::Broken, found, Some(next.into()));
    }

    /// A failure of ours, with the command that it names.
    fn fault(&mut self, check: &str, fault: Fault) {
        self.add(check, State::Broken, fault.message, fault.next);
    }

    fn add(&mut self, check: &str, state: State, found: impl Into<String>, next: Option<String>) {
        self.checks.push(Look { check: check.to_owned(), state, found: found.into(), next });
    }

    fn is_broken(&self) -> bool {
        self.checks.iter().any(|look| look.state == State::Broken)
    }
}

/// Looks, and tells: code 1 where something is broken.
pub(super) fn doctor(args: &Args, target: impl FnOnce() -> Result<Target, Fault>, out: &Output) -> Result<i32, Fault> {
    let mut looks = Looks { checks: Vec::new() };
    machine(&mut looks);
    folder(&mut looks);
    match target() {
        Ok(target) => {
            if server(&target, &mut looks)
                && let Some(name) = &args.name
            {
                secret(name, &target, &mut looks);
            }
        }
        Err(fault) => looks.fault("server", fault),
    }
    out.result(&looks, || shown(&looks, out));
    Ok(if looks.is_broken() { Exit::Failure as i32 } else { 0 })
}

fn shown(looks: &Looks, out: &Output) -> String {
    let row = |look: &Look| {
        let state = match look.state {
            State::Ok => "ok",
            State::Note => "note",
            State::Broken => "BROKEN",
        };
        [state.to_owned(), look.check.clone(), look.found.clone()]
    };
    let lines = table(["", "CHECK", "FOUND"], &looks.checks.iter().map(row).collect::<Vec<_>>());
    let next: Vec<String> =
        looks.checks.iter().filter_map(|look| look.next.as_ref().map(|next| out.hinted(&format!("{}: {next}", look.check)))).collect();
    if next.is_empty() { lines } else { format!("{lines}\n\nWhat to do:\n  {}", next.join("\n  ")) }
}

/// What the kernel and the system give.
fn machine(looks: &mut Looks) {
    let read = |path: &str| std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    let is_root = rustix::process::geteuid().is_root();
    let switches = [
        ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
    ];
    let closed =
        switches.into_iter().find(|(path, closed, _)| read(path) == *closed && (!is_root || path.ends_with("max_user_namespaces")));
    match closed {
        Some((path, value, mend)) => looks.broken(
            "user namespaces",
            format!("this system forbids them ({path} is {value}), and a devbox is made of them"),
            format!("as root: {mend}"),
        ),
        None => looks.ok("user namespaces", "allowed"),
    }
    match devbox::system_bundle() {
        Ok(_) => looks.ok("certificates", "this machine has a bundle of authorities"),
        Err(error) => looks.broken("certificates", error.to_string(), "install the package ca-certificates"),
    }
    let now = model::Clock::now(&service::SystemClock);
    if now.unix_ms() < BUILT_AFTER_MS {
        looks.broken(
            "clock",
            "this machine's clock is behind the time in which this program was made: certificates fail",
            "set the clock, or start a time service",
        );
    } else {
        looks.ok("clock", "plausible");
    }
    let node = Command::new("node").arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output();
    let major = node
        .ok()
        .and_then(|output| String::from_utf8_lossy(&output.stdout).trim().strip_prefix('v')?.split('.').next()?.parse::<u32>().ok());
    if let Some(major) = major.filter(|major| *major < NODE_MIN) {
        looks.note(
            "node",
            format!("version {major} is older than what was tried ({NODE_MIN}): its fetch may miss"),
            "install a newer Node",
        );
    }
}

/// What lies in the work folder.
fn folder(looks: &mut Looks) {
    let names = std::fs::read_dir(".").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut files: Vec<String> = names.filter(|name| name.starts_with(".env") && Path::new(name).is_file()).collect();
    files.sort();
    if files.is_empty() {
        looks.ok("work folder", "no .env file");
    } else {
        looks.note(
            "work folder",
            format!("{} may hold values; devboxes see an empty file, everything else on this machine sees it all", files.join(", ")),
            "store each value (tightlip secret set NAME), then delete the file",
        );
    }
}

/// Whether the server answers, takes the key, and is ready. False where there is no use in looking further.
fn server(target: &Target, looks: &mut Looks) -> bool {
    let client = match target.client() {
        Ok(client) => client,
        Err(fault) => {
            looks.fault("server", fault);
            return false;
        }
    };
    match client.list_page(1, None) {
        Ok(_) => looks.ok("server", "answers, and takes the key"),
        Err(error) => {
            looks.fault("server", target.told().to_fault(Fault::from(error)));
            return false;
        }
    }
    if !target.is_local() {
        looks.note("gateway", "another machine's: what its devboxes see is looked at there", "run `tightlip doctor` on that machine");
        return false;
    }
    match target.gate().and_then(|gate| gate.ready()) {
        Ok(()) => looks.ok("gateway", "ready to decide and to record"),
        Err(fault) => {
            looks.fault("gateway", fault);
            return false;
        }
    }
    true
}

/// The way of one secret.
fn secret(name: &SecretName, target: &Target, looks: &mut Looks) {
    let views = target.gate().and_then(|gate| gate.bindings(&target.api_key()?, Some(name)));
    let views = match views {
        Ok(views) => views,
        Err(fault) if fault.exit == Exit::NotFound => {
            return looks.broken("secret", "there is none of this name", "tightlip secret list, or tightlip secret set NAME");
        }
        Err(fault) => return looks.fault("secret", fault),
    };
    let places = Where::of_views(&views);
    if let Some(why) = places.why_never() {
        return looks.broken("secret", why, "store another credential for the same thing: tightlip secret set NAME");
    }
    if !places.is_bound() {
        return looks.broken(
            "binding",
            "the secret is bound to no host, so its placeholder leads nowhere",
            format!("tightlip bind {name} --host HOST"),
        );
    }
    looks.ok("binding", places.hosts().join(", "));
    let bindings: Vec<&Binding> = views.iter().filter_map(|view| view.binding.as_ref()).collect();
    let doors: Vec<Door> = bindings.iter().filter_map(|binding| door(binding)).collect();
    if doors.len() < bindings.len() {
        looks.note(
            "hosts",
            "wildcards, other ports, bindings without GET and those for a query or a body are not knocked at",
            "try one of their hosts by hand: tightlip run -- curl -i https://HOST/",
        );
    }
    if !doors.is_empty() {
        knock(name, &doors, target, looks);
    }
}

/// Where one may knock at: a GET to an exact host, with the placeholder in a header.
fn door(binding: &Binding) -> Option<Door> {
    let host = binding.host.exact().filter(|_| binding.port == HTTPS_PORT && binding.methods.cover("GET"))?;
    let (header, before) = match &binding.form {
        Form::Header { name } => (name.as_str(), ""),
        Form::Auto | Form::Bearer | Form::Basic { .. } | Form::UserPass => ("authorization", "Bearer "),
        Form::Query { .. } | Form::Body => return None,
    };
    Some(Door { host: host.to_string(), path: binding.path.as_str().to_owned(), header: header.to_owned(), before: before.to_owned() })
}

/// Knocks from inside a devbox, as any command in one would.
fn knock(name: &SecretName, doors: &[Door], target: &Target, looks: &mut Looks) {
    let answers = match knocked(name, doors, target) {
        Ok(answers) => answers,
        Err(fault) => return looks.fault("devbox", fault),
    };
    looks.ok("devbox", "starts, and its network leads to the gateway");
    for Answered { host, status, refusal, message } in answers {
        let check = format!("https://{host}");
        match (status, refusal) {
            (_, Some(code)) => looks.broken(
                &check,
                format!("the gateway refuses it ({code})"),
                message.unwrap_or_default().replace("NAME", name.as_str()).replace("HOST", &host),
            ),
            (Some(401 | 403), None) => looks.note(
                &check,
                format!("reached with the value, and answered {}: it is the host that says no", status.unwrap_or_default()),
                "if that host takes this credential elsewhere, all is well; if not, store a new one: tightlip secret set NAME",
            ),
            (Some(status), None) => looks.ok(&check, format!("reached with the value in place of the placeholder; answered {status}")),
            (None, None) => {
                looks.broken(&check, format!("no answer: {}", message.unwrap_or_default()), "look at the output of `tightlip up`")
            }
        }
    }
}

fn knocked(name: &SecretName, doors: &[Door], target: &Target) -> Result<Vec<Answered>, Fault> {
    let program = std::env::current_exe().map_err(|error| Fault::failure(&error))?;
    let doors = serde_json::to_string(doors).map_err(|error| Fault::failure(&error))?;
    let mut command = Command::new(&program);
    command.args(["run", "--quiet", "--data"]).arg(target.folder().path());
    command.args(["--secret", &format!("{TOKEN_VARIABLE}={name}"), "--env", &format!("{DOORS_VARIABLE}={doors}"), "--ro"]).arg(&program);
    command.arg("--").arg(&program).arg("__knock").stdin(Stdio::null());
    let output = command.output().map_err(|error| Fault::failure(&error))?;
    let said: Result<Vec<Answered>, _> =
        output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(serde_json::from_slice).collect();
    match said {
        Ok(answers) if output.status.success() && !answers.is_empty() => Ok(answers),
        Ok(_) | Err(_) => {
            let words = String::from_utf8_lossy(&output.stderr);
            let words = words.lines().last().unwrap_or("it said nothing").trim_start_matches("tightlip: ");
            Err(Fault::new(Exit::CannotStart, format!("no devbox starts: {words}")).next("tightlip run -- true"))
        }
    }
}

/// 1 November 2026: no correct clock is before it.
const BUILT_AFTER_MS: i64 = 1_793_491_200_000;
/// The oldest Node that `docs/clients.md` lists.
const NODE_MIN: u32 = 20;

const EXAMPLES: &str = "\
Without NAME it looks at the machine, the work folder, the server and the gateway. With NAME it also starts a devbox and sends one GET with the placeholder to each host that the secret is bound
to: the host sees a request with the true value.

Examples:
  tightlip doctor
  tightlip doctor GITHUB_TOKEN
  tightlip doctor GITHUB_TOKEN --json | jq -r '.checks[] | select(.state == \"broken\").found'

Exit codes:
  0 nothing is broken, 1 something is";
