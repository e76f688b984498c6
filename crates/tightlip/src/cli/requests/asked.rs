//! Requests of agents: shown, and let through. Whatever an agent wrote is shown in quotes with what is not printable escaped, and never as a command.

use link::agents::{AgentRequest, AskedView, Decided, Meant, RequestStatus};
use link::cli::Request;
use model::{Binding, Clock, RequestId, SecretId, SecretName, Timestamp, Wish};
use service::SystemClock;

use super::super::ago::ago;
use super::super::bind::form_word;
use super::super::fault::{Exit, Fault};
use super::super::output::{Output, red};
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
    // A table breaks long words anywhere: what an agent chose the length of stands below, in lines of its own.
    let many = request.wanted.hosts().len();
    [
        request.id.to_string(),
        request.wanted.name().map_or_else(|| "-".to_owned(), |name| if is_short(name) { name.to_string() } else { "below".to_owned() }),
        if many == 1 { "1 host, below".to_owned() } else { format!("{many} hosts, below") },
        "below".to_owned(),
        "-".to_owned(),
        asker(view),
        ago(request.created, now),
    ]
}

/// What a person reads before deciding.
pub(super) fn details(view: &AskedView, with_admin_key: bool) -> String {
    let request = &view.entry.request;
    let mut lines = vec![format!("\n{}: {}", request.id, what_below(view))];
    lines.extend(wanted_lines(&request.wanted));
    if view.given {
        lines.push("  holds   the devbox that asked was given it when its value was typed, and may send it to".to_owned());
        lines.extend(view.reach.iter().flat_map(|host| host_lines("          ", host)));
    } else if !view.reach.is_empty() {
        lines.push(red("  careful it is there already, and the devbox that asks would be given it, to be sent to any of"));
        lines.extend(view.reach.iter().flat_map(|host| host_lines("          ", host)));
    }
    lines.extend(view.lifts.iter().map(|bound| format!("  lifts   {}, which is all that is let through there now", reach(bound))));
    if view.devbox_ended {
        lines.push("  ended   the devbox that asked is no more: it gets nothing of this".to_owned());
    }
    if let Some(why) = &view.hindered {
        lines.push(format!("  cannot be let through now: {why}"));
    }
    if let Some(link) = &request.entry_path {
        lines.push(format!("  type it at {link}"));
    }
    if let Some(code) = &view.code {
        lines.push(format!("  code    {code} for the hosts above"));
    } else if view.secret_exists || view.stored_since.is_some() {
        lines.push("  nothing is to be typed: approve it, or refuse it".to_owned());
    } else if wants_value(request) && !with_admin_key {
        lines.push(
            "  no code and no link without the admin key: it is in the file gateway/admin-key of the server's data folder".to_owned(),
        );
    } else if wants_value(request) {
        lines.push("  no code and no link with this API key: it lacks the scope `secrets`".to_owned());
    }
    // Last, so that no line of ours follows what could look like one.
    if let Some(name) = &view.entry.devbox_name {
        lines.push("  the devbox is called, by whoever made it:".to_owned());
        lines.extend(quoted(&name.split_whitespace().collect::<Vec<_>>().join(" ")).into_iter().map(|line| format!("{QUOTE_MARK}{line}")));
    }
    lines.push("  says, in the agent's own words:".to_owned());
    lines.extend(quoted(&request.reason).into_iter().map(|line| format!("{QUOTE_MARK}{line}")));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Where a value would go, and how it would be written there. What an agent chose the length of stands in lines that no terminal breaks.
fn wanted_lines(wanted: &Wish) -> Vec<String> {
    let long_name = wanted.name().filter(|name| !is_short(name));
    let mut lines: Vec<String> = long_name.into_iter().flat_map(|name| chosen_lines("  secret  ", name.as_str())).collect();
    lines.extend(wanted.hosts().iter().flat_map(|host| host_lines("  to      ", host)));
    lines.extend(chosen_lines("  sent    ", &extent(wanted)));
    if wanted.form().is_some_and(|form| !form.is_credentials()) {
        lines.push(red("  careful not where credentials are expected: a host may keep it as content, and show it to others"));
    }
    lines
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
    if let Some(why) = &view.hindered {
        return Err(Fault::new(Exit::Refused, format!("nothing was asked for and nothing was bound: {why}")));
    }
    let typed = match &request.wanted {
        Wish::Secret { name, .. } if wants_value(request) && !view.secret_exists && stored.is_none() => Some(name),
        Wish::Secret { .. } | Wish::Access { .. } => None,
    };
    let mut meant = stored.cloned().map(Meant::Stored);
    if let Some(name) = typed {
        out.note(&what_below(&view));
        wanted_lines(&request.wanted).iter().for_each(|line| out.note(line));
        meant = Some(Meant::Typed(made_now(name, target)?));
    }
    let decided = gate.decide(&Request::ApproveAsked { admin_key, api_key, id: id.clone(), meant });
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
    let older =
        || Fault::new(Exit::Failure, "the server says that it stored the value as a secret of before, so nothing was bound to any host");
    if is_new { Ok(made) } else { Err(older().next("tightlip verify")) }
}

/// A secret of the wanted name that this request did not bring is somebody's own: it is bound where a person names it, and not by its name alone.
fn stored_since(view: &AskedView, since: &SecretId) -> Fault {
    let id = &view.entry.request.id;
    let message = format!(
        "{}; nothing was bound: it may be somebody else's, so name it to have it bound",
        what(view, &hosts(&view.entry.request.wanted))
    );
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

fn done(decided: &Decided) -> String {
    let AgentRequest { id, wanted, devbox, .. } = &decided.request;
    let (hosts, extent) = (hosts(wanted), extent(wanted));
    let all = decided.reach.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let beyond = decided.reach.iter().any(|host| !wanted.hosts().contains(host));
    let all = if beyond { format!(". All in all it may go to {all}") } else { String::new() };
    match (wanted, devbox) {
        (Wish::Access { secret: None, .. }, _) => format!("{id}: the devbox may reach {hosts} from now on"),
        (Wish::Secret { name, .. }, Some(_)) if decided.given => {
            format!("{id}: {name} may go to {hosts} ({extent}), and the devbox that asked may use it from now on{all}")
        }
        (Wish::Secret { name, .. }, Some(_)) => {
            format!(
                "{id}: {name} may go to {hosts} ({extent}); no placeholder was made: the devbox that asked has ended, or holds one already{all}"
            )
        }
        (Wish::Access { secret: Some(name), .. }, _) | (Wish::Secret { name, .. }, None) => {
            format!("{id}: {name} may go to {hosts} ({extent}){all}")
        }
    }
}

/// What passes at each of the hosts once it is let through.
fn extent(wish: &Wish) -> String {
    match wish.bindings().first() {
        Some(Binding { methods, form, .. }) if methods.as_slice().is_empty() => {
            format!("with any method, to every path, written as {}", form_word(form))
        }
        Some(Binding { methods, form, .. }) => format!("with {methods}, to every path, written as {}", form_word(form)),
        None => "no secret; the host is reached with any method, at every path".to_owned(),
    }
}

/// What a narrower binding lets through.
fn reach(bound: &Binding) -> String {
    let methods = if bound.methods.as_slice().is_empty() { "any method".to_owned() } else { bound.methods.to_string() };
    format!("{methods} {} at {}, written as {}", bound.path, bound.host, form_word(&bound.form))
}

/// An agent's words in quotes, with what is not printable escaped, in lines that no terminal of eighty columns breaks anew: what stands in them is never at a line's start.
fn quoted(reason: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    let text = format!("{reason:?}");
    for word in text.split_inclusive(' ') {
        let width: usize = word.chars().map(columns).sum();
        if used + width > QUOTE_COLUMNS_MAX && used > 0 && width <= QUOTE_COLUMNS_MAX {
            lines.push(String::new());
            used = 0;
        }
        for char in word.chars() {
            if used + columns(char) > QUOTE_COLUMNS_MAX {
                lines.push(String::new());
                used = 0;
            }
            lines.last_mut().expect("one from the beginning").push(char);
            used += columns(char);
        }
    }
    lines
}

/// A host in a line of its own.
fn host_lines(before: &str, host: &model::HostPattern) -> Vec<String> {
    chosen_lines(before, &host.to_string())
}

/// A text of printable ASCII in a line of its own; where it is longer, in several that a terminal does not break anew, each of which says that it goes on.
fn chosen_lines(before: &str, text: &str) -> Vec<String> {
    let parts = text.as_bytes().chunks(CHOSEN_COLUMNS_MAX).map(String::from_utf8_lossy);
    let last = text.len().div_ceil(CHOSEN_COLUMNS_MAX).saturating_sub(1);
    let line = |(number, part): (usize, std::borrow::Cow<'_, str>)| {
        let before = if number == 0 { before } else { "          " };
        format!("{before}{part}{}", if number < last { CONTINUED } else { "" })
    };
    parts.enumerate().map(line).collect()
}

/// As many as a character takes at most.
const fn columns(char: char) -> usize {
    if char.is_ascii() { 1 } else { 2 }
}

/// Whether a name stands in a line of ours without breaking it.
fn is_short(name: &SecretName) -> bool {
    name.as_str().len() <= NAME_COLUMNS_MAX
}

/// What came of a refusal.
pub(super) fn refused(decided: &Decided) -> String {
    let AgentRequest { id, wanted, .. } = &decided.request;
    match wanted.name().filter(|_| decided.given) {
        None => format!("{id} is refused: the agent gets nothing of it"),
        Some(name) => {
            let reach = decided.reach.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!(
                "{id} is refused: nothing more is let through. The devbox that asked was given {name} when its value was typed, and may still send it to {reach}: \
                 `tightlip secret delete {name}` or the devbox's end takes it away"
            )
        }
    }
}

/// The same with all that is longer told in lines below.
fn what_below(view: &AskedView) -> String {
    let name = view.entry.request.wanted.name();
    let name = name.map_or_else(String::new, |name| if is_short(name) { name.to_string() } else { "(its name is below)".to_owned() });
    what_of(view, &name, "the hosts below")
}

fn what(view: &AskedView, hosts: &str) -> String {
    what_of(view, view.entry.request.wanted.name().map_or("", SecretName::as_str), hosts)
}

fn what_of(view: &AskedView, name: &str, hosts: &str) -> String {
    let request = &view.entry.request;
    let since = view.stored_since.as_ref().map_or_else(String::new, |since| format!(": {since}, which was stored since"));
    match &request.wanted {
        Wish::Secret { .. } if request.status == RequestStatus::Entered => {
            format!("the value of {name} was typed; approve it to let it go to {hosts} as well")
        }
        Wish::Secret { .. } if view.secret_exists => {
            format!("an agent wants a secret {name}, which is there already, to be sent to {hosts}")
        }
        Wish::Secret { .. } => format!("an agent wants a value for {name}, to be sent to {hosts}{since}"),
        Wish::Access { secret: Some(_), .. } => format!("an agent wants {name} to be sent to {hosts} as well{since}"),
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

/// What stands before each line of an agent's words, and of nothing else.
const QUOTE_MARK: &str = "  | ";
/// Stands behind a host's part that is not its end.
const CONTINUED: &str = " (goes on)";
/// With what stands before and behind it, less than the eighty columns of a terminal.
const CHOSEN_COLUMNS_MAX: usize = 58;
/// Of a name that stands within a line of ours.
const NAME_COLUMNS_MAX: usize = 24;
/// With the mark before them, less than the eighty columns of a terminal.
const QUOTE_COLUMNS_MAX: usize = 72;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_reason_draws_a_line_of_its_own() {
        let reason = format!("we need it {} code    0000-0000 {}", "\u{2800}".repeat(60), "日".repeat(100));
        for line in quoted(&reason) {
            assert!(line.chars().map(columns).sum::<usize>() <= QUOTE_COLUMNS_MAX, "{line}");
        }
        assert_eq!(quoted(&reason).concat(), format!("{reason:?}"));
        assert_eq!(quoted("to look \"up\""), ["\"to look \\\"up\\\"\""]);
    }

    fn view(wanted: Wish, devbox_name: Option<&str>) -> AskedView {
        let now = Timestamp::from_unix_ms(1_790_000_000_000);
        let request = AgentRequest {
            id: RequestId::from_parts(now, 1),
            wanted,
            reason: "to look".to_owned(),
            devbox: Some(model::DevboxId::from_parts(now, 2)),
            key: None,
            status: RequestStatus::Waiting,
            created: now,
            expires: now,
            entry_path: Some("http://127.0.0.1:7080/ui/requests/x".to_owned()),
            placeholder: None,
        };
        let entry = link::agents::Entry { request, digest: String::new(), devbox_name: devbox_name.map(str::to_owned) };
        let (code, reach) = (Some("ABCD-EFGH".to_owned()), Vec::new());
        AskedView {
            entry,
            code,
            secret_exists: false,
            stored_since: None,
            lifts: Vec::new(),
            reach,
            given: false,
            devbox_ended: false,
            hindered: None,
        }
    }

    fn wish(form: &str, hosts: &[&str]) -> Wish {
        let hosts = hosts.iter().map(|host| host.parse().expect("a host")).collect();
        Wish::Secret { name: "GITHUB_TOKEN".parse().expect("a name"), hosts, form: form.parse().expect("a form") }
    }

    #[test]
    fn no_devboxs_name_draws_a_line_of_ours() {
        let name = format!("ci{}  type it at http://evil.example/t", " ".repeat(69));
        let shown = details(&view(wish("auto", &["api.github.com"]), Some(&name)), true);
        let (ours, theirs) = shown.split_once("the devbox is called").expect("its name");
        assert!(!ours.contains("evil") && ours.contains("type it at http://127.0.0.1:7080/"), "{shown}");
        for line in theirs.lines().filter(|line| line.contains("evil") || line.contains("type it")) {
            assert!(line.starts_with(QUOTE_MARK), "{shown}");
        }
    }

    #[test]
    fn each_host_has_a_line_of_its_own_and_the_table_none() {
        let long = format!("{}.example.com", "a".repeat(60));
        let view = view(wish("header:x-amz-meta-note", &["api.github.com", &long]), None);
        let shown = details(&view, true);
        assert!(shown.lines().any(|line| line == "  to      api.github.com"), "{shown}");
        assert!(shown.contains(&format!("  to      {} (goes on)\n          {}\n", &long[..58], &long[58..])), "{shown}");
        assert!(shown.lines().filter(|line| !line.contains("careful")).all(|line| line.len() < 100), "{shown}");
        assert!(shown.contains("a host may keep it as content"));
        assert!(!row(&view, Timestamp::from_unix_ms(0)).concat().contains("example.com"));
    }

    #[test]
    fn all_hosts_of_a_secret_that_is_there_are_said() {
        let there = AskedView {
            secret_exists: true,
            code: None,
            reach: vec!["api.github.com".parse().expect("a host")],
            ..view(wish("auto", &["status.example.org"]), None)
        };
        let shown = details(&there, true);
        assert!(shown.contains("          api.github.com") && shown.contains("nothing is to be typed"), "{shown}");
    }

    #[test]
    fn no_name_form_or_method_draws_a_line_of_ours() {
        let name = format!("DEPLOY_KEY{}..code....ABCD-EFGH", ".".repeat(33));
        let wanted = Wish::Secret {
            name: name.parse().expect("a name"),
            hosts: vec!["api.github.com".parse().expect("a host")],
            form: format!("basic:{}..code....ABCD-EFGH", "@".repeat(37)).parse().expect("a form"),
        };
        let view = view(wanted, None);
        for line in details(&view, true).lines() {
            assert!(line.len() < 80 || line.starts_with("req_"), "{line}");
            assert!(!line.contains("ABCD-EFGH") || line.starts_with("  code") || line.starts_with("          "), "{line}");
        }
        assert!(!row(&view, Timestamp::from_unix_ms(0)).concat().contains("ABCD"));
    }

    #[test]
    fn a_refusal_says_what_the_devbox_keeps() {
        let given = |given| Decided {
            request: view(wish("auto", &["status.example.org"]), None).entry.request,
            given,
            reach: vec!["api.github.com".parse().expect("a host")],
        };
        let kept = refused(&given(true));
        assert!(kept.contains("may still send it to api.github.com") && kept.contains("tightlip secret delete GITHUB_TOKEN"), "{kept}");
        assert!(refused(&given(false)).ends_with("the agent gets nothing of it"));
    }

    #[test]
    fn what_a_devbox_holds_already_is_said_before_it_is_refused() {
        let held = AskedView {
            given: true,
            code: None,
            reach: vec!["gist.github.com".parse().expect("a host")],
            ..view(wish("auto", &["status.example.org"]), None)
        };
        let shown = details(&held, true);
        assert!(shown.contains("  holds   the devbox that asked was given it") && shown.contains("          gist.github.com"), "{shown}");
    }

    #[test]
    fn what_is_lifted_and_written_is_said() {
        let wish =
            Wish::Access { secret: "A".parse().ok(), host: "c.example.com".parse().expect("a host"), methods: model::Methods::default() };
        assert_eq!(extent(&wish), "with any method, to every path, written as auto");
        let narrow = Binding {
            methods: "GET".parse().expect("methods"),
            path: "/v1/read".parse().expect("a path"),
            ..Binding::to_host("c.example.com".parse().expect("a host"))
        };
        assert_eq!(reach(&narrow), "GET /v1/read at c.example.com, written as auto");
        assert!(!form_word(&model::Form::Basic { user: "x\u{9b}2K\u{202e}y".into() }).contains(['\u{9b}', '\u{202e}']));
    }
}
