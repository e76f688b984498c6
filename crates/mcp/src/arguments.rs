//! A call's arguments, parsed into what is asked. Whatever the tool does not know is an error, and no error repeats what was sent.

use std::fmt::Display;
use std::str::FromStr;

use link::agents::AgentVerb;
use model::{Form, HostPattern, Methods};
use rmcp::model::JsonObject;
use serde_json::Value;

use crate::limits::{HOSTS_MAX, REASON_CHARS_MAX, REFUSALS_DEFAULT, REFUSALS_MAX};
use crate::schemas::{METHODS_MAX, PATH_CHARS_MAX};
use crate::tool::Tool;
use crate::trouble::Trouble;

/// What a call asks.
pub(crate) fn verb(tool: Tool, arguments: &JsonObject) -> Result<AgentVerb, Trouble> {
    if arguments.keys().any(|key| !tool.arguments().contains(&key.as_str())) {
        return Err(Trouble::ArgumentUnknown(tool));
    }
    let given = Given(arguments);
    match tool {
        Tool::ListSecrets => Ok(AgentVerb::ListSecrets),
        Tool::HowToUse => Ok(AgentVerb::HowToUse { name: given.noun("name")? }),
        Tool::TestSecret => Ok(AgentVerb::TestSecret {
            name: given.noun("name")?,
            host: given.noun_if_any("host")?,
            method: given.method()?,
            path: given.path()?,
        }),
        Tool::MyRefusals => Ok(AgentVerb::MyRefusals { limit: given.limit()? }),
        Tool::RequestSecret => {
            Ok(AgentVerb::RequestSecret { name: given.noun("name")?, hosts: given.hosts()?, form: given.form()?, reason: given.reason()? })
        }
        Tool::RequestAccess => Ok(AgentVerb::RequestAccess {
            secret: given.noun_if_any("name")?,
            host: given.noun("host")?,
            methods: given.methods()?,
            reason: given.reason()?,
        }),
        Tool::RequestStatus => Ok(AgentVerb::RequestStatus { id: given.id()? }),
    }
}

struct Given<'a>(&'a JsonObject);

impl<'a> Given<'a> {
    /// An argument; `null` is none.
    fn value(&self, name: &'static str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &'static str) -> Result<Option<&'a str>, Trouble> {
        self.value(name).map(|value| value.as_str().ok_or_else(|| illegal(name, "it is a text"))).transpose()
    }

    fn noun<T: FromStr<Err: Display>>(&self, name: &'static str) -> Result<T, Trouble> {
        self.noun_if_any(name)?.ok_or(Trouble::ArgumentMissing(name))
    }

    fn noun_if_any<T: FromStr<Err: Display>>(&self, name: &'static str) -> Result<Option<T>, Trouble> {
        let parse = |text: &str| text.parse().map_err(|error: T::Err| illegal(name, error));
        self.text(name)?.map(parse).transpose()
    }

    fn method(&self) -> Result<Option<String>, Trouble> {
        let Some(text) = self.text("method")? else { return Ok(None) };
        let methods: Methods = text.parse().map_err(|error| illegal("method", error))?;
        match methods.as_slice() {
            [method] => Ok(Some(method.clone())),
            [] | [_, _, ..] => Err(illegal("method", "it is one method, as GET or POST")),
        }
    }

    fn path(&self) -> Result<Option<String>, Trouble> {
        let Some(text) = self.text("path")? else { return Ok(None) };
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
        if text.starts_with('/') && text.len() <= PATH_CHARS_MAX && is_plain {
            Ok(Some(text.to_owned()))
        } else {
            Err(illegal("path", "it begins with '/' and has no query, no blanks and no fragment"))
        }
    }

    fn limit(&self) -> Result<usize, Trouble> {
        let want = || illegal("limit", format!("it is a whole number from 1 to {REFUSALS_MAX}"));
        let limit = self.value("limit").map_or(Some(REFUSALS_DEFAULT), Value::as_u64).ok_or_else(want)?;
        if (1..=REFUSALS_MAX).contains(&limit) { usize::try_from(limit).map_err(|_| want()) } else { Err(want()) }
    }

    fn hosts(&self) -> Result<Vec<HostPattern>, Trouble> {
        let want = || illegal("hosts", format!("it is a list of 1 to {HOSTS_MAX} host names"));
        let listed = self.value("hosts").ok_or(Trouble::ArgumentMissing("hosts"))?.as_array().ok_or_else(want)?;
        if listed.is_empty() || listed.len() > HOSTS_MAX {
            return Err(want());
        }
        let parse = |host: &Value| host.as_str().ok_or_else(want)?.parse::<HostPattern>().map_err(|error| illegal("hosts", error));
        listed.iter().map(parse).collect()
    }

    fn methods(&self) -> Result<Methods, Trouble> {
        let want = || illegal("methods", "it is a list of methods, as [\"GET\", \"POST\"]");
        let Some(listed) = self.value("methods") else { return Ok(Methods::default()) };
        let listed = listed.as_array().filter(|listed| listed.len() <= METHODS_MAX).ok_or_else(want)?;
        let words: Option<Vec<String>> = listed.iter().map(|word| word.as_str().map(str::to_ascii_uppercase)).collect();
        Methods::try_from(words.ok_or_else(want)?).map_err(|error| illegal("methods", error))
    }

    fn form(&self) -> Result<Option<Form>, Trouble> {
        match self.noun_if_any::<Form>("form")? {
            Some(form) if form.is_content() => Err(illegal(
                "form",
                "no agent asks for a value in a query or a body, where a host may keep it and show it to others: leave the form out, or have a person bind it",
            )),
            Some(form) if !form.is_askable() => {
                Err(illegal("form", "the name in it is one short word of printable ASCII, without quotes, `\\`, `$` and backticks"))
            }
            plain => Ok(plain),
        }
    }

    fn reason(&self) -> Result<String, Trouble> {
        let reason = self.text("reason")?.map(str::trim).filter(|text| !text.is_empty()).ok_or(Trouble::ArgumentMissing("reason"))?;
        if reason.chars().count() > REASON_CHARS_MAX || reason.chars().any(char::is_control) {
            return Err(illegal("reason", format!("it is one line of at most {REASON_CHARS_MAX} characters")));
        }
        Ok(reason.to_owned())
    }

    fn id<T: FromStr>(&self) -> Result<T, Trouble> {
        let text = self.text("id")?.ok_or(Trouble::ArgumentMissing("id"))?;
        text.parse().map_err(|_| illegal("id", "it is a request's id (req_...), as request_secret and request_access give it"))
    }
}

/// `want` must not hold what was sent: the nouns' own errors never do.
fn illegal(name: &'static str, want: impl Display) -> Trouble {
    Trouble::ArgumentIllegal { name, want: want.to_string() }
}
