//! What a person is shown of a request: in words, and with everything that an agent chose made harmless.

use link::agents::{Entry, Wish};
use model::{Form, HostPattern, Timestamp};

/// A request for a secret, as it is shown.
pub(crate) struct Asked {
    /// The request's id, by which the command line knows it.
    pub(crate) id: String,
    /// Who asks, by an id of ours.
    pub(crate) asker: String,
    /// What the devbox is called.
    pub(crate) devbox_name: Option<String>,
    /// When it was asked.
    pub(crate) since: String,
    /// Under which name the value is stored.
    pub(crate) name: String,
    /// Where it is to go.
    pub(crate) hosts: Vec<ShownHost>,
    /// How it is written into a request, as the command line says it.
    pub(crate) form: String,
    /// The same in a sentence.
    pub(crate) form_words: &'static str,
    /// Why, in the agent's words.
    pub(crate) reason: String,
    /// The digest of what is shown.
    pub(crate) digest: String,
}

/// A host, as it is shown.
pub(crate) struct ShownHost {
    /// As it is compared.
    pub(crate) ascii: String,
    /// As people of its script write it, where that differs.
    pub(crate) readable: Option<String>,
    /// Whether every name one label below it is meant.
    pub(crate) is_pattern: bool,
}

impl Asked {
    /// What is shown of a request for a secret; none of one for something else.
    pub(crate) fn of(entry: &Entry, now: Timestamp) -> Option<Self> {
        let request = &entry.request;
        let Wish::Secret { name, hosts, form } = &request.wanted else { return None };
        let asker = match (&request.devbox, &request.key) {
            (Some(devbox), _) => format!("devbox {devbox}"),
            (None, Some(key)) => format!("a program with the API key {key}"),
            (None, None) => "an agent".to_owned(),
        };
        Some(Self {
            id: request.id.to_string(),
            asker,
            devbox_name: entry.devbox_name.as_deref().map(harmless).filter(|name| !name.is_empty()),
            since: ago(request.created, now),
            name: name.to_string(),
            hosts: hosts.iter().map(ShownHost::of).collect(),
            form: harmless(&form.to_string()),
            form_words: written(form),
            reason: harmless(&request.reason),
            digest: entry.digest.clone(),
        })
    }
}

impl ShownHost {
    pub(crate) fn of(pattern: &HostPattern) -> Self {
        let (host, is_pattern) = match pattern {
            HostPattern::Exact(host) => (host, false),
            HostPattern::OneLabel(host) => (host, true),
        };
        let star = if is_pattern { "*." } else { "" };
        Self { ascii: pattern.to_string(), readable: host.readable().map(|host| format!("{star}{}", harmless(&host))), is_pattern }
    }
}

/// How a value is written, in words.
fn written(form: &Form) -> &'static str {
    match form {
        Form::Header { .. } if !form.is_credentials() => {
            "in a header where no credential is expected: a host may keep it as content, and show it to others:"
        }
        Form::Auto => "in place of its placeholder in a credential header",
        Form::Bearer => "as a bearer token in the Authorization header",
        Form::Basic { .. } => "as a password in the Authorization header",
        Form::UserPass => "as user and password in the Authorization header",
        Form::Header { .. } => "in a header of its own",
        Form::Query { .. } => "in the address, as a parameter",
        Form::Body => "in the body of requests",
    }
}

/// A text of an agent's in which nothing steers: controls, marks of direction, joiners and what is not seen at all are replaced by what is seen.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|char| if steers(char) { char::REPLACEMENT_CHARACTER } else { char }).collect()
}

fn steers(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffc}' | '\u{1d173}'..='\u{1d17a}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{10ffff}')
}

/// How long ago, as people say it.
fn ago(then: Timestamp, now: Timestamp) -> String {
    let minutes = now.ms_since(then) / 60_000;
    match minutes {
        0 => "less than a minute ago".to_owned(),
        1 => "a minute ago".to_owned(),
        2..60 => format!("{minutes} minutes ago"),
        60..120 => "an hour ago".to_owned(),
        120.. => format!("{} hours ago", minutes / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_reader_is_seen() {
        let told = harmless("a\u{202e}b\u{200b}c\u{1b}[31m\nd\u{e0041}\u{2066}");
        assert_eq!(told, "a\u{fffd}b\u{fffd}c\u{fffd}[31m\u{fffd}d\u{fffd}\u{fffd}");
        assert_eq!(harmless("für «uns» 日本 <b>"), "für «uns» 日本 <b>");
    }

    #[test]
    fn a_host_in_another_script_is_shown_both_ways() {
        let shown = |text: &str| ShownHost::of(&text.parse().expect("a pattern"));
        let lookalike = shown("api.xn--gthub-n4a.com");
        assert_eq!((lookalike.ascii.as_str(), lookalike.readable.as_deref()), ("api.xn--gthub-n4a.com", Some("api.gıthub.com")));
        let pattern = shown("*.xn--bcher-kva.example.com");
        assert_eq!((pattern.readable.as_deref(), pattern.is_pattern), (Some("*.bücher.example.com"), true));
        assert_eq!(shown("api.github.com").readable, None);
    }

    #[test]
    fn times_are_told_as_people_tell_them() {
        let at = |minutes: i64| Timestamp::from_unix_ms(minutes * 60_000);
        for (minutes, words) in
            [(-5, "less than a minute ago"), (1, "a minute ago"), (59, "59 minutes ago"), (61, "an hour ago"), (1440, "24 hours ago")]
        {
            assert_eq!(ago(at(0), at(minutes)), words);
        }
    }
}
