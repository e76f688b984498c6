//! What callers write after the question mark, parsed into nouns; errors never repeat it.

use std::fmt;
use std::str::FromStr;

use axum::extract::Query;
use http::Uri;
use model::limits::{LABEL_CHARS_MAX, OUTPUT_LINES_DEFAULT};
use model::{ApiKeyId, DevboxId, DevboxStatus, RequestId, SecretId, SecretName};
use service::{GatewayPage, Page};

use crate::limits::{CURSOR_DIGITS_MAX, EVENTS_MAX};

/// Why a query is not what a route takes. Never contains any of it.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum QueryError {
    /// Not a query.
    #[error("the query is not of the form key=value&key=value")]
    Malformed,
    /// Not a limit.
    #[error("`limit` is a whole number from 0 (the default, 20) to 5000; more is cut to that")]
    Limit,
    /// Not a secret's id.
    #[error("`starting_after` is the id of a secret, as in sec_ and 21 letters or digits")]
    StartingAfter,
    /// Not a key's id.
    #[error("`starting_after` is the id of an API key, as in key_ and 21 letters or digits")]
    StartingAfterKey,
    /// Not a gateway config's id.
    #[error("`starting_after` is the id of a gateway config, as in gwc_ and 21 letters or digits")]
    StartingAfterGateway,
    /// Not a devbox's id.
    #[error("`starting_after` is the id of a devbox, as in dbx_ and 21 letters or digits")]
    StartingAfterDevbox,
    /// Not a request's id.
    #[error("`starting_after` is the id of a request, as in req_ and 21 letters or digits")]
    StartingAfterRequest,
    /// Too long for a name.
    #[error("`name` is a part of a name: at most {LABEL_CHARS_MAX} characters")]
    Name,
    /// Not a state.
    #[error("`status` is the state of a devbox: see /openapi.yaml for the words")]
    Status,
    /// Not a number of lines.
    #[error("`last_n` is a number of lines, written in digits")]
    Lines,
    /// Not a place in a stream.
    #[error("`offset` is a number of bytes, written in digits")]
    Offset,
    /// Not a secret's name.
    #[error("`secret` is the name of a secret")]
    Secret,
    /// Not a cursor.
    #[error("`after` is the `cursor` of an event that was listed before")]
    After,
    /// Not yes or no.
    #[error("`follow` is true or false")]
    Follow,
}

/// Where two chains of events were left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Cursor {
    pub(crate) api: u64,
    pub(crate) gateway: u64,
}

/// Which events are asked for.
#[derive(Clone, Debug)]
pub(crate) struct EventsQuery {
    pub(crate) secret: Option<SecretName>,
    pub(crate) after: Cursor,
    pub(crate) limit: usize,
    pub(crate) follow: bool,
}

/// Which devboxes are asked for.
#[derive(Clone, Debug)]
pub(crate) struct DevboxPage {
    pub(crate) limit: usize,
    pub(crate) after: Option<DevboxId>,
    pub(crate) status: Option<DevboxStatus>,
}

impl QueryError {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "query_malformed",
            Self::Limit => "limit_invalid",
            Self::StartingAfter
            | Self::StartingAfterKey
            | Self::StartingAfterGateway
            | Self::StartingAfterDevbox
            | Self::StartingAfterRequest => "starting_after_invalid",
            Self::Name => "name_invalid",
            Self::Status => "status_invalid",
            Self::Lines => "last_n_invalid",
            Self::Offset => "offset_invalid",
            Self::Secret => "secret_invalid",
            Self::After => "after_invalid",
            Self::Follow => "follow_invalid",
        }
    }
}

/// The query's pairs; of a key that stands twice, the last counts.
struct Pairs(Vec<(String, String)>);

impl Pairs {
    fn of(uri: &Uri) -> Result<Self, QueryError> {
        Query::try_from_uri(uri).map(|Query(pairs)| Self(pairs)).map_err(|_| QueryError::Malformed)
    }

    fn find(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// A number of items; 0 where none is named, and the greatest number there is for one that does not fit.
    fn limit(&self) -> Result<usize, QueryError> {
        match self.find("limit") {
            None | Some("") => Ok(0),
            Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(text.parse().unwrap_or(usize::MAX)),
            Some(_) => Err(QueryError::Limit),
        }
    }

    /// A number, where one is named; the greatest there is for one that does not fit.
    fn number(&self, key: &str, invalid: QueryError) -> Result<Option<u64>, QueryError> {
        match self.find(key) {
            None | Some("") => Ok(None),
            Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(Some(text.parse().unwrap_or(u64::MAX))),
            Some(_) => Err(invalid),
        }
    }

    fn starting_after<T: FromStr>(&self, invalid: QueryError) -> Result<Option<T>, QueryError> {
        let text = self.find("starting_after").filter(|text| !text.is_empty());
        text.map(str::parse).transpose().map_err(|_| invalid)
    }
}

/// A page of secrets.
pub(crate) fn page(uri: &Uri) -> Result<Page, QueryError> {
    let pairs = Pairs::of(uri)?;
    Ok(Page::new(pairs.limit()?, pairs.starting_after(QueryError::StartingAfter)?))
}

/// Where a list goes on.
pub(crate) fn starting_after(uri: &Uri) -> Result<Option<SecretId>, QueryError> {
    Pairs::of(uri)?.starting_after(QueryError::StartingAfter)
}

/// A page of API keys: how many, and after which.
pub(crate) fn keys(uri: &Uri) -> Result<(usize, Option<ApiKeyId>), QueryError> {
    let pairs = Pairs::of(uri)?;
    Ok((Page::new(pairs.limit()?, None).limit, pairs.starting_after(QueryError::StartingAfterKey)?))
}

/// A page of requests: how many, and after which.
pub(crate) fn requests(uri: &Uri) -> Result<(usize, Option<RequestId>), QueryError> {
    let pairs = Pairs::of(uri)?;
    Ok((Page::new(pairs.limit()?, None).limit, pairs.starting_after(QueryError::StartingAfterRequest)?))
}

/// A page of gateway configs.
pub(crate) fn gateway_configs(uri: &Uri) -> Result<GatewayPage, QueryError> {
    let pairs = Pairs::of(uri)?;
    let name = pairs.find("name").filter(|text| !text.is_empty());
    if name.is_some_and(|name| name.chars().count() > LABEL_CHARS_MAX) {
        return Err(QueryError::Name);
    }
    let after = pairs.starting_after(QueryError::StartingAfterGateway)?;
    Ok(GatewayPage::new(pairs.limit()?, after, name.map(str::to_owned)))
}

/// A page of devboxes.
pub(crate) fn devboxes(uri: &Uri) -> Result<DevboxPage, QueryError> {
    let pairs = Pairs::of(uri)?;
    let word = pairs.find("status").filter(|word| !word.is_empty());
    // Clients may name a state that has another name since.
    let word = word.map(|word| if word == "scheduled" { "queued" } else { word });
    let status = word.map(|word| DevboxStatus::from_word(word).ok_or(QueryError::Status)).transpose()?;
    let after = pairs.starting_after(QueryError::StartingAfterDevbox)?;
    Ok(DevboxPage { limit: Page::new(pairs.limit()?, None).limit, after, status })
}

/// How many of the last lines of a command's output are shown.
pub(crate) fn last_n(uri: &Uri) -> Result<usize, QueryError> {
    let lines = Pairs::of(uri)?.number("last_n", QueryError::Lines)?;
    Ok(lines.map_or(OUTPUT_LINES_DEFAULT, |lines| usize::try_from(lines).unwrap_or(usize::MAX)))
}

/// From which byte on a command's output is followed.
pub(crate) fn offset(uri: &Uri) -> Result<u64, QueryError> {
    // No stream is as long as half of what there are numbers for.
    Ok(Pairs::of(uri)?.number("offset", QueryError::Offset)?.unwrap_or(0).min(u64::MAX / 2))
}

/// Events.
pub(crate) fn events(uri: &Uri) -> Result<EventsQuery, QueryError> {
    let pairs = Pairs::of(uri)?;
    let follow = match pairs.find("follow") {
        None | Some("" | "false") => false,
        Some("true") => true,
        Some(_) => return Err(QueryError::Follow),
    };
    let secret = pairs.find("secret").map(str::parse).transpose().map_err(|_| QueryError::Secret)?;
    let after = pairs.find("after").filter(|text| !text.is_empty()).map_or(Ok(Cursor::default()), str::parse)?;
    let limit = Page::new(pairs.limit()?, None).limit.min(EVENTS_MAX);
    // A follower has no pages: it catches up as fast as it can.
    Ok(EventsQuery { secret, after, limit: if follow { EVENTS_MAX } else { limit }, follow })
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.api, self.gateway)
    }
}

impl FromStr for Cursor {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let number = |text: &str| {
            let digits = text.len() <= CURSOR_DIGITS_MAX && text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u64>().ok().filter(|_| digits).ok_or(QueryError::After)
        };
        let (api, gateway) = text.split_once('-').ok_or(QueryError::After)?;
        Ok(Self { api: number(api)?, gateway: number(gateway)? })
    }
}
