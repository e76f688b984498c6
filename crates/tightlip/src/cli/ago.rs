//! Times as people say them.

use model::Timestamp;

/// How long ago `then` was, as people say it; `now` for what lies ahead by a clock's error.
pub(crate) fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.ms_since(then) / 1000;
    if seconds <= 1 { "just now".to_owned() } else { format!("{} ago", span(seconds)) }
}

/// In how long `then` is, as people say it; what lies behind is now. To the nearest second or minute: an hour that has just begun is one.
pub(crate) fn until(then: Timestamp, now: Timestamp) -> String {
    let seconds = then.ms_since(now).saturating_add(500) / 1000;
    let seconds = if seconds < MINUTE { seconds } else { (seconds + MINUTE / 2) / MINUTE * MINUTE };
    if seconds <= 1 { "now".to_owned() } else { format!("in {}", span(seconds)) }
}

fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        ..MINUTE => (seconds, "second"),
        MINUTE..HOUR => (seconds / MINUTE, "minute"),
        HOUR..DAY => (seconds / HOUR, "hour"),
        DAY..MONTH => (seconds / DAY, "day"),
        MONTH..YEAR => (seconds / MONTH, "month"),
        YEAR.. => (seconds / YEAR, "year"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const MONTH: u64 = 30 * DAY;
const YEAR: u64 = 365 * DAY;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_said_in_its_largest_unit() {
        let at = |seconds: i64| ago(Timestamp::from_unix_ms(0), Timestamp::from_unix_ms(seconds * 1000));
        let said = [-5, 0, 2, 59, 60, 119, 3600, 86_400, 29 * 86_400, 31 * 86_400, 800 * 86_400].map(at);
        let expected = [
            "just now",
            "just now",
            "2 seconds ago",
            "59 seconds ago",
            "1 minute ago",
            "1 minute ago",
            "1 hour ago",
            "1 day ago",
            "29 days ago",
            "1 month ago",
            "2 years ago",
        ];
        assert_eq!(said, expected);
        let ahead = |seconds: i64| until(Timestamp::from_unix_ms(seconds * 1000), Timestamp::from_unix_ms(0));
        assert_eq!([-5, 1, 2, 86_400, 40 * 86_400].map(ahead), ["now", "now", "in 2 seconds", "in 1 day", "in 1 month"]);
        assert_eq!([3599, 3571, 3569, 59, 86_395].map(ahead), ["in 1 hour", "in 1 hour", "in 59 minutes", "in 59 seconds", "in 1 day"]);
    }
}
