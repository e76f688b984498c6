//! `/v1/events`: the api's chain and the gateway's, merged by time; a page at a time, or followed as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use link::front::{Ask, Tell};
use model::limits::LINK_PAGE_ITEMS_MAX;
use model::{ChainedEvent, Scope, Writer};
use service::Caller;

use crate::call::{Call, Credential, blocking};
use crate::desk::Desk;
use crate::front::FrontError;
use crate::limits::{FOLLOW_ALIVE, FOLLOW_TICK};
use crate::problem::ApiError;
use crate::queries::{self, Cursor, EventsQuery};
use crate::shares::Taken;
use crate::views::{EventListView, EventView};

/// `GET /v1/events`
pub(crate) async fn list(State(desk): State<Arc<Desk>>, call: Call) -> Response {
    let (uri, credential) = (call.uri.clone(), call.credential());
    // A first page is read in any case: whoever may not read, or asks wrongly, is told so by a status.
    let first = blocking(&desk, {
        let (desk, credential) = (Arc::clone(&desk), credential.clone());
        move || {
            let caller = credential.admitted(&desk)?;
            caller.require(Scope::Read)?;
            let query = queries::events(&uri)?;
            Ok((page(&desk, &caller, &query)?, query, caller.account.id))
        }
    });
    match first.await {
        Ok((first, query, account)) if query.follow => match desk.followers.try_take(&account) {
            Some(place) => follow(Follower { desk, credential, query, ready: first.events.into(), _place: place }),
            None => ApiError::FollowersFull.into_response(),
        },
        Ok((first, _, _)) => Json(first).into_response(),
        Err(error) => error.into_response(),
    }
}

/// A client that gets events as they come.
struct Follower {
    desk: Arc<Desk>,
    credential: Credential,
    query: EventsQuery,
    ready: VecDeque<EventView>,
    _place: Taken,
}

fn follow(follower: Follower) -> Response {
    let desk = Arc::clone(&follower.desk);
    let events = futures_util::StreamExt::take_until(events_of(follower), async move { desk.stopped().await });
    Sse::new(events).keep_alive(KeepAlive::new().interval(FOLLOW_ALIVE)).into_response()
}

fn events_of(follower: Follower) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    stream::unfold(follower, |mut follower| async move {
        loop {
            if let Some(view) = follower.ready.pop_front() {
                follower.query.after = view.cursor.parse().unwrap_or(follower.query.after);
                let event = sse::Event::default().id(&view.cursor).json_data(&view).unwrap_or_default();
                return Some((Ok(event), follower));
            }
            tokio::time::sleep(FOLLOW_TICK).await;
            let (desk, credential, query) = (Arc::clone(&follower.desk), follower.credential.clone(), follower.query.clone());
            let next = tokio::task::spawn_blocking(move || {
                let caller = credential.caller(&desk)?;
                page(&desk, &caller, &query)
            });
            match next.await {
                Ok(Ok(next)) => follower.ready = next.events.into(),
                // It comes back; what happened meanwhile is in its ledger.
                Ok(Err(ApiError::Front(_))) => {}
                Ok(Err(_)) | Err(_) => return None,
            }
        }
    })
}

fn page(desk: &Desk, caller: &Caller, query: &EventsQuery) -> Result<EventListView, ApiError> {
    let wanted = query.limit + 1;
    let own = desk.house.events(caller, query.secret.clone(), query.after.api, wanted)?;
    let others = gateway_events(desk, caller, query, wanted)?;
    let (events, has_more) = merge(own, others, query.after, query.limit);
    let cursor = events.last().map_or_else(|| query.after.to_string(), |last| last.cursor.clone());
    Ok(EventListView { events, has_more, cursor })
}

/// The gateway's events; it answers with as many as fit into one message, so it is asked until it has no more or there are enough.
fn gateway_events(desk: &Desk, caller: &Caller, query: &EventsQuery, wanted: usize) -> Result<Vec<ChainedEvent>, ApiError> {
    let mut events: Vec<ChainedEvent> = Vec::new();
    while events.len() < wanted {
        let ask = Ask::Events {
            account: caller.account.id.clone(),
            name: query.secret.clone(),
            after: events.last().map_or(query.after.gateway, |event| event.seq),
            limit: LINK_PAGE_ITEMS_MAX.min(wanted - events.len()),
        };
        let Tell::Events(more) = desk.front.ask(ask)? else { return Err(FrontError::Failed.into()) };
        if more.is_empty() {
            break;
        }
        events.extend(more);
    }
    Ok(events)
}

/// Two chains in the order of time, each in its own order; and whether more remain than the limit.
fn merge(own: Vec<ChainedEvent>, others: Vec<ChainedEvent>, mut at: Cursor, limit: usize) -> (Vec<EventView>, bool) {
    let (mut own, mut others) = (own.into_iter().peekable(), others.into_iter().peekable());
    let mut events = Vec::new();
    while events.len() < limit {
        let own_first = match (own.peek(), others.peek()) {
            (Some(a), Some(b)) => a.event.time <= b.event.time,
            (Some(_), None) => true,
            (None, Some(_) | None) => false,
        };
        let Some(event) = (if own_first { own.next() } else { others.next() }) else { break };
        match event.writer {
            Writer::Api => at.api = event.seq,
            Writer::Gateway => at.gateway = event.seq,
        }
        events.push(EventView { event, cursor: at.to_string() });
    }
    (events, own.peek().is_some() || others.peek().is_some())
}

#[cfg(test)]
mod tests {
    use model::{AccountId, Event, EventKind, Timestamp};

    use super::*;

    fn event(writer: Writer, seq: u64, ms: i64) -> ChainedEvent {
        let zero = Timestamp::from_unix_ms(0);
        let event = Event::bare(EventKind::Refused, Timestamp::from_unix_ms(ms), AccountId::from_parts(zero, 0));
        ChainedEvent { writer, seq, hash: String::new(), event }
    }

    #[test]
    fn chains_keep_their_own_order_and_pages_meet() {
        let own = || vec![event(Writer::Api, 1, 10), event(Writer::Api, 2, 5), event(Writer::Api, 4, 30)];
        let others = || vec![event(Writer::Gateway, 7, 7), event(Writer::Gateway, 9, 20)];
        let (first, more) = merge(own(), others(), Cursor { api: 0, gateway: 6 }, 3);
        let cursors: Vec<&str> = first.iter().map(|view| view.cursor.as_str()).collect();
        assert_eq!((cursors, more), (vec!["0-7", "1-7", "2-7"], true));
        let rest = |events: Vec<ChainedEvent>, after: u64| events.into_iter().filter(|event| event.seq > after).collect();
        let (second, more) = merge(rest(own(), 2), rest(others(), 7), Cursor { api: 2, gateway: 7 }, 3);
        let cursors: Vec<&str> = second.iter().map(|view| view.cursor.as_str()).collect();
        assert_eq!((cursors, more), (vec!["2-9", "4-9"], false));
    }
}
