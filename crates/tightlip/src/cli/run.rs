//! `tightlip run`: a command that can use secrets and cannot read them.
//!
//! The gateway gives placeholders and a certificate; the devbox is started here, in the user's own rights, and its listeners go to the gateway. No value
//! ever comes into this process.

mod agent;
pub(super) mod environment;
mod skills;
mod summary;
mod watch;

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use devbox::{DevboxError, Prepared, Spec, Terminal, WorkFolder};
use link::cli::{Opened, Request, Role, Wanted};
use model::HostPattern;

use super::fault::{Exit, Fault, chain};
use super::gate::Gate;
use super::output::Output;
use super::secret::unknown;
use super::target::Target;
use agent::{Agent, Outfit};
use watch::{Listeners, Watch};

/// A command, and what it gets.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A secret to use, in a variable of its name or of another; repeat for more [default: every secret that can be used]
    #[arg(long = "secret", short = 's', value_name = "NAME|ENV=NAME")]
    secrets: Vec<OsString>,
    /// A host that may be reached beside those of the secrets, exact or *.example.com; repeat for more
    #[arg(long, value_name = "HOST")]
    allow: Vec<HostPattern>,
    /// A variable to pass on or to set; nothing else of the environment goes in; repeat for more
    #[arg(long, short = 'e', value_name = "K[=V]")]
    env: Vec<OsString>,
    /// A path to read, beside the system's programs and the work folder; repeat for more
    #[arg(long, value_name = "PATH")]
    ro: Vec<PathBuf>,
    /// A path to read and write; repeat for more
    #[arg(long, value_name = "PATH")]
    rw: Vec<PathBuf>,
    /// A coding agent: its credential, its settings and its program go in, and its own command is run where no CMD is given
    #[arg(long, value_name = "AGENT")]
    agent: Option<Agent>,
    /// A folder that is kept as the home [default: an empty one that vanishes]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Put the skill that tells an agent how to use placeholders where agents look for skills in the home
    #[arg(long)]
    skill: bool,
    /// Say nothing about the devbox but what the command changed in .git
    #[arg(long, short = 'q')]
    quiet: bool,
    /// The command and its arguments [default: $SHELL]
    #[arg(trailing_var_arg = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Runs the command and gives its exit code.
pub(super) fn run(args: Args, target: impl FnOnce() -> Result<Target, Fault>, out: &Output) -> Result<i32, Fault> {
    let asked = asked(&args)?;
    let target = target()?;
    launch(&args, &target, &asked, out).map_err(Fault::before_the_command)
}

/// What was asked for, checked before any server is.
struct Asked {
    /// None: every secret that can be used.
    wanted: Option<Vec<Wanted>>,
    given: environment::Given,
    outfit: Option<Outfit>,
    work_dir: WorkFolder,
    /// What is read, the agent's program last.
    ro: Vec<PathBuf>,
}

fn asked(args: &Args) -> Result<Asked, Fault> {
    // First of all: what it is called may change under others' hands.
    let work_dir =
        WorkFolder::current().map_err(|error| Fault::new(Exit::CannotStart, format!("failed to find the current folder: {error}")))?;
    let named = environment::wanted(&args.secrets)?;
    let wanted = args.agent.map_or(named.clone(), |agent| Some(agent.wanted(named)));
    let held = wanted.as_deref().unwrap_or_default();
    let given = environment::given(&args.env, held)?;
    let mut ro = args.ro.clone();
    let Some(agent) = args.agent else { return Ok(Asked { wanted, given, outfit: None, work_dir, ro }) };
    let mounted: Vec<PathBuf> = ro.iter().chain(&args.rw).filter_map(|path| std::fs::canonicalize(path).ok()).collect();
    let mounted: Vec<&Path> = mounted.iter().map(PathBuf::as_path).chain([work_dir.path()]).collect();
    let outfit = agent.outfit(&args.command, &given, work_dir.path(), &mounted)?;
    let given = outfit.env(held, given)?;
    ro.extend_from_slice(outfit.ro());
    Ok(Asked { wanted, given, outfit: Some(outfit), work_dir, ro })
}

fn launch(args: &Args, target: &Target, asked: &Asked, out: &Output) -> Result<i32, Fault> {
    let api_key = target.api_key()?;
    let gate = target.gate()?;
    let request = Request::OpenDevbox { api_key: api_key.clone(), secrets: asked.wanted.clone(), allow: args.allow.clone() };
    let named = |fault| hint(name_the_secret(fault, asked.wanted.as_deref().unwrap_or_default()), asked);
    let opened = gate.open(&request).map_err(named)?;
    let prepared = devbox::prepare(&spec(args, target, &opened, asked)?).map_err(|error| not_prepared(&error, args, asked))?;
    let listeners = hand_over(&gate, &opened, &prepared)?;
    if !args.quiet {
        summary::show(&gate, &api_key, &opened, args, &asked.work_dir, out);
    }
    let running = prepared.start().map_err(|error| name_the_command(&error, args))?;
    if !args.quiet {
        for note in running.notes() {
            out.note(&format!("tightlip: {note}"));
        }
    }
    let resume = Request::ResumeDevbox { devbox: opened.devbox.clone(), resume: opened.resume, roles: listeners.roles.clone() };
    let watch = Watch::start(gate, target.folder().socket(), resume, listeners, running.killer());
    let watch = watch.inspect_err(|_| summary::show_changes(&[devbox::NOT_LOOKED_AT.to_owned()], out))?;
    let ended = running.wait();
    let gate = watch.stop();
    if let Ok(Some(gate)) = gate {
        // The devbox is gone already; the gateway ends it with the connection where this does not arrive.
        let refused = gate.close(opened.devbox).unwrap_or_default();
        if !args.quiet {
            summary::show_refused(&refused, out);
        }
        return end(ended, args, out);
    }
    // The changes are told before anything else ends this: a server that goes away is an everyday thing.
    let code = end(ended, args, out);
    gate.and(code)
}

/// Says what the command tried on repositories, even when nothing else is said: it may act later, outside. The exit code.
fn end(ended: Result<devbox::Exit, DevboxError>, args: &Args, out: &Output) -> Result<i32, Fault> {
    match ended {
        Ok(exit) => {
            summary::show_changes(&exit.git_changes, out);
            Ok(exit.code)
        }
        Err(error) => {
            summary::show_changes(&[devbox::NOT_LOOKED_AT.to_owned()], out);
            Err(name_the_command(&error, args))
        }
    }
}

/// The gateway counts the secrets that it was asked for; a person is told which one it was.
fn name_the_secret(fault: Fault, wanted: &[Wanted]) -> Fault {
    let counted = fault.message.strip_prefix("secret ").and_then(|rest| rest.split_once(" of those asked for"));
    let Some((number, rest)) = counted else { return fault };
    let index = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    match index.and_then(|index| wanted.get(index)) {
        Some(one) if fault.exit == Exit::NotFound => unknown(fault, &one.name),
        Some(one) => Fault { message: format!("the secret {}{rest}", one.name), ..fault },
        None => fault,
    }
}

/// The agent's usual secret may be there under another name.
fn hint(fault: Fault, asked: &Asked) -> Fault {
    let (Some(outfit), Exit::NotFound) = (&asked.outfit, fault.exit) else { return fault };
    let usual = asked.wanted.iter().flatten().find(|one| outfit.agent().is_usual(one));
    match usual.filter(|one| fault.message.ends_with(&format!(" {}", one.name))) {
        Some(one) => fault.next(format!("tightlip secret set {0}\n--secret {0}=NAME   (where you keep it under another name)", one.name)),
        None => fault,
    }
}

/// The devbox: the user's command in the user's folder, with nothing of the environment but what is named.
fn spec(args: &Args, target: &Target, opened: &Opened, asked: &Asked) -> Result<Spec, Fault> {
    let outfit = asked.outfit.as_ref();
    let own = || outfit.map_or_else(|| vec![environment::shell()], Outfit::argv);
    let mut bundle_pem = devbox::system_bundle().map_err(|error| not_started(&error))?;
    bundle_pem.push(b'\n');
    bundle_pem.extend_from_slice(opened.ca_pem.as_bytes());
    let mut home_files = outfit.map(|outfit| outfit.files(asked.wanted.as_deref().unwrap_or_default(), opened)).unwrap_or_default();
    if args.skill {
        home_files.extend(skills::files(args.agent));
    }
    Ok(Spec {
        argv: if args.command.is_empty() { own() } else { args.command.clone() },
        env: environment::whole(&opened.env, asked.given.clone()),
        work_dir: asked.work_dir.clone(),
        ro: asked.ro.clone(),
        rw: args.rw.clone(),
        home: args.home.clone(),
        home_files,
        programs: outfit.map(Outfit::programs).unwrap_or_default(),
        hidden: vec![target.folder().path().to_owned()],
        bundle_pem,
        ports: opened.ports.clone(),
        terminal: Terminal::Auto,
    })
}

/// Hands the devbox's listeners to the gateway, and keeps a second handle on each for a gateway that comes back.
fn hand_over(gate: &Gate, opened: &Opened, prepared: &Prepared) -> Result<Listeners, Fault> {
    let listening = prepared.listeners();
    let roles: Vec<Role> = listening.iter().map(|one| role(one.role)).collect();
    let fds: Vec<_> = listening.iter().map(|one| one.fd.as_fd()).collect();
    gate.done(&Request::HandListeners { devbox: opened.devbox.clone(), roles: roles.clone() }, &fds)?;
    let kept: Result<Vec<_>, _> = fds.iter().map(|fd| fd.try_clone_to_owned()).collect();
    kept.map(|fds| Listeners { roles, fds }).map_err(|error| Fault::new(Exit::CannotStart, format!("failed to keep a socket: {error}")))
}

const fn role(role: devbox::Role) -> Role {
    match role {
        devbox::Role::Tcp(port) => Role::Tcp(port),
        devbox::Role::Dns => Role::Dns,
    }
}

/// The devbox counts its paths; a person is told which one it was.
fn not_prepared(error: &DevboxError, args: &Args, asked: &Asked) -> Fault {
    let fault = not_started(error);
    let DevboxError::Path { option, number, problem } = error else { return fault };
    let paths = match *option {
        "--ro" => &asked.ro[..],
        "--rw" => &args.rw[..],
        _ => args.home.as_slice(),
    };
    match number.checked_sub(1).and_then(|index| paths.get(index)) {
        Some(path) => Fault { message: format!("failed to run the command: {option} {} {problem}", path.display()), ..fault },
        None => fault,
    }
}

/// The devbox does not repeat what it was given; a person is told which command it was.
fn name_the_command(error: &DevboxError, args: &Args) -> Fault {
    let fault = not_started(error);
    match (error, args.command.first()) {
        (DevboxError::NotFound | DevboxError::NotExecutable, Some(command)) => {
            let command = command.display();
            Fault { message: format!("{}: {command}", fault.message), ..fault }
        }
        _ => fault,
    }
}

fn not_started(error: &DevboxError) -> Fault {
    let exit = match error {
        DevboxError::NotExecutable => Exit::NotExecutable,
        DevboxError::NotFound => Exit::CommandNotFound,
        DevboxError::NamespacesForbidden(_)
        | DevboxError::WorkDir(_)
        | DevboxError::Path { .. }
        | DevboxError::TooLarge(_)
        | DevboxError::Replaced
        | DevboxError::FolderAsStdio
        | DevboxError::NoBundle
        | DevboxError::RootInside
        | DevboxError::Kernel { .. } => Exit::CannotStart,
    };
    Fault::new(exit, format!("failed to run the command: {}", chain(error)))
}

const EXAMPLES: &str = "\
The command sees a placeholder in each secret's variable; the gateway writes the value into requests to the hosts that the secret may go to, \
and nowhere else. Nothing else is reachable but what --allow names. The current folder is writable; .git/hooks and .git/config are copies, \
and .env files are empty. Everything after CMD belongs to it.

Examples:
  tightlip run -- git clone https://github.com/me/private.git
  tightlip run --secret GITHUB_TOKEN --allow docs.example.com --allow cdn.example.com -- ./agent
  tightlip run --secret GH_TOKEN=GITHUB_TOKEN -- gh api user
  tightlip run --agent claude --skill                 (Claude Code, told what placeholders are)
  tightlip run --agent codex --secret GITHUB_TOKEN -- codex exec 'mend the build'
  tightlip run                                        (your shell)

Exit codes:
  the command's own (128+n by signal n), 125 could not start, 126 not executable, 127 not found";

#[cfg(test)]
mod tests {
    use service::DevboxDenial;

    use super::*;

    #[test]
    fn a_secret_that_was_asked_for_is_named_and_not_counted() {
        let wanted = ["A", "B"].map(|name| Wanted { env: name.parse().expect("a variable"), name: name.parse().expect("a name") });
        let said = |denial: DevboxDenial| name_the_secret(Fault::denied(denial.denial(), denial.to_string()), &wanted).message;
        assert_eq!(said(DevboxDenial::SecretUnknown(1)), "there is no secret A");
        assert_eq!(said(DevboxDenial::Unusable { which: 2, why: "it is short" }), "the secret B cannot be sent: it is short");
        assert!(said(DevboxDenial::EnvTwice(2)).starts_with("the secret B would stand"));
        assert_eq!(said(DevboxDenial::TooManySecrets), DevboxDenial::TooManySecrets.to_string());
        assert!(said(DevboxDenial::SecretUnknown(3)).starts_with("secret 3"), "one that was not asked for");
    }
}
