//! Calls about events: a page of them, and those that come.

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use model::limits::PAGE_ITEMS_MAX;
use model::{ChainedEvent, SecretName};
use serde::Deserialize;

use crate::error::ClientError;
use crate::sse::Parser;
use crate::transport::Client;

/// Which events are wanted.
#[derive(Clone, Debug, Default)]
pub struct EventsWanted {
    /// Of the secret of this name only.
    pub secret: Option<SecretName>,
    /// After this [`EventPage::cursor`]; none: from the first event on.
    pub after: Option<String>,
}

/// A page of events, oldest first.
#[derive(Debug, Deserialize)]
pub struct EventPage {
    /// The page.
    pub events: Vec<ChainedEvent>,
    /// Whether later ones follow.
    pub has_more: bool,
    /// What [`EventsWanted::after`] is for the next page.
    pub cursor: String,
}

/// How a stream of events ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// The caller said so.
    Stopped,
    /// The server ended it.
    Ended,
}

impl Client {
    /// One page of the account's events, as long as the server gives.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub fn events_page(&self, wanted: &EventsWanted) -> Result<EventPage, ClientError> {
        let page: EventPage = self.call(Method::GET, &path(wanted, false), Bytes::new())?;
        // A cursor goes back into a query as it is.
        let sound = page.cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && (!page.has_more || !page.events.is_empty());
        if sound { Ok(page) } else { Err(ClientError::Malformed) }
    }

    /// The events after `wanted.after`, then each that comes, handed to `take` one by one until that breaks or the server ends the stream.
    ///
    /// # Errors
    /// When the server refuses, cannot be reached or falls silent.
    pub fn follow_events(
        &self,
        wanted: &EventsWanted,
        mut take: impl FnMut(ChainedEvent) -> ControlFlow<()>,
    ) -> Result<Follow, ClientError> {
        let mut parser = Parser::default();
        let mut end = Follow::Ended;
        self.stream(&path(wanted, true), QUIET_MAX, |piece| {
            for data in parser.feed(piece).map_err(|_| ClientError::Malformed)? {
                let event = serde_json::from_slice(&data).map_err(|_| ClientError::Malformed)?;
                if take(event).is_break() {
                    end = Follow::Stopped;
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        Ok(end)
    }
}

fn path(wanted: &EventsWanted, follow: bool) -> String {
    let mut query = vec![format!("limit={PAGE_ITEMS_MAX}")];
    query.extend(wanted.secret.as_ref().map(|name| format!("secret={name}")));
    query.extend(wanted.after.as_ref().map(|cursor| format!("after={cursor}")));
    query.extend(follow.then(|| "follow=true".to_owned()));
    format!("/v1/events?{}", query.join("&"))
}

/// The server sends a comment well within this time where nothing happens.
const QUIET_MAX: Duration = Duration::from_secs(120);
