//! Recognising what a value is, from its first characters and its name, and what can be done with it.

use model::kind::{Kind, Mark, Shape, catalogue};
use model::limits::BROKERED_VALUE_BYTES_MIN;
use model::name::SecretName;

use crate::value::SecretValue;

/// The kind of a value: by its shape (the longest beginning that fits), by its content (service-account files), and only then by its name.
///
/// Where several kinds begin alike, the one that the name tells goes first, then one whose whole shape fits. Names are compared without regard to case, and
/// `-` and `.` count as `_`. `None`: unknown, so nothing binds it by default.
#[must_use]
pub fn recognise(name: &SecretName, value: &SecretValue) -> Option<&'static Kind> {
    let named = by_name(name);
    by_shape(named, value).or_else(|| by_content(value)).or(named)
}

fn by_shape(named: Option<&'static Kind>, value: &SecretValue) -> Option<&'static Kind> {
    let mut best = None;
    for kind in catalogue() {
        let is_named = named.is_some_and(|named| named.id == kind.id);
        let Some(shape) = shape_of(kind, value).filter(|shape| shape.mark != Mark::Nothing || is_named) else { continue };
        let rank = (shape.prefix().len(), is_named, shape.mark == Mark::Whole);
        if best.is_none_or(|(of_best, _)| rank > of_best) {
            best = Some((rank, kind));
        }
    }
    best.map(|(_, kind)| kind)
}

/// Whether a value is too short to be swapped: it could occur in a reply by chance, and be guessed from what the scrubber replaces.
#[must_use]
pub fn too_short(value: &SecretValue) -> bool {
    value.bytes().len() < BROKERED_VALUE_BYTES_MIN
}

/// Whether a value can stand in any header as it is: visible ASCII, spaces only inside (RFC 9110 section 5.5).
#[must_use]
pub fn fits_header(value: &SecretValue) -> bool {
    let visible = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    let bytes = value.bytes();
    bytes.iter().all(visible) && bytes.first().is_some_and(|byte| *byte != b' ') && bytes.last() != Some(&b' ')
}

/// The longest of a kind's shapes that the value has. Where the beginning decides, more must follow it, and where values have a length, nothing but visible
/// ASCII.
pub(crate) fn shape_of(kind: &Kind, value: &SecretValue) -> Option<Shape> {
    let bytes = value.bytes().trim_ascii();
    let fits = |shape: &&Shape| match shape.mark {
        Mark::Beginning => begins_with(bytes, shape),
        Mark::Whole | Mark::Nothing => shape.is_whole(bytes),
    };
    kind.shapes.iter().filter(fits).max_by_key(|shape| shape.prefix().len()).copied()
}

fn begins_with(bytes: &[u8], shape: &Shape) -> bool {
    let prefix = shape.prefix();
    let has_places = prefix.len() < shape.text.len();
    bytes.len() > prefix.len() && bytes.starts_with(prefix.as_bytes()) && (!has_places || bytes.iter().all(u8::is_ascii_graphic))
}

/// A cloud's service-account file: a JSON object that says so and holds a private key. Searched as bytes, so that no parser copies the key.
fn by_content(value: &SecretValue) -> Option<&'static Kind> {
    let bytes = value.bytes().trim_ascii();
    let holds = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
    if bytes.starts_with(b"{") && holds(b"\"service_account\"") && holds(b"\"private_key\"") {
        catalogue().find(|kind| kind.id == SERVICE_ACCOUNT)
    } else {
        None
    }
}

fn by_name(name: &SecretName) -> Option<&'static Kind> {
    let plain: String = name.as_str().chars().map(|c| if matches!(c, '-' | '.') { '_' } else { c.to_ascii_uppercase() }).collect();
    catalogue().find(|kind| kind.names.contains(&plain.as_str()))
}

const SERVICE_ACCOUNT: &str = "service_account_file";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use model::kind::Piece;

    use super::*;

    fn value(text: &str) -> SecretValue {
        SecretValue::from_input(text.as_bytes().to_vec()).unwrap()
    }

    fn id(name: &str, text: &str) -> Option<&'static str> {
        recognise(&name.parse().unwrap(), &value(text)).map(|kind| kind.id)
    }

    /// A value of this shape, of one and the same character where one is drawn.
    fn sample(shape: &Shape) -> String {
        let pieces = shape.pieces().map(|piece| match piece {
            Piece::Text(text) => text.to_owned(),
            Piece::Drawn(_, count) => "7".repeat(count),
        });
        let text: String = pieces.collect();
        if text == shape.text { format!("{text}0123456789abcdef") } else { text }
    }

    #[test]
    fn every_shape_and_every_name_of_the_catalogue_decides() {
        for kind in catalogue() {
            for shape in kind.shapes {
                let text = sample(shape);
                match shape.mark {
                    Mark::Beginning | Mark::Whole => assert_eq!(id("X", &text), Some(kind.id), "{text}"),
                    Mark::Nothing => assert_ne!(id("X", &text), Some(kind.id), "{text}"),
                }
                let name = kind.names[0];
                assert_eq!(id(name, &text), Some(kind.id), "{name} {text}");
            }
            for name in kind.names {
                assert_eq!(id(name, "correct-horse-battery"), Some(kind.id), "{name}");
            }
        }
    }

    #[test]
    fn where_several_kinds_begin_alike_the_name_decides_and_then_the_whole() {
        let hex = format!("sk-{}", "0a".repeat(16));
        assert_eq!(id("X", &hex), Some("deepseek_api_key"));
        assert_eq!(id("OPENAI_API_KEY", &hex), Some("openai_api_key"));
        let long = format!("sk-{}", "0A".repeat(24));
        assert_eq!(id("X", &long), Some("openai_api_key"));
        assert_eq!(id("MOONSHOT_API_KEY", &long), Some("moonshot_api_key"));
        assert_eq!(id("GOOGLE_MAPS_API_KEY", &format!("AIza{}", "x".repeat(35))), Some("google_maps_api_key"));
        // A name does not outdo a beginning that says more.
        assert_eq!(id("MOONSHOT_API_KEY", "sk-ant-api03-abcdefgh"), Some("anthropic_api_key"));
    }

    #[test]
    fn what_begins_with_little_is_recognised_as_a_whole_only() {
        for text in ["fc-a-value-of-mine-0123456789abcdef", "re_member_the_milk", "key-of-the-front-door", "pat-a-cake-pat-a-cake"] {
            assert_eq!(id("X", text), None, "{text}");
        }
    }

    #[test]
    fn the_longest_prefix_decides() {
        assert_eq!(id("X", "sk-ant-api03-abcdefgh"), Some("anthropic_api_key"));
        assert_eq!(id("X", "sk-or-v1-abcdefgh"), Some("openrouter_api_key"));
        assert_eq!(id("X", "sk-abcdefgh"), Some("openai_api_key"));
    }

    #[test]
    fn the_shape_goes_before_the_name() {
        assert_eq!(id("OPENAI_API_KEY", "ghp_0123456789abcdef"), Some("github_token"));
    }

    #[test]
    fn names_are_read_without_case_and_separators() {
        for name in ["github_token", "GitHub-Token", "github.token"] {
            assert_eq!(id(name, "0123456789abcdef"), Some("github_token"), "{name}");
        }
        for name in ["MY_GITHUB_TOKEN", "GITHUB_TOKEN_2", "GITHUB"] {
            assert_eq!(id(name, "0123456789abcdef"), None, "{name}");
        }
    }

    #[test]
    fn a_prefix_alone_or_a_sentence_has_no_shape() {
        for text in ["ghp_", "hf_ is how they begin", " xghp_0123456789abcdef", "GHP_0123456789abcdef"] {
            assert_eq!(id("X", text), None, "{text}");
        }
    }

    #[test]
    fn files_are_recognised_by_what_they_hold() {
        let account = "\n{ \"type\": \"service_account\", \"private_key\": \"-----BEGIN\" }\n";
        assert_eq!(id("X", account), Some("service_account_file"));
        assert_eq!(id("X", "{\"type\":\"other\",\"private_key\":\"x\"}"), None);
        assert_eq!(id("X", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"), Some("private_key"));
        assert_eq!(id("X", "\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n"), Some("ssh_private_key"));
    }

    #[test]
    fn short_values_and_unfit_ones_are_told() {
        assert!(too_short(&value("1234567")) && !too_short(&value("12345678")));
        for text in ["a\r\nb", "a\nb", "a\0b", "a\tb", "ä", " a", "a ", "a\x7f"] {
            assert!(!fits_header(&value(text)), "{text:?}");
        }
        for text in ["a", "a b", "user:pass", "~!@#$%^&*()"] {
            assert!(fits_header(&value(text)), "{text:?}");
        }
    }
}
