//! The one-time entry page: a link is opened, what is asked is shown, a value is typed and stored.
//!
//! The gateway decides: it opens a link once, knows what is asked, counts proofs and binds hosts. What never lives here: a value that is shown again, and a
//! value that is kept for a second try.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use link::agents::{Entry, EntryAsk, EntryTell};
use link::front::{Ask, Tell};
use model::{AccountId, ApiKeyId, Secret, SecretName};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use crate::bodies;
use crate::call::blocking;
use crate::connection::Scheme;
use crate::desk::Desk;
use crate::front::FrontError;
use crate::limits::{GATEWAY_TIME, STORED_PAUSE, STORED_TIME};
use crate::places::Network;
use crate::problem::ApiError;
use crate::rates::Peer;
use crate::ui::form::{self, Form};
use crate::ui::pages::{self, Opened, StoredPage};
use crate::ui::session;
use crate::ui::words::Asked;

/// Where the form is, and where it is sent.
pub(crate) const ENTRY_PATH: &str = "/ui/entry";

/// Why the page shows or takes nothing. Never contains what was sent.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum EntryError {
    /// What cannot be a link.
    #[error("there is no such link: `tightlip requests` shows what waits, each with a fresh link")]
    LinkUnknown,
    /// No session, or several.
    #[error("this browser has not opened a request, or too long ago: `tightlip requests` shows what waits, each with a fresh link")]
    NoSession,
    /// Fetched before anybody wanted it.
    #[error("the link was not opened, since nobody asked for it yet: open it yourself, it works once")]
    Ahead,
    /// Fetched by another page.
    #[error("the link was not opened, since it is part of another page: open it by itself, it works once")]
    Embedded,
    /// Stored, and the gateway does not know.
    #[error(
        "the value is stored, but the gateway could not be told, so it may go nowhere beyond where such values go: it is for {request}, towards {hosts}, which `tightlip requests` shows; \
         `tightlip approve {request}` binds it and lets the agent have it"
    )]
    Unheard {
        /// The id of the request.
        request: String,
        /// The hosts that were shown.
        hosts: String,
    },
}

impl EntryError {
    /// The stable code.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::LinkUnknown => "link_unknown",
            Self::NoSession => "entry_no_session",
            Self::Ahead => "link_not_opened",
            Self::Embedded => "link_embedded",
            Self::Unheard { .. } => UNHEARD,
        }
    }
}

/// Why a value was not stored.
enum Unstored {
    /// And nothing can be tried again.
    Gone(ApiError),
    /// But the form is still good.
    Again(Box<Asked>, ApiError),
}

/// `GET /ui/requests/{link}`. A page of its own that leads on to the form: a Strict cookie is not sent where another site's page led here (RFC 6265bis,
/// section 5.2), and it is no redirect for that reason.
pub(crate) async fn open(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let scheme = scheme_of(&request);
    let (parts, _) = request.into_parts();
    match opened(&desk, &parts).await {
        Ok(session) => with_cookie(pages::page(&Opened), session::begun(&session, scheme)),
        Err(error @ ApiError::MethodUnknown) => {
            let mut response = error.into_response();
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
            response
        }
        Err(error) => error.into_response(),
    }
}

async fn opened(desk: &Desk, request: &Parts) -> Result<Zeroizing<String>, ApiError> {
    // To look is no way to open, and nothing to try again.
    if request.method != Method::GET {
        return Err(ApiError::MethodUnknown);
    }
    is_wanted(&request.headers)?;
    let link = request.uri.path().rsplit('/').next().filter(|link| session::is_word(link)).ok_or(EntryError::LinkUnknown)?;
    match desk.front.ask_entry(EntryAsk::Open { link: link.to_owned() }).await? {
        EntryTell::Opened { session, .. } if session::is_word(&session) => Ok(Zeroizing::new(session)),
        EntryTell::Denied(denied) => Err(denied.into()),
        EntryTell::Opened { .. } | EntryTell::Shown(_) | EntryTell::Allowed { .. } => Err(FrontError::Failed.into()),
    }
}

/// A link works once, so only a person's own click opens it: no browser that fetches ahead, no other page's picture or frame.
fn is_wanted(headers: &HeaderMap) -> Result<(), EntryError> {
    let says = |name: &str, word: &str| {
        headers.get_all(name).iter().any(|value| value.to_str().is_ok_and(|value| value.to_ascii_lowercase().contains(word)))
    };
    let is_ahead = AHEAD.iter().any(|(name, word)| says(name, word));
    let is_other = |name: &str, wanted: &str| headers.get_all(name).iter().any(|value| value != wanted);
    if is_ahead {
        Err(EntryError::Ahead)
    } else if is_other("sec-fetch-dest", "document") || is_other("sec-fetch-mode", "navigate") {
        Err(EntryError::Embedded)
    } else {
        Ok(())
    }
}

/// `GET /ui/entry`
pub(crate) async fn show(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let session = session::shown(request.headers(), scheme_of(&request));
    match looked(&desk, session.as_ref()).await {
        Ok(asked) => pages::form(asked, None),
        Err(error) => error.into_response(),
    }
}

/// `POST /ui/entry`. Whoever comes without an origin of ours was refused before (`host.rs`).
pub(crate) async fn store(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let scheme = scheme_of(&request);
    let peer = request.extensions().get::<Peer>().map(|Peer(network)| *network);
    let (parts, body) = request.into_parts();
    match stored(desk, &parts.headers, scheme, peer, body).await {
        Ok(page) => with_cookie(pages::page(&page), session::ended(scheme)),
        Err(Unstored::Again(asked, error)) => pages::form(*asked, Some(error)),
        // The gateway may only be away: the session stays as it is.
        Err(Unstored::Gone(error)) => error.into_response(),
    }
}

async fn stored(desk: Arc<Desk>, headers: &HeaderMap, scheme: Scheme, peer: Option<Network>, body: Body) -> Result<StoredPage, Unstored> {
    let session = session::shown(headers, scheme);
    // A stranger's body is not kept.
    let asked = match looked(&desk, session.as_ref()).await {
        Ok(asked) => asked,
        Err(error) => {
            bodies::discard(body).await;
            return Err(Unstored::Gone(error));
        }
    };
    let held = form::read(headers, body, &desk.forms, peer).await;
    let form = held.and_then(|held| form::parse(&held.bytes));
    let hosts = asked.hosts.iter().map(|host| host.ascii.clone()).collect::<Vec<_>>().join(", ");
    let unheard = EntryError::Unheard { request: asked.id.clone(), hosts };
    match (form, session) {
        (Ok(form), Some(session)) => {
            // Also where the browser is gone meanwhile: what was stored is told to the gateway.
            let done = tokio::spawn(async move { enter(&desk, &session, form, unheard).await });
            done.await.unwrap_or(Err(Unstored::Gone(ApiError::Internal)))
        }
        (Err(error), _) => Err(Unstored::Again(Box::new(asked), error.into())),
        (Ok(_), None) => Err(Unstored::Gone(EntryError::NoSession.into())),
    }
}

/// Asks whether the value may be stored, stores it, and tells the gateway.
async fn enter(desk: &Arc<Desk>, session: &Zeroizing<String>, form: Form, unheard: EntryError) -> Result<StoredPage, Unstored> {
    let Form { value, proof, digest } = form;
    let ask = EntryAsk::Allow { session: session.to_string(), digest, proof };
    let (account, key, name) = match desk.front.ask_entry(ask).await {
        Ok(EntryTell::Allowed { account, key, name }) => (account, key, name),
        Ok(EntryTell::Denied(denied)) => return Err(again(desk, session, denied.into()).await),
        Ok(EntryTell::Opened { .. } | EntryTell::Shown(_)) => return Err(again(desk, session, FrontError::Failed.into()).await),
        Err(error) => return Err(again(desk, session, error.into()).await),
    };
    let house = Arc::clone(desk);
    let (owner, named) = (account.clone(), name.clone());
    let made = blocking(desk, move || create(&house, &owner, &key, named, value)).await;
    let secret = match made {
        Ok(secret) => secret,
        Err(error) => return Err(again(desk, session, error).await),
    };
    let entry = heard(desk, session, &secret, unheard).await.map_err(|unheard| Unstored::Gone(unheard.into()))?;
    let asked = Asked::of(&entry, desk.house.now()).ok_or(Unstored::Gone(FrontError::Failed.into()))?;
    Ok(StoredPage::new(asked, &entry, bound(desk, account, name).await.as_deref()))
}

fn create(desk: &Desk, account: &AccountId, key: &ApiKeyId, name: SecretName, value: vault::SecretValue) -> Result<Secret, ApiError> {
    let caller = desk.house.caller_of(account, key)?;
    desk.rates.admit_key(&caller.key.hash).map_err(ApiError::TooFast)?;
    Ok(desk.house.secrets().create(&caller, name, value)?)
}

/// Tells the gateway that a value was stored, until it has heard: it starts again by itself within seconds.
async fn heard(desk: &Desk, session: &Zeroizing<String>, secret: &Secret, unheard: EntryError) -> Result<Entry, EntryError> {
    let told = async {
        loop {
            let ask = EntryAsk::Stored { session: session.to_string(), secret: secret.id.clone() };
            match desk.front.ask_entry(ask).await {
                Err(FrontError::Away) => sleep(STORED_PAUSE).await,
                // The same told twice is told once.
                Ok(EntryTell::Denied(denied)) if PASSING.contains(&denied.code.as_str()) => sleep(STORED_PAUSE).await,
                told => return told,
            }
        }
    };
    match timeout(STORED_TIME, told).await {
        Ok(Ok(EntryTell::Shown(entry))) => Ok(*entry),
        Ok(Ok(EntryTell::Denied(denied))) => {
            tracing::warn!(code = denied.code, "the gateway did not bind a value that was entered: {denied}");
            Err(unheard)
        }
        Ok(Ok(EntryTell::Opened { .. } | EntryTell::Allowed { .. }) | Err(_)) | Err(_) => Err(unheard),
    }
}

/// Where the value may go now, where the gateway says so.
async fn bound(desk: &Desk, account: AccountId, name: SecretName) -> Option<Vec<link::cli::BindingView>> {
    let ask = Ask::Bindings { account, name: Some(name), after: None };
    match desk.front.ask_later(ask, GATEWAY_TIME).await {
        Ok(Tell::Bindings { bindings, .. }) => Some(bindings),
        Ok(_) | Err(_) => None,
    }
}

/// What is asked, as it stands.
async fn looked(desk: &Desk, session: Option<&Zeroizing<String>>) -> Result<Asked, ApiError> {
    let session = session.ok_or(EntryError::NoSession)?;
    match desk.front.ask_entry(EntryAsk::Look { session: session.to_string() }).await? {
        EntryTell::Shown(entry) => Asked::of(&entry, desk.house.now()).ok_or(FrontError::Failed.into()),
        EntryTell::Denied(denied) => Err(denied.into()),
        EntryTell::Opened { .. } | EntryTell::Allowed { .. } => Err(FrontError::Failed.into()),
    }
}

/// The form again, as what is asked stands now, with what was wrong; or that alone, where nothing can be tried again.
async fn again(desk: &Desk, session: &Zeroizing<String>, error: ApiError) -> Unstored {
    match looked(desk, Some(session)).await {
        Ok(asked) => Unstored::Again(Box::new(asked), error),
        Err(_) => Unstored::Gone(error),
    }
}

fn scheme_of(request: &Request) -> Scheme {
    request.extensions().get::<Scheme>().copied().unwrap_or(Scheme::HTTP)
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// The code of what is stored and not bound.
pub(crate) const UNHEARD: &str = "entry_unheard";
/// The gateway's codes for what may be otherwise a second later (`service::AgentsError`).
const PASSING: [&str; 2] = ["gateway_unavailable", "undecided"];
/// What browsers say of what they fetch before it is wanted (W3C Prefetch, Chromium, WebKit, Gecko).
const AHEAD: [(&str, &str); 4] = [("sec-purpose", "prefetch"), ("purpose", "prefetch"), ("x-purpose", "preview"), ("x-moz", "prefetch")];
