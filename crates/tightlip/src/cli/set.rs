//! `tightlip secret set|create|update`: a value goes in, and what may happen with it is said.

use std::ffi::OsString;

use client::{Client, SecretView};
use link::cli::Request;
use model::kind::Kind;
use model::{Binding, Form, HostPattern, SecretName};
use serde::Serialize;
use service::rows::{fitness, why_not_sent};
use vault::SecretValue;

use super::argv;
use super::bind::{self, Where};
use super::fault::{Exit, Fault};
use super::output::Output;
use super::secret::unknown;
use super::target::Target;
use super::value;

/// A name, and perhaps where the value may go. The value itself comes from standard input.
#[derive(clap::Args)]
pub(super) struct WriteArgs {
    /// The secret's name; also the variable that `tightlip run` gives a placeholder in
    #[arg(value_name = "NAME")]
    name: OsString,
    /// A host that the value may go to, exact or *.example.com; repeat for more [default: the hosts of the value's kind]
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<HostPattern>,
    /// How it is written there: auto, bearer, basic:USER, header:NAME, query:NAME or body
    #[arg(long = "as", value_name = "FORM", requires = "hosts")]
    form: Option<Form>,
    /// Other tools take a value here; this one says why not.
    #[arg(long, short = 'b', hide = true, alias = "body", num_args = 0..=1, value_name = "VALUE")]
    value: Option<Option<OsString>>,
    /// The same for a value after the name.
    #[arg(hide = true, value_name = "VALUE")]
    rest: Vec<OsString>,
}

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Set,
    Create,
    Update,
}

/// What the command says of a stored value, none of it the value.
struct Facts {
    kind: Option<&'static Kind>,
    /// Why it cannot be sent anywhere, whatever it is bound to.
    stays: Option<&'static str>,
}

#[derive(Serialize)]
struct Stored<'a> {
    #[serde(flatten)]
    view: &'a SecretView,
    created: bool,
    #[serde(flatten)]
    destinations: &'a Where,
    warnings: &'a [String],
}

/// Reads a value, stores it, binds it where hosts were named, and says where it may go.
pub(super) fn write(verb: Verb, args: WriteArgs, target: impl FnOnce() -> Result<Target, Fault>, out: &Output) -> Result<(), Fault> {
    let name = name_of(&args)?;
    let target = target()?;
    let client = target.client()?;
    let admin_key = if args.hosts.is_empty() { None } else { Some(target.gate().and_then(|_gate| target.admin_key())?) };
    let exists = look(verb, &client, &name)?;
    let value = value::read(&name)?;
    let facts = Facts::of(&name, &value);
    let view = if exists { client.update(&name, value) } else { client.create(&name, value) };
    let view = view.map_err(|error| taken(unknown(error.into(), &name), &name))?;
    if let Some(admin_key) = admin_key {
        bind_hosts(&target, &admin_key, &name, &args)?;
    }
    let destinations = bind::whereabouts(&target, &name).unwrap_or_else(|_| Where::of_kind(facts.kind, facts.stays));
    let warnings: Vec<String> = facts.warnings(&name, &destinations).iter().map(|warning| out.hinted(warning)).collect();
    let stored = Stored { view: &view, created: !exists, destinations: &destinations, warnings: &warnings };
    out.result(&stored, || {
        let verb = if exists { "updated" } else { "created" };
        if destinations.is_bound() { format!("{verb} {name}\n{}", destinations.sentence()) } else { format!("{verb} {name}") }
    });
    for warning in &warnings {
        out.note(&format!("warning: {warning}"));
    }
    Ok(())
}

/// The name, where it is one and nothing beside it could be a value.
fn name_of(args: &WriteArgs) -> Result<SecretName, Fault> {
    let text = args.name.to_str().unwrap_or_default();
    let (before, after) = text.split_once('=').map_or((text, None), |(before, after)| (before, Some(after)));
    // A shell's own redirections never arrive here, so anything beside the name was meant as the value.
    if after.is_some() || args.value.is_some() || !args.rest.is_empty() || argv::looks_secret(&args.name).is_some() {
        let shown = before.parse::<SecretName>().ok().filter(|_| argv::looks_secret(before.as_ref()).is_none());
        return Err(argv::value_in_argv(shown.as_ref().map_or("NAME", SecretName::as_str)));
    }
    text.parse().map_err(|error: model::name::NameError| Fault::usage(error.to_string()).next("tightlip secret set GITHUB_TOKEN"))
}

/// Whether the secret is there, where the verb allows what is found.
fn look(verb: Verb, client: &Client, name: &SecretName) -> Result<bool, Fault> {
    let exists = match client.get(name) {
        Ok(_) => true,
        Err(error) if error.status() == Some(404) => false,
        // A key that may write and not read: the server tells whether the verb fits.
        Err(error) if error.status() == Some(403) => return Ok(verb == Verb::Update),
        Err(error) => return Err(error.into()),
    };
    match (verb, exists) {
        (Verb::Create, true) => Err(taken(Fault { code: "duplicate".to_owned(), ..Fault::new(Exit::Exists, "") }, name)),
        (Verb::Update, false) => Err(unknown(Fault { code: "secret_unknown".to_owned(), ..Fault::new(Exit::NotFound, "") }, name)),
        (Verb::Set | Verb::Create, false) | (Verb::Set | Verb::Update, true) => Ok(exists),
    }
}

fn taken(fault: Fault, name: &SecretName) -> Fault {
    if fault.exit != Exit::Exists {
        return fault;
    }
    let fault = Fault { message: format!("there is a secret {name} already; nothing was changed"), ..fault };
    fault.next(format!("tightlip secret update {name}"))
}

fn bind_hosts(target: &Target, admin_key: &str, name: &SecretName, args: &WriteArgs) -> Result<(), Fault> {
    let gate = target.gate()?;
    for host in &args.hosts {
        let mut binding = Binding::to_host(host.clone());
        if let Some(form) = &args.form {
            binding.form = form.clone();
        }
        let request = Request::Bind { admin_key: admin_key.to_owned(), api_key: target.api_key()?, name: name.clone(), binding };
        gate.change(&request).map_err(|fault| {
            let message = format!("the value was stored, but not bound to {host}: {}", fault.message);
            Fault { message, ..fault }.next(format!("tightlip bind {name} --host {host}"))
        })?;
    }
    Ok(())
}

impl Facts {
    fn of(name: &SecretName, value: &SecretValue) -> Self {
        let kind = vault::recognise(name, value);
        Self { kind, stays: why_not_sent(kind, fitness(value)) }
    }

    fn warnings(&self, name: &SecretName, destinations: &Where) -> Vec<String> {
        match destinations.why_never() {
            Some(why) => vec![format!("{name} {why}")],
            None if destinations.is_bound() => Vec::new(),
            None => {
                let title = destinations.title().or(self.kind.map(|kind| kind.title));
                let what =
                    title.map_or_else(|| "the value's kind is not known".to_owned(), |title| format!("{title}: has no host of its own"));
                vec![format!("{what}, so it cannot leave yet; bind it: tightlip bind {name} {}", destinations.how_to_bind())]
            }
        }
    }
}

pub(super) const SET_EXAMPLES: &str = "\
The value is read from standard input, or from a hidden prompt; never from the arguments. One trailing newline is dropped. \
A value of a known kind may go to that kind's hosts; any other goes nowhere until it is bound.

Examples:
  tightlip secret set GITHUB_TOKEN                  (asks, without showing what is typed)
  gh auth token | tightlip secret set GITHUB_TOKEN
  tightlip secret set ACME_KEY --host api.acme.example --as header:x-api-key < key.txt";

pub(super) const CREATE_EXAMPLES: &str = "\
The value is read from standard input, or from a hidden prompt; never from the arguments.

Examples:
  tightlip secret create STRIPE_API_KEY < key.txt";

pub(super) const UPDATE_EXAMPLES: &str = "\
The value is read from standard input, or from a hidden prompt; never from the arguments. \
Running devboxes use the new value from their next request on.

Examples:
  tightlip secret update STRIPE_API_KEY < new-key.txt";
