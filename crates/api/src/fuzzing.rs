//! What the fuzz targets call: the readers of bodies and queries, as they are. In no build that is shipped.

use http::Uri;
use link::cli::NewRemote;
use link::front::NewDevbox;
use vault::SecretValue;

use model::SecretName;

use crate::bodies::{self, devboxes, environments, gateways};
use crate::problem::ApiError;
use crate::queries;
use crate::ui::form;

/// A refusal as its caller and the log see it.
pub struct Told {
    /// The status.
    pub status: u16,
    /// All words of it.
    pub words: String,
}

/// The body of a create.
///
/// # Errors
/// What its caller is told.
pub fn create(bytes: &[u8]) -> Result<(SecretName, SecretValue), Told> {
    bodies::create(bytes).map(|body| (body.name, body.value)).map_err(told)
}

/// The body of an update.
///
/// # Errors
/// What its caller is told.
pub fn update(bytes: &[u8]) -> Result<SecretValue, Told> {
    bodies::update(bytes).map(|body| body.value).map_err(told)
}

/// The entry page's form.
///
/// # Errors
/// What its sender is told.
pub fn form(bytes: &[u8]) -> Result<SecretValue, Told> {
    form::parse(bytes).map(|form| form.value).map_err(told)
}

/// A devbox that is wanted.
///
/// # Errors
/// What its caller is told.
pub fn devbox(bytes: &[u8]) -> Result<NewDevbox, Told> {
    devboxes::create(bytes, None).map_err(told)
}

/// An environment that is wanted.
///
/// # Errors
/// What its caller is told.
pub fn environment(bytes: &[u8]) -> Result<NewRemote, Told> {
    environments::env(bytes, None).map_err(told)
}

/// The body of one of the other routes.
///
/// # Errors
/// What its caller is told.
pub fn body(route: u8, bytes: &[u8]) -> Result<(), Told> {
    match route % 8 {
        0 => bodies::key(bytes).map(drop),
        1 => bodies::empty(bytes).map_err(ApiError::from),
        2 => devboxes::execute(bytes).map(drop),
        3 => devboxes::wait(bytes).map(drop),
        4 => devboxes::wait_command(bytes).map(drop),
        5 => devboxes::gateway_token(bytes).map(drop),
        6 => gateways::create(bytes).map(drop),
        _ => gateways::update(bytes).map(drop),
    }
    .map_err(told)
}

/// The query of a route: how many items it asks for at most, where that is what it says.
///
/// # Errors
/// What its caller is told.
pub fn query(route: u8, uri: &Uri) -> Result<Option<usize>, Told> {
    match route % 7 {
        0 => queries::page(uri).map(|page| Some(page.limit)),
        1 => queries::keys(uri).map(|(limit, _)| Some(limit)),
        2 => queries::gateway_configs(uri).map(|_| None),
        3 => queries::devboxes(uri).map(|page| Some(page.limit)),
        4 => queries::last_n(uri).map(|_| None),
        5 => queries::offset(uri).map(|_| None),
        _ => queries::events(uri).map(|events| Some(events.limit)),
    }
    .map_err(told)
}

/// A cursor of events, written again.
#[must_use]
pub fn cursor(text: &str) -> Option<String> {
    text.parse::<queries::Cursor>().ok().map(|cursor| cursor.to_string())
}

fn told(error: impl Into<ApiError>) -> Told {
    let error = error.into();
    let (status, code) = error.answer();
    Told { status: status.as_u16(), words: format!("{code} {error} {error:?}") }
}
