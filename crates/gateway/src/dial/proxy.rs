//! The operator's own proxy: a tunnel to the decided host and port (CONNECT, RFC 9110, section 9.3.6). TLS inside it is checked end to end as anywhere.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use model::{Host, HostPattern, Refusal};

/// A proxy, and who it is asked as.
#[derive(Clone, Debug)]
pub struct UpstreamProxy {
    name: String,
    port: u16,
    credentials: Option<ProxyCredentials>,
    no_proxy: Vec<HostPattern>,
}

/// A user and a password, as `Proxy-Authorization` has them (RFC 7617). Shown to nobody but the proxy.
#[derive(Clone)]
pub struct ProxyCredentials(Zeroizing<String>);

/// Why a text is no user and password. Never contains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyCredentialsError {
    /// Not `user:password`.
    #[error("it must be one line, USER:PASSWORD")]
    Form,
}

impl UpstreamProxy {
    /// The proxy at this name or address, for all hosts but those of `no_proxy`.
    #[must_use]
    pub const fn new(name: String, port: u16, credentials: Option<ProxyCredentials>, no_proxy: Vec<HostPattern>) -> Self {
        Self { name, port, credentials, no_proxy }
    }

    /// Whether a host is reached through it.
    pub(super) fn is_for(&self, host: &Host) -> bool {
        !self.no_proxy.iter().any(|pattern| pattern.matches(host))
    }

    /// Where it is.
    pub(super) fn place(&self) -> (&str, u16) {
        (&self.name, self.port)
    }

    /// Has it open a tunnel on a connection to it.
    pub(super) async fn open(&self, mut stream: TcpStream, host: &Host, port: u16) -> Result<TcpStream, Refusal> {
        let asked = async {
            stream.write_all(self.request(host, port).as_bytes()).await?;
            read_head(&mut stream).await
        };
        let head = asked.await.map_err(|_| Refusal::UpstreamProxyRefused)?;
        match status(&head) {
            Some(200..=299) => Ok(stream),
            other => {
                tracing::debug!(status = ?other, "the operator's proxy opened no connection");
                Err(Refusal::UpstreamProxyRefused)
            }
        }
    }

    fn request(&self, host: &Host, port: u16) -> Zeroizing<String> {
        let mut request = Zeroizing::new(String::with_capacity(REQUEST_BYTES));
        request.push_str(&format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n"));
        if let Some(ProxyCredentials(credentials)) = &self.credentials {
            for part in ["Proxy-Authorization: Basic ", credentials, "\r\n"] {
                request.push_str(part);
            }
        }
        request.push_str("\r\n");
        request
    }
}

impl ProxyCredentials {
    /// Reads `USER:PASSWORD`; one line end after it does not count.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn parse(text: &str) -> Result<Self, ProxyCredentialsError> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        let (user, _) = text.split_once(':').ok_or(ProxyCredentialsError::Form)?;
        if user.is_empty() || text.len() > CREDENTIALS_BYTES_MAX || text.chars().any(char::is_control) {
            return Err(ProxyCredentialsError::Form);
        }
        Ok(Self(Zeroizing::new(STANDARD.encode(text))))
    }
}

impl fmt::Debug for ProxyCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxyCredentials(..)")
    }
}

/// The head of an answer, and nothing beyond it: whoever is at the tunnel's other end waits for us to begin.
async fn read_head(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while head.len() < HEAD_BYTES_MAX {
        if stream.read_buf(&mut head).await? == 0 {
            break;
        }
        if let Some(at) = head.windows(END.len()).position(|window| window == END) {
            if at + END.len() == head.len() {
                return Ok(head);
            }
            break;
        }
    }
    Err(std::io::ErrorKind::InvalidData.into())
}

/// The status of an answer (RFC 9112, section 4); none of what is no answer of HTTP/1.
fn status(head: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(head.split(|byte| *byte == b'\r').next()?).ok()?;
    let (version, rest) = line.split_once(' ')?;
    let code = rest.get(..3).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()))?;
    let is_whole = matches!(version, "HTTP/1.0" | "HTTP/1.1") && rest.get(3..).is_some_and(|more| more.is_empty() || more.starts_with(' '));
    code.parse().ok().filter(|_| is_whole)
}

const END: &[u8] = b"\r\n\r\n";
/// What a proxy may say before its answer ends.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const CREDENTIALS_BYTES_MAX: usize = 1024;
/// Room for the longest host, twice, and the longest credentials: a buffer that grows leaves copies behind.
const REQUEST_BYTES: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_user_and_password_is_refused() {
        for text in ["", "user", ":password", "user:pass\nword", "user:\0", "user:password\n\n"] {
            assert_eq!(ProxyCredentials::parse(text).err(), Some(ProxyCredentialsError::Form), "{text:?}");
        }
        let long = format!("user:{}", "x".repeat(CREDENTIALS_BYTES_MAX));
        assert!(ProxyCredentials::parse(&long).is_err());
    }

    #[test]
    fn credentials_are_shown_to_the_proxy_alone() {
        let credentials = ProxyCredentials::parse("bob:a:secret\r\n").expect("good");
        let proxy = UpstreamProxy::new("proxy.example.test".into(), 3128, Some(credentials), vec![]);
        let said = proxy.request(&"api.example.com".parse().expect("a host"), 443);
        let encoded = STANDARD.encode("bob:a:secret");
        assert_eq!(
            said.as_str(),
            format!("CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\nProxy-Authorization: Basic {encoded}\r\n\r\n")
        );
        let shown = format!("{proxy:?}");
        assert!(!shown.contains("secret") && !shown.contains(&encoded[..8]), "{shown}");
    }

    #[test]
    fn an_answer_has_one_reading() {
        for (head, read) in [
            ("HTTP/1.1 200 Connection established\r\n\r\n", Some(200)),
            ("HTTP/1.0 200\r\n\r\n", Some(200)),
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", Some(407)),
            ("HTTP/2 200\r\n\r\n", None),
            ("HTTP/1.1 2000\r\n\r\n", None),
            ("HTTP/1.1 20\r\n\r\n", None),
            ("SSH-2.0-x 200\r\n\r\n", None),
            ("\r\n\r\n", None),
        ] {
            assert_eq!(status(head.as_bytes()), read, "{head:?}");
        }
    }
}
