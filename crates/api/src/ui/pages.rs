//! The pages as they are sent: each a template and what it is filled with. Everything is escaped; nothing here can hold a value.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, WWW_AUTHENTICATE, X_FRAME_OPTIONS};
use http::{HeaderValue, StatusCode};
use link::agents::{Entry, RequestStatus, Wish};
use link::cli::BindingView;
use model::HostPattern;

use crate::problem::{ApiError, ProblemCode, Said};
use crate::ui::entry::UNHEARD;
use crate::ui::words::{Asked, ShownHost, harmless};

/// A link was opened: leads on to the form.
#[derive(Template)]
#[template(path = "opened.html")]
pub(crate) struct Opened;

/// The form.
#[derive(Template)]
#[template(path = "entry.html")]
struct FormPage {
    asked: Asked,
    wrong: Option<Prose>,
}

/// A value was stored.
#[derive(Template)]
#[template(path = "stored.html")]
pub(crate) struct StoredPage {
    asked: Asked,
    /// Where the value may go.
    bound: Vec<ShownHost>,
    /// Where it was to go and may not yet.
    waiting: Vec<ShownHost>,
    /// Why it cannot be sent anywhere.
    cannot_be_sent: Option<String>,
}

/// Something was not done.
#[derive(Template)]
#[template(path = "refused.html")]
struct Refused {
    title: &'static str,
    words: Prose,
    /// Whether the form may be good again in a moment.
    is_form: bool,
}

/// The first page.
#[derive(Template)]
#[template(path = "home.html")]
pub(crate) struct Home {
    pub(crate) version: &'static str,
}

/// A text of ours in which commands stand between backticks.
pub(crate) struct Prose(Vec<Piece>);

struct Piece {
    is_command: bool,
    text: String,
}

impl Prose {
    fn of(text: &str) -> Self {
        let pieces = text.split('`').enumerate().map(|(at, text)| Piece { is_command: at % 2 == 1, text: harmless(text) });
        let mut pieces: Vec<_> = pieces.filter(|piece| !piece.text.is_empty()).collect();
        if let Some(first) = pieces.first_mut().filter(|piece| !piece.is_command) {
            let mut chars = first.text.chars();
            first.text = chars.next().map(|char| char.to_uppercase().chain(chars).collect()).unwrap_or_default();
        }
        Self(pieces)
    }
}

impl StoredPage {
    /// What was stored, and where the gateway says that it may go.
    pub(crate) fn new(asked: Asked, entry: &Entry, bindings: Option<&[BindingView]>) -> Self {
        let wished: &[HostPattern] = match &entry.request.wanted {
            Wish::Secret { hosts, .. } => hosts,
            Wish::Access { .. } => &[],
        };
        let is_all = match entry.request.status {
            RequestStatus::Approved => true,
            RequestStatus::Waiting | RequestStatus::Entered | RequestStatus::Refused | RequestStatus::Expired => false,
        };
        let named = bindings.unwrap_or_default().iter().filter_map(|view| view.binding.as_ref()).map(|binding| &binding.host);
        let mut bound: Vec<&HostPattern> = if is_all { wished.iter().collect() } else { Vec::new() };
        for host in named {
            if !bound.contains(&host) {
                bound.push(host);
            }
        }
        let is_bound = |wish: &HostPattern| bound.iter().any(|host| *host == wish || wish.exact().is_some_and(|wish| host.matches(wish)));
        let waiting = wished.iter().filter(|wish| !is_bound(wish)).map(ShownHost::of).collect();
        let cannot_be_sent = bindings.unwrap_or_default().iter().find_map(|view| view.cannot_be_sent.clone());
        Self { asked, waiting, bound: bound.into_iter().map(ShownHost::of).collect(), cannot_be_sent }
    }
}

/// A page.
pub(crate) fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => guarded(Html(html).into_response()),
        // Templates are checked when they are built; only writing fails, and text is written to memory.
        Err(_) => ApiError::Internal.into_response(),
    }
}

/// The form, with what was wrong the last time.
pub(crate) fn form(asked: Asked, error: Option<ApiError>) -> Response {
    let Some(error) = error else { return page(&FormPage { asked, wrong: None }) };
    let response = error.into_response();
    let wrong = response.extensions().get::<Said>().map(|said| Prose::of(&said.0));
    dressed(response, &FormPage { asked, wrong })
}

/// The page of a refusal that is told in JSON elsewhere; everything else as it is. `is_form` where it was the form that was asked for.
pub(crate) fn for_people(response: Response, is_form: bool) -> Response {
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|named| named == "application/json");
    let Some(said) = response.extensions().get::<Said>().filter(|_| is_json).cloned() else { return response };
    let (status, code) = (response.status(), response.extensions().get::<ProblemCode>().map_or("", |problem| problem.0));
    let title = if code == UNHEARD {
        "Stored, but not bound"
    } else if status == StatusCode::NOT_FOUND {
        "This link does not work"
    } else if status.is_server_error() {
        "Not now"
    } else {
        "Not done"
    };
    let is_form = is_form && status == StatusCode::SERVICE_UNAVAILABLE && code != UNHEARD;
    dressed(response, &Refused { title, words: Prose::of(&said.0), is_form })
}

/// An answer with the body of a page in place of its own.
fn dressed(response: Response, template: &impl Template) -> Response {
    let (mut parts, _) = response.into_parts();
    let (page, body) = page(template).into_parts();
    // A page has no credential that browsers could ask for.
    for name in [CONTENT_LENGTH, WWW_AUTHENTICATE] {
        parts.headers.remove(name);
    }
    parts.headers.extend(page.headers);
    Response::from_parts(parts, body)
}

/// What every page and all that belongs to it is sent with.
pub(crate) fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in GUARDS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// `same-origin`, since with `no-referrer` browsers send the form with the origin `null` (Fetch, "append a request Origin header"); no address here tells
/// anything to others, as no page leads to another site.
const GUARDS: [(HeaderName, &str); 7] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, "same-origin"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
];
