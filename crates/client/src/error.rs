//! Why a call failed, as the command line needs to know it.

/// Why a call failed. No variant can hold what was sent.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server's address is no `http://` or `https://` URL with a host.
    #[error("the server's address is not of the form http://HOST:PORT or https://HOST")]
    Address,
    /// The API key has characters that no key has.
    #[error("the API key contains characters that no key has")]
    Key,
    /// Nothing answered: no connection, or it broke off before an answer.
    #[error("failed to reach the server")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server's certificate is not accepted: nothing was sent.
    #[error("the server's certificate is not trusted: {0}")]
    Untrusted(Distrust),
    /// Nothing answered in time.
    #[error("the server did not answer in time")]
    Timeout,
    /// The system has no usable certificate authorities, or no runtime could be made.
    #[error("failed to prepare the connection")]
    Setup(#[source] std::io::Error),
    /// The server refused.
    #[error("{message}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// The server's stable code; empty where it gave none.
        code: String,
        /// What happened and what to do, in the server's words, shortened and without control characters.
        message: String,
    },
    /// What came back is not what the server's document says: another program may be listening there.
    #[error("the answer is not one of tightlip's; is another program listening at this address?")]
    Malformed,
}

/// Why a certificate is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// No authority that is trusted here has issued it.
    #[error("no authority that is trusted here has issued it")]
    UnknownIssuer,
    /// It is an authority's own, which no server may show for itself.
    #[error("it is an authority's own (CA:TRUE), which no server may show for itself")]
    Authority,
    /// It is another name's.
    #[error("it is for another name than the address has")]
    WrongName,
    /// It is not yet good or no longer.
    #[error("it is not yet or no longer good")]
    Time,
    /// Another fault.
    #[error("it is malformed, revoked or signed in a way that is not accepted")]
    Malformed,
}

impl ClientError {
    /// Whether the server was not even connected to, so that it has seen nothing of the call.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        match self {
            Self::Unreachable(cause) => cause.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|error| error.is_connect()),
            Self::Address | Self::Key | Self::Untrusted(_) | Self::Timeout | Self::Setup(_) | Self::Status { .. } | Self::Malformed => {
                false
            }
        }
    }

    /// The server's HTTP status, where it answered.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            Self::Address | Self::Key | Self::Unreachable(_) | Self::Untrusted(_) | Self::Timeout | Self::Setup(_) | Self::Malformed => {
                None
            }
        }
    }
}
