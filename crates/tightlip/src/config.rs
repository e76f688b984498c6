//! `tightlip.toml`: what an operator may set. Read once, at start; a word that it does not know is an error, not ignored.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};

use model::Host;
use serde::{Deserialize, Serialize};
use service::small::{self, Links};
use toml::Spanned;

pub mod trusted;
pub mod ways;

use crate::folder;

use ways::{Ways, WaysPart};

/// The configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Where the api listens, if the file says.
    pub listen: Option<SocketAddr>,
    /// Names under which the api may be addressed, beside its own address.
    pub hosts: Vec<String>,
    /// Where the api listens with TLS, if it does.
    pub tls: Option<TlsConfig>,
    /// Requests a second with one API key, if the file says.
    pub key_requests_per_second: Option<u32>,
    /// Requests a second from one address, if the file says.
    pub address_requests_per_second: Option<u32>,
    /// Where the forward proxy for others' sandboxes listens, if it does.
    pub gateway: Option<SocketAddr>,
    /// Hosts whose address the operator names.
    pub resolve: Vec<Resolve>,
    /// A file of certificates that upstreams may be certified by, beside the system's.
    pub upstream_ca: Option<PathBuf>,
    /// The ways out beside the direct one.
    pub ways: Ways,
    /// The folder of the anchor, if the file says.
    pub anchor: Option<PathBuf>,
    /// Whether gateway configs and unbound secrets are paired as callers ask, without a person.
    pub accept_pairings: bool,
    /// Whether devboxes are made over the API, if the file says.
    pub devboxes: Option<bool>,
}

/// A port with TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its certificate and key.
    pub files: api::TlsFiles,
}

/// A host whose address the operator names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolve {
    /// The host.
    pub host: Host,
    /// The port towards which the exception holds.
    pub port: u16,
    /// Where it is dialled.
    pub address: SocketAddr,
}

/// Why the configuration cannot be used. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file says something that cannot be.
    #[error("{}{} is wrong: {why}", path.display(), at(*.line))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Which line, counted from 1, where it is known.
        line: Option<usize>,
        /// What is wrong, in words.
        why: String,
    },
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    api: ApiPart,
    gateway: GatewayPart,
    devbox: DevboxPart,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ApiPart {
    listen: Option<SocketAddr>,
    hosts: Vec<String>,
    tls_listen: Option<SocketAddr>,
    tls_certificate: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    key_requests_per_second: Option<u32>,
    address_requests_per_second: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GatewayPart {
    listen: Option<SocketAddr>,
    resolve: BTreeMap<String, SocketAddr>,
    upstream_ca: Option<PathBuf>,
    upstream_proxy: Option<Spanned<String>>,
    upstream_proxy_credentials: Option<Spanned<PathBuf>>,
    no_proxy: Option<Spanned<Vec<String>>>,
    pass_through: Option<Spanned<Vec<String>>>,
    anchor: Option<PathBuf>,
    accept_pairings: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DevboxPart {
    local: Option<bool>,
}

impl Config {
    /// Reads `path`; a file that is not there says nothing.
    ///
    /// # Errors
    /// When the file cannot be read, or says something that cannot be.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = small::read(path, Links::Follow).and_then(|bytes| {
            String::from_utf8(bytes.to_vec()).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
        });
        match text {
            Ok(text) => Self::parse(&text, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ConfigError::Read { path: path.to_owned(), source }),
        }
    }

    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let wrong = |line, why| ConfigError::Wrong { path: path.to_owned(), line, why };
        let line_of = |span: Range<usize>| text.get(..span.start).map(|before| before.matches('\n').count() + 1);
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().and_then(line_of);
            let twice = line.filter(|_| error.message().contains(TWICE)).and_then(|line| second_table(text, line));
            wrong(line, twice.unwrap_or_else(|| error.message().to_owned()))
        })?;
        let gateway = file.gateway.listen;
        let mut resolve = Vec::new();
        for (authority, address) in file.gateway.resolve {
            let (host, port) = Host::from_authority(&authority).map_err(|error| wrong(None, format!("[gateway] resolve: {error}")))?;
            resolve.push(Resolve { host, port: port.unwrap_or(model::binding::HTTPS_PORT), address });
        }
        let beside = path.parent().unwrap_or(path);
        let GatewayPart {
            upstream_ca, upstream_proxy, upstream_proxy_credentials, no_proxy, pass_through, anchor, accept_pairings, ..
        } = file.gateway;
        let anchor = anchor.map(|relative| beside.join(relative));
        if anchor.as_ref().is_some_and(|anchor| anchor.starts_with(beside)) {
            return Err(wrong(None, "[gateway] anchor: name a folder outside of the data folder, or it is put back with it".to_owned()));
        }
        let upstream_ca = upstream_ca.map(|relative| beside.join(relative));
        let ways = WaysPart { upstream_proxy, upstream_proxy_credentials, no_proxy, pass_through };
        let ways = ways.parse(beside).map_err(|(span, why)| wrong(line_of(span), why))?;
        let tls = file.api.tls(beside).map_err(|why| wrong(None, why))?;
        let ApiPart { listen, hosts, key_requests_per_second, address_requests_per_second, .. } = file.api;
        let devboxes = file.devbox.local;
        Ok(Self {
            listen,
            hosts,
            tls,
            key_requests_per_second,
            address_requests_per_second,
            gateway,
            resolve,
            upstream_ca,
            ways,
            anchor,
            accept_pairings,
            devboxes,
        })
    }

    /// The folders of the anchor: the file's, where it names one, and `$XDG_STATE_HOME/tightlip`, or `~/.local/state/tightlip`, which the file cannot move.
    #[must_use]
    pub fn anchor_folders(&self) -> Vec<PathBuf> {
        let home = || folder::set("HOME").map(|home| home.join(".local/state"));
        let state = folder::set("XDG_STATE_HOME").filter(|path| path.is_absolute()).or_else(home).map(|base| base.join("tightlip"));
        self.anchor.iter().cloned().chain(state).collect()
    }
}

impl ApiPart {
    /// The port with TLS: all three settings, or none.
    fn tls(&self, beside: &Path) -> Result<Option<TlsConfig>, String> {
        let set = [
            ("tls_listen", self.tls_listen.is_some()),
            ("tls_certificate", self.tls_certificate.is_some()),
            ("tls_key", self.tls_key.is_some()),
        ];
        match (self.tls_listen, &self.tls_certificate, &self.tls_key) {
            (None, None, None) => Ok(None),
            (Some(listen), Some(certificate), Some(key)) => {
                let files = api::TlsFiles { certificate: beside.join(certificate), key: beside.join(key) };
                Ok(Some(TlsConfig { listen, files }))
            }
            (_, _, _) => {
                let missing: Vec<&str> = set.into_iter().filter(|(_, is_set)| !is_set).map(|(name, _)| name).collect();
                Err(format!(
                    "[api] tls_listen, tls_certificate and tls_key go together: set {} too, or none of them",
                    missing.join(" and ")
                ))
            }
        }
    }
}

/// What to do about a table of ours that begins a second time in this line.
fn second_table(text: &str, line: usize) -> Option<String> {
    let is_header = |line: &str, table: &str| {
        let inside = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']'));
        inside.is_some_and(|(name, _)| name.trim() == table)
    };
    let here = text.lines().nth(line.checked_sub(1)?)?;
    let table = TABLES.into_iter().find(|table| is_header(here, table))?;
    let first = text.lines().position(|other| is_header(other, table))? + 1;
    Some(format!(
        "the section [{table}] is there already, in line {first}: put these lines into that one, and leave the second [{table}] out"
    ))
}

fn at(line: Option<usize>) -> String {
    line.map(|line| format!(", line {line},")).unwrap_or_default()
}

/// Where the api listens when nothing else is said.
pub const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7080);

/// The tables of the file.
const TABLES: [&str; 2] = ["api", "gateway"];
/// What the parser says of a key or table that is there a second time.
const TWICE: &str = "duplicate key";

/// The file that the first run writes: every setting, commented out, at its default.
pub const TEMPLATE: &str = r#"# tightlip's settings. Read at start: restart `tightlip up` after a change.

[api]
# Where the API listens. `--listen` goes before it.
# listen = "127.0.0.1:7080"
# Further names under which the API may be addressed (its Host header), beside the address itself and localhost.
# hosts = ["tightlip.example.test"]
# HTTPS on a port of its own, beside the other: all three or none. The certificate (whole chain) and its key are PEM files,
# relative to this file, in a folder of their own: the API may read all of that folder. They are read again when they change.
# tls_listen = "0.0.0.0:443"
# tls_certificate = "tls/fullchain.pem"
# tls_key = "tls/privkey.pem"
# Requests a second for one API key, and for one client address; 0 is no limit. These hold by themselves where other machines
# reach the API; on loopback there is no limit unless it is set here. Headers such as X-Forwarded-For are not believed.
# key_requests_per_second = 1000
# address_requests_per_second = 2000

[gateway]
# The forward proxy for others' sandboxes (containers, CI jobs): see docs/sandboxes.md. `--gateway` goes before it; off without either.
# The way to it is plain HTTP, so a bridge's or loopback's address belongs here, never one of an open network.
# listen = "172.17.0.1:7081"
# Hosts whose address you name yourself; anything private or local is refused otherwise.
# resolve = { "api.example.test:443" = "127.0.0.1:8443" }
# Certificates (PEM) that such hosts may be certified by, beside the system's. Relative to this file.
# upstream_ca = "ca.pem"
# A proxy of your own through which hosts are reached (CONNECT). It resolves their names, so private addresses are its to refuse; TLS is still
# checked end to end. HTTPS_PROXY and its kin are not followed.
# upstream_proxy = "http://proxy.example.test:3128"
# A file with USER:PASSWORD for it, which others cannot read. Relative to this file.
# upstream_proxy_credentials = "proxy-credentials"
# Hosts that are dialled without it, exact or *.example.com; those of `resolve` always are.
# no_proxy = ["*.corp.example.test"]
# Hosts of clients that take no certificate but the host's own. Connections pass unseen: nothing is swapped and nothing scrubbed. Only for devboxes
# that `--allow` lets go there and that have no secret bound there; no secret can be bound to them.
# pass_through = ["pinned.example.test"]
# A gateway config and a secret that is bound to no host are paired as whoever makes a devbox asks. Without this a person approves each
# pairing (`tightlip requests`). With it, whoever holds an API key, and an API process that was broken into, decide where such secrets go.
# accept_pairings = false
# Where the ends of the events are kept, so that an older copy of the data folder is noticed when it is put back: a folder outside of it, best on a disk that
# is not copied with it. They are kept in $XDG_STATE_HOME/tightlip, or ~/.local/state/tightlip, besides. Name one where that does not last: a start that
# finds none is refused without --accept-rollback.
# anchor = "/var/lib/tightlip-anchor"

[devbox]
# Devboxes over the API run the commands of whoever holds an API key on this machine. On by itself where the API listens on loopback
# only; set it to have them where other machines reach the API too, or to have none.
# local = true
"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("/data/tightlip.toml"))
    }

    #[test]
    fn an_unknown_word_is_an_error_that_names_its_line() {
        let error = parse("[api]\nlisten_to = 1\n").expect_err("unknown").to_string();
        assert!(error.contains("line 2") && error.contains("listen_to"), "{error}");
        assert!(parse("[gateway]\nresolve = { \"127.0.0.1:443\" = \"127.0.0.1:1\" }\n").is_err());
    }

    #[test]
    fn the_page_about_settings_has_every_one_of_them() {
        let page = include_str!("../../../docs/settings.md");
        let set = |line: &str| line.strip_prefix("# ").and_then(|rest| rest.split_once(" = ")).map(|(name, _)| name.to_owned());
        let mut named: Vec<String> = TEMPLATE.lines().filter_map(set).collect();
        let rows = page.lines().filter(|line| line.starts_with("| `") && !line.starts_with("| `["));
        let mut told: Vec<String> = rows
            .filter_map(|row| row.split(" | ").next())
            .flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
            .collect();
        named.sort();
        told.sort();
        assert_eq!(told, named);
    }

    #[test]
    fn an_anchor_in_the_data_folder_is_refused() {
        for inside in ["anchor", "./a/b", "/data/a"] {
            let error = parse(&format!("[gateway]\nanchor = \"{inside}\"\n")).expect_err(inside).to_string();
            assert!(error.contains("outside of the data folder"), "{error}");
        }
        assert_eq!(parse("[gateway]\nanchor = \"/elsewhere\"\n").expect("good").anchor_folders()[0], PathBuf::from("/elsewhere"));
    }

    #[test]
    fn a_second_table_is_told_to_go_into_the_first() {
        let error = parse(&format!("{TEMPLATE}\n[api]\ntls_listen = \"127.0.0.1:1\"\n")).expect_err("twice").to_string();
        assert!(error.contains("[api] is there already, in line 3") && error.contains("put these lines into that one"), "{error}");
        let error = parse("[api]\nhosts = []\nhosts = []\n").expect_err("twice").to_string();
        assert!(error.contains("line 3") && !error.contains("section"), "{error}");
    }

    #[test]
    fn tls_in_part_is_an_error_that_names_the_rest() {
        let error = parse("[api]\ntls_listen = \"127.0.0.1:1\"\ntls_key = \"k\"\n").expect_err("in part").to_string();
        assert!(error.contains("tls_certificate too") && !error.contains("set tls_key"), "{error}");
        assert!(parse("[api]\ntls_certificate = \"c\"\n").expect_err("in part").to_string().contains("tls_listen and tls_key too"));
    }

    #[test]
    fn the_template_says_nothing_until_it_is_edited() {
        assert_eq!(parse(TEMPLATE).expect("good"), Config::default());
        let edited: String = TEMPLATE
            .lines()
            .map(|line| line.strip_prefix("# ").filter(|rest| rest.contains(" = ")).unwrap_or(line).to_owned() + "\n")
            .collect();
        let config = parse(&edited).expect("good");
        assert_eq!(config.listen, Some(LISTEN_DEFAULT));
        let files = api::TlsFiles { certificate: "/data/tls/fullchain.pem".into(), key: "/data/tls/privkey.pem".into() };
        assert_eq!(config.tls, Some(TlsConfig { listen: "0.0.0.0:443".parse().expect("an address"), files }));
        let rates = api::RateLimits::defaults(true);
        assert_eq!((config.key_requests_per_second, config.address_requests_per_second), (Some(rates.key), Some(rates.address)));
        assert_eq!(config.upstream_ca, Some(PathBuf::from("/data/ca.pem")));
        assert_eq!((config.accept_pairings, config.devboxes), (false, Some(true)));
        assert_eq!(config.anchor, Some(PathBuf::from("/var/lib/tightlip-anchor")));
        let pattern = |text: &str| text.parse().expect("a pattern");
        let proxy = ways::ProxyConfig {
            name: "proxy.example.test".into(),
            port: 3128,
            credentials: Some("/data/proxy-credentials".into()),
            no_proxy: vec![pattern("*.corp.example.test")],
        };
        assert_eq!(config.ways, Ways { proxy: Some(proxy), pass_through: vec![pattern("pinned.example.test")] });
        assert_eq!(config.gateway, Some("172.17.0.1:7081".parse().expect("an address")));
        let host = "api.example.test".parse().expect("a host");
        assert_eq!(config.resolve, [Resolve { host, port: 443, address: "127.0.0.1:8443".parse().expect("an address") }]);
    }

    #[test]
    fn a_way_out_that_cannot_be_is_an_error_that_names_its_line_and_shows_nothing() {
        for (line, words) in [
            ("upstream_proxy = \"http://bob:a-secret@proxy.example.test:3128\"", "upstream_proxy_credentials"),
            ("upstream_proxy = \"https://proxy.example.test:3128\"", "http://NAME:PORT"),
            ("upstream_proxy_credentials = \"file\"", "upstream_proxy, which is not set"),
            ("no_proxy = [\"a.example.test\"]", "upstream_proxy, which is not set"),
            ("pass_through = [\"127.0.0.1\"]", "pass_through: an address is not a host name"),
            ("pass_through = [\"*.com\"]", "public suffix"),
            ("pass_through = \"pinned.example.test\"", "sequence"),
            ("upstream_proxy = [\"http://bob:a-secret@proxy.example.test:3128\"]", "string"),
        ] {
            let error = parse(&format!("[gateway]\n\n{line}\n")).expect_err(line).to_string();
            assert!(error.contains("line 3") && error.contains(words) && !error.contains("a-secret"), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_says_nothing() {
        assert_eq!(Config::load(Path::new("/nowhere/tightlip.toml")).expect("absent"), Config::default());
    }
}
