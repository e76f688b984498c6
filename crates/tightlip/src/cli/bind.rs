//! `tightlip bind`, `unbind`, `bindings`: where a secret's value may go. They change at the gateway, with the admin key, and nowhere else.

use link::cli::{BindingView, Request};
use model::binding::{HTTP_PORT, HTTPS_PORT};
use model::kind::{Brokering, Kind};
use model::{Binding, BindingSource, Form, HostPattern, KindId, Methods, PathPrefix, SecretName};
use serde::Serialize;

use super::fault::{Exit, Fault};
use super::output::{Output, red, table};
use super::secret::unknown;
use super::target::Target;

/// A secret and one destination, or several hosts of one.
#[derive(clap::Args)]
#[command(after_help = BIND_EXAMPLES)]
pub(super) struct BindArgs {
    /// The secret's name
    #[arg(value_name = "NAME")]
    name: SecretName,
    /// A host that the value may go to, exact or *.example.com; repeat for more
    #[arg(long = "host", value_name = "HOST", required = true)]
    hosts: Vec<HostPattern>,
    /// The port: requests are TLS, but to 80, which needs --plain-http too
    #[arg(long, value_name = "PORT", default_value_t = HTTPS_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// With --port 80: let the value travel unencrypted, for whoever is on the way to read
    #[arg(long)]
    plain_http: bool,
    /// Methods, separated by commas [default: any]
    #[arg(long, value_name = "METHODS")]
    methods: Option<Methods>,
    /// Only paths that begin with this
    #[arg(long, value_name = "PATH", default_value_t)]
    path: PathPrefix,
    /// How the value is written there: auto, bearer, basic:USER, header:NAME, query:NAME or body
    #[arg(long = "as", value_name = "FORM", default_value_t = Form::Auto)]
    form: Form,
}

/// A secret, and perhaps one of its hosts.
#[derive(clap::Args)]
#[command(after_help = UNBIND_EXAMPLES)]
pub(super) struct UnbindArgs {
    /// The secret's name
    #[arg(value_name = "NAME")]
    name: SecretName,
    /// Take back this host only [default: every explicit binding]
    #[arg(long, value_name = "HOST")]
    host: Option<HostPattern>,
}

/// All secrets, or one.
#[derive(clap::Args)]
#[command(after_help = BINDINGS_EXAMPLES)]
pub(super) struct BindingsArgs {
    /// Of this secret only
    #[arg(value_name = "NAME")]
    name: Option<SecretName>,
}

/// Where one secret may go, as the gateway says it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Where {
    kind: Option<KindId>,
    bindings: Vec<Binding>,
    /// Why it can go nowhere, whatever it is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    cannot_be_sent: Option<String>,
    #[serde(skip)]
    explicit: bool,
}

#[derive(Serialize)]
struct Listed<'a> {
    bindings: &'a [BindingView],
}

#[derive(Serialize)]
struct Shown<'a> {
    bindings: &'a [BindingView],
    /// Secrets whose values devboxes of the API are given as they are.
    exposed: &'a [&'a SecretName],
}

/// Makes explicit bindings.
pub(super) fn bind(args: BindArgs, target: &Target, out: &Output) -> Result<(), Fault> {
    args.check_plain()?;
    let gate = target.gate()?;
    let (admin_key, api_key) = (target.admin_key()?, target.api_key()?);
    let mut views = Vec::new();
    for host in args.hosts {
        let binding = Binding {
            host,
            port: args.port,
            methods: args.methods.clone().unwrap_or_default(),
            path: args.path.clone(),
            form: args.form.clone(),
        };
        let request = Request::Bind { admin_key: admin_key.clone(), api_key: api_key.clone(), name: args.name.clone(), binding };
        views = gate.change(&request).map_err(|fault| missing(fault, "tightlip secret list"))?;
    }
    show_changed(&args.name, &views, out);
    Ok(())
}

impl BindArgs {
    /// Nobody binds a value to plain HTTP without saying so.
    fn check_plain(&self) -> Result<(), Fault> {
        match (self.port == HTTP_PORT, self.plain_http) {
            (true, false) => Err(Fault::usage(
                "port 80 is plain HTTP: the value would travel unencrypted, and whoever is on the way could read it. Where that is meant, add --plain-http; \
                 otherwise leave --port out, and requests are TLS",
            )),
            (false, true) => Err(Fault::usage("--plain-http goes with --port 80: requests to any other port are TLS")),
            (true, true) | (false, false) => Ok(()),
        }
    }
}

/// Takes explicit bindings back.
pub(super) fn unbind(args: &UnbindArgs, target: &Target, out: &Output) -> Result<(), Fault> {
    let gate = target.gate()?;
    let (admin_key, api_key) = (target.admin_key()?, target.api_key()?);
    let request = Request::Unbind { admin_key, api_key, name: args.name.clone(), host: args.host.clone() };
    let views = gate.change(&request).map_err(|fault| missing(fault, "tightlip bindings"))?;
    show_changed(&args.name, &views, out);
    Ok(())
}

/// Shows where secrets may go.
pub(super) fn bindings(args: &BindingsArgs, target: &Target, out: &Output) -> Result<(), Fault> {
    let api_key = target.api_key()?;
    let gate = target.gate()?;
    let views = gate.bindings(&api_key, args.name.as_ref());
    let views = match &args.name {
        Some(name) => views.map_err(|fault| unknown(fault, name))?,
        None => views?,
    };
    if views.is_empty() && !out.json() {
        out.note("no secrets yet; store one: tightlip secret set NAME");
        return Ok(());
    }
    let mut plain: Vec<&SecretName> = views.iter().filter(|view| view.given_plain).map(|view| &view.secret_name).collect();
    plain.dedup();
    out.result(&Shown { bindings: &views, exposed: &plain }, || {
        // What cannot be sent takes one line, however many hosts its kind has.
        let mut shown: Vec<&BindingView> = views.iter().collect();
        shown.dedup_by(|one, before| one.secret_id == before.secret_id && one.cannot_be_sent.is_some());
        let header = ["SECRET", "KIND", "MAY GO TO", "AS", "METHODS", "PATH", "BY"];
        let lines = table(header, &shown.into_iter().map(row).collect::<Vec<_>>());
        let exposed = (!plain.is_empty()).then(|| exposed_words(&plain));
        let warnings = exposed.into_iter().chain(unencrypted_words(&views));
        warnings.fold(lines, |lines, warning| format!("{lines}\n\n{}", red(&warning)))
    });
    Ok(())
}

fn exposed_words(plain: &[&SecretName]) -> String {
    let names: Vec<&str> = plain.iter().map(|name| name.as_str()).collect();
    format!(
        "EXPOSED: devboxes of the API are given the values themselves of {}. Take it back with `tightlip expose NAME --brokered`, or by starting the \
         server without --plain-env-for-unbound.",
        names.join(", ")
    )
}

/// Which values travel unencrypted; none where all go over TLS.
fn unencrypted_words(views: &[BindingView]) -> Option<String> {
    let plainly = views.iter().filter(|view| view.binding.as_ref().is_some_and(Binding::is_plain));
    let mut names: Vec<&str> = plainly.map(|view| view.secret_name.as_str()).collect();
    names.dedup();
    (!names.is_empty()).then(|| {
        format!(
            "UNENCRYPTED: the values of {} travel over plain HTTP to port 80, and whoever is on the way can read them. Take it back with `tightlip unbind \
             NAME --host HOST`.",
            names.join(", ")
        )
    })
}

/// Where a secret may go, asked of the gateway.
pub(super) fn whereabouts(target: &Target, name: &SecretName) -> Result<Where, Fault> {
    let views = target.gate()?.bindings(&target.api_key()?, Some(name))?;
    Ok(Where::of_views(&views))
}

impl Where {
    /// What the gateway said of one secret.
    pub(super) fn of_views(views: &[BindingView]) -> Self {
        Self {
            kind: views.iter().find_map(|view| view.kind),
            bindings: views.iter().filter_map(|view| view.binding.clone()).collect(),
            cannot_be_sent: views.iter().find_map(|view| view.cannot_be_sent.clone()),
            explicit: views.iter().any(|view| view.source == Some(BindingSource::Explicit)),
        }
    }

    /// What the catalogue says, where the gateway cannot be asked; and why the value cannot be sent, where it cannot.
    pub(super) fn of_kind(kind: Option<&'static Kind>, cannot_be_sent: Option<&str>) -> Self {
        let hosts = kind.map_or(&[][..], |kind| match kind.brokering {
            Brokering::Hosts(hosts) => hosts,
            Brokering::BindFirst(_) | Brokering::NotBrokered(_) => &[],
        });
        let bindings = hosts.iter().filter_map(|host| host.parse().ok()).map(Binding::to_host).collect();
        Self { kind: kind.map(Kind::id), bindings, cannot_be_sent: cannot_be_sent.map(str::to_owned), explicit: false }
    }

    /// Whether it may go anywhere.
    pub(super) const fn is_bound(&self) -> bool {
        !self.bindings.is_empty() && self.cannot_be_sent.is_none()
    }

    /// Why it can go nowhere, whatever it is bound to.
    pub(super) fn why_never(&self) -> Option<String> {
        self.cannot_be_sent.as_deref().map(never)
    }

    /// What people call the kind.
    pub(super) fn title(&self) -> Option<&'static str> {
        self.kind.and_then(KindId::kind).map(|kind| kind.title)
    }

    /// The destinations.
    pub(super) fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// The destinations in words.
    pub(super) fn hosts(&self) -> Vec<String> {
        self.bindings.iter().map(destination).collect()
    }

    /// The destinations as a list, or what to do where there are none.
    pub(super) fn words(&self, name: &SecretName) -> String {
        match self.why_never() {
            Some(why) => format!("nowhere; {why}"),
            None if self.is_bound() => self.hosts().join(", "),
            None => format!("nowhere yet; bind it: tightlip bind {name} {}", self.how_to_bind()),
        }
    }

    /// What to say after `tightlip bind NAME`.
    pub(super) fn how_to_bind(&self) -> &'static str {
        match self.kind.and_then(KindId::kind).map(|kind| kind.brokering) {
            Some(Brokering::BindFirst(how)) => how,
            Some(Brokering::Hosts(_) | Brokering::NotBrokered(_)) | None => "--host HOST",
        }
    }

    /// `GitHub token: may go to api.github.com, ...`
    pub(super) fn sentence(&self) -> String {
        let hosts = self.hosts().join(", ");
        match self.title() {
            Some(title) if self.explicit => format!("{title}: may go to {hosts} (as bound; its kind's own hosts no longer count)"),
            Some(title) => format!("{title}: may go to {hosts}"),
            None => format!("may go to {hosts}"),
        }
    }
}

/// What is not there gets the command that shows what is. What was typed is not repeated: it may be a value.
pub(super) fn missing(fault: Fault, next: &str) -> Fault {
    if fault.exit == Exit::NotFound { fault.next(next) } else { fault }
}

pub(super) fn show_changed(name: &SecretName, views: &[BindingView], out: &Output) {
    out.result(&Listed { bindings: views }, || {
        let destinations = Where::of_views(views);
        if destinations.is_bound() {
            let sentence = format!("{name}: {}", destinations.sentence());
            match unencrypted_words(views) {
                Some(warning) => format!("{sentence}\n{}", red(&out.hinted(&warning))),
                None => sentence,
            }
        } else {
            out.hinted(&format!("{name} may go {}", destinations.words(name)))
        }
    });
}

/// A form, of which an agent may have written a part: nothing in it moves a terminal's cursor or turns text around, or puts words where other lines stand.
pub(super) fn form_word(form: &Form) -> String {
    form.to_string().escape_debug().to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A binding's host, with what narrows it.
pub(super) fn destination(binding: &Binding) -> String {
    let mut text = binding.host.to_string();
    if binding.port != HTTPS_PORT {
        text.push_str(&format!(":{}", binding.port));
    }
    if binding.path != PathPrefix::default() {
        text.push_str(binding.path.as_str());
    }
    if !binding.methods.as_slice().is_empty() {
        text.push_str(&format!(" ({})", binding.methods));
    }
    text
}

/// Why a value can never be sent, in the words that every command has for it.
fn never(why: &str) -> String {
    format!("cannot be sent: {why}")
}

fn row(view: &BindingView) -> [String; 7] {
    let kind = view.kind.map_or_else(|| "-".to_owned(), |kind| kind.to_string());
    let nowhere = |why: String| {
        let dash = || "-".to_owned();
        [view.secret_name.to_string(), kind.clone(), why, dash(), dash(), dash(), dash()]
    };
    if let Some(why) = &view.cannot_be_sent {
        return nowhere(never(why));
    }
    let Some(binding) = &view.binding else { return nowhere("nowhere yet".to_owned()) };
    let port = if binding.port == HTTPS_PORT { String::new() } else { format!(":{}", binding.port) };
    let by = match view.source {
        Some(BindingSource::Kind) => "kind",
        Some(BindingSource::Explicit) => "bind",
        None => "-",
    };
    [
        view.secret_name.to_string(),
        kind,
        format!("{}{port}", binding.host),
        form_word(&binding.form),
        binding.methods.to_string(),
        binding.path.to_string(),
        by.to_owned(),
    ]
}

const BIND_EXAMPLES: &str = "\
The first explicit binding of a secret takes the place of its kind's own hosts. Requests are TLS,
whatever the port; only --port 80 with --plain-http is plain HTTP, for hosts that have no TLS.

Examples:
  tightlip bind ACME_KEY --host api.acme.example
  tightlip bind ACME_KEY --host api.acme.example --as header:x-api-key --methods GET,POST --path /v1
  tightlip bind NPM_TOKEN --host npm.example.com
  tightlip bind PRINTER_KEY --host printer.example.com --port 80 --plain-http";

const UNBIND_EXAMPLES: &str = "\
Without an explicit binding, a value of a known kind goes to its kind's hosts again, and any other nowhere.

Examples:
  tightlip unbind ACME_KEY --host api.acme.example
  tightlip unbind ACME_KEY";

const BINDINGS_EXAMPLES: &str = "\
Examples:
  tightlip bindings
  tightlip bindings GITHUB_TOKEN --json";

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(port: u16, plain_http: bool) -> Result<(), Fault> {
        let (name, path) = ("NAME".parse().expect("a name"), PathPrefix::default());
        BindArgs { name, hosts: Vec::new(), port, plain_http, methods: None, path, form: Form::Auto }.check_plain()
    }

    #[test]
    fn nobody_binds_to_plain_http_without_saying_so() {
        let fault = wanted(80, false).expect_err("unsaid");
        assert!(fault.exit == Exit::Usage && fault.message.contains("unencrypted") && fault.message.contains("--plain-http"), "{fault:?}");
        let fault = wanted(443, true).expect_err("no plain HTTP");
        assert!(fault.exit == Exit::Usage && fault.message.contains("--port 80"), "{fault:?}");
        assert!(wanted(80, true).is_ok() && wanted(443, false).is_ok() && wanted(8080, false).is_ok());
    }

    fn words(kind: &str) -> String {
        let kind = KindId::find(kind);
        let cannot_be_sent = service::rows::why_not_sent(kind.and_then(KindId::kind), service::rows::Fitness::Fit).map(str::to_owned);
        let place = Where { kind, bindings: Vec::new(), cannot_be_sent, explicit: false };
        place.words(&"NAME".parse().expect("a name"))
    }

    #[test]
    fn nobody_is_told_to_bind_what_cannot_be_bound() {
        let never = words("aws_access_key");
        assert!(never.starts_with("nowhere; cannot be sent: ") && !never.contains("tightlip bind"), "{never}");
        assert!(words("npm_token").contains("tightlip bind NAME"));
    }

    #[test]
    fn what_cannot_be_sent_may_go_nowhere_whatever_it_is_bound_to() {
        let place = Where::of_kind(KindId::find("github_token").and_then(KindId::kind), Some("it is short"));
        assert!(!place.is_bound() && !place.hosts().is_empty());
        assert_eq!(place.words(&"NAME".parse().expect("a name")), "nowhere; cannot be sent: it is short");
    }
}
