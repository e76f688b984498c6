//! Texts with names of the agent's making in them, on their way to the user's terminal and into a report of limited size.

use model::limits::DEVBOX_NOTES_MAX;

/// A text with nothing in it that a terminal acts upon, or that turns around what is read.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_unseen(c) { '?' } else { c }).collect()
}

/// [`plain`], and short: a name, or a line of a file.
pub(crate) fn short(text: &str) -> String {
    let end = text.char_indices().nth(SHOWN_CHARS_MAX).map_or(text.len(), |(at, _)| at);
    plain(text.get(..end).unwrap_or_default())
}

/// As many of the lines as a report has room for, fit for a terminal; where there are more, `rest` says how many.
pub(crate) fn report(lines: &[String], rest: impl Fn(usize) -> String) -> Vec<String> {
    take(lines, DEVBOX_NOTES_MAX, rest)
}

/// As many of the names as a report has room for, fit for a terminal, and how many more there are.
pub(crate) fn names(names: &[String]) -> Vec<String> {
    take(names, usize::MAX, |left_out| format!("and {left_out} more"))
}

fn take(texts: &[String], most: usize, rest: impl Fn(usize) -> String) -> Vec<String> {
    let mut room = REPORT_BYTES_MAX;
    let mut taken: Vec<String> = Vec::new();
    for text in texts.iter().take(most) {
        let text = cut(plain(text));
        // As it travels: JSON, where some characters take more than one.
        let bytes = serde_json::to_string(&text).map_or(usize::MAX, |json| json.len() + 1);
        let Some(left) = room.checked_sub(bytes) else { break };
        room = left;
        taken.push(text);
    }
    let left_out = texts.len() - taken.len();
    taken.extend((left_out > 0).then(|| rest(left_out)));
    taken
}

fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(LINE_CHARS_MAX) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// Turns the direction of what follows, breaks the line, or is nothing at all.
const fn is_unseen(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

const SHOWN_CHARS_MAX: usize = 200;
/// A line with a path or two in it.
const LINE_CHARS_MAX: usize = 1000;
/// Of 64 KiB that a packet has, for each of the two lists that one may hold.
const REPORT_BYTES_MAX: usize = 24 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_fits_into_its_packet_whatever_its_names_are() {
        for name in ["\u{1}".repeat(250), "\"\\".repeat(120), "\u{fffd}".repeat(250), "x".repeat(5000)] {
            let lines = vec![format!("{name} was made"); 2000];
            for shown in [report(&lines, |left_out| format!("{left_out} more")), names(&lines)] {
                assert!(serde_json::to_vec(&shown).unwrap().len() < 25 * 1024, "{name:?}");
                let (last, told) = shown.split_last().unwrap();
                assert!(last.contains(&format!("{} more", 2000 - told.len())), "{last}");
            }
        }
    }

    #[test]
    fn what_fits_is_not_cut() {
        let lines: Vec<String> = (0..DEVBOX_NOTES_MAX).map(|number| number.to_string()).collect();
        assert_eq!(report(&lines, |_| unreachable!("nothing is left out")), lines);
        assert_eq!(names(&lines), lines);
    }

    #[test]
    fn nothing_that_a_terminal_acts_upon_passes() {
        assert_eq!(plain("a\u{1b}[6n\u{9b}6n\u{5}\r\n\u{202e}\u{2066}\u{200d}\u{7f}é"), "a?[6n?6n???????é");
        assert_eq!(short(&"é".repeat(500)).chars().count(), 200);
    }
}
