//! What a devbox holds, in a line on standard error: names and hosts, no placeholder, no value.

use std::collections::HashMap;

use devbox::WorkFolder;
use link::cli::{BindingView, Given, LeftOut, Opened, RefusedHere};
use model::{EnvName, HostPattern, SecretName};
use serde::Serialize;

use super::super::bind::Where;
use super::super::gate::Gate;
use super::super::output::Output;
use super::Args;

#[derive(Serialize)]
struct Summary<'a> {
    devbox: &'a model::DevboxId,
    secrets: Vec<Held<'a>>,
    allow: &'a [HostPattern],
    left_out: &'a [LeftOut],
    /// The work folder, where the caller's name for it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    work_folder: Option<String>,
}

#[derive(Serialize)]
struct Changes<'a> {
    git_changes: &'a [String],
}

#[derive(Serialize)]
struct Held<'a> {
    env: &'a EnvName,
    name: &'a SecretName,
    unbound: bool,
    hosts: Vec<String>,
}

/// Says what the devbox holds, and what was left out and why.
pub(super) fn show<'a>(gate: &Gate, api_key: &str, opened: &'a Opened, args: &'a Args, work: &WorkFolder, out: &Output) {
    let places = places(gate, api_key, opened, out);
    let held = |given: &'a Given| Held {
        env: &given.env,
        name: &given.name,
        unbound: given.unbound,
        hosts: places.get(&given.name).cloned().unwrap_or_default(),
    };
    let secrets: Vec<Held<'a>> = opened.env.iter().map(held).collect();
    // A symlink in that name may be an agent's making: it is seen where it leads.
    let work_folder = work.other_name().map(|_| devbox::fit_for_a_terminal(&work.path().to_string_lossy()));
    let summary = Summary { devbox: &opened.devbox, secrets, allow: &args.allow, left_out: &opened.left_out, work_folder };
    out.aside(&summary, || summary.text());
    let unbound: Vec<&str> = opened.env.iter().filter(|given| given.unbound).map(|given| given.name.as_str()).collect();
    if let [first, rest @ ..] = unbound.as_slice() {
        let others = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        out.note(&format!("tightlip: {first}{others} may go nowhere yet; bind: tightlip bind {first} --host HOST"));
    }
}

/// Says what was changed in repositories and not kept.
pub(super) fn show_changes(changes: &[String], out: &Output) {
    if out.json() && !changes.is_empty() {
        out.aside(&Changes { git_changes: changes }, String::new);
    }
    for change in changes {
        out.note(&format!("tightlip: {change}"));
    }
}

/// Says what the gateway refused: many tools show neither the body nor the headers of a refusal.
pub(super) fn show_refused(refused: &[RefusedHere], out: &Output) {
    for one in refused {
        let host = one.host.as_ref().map_or_else(|| "a request".to_owned(), ToString::to_string);
        let times = if one.count == 1 { String::new() } else { format!(" {} times", one.count) };
        let mend =
            one.host.as_ref().map_or_else(|| one.refusal.message().to_owned(), |host| one.refusal.message().replace("HOST", host.as_str()));
        out.note(&format!("tightlip: refused {host}{times} ({}): {mend}", one.refusal.code()));
    }
}

/// Where the secrets may go. A few are asked about one by one; where there are more, the line has no room for them, and for JSON all are asked about at once.
fn places(gate: &Gate, api_key: &str, opened: &Opened, out: &Output) -> HashMap<SecretName, Vec<String>> {
    let bound: Vec<&SecretName> = opened.env.iter().filter(|given| !given.unbound).map(|given| &given.name).collect();
    let views = if out.json() && bound.len() > NAMED_MAX {
        gate.bindings(api_key, None).unwrap_or_default()
    } else {
        let named = opened.env.iter().take(NAMED_MAX).map(|given| &given.name).filter(|name| bound.contains(name));
        named.flat_map(|name| gate.bindings(api_key, Some(name)).unwrap_or_default()).collect()
    };
    let mut of_each: HashMap<SecretName, Vec<BindingView>> = HashMap::new();
    for view in views {
        of_each.entry(view.secret_name.clone()).or_default().push(view);
    }
    of_each.into_iter().map(|(name, views)| (name, Where::of_views(&views).hosts())).collect()
}

impl Summary<'_> {
    fn text(&self) -> String {
        let mut named: Vec<String> = self.secrets.iter().take(NAMED_MAX).map(Held::text).collect();
        if self.secrets.len() > NAMED_MAX {
            named.push(format!("{} more", self.secrets.len() - NAMED_MAX));
        }
        let held = if named.is_empty() { "no secrets".to_owned() } else { format!("placeholders for {}", named.join(", ")) };
        let allowed = if self.allow.is_empty() {
            String::new()
        } else {
            format!("; may also reach {}", self.allow.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        };
        let work = self.work_folder.as_ref().map(|path| format!("in {path} (through a symbolic link): ")).unwrap_or_default();
        let mut lines = vec![format!("tightlip: {work}{held}{allowed}")];
        lines.extend(self.left_out.iter().take(NAMED_MAX).map(|left| format!("tightlip: left out {}: {}", left.name, left.why)));
        if self.left_out.len() > NAMED_MAX {
            lines.push(format!("tightlip: left out {} more", self.left_out.len() - NAMED_MAX));
        }
        lines.join("\n")
    }
}

impl Held<'_> {
    fn text(&self) -> String {
        let name = if self.env.as_str() == self.name.as_str() { self.name.to_string() } else { format!("{}={}", self.env, self.name) };
        match self.hosts.as_slice() {
            [] if self.unbound => format!("{name} (nowhere yet)"),
            [] => name,
            [one] => format!("{name} ({one})"),
            [first, second] => format!("{name} ({first}, {second})"),
            [first, rest @ ..] => format!("{name} ({first} and {} more)", rest.len()),
        }
    }
}

/// More would not be a short line any more.
const NAMED_MAX: usize = 8;
