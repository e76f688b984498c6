//! Requests of agents: shown, and let through. Whatever an agent wrote is shown in quotes with what is not printable escaped, and never as a command.

use link::agents::{AgentRequest, AskedView, RequestStatus};
use link::cli::Request;
use model::{Clock, RequestId, SecretId, SecretName, Timestamp, Wish};
use service::SystemClock;

use super::super::ago::ago;
use super::super::fault::{Exit, Fault};
use super::super::output::Output;
use super::super::target::Target;
use super::super::value;
use super::unknown;

/// Puts the server's address before each link.
pub(super) fn complete_links(asked: &mut [AskedView], address: &str) {
    for view in asked {
        if let Some(path) = &mut view.entry.request.entry_path {
            path.insert_str(0, address.trim_end_matches('/'));
        }
    }
}

/// A line of the table.
pub(super) fn row(view: &AskedView, now: Timestamp) -> [String; 7] {
    let request = &view.entry.request;
    let (form, methods) = match &request.wanted {
        Wish::Secret { form, .. } => (form.to_string(), String::new()),
        Wish::Access { methods, .. } if methods.as_slice().is_empty() => ("-".to_owned(), String::new()),
        Wish::Access { methods, .. } => ("-".to_owned(), format!(" ({methods})")),
    };
    [
        request.id.to_string(),
        request.wanted.name().map_or_else(|| "-".to_owned(), ToString::to_string),
        format!("{}{methods}", hosts(&request.wanted)),
        form,
        "-".to_owned(),
        asker(view),
        ago(request.created, now),
    ]
}

/// What a person reads before deciding.
pub(super) fn details(view: &AskedView, with_admin_key: bool) -> String {
    let request = &view.entry.request;
    let mut lines = vec![format!("\n{}: {}", request.id, what(view))];
    lines.push(format!("  says    {:?}", request.reason));
    if let Some(name) = &view.entry.devbox_name {
        lines.push(format!("  devbox  {name:?}"));
    }
    if let Some(link) = &request.entry_path {
        lines.push(format!("  type it at {link}"));
    }
    if let Some(code) = &view.code {
        lines.push(format!("  code    {code}"));
    } else if wants_value(request) && !with_admin_key {
        lines.push(
            "  no code and no link without the admin key: it is in the file gateway/admin-key of the server's data folder".to_owned(),
        );
    } else if wants_value(request) {
        lines.push("  no code and no link with this API key: it lacks the scope `secrets`".to_owned());
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Lets an agent have what it asked for; a value that is not there is asked for first.
pub(super) fn approve(id: &RequestId, stored: Option<&SecretId>, target: &Target, out: &Output) -> Result<(), Fault> {
    let gate = target.gate()?;
    let (admin_key, api_key) = (target.admin_key()?, target.api_key()?);
    let asked = gate.asked(None, &api_key)?;
    let view = asked.into_iter().find(|view| view.entry.request.id == *id);
    let view = view.ok_or_else(|| unknown(Fault::new(Exit::NotFound, "no request of this id waits to be decided")))?;
    let request = &view.entry.request;
    if let Some(since) = view.stored_since.as_ref().filter(|since| stored != Some(since)) {
        return Err(stored_since(&view, since));
    }
    let typed = match &request.wanted {
        Wish::Secret { name, .. } if wants_value(request) && !view.secret_exists && stored.is_none() => Some(name),
        Wish::Secret { .. } | Wish::Access { .. } => None,
    };
    let mut secret = stored.cloned();
    if let Some(name) = typed {
        out.note(&what(&view));
        secret = Some(made_now(name, target)?);
    }
    let decided = gate.decide(&Request::ApproveAsked { admin_key, api_key, id: id.clone(), secret });
    let decided = decided.map_err(|fault| told_of(typed, unknown(fault)))?;
    out.result(&decided, || done(&decided));
    Ok(())
}

/// Stores the value that a person types, and gives the secret that was made of it: one of before is none that was made.
fn made_now(name: &SecretName, target: &Target) -> Result<SecretId, Fault> {
    let value = value::read(name)?;
    let now = SystemClock.now();
    let made = target.client()?.create(name, value).map_err(Fault::from)?.id;
    let is_new = made.is_made_since(now);
    let older = || Fault::new(Exit::Failure, "the server says that it stored the value as a secret of before, so nothing was bound to any host");
    if is_new { Ok(made) } else { Err(older().next("tightlip verify")) }
}

/// A secret of the wanted name that this request did not bring is somebody's own: it is bound where a person names it, and not by its name alone.
fn stored_since(view: &AskedView, since: &SecretId) -> Fault {
    let id = &view.entry.request.id;
    let message = format!("{}; nothing was bound: it may be somebody else's, so name it to have it bound", what(view));
    Fault::new(Exit::Refused, message).next(format!("tightlip approve {id} --stored {since}"))
}

/// What was stored stays stored.
fn told_of(stored: Option<&SecretName>, fault: Fault) -> Fault {
    match stored {
        Some(name) => {
            Fault { message: format!("the value of {name} was stored, but the request was not let through: {}", fault.message), ..fault }
        }
        None => fault,
    }
}

fn done(decided: &AgentRequest) -> String {
    let hosts = hosts(&decided.wanted);
    match (&decided.wanted, &decided.devbox) {
        (Wish::Access { secret: None, .. }, _) => format!("{}: the devbox may reach {hosts} from now on", decided.id),
        (Wish::Access { secret: Some(name), .. }, _) => format!("{}: {name} may go to {hosts}", decided.id),
        (Wish::Secret { name, .. }, Some(_)) => {
            format!("{}: {name} may go to {hosts}, and the devbox that asked may use it from now on", decided.id)
        }
        (Wish::Secret { name, .. }, None) => format!("{}: {name} may go to {hosts}", decided.id),
    }
}

fn what(view: &AskedView) -> String {
    let request = &view.entry.request;
    let hosts = hosts(&request.wanted);
    let since = view.stored_since.as_ref().map_or_else(String::new, |since| format!(": {since}, which was stored since"));
    match &request.wanted {
        Wish::Secret { name, .. } if request.status == RequestStatus::Entered => {
            format!("the value of {name} was typed; approve it to let it go to {hosts} as well")
        }
        Wish::Secret { name, .. } if view.secret_exists => {
            format!("an agent wants a secret {name}, which is there already, to be sent to {hosts}")
        }
        Wish::Secret { name, .. } => format!("an agent wants a value for {name}, to be sent to {hosts}{since}"),
        Wish::Access { secret: Some(name), .. } => format!("an agent wants {name} to be sent to {hosts} as well{since}"),
        Wish::Access { secret: None, .. } => format!("an agent wants its devbox to reach {hosts}"),
    }
}

fn wants_value(request: &AgentRequest) -> bool {
    matches!(request.wanted, Wish::Secret { .. }) && request.status == RequestStatus::Waiting
}

fn hosts(wish: &Wish) -> String {
    wish.hosts().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn asker(view: &AskedView) -> String {
    let request = &view.entry.request;
    let key = || request.key.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    request.devbox.as_ref().map_or_else(key, ToString::to_string)
}
