//! Entity tags (RFC 9110, section 8.8.3) of replies of hosts that know a value of the devbox. Many hosts take a hash of the page for one, the page may show the value, and
//! guesses could be held against the hash without asking anybody. So the devbox is given a name for the tag, and where it says the name to the same host again,
//! the tag goes up.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;

use http::header::{ETAG, Entry, HeaderMap, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use model::Host;

use crate::unpoisoned::lock;

/// The tags that a devbox has names for.
pub(crate) struct Tags {
    /// What all names of this devbox begin with, as long as this gateway runs: names of an earlier one are none.
    beginning: String,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    names: HashMap<(Host, Vec<u8>), u64>,
    tags: HashMap<(Host, u64), Vec<u8>>,
    next: u64,
}

impl Tags {
    /// No tags yet.
    pub(crate) fn new() -> Self {
        let unlike_any = RandomState::new().hash_one("tags");
        Self { beginning: format!("\"tightlip-{unlike_any:016x}-"), known: Mutex::default() }
    }

    /// Puts a name in the place of a reply's tag.
    pub(crate) fn veil(&self, host: &Host, headers: &mut HeaderMap) {
        let Entry::Occupied(mut entry) = headers.entry(ETAG) else { return };
        let is_one = entry.iter().count() == 1;
        let value = entry.get().as_bytes();
        let (weak, tag) = value.strip_prefix(b"W/").map_or(("", value), |tag| ("W/", tag));
        let number = (is_one && tag.len() <= TAG_BYTES_MAX).then(|| lock(&self.known).number(host, tag));
        match number.map(|number| HeaderValue::from_str(&format!("{weak}{}{number:x}\"", self.beginning))) {
            Some(Ok(name)) => drop(entry.insert(name)),
            Some(Err(_)) | None => drop(entry.remove()),
        }
    }

    /// Puts tags in the places of their names in a request to the host that they are of.
    pub(crate) fn unveil(&self, host: &Host, headers: &mut HeaderMap) {
        for name in [IF_MATCH, IF_NONE_MATCH] {
            let Entry::Occupied(mut entry) = headers.entry(name) else { continue };
            for value in entry.iter_mut().filter(|value| value.to_str().is_ok_and(|text| text.contains(&self.beginning))) {
                let listed = value.as_bytes().split(|byte| *byte == b',').map(|one| self.tag(host, one.trim_ascii()));
                if let Ok(tags) = HeaderValue::from_bytes(&listed.collect::<Vec<_>>().join(&b", "[..])) {
                    *value = tags;
                }
            }
        }
    }

    /// The tag that this is a name of; otherwise what was given.
    fn tag(&self, host: &Host, said: &[u8]) -> Vec<u8> {
        let (weak, name) = said.strip_prefix(b"W/").map_or((&b""[..], said), |name| (&b"W/"[..], name));
        let number = name.strip_prefix(self.beginning.as_bytes()).and_then(|rest| rest.strip_suffix(b"\""));
        let number = number.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let tag = number.and_then(|number| lock(&self.known).tags.get(&(host.clone(), number)).cloned());
        tag.map_or_else(|| said.to_vec(), |tag| [weak, &tag].concat())
    }
}

impl Known {
    /// The number of a tag; the same for the same tag, as long as it is remembered. Where memory is full, all are forgotten: clients then ask for the whole again.
    fn number(&mut self, host: &Host, tag: &[u8]) -> u64 {
        let key = (host.clone(), tag.to_vec());
        if let Some(number) = self.names.get(&key) {
            return *number;
        }
        if self.names.len() >= TAGS_MAX {
            self.names.clear();
            self.tags.clear();
        }
        let number = self.next;
        self.next += 1;
        self.tags.insert((host.clone(), number), tag.to_vec());
        self.names.insert(key, number);
        number
    }
}

/// Hashes in hexadecimal, with room.
const TAG_BYTES_MAX: usize = 256;
/// Some hundred kilobytes.
const TAGS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        text.parse().expect("a host")
    }

    fn veiled(tags: &Tags, tag: &str) -> Option<String> {
        let mut headers = HeaderMap::from_iter([(ETAG, HeaderValue::from_str(tag).expect("a tag"))]);
        tags.veil(&host("a.example.com"), &mut headers);
        headers.get(ETAG).map(|name| name.to_str().expect("text").to_owned())
    }

    fn unveiled(tags: &Tags, to: &str, said: &str) -> String {
        let mut headers = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_str(said).expect("a list"))]);
        tags.unveil(&host(to), &mut headers);
        headers[IF_NONE_MATCH].to_str().expect("text").to_owned()
    }

    #[test]
    fn a_tag_goes_by_a_name_that_only_its_host_gets_back_as_the_tag() {
        let tags = Tags::new();
        let [strong, weak] = ["\"5d41402abc4b\"", "W/\"5d41402abc4b\""].map(|tag| veiled(&tags, tag).expect("a name"));
        assert!(!strong.contains("5d41402abc4b") && weak == format!("W/{strong}"));
        assert_eq!(veiled(&tags, "\"5d41402abc4b\"").as_ref(), Some(&strong), "the same tag has the same name");
        assert_ne!(veiled(&tags, "\"another\"").as_ref(), Some(&strong));
        let list = format!("\"x\",{weak}, {strong}");
        assert_eq!(unveiled(&tags, "a.example.com", &list), "\"x\", W/\"5d41402abc4b\", \"5d41402abc4b\"");
        assert_eq!(unveiled(&tags, "b.example.com", &strong), strong);
        assert_eq!(unveiled(&Tags::new(), "a.example.com", &strong), strong, "a name of another life");
        assert_eq!(unveiled(&tags, "a.example.com", "\"a,b\""), "\"a,b\"", "what is none of ours stays as it was");
    }

    #[test]
    fn memory_is_bounded_and_a_tag_that_is_too_long_is_dropped() {
        let tags = Tags::new();
        assert_eq!(veiled(&tags, &format!("\"{}\"", "x".repeat(TAG_BYTES_MAX))), None);
        let first = veiled(&tags, "\"first\"").expect("a name");
        for number in 0..TAGS_MAX {
            veiled(&tags, &format!("\"{number}\""));
        }
        assert!(lock(&tags.known).names.len() <= TAGS_MAX && lock(&tags.known).tags.len() <= TAGS_MAX);
        assert_eq!(unveiled(&tags, "a.example.com", &first), first, "a name that was forgotten leads to no other tag");
    }
}
