//! Gateway configs: destinations that a devbox reaches by a base URL, and how a credential is written there. A destination is no permission: whether a
//! secret's value may go there is decided by the secret's bindings alone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::access::Label;
use crate::binding::{Binding, Form, HTTP_PORT, HTTPS_PORT, Methods, PathPrefix, is_reserved_header};
use crate::host::{Host, HostPattern};
use crate::id::{AccountId, GatewayConfigId, SecretId};
use crate::kind::CREDENTIAL_HEADERS;
use crate::limits::{CUSTOM_HEADERS_MAX, DESCRIPTION_CHARS_MAX, HEADER_VALUE_BYTES_MAX};
use crate::time::Timestamp;

/// A destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayConfig {
    /// Its id.
    pub id: GatewayConfigId,
    /// Whose it is; none for those that every account has from the start.
    pub account: Option<AccountId>,
    /// What people call it. Names may be used again: a name means the newest config that has it.
    pub name: Label,
    /// Where it leads.
    pub endpoint: Endpoint,
    /// How the credential is written there.
    pub mechanism: Mechanism,
    /// Further headers of every request, set after the credential.
    pub headers: Vec<CustomHeader>,
    /// What it is for, in people's words.
    pub description: Option<Description>,
    /// When it was made.
    pub created: Timestamp,
}

/// An https URL without query, fragment or user: host, port and the path that every request's path is put behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint {
    host: Host,
    port: u16,
    path: PathPrefix,
}

/// How a credential is written into a request (`auth_mechanism`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", content = "key")]
pub enum Mechanism {
    /// `Authorization: Bearer VALUE`.
    Bearer,
    /// `Authorization: Basic base64(VALUE)`; the value is `USER:PASSWORD`.
    Basic,
    /// `KEY: VALUE`.
    Header(HeaderKey),
}

/// A header that a value may stand in, in lower case. Reading one that was stored takes what parsing refuses now: whoever writes requests drops it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HeaderKey(String);

/// One further header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomHeader {
    /// Its name.
    pub name: HeaderKey,
    /// What stands in it.
    pub content: HeaderContent,
}

/// What stands in a further header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderContent {
    /// A secret's value.
    Secret(SecretId),
    /// This text, which is no secret.
    Text(HeaderText),
}

/// Visible ASCII and blanks within: what a header line may hold (RFC 9110, section 5.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HeaderText(String);

/// What people say about a config: printable text of at most 1000 characters, line breaks allowed.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Description(String);

/// Why a text is no part of a gateway config. Never contains the text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GatewayError {
    /// Not an endpoint.
    #[error("an endpoint is an https URL like https://api.example.com or https://api.example.com/v1, without user, query or fragment")]
    Endpoint,
    /// A header's name that cannot hold a credential.
    #[error(
        "this header cannot be set: it is no header's name, or it frames or routes the request, or asks for a reply that cannot be read"
    )]
    Header,
    /// A header's text.
    #[error("a header's text is 1 to 4096 visible ASCII characters and blanks")]
    HeaderText,
    /// A description.
    #[error("a description has at most 1000 characters and no control characters but line breaks")]
    Description,
    /// Too many headers.
    #[error("a gateway config has at most {CUSTOM_HEADERS_MAX} custom headers")]
    TooManyHeaders,
}

impl GatewayConfig {
    /// The binding that sends a secret to this destination in this config's form: what a person approves where there is none.
    #[must_use]
    pub fn binding(&self, form: Form) -> Binding {
        Binding {
            host: HostPattern::Exact(self.endpoint.host.clone()),
            port: self.endpoint.port,
            methods: Methods::default(),
            path: self.endpoint.path.clone(),
            form,
        }
    }

    /// Checks the number of headers.
    ///
    /// # Errors
    /// [`GatewayError::TooManyHeaders`].
    pub fn check(&self) -> Result<(), GatewayError> {
        if self.headers.len() > CUSTOM_HEADERS_MAX { Err(GatewayError::TooManyHeaders) } else { Ok(()) }
    }
}

impl Endpoint {
    /// The host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The base path.
    #[must_use]
    pub const fn path(&self) -> &PathPrefix {
        &self.path
    }
}

impl Mechanism {
    /// The form in which a value is written.
    #[must_use]
    pub fn form(&self) -> Form {
        match self {
            Self::Bearer => Form::Bearer,
            Self::Basic => Form::UserPass,
            Self::Header(key) => key.form(),
        }
    }
}

impl HeaderKey {
    /// The name, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which a value is written into this header.
    #[must_use]
    pub fn form(&self) -> Form {
        Form::Header { name: self.0.clone() }
    }
}

impl HeaderText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Description {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The configs that every account has from the start, the newest first. Their ids are the same everywhere and older than any that is made. The base URLs are those
/// that the official clients are given: Anthropic's and OpenAI's clients put `/v1` behind them, or are given it with the path.
///
/// # Panics
/// Never: their parts are legal.
#[must_use]
pub fn builtin() -> [GatewayConfig; 2] {
    let config = |number, name: &str, endpoint: &str, mechanism| {
        let created = Timestamp::from_unix_ms(0);
        GatewayConfig {
            id: GatewayConfigId::from_parts(created, number),
            account: None,
            name: name.parse().expect("a legal name"),
            endpoint: endpoint.parse().expect("a legal endpoint"),
            mechanism,
            headers: Vec::new(),
            description: None,
            created,
        }
    };
    let key = HeaderKey("x-api-key".to_owned());
    [
        config(2, "openai", "https://api.openai.com", Mechanism::Bearer),
        config(1, "anthropic", "https://api.anthropic.com", Mechanism::Header(key)),
    ]
}

/// Whether some servers take another path or method from a header (in lower case) than the request names. Servers that hand headers on in variables do not tell `_`
/// from `-`.
#[must_use]
pub fn is_override_header(name: &str) -> bool {
    OVERRIDES.iter().any(|known| is_written_as(name, known))
}

/// Whether some servers take another host from a header (in lower case) than the request names.
#[must_use]
pub fn is_host_override_header(name: &str) -> bool {
    HOST_OVERRIDES.iter().any(|known| is_written_as(name, known))
}

/// Whether a header (in lower case) names a second path of the host, from or to which something is copied or moved.
#[must_use]
pub fn is_second_path_header(name: &str) -> bool {
    let ends_as =
        |end: &&str| name.len().checked_sub(end.len()).and_then(|start| name.get(start..)).is_some_and(|rest| is_written_as(rest, end));
    SOURCES.iter().any(ends_as) || SECOND_PATHS.iter().any(|known| is_written_as(name, known))
}

/// Whether a name is this one, with `_` for `-` or not.
fn is_written_as(name: &str, known: &str) -> bool {
    let is_same = |(byte, wanted): (u8, u8)| byte == wanted || (byte == b'_' && wanted == b'-');
    name.len() == known.len() && name.bytes().zip(known.bytes()).all(is_same)
}

/// Whether a header asks for a reply in which no value could be found, or for sums over one.
fn is_asking_header(name: &str) -> bool {
    name.ends_with("accept-encoding") || name.starts_with("want-") || ASKING.contains(&name)
}

/// Whether a binding lets a value be written at its host in this form. `auto` stands for every header that carries credentials by custom, and for no other: a
/// header that an upstream shows back, such as one for metadata, is chosen by a person or not at all. A config writes headers, so what is bound for a query or
/// a body covers nothing here.
#[must_use]
pub fn form_is_covered(bound: &Form, wanted: &Form) -> bool {
    match (bound, wanted) {
        (Form::Auto, Form::Bearer | Form::Basic { .. } | Form::UserPass | Form::Auto) => true,
        (Form::Auto, Form::Header { name }) => CREDENTIAL_HEADERS.contains(&name.as_str()),
        (Form::Auto, Form::Query { .. } | Form::Body) => false,
        (Form::Bearer | Form::Basic { .. } | Form::UserPass | Form::Header { .. } | Form::Query { .. } | Form::Body, wanted) => {
            bound == wanted
        }
    }
}

impl FromStr for Endpoint {
    type Err = GatewayError;

    fn from_str(text: &str) -> Result<Self, GatewayError> {
        let rest = text.strip_prefix("https://").ok_or(GatewayError::Endpoint)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = Host::from_authority(authority).map_err(|_| GatewayError::Endpoint)?;
        let path = path.trim_end_matches('/');
        let path: PathPrefix = if path.is_empty() { "/" } else { path }.parse().map_err(|_| GatewayError::Endpoint)?;
        let port = port.unwrap_or(HTTPS_PORT);
        // A binding to the port of http says that values may travel unencrypted; no destination asks a person for that.
        if matches!(port, 0 | HTTP_PORT) { Err(GatewayError::Endpoint) } else { Ok(Self { host, port, path }) }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.host)?;
        if self.port != HTTPS_PORT {
            write!(f, ":{}", self.port)?;
        }
        if self.path == PathPrefix::default() { Ok(()) } else { write!(f, "{}", self.path) }
    }
}

impl FromStr for HeaderKey {
    type Err = GatewayError;

    fn from_str(text: &str) -> Result<Self, GatewayError> {
        let key = Self::try_from(text.to_owned())?;
        let plain = key.0.replace('_', "-");
        let leads_elsewhere = is_override_header(&plain) || is_host_override_header(&plain) || is_second_path_header(&plain);
        if is_reserved_header(&plain) || leads_elsewhere || is_asking_header(&plain) { Err(GatewayError::Header) } else { Ok(key) }
    }
}

impl TryFrom<String> for HeaderKey {
    type Error = GatewayError;

    fn try_from(text: String) -> Result<Self, GatewayError> {
        match format!("header:{text}").parse::<Form>() {
            Ok(Form::Header { name }) => Ok(Self(name)),
            Ok(Form::Auto | Form::Bearer | Form::Basic { .. } | Form::UserPass | Form::Query { .. } | Form::Body) | Err(_) => {
                Err(GatewayError::Header)
            }
        }
    }
}

impl From<HeaderKey> for String {
    fn from(key: HeaderKey) -> Self {
        key.0
    }
}

impl fmt::Display for HeaderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for HeaderText {
    type Err = GatewayError;

    fn from_str(text: &str) -> Result<Self, GatewayError> {
        let legal = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        let fits = (1..=HEADER_VALUE_BYTES_MAX).contains(&text.len()) && text.trim() == text;
        if fits && text.bytes().all(legal) { Ok(Self(text.to_owned())) } else { Err(GatewayError::HeaderText) }
    }
}

impl fmt::Display for HeaderText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Description {
    type Err = GatewayError;

    fn from_str(text: &str) -> Result<Self, GatewayError> {
        let printable = |c: char| !c.is_control() || c == '\n';
        let fits = text.chars().count() <= DESCRIPTION_CHARS_MAX && text.chars().all(printable);
        if fits { Ok(Self(text.to_owned())) } else { Err(GatewayError::Description) }
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! text_conversions {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = GatewayError;

            fn try_from(text: String) -> Result<Self, GatewayError> {
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

text_conversions!(Endpoint);
text_conversions!(HeaderText);
text_conversions!(Description);

/// IIS and what took after it (Symfony, Zend, Envoy, nginx's and Traefik's customs), and what gateways of WSGI, Rack and FastCGI go by; Google, OData and Rails for
/// methods.
const OVERRIDES: [&str; 21] = [
    "x-original-url",
    "x-original-uri",
    "x-original-path",
    "x-rewrite-url",
    "x-rewrite-uri",
    "x-rewrite-path",
    "x-forwarded-path",
    "x-forwarded-uri",
    "x-forwarded-prefix",
    "x-envoy-original-path",
    "x-replaced-path",
    "script-name",
    "path-info",
    "x-script-name",
    "x-path-info",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-method",
    "x-forwarded-method",
    "x-request-method",
];
/// What frameworks behind proxies go by (RFC 7239, and the customs before it).
const HOST_OVERRIDES: [&str; 6] =
    ["forwarded", "x-forwarded-host", "x-forwarded-server", "x-http-host-override", "x-original-host", "x-host"];
/// How names end by which stores of objects copy, rename and link: `x-amz-copy-source`, `x-ms-rename-source`, `x-oss-symlink-target`, and each store's own.
const SOURCES: [&str; 3] = ["-copy-source", "-rename-source", "-symlink-target"];
/// WebDAV (RFC 4918, section 10.3), and OpenStack's store of objects.
const SECOND_PATHS: [&str; 5] = ["destination", "x-copy-from", "x-object-manifest", "x-versions-location", "x-history-location"];
/// Instance manipulations (RFC 3229), dictionaries (RFC 9842, and SDCH before it), and other character sets. Sums (RFC 9530, RFC 3230) are asked for by `want-`.
const ASKING: [&str; 5] = ["a-im", "available-dictionary", "avail-dictionary", "dictionary-id", "accept-charset"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_lead_elsewhere_is_no_endpoint() {
        for text in [
            "",
            "api.example.com",
            "http://api.example.com",
            "https://",
            "https://127.0.0.1",
            "https://[::1]/",
            "https://user@api.example.com",
            "https://api.example.com:0",
            "https://api.example.com:80",
            "https://api.example.com:99999",
            "https://api.example.com/a/../b",
            "https://api.example.com//b",
            "https://api.example.com/%2e%2e",
            "https://api.example.com?x=1",
            "https://api.example.com/v1?x=1",
            "https://api.example.com/v1#x",
            "https://api.example.com\\@evil.com",
            "https://api.example.com\n",
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(GatewayError::Endpoint), "{text:?}");
        }
    }

    #[test]
    fn an_endpoint_reads_back_as_it_was_meant() {
        for (text, shown) in [
            ("https://api.example.com", "https://api.example.com"),
            ("https://API.example.com./", "https://api.example.com"),
            ("https://api.example.com:443/v1/", "https://api.example.com/v1"),
            ("https://api.example.com:8443/v1/x", "https://api.example.com:8443/v1/x"),
        ] {
            let endpoint: Endpoint = text.parse().expect("an endpoint");
            assert_eq!(endpoint.to_string(), shown);
            assert_eq!(shown.parse(), Ok(endpoint));
        }
    }

    #[test]
    fn what_every_account_has_is_older_than_anything_that_is_made() {
        let [newer, older] = builtin();
        assert!(older.id < newer.id && newer.id < GatewayConfigId::from_parts(Timestamp::from_unix_ms(1), 0));
        assert!(builtin().iter().all(|config| config.account.is_none() && config.check().is_ok()));
        assert_eq!((newer.mechanism.form(), older.mechanism.form()), (Form::Bearer, Form::Header { name: "x-api-key".to_owned() }));
    }

    #[test]
    fn a_form_that_nobody_chose_is_not_covered() {
        let header = |name: &str| Form::Header { name: name.to_owned() };
        assert!(!form_is_covered(&Form::Auto, &header("x-amz-meta-a")) && !form_is_covered(&Form::Bearer, &header("x-api-key")));
        assert!(!form_is_covered(&header("x-api-key"), &Form::Bearer) && !form_is_covered(&header("x-api-key"), &Form::Auto));
        let query = Form::Query { name: "x-api-key".to_owned() };
        assert!(!form_is_covered(&query, &header("x-api-key")) && !form_is_covered(&Form::Body, &Form::Bearer));
        assert!(!form_is_covered(&Form::Auto, &query) && !form_is_covered(&Form::Auto, &Form::Body));
        assert!(form_is_covered(&Form::Auto, &header("x-api-key")) && form_is_covered(&header("x-a"), &header("x-a")));
        assert!(form_is_covered(&Form::Auto, &Form::UserPass) && form_is_covered(&Form::Auto, &Form::Bearer));
    }

    #[test]
    fn what_leads_a_request_past_its_binding_or_hides_a_reply_is_no_header_of_a_config() {
        for text in [
            "X-HTTP-Method-Override",
            "x_http_method_override",
            "X-Original-URL",
            "X-Forwarded-Prefix",
            "Script-Name",
            "path_info",
            "X_Script_Name",
            "x-path-info",
            "Destination",
            "x_goog_copy_source",
            "x-ms-rename-source",
            "X-Copy-From",
            "x-forwarded-host",
            "X-Forwarded-Server",
            "X-Host",
            "x_original_host",
            "X-HTTP-Host-Override",
            "Forwarded",
            "x_ms_range",
            "Accept-Encoding",
            "connect-accept-encoding",
            "accept_charset",
            "A-IM",
            "Want-Digest",
            "want-repr-digest",
            "dictionary-id",
        ] {
            assert_eq!(text.parse::<HeaderKey>(), Err(GatewayError::Header), "{text:?}");
        }
        for text in ["x-forwarded-for", "x-api-key", "accept", "x-want", "x-destination", "x-copy-source-version"] {
            assert!(text.parse::<HeaderKey>().is_ok(), "{text:?}");
        }
        // Configs that were stored before can still be read.
        assert_eq!(HeaderKey::try_from("X-Original-URL".to_owned()).map(String::from), Ok("x-original-url".to_owned()));
        assert_eq!(HeaderKey::try_from("x-ms-range".to_owned()), Err(GatewayError::Header));
    }

    #[test]
    fn what_breaks_a_header_line_is_no_text_of_one() {
        for text in ["", " a", "a ", "a\r\nb", "a\0", "ä", &"x".repeat(4097)] {
            assert_eq!(text.parse::<HeaderText>(), Err(GatewayError::HeaderText), "{text:?}");
        }
        for text in ["Host", "a b", "", "content-length"] {
            assert_eq!(text.parse::<HeaderKey>(), Err(GatewayError::Header), "{text:?}");
        }
    }
}
