//! Telling what a line of a settings file is: a credential of a known kind, something else that looks secret, or a setting that anybody may read.
//!
//! A guess, from the value's looks and from the words of its name. What never lives here: what follows from it.

use model::kind::Kind;
use model::name::SecretName;

use crate::recognise::recognise;
use crate::value::SecretValue;

/// What a name with a value is.
#[derive(Clone, Copy, Debug)]
pub enum Sort {
    /// A credential of a known kind.
    Known(&'static Kind),
    /// It looks secret, and no kind says where it belongs.
    Unknown,
    /// An address with a credential in it.
    InAddress,
    /// Something secret that by its name never stands in a request.
    Kept(Kept),
    /// Nothing secret.
    Plain(Plain),
}

/// Where a secret is used that never stands in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The program signs, encrypts or checks with it by itself.
    Inside,
    /// A database's password.
    Database,
    /// A mail server's password.
    Mail,
}

/// Why something is taken for no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// A word such as `true`.
    Word,
    /// A number.
    Number,
    /// Another variable's name, as in `${OTHER}`.
    Reference,
    /// A file's path.
    Path,
    /// An address without a credential in it.
    Address,
    /// What templates have where a value belongs.
    Example,
    /// Its name says that everybody may read it.
    Public,
    /// Any other text.
    Text,
}

/// What `value` is under this name.
///
/// A value of a kind's shape is of that kind whatever its name; what no secret looks like is none whatever its name; and only then the name decides.
#[must_use]
pub fn sort(name: &SecretName, value: &SecretValue) -> Sort {
    let bytes = value.bytes().trim_ascii();
    let kind = recognise(name, value);
    if let Some(plain) = never_secret(bytes) {
        return Sort::Plain(plain);
    }
    let by_shape = recognise(&nameless(), value).is_some();
    if let Some(credential) = credential_in_address(bytes) {
        return match kind {
            // The address is the credential, or has one in it.
            Some(kind) if credential || (by_shape && kind.id != DATABASE) => Sort::Known(kind),
            Some(_) | None if credential => Sort::InAddress,
            Some(_) | None => Sort::Plain(Plain::Address),
        };
    }
    if !by_shape && is_path(bytes) {
        return Sort::Plain(Plain::Path);
    }
    if let Some(kind) = kind {
        return Sort::Known(kind);
    }
    let words = Words::of(name);
    if words.are_public() {
        Sort::Plain(Plain::Public)
    } else if let Some(kept) = words.say_kept() {
        Sort::Kept(kept)
    } else if words.say_secret() {
        Sort::Unknown
    } else if bytes.iter().all(|byte| byte.is_ascii_digit() || b".,:-+".contains(byte)) {
        Sort::Plain(Plain::Number)
    } else if !words.say_what() && looks_random(bytes) {
        Sort::Unknown
    } else {
        Sort::Plain(Plain::Text)
    }
}

impl Kept {
    /// Why a gateway cannot swap it, and what to do instead.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::Inside => {
                "by its name, the program signs or encrypts with it and sends it nowhere, so there is nothing to swap; if a host is sent it after all, store it by \
                 hand: tightlip secret set NAME"
            }
            Self::Database => "by its name, it is a database's password; database protocols are not HTTP, so the gateway cannot swap it",
            Self::Mail => "by its name, it is a mail server's password; mail protocols are not HTTP, so the gateway cannot swap it",
        }
    }
}

impl Plain {
    /// Why, in a word or two.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Word => "a word",
            Self::Number => "a number",
            Self::Reference => "another variable's name",
            Self::Path => "a path",
            Self::Address => "an address without a credential",
            Self::Example => "an example's text",
            Self::Public => "public by its name",
            Self::Text => "no secret by its looks",
        }
    }
}

/// Whether a word begins like a credential of a known kind, or is one from its first to its last character.
pub(crate) fn has_shape(word: &str) -> bool {
    if word.len() < SHAPED_BYTES_LIKELY {
        return false;
    }
    let Ok(value) = SecretValue::from_input(word.as_bytes().to_vec()) else { return false };
    // A database's address without a password in it is no secret.
    recognise(&nameless(), &value).is_some_and(|kind| kind.id != DATABASE || word.contains('@'))
}

/// Whether text looks as if it had been drawn: a long run of letters and digits, many of them different.
pub(crate) fn looks_random(bytes: &[u8]) -> bool {
    let graphic = bytes.iter().all(u8::is_ascii_graphic);
    let is_digest = DIGESTS.iter().any(|word| bytes.starts_with(word.as_bytes()));
    let drawn = |run: &[u8]| {
        let count = |is: fn(&u8) -> bool| run.iter().filter(|byte| is(byte)).count();
        let mut seen = [false; 256];
        run.iter().for_each(|byte| seen[usize::from(*byte)] = true);
        run.len() >= RUN_BYTES_MIN
            && count(u8::is_ascii_digit) >= OF_EACH_MIN
            && count(u8::is_ascii_alphabetic) >= OF_EACH_MIN
            && seen.iter().filter(|seen| **seen).count() >= DIFFERENT_MIN
    };
    graphic && !is_digest && bytes.len() >= RANDOM_BYTES_MIN && bytes.split(|byte| !is_in_run(*byte)).any(drawn)
}

const fn is_in_run(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// What no secret looks like, whatever its name.
fn never_secret(bytes: &[u8]) -> Option<Plain> {
    let is_word = |words: &[&str]| words.iter().any(|word| bytes.eq_ignore_ascii_case(word.as_bytes()));
    let example = bytes.iter().rposition(|byte| b"-_".contains(byte)).map_or(bytes, |at| bytes.get(at + 1..).unwrap_or_default());
    let is_example = is_word(EXAMPLES)
        || (bytes.starts_with(b"<") && bytes.ends_with(b">"))
        || bytes.ends_with(b"...")
        || YOURS.iter().any(|word| bytes.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes())))
        || (!example.is_empty() && example.iter().all(|byte| b"xX*.".contains(byte)));
    if bytes.is_empty() || is_word(WORDS) {
        Some(Plain::Word)
    } else if is_reference(bytes) {
        Some(Plain::Reference)
    } else {
        is_example.then_some(Plain::Example)
    }
}

/// `$NAME` or `${NAME}`, and nothing beside it.
fn is_reference(bytes: &[u8]) -> bool {
    let name = bytes.strip_prefix(b"${").and_then(|rest| rest.strip_suffix(b"}")).or_else(|| bytes.strip_prefix(b"$"));
    name.is_some_and(|name| {
        name.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
            && name.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_')
    })
}

/// Of an address (RFC 3986) whether a credential is in it, by its place or by its parameter's name; none where the text is no address.
fn credential_in_address(bytes: &[u8]) -> Option<bool> {
    let at = bytes.windows(3).position(|window| window == b"://")?;
    let (scheme, rest) = (bytes.get(..at)?, bytes.get(at + 3..)?);
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    if !is_scheme || rest.iter().any(u8::is_ascii_whitespace) {
        return None;
    }
    let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let query = tail.iter().position(|byte| *byte == b'?').and_then(|at| tail.get(at + 1..)).unwrap_or_default();
    let in_query = query.split(|byte| b"&#".contains(byte)).any(|pair| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        pair.len() > name.len() + 1
            && std::str::from_utf8(name).ok().and_then(|name| name.parse().ok()).is_some_and(|name| Words::of(&name).say_secret())
    });
    Some(authority.contains(&b'@') || in_query)
}

/// A file's path. What is drawn may begin with a slash as well.
fn is_path(bytes: &[u8]) -> bool {
    let relative = ["./", "../", "~/", ".\\", "..\\"].iter().any(|start| bytes.starts_with(start.as_bytes()));
    let drive = bytes.first().is_some_and(u8::is_ascii_alphabetic) && [b":\\", b":/"].iter().any(|mark| bytes.get(1..3) == Some(*mark));
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._- @:".contains(byte);
    let is_drawn = |part: &[u8]| part.len() >= RANDOM_BYTES_MIN && looks_random(part);
    let absolute = bytes.starts_with(b"/") && bytes.iter().all(plain) && !bytes.split(|byte| *byte == b'/').any(is_drawn);
    relative || drive || absolute
}

/// The words of a name, in capitals.
struct Words(Vec<String>);

impl Words {
    fn of(name: &SecretName) -> Self {
        Self(name.as_str().split(['_', '-', '.']).filter(|word| !word.is_empty()).map(str::to_ascii_uppercase).collect())
    }

    /// Whether it is what browsers are given.
    fn are_public(&self) -> bool {
        self.0.iter().any(|word| PUBLIC.contains(&word.as_str()))
            || self.0.first().is_some_and(|word| PUBLIC_FIRST.contains(&word.as_str()))
    }

    /// Whether it names a secret, and not something about one.
    fn say_secret(&self) -> bool {
        let named = |word: &String| SECRET.contains(&word.as_str()) || SECRET_ENDINGS.iter().any(|ending| word.ends_with(ending));
        self.0.iter().any(named) && !self.say_what()
    }

    /// Whether it names what is used inside the program, or with what speaks no HTTP.
    fn say_kept(&self) -> Option<Kept> {
        let has = |list: &[&str]| self.0.iter().any(|word| list.contains(&word.as_str()));
        let follow = |list: &[&[&str]]| list.iter().any(|run| self.0.windows(run.len()).any(|part| part == *run));
        let is_one_of = |list: &[&[&str]]| list.iter().any(|whole| self.0 == *whole);
        if self.say_what() {
            None
        } else if has(PASSWORDS) && has(DATABASES) {
            Some(Kept::Database)
        } else if has(PASSWORDS) && has(MAIL) {
            Some(Kept::Mail)
        } else if (has(KEYS) && has(INSIDE)) || has(SALTS) || follow(INSIDE_RUNS) || is_one_of(INSIDE_NAMES) {
            Some(Kept::Inside)
        } else {
            None
        }
    }

    /// Whether its last word says that it is something else.
    fn say_what(&self) -> bool {
        self.0.last().is_some_and(|word| OTHERWISE.contains(&word.as_str()))
    }
}

/// A name by which no kind is recognised, so that the value's shape alone decides.
fn nameless() -> SecretName {
    "_".parse().expect("an underscore is a name")
}

const DATABASE: &str = "database_password";
/// Shorter words with a credential's first characters are more likely something else.
const SHAPED_BYTES_LIKELY: usize = 16;
/// 64 bits in hexadecimal digits, and a little more.
const RANDOM_BYTES_MIN: usize = 20;
/// A run without separators: words of a language are shorter, and have no digits.
const RUN_BYTES_MIN: usize = 16;
/// Digits, and letters, in a run.
const OF_EACH_MIN: usize = 2;
/// Different characters in a run: of sixteen hexadecimal digits drawn at random, nearly always more.
const DIFFERENT_MIN: usize = 8;
/// What a content's checksum begins with.
const DIGESTS: &[&str] = &["sha1:", "sha256:", "sha384:", "sha512:", "sha256-", "sha384-", "sha512-", "md5:"];
const WORDS: &[&str] = &[
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "null",
    "nil",
    "none",
    "undefined",
    "enabled",
    "disabled",
    "0",
    "1",
    "info",
    "debug",
    "development",
    "production",
    "test",
    "localhost",
];
const EXAMPLES: &[&str] =
    &["changeme", "change-me", "change_me", "replaceme", "replace-me", "replace_me", "todo", "tbd", "fixme", "placeholder", "example"];
const YOURS: &[&str] = &["your-", "your_", "your ", "my-secret-", "insert-", "insert_"];
const PUBLIC: &[&str] = &["PUBLIC", "PUBLISHABLE"];
/// What builders of web pages put into them.
const PUBLIC_FIRST: &[&str] = &["VITE", "GATSBY"];
const SECRET: &[&str] = &[
    "KEY",
    "KEYS",
    "APIKEY",
    "TOKEN",
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWD",
    "PASSWORT",
    "PASS",
    "PWD",
    "PASSPHRASE",
    "PAT",
    "CREDENTIAL",
    "CREDENTIALS",
    "JWT",
    "BEARER",
    "SIG",
    "SIGNATURE",
];
const SECRET_ENDINGS: &[&str] = &["TOKEN", "SECRET", "PASSWORD", "PASSWD", "APIKEY", "ACCESSKEY", "SECRETKEY", "PRIVATEKEY"];
const PASSWORDS: &[&str] = &["PASSWORD", "PASSWD", "PASSWORT", "PASS", "PWD"];
/// What is spoken to in protocols that are not HTTP.
const DATABASES: &[&str] = &[
    "DB",
    "DATABASE",
    "POSTGRES",
    "POSTGRESQL",
    "PG",
    "MYSQL",
    "MARIADB",
    "MSSQL",
    "SQL",
    "SA",
    "ORACLE",
    "MONGO",
    "MONGODB",
    "REDIS",
    "VALKEY",
    "CASSANDRA",
    "RABBITMQ",
    "AMQP",
    "KAFKA",
    "LDAP",
];
const MAIL: &[&str] = &["MAIL", "MAILER", "SMTP", "EMAIL", "IMAP", "POP3"];
/// What a program signs, encrypts or checks with has one of these beside one of [`INSIDE`].
const KEYS: &[&str] = &["KEY", "KEYS", "SECRET", "SECRETS", "PASSWORD", "PASS", "PASSPHRASE"];
const INSIDE: &[&str] = &[
    "ENCRYPTION",
    "ENCRYPT",
    "DECRYPTION",
    "DECRYPT",
    "CIPHER",
    "CRYPTO",
    "SIGNING",
    "SIGNATURE",
    "HMAC",
    "JWT",
    "SESSION",
    "COOKIE",
    "CSRF",
    "WEBHOOK",
    "NEXTAUTH",
    "VAPID",
    "WALLET",
    "S3",
    "MINIO",
    "RAILS",
    "DJANGO",
    "FLASK",
    "LARAVEL",
];
const SALTS: &[&str] = &["SALT", "PEPPER"];
const INSIDE_RUNS: &[&[&str]] =
    &[&["PRIVATE", "KEY"], &["SECRET", "ACCESS", "KEY"], &["SECRET", "KEY", "BASE"], &["BETTER", "AUTH", "SECRET"]];
/// Frameworks' names, which would say too little within another one.
const INSIDE_NAMES: &[&[&str]] =
    &[&["APP", "KEY"], &["APP", "KEYS"], &["APP", "SECRET"], &["AUTH", "SECRET"], &["MASTER", "KEY"], &["SECRET"], &["SECRET", "KEY"]];
/// Last words of names of what is about a secret, or of what looks drawn and is none.
const OTHERWISE: &[&str] = &[
    "ID",
    "IDS",
    "NAME",
    "NAMES",
    "USER",
    "USERNAME",
    "EMAIL",
    "URL",
    "URI",
    "HOST",
    "PORT",
    "PATH",
    "FILE",
    "FILENAME",
    "DIR",
    "FOLDER",
    "TTL",
    "EXPIRY",
    "EXPIRES",
    "EXPIRATION",
    "LENGTH",
    "SIZE",
    "COUNT",
    "LIMIT",
    "MAX",
    "MIN",
    "TYPE",
    "ALG",
    "ALGORITHM",
    "ENABLED",
    "DISABLED",
    "HEADER",
    "PREFIX",
    "SUFFIX",
    "ISSUER",
    "AUDIENCE",
    "SCOPE",
    "SCOPES",
    "REGION",
    "VERSION",
    "TIMEOUT",
    "ROUNDS",
    "FIELD",
    "FORMAT",
    "SHA",
    "HASH",
    "DIGEST",
    "CHECKSUM",
    "COMMIT",
    "REVISION",
    "BUILD",
    "IMAGE",
    "TAG",
];

#[cfg(test)]
mod tests;
