//! `tightlip devbox env`: an environment for a sandbox that somebody else starts, in the words of whatever starts it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use link::cli::{MadeRemote, NewRemote, Request};
use model::limits::KEEP_ALIVE_DEFAULT_MS;
use model::{DevboxId, EnvName, HostPattern, Label, Network, ProxyUrl, SecretName};
use serde::Serialize;
use serde_json::json;

use super::super::fault::{Exit, Fault, chain};
use super::super::output::Output;
use super::super::target::Target;
use super::formats;
use super::{Gateway, gateway_of, secret_of, time_of};

mod folder;

use folder::Folder;

/// What the sandbox is to have, and how it is to be told.
#[derive(clap::Args)]
pub(in super::super) struct EnvArgs {
    /// What to call it
    #[arg(long, value_name = "NAME")]
    name: Option<Label>,
    /// A secret that it may use, under its own name or in another variable; repeat for more
    #[arg(short, long = "secret", value_name = "NAME|ENV=NAME", value_parser = secret_of)]
    secrets: Vec<(EnvName, SecretName)>,
    /// A gateway config with the secret that it carries; the sandbox gets PREFIX and PREFIX_URL; repeat for more
    #[arg(long = "gateway", value_name = "PREFIX=CONFIG:NAME", value_parser = gateway_of)]
    gateways: Vec<(EnvName, Gateway)>,
    /// A host that it may reach beside those of its secrets, such as *.example.com; repeat for more
    #[arg(long = "allow", value_name = "HOST")]
    allow: Vec<HostPattern>,
    /// A network that its connections must come from, such as 172.17.0.0/16; repeat for more [default: any]
    #[arg(long = "source", value_name = "CIDR")]
    sources: Vec<Network>,
    /// How long it lives: seconds, or 30m, 12h [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = time_of)]
    keep_alive: Option<u64>,
    /// What starts the sandbox
    #[arg(long, value_enum, default_value_t = Format::Dotenv)]
    format: Format,
    /// How the sandbox reaches the gateway [default: the address that `up --gateway` listens on]
    #[arg(long, value_name = "URL")]
    gateway_url: Option<ProxyUrl>,
    /// Where the sandbox finds its file of certificates; without --out it is written there
    #[arg(long, value_name = "PATH")]
    bundle: Option<PathBuf>,
    /// A folder to write the files into, made where it is not there; without it `dotenv` goes to standard output
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write over files that are there
    #[arg(long)]
    force: bool,
}

/// What starts the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// `docker run`, and what takes the same arguments: an environment file and a mount
    Docker,
    /// Kubernetes: a Secret, a ConfigMap, and what a pod needs of them
    K8s,
    /// A file of NAME=VALUE lines
    Dotenv,
    /// A job of GitHub Actions on a runner of yours: lines for $GITHUB_ENV, and the masks
    GithubActions,
}

/// An environment as it was made, by either way.
#[derive(Debug, Serialize)]
pub(super) struct Made {
    pub(super) id: DevboxId,
    pub(super) environment_variables: BTreeMap<String, String>,
    /// Variables that logs are not to show.
    pub(super) confidential: Vec<String>,
    pub(super) unbound: Vec<String>,
    pub(super) ca_certificate: String,
    /// The credential alone, where it is known apart from the URL that it stands in.
    #[serde(skip)]
    pub(super) masks: Vec<String>,
}

/// What was written, for `--json`.
#[derive(Serialize)]
struct Written<'a> {
    id: &'a DevboxId,
    files: Vec<&'a Path>,
    unbound: &'a [String],
}

/// Makes it and writes it down.
pub(super) fn env(args: EnvArgs, target: &Target, out: &Output) -> Result<(), Fault> {
    if args.secrets.is_empty() && args.gateways.is_empty() && args.allow.is_empty() {
        let fault = Fault::usage("a sandbox without a secret and without a host could do nothing");
        return Err(fault.next("tightlip devbox env --secret NAME, or --allow HOST"));
    }
    let place = Place::of(&args)?;
    let bundle = devbox::system_bundle().map_err(|error| Fault::new(Exit::Failure, chain(&error)))?;
    // Before anything is made: what cannot be written down must not be there.
    let mut folder = place.open(args.force)?;
    let made = make(&args, &place, target)?;
    let bundle = whole_bundle(bundle, &made.ca_certificate);
    folder.write(&place.bundle_file, &bundle, folder::PUBLIC)?;
    for (name, text) in formats::files(args.format, &made, &place.bundle_inside, &bundle, args.name.as_ref()) {
        if let Some(folder_path) = &place.folder {
            folder.write(&folder_path.join(name), text.as_bytes(), folder::PRIVATE)?;
        }
    }
    told(&args, &place, &made, folder.written(), out);
    Ok(())
}

/// Where things go.
pub(super) struct Place {
    /// The folder, where one was named.
    folder: Option<PathBuf>,
    /// The file of certificates here.
    bundle_file: PathBuf,
    /// The same where the sandbox sees it.
    bundle_inside: String,
}

impl Place {
    fn of(args: &EnvArgs) -> Result<Self, Fault> {
        let absolute = |path: &Path| {
            std::path::absolute(path).map_err(|_| Fault::usage("a path that is empty leads nowhere: name one with --out or --bundle"))
        };
        let folder = args.out.as_deref().map(absolute).transpose()?;
        let (bundle_file, inside) = match (&folder, &args.bundle) {
            (Some(folder), Some(inside)) => (folder.join(formats::BUNDLE), inside.clone()),
            (Some(folder), None) => {
                let file = folder.join(formats::BUNDLE);
                let inside = match args.format {
                    Format::Docker | Format::K8s => PathBuf::from(BUNDLE_INSIDE),
                    Format::Dotenv | Format::GithubActions => file.clone(),
                };
                (file, inside)
            }
            (None, Some(file)) if args.format == Format::Dotenv => (absolute(file)?, absolute(file)?),
            (None, None) if args.format == Format::Dotenv => {
                let fault = Fault::usage("the variables name a file of certificates, and nothing says where it may be written");
                return Err(fault.next("tightlip devbox env --bundle FILE, or --out DIR for everything"));
            }
            (None, Some(_) | None) => {
                let fault = Fault::usage("this format is several files: name a folder for them");
                return Err(fault.next("tightlip devbox env --format FORMAT --out DIR"));
            }
        };
        let inside =
            inside.into_os_string().into_string().map_err(|_| Fault::usage("the path of the certificates is not UTF-8: name another"))?;
        Ok(Self { folder, bundle_file, bundle_inside: inside })
    }

    fn open(&self, force: bool) -> Result<Folder, Fault> {
        let force = if force { folder::Existing::WrittenOver } else { folder::Existing::Refused };
        let names = self.folder.iter().flat_map(|folder| formats::NAMES.map(|name| folder.join(name)));
        Folder::open(self.folder.as_deref(), names.chain([self.bundle_file.clone()]), force)
    }
}

/// Asks the gateway on this machine, or another server's API.
fn make(args: &EnvArgs, place: &Place, target: &Target) -> Result<Made, Fault> {
    let secrets: BTreeMap<EnvName, SecretName> = args.secrets.iter().cloned().collect();
    if target.is_local() {
        let wanted = NewRemote {
            name: args.name.clone().map(String::from),
            secrets,
            gateways: args.gateways.iter().map(|(prefix, gateway)| (prefix.clone(), gateway.wanted())).collect(),
            allow: args.allow.clone(),
            sources: args.sources.clone(),
            keep_alive_ms: args.keep_alive.map_or(KEEP_ALIVE_DEFAULT_MS, |seconds| seconds.saturating_mul(1000)),
            gateway_url: args.gateway_url.clone(),
            bundle: place.bundle_inside.clone(),
            request: None,
        };
        let request = Request::OpenRemote { api_key: target.api_key()?, wanted };
        return Ok(target.gate()?.open_remote(&request)?.into());
    }
    let gateways: BTreeMap<EnvName, Gateway> = args.gateways.iter().cloned().collect();
    let mut wanted = json!({
        "name": args.name, "secrets": secrets, "gateways": gateways, "allow": args.allow, "source_networks": args.sources, "bundle_path": place.bundle_inside,
    });
    if let Some(fields) = wanted.as_object_mut() {
        fields.extend(args.gateway_url.as_ref().map(|url| ("gateway_url".to_owned(), json!(url))));
        fields.extend(args.keep_alive.map(|seconds| ("keep_alive_time_seconds".to_owned(), json!(seconds))));
    }
    let made = target.client()?.make_environment(&wanted)?;
    let masks = made.confidential.iter().filter_map(|name| made.environment_variables.get(name)).map(|value| password_of(value)).collect();
    Ok(Made {
        id: made.devbox.id,
        environment_variables: made.environment_variables,
        confidential: made.confidential,
        unbound: made.unbound,
        ca_certificate: made.ca_certificate,
        masks,
    })
}

impl From<MadeRemote> for Made {
    fn from(made: MadeRemote) -> Self {
        let MadeRemote { devbox, credential, placeholders, env, ca_pem } = made;
        let tokens = placeholders.iter().map(|given| given.token.as_str().to_owned());
        let masks = std::iter::once(credential.as_str().to_owned()).chain(tokens).collect();
        let holds = env.iter().filter(|variable| variable.value.contains(credential.as_str())).map(|variable| variable.name.clone());
        let confidential = holds.chain(placeholders.iter().map(|given| given.env.to_string())).collect();
        let unbound = placeholders.iter().filter(|given| given.unbound).map(|given| given.name.to_string()).collect();
        let held = placeholders.iter().map(|given| (given.env.to_string(), given.token.as_str().to_owned()));
        let environment_variables = env.into_iter().map(|variable| (variable.name, variable.value)).chain(held).collect();
        Self { id: devbox.id, environment_variables, confidential, unbound, ca_certificate: ca_pem, masks }
    }
}

/// The credential of a proxy's URL; anything else as it is.
fn password_of(value: &str) -> String {
    let inside = value.strip_prefix("http://").and_then(|rest| rest.split_once('@')).and_then(|(user, _)| user.split_once(':'));
    inside.map_or(value, |(_, password)| password).to_owned()
}

/// The usual certificates and the devbox's own: programs trust only what they are given.
fn whole_bundle(mut bundle: Vec<u8>, ca_pem: &str) -> Vec<u8> {
    if !bundle.ends_with(b"\n") {
        bundle.push(b'\n');
    }
    bundle.extend_from_slice(ca_pem.as_bytes());
    bundle
}

fn told(args: &EnvArgs, place: &Place, made: &Made, files: Vec<&Path>, out: &Output) {
    for name in &made.unbound {
        out.note(&format!("{name} is bound to no host, so its placeholder leads nowhere yet: tightlip bind {name} --host HOST"));
    }
    if args.sources.is_empty() {
        out.note(
            "whoever holds the credential can use it from anywhere that reaches the gateway; --source CIDR says from where it is taken",
        );
    }
    out.note(&format!("made {}; it ends with its time, or: tightlip devbox shutdown {}", made.id, made.id));
    if args.out.is_none() {
        return out.result(made, || formats::dotenv(made).trim_end().to_owned());
    }
    let written = Written { id: &made.id, files, unbound: &made.unbound };
    out.result(&written, || formats::next(args.format, made, place.folder.as_deref().unwrap_or(Path::new(".")), &place.bundle_inside));
}

/// Where a container finds the certificates, where nobody says.
const BUNDLE_INSIDE: &str = "/etc/tightlip/bundle.pem";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_covers_the_credential_wherever_it_stands() {
        assert_eq!(password_of("http://devbox:tlg_a@10.0.0.1:7081"), "tlg_a");
        assert_eq!(password_of("ghp_placeholder"), "ghp_placeholder");
    }

    #[test]
    fn the_bundle_is_the_systems_and_the_devboxs() {
        assert_eq!(whole_bundle(b"usual".to_vec(), "own\n"), b"usual\nown\n");
    }
}
