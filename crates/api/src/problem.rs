//! Everything that can go wrong at this door, and what each is to the caller: one exhaustive match from error to status and code.
//!
//! Messages say what to do and never contain what was sent. What failed inside is logged here, once, with its causes.

use std::error::Error;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderName, StatusCode};
use link::cli::Denial;
use link::front::Denied;
use serde::Serialize;
use service::{AuthError, EventsError, GatewaysError, HouseError, KeysError, SecretsError};
use vault::ValueError;

use crate::bodies::BodyError;
use crate::bodies::devboxes::DevboxBodyError;
use crate::bodies::gateways::GatewayBodyError;
use crate::front::FrontError;
use crate::limits::HEADERS_MAX;
use crate::queries::QueryError;
use crate::rates::TooFast;
use crate::ui::entry::EntryError;
use crate::ui::form::FormError;

/// Why a request is not answered with 200.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The caller is unknown or may not.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// A verb on secrets failed.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// A verb on API keys failed.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A verb on gateway configs failed.
    #[error(transparent)]
    Gateways(#[from] GatewaysError),
    /// Events could not be read.
    #[error(transparent)]
    Events(#[from] EventsError),
    /// The gateway did not answer.
    #[error(transparent)]
    Front(#[from] FrontError),
    /// The body is not what the route takes.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The body is no gateway config.
    #[error(transparent)]
    GatewayBody(#[from] GatewayBodyError),
    /// The body is no devbox, command or wait.
    #[error(transparent)]
    DevboxBody(#[from] DevboxBodyError),
    /// The gateway did not do what it was asked for a caller.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// No devboxes over the API.
    #[error(
        "this server has no devboxes over its API: they are code that runs on its machine, and are on where it listens on loopback only; whoever runs it turns \
         them on with `[devbox] local = true` in tightlip.toml"
    )]
    DevboxesOff,
    /// No such devbox.
    #[error("there is no such devbox: see `GET /v1/devboxes`")]
    DevboxUnknown,
    /// No such request of an agent's.
    #[error("there is no such request: see `GET /v1/requests`")]
    RequestUnknown,
    /// No such command.
    #[error("the devbox has no such command: its id stands in the answer that started it")]
    ExecutionUnknown,
    /// What was waited for did not come.
    #[error("what was waited for has not come yet: ask again, and the wait goes on")]
    HoldOver,
    /// Too many requests wait.
    #[error("too many requests of this account wait for devboxes: let some end first")]
    HoldsFull,
    /// The query is not what the route takes.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Something that the server needs does not work.
    #[error("not ready: {}", .0.join("; "))]
    NotReady(Vec<String>),
    /// The store does not answer.
    #[error("failed to use the store: look at the output of `tightlip up`")]
    House(#[from] HouseError),
    /// No such route.
    #[error("no such route: see /openapi.yaml")]
    RouteUnknown,
    /// The route does not take this method.
    #[error("this route does not take this method: see /openapi.yaml")]
    MethodUnknown,
    /// A `Host` that is none of ours.
    #[error("this server does not answer to this Host: use the address it listens on, or add the name to `[api] hosts` in tightlip.toml")]
    HostUnknown,
    /// A request of a web page.
    #[error("requests from web pages are refused: call this API from a program, without an Origin header")]
    OriginRefused,
    /// The entry page's form from elsewhere.
    #[error("the form did not come from this server's own page, and nothing was stored: open the page again and send the form there")]
    FormForeign,
    /// The entry page does not show or take anything.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The entry page's form is of no use.
    #[error(transparent)]
    Form(#[from] FormError),
    /// It took too long.
    #[error("the request took too long and may or may not have been done: look, then try again")]
    Slow,
    /// More headers than any client needs.
    #[error("the request has more than {HEADERS_MAX} headers: send fewer")]
    TooManyHeaders,
    /// More requests than a caller may send.
    #[error("{}", .0.limit.message())]
    TooFast(TooFast),
    /// Too many clients follow events.
    #[error("too many clients follow events: end one, or ask without follow")]
    FollowersFull,
    /// A bug.
    #[error("something failed inside: look at the output of `tightlip up`")]
    Internal,
}

#[derive(Serialize)]
struct Problem<'a> {
    message: String,
    code: &'a str,
}

/// What an answer says of a problem, for a page that says it to a person.
#[derive(Clone)]
pub(crate) struct Said(pub(crate) String);

/// Which problem an answer tells of, for the figures and the log.
#[derive(Clone, Copy)]
pub(crate) struct ProblemCode(pub(crate) &'static str);

impl ApiError {
    /// Status and stable code of every error there is.
    pub(crate) fn answer(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Auth(error)
            | Self::Secrets(SecretsError::Auth(error))
            | Self::Keys(KeysError::Auth(error))
            | Self::Gateways(GatewaysError::Auth(error))
            | Self::Events(EventsError::Auth(error)) => (auth_status(error), error.code()),
            Self::Gateways(error) => (gateways_status(error), error.code()),
            Self::GatewayBody(error) => (StatusCode::BAD_REQUEST, error.code()),
            Self::DevboxBody(error) => (StatusCode::BAD_REQUEST, error.code()),
            // The gateway's own code is shown; the figures know this one.
            Self::Denied(denied) => (denial_status(denied.why), "gateway_denied"),
            Self::DevboxesOff => (StatusCode::FORBIDDEN, "devboxes_off"),
            Self::DevboxUnknown => (StatusCode::NOT_FOUND, "devbox_unknown"),
            Self::RequestUnknown => (StatusCode::NOT_FOUND, "request_unknown"),
            Self::ExecutionUnknown => (StatusCode::NOT_FOUND, "execution_unknown"),
            Self::HoldOver => (StatusCode::REQUEST_TIMEOUT, "hold_over"),
            Self::HoldsFull => (StatusCode::TOO_MANY_REQUESTS, "holds_full"),
            Self::Keys(error) => (keys_status(error), error.code()),
            Self::Secrets(error) => (secrets_status(error), error.code()),
            Self::Events(EventsError::Unavailable(_)) | Self::House(_) => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
            Self::Front(FrontError::Away) => (StatusCode::SERVICE_UNAVAILABLE, "gateway_away"),
            Self::Front(FrontError::Failed) => (StatusCode::SERVICE_UNAVAILABLE, "gateway_failed"),
            Self::Body(error) => (body_status(*error), error.code()),
            Self::Query(error) => (StatusCode::BAD_REQUEST, error.code()),
            Self::NotReady(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
            Self::RouteUnknown => (StatusCode::NOT_FOUND, "route_unknown"),
            Self::MethodUnknown => (StatusCode::METHOD_NOT_ALLOWED, "method_unknown"),
            Self::HostUnknown => (StatusCode::FORBIDDEN, "host_unknown"),
            Self::OriginRefused => (StatusCode::FORBIDDEN, "origin_refused"),
            Self::FormForeign => (StatusCode::FORBIDDEN, "form_foreign"),
            Self::Entry(error) => (entry_status(error), error.code()),
            Self::Form(error) => (form_status(*error), error.code()),
            Self::Slow => (StatusCode::SERVICE_UNAVAILABLE, "slow"),
            Self::TooManyHeaders => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_many"),
            Self::TooFast(over) => (StatusCode::TOO_MANY_REQUESTS, over.limit.code()),
            Self::FollowersFull => (StatusCode::TOO_MANY_REQUESTS, "followers_full"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Secrets(SecretsError::Value(error)) => value_message(*error).to_owned(),
            Self::Auth(_)
            | Self::Secrets(_)
            | Self::Keys(_)
            | Self::Gateways(_)
            | Self::GatewayBody(_)
            | Self::DevboxBody(_)
            | Self::Denied(_)
            | Self::DevboxesOff
            | Self::DevboxUnknown
            | Self::RequestUnknown
            | Self::ExecutionUnknown
            | Self::HoldOver
            | Self::HoldsFull
            | Self::Events(_)
            | Self::Front(_)
            | Self::Body(_)
            | Self::Query(_)
            | Self::NotReady(_)
            | Self::House(_)
            | Self::RouteUnknown
            | Self::MethodUnknown
            | Self::HostUnknown
            | Self::OriginRefused
            | Self::FormForeign
            | Self::Entry(_)
            | Self::Form(_)
            | Self::Slow
            | Self::TooManyHeaders
            | Self::TooFast(_)
            | Self::FollowersFull
            | Self::Internal => self.to_string(),
        }
    }

    /// When a client may try again, where that is known.
    fn wait(&self, status: StatusCode) -> Option<Duration> {
        if let Self::TooFast(over) = self {
            return Some(over.wait);
        }
        (status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER)
    }

    /// What failed inside is for the log: nothing in it is the caller's.
    fn log(&self, status: StatusCode, code: &str) {
        if status.is_server_error() {
            let mut text = self.to_string();
            let mut cause = self.source();
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            tracing::warn!(code, "{text}");
        }
    }
}

/// The vault says what is wrong with a value; what to do about it depends on the door.
const fn value_message(error: ValueError) -> &'static str {
    match error {
        ValueError::Empty => "the value is empty: send the secret's value as a string in `value`",
        ValueError::TooLarge => "the value is longer than 65536 bytes: store a shorter credential, or what it is fetched with",
        ValueError::NotText => "the value is not text: encode it, for example in base64, and store that",
    }
}

/// The contract's word for a body of no use is 400, whatever is wrong with it.
const fn body_status(error: BodyError) -> StatusCode {
    match error {
        BodyError::Slow => StatusCode::REQUEST_TIMEOUT,
        BodyError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        BodyError::TooLarge
        | BodyError::Broken
        | BodyError::MediaType
        | BodyError::NotJson
        | BodyError::Shape
        | BodyError::KeyShape
        | BodyError::GatewayShape
        | BodyError::DevboxShape
        | BodyError::CommandShape
        | BodyError::WaitShape
        | BodyError::GatewayTokenShape
        | BodyError::EnvironmentShape
        | BodyError::DevboxTooLarge
        | BodyError::NoObject
        | BodyError::KeyNameIllegal
        | BodyError::ScopesMissing
        | BodyError::ScopeUnknown
        | BodyError::NameMissing
        | BodyError::NameIllegal
        | BodyError::ValueMissing => StatusCode::BAD_REQUEST,
    }
}

const fn entry_status(error: &EntryError) -> StatusCode {
    match error {
        EntryError::LinkUnknown => StatusCode::NOT_FOUND,
        EntryError::NoSession | EntryError::Embedded => StatusCode::FORBIDDEN,
        // What a browser fetches ahead it does not keep then.
        EntryError::Ahead | EntryError::Unheard { .. } => StatusCode::SERVICE_UNAVAILABLE,
    }
}

const fn form_status(error: FormError) -> StatusCode {
    match error {
        FormError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        FormError::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        FormError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        FormError::AdminKey => StatusCode::UNAUTHORIZED,
        // Not 408, upon which some browsers send again by themselves.
        FormError::Broken | FormError::Shape | FormError::NotText | FormError::ValueMissing | FormError::ProofMissing => {
            StatusCode::BAD_REQUEST
        }
    }
}

const fn auth_status(error: &AuthError) -> StatusCode {
    match error {
        AuthError::Missing | AuthError::AdminKey | AuthError::Unknown | AuthError::Revoked | AuthError::Expired | AuthError::Unmarked => {
            StatusCode::UNAUTHORIZED
        }
        AuthError::NoCapability | AuthError::Forbidden { .. } | AuthError::NotOwner => StatusCode::FORBIDDEN,
        AuthError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

const fn secrets_status(error: &SecretsError) -> StatusCode {
    match error {
        SecretsError::Auth(error) => auth_status(error),
        // The contract's word for a duplicate is 400: clients would retry a 409 for half a minute.
        SecretsError::Duplicate | SecretsError::Value(_) => StatusCode::BAD_REQUEST,
        SecretsError::NotFound => StatusCode::NOT_FOUND,
        SecretsError::Conflict | SecretsError::Answered | SecretsError::Full | SecretsError::Unavailable(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        SecretsError::Seal(_) | SecretsError::Id(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

const fn gateways_status(error: &GatewaysError) -> StatusCode {
    match error {
        GatewaysError::Auth(error) => auth_status(error),
        GatewaysError::NameEmpty
        | GatewaysError::Part(_)
        | GatewaysError::HeaderTwice
        | GatewaysError::SecretUnknown
        | GatewaysError::TooMany => StatusCode::BAD_REQUEST,
        GatewaysError::NotFound => StatusCode::NOT_FOUND,
        GatewaysError::Builtin => StatusCode::FORBIDDEN,
        GatewaysError::Conflict | GatewaysError::Answered | GatewaysError::Full | GatewaysError::Unavailable(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        GatewaysError::Id(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What the gateway's refusal is here. What is there already is 400: clients would retry a 409 for half a minute.
const fn denial_status(why: Denial) -> StatusCode {
    match why {
        Denial::NotFound => StatusCode::NOT_FOUND,
        Denial::NotAuthenticated => StatusCode::UNAUTHORIZED,
        Denial::Forbidden => StatusCode::FORBIDDEN,
        Denial::Exists | Denial::Invalid => StatusCode::BAD_REQUEST,
        Denial::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Denial::Failed => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

const fn keys_status(error: &KeysError) -> StatusCode {
    match error {
        KeysError::Auth(error) => auth_status(error),
        KeysError::NoScopes | KeysError::Life | KeysError::TooMany => StatusCode::BAD_REQUEST,
        KeysError::ScopesExceed | KeysError::LifeExceeds | KeysError::LastKey => StatusCode::FORBIDDEN,
        KeysError::NotFound => StatusCode::NOT_FOUND,
        KeysError::Full | KeysError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        KeysError::Id(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.answer();
        self.log(status, code);
        let shown = if let Self::Denied(denied) = &self { denied.code.as_str() } else { code };
        let message = self.message();
        let said = Said(message.clone());
        let mut response = (status, Json(Problem { message, code: shown })).into_response();
        response.extensions_mut().insert(ProblemCode(code));
        response.extensions_mut().insert(said);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.wait(status) {
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER_MS, u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1).into());
            headers.insert(header::RETRY_AFTER, (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1).into());
        }
        if code == "disk_full" {
            // Clients retry 5xx for half a minute; room is not made in that time.
            response.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        response
    }
}

/// When to try again what failed for want of something that comes back by itself.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// What the official clients take before `Retry-After`.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// What the official clients look at before they retry.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
