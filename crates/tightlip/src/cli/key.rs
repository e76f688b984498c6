//! `tightlip key`: make, list and revoke API keys. A new key goes to standard output alone, so that it can be piped; nothing shows it again.

use std::str::FromStr;

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use client::{CreatedKey, KeyView};
use model::limits::KEY_LIFE_SECONDS_MAX;
use model::{ApiKeyId, Clock, Label, Scope, Timestamp};
use serde::Serialize;
use service::SystemClock;

use super::ago::{ago, until};
use super::fault::{Exit, Fault};
use super::output::{Output, table};
use super::target::Target;

/// The verbs.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Make an API key; it is shown this once
    #[command(after_help = CREATE_EXAMPLES)]
    Create(CreateArgs),
    /// List API keys, newest first; the keys themselves are never shown
    #[command(visible_alias = "ls", after_help = LIST_EXAMPLES)]
    List,
    /// Revoke an API key for good; devboxes that it opened get no value any more
    #[command(visible_alias = "rm", after_help = REVOKE_EXAMPLES)]
    Revoke(RevokeArgs),
}

/// What the key is to be.
#[derive(clap::Args)]
pub(super) struct CreateArgs {
    /// What to call it
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    name: Label,
    /// What it may do; repeat for more, or separate by commas [default: read,secrets,devbox]
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',', value_parser = scope_parser())]
    scopes: Vec<Scope>,
    /// For how long it is good, such as 12h, 30d or 8w [default: as long as the key you use]
    #[arg(long, value_name = "TIME")]
    expires: Option<Life>,
}

/// Which key.
#[derive(clap::Args)]
pub(super) struct RevokeArgs {
    /// The key's id (key_...), as `key list` shows it; never the key itself
    #[arg(value_name = "ID")]
    id: String,
}

/// How long a key is good, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life(u64);

/// Not a time that a key may have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum LifeError {
    #[error("a time is a whole number and s, m, h, d or w, such as 30d")]
    NotATime,
    #[error("a key is good for at most {} days; without --expires it is good for as long as the key you use", KEY_LIFE_SECONDS_MAX / DAY)]
    TooLong,
}

#[derive(Serialize)]
struct List<'a> {
    api_keys: &'a [KeyView],
    total_count: usize,
}

/// Does what `command` says.
pub(super) fn obey(command: Command, target: &Target, out: &Output) -> Result<(), Fault> {
    match command {
        Command::Create(args) => create(&args, target, out),
        Command::List => list(target, out),
        Command::Revoke(args) => revoke(&id_of(&args.id)?, target, out),
    }
}

fn create(args: &CreateArgs, target: &Target, out: &Output) -> Result<(), Fault> {
    let scopes = if args.scopes.is_empty() { &DEFAULT_SCOPES[..] } else { &args.scopes };
    let made = target.client()?.create_key(&args.name, scopes, args.expires.map(|life| life.0)).map_err(narrower)?;
    show_made(&made, out);
    Ok(())
}

/// The id, where it is one. What is none may be a key that was pasted, so it is not repeated.
fn id_of(text: &str) -> Result<ApiKeyId, Fault> {
    let unfit =
        || Fault::usage("a key is revoked by its id (key_ and 21 letters or digits), never by the key itself").next("tightlip key list");
    text.parse().map_err(|_| unfit())
}

/// Shows a key that was just made: the key to standard output, all else beside it.
fn show_made(made: &CreatedKey, out: &Output) {
    let view = &made.api_key;
    let end = view.expire_time_ms.map(|end| format!(", ends {}", until(end, SystemClock.now()))).unwrap_or_default();
    out.note(&format!("made {} ({}{end}); it is shown this once: keep it now", view.id, words(&view.scopes)));
    out.result(made, || made.key.clone());
}

fn list(target: &Target, out: &Output) -> Result<(), Fault> {
    let keys = target.client()?.keys()?;
    out.result(&List { api_keys: &keys, total_count: keys.len() }, || {
        let now = SystemClock.now();
        table(HEADER, &keys.iter().map(|key| row(key, now)).collect::<Vec<_>>())
    });
    Ok(())
}

fn row(key: &KeyView, now: Timestamp) -> [String; 6] {
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let end = match (key.revoke_time_ms, key.expire_time_ms) {
        (Some(revoked), _) => format!("revoked {}", ago(revoked, now)),
        (None, Some(end)) if end <= now => format!("expired {}", ago(end, now)),
        (None, Some(end)) => until(end, now),
        (None, None) => "never".to_owned(),
    };
    let used = key.last_used_time_ms.map_or_else(|| "never".to_owned(), |used| ago(used, now));
    [or_dash(key.name.as_str()), key.id.to_string(), words(&key.scopes), ago(key.create_time_ms, now), used, end]
}

fn revoke(id: &ApiKeyId, target: &Target, out: &Output) -> Result<(), Fault> {
    let revoked = target.client()?.revoke_key(id).map_err(|error| {
        let fault = Fault::from(error);
        if fault.exit == Exit::NotFound { fault.next("tightlip key list") } else { fault }
    })?;
    out.result(&revoked, || format!("revoked {id}; it is refused from now on, and devboxes that it opened get no value any more"));
    Ok(())
}

/// A key that may not give what was asked for gets the next command.
fn narrower(error: client::ClientError) -> Fault {
    let fault = Fault::from(error);
    if fault.code == "scopes_exceed_key" { fault.next("tightlip key create --scope read") } else { fault }
}

/// Scopes as one word of a table.
fn words(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(",")
}

impl FromStr for Life {
    type Err = LifeError;

    fn from_str(text: &str) -> Result<Self, LifeError> {
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(LifeError::NotATime)?;
        let seconds = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or(LifeError::NotATime)?.1;
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(LifeError::NotATime);
        }
        // Digits alone that are no number are too many.
        match number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds)) {
            Some(0) => Err(LifeError::NotATime),
            Some(life) if life <= KEY_LIFE_SECONDS_MAX => Ok(Self(life)),
            Some(_) | None => Err(LifeError::TooLong),
        }
    }
}

/// The seconds of a time such as `30m`, at most as long as a key may live.
pub(super) fn seconds_of(text: &str) -> Result<u64, impl std::error::Error + use<>> {
    text.parse::<Life>().map(|life| life.0)
}

/// Takes a scope by its word, and tells shells which there are.
fn scope_parser() -> impl TypedValueParser<Value = Scope> {
    PossibleValuesParser::new(Scope::ALL.map(Scope::as_str)).try_map(|word| word.parse::<Scope>())
}

const HEADER: [&str; 6] = ["NAME", "ID", "SCOPES", "CREATED", "LAST USED", "ENDS"];
/// What a machine or an agent's runner needs. Making keys is asked for by name.
const DEFAULT_SCOPES: [Scope; 3] = [Scope::Read, Scope::Secrets, Scope::Devbox];
const UNITS: [(&str, u64); 5] = [("s", 1), ("m", 60), ("h", 3600), ("d", DAY), ("w", 7 * DAY)];
const DAY: u64 = 24 * 3600;

const CREATE_EXAMPLES: &str = "\
The key goes to standard output, and nothing else does. A key makes only keys that may no more than itself and end no later.

Examples:
  tightlip key create --name CI --scope read --scope devbox --expires 30d
  TIGHTLIP_API_KEY=$(tightlip key create --name laptop) tightlip secret list
  tightlip key create --json | jq -r .key";

const LIST_EXAMPLES: &str = "\
Examples:
  tightlip key list
  tightlip key ls --json | jq -r '.api_keys[] | select(.revoke_time_ms == null) | .id'";

const REVOKE_EXAMPLES: &str = "\
The last key that could make keys with its scopes is not revoked: make its successor first.

Examples:
  tightlip key revoke key_0WVdN5aJ8k2mXq7RtYb3L";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_whole_number_with_its_unit() {
        for text in ["", "d", "30", "0d", "-1d", "1.5h", "+1h", "30 d", "1y", "99999999999999999999w", "9999999999999999999w", "\u{e4}"] {
            assert!(text.parse::<Life>().is_err(), "{text:?}");
        }
        for text in ["3651d", "5000w", "99999999999999999999w"] {
            assert_eq!(text.parse::<Life>(), Err(LifeError::TooLong), "{text:?}");
        }
        for (text, seconds) in [("45s", 45), ("90m", 5400), ("12h", 43_200), ("30d", 2_592_000), ("8w", 4_838_400)] {
            assert_eq!(text.parse::<Life>().ok(), Some(Life(seconds)), "{text:?}");
        }
    }
}
