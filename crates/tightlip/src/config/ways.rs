//! `[gateway]`'s ways out: the operator's own proxy, and the hosts whose connections pass unseen.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gateway::{ProxyCredentials, ProxyCredentialsError, UpstreamProxy};
use model::{Host, HostPattern};
use serde::{Deserialize, Serialize};
use toml::Spanned;
use zeroize::Zeroizing;

/// The ways out beside the direct one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ways {
    /// The proxy through which hosts are reached.
    pub proxy: Option<ProxyConfig>,
    /// Hosts whose connections pass unseen, for devboxes with nothing bound there.
    pub pass_through: Vec<HostPattern>,
}

/// The operator's own proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyConfig {
    /// Its name or address.
    pub name: String,
    /// Its port.
    pub port: u16,
    /// The file with user and password.
    pub credentials: Option<PathBuf>,
    /// Hosts that are dialled without it.
    pub no_proxy: Vec<HostPattern>,
}

/// Why a proxy's credentials cannot be used. Never contains any of them.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Others can read it.
    #[error("{} can be read by others: `chmod 600` it", .0.display())]
    Readable(PathBuf),
    /// It holds something else.
    #[error("{} is not usable", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: ProxyCredentialsError,
    },
}

/// What the file says, as it is written there.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WaysPart {
    pub(super) upstream_proxy: Option<Spanned<String>>,
    pub(super) upstream_proxy_credentials: Option<Spanned<PathBuf>>,
    pub(super) no_proxy: Option<Spanned<Vec<String>>>,
    pub(super) pass_through: Option<Spanned<Vec<String>>>,
}

/// What is wrong, and where in the file. Never what stands there: a URL may hold a password.
pub(super) type Wrong = (Range<usize>, String);

impl WaysPart {
    /// The ways, with files relative to `beside`.
    pub(super) fn parse(self, beside: &Path) -> Result<Ways, Wrong> {
        let pass_through = patterns("pass_through", self.pass_through.as_ref())?;
        let Some(url) = self.upstream_proxy else {
            let alone = self.upstream_proxy_credentials.map(|file| file.span()).or(self.no_proxy.map(|list| list.span()));
            return match alone {
                Some(span) => {
                    Err((span, "[gateway] upstream_proxy_credentials and no_proxy go with upstream_proxy, which is not set".to_owned()))
                }
                None => Ok(Ways { proxy: None, pass_through }),
            };
        };
        let (name, port) = place(url.get_ref()).map_err(|why| (url.span(), format!("[gateway] upstream_proxy: {why}")))?;
        let credentials = self.upstream_proxy_credentials.map(|file| beside.join(file.into_inner()));
        let proxy = ProxyConfig { name, port, credentials, no_proxy: patterns("no_proxy", self.no_proxy.as_ref())? };
        Ok(Ways { proxy: Some(proxy), pass_through })
    }
}

fn patterns(setting: &str, list: Option<&Spanned<Vec<String>>>) -> Result<Vec<HostPattern>, Wrong> {
    let Some(list) = list else { return Ok(Vec::new()) };
    let parsed = list.get_ref().iter().map(|text| text.parse()).collect::<Result<_, model::host::HostError>>();
    parsed.map_err(|error| (list.span(), format!("[gateway] {setting}: {error}")))
}

/// A proxy's name or address, and its port.
fn place(url: &str) -> Result<(String, u16), &'static str> {
    let rest = url
        .strip_prefix("http://")
        .ok_or("give it as http://NAME:PORT; a proxy that is itself reached over TLS, or by SOCKS, is not spoken to")?;
    if rest.contains('@') {
        return Err("user and password do not stand here: put USER:PASSWORD into a file, and name that with upstream_proxy_credentials");
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if let Ok(address) = authority.parse::<SocketAddr>() {
        return Ok((address.ip().to_string(), address.port()));
    }
    match Host::from_authority(authority) {
        Ok((host, Some(port))) if port != 0 => Ok((host.to_string(), port)),
        Ok(_) | Err(_) => Err("give it as http://NAME:PORT, with its port and without a path"),
    }
}

impl ProxyConfig {
    /// The proxy, with its credentials read.
    ///
    /// # Errors
    /// When these cannot be used.
    pub fn open(self) -> Result<UpstreamProxy, CredentialsError> {
        let credentials = self.credentials.as_deref().map(read).transpose()?;
        Ok(UpstreamProxy::new(self.name, self.port, credentials, self.no_proxy))
    }
}

fn read(path: &Path) -> Result<ProxyCredentials, CredentialsError> {
    let failed = |source| CredentialsError::Read { path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(failed)?.mode();
    if mode & OTHERS != 0 {
        return Err(CredentialsError::Readable(path.to_owned()));
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
    ProxyCredentials::parse(&text).map_err(|source| CredentialsError::Malformed { path: path.to_owned(), source })
}

/// The variable by which other programs would be told of a proxy, where one is set. The gateway does not follow any: its environment is not who runs it.
#[must_use]
pub fn proxy_variable() -> Option<&'static str> {
    PROXY_VARIABLES.into_iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

const PROXY_VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// The rights of group and others.
const OTHERS: u32 = 0o077;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read_text(text: &str, mode: u32) -> Result<ProxyCredentials, CredentialsError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("credentials");
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        read(&path)
    }

    #[test]
    fn credentials_that_others_can_read_are_refused_and_never_shown() {
        let error = read_text("bob:a-secret\n", 0o640).expect_err("readable").to_string();
        assert!(error.contains("chmod 600") && !error.contains("a-secret"), "{error}");
        let error = read_text("a-secret\n", 0o600).expect_err("no user");
        assert!(matches!(error, CredentialsError::Malformed { .. }) && !format!("{error:?}").contains("a-secret"), "{error:?}");
        assert!(read_text("bob:a-secret\n", 0o600).is_ok());
    }

    #[test]
    fn a_proxy_is_a_name_and_a_port() {
        for url in [
            "proxy.example.test:3128",
            "https://proxy.example.test:3128",
            "socks5://a.test:1",
            "http://proxy.example.test",
            "http://a.test:1/x",
            "http://a.test:0",
        ] {
            assert!(place(url).is_err(), "{url}");
        }
        assert!(place("http://bob:a-secret@proxy.example.test:3128").expect_err("credentials").contains("upstream_proxy_credentials"));
        for (url, name, port) in [
            ("http://proxy.example.test:3128", "proxy.example.test", 3128),
            ("http://Proxy.Example.Test:80/", "proxy.example.test", 80),
            ("http://10.0.0.1:8080", "10.0.0.1", 8080),
            ("http://[fd00::7]:8080", "fd00::7", 8080),
        ] {
            assert_eq!(place(url), Ok((name.to_owned(), port)), "{url}");
        }
    }
}
