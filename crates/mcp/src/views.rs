//! What is told, as objects of the tools' output schemas and in words.

use link::agents::{AgentRequest, AgentTell, RequestStatus, Seen, Tested, Usable, Usage, Wish};
use serde_json::{Map, Value, json};

use crate::outcome::Outcome;
use crate::tool::Tool;
use crate::trouble::Trouble;
use crate::usage::advice;

/// An answer as the outcome of a call.
///
/// # Arguments
/// * `pages`: the address below which the entry page lies
///
/// # Errors
/// Where the answer is a refusal, or to another question.
pub(crate) fn outcome(tool: Tool, told: AgentTell, pages: Option<&str>) -> Result<Outcome, Trouble> {
    match (tool, told) {
        (_, AgentTell::Denied(denied)) => Err(Trouble::Denied(denied)),
        (Tool::ListSecrets, AgentTell::Secrets(secrets)) => Ok(listed(&secrets)),
        (Tool::HowToUse, AgentTell::Use(secret)) => Ok(used(&secret)),
        (Tool::TestSecret, AgentTell::Tested(results)) => Ok(tried(&results)),
        (Tool::MyRefusals, AgentTell::Refusals(refusals)) => Ok(refused(&refusals)),
        (Tool::RequestSecret | Tool::RequestAccess | Tool::RequestStatus, AgentTell::Request(request)) => Ok(requested(&request, pages)),
        (
            _,
            AgentTell::Secrets(_)
            | AgentTell::Use(_)
            | AgentTell::Tested(_)
            | AgentTell::Refusals(_)
            | AgentTell::Request(_)
            | AgentTell::Requests { .. },
        ) => Err(Trouble::Unexpected),
    }
}

fn listed(secrets: &[Usable]) -> Outcome {
    let text = match secrets.len() {
        0 => "There is no secret that you may use. Ask a person for one with request_secret.".to_owned(),
        count => {
            format!("{count} secret(s). Refer to each by its variable, as in ${}; how_to_use says where it works.", variable(&secrets[0]))
        }
    };
    Outcome::done(json!({ "secrets": secrets.iter().map(usable).collect::<Vec<_>>() }), text)
}

fn used(secret: &Usable) -> Outcome {
    let lines = advice(secret);
    let mut text = if lines.is_empty() {
        format!("{} is bound to no host, so it works nowhere yet: ask for one with request_access.", secret.name)
    } else {
        lines.join("\n")
    };
    text.push_str(&match &secret.env {
        // A running process cannot be given a variable, and which secrets were there at its start is not known here.
        Some(env) => format!(
            "\nA placeholder is right as it is; the value is written in on the way out. The variable holds it where the devbox was started with the secret. A secret that \
             was granted later is in no variable yet: set it yourself, {env}=<the placeholder that request_status tells>."
        ),
        None => "\nNo variable here holds a placeholder for it: a devbox that is started with this secret has one (`tightlip run --secret NAME`)."
            .to_owned(),
    });
    Outcome::done(json!({ "secret": usable(secret), "advice": lines }), text)
}

fn tried(results: &[Tested]) -> Outcome {
    let view = |tested: &Tested| match &tested.decided {
        Ok(form) => json!({ "host": tested.host, "passes": true, "form": form.to_string() }),
        Err(refusal) => json!({ "host": tested.host, "passes": false, "refusal": refusal.code(), "mend": refusal.message() }),
    };
    let passing = results.iter().filter(|tested| tested.decided.is_ok()).count();
    let mut text = match results.len() {
        0 => "The secret is bound to no host, so no request with it would pass: ask for one with request_access.".to_owned(),
        all => format!("{passing} of {all} would pass. Nothing was sent, and nothing was counted."),
    };
    for tested in results {
        if let Err(refusal) = tested.decided {
            text.push_str(&format!("\n{}: {}: {}", tested.host, refusal.code(), refusal.message()));
        }
    }
    Outcome::done(json!({ "results": results.iter().map(view).collect::<Vec<_>>() }), text)
}

fn refused(refusals: &[Seen]) -> Outcome {
    let view = |seen: &Seen| {
        let mut view = json!({
            "time_ms": seen.time.unix_ms(), "refusal": seen.refusal.code(), "mend": seen.refusal.message(), "count": seen.count,
        });
        if let Some(host) = &seen.host {
            view["host"] = json!(host.as_str());
        }
        if let Some(name) = &seen.name {
            view["name"] = json!(name.as_str());
        }
        view
    };
    let text = match refusals.len() {
        0 => "Nothing was refused.".to_owned(),
        count => format!("{count} refusal(s), newest first; `mend` says what to do about each."),
    };
    Outcome::done(json!({ "refusals": refusals.iter().map(view).collect::<Vec<_>>() }), text)
}

/// A request as it stands. Its reason is the agent's own and is not told again.
fn requested(request: &AgentRequest, pages: Option<&str>) -> Outcome {
    let mut view = wanted(&request.wanted);
    view.insert("id".to_owned(), json!(request.id.as_str()));
    view.insert("status".to_owned(), json!(status_word(request.status)));
    view.insert("created_ms".to_owned(), json!(request.created.unix_ms()));
    view.insert("expires_ms".to_owned(), json!(request.expires.unix_ms()));
    view.insert("command".to_owned(), json!(command(request)));
    let entry_url = request.entry_path.as_deref().zip(pages).map(|(path, pages)| format!("{}{path}", pages.trim_end_matches('/')));
    if let Some(url) = &entry_url {
        view.insert("entry_url".to_owned(), json!(url));
    }
    if let Some(placeholder) = &request.placeholder {
        view.insert("env".to_owned(), json!(placeholder.env.as_str()));
        view.insert("placeholder".to_owned(), json!(placeholder.token.as_str()));
    }
    let text = status_text(request, entry_url.as_deref());
    Outcome::done(json!({ "request": view }), text)
}

fn wanted(wish: &Wish) -> Map<String, Value> {
    let mut view = Map::new();
    match wish {
        Wish::Secret { name, hosts, form } => {
            view.insert("wants".to_owned(), json!("secret"));
            view.insert("name".to_owned(), json!(name.as_str()));
            view.insert("hosts".to_owned(), json!(hosts.iter().map(ToString::to_string).collect::<Vec<_>>()));
            view.insert("form".to_owned(), json!(form.to_string()));
        }
        Wish::Access { secret, host, methods } => {
            view.insert("wants".to_owned(), json!("access"));
            if let Some(name) = secret {
                view.insert("name".to_owned(), json!(name.as_str()));
            }
            view.insert("hosts".to_owned(), json!([host.to_string()]));
            view.insert("methods".to_owned(), json!(methods.as_slice()));
        }
    }
    view
}

/// What a person runs, where the server runs.
fn command(request: &AgentRequest) -> String {
    format!("tightlip approve {}", request.id)
}

fn status_text(request: &AgentRequest, entry_url: Option<&str>) -> String {
    let (id, command) = (&request.id, command(request));
    match request.status {
        RequestStatus::Waiting => match (&request.wanted, entry_url) {
            (Wish::Secret { .. }, Some(url)) => format!(
                "A person has to enter the value. Show them this link, which works once: {url}\nOr where the server runs: `tightlip requests` shows the request and its code, \
                 `{command}` takes the value. Then call request_status with {id}. Do not ask for the value itself."
            ),
            (Wish::Secret { .. }, None) => format!(
                "A person has to enter the value: `tightlip requests` shows the request where the server runs, `{command}` takes the value. Call request_status with {id} \
                 again later. Do not ask for the value itself."
            ),
            (Wish::Access { .. }, _) => format!(
                "A person has to decide: `tightlip requests` shows the request where the server runs, `{command}` grants it. Call request_status with {id} again later."
            ),
        },
        RequestStatus::Entered => {
            format!(
                "The value was entered. Hosts that its kind does not go to by itself wait for `{command}`; test_secret says where it works."
            )
        }
        RequestStatus::Approved => match &request.placeholder {
            Some(placeholder) => format!(
                "Granted. No variable holds it yet in what runs already: set it yourself, {0}=<placeholder>, and refer to it as ${0}; it is right as it is. how_to_use says where \
                 it works.",
                placeholder.env
            ),
            None => "Granted. test_secret says where it works now.".to_owned(),
        },
        RequestStatus::Refused => "A person refused it. Do not ask for the same again; say that it was refused.".to_owned(),
        RequestStatus::Expired => "Nobody decided in time. Ask again if it is still needed.".to_owned(),
    }
}

/// A status in one word, as in the schemas.
pub(crate) const fn status_word(status: RequestStatus) -> &'static str {
    match status {
        RequestStatus::Waiting => "waiting",
        RequestStatus::Entered => "entered",
        RequestStatus::Approved => "approved",
        RequestStatus::Refused => "refused",
        RequestStatus::Expired => "expired",
    }
}

fn variable(secret: &Usable) -> &str {
    secret.env.as_ref().map_or(secret.name.as_str(), model::EnvName::as_str)
}

fn usable(secret: &Usable) -> Value {
    let mut view = json!({ "name": secret.name.as_str(), "bindings": secret.bindings.iter().map(usage).collect::<Vec<_>>() });
    if let Some(kind) = &secret.kind {
        view["kind"] = json!(kind);
    }
    if let Some(env) = &secret.env {
        view["env"] = json!(env.as_str());
    }
    view
}

fn usage(usage: &Usage) -> Value {
    json!({
        "host": usage.host.to_string(), "port": usage.port, "methods": usage.methods.as_slice(), "path": usage.path, "form": usage.form.to_string(),
    })
}
