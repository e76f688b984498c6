//! The clock: whether it can be right, by what this program, the store and a host say of the time. A wrong one makes certificates fail.

use model::Timestamp;

use super::looks::Looks;

/// No correct clock is before the time in which this program was made.
pub(super) fn look(looks: &mut Looks) {
    if now_ms() < BUILT_AFTER_MS {
        looks.broken("clock", "this machine's clock is behind the time in which this program was made: certificates fail", MEND);
    } else {
        looks.ok("clock", "plausible");
    }
}

/// Nothing was stored later than now.
pub(super) fn compare_stored(stored: Timestamp, looks: &mut Looks) {
    let ahead_ms = stored.unix_ms() - now_ms();
    if ahead_ms > OFF_MAX_MS {
        let found = format!("a secret was stored {} after what this machine's clock says now: the clock went back", span(ahead_ms));
        looks.broken("clock", found, MEND);
    }
}

/// A host's `Date` (RFC 9110, section 6.6.1) is about now. What cannot be read says nothing.
pub(super) fn compare_date(host: &str, date: &str, looks: &mut Looks) {
    let Some(theirs_ms) = read_date(date) else { return };
    let off_ms = now_ms() - theirs_ms;
    if off_ms.abs() > OFF_MAX_MS {
        let side = if off_ms > 0 { "ahead of" } else { "behind" };
        let found = format!("this machine's clock is {} {side} that of {host}: certificates may fail", span(off_ms.abs()));
        looks.broken("clock", found, MEND);
    }
}

fn now_ms() -> i64 {
    model::Clock::now(&service::SystemClock).unix_ms()
}

/// A span in its largest unit.
fn span(ms: i64) -> String {
    let minutes = ms / 60_000;
    match minutes {
        ..=119 => format!("{minutes} minutes"),
        120..=2879 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, in milliseconds since 1970.
fn read_date(text: &str) -> Option<i64> {
    let mut words = text.trim().split_once(", ")?.1.split(' ');
    let day: i64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = i64::try_from(MONTHS.iter().position(|month| *month == name)?).ok()? + 1;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(str::parse::<i64>);
    let seconds = clock.next()?.ok()? * 3600 + clock.next()?.ok()? * 60 + clock.next()?.ok()?;
    let is_whole = words.next() == Some("GMT") && (1..=31).contains(&day) && (1970..10_000).contains(&year);
    is_whole.then(|| (days_since_1970(year, month, day) * 86_400 + seconds) * 1000)
}

/// Days of the Gregorian calendar. The year begins with March here, so that its odd day is its last.
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// 1 November 2026: no correct clock is before it.
const BUILT_AFTER_MS: i64 = 1_793_491_200_000;
/// Hosts' own clocks are off by seconds; certificates are backdated by minutes.
const OFF_MAX_MS: i64 = 5 * 60_000;
const MEND: &str = "set the clock: timedatectl set-ntp true, or date --set";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_as_it_is_written() {
        assert_eq!(read_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        assert_eq!(read_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(read_date("Tue, 29 Feb 2028 23:59:59 GMT"), Some(1_835_481_599_000));
        for text in ["", "yesterday", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 99 Nov 1994 08:49:37 GMT"] {
            assert_eq!(read_date(text), None, "{text}");
        }
    }

    #[test]
    fn a_span_is_told_in_its_largest_unit() {
        assert_eq!([6 * 60_000, 3 * 3_600_000, 72 * 3_600_000].map(span), ["6 minutes", "3 hours", "3 days"]);
    }
}
