//! Bindings: where a secret's value may go, and in what form it is written there.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::framing::framed;
use crate::host::{Host, HostPattern};
use crate::id::{AccountId, BindingId, SecretId};
use crate::kind::CREDENTIAL_HEADERS;
use crate::text::is_invisible;
use crate::time::Timestamp;

/// Hosts, port, methods and paths that a value may be sent to, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The hosts.
    pub host: HostPattern,
    /// The TCP port. Requests to the port of http are plain HTTP, to any other TLS.
    pub port: u16,
    /// The methods.
    pub methods: Methods,
    /// The paths.
    pub path: PathPrefix,
    /// How the value is written.
    pub form: Form,
}

/// Who made a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BindingSource {
    /// The gateway derived it from the value's kind.
    Kind,
    /// A person with the admin key.
    Explicit,
}

/// An explicit binding as stored, with the gateway's MAC over all other fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBinding {
    /// Its id.
    pub id: BindingId,
    /// The account whose secret it binds.
    pub account: AccountId,
    /// The secret that it binds. A secret deleted and made again is another one.
    pub secret: SecretId,
    /// What it says.
    pub binding: Binding,
    /// When it was made.
    pub created: Timestamp,
    /// HMAC-SHA-256 (RFC 2104) by the gateway's key over [`StoredBinding::mac_input`].
    pub mac: Vec<u8>,
}

/// How a value is written into a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Form {
    /// In place of its token, in whichever credential header the token stands; inside Basic too.
    Auto,
    /// `Authorization: Bearer VALUE` (RFC 6750).
    Bearer,
    /// `Authorization: Basic base64(USER:VALUE)` (RFC 7617).
    Basic {
        /// The user name; may be empty.
        user: String,
    },
    /// `Authorization: Basic base64(VALUE)` (RFC 7617): the value is `USER:PASSWORD`.
    UserPass,
    /// `NAME: VALUE`.
    Header {
        /// The header's name, in lower case.
        name: String,
    },
    /// In place of its token where that is the whole value of a parameter of the request's query, percent-encoded (RFC 3986, section 2.1).
    Query {
        /// The parameter's name, as it reads when it is decoded.
        name: String,
    },
    /// In place of its token in the request's body, escaped for the body's media type.
    Body,
}

/// Where in a request a token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot<'a> {
    /// In a header.
    Header,
    /// In a parameter of the query, with the parameter's name.
    Query(&'a str),
    /// In the body.
    Body,
}

/// The methods that a binding covers; none named means all.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Methods(Vec<String>);

/// A normalised path that begins a request's path, at a segment's border. `/` covers all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPrefix(String);

/// Why a text is no part of a binding. Never contains the text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BindingError {
    /// Not a form.
    #[error("a form is auto, bearer, basic, basic:USER, header:NAME, query:NAME or body")]
    Form,
    /// A header that routes or frames the request.
    #[error("a value cannot be written into a header that frames or routes the request")]
    HeaderReserved,
    /// Not a method.
    #[error("methods are words like GET or POST, separated by commas; CONNECT and TRACE cannot be bound")]
    Method,
    /// Not a path prefix.
    #[error("a path prefix begins with '/', and has no '..', '//', '%', ';', '?' or '#'")]
    Path,
}

impl Binding {
    /// The binding that a host alone stands for: port 443, every method and path, form `auto`.
    #[must_use]
    pub fn to_host(host: HostPattern) -> Self {
        Self { host, port: HTTPS_PORT, methods: Methods::default(), path: PathPrefix::default(), form: Form::Auto }
    }

    /// Whether the binding names this host and port.
    #[must_use]
    pub fn covers_host(&self, host: &Host, port: u16) -> bool {
        self.port == port && self.host.matches(host)
    }

    /// Whether it covers some methods or paths of its host only.
    #[must_use]
    pub fn is_narrow(&self) -> bool {
        !self.methods.0.is_empty() || self.path != PathPrefix::default()
    }

    /// Whether values travel unencrypted where it leads: to the port of http, and to no other. No kind's own binding does; a person says it.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.port == HTTP_PORT
    }
}

impl Form {
    /// Whether the names in it are as plain as an agent may write them: a person reads them at a terminal, and other agents put them into double quotes in a shell's line,
    /// where none of them may become anything else.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let name = match self {
            Self::Auto | Self::Bearer | Self::UserPass | Self::Body => return true,
            Self::Basic { user } => user,
            Self::Header { name } | Self::Query { name } => name,
        };
        name.bytes().all(|b| (b.is_ascii_graphic() || b == b' ') && !matches!(b, b'"' | b'\'' | b'`' | b'$' | b'\\'))
    }

    /// Whether an agent may ask for it: the name in it is plain, of one word, and short enough for a line that a person reads.
    #[must_use]
    pub fn is_askable(&self) -> bool {
        let text = self.to_string();
        self.is_plain() && text.len() <= ASKED_FORM_BYTES_MAX && !text.contains(' ')
    }

    /// Whether it writes a value where hosts keep what is sent as content, and may show it to others: in a query or a body.
    #[must_use]
    pub const fn is_content(&self) -> bool {
        matches!(self, Self::Query { .. } | Self::Body)
    }

    /// Whether it writes a value where hosts expect a credential.
    #[must_use]
    pub fn is_credentials(&self) -> bool {
        match self {
            Self::Auto | Self::Bearer | Self::UserPass | Self::Basic { .. } => true,
            Self::Header { name } => CREDENTIAL_HEADERS.contains(&name.as_str()),
            Self::Query { .. } | Self::Body => false,
        }
    }

    /// Where the token stands that this form writes in place of. A form opens its own spot and no other.
    #[must_use]
    pub fn spot(&self) -> Spot<'_> {
        match self {
            Self::Auto | Self::Bearer | Self::Basic { .. } | Self::UserPass | Self::Header { .. } => Spot::Header,
            Self::Query { name } => Spot::Query(name),
            Self::Body => Spot::Body,
        }
    }
}

impl StoredBinding {
    /// The bytes that the gateway's MAC covers: every field but the MAC, each with its length before it.
    #[must_use]
    pub fn mac_input(&self) -> Vec<u8> {
        let created = self.created.unix_ms().to_string();
        let port = self.binding.port.to_string();
        framed([
            self.id.as_str(),
            self.account.as_str(),
            self.secret.as_str(),
            &self.binding.host.to_string(),
            &port,
            &self.binding.methods.0.join(","),
            &self.binding.path.0,
            &self.binding.form.to_string(),
            &created,
        ])
    }
}

impl Methods {
    /// Whether `method` is covered.
    #[must_use]
    pub fn cover(&self, method: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|known| known == method)
    }

    /// The methods; empty for all.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl PathPrefix {
    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a normalised request path (no query) lies under the prefix, at a segment's border.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        let trimmed = self.0.trim_end_matches('/');
        path.strip_prefix(trimmed).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Default for PathPrefix {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl FromStr for Form {
    type Err = BindingError;

    fn from_str(text: &str) -> Result<Self, BindingError> {
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "bearer" => Ok(Self::Bearer),
            None if text == "basic" => Ok(Self::UserPass),
            None if text == "body" => Ok(Self::Body),
            Some(("basic", user)) if user.len() <= USER_BYTES_MAX && user.chars().all(is_user_char) => {
                Ok(Self::Basic { user: user.to_owned() })
            }
            Some(("header", name)) => header_form(name),
            Some(("query", name)) if is_parameter_name(name) => Ok(Self::Query { name: name.to_owned() }),
            None | Some(_) => Err(BindingError::Form),
        }
    }
}

/// A colon ends it (RFC 7617, section 2), and what no eye sees has no business in it.
fn is_user_char(c: char) -> bool {
    c != ':' && !c.is_control() && !is_invisible(c)
}

fn header_form(name: &str) -> Result<Form, BindingError> {
    let name = name.to_ascii_lowercase();
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || name.len() > HEADER_NAME_BYTES_MAX || !name.bytes().all(legal) {
        return Err(BindingError::Form);
    }
    if is_reserved_header(&name) { Err(BindingError::HeaderReserved) } else { Ok(Form::Header { name }) }
}

/// Letters, digits, what URLs never encode, and what names of lists and of OData have: `access_token`, `auth[key]`, `$key`.
fn is_parameter_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~[]$".contains(&b);
    (1..=PARAMETER_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(legal)
}

/// Whether a header (in lower case) frames or routes a message, cuts replies into pieces, or is the gateway's own: nothing that anybody asks for is written there.
#[must_use]
pub fn is_reserved_header(name: &str) -> bool {
    RESERVED_HEADERS.contains(&name) || name.starts_with(OWN_HEADERS)
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Bearer => f.write_str("bearer"),
            Self::Basic { user } => write!(f, "basic:{user}"),
            Self::UserPass => f.write_str("basic"),
            Self::Header { name } => write!(f, "header:{name}"),
            Self::Query { name } => write!(f, "query:{name}"),
            Self::Body => f.write_str("body"),
        }
    }
}

impl FromStr for Methods {
    type Err = BindingError;

    fn from_str(text: &str) -> Result<Self, BindingError> {
        Self::try_from(text.split(',').map(|word| word.trim().to_ascii_uppercase()).collect::<Vec<_>>())
    }
}

impl TryFrom<Vec<String>> for Methods {
    type Error = BindingError;

    fn try_from(words: Vec<String>) -> Result<Self, BindingError> {
        let legal = |word: &String| {
            (1..=METHOD_BYTES_MAX).contains(&word.len())
                && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
                && !matches!(word.as_str(), "CONNECT" | "TRACE" | "TRACK")
        };
        if words.iter().all(legal) { Ok(Self(words)) } else { Err(BindingError::Method) }
    }
}

impl From<Methods> for Vec<String> {
    fn from(methods: Methods) -> Self {
        methods.0
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("any") } else { f.write_str(&self.0.join(",")) }
    }
}

impl FromStr for PathPrefix {
    type Err = BindingError;

    fn from_str(text: &str) -> Result<Self, BindingError> {
        let clean = text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'%' | b';' | b'?' | b'#' | b'\\'));
        let plain = !text.contains("//") && text.split('/').all(|segment| segment != "." && segment != "..");
        if text.starts_with('/') && text.len() <= PATH_BYTES_MAX && clean && plain {
            Ok(Self(text.to_owned()))
        } else {
            Err(BindingError::Path)
        }
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! text_conversions {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = BindingError;

            fn try_from(text: String) -> Result<Self, BindingError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(part: $name) -> String {
                part.to_string()
            }
        }
    };
}

text_conversions!(Form);
text_conversions!(PathPrefix);

/// The port of https, RFC 9110 section 4.2.2.
pub const HTTPS_PORT: u16 = 443;
/// The port of http, RFC 9110 section 4.2.1.
pub const HTTP_PORT: u16 = 80;
const USER_BYTES_MAX: usize = 255;
/// Of a form that an agent asks for: room for each usual header's name, and less than a terminal's line.
pub const ASKED_FORM_BYTES_MAX: usize = 64;
const HEADER_NAME_BYTES_MAX: usize = 128;
const PARAMETER_NAME_BYTES_MAX: usize = 128;
const METHOD_BYTES_MAX: usize = 32;
const PATH_BYTES_MAX: usize = 2048;
/// The gateway's own.
const OWN_HEADERS: &str = "x-tightlip-";
/// Headers that frame or route a message (RFC 9110, RFC 9112), carry identity between proxies, or that the gateway itself sets.
const RESERVED_HEADERS: [&str; 23] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "expect",
    "accept-encoding",
    "content-encoding",
    "content-type",
    "range",
    "if-range",
    // What Apache and Azure's storage take for `Range` as well: a piece of a reply may end inside a value.
    "request-range",
    "x-ms-range",
    "proxy-authenticate",
    "http2-settings",
    "forwarded",
    "via",
    "x-forwarded-host",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_at_a_segment() {
        let prefix: PathPrefix = "/repos/a".parse().expect("a prefix");
        assert!(!prefix.covers("/repos/ab") && !prefix.covers("/repos") && !prefix.covers("/x/repos/a"));
        assert!(prefix.covers("/repos/a") && prefix.covers("/repos/a/b"));
        assert!(PathPrefix::default().covers("/") && PathPrefix::default().covers("/x"));
    }

    #[test]
    fn a_binding_is_narrow_by_its_methods_or_its_path_and_plain_by_its_port_alone() {
        let whole = Binding::to_host("api.example.com".parse().expect("a pattern"));
        assert!(!whole.is_narrow() && !whole.is_plain());
        assert!(Binding { methods: "GET".parse().expect("a method"), ..whole.clone() }.is_narrow());
        assert!(Binding { path: "/a".parse().expect("a prefix"), ..whole.clone() }.is_narrow());
        assert!(Binding { port: 80, ..whole.clone() }.is_plain() && !Binding { port: 8080, ..whole }.is_plain());
    }

    #[test]
    fn methods_and_prefixes_are_shown_as_they_were_written() {
        let methods: Methods = "GET,HEAD".parse().expect("methods");
        assert_eq!(methods.as_slice(), ["GET", "HEAD"]);
        assert_eq!("/repos/a".parse::<PathPrefix>().expect("a prefix").as_str(), "/repos/a");
    }

    #[test]
    fn ambiguous_prefixes_are_refused() {
        for text in ["", "a", "/a/../b", "/a//b", "/%2e", "/a;b", "/a?b", "/a b", "/./a"] {
            assert_eq!(text.parse::<PathPrefix>(), Err(BindingError::Path), "{text:?}");
        }
    }

    #[test]
    fn forms_that_would_break_framing_are_refused() {
        for text in [
            "header:Host",
            "header:content-length",
            "header:Transfer-Encoding",
            "header:accept-encoding",
            "header:X-Ms-Range",
            "header:Request-Range",
            "header:x-tightlip-devbox",
        ] {
            assert_eq!(text.parse::<Form>(), Err(BindingError::HeaderReserved), "{text:?}");
        }
        for text in [
            "",
            "Auto",
            "basic:a:b",
            "basic:a\nb",
            "basic:a\u{9b}2Jb",
            "basic:a\u{202e}b",
            "basic:a\u{200b}b",
            "basic:a\u{e0041}b",
            "header:",
            "header:a b",
            "cookie:x",
            "query",
            "query:",
            "query:a b",
            "query:a=b",
            "query:a&b",
            "query:%61",
            "body:x",
            "Body",
        ] {
            assert_eq!(text.parse::<Form>(), Err(BindingError::Form), "{text:?}");
        }
        for text in [
            "auto",
            "bearer",
            "basic",
            "basic:",
            "basic:x-access-token",
            "header:x-api-key",
            "query:access_token",
            "query:Auth[key]",
            "body",
        ] {
            assert_eq!(text.parse::<Form>().map(|form| form.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn no_name_in_a_plain_form_becomes_anything_else_in_a_shells_double_quotes() {
        let form = |text: &str| text.parse::<Form>().expect("a form");
        for text in
            ["basic:x$(id)", "basic:`id`", "basic:a\"b", "basic:o'neil", "basic:a\\b", "basic:ä", "header:`id`", "header:x'y", "query:$key"]
        {
            assert!(!form(text).is_plain(), "{text}");
        }
        for text in
            ["auto", "bearer", "basic", "body", "basic:", "basic:x-access-token", "basic:a b@c", "header:x-api-key", "query:auth[key]"]
        {
            assert!(form(text).is_plain(), "{text}");
        }
    }

    #[test]
    fn what_an_agent_may_ask_for_is_one_short_word_and_no_content() {
        let form = |text: &str| text.parse::<Form>().expect("a form");
        for text in ["basic:a b", "basic:x  code", &format!("basic:{}", "x".repeat(100)), "basic:a\"b"] {
            assert!(!form(text).is_askable(), "{text}");
        }
        for text in ["auto", "bearer", "basic", "basic:x-access-token", "header:x-api-key"] {
            assert!(form(text).is_askable() && form(text).is_credentials() && !form(text).is_content(), "{text}");
        }
        assert!(!form("header:x-amz-meta-note").is_credentials());
        for text in ["query:key", "body"] {
            assert!(form(text).is_content() && !form(text).is_credentials(), "{text}");
        }
    }

    #[test]
    fn a_form_opens_its_own_spot_and_no_other() {
        let form = |text: &str| text.parse::<Form>().expect("a form");
        for header in ["auto", "bearer", "basic", "basic:u", "header:x-a"] {
            assert_eq!(form(header).spot(), Spot::Header, "{header}");
        }
        assert_eq!((form("query:Key").spot(), form("body").spot()), (Spot::Query("Key"), Spot::Body));
        assert_ne!(form("query:Key").spot(), Spot::Query("key"));
    }

    #[test]
    fn the_mac_covers_every_field() {
        let zero = Timestamp::from_unix_ms(0);
        let make = |secret: u128, host: &str, port: u16, created: i64| StoredBinding {
            id: BindingId::from_parts(zero, 0),
            account: AccountId::from_parts(zero, 0),
            secret: SecretId::from_parts(zero, secret),
            binding: Binding { port, ..Binding::to_host(host.parse().expect("a host")) },
            created: Timestamp::from_unix_ms(created),
            mac: vec![],
        };
        let base = make(0, "a.example.com", 443, 0).mac_input();
        for other in [
            make(1, "a.example.com", 443, 0),
            make(0, "b.example.com", 443, 0),
            make(0, "a.example.com", 444, 0),
            make(0, "a.example.com", 443, 1),
        ] {
            assert_ne!(base, other.mac_input());
        }
    }
}
