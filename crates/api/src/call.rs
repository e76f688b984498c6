//! One request on its way through: read without judging, then authenticated, parsed and answered on a thread that may block. A look at one row takes
//! microseconds, less than going to another thread and back, and is done where the request was read, as long as a thread is left to serve others.
//!
//! The key is checked before anything else is looked at, so that a stranger learns nothing about bodies, queries or names.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, Method, Uri};
use http_body::Body as _;
use model::{DevboxId, ExecutionId, Scope, SecretId, SecretName};
use serde::Serialize;
use service::{AuthError, Caller, SecretsError};
use zeroize::Zeroizing;

use crate::asking::Asking;
use crate::bodies::{self, BodyError, Held};
use crate::desk::Desk;
use crate::limits::CREDENTIAL_BYTES_MAX;
use crate::problem::ApiError;

/// A request, read.
pub(crate) struct Call {
    desk: Arc<Desk>,
    credential: Credential,
    /// What stands in the path for its parameters.
    named: [Option<String>; 2],
    request: Option<service::Request>,
    pub(crate) uri: Uri,
    /// Whether the caller may do such things and was counted already.
    is_admitted: bool,
    /// Why the body was not read.
    refused: Option<ApiError>,
    body: Result<Held, BodyError>,
}

/// A caller that may read, and whom it asks.
pub(crate) struct Reading {
    pub(crate) desk: Arc<Desk>,
    pub(crate) credential: Credential,
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
        shown(self.done(work)).await
    }

    /// As [`Call::answer`], for work that only looks at a row or two, all of one moment, and waits for nothing.
    pub(crate) async fn look<V, W>(mut self, work: W) -> Response
    where
        V: Serialize + Send + 'static,
        W: FnOnce(&Desk, &Caller, &Self) -> Result<V, ApiError> + Send + 'static,
    {
        let desk = Arc::clone(&self.desk);
        let done = match self.refused.take() {
            Some(error) => Err(error),
            None => {
                let house = Arc::clone(&desk);
                briefly(&desk, move || house.house.at_once(|| self.do_now(work))?).await
            }
        };
        match done {
            Ok(view) => Json(view).into_response(),
            Err(error) => error.into_response(),
        }
    }

    /// Authenticates the caller and does the work.
    pub(crate) async fn done<V, W>(mut self, work: W) -> Result<V, ApiError>
    where
        V: Send + 'static,
        W: FnOnce(&Desk, &Caller, &Self) -> Result<V, ApiError> + Send + 'static,
    {
        let desk = Arc::clone(&self.desk);
        match self.refused.take() {
            Some(error) => Err(error),
            None => blocking(&desk, move || self.do_now(work)).await,
        }
    }

    /// Authenticates a caller that may do such things with devboxes, and gives what is to be asked of the gateway on its behalf.
    pub(crate) async fn asking<V, W>(self, scope: Scope, parse: W) -> Result<(Asking, V), ApiError>
    where
        V: Send + 'static,
        W: FnOnce(&Self) -> Result<V, ApiError> + Send + 'static,
    {
        let (desk, credential) = (Arc::clone(&self.desk), self.credential.clone());
        let parsed = self.done(move |desk, caller, call| {
            caller.require(scope)?;
            if !desk.hosts_devboxes {
                return Err(ApiError::DevboxesOff);
            }
            Ok((caller.account.id.clone(), parse(call)?))
        });
        let (account, parsed) = parsed.await?;
        Ok((Asking { desk, credential, account }, parsed))
    }

    /// Authenticates a caller that may read, and gives what the gateway is to be asked of its requests.
    pub(crate) async fn reading<V, W>(self, parse: W) -> Result<(Reading, V), ApiError>
    where
        V: Send + 'static,
        W: FnOnce(&Self) -> Result<V, ApiError> + Send + 'static,
    {
        let reading = Reading { desk: Arc::clone(&self.desk), credential: self.credential.clone() };
        let parsed = self.done(|_, caller, call| {
            caller.require(Scope::Read)?;
            parse(call)
        });
        Ok((reading, parsed.await?))
    }

    fn do_now<V>(self, work: impl FnOnce(&Desk, &Caller, &Self) -> Result<V, ApiError>) -> Result<V, ApiError> {
        let known = if self.is_admitted { self.credential.caller(&self.desk)? } else { self.credential.admitted(&self.desk)? };
        let caller = Caller { request: self.request.clone(), ..known };
        work(&self.desk, &caller, &self)
    }

    /// Reads the body of a caller that may send one. What others send is thrown away, so that it does not fill the memory.
    async fn with_body(self, headers: &HeaderMap, body: Body) -> Self {
        let (desk, credential) = (Arc::clone(&self.desk), self.credential.clone());
        let scope = scope_of_changes(&self.uri);
        let admitted = briefly(&self.desk, move || {
            let caller = credential.admitted(&desk)?;
            caller.require(scope)?;
            Ok(caller.account.id)
        });
        match admitted.await {
            Ok(account) => {
                let body = bodies::read(headers, body, &self.desk.bodies, &account).await;
                Self { body, is_admitted: true, ..self }
            }
            Err(error) => {
                bodies::discard(body).await;
                Self { refused: Some(error), ..self }
            }
        }
    }

    /// The secret's name in the path. What is no name names no secret.
    pub(crate) fn name(&self) -> Result<SecretName, ApiError> {
        self.named().ok_or(ApiError::Secrets(SecretsError::NotFound))
    }

    /// The secret's id in the path. What is no id is no secret's.
    pub(crate) fn id(&self) -> Result<SecretId, ApiError> {
        self.named().ok_or(ApiError::Secrets(SecretsError::NotFound))
    }

    /// What the path's first parameter names; none where it is no such noun's name or id.
    pub(crate) fn named<T: FromStr>(&self) -> Option<T> {
        self.named[0].as_deref().and_then(|text| text.parse().ok())
    }

    /// The devbox in the path.
    pub(crate) fn devbox(&self) -> Result<DevboxId, ApiError> {
        self.named().ok_or(ApiError::DevboxUnknown)
    }

    /// The command in the path, behind its devbox.
    pub(crate) fn execution(&self) -> Result<ExecutionId, ApiError> {
        self.named[1].as_deref().and_then(|text| text.parse().ok()).ok_or(ApiError::ExecutionUnknown)
    }

    /// What the caller's number for this request is told apart by, where it gave one.
    pub(crate) fn digest(&self) -> Option<[u8; 32]> {
        self.request.as_ref().map(service::Request::digest)
    }

    /// The body.
    pub(crate) fn body(&self) -> Result<&[u8], BodyError> {
        self.body.as_ref().map(|held| held.bytes.as_slice()).map_err(|error| *error)
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

    /// The key itself, for the gateway, which checks it once more.
    pub(crate) fn bearer(&self) -> Result<&str, AuthError> {
        match self {
            Self::Bearer(key) => Ok(key),
            Self::None | Self::Unreadable => Err(AuthError::Missing),
        }
    }

    /// Finds the caller and counts the request. Blocks.
    pub(crate) fn admitted(&self, desk: &Desk) -> Result<Caller, ApiError> {
        let caller = self.caller(desk)?;
        desk.rates.admit_key(&caller.key.hash).map_err(ApiError::TooFast)?;
        Ok(caller)
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
        let mut params = params.iter().flat_map(RawPathParams::iter).map(|(_, value)| value.to_owned());
        let named = [params.next(), params.next()];
        let credential = Credential::of(&parts.headers);
        let request = request_of(&parts.method, &parts.uri, &parts.headers);
        let call = Self {
            desk: Arc::clone(desk),
            credential,
            named,
            request,
            uri: parts.uri,
            is_admitted: false,
            refused: None,
            body: Ok(Held::default()),
        };
        let takes_none = matches!(parts.method, Method::GET | Method::HEAD) || body.is_end_stream();
        Ok(if takes_none { call } else { call.with_body(&parts.headers, body).await })
    }
}

/// What a change at this path needs: each route checks it again, by itself.
fn scope_of_changes(uri: &Uri) -> Scope {
    let path = uri.path();
    if path.starts_with("/v1/api-keys") {
        Scope::Keys
    } else if path == mcp::PATH {
        // What more an agent's question needs, the gateway says.
        Scope::Read
    } else if path.starts_with("/v1/devboxes") {
        // A wait changes nothing.
        if path.ends_with("/wait_for_status") { Scope::Read } else { Scope::Devbox }
    } else {
        Scope::Secrets
    }
}

/// Shows a view, or why there is none.
pub(crate) async fn shown<V: Serialize>(view: impl Future<Output = Result<V, ApiError>>) -> Response {
    match view.await {
        Ok(view) => Json(view).into_response(),
        Err(error) => error.into_response(),
    }
}

/// Does what looks at a row or two, and waits for nothing, on this thread, as long as others are left to serve.
async fn briefly<T: Send + 'static>(desk: &Desk, work: impl FnOnce() -> Result<T, ApiError> + Send + 'static) -> Result<T, ApiError> {
    let Ok(_place) = desk.looks.try_acquire() else { return blocking(desk, work).await };
    // A panic is answered as on the other threads; what it may have left half done is the call's own.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(ApiError::Internal))
}

/// Does what blocks on a thread that may, once there is one or a place in its queue.
pub(crate) async fn blocking<T: Send + 'static>(
    desk: &Desk,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let turn = Arc::clone(&desk.work).acquire_owned().await.map_err(|_| ApiError::Internal)?;
    let done = tokio::task::spawn_blocking(move || {
        let done = work();
        // Also where nobody waits for it any more.
        drop(turn);
        done
    });
    done.await.unwrap_or(Err(ApiError::Internal))
}

/// Which request this is, where its caller gave it a number: clients keep it over their retries. Several numbers are none.
fn request_of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<service::Request> {
    let mut numbers = headers.get_all(REQUEST_ID).iter();
    let (number, more) = (numbers.next()?, numbers.next());
    let number = number.to_str().ok().filter(|number| !number.is_empty() && more.is_none())?;
    (method != Method::GET).then(|| service::Request::new(&format!("{method} {}", uri.path()), number))
}

/// What clients number their requests with.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
