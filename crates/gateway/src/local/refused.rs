//! Why a tool's request was not done: a denial for its exit code, and words that mend. Never what was sent.

use link::cli::{Denial, Reply};
use service::verify::VerifyError;
use service::{AgentsError, AuthError, BackupError, BindingsError, DevboxDenial, GateError};

use crate::ca::AuthorityError;
use crate::causes::chain;
use crate::hosted::Trouble;
use crate::listen::ListenerError;
use crate::net::NetError;

/// A request that was not done.
pub(crate) struct Refused {
    why: Denial,
    message: std::borrow::Cow<'static, str>,
}

impl Refused {
    pub(super) const OTHER_USER: Self = Self::fixed(
        Denial::Forbidden,
        "this gateway serves another user; run tightlip as that user, or with your own data folder (--data DIR)",
    );
    pub(super) const TOO_MANY: Self =
        Self::fixed(Denial::Unavailable, "the gateway has as many connections as it may; end a `tightlip run` and try again");
    pub(super) const PROTOCOL: Self = Self::fixed(
        Denial::Invalid,
        "the gateway does not know this request; the server may be of another version: stop it and start `tightlip up` anew",
    );
    pub(super) const NO_DEVBOX: Self = Self::fixed(
        Denial::NotFound,
        "this devbox is not open on this connection and cannot be taken up; start a new one with `tightlip run`",
    );
    pub(super) const ONE_DEVBOX: Self =
        Self::fixed(Denial::Invalid, "one connection serves one devbox; open another connection for another devbox");
    pub(super) const ATTACHED: Self =
        Self::fixed(Denial::Invalid, "this devbox's listeners were handed over already; start a new one with `tightlip run`");
    pub(super) const DESCRIPTORS: Self =
        Self::fixed(Denial::Invalid, "the listeners and their list do not match; start a new devbox with `tightlip run`");

    pub(super) const ONE_FILE: Self =
        Self::fixed(Denial::Invalid, "a backup comes with one descriptor, of the file to write; use `tightlip backup FILE`");

    const fn fixed(why: Denial, message: &'static str) -> Self {
        Self { why, message: std::borrow::Cow::Borrowed(message) }
    }

    pub(super) fn into_reply(self) -> Reply {
        Reply::Refused { why: self.why, message: self.message.into_owned() }
    }
}

/// Something of the gateway's own broke: logged here once with its cause, told without.
fn broken(error: &dyn std::error::Error) -> Refused {
    tracing::error!("{}", chain(error));
    Refused::fixed(Denial::Unavailable, "the gateway failed, and nothing was changed; try again, and look at the output of `tightlip up`")
}

impl From<AuthError> for Refused {
    fn from(error: AuthError) -> Self {
        Self { why: service::bindings::auth_denial(&error), message: error.to_string().into() }
    }
}

impl From<BindingsError> for Refused {
    fn from(error: BindingsError) -> Self {
        Self { why: error.denial(), message: error.to_string().into() }
    }
}

impl From<AgentsError> for Refused {
    fn from(error: AgentsError) -> Self {
        Self { why: error.denial(), message: error.to_string().into() }
    }
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        Self { why: trouble.why(), message: trouble.to_string().into() }
    }
}

impl From<BackupError> for Refused {
    fn from(error: BackupError) -> Self {
        if error.denial() == Denial::Failed {
            if let BackupError::Part { path, .. } = &error {
                tracing::error!("{}: {}", path.display(), chain(&error));
            } else {
                tracing::error!("{}", chain(&error));
            }
        }
        Self { why: error.denial(), message: error.to_string().into() }
    }
}

impl From<VerifyError> for Refused {
    fn from(error: VerifyError) -> Self {
        if error.denial() == Denial::Failed {
            tracing::error!("{}", chain(&error));
        }
        Self { why: error.denial(), message: error.to_string().into() }
    }
}

impl From<DevboxDenial> for Refused {
    fn from(error: DevboxDenial) -> Self {
        Self { why: error.denial(), message: error.to_string().into() }
    }
}

impl From<GateError> for Refused {
    fn from(error: GateError) -> Self {
        broken(&error)
    }
}

impl From<AuthorityError> for Refused {
    fn from(error: AuthorityError) -> Self {
        broken(&error)
    }
}

impl From<NetError> for Refused {
    fn from(error: NetError) -> Self {
        broken(&error)
    }
}

impl From<ListenerError> for Refused {
    fn from(error: ListenerError) -> Self {
        match error {
            ListenerError::WrongKind | ListenerError::OwnNetwork => {
                Self { why: Denial::Forbidden, message: format!("{error}; start a new devbox with `tightlip run`").into() }
            }
            ListenerError::System(_) => broken(&error),
        }
    }
}
