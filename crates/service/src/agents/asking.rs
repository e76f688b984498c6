//! Asking a person: a request is written down, or written anew where the same was asked already, and waits.

use std::collections::BTreeMap;
use std::sync::MutexGuard;

use link::agents::{AgentRequest, AgentTell, Placeholder};
use model::limits::{
    LINK_PAGE_ITEMS_MAX, REQUEST_HOSTS_MAX, REQUEST_LIFE_MS, REQUEST_METHOD_BYTES_MAX, REQUEST_METHODS_MAX, REQUEST_NAME_BYTES_MAX,
    REQUEST_REASON_CHARS_MAX, REQUESTS_PER_DEVBOX_MAX, REQUESTS_PER_KEY_MAX, REQUESTS_WAITING_MAX,
};
use model::{Binding, DevboxId, Event, EventKind, RequestId, Scope, SecretId, Timestamp, Wish};
use store::{Lapsed, RequestChange, RequestRow, RequestState};

use super::papers::{env_of, is_being_typed, is_link_fresh, is_open, is_page_open, wants_value};
use super::{Agent, AgentsError, TELL_JSON_BYTES_MAX};
use crate::bindings::{BINDING_JSON_BYTES_MAX, json_bytes};
use crate::devboxes::CardGrant;
use crate::gate::{Gate, lock};

impl Gate {
    /// Writes down what an agent wants, for a person to decide. The same asked again while it waits is the same request with a new link; asked in another
    /// way, towards other hosts say, it is another request in its place.
    pub(super) fn ask_person(&self, who: &Agent<'_>, wish: Wish, reason: String) -> Result<AgentRequest, AgentsError> {
        if let Agent::Key(caller) = who {
            let may = [Scope::Devbox, Scope::Secrets].into_iter().map(|scope| caller.require(scope)).find(Result::is_ok);
            may.unwrap_or_else(|| caller.require(Scope::Devbox))?;
        }
        let (wish, reason) = (checked_wish(wish)?, checked_reason(&reason)?);
        // No person could let it through.
        wish.bindings().iter().try_for_each(|wanted| self.not_passed_through(wanted))?;
        let secret = self.not_granted(who, &wish)?;
        let turn = lock(&self.turn);
        let now = self.clock.now();
        let open = self.open_requests(who, now, &turn)?;
        let before = open.iter().find(|row| is_open(row, now) && is_same_asker(row, who) && row.wish.is_about_the_same(&wish));
        let row = match before {
            // What was typed is not asked for again.
            Some(entered) if entered.status == RequestState::Entered => entered.clone(),
            // In other words it is the same: the first ones stand.
            Some(waiting) if waiting.wish == wish => self.asked_again(waiting.clone(), now)?,
            Some(typed) if is_being_typed(typed, now) => return Err(AgentsError::BeingTyped),
            changed => {
                let lapsed = self.ledger.lapsed_requests(who.account(), who.key(), who.devbox(), now)?;
                if has_room(&open, lapsed, changed, who, now).is_err() {
                    has_room(&self.without_ended(open.clone())?, lapsed, changed, who, now)?;
                }
                if let Some(changed) = changed {
                    self.lapse(changed.clone())?;
                }
                self.asked_first(who, wish, reason, secret)?
            }
        };
        // Where a page is open, the link that a person was shown since is theirs.
        let entry_path = if is_page_open(&row, now) { None } else { self.entry_path(&row, now) };
        Ok(AgentRequest { entry_path, ..self.told(&row, None) })
    }

    /// A request as it stands, for whoever may see it. The placeholder is told to the devbox that it is for.
    pub(super) fn request_status(&self, who: &Agent<'_>, id: &RequestId) -> Result<AgentRequest, AgentsError> {
        let row = self.own_request(self.ledger.request(id)?)?.filter(|row| row.account == *who.account());
        let row = row.filter(|row| who.devbox().is_none_or(|devbox| row.devbox.as_ref() == Some(devbox)));
        let row = row.ok_or(AgentsError::RequestUnknown)?;
        let held = match (who, row.token) {
            (Agent::Devbox(card), Some(token)) => card.grant(&token).map(std::borrow::Cow::into_owned),
            (Agent::Devbox(_) | Agent::Key(_), _) => None,
        };
        Ok(self.told(&row, held.map(|CardGrant { env, token, .. }| Placeholder { env, token })))
    }

    /// A page of the asker's requests, newest first: as many as fit into one message.
    pub(super) fn requests_of(&self, who: &Agent<'_>, after: Option<RequestId>, limit: usize) -> Result<AgentTell, AgentsError> {
        let limit = limit.clamp(1, LINK_PAGE_ITEMS_MAX);
        let rows = self.ledger.requests(who.account(), who.devbox(), after.as_ref(), limit + 1)?;
        let mut has_more = rows.len() > limit;
        let (mut requests, mut bytes) = (Vec::new(), 0);
        for row in rows.into_iter().take(limit) {
            // `verify` names one that was changed outside.
            let Ok(Some(row)) = self.own_request(Some(row)) else { continue };
            let one = self.told(&row, None);
            bytes += json_bytes(&one) + 1;
            if bytes > TELL_JSON_BYTES_MAX && !requests.is_empty() {
                has_more = true;
                break;
            }
            requests.push(one);
        }
        Ok(AgentTell::Requests { requests, has_more })
    }

    /// Those that nobody decided to the end.
    fn open_requests(&self, who: &Agent<'_>, now: Timestamp, turn: &MutexGuard<'_, ()>) -> Result<Vec<RequestRow>, AgentsError> {
        let rows = self.ledger.open_requests(who.account(), now)?;
        rows.into_iter().map(|row| self.current_request(Some(row), turn)?.ok_or(AgentsError::Tampered)).collect()
    }

    /// The rows without those of hosts that devboxes wanted which have ended since. They are nobody's wish any more, and lapse, so that nobody looks at them again.
    fn without_ended(&self, open: Vec<RequestRow>) -> Result<Vec<RequestRow>, AgentsError> {
        let mut ended: BTreeMap<Option<DevboxId>, bool> = BTreeMap::new();
        let mut live = Vec::new();
        for row in open {
            let is_gone = match (row.wish.name(), ended.get(&row.devbox)) {
                (Some(_), _) => false,
                (None, Some(known)) => *known,
                (None, None) => {
                    // One that cannot be read takes its room, and nobody else's.
                    let is_gone = self.has_ended(&row).unwrap_or(false);
                    ended.insert(row.devbox.clone(), is_gone);
                    is_gone
                }
            };
            if is_gone {
                self.lapse(row)?;
            } else {
                live.push(row);
            }
        }
        Ok(live)
    }

    /// Refuses what there is already. Gives the secret that access is asked for, where there is one.
    fn not_granted(&self, who: &Agent<'_>, wish: &Wish) -> Result<Option<SecretId>, AgentsError> {
        let Some(name) = wish.name() else {
            let Agent::Devbox(card) = who else { return Err(AgentsError::DevboxOnly) };
            return if wish.hosts().iter().all(|host| card.has_pattern(host)) { Err(AgentsError::Granted) } else { Ok(None) };
        };
        match self.visible(who, name)? {
            Some(_) if wants_value(wish) => Err(AgentsError::SecretThere),
            Some(visible) if wish.bindings().iter().all(|wanted| visible.covers(wanted)) => Err(AgentsError::Granted),
            Some(visible) => Ok(Some(visible.secret.id)),
            // A devbox is not told which other secrets there are: a person sees whether there is this one, and the request is about it from then on.
            None if who.devbox().is_some() => Ok(self.store.secret(who.account(), name)?.map(|secret| secret.id)),
            None if wants_value(wish) => Ok(None),
            None => Err(AgentsError::SecretUnknown),
        }
    }

    fn asked_first(&self, who: &Agent<'_>, wish: Wish, reason: String, secret: Option<SecretId>) -> Result<RequestRow, AgentsError> {
        let (created, number) = self.ids.next(self.clock.now())?;
        let mut row = RequestRow {
            id: RequestId::from_parts(created, number),
            account: who.account().clone(),
            devbox: who.devbox().cloned(),
            key: who.key().clone(),
            wish,
            reason,
            link: None,
            session: None,
            shown_to: None,
            tries: 0,
            allowed: None,
            secret,
            token: None,
            status: RequestState::Waiting,
            created,
            expires: Timestamp::from_unix_ms(created.unix_ms().saturating_add(REQUEST_LIFE_MS)),
            decided: None,
            mac: Vec::new(),
        };
        if wants_value(&row.wish) {
            self.renew_link(&mut row, created);
        }
        let row = self.sealed_request(row);
        self.ledger.insert_request(&row, &self.request_event(EventKind::RequestMade, &row))?;
        self.note_request(&row);
        Ok(row)
    }

    /// The same once more: the link stands while nobody opened it and it works for some minutes at least; then another one, but not without end, and none while the
    /// page of an opened one may be in use.
    fn asked_again(&self, row: RequestRow, now: Timestamp) -> Result<RequestRow, AgentsError> {
        let is_enough = row.link.as_ref().is_some_and(|link| link.number.saturating_add(1) >= REQUEST_LINKS_MAX);
        // Another link would end the page that somebody has open.
        if !wants_value(&row.wish) || is_link_fresh(&row, now) || is_enough || is_page_open(&row, now) {
            return Ok(row);
        }
        let was = row.mac.clone();
        let mut row = row;
        self.renew_link(&mut row, now);
        self.write_request(row, was, &[])
    }

    /// Ends a request that nobody decides any more. What is asked in another way is another one: a person who has seen one does not decide about the other.
    fn lapse(&self, row: RequestRow) -> Result<(), AgentsError> {
        let was = row.mac.clone();
        let event = self.request_event(EventKind::RequestLapsed, &row);
        let row = RequestRow { status: RequestState::Lapsed, decided: Some(self.clock.now()), ..row };
        self.write_request(row, was, &[event]).map(drop)
    }

    /// Writes a row in the place of the one with the MAC `was`. Nothing else follows from it.
    pub(super) fn write_request(&self, row: RequestRow, was: Vec<u8>, events: &[Event]) -> Result<RequestRow, AgentsError> {
        let row = self.sealed_request(row);
        let change = RequestChange { row, was, bindings: Vec::new(), granted: None, allowed: None };
        self.ledger.change_request(&change, events)?;
        self.note_request(&change.row);
        Ok(change.row)
    }

    /// The placeholder's variable for a request.
    pub(super) fn env_for(row: &RequestRow) -> Option<model::EnvName> {
        row.wish.name().map(env_of)
    }
}

/// Whether a binding that is in force lets through all that the wanted one would.
pub(super) fn is_covered(binding: &Binding, wanted: &Binding) -> bool {
    let same_host = binding.host == wanted.host || wanted.host.exact().is_some_and(|host| binding.host.matches(host));
    let methods = binding.methods.as_slice();
    let same_methods = methods.is_empty()
        || (!wanted.methods.as_slice().is_empty() && wanted.methods.as_slice().iter().all(|word| methods.contains(word)));
    let same_form = binding.form == wanted.form
        || binding.form == model::Form::Auto && wanted.form.spot() == model::Spot::Header && is_auto_like(&wanted.form);
    same_host && same_methods && same_form && binding.port == wanted.port && binding.path.covers(wanted.path.as_str())
}

/// Whether some host is named by both.
pub(super) fn is_at_one_host(one: &Binding, other: &Binding) -> bool {
    let names = |pattern: &Binding, host: &Binding| host.host.exact().is_some_and(|host| pattern.host.matches(host));
    one.port == other.port && (one.host == other.host || names(one, other) || names(other, one))
}

/// Whether `auto` writes a value so as well, where the client puts its placeholder there.
const fn is_auto_like(form: &model::Form) -> bool {
    matches!(form, model::Form::Auto | model::Form::Bearer)
}

/// Whether one more may be asked, in the place of `changed` where there is such a one. Those that lapsed count as well, though not as much: an agent that asks in ever
/// other ways fills neither a person's screen nor the disk.
fn has_room(open: &[RequestRow], lapsed: Lapsed, changed: Option<&RequestRow>, who: &Agent<'_>, now: Timestamp) -> Result<(), AgentsError> {
    let fits = |is_counted: &dyn Fn(&RequestRow) -> bool, lapsed: usize, waiting_max: usize| {
        let rows = || open.iter().filter(|row| is_counted(row));
        let waiting = rows().filter(|row| is_open(row, now) && changed.is_none_or(|changed| changed.id != row.id)).count();
        waiting < waiting_max && rows().count() + lapsed < waiting_max * LAPSED_FACTOR
    };
    let has_room = fits(&|_| true, lapsed.account, REQUESTS_WAITING_MAX)
        && fits(&|row| row.key == *who.key(), lapsed.key, REQUESTS_PER_KEY_MAX)
        && fits(&|row| who.devbox().is_some() && row.devbox.as_ref() == who.devbox(), lapsed.devbox, REQUESTS_PER_DEVBOX_MAX);
    if has_room { Ok(()) } else { Err(AgentsError::TooMany) }
}

fn is_same_asker(row: &RequestRow, who: &Agent<'_>) -> bool {
    match who.devbox() {
        Some(devbox) => row.devbox.as_ref() == Some(devbox),
        None => row.devbox.is_none() && row.key == *who.key(),
    }
}

/// The wish with each host once, in the order in which they came.
fn checked_wish(wish: Wish) -> Result<Wish, AgentsError> {
    let wish = match wish {
        Wish::Secret { name, hosts, form } => {
            let mut each: Vec<model::HostPattern> = Vec::new();
            for host in hosts {
                if !each.contains(&host) {
                    each.push(host);
                }
                if each.len() > REQUEST_HOSTS_MAX {
                    return Err(AgentsError::Hosts);
                }
            }
            Wish::Secret { name, hosts: each, form }
        }
        access @ Wish::Access { .. } => access,
    };
    if wish.hosts().is_empty() {
        return Err(AgentsError::Hosts);
    }
    is_askable(&wish)?;
    is_readable(&wish)?;
    let fits =
        wish.bindings().iter().all(|binding| json_bytes(binding) <= BINDING_JSON_BYTES_MAX) && json_bytes(&wish) <= WISH_JSON_BYTES_MAX;
    if fits { Ok(wish) } else { Err(AgentsError::TooLong) }
}

/// Refuses a name or methods that are longer than a person reads with care.
fn is_readable(wish: &Wish) -> Result<(), AgentsError> {
    let fits = match wish {
        Wish::Secret { name, .. } => name.as_str().len() <= REQUEST_NAME_BYTES_MAX,
        Wish::Access { methods, .. } => {
            let is_short = |word: &String| word.len() <= REQUEST_METHOD_BYTES_MAX;
            methods.as_slice().len() <= REQUEST_METHODS_MAX && methods.as_slice().iter().all(is_short)
        }
    };
    if fits { Ok(()) } else { Err(AgentsError::TooLong) }
}

/// Refuses a form that a person could not read as it is meant, or by which a host would keep the value as content.
pub(super) fn is_askable(wish: &Wish) -> Result<(), AgentsError> {
    match wish.form() {
        Some(form) if form.is_content() => Err(AgentsError::FormContent),
        Some(form) if !form.is_askable() => Err(AgentsError::Form),
        Some(_) | None => Ok(()),
    }
}

/// The reason with one blank between words: nothing in it moves a terminal's cursor, turns text around, or stands where other lines stand.
fn checked_reason(reason: &str) -> Result<String, AgentsError> {
    if reason.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(AgentsError::Reason);
    }
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_printable = |c: char| !c.is_control() && !model::is_invisible(c);
    let fits = (1..=REQUEST_REASON_CHARS_MAX).contains(&reason.chars().count()) && reason.chars().all(is_printable);
    if fits { Ok(reason) } else { Err(AgentsError::Reason) }
}

/// Each may be opened once, with an event. After that the agent gets no other one: `tightlip requests` shows one all the same.
const REQUEST_LINKS_MAX: u32 = 20;
/// As many as may wait, and twice as many more that lapsed within the day.
const LAPSED_FACTOR: usize = 3;
/// A wish of the most and longest hosts fits, with a long form; so do a dozen requests into one message.
const WISH_JSON_BYTES_MAX: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(host: &str, methods: &str, form: &str) -> Binding {
        let methods = if methods.is_empty() { model::Methods::default() } else { methods.parse().expect("methods") };
        Binding { methods, form: form.parse().expect("a form"), ..Binding::to_host(host.parse().expect("a host")) }
    }

    #[test]
    fn a_wider_wish_is_not_covered_by_a_narrower_binding() {
        for (bound, wanted) in [
            (("a.example.com", "", "auto"), ("b.example.com", "", "auto")),
            (("a.example.com", "", "auto"), ("*.example.com", "", "auto")),
            (("a.example.com", "GET", "auto"), ("a.example.com", "", "auto")),
            (("a.example.com", "GET", "auto"), ("a.example.com", "GET,POST", "auto")),
            (("a.example.com", "", "bearer"), ("a.example.com", "", "auto")),
            (("a.example.com", "", "auto"), ("a.example.com", "", "body")),
            (("a.example.com", "", "auto"), ("a.example.com", "", "header:x-key")),
        ] {
            assert!(!is_covered(&binding(bound.0, bound.1, bound.2), &binding(wanted.0, wanted.1, wanted.2)), "{bound:?} {wanted:?}");
        }
        for (bound, wanted) in [
            (("*.example.com", "", "auto"), ("a.example.com", "GET", "bearer")),
            (("a.example.com", "GET,POST", "body"), ("a.example.com", "GET", "body")),
        ] {
            assert!(is_covered(&binding(bound.0, bound.1, bound.2), &binding(wanted.0, wanted.1, wanted.2)), "{bound:?} {wanted:?}");
        }
    }

    #[test]
    fn a_reason_that_could_fool_a_reader_is_refused() {
        for reason in ["", "  ", "a\nb", "a\u{1b}[2Jb", "a\u{202e}b", "a\u{200b}b", "a\u{7f}", &"a".repeat(1001)] {
            assert!(matches!(checked_reason(reason), Err(AgentsError::Reason)), "{reason:?}");
        }
        // Runs of blanks would put words where a terminal shows other lines.
        assert_eq!(checked_reason("a     b\u{a0}\u{2003}\u{3000}c ").expect("a reason"), "a b c");
        assert_eq!(checked_reason(" zur Bereitstellung: ä, 日本 ").expect("a reason"), "zur Bereitstellung: ä, 日本");
    }

    #[test]
    fn a_form_that_a_shell_or_a_terminal_would_act_upon_is_refused() {
        let wish = |form: &str| Wish::Secret {
            name: "NAME".parse().expect("a name"),
            hosts: vec!["a.example.com".parse().expect("a host")],
            form: form.parse().expect("a form"),
        };
        for form in ["basic:x$(id)", "basic:`id`", "basic:a\"b", "basic:ä", "header:`id`"] {
            assert!(matches!(checked_wish(wish(form)), Err(AgentsError::Form)), "{form}");
        }
        assert!(checked_wish(wish("basic:x-access-token")).is_ok());
    }
}
