//! Whether a text that an agent sends looks like it holds a secret. Nothing else of such a text is looked at, and it is kept nowhere.
//!
//! A guess, on the side of refusing: a commit's hash or a UUID is taken for a secret as well. What no eye tells from a word, such as a short password alone, is not found.
//!
//! Whoever sends a text chooses how long looking at it takes. So each pass goes over it once, and wherever one stops to look ahead, it looks no farther than a fixed way
//! ([`ahead`]): a text of twice the length is twice the work, whatever it says.

use crate::kind::{Alphabet, Mark, Piece, Shape, catalogue};

/// Whether a text holds something that looks like a credential: by the catalogue's shapes, as a private key, an address with a password, a `password: …`, or by how
/// random it looks. Our own ids are none; placeholders are taken for what they look like.
#[must_use]
pub fn looks_like_secret(text: &str) -> bool {
    holds_marked_text(text)
        || holds_password(text)
        || text.split(is_between_words).any(is_suspect_word)
        || text.split(is_between_pieces).any(is_random_in_pieces)
}

/// What stands between words, in prose, addresses and assignments.
fn is_between_words(character: char) -> bool {
    !(character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | '~'))
}

/// What base64, base64 for URLs and UUIDs do not have.
fn is_between_pieces(character: char) -> bool {
    !(character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '+' | '/'))
}

fn is_suspect_word(word: &str) -> bool {
    let word = word.trim_end_matches('.');
    if word.len() < WORD_BYTES_MIN || is_own_id(word) {
        return false;
    }
    let starts = word.char_indices().filter(|(at, _)| *at == 0 || !word.as_bytes()[at - 1].is_ascii_alphanumeric());
    let has_shape = starts.map(|(at, _)| ahead(word, at)).any(|part| is_own_credential(part) || catalogue_has(part));
    has_shape || word.split(|c: char| !c.is_ascii_alphanumeric()).any(is_random)
}

/// An id of this house (`id.rs`): they are shown to agents, and open nothing.
fn is_own_id(word: &str) -> bool {
    let tail = OWN_IDS.iter().find_map(|prefix| word.strip_prefix(prefix)?.strip_prefix('_'));
    tail.is_some_and(|tail| tail.len() == crate::id::TAIL_CHARS && tail.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// A credential of this house: API keys, admin keys, gateways' tokens, what takes a devbox up, placeholders of unknown kinds.
fn is_own_credential(part: &str) -> bool {
    let tail = OWN_CREDENTIALS.iter().find_map(|prefix| part.strip_prefix(prefix));
    tail.is_some_and(|tail| tail.bytes().take_while(u8::is_ascii_alphanumeric).count() >= RUN_CHARS)
}

fn catalogue_has(part: &str) -> bool {
    catalogue().flat_map(|kind| kind.shapes).any(|shape| match shape.mark {
        Mark::Beginning => begins_so(part, *shape),
        Mark::Whole => shape.is_whole(part.as_bytes()),
        // Other things look the same; what is random among them is found as that.
        Mark::Nothing => false,
    })
}

/// Whether a text begins as a shape does and goes on as it does, far enough to be no word: the less the beginning says, the farther.
fn begins_so(part: &str, shape: Shape) -> bool {
    let prefix = shape.prefix();
    let Some(rest) = part.strip_prefix(prefix).filter(|_| !prefix.is_empty()) else { return false };
    let drawn = shape.pieces().find_map(|piece| match piece {
        Piece::Text(_) => None,
        Piece::Drawn(alphabet, count) => Some((alphabet, count)),
    });
    let (alphabet, count) = drawn.unwrap_or((Alphabet::Base64, usize::MAX));
    let is_telling = prefix.len() >= TELLING_PREFIX_BYTES;
    let run = rest.bytes().take_while(|byte| alphabet.characters().contains(byte)).count();
    let enough = count.min(if is_telling { TELLING_RUN_CHARS } else { RUN_CHARS });
    run >= enough && (is_telling || rest.as_bytes()[..run].iter().any(u8::is_ascii_digit))
}

/// Shapes without places: private keys, files, addresses that are secrets themselves or hold one.
fn holds_marked_text(text: &str) -> bool {
    let has_address = text.match_indices("://").any(|(at, mark)| {
        let after = ahead(text, at + mark.len());
        let authority = after.split(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"')).next().unwrap_or_default();
        authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
    });
    let placeless = catalogue().flat_map(|kind| kind.shapes).map(|shape| shape.text).filter(|text| !text.contains('{'));
    let follows = |mark: &str| {
        text.match_indices(mark).any(|(at, _)| {
            let rest = ahead(text, at + mark.len());
            mark.starts_with("-----") || rest.chars().take_while(|c| !c.is_whitespace()).count() >= TELLING_RUN_CHARS
        })
    };
    has_address || placeless.filter(|mark| !mark.ends_with("://")).any(follows) || text.contains("PRIVATE KEY-----")
}

/// `password: hunter2`, `token=…`: a word for a credential, and then something that is no word.
fn holds_password(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    CREDENTIAL_WORDS.iter().flat_map(|word| lower.match_indices(word).map(|(at, word)| at + word.len())).any(|end| {
        let rest = ahead(&lower, end).trim_start_matches(['"', '\'', ' ', '\t']);
        let Some(rest) = rest.strip_prefix("is").unwrap_or(rest).trim_start().strip_prefix([':', '=']) else { return false };
        let rest = rest.trim_start_matches(['"', '\'', ' ', '\t', '>']);
        let said: &str = rest.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';')).next().unwrap_or_default();
        let is_reference = said.starts_with(['$', '<', '{']);
        said.len() >= SAID_BYTES_MIN
            && !is_reference
            && said.bytes().any(|byte| byte.is_ascii_digit() || matches!(byte, b'!' | b'#' | b'%' | b'^' | b'*'))
    })
}

/// What follows this place, as far as is looked ahead. `at` is the border of a character.
fn ahead(text: &str, at: usize) -> &str {
    let end = text.floor_char_boundary(at.saturating_add(AHEAD_BYTES_MAX));
    let ahead = &text[at..end];
    #[cfg(test)]
    tests::LOOKED_AHEAD.with(|bytes| bytes.set(bytes.get() + ahead.len()));
    ahead
}

/// Letters and digits that change their class as often as drawn ones do, and words do not.
fn is_random(run: &str) -> bool {
    let class = |byte: u8| if byte.is_ascii_digit() { 0 } else { 1 + u8::from(byte.is_ascii_uppercase()) };
    let bytes = run.as_bytes();
    let count = |wanted: u8| bytes.iter().filter(|byte| class(**byte) == wanted).count();
    let (digits, small, capital) = (count(0), count(1), count(2));
    let changes = bytes.windows(2).filter(|pair| class(pair[0]) != class(pair[1])).count();
    // Of a hundred neighbours, how many are of different classes.
    let percent = changes * 100 / bytes.len().saturating_sub(1).max(1);
    match bytes.len() {
        0..16 => false,
        16..20 => digits >= 2 && percent >= 30,
        20..32 => (digits >= 2 && percent >= 20) || (bytes.len() >= 24 && small > 0 && capital > 0 && percent >= 42),
        // Capitals and a few digits of so many characters: base32 (RFC 4648).
        _ if bytes.iter().all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(byte)) => digits >= 2,
        // Hexadecimal digits of this length are no word, however they lie.
        _ if bytes.iter().all(u8::is_ascii_hexdigit) => digits >= 4 && small + capital >= 4,
        _ => (digits >= 4 && percent >= 20) || (small > 0 && capital > 0 && percent >= 36),
    }
}

/// The same over hyphens, underscores, slashes and pluses.
fn is_random_in_pieces(text: &str) -> bool {
    if is_own_id(text) {
        return false;
    }
    let joined: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let pieces = text.split(|c: char| !c.is_ascii_alphanumeric());
    let is_word = |piece: &&str| {
        let bytes = piece.as_bytes();
        bytes.len() >= 3 && (bytes.iter().all(u8::is_ascii_lowercase) || bytes.iter().all(u8::is_ascii_uppercase))
    };
    joined.len() >= JOINED_CHARS_MIN && pieces.filter(is_word).count() <= 1 && is_random(&joined)
}

/// Shorter words are names of things, and credentials of that length are found by what stands before them.
const WORD_BYTES_MIN: usize = 12;
/// Longer than every shape that is known whole, and than the address or the word that a password stands behind.
const AHEAD_BYTES_MAX: usize = 256;
/// A beginning of so many characters says that a credential follows.
const TELLING_PREFIX_BYTES: usize = 4;
/// Of what follows such a beginning: more than what a name of a thing would have.
const TELLING_RUN_CHARS: usize = 8;
/// Of what follows a shorter one.
const RUN_CHARS: usize = 16;
/// Joined over hyphens: as long as the shortest credentials that have some.
const JOINED_CHARS_MIN: usize = 20;
/// A password after its word.
const SAID_BYTES_MIN: usize = 6;
/// The prefixes of ids.
const OWN_IDS: [&str; 9] = ["acc", "key", "sec", "dbx", "gwc", "prq", "req", "dk", "bnd"];
/// The prefixes of credentials.
const OWN_CREDENTIALS: [&str; 6] = ["tlk_", "tla_", "tlr_", "tlp_", "gws_", "tll_"];
const CREDENTIAL_WORDS: [&str; 11] =
    ["password", "passwd", "passphrase", "pwd", "secret", "token", "api key", "api-key", "api_key", "apikey", "credential"];

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    thread_local! {
        /// Bytes that were looked at ahead of where a pass stood.
        pub(super) static LOOKED_AHEAD: Cell<usize> = const { Cell::new(0) };
    }

    fn bytes_looked_ahead(text: &str) -> usize {
        LOOKED_AHEAD.with(|bytes| bytes.set(0));
        let _either = looks_like_secret(text);
        LOOKED_AHEAD.with(Cell::get)
    }

    #[test]
    fn a_text_of_twice_the_length_is_twice_the_work_whatever_it_says() {
        let marks = catalogue().flat_map(|kind| kind.shapes).map(|shape| shape.prefix().to_owned()).filter(|prefix| !prefix.is_empty());
        let words =
            CREDENTIAL_WORDS.into_iter().flat_map(|word| ["=", ":", " ", " is ", "\"", "ä", ""].map(|after| format!("{word}{after}")));
        let others = ["://", "://a:", "x://a:@", "-a", "~", "_", "tlk_", "a.", "-----BEGIN ", "=:", "req_"].map(str::to_owned);
        for piece in marks.chain(words).chain(others) {
            let of_length = |bytes: usize| bytes_looked_ahead(&piece.repeat(bytes / piece.len()));
            let (half, whole) = (of_length(2 * 1024), of_length(4 * 1024));
            assert!(whole <= 2 * half + 64 * 1024, "{piece:?}: {half} and then {whole}");
            assert!(whole <= 1024 * 1024, "{piece:?}");
        }
    }

    #[test]
    fn shapes_that_are_known_whole_are_seen_whole() {
        for shape in catalogue().flat_map(|kind| kind.shapes).filter(|shape| shape.mark == Mark::Whole) {
            assert!(sample(*shape).len() < AHEAD_BYTES_MAX, "{}", shape.text);
        }
    }

    /// A value of this shape.
    fn sample(shape: Shape) -> String {
        let pieces = shape.pieces().map(|piece| match piece {
            Piece::Text(text) => text.to_owned(),
            Piece::Drawn(alphabet, count) => {
                let characters = alphabet.plain_characters();
                (0..count).map(|at| char::from(characters[(at * 17 + 5) % characters.len()])).collect()
            }
        });
        pieces.collect()
    }

    #[test]
    fn every_marked_shape_of_the_catalogue_is_found_wherever_it_stands() {
        for kind in catalogue() {
            for shape in kind.shapes.iter().filter(|shape| shape.mark != Mark::Nothing) {
                let mut value = sample(*shape);
                if value == shape.text {
                    value.push_str(if value.ends_with("://") { "user:hunter2x@db.example.com/x" } else { "0123456789abcdef" });
                }
                for text in [value.clone(), format!("please use {value}."), format!("x={value}&y"), format!("canary-{value}")] {
                    assert!(looks_like_secret(&text), "{text}");
                }
            }
        }
    }

    #[test]
    fn what_is_drawn_at_random_is_found() {
        for text in [
            "0123456789abcdef0123456789abcdef",
            "3f2a9c41d07b5e8812aa90ffcc3471be09d2e6f7",
            "550e8400-e29b-41d4-a716-446655440000",
            "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA==",
            "k7Jq2/xV9tR+w3Lz/Ab8Yp4Qm1/ZsD6fHc5NuE0gTi",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
            "tlk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
            "gws_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
            "https://user:hunter2@api.example.com/",
            "the password is: hunter2",
            "password=correct-horse-7",
            "\"api_key\": \"abc123\"",
            "-----BEGIN RSA PRIVATE KEY-----",
        ] {
            assert!(looks_like_secret(text), "{text}");
        }
    }

    #[test]
    fn words_names_hosts_and_our_own_ids_are_not() {
        for text in [
            "",
            "GITHUB_TOKEN",
            "STRIPE_SECRET_KEY_FOR_PRODUCTION_2026",
            "api.github.com",
            "*.eu-central-1.amazonaws.com",
            "my-service-abcdefghij-uc.a.run.app",
            "d111111abcdef8.cloudfront.net",
            "I need the token of the deployment account to push release v1.24.3-rc.1 to registry.example.com.",
            "The secret: ask the platform team. Password: $DB_PASSWORD, token: <yours>",
            "see https://github.com/organisation/repository-name/issues/1234567 and https://api.example.com:8443/v1",
            "/v1/charges/payment_intents",
            "header:x-api-key",
            "basic:x-access-token",
            "GET,POST",
            "req_0UHQpqQ3K0m7W2xT5yBcD",
            "dbx_0UHQpqQ3K0m7W2xT5yBcD",
            "GetUserInformationFromDatabaseTable",
            "scikit-learn and sk-learn, hf_transfer, re_sync, pat-a-cake-pat-a-cake",
            "2026-11-29T18:00:00.000Z",
            "Überprüfung der Zugangsdaten für die Bereitstellung",
        ] {
            assert!(!looks_like_secret(text), "{text}");
        }
    }

    /// What of texts drawn at random is found, in percent: what `SECURITY.md` says of it.
    #[test]
    fn most_texts_that_are_drawn_are_found() {
        const BASE62: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let small = BASE62.get(26..).expect("small letters and digits");
        let base64url = format!("{BASE62}-_");
        let base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let drawn = [
            ("letters and digits", BASE62, 16),
            ("letters and digits", BASE62, 20),
            ("letters and digits", BASE62, 32),
            ("small letters and digits", small, 20),
            ("small letters and digits", small, 24),
            ("small letters and digits", small, 32),
            ("base64url", base64url.as_str(), 22),
            ("base64url", base64url.as_str(), 43),
            ("base32", base32, 32),
            ("hexadecimal", "0123456789abcdef", 32),
        ];
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for ((name, alphabet, length), least) in drawn.into_iter().zip(LEAST_FOUND) {
            let mut draw = || {
                // xorshift64*
                random ^= random >> 12;
                random ^= random << 25;
                random ^= random >> 27;
                let at = (random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % alphabet.len();
                char::from(alphabet.as_bytes()[at])
            };
            let found = (0..DRAWN).filter(|_| looks_like_secret(&(0..length).map(|_| draw()).collect::<String>())).count();
            assert!(found * 100 >= least * DRAWN, "{name}, {length} characters: {found} of {DRAWN}");
        }
    }

    const DRAWN: usize = 2000;
    /// In percent, in the order of the sorts.
    const LEAST_FOUND: [usize; 10] = [72, 83, 99, 95, 94, 95, 85, 99, 95, 99];

    proptest! {
        #[test]
        fn drawn_texts_are_found(text in "[A-Za-z0-9]{40}") {
            prop_assume!(text.bytes().filter(u8::is_ascii_digit).count() >= 4);
            let changes = text.as_bytes().windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count();
            prop_assume!(changes >= 8);
            prop_assert!(looks_like_secret(&text));
        }

        #[test]
        fn any_text_is_taken(text in any::<String>()) {
            let _either = looks_like_secret(&text);
        }
    }
}
