//! One request on its way through: read without judging, then authenticated, parsed and answered on a thread that may block.
//!
//! The key is checked before anything else is looked at, so that a stranger learns nothing about bodies, queries or names.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};
use model::SecretName;
use serde::Serialize;
use service::{AuthError, Caller, SecretsError};
use zeroize::Zeroizing;

use crate::bodies::{self, BodyError};
use crate::desk::Desk;
use crate::limits::CREDENTIAL_BYTES_MAX;
use crate::problem::ApiError;

/// A request, read.
pub(crate) struct Call {
    desk: Arc<Desk>,
    credential: Credential,
    name: Option<String>,
    pub(crate) uri: Uri,
    body: Result<Zeroizing<Vec<u8>>, BodyError>,
}

/// What stands in the Authorization header.
#[derive(Clone)]
pub(crate) enum Credential {
    None,
    /// Something that cannot be a key.
    Unreadable,
    Bearer(Zeroizing<String>),
}

impl Call {
    /// Authenticates the caller, does the work, shows the view.
    pub(crate) async fn answer<V, W>(self, work: W) -> Response
    where
        V: Serialize + Send + 'static,
        W: FnOnce(&Desk, &Caller, &Self) -> Result<V, ApiError> + Send + 'static,
    {
        let done = tokio::task::spawn_blocking(move || {
            let caller = self.credential.caller(&self.desk)?;
            work(&self.desk, &caller, &self)
        });
        match done.await {
            Ok(Ok(view)) => Json(view).into_response(),
            Ok(Err(error)) => error.into_response(),
            Err(_panic) => ApiError::Internal.into_response(),
        }
    }

    /// The secret's name in the path. What is no name names no secret.
    pub(crate) fn name(&self) -> Result<SecretName, ApiError> {
        let name = self.name.as_deref().and_then(|text| text.parse().ok());
        name.ok_or(ApiError::Secrets(SecretsError::NotFound))
    }

    /// The body.
    pub(crate) fn body(&self) -> Result<&[u8], BodyError> {
        self.body.as_ref().map(|bytes| bytes.as_slice()).map_err(|error| *error)
    }

    pub(crate) fn credential(&self) -> Credential {
        self.credential.clone()
    }
}

impl Credential {
    fn of(headers: &HeaderMap) -> Self {
        let mut shown = headers.get_all(AUTHORIZATION).iter();
        let (Some(header), more) = (shown.next(), shown.next()) else { return Self::None };
        let text = header.to_str().ok().filter(|_| more.is_none());
        let key = text.and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        match key {
            Some((_, key)) if key.trim().len() <= CREDENTIAL_BYTES_MAX => Self::Bearer(Zeroizing::new(key.trim().to_owned())),
            Some(_) | None => Self::Unreadable,
        }
    }

    /// Finds the caller. Blocks.
    pub(crate) fn caller(&self, desk: &Desk) -> Result<Caller, AuthError> {
        match self {
            Self::None => desk.house.authenticate(None),
            Self::Unreadable => Err(AuthError::Unknown),
            Self::Bearer(key) => desk.house.authenticate(Some(key)),
        }
    }
}

impl FromRequest<Arc<Desk>> for Call {
    type Rejection = Infallible;

    async fn from_request(request: Request, desk: &Arc<Desk>) -> Result<Self, Infallible> {
        let (mut parts, body) = request.into_parts();
        let params = RawPathParams::from_request_parts(&mut parts, desk).await.ok();
        let name = params.and_then(|params| params.iter().next().map(|(_, value)| value.to_owned()));
        let credential = Credential::of(&parts.headers);
        Ok(Self { desk: Arc::clone(desk), credential, name, uri: parts.uri, body: bodies::read(body).await })
    }
}
