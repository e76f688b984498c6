//! `tightlip events`: what happened, and what happens.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use client::{Client, EventsWanted, Follow};
use model::limits::REQUEST_PROOFS_MAX;
use model::{ChainedEvent, Clock, EventKind, SecretName};
use serde::Serialize;
use service::SystemClock;

use super::ago::ago;
use super::fault::{Exit, Fault};
use super::output::{Output, table};
use super::target::Target;

/// Which events.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Keep on: show each event as it happens
    #[arg(long, short = 'f')]
    follow: bool,
    /// Of this secret only
    #[arg(long, value_name = "NAME")]
    secret: Option<SecretName>,
    /// The latest so many [default: 100, with --follow 10]
    #[arg(long, short = 'n', value_name = "COUNT")]
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Listed<'a> {
    events: &'a [ChainedEvent],
}

/// Shows events.
pub(super) fn events(args: Args, target: &Target, out: &Output) -> Result<i32, Fault> {
    let client = target.client()?;
    let limit = args.limit.unwrap_or(if args.follow { LATEST_FOLLOWED } else { LATEST });
    let mut wanted = EventsWanted { secret: args.secret, after: None };
    let latest = latest(&client, &mut wanted, limit)?;
    if args.follow {
        return follow(&client, &wanted, &latest, out);
    }
    if latest.is_empty() && !out.json() {
        out.note("no events yet");
        return Ok(0);
    }
    out.result(&Listed { events: &latest }, || {
        let now = SystemClock.now();
        let row = |chained: &ChainedEvent| {
            let [what, secret, host, devbox, detail] = cells(chained);
            [ago(chained.event.time, now), what, secret, host, devbox, detail]
        };
        table(["WHEN", "WHAT", "SECRET", "HOST", "DEVBOX", "DETAIL"], &latest.iter().map(row).collect::<Vec<_>>())
    });
    Ok(0)
}

/// The last `limit` events, oldest first; `wanted` then stands after them.
fn latest(client: &Client, wanted: &mut EventsWanted, limit: usize) -> Result<Vec<ChainedEvent>, Fault> {
    let mut kept: VecDeque<ChainedEvent> = VecDeque::new();
    loop {
        let page = client.events_page(wanted)?;
        wanted.after = Some(page.cursor);
        kept.extend(page.events);
        kept.drain(..kept.len().saturating_sub(limit));
        if !page.has_more {
            return Ok(kept.into());
        }
    }
}

fn follow(client: &Client, wanted: &EventsWanted, latest: &[ChainedEvent], out: &Output) -> Result<i32, Fault> {
    let show = |event: &ChainedEvent| if out.json() { out.json_line(event) } else { out.line(&line(event)) };
    latest.iter().for_each(show);
    let end = client.follow_events(wanted, |event| {
        show(&event);
        ControlFlow::Continue(())
    })?;
    match end {
        Follow::Stopped => Ok(0),
        Follow::Ended => Err(Fault::new(Exit::Unreachable, "the server ended the stream: it was stopped").next("tightlip events --follow")),
    }
}

fn cells(chained: &ChainedEvent) -> [String; 5] {
    let event = &chained.event;
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let mut detail = Vec::new();
    detail.extend(event.refusal.map(|refusal| refusal.code().to_owned()));
    detail.extend(event.about_key.as_ref().map(ToString::to_string));
    detail.extend(event.request.as_ref().map(ToString::to_string));
    detail.extend(event.version.map(|version| format!("version {version}")));
    detail.extend(event.count.and_then(|count| counted(event.kind, count)));
    [
        what(event.kind).to_owned(),
        or_dash(event.name.as_ref().map(ToString::to_string)),
        or_dash(event.host.as_ref().map(ToString::to_string).or_else(|| event.pattern.as_ref().map(ToString::to_string))),
        or_dash(event.devbox.as_ref().map(ToString::to_string)),
        if detail.is_empty() { "-".to_owned() } else { detail.join(", ") },
    ]
}

/// What an event's number says.
fn counted(kind: EventKind, count: u64) -> Option<String> {
    if kind == EventKind::RequestOpened {
        Some(format!("link {count}"))
    } else if kind == EventKind::RequestProofWrong {
        Some(format!("try {count} of {REQUEST_PROOFS_MAX}"))
    } else {
        (count > 1).then(|| format!("{count} times"))
    }
}

/// One event as it happens: its parts that are there.
fn line(chained: &ChainedEvent) -> String {
    let [what, rest @ ..] = cells(chained);
    let parts: Vec<String> = rest.into_iter().filter(|part| part != "-").collect();
    format!("{} {what:<15} {}", clock_time(chained.event.time.unix_ms()), parts.join("  ")).trim_end().to_owned()
}

/// The time of day, UTC.
fn clock_time(unix_ms: i64) -> String {
    let seconds = unix_ms.div_euclid(1000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

const fn what(kind: EventKind) -> &'static str {
    match kind {
        EventKind::AccountCreated => "account created",
        EventKind::KeyCreated => "key created",
        EventKind::KeyMarked => "key marked by the gateway",
        EventKind::KeyRevoked => "key revoked",
        EventKind::SecretCreated => "created",
        EventKind::SecretUpdated => "updated",
        EventKind::SecretDeleted => "deleted",
        EventKind::GatewayConfigCreated => "gateway created",
        EventKind::GatewayConfigUpdated => "gateway updated",
        EventKind::GatewayConfigDeleted => "gateway deleted",
        EventKind::BindingCreated => "bound",
        EventKind::BindingDeleted => "unbound",
        EventKind::DevboxOpened => "devbox opened",
        EventKind::DevboxClosed => "devbox closed",
        EventKind::SecretFirstUsed => "first used",
        EventKind::SecretUsed => "used",
        EventKind::Refused => "refused",
        EventKind::GatewayTokenCreated => "gateway token created",
        EventKind::PairingRequested => "pairing requested",
        EventKind::PairingApproved => "pairing approved",
        EventKind::PairingRefused => "pairing refused",
        EventKind::SecretExposed => "exposed",
        EventKind::SecretBrokered => "brokered",
        EventKind::SecretGivenPlain => "given plain",
        EventKind::PassedThrough => "passed through unseen",
        EventKind::BackedUp => "backed up",
        EventKind::AnchorMissing => "anchor missing",
        EventKind::RollbackAccepted => "rollback accepted",
        EventKind::RequestMade => "asked for",
        EventKind::RequestOpened => "link opened",
        EventKind::RequestEntered => "value entered",
        EventKind::RequestApproved => "request approved",
        EventKind::RequestRefused => "request refused",
        EventKind::RequestProofWrong => "wrong code",
        EventKind::RequestLapsed => "request lapsed",
        EventKind::DevboxGivenMore => "devbox given more",
    }
}

/// A screen or two.
const LATEST: usize = 100;
const LATEST_FOLLOWED: usize = 10;

const EXAMPLES: &str = "\
Examples:
  tightlip events
  tightlip events --secret GITHUB_TOKEN --follow
  tightlip events --json | jq '.events[] | select(.kind == \"refused\")'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_is_utc() {
        assert_eq!(clock_time(1_790_000_000_000), "14:13:20Z");
        assert_eq!(clock_time(0), "00:00:00Z");
    }

    #[test]
    fn a_links_and_a_codes_number_is_not_how_often_it_was_opened_or_wrong() {
        for (kind, count, words) in [
            (EventKind::RequestOpened, 5, Some("link 5")),
            (EventKind::RequestProofWrong, 1, Some("try 1 of 5")),
            (EventKind::SecretUsed, 5, Some("5 times")),
            (EventKind::SecretUsed, 1, None),
        ] {
            assert_eq!(counted(kind, count).as_deref(), words);
        }
    }
}
