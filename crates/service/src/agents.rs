//! What an agent may ask: which secrets there are, how they are used, whether a request would pass, what was refused, and to ask a person for more. No answer holds a
//! value, and nothing here sends one or counts as a use.
//!
//! A devbox sees its own things only; the holder of an API key its account's.

use link::agents::{AgentTell, AgentVerb, Seen, Tested, Usable, Usage};
use model::limits::{LINK_MESSAGE_BYTES_MAX, LINK_PAGE_ITEMS_MAX};
use model::{
    AccountId, ApiKeyId, Asked, Binding, DevboxId, Form, Grant, Host, HostPattern, Refusal, Scope, Secret, SecretName, Timestamp,
    TokenHash, looks_like_secret, permits,
};

use crate::authenticate::Caller;
use crate::bindings::json_bytes;
use crate::devboxes::{CardGrant, DevboxCard};
use crate::gate::Gate;
use crate::rows::{Fitness, Known};

mod asking;
mod deciding;
mod entry;
mod error;
mod papers;

pub use error::AgentsError;
pub(crate) use papers::REQUEST_MAC;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub enum Agent<'a> {
    /// The holder of an API key.
    Key(&'a Caller),
    /// A devbox, known by the socket that it came in at.
    Devbox(&'a DevboxCard),
}

/// A secret as its asker may see it.
struct Visible {
    secret: VisibleId,
    known: Known,
    held: Option<CardGrant>,
}

struct VisibleId {
    id: model::SecretId,
    name: SecretName,
}

impl Agent<'_> {
    const fn account(&self) -> &AccountId {
        match self {
            Self::Key(caller) => &caller.account.id,
            Self::Devbox(card) => &card.account,
        }
    }

    const fn devbox(&self) -> Option<&DevboxId> {
        match self {
            Self::Key(_) => None,
            Self::Devbox(card) => Some(&card.devbox),
        }
    }

    const fn key(&self) -> &ApiKeyId {
        match self {
            Self::Key(caller) => &caller.key.id,
            Self::Devbox(card) => &card.key,
        }
    }
}

impl Gate {
    /// Does what an agent asks, or says why not. A key needs the scope `read`, and to ask a person for something `devbox` or `secrets` besides.
    #[must_use]
    pub fn agent(&self, who: &Agent<'_>, verb: AgentVerb) -> AgentTell {
        self.agent_told(who, verb).unwrap_or_else(AgentTell::from)
    }

    fn agent_told(&self, who: &Agent<'_>, verb: AgentVerb) -> Result<AgentTell, AgentsError> {
        match who {
            Agent::Key(caller) => caller.require(Scope::Read)?,
            Agent::Devbox(card) => self.key_stands(card)?,
        }
        if strings_of(&verb).iter().any(|text| looks_like_secret(text)) {
            return Err(AgentsError::LooksLikeSecret);
        }
        match verb {
            AgentVerb::ListSecrets => Ok(AgentTell::Secrets(self.usable_secrets(who)?)),
            AgentVerb::HowToUse { name } => Ok(AgentTell::Use(self.visible(who, &name)?.ok_or(AgentsError::SecretUnknown)?.into_usable())),
            AgentVerb::TestSecret { name, host, method, path } => {
                let visible = self.visible(who, &name)?.ok_or(AgentsError::SecretUnknown)?;
                Ok(AgentTell::Tested(self.tested(who, &visible, host.as_ref(), method.as_deref(), path.as_deref())?))
            }
            AgentVerb::MyRefusals { limit } => Ok(AgentTell::Refusals(self.seen_refusals(who, limit)?)),
            AgentVerb::RequestSecret { name, hosts, form, reason } => {
                let wish = model::Wish::Secret { name, hosts, form: form.unwrap_or(Form::Auto) };
                Ok(AgentTell::Request(Box::new(self.ask_person(who, wish, reason)?)))
            }
            AgentVerb::RequestAccess { secret, host, methods, reason } => {
                let wish = model::Wish::Access { secret, host, methods };
                Ok(AgentTell::Request(Box::new(self.ask_person(who, wish, reason)?)))
            }
            AgentVerb::RequestStatus { id } => Ok(AgentTell::Request(Box::new(self.request_status(who, &id)?))),
            AgentVerb::ListRequests { after, limit } => self.requests_of(who, after, limit),
        }
    }

    fn usable_secrets(&self, who: &Agent<'_>) -> Result<Vec<Usable>, AgentsError> {
        let mut bytes = 0;
        let mut usable = Vec::new();
        let names: Vec<SecretName> = match who {
            Agent::Key(caller) => {
                let page = self.store.secrets(&caller.account.id, None, LINK_PAGE_ITEMS_MAX)?;
                page.secrets.into_iter().map(|secret| secret.name).collect()
            }
            Agent::Devbox(card) => card.grants.iter().chain(&card.later_grants()).map(|held| held.name.clone()).collect(),
        };
        for name in names {
            if usable.iter().any(|known: &Usable| known.name == name) {
                continue;
            }
            let one = match self.visible(who, &name) {
                Ok(Some(visible)) => visible.into_usable(),
                // Nothing is in force of what was deleted at this moment, or changed outside.
                Ok(None) | Err(AgentsError::Tampered | AgentsError::SecretUnknown) => continue,
                Err(error) => return Err(error),
            };
            bytes += json_bytes(&one) + 1;
            if bytes > TELL_JSON_BYTES_MAX {
                break;
            }
            usable.push(one);
        }
        Ok(usable)
    }

    /// A secret that the asker may see; none where there is none, or it is another's.
    fn visible(&self, who: &Agent<'_>, name: &SecretName) -> Result<Option<Visible>, AgentsError> {
        match who {
            Agent::Key(caller) => {
                let Some(Secret { id, name, account, .. }) = self.store.secret(&caller.account.id, name)? else { return Ok(None) };
                let known = self.known(self.stamp()?, &account, &id, &name)?;
                Ok(Some(Visible { secret: VisibleId { id, name }, known, held: None }))
            }
            Agent::Devbox(card) => {
                // The newest first: one that was deleted stays granted, and another may have its name by now.
                let later = card.later_grants();
                for held in later.iter().rev().chain(&card.grants).filter(|held| held.name == *name) {
                    let known = match self.held_known(self.stamp()?, held) {
                        Err(Refusal::SecretGone) => continue,
                        known => known?,
                    };
                    let secret = VisibleId { id: held.grant.secret.clone(), name: held.name.clone() };
                    return Ok(Some(Visible { secret, known, held: Some(held.clone()) }));
                }
                Ok(None)
            }
        }
    }

    fn tested(
        &self,
        who: &Agent<'_>,
        visible: &Visible,
        host: Option<&Host>,
        method: Option<&str>,
        path: Option<&str>,
    ) -> Result<Vec<Tested>, AgentsError> {
        let decide = |host: &Host, port: u16, method: &str, path: &str| match self.would_permit(who, visible, (host, port), method, path) {
            Err(Refusal::Undecided) => Err(AgentsError::Undecided),
            decided => Ok(decided),
        };
        if let Some(host) = host {
            // Port 443, unless the secret is bound to another port of this host only.
            let bound = visible.known.bindings.iter().filter(|binding| binding.host.matches(host)).map(|binding| binding.port);
            let port = bound.min_by_key(|port| (*port != HTTPS_PORT, *port)).unwrap_or(HTTPS_PORT);
            let decided = decide(host, port, method.unwrap_or("GET"), path.unwrap_or("/"))?;
            return Ok(vec![Tested { host: host.to_string(), decided }]);
        }
        let of_binding = |binding: &Binding| {
            let first = binding.methods.as_slice().first().map_or("GET", String::as_str);
            let host = any_host_of(&binding.host).ok_or(AgentsError::Undecided)?;
            let decided = decide(&host, binding.port, method.unwrap_or(first), path.unwrap_or(binding.path.as_str()))?;
            Ok(Tested { host: binding.host.to_string(), decided })
        };
        visible.known.bindings.iter().map(of_binding).collect()
    }

    /// What `resolve` would decide of such a request, up to the point where it gives the value.
    fn would_permit(&self, who: &Agent<'_>, visible: &Visible, to: (&Host, u16), method: &str, path: &str) -> Result<Form, Refusal> {
        let path = judged(path)?;
        // RFC 9110, section 9.1; all that bindings name are such words.
        if !(1..=METHOD_BYTES_MAX).contains(&method.len()) || !method.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-') {
            return Err(Refusal::RequestMalformed);
        }
        if matches!(method, "TRACE" | "TRACK" | "CONNECT") {
            return Err(Refusal::MethodForbidden);
        }
        let grant = match (who, &visible.held) {
            (Agent::Devbox(card), Some(held)) => self.fresh_grant(card, held)?,
            (Agent::Devbox(_) | Agent::Key(_), _) => stand_in(who, visible, self.clock.now()),
        };
        let asked = Asked { devbox: &grant.devbox, host: to.0, port: to.1, method, path };
        let bindings = &visible.known.bindings;
        let mut decided = Err(None);
        for binding in bindings.iter().filter(|binding| binding.covers_host(to.0, to.1)) {
            match permits(&grant, bindings, asked, binding.form.spot()) {
                Ok(permit) => {
                    decided = Ok(permit.form().clone());
                    break;
                }
                Err(refusal) => decided = Err(Some(refusal)),
            }
        }
        let form = match decided {
            Ok(form) => form,
            Err(Some(refusal)) => return Err(refusal),
            // Bound nowhere, or not there.
            Err(None) => permits(&grant, bindings, asked, model::Spot::Header)?.form().clone(),
        };
        if visible.known.fitness == Fitness::Fit { Ok(form) } else { Err(Refusal::ValueUnfit) }
    }

    /// What was refused, newest first: each reason and host once.
    fn seen_refusals(&self, who: &Agent<'_>, limit: usize) -> Result<Vec<Seen>, AgentsError> {
        let limit = limit.clamp(1, LINK_PAGE_ITEMS_MAX);
        let now = self.clock.now();
        let mut seen: Vec<Seen> = Vec::new();
        let mut add = |time: Timestamp, refusal: Refusal, host: Option<Host>, name: Option<SecretName>, count: u64| {
            let known = seen.iter().position(|known| known.refusal == refusal && known.host == host && known.name == name);
            match known {
                Some(at) => seen[at].count += count,
                None if seen.len() < limit => seen.push(Seen { time, refusal, host, name, count }),
                None => {}
            }
        };
        for (refusal, host, count) in self.tally.unwritten_refusals(who.account(), who.devbox()) {
            add(now, refusal, host, None, count);
        }
        for event in self.ledger.refusals(who.account(), who.devbox(), REFUSALS_LOOKED_MAX, REFUSALS_LOOKED_MAX)? {
            if let Some(refusal) = event.refusal {
                add(event.time, refusal, event.host, event.name, event.count.unwrap_or(1));
            }
        }
        Ok(seen)
    }
}

impl Visible {
    fn into_usable(self) -> Usable {
        let usage = |binding: &Binding| Usage {
            host: binding.host.clone(),
            port: binding.port,
            methods: binding.methods.clone(),
            path: binding.path.as_str().to_owned(),
            form: binding.form.clone(),
        };
        Usable {
            name: self.secret.name,
            kind: self.known.kind.map(|kind| kind.id.to_owned()),
            env: self.held.map(|held| held.env),
            bindings: self.known.bindings.iter().map(usage).collect(),
        }
    }

    /// Whether a request that this binding is for passes already.
    fn covers(&self, wanted: &Binding) -> bool {
        self.known.bindings.iter().any(|binding| asking::is_covered(binding, wanted))
    }
}

/// A grant for a question that no devbox asks.
fn stand_in(who: &Agent<'_>, visible: &Visible, now: Timestamp) -> Grant {
    Grant {
        token: TokenHash([0; 32]),
        devbox: DevboxId::from_parts(now, 0),
        account: who.account().clone(),
        secret: visible.secret.id.clone(),
        created: now,
        ended: None,
    }
}

/// A host that a pattern names.
fn any_host_of(pattern: &HostPattern) -> Option<Host> {
    match pattern {
        HostPattern::Exact(host) => Some(host.clone()),
        HostPattern::OneLabel(domain) => format!("any.{domain}").parse().ok(),
    }
}

/// A path without its query, where no server reads it in two ways.
fn judged(path: &str) -> Result<&str, Refusal> {
    let path = path.split('?').next().unwrap_or(path);
    let lower = path.to_ascii_lowercase();
    let dots = path.split('/').any(|segment| matches!(segment.split(';').next(), Some("." | "..")));
    let hidden = ["%2e", "%2f", "%5c", "%25", "//", "\\"].iter().any(|text| lower.contains(text));
    if path.starts_with('/') && path.is_ascii() && !path.bytes().any(|byte| byte.is_ascii_control()) && !dots && !hidden {
        Ok(path)
    } else {
        Err(Refusal::PathAmbiguous)
    }
}

/// Every text that came from an agent's own hand.
fn strings_of(verb: &AgentVerb) -> Vec<String> {
    let hosts = |hosts: &[HostPattern]| hosts.iter().map(ToString::to_string).collect::<Vec<_>>();
    match verb {
        AgentVerb::ListSecrets | AgentVerb::MyRefusals { .. } | AgentVerb::RequestStatus { .. } | AgentVerb::ListRequests { .. } => {
            Vec::new()
        }
        AgentVerb::HowToUse { name } => vec![name.as_str().to_owned()],
        AgentVerb::TestSecret { name, host, method, path } => {
            let host = host.as_ref().map(ToString::to_string);
            [Some(name.as_str().to_owned()), host, method.clone(), path.clone()].into_iter().flatten().collect()
        }
        AgentVerb::RequestSecret { name, hosts: wanted, form, reason } => {
            let form = form.as_ref().map(ToString::to_string);
            [vec![name.as_str().to_owned(), reason.clone()], hosts(wanted), form.into_iter().collect()].concat()
        }
        AgentVerb::RequestAccess { secret, host, methods, reason } => {
            let secret = secret.as_ref().map(|name| name.as_str().to_owned());
            [vec![host.to_string(), reason.clone()], methods.as_slice().to_vec(), secret.into_iter().collect()].concat()
        }
    }
}

const HTTPS_PORT: u16 = model::binding::HTTPS_PORT;
/// Longer words are no method of anybody's.
const METHOD_BYTES_MAX: usize = 32;
/// An answer, with room for the message around it.
const TELL_JSON_BYTES_MAX: usize = LINK_MESSAGE_BYTES_MAX - 4 * 1024;
/// Events of refusals that are looked through for those of one devbox.
const REFUSALS_LOOKED_MAX: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_could_be_read_in_two_ways_is_not_decided() {
        for path in ["", "v1", "/a/../b", "/a/./b", "/a//b", "/%2e%2e/", "/a%2Fb", "/a\\b", "/..;x/", "/a\nb", "/ä"] {
            assert_eq!(judged(path), Err(Refusal::PathAmbiguous), "{path:?}");
        }
        for (path, plain) in [("/", "/"), ("/v1/a.b", "/v1/a.b"), ("/v1?x=..", "/v1"), ("/a%20b", "/a%20b")] {
            assert_eq!(judged(path), Ok(plain));
        }
    }

    #[test]
    fn a_variable_is_named_as_the_secret_or_as_near_as_can_be() {
        let env = |name: &str| papers::env_of(&name.parse().expect("a name")).as_str().to_owned();
        assert_eq!(
            [env("GITHUB_TOKEN"), env("my-key.v2"), env("2FA"), env("PATH")],
            ["GITHUB_TOKEN", "SECRET_MY_KEY_V2", "SECRET_2FA", "SECRET_PATH"]
        );
    }

    #[test]
    fn a_code_is_taken_as_people_read_it() {
        assert_eq!(papers::plain_code(" 0a1b-cdef "), "0A1BCDEF");
        assert_eq!(papers::plain_code("oIlL-0000"), "01110000");
        assert!(papers::plain_code(&"a".repeat(1000)).len() <= 16);
    }
}
