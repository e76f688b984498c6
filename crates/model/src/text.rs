//! What a text may not have in it where people read it. What texts mean never stands here.

/// Whether a character shows nothing, or turns, joins, hides or breaks what stands around it: Unicode's marks of direction (Standard Annex #9), joiners, zero-width
/// characters, separators of lines, and tags. Controls are [`char::is_control`]'s.
#[must_use]
pub const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}
